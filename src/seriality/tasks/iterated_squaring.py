"""Iterated squaring: what is x^(2^t) modulo N, a product of two primes?

The answer takes t squarings one after another, the trace is every residue. This is the time-lock puzzle of
Rivest, Shamir & Wagner (1996), and the delay of many verifiable delay functions (Boneh et al. 2018). That
nothing is faster without the factors of N is an assumption: no lower bound is known, nor that the problem
is P-complete. (It is in P, t being in unary, and a single squaring in TC0.)

Control, `order="known"`: the same prompts with φ(N) in a field of them, where the task has the totient of
another modulus, which is no use. Then x^(2^t) = x^(2^t mod φ(N)), since gcd(x, N) = 1 (Euler), and both
powers are by square and multiply: log t rounds and one for each bit of N. The reference takes as many
rounds for t as the largest number of squarings that the dial allows would need, so its span does not depend
on t at all. It is the shorter of the two only where t is well above the number of bits (and where t is below
it, and 2^t < φ(N), there is nothing to reduce): compare growth. Few moduli do for the control alone what they
do for the task, as the other totient then tells which one is its own: at 10 bits there are two.

The moduli are products of two safe primes, p = 2p' + 1 and q = 2q' + 1 with p', q' odd primes, and x is
uniform among the numbers that are not 0, 1 or -1 modulo p or q. So all squares are of order p'q', which is
odd: squaring is a bijection among them, the residue after every squaring is a uniform one of (p' - 1)(q' -
1) whatever t is, and every walk comes back after as many squarings as the order of 2 modulo p'q' and no
sooner (the generator of Blum, Blum & Shub 1986). Moduli where that is less than 2^(bits/2) are left out
(such as 179·47: 11 squarings).

What this task does not show: seriality at a fixed number of bits. Then all residues fit a table, and trying
all divisors below 2^(bits/2) side by side finds φ(N) at once; the span declared here is that of squaring,
with work polynomial in the bits, and the assumption is about bits that grow.
"""

import math
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, Key

from ..cost import Cost
from ..instance import PAD, QUERY, Format
from .base import (
    FIRST,
    LARGEST,
    SPECIAL,
    AbstractTask,
    ask_at_the_end,
    integer_fault,
    lay_out,
    line_after,
    lookup,
    refuse,
    size_fault,
)
from .texts import DIGITS, digit_tokens, number_text, number_tokens, same_text, whole_number

SQUARE = FIRST + 10  # digits are FIRST + 0 to FIRST + 9
FEWEST_BITS, MOST_BITS = 10, 31
"""Below, one modulus at most is left; above, the square of a residue does not fit 63 bits."""
MOST_PRIME = 2**16
MOST_MODULI = 4096
"""Where there are more moduli, those whose primes are closest in ratio are taken."""
ROUNDS = LARGEST.bit_length()
"""The bits of the largest number of squarings."""


