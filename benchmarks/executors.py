"""What an executor costs beside what is computed, and how many records one driver takes and writes.

Trials that sleep, run by `seriality.study.run` into a fresh store: locally, in two processes, and on a Ray
cluster of two workers that is started here. The overhead of a trial is the wall time of the run times its
workers, less all that was slept by the workers' own clocks, by trial; workers are started first, by a run of
one trial each, and that time is told by itself. Then the same with trials that sleep for no time: records a
second, which driver and workers bound together on these cores. Memory is the peak of a fresh process that
does the whole run with trials of no length, less that of the imports, and what its largest worker holds at
the end. The speed-up is of a grid of trials that compute on one thread: a loop of plain Python, by one
process and by two in turns, their start included; beside it the same loop in two bare processes on a core
each, which is what the machine allows. What bounds the driver is measured by workers that answer at once
(they are simulated and take no time): groups a second that it hands out and records, by the number of
workers, with records of sleeping trials and with records as large as those of `table1`. `--simulate 1000000`
does that alone, once, with a thousand workers in a fresh process: records a second, size of the store,
memory.

Every run's records are counted before a time is taken for good.
"""

import argparse
import contextlib
import json
import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from measuring import keep, machine, show
from records import records_of

from seriality.store import Record, Store
from seriality.studies.sleeping import sleeping
from seriality.study import SERIAL, Experiment, Study, run
from seriality.study.executors import AbstractExecutor, AbstractWorkers, End, Job, Local, Processes, Ray

SLEEP_S = 0.01
GRID, TURNS = 16, 20_000_000
WORKERS, MANY = 2, 1000


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
    ended, run_mb = time.perf_counter(), memory_mb("self", "VmHWM")
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
        "run_mb": run_mb,
    }


def overhead_s(found: dict[str, float], workers: int) -> float:
    """Seconds of a worker that a trial takes beyond its own sleep."""
    return (found["took_s"] * workers - found["slept_s"]) / (found["records"] - WORKERS)


class Simulated(AbstractExecutor):
    """So many workers that answer at once, with an outcome that is given."""

    def __init__(self, workers: int, outcome: dict[str, Any]):
        self.workers, self.outcome = workers, outcome

    @contextlib.contextmanager
    def open(self, provenance: Any, tell: Any) -> Iterator["_Simulated"]:
        yield _Simulated(self.workers, self.outcome, dict(provenance))


class _Simulated(AbstractWorkers):
    def __init__(self, count: int, outcome: dict[str, Any], provenance: dict[str, Any]):
        self.count, self.outcome, self.provenance = count, outcome, {**provenance, "wall_s": 0.0}
        self.jobs: dict[int, Job] = {}

    def give(self, worker: int, job: Job) -> None:
        self.jobs[worker] = job

    def ended(self) -> Iterator[End]:
        worker = next(iter(self.jobs))  # the one that has waited longest
        (trial,) = self.jobs.pop(worker).trials
        yield End(worker, [Record(trial.id, trial.study, trial.settings(), self.outcome, self.provenance)])


def driver_bounds(count: int, folder: str) -> list[dict[str, float | str]]:
    """What one driver hands out and records, by size of record and number of simulated workers."""
    outcomes = {"sleeping": {"slept_s": 0.01}, "table1": records_of(1)[0].outcome}
    found = []
    for kind, outcome in outcomes.items():
        for workers in (1, 10, 100, MANY):
            one = timed(sleeping(count, 0.0), Simulated(workers, outcome), folder)
            kept = {name: one[name] for name in ("records_per_s", "bytes_per_record")}
            found.append({"record": kind, "workers": workers, **kept})
    return found


def bare(core: int, count: int, turns: int) -> None:
    """The trials of a grid with nothing around them, on one core."""
    os.sched_setaffinity(0, [core])
    for number in range(count):
        compute(number, turns)


