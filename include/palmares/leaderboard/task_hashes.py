"""One hash a task, so that a change of one task can be told from a change of another."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from palmares.leaderboard.suites import Suite

_NAME = re.compile(r"^task:\s*(\S+)\s*$", re.MULTILINE)


def task_hashes(suite: Suite, tasks_dir: Path) -> dict[str, str]:
    """Hash each task's definition: its YAML, the Python files beside it, and those that all tasks share.

    The same recipe as the suite's hash, over fewer files: relative path, NUL, bytes, NUL.

    Args:
        suite: Names the tasks.
        tasks_dir: ``include/palmares/evaluator/tasks`` of the checkout.

    Returns:
        64 hex digits by task key; a task without a definition here is left out.
    """
    definitions = {}
    for path in sorted(tasks_dir.rglob("*.yaml")):
        if found := _NAME.search(path.read_text(encoding="utf-8")):
            definitions[found[1]] = path
    hashes = {}
    for task in suite.tasks:
        if (definition := definitions.get(task.lm_eval_task)) is None:
            continue
        digest = hashlib.sha256()
        files = {definition, *definition.parent.glob("*.py"), *tasks_dir.glob("*.py")}
        for path in sorted(files, key=lambda one: one.relative_to(tasks_dir).as_posix()):
            relative = path.relative_to(tasks_dir).as_posix()
            digest.update(relative.encode() + b"\0" + path.read_bytes() + b"\0")
        hashes[task.key] = digest.hexdigest()
    return hashes
