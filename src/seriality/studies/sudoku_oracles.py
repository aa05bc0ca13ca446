"""Denoisers of Sudoku that are algorithms of a known depth: what rounds of singles can do, and no more.

`Propagation` makes d - 1 rounds of singles from the board it is given (`tasks.sudoku` has the rounds) and
tells, of every open cell, the digits that are left, or the one single of the last round: all of them alike. A
grid of R rounds is solved by one pass if d >= R. A network of depth d need not do that well; none that is
limited to rounds of singles does better.

`belief_propagation` is the same for the Gaussian sampler: d sweeps of belief propagation over the constraints
that each cell, and each digit in a row, a column and a box, holds exactly once, started from the clues and
the noisy board. Its means are those of a score network of depth d; with d growing they come nearer to the
score, though not to it, since the constraints have loops.

Both begin anew at each step: what passes from step to step is the board alone, as in any diffusion model.
"""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key

from ..instance import QUERY, UNASKED
from ..networks.base import AbstractOracle
from ..tasks import Sudoku
from ..tasks.sudoku import OPEN

DAMPING = 0.3
"""The share of its old value that a message keeps in a sweep."""
CERTAIN = -30.0
"""The logarithm of the odds against what a clue rules out."""


OTHERS = 1.0 - np.eye(9, dtype=np.float32)
"""Sums all but one."""


class Propagation(AbstractOracle):
    """`rounds` rounds of singles a pass, on grids of `side` by `side`.

    >>> task = Sudoku(side=4, rounds=3)
    >>> instances = task.sample(1, key=jax.random.key(0))
    >>> logits = Propagation(4, 3)(instances.prompt[0])
    >>> bool((logits.argmax(-1) == instances.answer[0]).all())
    True
    """

    version = 1
    side: int = eqx.field(static=True)
    rounds: int = eqx.field(static=True)

    def __call__(self, tokens: Int[Array, " length"]) -> Float[Array, "positions vocabulary"]:
        """Log-probabilities of the cells, for a prompt followed by a grid in which QUERY are open cells.
        The last token of the vocabulary is the last digit: no later one is ever an answer."""
        n = self.side
        clues, grid = tokens[: n * n], tokens[-n * n :]
        filled = digits_of(jnp.where(grid == QUERY, clues, grid), n)

        def one_round(filled, _):
            candidates = ~spread(units(filled, n), lambda count: count > 0, n)
            return filled | (candidates & singles(candidates, n)), None

        filled, _ = jax.lax.scan(one_round, filled, length=self.rounds - 1)
        candidates = ~spread(units(filled, n), lambda count: count > 0, n)
        single = candidates & singles(candidates, n)
        left = jnp.where(single.any(0), single, candidates) | filled
        left = left | ~left.any(0)  # no digit is left on a wrong board: any is as good
        probability = left / left.sum(0)
        digits = jnp.log(probability).reshape(n, -1).T
        return jnp.concatenate([jnp.full((n * n, OPEN + 1), -jnp.inf), digits], axis=1)

    def span(self, length: int) -> int:
        """Rounds, which take the place of matrix products."""
        return self.rounds


def digits_of(grid: Int[Array, " cells"], side: int) -> Bool[Array, "digit row column"]:
    """Which digit each cell holds; none if it is open."""
    return grid.reshape(side, side) == jnp.arange(OPEN + 1, OPEN + 1 + side)[:, None, None]


def units(bits: Bool[Array, "digit row column"], side: int) -> tuple[Array, Array, Array, Array]:
    """How many are set for each cell, and for each digit in each row, column and box."""
    box = int(side**0.5)
    ones = bits.astype(jnp.int32)
    boxes = ones.reshape(side, box, box, box, box).sum((2, 4))
    return ones.sum(0), ones.sum(2), ones.sum(1), boxes


def spread(
    counts: tuple[Array, Array, Array, Array], holds: Callable[[Array], Array], side: int
) -> Bool[Array, "digit row column"]:
    """Of each cell and digit, whether something holds of the count of one of its four units."""
    cell, row, column, box = (holds(count) for count in counts)
    size = int(side**0.5)
    boxes = jnp.repeat(jnp.repeat(box, size, axis=1), size, axis=2)
    return cell | row[:, :, None] | column[:, None] | boxes


