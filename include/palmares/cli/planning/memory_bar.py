"""One GPU's memory as a bar, by use, that can be read with and without colours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rich.text import Text


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
