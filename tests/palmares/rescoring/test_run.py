"""A tree is re-scored: what can be is, what cannot be is named, and nothing is lost."""

from __future__ import annotations

import errno
import json
import math
import os
import signal
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from french_answers import GradingPolicy
from palmares.benchmarks import registry
from palmares.benchmarks.scorer import Grade, Scorer
from palmares.rescoring import atomic, grading, records

from tests.palmares.leaderboard.details.layouts import ANSWERS, LAYOUTS, Answer
from tests.palmares.rescoring.tree import AFTER, BEFORE, TASK, TIME, leaderboard_scores

STDERR = math.sqrt(AFTER * (1 - AFTER) / (len(ANSWERS) - 1))


class NewerScorer:
    """Calls everything right: a later version of the scorer."""

    name, version, code_hash = "bac-fr", "99", "f" * 64

    def grade(self, row):
        return Grade(correct=True, extracted=None, method="newer", reason="Always.")


def use(monkeypatch, scorer):
    monkeypatch.setattr(registry, "text_scorers", lambda _=None: {"bac-fr": scorer})


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_is_graded_and_its_results_file_updated(tree, layout):
    details = tree.add(layout=layout)
    original = details.read_bytes()

    outcome = tree.rescore()

    assert (outcome.exit_status, outcome.problems) == (0, [])
    scores = tree.read_scores()
    task, suffix = ("bac-fr", ",none") if layout == "samples" else (TASK, "")
    assert scores["results"][task][f"bac-fr-qem{suffix}"] == AFTER
    assert scores["results"][task][f"bac-fr-qem_stderr{suffix}"] == pytest.approx(STDERR)
    assert details.read_bytes() == original
    graded = details.with_name(details.stem.replace("details_", "graded_").replace("samples_", "graded_"))
    records = [json.loads(line) for line in Path(f"{graded}.jsonl").read_text().splitlines()]
    assert [(one["row_id"], one["before"], one["correct"]) for one in records] == [
        ("r0", False, True), ("r1", True, False), ("r2", True, True), ("r3", True, True), ("r4", False, True),
    ]  # fmt: skip


def test_graded_records_hold_no_text_of_a_row(tree):
    details = tree.add(answers=[Answer(row_id="r0", gold="canari doré", said="le canari doré", before=0)])

    tree.rescore()

    for path in details.parent.iterdir():
        if path != details:
            assert b"canari" not in path.read_bytes()


def test_a_second_run_changes_nothing(tree):
    tree.add()
    tree.add("org/other", layout="samples")
    tree.rescore()
    before = tree.contents()

    outcome = tree.rescore()

    assert [one.kept for one in outcome.graded] == [True, True]
    assert [one.state for one in outcome.scores] == ["unchanged", "unchanged"]
    assert tree.contents() == before


def test_a_run_that_was_broken_off_before_the_results_file_is_taken_up_there(tree, monkeypatch):
    tree.add()
    monkeypatch.setattr("palmares.rescoring.run.update_scores", _broken_off)
    with pytest.raises(KeyboardInterrupt):
        tree.rescore()
    monkeypatch.undo()

    outcome = tree.rescore()

    assert [one.kept for one in outcome.graded] == [True]
    assert tree.read_scores()["results"][TASK]["bac-fr-qem"] == AFTER


def _broken_off(*_, **__):
    raise KeyboardInterrupt


def test_details_that_changed_are_graded_again(tree):
    tree.add()
    tree.rescore()
    tree.add(answers=ANSWERS[:2], scores=tree.read_scores())

    outcome = tree.rescore()

    assert [one.kept for one in outcome.graded] == [False]
    assert tree.read_scores()["results"][TASK]["bac-fr-qem"] == 0.5


def test_graded_records_that_were_damaged_are_made_again(tree):
    tree.add()
    graded = tree.rescore().graded[0].file.graded
    whole = graded.read_bytes()
    graded.write_bytes(whole[:-40])

    assert [one.kept for one in tree.rescore().graded] == [False]
    assert graded.read_bytes() == whole


def test_force_grades_again_and_remembers_what_came_before(tree):
    tree.add()
    tree.rescore()
    before = tree.contents()

    outcome = tree.rescore(force=True)

    assert [one.kept for one in outcome.graded] == [False]
    assert tree.contents() == before


