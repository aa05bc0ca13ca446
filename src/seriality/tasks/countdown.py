"""Countdown: write an expression that uses each of the given numbers once and has the given value.

The numbers game of the television programme, and with target 24 the game of 24. An instance of d operations
has d + 1 numbers. The answer is an expression in reverse Polish notation, which needs no brackets and so has
2d + 1 tokens; END follows where the answer is longer. It is scored by evaluating it: every expression that is
right counts. Rules: every number is used exactly once (the programme allows leaving some out), and every
result, also on the way, is a whole number from 1 to 999, so that one subtracts only from a larger number and
divides only without remainder.

A play: in each turn two of the numbers on the table are replaced by the result of an operation, the larger
one as its first operand. There are n! (n - 1)! 2^(n - 1) plays of n numbers: 4, 48, 1,152 and 46,080 for 2
to 5. The `target` is one of

"expression". The numbers are independent and uniform, and the target is the result of a random play: two of
the numbers on the table and one of the operations that the rules allow for them, uniformly, turn by turn. So
every instance has a solution.

An integer, such as 24. The numbers are uniform among all rows of numbers that give it, which a search on the
host has found beforehand.

"sum", the control. The target is the sum of the numbers, so that the answer needs no search: the numbers
with a + after each but the first. The prompts look alike and the text is the same.

What it shows: search is wide and not deep. The reference makes all plays at once, turn by turn. Its work is
proportional to their number, which grows faster than exponentially with d, and its span is 9 d + 19. So a
solver needs little in series and much beside: width, votes, or luck. (With yet more work even constant span
would do, as results are bounded: all results of all plays can be guessed and checked at once.) The problem is
in NP, since an expression is checked by evaluating it; no hardness is claimed.

Trace: the operations of the answer with operands and results, in the order of the expression. It is a proof
that the answer is right, and no record of how to find it: each result follows from what stands before it,
but which operation comes next is a guess. A trace of the search would be as long as its work.

What this task does not show: the worth of serial steps, beyond the few of evaluation; nor difficulty that
grows evenly with d, as more numbers have more plays and more solutions as well. A training instance holds
smaller questions with their answers (the parts of its expression), which may be asked in testing at smaller
depths.
"""

import math
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product
from math import comb, factorial, prod
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int, Key

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
    uniform,
)
from .texts import digit_tokens, number_text, number_tokens, whole_number

OPERATORS = ("+", "-", "*", "/")
LIMIT = 999
"""The largest result that the rules allow."""
DIGITS = len(str(LIMIT))
"""Digits of a target, and of every number in a trace."""
MOST_OPERATIONS = 4
"""Five numbers have 46,080 plays. Six have 2,764,800, which the reference would hold at once, for each
instance of a batch."""
LARGEST_NUMBER = 100
MOST_SETS = 20_000
"""The most sets of numbers that are searched for a fixed target."""
PAIRS = np.array([(i, j) for j in range(1, MOST_OPERATIONS + 1) for i in range(j)], np.int32)
"""Pairs of places on the table: the first n (n - 1) / 2 are those of n numbers."""
IMPOSSIBLE = -LIMIT - 1
"""What stands for a result against the rules: no operation on it leads back to one that they allow."""
STEP = 3 * DIGITS + 1
"""The tokens of an operation in a trace: operand, operator, operand, result."""


