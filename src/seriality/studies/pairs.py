"""Every serial family beside its control: how deep a Transformer of fixed depth reaches, at equal work.

One Transformer for all: two layers of width 64. Task and control have the same layout, so one answer costs
the same work and span on both and at every depth; what differs is whether the steps of an instance have a
shortcut. `Countdown` is left out, as it is wide on purpose.

Decision rule, fixed before the run. A family's pair is *parted* if the upper end of the interval of the reach
on the serial task lies below the lower end of that on the control; *not parted* if both reach the largest
depth in all seeds; *undecided* otherwise. Reach and intervals are those of claim C01, from five seeds.

Shape chosen: a table of families like that of `table1`, with one row. Rejected: all rows, which `table1` has
for three families; circuits of other shapes at an equal number of gates (`CircuitValue.deep_and_wide`), whose
prompts and answers differ in length, so that the model's work would not be equal.
"""

from ..study import CONTROL, SERIAL, Study, Training, Trial
from ..study.train import depths_of
from ..tasks import (
    AbstractTask,
    ArithmeticCircuit,
    Billiards,
    CircuitValue,
    DepthOfOne,
    ElementaryAutomaton,
    GradeSchool,
    IteratedSquaring,
    LatticeAutomaton,
    OccludedBalls,
    PointerChase,
    Rollout,
    Sudoku,
    Words,
)
from .table1 import ROWS

ROW = "Transformer"

FAMILIES: dict[str, AbstractTask] = {
    "words": Words("S5", length=16),
    "automaton": ElementaryAutomaton(rule=110, width=13, steps=8),
    "rollout": Rollout(horizon=8, size=12),
    "circuit": CircuitValue(gates_per_layer=2, layers=4),
    "arithmetic": ArithmeticCircuit(gates_per_layer=2, layers=4, modulus=3),
    "Sudoku": Sudoku(side=4, rounds=3),
    "occluded balls": OccludedBalls(collisions=4, balls=2, height=8),
    "pointers": PointerChase(hops=3, nodes=7),
    "billiards": Billiards(collisions=4, balls=3, precision=16, radius=2),
    "depth of one": DepthOfOne(gates_per_layer=2, layers=4),
    "school": GradeSchool(chain=3, operations=3, distractors=0, givens=3, modulus=5),
    "squaring": IteratedSquaring(squarings=4, bits=10),
    "lattice": LatticeAutomaton("life", side=5, steps=4),
}
"""Small, so that two cores train them: prompts of 12 to 67 tokens. From pilots on the controls, by
validation alone (`docs/pairs.md`)."""

STEPS = 9000


def _training(task: AbstractTask) -> Training:
    """The regime of all: only the stages are a family's own, the depths at which it is evaluated."""
    return Training(depths_of(task), STEPS, 32, (1e-3,), beyond=0.5, chunk=150, warmup=500)


def trials(seeds: int) -> list[Trial]:
    """The row on every task and its control, every seed."""
    return [
        Trial("pairs", ROW, family, role, task, ROWS[ROW], _training(serial), rate, seed)
        for family, serial in FAMILIES.items()
        for role, task in ((SERIAL, serial), (CONTROL, serial.control))
        if task is not None
        for rate in _training(serial).learning_rates
        for seed in range(seeds)
    ]


PAIRS = Study(
    name="pairs",
    title="Every serial family beside its control: the reach of a Transformer of fixed depth",
    claims=(),
    seeds=5,
    trials=trials,
)
