"""No circle of files, however well hidden: imports in functions and under TYPE_CHECKING count too.

import-linter's contracts in pyproject.toml say which package may import which.
"""

from __future__ import annotations

from collections.abc import Mapping

import grimp

PACKAGES = ("palmares", "clearml_provider", "palmares_airflow", "devstack", "french_answers")


def circles(imports: Mapping[str, set[str]]) -> list[list[str]]:
    """Sets of modules that import each other, directly or through others (Tarjan's components)."""
    order: dict[str, int] = {}
    lowest: dict[str, int] = {}
    path: list[str] = []
    found: list[list[str]] = []

    def visit(module: str) -> None:
        order[module] = lowest[module] = len(order)
        path.append(module)
        for imported in sorted(imports.get(module, ())):
            if imported not in order:
                visit(imported)
                lowest[module] = min(lowest[module], lowest[imported])
            elif imported in path:
                lowest[module] = min(lowest[module], order[imported])
        if lowest[module] == order[module]:
            members = path[path.index(module) :]
            del path[path.index(module) :]
            if len(members) > 1:
                found.append(sorted(members))

    for module in sorted(imports):
        if module not in order:
            visit(module)
    return found


def test_a_circle_of_three_is_found() -> None:
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a", "d"}, "d": set()}) == [["a", "b", "c"]]


def test_no_files_import_each_other_in_a_circle() -> None:
    graph = grimp.build_graph(*PACKAGES, cache_dir=None, exclude_type_checking_imports=False)
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}

    assert len(imports) > 300
    assert circles(imports) == []
