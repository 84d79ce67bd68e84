"""Results are accepted only whole, unchanged, and for the job that was asked."""

from __future__ import annotations

import json

import pytest
from palmares.leaderboard.errors import ResultsFormatError, ResultsIncompleteError
from palmares.leaderboard.results import verify_results

from tests.palmares.leaderboard.results_folder import (
    TIMESTAMP,
    read_manifest_json,
    write_details,
    write_manifest,
)

BAC = "community|bac-fr|0"


@pytest.fixture
def verify(results_folder, settings, make_submission):
    def run(attempt=1, **changes):
        submission = make_submission(**changes)
        return verify_results(
            results_folder,
            job_key=submission.job_key,
            attempt=attempt,
            submission=submission,
            suite=settings.suite(),
        )

    return run


def test_whole_results_are_accepted(verify):
    manifest = verify()

    assert manifest.timestamp == TIMESTAMP
    assert manifest.model_dump(mode="json")["schema"] == 1


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"attempt": 2}, "attempt is 1, expected 2"),
        ({"model_id": "org/other"}, "model.id"),
        ({"suite_hash": "other"}, "suite.hash"),
        ({"run_number": 2}, "job_key"),
        ({"precision": "float32"}, "precision"),
    ],
)
def test_results_of_another_job_are_refused(verify, changes, named):
    with pytest.raises(ResultsFormatError, match=named):
        verify(**changes)


def test_a_missing_manifest_is_named(verify, results_folder):
    (results_folder / "manifest.json").unlink()

    with pytest.raises(ResultsFormatError, match=r"manifest\.json: cannot be read"):
        verify()


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"schema": 2}'])
def test_a_broken_manifest_is_refused(verify, results_folder, text):
    (results_folder / "manifest.json").write_text(text)

    with pytest.raises(ResultsFormatError):
        verify()


def test_a_changed_byte_is_found(verify, results_folder):
    path = results_folder / f"lm_eval_{TIMESTAMP}.json"
    content = path.read_bytes()
    path.write_bytes(content.replace(b"0.5", b"0.9"))

    with pytest.raises(ResultsFormatError, match="SHA-256"):
        verify()


def test_a_missing_and_an_unexpected_file_are_named(verify, results_folder):
    (results_folder / "extra.txt").write_text("x")
    with pytest.raises(ResultsFormatError, match=r"not in the manifest: \['extra.txt'\]"):
        verify()
    (results_folder / "extra.txt").rename(results_folder / f"results_{TIMESTAMP}.json")
    (results_folder / f"results_{TIMESTAMP}.json").unlink()
    with pytest.raises(ResultsFormatError, match="missing"):
        verify()


def test_a_link_is_refused(verify, results_folder):
    path = results_folder / f"lm_eval_{TIMESTAMP}.json"
    target = results_folder.parent / "elsewhere.json"
    path.rename(target)
    path.symlink_to(target)

    with pytest.raises(ResultsFormatError, match="is a link"):
        verify()


def test_a_path_that_leaves_the_folder_is_refused(verify, results_folder):
    manifest = read_manifest_json(results_folder)
    manifest["files"]["../evil"] = {"sha256": "0" * 64, "bytes": 1}
    (results_folder / "manifest.json").write_text(json.dumps(manifest))

    with pytest.raises(ResultsFormatError, match="leaves the folder"):
        verify()


def test_a_missing_task_and_missing_rows_are_incomplete(verify, results_folder):
    manifest = read_manifest_json(results_folder)
    whole = dict(manifest["tasks"][BAC])
    manifest["tasks"][BAC]["rows"] = 3
    write_manifest(results_folder, manifest)
    with pytest.raises(ResultsIncompleteError, match="3 of 4 rows"):
        verify()
    del manifest["tasks"][BAC]
    write_manifest(results_folder, manifest)
    with pytest.raises(ResultsIncompleteError, match="No results for"):
        verify()
    manifest["tasks"][BAC] = whole
    write_details(results_folder / whole["details"], [{"gold": ["1"]}])
    write_manifest(results_folder, manifest)
    with pytest.raises(ResultsIncompleteError, match="1 rows, the manifest says 4"):
        verify()


def test_details_that_are_no_parquet_are_named(verify, results_folder):
    manifest = read_manifest_json(results_folder)
    (results_folder / manifest["tasks"][BAC]["details"]).write_bytes(b"PAR1 not really")
    write_manifest(results_folder, manifest)

    with pytest.raises(ResultsFormatError, match="not parquet"):
        verify()
