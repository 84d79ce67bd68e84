"""The parquet table: the columns that readers know, typed, and the same bytes for the same leaderboard."""

from __future__ import annotations

import io

import pyarrow.parquet as pq
import pytest
from palmares.leaderboard.publishing import contents_of, contents_parquet
from palmares.leaderboard.publishing.model_types import model_type
from palmares.leaderboard.submissions.about import AboutModel
from palmares.leaderboard.submissions.moderation import ModerationAction

from tests.palmares.leaderboard.publishing.conftest import decided

# Columns of the second generation's contents dataset, in its order.
KNOWN = [
    *("eval_name", "Precision", "Type", "T", "Weight type", "Architecture", "Model", "fullname", "Model sha"),
    *("Average ⬆️", "Hub License", "Hub ❤️", "#Params (B)", "Available on the hub", "MoE", "Flagged"),
    *("Chat Template", "CO₂ cost (kg)"),
    *("BAC-fr Raw", "BAC-fr", "IFEval-fr Raw", "IFEval-fr", "GPQA-fr Raw", "GPQA-fr"),
    *("Upload To Hub Date", "Submission Date", "Generation", "Base Model"),
]


@pytest.fixture
def table(settings, make_result):
    def write(*results, moderation=None):
        contents = contents_of(results, suite=settings.suite(), moderation=moderation or {})
        return contents_parquet(contents, hub_url="https://hub.example")

    return write


def read(content):
    return pq.read_table(io.BytesIO(content))


def test_the_columns_are_those_in_use_and_ours_come_after_them(table, make_result):
    found = read(table(make_result()))

    assert found.column_names[: len(KNOWN)] == KNOWN


def test_a_group_has_columns_where_tasks_have_them_and_its_tasks_come_last(grouped_suite, make_result):
    contents = contents_of([make_result()], suite=grouped_suite, moderation={})
    found = read(contents_parquet(contents, hub_url="https://hub.example"))

    first = found.column_names.index("IFEval-fr Raw")
    assert found.column_names[first : first + 4] == ["IFEval-fr Raw", "IFEval-fr", "Exams Raw", "Exams"]
    assert found.column_names[-6:] == [
        *("BAC-fr Raw", "BAC-fr", "BAC-fr Stderr", "GPQA-fr Raw", "GPQA-fr", "GPQA-fr Stderr"),
    ]
    (row,) = found.to_pylist()
    assert (row["Exams"], row["BAC-fr"], row["GPQA-fr"]) == pytest.approx((40.0, 60.0, 20.0))


def test_an_empty_leaderboard_has_the_same_typed_columns(table, make_result):
    assert read(table()).schema == read(table(make_result())).schema


def test_a_row_says_what_is_known(table, make_result):
    about = AboutModel(
        model_type="💬 : 💬 chat models (RLHF, DPO, IFT, ...)",
        license="apache-2.0",
        architecture="LlamaForCausalLM",
        is_mixture=False,
        base_model="org/base",
        uploaded_at="2025-12-24T18:00:00+00:00",
    )
    result = make_result(about=about, likes=7, hours=5.29)
    (row,) = read(table(result)).to_pylist()

    expected = {
        "eval_name": "org_model_bfloat16",
        "Type": "💬 chat models (RLHF, DPO, IFT, ...)",
        "T": "💬",
        "Precision": "bfloat16",
        "Weight type": "Original",
        "Architecture": "LlamaForCausalLM",
        "Model": '<a target="_blank" href="https://hub.example/org/model">org/model</a>',
        "fullname": "org/model",
        "Model sha": result.submission.revision,
        "Hub License": "apache-2.0",
        "Hub ❤️": 7,
        "#Params (B)": 0.00014,
        "Available on the hub": True,
        "MoE": False,
        "Flagged": False,
        "Chat Template": True,
        "BAC-fr Raw": 0.6,
        "BAC-fr": 60.0,
        "IFEval-fr Raw": 0.5,
        "IFEval-fr": 50.0,
        "GPQA-fr Raw": 0.4,
        "Upload To Hub Date": "2025-12-24",
        "Submission Date": "2026-01-02",
        "Generation": 1,
        "Base Model": "org/base",
        "Rank": 1,
        "Moderation": None,
        "Evaluation Date": "2026-01-01T00:00:12Z",
        "Job Key": result.submission.job_key,
    }
    assert {name: row[name] for name in expected} == expected
    assert row["GPQA-fr"] == pytest.approx(20.0)
    assert row["GPQA-fr Stderr"] == pytest.approx(100 * 0.02 / 0.75)
    assert row["Average ⬆️"] == pytest.approx((60 + 50 + 20) / 3)
    # Open LLM Leaderboard's constants: 5.29 GPU-hours of an H100 are a kilogram.
    assert row["CO₂ cost (kg)"] == pytest.approx(1, abs=0.002)
    assert row["GPU-hours"] == pytest.approx(5.29)


