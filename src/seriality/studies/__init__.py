"""The studies themselves. STUDIES is the only list; other packages join it by entry points."""

from typing import Any

from ..claims import CLAIMS
from ..registry import Registry
from ..study import Experiment, Study, Trial
from .deep_and_wide import DEEP_AND_WIDE
from .demonstrations import DEMONSTRATIONS
from .depth_of_one import DEPTH_OF_ONE, DEPTH_OF_ONE_SMALL
from .derandomised import DERANDOMISED
from .exchange_rate import (
    EXCHANGE_RATE,
    EXCHANGE_RATE_AUTOMATON,
    EXCHANGE_RATE_LARGE,
    EXCHANGE_RATE_SUDOKU,
)
from .loops import LOOPS_STUDY
from .machine import MACHINE
from .miniature import MINIATURE
from .pairs import PAIRS
from .plateau import ESCAPES, ESCAPES_SMALL, PLATEAU, PLATEAU_SMALL
from .sampler_error import SAMPLER_ERROR
from .sleeping import SLEEPING
from .sudoku_orders import SUDOKU_ORDERS
from .sudoku_trained import SUDOKU_TRAINED, SUDOKU_TRAINED_SMALL
from .table1 import DEMO, TABLE1
from .thinning import THINNING
from .widths import WIDTHS_STUDY

_BUILT_IN = (
    *(DEMO, TABLE1, PAIRS, MINIATURE),
    *(SAMPLER_ERROR, DERANDOMISED, SUDOKU_ORDERS, DEPTH_OF_ONE, DEPTH_OF_ONE_SMALL, WIDTHS_STUDY),
    *(PLATEAU, PLATEAU_SMALL, ESCAPES, ESCAPES_SMALL),
    *(SUDOKU_TRAINED, SUDOKU_TRAINED_SMALL),
    *(EXCHANGE_RATE, EXCHANGE_RATE_AUTOMATON, EXCHANGE_RATE_SUDOKU, EXCHANGE_RATE_LARGE),
    *(DEEP_AND_WIDE, THINNING, LOOPS_STUDY),
    *(MACHINE, DEMONSTRATIONS, SLEEPING),
)


def _fault(name: str, found: Any) -> str:
    """What keeps an object of another package from being a study, or ""."""
    if not isinstance(found, Study):
        return "is no seriality.study.Study"
    if found.name != name:
        return f"is the study {found.name!r}; the entry point must have its name"
    if unknown := [claim for claim in found.claims if claim not in CLAIMS]:
        return f"bears on {', '.join(unknown)}, which are no claims; `seriality claims` shows them"
    trials = found.trials(found.seeds)
    if not all(isinstance(trial, Trial | Experiment) for trial in trials):
        return "lists trials that are neither seriality.study.Trial nor seriality.study.Experiment"
    # Records are found again by the study's name.
    if others := sorted({trial.study for trial in trials} - {name}):
        return f"lists trials of the study {', '.join(others)}; write {name!r} as their first argument"
    return ""


STUDIES: Registry[Study] = Registry("study", {study.name: study for study in _BUILT_IN}, fault=_fault)
"""Every study by its name, those of other packages too."""
