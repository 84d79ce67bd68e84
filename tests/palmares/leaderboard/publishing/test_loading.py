"""The contents dataset as readers load it: the real `datasets` library, on files as they are published."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from palmares.leaderboard.publishing import CONTENTS_PATH, contents_of, contents_parquet
from palmares.leaderboard.publishing.card import CARD_PATH, edit_card

pytestmark = pytest.mark.stack

ROOT = Path(__file__).resolve().parents[4]
EVALUATOR = Path(os.environ.get("PALMARES_EVALUATOR_PYTHON") or ROOT / ".venv-evaluator/bin/python")
"""The environment that has `datasets`."""

LOAD = """
import json, sys
from datasets import load_dataset

table = load_dataset(sys.argv[1], split="train")
print("\\n" + json.dumps({
    "models": list(table["fullname"]),
    "average": list(table["Average ⬆️"]),
    "types": {name: str(kind.dtype) for name, kind in table.features.items() if hasattr(kind, "dtype")},
}))
"""


def test_the_datasets_library_loads_the_table_that_the_card_declares(tmp_path, settings, make_result):
    from palmares.steps.leaderboard.publish import CONFIG

    results = [make_result("org/a"), make_result("org/b")]
    contents = contents_of(results, suite=settings.suite(), moderation={})
    folder = tmp_path / "contents"
    for path, content in {
        CONTENTS_PATH: contents_parquet(contents, hub_url="https://hub.example"),
        CARD_PATH: edit_card(None, {"section": "Text", "config": CONFIG, "defaults": {}}),
        "charts/scores.png": b"no table",
        "old.parquet": b"no parquet at all",  # only what the card declares is read
    }.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)

    done = subprocess.run(
        [EVALUATOR, "-c", LOAD, folder],
        env={**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "cache")},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    loaded = json.loads(done.stdout.splitlines()[-1])
    assert loaded["models"] == ["org/a", "org/b"]
    assert loaded["average"] == pytest.approx([100 * (row.average or 0) for row in contents.rows])
    assert loaded["types"]["Average ⬆️"] == "float64"
    assert loaded["types"]["Flagged"] == "bool"
    assert loaded["types"]["Hub ❤️"] == "int64"