def test_a_newer_scorer_is_compared_with_the_older_one_whose_values_and_records_stay(tree, monkeypatch):
    tree.add()
    first = tree.rescore().graded[0]
    use(monkeypatch, NewerScorer())

    outcome = tree.rescore()

    counts = outcome.graded[0].counts
    assert (counts.correct_before, counts.to_right, counts.to_wrong) == (4, 1, 0)
    history = tree.read_scores()["palmares_rescoring"][TASK]["history"]
    assert [(one["value"], one["scorer"]["name"], one["scorer"]["version"]) for one in history] == [
        (BEFORE, "evaluator", 0),
        (AFTER, "bac-fr", first.scorer.version),
    ]
    assert tree.read_scores()["results"][TASK]["bac-fr-qem"] == 1.0
    assert tree.read_scores()["versions"][f"{TASK}|scorer"] == "99"
    kept = list(first.file.graded.parent.glob("graded_*.bac-fr-*.jsonl"))
    assert len(kept) == 1
    assert b'"before": false' in kept[0].read_bytes()


def test_going_back_to_the_older_scorer_is_one_more_turn_of_the_history(tree, monkeypatch):
    tree.add()
    tree.rescore()
    use(monkeypatch, NewerScorer())
    tree.rescore()
    monkeypatch.undo()

    tree.rescore()

    record = tree.read_scores()["palmares_rescoring"][TASK]
    assert record["value"] == AFTER
    assert [one["value"] for one in record["history"]] == [BEFORE, AFTER, 1.0]


def test_a_dry_run_grades_and_writes_nothing(tree):
    tree.add()
    before = tree.contents()

    outcome = tree.rescore(dry_run=True, keep_ids=True)

    assert tree.contents() == before
    assert [one.state for one in outcome.scores] == ["would_update"]
    assert [(one.before, one.after) for one in outcome.scores[0].changes] == [(BEFORE, AFTER)]
    assert outcome.graded[0].counts.right_ids == ["r0", "r4"]


def test_two_processes_come_to_the_same_as_one(tree, tmp_path):
    for number in range(6):
        tree.add(f"org/model-{number}", layout=list(LAYOUTS)[number % 5])
    tree.rescore(workers=2)
    two = tree.contents()
    for path in two:
        path.unlink()
    for number in range(6):
        tree.add(f"org/model-{number}", layout=list(LAYOUTS)[number % 5])

    tree.rescore(workers=1)

    assert tree.contents() == two


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize(("group", "parts"), [(7, 8), (100, 4), (35, 9)])
def test_a_large_file_is_graded_in_parts_in_order(tree, monkeypatch, workers, group, parts):
    monkeypatch.setattr(grading, "PART_ROWS", 10)
    answers = [Answer(row_id=f"r{n}", gold="1", said=str(n % 2), before=0) for n in range(100)]
    details = tree.add(answers=answers)
    pq.write_table(pq.read_table(details), details, row_group_size=group)
    assert len(grading.plan_parts(details)) == parts

    outcome = tree.rescore(workers=workers, keep_ids=True)

    graded = outcome.graded[0]
    assert (graded.counts.rows, graded.counts.correct) == (100, 50)
    assert [one["row_id"] for one in records.records(graded.file.graded)] == [a.row_id for a in answers]
    assert sorted(path.suffix for path in details.parent.iterdir()) == [".json", ".jsonl", ".parquet"]


def test_parts_find_their_earlier_verdicts(tree, monkeypatch):
    monkeypatch.setattr(grading, "PART_ROWS", 10)
    answers = [Answer(row_id=f"r{n}", gold="1", said=str(n % 2), before=0) for n in range(40)]
    details = tree.add(answers=answers)
    pq.write_table(pq.read_table(details), details, row_group_size=10)
    tree.rescore()
    use(monkeypatch, NewerScorer())

    tree.rescore()

    graded = next(iter(tree.rescore().graded)).file.graded
    assert [one["before"] for one in records.records(graded)] == [bool(n % 2) for n in range(40)]


def test_a_broken_file_is_named_and_the_rest_goes_on(tree):
    broken = tree.add("org/broken")
    broken.write_bytes(broken.read_bytes()[:100])
    tree.add("org/whole")

    outcome = tree.rescore()

    assert outcome.exit_status == 1
    assert [(problem.kind, problem.path) for problem in outcome.problems] == [("unreadable", broken)]
    assert tree.read_scores("org/whole")["results"][TASK]["bac-fr-qem"] == AFTER
    assert tree.read_scores("org/broken") == leaderboard_scores("org/broken")
    assert list(broken.parent.iterdir()) == [broken]


def test_a_results_file_of_which_one_task_cannot_be_graded_is_not_up_to_date(tree):
    whole = tree.add()
    tree.rescore()
    broken = whole.with_name(whole.name.replace("bac-fr", "gpqa-fr"))
    broken.write_bytes(whole.read_bytes()[:100])

    outcome = tree.rescore()

    assert [problem.path for problem in outcome.problems] == [broken]
    assert [one.state for one in outcome.scores] == ["left_out"]


def test_a_missing_column_is_named_with_its_file(tree):
    details = tree.add()
    pq.write_table(pq.read_table(details).drop(["predictions"]), details)

    (problem,) = tree.rescore().problems

    assert details.name in problem.message
    assert "['predictions'] are missing" in problem.message


