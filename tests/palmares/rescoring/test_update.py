"""A results file gets the new value, keeps the old one under its version, and changes nowhere else."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from palmares.leaderboard.errors import ResultsFormatError
from palmares.leaderboard.results.results_file import read_results_file
from palmares.rescoring.engine import ScorerId, metric_of
from palmares.rescoring.update import HISTORY, NewScore, updated

from tests.palmares.rescoring.tree import TASK, leaderboard_scores, lm_eval_scores

SCORER = ScorerId(name="bac-fr", version="2", hash="a" * 64)
GPQA = "community|gpqa-fr|0"


def new_score(**changes: Any) -> NewScore:
    members: dict[str, Any] = {
        "task": TASK, "metric": metric_of("bac-fr"), "value": 0.75, "stderr": 0.1, "rows": 20,
        "scorer": SCORER, "details_name": "details.parquet", "details_sha256": "b" * 64,
    }  # fmt: skip
    return NewScore(**(members | changes))


@pytest.fixture
def update(tmp_path):
    """Update a document: the coming one, and the whole of what came of it."""

    def update(document, *scores, **options):
        path = tmp_path / "results_x.json"
        path.write_text(json.dumps(document, indent=2, ensure_ascii=False), encoding="utf-8")
        found = updated(read_results_file(path), scores or (new_score(),), **options)
        return json.loads(found.text), found

    return update


def test_value_error_version_and_history_are_written_and_the_rest_stays(update):
    before = leaderboard_scores()

    after, found = update(before)

    assert after["results"][TASK] == {"bac-fr-qem": 0.75, "bac-fr-qem_stderr": 0.1}
    assert after["versions"] == {TASK: 0, "all": 0, f"{TASK}|scorer": "2"}
    assert after[HISTORY][TASK] == {
        "metric": "bac-fr-qem", "value": 0.75, "stderr": 0.1, "rows": 20, "scorer": SCORER.to_json(),
        "details": {"file": "details.parquet", "sha256": "b" * 64},
        "history": [{
            "metric": "bac-fr-qem", "value": 0.6, "stderr": 0.24,
            "scorer": {"name": "evaluator", "version": 0, "hash": None},
        }],
    }  # fmt: skip
    for key in ("config_general", "é"):
        assert after[key] == before[key]
    assert list(after) == [*before, HISTORY]
    assert not found.problems


def test_the_text_changes_in_the_numbers_and_at_the_ends_of_objects_only(update):
    before = json.dumps(leaderboard_scores(), indent=2, ensure_ascii=False).splitlines()

    _, found = update(leaderboard_scores())

    gone = [line for line in before if line not in found.text.splitlines()]
    assert [line.strip().rstrip(",") for line in gone] == [
        '"bac-fr-qem": 0.6', '"bac-fr-qem_stderr": 0.24', '"bac-fr-qem": 0.6', '"bac-fr-qem_stderr": 0.24',
        '"all": 0', '"é": null',
    ]  # fmt: skip


def test_averages_that_are_there_follow(update):
    document = leaderboard_scores()
    document["results"]["community|other|0"] = {"bac-fr-qem": 0.2}
    document["results"]["all"]["bac-fr-qem"] = 0.4

    after, _ = update(document)

    assert after["results"]["all"]["bac-fr-qem"] == pytest.approx((0.75 + 0.2) / 2)
    assert after["results"]["all"]["acc"] == 0.5


def test_an_average_of_an_unknown_rule_is_left_and_noted(update):
    document = leaderboard_scores()
    document["results"]["all"]["bac-fr-qem"] = 0.123

    after, found = update(document)

    assert after["results"]["all"]["bac-fr-qem"] == 0.123
    assert "'all' bac-fr-qem is no plain mean" in found.notes[0]


def test_no_average_is_added(update):
    document = leaderboard_scores()
    del document["results"]["all"]

    after, _ = update(document)

    assert "all" not in after["results"]


def test_the_older_name_of_the_metric_is_kept(update):
    after, found = update(leaderboard_scores(qem=0.3, qem_stderr=0.1))

    assert after["results"][TASK] == {"qem": 0.75, "qem_stderr": 0.1}
    assert found.changes[0].metric == "qem"


def test_a_fork_s_file_gets_its_error_beside_the_value(update):
    document = {
        "config": {"model_dtype": "bfloat16", "model_name": "org/model", "model_sha": "main"},
        "results": {"bac-fr": {"bac-fr-qem": 0.6}},
        "versions": {},
    }

    after, _ = update(document)

    assert after["results"] == {"bac-fr": {"bac-fr-qem": 0.75, "bac-fr-qem_stderr": 0.1}}
    assert after["config"] == document["config"]


def test_lm_eval_s_keys_carry_their_filter(update):
    document = lm_eval_scores()
    document["results"]["bac-fr"] |= {"bac-fr-qem,strict": 0.1, "bac-fr-qem_stderr,strict": "N/A"}

    after, _ = update(document, new_score(rows=5, samples_filter="strict", stderr=None))

    entry = after["results"]["bac-fr"]
    assert (entry["bac-fr-qem,strict"], entry["bac-fr-qem_stderr,strict"]) == (0.75, "N/A")
    assert (entry["bac-fr-qem,none"], entry["alias"]) == (0.6, "bac-fr")


def test_an_lm_eval_group_that_holds_the_old_value_is_noted(update):
    document = lm_eval_scores() | {
        "group_subtasks": {"fr": ["bac-fr"]}, "groups": {"fr": {"bac-fr-qem,none": 0.6}},
    }  # fmt: skip

    _, found = update(document, new_score(rows=5))

    assert "group fr holds an average of the old bac-fr-qem,none" in found.notes[0]


def test_what_post_processing_adds_stands_beside_what_was_there(update):
    score = new_score(task=GPQA, metric=metric_of("gpqa-fr"))

    after, found = update(leaderboard_scores(), score)

    assert after["results"][GPQA] == {"acc": 0.5, "new_acc": 0.75, "new_acc_stderr": 0.1}
    assert after[HISTORY][GPQA]["history"] == []
    assert (found.changes[0].before, found.changes[0].after) == (0.5, 0.75)


@pytest.mark.parametrize(
    ("value_before", "noted"), [(0.6, False), (0.601, False), (0.5, True), (None, False)]
)
def test_old_verdicts_that_do_not_come_to_the_old_value_are_noted(update, value_before, noted):
    after, found = update(leaderboard_scores(), new_score(value_before=value_before))

    assert after["results"][TASK]["bac-fr-qem"] == 0.75
    assert [("was 0.6000" in note and "come to 0.5000" in note) for note in found.notes] == [True] * noted


def test_no_stderr_is_null_in_the_leaderboard_s_schema(update):
    after, _ = update(leaderboard_scores(), new_score(stderr=None))

    assert after["results"][TASK]["bac-fr-qem_stderr"] is None


def test_the_full_name_of_a_task_is_preferred_and_two_short_ones_are_refused(update):
    document = leaderboard_scores()
    document["results"]["custom|bac-fr|0"] = {"bac-fr-qem": 0.1}

    after, _ = update(document)
    assert after["results"]["custom|bac-fr|0"] == {"bac-fr-qem": 0.1}

    same, found = update(document, new_score(task="bac-fr"))
    assert same == document
    assert [one.kind for one in found.problems] == ["missing_task"]


def test_our_own_block_follows_with_its_average(update):
    document = leaderboard_scores()
    document["versions"][f"{TASK}|scorer"] = "1"
    document["palmares"] = {
        "average": 0.45,
        "scores": {
            "bac-fr": {
                "task": "bac-fr", "value": 0.6, "stderr": 0.24, "shown": 0.6, "n": 20,
                "parts": {"bac-fr-qem": 0.6}, "scorer": "bac-fr", "scorer_version": "1",
                "scorer_hash": "c" * 64,
            },
            "gpqa-fr": {"task": "gpqa-fr", "value": 0.475, "shown": 0.3},
        },
    }  # fmt: skip
    before = copy.deepcopy(document)

    after, _ = update(document, baselines={"gpqa-fr": 0.25})

    own = after["palmares"]["scores"]["bac-fr"]
    assert own == before["palmares"]["scores"]["bac-fr"] | {
        "value": 0.75, "stderr": 0.1, "shown": 0.75, "parts": {"bac-fr-qem": 0.75},
        "scorer_version": "2", "scorer_hash": "a" * 64,
    }  # fmt: skip
    assert after["palmares"]["scores"]["gpqa-fr"] == before["palmares"]["scores"]["gpqa-fr"]
    assert after["palmares"]["average"] == pytest.approx((0.75 + 0.3) / 2)
    assert after[HISTORY][TASK]["history"][0]["scorer"] == {
        "name": "bac-fr", "version": "1", "hash": "c" * 64,
    }  # fmt: skip


def test_a_baseline_raises_what_is_shown(update):
    document = leaderboard_scores() | {
        "palmares": {"average": 0.0, "scores": {"gpqa-fr": {"value": 0.25, "shown": 0.0, "n": 20}}}
    }

    after, _ = update(
        document, new_score(task=GPQA, metric=metric_of("gpqa-fr")), baselines={"gpqa-fr": 0.25}
    )

    assert after["palmares"]["scores"]["gpqa-fr"]["shown"] == pytest.approx(2 / 3)
    assert after["palmares"]["average"] == pytest.approx(2 / 3)


def test_an_average_that_is_no_plain_mean_is_left_and_noted(update):
    own = {"bac-fr": {"value": 0.6, "shown": 0.6}, "gpqa-fr": {"value": 0.25, "shown": 0.0}}
    document = leaderboard_scores() | {"palmares": {"average": 0.5, "scores": own}}

    after, found = update(document, new_score())

    assert after["palmares"]["scores"]["bac-fr"]["value"] == 0.75
    assert after["palmares"]["average"] == 0.5
    assert "palmares.average is no plain mean of the tasks" in found.notes[-1]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"results": []}', b"\xff\xfe", b"[" * 100_000])
def test_what_is_no_results_file_is_named(tmp_path, content):
    path = tmp_path / "results_x.json"
    path.write_bytes(content)

    with pytest.raises(ResultsFormatError, match=r"results_x\.json: "):
        read_results_file(path)


@pytest.mark.parametrize(
    "document",
    [
        {"config_general": {"model_name": "org/model"}},
        {"config_general": {"model_config": {"model_name": "org/model"}}},
        {"model_config": {"model_name": "org/model"}},
        {"config": {"model_name": "org/model"}},
        {"config": {"model_args": {"pretrained": "org/model"}}},
        {"config": {"model_args": "dtype=bfloat16,pretrained=org/model"}},
        {"model_name": "org__model"},
        {"model_name": "/data/models/org/model"},
    ],
)
def test_every_schema_says_whose_it_is(tmp_path, document):
    path = tmp_path / "results_x.json"
    path.write_text(json.dumps(document | {"results": {}}))

    scores = read_results_file(path)

    assert scores.is_of(("Org/Model",), by_path=())
    assert not scores.is_of(("org/other", "other"), by_path=("org/other",))


def test_a_file_that_names_no_model_is_known_by_its_path(tmp_path):
    path = tmp_path / "results_x.json"
    path.write_text('{"results": {}}')

    assert read_results_file(path).is_of(("org/model",), by_path=("org/model",))
    assert not read_results_file(path).is_of(("org/model",), by_path=("org/other",))
