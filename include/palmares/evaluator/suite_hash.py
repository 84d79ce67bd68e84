"""The hash of the task definitions, which names what a suite asks; standard library only.

SHA-256 over every ``*.yaml`` and ``*.py`` below ``evaluator/tasks``, in the order of their relative
POSIX paths: path in UTF-8, a NUL, the file's bytes, a NUL; written as 64 hex digits. The leaderboard's side
computes the same by itself (``include/palmares/leaderboard/suites.py``), so that neither imports the other.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

TASKS_DIRECTORY = Path(__file__).parent / "tasks"


def suite_hash(tasks_directory: Path = TASKS_DIRECTORY) -> str:
    """Hash the task definitions of this checkout.

    Raises:
        FileNotFoundError: There is no task definition.
    """
    files = {
        path.relative_to(tasks_directory).as_posix(): path
        for path in tasks_directory.rglob("*")
        if path.suffix in {".yaml", ".py"} and path.is_file()
    }
    if not files:
        raise FileNotFoundError(
            f"{tasks_directory}: no task definition. Check out include/palmares/evaluator/tasks."
        )
    digest = hashlib.sha256()
    for relative in sorted(files):
        digest.update(relative.encode() + b"\0" + files[relative].read_bytes() + b"\0")
    return digest.hexdigest()
