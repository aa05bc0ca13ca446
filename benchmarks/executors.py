"""What an executor costs beside what is computed, and how many records one driver takes and writes.

Trials that sleep, run by `seriality.study.run` into a fresh store: locally, in two processes, and on a Ray
cluster of two workers that is started here. The overhead of a trial is the wall time of the run times its
workers, less all that was slept by the workers' own clocks, by trial; workers are started first, by a run of
one trial each, and that time is told by itself. Then the same with trials that sleep for no time: records a
second, which the driver bounds. Memory is the peak of a fresh process that does the whole run with trials of
no length, less that of the imports. The speed-up is of a grid of trials that compute on one thread: a loop of
plain Python, by one process and by two, their start included.

Every run's records are counted before a time is taken for good.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from measuring import keep, machine, show

from seriality.store import Store
from seriality.studies.sleeping import sleeping
from seriality.study import SERIAL, Experiment, Study, run
from seriality.study.executors import AbstractExecutor, Local, Processes, Ray

SLEEP_S = 0.01
GRID, TURNS = 16, 20_000_000
WORKERS = 2


def compute(number: int, turns: int) -> dict[str, Any]:
    """A chain of multiplications in plain Python."""
    value = number + 1
    for _ in range(turns):
        value = value * 48271 % 2147483647
    return {"value": value}


def grid(count: int, turns: int) -> Study:
    """Trials that compute on one thread."""
    trials = [
        Experiment("grid", "compute", "chain", SERIAL, compute, {"number": number, "turns": turns})
        for number in range(count)
    ]
    return Study("grid", "", (), 1, lambda seeds: trials)


def timed(study: Study, executor: AbstractExecutor, folder: str) -> dict[str, float]:
    """Seconds from the first record to the last, records in between, bytes of the store, seconds slept.

    The first records of the workers are those of their start, which is told by itself."""
    path = Path(folder) / "store.sqlite"
    count, moments = len(study.trials(1)), []

    def observe(now: Any) -> None:
        if now.phase == "recorded":
            moments.append(time.perf_counter())

    started = time.perf_counter()
    with Store(path) as store:
        written = run(study, store, executor=executor, observe=observe)
    ended = time.perf_counter()
    size = path.stat().st_size
    with Store.open_read(path) as store:
        records = store.records()
    if not written == len(records) == count:
        raise SystemExit(f"{len(records)} records of {count} trials, {written} written")
    for file in Path(folder).iterdir():
        file.unlink()
    first = WORKERS  # of each worker about one, which waited for its start
    took = moments[-1] - moments[first - 1]
    slept = sum(record.outcome.get("slept_s", 0.0) for record in records[first:])
    return {
        "records": count,
        "wall_s": ended - started,
        "start_s": moments[first - 1] - started,
        "took_s": took,
        "records_per_s": (count - first) / took,
        "slept_s": slept,
        "bytes_per_record": size / count,
    }


def overhead_s(found: dict[str, float], workers: int) -> float:
    """Seconds of a worker that a trial takes beyond its own sleep."""
    return (found["took_s"] * workers - found["slept_s"]) / (found["records"] - WORKERS)


def memory(count: int) -> dict[str, float]:
    """Peak memory of a fresh driver, in MB, before the run and after it, with two processes as workers."""
    said = subprocess.run(
        [sys.executable, __file__, "--driver", str(count)], stdout=subprocess.PIPE, text=True, check=True
    )
    return json.loads(said.stdout)


def drive(count: int) -> None:
    """What the fresh driver does."""

    def peak_mb() -> float:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # Linux counts in KiB

    with tempfile.TemporaryDirectory(prefix="seriality-benchmark-") as folder:
        timed(sleeping(1 + WORKERS, 0.0), Local(), folder)
        before = peak_mb()
        path = Path(folder) / "store.sqlite"
        started = time.perf_counter()
        with Store(path) as store:
            run(sleeping(count, 0.0), store, executor=Processes(WORKERS))
        print(json.dumps({"before": before, "peak": peak_mb(), "wall_s": time.perf_counter() - started}))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--count", type=int, default=10_000, help="sleeping trials (default 10,000)")
    parser.add_argument("--turns", type=int, default=TURNS, help="of the loop of a trial that computes")
    parser.add_argument("--keep", action="store_true", help="write the result to benchmarks/results")
    parser.add_argument("--driver", type=int, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.driver is not None:
        drive(chosen.driver)
        return
    here = machine("jax", "ray")
    executors: dict[str, tuple[AbstractExecutor, int]] = {
        "local": (Local(), 1),
        "processes": (Processes(WORKERS), WORKERS),
        "ray": (Ray(WORKERS), WORKERS),
    }
    found: dict[str, Any] = {"sleep_s": SLEEP_S, "workers": WORKERS}
    with tempfile.TemporaryDirectory(prefix="seriality-benchmark-") as folder:
        for name, (executor, workers) in executors.items():
            asleep = timed(sleeping(chosen.count, SLEEP_S), executor, folder)
            at_once = timed(sleeping(chosen.count, 0.0), executor, folder)
            found[name] = {
                "start_s": asleep["start_s"],
                "overhead_s": overhead_s(asleep, workers),
                "records_per_s": at_once["records_per_s"],
                "bytes_per_record": at_once["bytes_per_record"],
            }
        found["speed_up"] = {
            "trials": GRID,
            "one_s": (one := timed(grid(GRID, chosen.turns), Processes(1), folder)["wall_s"]),
            "two_s": (two := timed(grid(GRID, chosen.turns), Processes(2), folder)["wall_s"]),
            "ratio": one / two,
        }
    found["driver_mb"] = {
        f"{count}": memory(count) for count in (chosen.count // 10, chosen.count, 10 * chosen.count)
    }
    show(
        f"{chosen.count:,} trials that sleep {SLEEP_S:g} s",
        ["executor", "workers", "start, s", "overhead, ms a trial", "records a second", "bytes a record"],
        [
            [
                name,
                workers,
                found[name]["start_s"],
                1e3 * found[name]["overhead_s"],
                found[name]["records_per_s"],
                found[name]["bytes_per_record"],
            ]
            for name, (_, workers) in executors.items()
        ],
    )
    show(
        f"{GRID} trials that compute, in processes",
        ["", "one, s", "two, s", "ratio"],
        [["wall time", *(found["speed_up"][each] for each in ("one_s", "two_s", "ratio"))]],
    )
    show(
        "Memory of the driver",
        ["trials", "MB before", "MB at most"],
        [[f"{int(count):,}", each["before"], each["peak"]] for count, each in found["driver_mb"].items()],
    )
    if chosen.keep:
        keep("executors", {"machine": here, **found})


if __name__ == "__main__":
    main()
