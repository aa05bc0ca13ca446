"""The contract of a network: one pass over a given input, never fed its own output."""

import abc
from typing import ClassVar

import equinox as eqx
import jax
from jaxtyping import Array, Float, Int, Key

UNROLL = 2
"""Layers in one turn of the scan over a network's layers: small networks lose a fifth of their time to it."""


class AbstractNetwork(eqx.Module):
    """Tokens in, logits out, for one example; `jax.vmap` makes batches.

    The logits stand at the last positions of the input: at all of them for networks that answer
    everywhere, at the answer's positions for those that see the prompt as a whole. `version` rises when the
    same dials compute or start as something else, not for a speed-up.
    """

    version: ClassVar[int]

    @abc.abstractmethod
    def __call__(self, tokens: Int[Array, " length"]) -> Float[Array, "positions vocabulary"]:
        """Logits at the last positions of the input."""

    @abc.abstractmethod
    def span(self, length: int) -> int:
        """Dependent matrix products in one pass over `length` tokens (the `layer` cost model)."""


class AbstractOracle(AbstractNetwork):
    """A network that is an algorithm of known depth: nothing in it is trained, and it is in no list.

    It stands in a solver in a trained network's place, so the same procedure runs on both.
    """


def weights(key: Key[Array, ""], rows: int, columns: int) -> Float[Array, "rows columns"]:
    """A matrix to multiply from the right, normal with variance 1 / rows."""
    return jax.random.normal(key, (rows, columns)) / rows**0.5


def normalise(x: Float[Array, "*batch width"], scale: Float[Array, " width"]) -> Float[Array, "*batch width"]:
    """Root-mean-square normalisation (Zhang & Sennrich 2019)."""
    return x * jax.lax.rsqrt((x * x).mean(-1, keepdims=True) + 1e-6) * scale


def refuse(network: str, **dials: int) -> None:
    """Raise a ValueError that names every dial below 1."""
    faults = [f"{name} is {value}" for name, value in dials.items() if value < 1]
    if faults:
        raise ValueError(f"{network}: {', '.join(faults)}; allowed is 1 or more")