def test_a_file_without_rows_is_named_and_leaves_the_score(tree):
    details = tree.add()
    pq.write_table(pq.read_table(details).slice(0, 0), details)

    (problem,) = tree.rescore().problems

    assert "holds no rows" in problem.message
    assert tree.read_scores() == leaderboard_scores()
    assert list(details.parent.iterdir()) == [details]


def test_a_bad_row_in_the_middle_leaves_nothing_behind(tree):
    details = tree.add(layout="samples")
    lines = details.read_text().splitlines(keepends=True)
    details.write_text("".join([*lines[:4], "{broken\n", *lines[4:]]))

    (problem,) = tree.rescore().problems

    assert "line 5 is not JSON" in problem.message
    assert list(details.parent.iterdir()) == [details]


def test_details_without_a_results_file_are_graded_and_named(tree):
    details = tree.add()
    tree.scores().unlink()

    outcome = tree.rescore()

    assert [(one.kind, one.path) for one in outcome.problems] == [("no_scores", details)]
    assert outcome.graded[0].file.graded.exists()


def test_a_results_file_of_another_model_is_named_and_left(tree):
    tree.add("org/mine", scores=leaderboard_scores("org/yours"))

    outcome = tree.rescore()

    assert outcome.problems[0].kind == "mismatch"
    assert "org/yours" in outcome.problems[0].message
    assert tree.read_scores("org/mine") == leaderboard_scores("org/yours")


def test_two_results_files_of_one_evaluation_are_named_and_left(tree):
    tree.add()
    copy = tree.results / "copy" / tree.scores().name
    copy.parent.mkdir()
    copy.write_bytes(tree.scores().read_bytes())

    outcome = tree.rescore()

    assert [one.kind for one in outcome.problems] == ["duplicate"]
    assert tree.read_scores() == leaderboard_scores()


def test_two_details_files_of_one_timestamp_are_named_and_not_used(tree):
    first = tree.add()
    second = first.parent.parent / "copy" / TIME / first.name
    second.parent.mkdir(parents=True)
    second.write_bytes(first.read_bytes())
    third = first.with_name(f"details_custom|bac-fr|0_{TIME}.parquet")
    third.write_bytes(first.read_bytes())

    outcome = tree.rescore()

    assert "duplicate" in [one.kind for one in outcome.problems]
    assert str(third) in outcome.problems[-1].message
    assert not list(first.parent.glob("graded_*"))


def test_a_broken_results_file_is_named_and_left(tree):
    tree.add()
    tree.scores().write_text('{"results": {')

    outcome = tree.rescore()

    assert [(one.kind, one.path) for one in outcome.problems] == [("unreadable", tree.scores())]
    assert tree.scores().read_text() == '{"results": {'


def test_rows_that_the_results_file_counts_otherwise_are_named_and_its_score_left(tree):
    scores = leaderboard_scores() | {"config_tasks": {"community|bac-fr": {"effective_num_docs": 600}}}
    tree.add(scores=scores)

    outcome = tree.rescore()

    assert [one.kind for one in outcome.problems] == ["mismatch"]
    assert [one.state for one in outcome.scores] == ["left_out"]
    assert "has 600 rows, but" in outcome.problems[0].message
    assert tree.read_scores() == scores


def test_a_task_or_metric_that_the_results_file_lacks_is_named(tree):
    tree.add("org/task", scores={"results": {"community|gpqa-fr|0": {"acc": 0.5}}})
    tree.add("org/metric", scores=leaderboard_scores("org/metric", other=0.5))

    outcome = tree.rescore()

    assert sorted(one.kind for one in outcome.problems) == ["missing_metric", "missing_task"]
    assert "found ['other']" in next(one.message for one in outcome.problems if "metric" in one.kind)


def test_tasks_without_a_scorer_are_left_as_they_are_and_counted(tree):
    details = tree.add()
    details.rename(details.with_name(f"details_community|pr-fouras|0_{TIME}.parquet"))

    outcome = tree.rescore()

    assert (outcome.exit_status, outcome.without_scorer) == (0, {"pr-fouras": 1})
    assert tree.read_scores() == leaderboard_scores()


def test_tasks_that_were_not_asked_for_are_not_touched(tree):
    tree.add()

    outcome = tree.rescore(tasks={"gpqa-fr"})

    assert outcome.graded == []
    assert tree.read_scores() == leaderboard_scores()


def test_a_full_disk_stops_the_run_with_one_line_and_loses_nothing(tree, monkeypatch):
    for number in range(4):
        tree.add(f"org/model-{number}")
    before = tree.contents()

    def full(path):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(atomic, "replacing", full)
    outcome = tree.rescore()

    assert outcome.stopped
    assert [one.kind for one in outcome.problems] == ["cannot_write"]
    assert "No space left on device" in outcome.problems[0].message
    assert tree.contents() == before
    monkeypatch.undo()
    assert tree.rescore().exit_status == 0


