"""What must be computed: the tasks. `TASKS` is the only list of them; other packages join it by entry points.

| task | depth | serial for | control |
|---|---|---|---|
| `Words` | letters | constant depth (NC1-complete) over S5, A5 | two registers |
| `ElementaryAutomaton` | steps | any polylogarithm (P-complete) under Rule 110 | Rule 90 |
| `LatticeAutomaton` | steps | P-complete: Life, and majority in 3 dimensions | a linear rule |
| `CircuitValue` | layers | any polylogarithm (P-complete) | wide wiring |
| `ArithmeticCircuit` | layers | any polylogarithm (P-complete) | wide wiring |
| `DepthOfOne` | layers of gates | any polylogarithm (P-complete; to approximate, P-hard) | wide wiring |
| `PointerChase` | hops | constant depth (complete for L) | the nodes in order |
| `IteratedSquaring` | squarings | any polylogarithm, by assumption | φ(N) is known |
| `Rollout` | steps | any polylogarithm (P-hard); constant depth if states are listed | truncation |
| `Billiards` | collisions | open at random; discs compute (P-hard with mirrors) | one disc |
| `OccludedBalls` | hidden collisions | open at random, as `Billiards` | balls pass through each other |
| `GradeSchool` | operations in a row | any polylogarithm (P-complete) | all is read at the start |
| `Sudoku` | rounds of singles | open (propagation is P-complete in general) | the grid's pattern is known |
| `Countdown` | operations | none: search is wide, not deep | the target is the sum |

The complexities are of the worst instance as all dials grow, and hold if the classes differ.
"""

import inspect
from typing import Any

from ..registry import Registry, class_fault
from .arithmetic_circuit import ArithmeticCircuit
from .base import AbstractTask
from .billiards import Billiards
from .circuit_value import CircuitValue
from .countdown import Countdown
from .depth_of_one import DepthOfOne
from .elementary_automaton import ElementaryAutomaton
from .grade_school import GradeSchool
from .iterated_squaring import IteratedSquaring
from .lattice_automaton import LatticeAutomaton
from .macrostates import Estimate, MacrostateEstimates, macrostate_estimates
from .monoids import MONOIDS, Monoid, monoid
from .occluded_balls import OccludedBalls
from .pointer_chase import PointerChase
from .rollout import ReturnEstimates, Rollout, return_estimates
from .sudoku import Sudoku
from .word_problem_csv import read_word_problem_csv, write_word_problem_csv
from .words import Words

_BUILT_IN = (
    Words,
    ElementaryAutomaton,
    LatticeAutomaton,
    CircuitValue,
    ArithmeticCircuit,
    DepthOfOne,
    PointerChase,
    IteratedSquaring,
    Rollout,
    Billiards,
    OccludedBalls,
    GradeSchool,
    Sudoku,
    Countdown,
)


def _fault(name: str, found: Any) -> str:
    """What keeps an object of another package from being a task, or ""."""
    if fault := class_fault(name, found, AbstractTask, "seriality.tasks.AbstractTask"):
        return fault
    dials = inspect.signature(found).parameters.values()
    if without := [dial.name for dial in dials if dial.default is dial.empty]:
        return f"has no default for {', '.join(without)}; give every dial one"
    return ""


TASKS: Registry[type[AbstractTask]] = Registry(
    "task", {task.__name__: task for task in _BUILT_IN}, fault=_fault
)
"""Every task by its name, those of other packages too; each has defaults for all of its dials."""

__all__ = [
    "MONOIDS",
    "TASKS",
    "AbstractTask",
    "ArithmeticCircuit",
    "Billiards",
    "CircuitValue",
    "Countdown",
    "DepthOfOne",
    "ElementaryAutomaton",
    "Estimate",
    "GradeSchool",
    "IteratedSquaring",
    "LatticeAutomaton",
    "MacrostateEstimates",
    "Monoid",
    "OccludedBalls",
    "PointerChase",
    "ReturnEstimates",
    "Rollout",
    "Sudoku",
    "Words",
    "macrostate_estimates",
    "monoid",
    "read_word_problem_csv",
    "return_estimates",
    "write_word_problem_csv",
]
