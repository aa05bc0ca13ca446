"""Readers: from the records of a study to its findings. READERS is the only list; a study without one is a
table of solvers (`analysis.table`)."""

from collections.abc import Callable, Sequence

from ..finding import UNDECIDED, Finding
from ..table import RecordLike, Verdict
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

Reader = Callable[[Sequence[RecordLike], int], tuple[Finding, ...]]


def _together(read: Reader, *on: str) -> Reader:
    """The reader; where records that can be read one by one do not go together, its claims are undecided."""

    def whole(records: Sequence[RecordLike], missing: int) -> tuple[Finding, ...]:
        try:
            return read(records, missing)
        except (ValueError, RuntimeError) as error:
            said = str(error)
        except (LookupError, ArithmeticError):
            said = "not all were asked alike"
        verdict = Verdict(UNDECIDED, (f"these records do not go together: {said}",))
        return tuple(Finding(claim, verdict, ()) for claim in on)

    return whole


READERS: dict[str, Reader] = {
    "sampler_error": _together(sampler_error.read, "C15"),
    "derandomised": _together(derandomised.read, "C16"),
    "sudoku_orders": _together(sudoku_orders.read, "C17"),
    **dict.fromkeys(("depth_of_one", "depth_of_one_small"), _together(depth_of_one.read, "C18")),
    "widths": _together(widths.read, "C22"),
    **dict.fromkeys(("plateau", "plateau_small"), _together(plateau.read, "C14")),
    **dict.fromkeys(("escapes", "escapes_small"), _together(plateau.read_escapes, "C25")),
    **dict.fromkeys(("sudoku_trained", "sudoku_trained_small"), _together(plateau.read_sudoku, "C17")),
    **dict.fromkeys(
        ("exchange_rate", "exchange_rate_automaton", "exchange_rate_sudoku", "exchange_rate_large"),
        _together(exchange_rate.read, "C23"),
    ),
    "deep_and_wide": _together(deep_and_wide.read, "C07"),
    "thinning": _together(thinning.read, "C12", "C13"),
    "loops": _together(loops.read, "C11"),
    "machine": _together(machine.read, "C24"),
    "demonstrations": lambda records, missing: (),  # these two bear on no claim
    "sleeping": lambda records, missing: (),
}
"""By study: from its records, and the number of its trials that are missing, to its findings."""
