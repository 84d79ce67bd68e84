"""An empty tree for each test."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.palmares.rescoring.tree import Tree


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    root = Tree(tmp_path / "tree")
    root.details.mkdir(parents=True)
    root.results.mkdir()
    return root
