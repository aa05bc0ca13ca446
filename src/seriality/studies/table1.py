"""Table 1 of the paper, measured: which solvers are parallel, and which solve a serial problem?

Seven rows, three families of tasks, each with its control, one regime for all (claim C01). `demo` is the same
with one family and fewer seeds: a look, not evidence.

Shape chosen: one table of rows (a name and a solver's settings) crossed with one list of families (a task;
its control follows). Rejected: a class a row, which hides that rows differ in settings alone; settings for
each row and family, which would make the comparison depend on the tuning.
"""

from typing import Any

from ..study import CONTROL, SERIAL, Study, Training, Trial
from ..tasks import AbstractTask, CircuitValue, ElementaryAutomaton, Words

WIDTH = 64


def transformer(layers: int, *, causal: bool = False) -> dict[str, Any]:
    """Settings of a Transformer of the studies' width."""
    return {"name": "Transformer", "width": WIDTH, "layers": layers, "heads": 4, "causal": causal}


ROWS: dict[str, dict[str, Any]] = {
    "MLP": {"name": "SinglePass", "network": {"name": "MLP", "width": 256, "layers": 3, "features": 16}},
    "Transformer": {"name": "SinglePass", "network": transformer(2)},
    "State-space model": {
        "name": "SinglePass",
        "network": {"name": "StateSpace", "width": WIDTH, "layers": 2, "states": 4},
    },
    "RNN": {"name": "SinglePass", "network": {"name": "GRU", "width": 256, "layers": 1}},
    "Repeating layers": {
        "name": "Looped",
        "loops": {"per_token": 0.5},
        "gradient_loops": 2,
        "network": transformer(2),
    },
    "Chain of thought": {"name": "ChainOfThought", "network": transformer(2, causal=True)},
    "Diffusion": {
        "name": "MaskedDiffusion",
        "steps": {"per_token": 1.0},
        "temperature": 0.0,  # the likeliest tokens, as in every other row
        "network": transformer(2),
    },
}
"""The rows in the paper's order. Denoising steps and looped layers are as many as the prompt has tokens."""


def trials(study: str, families: dict[str, tuple[AbstractTask, Training]], seeds: int) -> list[Trial]:
    """Every row on every family's task and its control, every learning rate and seed."""
    return [
        Trial(study, row, family, role, task, settings, training, learning_rate, seed)
        for family, (serial, training) in families.items()
        for role, task in ((SERIAL, serial), (CONTROL, serial.control))
        if task is not None
        for row, settings in ROWS.items()
        for learning_rate in training.learning_rates
        for seed in range(seeds)
    ]


def training(*stages: int, steps: int, learning_rates: tuple[float, ...] = (2e-3, 4e-3)) -> Training:
    """The regime of a family: only the stages and the number of steps are its own."""
    return Training(stages, steps, 32, learning_rates, beyond=0.5, chunk=150)


DEMO_FAMILIES: dict[str, tuple[AbstractTask, Training]] = {
    "words": (Words("S5", length=16), training(2, 4, 8, 16, steps=1500, learning_rates=(4e-3,))),
}

FAMILIES: dict[str, tuple[AbstractTask, Training]] = {
    "words": (Words("S5", length=20), training(2, 4, 8, 16, 20, steps=2400)),
    "circuit": (CircuitValue(gates_per_layer=2, layers=4), training(1, 2, 4, steps=3600)),
    "automaton": (ElementaryAutomaton(rule=110, width=13, steps=8), training(1, 2, 4, 8, steps=2400)),
}

TABLE1 = Study(
    name="table1",
    title="Table 1 of the paper: three task families with controls",
    claims=("C01",),
    seeds=5,
    trials=lambda seeds: trials("table1", FAMILIES, seeds),
)

DEMO = Study(
    name="demo",
    title="Table 1 in the small: S5 words up to length 16 and their control",
    claims=("C01",),
    seeds=1,
    trials=lambda seeds: trials("demo", DEMO_FAMILIES, seeds),
)
