"""The French rules beside those of lm-eval's English IFEval, read from its source."""

from __future__ import annotations

import ast
from importlib.util import find_spec
from pathlib import Path

import pytest
from palmares.benchmarks.ifeval_fr.task.checkers import ALIASES, CHECKERS


def english_rules() -> list[str]:
    """Keys of ``INSTRUCTION_DICT``; importing it would fetch data for NLTK."""
    package = find_spec("lm_eval")
    assert package is not None
    assert package.origin is not None
    source = Path(package.origin).parent / "tasks" / "ifeval" / "instructions_registry.py"
    prefixes: dict[str, str] = {}
    for statement in ast.parse(source.read_bytes()).body:
        if not isinstance(statement, ast.Assign) or not isinstance(statement.targets[0], ast.Name):
            continue
        name = statement.targets[0].id
        if isinstance(statement.value, ast.Constant):
            prefixes[name] = str(statement.value.value)
        elif name == "INSTRUCTION_DICT" and isinstance(statement.value, ast.Dict):
            return [
                prefixes[key.left.id] + str(key.right.value)
                for key in statement.value.keys
                if isinstance(key, ast.BinOp)
                and isinstance(key.left, ast.Name)
                and isinstance(key.right, ast.Constant)
            ]
    raise AssertionError(f"{source} has no INSTRUCTION_DICT")


@pytest.mark.evaluator
def test_every_rule_of_the_english_registry_can_be_checked_in_french():
    rules = english_rules()

    assert len(rules) >= 25
    assert [rule for rule in rules if ALIASES.get(rule, rule) not in CHECKERS] == []
