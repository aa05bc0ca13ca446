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
from ..instance import PAD, UNASKED, Format
from .base import FIRST, SPECIAL, AbstractTask, integer_fault, lay_out, lookup, refuse, uniform
from .monoids import MONOIDS, Monoid


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

    @property
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

    def render(
        self,
        prompt: Int[np.ndarray, " prompt_length"],
        trace: Int[np.ndarray, " trace_length"],
        answer: Int[np.ndarray, " answer_length"],
    ) -> str:
        text = self.format.tokens
        depth = int(np.sum(prompt[: self.length] != PAD))
        rows = [("step", "letter", "product")]
        rows += [(str(i + 1), text[prompt[i]], text[trace[i]]) for i in range(depth)]
        widths = [max(len(row[column]) for row in rows) for column in range(3)]
        lines = [
            "  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows
        ]
        return "\n".join([*lines, f"answer: {text[answer[0]]}"])

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
