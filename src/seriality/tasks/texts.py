"""Numbers and functions in the texts and tokens of questions and answers."""

from collections.abc import Iterable, Sequence
from itertools import zip_longest

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int

from .base import FIRST, shortened

DIGITS = "0123456789"
"""The texts of the tokens FIRST + 0 to FIRST + 9, in tasks that write numbers by their digits."""
MOST_DIGITS = 20


def whole_number(word: str, low: int, high: int, what: str) -> int:
    """The number from `low` to `high` (below 10^20) that a word writes in decimal, without sign or leading
    zeros; else a ValueError of one line."""
    is_number = word.isascii() and word.isdigit() and len(word) <= MOST_DIGITS and word == str(int(word))
    if not is_number or not low <= int(word) <= high:
        raise ValueError(f"{what} {shortened(word)}: must be a whole number from {low} to {high}")
    return int(word)


def same_text(text: str, written: str) -> None:
    """A ValueError that says where a text is not the one written."""
    if text != written:
        different = next(i for i, (x, y) in enumerate(zip_longest(text, written)) if x != y)
        raise ValueError(f"the text differs from this task's at character {different}")


def number_tokens(number: int, digits: int) -> list[int]:
    """A number as tokens, the highest digit first, with leading zeros."""
    return [FIRST + int(digit) for digit in f"{number:0{digits}}"]


def digit_tokens(numbers: Int[Array, "*batch"], count: int) -> Int[Array, "*batch digits"]:
    """The same in JAX: `count` digits of each, as tokens of 32 bits; three steps of the unit model."""
    whole = jnp.broadcast_to(numbers[..., None], (*numbers.shape, count))
    powers = 10 ** np.arange(count, dtype=numbers.dtype)[::-1]
    leading = jax.lax.div(whole, jnp.broadcast_to(powers, whole.shape))
    return (jax.lax.rem(leading, jnp.full_like(leading, 10)) + FIRST).astype(jnp.int32)


def number_text(tokens: Int[np.ndarray, " digits"], texts: tuple[str, ...]) -> str:
    """The number that tokens write, without leading zeros; if there is none, the text of every token."""
    words = [texts[token] for token in tokens.tolist()]
    return str(int("".join(words))) if set(words) <= set(DIGITS) else " ".join(words)


def arrows_text(names: Sequence[str], values: Iterable[int]) -> str:
    """A function as text: `0->3 1->0 2->1`."""
    return " ".join(f"{name}->{value}" for name, value in zip(names, values, strict=True))


def arrow_values(text: str, names: Sequence[str], high: int, what: str) -> list[int]:
    """The values, from 0 to `high`, of a function of all `names` in their order; else a ValueError."""
    words = text.split()
    if len(words) != len(names):
        raise ValueError(f"{what}: {len(words)} are listed, must be {len(names)}")
    for word, name in zip(words, names, strict=True):
        if not word.startswith(f"{name}->"):
            raise ValueError(f"{what} {shortened(word)}: must be '{name}->' and a number")
    return [
        whole_number(word[len(name) + 2 :], 0, high, what) for word, name in zip(words, names, strict=True)
    ]


def cycle_length(table: Sequence[int]) -> int:
    """After how many hops the walk from node 0 is there again; more than there are nodes if it never is."""
    node, length = table[0], 1
    while node != 0 and length <= len(table):
        node, length = table[node], length + 1
    return length
