"""Groups: weighted means, pooled errors, and what is missing named in place of a number."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from palmares.leaderboard.groups import Group, GroupMember, Value, check_groups, score_groups

MMLU = json.loads((Path(__file__).parents[2] / "data" / "mmlu_preliminary.json").read_text(encoding="utf-8"))


def group_of(name: str, mean: str, members: list[str]) -> Group:
    return Group.model_validate({"name": name, "mean": mean, "members": members})


def of(**values: tuple[float, float | None, int]) -> dict[str, dict[str | None, Value]]:
    return {
        name: {None: Value(value=value, stderr=stderr, rows=rows)}
        for name, (value, stderr, rows) in values.items()
    }


def test_a_group_is_the_weighted_mean_of_its_members():
    group = Group(name="g", members={"a": GroupMember(weight=3), "b": GroupMember(weight=1)})

    score = score_groups([group], of(a=(0.8, 0.1, 10), b=(0.4, 0.2, 10)))["g"]

    assert score.value == pytest.approx(0.7)
    assert score.stderr == pytest.approx(math.hypot(3 * 0.1, 0.2) / 4)
    assert score.rows == 20


def test_guessing_scores_zero_and_less_than_guessing_too():
    group = Group(
        name="g",
        members={
            "a": GroupMember(normalize=True, random_score=0.25),
            "b": GroupMember(normalize=True, random_score=0.5),
        },
    )

    score = score_groups([group], of(a=(0.625, 0.03, 10), b=(0.4, 0.05, 10)))["g"]

    assert score.value == pytest.approx(0.5 / 2)
    assert score.stderr == pytest.approx(math.hypot(0.04, 0.1) / 2)


def test_a_published_mmlu_run_is_reproduced_from_its_subtasks():
    groups: list[Group] = []
    values: dict[str, dict[str | None, Value]] = {}
    for name, group in MMLU["groups"].items():
        groups.append(group_of(name, "by_size", [task["name"] for task in group["subtasks"]]))
        values |= of(**{task["name"]: (task["value"], task["stderr"], 10) for task in group["subtasks"]})
    groups.insert(0, group_of("mmlu", "by_size", list(MMLU["groups"])))
    check_groups(groups, values)

    scores = score_groups(groups, values)

    assert len(values) == 57
    for name, published in {**MMLU["groups"], "mmlu": MMLU["mmlu"]}.items():
        assert round(scores[name].value or 0, 4) == published["value"]
        assert round(scores[name].stderr or 0, 4) == published["stderr"]
    assert scores["mmlu"].rows == 570


def test_the_plain_mean_of_unequal_subtasks_is_not_the_mean_by_size():
    values = of(a=(1.0, 0.0, 90), b=(0.0, 0.0, 10))

    means = {
        mean: score_groups([group_of("g", mean, ["a", "b"])], values)["g"].value
        for mean in ("weighted", "by_size")
    }

    assert means == {"weighted": 0.5, "by_size": 0.9}


def test_a_group_that_lacks_a_member_names_it_and_has_no_number():
    groups = [
        group_of("outer", "weighted", ["inner", "a"]),
        group_of("inner", "weighted", ["a", "b", "c"]),
    ]

    scores = score_groups(groups, of(a=(0.5, 0.1, 4), b=(math.nan, None, 4)))

    assert (scores["outer"].value, scores["outer"].missing) == (None, ("inner/b", "inner/c"))
    assert scores["inner"].stderr is None


def test_a_series_names_its_metric_and_filter():
    group = Group(name="g", members={"gsm8k": GroupMember(series="exact_match,strict-match")})
    flexible = Value(value=0.8, stderr=None, rows=10)
    values: dict[str, dict[str | None, Value]] = {"gsm8k": {"exact_match,flexible-extract": flexible}}

    assert score_groups([group], values)["g"].missing == ("g/gsm8k",)
    values["gsm8k"]["exact_match,strict-match"] = Value(value=0.5, stderr=None, rows=10)
    assert score_groups([group], values)["g"].value == 0.5


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        (
            [{"name": "g", "members": ["arc_chalenge"]}],
            "no member 'arc_chalenge': did you mean 'arc_challenge'",
        ),
        ([{"name": "g", "members": ["h"]}, {"name": "h", "members": ["g"]}], "groups contain each other: "),
        ([{"name": "arc_challenge", "members": ["gsm8k"]}], "'arc_challenge' is given twice"),
        ([{"name": "g", "members": ["gsm8k"]}] * 2, "'g' is given twice"),
        ([{"name": "g", "members": ["gsm8k", "gsm8k"]}], "names a member twice"),
        ([{"name": "g", "members": {"gsm8k": {"weight": 0}}}], "weight"),
        ([{"name": "g", "members": {"gsm8k": {"wieght": 2}}}], "wieght"),
        ([{"name": "g", "members": []}], "members"),
    ],
)
def test_groups_that_cannot_be_computed_are_refused(groups: list[dict[str, Any]], message: str):
    with pytest.raises(ValueError, match=message):
        check_groups([Group.model_validate(group) for group in groups], {"arc_challenge", "gsm8k"})
