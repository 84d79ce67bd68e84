"""The leaderboard on a terminal and as a file."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from palmares.cli.output import in_per_cent, printable
from rich.console import Console

from devstack.demo.board import board_table, others_table, show_board, write_board

BOARD: dict[str, Any] = {
    "rows": [
        {
            "model": "palmares-demo/good",
            "revision": "a" * 40,
            "status": "FINISHED",
            "scores": {
                "community|gpqa-fr|0": {
                    "value": 0.85,
                    "stderr": 0.0375,
                    "shown": 0.8,
                    "shown_stderr": 0.05,
                    "interval": None,
                },
                "community|ifeval-fr|0": {
                    "value": 0.5,
                    "stderr": None,
                    "shown": 0.5,
                    "shown_stderr": None,
                    "interval": None,
                },
            },
            "reason": "",
            "rank": 1,
            "average": 0.65,
        },
        {
            "model": "../../etc/[bold]passwd\x1b[2J",
            "revision": "main",
            "status": "FAILED",
            "scores": {},
            "reason": "bad_name: not a model",
            "rank": None,
            "average": None,
        },
    ],
    "baselines": {"gpqa-fr": 0.25, "ifeval-fr": 0.0},
}


def rendered(table: object) -> str:
    output = io.StringIO()
    Console(file=output, width=120).print(table)
    return output.getvalue()


def test_scored_models_have_ranks_scores_and_standard_errors():
    text = rendered(board_table(BOARD))
    assert "palmares-demo/good" in text
    assert "80.0 ± 5.0" in text
    assert "65.0" in text
    assert "gpqa-fr" in text
    assert "community|" not in text
    assert "passwd" not in text


def test_refused_requests_have_their_reasons_and_cannot_paint_the_terminal():
    text = rendered(others_table(BOARD))
    assert "bad_name: not a model" in text
    assert "[bold]passwd" in text
    assert "\x1b" not in text


@pytest.mark.parametrize(
    ("score", "text"),
    [
        ({"shown": 0.4125, "shown_stderr": 0.034, "interval": None}, "41.2 ± 3.4"),
        ({"shown": 0.0, "shown_stderr": None, "interval": [0.0, 0.019]}, "0.0 [0.0, 1.9]"),
        ({"shown": 1.0, "shown_stderr": None, "interval": None}, "100.0"),
        (None, "–"),
    ],
)
def test_a_score_is_in_per_cent_and_not_scored_is_not_zero(score, text):
    assert in_per_cent(score) == text


def test_the_columns_add_up_to_the_average_and_the_rule_is_said(capsys):
    show_board(BOARD)

    shown = capsys.readouterr().out
    assert "65.0 │ 80.0 ± 5.0 │      50.0" in shown
    assert "The average is the plain mean of the columns." in shown
    assert "Rescaled so that guessing counts as 0: gpqa-fr (25 %)." in shown


def test_the_file_holds_the_five_fields_of_each_row(tmp_path):
    write_board(BOARD, tmp_path / "demo" / "leaderboard.json")
    rows = json.loads((tmp_path / "demo" / "leaderboard.json").read_text())["rows"]
    assert [list(row) for row in rows] == [["model", "revision", "status", "scores", "reason"]] * 2
    assert rows[0]["scores"] == BOARD["rows"][0]["scores"]


def test_french_names_stay_as_they_are():
    assert printable("Évaluation d’été") == "Évaluation d’été"
