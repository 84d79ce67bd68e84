"""Shows a planner's answer on a terminal: the verdict, one GPU's memory as a bar, and the sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from palmares.cli.planning.answer import Answer
from palmares.leaderboard.planning.plan import Alternative, JobPlan
from palmares.texts import typeset


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """One kind of use: how it is drawn and called."""

    letter: str
    """Drawn on the bar's colour, so that neither is needed to tell the uses apart."""
    style: str
    title: str


USES: dict[str, Use] = {
    "weights": Use(letter="W", style="black on bright_blue", title="weights"),
    "activations": Use(letter="A", style="black on bright_magenta", title="activations of one step"),
    "graphs": Use(letter="G", style="black on bright_yellow", title="CUDA graphs"),
    "communication": Use(letter="C", style="black on bright_red", title="communication between GPUs (NCCL)"),
    "engine": Use(letter="E", style="black on bright_cyan", title="the engine's own"),
    "kv": Use(letter="K", style="black on bright_green", title="KV cache of the sequences at once"),
    "free": Use(letter="·", style="bright_black", title="free for more KV cache"),
    "reserve": Use(letter=" ", style="bright_black", title="left to others (gpu_memory_utilization)"),
}
"""By member of ``bytes_per_gpu``, in the bar's order."""


def gibibytes(size: float) -> str:
    """Bytes for people: GiB, or MiB where GiB would be 0.0."""
    return f"{size / 2**30:,.1f} GiB" if abs(size) >= 2**30 / 10 else f"{size / 2**20:,.1f} MiB"


def parts_of(bytes_per_gpu: Mapping[str, int], *, total: int) -> dict[str, int]:
    """Split *total* bytes of a GPU by use, in the bar's order; what no use claims is ``reserve``."""
    known = [name for name in USES if name in bytes_per_gpu]
    others = [name for name in bytes_per_gpu if name not in USES and name not in {"total", "usable"}]
    parts = {name: max(0, bytes_per_gpu[name]) for name in (*known, *others)}
    rest = total - sum(parts.values())
    if "reserve" not in parts and rest > 0:
        parts["reserve"] = rest
    return parts


def cells_of(parts: Mapping[str, int], *, width: int) -> dict[str, int]:
    """Share *width* cells out by size: they add up, and every use that is not nothing has one at least."""
    total = sum(parts.values())
    if total <= 0:
        return {}
    shown = {name: size for name, size in parts.items() if size > 0}
    cells = {name: max(1, int(width * size / total)) for name, size in shown.items()}
    while sum(cells.values()) < width:  # the largest remainder first
        name = max(cells, key=lambda name: width * shown[name] / total - cells[name])
        cells[name] += 1
    while sum(cells.values()) > width:
        name = max(cells, key=lambda name: cells[name])
        cells[name] -= 1
    return cells


def bar(parts: Mapping[str, int], *, width: int) -> Text:
    """Draw the bar in *width* cells, without its frame."""
    text = Text(no_wrap=True)
    for name, cells in cells_of(parts, width=width).items():
        use = use_of(name)
        text.append(use.letter * cells, style=use.style)
    return text


def use_of(name: str) -> Use:
    """How a use is drawn; one that is not known here is drawn with a question mark and called by its name."""
    return USES.get(name) or Use(letter="?", style="black on white", title=name)


WIDEST = 100
"""Longer lines are hard to read."""
FEW = 3
"""Alternatives shown without ``--explain``."""
VERDICTS = {
    "placed": ("green", "placed"),
    "too_large": ("red", "too large"),
    "incompatible": ("red", "incompatible"),
}


def show(answer: Answer, others: Sequence[Answer], *, explain: bool, console: Console) -> None:
    """Print everything that an operator reads; with *explain* also what a planner's author would."""
    console = Console(
        file=console.file,
        width=min(console.width, WIDEST),
        color_system=console.color_system,  # type: ignore[arg-type]
        force_terminal=console.is_terminal,
        no_color=console.no_color,
        highlight=False,
    )
    style, word = VERDICTS[answer.verdict]
    headline = Text.assemble(
        (answer.model_id, "bold"),
        ": ",
        (word, f"bold {style}"),
        f" on {answer.cluster.title or answer.cluster.name}",
    )
    console.print(headline)
    if answer.plan is not None:
        console.print(_facts(answer, answer.plan))
        if answer.plan.bytes_per_gpu:
            console.print()
            _memory(answer, answer.plan.bytes_per_gpu, console)
    _sentences("Why", answer.reasons, console)
    if explain:
        _sentences("Pourquoi", [typeset(reason, "fr") for reason in answer.reasons_fr], console)
        rules = [f"{one.rule}: {one.detail.en} ({one.source})" for one in answer.checks]
        _sentences("Rules that it keeps", rules, console)
    if answer.plan is not None:
        _alternatives(answer.plan.alternatives, console, most=None if explain else FEW)
    if others:
        _other_clusters(others, console)


