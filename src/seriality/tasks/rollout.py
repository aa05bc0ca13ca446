"""Rollouts: what return does a policy earn in a deterministic decision process?

The state, the policy and the number of steps are given; every step pays 0 to 3, and the answer is the sum.
Two kinds of `dynamics`:

"automaton". The state is a ring of cells under Rule 110. An agent at cell 0 sees its cell and both
neighbours, and its policy says at which of the eight patterns it flips its cell; then all cells take a
step, and the step pays 2 if cell 3 is 1, and 1 more if the cell opposite the agent is. (If it were paid for
its own cell, policies could hold that at 1, and the first rewards would tell the rest.) There are 2^size
states, so they can only be visited, and the returns of t and of t - 1 steps differ by what two cells hold
after t steps: under a policy that never acts, cells of Rule 110, whose prediction is P-complete (Neary &
Woods 2006). So evaluating a policy is P-hard (two questions give one cell), and in P.

"map". The states are listed, with the moves of both actions, the policy and the reward of every state. Then
evaluation is parallel: doubling (Wyllie 1979) sums the rewards of 1, 2, 4, ... steps from all states at
once, in a number of rounds logarithmic in the steps. The moves that the policy takes form one cycle, so
that no walk comes back early. So, if NC ≠ P, returns are inherently serial where states are too many to
list, which is where rollouts are used.

Control, `truncation=h`: only the first h steps pay. The prompts are those of the task, and the span is that
of h steps: an estimate of the return that takes constant depth. What it costs to estimate a return so is
told by `return_estimates`: "The Serial Scaling Hypothesis" (section 3.4) holds that unbiased returns, which
policy gradients need, are inherently serial.

Rewards 0 to 3 are summed, and neither ones counted nor sums taken modulo some number: the sum is the return
itself, of which bias and error can be told; a last step not simulated changes the answer unless it pays
nothing; and the likeliest sum is rarer than with ones and zeros.

What this task does not show: hardness at a fixed `size`, where the states are finitely many, or of random
rows and policies; and nothing of choosing actions, as the policy is given. Rings of few cells repeat
themselves.
"""

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key

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
from .texts import (
    DIGITS,
    arrow_values,
    arrows_text,
    cycle_length,
    digit_tokens,
    number_text,
    number_tokens,
    same_text,
    whole_number,
)

RULE = 110
STEP = FIRST + len(DIGITS)
FIRST_STATE = STEP + 1
"""The token of state 0 of a map."""
SMALLEST = 12
"""The fewest cells: those that pay then see no cell in common."""
PAYING = 3
"""The cell that pays 2; the one opposite the agent pays 1."""
EARLY = 2
"""The steps that pay in the control."""
PAID = "Steps that pay"
MOST_DRAWN = (40, 24)
"""The most cells, and the most steps, of a picture."""


