"""Cellular automata on a torus of two or three dimensions: what is the lattice after so many steps?

The lattice has `side` cells a dimension. In a step every cell takes its next value from the number of ones
around it:

"majority". What most of the cell and its neighbours along the axes have, five votes or seven. Predicting a
given number of steps is P-complete in three and more dimensions (Moore 1997); in two that proof does not
hold, and the question is open.

"life". Conway's rule, in two dimensions, with all eight neighbours: a one stays with two or three ones around
it, a zero becomes one with three. Life is Turing-complete (Berlekamp, Conway & Guy 1982; Rendell 2002), and
predicting a given number of steps P-complete.

"parity", the control. The sum modulo 2 of the cell and its neighbours along the axes. It is linear, so d
steps are one product with the d-th power of a matrix over GF(2), and the reference jumps ahead.

What this task does not show: hardness of random lattices. From random cells majority settles within few steps
into patches that no longer change, and Life dies down; the hard ones are built. At a fixed side the lattices
are finitely many and their succession periodic, so hardness needs the side to grow.

Splits go by the first lattice as it stands; its translations, and what follows from it, may be in others.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, Key

from ..cost import Cost
from ..instance import PAD, QUERY, Format
from .base import (
    FIRST,
    SPECIAL,
    AbstractTask,
    ask_at_the_end,
    integer_fault,
    lay_out,
    line_after,
    lookup,
    refuse,
    shortened,
    size_fault,
    uniform,
)
from .cells import commonest_share, runs_path
from .texts import same_text, whole_number

STEP = FIRST + 2  # cells are FIRST + 0 and FIRST + 1
RULES = ("majority", "life", "parity")
MOST_CELLS = 4096
"""The most cells of a lattice."""


@dataclass(frozen=True)
class LatticeAutomaton(AbstractTask):
    """A torus of random cells run for up to `steps` steps. Depth is the steps.

    `rule` is "majority", "life" (two dimensions only) or "parity" (the control); `dimensions` is 2 or 3.

    >>> LatticeAutomaton("life", side=6, steps=4).cost()
    Cost(work=1224, span=10)
    """

    rule: str = "life"
    dimensions: int = 2
    side: int = 6
    steps: int = 4

    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        faults = integer_fault("dimensions", self.dimensions, 2, 2, 3)
        faults += integer_fault("side", self.side, 3, 6, 64) + integer_fault("steps", self.steps, 1, 4)
        if self.rule not in RULES:
            faults.append(f"rule={self.rule!r}: must be one of {', '.join(RULES)}; e.g. rule='life'")
        if not faults:
            if self.rule == "life" and self.dimensions == 3:
                faults.append("rule='life', dimensions=3: Life has 2 dimensions; take rule='majority'")
            if self.cells > MOST_CELLS:
                faults.append(
                    f"side={self.side}: {self.cells} cells, allowed are {MOST_CELLS}; make it smaller"
                )
            faults = faults or size_fault(self.cells * self.steps, side=self.side, steps=self.steps)
        refuse("LatticeAutomaton", faults)

    @property
    def cells(self) -> int:
        """The number of cells."""
        return self.side**self.dimensions

    @cached_property
    def format(self) -> Format:
        return Format(
            tokens=(*SPECIAL, "0", "1", "STEP"),
            prompt_length=self.cells + self.steps + self.cells,
            trace_length=self.steps * self.cells,
            answer_length=self.cells,
        )

    @property
    def max_depth(self) -> int:
        return self.steps

    def resized(self, max_depth: int) -> "LatticeAutomaton":
        return replace(self, steps=max_depth)

    @property
    def control(self) -> "LatticeAutomaton | None":
        """The same lattice under "parity"; None if this is it."""
        return None if self.rule == "parity" else replace(self, rule="parity")

    @property
    def other_values(self) -> dict[str, object]:
        return {
            "rule": "parity" if self.rule == "majority" else "majority",
            "dimensions": 2 if self.rule == "life" else 5 - self.dimensions,
        }

    @property
    def guess_rate(self) -> float:
        """The largest probability of a lattice after `steps` steps, see `commonest_share`."""
        return commonest_share(self.step, self.cells, self.steps)

    def distinct(self, depth: int) -> int:
        return 2**self.cells

    def leading(self, depth: int) -> int:
        return self.cells

    def draw(self, depth: Int[Array, ""], *, key: Key[Array, ""]):
        first = uniform(np.full(self.cells, 2), key=key)

        def step(cells: Int[Array, " cells"], active: Array):
            cells = jnp.where(active, self._next(cells), cells)
            return cells, cells

        within = jnp.arange(self.steps) < depth
        last, lattices = jax.lax.scan(step, first, within)
        trace = jnp.where(within[:, None], lattices + FIRST, PAD).ravel()
        prompt = lay_out(jnp.concatenate([first + FIRST, jnp.where(within, STEP, PAD)]), self.cells)
        answer = last + FIRST
        return prompt, ask_at_the_end(len(prompt), answer), trace, answer

    def reference(self, prompt: Int[Array, " prompt_length"]) -> Int[Array, " answer_length"]:
        cells, steps = prompt[: self.cells] & 1, prompt[self.cells : self.cells + self.steps]
        if self.rule == "parity":
            power = lookup(self._influence, jnp.sum(steps == STEP), jnp.asarray(self._offsets))
            return (cells @ power & 1) + FIRST

        def step(cells: Int[Array, " cells"], now: Int[Array, ""]):
            return lookup(self._outcomes, now, cells, self._ones(cells)), None

        return jax.lax.scan(step, cells, steps)[0] + FIRST

    def cost(self) -> Cost:
        """Read the bits; a sum and a lookup a cell and step; write the tokens. Parity: read, count the steps,
        fetch that power, multiply, take bits, write."""
        n, s, k = self.cells, self.steps, len(self._shifts)
        if self.rule == "parity":
            return Cost(work=2 * s - 1 + 3 * n * n + 3 * n, span=5 + (s > 1))
        return Cost(work=k * n * s + 2 * n, span=2 * s + 2)

    def step(self, lattices: Int[np.ndarray, "batch cells"]) -> Int[np.ndarray, "batch cells"]:
        """One step of many lattices, in NumPy."""
        grid = lattices.reshape(-1, *(self.side,) * self.dimensions)
        axes = tuple(range(1, grid.ndim))
        ones = sum(np.roll(grid, shift, axes) for shift in self._shifts)
        return self._table[grid, ones].reshape(lattices.shape)

    def render(self, prompt: Int[np.ndarray, " prompt_length"]) -> str:
        around = {
            "majority": "A cell becomes what most of itself and its neighbours along the axes are "
            f"({2 * self.dimensions + 1} votes).",
            "life": "A 1 with two or three ones among its eight neighbours stays 1, a 0 with three becomes "
            "1, and all others become 0.",
            "parity": "A cell becomes 1 if the number of ones among itself and its neighbours along the "
            "axes is odd, else 0.",
        }[self.rule]
        rows = " ".join(self._lines(prompt[: self.cells]))
        planes = "rows from the top" if self.dimensions == 2 else "rows of the first plane, then of the next"
        size = " x ".join([str(self.side)] * self.dimensions)
        return "\n".join(
            [
                f"A torus of {size} cells, each 0 or 1, changes in steps: what leaves at one side comes back "
                "at the other, and all cells change at once.",
                around,
                f"What is the lattice after all steps? Answer with its {planes}, {self.side} digits each, "
                "with spaces between rows.",
                f"steps: {int(np.sum(prompt == STEP))}",
                f"lattice: {rows}",
            ]
        )

    def parse(self, text: str) -> Int[np.ndarray, " prompt_length"]:
        steps = whole_number(line_after(text, "steps"), 1, self.steps, "steps")
        first = self.parse_answer(line_after(text, "lattice"))
        unary = np.where(np.arange(self.steps) < steps, STEP, PAD)
        prompt = np.concatenate([first, unary, np.full(self.cells, QUERY)]).astype(np.int32)
        same_text(text, self.render(prompt))
        return prompt

    def render_answer(self, answer: Int[np.ndarray, " answer_length"]) -> str:
        return " ".join(self._lines(answer))

    def parse_answer(self, text: str) -> Int[np.ndarray, " answer_length"]:
        rows, count = text.split(), self.cells // self.side
        if [len(row) for row in rows] != [self.side] * count or set("".join(rows)) - {"0", "1"}:
            raise ValueError(f"{shortened(text)}: must be {count} rows of {self.side} cells, each 0 or 1")
        return np.array([FIRST + int(cell) for cell in "".join(rows)], np.int32)

    def render_trace(self, trace: Int[np.ndarray, " trace_length"]) -> str:
        lattices = trace.reshape(self.steps, -1)
        return "\n".join(self.render_answer(each) for each in lattices[lattices[:, 0] != PAD])

    def picture(
        self,
        prompt: Int[np.ndarray, " prompt_length"],
        trace: Int[np.ndarray, " trace_length"],
        answer: Int[np.ndarray, " answer_length"],
    ) -> str:
        """The lattices from left to right, ones dark; planes one below the other."""
        count = int(np.sum(prompt == STEP)) + 1
        every = np.concatenate([prompt[: self.cells], trace])[: count * self.cells]
        planes = (every == FIRST + 1).reshape(count, -1, self.side, self.side)
        wide = self.side + 1
        corners = [(i, j) for i in range(count) for j in range(planes.shape[1])]
        path = "".join(runs_path(planes[i, j], i * wide, j * wide) for i, j in corners)
        frames = "".join(
            f'<rect x="{i * wide}" y="{j * wide}" width="{self.side}" height="{self.side}"/>'
            for i, j in corners
        )
        size = f"{count * wide + 1} {planes.shape[1] * wide + 1}"
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="-1 -1 {size}" '
            f'role="img" aria-label="{self.rule}" shape-rendering="crispEdges">'
            '<rect x="-1" y="-1" width="100%" height="100%" fill="#fff"/>'
            f'<g fill="#eef1f5">{frames}</g><path fill="#1f3a5f" d="{path}"/></svg>'
        )

    def _lines(self, tokens: Int[np.ndarray, " cells"]) -> list[str]:
        text = "".join({FIRST: "0", FIRST + 1: "1"}.get(token, "?") for token in tokens.tolist())
        return [text[i : i + self.side] for i in range(0, len(text), self.side)]

    @cached_property
    def _shifts(self) -> list[tuple[int, ...]]:
        """Where a cell looks: itself and along the axes, or all around but itself."""
        every = product((-1, 0, 1), repeat=self.dimensions)
        if self.rule == "life":
            return [shift for shift in every if any(shift)]
        return [shift for shift in every if sum(map(abs, shift)) <= 1]

    @cached_property
    def _table(self) -> np.ndarray:
        """The next cell by [cell, ones where it looks]."""
        ones = np.arange(len(self._shifts) + 1)
        if self.rule == "life":
            return np.stack([ones == 3, (ones == 2) | (ones == 3)]).astype(np.int32)
        votes = ones > len(self._shifts) // 2 if self.rule == "majority" else ones % 2 == 1
        return np.stack([votes, votes]).astype(np.int32)

    @cached_property
    def _outcomes(self) -> np.ndarray:
        """The same by [STEP or PAD, cell, ones]; PAD leaves the cell as it is."""
        table = np.zeros((STEP + 1, *self._table.shape), np.int32)
        table[:] = np.arange(2)[:, None]
        table[STEP] = self._table
        return table

    def _ones(self, cells: Int[Array, " cells"]) -> Int[Array, " cells"]:
        grid = cells.reshape((self.side,) * self.dimensions)
        axes = tuple(range(self.dimensions))
        return jnp.sum(jnp.stack([jnp.roll(grid, shift, axes).ravel() for shift in self._shifts]), axis=0)

    def _next(self, cells: Int[Array, " cells"]) -> Int[Array, " cells"]:
        return lookup(self._table, cells, self._ones(cells))

    @cached_property
    def _influence(self) -> np.ndarray:
        """What d steps make of a single one at the origin, for every d in 0..steps: [d, cell]. As the
        rule is linear and all cells are alike, the matrix of d steps over GF(2) is this at `_offsets`."""
        lattices = [np.eye(1, self.cells, dtype=np.int32)]
        for _ in range(self.steps):
            lattices.append(self.step(lattices[-1]))
        return np.concatenate(lattices)

    @cached_property
    def _offsets(self) -> np.ndarray:
        """The cell that lies from the origin as `to` lies from `from`: [from, to]."""
        shape = (self.side,) * self.dimensions
        places = np.indices(shape).reshape(self.dimensions, -1)
        moves = [(axis - axis[:, None]) % self.side for axis in places]
        return np.ravel_multi_index(moves, shape).astype(np.int32)
