"""Elementary cellular automata: what is the row after so many steps?

Each cell takes its next value from itself and its two neighbours; the eight outcomes, read as a binary
number, are the rule (Wolfram 1983). The steps are given in unary, the trace is every row.

Rule 110: predicting a given number of steps is P-complete (Neary & Woods 2006). For Rule 30 no shortcut is
known and nothing is proved. The control is an additive rule, f(a ⊕ b) = f(a) ⊕ f(b), such as 90 or 150: d
steps are one product with the d-th power of a matrix over GF(2), so the reference jumps ahead.

What this task does not show: at a fixed width the rows are finitely many and their succession periodic, so
for many steps constant depth is enough, and hardness needs the width to grow; and it is of the worst initial
row, not of random ones. Not additive does not mean serial: other shortcuts exist (Rule 128 is one wide AND),
and the reference knows additivity alone.
Additive does not mean easier with depth: after 2^k steps of Rule 90 a cell is the sum of two others.

Splits go by the first row as it stands; its translations, and the rows that follow from it, may be in others.
"""

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, Key, UInt32

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
BEYOND = np.array([FIRST], np.int32)
"""What lies beyond a padded end."""
WORD = 32
"""Cells in one word of a packed row."""


@dataclass(frozen=True)
class ElementaryAutomaton(AbstractTask):
    """A row of `width` random cells run for up to `steps` steps under a Wolfram rule. Depth is the steps.

    `edges` is "ring" (the last cell is beside the first) or "padded" (beyond the ends all cells are 0).

    >>> ElementaryAutomaton(rule=110, width=16, steps=8).cost()
    Cost(work=128, span=8)
    """

    rule: int = 110
    width: int = 16
    steps: int = 8
    edges: str = field(default="ring", metadata={"later": True})

    version: ClassVar[int] = 2

    def __post_init__(self) -> None:
        faults = integer_fault("width", self.width, 3, 16) + integer_fault("steps", self.steps, 1, 8)
        if isinstance(self.rule, bool) or not isinstance(self.rule, int) or not 0 <= self.rule <= 255:
            faults.append(f"rule={self.rule!r}: must be a Wolfram rule number, 0..255; e.g. rule=110")
        if self.edges not in ("ring", "padded"):
            faults.append(f"edges={self.edges!r}: must be 'ring' or 'padded'; e.g. edges='ring'")
        faults = faults or size_fault(self.width * self.steps, width=self.width, steps=self.steps)
        refuse("ElementaryAutomaton", faults)

    @cached_property
    def format(self) -> Format:
        return Format(
            tokens=(*SPECIAL, "0", "1", "STEP"),
            prompt_length=self.width + self.steps + self.width,
            trace_length=self.steps * self.width,
            answer_length=self.width,
        )

    @property
    def max_depth(self) -> int:
        return self.steps

    def resized(self, max_depth: int) -> "ElementaryAutomaton":
        return replace(self, steps=max_depth)

    @property
    def is_additive(self) -> bool:
        """Whether the rule is linear over GF(2): its outcome is the XOR of some of the three cells."""
        outcome = [self.rule >> pattern & 1 for pattern in range(8)]
        return all(outcome[a ^ b] == outcome[a] ^ outcome[b] for a in range(8) for b in range(8))

    @property
    def control(self) -> "ElementaryAutomaton | None":
        """The same row under Rule 90; None where the rule is additive itself.

        Under Rule 150 where the width is a power of two: there half as many steps of Rule 90 bring every ring
        to zeros.
        """
        forgets = self.width & (self.width - 1) == 0
        return None if self.is_additive else replace(self, rule=150 if forgets else 90)

    def distinct(self, depth: int) -> int:
        return 2**self.width

    def leading(self, depth: int) -> int:
        return self.width

    def draw(self, depth: Int[Array, ""], *, key: Key[Array, ""]):
        first = uniform(np.full(self.width, 2), key=key)

        def step(cells: UInt32[Array, " words"], active: Array):
            cells = jnp.where(active, self._next(cells), cells)
            return cells, cells

        within = jnp.arange(self.steps) < depth
        last, rows = jax.lax.scan(step, self._pack(first), within)
        rows = jnp.where(within[:, None], jax.vmap(self._unpack)(rows) + FIRST, PAD)
        steps = jnp.where(within, jnp.int32(STEP), PAD)
        prompt = lay_out(jnp.concatenate([first + FIRST, steps]), self.width)
        answer = self._unpack(last) + FIRST
        return prompt, ask_at_the_end(len(prompt), answer), rows.ravel(), answer

    def reference(self, prompt: Int[Array, " prompt_length"]) -> Int[Array, " answer_length"]:
        cells, steps = prompt[: self.width], prompt[self.width : self.width + self.steps]
        if self.is_additive:
            power = lookup(self._powers, jnp.sum(steps == STEP))
            return ((cells & 1) @ power & 1) + FIRST

        def step(cells: Int[Array, " width"], now: Int[Array, ""]):
            left, right = (cells[-1:], cells[:1]) if self.edges == "ring" else (BEYOND, BEYOND)
            left = jnp.concatenate([left, cells[:-1]])
            right = jnp.concatenate([cells[1:], right])
            return lookup(self._outcomes, now, left, cells, right), None

        return jax.lax.scan(step, cells, steps)[0]

    def cost(self) -> Cost:
        """One lookup a cell and step; if additive: count the steps, fetch that power, multiply, take bits."""
        w, s = self.width, self.steps
        if self.is_additive:
            return Cost(work=2 * s - 1 + 3 * w * w + 3 * w, span=5 + (s > 1))
        return Cost(work=w * s, span=s)

    @property
    def other_values(self) -> dict[str, object]:
        rule = {90: 150, 150: 90}.get(self.rule, 90) if self.is_additive else (30 if self.rule != 30 else 110)
        return {"rule": rule, "edges": "padded" if self.edges == "ring" else "ring"}

    @property
    def dials_without_cost(self) -> tuple[str, ...]:
        return ("rule", "edges")

    @property
    def guess_rate(self) -> float:
        """The largest probability of a row after `steps` steps, see `commonest_share`."""
        return commonest_share(self.step, self.width, self.steps)

    def step(self, rows: Int[np.ndarray, "batch width"]) -> Int[np.ndarray, "batch width"]:
        """One step of many rows, in NumPy."""
        edge = "wrap" if self.edges == "ring" else "constant"
        padded = np.pad(rows, ((0, 0), (1, 1)), mode=edge)  # type: ignore[call-overload]
        return (self.rule >> np.arange(8) & 1)[4 * padded[:, :-2] + 2 * padded[:, 1:-1] + padded[:, 2:]]

    def render(self, prompt: Int[np.ndarray, " prompt_length"]) -> str:
        outcomes = ", ".join(
            f"{pattern:03b} gives {self.rule >> pattern & 1}" for pattern in range(7, -1, -1)
        )
        where = {
            "ring": "The row is a ring: the last cell is left of the first.",
            "padded": "Beyond both ends all cells are 0.",
        }[self.edges]
        return "\n".join(
            [
                f"A row of {self.width} cells, each 0 or 1, changes in steps. In a step all cells change at "
                "once, each by its left neighbour, itself and its right neighbour:",
                f"{outcomes}.",
                where,
                "What is the row after all steps? Answer with "
                f"its {self.width} cells as digits, without spaces.",
                f"steps: {int(np.sum(prompt == STEP))}",
                f"row: {self.render_answer(prompt[: self.width])}",
            ]
        )

    def parse(self, text: str) -> Int[np.ndarray, " prompt_length"]:
        steps = whole_number(line_after(text, "steps"), 1, self.steps, "steps")
        row = self.parse_answer(line_after(text, "row"))
        unary = np.where(np.arange(self.steps) < steps, STEP, PAD)
        prompt = np.concatenate([row, unary, np.full(self.width, QUERY)]).astype(np.int32)
        same_text(text, self.render(prompt))
        return prompt

    def render_answer(self, answer: Int[np.ndarray, " answer_length"]) -> str:
        return "".join({FIRST: "0", FIRST + 1: "1"}.get(token, "?") for token in answer.tolist())

    def parse_answer(self, text: str) -> Int[np.ndarray, " answer_length"]:
        text = text.strip()
        if len(text) != self.width or set(text) - {"0", "1"}:
            raise ValueError(f"{shortened(text)}: must be {self.width} cells, each 0 or 1, without spaces")
        return np.array([FIRST + int(cell) for cell in text], np.int32)

    def render_trace(self, trace: Int[np.ndarray, " trace_length"]) -> str:
        rows = trace.reshape(-1, self.width)
        return "\n".join(self.render_answer(row) for row in rows[rows[:, 0] != PAD])

    def picture(
        self,
        prompt: Int[np.ndarray, " prompt_length"],
        trace: Int[np.ndarray, " trace_length"],
        answer: Int[np.ndarray, " answer_length"],
    ) -> str:
        """The rows from top to bottom, ones dark."""
        steps = int(np.sum(prompt == STEP))
        rows = np.concatenate([prompt[None, : self.width], trace.reshape(-1, self.width)])[: steps + 1]
        path = runs_path(rows == FIRST + 1)
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width} {steps + 1}" '
            f'role="img" aria-label="Rule {self.rule}" shape-rendering="crispEdges">'
            f'<rect width="100%" height="100%" fill="#fff"/><path fill="#1f3a5f" d="{path}"/></svg>'
        )

    # A row as the bits of 32-bit words, cell 0 the lowest: one operation steps 32 cells.

    def _pack(self, cells: Int[Array, " width"]) -> UInt32[Array, " words"]:
        spare = -self.width % WORD
        bits = jnp.pad(cells.astype(jnp.uint32), (0, spare)).reshape(-1, WORD)
        return (bits << jnp.arange(WORD, dtype=jnp.uint32)).sum(-1, dtype=jnp.uint32)

    def _unpack(self, words: UInt32[Array, " words"]) -> Int[Array, " width"]:
        bits = words[:, None] >> jnp.arange(WORD, dtype=jnp.uint32) & 1
        return bits.ravel()[: self.width].astype(jnp.int32)

    def _next(self, cells: UInt32[Array, " words"]) -> UInt32[Array, " words"]:
        """The row after one step. Bits past the ring's end are garbage, which no cell reads."""
        top = np.uint32((self.width - 1) % WORD)  # the place of the ring's last cell in its word
        last, first = cells[-1:] >> top, (cells[:1] & 1) << top
        if self.edges == "padded":
            last, first = jnp.zeros_like(last), jnp.zeros_like(first)
        before = jnp.concatenate([last, cells[:-1] >> (WORD - 1)]) & 1
        after = jnp.concatenate([cells[1:] << (WORD - 1), first])
        here = jnp.arange(len(cells)) == len(cells) - 1
        inside = jnp.where(here, (np.uint32(1) << top) - np.uint32(1), np.uint32(2**31 - 1))
        neighbours = (cells << 1 | before, cells, (cells >> 1 & inside) | after)
        alive = jnp.zeros_like(cells)
        for pattern in range(8):
            if self.rule >> pattern & 1:
                left, cell, right = (
                    word if pattern >> shift & 1 else ~word
                    for word, shift in zip(neighbours, (2, 1, 0), strict=True)
                )
                alive |= left & cell & right
        return alive

    @cached_property
    def _outcomes(self) -> np.ndarray:
        """The next cell by [STEP or PAD, left, cell, right], all token ids; PAD leaves the cell as it is."""
        table = np.zeros((STEP + 1, FIRST + 2, FIRST + 2, FIRST + 2), np.int32)
        table[:] = np.arange(FIRST + 2)[:, None]
        for pattern in range(8):
            left, cell, right = (pattern >> shift & 1 for shift in (2, 1, 0))
            table[STEP, FIRST + left, FIRST + cell, FIRST + right] = FIRST + (self.rule >> pattern & 1)
        return table

    @cached_property
    def _powers(self) -> np.ndarray:
        """The matrix of d steps for every d in 0..steps, over GF(2); rows times it, so [d, from, to]."""
        eye = np.eye(self.width, dtype=np.int32)
        taps = ((4, 1), (2, 0), (1, -1))  # (pattern with one cell alive, how far its influence moves)
        if self.edges == "ring":
            moved = {shift: np.roll(eye, shift, axis=1) for _, shift in taps}
        else:
            moved = {shift: np.eye(self.width, k=shift, dtype=np.int32) for _, shift in taps}
        once = sum((self.rule >> pattern & 1) * moved[shift] for pattern, shift in taps) % 2
        powers = [eye]
        for _ in range(self.steps):
            powers.append(powers[-1] @ once % 2)
        return np.stack(powers).astype(np.int32)