def test_a_folder_that_takes_no_file_is_named_and_the_rest_goes_on(tree, monkeypatch):
    closed = tree.add("org/closed")
    tree.add("org/open")
    plain = Path.open

    def guarded(self, mode="r", *rest, **options):
        if "w" in mode and self.parent == closed.parent:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(self))
        return plain(self, mode, *rest, **options)

    monkeypatch.setattr(Path, "open", guarded)
    outcome = tree.rescore()

    assert [one.kind for one in outcome.problems] == ["cannot_write"]
    assert str(closed.parent) in outcome.problems[0].message
    assert not outcome.stopped
    assert tree.read_scores("org/open")["results"][TASK]["bac-fr-qem"] == AFTER
    assert tree.read_scores("org/closed") == leaderboard_scores("org/closed")


class KillingScorer(NewerScorer):
    """Ends its process at one row, as the kernel does where memory runs out."""

    def grade(self, row):
        if row.row_id == "deadly":
            os.kill(os.getpid(), signal.SIGKILL)
        return super().grade(row)


class RaisingScorer(NewerScorer):
    def grade(self, row):
        raise ZeroDivisionError(row.predictions[0])


def test_a_row_that_ends_its_process_costs_its_file_only(tree, monkeypatch):
    tree.add("org/a")
    tree.add("org/deadly", answers=[Answer(row_id="deadly", gold="1", said="1", before=0)])
    tree.add("org/z")
    monkeypatch.setattr("palmares.rescoring.run.grade_part", grade_part_of_a_killer)

    outcome = tree.rescore(workers=2)

    assert [(one.kind, one.path.parts[-3]) for one in outcome.problems] == [("grader_died", "deadly")]
    assert [one.model for one in outcome.graded] == ["org/a", "org/z"]
    assert not [path for path in tree.contents() if path.suffix == ".tmp"]


def _killing(policy: GradingPolicy) -> dict[str, Scorer]:
    return {"bac-fr": KillingScorer()}


def grade_part_of_a_killer(part):
    registry.text_scorers = _killing  # type: ignore[assignment]  # in a process of its own
    return grading.grade_part(part)


def test_a_bug_of_the_scorer_is_named_without_the_text_of_the_row(tree, monkeypatch, caplog):
    tree.add()
    use(monkeypatch, RaisingScorer())

    (problem,) = tree.rescore().problems

    assert "ZeroDivisionError" in problem.message
    assert ANSWERS[0].said not in problem.message + caplog.text


def test_answers_by_log_likelihood_are_left_as_they_are(tree):
    details = tree.add()
    table = pq.read_table(details).to_pylist()
    for row in table:
        row |= {"predictions": [-1.0, -2.0], "gold": [], "gold_index": [0], "choices": ["A", "B"]}
    import pyarrow as pa

    pq.write_table(pa.Table.from_pylist(table), details)

    outcome = tree.rescore()

    assert (outcome.exit_status, outcome.by_likelihood) == (0, 1)
    assert tree.read_scores() == leaderboard_scores()


def test_a_mark_of_something_else_is_no_mark(tree):
    tree.add()
    file = tree.rescore().graded[0].file
    for content in ("", "[]", '{"details": 1}', '{"details": {"sha256": "x"}}'):
        file.mark.write_text(content)
        assert records.read_mark(file) is None
    assert [one.kept for one in tree.rescore().graded] == [False]


def test_a_scorer_that_fails_its_sanity_baselines_changes_nothing_and_says_why(tree, monkeypatch):
    tree.add("org/a")
    tree.add("org/b")
    before = tree.contents()
    use(monkeypatch, NewerScorer())

    outcome = tree.rescore(limits={})

    assert [one.kind for one in outcome.problems] == ["sanity_baseline"]
    assert "scorer bac-fr 99 fails its sanity baselines: empty: calls an empty" in outcome.problems[0].message
    assert tree.contents() == before


def test_the_shipped_scorer_passes_its_sanity_baselines(tree):
    tree.add()

    assert tree.rescore(limits={}).exit_status == 0


def test_the_leaderboard_s_policy_decides_and_is_part_of_the_scorer_s_hash(tree):
    tree.add(answers=[Answer(row_id="r0", gold="12 cm", said="12", before=1)] * 3)
    default = tree.rescore().graded[0]

    strict = tree.rescore(policy=GradingPolicy(units=False)).graded[0]

    assert (default.counts.correct, strict.counts.correct) == (3, 0)
    assert not strict.kept
    assert default.scorer.hash != strict.scorer.hash
