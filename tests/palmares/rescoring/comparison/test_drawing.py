from __future__ import annotations

import re
import struct
import warnings
from pathlib import Path

import pytest
from palmares.leaderboard.errors import ReportError
from palmares.rescoring.comparison import chart, compare, overall
from palmares.rescoring.comparison.drawing import MOST_MOVERS


def report(models: int, *, names: str = "org/model"):
    return overall(
        [
            compare(f"{names}{number}", "bac-fr", _verdicts(rows))
            for number, rows in enumerate(range(6, 6 + models))
        ]
    )


def _verdicts(rows: int) -> list[tuple[str, bool | None, bool]]:
    return [(f"r{row}", row % 2 == 0, row % 3 == 0) for row in range(rows)]


def size(path: Path) -> tuple[int, int]:
    """Width and height in pixels, from the PNG's header."""
    data = path.read_bytes()
    assert data.startswith(b"\x89PNG")
    return struct.unpack(">II", data[16:24])


def test_a_chart_is_a_picture_of_a_readable_size(tmp_path):
    chart(report(4), tmp_path / "flips.png")

    width, height = size(tmp_path / "flips.png")
    assert width > 1000
    assert 300 < height < 1500


def test_no_more_than_the_biggest_movers_are_drawn(tmp_path):
    chart(report(MOST_MOVERS + 1), tmp_path / "a.png")
    chart(report(MOST_MOVERS + 30), tmp_path / "b.png")

    assert size(tmp_path / "a.png") == size(tmp_path / "b.png")


def test_the_same_report_is_the_same_file(tmp_path):
    chart(report(3), tmp_path / "a.svg")
    chart(report(3), tmp_path / "b.svg")

    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    assert b"<svg" in (tmp_path / "a.svg").read_bytes()


@pytest.mark.parametrize("models", [0, 1])
def test_a_report_without_changes_has_a_chart_too(tmp_path, models):
    same = overall([compare("m", "bac-fr", [("a", True, True)])][:models])

    chart(same, tmp_path / "flips.svg")

    # Letters are drawn as paths, and matplotlib writes each text beside its paths, as a comment.
    drawn = re.findall(r"<!-- (.*?) -->", (tmp_path / "flips.svg").read_text(encoding="utf-8"))
    assert drawn == [
        "No verdict changed.",
        f"What the new scorer changes: 0 of {models} verdicts, in 0 of {models} models",
    ]


@pytest.mark.parametrize("names", ["$x^2$", "$\\frac{", "a" * 300, "<b>&", "a\nb\x00"])
def test_a_model_s_name_is_drawn_as_text(tmp_path, names):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        chart(report(2, names=names), tmp_path / "flips.svg")

    assert (tmp_path / "flips.svg").exists()


def test_another_ending_is_refused_and_told(tmp_path):
    with pytest.raises(ReportError, match=r"\.svg or \.png"):
        chart(report(1), tmp_path / "flips.pdf")


def test_a_folder_that_is_not_there_is_told(tmp_path):
    with pytest.raises(ReportError, match="cannot be written"):
        chart(report(1), tmp_path / "missing" / "flips.svg")
