"""ClearML's own PipelineController over the same jobs: a program of its own, so that its CPU time is its own.

    python pipeline.py '{"name": …, "project": …, "queue": …, "base_task_id": …, "steps": [{…}, …]}'

Each step is a clone of one base task with hyperparameters of its own. Prints one JSON object. Everything is
at ClearML's defaults, its look at the steps each 12 s included, unless ``pool_frequency_min`` says otherwise.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

RESULT = "PIPELINE_RESULT "
"""What the line begins with: the SDK prints lines of its own."""


def run(spec: dict[str, Any]) -> dict[str, Any]:
    """Run all steps side by side; return when it began and ended, and the steps' ClearML tasks."""
    begin = time.time()
    from clearml import PipelineController

    options = {"pool_frequency": spec["pool_frequency_min"]} if spec.get("pool_frequency_min") else {}
    pipeline = PipelineController(name=spec["name"], project=spec["project"], **options)
    pipeline.set_default_execution_queue(spec["queue"])
    for number, parameters in enumerate(spec["steps"]):
        pipeline.add_step(
            name=f"job_{number:03d}",
            base_task_id=spec["base_task_id"],
            parameter_override={f"General/{name}": value for name, value in parameters.items()},
        )
    pipeline.start_locally()
    pipeline.wait()
    end = time.time()
    nodes: Any = pipeline.get_processed_nodes()  # a dict, whatever its annotation says
    return {
        "begin": begin,
        "end": end,
        "is_successful": bool(pipeline.is_successful()),
        "task_ids": [node.executed for node in nodes.values()],
    }


if __name__ == "__main__":
    print(RESULT + json.dumps(run(json.loads(sys.argv[1]))), flush=True)
