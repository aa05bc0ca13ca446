"""What the benchmarks share: the machine they ran on, alternating blocks, the table and the file of results.

Contenders take turns (A, B, A, B, ...), so that whatever else the machine does meets all of them alike. The
median over blocks is what ratios are made of; the minimum stands beside it as the undisturbed time.
"""

import argparse
import datetime
import importlib.metadata
import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from seriality.study.provenance import processor

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Timing:
    """Seconds per unit of work over the blocks of one contender."""

    median_s: float
    minimum_s: float

    @classmethod
    def of(cls, seconds: Sequence[float], units: float = 1) -> "Timing":
        return cls(statistics.median(seconds) / units, min(seconds) / units)

    def per_second(self) -> float:
        return 1 / self.median_s


def alternate(blocks: Mapping[str, Callable[[], object]], repeats: int) -> dict[str, list[float]]:
    """The seconds of each block, which take turns `repeats` times after one turn that is not timed."""
    seconds: dict[str, list[float]] = {name: [] for name in blocks}
    for repeat in range(repeats + 1):
        for name, block in blocks.items():
            start = time.perf_counter()
            block()
            if repeat:
                seconds[name].append(time.perf_counter() - start)
    return seconds


def machine(*packages: str) -> dict[str, Any]:
    """CPU, cores, load of the minute before the run, an earlier run's included, and versions."""
    return {
        "date": datetime.date.today().isoformat(),
        "cpu": processor(),
        "cores": os.cpu_count(),
        "load_before": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        **{name: importlib.metadata.version(name) for name in ("seriality", *packages)},
    }


def options(doc: str | None, repeats: int) -> argparse.Namespace:
    """`--repeats` and `--keep`, which every benchmark has."""
    parser = argparse.ArgumentParser(description=(doc or "").split("\n\n")[0])
    parser.add_argument("--repeats", type=int, default=repeats, help=f"timed turns (default {repeats})")
    parser.add_argument("--keep", action="store_true", help="write the result to benchmarks/results")
    return parser.parse_args()


def show(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """One table on the terminal; the first column is text, the others numbers."""
    table = Table(title=title, title_justify="left")
    for place, column in enumerate(columns):
        table.add_column(column, justify="right" if place else "left")
    for row in rows:
        table.add_row(*(cell if isinstance(cell, str) else f"{cell:,.4g}" for cell in row))
    Console(width=None if Console().is_terminal else 110).print(table)


def keep(name: str, result: Mapping[str, Any]) -> None:
    """The result as JSON in benchmarks/results, floats to five significant digits."""

    def rounded(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {key: rounded(entry) for key, entry in value.items()}
        if isinstance(value, list | tuple):
            return [rounded(entry) for entry in value]
        return float(f"{value:.5g}") if isinstance(value, float) else value

    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(rounded(result), indent=2) + "\n")
