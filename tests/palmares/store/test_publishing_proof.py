"""Eight workers publish at once while the Hub does its worst: nothing is lost, nothing is written twice.

The full size, 500 models, is `python -m performance.publishing` (docs/reference/performance.md).
"""

from __future__ import annotations

from pathlib import Path

import pytest

from performance.publishing.__main__ import markdown
from performance.publishing.faulty_hub import faulty_hub
from performance.publishing.load import Load, run
from performance.publishing.models import FILES_A_MODEL


@pytest.fixture
def outcome(request, tmp_path: Path, migrated_url: str):
    with faulty_hub(tmp_path / "hub") as hub:
        return run(request.param, hub=hub, store_url=migrated_url, scratch=tmp_path / "raw")


@pytest.mark.parametrize("outcome", [Load(models=60, retry_s=3)], indirect=True, ids=["60 models"])
def test_under_every_fault_each_result_is_there_once_in_few_commits(outcome):
    assert outcome.wrong == []
    assert outcome.files_committed == outcome.files_wanted == 60 * (FILES_A_MODEL + 1)
    assert outcome.all_commits == outcome.commits_noted <= 0.2 * outcome.models
    assert outcome.most_in_an_hour <= 90
    kinds = {"status", "drop_after", "drop_before", "latency", "truncate"}
    assert kinds <= {kind for kind, times in outcome.injected.items() if times}
    assert outcome.others_commits > 0


@pytest.mark.parametrize(
    "outcome", [Load(models=1, workers=1, faults=False)], indirect=True, ids=["one model"]
)
def test_one_model_alone_takes_three_commits_and_no_second_try(outcome):
    assert outcome.wrong == []
    assert list(outcome.commits.values()) == [1, 1, 1]
    assert outcome.task_starts == 1
    assert "| alone | 1 | 1 | " in markdown({"alone": outcome})
