"""What readers see on the card, in two languages, with nothing of a stranger taken as markup."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from markdown_it import MarkdownIt
from palmares.leaderboard.publishing import contents_of
from palmares.leaderboard.publishing.card_section import card_section, parameter_count
from palmares.leaderboard.publishing.settings import PublishingSettings
from palmares.leaderboard.submissions.moderation import ModerationAction

from tests.palmares.leaderboard.publishing.conftest import decided, scores_of


@pytest.fixture
def section(settings):
    def make(*results, moderation=None, **changes):
        contents = contents_of(results, suite=settings.suite(), moderation=moderation or {})
        return card_section(
            contents,
            PublishingSettings(hub_url="https://hub.example", **changes),
            repo_id="org/contents",
            results_repo="org/results",
            requests_repo="org/requests",
        )

    return make


def rendered(markdown: str) -> str:
    return str(MarkdownIt("gfm-like", {"linkify": False}).render(markdown))


def test_scores_come_with_their_error_in_both_languages(section, make_result):
    text = section(make_result(scores=scores_of(0.6, 0.5, 0.4)))

    assert "| 1 | [org/model](https://hub.example/org/model) | **43.3 ± 1.3** | 60.0 ± 2.0 |" in text
    assert "| 1 | [org/model](https://hub.example/org/model) | **43,3 ± 1,3** | 60,0 ± 2,0 |" in text


def test_the_tables_are_tables_when_rendered(section, make_result):
    page = rendered(section(make_result("org/a"), make_result("org/b")))

    assert page.count("<table>") == 2
    assert page.index("le classement") < page.index("the leaderboard")
    assert page.count("<tr>") == 2 * 3


def test_only_the_first_rows_are_shown_and_the_whole_table_is_linked(section, make_result):
    text = section(*(make_result(f"org/m{number}") for number in range(5)), card_rows=2)

    assert (
        "The best 2 of 5 ranked models; [the whole leaderboard](https://hub.example/datasets/org/contents/viewer)"
        in text
    )
    assert "org/m1" in text
    assert "org/m2" not in text


def test_the_leaderboards_own_page_is_linked_when_there_is_one(section, make_result):
    assert "](https://board.example)" in section(make_result(), leaderboard_url="https://board.example")


def test_flagged_withdrawn_and_incomplete_models_are_named_with_the_reason(section, make_result):
    broken = scores_of(0.6, 0.5, 0.4)
    del broken["gpqa-fr"]
    moderation = decided("org/bad", ModerationAction.FLAGGED) | decided(
        "org/gone", ModerationAction.WITHDRAWN, reason="asked by its authors", link=None
    )
    text = section(
        make_result("org/bad"),
        make_result("org/gone"),
        make_result("org/half", scores=broken),
        moderation=moderation,
    )

    assert (
        "### Flagged\n\n- [org/bad](https://hub.example/org/bad), 43.3 ± 1.3: contaminated ([why](https://example.org/why))"
        in text
    )
    assert "### Withdrawn\n\n- [org/gone](https://hub.example/org/gone): asked by its authors" in text
    assert "### Not displayed: a task has no score\n\n- org/half: GPQA-fr" in text
    assert "### Non affichés\u00a0: il manque le score d’une tâche\n\n- org/half\u00a0: GPQA-fr" in text


def test_a_renamed_model_says_what_it_was_called(section, make_result):
    moderation = decided("org/old", ModerationAction.RENAMED, new="org/new")

    assert "[org/new](https://hub.example/org/new) (formerly org/old)" in section(
        make_result("org/old"), moderation=moderation
    )


def test_a_reason_cannot_become_markup(section, make_result):
    reason = (
        "<script>alert(1)</script> | [x](javascript:alert(1)) `code` ![i](http://evil) <!-- palmares:end -->"
    )
    text = section(make_result(), moderation=decided("org/model", ModerationAction.FLAGGED, reason=reason))
    page = rendered(text)

    assert "<script" not in page
    assert "<!--" not in text
    assert 'href="javascript' not in page
    assert not re.search(r"<img[^>]*evil", page)
    assert "alert(1)" in page  # shown, letter by letter


def test_an_empty_leaderboard_says_so_and_shows_no_chart(section):
    text = section()

    assert "No model is ranked yet." in text
    assert "Aucun modèle n’est encore classé." in text
    assert "charts/" not in text


def test_the_same_leaderboard_gives_the_same_text(section, make_result):
    one, two = make_result("org/a"), make_result("org/b")

    assert section(one, two) == section(two, one)


def test_a_metric_is_explained_from_the_suite(section, make_result):
    text = section(make_result())

    assert "- IFEval-fr: mean of `prompt_level_strict_acc` and `inst_level_strict_acc`; answers are" in text
    assert "- GPQA-fr: `acc`, rescaled so that guessing (25 %) counts as 0; the answer is the most" in text
    assert "ramené de sorte que le hasard (25\u00a0%) compte pour 0\u202f; la réponse" in text


def test_a_group_is_one_column_of_the_card_and_is_explained(grouped_suite, make_result):
    contents = contents_of([make_result()], suite=grouped_suite, moderation={})
    text = card_section(
        contents,
        PublishingSettings(hub_url="https://hub.example"),
        repo_id="org/contents",
        results_repo="org/results",
        requests_repo="org/requests",
    )

    assert "| # | Model | Average | IFEval-fr | Exams |" in text
    assert "- Exams: mean of 2 tasks." in text
    assert "- Exams\u00a0: moyenne de 2 tâches." in text
    assert "the average is the weighted mean of the columns" in text


def test_results_of_different_versions_are_not_mixed_in_silence(section, make_result):
    one, two = make_result("org/a"), make_result("org/b", evaluator_version="2")

    assert "another version of the tasks" in section(one, two)
    assert "une autre version des tâches" in section(one, two)
    assert "another version" not in section(one)
    regraded = make_result(
        "org/b", scores={name: {**score, "scorer_version": "9"} for name, score in one.scores.items()}
    )
    assert "another version of the tasks" in section(one, regraded)


def test_quantities_have_three_digits_whatever_their_size(section, make_result):
    text = section(make_result(hours=0.0041236), make_result("org/large", hours=1234.5))

    assert "| 140\u00a0k | 0.00412 | 0.000779 |" in text
    assert "| 140\u00a0k | 0,00412 | 0,000779 |" in text
    assert "| 1234 | 233 |" in text


@pytest.mark.parametrize(
    ("parameters", "english", "french"),
    [(7.24e9, "7.24\u00a0B", "7,24\u00a0Md"), (140_000, "140\u00a0k", "140\u00a0k"), (999, "999", "999")],
)
def test_numbers_of_parameters_are_as_people_write_them(parameters, english, french):
    assert (parameter_count(parameters, "en"), parameter_count(parameters, "fr")) == (english, french)


def test_a_column_without_a_value_is_left_out(section, make_result):
    result = make_result()

    assert "| CO₂ (kg) |" in section(result)
    assert "CO₂ (kg)" not in section(replace(result, cost=replace(result.cost, carbon_kg=None)))


def test_each_result_is_linked_and_the_card_says_how_to_submit_and_to_cite(section, make_result):
    text = section(make_result("org/model"))

    assert "](https://hub.example/datasets/org/results/tree/main/org/model) |" in text
    assert "Open a pull request to [org/requests](https://hub.example/datasets/org/requests)" in text
    assert "### Soumettre un modèle" in text
    assert "@misc{palmares," in text
    assert '{"model": "org/model", "revision": "main"' in text


def test_a_value_at_the_end_of_the_scale_has_an_interval_instead_of_a_zero_error(section, make_result):
    scores = scores_of(0.6, 0.5, 0.4)
    scores["bac-fr"] |= {"value": 0.0, "stderr": 0.0, "n": 200}

    text = section(make_result(scores=scores))

    assert "| 0.0 [0.0 – 1.9] |" in text
    assert "± 0.0" not in text
