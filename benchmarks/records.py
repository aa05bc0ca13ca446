"""100,000 records: seconds and bytes to insert and to query by study.

The records are like those of `table1`, with a training curve of 80 chunks, in ten studies. They are inserted
twice, into two stores: in calls of ten (each a transaction flushed to the disk), as a run does for a group of
trials, and all in one call. Queried are the records of one study and the ids of one study, from a store
opened for reading; opening it checks every page. Checking a record's digest and writing its JSON is part of
`add`, verifying its checksum and parsing it part of `records`.
"""

import argparse
import dataclasses
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

from measuring import keep, machine, show

from seriality.store import Record, Store, canonical, digest
from seriality.studies.table1 import TABLE1

STUDIES, GROUP, CHUNKS = 10, 10, 80


def records_of(count: int) -> list[Record]:
    """Records as a run of `table1` leaves them."""
    trial = TABLE1.trials(1)[0]
    depths = list(range(1, 17))
    tested = {"successes": [256] * 16, "tries": [256] * 16}
    outcome = {
        "depths": depths,
        "shared_depth": 11,
        "parameters": 123456,
        "passes": 1,
        "cost": {model: {"work": 1234567, "span": 13} for model in ("layer", "unit")},
        "growth": {"law": "constant", "formula": "13", "parallel": True, "lengths": [17, 33, 65, 129]},
        "validation": tested,
        "test": tested,
        "diverged": False,
        "stage": 3,
        "solved": False,
        "steps_run": 2000,
        "curve": {
            "step": [25 * (chunk + 1) for chunk in range(CHUNKS)],
            "loss": [round(4.7 / (chunk + 1), 4) for chunk in range(CHUNKS)],
            "accuracy": [round(chunk / CHUNKS, 4) for chunk in range(CHUNKS)],
            "depth": [4] * CHUNKS,
        },
    }
    provenance = machine("jax", "jaxlib", "equinox", "optax", "numpy") | {"commit": "0" * 40, "wall_s": 61.5}
    records = []
    for seed in range(count):
        study = f"study{seed % (STUDIES * GROUP) // GROUP}"
        settings = dataclasses.replace(trial, study=study, seed=seed).settings()
        records.append(Record(digest(settings), study, settings, outcome, provenance))
    return records


def fill(path: Path, calls: Iterable[list[Record]]) -> tuple[float, int]:
    """Seconds to add the records to a new store, and its bytes when closed."""
    start = time.perf_counter()
    with Store(path) as store:
        for records in calls:
            store.add(records)
    return time.perf_counter() - start, path.stat().st_size


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--keep", action="store_true", help="write the result to benchmarks/results")
    chosen = parser.parse_args()
    here = machine()
    records = records_of(chosen.count)
    found: dict[str, float] = {"records": len(records), "studies": STUDIES}
    with tempfile.TemporaryDirectory(prefix="seriality-benchmark-") as folder:
        groups = (records[first : first + GROUP] for first in range(0, len(records), GROUP))
        found["add_in_tens_s"], found["bytes"] = fill(Path(folder) / "tens.sqlite", groups)
        path = Path(folder) / "once.sqlite"
        found["add_at_once_s"], found["bytes_at_once"] = fill(path, [records])
        start = time.perf_counter()
        with Store.open_read(path) as store:
            opened = time.perf_counter()
            found["open_s"] = opened - start
            one = store.records("study3")
            found["records_of_a_study_s"] = time.perf_counter() - opened
            start = time.perf_counter()
            ids = store.ids("study3")
            found["ids_of_a_study_s"] = time.perf_counter() - start
    expected = [record for record in records if record.study == "study3"]
    same = [canonical(dataclasses.asdict(r)) for r in one] == [
        canonical(dataclasses.asdict(r)) for r in expected
    ]
    if not same or ids != {record.id for record in expected}:
        raise SystemExit("the store gave back other records than were added")
    found["records_in_the_study"] = len(one)
    found["bytes_per_record"] = found["bytes"] / len(records)
    show(
        f"{len(records):,} records",
        ["", "value"],
        [
            [key.replace("_", " "), f"{value:,.3f}" if key.endswith("_s") else f"{value:,.0f}"]
            for key, value in found.items()
        ],
    )
    if chosen.keep:
        keep("records", {"machine": here, **found})


if __name__ == "__main__":
    main()
