"""Seconds that 3,000 models take to be planned on one core.

    python -m performance.planning_speed --plans 3000

The decoders of tests/data/models.csv, each a little narrower or longer than the last so that none is planned
twice, on musa and chuc in turn. Processor time is the figure to read on a busy machine.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter

from palmares.leaderboard.errors import RefusedError
from palmares.leaderboard.planning import plan_job
from palmares.leaderboard.settings import DEFAULT_CONFIG_DIR, load_settings

from performance.hand_kept_table import facts_of, models, submission_of


def measure(plans: int) -> dict[str, object]:
    """Plan so many models; seconds, and how many got which verdict."""
    settings = load_settings(DEFAULT_CONFIG_DIR)
    suite = settings.suite()
    clusters = [settings.cluster(name) for name in ("musa", "chuc")]
    rows = [row for row in models().values() if row["architecture"].endswith("ForCausalLM")]
    work = []
    for index in range(plans):
        row = dict(rows[index % len(rows)])
        row["vocab_size"] = str(int(row["vocab_size"]) + index)
        row["layers"] = str(max(1, int(row["layers"]) - index % 7))
        work.append((facts_of(row), submission_of(row["model"]), clusters[index // len(rows) % 2]))
    verdicts: Counter[str] = Counter()
    wall, processor = time.perf_counter(), time.process_time()
    for facts, submission, cluster in work:
        try:
            plan_job(facts, submission, suite, cluster)
            verdicts["placed"] += 1
        except RefusedError as error:
            verdicts[error.refusal.code] += 1
    return {
        "plans": plans,
        "wall_s": round(time.perf_counter() - wall, 3),
        "processor_s": round(time.process_time() - processor, 3),
        "verdicts": dict(verdicts),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--plans", type=int, default=3000)
    print(json.dumps(measure(parser.parse_args().plans), indent=2))
