"""Deep circuits beside wide ones of as many gates: does width make up for depth? (claim C07)

The grid of `exchange_rate` on circuits of 8 gates: deep, 4 layers of 2 gates that each read the layer
below; and as the control wide, where every gate reads the inputs. Tokens, prompts and answers have the same
form, so a model spends the same on both.

Beside it, exactly: the steps of a schedule of the gates themselves on p processors, for circuits of 64 gates
from deep and narrow to shallow and wide.

Rejected: deep-narrow against shallow-wide circuits of the same wiring (`CircuitValue.deep_and_wide`), whose
prompts and answers differ in length, so that the model's work would not be equal.
"""

from typing import Any

import numpy as np

from ..study import SERIAL, Experiment, Study
from ..tasks import CircuitValue
from ..theory.scheduling import greedy_steps
from .exchange_rate import Lines, trials
from .table1 import training

NAME = "deep_and_wide"
LINES: Lines = {
    1_025_000: {2: 34, 4: 24, 8: 16},
    2_053_000: {2: 48, 4: 34, 8: 24},
    3_970_000: {2: 70, 4: 48, 8: 34},
    7_850_000: {2: 100},
}
GATES = 64
LAYERS = (32, 16, 8, 4, 2)
PROCESSORS = (1, 2, 4, 8, 16, 32, 64)
TRAINING = training(1, 2, 4, steps=4800, learning_rates=(1e-3, 2e-3))


def scheduled(layers: int, gates: int, processors: tuple[int, ...], *, seed: int) -> dict[str, Any]:
    """The steps of the greedy schedule, on so many processors, of a random circuit wired as the task wires
    them: a gate changes a wire of one half by two wires of the other."""
    g, rng = gates // layers, np.random.default_rng(seed)
    reads: list[list[int]] = []
    for layer in range(layers):
        own, other = g * (layer - 2), g * (layer - 1)  # where the layers that wrote the two halves begin
        for i in range(g):
            operands = [other + int(a) for a in rng.choice(g, 2, replace=False)]
            reads.append([gate for gate in (own + i, *operands) if gate >= 0])
    steps = [greedy_steps(reads, count) for count in processors]
    return {"gates": len(reads), "layers": layers, "processors": list(processors), "steps": steps}


def experiments(seeds: int) -> list[Experiment]:
    """The schedules of deep and of wide circuits."""
    return [
        Experiment(
            NAME,
            f"{layers} layers of {GATES // layers}",
            "schedule",
            SERIAL,
            scheduled,
            {"layers": layers, "gates": GATES, "processors": PROCESSORS},
            seed=seed,
        )
        for layers in LAYERS
        for seed in range(seeds)
    ]


DEEP_AND_WIDE = Study(
    NAME,
    "Depth against width at equal work on deep circuits and on wide ones of as many gates",
    ("C07",),
    5,
    lambda seeds: [
        *trials(NAME, "circuit", CircuitValue(gates_per_layer=2, layers=4), LINES, TRAINING, seeds),
        *experiments(seeds),
    ],
)
