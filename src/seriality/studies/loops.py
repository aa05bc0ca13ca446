"""Loops against the length of a word, and against layers at equal span (claim C11).

Two layers are repeated r = 1, 2, 3, 5 or 9 times on words over S5 of up to 16 letters. With 17 tokens, 5 is
ceil(log2 n), and 9 is half a loop a token. Beside them Transformers of 4 and 10 layers that are not repeated:
the span of 2 and of 5 loops, the same work, and 2 and 5 times the parameters. All are trained alike.

Whether so many loops suffice is a question of what can be expressed, which training answers with yes alone.
So weights are also written by hand (`doubling`), in the same architecture and size, and asked words of up to
128 letters; with one loop fewer, as a control, the same weights must fail.

Shape chosen: a constant number of loops for each row, asked at every length: it shows the least number for
each length. Rejected: as many loops as log2 of the prompt's length, in one row: prompts are padded to one
length, so it is the row r = 5 and no more.

What it does not show: that training finds the doubling that the written weights do.
"""

from typing import Any

from ..study import CONTROL, SERIAL, Experiment, Study, Training, Trial
from ..tasks import Words
from .doubling import constructed
from .table1 import training, transformer

NAME = "loops"
LENGTH = 16
LOOPS = (1, 2, 3, 5, 9)
LAYERS = (4, 10)
TRAINING = training(2, 4, 8, 16, steps=3600, learning_rates=(4e-3,))
LENGTHS = (8, 16, 32, 64, 128)
"""Letters of the words that the constructed weights are asked."""
WORDS = 1000


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


def experiments(seeds: int) -> list[Trial | Experiment]:
    """The constructed weights with as many loops as log2 of the prompt's length, and with one fewer."""
    return [
        Experiment(
            NAME,
            f"{length} letters, {loops} loops",
            "constructed",
            role,
            constructed,
            {"length": length, "loops": {"constant": loops}, "words": WORDS},
            seed=seed,
        )
        for length in LENGTHS
        for role, loops in ((SERIAL, length.bit_length()), (CONTROL, length.bit_length() - 1))
        for seed in range(seeds)
    ]


LOOPS_STUDY = Study(
    NAME,
    "Loops against the length of a word, and against layers at equal span: words over S5",
    ("C11",),
    5,
    lambda seeds: [*trials(NAME, TRAINING, seeds), *experiments(seeds)],
)
