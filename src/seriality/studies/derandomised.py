"""A majority of fixed seeds, executed on every input of a space that can be listed (claim C16, Theorem F.2).

The inputs are all minimal puzzles (no clue can be left out) of one 4x4 grid from each of the two classes of
grids, 284 and 304, each under the four cyclic renamings of its digits: without them all puzzles of a grid had
one answer, and a seed that happens to say it was right on every input. The solver is masked diffusion in
random order on `Propagation`, a denoiser of d rounds; one seed fixes the random bits for all inputs, as an
advice string would.

What it does not show: how to find a list where inputs cannot be listed. The theorem only says that it exists.
"""

from functools import cache, partial
from itertools import product
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..instance import QUERY
from ..solvers import MaskedDiffusion
from ..study import SERIAL, Experiment, Study
from ..tasks import Sudoku
from ..tasks.sudoku import OPEN
from ..theory.derandomisation import (
    copies_by_hoeffding,
    copies_exact,
    decides_every_input,
    find_seeds,
    histogram,
    impossible,
    qualifying,
    success,
)
from .sudoku_oracles import Propagation

NAME = "derandomised"
SAID, USED = 1000, 400
"""Seeds of the table that says p, and of the one from which a list is taken."""
LISTS = 200
"""Random lists that are tried."""
CASES = ((0, 1, 4), (0, 1, 16), (1, 2, 1), (1, 2, 2), (1, 2, 4))
"""Grid, rounds d and steps T. Grids of the first class take 2 rounds at most, of the second 3; a denoiser
of so many is right with every seed."""


@cache
def grids() -> tuple[np.ndarray, np.ndarray]:
    """The first grid of each class: the two differ in how many cells they differ from all other grids, which
    symmetries do not change."""
    every = _all_grids()
    apart = np.sort((every[:, None] != every).sum(-1), axis=1)
    return every[0], every[(apart != apart[0]).any(1)][0]


@cache
def minimal_puzzles(which: int) -> np.ndarray:
    """All minimal puzzles of a grid: [puzzle, cell], digits from 0, and -1 for an open cell.

    A set of clues has one solution if no other grid agrees with it; it is minimal if no clue can go.
    """
    grid = grids()[which]
    others = _all_grids()
    others = others[(others != grid).any(1)]
    differs = ((others != grid) @ (1 << np.arange(16))).astype(np.int64)  # the cells in which a grid differs
    subsets = np.arange(2**16)
    unique = np.ones(2**16, bool)
    for cells in np.unique(differs):
        unique &= subsets & cells != 0
    minimal = unique.copy()
    for cell in range(16):
        has = subsets >> cell & 1 == 1
        minimal &= ~(has & unique[subsets ^ (1 << cell) * has])
    given = (subsets[minimal][:, None] >> np.arange(16)) & 1 == 1
    return np.where(given, grid, -1)


@cache
def _all_grids() -> np.ndarray:
    """All 288 grids, [grid, cell]."""
    rows = [row for row in product(range(4), repeat=4) if len(set(row)) == 4]
    bands = [
        (a, b) for a in rows for b in rows if not set(a[:2]) & set(b[:2]) and not set(a[2:]) & set(b[2:])
    ]
    found = [
        sum(upper + lower, ())
        for upper in bands
        for lower in bands
        if all(len(set(column)) == 4 for column in zip(*upper, *lower, strict=True))
    ]
    return np.array(found)


@partial(jax.jit, static_argnames=("rounds", "steps"))
def _answers(prompts, keys, rounds: int, steps: int):
    task = Sudoku(side=4, rounds=3)
    network = Propagation(4, rounds)
    solver = MaskedDiffusion(network, task.format, steps={"constant": steps})

    def of_seed(key):
        return jax.vmap(lambda prompt: solver.solve(prompt, key=key))(prompts)

    return jax.lax.map(of_seed, keys)


def right_table(which: int, rounds: int, steps: int, seeds: int, *, key) -> np.ndarray:
    """Whether each of so many seeds is right on each minimal puzzle of a grid: [inputs, seeds]."""
    puzzles, names = minimal_puzzles(which), np.arange(4)[:, None, None]
    renamed = np.where(puzzles < 0, -1, (puzzles + names) % 4).reshape(-1, 16)
    truth = np.repeat((grids()[which] + names[:, 0]) % 4, len(puzzles), axis=0) + OPEN + 1
    board = jnp.asarray(np.where(renamed < 0, OPEN, renamed + OPEN + 1), jnp.int32)
    prompts = jnp.concatenate([board, jnp.full_like(board, QUERY)], axis=1)
    answers = _answers(prompts, jax.random.split(key, seeds), rounds, steps)
    return np.asarray((answers == truth).all(-1)).T


def derandomise(grid: int, rounds: int, steps: int, *, seed: int) -> dict[str, Any]:
    """The condition on one table of seeds, and the search for a list, or the proof that there is none, on
    another."""
    key = jax.random.key(seed)
    said, used = (
        right_table(grid, rounds, steps, seeds, key=jax.random.fold_in(key, seeds)) for seeds in (SAID, USED)
    )
    share, state = success(said), qualifying(said)
    least = float(share.min())
    outcome: dict[str, Any] = {
        "inputs": len(said),
        "seeds": [SAID, USED],
        "mean": float(share.mean()),
        "least": least,
        "histogram": histogram(said).counts,
        "above": state.above,
        "below": state.below,
    }
    log_inputs = float(np.log(len(said)))
    if least > 0.5:
        # one bit more than the union bound asks for, so that at most half of all lists fail
        copies = copies_by_hoeffding(log_inputs + float(np.log(2)), least)
        lists = np.random.default_rng(seed).integers(0, USED, (LISTS, copies))
        right = [decides_every_input(used, tuple(each)) for each in lists.tolist()]
        outcome["hoeffding"], outcome["random_right"] = copies, float(np.mean(right))
        outcome["exact"] = copies_exact(log_inputs + float(np.log(2)), least)
    found = find_seeds(used, seed=seed)
    if found is not None:
        outcome |= {
            "found": len(found.seeds),
            "search": found.search,
            "verified": decides_every_input(used, found.seeds),
        }
    outcome["impossible"] = found is None and impossible(used) is not None
    return outcome


def trials(seeds: int) -> list[Experiment]:
    """Every case of every grid, every repetition."""
    return [
        Experiment(
            NAME,
            f"d = {rounds}, T = {steps}",
            f"grid {'AB'[grid]}",
            SERIAL,
            derandomise,
            {"grid": grid, "rounds": rounds, "steps": steps},
            seed=seed,
        )
        for grid, rounds, steps in CASES
        for seed in range(seeds)
    ]


DERANDOMISED = Study(
    name=NAME,
    title="Theorem F.2's last step: a majority of fixed seeds on every minimal 4x4 Sudoku of a grid",
    claims=("C16",),
    seeds=5,
    trials=trials,
)
