"""What must be computed: the tasks. `TASKS` is the only list of them.

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
from .registry import Tasks, UnusableTask
from .rollout import ReturnEstimates, Rollout, return_estimates
from .sudoku import Sudoku
from .word_problem_csv import read_word_problem_csv, write_word_problem_csv
from .words import Words

TASKS = Tasks(
    (
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
)
"""Every task by its name; each has defaults for all of its dials."""

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
    "Tasks",
    "UnusableTask",
    "Words",
    "macrostate_estimates",
    "monoid",
    "read_word_problem_csv",
    "return_estimates",
    "write_word_problem_csv",
]
