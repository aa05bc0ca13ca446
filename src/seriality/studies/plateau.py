"""Do more denoising steps buy serial compute? Trained diffusion over an answer of fixed size (claims C14,
C25).

A network is trained once and answers with 1 to 32 denoising steps, so what the steps buy is seen on the same
weights. Rows of `plateau`: masked diffusion on one and on two layers, Gaussian diffusion on two, and for
comparison repeated layers, which spend the same passes in series. Rows of `escapes`, the two ways out that
the paper leaves open: the block holds the trace too, so its size grows with the instance; and the backbone
repeats its layers.

Families are words over S5 and Rule 110, each with its control; Sudoku is in `sudoku_trained`. The control of
Rule 110 is Rule 170, a shift: that of Rule 90, sums of cells, masked diffusion does not learn in so many
steps (by a pilot on the control alone).
`plateau_small` and `escapes_small` are the same in some minutes: a look, on words that are shorter and with
less training.

What it does not show: what is expressible. A plateau is one of what was learnt in the steps given.
"""

from typing import Any

from ..study import CONTROL, SERIAL, Study, Training, Trial
from ..tasks import AbstractTask, ElementaryAutomaton, Words
from .table1 import training, transformer

STEPS = (1, 2, 4, 8, 16, 32)
"""Denoising steps, in random order."""
ORDERED_STEPS = (4, 32)
"""The same, in other orders: most confident first, and of Sudoku by margin and by rows."""
ORDERS = {"confidence": "confident", "margin": "by margin", "autoregressive": "by rows"}
LOOPS = {"per_token": 0.5}


def masked(network: dict[str, Any], **dials: Any) -> dict[str, Any]:
    """Settings of masked diffusion whose training gate is asked with few steps."""
    return {
        "name": "MaskedDiffusion",
        "steps": {"constant": 4},
        "temperature": 0.0,
        "network": network,
    } | dials


def looped(network: dict[str, Any]) -> dict[str, Any]:
    """Settings of repeated layers."""
    return {"name": "Looped", "loops": LOOPS, "gradient_loops": 2, "network": network}


PLATEAU_ROWS: dict[str, dict[str, Any]] = {
    "masked, 1 layer": masked(transformer(1)),
    "masked, 2 layers": masked(transformer(2)),
    "Gaussian, 2 layers": {
        "name": "ContinuousDiffusion",
        "steps": {"constant": 4},
        "network": transformer(2),
    },
    "repeated, 2 layers": looped(transformer(2)),
}
ESCAPE_ROWS: dict[str, dict[str, Any]] = {
    "masked, 2 layers": masked(transformer(2)),
    "masked trace, 2 layers": masked(transformer(2), block="trace"),
    "masked, 2 layers repeated": masked(looped(transformer(2))),
}

Families = dict[str, tuple[AbstractTask, AbstractTask, Training]]
"""The task, its control, and the regime of both."""
FAMILIES: Families = {
    "words": (
        Words("S5", length=16),
        Words("registers", length=16),
        training(2, 4, 8, 16, steps=2400, learning_rates=(4e-3,)),
    ),
    "automaton": (
        ElementaryAutomaton(rule=110, width=13, steps=5),
        ElementaryAutomaton(rule=170, width=13, steps=5),
        training(1, 2, 4, 5, steps=3600, learning_rates=(2e-3,)),
    ),
}
SMALL: Families = {
    "words": (
        Words("S5", length=8),
        Words("registers", length=8),
        training(2, 4, 8, steps=750, learning_rates=(4e-3,)),
    ),
}


def answering(row: str, orders: tuple[str, ...] = ("confidence",)) -> dict[str, dict[str, Any]]:
    """The numbers of steps, and the orders of masked diffusion, under which a row answers."""
    if not row.startswith(("masked", "Gaussian")):
        return {}
    found = {f"T = {count}": {"steps": {"constant": count}} for count in STEPS}
    if row.startswith("masked"):
        found |= {
            f"T = {count}, {ORDERS[order]}": {"steps": {"constant": count}, "order": order}
            for order in orders
            for count in ORDERED_STEPS
        }
    return found


def trials(
    study: str,
    rows: dict[str, dict[str, Any]],
    families: Families,
    seeds: int,
    orders: tuple[str, ...] = ("confidence",),
) -> list[Trial]:
    """Every row on every family's task and its control, every seed."""
    return [
        Trial(
            study,
            row,
            family,
            role,
            task,
            solver,
            regime,
            rate,
            seed,
            answering(row, orders),
            regime.stages[-2:],
        )
        for family, (serial, control, regime) in families.items()
        for role, task in ((SERIAL, serial), (CONTROL, control))
        for row, solver in rows.items()
        for rate in regime.learning_rates
        for seed in range(seeds)
    ]


def _study(name: str, title: str, claim: str, rows: dict, families: Families) -> Study:
    return Study(name, title, (claim,), seeds=5, trials=lambda seeds: trials(name, rows, families, seeds))


PLATEAU = _study(
    "plateau",
    "Accuracy against denoising steps over an answer of fixed size, trained: words and Rule 110",
    "C14",
    PLATEAU_ROWS,
    FAMILIES,
)
ESCAPES = _study(
    "escapes",
    "Ways out of the plateau: denoise the trace too, or repeat the backbone's layers",
    "C25",
    ESCAPE_ROWS,
    FAMILIES,
)
PLATEAU_SMALL = _study(
    "plateau_small", "The study plateau in the small: words of eight letters", "C14", PLATEAU_ROWS, SMALL
)
ESCAPES_SMALL = _study(
    "escapes_small", "The study escapes in the small: words of eight letters", "C25", ESCAPE_ROWS, SMALL
)
