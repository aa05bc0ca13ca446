"""Sudoku by trained networks, asked in every order (shown beside claim C17, which `sudoku_orders` decides).

One backbone: a Transformer of two layers. It answers in one pass; by masked diffusion, trained once and
asked in random order, most confident first, by margin and by rows; by a chain of thought that names the cells
in the order in which singles fill them, so the network itself must say which cell comes next; and with its
layers repeated four times, one more than there are rounds. Right is the whole grid; where there are several
solutions, any of them.

Grids are 4x4, which two cores can train on: up to three rounds of singles, or several solutions. No 4x4 grid
with one solution needs a guess, and there are too few to keep training and test apart, so what is measured
includes memory. Hence nothing is judged here.

`sudoku_trained_small` is the same in minutes: grids of one solution, an eighth of the training.
"""

from typing import Any

from ..study import Study
from ..tasks import Sudoku
from .plateau import ORDERS, Families, masked, trials
from .table1 import training, transformer

NAME = "sudoku_trained"
ROWS: dict[str, dict[str, Any]] = {
    "one pass": {"name": "SinglePass", "network": transformer(2)},
    "masked, 2 layers": masked(transformer(2)),
    "chain of thought": {"name": "ChainOfThought", "network": transformer(2, causal=True)},
    "repeated, 2 layers": {
        "name": "Looped",
        "loops": {"constant": 4},
        "gradient_loops": 2,
        "network": transformer(2),
    },
}
FAMILIES: Families = {
    "singles": (
        Sudoku(side=4, rounds=3),
        Sudoku(side=4, rounds=3, grid="known"),
        training(1, 2, 3, steps=6000, learning_rates=(1e-3,)),
    ),
    "several solutions": (
        Sudoku(side=4, rounds=2, tier="ambiguous"),
        Sudoku(side=4, rounds=2, tier="ambiguous", grid="known"),
        training(1, 2, steps=6000, learning_rates=(1e-3,)),
    ),
}

SMALL: Families = {
    "singles": (*FAMILIES["singles"][:2], training(1, 2, 3, steps=750, learning_rates=(1e-3,)))
}


def _study(name: str, title: str, families: Families) -> Study:
    orders = tuple(ORDERS)
    return Study(name, title, ("C17",), 5, lambda seeds: trials(name, ROWS, families, seeds, orders))


SUDOKU_TRAINED = _study(
    NAME,
    "4x4 Sudoku, trained: one pass, diffusion in every order, chain of thought, repeated layers",
    FAMILIES,
)
SUDOKU_TRAINED_SMALL = _study(
    f"{NAME}_small", "The study sudoku_trained in the small: one solution, less training", SMALL
)
