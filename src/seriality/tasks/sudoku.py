"""Sudoku: fill in a grid of which some cells are given, the clues.

In a round all singles are filled in, anywhere on the board and at once: cells with one candidate (naked
singles), and digits with one place in a row, a column or a box (hidden singles). A digit is a candidate of an
open cell if its row, column and box do not have it yet. The `tier` is one of

"singles". Rounds alone solve the grid, which proves that it has one solution. The depth is the number of
rounds R. As a single stays one when more cells are filled in, filling all of them at once is never later than
any other order, and R is the longest chain of deductions that each need the one before.

"guess". There is one solution, but at some point no single is left. One more digit, the best guess, and
rounds solve it; R is the fewest rounds after such a guess.

"ambiguous". There are several solutions, and any of them is right. A guess picks one of them, and rounds
solve the rest; R is the fewest rounds after such a guess.

The depth is R, counted from the fewest rounds of which grids are found at all: 1 for singles, 2 for 9x9 grids
of the other tiers. R is set independently of the number of clues: grids of all depths have `clues` clues,
except that the shallowest need more (`clues_at`), since with 28 clues no 9x9 grid of fewer than 3 rounds was
found. Any depth is relative to the rules: with stronger ones than singles (locked candidates) there are fewer
rounds.

Grids come from pools, which a search on the host fills once (`sudoku_search` says how, and what is not
uniform about it) and keeps on disk: `MEMBERS` for each depth. An instance is a member of its pool under a
random symmetry: digits renamed, rows permuted within bands, bands, columns, stacks, rows and columns swapped.
Symmetries change neither R nor the number of solutions. `lineage` is the same for all images of a grid, so
each pool is divided between the splits, and no test grid is an image of one trained on.

`grid="known"` is the control. The full grid is one pattern, the same in all instances, with its digits
renamed; clues, tiers, depths and pools are as before. So R rounds solve it as well, but each clue tells where
its digit stands everywhere, and the answer is a lookup: the span does not grow with R.

The reference makes the rounds of one board, which takes 11 steps a round, or of all boards with one digit
more at once. A guess thus costs width and not depth: a solver that guesses one after the other pays for it in
series.

Complexity: whether an n^2 x n^2 grid has a solution is NP-complete (Yato & Seta 2003), and to
propagate constraints as far as they go is P-complete in general (Kasif 1990). For singles of Sudoku we know
no proof. At a fixed side there are finitely many grids, and no statement about growth applies.

What this task does not show: that no shortcut to R rounds exists. Nor is 4x4 a test of anything serial: no
grid takes more than 3 rounds, and none needs a guess.

Trace: the cells in the order in which the rounds fill them (a best guess first, as if by a round of its own),
each with its digit, and an end after each round. Given the clues and what was filled in so far, every cell
of a round is a single; which guess is a good one does not follow from anything before.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from math import factorial, isqrt
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int, Key, UInt32

from ..cost import Cost
from ..instance import PAD, QUERY, Format, Instances
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
)

OPEN = FIRST
"""The token of an open cell; the digits follow it, then the cells, then the end of a round."""
SYMBOLS = "123456789ABCDEFG"
TIERS = ("singles", "guess", "ambiguous")
GRIDS = ("any", "known")
MEMBERS = {4: (64, 64), 9: (1024, 512), 16: (256, 64)}
"""How many grids a pool holds, by side: of the tier "singles", and of the others. Powers of two."""
CLUES = {4: 5, 9: 28, 16: 110}
"""The clues where none are said."""
REACH: dict[int, dict[str, dict[int, tuple[int, int]]]] = {
    4: {"singles": {5: (1, 3), 6: (1, 3), 7: (1, 3)}, "ambiguous": {4: (1, 2), 5: (1, 2), 6: (1, 2)}},
    9: {
        "singles": {
            25: (5, 17),
            26: (4, 18),
            27: (4, 19),
            28: (3, 20),
            29: (3, 20),
            30: (3, 19),
            31: (3, 19),
            32: (3, 18),
            33: (3, 18),
            34: (3, 18),
            35: (3, 17),
            36: (2, 18),
            37: (2, 17),
            38: (2, 15),
            39: (2, 16),
            40: (2, 15),
            41: (2, 15),
            42: (2, 14),
            43: (2, 13),
            44: (2, 12),
            45: (2, 11),
            46: (2, 12),
            47: (2, 11),
            48: (1, 10),
            49: (1, 9),
            50: (1, 9),
        },
        "guess": {
            26: (4, 10),
            28: (4, 11),
            30: (3, 9),
            32: (3, 9),
            34: (3, 8),
            36: (3, 7),
            38: (2, 6),
            40: (2, 5),
        },
        "ambiguous": {
            26: (4, 15),
            28: (4, 12),
            30: (3, 14),
            32: (3, 13),
            34: (3, 12),
            36: (2, 11),
            38: (2, 10),
            40: (2, 9),
            42: (2, 8),
        },
    },
    16: {
        "singles": {
            100: (9, 37),
            110: (5, 40),
            120: (4, 40),
            130: (4, 35),
            140: (3, 29),
            150: (3, 22),
            160: (2, 15),
            170: (2, 14),
            180: (2, 8),
            190: (2, 5),
            200: (1, 4),
        }
    },
}
"""The fewest and the most rounds, by side, tier and number of clues, of which grids are found."""


@dataclass(frozen=True)
class Sudoku(AbstractTask):
    """Grids of `side` by `side` cells that take up to `rounds` rounds.

    `side` is 4, 9 or 16; `tier` is "singles", "guess" or "ambiguous"; `clues` is the number of clues (None:
    5, 28 or 110); `grid` is "any" or "known" (the control).

    >>> Sudoku(side=9, rounds=12).cost()
    Cost(work=150174, span=135)
    """

    side: int = 9
    rounds: int = 12
    tier: str = "singles"
    clues: int | None = None
    grid: str = "any"

    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        faults = integer_fault("rounds", self.rounds, 1, 12)
        if self.side not in MEMBERS or isinstance(self.side, bool):
            faults.append(f"side={self.side!r}: must be 4, 9 or 16; e.g. side=9")
        if self.tier not in TIERS:
            faults.append(f"tier={self.tier!r}: must be one of {', '.join(TIERS)}; e.g. tier='singles'")
        if self.grid not in GRIDS:
            faults.append(f"grid={self.grid!r}: must be 'any' or 'known'; e.g. grid='any'")
        refuse("Sudoku", faults or self._reach_faults())

    def _reach_faults(self) -> list[str]:
        """What keeps grids with these dials from being found."""
        reach = REACH[self.side].get(self.tier)
        where = f"side={self.side}, tier={self.tier!r}"
        if reach is None:
            return [f"{where}: there are no such grids; with side=4 singles solve every grid of one solution"]
        if isinstance(self.clues, bool) or self._clues not in reach:
            return [
                f"clues={self.clues!r}: must be None or, with {where}, one of {', '.join(map(str, reach))}"
            ]
        least, most = reach[self._clues]
        if self.rounds <= self._offset:
            return [f"rounds={self.rounds}: with {where} it must be at least {self._offset + 1}"]
        if self.rounds > most:
            best = max(reach, key=lambda clues: reach[clues][1])
            return [
                f"rounds={self.rounds}: with {where} and {self._clues} clues, grids of {least} to {most} "
                f"rounds are found; the most are {reach[best][1]}, with clues={best}"
            ]
        return []

    @property
    def other_values(self) -> dict[str, object]:
        return {
            name: next((value for value in values if self._allows(name, value)), getattr(self, name))
            for name, values in {
                "side": (9, 16, 4),
                "rounds": (self.rounds + 1, self.rounds - 1),
                "tier": ("singles", "ambiguous", "guess"),
                "clues": REACH[self.side][self.tier],
                "grid": GRIDS,
            }.items()
        }

    def _allows(self, name: str, value: object) -> bool:
        """Whether this is another value of the dial and makes a task."""
        if getattr(self, "_clues" if name == "clues" else name) == value:
            return False
        try:
            replace(self, **{name: value})  # type: ignore[arg-type]
        except ValueError:
            return False
        return True

    @property
    def dials_without_cost(self) -> tuple[str, ...]:
        return ("clues", "rounds", "tier") if self.grid == "known" else ("clues",)

    @property
    def guess_rate(self) -> float:
        """Digits are renamed at random, and a grid agrees with the clues under one renaming at most: all
        digits are among them, or all but one."""
        return 1 / factorial(self.side)

    @cached_property
    def format(self) -> Format:
        n = self.side
        cells = [f"r{r}c{c}" for r in range(1, n + 1) for c in range(1, n + 1)]
        return Format(
            tokens=(*SPECIAL, ".", *SYMBOLS[:n], *cells, ";"),
            prompt_length=2 * n * n,
            trace_length=2 * (n * n - self._clues) + self._stages,
            answer_length=n * n,
        )

    @property
    def max_depth(self) -> int:
        return self.rounds - self._offset

    def resized(self, max_depth: int) -> "Sudoku":
        return replace(self, rounds=max_depth + self._offset)

    @property
    def control(self) -> "Sudoku | None":
        """The grids of which the pattern is known; None if this task is that."""
        return None if self.grid == "known" else replace(self, grid="known")

    def clues_at(self, depth: int) -> int:
        """The clues of grids of this depth: `clues`, or the fewest with which there are some, if more.

        >>> [Sudoku().clues_at(depth) for depth in range(1, 13)]
        [48, 36, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28]
        """
        reach = REACH[self.side][self.tier]
        return min(k for k in reach if k >= self._clues and reach[k][0] <= depth + self._offset)

    def distinct(self, depth: int) -> int:
        """All ways to name the digits of each grid of a pool: a lower bound, rows and columns aside. Of 4x4
        there are so few that members of a pool may be images of each other: those of one grid."""
        return (self._members if self.side > 4 else 1) * factorial(self.side)

    def lineage(self, prompt: Int[Array, "batch prompt_length"], depth: int) -> Int[Array, "batch tokens"]:
        """Two words that are the same for all images of a grid: each cell is coloured by the colours around
        it, over and over (Weisfeiler & Leman 1968), and the colours are summed."""
        n, b = self.side, self._box
        board = prompt[:, : n * n].reshape(-1, n, n)
        has = board[:, None] == self._digits[:, None, None]  # by [batch, digit, row, column]
        colour = (board != OPEN).astype(jnp.uint32)
        for _ in range(4):
            own = _mix(colour + 1)
            digit = _mix(jnp.sum(has * own[:, None], axis=(2, 3), dtype=jnp.uint32))
            named = jnp.sum(has * digit[:, :, None, None], axis=1, dtype=jnp.uint32)
            lines = []
            for axis in (2, 1):
                line = jnp.sum(own, axis=axis, dtype=jnp.uint32)
                band = jnp.sum(line.reshape(-1, b, b), axis=2, dtype=jnp.uint32)
                lines.append(jnp.expand_dims(_mix(3 * line + _mix(jnp.repeat(band, b, axis=1))), axis))
            box = jnp.sum(own.reshape(-1, b, b, b, b), axis=(2, 4), dtype=jnp.uint32)
            box = jnp.repeat(jnp.repeat(box, b, axis=1), b, axis=2)
            colour = _mix(5 * own + 7 * named + _mix(lines[0] + lines[1]) + 9 * _mix(box))
        words = jnp.stack([_mix(colour), _mix(colour ^ np.uint32(0x9E3779B9))], axis=1)
        found = jnp.sum(words, axis=(2, 3), dtype=jnp.uint32)
        return jax.lax.bitcast_convert_type(found, jnp.int32)

    def draw(self, depth: Int[Array, ""], *, key: Key[Array, ""]):
        n, b, cells = self.side, self._box, self.side**2
        grids, stages = self._pool
        members = grids.shape[1]
        words = jax.random.bits(key, (2 + n + 2 * (b + n),))
        member = (words[0] % members).astype(jnp.int32)
        solution, stage = lookup(grids, depth - 1, member), lookup(stages, depth - 1, member)
        if self.grid == "any":
            bands, lines = jnp.split(words[2 + n :], [2 * b])
            bands = jnp.argsort(bands.reshape(2, b), axis=1)
            lines = jnp.argsort(lines.reshape(2, b, b), axis=2)
            rows, columns = (bands[:, :, None] * b + lines).reshape(2, n).astype(jnp.int32)
            places = rows[:, None] * n + columns
            places = jnp.where(words[1] % 2 == 0, places, places.T).ravel()
            solution, stage = lookup(solution, places), lookup(stage, places)
        names = jnp.argsort(words[2 : 2 + n]).astype(jnp.int32) + (OPEN + 1)
        answer, stage = lookup(names, solution.astype(jnp.int32)), stage.astype(jnp.int32)
        board = jnp.where(stage == 0, answer, OPEN)
        prompt = lay_out(board, cells)
        return prompt, ask_at_the_end(len(prompt), answer), self._trace(answer, stage), answer

    def _trace(
        self, answer: Int[Array, " cells"], stage: Int[Array, " cells"]
    ) -> Int[Array, " trace_length"]:
        """The cells and their digits by stage, which is 0 for a clue, and an end after each stage."""
        length = self.format.trace_length
        is_open = stage > 0
        order = jnp.argsort(jnp.where(is_open, stage, self._stages + 1))[: self.side**2 - self._clues]
        order = order.astype(jnp.int32)
        turn = lookup(stage, order)
        place = jnp.where(turn > 0, 2 * np.arange(len(order), dtype=np.int32) + turn - 1, length)
        ends = np.arange(1, self._stages + 1, dtype=np.int32)
        filled = jnp.sum(is_open & (stage <= ends[:, None]), axis=1, dtype=jnp.int32)
        after = jnp.where(ends <= jnp.max(stage), 2 * filled + ends - 1, length)
        where = jnp.concatenate([place, place + 1, after])
        what = jnp.concatenate(
            [order + self._first_cell, lookup(answer, order), jnp.full(self._stages, self._end, jnp.int32)]
        )
        empty = jnp.full(length, PAD, jnp.int32)
        return empty.at[where].set(what, mode="drop", wrap_negative_indices=False)

    def reference(self, prompt: Int[Array, " prompt_length"]) -> Int[Array, " answer_length"]:
        n = self.side
        board = prompt[: n * n]
        if self.grid == "known":
            return self._by_pattern(board)
        filled = board.reshape(n, n) == self._digits[:, None, None]
        if self.tier == "singles":
            return self._written(self._run(filled))
        digits = np.eye(n, dtype=bool)

        def guess(cell: Bool[Array, "row column"]) -> tuple[Bool[Array, ""], Int[Array, " cells"]]:
            """Whether some digit on this cell leads to a solution, and the first solution found so."""
            boards = filled | (cell & digits[:, :, None, None])
            boards = jax.vmap(self._run)(boards)
            is_right = jax.vmap(self._is_solved)(boards)
            return jnp.any(is_right), lookup(
                jax.vmap(self._written)(boards), jnp.argmax(is_right).astype(jnp.int32)
            )

        is_right, answers = jax.lax.map(guess, np.eye(n * n, dtype=bool).reshape(n * n, n, n))
        return lookup(answers, jnp.argmax(is_right).astype(jnp.int32))

    def cost(self) -> Cost:
        """A round is 17 operations a bit, of which there are n^3: counts and comparisons of cells, rows,
        columns and boxes, for what is taken and for singles. With a guess there are n^3 boards."""
        n, rounds = self.side, self.rounds
        if self.grid == "known":
            return Cost(work=n * (n + 2), span=4)
        if self.tier == "singles":
            return Cost(work=n**3 * (17 * rounds + 2), span=11 * rounds + 3)
        return Cost(work=n**6 * (17 * rounds + 6) + n**3 * (4 * n**2 + n + 2) - 1, span=11 * rounds + 8)

    def score(self, answer: Int[Array, "batch answer_length"], instances: Instances) -> Bool[Array, " batch"]:
        """Whether each answer is the solution; where there are several, whether it is one of them."""
        if self.tier != "ambiguous":
            return super().score(answer, instances)
        n = self.side
        given = instances.prompt[:, : n * n]
        agrees = jnp.all((given == answer) | (given == OPEN), axis=1)
        boards = answer.reshape(-1, 1, n, n) == self._digits[:, None, None]
        return agrees & jax.vmap(self._is_solved)(boards)

    # Texts

    def render(self, prompt: Int[np.ndarray, " prompt_length"]) -> str:
        n, b = self.side, self._box
        lines = [
            f"Fill in the grid so that every row, every column and every box of {b} by {b} cells has each of "
            f"{' '.join(SYMBOLS[:n])} once. A dot is an open cell. "
            + (
                "There are several solutions, and any of them is right."
                if self.tier == "ambiguous"
                else "There is exactly one solution."
            )
        ]
        if self.grid == "known":
            lines.append(
                f"Two cells have the same digit if they have the same number ({b}*(r mod {b}) + floor(r/{b}) "
                f"+ c) mod {n}, where r is the row and c the column, counted from 0; otherwise they differ."
                + (" There are solutions of this form." if self.tier == "ambiguous" else "")
            )
        rows = prompt[: n * n].reshape(n, n).tolist()
        lines += [f"row {r}: {''.join(map(self._symbol, row))}" for r, row in enumerate(rows, 1)]
        lines.append("Answer with all rows from top to bottom, in one line with spaces between the rows.")
        return "\n".join(lines)

    def parse(self, text: str) -> Int[np.ndarray, " prompt_length"]:
        n = self.side
        rows = [
            self._tokens(line_after(text, f"row {r}"), f"row {r}", "." + SYMBOLS[:n]) for r in range(1, n + 1)
        ]
        prompt = np.concatenate([*rows, np.full(n * n, QUERY, np.int32)])
        if text != self.render(prompt):
            raise ValueError("the text around the rows is not that of this task")
        board = prompt[: n * n] - OPEN
        allowed = sorted({self.clues_at(depth) for depth in range(1, self.max_depth + 1)})
        if np.count_nonzero(board) not in allowed:
            listed = ", ".join(map(str, allowed))
            raise ValueError(f"{np.count_nonzero(board)} clues are given; allowed are {listed}")
        if self.grid == "known":
            pairs = {
                (digit, place) for digit, place in zip(board.tolist(), self._pattern.tolist(), strict=True)
            }
            named = [pair for pair in pairs if pair[0]]
            if len(named) != len({digit for digit, _ in named}) or len(named) != len({p for _, p in named}):
                raise ValueError("the clues are not those of the known grid with its digits renamed")
        from .sudoku_search import rounds_of

        found = rounds_of(board, n)
        if found is None:
            raise ValueError("the grid has no solution, or needs more than one guess")
        tier, rounds = found
        if tier != self.tier:
            raise ValueError(f"the grid is of the tier {tier!r}, must be of {self.tier!r}")
        if not self._offset < rounds <= self.rounds:
            raise ValueError(
                f"the grid takes {rounds} rounds, allowed are {self._offset + 1} to {self.rounds}"
            )
        return prompt

    def render_answer(self, answer: Int[np.ndarray, " answer_length"]) -> str:
        text = "".join(map(self._symbol, answer.tolist()))
        return " ".join(text[i : i + self.side] for i in range(0, len(text), self.side))

    def parse_answer(self, text: str) -> Int[np.ndarray, " answer_length"]:
        rows = text.split()
        if len(rows) != self.side:
            raise ValueError(f"answer: {len(rows)} rows, must be {self.side} with spaces between them")
        return np.concatenate(
            [
                self._tokens(row, f"row {r} of the answer", SYMBOLS[: self.side])
                for r, row in enumerate(rows, 1)
            ]
        )

    def render_trace(self, trace: Int[np.ndarray, " trace_length"]) -> str:
        """A line for each round: `round 1: r1c3=4 r2c5=7`; a guess has a line of its own before."""
        texts = self.format.tokens
        lines, now = [], []
        guesses = self.tier != "singles"
        for token in trace[trace != PAD].tolist():
            if token == self._end:
                turn = len(lines) + 1 - guesses
                lines.append(f"{f'round {turn}' if turn else 'guess'}: {' '.join(now)}")
                now = []
            elif token >= self._first_cell:
                now.append(texts[token])
            else:
                now[-1] += f"={texts[token]}"
        return "\n".join(lines)

    def picture(
        self,
        prompt: Int[np.ndarray, " prompt_length"],
        trace: Int[np.ndarray, " trace_length"],
        answer: Int[np.ndarray, " answer_length"],
    ) -> str | None:
        """The solution: clues in bold on white, the other cells in the colour of their round, from yellow to
        blue, with its number in the corner."""
        n, b = self.side, self._box
        stage, turn = np.zeros(n * n, int), 1
        for token in trace.tolist():
            if token == self._end:
                turn += 1
            elif self._first_cell <= token:
                stage[token - self._first_cell] = turn
        width, size = 24 * n + 8, f"{24 * n}"
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {width}" '
            'font-family="sans-serif" font-size="14" text-anchor="middle" fill="#111">'
            f'<rect width="{width}" height="{width}" fill="#fff"/><g transform="translate(4 4)">'
        ]
        for number in range(1, stage.max() + 1):
            share = (number - 1) / max(1, stage.max() - 1)
            colour = f"hsl({55 + 165 * share:.0f} 85% {82 - 8 * share:.0f}%)"
            squares = "".join(
                f"M{24 * (cell % n)} {24 * (cell // n)}h24v24h-24z"
                for cell in np.flatnonzero(stage == number)
            )
            parts.append(f'<path d="{squares}" fill="{colour}"/>')
        for weight, wanted in (("bold", stage == 0), ("normal", stage > 0)):
            for row in range(n):
                columns = [c for c in range(n) if wanted[row * n + c]]
                digits = "".join(self._symbol(int(answer[row * n + c])) for c in columns)
                x = " ".join(str(24 * c + 12) for c in columns)
                if columns:
                    parts.append(f'<text x="{x}" y="{24 * row + 18}" font-weight="{weight}">{digits}</text>')
        first = int(self.tier != "singles")
        for cell in np.flatnonzero(stage):
            label = stage[cell] - first or "?"
            x, y = 24 * (cell % n) + 2, 24 * (cell // n) + 7
            parts.append(f'<text x="{x}" y="{y}" font-size="6" text-anchor="start">{label}</text>')
        for k in range(n + 1):
            thick = 2 if k % b == 0 else 0.5
            parts.append(
                f'<path d="M0 {24 * k}H{size}M{24 * k} 0V{size}" stroke="#333" stroke-width="{thick}"/>'
            )
        return "".join([*parts, "</g></svg>"])

    def _symbol(self, token: int) -> str:
        return self.format.tokens[token] if OPEN <= token <= OPEN + self.side else "?"

    def _tokens(self, text: str, what: str, allowed: str) -> Int[np.ndarray, " side"]:
        """The cells of a row; a ValueError of one line if it is none."""
        if len(text) != self.side or set(text) - set(allowed):
            raise ValueError(f"{what} is {shortened(text)}: must be {self.side} characters of {allowed}")
        return np.array([OPEN + ("." + SYMBOLS).index(symbol) for symbol in text], np.int32)

    # Boards as bits, by [digit, row, column]

    def _counts(self, bits: Bool[Array, "digit row column"]) -> tuple[Array, Array, Array, Array]:
        """How many are set for each cell, and for each digit in each row, column and box."""
        n, b = self.side, self._box
        ones = bits.astype(jnp.int32)
        return (
            jnp.sum(ones, axis=0),
            jnp.sum(ones, axis=2),
            jnp.sum(ones, axis=1),
            jnp.sum(ones.reshape(n, b, b, b, b), axis=(2, 4)),
        )

    def _spread(self, cell: Array, row: Array, column: Array, box: Array) -> Bool[Array, "digit row column"]:
        """Of each cell and digit, whether one of the four holds."""
        b = self._box
        box = jnp.repeat(jnp.repeat(box, b, axis=1), b, axis=2)
        return cell | row[:, :, None] | (column[:, None] | box)

    def _run(self, filled: Bool[Array, "digit row column"]) -> Bool[Array, "digit row column"]:
        """The board after all rounds. Of a wrong guess it may have cells with no digit or several."""

        def one_round(filled: Array, _: None) -> tuple[Array, None]:
            taken = self._spread(*(count > 0 for count in self._counts(filled)))
            candidates = ~taken
            single = self._spread(*(count == 1 for count in self._counts(candidates)))
            return filled | (candidates & single), None

        return jax.lax.scan(one_round, filled, length=self.rounds)[0]

    def _is_solved(self, filled: Bool[Array, "digit row column"]) -> Bool[Array, ""]:
        """Whether each cell has one digit, and each row, column and box each digit once."""
        return jnp.all(jnp.concatenate([(count == 1).ravel() for count in self._counts(filled)]))

    def _written(self, filled: Bool[Array, "digit row column"]) -> Int[Array, " cells"]:
        """The tokens of a full board."""
        return jnp.argmax(filled, axis=0).astype(jnp.int32).ravel() + (OPEN + 1)

    def _by_pattern(self, board: Int[Array, " cells"]) -> Int[Array, " cells"]:
        """The full grid, of which the pattern is known: its cells fall into classes of one digit each, and
        the digit that no clue shows, if there is one, is what lacks in the sum of all."""
        classes = np.argsort(self._pattern, kind="stable").reshape(self.side, -1)
        shown = jnp.max(board[classes], axis=1)
        missing = int(self._digits.sum()) + OPEN - jnp.sum(shown)
        digits = jnp.where(shown == OPEN, missing, shown)
        return digits[self._pattern]

    @cached_property
    def _pattern(self) -> np.ndarray:
        """The digits, from 0, of the known grid: each row is the one above, moved by the width of a box, and
        each band the one above, moved by one."""
        row, column = np.divmod(np.arange(self.side**2), self.side)
        return (self._box * (row % self._box) + row // self._box + column) % self.side

    # Sizes and tokens

    @property
    def _box(self) -> int:
        return isqrt(self.side)

    @property
    def _clues(self) -> int:
        return CLUES[self.side] if self.clues is None else self.clues

    @property
    def _offset(self) -> int:
        """The rounds of depth 1, less 1: no grids with fewer are found."""
        return min(least for least, _ in REACH[self.side][self.tier].values()) - 1

    @property
    def _stages(self) -> int:
        """The rounds, and one more for a guess."""
        return self.rounds + (self.tier != "singles")

    @property
    def _members(self) -> int:
        return MEMBERS[self.side][self.tier != "singles"]

    @property
    def _digits(self) -> np.ndarray:
        return np.arange(OPEN + 1, OPEN + 1 + self.side, dtype=np.int32)

    @property
    def _first_cell(self) -> int:
        return OPEN + 1 + self.side

    @property
    def _end(self) -> int:
        return self._first_cell + self.side**2

    def prepare(self) -> None:
        _ = self._pool

    @cached_property
    def _pool(self) -> tuple[np.ndarray, np.ndarray]:
        """The solutions and the stages of all cells, by [depth − 1, member, cell]."""
        from .sudoku_search import pools

        depths = range(1, self.max_depth + 1)
        asked = tuple((self.clues_at(depth), depth + self._offset) for depth in depths)
        grid = tuple(self._pattern.tolist()) if self.grid == "known" else ()
        found = pools(self.version, self.side, self.tier, asked, grid, self._members)
        return found[:, 0], found[:, 1]


def _mix(state: UInt32[Array, "*shape"]) -> UInt32[Array, "*shape"]:
    """The finaliser of MurmurHash3 (Appleby)."""
    state = (state ^ (state >> 16)) * jnp.uint32(0x85EBCA6B)
    state = (state ^ (state >> 13)) * jnp.uint32(0xC2B2AE35)
    return state ^ (state >> 16)