@dataclass(frozen=True)
class IteratedSquaring(AbstractTask):
    """Up to `squarings` squarings modulo numbers of exactly `bits` bits. Depth is the squarings.

    `order` of the group is "hidden" or "known" (the control: φ(N) is in the prompt). Numbers are written in
    decimal digits, the highest first; the moduli are listed in `moduli`.

    >>> IteratedSquaring(squarings=16, bits=16).cost()
    Cost(work=109, span=38)
    """

    squarings: int = 16
    bits: int = 16
    order: str = "hidden"

    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        faults = integer_fault("squarings", self.squarings, 1, 16)
        faults += integer_fault("bits", self.bits, FEWEST_BITS, 16, MOST_BITS)
        if self.order not in ("hidden", "known"):
            faults.append(f"order={self.order!r}: must be 'hidden' or 'known'; e.g. order='hidden'")
        if not faults:
            faults += size_fault(self.squarings * self.digits, squarings=self.squarings, bits=self.bits)
        refuse("IteratedSquaring", faults)

    @property
    def other_values(self) -> dict[str, object]:
        bits = 20 if self.digits != 7 else 16  # of another number of digits, so of another cost
        return {"order": "known" if self.order == "hidden" else "hidden", "bits": bits}

    @property
    def guess_rate(self) -> float:
        """Of all answers 4 is the likeliest, being a square modulo every N. What is rarer than one in a
        thousand is told as that, since samples do not tell it apart."""
        return max(0.001, float(np.mean(1 / self._squares)))

    @property
    def digits(self) -> int:
        """Decimal digits of a number below 2^bits."""
        return len(str(2**self.bits - 1))

    @property
    def moduli(self) -> tuple[int, ...]:
        """Every N; one is as likely as another."""
        return tuple(p * q for p, q in _prime_pairs(self.bits))

    @cached_property
    def format(self) -> Format:
        return Format(
            tokens=(*SPECIAL, *DIGITS, "SQUARE"),
            prompt_length=3 * self.digits + self.squarings + self.digits,
            trace_length=self.squarings * self.digits,
            answer_length=self.digits,
        )

    @property
    def max_depth(self) -> int:
        return self.squarings

    def resized(self, max_depth: int) -> "IteratedSquaring":
        return replace(self, squarings=max_depth)

    @property
    def control(self) -> "IteratedSquaring | None":
        """The same with φ(N) known; None if it is."""
        return None if self.order == "known" else replace(self, order="known")

    def distinct(self, depth: int) -> int:
        """How many moduli with squares; the four roots of a square ask for the same."""
        return len(self._squares) * int(self._squares.min())

    def leading(self, depth: int) -> int:
        return 2 * self.digits

    def lineage(self, prompt: Int[Array, "batch prompt_length"], depth: int) -> Int[Array, "batch tokens"]:
        """N and x² modulo N, of which x is one root in four. (Not the walk as such: all squares are on few
        cycles.)"""
        d = self.digits
        with jax.enable_x64(True):
            numbers = _number(prompt[:, : 2 * d].reshape(-1, 2, d))
            square = jax.lax.rem(numbers[:, 1] * numbers[:, 1], numbers[:, 0])
            return jnp.concatenate([prompt[:, :d], digit_tokens(square, d)], axis=1)

    def draw(self, depth: Int[Array, ""], *, key: Key[Array, ""]):
        d, count = self.digits, np.uint32(len(self._totients))
        words = jax.random.bits(key, (4,))
        own = words[0] % count
        beside = own if self.order == "known" else (own + 1 + words[3] % (count - 1)) % count
        with jax.enable_x64(True):
            p, q, e, f, modulus = (lookup(column, own) for column in self._table.T)
            residues = [
                jax.lax.rem(words[i].astype(jnp.int64), prime - 3) + 2 for i, prime in ((1, p), (2, q))
            ]
            x = jax.lax.rem(residues[0] * e + residues[1] * f, modulus)  # the one that has these residues
            fields = digit_tokens(jnp.stack([modulus, x, lookup(self._totients, beside)]), d)
            walk = self._walk(x, modulus)
            residues = digit_tokens(walk[1:], d)
            answer = digit_tokens(lookup(walk, depth), d)
        within = jnp.arange(self.squarings) < depth
        steps = jnp.where(within, jnp.int32(SQUARE), PAD)
        prompt = lay_out(jnp.concatenate([fields.ravel(), steps]), d)
        trace = jnp.where(within[:, None], residues, PAD).ravel()
        return prompt, ask_at_the_end(len(prompt), answer), trace, answer

    def reference(self, prompt: Int[Array, " prompt_length"]) -> Int[Array, " answer_length"]:
        d = self.digits
        steps = prompt[3 * d : 3 * d + self.squarings]
        squarings = jnp.sum(steps == SQUARE)
        with jax.enable_x64(True):
            if self.order == "hidden":
                modulus, x = _number(prompt[: 2 * d].reshape(2, d))
                return digit_tokens(lookup(self._walk(x, modulus), squarings), d)
            modulus, x, totient = _number(prompt[: 3 * d].reshape(3, d))
            exponent = _power(jnp.int64(2), squarings.astype(jnp.int64), totient, ROUNDS)
            return digit_tokens(_power(x, exponent, modulus, self.bits), d)

    def cost(self) -> Cost:
        """Read the numbers, count, write the answer. Between, a product and a remainder for each squaring; or
        two powers, which take a choice, two products and two remainders a round."""
        t, d, b = self.squarings, self.digits, self.bits
        written, counted = 3 * d, 2 * t - 1
        if self.order == "hidden":
            return Cost(work=6 * d + counted + 2 * t + 1 + written, span=2 + 2 * t + 1 + 3)
        powers = (2 + 5) * (ROUNDS + b) - 1  # 2 times 2 is known
        return Cost(work=9 * d + counted + powers + written, span=2 * (ROUNDS + b) + 10 + (t > 1))

    def render(self, prompt: Int[np.ndarray, " prompt_length"]) -> str:
        d = self.digits
        modulus, x, beside = (number_text(prompt[i * d : (i + 1) * d], self.format.tokens) for i in range(3))
        return "\n".join(
            [
                "A squaring replaces x by the remainder of x*x divided by N.",
                f"N: {modulus}",
                f"x: {x}",
                f"{self._label}: {beside}",
                f"Squarings: {int(np.sum(prompt == SQUARE))}",
                self._remark,
                "What is x after all squarings? Answer with that number alone, in decimal.",
            ]
        )

    def parse(self, text: str) -> Int[np.ndarray, " prompt_length"]:
        most = 2**self.bits - 1
        modulus = whole_number(line_after(text, "N"), 2 ** (self.bits - 1), most, "N")
        if modulus not in self.moduli:
            raise ValueError(f"N {modulus}: must be one of {len(self.moduli)} moduli, e.g. {self.moduli[0]}")
        x = whole_number(line_after(text, "x"), 1, modulus - 1, "x")
        if math.gcd(x * (x * x - 1), modulus) > 1:
            raise ValueError(
                f"x {x}: neither x nor x + 1 nor x - 1 may have a factor in common with N {modulus}"
            )
        beside = whole_number(line_after(text, self._label), 1, most, self._label)
        own = int(self._totients[self.moduli.index(modulus)])
        if self.order == "known" and beside != own:
            raise ValueError(f"{self._label} {beside}: that of {modulus} is {own}")
        if self.order == "hidden" and (beside == own or beside not in self._totients):
            example = next(int(each) for each in self._totients if each != own)
            raise ValueError(
                f"{self._label} {beside}: must be the totient of another modulus, e.g. {example}"
            )
        squarings = whole_number(line_after(text, "Squarings"), 1, self.squarings, "squarings")
        numbers = [number_tokens(number, self.digits) for number in (modulus, x, beside)]
        steps = [SQUARE] * squarings + [PAD] * (self.squarings - squarings)
        fields = [token for each in numbers for token in each]
        prompt = np.array([*fields, *steps, *[QUERY] * self.digits], np.int32)
        same_text(text, self.render(prompt))
        return prompt

    def render_answer(self, answer: Int[np.ndarray, " answer_length"]) -> str:
        return number_text(answer, self.format.tokens)

    def parse_answer(self, text: str) -> Int[np.ndarray, " answer_length"]:
        number = whole_number(text.strip(), 0, 10**self.digits - 1, "answer")
        return np.array(number_tokens(number, self.digits), np.int32)

    def render_trace(self, trace: Int[np.ndarray, " trace_length"]) -> str:
        steps = trace.reshape(self.squarings, self.digits)
        return "\n".join(number_text(step, self.format.tokens) for step in steps if step[0] != PAD)

    @property
    def _label(self) -> str:
        return "Totient of N" if self.order == "known" else "Another number"

    @property
    def _remark(self) -> str:
        if self.order == "known":
            return (
                "(The totient of N is how many of the numbers from 1 to N have no factor in common with N.)"
            )
        return "(The other number is not needed.)"

    def _walk(self, x: Int[Array, ""], modulus: Int[Array, ""]) -> Int[Array, " residues"]:
        """x and what it is after every squaring."""

        def square(residue: Int[Array, ""], _):
            residue = jax.lax.rem(residue * residue, modulus)
            return residue, residue

        return jnp.concatenate([x[None], jax.lax.scan(square, x, length=self.squarings)[1]])

    @cached_property
    def _totients(self) -> np.ndarray:
        return np.array([(p - 1) * (q - 1) for p, q in _prime_pairs(self.bits)])

    @cached_property
    def _squares(self) -> np.ndarray:
        """How many squares of order p'q' there are modulo each N."""
        return np.array([(p - 3) * (q - 3) // 4 for p, q in _prime_pairs(self.bits)])

    @cached_property
    def _table(self) -> np.ndarray:
        """p, q, what is 1 modulo p and 0 modulo q, what is 0 and 1, and p·q: for the Chinese remainders."""
        return np.array(
            [(p, q, q * pow(q, -1, p), p * pow(p, -1, q), p * q) for p, q in _prime_pairs(self.bits)],
            np.int64,
        )


def _power(
    base: Int[Array, ""], exponent: Int[Array, ""], modulus: Int[Array, ""], bits: int
) -> Int[Array, ""]:
    """base^exponent modulo `modulus`, by the bits of the exponent from the lowest."""

    def multiply(state, bit: Int[Array, ""]):
        product, square = state
        factor = lookup(jnp.stack([jnp.ones_like(square), square]), bit)
        return (jax.lax.rem(product * factor, modulus), jax.lax.rem(square * square, modulus)), None

    (product, _), _ = jax.lax.scan(multiply, (jnp.ones_like(base), base), exponent >> np.arange(bits) & 1)
    return product


def _number(tokens: Int[Array, "*batch digits"]) -> Int[Array, "*batch"]:
    digits = tokens.astype(jnp.int64) - FIRST
    return digits @ (10 ** np.arange(tokens.shape[-1])[::-1])


# Number theory on the host, once for each number of bits


@lru_cache
def _prime_pairs(bits: int) -> tuple[tuple[int, int], ...]:
    """The safe primes p < q of every modulus, by modulus."""
    safe = _safe_primes()
    orders = {p: order_of_two((p - 1) // 2) for p in safe}
    pairs = [
        (p, q)
        for i, p in enumerate(safe)
        for q in safe[i + 1 :]
        if 2 ** (bits - 1) <= p * q < 2**bits and math.lcm(orders[p], orders[q]) ** 2 >= 2**bits
    ]
    closest = sorted(pairs, key=lambda pair: pair[1] / pair[0])[:MOST_MODULI]
    return tuple(sorted(closest, key=math.prod))


@lru_cache
def _safe_primes() -> tuple[int, ...]:
    """Primes p below MOST_PRIME such that (p − 1) / 2 is an odd prime."""
    is_prime = np.ones(MOST_PRIME, bool)
    is_prime[:2] = False
    for n in range(2, math.isqrt(MOST_PRIME) + 1):
        is_prime[n * n :: n] = False
    return tuple(p for p in range(7, MOST_PRIME, 4) if is_prime[p] and is_prime[p // 2])


def order_of_two(prime: int) -> int:
    """The smallest n > 0 with 2^n = 1 modulo an odd prime."""
    order = rest = prime - 1
    factor = 2
    while rest > 1:
        if factor * factor > rest:
            factor = rest
        if rest % factor:
            factor += 1
            continue
        rest //= factor
        if pow(2, order // factor, prime) == 1:
            order //= factor
    return order
