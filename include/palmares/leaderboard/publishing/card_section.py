"""The section that the leaderboard writes into its card: table, charts and notes, in its languages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC
from functools import reduce
from urllib.parse import quote

from palmares.leaderboard.groups import Group
from palmares.leaderboard.publishing import charts
from palmares.leaderboard.publishing.contents import Contents, ContentsRow, TaskValue
from palmares.leaderboard.publishing.safe_text import markdown_text
from palmares.leaderboard.publishing.settings import PublishingSettings
from palmares.leaderboard.suites import Suite, SuiteTask
from palmares.texts import Language, Message, formatted, listed, message, typeset

NOTHING = "–"

_REQUEST = (
    '```json\n{"model": "org/model", "revision": "main", "precision": "bfloat16", '
    '"weight_type": "Original", "status": "PENDING"}\n```'
)
_REQUEST_PATH = "`org/model_eval_request_False_bfloat16_Original.json`"
_CITATION = (
    "```bibtex\n@misc{{palmares,\n  title = {{{title}}},\n  year = {{{year}}},\n"
    "  howpublished = {{{url}}}\n}}\n```"
)
_LOAD = (
    '```python\nfrom datasets import load_dataset\n\ncontents = load_dataset("{repo_id}", split="train")\n```'
)


def card_section(
    contents: Contents,
    settings: PublishingSettings,
    *,
    repo_id: str,
    results_repo: str,
    requests_repo: str,
) -> str:
    """Write the section; the same leaderboard gives the same text, so no time of writing is in it.

    Args:
        contents: The leaderboard.
        settings: Title, addresses, and how many rows are shown.
        repo_id: The card's dataset.
        results_repo: Where results and their provenance are.
        requests_repo: Where models are submitted.
    """
    repos = _Repositories(contents=repo_id, results=results_repo, requests=requests_repo)
    return "\n\n".join(
        typeset(_in_language(contents, settings, language, repos), language)
        for language in settings.languages
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Repositories:
    contents: str
    results: str
    requests: str


def _in_language(
    contents: Contents, settings: PublishingSettings, language: Language, repos: _Repositories
) -> str:
    hub, suite = settings.hub_url.rstrip("/"), contents.suite
    shown = contents.ranked[: settings.card_rows]
    heading = message("{title}: the leaderboard", title=markdown_text(settings.title))
    parts = [f"## {heading.text(language)}"]
    if shown:
        parts.append(_counts(contents, settings, shown=len(shown), repos=repos).text(language))
        parts.append(_table(shown, suite.columns, language, hub=hub, results_repo=repos.results))
        parts += [one.text(language) for one in _legend(contents)]
        parts += [f"![{what.text(language)}]({path})" for what, path in _pictures()]
    else:
        parts.append(message("No model is ranked yet.").text(language))
    parts += _not_ranked(contents, language, hub=hub)
    parts.append(_heading(message("The tasks"), language))
    parts.append("\n".join(f"- {_how(column, suite).text(language)}" for column in suite.columns))
    parts += _submit(_dataset(repos.requests, hub=hub), language)
    parts.append(message("The whole table, with raw scores and standard errors:").text(language))
    parts.append(_LOAD.format(repo_id=repos.contents))
    parts.append(_provenance(_dataset(repos.results, hub=hub)).text(language))
    if contents.rows:
        url = settings.leaderboard_url or f"{hub}/datasets/{repos.contents}"
        title = settings.title.replace("{", "").replace("}", "").replace("`", "")
        parts.append(_heading(message("How to cite"), language))
        parts.append(_CITATION.format(title=title, year=_last_day(contents.rows)[:4], url=url))
    return "\n\n".join(parts)


def _counts(contents: Contents, settings: PublishingSettings, *, shown: int, repos: _Repositories) -> Message:
    hub = settings.hub_url.rstrip("/")
    return message(
        "The best {shown} of {ranked} ranked models; [the whole leaderboard]({whole}). Last evaluation: "
        "{day}.",
        shown=shown,
        ranked=len(contents.ranked),
        whole=settings.leaderboard_url or f"{hub}/datasets/{repos.contents}/viewer",
        day=_last_day(contents.rows),
    )


def _legend(contents: Contents) -> list[Message]:
    mean = message("weighted mean") if contents.suite.is_weighted else message("plain mean")
    found = [
        message(
            "Values in per cent, ± one standard error; the average is the {mean} of the columns. GPU-hours "
            "and carbon are of the evaluation, not of the training.",
            mean=mean,
        )
    ]
    if any(row.placing is not None for row in contents.ranked):
        found.append(
            message(
                "A rank such as 2–5 names every place that the evaluated rows allow with 95 % confidence: "
                "models that share places are ties. The order within them is of the averages alone."
            )
        )
    if contents.is_mixed:
        found.append(
            message(
                "**Some results were made with another version of the tasks, the evaluator or the scorer** "
                "(columns `Suite Hash` and `Evaluator`, and each provenance): compare those with care."
            )
        )
    return found


def _pictures() -> list[tuple[Message, str]]:
    scores = message("Scores of each model with 95 % intervals; the numbers are in the table above")
    cost = message("Average against the GPU-hours of the evaluation; the numbers are in the table above")
    return [(scores, charts.SCORES_PATH), (cost, charts.COST_PATH)]


def _submit(requests: str, language: Language) -> list[str]:
    return [
        _heading(message("How to submit a model"), language),
        message(
            "Open a pull request to {requests} with a file {path}:", requests=requests, path=_REQUEST_PATH
        ).text(language),
        _REQUEST,
        message(
            "The model is evaluated in one of the next nights; the file's `status` and `error_msg` tell how "
            "far."
        ).text(language),
    ]


def _provenance(results: str) -> Message:
    return message(
        "Each result lies in {results}, with its provenance: commits, versions, hashes, seeds, plan, cost, "
        "and the command that reproduces it. Questions and answers are hidden.",
        results=results,
    )


def _heading(text: Message, language: Language) -> str:
    return f"### {text.text(language)}"


def _dataset(repo_id: str, *, hub: str) -> str:
    return f"[{repo_id}]({hub}/datasets/{repo_id})"


def _table(
    rows: Sequence[ContentsRow],
    columns: Sequence[SuiteTask | Group],
    language: Language,
    *,
    hub: str,
    results_repo: str,
) -> str:
    titles = [
        "#",
        message("Model").text(language),
        message("Average").text(language),
        *(column.title for column in columns),
        message("Parameters").text(language),
        message("GPU-hours").text(language),
        message("CO₂ (kg)").text(language),
        message("Result").text(language),
    ]
    cells = [titles]
    for row in rows:
        values = [(row.values or {}).get(column.name) for column in columns]
        carbon = row.result.cost.carbon_kg
        parameters = row.result.manifest.model.parameters or row.result.submission.about.parameters
        folder = f"{hub}/datasets/{results_repo}/tree/main/{quote(row.result.submission.model_id)}"
        cells.append(
            [
                rank_text(row),
                _model(row, language, hub=hub),
                f"**{_per_cent(row.average, row.average_stderr, language)}**",
                *(_value(value, language) for value in values),
                NOTHING if parameters is None else parameter_count(parameters, language),
                quantity(row.result.cost.gpu_hours, language),
                NOTHING if carbon is None else quantity(carbon, language),
                f"[{row.result.manifest.ended_at.astimezone(UTC).date().isoformat()}]({folder})",
            ]
        )
    # A column without a value says nothing.
    kept = [place for place in range(len(cells[0])) if any(line[place] != NOTHING for line in cells[1:])]
    marks = [":--" if place == 1 else "--:" for place in kept]
    head, *body = ([line[place] for place in kept] for line in cells)
    return "\n".join(_line(line) for line in (head, marks, *body))


def _not_ranked(contents: Contents, language: Language, *, hub: str) -> list[str]:
    parts = []
    for heading, rows in (
        (message("Flagged"), [row for row in contents.rows if row.is_flagged]),
        (message("Withdrawn"), [row for row in contents.rows if row.is_withdrawn]),
    ):
        if rows:
            parts.append(_heading(heading, language))
            parts.append("\n".join(_decision(row, language, hub=hub) for row in rows))
    if contents.incomplete:
        titles = {task.name: markdown_text(task.title) for task in contents.suite.tasks}
        parts.append(_heading(message("Not displayed: a task has no score"), language))
        parts.append(
            "\n".join(
                f"- {_about(markdown_text(model), _named(missing, titles)).text(language)}"
                for model, missing in sorted(contents.incomplete.items())
            )
        )
    return parts


def _named(tasks: Iterable[str], titles: Mapping[str, str]) -> str:
    return ", ".join(titles[name] for name in tasks)


def _about(what: str, how: str | Message) -> Message:
    return message("{what}: {how}", what=what, how=how)


def _decision(row: ContentsRow, language: Language, *, hub: str) -> str:
    assert row.moderation is not None
    score = "" if row.average is None else f", {_per_cent(row.average, row.average_stderr, language)}"
    why = message("why").text(language)
    link = f" ([{why}]({row.moderation.link}))" if row.moderation.link else ""
    reason = f"{markdown_text(row.moderation.reason)}{link}"
    return f"- {_about(f'{_model(row, language, hub=hub)}{score}', reason).text(language)}"


def _model(row: ContentsRow, language: Language, *, hub: str) -> str:
    link = f"[{markdown_text(row.model_id)}]({hub}/{quote(row.model_id)})"
    notes = []
    if row.former_names:
        names = ", ".join(markdown_text(name) for name in row.former_names)
        notes.append(message("formerly {names}", names=names))
    if not row.result.submission.use_chat_template:
        notes.append(message("without chat template"))
    return f"{link} ({'; '.join(one.text(language) for one in notes)})" if notes else link


def _value(value: TaskValue | None, language: Language) -> str:
    return NOTHING if value is None else _per_cent(value.shown, value.stderr, language, value.interval)


def _per_cent(
    value: float | None,
    stderr: float | None,
    language: Language,
    interval: tuple[float, float] | None = None,
) -> str:
    if value is None:
        return NOTHING
    text = formatted(100 * value, ".1f", language)
    if stderr is not None:
        return f"{text} ± {formatted(100 * stderr, '.1f', language)}"
    if interval is None:
        return text
    low, high = (formatted(100 * end, ".1f", language) for end in interval)
    return f"{text} [{low} – {high}]"


def rank_text(row: ContentsRow) -> str:
    """``3``, or ``2–5`` where the evaluated rows cannot say more."""
    if row.placing is None or row.placing.best == row.placing.worst:
        return str(row.rank)
    return f"{row.placing.best}–{row.placing.worst}"


def parameter_count(value: float, language: Language) -> str:
    """A number of parameters as people write it: 7 B, 140 k."""
    for limit, scale in (
        (1e9, message("{number}\u00a0B", number=quantity(value / 1e9, language))),
        (1e6, message("{number}\u00a0M", number=quantity(value / 1e6, language))),
        (1e3, message("{number}\u00a0k", number=quantity(value / 1e3, language))),
    ):
        if value >= limit:
            return scale.text(language)
    return f"{value:.0f}"


def quantity(value: float, language: Language) -> str:
    """*value* with three significant digits, or all of those before the decimal sign."""
    return formatted(value, ".0f" if value >= 100 else ".3g", language)


def _how(column: SuiteTask | Group, suite: Suite) -> Message:
    title = markdown_text(column.title)
    if isinstance(column, SuiteTask):
        return message("{what}: {how}.", what=title, how=_how_scored(column))
    tasks = suite.tasks_of(column)
    if column.mean == "by_size":
        mean = message("mean of {tasks} tasks, each weighted by its number of rows", tasks=len(tasks))
    else:
        mean = message("mean of {tasks} tasks", tasks=len(tasks))
    ways = list({way.en: way for way in map(_how_scored, tasks)}.values())
    return message("{what}: {how}.", what=title, how=listed([mean, *ways] if len(ways) == 1 else [mean]))


def _how_scored(task: SuiteTask) -> Message:
    metrics = [f"`{metric}`" for metric in task.metric.of]
    scored: str | Message = metrics[0]
    if len(metrics) > 1:
        scored = message("mean of {metrics}", metrics=_joined(metrics))
    if task.metric.baseline:
        scored = message(
            "{metric}, rescaled so that guessing ({baseline:.0f} %) counts as 0",
            metric=scored,
            baseline=100 * task.metric.baseline,
        )
    how = (
        message("answers are written by the model")
        if task.kind == "generate"
        else message("the answer is the most likely of the given ones")
    )
    if shots := task.benchmark.num_fewshot:
        how = message("{how}, {shots} examples in the prompt", how=how, shots=shots)
    return message("{scored}; {how}", scored=scored, how=how)


def _joined(metrics: Iterable[str]) -> str | Message:
    def both(before: str | Message, after: str | Message) -> Message:
        return message("{before} and {after}", before=before, after=after)

    names: Iterable[str | Message] = metrics
    return reduce(both, names)


def _last_day(rows: Sequence[ContentsRow]) -> str:
    return max(row.result.manifest.ended_at for row in rows).astimezone(UTC).date().isoformat()


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
