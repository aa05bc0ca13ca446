"""Which sampler solves Sudoku, if the network is an algorithm of known depth? (claims C17 and, untrained,
C14)

Every row asks the same denoiser (`sudoku_oracles`), d rounds of singles a pass, another way: one pass; T
passes in random order, most confident first, by margin, by rows, in a solver's order; and repeated layers, d
T rounds in one. The Gaussian sampler asks belief propagation of d sweeps. So order is all that differs, and
what the rows spend is the same: T passes.

What it does not show: what a trained network of these depths does. It may know more than singles, or less.
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from ..solvers import MaskedDiffusion
from ..solvers.gaussian import backward, cosine
from ..study import CONTROL, SERIAL, Experiment, Study
from ..tasks import Sudoku
from ..tasks.sudoku import OPEN
from .sudoku_oracles import Propagation, SolverOrder, belief_propagation, duplicates, open_right, turns_of

NAME = "sudoku_orders"
GRIDS = 100
"""Grids of a seed."""
STEPS = (1, 4, 16, 64, 128)
GAUSSIAN_STEPS = (1, 4, 16, 64, 256)
TIERS: dict[str, tuple[str, int, dict[str, Any], int]] = {
    "one round": (CONTROL, 1, {"rounds": 14}, 1),
    "8 rounds": (SERIAL, 8, {"rounds": 14}, 8),
    "14 rounds": (SERIAL, 14, {"rounds": 14}, 14),
    "a guess": (SERIAL, 6, {"rounds": 8, "tier": "guess", "clues": 28}, 5),
    "several solutions": (SERIAL, 6, {"rounds": 8, "tier": "ambiguous", "clues": 28}, 5),
}
"""The role, the rounds, the dials of the task and the depth asked. One round needs 48 clues, the others
have 28; of the last two tiers the rounds are those after a best guess."""
ROWS = {
    "random order": "random",
    "most confident first": "confidence",
    "by margin": "margin",
    "by rows": "autoregressive",
    "solver's order": "solver",
}
REPEATED, GAUSSIAN = "repeated layers", "Gaussian"


@partial(jax.jit, static_argnames=("side", "order", "rounds", "steps"))
def _masked(prompts, turns, keys, side: int, order: str, rounds: int, steps: int):
    """The side is all that is fixed of a task: what is compiled for one tier serves them all."""
    network, format = Propagation(side, rounds), Sudoku(side=side).format

    def one(prompt, turn, key):
        how = SolverOrder(turn) if order == "solver" else order
        solver = MaskedDiffusion(network, format, steps={"constant": steps}, order=how)
        return solver.solve(prompt, key=key)

    return jax.vmap(one)(prompts, turns, keys)


@partial(jax.jit, static_argnames=("sweeps", "steps"))
def _gaussian(prompts, keys, sweeps: int, steps: int):
    levels = cosine(steps)

    def one(prompt, key):
        def denoise(noisy, t):
            return belief_propagation(prompt[:81], noisy, jnp.asarray(levels)[t], sweeps)

        _, law = backward(denoise, jnp.eye(9, dtype=jnp.int32), levels, 81, key=key)
        return law.argmax(-1).astype(jnp.int32) + (OPEN + 1)

    return jax.vmap(one)(prompts, keys)


def solve(tier: str, order: str, rounds: int, *, seed: int) -> dict[str, Any]:
    """Grids solved, of `GRIDS`, with their repeated digits and the share of open cells that are right (of one
    solution, where there are several), for every number of steps."""
    _, _, dials, depth = TIERS[tier]
    task = Sudoku(side=9, **dials)
    instance_key, solve_key = jax.random.split(jax.random.key(seed))
    instances = task.sample(GRIDS, key=instance_key, depth=depth)
    keys = jax.random.split(solve_key, GRIDS)
    turns = jax.vmap(partial(turns_of, task))(instances.trace)
    outcome: dict[str, Any] = {"tries": GRIDS, "steps": [], "successes": [], "duplicates": [], "cells": []}
    for steps in GAUSSIAN_STEPS if order == GAUSSIAN else STEPS:
        if order == GAUSSIAN:
            answers = _gaussian(instances.prompt, keys, rounds, steps)
        elif order == REPEATED:
            answers = _masked(instances.prompt, turns, keys, task.side, "random", rounds * steps, 1)
        else:
            answers = _masked(instances.prompt, turns, keys, task.side, order, rounds, steps)
        outcome["steps"].append(steps)
        outcome["successes"].append(int(task.score(answers, instances).sum()))
        outcome["duplicates"].append(float(jax.vmap(lambda grid: duplicates(grid, 9))(answers).mean()))
        cells = jax.vmap(open_right)(instances.prompt, answers, instances.answer)
        outcome["cells"].append(float(cells.mean()))
    return outcome


def trials(seeds: int) -> list[Experiment]:
    """Every row at every depth of the network on every tier, every seed."""
    asked = [(row, order, rounds) for rounds in (1, 4) for row, order in ROWS.items()]
    asked += [(REPEATED, REPEATED, rounds) for rounds in (1, 4)]
    asked += [(GAUSSIAN, GAUSSIAN, sweeps) for sweeps in (2, 4, 8)]
    return [
        Experiment(
            NAME,
            f"{row}, d = {rounds}",
            tier,
            TIERS[tier][0],
            solve,
            {"tier": tier, "order": order, "rounds": rounds},
            seed=seed,
        )
        for row, order, rounds in asked
        for tier in TIERS
        for seed in range(seeds)
    ]


SUDOKU_ORDERS = Study(
    name=NAME,
    title="Sudoku by a denoiser of known depth, asked in every order and by the Gaussian sampler",
    claims=("C17",),
    seeds=5,
    trials=trials,
)
