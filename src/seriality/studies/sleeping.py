"""Trials that sleep: what an executor costs, and whether a cluster is well, before trials that compute.

`seriality run sleeping --executor ray` takes seconds. It bears on no claim.
"""

import time
from typing import Any

from ..study import SERIAL, Experiment, Study

NAME = "sleeping"


def sleep(number: int, seconds: float) -> dict[str, Any]:
    """Sleeps; the outcome holds how long it was."""
    started = time.perf_counter()
    time.sleep(seconds)
    return {"slept_s": round(time.perf_counter() - started, 4)}


def sleeping(count: int, seconds: float) -> Study:
    """A study of so many trials that sleep so long, times the seeds."""

    def trials(seeds: int) -> list[Experiment]:
        return [
            Experiment(NAME, "sleep", "sleep", SERIAL, sleep, {"number": n, "seconds": seconds}, seed=seed)
            for n in range(count)
            for seed in range(seeds)
        ]

    return Study(NAME, f"Trials that sleep {seconds:g} s each: to try an executor", (), 1, trials)


SLEEPING = sleeping(100, 0.05)
