"""What must be computed: the tasks. `TASKS` is the only list of them.

| task | depth | serial for | control |
|---|---|---|---|
| `Words` | letters | constant depth (NC1-complete) over S5, A5 | two registers |
| `ElementaryAutomaton` | steps | any polylogarithm (P-complete) under Rule 110 | Rule 90 |
| `CircuitValue` | layers | any polylogarithm (P-complete) | wide wiring |

The complexities are of the worst instance as all dials grow, and hold if the classes differ.
"""

from .base import AbstractTask
from .circuit_value import CircuitValue
from .elementary_automaton import ElementaryAutomaton
from .monoids import MONOIDS, Monoid, monoid
from .registry import Tasks, UnusableTask
from .words import Words

TASKS = Tasks(
    (
        Words,
        ElementaryAutomaton,
        CircuitValue,
    )
)
"""Every task by its name; each has defaults for all of its dials."""

__all__ = [
    "MONOIDS",
    "TASKS",
    "AbstractTask",
    "CircuitValue",
    "ElementaryAutomaton",
    "Monoid",
    "Tasks",
    "UnusableTask",
    "Words",
    "monoid",
]
