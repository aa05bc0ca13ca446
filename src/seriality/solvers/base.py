"""The contract of a solver: a network and an inference procedure.

Span is a property of solvers, not of networks (paper, Appendix C.1).
"""

import abc
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from ..instance import UNASKED, Instances


@dataclass(frozen=True)
class Passes:
    """A number of dependent passes, declared as a function of prompt length n and of nothing else:

    constant + per_doubling * ceil(log2 n) + ceil(per_token * n), and at least one.

    >>> Passes(constant=2, per_token=0.5)(9)
    7
    """

    constant: int = 0
    per_doubling: int = 0
    per_token: float = 0.0

    def __post_init__(self):
        terms = (self.constant, self.per_doubling, self.per_token)
        if min(terms) < 0 or not any(terms):
            raise ValueError(f"{self} allows no pass; give one positive term, such as Passes(per_token=1.0)")

    @classmethod
    def of(cls, terms: "Passes | Mapping[str, Any]") -> "Passes":
        """The same from the plain form that a record stores."""
        return terms if isinstance(terms, Passes) else cls(**terms)

    def __call__(self, prompt_length: int) -> int:
        doublings = (prompt_length - 1).bit_length()
        proportional = math.ceil(round(self.per_token * prompt_length, 9))  # 0.07 * 100 is a little over 7
        return max(1, self.constant + self.per_doubling * doublings + proportional)


class AbstractSolver(eqx.Module):
    """What can be trained on instances and asked for answers. `solve` takes one prompt; `jax.vmap` a batch.

    `budget` and `span` are declared: they depend on the prompt's length, never on the answer. `version` rises
    when the same dials train or answer otherwise, not for a speed-up. `later_dials` are left out of the
    settings while at their default.
    """

    version: ClassVar[int]
    # The id of a record digests its settings. A dial that came after records were written changes nothing at
    # its default, so a trial that leaves it there must keep its id.
    later_dials: ClassVar[frozenset[str]] = frozenset()

    @abc.abstractmethod
    def loss(self, instances: Instances, *, key: Key[Array, ""]) -> Float[Array, ""]:
        """The training loss of a batch, in nats."""

    @abc.abstractmethod
    def solve(self, prompt: Int[Array, " length"], *, key: Key[Array, ""]) -> Int[Array, " answer_length"]:
        """The answer's tokens."""

    @abc.abstractmethod
    def budget(self, prompt_length: int) -> int:
        """The number of dependent passes one answer takes."""

    @abc.abstractmethod
    def span(self, prompt_length: int) -> int:
        """Dependent matrix products on the way to one answer (the `layer` cost model)."""


def cross_entropy(
    logits: Float[Array, "*batch vocabulary"], labels: Int[Array, "*batch"]
) -> Float[Array, ""]:
    """Mean over the positions asked; zero if none is."""
    asked = labels != UNASKED
    log_probability = jax.nn.log_softmax(logits)
    right = jnp.take_along_axis(log_probability, jnp.where(asked, labels, 0)[..., None], axis=-1)[..., 0]
    return -(right * asked).sum() / jnp.maximum(asked.sum(), 1)


def answer_and_prefix_loss(
    logits: Float[Array, "batch positions vocabulary"], instances: Instances
) -> Float[Array, ""]:
    """The answer's mean loss, plus that of all labelled prefixes if the network answers there."""
    length = instances.answer.shape[-1]
    answers = cross_entropy(logits[:, -length:], instances.answer)
    if logits.shape[1] == length:
        return answers
    return answers + cross_entropy(logits[:, :-length], instances.labels[:, -logits.shape[1] : -length])


def check_temperature(temperature: float) -> None:
    """ValueError for a temperature at which no token can be chosen."""
    if not 0 <= temperature < math.inf:
        raise ValueError(
            f"temperature is {temperature}, allowed is 0 (the likeliest token) or more; try temperature=1.0"
        )


def choose(
    logits: Float[Array, "*batch vocabulary"], temperature: float, *, key: Key[Array, ""]
) -> Int[Array, "*batch"]:
    """The likeliest token, or a sample at a positive temperature."""
    if temperature == 0:
        return logits.argmax(-1)
    return jax.random.categorical(key, logits / temperature)