@dataclass(frozen=True)
class Rollout(AbstractTask):
    """Up to `horizon` steps of a policy among rings of `size` cells or a map of `size` states. Depth is the
    steps. `dynamics` is "automaton" or "map"; with `truncation` above 0 only so many first steps pay.

    >>> Rollout(horizon=8, size=16).cost()
    Cost(work=205, span=24)
    """

    horizon: int = 8
    size: int = 16
    dynamics: str = "automaton"
    truncation: int = 0

    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        faults = integer_fault("horizon", self.horizon, 1, 8)
        faults += integer_fault("size", self.size, SMALLEST, 16)
        faults += integer_fault("truncation", self.truncation, 0, EARLY)
        if self.dynamics not in ("automaton", "map"):
            faults.append(
                f"dynamics={self.dynamics!r}: must be 'automaton' or 'map'; e.g. dynamics='automaton'"
            )
        if not faults:
            faults += size_fault(self.format.trace_length, horizon=self.horizon, size=self.size)
        refuse("Rollout", faults)

    @property
    def other_values(self) -> dict[str, object]:
        longer = 40 if self.digits != 3 else 8  # with another number of digits: truncated, all that costs
        return {
            "horizon": longer if self.truncation else self.horizon + 1,
            "dynamics": "map" if self.dynamics == "automaton" else "automaton",
            "truncation": 0 if self.truncation else 1,
        }

    @property
    def guess_rate(self) -> float:
        """The likeliest sum, if every step paid independently: as the first one on a ring, uniformly on a
        map. That is exact on a map up to `size` steps; on rings up to 1.055 times as much was found."""
        step = np.array([9, 15, 15, 25]) / 64 if self.dynamics == "automaton" else np.full(4, 1 / 4)
        sums = np.ones(1)
        for _ in range(min(self._paid, self.size, 256)):
            sums = np.convolve(sums, step)
        return float(sums.max()) * (1.1 if self.dynamics == "automaton" else 1)

    @property
    def digits(self) -> int:
        """Decimal digits of the largest return."""
        return len(str(3 * self.horizon))

    @cached_property
    def format(self) -> Format:
        states = [f"s{i}" for i in range(self.size)] if self.dynamics == "map" else []
        return Format(
            tokens=(*SPECIAL, *DIGITS, "STEP", *states),
            prompt_length=self._fields + self.horizon + self.digits,
            trace_length=self.horizon * (self._state_length + self.digits),
            answer_length=self.digits,
        )

    @property
    def max_depth(self) -> int:
        return self.horizon

    def resized(self, max_depth: int) -> "Rollout":
        return replace(self, horizon=max_depth)

    @property
    def control(self) -> "Rollout | None":
        """The return of the first steps alone; None if this task is that."""
        return None if self.truncation else replace(self, truncation=EARLY)

    def distinct(self, depth: int) -> int:
        """2^(size + 8) rows with policies; n! (8n)^n maps with a start (at least those of n = 12)."""
        if self.dynamics == "automaton":
            return 2 ** min(self.size + 8, 64)
        return math.factorial(SMALLEST) * (8 * SMALLEST) ** SMALLEST

    def leading(self, depth: int) -> int:
        return self._fields

    def lineage(self, prompt: Int[Array, "batch prompt_length"], depth: int) -> Int[Array, "batch tokens"]:
        """The ring and the policy, or the map without its start: a walk holds those from states on it."""
        return prompt[:, : self._fields - (self.dynamics == "map")]

    def draw(self, depth: Int[Array, ""], *, key: Key[Array, ""]):
        n, h = self.size, self.horizon
        if self.dynamics == "automaton":
            fields = uniform(np.full(n + 8, 2), key=key) + FIRST
        else:
            for_cycle, for_rest = jax.random.split(key)
            order = jnp.argsort(jax.random.bits(for_cycle, (n,)))
            own = jnp.zeros_like(order).at[order].set(jnp.roll(order, -1))
            other, policy, pays = jnp.split(uniform(np.repeat([n, 2, 4], n), key=for_rest), 3)
            moves = [jnp.where(policy == action, own, other) + FIRST_STATE for action in (0, 1)]
            fields = jnp.concatenate([*moves, policy + FIRST, pays + FIRST, order[:1] + FIRST_STATE])
        states, rewards = self._play(fields, h)
        returns = jnp.cumsum(jnp.where(jnp.arange(h) < self._paid, rewards, 0))
        within = jnp.arange(h) < depth
        steps = jnp.concatenate([states, digit_tokens(returns, self.digits)], axis=1)
        answer = digit_tokens(lookup(returns, depth - 1), self.digits)
        prompt = lay_out(jnp.concatenate([fields, jnp.where(within, jnp.int32(STEP), PAD)]), self.digits)
        trace = jnp.where(within[:, None], steps, PAD).ravel()
        return prompt, ask_at_the_end(len(prompt), answer), trace, answer

    def rewards(self, prompt: Int[Array, " prompt_length"]) -> Int[Array, " horizon"]:
        """What each of `horizon` steps pays in the process of a prompt, without truncation and however many
        steps it asks for: what `return_estimates` reads."""
        return self._play(prompt[: self._fields], self.horizon)[1]

    def reference(self, prompt: Int[Array, " prompt_length"]) -> Int[Array, " answer_length"]:
        steps = prompt[self._fields : self._fields + self._paid]
        if self.dynamics == "automaton" or self.truncation:
            _, rewards = self._play(prompt[: self._fields], self._paid)
            either = jnp.stack([jnp.zeros_like(rewards), rewards])
            paid = lookup(either, (steps == STEP).astype(jnp.int32), _iota(rewards))
            return digit_tokens(jnp.sum(paid), self.digits)
        jump, pays, state = self._closed_loop(prompt)

        def double(carry, bit: Int[Array, ""]):
            state, jump, total = carry
            paid = lookup(jnp.stack([jnp.zeros_like(total), total]), bit, state)
            state = lookup(jnp.stack([_iota(jump), jump]), bit, state)
            return (state, lookup(jump, jump), total + lookup(total, jump)), paid

        bits = lookup(self._bits, jnp.sum(steps == STEP))
        _, paid = jax.lax.scan(double, (state, jump, lookup(pays, jump)), bits)
        return digit_tokens(jnp.sum(paid), self.digits)

    def cost(self) -> Cost:
        """A ring: read it, act and change every cell in each step. A map: what the policy does in each state,
        then a lookup a step; or in each round a lookup of the jump and of the total, and a sum. Then what the
        steps pay, their sum, and its digits."""
        n, h, k, written = self.size, self.horizon, self._paid, 3 * self.digits
        paid = 4 * k - 1 + written
        if self.dynamics == "automaton":
            return Cost(work=n + 16 + k * (1 + n) + paid, span=7 + 2 * k + (k > 1))
        if self.truncation:
            return Cost(work=3 * n + 1 + k + paid, span=7 + k + (k > 1))
        rounds = h.bit_length()
        work = 4 * n + 1 + 2 * h - 1 + rounds * (4 + 3 * n) - 1 + written
        return Cost(work=work, span=5 + 2 * rounds + (rounds > 1))

    def render(self, prompt: Int[np.ndarray, " prompt_length"]) -> str:
        n = self.size
        values = (prompt[: self._fields] - FIRST).tolist()
        if self.dynamics == "automaton":
            lines = [
                f"Each of the cells 0 to {n - 1} of a ring holds 0 or 1; the row is from cell 0. In a step:",
                f"1. The agent reads cells {n - 1}, 0 and 1, in this order, as a pattern. If its policy "
                "gives 1 for the pattern, cell 0 flips; if 0, nothing happens.",
                "2. Then all cells change at once: a cell becomes 0 if the cell before it, itself and the "
                "cell after it were 111, 100 or 000, and 1 otherwise.",
                f"3. Then the step pays 2 if cell {PAYING} is 1, and 1 more if cell {n // 2} is 1.",
                f"Row: {''.join(map(str, values[:n]))}",
                f"Policy: {arrows_text(PATTERNS, values[n : n + 8])}",
            ]
        else:
            moves = [(prompt[i * n : (i + 1) * n] - FIRST_STATE).tolist() for i in (0, 1)]
            lines = [
                f"There are {n} states, 0 to {n - 1}, and two actions, 0 and 1. In a step the agent takes "
                "the action that its policy gives for its state, goes where that action leads from there, "
                "and is paid the reward of the state it comes to.",
                *(f"Action {i} leads: {arrows_text(self._states, moves[i])}" for i in (0, 1)),
                f"Policy: {arrows_text(self._states, values[2 * n : 3 * n])}",
                f"Rewards: {arrows_text(self._states, values[3 * n : 4 * n])}",
                f"Start: {prompt[4 * n] - FIRST_STATE}",
            ]
        return "\n".join(
            [
                *lines,
                f"Steps: {int(np.sum(prompt == STEP))}",
                f"{PAID}: {self._paid_text}",
                "What do all steps pay together? Answer with that number alone, in decimal.",
            ]
        )

    def parse(self, text: str) -> Int[np.ndarray, " prompt_length"]:
        n = self.size
        if self.dynamics == "automaton":
            row = line_after(text, "Row")
            if len(row) != n or not set(row) <= {"0", "1"}:
                raise ValueError(f"row {shortened(row)}: must be {n} times 0 or 1")
            policy = arrow_values(line_after(text, "Policy"), PATTERNS, 1, "policy")
            fields = [FIRST + value for value in (*map(int, row), *policy)]
        else:
            moves = [
                arrow_values(line_after(text, f"Action {i} leads"), self._states, n - 1, f"action {i}")
                for i in (0, 1)
            ]
            policy = arrow_values(line_after(text, "Policy"), self._states, 1, "policy")
            rewards = arrow_values(line_after(text, "Rewards"), self._states, 3, "rewards")
            start = whole_number(line_after(text, "Start"), 0, n - 1, "start")
            own = [moves[action][state] for state, action in enumerate(policy)]
            if (length := cycle_length(own)) != n:
                raise ValueError(
                    f"by its policy the agent is at state 0 again after {length} steps, must be {n}"
                )
            fields = [FIRST_STATE + state for state in (*moves[0], *moves[1])]
            fields += [FIRST + value for value in (*policy, *rewards)] + [FIRST_STATE + start]
        if (paid := line_after(text, PAID)) != self._paid_text:
            raise ValueError(f"{PAID} {shortened(paid)}: must be {self._paid_text!r}")
        steps = whole_number(line_after(text, "Steps"), 1, self.horizon, "steps")
        padded = [STEP] * steps + [PAD] * (self.horizon - steps)
        prompt = np.array([*fields, *padded, *[QUERY] * self.digits], np.int32)
        same_text(text, self.render(prompt))
        return prompt

    def render_answer(self, answer: Int[np.ndarray, " answer_length"]) -> str:
        return number_text(answer, self.format.tokens)

    def parse_answer(self, text: str) -> Int[np.ndarray, " answer_length"]:
        number = whole_number(text.strip(), 0, 10**self.digits - 1, "answer")
        return np.array(number_tokens(number, self.digits), np.int32)

    def render_trace(self, trace: Int[np.ndarray, " trace_length"]) -> str:
        """A line for each step: the state after it, and what has been paid so far."""
        steps = trace.reshape(self.horizon, -1)
        texts = self.format.tokens
        states, returns = np.split(steps[steps[:, 0] != PAD], [-self.digits], axis=1)
        return "\n".join(
            f"{''.join(texts[token] for token in state)} {number_text(number, texts)}"
            for state, number in zip(states, returns, strict=True)
        )

    def picture(
        self,
        prompt: Int[np.ndarray, " prompt_length"],
        trace: Int[np.ndarray, " trace_length"],
        answer: Int[np.ndarray, " answer_length"],
    ) -> str | None:
        """The rows of a ring from top to bottom. Red: the agent's cell where it flips it. Gold: cells that
        pay and hold 1. Right: what each step pays and what all have paid. None for a map."""
        n, a, depth = self.size, 14, int(np.sum(prompt == STEP))
        if self.dynamics == "map" or n > MOST_DRAWN[0] or depth > MOST_DRAWN[1]:
            return None
        steps = trace.reshape(self.horizon, -1)[:depth]
        rows = np.concatenate([prompt[:n][None], steps[:, :n]]) - FIRST
        policy = (prompt[n : n + 8] - FIRST).reshape(2, 2, 2)
        parts, total = [], 0
        for t, row in enumerate(rows.tolist()):
            y = 20 + a * t
            filled = "".join(f"M{20 + a * x} {y}h{a}v{a}h-{a}z" for x, cell in enumerate(row) if cell)
            parts.append(f'<path d="{filled}" fill="#555"/>')
            if t:
                gold = "".join(f"M{20 + a * x} {y}h{a}v{a}h-{a}z" for x in (PAYING, n // 2) if row[x])
                paid = int(number_text(steps[t - 1, n:], self.format.tokens))
                parts.append(f'<path d="{gold}" fill="#e0a100"/>')
                parts.append(
                    f'<text x="{20 + a * n + 30}" y="{y + 11}">+{paid - total}</text>'
                    f'<text x="{20 + a * n + 62}" y="{y + 11}">{paid}</text>'
                )
                total = paid
            if t < depth and policy[row[-1], row[0], row[1]]:
                parts.append(
                    f'<rect x="21" y="{y + 1}" width="{a - 2}" height="{a - 2}" fill="none" stroke="#d22" '
                    'stroke-width="2"/>'
                )
        grid = "".join(f"M{20 + a * x} 20v{a * (depth + 1)}" for x in range(n + 1))
        grid += "".join(f"M20 {20 + a * t}h{a * n}" for t in range(depth + 2))
        width, height = 20 + a * n + 80, 30 + a * (depth + 1)
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-size="10" '
            'font-family="sans-serif" text-anchor="end" fill="#222">'
            f'<rect width="{width}" height="{height}" fill="#fff"/>'
            f'<text x="{20 + a * n + 30}" y="12">pays</text><text x="{20 + a * n + 62}" y="12">return</text>'
            f'{"".join(parts)}<path d="{grid}" stroke="#ccc" fill="none"/></svg>'
        )

    # What a state is

    @property
    def _paid(self) -> int:
        """The steps that pay."""
        return min(self.truncation or self.horizon, self.horizon)

    @property
    def _fields(self) -> int:
        """The tokens of a prompt before its steps."""
        return self.size + 8 if self.dynamics == "automaton" else 4 * self.size + 1

    @property
    def _state_length(self) -> int:
        return self.size if self.dynamics == "automaton" else 1

    @property
    def _paid_text(self) -> str:
        return f"{self.truncation}, the first ones" if self.truncation else "all"

    @property
    def _states(self) -> list[str]:
        return [str(state) for state in range(self.size)]

    @cached_property
    def _bits(self) -> np.ndarray:
        """The bits of every number of steps, lowest first."""
        return (np.arange(self.horizon + 1)[:, None] >> np.arange(self.horizon.bit_length()) & 1).astype(
            np.int32
        )

    def _play(
        self, fields: Int[Array, " fields"], steps: int
    ) -> tuple[Int[Array, "steps state"], Int[Array, " steps"]]:
        """The states after each of the first steps, as tokens, and what each pays."""
        n = self.size
        if self.dynamics == "map":
            jump, pays, state = self._closed_loop(fields)

            def move(state: Int[Array, ""], _):
                state = lookup(jump, state)
                return state, state

            _, states = jax.lax.scan(move, state, length=steps)
            return states[:, None] + FIRST_STATE, lookup(pays, states)

        row = fields[:n] & 1
        acted = (fields[n : n + 8] & 1).reshape(2, 2, 2) ^ np.arange(2)[:, None]

        def step(row: Int[Array, " size"], _):
            cell = lookup(acted, row[-1:], row[:1], row[1:2])
            before = jnp.concatenate([row[-1:], cell, row[1:-1]])
            here = jnp.concatenate([cell, row[1:]])
            after = jnp.concatenate([row[1:], cell])
            row = lookup(OUTCOMES, before, here, after)
            return row, row

        _, rows = jax.lax.scan(step, row, length=steps)
        return rows + FIRST, lookup(np.array([[0, 1], [2, 3]], np.int32), rows[:, PAYING], rows[:, n // 2])

    def _closed_loop(
        self, fields: Int[Array, " fields"]
    ) -> tuple[Int[Array, " size"], Int[Array, " size"], Int[Array, ""]]:
        """Of a map: where the policy goes from every state, what every state pays, and the start."""
        n = self.size
        moves, policy, pays = fields[: 2 * n].reshape(2, n), fields[2 * n : 3 * n], fields[3 * n : 4 * n]
        by_token = jnp.concatenate([moves[:1]] * FIRST + [moves])
        return (
            lookup(by_token, policy, _iota(policy)) - FIRST_STATE,
            pays - FIRST,
            fields[4 * n] - FIRST_STATE,
        )


class ReturnEstimates(NamedTuple):
    """Estimates of returns from the rewards of the first h = 0, 1, ..., horizon steps, by h.

    `bootstrap` is the mean of what later steps pay: the best constant to put in their place (least squares),
    and minus the bias without it. `error` is the root mean square of estimate minus return with it. A process
    here is deterministic, so its estimate is the same in every repetition: the error is bias at a given state
    and policy, and averaging more rollouts does not reduce it. `misordered` is, of the pairs of an instance
    and the next one whose returns differ, the share for which the estimates say the contrary; equal ones
    count half. At h = horizon the estimate is the return, and all three are 0.
    """

    bootstrap: Float[Array, " horizons"]
    error: Float[Array, " horizons"]
    misordered: Float[Array, " horizons"]


def return_estimates(rewards: Int[Array, "instances horizon"]) -> ReturnEstimates:
    """How far truncated rollouts are from full ones, given what every step of each instance pays.

    >>> full = return_estimates(jnp.array([[0, 0], [0, 3]]))
    >>> full.bootstrap.tolist(), full.error.tolist(), full.misordered.tolist()
    ([1.5, 1.5, 0.0], [1.5, 1.5, 0.0], [0.5, 0.5, 0.0])
    """
    seen = jnp.cumsum(jnp.pad(rewards, ((0, 0), (1, 0))), axis=1)
    left = seen[:, -1:] - seen
    bootstrap = jnp.mean(left, axis=0)
    error = jnp.sqrt(jnp.mean((left - bootstrap) ** 2, axis=0))
    better = jnp.sign(seen - jnp.roll(seen, -1, axis=0))
    decided = better[:, -1:] != 0
    wrong = jnp.where(decided, jnp.abs(better - better[:, -1:]) / 2, 0)
    return ReturnEstimates(bootstrap, error, jnp.sum(wrong, axis=0) / jnp.maximum(1, jnp.sum(decided)))


PATTERNS = tuple(f"{pattern:03b}" for pattern in range(8))
"""What the agent can see: the cell before its own, its own, and the one after."""
OUTCOMES = np.array([RULE >> pattern & 1 for pattern in range(8)], np.int32).reshape(2, 2, 2)
"""The next value of a cell by [left, cell, right]."""


def _iota(like: Array) -> Array:
    return jnp.arange(len(like), dtype=jnp.int32)
