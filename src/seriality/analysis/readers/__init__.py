"""Readers: from the records of a study to its findings. READERS is the only list; a study without one is a
table of solvers (`analysis.table`)."""

from collections.abc import Callable, Sequence

from ..finding import Finding
from ..table import RecordLike
from . import (
    deep_and_wide,
    depth_of_one,
    derandomised,
    exchange_rate,
    loops,
    machine,
    plateau,
    sampler_error,
    sudoku_orders,
    thinning,
    widths,
)

READERS: dict[str, Callable[[Sequence[RecordLike], int], tuple[Finding, ...]]] = {
    "sampler_error": sampler_error.read,
    "derandomised": derandomised.read,
    "sudoku_orders": sudoku_orders.read,
    "depth_of_one": depth_of_one.read,
    "depth_of_one_small": depth_of_one.read,
    "widths": widths.read,
    "plateau": plateau.read,
    "plateau_small": plateau.read,
    "escapes": plateau.read_escapes,
    "escapes_small": plateau.read_escapes,
    "sudoku_trained": plateau.read_sudoku,
    "sudoku_trained_small": plateau.read_sudoku,
    "exchange_rate": exchange_rate.read,
    "exchange_rate_automaton": exchange_rate.read,
    "exchange_rate_sudoku": exchange_rate.read,
    "exchange_rate_large": exchange_rate.read,
    "deep_and_wide": deep_and_wide.read,
    "thinning": thinning.read,
    "loops": loops.read,
    "machine": machine.read,
    "demonstrations": lambda records, missing: (),  # these two bear on no claim
    "sleeping": lambda records, missing: (),
}
"""By study: from its records, and the number of its trials that are missing, to its findings."""