def test_what_is_not_known_is_no_zero(table, make_result):
    (row,) = read(table(make_result(cluster="local", submitted_time=None))).to_pylist()

    assert row["CO₂ cost (kg)"] is None
    assert row["MoE"] is None
    assert (row["Submission Date"], row["Upload To Hub Date"]) == (None, None)
    assert (row["Hub License"], row["Architecture"]) == ("?", "?")
    assert row["Base Model"] == "org/model"


def test_two_rows_of_one_model_have_two_names(table, make_result):
    rows = read(table(make_result(), make_result(use_chat_template=False))).to_pylist()

    assert {row["eval_name"] for row in rows} == {
        "org_model_bfloat16",
        "org_model_bfloat16_no_chat_template",
    }


def test_a_flag_is_a_column_with_its_reason_and_link(table, make_result):
    moderation = decided("org/model", ModerationAction.FLAGGED)
    (row,) = read(table(make_result(), moderation=moderation)).to_pylist()

    assert (row["Flagged"], row["Moderation"], row["Rank"]) == (True, "flagged", None)
    assert (row["Moderation Reason"], row["Moderation Link"]) == ("contaminated", "https://example.org/why")
    assert row["BAC-fr"] == 60.0


def test_a_withdrawn_row_has_no_number(table, make_result):
    moderation = decided("org/model", ModerationAction.WITHDRAWN)
    (row,) = read(table(make_result(), moderation=moderation)).to_pylist()

    assert row["Moderation"] == "withdrawn"
    assert row["Available on the hub"] is False
    numbers = [value for name, value in row.items() if name.split(" ")[0] in {"Average", "BAC-fr", "GPQA-fr"}]
    assert numbers
    assert set(numbers) == {None}


def test_the_same_leaderboard_gives_the_same_bytes_whatever_the_order(table, make_result):
    one, two = make_result("org/a"), make_result("org/b")

    assert table(one, two) == table(two, one)
    assert table(one, two) != table(one)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("pretrained", "🟢 pretrained"),
        ("🟢 : pretrained", "🟢 pretrained"),
        ("🟩 : 🟩 continuously pretrained", "🟩 continuously pretrained"),
        ("💬 : 💬 chat models (RLHF, DPO, IFT, ...)", "💬 chat models (RLHF, DPO, IFT, ...)"),
        ("instruction-tuned", "💬 chat models (RLHF, DPO, IFT, ...)"),
        ("fine-tuned", "🔶 fine-tuned on domain-specific datasets"),
        ("🤝 : base merges and moerges", "🤝 base merges and moerges"),
        ("🟦 : RL-tuned", "🟦 RL-tuned"),
        ("RL-tuned", "🟦 RL-tuned"),
        ("🆎 : language adapted (FR, DE, ...)", "🆎 language adapted"),
        ("<b>best model ever</b>", "❓ other"),
        ("", "❓ other"),
        (None, "❓ other"),
    ],
)
def test_each_spelling_of_a_type_is_one_type(said, expected):
    assert model_type(said) == expected