def bare_s(workers: int, turns: int) -> float:
    """Seconds that so many bare processes take for the grid."""
    cores = sorted(os.sched_getaffinity(0))[:workers]
    spawn = multiprocessing.get_context("spawn")
    each = [spawn.Process(target=bare, args=(core, GRID // workers, turns)) for core in cores]
    started = time.perf_counter()
    for process in each:
        process.start()
    for process in each:
        process.join()
    return time.perf_counter() - started


def speed_up(repeats: int, turns: int, folder: str) -> dict[str, Any]:
    """Ratios of the times of one worker and of two, which take turns; and the machine's own."""
    ratios: dict[str, list[float]] = {"processes": [], "bare": []}
    for _ in range(repeats):
        one, two = (timed(grid(GRID, turns), Processes(workers), folder)["wall_s"] for workers in (1, 2))
        ratios["processes"].append(one / two)
        ratios["bare"].append(bare_s(1, turns) / bare_s(2, turns))
    return {
        "trials": GRID,
        "one_s": one,
        "two_s": two,
        "ratio": statistics.median(ratios["processes"]),
        "machine": statistics.median(ratios["bare"]),
        "all": ratios,
    }


def memory(count: int) -> dict[str, float]:
    """Peak memory of a fresh driver, in MB, before the run and after it, with two processes as workers."""
    said = subprocess.run(
        [sys.executable, __file__, "--driver", str(count)], stdout=subprocess.PIPE, text=True, check=True
    )
    return json.loads(said.stdout)


def simulate(count: int) -> dict[str, float]:
    """A run of so many trials by workers that answer at once."""
    study, simulated = sleeping(count, 0.0), Simulated(MANY, {"slept_s": 0.01})
    with tempfile.TemporaryDirectory(prefix="seriality-benchmark-") as folder:
        found = timed(study, simulated, folder)
    names = ("records", "wall_s", "records_per_s", "bytes_per_record", "run_mb")
    return {"workers": MANY, **{name: found[name] for name in names}}


def drive(count: int) -> None:
    """What the fresh driver does."""
    with tempfile.TemporaryDirectory(prefix="seriality-benchmark-") as folder:
        timed(sleeping(1 + WORKERS, 0.0), Local(), folder)
        before = memory_mb("self", "VmHWM")
        path = Path(folder) / "store.sqlite"
        recorded, worker = 0, 0.0

        def observe(now: Any) -> None:
            nonlocal recorded, worker
            recorded += now.phase == "recorded"
            if recorded == count - WORKERS and not worker:  # nearly done, and all of them are still there
                workers = multiprocessing.active_children()
                worker = max(memory_mb(process.pid, "VmRSS") for process in workers)

        started = time.perf_counter()
        with Store(path) as store:
            run(sleeping(count, 0.0), store, executor=Processes(WORKERS), observe=observe)
        took = time.perf_counter() - started
        print(
            json.dumps(
                {"before": before, "peak": memory_mb("self", "VmHWM"), "worker": worker, "wall_s": took}
            )
        )


def memory_mb(process: Any, field: str) -> float:
    """Resident memory of a process, now (VmRSS) or at most (VmHWM; `getrusage` says more, since a program
    inherits there the peak of the process that started it)."""
    status = Path(f"/proc/{process}/status").read_text()
    return int(status.partition(f"{field}:")[2].split()[0]) / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--count", type=int, default=10_000, help="sleeping trials (default 10,000)")
    parser.add_argument("--repeats", type=int, default=3, help="turns of one process and two (default 3)")
    parser.add_argument("--turns", type=int, default=TURNS, help="of the loop of a trial that computes")
    parser.add_argument("--keep", action="store_true", help="write the result to benchmarks/results")
    parser.add_argument("--simulate", type=int, help="so many trials by workers that answer at once, alone")
    parser.add_argument("--driver", type=int, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.driver is not None:
        drive(chosen.driver)
        return
    here = machine("jax", "ray")
    if chosen.simulate is not None:
        one = simulate(chosen.simulate)
        show(f"{MANY:,} workers that answer at once", list(one), [list(one.values())])
        if chosen.keep:
            keep("executors_simulated", {"machine": here, **one})
        return
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
        found["driver"] = driver_bounds(chosen.count, folder)
        found["speed_up"] = speed_up(chosen.repeats, chosen.turns, folder)
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
        ["", "ratio", "least", "most"],
        [
            [name, statistics.median(all), min(all), max(all)]
            for name, all in found["speed_up"]["all"].items()
        ],
    )
    show(
        "One driver, workers that answer at once",
        ["records as in", "workers", "groups a second", "bytes a record"],
        [list(each.values()) for each in found["driver"]],
    )
    show(
        "Memory of the driver, and of its largest worker at the end",
        ["trials", "MB before", "MB at most", "worker, MB"],
        [
            [f"{int(count):,}", each["before"], each["peak"], each["worker"]]
            for count, each in found["driver_mb"].items()
        ],
    )
    here["load_after"] = round(os.getloadavg()[0], 2)
    if chosen.keep:
        keep("executors", {"machine": here, **found})


if __name__ == "__main__":
    main()
