"""Writes ``.eval_results/*.yaml``: scores as the Hub shows them on a model's own page."""

from __future__ import annotations

from palmares.leaderboard.publishing.settings import EvalResultsSettings
from palmares.leaderboard.results.manifest import Manifest
from palmares.leaderboard.scoring.score import ScoredResults
from palmares.leaderboard.submissions.submission import Submission


def eval_results_yaml(
    submission: Submission,
    *,
    manifest: Manifest,
    scored: ScoredResults,
    settings: EvalResultsSettings,
    title: str,
    source_url: str,
) -> bytes | None:
    """Write the entries of the tasks that are registered benchmarks (huggingface.co/docs/hub/eval-results).

    The model's owner, or a pull request, brings the file into the model's repository: the leaderboard has no
    right to write there.

    Args:
        submission: What was evaluated.
        manifest: Says when.
        scored: Values are written in per cent, not normalised, as the Hub's leaderboards do.
        settings: Which task is which benchmark.
        title: Of the leaderboard.
        source_url: Where the provenance is.

    Returns:
        YAML; None: no task of this result is a registered benchmark.

    Raises:
        ValueError: The run was limited.
    """
    import yaml
    from huggingface_hub import EvalResultEntry, eval_result_entries_to_yaml

    if scored.preliminary:
        raise ValueError(f"{submission.model_id}: a limited run is preliminary and not published")
    notes = [f"commit {submission.revision}", submission.precision]
    notes.append("chat template" if submission.use_chat_template else "no chat template")
    entries = []
    for name, score in scored.scores.items():
        if (benchmark := settings.benchmarks.get(name)) is None:
            continue
        stderr = [] if score.stderr is None else [f"standard error {100 * score.stderr:.2f}"]
        entries.append(
            EvalResultEntry(
                dataset_id=benchmark.id,
                task_id=benchmark.task_id,
                dataset_revision=benchmark.revision,
                value=round(100 * score.value, 4),
                date=manifest.ended_at.isoformat(),
                source_url=source_url,
                source_name=title,
                notes=", ".join([*notes, *stderr]),
            )
        )
    if not entries:
        return None
    text: str = yaml.safe_dump(eval_result_entries_to_yaml(entries), allow_unicode=True, sort_keys=False)
    return text.encode()
