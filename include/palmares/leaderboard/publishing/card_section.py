"""The section that the leaderboard writes into its card: table, charts and notes, in English and French."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC
from urllib.parse import quote

from palmares.leaderboard.groups import Group
from palmares.leaderboard.publishing import charts
from palmares.leaderboard.publishing.card_words import ENGLISH, FRENCH, Words
from palmares.leaderboard.publishing.contents import Contents, ContentsRow, TaskValue
from palmares.leaderboard.publishing.safe_text import markdown_text
from palmares.leaderboard.publishing.settings import PublishingSettings
from palmares.leaderboard.suites import Suite, SuiteTask

NOTHING = "–"


_WORDS = {"en": ENGLISH, "fr": FRENCH}


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
        _WORDS[language].typeset(_in_language(contents, settings, _WORDS[language], repos))
        for language in settings.languages
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Repositories:
    contents: str
    results: str
    requests: str


def _in_language(contents: Contents, settings: PublishingSettings, words: Words, repos: _Repositories) -> str:
    hub = settings.hub_url.rstrip("/")
    whole = settings.leaderboard_url or f"{hub}/datasets/{repos.contents}/viewer"
    shown = contents.ranked[: settings.card_rows]
    parts = [f"## {words.heading.format(title=markdown_text(settings.title))}"]
    if shown:
        parts.append(
            words.counts.format(
                shown=len(shown), ranked=len(contents.ranked), whole=f"[{words.whole}]({whole})"
            )
            + " "
            + words.last.format(day=_last_day(contents.rows))
        )
        parts.append(_table(shown, contents.suite.columns, words, hub=hub, results_repo=repos.results))
        mean = words.weighted_mean if contents.suite.is_weighted else words.plain_mean
        parts.append(words.legend.format(mean=mean))
        if contents.is_mixed:
            parts.append(words.mixed)
        parts.append(f"![{words.scores_alt}]({charts.SCORES_PATH})")
        parts.append(f"![{words.cost_alt}]({charts.COST_PATH})")
    else:
        parts.append(words.empty)
    parts += _not_ranked(contents, words, hub=hub)
    parts.append(words.tasks)
    suite = contents.suite
    parts.append("\n".join(f"- {_how(column, suite, words)}" for column in suite.columns))
    parts.append(words.submit.format(requests=_dataset(repos.requests, hub=hub)))
    parts.append(words.load.format(repo_id=repos.contents))
    parts.append(words.provenance.format(results=_dataset(repos.results, hub=hub)))
    if contents.rows:
        url = settings.leaderboard_url or f"{hub}/datasets/{repos.contents}"
        title = settings.title.replace("{", "").replace("}", "").replace("`", "")
        parts.append(words.cite.format(title=title, year=_last_day(contents.rows)[:4], url=url))
    return "\n\n".join(parts)


def _dataset(repo_id: str, *, hub: str) -> str:
    return f"[{repo_id}]({hub}/datasets/{repo_id})"


def _table(
    rows: Sequence[ContentsRow],
    columns: Sequence[SuiteTask | Group],
    words: Words,
    *,
    hub: str,
    results_repo: str,
) -> str:
    titles = [
        words.average,
        *(column.title for column in columns),
        words.parameters,
        words.hours,
        words.carbon,
    ]
    cells = [["#", words.model, *titles, words.result]]
    for row in rows:
        values = [(row.values or {}).get(column.name) for column in columns]
        carbon = row.result.cost.carbon_kg
        parameters = row.result.manifest.model.parameters or row.result.submission.about.parameters
        folder = f"{hub}/datasets/{results_repo}/tree/main/{quote(row.result.submission.model_id)}"
        cells.append(
            [
                str(row.rank),
                _model(row, words, hub=hub),
                f"**{_per_cent(row.average, row.average_stderr, words)}**",
                *(_value(value, words) for value in values),
                NOTHING if parameters is None else words.count(parameters),
                words.quantity(row.result.cost.gpu_hours),
                NOTHING if carbon is None else words.quantity(carbon),
                f"[{row.result.manifest.ended_at.astimezone(UTC).date().isoformat()}]({folder})",
            ]
        )
    # A column without a value says nothing.
    kept = [place for place in range(len(cells[0])) if any(line[place] != NOTHING for line in cells[1:])]
    marks = [":--" if place == 1 else "--:" for place in kept]
    head, *body = ([line[place] for place in kept] for line in cells)
    return "\n".join(_line(line) for line in (head, marks, *body))


def _not_ranked(contents: Contents, words: Words, *, hub: str) -> list[str]:
    parts = []
    for heading, rows in (
        (words.flagged, [row for row in contents.rows if row.is_flagged]),
        (words.withdrawn, [row for row in contents.rows if row.is_withdrawn]),
    ):
        if rows:
            parts.append(f"### {heading}")
            parts.append("\n".join(_decision(row, words, hub=hub) for row in rows))
    if contents.incomplete:
        titles = {task.name: markdown_text(task.title) for task in contents.suite.tasks}
        parts.append(f"### {words.incomplete}")
        parts.append(
            "\n".join(
                f"- {markdown_text(model)}{words.colon}{', '.join(titles[name] for name in missing)}"
                for model, missing in sorted(contents.incomplete.items())
            )
        )
    return parts


def _decision(row: ContentsRow, words: Words, *, hub: str) -> str:
    assert row.moderation is not None
    score = "" if row.average is None else f", {_per_cent(row.average, row.average_stderr, words)}"
    link = f" ([{words.link}]({row.moderation.link}))" if row.moderation.link else ""
    return f"- {_model(row, words, hub=hub)}{score}{words.colon}{markdown_text(row.moderation.reason)}{link}"


def _model(row: ContentsRow, words: Words, *, hub: str) -> str:
    link = f"[{markdown_text(row.model_id)}]({hub}/{quote(row.model_id)})"
    notes = []
    if row.former_names:
        names = ", ".join(markdown_text(name) for name in row.former_names)
        notes.append(words.formerly.format(names=names))
    if not row.result.submission.use_chat_template:
        notes.append(words.no_template)
    return f"{link} ({'; '.join(notes)})" if notes else link


def _value(value: TaskValue | None, words: Words) -> str:
    return NOTHING if value is None else _per_cent(value.shown, value.stderr, words, value.interval)


def _per_cent(
    value: float | None,
    stderr: float | None,
    words: Words,
    interval: tuple[float, float] | None = None,
) -> str:
    if value is None:
        return NOTHING
    text = words.number(100 * value, 1)
    if stderr is not None:
        return f"{text} ± {words.number(100 * stderr, 1)}"
    if interval is None:
        return text
    low, high = (words.number(100 * end, 1) for end in interval)
    return f"{text} [{low} – {high}]"


def _how(column: SuiteTask | Group, suite: Suite, words: Words) -> str:
    if isinstance(column, SuiteTask):
        return f"{markdown_text(column.title)}{words.colon}{_how_scored(column, words)}."
    tasks = suite.tasks_of(column)
    mean = words.mean_by_size if column.mean == "by_size" else words.mean_of_tasks
    ways = dict.fromkeys(_how_scored(task, words) for task in tasks)
    parts = [mean.format(tasks=len(tasks)), *ways] if len(ways) == 1 else [mean.format(tasks=len(tasks))]
    return f"{markdown_text(column.title)}{words.colon}{words.semicolon.join(parts)}."


def _how_scored(task: SuiteTask, words: Words) -> str:
    metrics = [f"`{metric}`" for metric in task.metric.of]
    joined = words.mean_of.format(metrics=words.conjunction.join(metrics)) if len(metrics) > 1 else metrics[0]
    guessed = (
        words.normalised.format(baseline=words.number(100 * task.metric.baseline, 0))
        if task.metric.baseline
        else ""
    )
    how = words.generated if task.kind == "generate" else words.chosen
    if shots := task.benchmark.num_fewshot:
        how += f", {words.shots.format(shots=shots)}"
    return f"{joined}{guessed}{words.semicolon}{how}"


def _last_day(rows: Sequence[ContentsRow]) -> str:
    return max(row.result.manifest.ended_at for row in rows).astimezone(UTC).date().isoformat()


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
