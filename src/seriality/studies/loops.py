"""Loops against the length of a word, and against layers at equal span (claim C11).

Two layers are repeated r = 1, 2, 3, 5 or 9 times on words over S5 of up to 16 letters. With 17 tokens, 5 is
ceil(log2 n), and 9 is half a loop a token. Beside them Transformers of 4 and 10 layers that are not repeated:
the span of 2 and of 5 loops, the same work, and 2 and 5 times the parameters. All are trained alike.

Whether so many loops suffice is a question of what can be expressed, which training answers with yes alone.
So weights are also constructed (`doubling`), in the same architecture, and asked words of up to 128 letters.

Shape chosen: a constant number of loops for each row, asked at every length: it shows the least number for
each length. Rejected: as many loops as log2 of the prompt's length, in one row: prompts are padded to one
length, so it is the row r = 5 and no more.

What it does not show: that training finds the doubling that the constructed weights do.
"""

from typing import Any

from ..study import CONTROL, SERIAL, Experiment, Training, Trial
from ..tasks import Words
from .table1 import training, transformer

LENGTH = 16
LOOPS = (1, 2, 3, 5, 9)
LAYERS = (4, 10)
TRAINING = training(2, 4, 8, 16, steps=3600, learning_rates=(4e-3,))


def looped(loops: int) -> dict[str, Any]:
    """Settings of two layers repeated."""
    return {
        "name": "Looped",
        "loops": {"constant": loops},
        "gradient_loops": 2,
        "network": transformer(2),
    }


ROWS: dict[str, dict[str, Any]] = {
    **{f"{loops} loops": looped(loops) for loops in LOOPS},
    **{f"{layers} layers": {"name": "SinglePass", "network": transformer(layers)} for layers in LAYERS},
}


def trials(study: str, regime: Training, seeds: int) -> list[Trial | Experiment]:
    """Every row on words and on the control, every seed."""
    return [
        Trial(study, row, "words", role, task, solver, regime, rate, seed)
        for role, task in ((SERIAL, Words("S5", LENGTH)), (CONTROL, Words("registers", LENGTH)))
        for row, solver in ROWS.items()
        for rate in regime.learning_rates
        for seed in range(seeds)
    ]