@dataclass(frozen=True)
class Countdown(AbstractTask):
    """Expressions of up to `operations` operations on one number more, from 1 to `largest`. Depth is the
    operations. `target` is "expression", an integer from 1 to 999, or "sum" (the control).

    >>> Countdown(operations=3, largest=20).cost()
    Cost(work=12302, span=46)
    """

    operations: int = 3
    largest: int = 20
    target: str | int = "expression"

    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        faults = integer_fault("operations", self.operations, 1, 3, MOST_OPERATIONS)
        faults += integer_fault("largest", self.largest, 2, 20, LARGEST_NUMBER)
        rules = ("expression", "sum")
        if self.target not in rules and (
            isinstance(self.target, str) or integer_fault("target", self.target, 1, 24, LIMIT)
        ):
            faults.append(
                f"target={self.target!r}: must be 'expression', 'sum' or an integer from 1 to {LIMIT}; "
                "e.g. target='expression'"
            )
        refuse("Countdown", faults or self._search_faults())

    def _search_faults(self) -> list[str]:
        """What keeps the numbers that give a fixed target from being found."""
        t, largest = self.target, self.largest
        if not isinstance(t, int):
            return []
        needed = min(-(-t // 2), *(t // i for i in range(1, math.isqrt(t) + 1) if t % i == 0))
        if largest < needed:
            return [
                f"largest={largest}, target={t}: no two numbers up to {largest} give {t}; largest must be "
                f"at least {needed}"
            ]
        if (sets := _sets(self.operations, largest)) > MOST_SETS:
            most = next(n for n in range(largest, 0, -1) if _sets(self.operations, n) <= MOST_SETS)
            return [
                f"operations={self.operations}, largest={largest}, target={t}: there are {sets} sets of "
                f"numbers to search, at most {MOST_SETS} are; largest must be at most {most}"
            ]
        return []

    @property
    def other_values(self) -> dict[str, object]:
        most = MOST_SETS if isinstance(self.target, int) else 10**10
        deeper = self.operations < MOST_OPERATIONS and _sets(self.operations + 1, self.largest) <= most
        larger = self.largest < LARGEST_NUMBER and _sets(self.operations, self.largest + 1) <= most
        return {
            "operations": self.operations + 1 if deeper else self.operations - 1,
            "largest": self.largest + 1 if larger else self.largest - 1,
            "target": "expression" if self.target == "sum" else "sum",
        }

    @property
    def dials_without_cost(self) -> tuple[str, ...]:
        return ("largest",)

    @property
    def guess_rate(self) -> float:
        """The share of the commonest set of numbers: an answer is right for one set at most, and there,
        unless the target is fixed, for one target of several."""
        n = self.operations + 1
        if isinstance(self.target, int):
            *_, orders = self._solvable(self.operations)
            return float(orders.max() / orders.sum())
        each, more = divmod(n, self.largest)  # the commonest set has every number about equally often
        orders = factorial(n) // (factorial(each) ** (self.largest - more) * factorial(each + 1) ** more)
        return orders / self.largest**n

    @cached_property
    def format(self) -> Format:
        numbers = [str(number) for number in range(max(9, self.largest) + 1)]
        return Format(
            tokens=(*SPECIAL, *numbers, *OPERATORS, "END"),
            prompt_length=DIGITS + self._numbers + self._length,
            trace_length=STEP * self.operations,
            answer_length=self._length,
        )

    @property
    def max_depth(self) -> int:
        return self.operations

    def resized(self, max_depth: int) -> "Countdown":
        return replace(self, operations=max_depth)

    @property
    def control(self) -> "Countdown | None":
        """The target is the sum; None if this task is that."""
        return None if self.target == "sum" else replace(self, target="sum")

    def distinct(self, depth: int) -> int:
        """All rows of numbers, or all that give a fixed target."""
        if isinstance(self.target, int):
            return int(self._solvable(depth)[2].sum())
        return self.largest ** (depth + 1)

    def lineage(self, prompt: Int[Array, "batch prompt_length"], depth: int) -> Int[Array, "batch tokens"]:
        """The target, and the numbers in ascending order: in another order the question is the same."""
        numbers = jnp.sort(prompt[:, DIGITS : DIGITS + self._numbers], axis=1)
        return jnp.concatenate([prompt[:, :DIGITS], numbers], axis=1)

    def draw(self, depth: Int[Array, ""], *, key: Key[Array, ""]):
        within = jnp.arange(self._numbers) <= depth
        if isinstance(self.target, int):
            numbers, answer = self._draw_solvable(depth, within, key)
        else:
            d, n = self.operations, self._numbers
            drawn = uniform(np.repeat([self.largest, PAIR_DRAWS, CHOICE_DRAWS], [n, d, d]), key=key)
            numbers = jnp.where(within, drawn[:n] + FIRST + 1, PAD)
            if self.target == "sum":
                answer = self._sum(numbers)
            else:
                left = jnp.maximum(depth + 1 - jnp.arange(d), 2)  # when all is done nothing is left to pair
                pairs = drawn[n : n + d] % (left * (left - 1) // 2)
                answer = self._play(numbers, pairs, drawn[n + d :])
        steps, value, _ = self._evaluate(answer)
        fields = jnp.concatenate([digit_tokens(value, DIGITS), numbers])
        prompt = lay_out(fields, self._length)
        return prompt, ask_at_the_end(len(prompt), answer), self._trace(answer, steps), answer

    def reference(self, prompt: Int[Array, " prompt_length"]) -> Int[Array, " answer_length"]:
        numbers = prompt[DIGITS : DIGITS + self._numbers]
        if self.target == "sum":
            return self._sum(numbers)
        target = jnp.sum((prompt[:DIGITS] - FIRST) * POWERS)
        tables = [jnp.maximum(numbers - FIRST, 0)[None]]
        for left in range(self._numbers, 1, -1):
            table, pairs = tables[-1], PAIRS[: comb(left, 2)]
            x, y = table[:, pairs[:, 0]], table[:, pairs[:, 1]]
            found = results(jnp.maximum(x, y), jnp.minimum(x, y))
            rest = np.array([[k for k in range(left) if k not in pair] for pair in pairs.tolist()], np.int32)
            rest = jnp.broadcast_to(table[:, rest][:, :, None], (*found.shape, left - 2))
            tables.append(jnp.concatenate([found[..., None], rest], axis=-1).reshape(-1, left - 1))
        play = jnp.argmax(tables[-1][:, 0] == target).astype(jnp.int32)
        choices = np.array([4 * comb(left, 2) for left in range(self._numbers, 1, -1)], np.int32)
        after = np.array([prod(choices[turn + 1 :]) for turn in range(self.operations)], np.int32)
        taken = jax.lax.div(jnp.broadcast_to(play, after.shape), after)
        before, choice = jax.lax.div(taken, choices), jax.lax.rem(taken, choices)
        pairs, operations = choice >> 2, choice & 3
        slots = lookup(PAIRS, pairs)
        operands = [lookup(tables[turn], before[turn], slots[turn]) for turn in range(self.operations)]
        x, y = jnp.stack(operands, axis=1)
        return self._written(numbers, pairs, operations, x, y)

    def cost(self) -> Cost:
        """For every pair of every table: 2 to order it, 9 for the four results, 16 for what is allowed. Then
        two for each play to find the first that is right, and what it writes. Or a comparison and a choice
        of two tokens for each number but the first."""
        d, n = self.operations, self._numbers
        if self.target == "sum":
            return Cost(work=3 * d, span=2)
        plays, pairs = 1, 0
        for left in range(n, 1, -1):
            pairs += plays * comb(left, 2)
            plays *= 4 * comb(left, 2)
        return Cost(work=27 * pairs + 2 * plays + 34 * d + 14, span=9 * d + 18 + (d > 1))

    def score(self, answer: Int[Array, "batch answer_length"], instances: Instances) -> Bool[Array, " batch"]:
        """Whether each answer is an expression by the rules, of the numbers given, with the target as its
        value; tokens of any kind may stand in it."""
        return jax.vmap(self._is_right)(answer, instances.prompt)

    def _is_right(
        self, answer: Int[Array, " answer_length"], prompt: Int[Array, " prompt_length"]
    ) -> Bool[Array, ""]:
        given = prompt[DIGITS : DIGITS + self._numbers]
        target = jnp.sum((prompt[:DIGITS] - FIRST) * POWERS)
        _, value, by_the_rules = self._evaluate(answer)
        used = jnp.sort(jnp.where(self._is_number(answer), answer, PAD))
        padded = jnp.pad(given, (0, self._length - len(given)), constant_values=PAD)
        return by_the_rules & (value == target) & jnp.all(used == jnp.sort(padded))

    def render(self, prompt: Int[np.ndarray, " prompt_length"]) -> str:
        numbers = [str(token - FIRST) for token in self._given(prompt)]
        return "\n".join(
            [
                "Write an expression in reverse Polish notation that uses each of the given numbers exactly "
                "once and has the target as its value.",
                "An operator, one of + - * /, stands after its two operands and applies to them in their "
                "order: 9 4 - 2 * means (9 - 4) * 2. The result of every operation must be a whole number "
                f"from 1 to {LIMIT}, so only a smaller number may be subtracted, and a division must leave "
                "no remainder.",
                f"Numbers: {' '.join(numbers)}",
                f"Target: {number_text(prompt[:DIGITS], self.format.tokens)}",
                "Answer with the expression alone: numbers and operators with spaces between them.",
            ]
        )

    def parse(self, text: str) -> Int[np.ndarray, " prompt_length"]:
        words = line_after(text, "Numbers").split()
        if not 2 <= len(words) <= self._numbers:
            raise ValueError(f"{len(words)} numbers are given, must be 2 to {self._numbers}")
        numbers = [whole_number(word, 1, self.largest, "number") for word in words]
        target = whole_number(line_after(text, "Target"), 1, LIMIT, "target")
        if isinstance(self.target, int) and target != self.target:
            raise ValueError(f"target {target}: must be {self.target}")
        if self.target == "sum" and target != sum(numbers):
            raise ValueError(f"target {target}: must be the sum of the numbers, {sum(numbers)}")
        from .countdown_search import first_expression

        if first_expression(numbers, target) is None:
            raise ValueError(f"no expression of {' '.join(words)} has the value {target}")
        padded = [FIRST + number for number in numbers] + [PAD] * (self._numbers - len(numbers))
        prompt = np.array([*number_tokens(target, DIGITS), *padded, *[QUERY] * self._length], np.int32)
        if text != self.render(prompt):
            raise ValueError("the text around the numbers and the target is not that of this task")
        return prompt

    def render_answer(self, answer: Int[np.ndarray, " answer_length"]) -> str:
        tokens = answer.tolist()
        while len(tokens) > 1 and tokens[-1] == self._end:
            tokens.pop()
        return " ".join(self.format.tokens[token] for token in tokens)

    def parse_answer(self, text: str) -> Int[np.ndarray, " answer_length"]:
        tokens = self.token_ids(text.split())
        if not 1 <= len(tokens) <= self._length:
            raise ValueError(f"answer: {len(tokens)} tokens, must be 1 to {self._length}")
        return np.pad(tokens, (0, self._length - len(tokens)), constant_values=self._end)

    def render_trace(self, trace: Int[np.ndarray, " trace_length"]) -> str:
        """A line for each operation: `12 - 5 = 7`."""
        texts = self.format.tokens
        lines = []
        for step in trace.reshape(-1, STEP):
            if step[0] != PAD:
                x, y, result = (
                    number_text(step[i : i + DIGITS], texts) for i in (0, DIGITS + 1, STEP - DIGITS)
                )
                lines.append(f"{x} {texts[step[DIGITS]]} {y} = {result}")
        return "\n".join(lines)

    def picture(
        self,
        prompt: Int[np.ndarray, " prompt_length"],
        trace: Int[np.ndarray, " trace_length"],
        answer: Int[np.ndarray, " answer_length"],
    ) -> str | None:
        """The expression as a tree: the numbers below, at every operation its result, the target on top."""
        results_left = [line.split(" = ")[1] for line in self.render_trace(trace).splitlines()]
        stack: list[tuple[float, int]] = []  # of subtrees: where the root is, and how high
        nodes: list[tuple[float, int, str, str]] = []
        lines: list[tuple[tuple[float, int], tuple[float, int]]] = []
        leaves = 0
        for word in self.render_answer(answer).split():
            if word in OPERATORS:
                right, left = stack.pop(), stack.pop()
                root = ((left[0] + right[0]) / 2, max(left[1], right[1]) + 1)
                lines += [(root, left), (root, right)]
                nodes.append((*root, results_left.pop(0), SIGNS[word]))
            else:
                root = (float(leaves), 0)
                nodes.append((*root, word, ""))
                leaves += 1
            stack.append(root)
        high = max(node[1] for node in nodes)

        def place(x: float, height: int) -> tuple[float, float]:
            return 40 + 60 * x, 30 + 50 * (high - height)

        parts = []
        for above, below in lines:
            (x, y), (u, v) = place(*above), place(*below)
            parts.append(f'<path d="M{x} {y}L{u} {v}" stroke="#999"/>')
        for x, height, text, sign in nodes:
            u, v = place(x, height)
            fill = "#cfe6cf" if height == high else "#eee" if sign else "#fff"
            parts.append(
                f'<rect x="{u - 18}" y="{v - 12}" width="36" height="24" fill="{fill}" stroke="#555"/>'
            )
            parts.append(f'<text x="{u}" y="{v + 4}">{text}</text>')
            parts.append(f'<text x="{u}" y="{v + 26}" fill="#1667b7" font-weight="bold">{sign}</text>')
        width, height = 80 + 60 * (leaves - 1), 60 + 50 * high
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-size="12" '
            'font-family="sans-serif" text-anchor="middle" fill="#222">'
            f'<rect width="{width}" height="{height}" fill="#fff"/>{"".join(parts)}</svg>'
        )

    # Tokens

    @property
    def _numbers(self) -> int:
        return self.operations + 1

    @property
    def _length(self) -> int:
        """The tokens of an answer."""
        return 2 * self.operations + 1

    @property
    def _first_operator(self) -> int:
        return FIRST + max(9, self.largest) + 1

    @property
    def _end(self) -> int:
        return self._first_operator + len(OPERATORS)

    def _is_number(self, tokens: Int[Array, "*tokens"]) -> Bool[Array, "*tokens"]:
        return (tokens > FIRST) & (tokens <= FIRST + self.largest)

    def _given(self, prompt: Int[np.ndarray, " prompt_length"]) -> list[int]:
        return [token for token in prompt[DIGITS : DIGITS + self._numbers].tolist() if token != PAD]

    # Plays

    def _play(
        self,
        numbers: Int[Array, " numbers"],
        pairs: Int[Array, " operations"],
        draws: Int[Array, " operations"],
    ) -> Int[Array, " answer_length"]:
        """The expression of a random play, given the pairs and uniform draws from CHOICE_DRAWS."""

        def turn(values: Int[Array, " numbers"], now):
            pair, draw = now
            x, y = lookup(values, lookup(PAIRS, pair))
            found = results(jnp.maximum(x, y), jnp.minimum(x, y))
            allowed = jnp.cumsum(found > 0)
            operation = jnp.argmax(allowed > draw % jnp.maximum(1, allowed[-1])).astype(jnp.int32)
            result = jnp.where(jnp.minimum(x, y) > 0, lookup(found, operation), jnp.maximum(x, y))
            values = jnp.concatenate([values, jnp.stack([result, jnp.zeros_like(result)])])
            return lookup(values, lookup(self._slots, pair)), (operation, x, y)

        _, (operations, x, y) = jax.lax.scan(turn, jnp.maximum(numbers - FIRST, 0), (pairs, draws))
        return self._written(numbers, pairs, operations, x, y)

    def _written(
        self,
        numbers: Int[Array, " numbers"],
        pairs: Int[Array, " operations"],
        operations: Int[Array, " operations"],
        x: Int[Array, " operations"],
        y: Int[Array, " operations"],
    ) -> Int[Array, " answer_length"]:
        """The expression of a play: in each turn the pair, the operation, and the two numbers that are there.
        A turn with a PAD writes nothing."""
        pairing = jnp.sum(pairs * self._pairings)
        swaps = jnp.sum((x < y) * (1 << np.arange(self.operations, dtype=np.int32)))
        operators = jnp.where(jnp.minimum(x, y) > 0, operations + self._first_operator, PAD)
        tokens = lookup(jnp.concatenate([numbers, operators]), lookup(self._order, pairing, swaps))
        is_written = tokens != PAD
        place = jnp.where(is_written, jnp.cumsum(is_written.astype(jnp.int32)) - 1, self._length)
        empty = jnp.full(self._length, self._end, jnp.int32)
        return empty.at[place].set(tokens, mode="drop", wrap_negative_indices=False)

    @cached_property
    def _pairings(self) -> np.ndarray:
        """What the pair of each turn counts in the number of a row of pairs."""
        pairs = [comb(left, 2) for left in range(self._numbers, 1, -1)]
        return np.array([prod(pairs[turn + 1 :]) for turn in range(self.operations)], np.int32)

    @cached_property
    def _slots(self) -> np.ndarray:
        """Which of the numbers on the table, the result (n) and nothing (n + 1) is at each place after a
        turn, by [pair]: the result comes first, and the others stay in order."""
        n = self._numbers
        rows = [[n, *(k for k in range(n) if k not in pair), n + 1] for pair in PAIRS[: comb(n, 2)].tolist()]
        return np.array(rows, np.int32)

    @cached_property
    def _order(self) -> np.ndarray:
        """The order in which an expression has the numbers and, from n on, the operators of each turn, by the
        row of pairs and by the turns (as bits) in which the second of the pair is the larger."""
        n = self._numbers
        rows = []
        for pairs in product(*(PAIRS[: comb(left, 2)].tolist() for left in range(n, 1, -1))):
            for swaps in range(2**self.operations):
                table = [[k] for k in range(n)]
                for turn, (i, j) in enumerate(pairs):
                    first, second = (table[j], table[i]) if swaps >> turn & 1 else (table[i], table[j])
                    rest = [part for place, part in enumerate(table) if place not in (i, j)]
                    table = [[*first, *second, n + turn], *rest]
                rows.append(table[0])
        return np.array(rows, np.int32).reshape(-1, 2**self.operations, self._length)

    def _sum(self, numbers: Int[Array, " numbers"]) -> Int[Array, " answer_length"]:
        """The numbers in their order, a + after each but the first."""
        added = jnp.stack([numbers[1:], jnp.full_like(numbers[1:], self._first_operator)], axis=1)
        is_given = jnp.broadcast_to((numbers[1:] != PAD)[:, None], added.shape)
        added = jax.lax.select(is_given, added, jnp.full_like(added, self._end))
        return jnp.concatenate([numbers[:1], added.ravel()])

    # Expressions

    def _evaluate(
        self, answer: Int[Array, " answer_length"]
    ) -> tuple[tuple[Array, Array, Array, Array], Int[Array, ""], Bool[Array, ""]]:
        """At every token the operands, whether there is an operation, and its result; the value of the
        expression; and whether it is one by the rules. Of any tokens."""

        def read(state, token: Int[Array, ""]):
            stack, height, is_right, is_over = state
            y, x = stack[0], stack[1]
            is_number, operation = self._is_number(token), token - self._first_operator
            is_operation = (operation >= 0) & (operation < len(OPERATORS))
            result = lookup(results(x, y), jnp.clip(operation, 0, len(OPERATORS) - 1))
            is_possible = is_number | (is_operation & (height >= 2) & (result > 0))
            is_end = token == self._end
            is_right &= is_end | (is_possible & ~is_over)
            pushed = jnp.concatenate([(token - FIRST)[None], stack[:-1]])
            applied = jnp.concatenate([jnp.maximum(result, 0)[None], stack[2:], jnp.zeros_like(stack[:1])])
            stack = jnp.where(is_number, pushed, jnp.where(is_operation, applied, stack))
            height = height + is_number - is_operation
            return (stack, height, is_right, is_over | is_end), (x, y, result, is_operation)

        tokens = answer.astype(jnp.int32)
        empty = (jnp.zeros(self._numbers, jnp.int32), jnp.int32(0), jnp.bool_(True), jnp.bool_(False))
        (stack, height, is_right, _), steps = jax.lax.scan(read, empty, tokens)
        return steps, stack[0], is_right & (height == 1)

    def _trace(
        self, answer: Int[Array, " answer_length"], steps: tuple[Array, Array, Array, Array]
    ) -> Int[Array, " trace_length"]:
        """The operations of an expression, one after the other."""
        x, y, result, is_operation = steps
        rows = [
            digit_tokens(x, DIGITS),
            answer[:, None],
            digit_tokens(y, DIGITS),
            digit_tokens(result, DIGITS),
        ]
        place = jnp.where(is_operation, jnp.cumsum(is_operation) - 1, self.operations)
        trace = jnp.full((self.operations, STEP), PAD, jnp.int32)
        return trace.at[place].set(jnp.concatenate(rows, axis=1), mode="drop").ravel()

    # Numbers that give a fixed target

    def _solvable(self, depth: int) -> tuple[np.ndarray, list[list[int | str]], np.ndarray]:
        from .countdown_search import solvable

        assert isinstance(self.target, int)
        return solvable(depth + 1, self.largest, self.target)

    @cached_property
    def _pool(self) -> "_Pool":
        texts = {text: i for i, text in enumerate(self.format.tokens)}
        numbers, answers, orders = [], [], []
        for depth in range(1, self.max_depth + 1):
            sets, expressions, ways = self._solvable(depth)
            numbers.append(np.pad(sets + FIRST, ((0, 0), (0, self.operations - depth)), constant_values=PAD))
            answers += [
                [texts[str(word)] for word in expression] + [self._end] * (self._length - len(expression))
                for expression in expressions
            ]
            orders.append(ways)
        counts = np.array([ways.sum() for ways in orders])
        return _Pool(
            numbers=np.concatenate(numbers).astype(np.int32),
            answers=np.array(answers, np.int32),
            ends=np.cumsum(np.concatenate(orders)).astype(np.int32),
            starts=(np.cumsum(counts) - counts).astype(np.int32),
            counts=counts.astype(np.int32),
        )

    def _draw_solvable(
        self, depth: Int[Array, ""], within: Bool[Array, " numbers"], key: Key[Array, ""]
    ) -> tuple[Int[Array, " numbers"], Int[Array, " answer_length"]]:
        """A set with a probability proportional to the orders that it has, in one of them."""
        for_set, for_order = jax.random.split(key)
        drawn = jax.random.randint(for_set, (), 0, lookup(self._pool.counts, depth - 1))
        place = lookup(self._pool.starts, depth - 1) + drawn
        row = jnp.searchsorted(self._pool.ends, place, side="right")
        order = jnp.where(within, jax.random.bits(for_order, within.shape) >> 1, np.uint32(2**32 - 1))
        return lookup(lookup(self._pool.numbers, row), jnp.argsort(order)), lookup(self._pool.answers, row)


class _Pool(NamedTuple):
    """The sets of numbers that give a fixed target, by depth: their tokens in ascending order, an answer, and
    at which row of numbers (a set in one order) they end; by depth, where its rows start and how many."""

    numbers: np.ndarray
    answers: np.ndarray
    ends: np.ndarray
    starts: np.ndarray
    counts: np.ndarray


def results(x: Int[Array, "*batch"], y: Int[Array, "*batch"]) -> Int[Array, "*batch operators"]:
    """x + y, x - y, x * y and x / y, IMPOSSIBLE where it is against the rules, for operands up to LIMIT that
    may be IMPOSSIBLE. With 0 for no number, + and - give x."""
    divisor = jnp.where(y > 0, y, LIMIT + 1)
    quotient = jnp.where(jax.lax.rem(x, divisor) == 0, jax.lax.div(x, divisor), 0)
    found = jnp.stack([x + y, x - y, x * y, quotient], axis=-1)
    return jnp.where((found >= 1) & (found <= LIMIT), found, IMPOSSIBLE)


def _sets(operations: int, largest: int) -> int:
    """Sets of numbers up to the largest, with repetition, for so many operations."""
    return comb(largest + operations, operations + 1)


POWERS = 10 ** np.arange(DIGITS, dtype=np.int32)[::-1]
PAIR_DRAWS = 30
"""Divisible by the number of pairs of 2, 3, 4 and 5 numbers."""
CHOICE_DRAWS = 12
"""Divisible by 1 to 4."""
SIGNS = {"+": "+", "-": "−", "*": "×", "/": "÷"}
