from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from palmares.benchmarks.bac_fr.scorer import BacFrScorer
from palmares.leaderboard.checks.limits import ResponseLimits, SanitySettings, limits_for
from palmares.leaderboard.checks.responses import answer_rates

from tests.palmares.leaderboard.checks.broken_scorers import RuleScorer, row_of

SCORER = BacFrScorer()
HEALTHY = [row_of(str(number), row_id=f"r{number}", said=f"La réponse est {number + number % 2}.")
           for number in range(40)]  # fmt: skip


def rates(rows, *, settings=None, graded=True, kind="generate", most_tokens=1024):
    return {
        rate.name: rate
        for rate in answer_rates(
            rows,
            [SCORER.grade(row) for row in rows] if graded else None,
            settings or limits_for(kind),
            scorer=SCORER if graded else None,
            kind=kind,
            max_generated_tokens=most_tokens,
        )
    }


def saying(text, *, of=40):
    """The healthy rows, the first of which say something else."""
    return [replace(row, predictions=(text,)) if place < of else row for place, row in enumerate(HEALTHY)]


def test_answers_of_a_healthy_model_pass():
    assert not [rate.sentence for rate in rates(HEALTHY).values() if rate.breached]


@pytest.mark.parametrize(
    ("statistic", "text"),
    [
        ("empty", " \n"),
        ("no_answer", "<think>Calculons"),
        ("unfinished_trace", "<think>Calculons"),
        ("at_token_limit", "et puis encore, " * 200),
        ("constant", "La réponse est 99."),
    ],
)
def test_a_broken_job_is_seen_in_its_answers(statistic, text):
    bad = rates(saying(text))[statistic]

    assert bad.breached
    assert bad.count == 40
    assert 1 <= len(bad.row_ids) <= 5
    assert text.strip()[:10] not in bad.sentence or not text.strip()


@pytest.mark.parametrize(("statistic", "text"), [("empty", ""), ("unfinished_trace", "<think>Calculons")])
def test_some_answers_may_look_bad(statistic, text):
    assert not rates(saying(text, of=20))[statistic].breached


def test_a_form_of_answer_that_the_scorer_does_not_know_shows_as_disagreement():
    class FirstLine(BacFrScorer):
        def grade(self, row):
            return super().grade(replace(row, predictions=(row.predictions[0].split("\n")[0],)))

    # The model is right on every other row: on these, nobody but the second way sees it.
    rows = [
        replace(row, predictions=(f"Essai {row.row_id}.\n{int(row.gold[0]) + 100 * (place % 2)}",))
        for place, row in enumerate(HEALTHY)
    ]
    scorer = FirstLine()
    found = answer_rates(
        rows,
        [scorer.grade(row) for row in rows],
        SanitySettings(),
        scorer=scorer,
        kind="generate",
        max_generated_tokens=0,
    )

    assert [rate.name for rate in found if rate.breached] == ["disagreement"]


def test_one_answer_for_all_rows_is_right_where_it_is_expected():
    rows = [row_of("vrai", row_id=str(place), said="vrai") for place in range(39)]

    assert "constant" not in rates(rows)
    assert rates([*rows, row_of("faux", row_id="x", said="vrai")])["constant"].rows == 1


def test_few_rows_stop_nothing_and_are_counted():
    rate = rates([replace(row, predictions=("",)) for row in HEALTHY[:19]])["empty"]

    assert (rate.count, rate.most, rate.breached) == (19, None, False)


def test_a_limit_can_be_set_and_taken_away():
    bad = saying("<think>Calculons", of=10)
    strict = SanitySettings(answers=ResponseLimits(unfinished_trace=0.1))
    none = SanitySettings(answers=ResponseLimits(unfinished_trace=None))

    assert rates(bad, settings=strict)["unfinished_trace"].breached
    assert rates(bad, settings=none)["unfinished_trace"].most is None


def test_answers_that_nobody_graded_are_looked_at_too():
    rows = [replace(row, gold=(), predictions=("",)) for row in HEALTHY]

    found = rates(rows, graded=False)

    assert found["empty"].breached
    assert not {"no_answer", "disagreement"} & set(found)


def test_a_choice_by_log_likelihood_is_looked_at_by_its_place_and_stops_nothing():
    rows = [
        replace(
            row_of(f"d{place}" if place % 4 else f"a{place}", row_id=str(place)),
            choices=tuple(f"{letter}{place}" for letter in "abcd"),
            predictions=(f"a{place}",),
            generated=False,
        )
        for place in range(40)
    ]

    found = rates(rows, graded=False, kind="loglikelihood")

    assert set(found) == {"constant"}
    assert (found["constant"].count, found["constant"].rows, found["constant"].breached) == (30, 30, False)


def test_english_is_counted_and_stops_nothing():
    english = "The result of the sum is in the list of numbers that we have, and for this we calculate it."

    rate = rates(saying(english))["other_language"]

    assert (rate.count, rate.breached) == (40, False)


@given(st.lists(st.tuples(st.text(max_size=60), st.text(max_size=20)), min_size=1, max_size=30))
def test_any_text_has_rates_and_every_count_is_of_its_rows(pairs):
    rows = [row_of(gold, row_id=str(number), said=said) for number, (said, gold) in enumerate(pairs)]
    scorer = RuleScorer("strict", lambda gold, text: gold == text)

    found = answer_rates(
        rows,
        [scorer.grade(row) for row in rows],
        SanitySettings(),
        scorer=scorer,
        kind="generate",
        max_generated_tokens=5,
    )

    assert all(0 <= rate.count <= rate.rows <= len(rows) for rate in found)
    assert {"empty", "unfinished_trace", "at_token_limit"} <= {rate.name for rate in found}
