"""Depth against width at equal work: what does serial compute buy, and what would replace it? (claim C23)

Transformers of 1 to 8 layers on lines of equal metered work: along a line the layers double and the width
falls, so that depth is paid for with width. Work rises from line to line, so that at equal depth it is seen
what width alone buys. All have one head, which lets widths be fine enough for lines of 5 %, and are trained
alike. The most work is given to the shallow ones alone, to see whether width makes up for depth.

`exchange_rate` is words over S5; the same grid on Rule 110 and on 4x4 Sudoku are studies of their own, as is
that on circuits (`deep_and_wide`). Each has the control of its family, but that of Rule 110 is Rule 170, a
shift: Rule 90, sums of cells, is not learnt in so many steps. These two begin at two layers: one does not
learn either control, Rule 170 or the lookup (pilots on the controls alone).

Shape chosen: points as plain numbers, which a test holds to `study.grid.iso_work`; rows are named by layers
and width, and depth, span and work are read off the records. Rejected: a class of grids that meters its
points whenever its trials are listed (seconds each time, and a list that depends on the meter); equal numbers
of parameters in place of equal work (for one pass the two nearly agree, but not for loops or chains).

What it does not show: what a width can express. A point is what was learnt in the steps given.
"""

from typing import Any

from ..study import CONTROL, SERIAL, Study, Training, Trial
from ..tasks import AbstractTask, ElementaryAutomaton, Sudoku, Words
from .table1 import training

Lines = dict[int, dict[int, int]]
"""By the work of a line: the width by layers."""
WORDS: Lines = {
    1_180_000: {1: 48, 2: 34, 4: 24, 8: 16},
    2_290_000: {1: 68, 2: 48, 4: 34, 8: 24},
    4_450_000: {1: 98, 2: 70, 4: 48, 8: 34},
    8_900_000: {1: 140, 2: 100},
}
AUTOMATON: Lines = {
    2_112_000: {2: 34, 4: 24, 8: 16},
    3_676_000: {2: 46, 4: 32, 8: 22},
    6_588_000: {2: 64, 4: 44, 8: 30},
}
SUDOKU: Lines = {
    2_324_000: {2: 36, 4: 24, 8: 16},
    3_980_000: {2: 48, 4: 32, 8: 22},
}
LARGE: Lines = {
    20_140_000: {1: 152, 2: 108, 4: 76, 8: 52, 16: 36},
    45_320_000: {1: 232, 2: 164, 4: 116, 8: 80, 16: 56},
    104_900_000: {1: 356, 2: 252, 4: 176, 8: 124, 16: 88},
}


def single_pass(layers: int, width: int) -> dict[str, Any]:
    """Settings of a point."""
    network = {"name": "Transformer", "width": width, "layers": layers, "heads": 1, "causal": False}
    return {"name": "SinglePass", "network": network}


def trials(
    study: str,
    family: str,
    task: AbstractTask,
    lines: Lines,
    regime: Training,
    seeds: int,
    control: AbstractTask | None = None,
) -> list[Trial]:
    """Every point on the task and its control, or the one given, every seed."""
    return [
        Trial(
            study, f"{layers} x {width}", family, role, each, single_pass(layers, width), regime, rate, seed
        )
        for role, each in ((SERIAL, task), (CONTROL, control or task.control))
        if each is not None
        for widths in lines.values()
        for layers, width in widths.items()
        for rate in regime.learning_rates
        for seed in range(seeds)
    ]


def _study(
    name: str,
    title: str,
    family: str,
    task: AbstractTask,
    lines: Lines,
    regime: Training,
    control: AbstractTask | None = None,
) -> Study:
    def every(seeds: int) -> list[Trial]:
        return trials(name, family, task, lines, regime, seeds, control)

    return Study(name, title, ("C23",), 5, every)


EXCHANGE_RATE = _study(
    "exchange_rate",
    "Depth against width at equal work on words over S5: the exchange rate",
    "words",
    Words("S5", length=16),
    WORDS,
    training(2, 4, 8, 16, steps=2400),
)
EXCHANGE_RATE_AUTOMATON = _study(
    "exchange_rate_automaton",
    "The study exchange_rate on Rule 110 beside Rule 170",
    "automaton",
    ElementaryAutomaton(rule=110, width=13, steps=5),
    AUTOMATON,
    training(1, 2, 4, 5, steps=2400, learning_rates=(2e-3,)),
    ElementaryAutomaton(rule=170, width=13, steps=5),
)
EXCHANGE_RATE_SUDOKU = _study(
    "exchange_rate_sudoku",
    "The study exchange_rate on 4x4 Sudoku: rounds of singles beside a lookup",
    "Sudoku",
    Sudoku(side=4, rounds=3),
    SUDOKU,
    training(1, 2, 3, steps=3000, learning_rates=(2e-3,)),
)
EXCHANGE_RATE_LARGE = _study(
    "exchange_rate_large",
    "The study exchange_rate at a size for one GPU: words of 32 letters, up to 16 layers",
    "words",
    Words("S5", length=32),
    LARGE,
    training(2, 4, 8, 16, 32, steps=12_000, learning_rates=(2e-3,)),
)