def singles(candidates: Bool[Array, "digit row column"], side: int) -> Bool[Array, "digit row column"]:
    """Of each cell and digit, whether one of its units has one candidate alone."""
    return spread(units(candidates, side), lambda count: count == 1, side)


def belief_propagation(
    clues: Int[Array, " cells"], noisy: Float[Array, "cells 9"], level: Float[Array, ""], sweeps: int
) -> Float[Array, "cells 9"]:
    """Log-probabilities of the digits of a 9x9 grid, given its clues and its one-hot board seen through
    Gaussian noise at a level (`solvers.gaussian`), after so many sweeps.
    """
    known = clues != OPEN
    is_digit = clues[:, None] == jnp.arange(OPEN + 1, OPEN + 10)
    evidence = jnp.sqrt(level) * noisy / (1 - level)
    evidence = (evidence + jnp.where(known[:, None] & ~is_digit, CERTAIN, 0.0)).reshape(9, 9, 9)
    views = (lambda a: a, _swap, _turn, _boxes)
    backs = (lambda a: a, _swap, _turn_back, _boxes_back)

    def sweep(messages, _):
        total = evidence + messages.sum(0)
        new = []
        for view, back, message in zip(views, backs, messages, strict=True):
            odds = jnp.exp(jnp.clip(view(total - message), -30, 30))
            others = jnp.maximum(odds @ OTHERS, 1e-13)  # a sum less one of its terms would lose small ones
            new.append(back(jnp.clip(-jnp.log(others), -25, 25)))
        return DAMPING * messages + (1 - DAMPING) * jnp.stack(new), None

    messages, _ = jax.lax.scan(sweep, jnp.zeros((4, 9, 9, 9)), length=sweeps)
    return jax.nn.log_softmax(evidence + messages[1:].sum(0)).reshape(81, 9)


# [row, column, digit] so that the last axis runs over the places of one constraint


def _swap(a: Array) -> Array:
    return a.transpose(0, 2, 1)


def _turn(a: Array) -> Array:
    return a.transpose(1, 2, 0)


def _turn_back(a: Array) -> Array:
    return a.transpose(2, 0, 1)


def _boxes(a: Array) -> Array:
    return a.reshape(3, 3, 3, 3, 9).transpose(0, 2, 4, 1, 3).reshape(9, 9, 9)


def _boxes_back(a: Array) -> Array:
    return a.reshape(3, 3, 9, 3, 3).transpose(0, 3, 1, 4, 2).reshape(9, 9, 9)


class SolverOrder(eqx.Module):
    """The order in which the rounds fill a grid, as an order of `MaskedDiffusion`: it gives away which
    cell comes next, and of equals the key says. `turn` is the round of each cell, 0 for clues."""

    turn: Int[Array, " cells"]

    def __call__(
        self,
        prompt: Int[Array, " length"],
        answer: Int[Array, " cells"],
        log_probability: Float[Array, "cells vocabulary"],
        *,
        key: Key[Array, ""],
    ) -> Float[Array, " cells"]:
        return -self.turn.astype(jnp.float32)


def turns_of(task: Sudoku, trace: Int[Array, " trace_length"]) -> Int[Array, " cells"]:
    """The round in which each cell is filled, read off the trace; 0 for clues."""
    n = task.side
    first_cell, end = OPEN + 1 + n, OPEN + 1 + n + n * n
    turn = 1 + jnp.cumsum(trace == end)
    is_cell = (trace >= first_cell) & (trace < end)
    place = jnp.where(is_cell, trace - first_cell, n * n)
    return jnp.zeros(n * n, jnp.int32).at[place].set(turn, mode="drop")


def duplicates(grid: Int[Array, " cells"], side: int) -> Int[Array, ""]:
    """Digits that stand in a row, a column or a box again, counted in each; an open cell counts as one."""
    _, row, column, box = units(digits_of(grid, side), side)
    return 3 * side * side - (row > 0).sum() - (column > 0).sum() - (box > 0).sum()


def open_right(
    prompt: Int[Array, " length"], grid: Int[Array, " cells"], answer: Int[Array, " cells"]
) -> Float[Array, ""]:
    """The share of the open cells that hold the digit of the answer."""
    is_open = (prompt[: len(grid)] == OPEN) & (answer != UNASKED)
    return ((grid == answer) & is_open).sum() / jnp.maximum(is_open.sum(), 1)
