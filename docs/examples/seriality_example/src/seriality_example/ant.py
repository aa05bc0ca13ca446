"""Langton's ant: on which cell does it stand after d steps?

The floor is a torus of black and white cells. In a step the ant turns right if its cell is white and left if
it is black, changes the cell's colour, and goes one cell forward. Where it turns next depends on what it did
before: to predict the ant is P-hard (Gajardo, Moreira & Goles 2002) as the floor grows. On a floor of fixed
size its states are finite, so grow `side` with `steps`.

The control is an ant that turns by the cells in their order, wherever it stands. Then two sums tell where it
is. What this task does not do: keep floors that are translations of each other in one split.
"""

from dataclasses import dataclass, replace
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from seriality import Cost, Format
from seriality.instance import PAD, QUERY, UNASKED
from seriality.tasks.base import (
    FIRST,
    SPECIAL,
    AbstractTask,
    in_full,
    integer_fault,
    lay_out,
    line_after,
    lookup,
    refuse,
    uniform,
)
from seriality.tasks.texts import same_text, whole_number

COLOURS = ("white", "black")
STEP = FIRST + len(COLOURS)
CELL = STEP + 1
"""Tokens: the colours from FIRST on, STEP for each step to be taken, the numbers of cells from CELL on."""
MOVES = np.array([(-1, 0), (0, 1), (1, 0), (0, -1)], np.int32)
"""Rows and columns that the ant goes by its heading: up, right, down, left."""
TURNED = np.array([[1, 2, 3, 0], [3, 0, 1, 2]], np.int32)
"""The next heading by the colour and the last one."""
READS = {
    "place": "In a step it turns right if its cell is white and left if it is black, changes the colour of "
    "the cell, and goes one cell forward.",
    "order": "Steps count from 0. In step i it turns right if cell i is white and left if it is black (after "
    "the last cell comes cell 0 again), and goes one cell forward.",
}
"""What `reads` may be, in words."""


@dataclass(frozen=True)
class Ant(AbstractTask):
    """Up to `steps` steps on a torus of `side` x `side` cells. Depth is the steps.

    The ant `reads` the cell at its "place", or (the control) the cells in their "order".

    >>> Ant(steps=8).cost().span, Ant(steps=64).cost().span
    (27, 195)
    """

    steps: int = 8
    side: int = 4
    reads: str = "place"

    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        faults = integer_fault("steps", self.steps, 1, 8) + integer_fault("side", self.side, 2, 4, high=256)
        if self.reads not in READS:
            faults.append(f"reads={self.reads!r}: must be one of {', '.join(READS)}; e.g. reads='place'")
        refuse("Ant", faults)

    @property
    def other_values(self):  # what `check_task` puts for a dial that is no integer
        return {"reads": "order" if self.reads == "place" else "place"}

    @property
    def guess_rate(self):
        """Exact: the start is uniform and the floor looks alike from everywhere."""
        return 1 / self.side**2

    @property
    def control(self):
        return None if self.reads == "order" else replace(self, reads="order")

    @property
    def format(self):
        cells = self.side**2
        tokens = (*SPECIAL, *COLOURS, "STEP", *map(str, range(cells)))
        return Format(
            tokens, prompt_length=cells + 1 + self.steps + 1, trace_length=self.steps, answer_length=1
        )

    @property
    def max_depth(self):
        return self.steps

    def resized(self, max_depth):
        return replace(self, steps=max_depth)

    def distinct(self, depth):  # large numbers are of no use
        return self.side**2 * 2 ** min(self.side**2, 64)

    def leading(self, depth):  # the floor and the start: a walk holds the answers of all shorter ones
        return self.side**2 + 1

    def draw(self, depth, *, key):
        cells = self.side**2
        drawn = uniform(np.array([2] * cells + [cells]), key=key)
        floor, start = drawn[:cells], drawn[cells]
        walk = self._walk(floor, start) + CELL
        within = jnp.arange(self.steps) < depth
        answer = lookup(walk, depth - 1)[None]
        steps = jnp.where(within, jnp.int32(STEP), PAD)
        fields = jnp.concatenate([floor + FIRST, start[None] + CELL, steps])
        unasked = jnp.full(cells + 1, UNASKED, answer.dtype)
        labels = jnp.concatenate([unasked, jnp.where(within, walk, UNASKED), answer])
        return lay_out(fields, 1), labels, jnp.where(within, walk, PAD), answer

    def reference(self, prompt):
        cells = self.side**2
        walk = self._walk(prompt[:cells] - FIRST, prompt[cells] - CELL)
        taken = jnp.sum(prompt[cells + 1 : -1] == STEP)
        return lookup(walk, taken - 1)[None] + CELL

    def cost(self):
        """Floor and start from tokens, beside that the steps counted; the walk; its cell there as a token."""
        n, k = self.side**2, self.steps
        walk = Cost(work=5 * k, span=3 * k) if self.reads == "place" else Cost(work=14 * k + 2, span=10)
        return Cost(work=n + 1 + 2 * k, span=1).then(walk).then(Cost(work=2, span=2))

    def _walk(self, floor, start):
        """The cell after each step."""
        return self._by_place(floor, start) if self.reads == "place" else self._by_order(floor, start)

    def _by_place(self, floor, start):
        row, column = np.divmod(np.arange(self.side**2, dtype=np.int32), self.side)
        ahead = [(row + down) % self.side * self.side + (column + right) % self.side for down, right in MOVES]

        def step(state, _):
            floor, cell, heading = state
            colour = lookup(floor, cell)
            heading = lookup(TURNED, colour, heading)
            floor = floor.at[cell].set(1 - colour, mode="promise_in_bounds", wrap_negative_indices=False)
            cell = lookup(np.stack(ahead), heading, cell)
            return (floor, cell, heading), cell

        return jax.lax.scan(step, (floor, start, jnp.int32(0)), length=self.steps)[1]

    def _by_order(self, floor, start):
        side = self.side
        turns = 1 + 2 * lookup(floor, jnp.asarray(np.arange(self.steps) % side**2))
        moves = lookup(MOVES % side, jax.lax.rem(jnp.cumsum(turns), 4))
        first = jnp.stack([jax.lax.div(start, side), jax.lax.rem(start, side)])
        row, column = jax.lax.rem(first + jnp.cumsum(moves, axis=0), side).T
        return row * side + column

    def render(self, prompt):
        cells = self.side**2
        *floor, start = [self.format.tokens[token] for token in prompt[: cells + 1].tolist()]
        return "\n".join(
            [
                f"An ant stands on a floor of {self.side} rows of {self.side} cells, numbered from 0, row by "
                "row. Opposite edges are joined. The ant faces up.",
                READS[self.reads],
                f"Floor: {' '.join(floor)}",
                f"Start: {start}",
                f"Steps: {int(np.sum(prompt == STEP))}",
                "On which cell does it stand after all steps? Answer with the number of the cell alone.",
            ]
        )

    def parse(self, text):
        floor = in_full(self.token_ids(line_after(text, "Floor").split()), self.side**2, "floor")
        start = whole_number(line_after(text, "Start"), 0, self.side**2 - 1, "cell")
        steps = whole_number(line_after(text, "Steps"), 1, self.steps, "steps")
        padded = [STEP] * steps + [PAD] * (self.steps - steps)
        prompt = np.array([*floor, CELL + start, *padded, QUERY], np.int32)
        same_text(text, self.render(prompt))  # other words, another question: a ValueError
        return prompt
