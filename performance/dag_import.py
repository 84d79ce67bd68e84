"""What a DAG file adds to `import airflow.sdk`: every task pays it, because each parses the file anew.

    python performance/dag_import.py dags/evaluate_submissions.py --runs 21

Fresh interpreters, alternating with and without the file, after a warm-up that writes bytecode. The figure
to read is the median of what the file adds within one process; the medians of both kinds are the check.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

CHILD = """
import importlib.util, json, sys, time

start = time.perf_counter()
import airflow.sdk
sdk, sdk_cpu = time.perf_counter(), time.process_time()
for path in sys.argv[1:]:
    spec = importlib.util.spec_from_file_location("measured_dag", path)
    spec.loader.exec_module(importlib.util.module_from_spec(spec))
end, end_cpu = time.perf_counter(), time.process_time()
print(json.dumps({"sdk": sdk - start, "added": end - sdk, "added_cpu": end_cpu - sdk_cpu}))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """Medians over the runs; seconds of wall clock, but for ``added_cpu_s``."""

    dag_file: str
    runs: int
    sdk_alone_s: float
    sdk_and_dag_s: float
    added_s: float
    """By the file, after airflow.sdk, in one process."""
    added_cpu_s: float
    """The same in processor time: what remains true on a busy machine."""
    added_quartiles_s: tuple[float, float]
    ratio: float
    """Whole with the file over whole without."""


def run_child(home: Path, *files: Path) -> dict[str, float]:
    """Import airflow.sdk, then *files*, in a fresh interpreter; return the seconds of each part."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW_")}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # without bytecode, compiling is what would be measured
    environment |= {
        "AIRFLOW_HOME": str(home),
        "PYTHONPATH": os.pathsep.join(map(str, (ROOT, ROOT / "include", ROOT / "plugins"))),
    }
    found = subprocess.run(
        [sys.executable, "-c", CHILD, *map(str, files)],
        env=environment,
        cwd=home,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    seconds: dict[str, float] = json.loads(found.stdout.splitlines()[-1])
    return seconds


def measure(dag_file: Path, *, runs: int) -> Measured:
    """Alternate interpreters with and without *dag_file*, *runs* times each."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        run_child(home, dag_file)
        pairs = [(run_child(home), run_child(home, dag_file)) for _ in range(runs)]
    alone = statistics.median(without["sdk"] for without, _ in pairs)
    both = statistics.median(having["sdk"] + having["added"] for _, having in pairs)
    added = [having["added"] for _, having in pairs]
    low, _, high = statistics.quantiles(added, n=4)
    return Measured(
        dag_file=os.path.relpath(dag_file, ROOT),
        runs=runs,
        sdk_alone_s=alone,
        sdk_and_dag_s=both,
        added_s=statistics.median(added),
        added_cpu_s=statistics.median(having["added_cpu"] for _, having in pairs),
        added_quartiles_s=(low, high),
        ratio=both / alone,
    )


def machine() -> dict[str, str | int | float | None]:
    """What the figures depend on, to be printed beside them."""
    return {
        "python": platform.python_version(),
        "system": platform.system(),
        "cores": os.cpu_count(),
        "load_1min": round(os.getloadavg()[0], 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("dag_file", type=Path, nargs="?", default=ROOT / "dags" / "evaluate_submissions.py")
    parser.add_argument(
        "--runs", type=int, default=21, help="interpreters of each kind (default 21, at least 2)"
    )
    parser.add_argument(
        "--max-added-ms", type=float, help="exit 1 if the median added wall time is above this"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object instead of text")
    options = parser.parse_args()
    if not options.dag_file.is_file():
        parser.error(f"{options.dag_file} is not a file")
    if options.runs < 2:
        parser.error(f"--runs {options.runs}: quartiles need at least 2")
    found = measure(options.dag_file.resolve(), runs=options.runs)
    if options.json:
        print(json.dumps({"machine": machine(), **asdict(found)}))
    else:
        low, high = found.added_quartiles_s
        print(", ".join(f"{name} {value}" for name, value in machine().items()))
        print(f"{found.sdk_alone_s * 1000:7.1f} ms  import airflow.sdk")
        print(f"{found.sdk_and_dag_s * 1000:7.1f} ms  … and {found.dag_file}: ratio {found.ratio:.3f}")
        print(
            f"{found.added_s * 1000:7.1f} ms  added by the file "
            f"(quartiles {low * 1000:.1f} to {high * 1000:.1f}; processor {found.added_cpu_s * 1000:.1f} ms)"
        )
    if options.max_added_ms is not None and found.added_s * 1000 > options.max_added_ms:
        sys.exit(
            f"{found.dag_file} adds more than {options.max_added_ms:g} ms: look at `python -X importtime`."
        )


if __name__ == "__main__":
    main()
