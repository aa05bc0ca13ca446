"""Words of a finite monoid: what is the product of the letters?

The answer is w1·w2·…·wd, from left to right; the trace is the prefix products. Every prefix is a word of its
own, so each position of the prompt is labelled with the product so far.

Over a group that is not solvable (S5, A5) the problem is complete for NC1 (Barrington 1989), so no constant
depth suffices if TC0 ≠ NC1, and logarithmic span does: the reference multiplies in a balanced tree. The
control is two reset monoids side by side (flip-flops, here registers of one bit), whose product is what was
last written in each. Addition modulo k takes one sum. A4×Z5 is in ACC0 and so has a constant-depth circuit,
which the reference does not use: its span, the tree's, is an upper bound that is not tight. See `monoids`.

What this task does not show: anything beyond NC1. It is serial for constant depth and no further.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, Key

from ..cost import Cost
from ..instance import PAD, QUERY, UNASKED, Format
from .base import FIRST, SPECIAL, AbstractTask, integer_fault, lay_out, line_after, lookup, refuse, uniform
from .monoids import MONOIDS, Monoid
from .texts import same_text


@dataclass(frozen=True)
class Words(AbstractTask):
    """Words of up to `length` letters over a monoid: a built-in's name or a `Monoid`.

    `generators` is "few" (the monoid's own small set) or "all" (every element is a letter). Letters are
    drawn independently and uniformly from those listed. Depth is the number of letters.

    >>> Words("S5", length=4).cost()
    Cost(work=3, span=2)
    """

    monoid: str | Monoid = "S5"
    length: int = 16
    generators: str = "few"

    version: ClassVar[int] = 3

    def __post_init__(self) -> None:
        faults = integer_fault("length", self.length, 1, 16)
        if not isinstance(self.monoid, Monoid) and not (
            isinstance(self.monoid, str) and self.monoid in MONOIDS
        ):
            faults.append(
                f"monoid={self.monoid!r}: must be one of {', '.join(MONOIDS)} or a Monoid; "
                "for your own table, monoid=seriality.tasks.monoid(table)"
            )
        if self.generators not in ("few", "all"):
            faults.append(f"generators={self.generators!r}: must be 'few' or 'all'; e.g. generators='few'")
        refuse("Words", faults)

    @cached_property
    def format(self) -> Format:
        return Format(
            tokens=(*SPECIAL, *self._monoid.elements),
            prompt_length=self.length + 1,
            trace_length=self.length,
            answer_length=1,
        )

    @property
    def max_depth(self) -> int:
        return self.length

    def resized(self, max_depth: int) -> "Words":
        return replace(self, length=max_depth)

    @property
    def control(self) -> "Words | None":
        """The same task over two registers; None where the monoid is solvable, so not NC1-complete."""
        return None if self._monoid.is_solvable else replace(self, monoid="registers")

    def distinct(self, depth: int) -> int:
        _, counts = np.unique(self._letters, return_counts=True)
        return len(self._letters) ** depth // int(counts.max()) ** depth

    def leading(self, depth: int) -> int:
        return depth

    def draw(self, depth: Int[Array, ""], *, key: Key[Array, ""]):
        within = jnp.arange(self.length) < depth
        letters = uniform(np.full(self.length, len(self._letters)), key=key)
        word = jnp.where(within, lookup(self._letters, letters), PAD)
        products = self._prefix_products(word)
        answer = products[-1:]
        labels = jnp.concatenate([jnp.where(within, products, UNASKED), answer])
        return lay_out(word, 1), labels, jnp.where(within, products, PAD), answer

    def reference(self, prompt: Int[Array, " prompt_length"]) -> Int[Array, " answer_length"]:
        word = prompt[: self.length]
        if self._monoid.is_addition:
            total = jnp.sum(jnp.maximum(word - FIRST, 0), keepdims=True)
            return jax.lax.rem(total, jnp.int32(self._monoid.size)) + FIRST
        if self._writes is not None:
            writes = lookup(self._writes != self._identity, word)
            last = jnp.max(jnp.where(writes, jnp.arange(1, self.length + 1)[:, None], 0), axis=0)
            word = lookup(jnp.concatenate([self._identity, word]), last)
            if len(word) > 1:  # a letter may write more than one register
                word = lookup(self._writes, word, jnp.arange(len(word)))
        while len(word) > 1:
            pairs, odd_one = word[: len(word) // 2 * 2].reshape(-1, 2), word[len(word) // 2 * 2 :]
            word = jnp.concatenate([lookup(self._products, pairs[:, 0], pairs[:, 1]), odd_one])
        return word

    def cost(self) -> Cost:
        """Addition: shift, floor, sum, remainder, shift. Registers: what writes, where, the last, its letter,
        what that writes, and one product for each further register. Else one lookup a product."""
        n = self.length
        if self._monoid.is_addition:
            return Cost(work=3 * n + 1, span=4 + (n > 1))
        if self._monoid.registers is not None:
            k = self._monoid.registers.shape[1]
            several = (k > 1) * (2 * k - 1)
            return Cost(work=3 * k * n + several, span=3 + (n > 1) + (k > 1) + (k - 1).bit_length())
        return Cost(work=n - 1, span=(n - 1).bit_length())

    @property
    def other_values(self) -> dict[str, object]:
        other = replace(self, generators="few" if self.generators == "all" else "all")
        same = np.array_equal(self._letters, other._letters)  # of parity, the few letters are all
        return {
            "monoid": "parity" if self.monoid == "A5" else "A5",
            "generators": self.generators if same else other.generators,
        }

    @property
    def dials_without_cost(self) -> tuple[str, ...]:
        """The letters; and the monoid where both need the tree."""
        tree = not self._monoid.is_addition and self._monoid.registers is None
        return ("monoid", "generators") if tree and self.monoid != "A5" else ("generators",)

    @property
    def guess_rate(self) -> float:
        """The largest probability of a product of `length` letters: exact."""
        share = np.zeros(self._monoid.size)
        share[self._monoid.identity] = 1
        letters, counts = np.unique(self._letters - FIRST, return_counts=True)
        for _ in range(self.length):
            moved = share[:, None] * (counts / counts.sum())
            share = np.bincount(self._monoid.array[:, letters].ravel(), moved.ravel(), self._monoid.size)
        return float(share.max())

    def render(self, prompt: Int[np.ndarray, " prompt_length"]) -> str:
        word = [token for token in prompt[: self.length].tolist() if token != PAD]
        return "\n".join(
            [
                *self._monoid.description,
                "What is the product of all letters, from left to right? Answer with that one element.",
                f"word: {' '.join(self.format.tokens[token] for token in word)}",
            ]
        )

    def parse(self, text: str) -> Int[np.ndarray, " prompt_length"]:
        word = self.token_ids(line_after(text, "word").split())
        if not 1 <= len(word) <= self.length:
            raise ValueError(f"word: {len(word)} letters, must be 1 to {self.length}")
        if (other := np.setdiff1d(word, self._letters)).size:
            raise ValueError(
                f"word: {self.format.tokens[other[0]]} is no letter; allowed are {self._alphabet}"
            )
        prompt = np.full(self.length + 1, PAD, np.int32)
        prompt[: len(word)], prompt[-1] = word, QUERY
        same_text(text, self.render(prompt))
        return prompt

    def render_trace(self, trace: Int[np.ndarray, " trace_length"]) -> str:
        products = [self.format.tokens[token] for token in trace.tolist() if token != PAD]
        return "\n".join(f"after letter {i}: {product}" for i, product in enumerate(products, 1))

    @property
    def _alphabet(self) -> str:
        return ", ".join(self.format.tokens[token] for token in sorted(set(self._letters.tolist()))[:8])

    # Tables over token ids. PAD and QUERY act as the identity, so no token needs to be converted.

    @cached_property
    def _monoid(self) -> Monoid:
        return self.monoid if isinstance(self.monoid, Monoid) else MONOIDS[self.monoid]()

    @cached_property
    def _letters(self) -> np.ndarray:
        few = self.generators == "few"
        return np.array(self._monoid.generators if few else range(self._monoid.size), np.int32) + FIRST

    @cached_property
    def _identity(self) -> np.ndarray:
        return np.array([self._monoid.identity + FIRST], np.int32)

    @cached_property
    def _writes(self) -> np.ndarray | None:
        """`Monoid.registers` over tokens."""
        if (registers := self._monoid.registers) is None:
            return None
        none = np.broadcast_to(self._identity, (FIRST, registers.shape[1]))
        return np.concatenate([none, registers.astype(np.int32) + FIRST])

    @cached_property
    def _products(self) -> np.ndarray:
        tokens = np.arange(FIRST + self._monoid.size, dtype=np.int32)
        products = np.where(tokens < FIRST, tokens[:, None], tokens)
        products[FIRST:, FIRST:] = self._monoid.array + FIRST
        return products

    def _prefix_products(self, word: Int[Array, " length"]) -> Int[Array, " length"]:
        """All prefix products, one letter after the other: a lookup each, over a batch the least work."""

        def multiply(product: Int[Array, ""], letter: Int[Array, ""]):
            product = lookup(self._products, product, letter)
            return product, product

        return jax.lax.scan(multiply, jnp.array(PAD, word.dtype), word)[1]