def _facts(answer: Answer, plan: JobPlan) -> RenderableType:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bright_black", no_wrap=True)
    table.add_column()
    shape = f"{_count(plan.nodes, 'node')} of {_count(plan.gpus_per_node, 'GPU')}"
    if plan.reserved_gpus > plan.nodes * plan.gpus_per_node:
        shape += f" ({plan.reserved_gpus} GPUs reserved)"
    table.add_row(
        "where",
        f"{shape}, tensor parallel {plan.tensor_parallel_size}, pipeline parallel "
        f"{plan.pipeline_parallel_size}; queue {plan.queue}",
    )
    eager = ", eager" if plan.enforce_eager else ""
    table.add_row(
        "engine",
        f"{plan.backend}, {plan.dtype}{eager}, {plan.max_model_len:,} tokens of context, at most "
        f"{_count(plan.max_num_seqs, 'sequence')} at once",
    )
    carbon = f", {plan.carbon_kg:g} kg CO2" if plan.carbon_kg else ""
    table.add_row("time", f"wall time {plan.walltime} (HH:MM), forecast {plan.gpu_hours:g} GPU-hours{carbon}")
    if plan.overridden:
        table.add_row("override", f"set by hand: {', '.join(plan.overridden)}")
    return Padding(table, (0, 0, 0, 2), expand=False)


def _memory(answer: Answer, uses: Mapping[str, int], console: Console) -> None:
    total = uses.get("total") or answer.cluster.gpu_memory_bytes
    parts = parts_of(uses, total=total)
    console.print(Text.assemble(("Memory of each GPU", "bold"), f", {gibibytes(total)}"))
    width = min(console.width, WIDEST) - 4
    console.print(Text.assemble("  [", bar(parts, width=width - 2), "]"))
    legend = Table.grid(padding=(0, 1))
    legend.add_column(width=3, justify="center")
    legend.add_column(justify="right", no_wrap=True)
    legend.add_column(justify="right", no_wrap=True)
    legend.add_column()
    for name, size in parts.items():
        if size <= 0:
            continue
        use = use_of(name)
        share = 100 * size / max(total, sum(parts.values()))
        legend.add_row(Text(f" {use.letter} ", style=use.style), gibibytes(size), f"{share:.0f} %", use.title)
    console.print(Padding(legend, (0, 0, 0, 2), expand=False))


def _sentences(title: str, sentences: Sequence[str], console: Console) -> None:
    if not sentences:
        return
    console.print()
    console.print(Text(title, style="bold"))
    table = Table.grid(padding=(0, 1))
    table.add_column(width=1)
    table.add_column(overflow="fold")
    for sentence in sentences:
        table.add_row("•", Text(sentence))
    console.print(Padding(table, (0, 0, 0, 2), expand=False))


def _alternatives(alternatives: Sequence[Alternative], console: Console, *, most: int | None) -> None:
    lines = [
        f"{_count(one.nodes, 'node')} of {_count(one.gpus_per_node, 'GPU')}, tensor parallel "
        f"{one.tensor_parallel_size}, pipeline parallel {one.pipeline_parallel_size}: {one.why}"
        for one in alternatives
    ]
    shown = lines if most is None else lines[:most]
    if len(shown) < len(lines):
        shown.append(f"{len(lines) - len(shown)} more: --explain")
    _sentences("What lost, and why", shown, console)


def _other_clusters(others: Sequence[Answer], console: Console) -> None:
    lines = []
    for one in others:
        if one.plan is None:
            lines.append(f"{one.cluster.name}: {VERDICTS[one.verdict][1]}")
            continue
        plan = one.plan
        lines.append(
            f"{one.cluster.name}: {plan.nodes} x {plan.gpus_per_node} GPU, wall time {plan.walltime}, "
            f"{plan.gpu_hours:g} GPU-hours"
        )
    _sentences("On the other clusters", lines, console)


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number:,} {word}s"
