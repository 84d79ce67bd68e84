"""The list of architectures that need no code of their own, against the transformers that is installed."""

from __future__ import annotations

import pytest
from palmares.evaluator.native_architectures import native_architectures, source
from palmares.leaderboard.submissions.native_architectures import NATIVE_ARCHITECTURES

pytestmark = pytest.mark.evaluator


def test_transformers_has_every_architecture_of_the_list():
    installed = native_architectures()
    missing = {
        model_type: names
        for model_type, names in NATIVE_ARCHITECTURES.items()
        if not set(names) <= set(installed.get(model_type, ()))
    }
    assert missing == {}


def test_the_script_writes_a_module_that_python_reads():
    written: dict[str, object] = {}
    exec(source(), written)
    assert written["NATIVE_ARCHITECTURES"] == {
        model_type: tuple(names) for model_type, names in native_architectures().items()
    }
