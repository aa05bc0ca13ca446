"""Majority vote over independent answers of one solver: parallel compute bought at inference (paper, 3.5)."""

from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from ..instance import Instances
from .base import AbstractSolver


class Majority(AbstractSolver):
    """The commonest whole answer among `samples`; among equals, the one sampled first.

    The samples run side by side, so work grows with their number and span does not.

    >>> from seriality.networks import Transformer
    >>> from seriality.solvers import SinglePass
    >>> from seriality.tasks import Words
    >>> format = Words("S5", length=4).format
    >>> network = Transformer(format, key=jax.random.key(0))
    >>> vote = Majority(SinglePass(network, format, temperature=1.0), samples=9)
    >>> vote.budget(prompt_length=5)
    1
    """

    version: ClassVar[int] = 1
    solver: AbstractSolver
    samples: int = eqx.field(static=True, default=9)

    def __check_init__(self):
        if self.samples < 1:
            raise ValueError(f"samples is {self.samples}; a vote needs at least 1, try samples=9")

    def loss(self, instances: Instances, *, key: Key[Array, ""]) -> Float[Array, ""]:
        return self.solver.loss(instances, key=key)

    def solve(self, prompt: Int[Array, " length"], *, key: Key[Array, ""]) -> Int[Array, " answer_length"]:
        answers = jax.vmap(lambda k: self.solver.solve(prompt, key=k))(jax.random.split(key, self.samples))
        agreeing = (answers[:, None] == answers[None]).all(-1).sum(-1)
        return answers[jnp.argmax(agreeing)]

    def budget(self, prompt_length: int) -> int:
        return self.solver.budget(prompt_length)

    def span(self, prompt_length: int) -> int:
        return self.solver.span(prompt_length)
