"""The trivial job, the same for every contestant: a second of waiting, and results that were made before.

Its text is sent whole as the ClearML task's ``script.diff``. What it uploads is what the real job would: the
outputs of one real evaluation of the demo's smallest model, under this task's names.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from pathlib import Path

from clearml import Task

Task._report_subprocess_enabled = False  # type: ignore[assignment]  # as include/palmares/evaluator/clearml_job.py
task: Task = Task.init(
    auto_connect_arg_parser=False, auto_connect_frameworks=False, auto_resource_monitoring=False
)

import palmares  # noqa: E402 - of the benchmark's copy of the checkout

WORK_S = 1.0
begin = time.monotonic()
asked = {name.removeprefix("General/"): value for name, value in (task.get_parameters() or {}).items()}
attempt = int(str(task.get_user_properties(value_only=True).get("attempt") or 1))
with tempfile.TemporaryDirectory() as scratch:
    folder = Path(scratch) / "artifact"
    shutil.copytree(Path(next(iter(palmares.__path__))).parent / "benchmark_artifact", folder)
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    manifest |= {"job_key": asked["job_key"], "attempt": attempt, "clearml_task_id": task.id}
    manifest["model"] |= {"id": asked["model"], "revision": asked["revision"]}
    manifest["suite"] |= {"name": asked["suite"], "hash": asked["suite_hash"]}
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    archive = shutil.make_archive(str(Path(scratch) / "results"), "zip", folder)
    time.sleep(max(0.0, WORK_S - (time.monotonic() - begin)))
    task.upload_artifact("results", artifact_object=archive, wait_on_upload=True)
    task.flush(wait_for_uploads=True)
print("done", flush=True)
