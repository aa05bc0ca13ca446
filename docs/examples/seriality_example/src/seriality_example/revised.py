"""Revision: a network reads its own answer and gives another.

Passes are serial, and all that goes from one to the next is the answer's tokens. So span grows with the
passes, while what is remembered does not.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp

from seriality import Format
from seriality.networks import AbstractNetwork
from seriality.solvers.base import AbstractSolver, Passes, answer_and_prefix_loss


class Revised(AbstractSolver):
    """Answers `passes(prompt length)` times, each time with its last answer in the place of the QUERYs.

    >>> from seriality.networks import Transformer
    >>> from seriality_example import Ant
    >>> format = Ant(steps=4).format
    >>> network = Transformer(format, layers=1, key=jax.random.key(0))
    >>> Revised(network, format, passes=Passes(constant=3)).budget(prompt_length=22)
    3
    """

    version: ClassVar[int] = 1
    network: AbstractNetwork
    answer_length: int = eqx.field(static=True)
    passes: Passes = eqx.field(static=True)

    def __init__(
        self,
        network: AbstractNetwork,
        format: Format,
        *,
        passes: Passes | Mapping[str, Any] = Passes(constant=2),
    ):
        self.network = network
        self.answer_length = format.answer_length
        self.passes = Passes.of(passes)  # a record stores it as plain numbers

    def loss(self, instances, *, key):
        """The mean over the passes, each of which is asked with what the one before answered."""
        read = jax.vmap(self._read)

        def again(answer, _):
            logits = read(instances.prompt, answer)
            return self._answer(logits), answer_and_prefix_loss(logits, instances)

        first = instances.prompt[:, -self.answer_length :]
        passes = self.passes(instances.prompt.shape[-1])
        return jax.lax.scan(again, first, length=passes)[1].mean()

    def solve(self, prompt, *, key):
        def again(answer, _):
            return self._answer(self._read(prompt, answer)), None

        first = prompt[-self.answer_length :]
        return jax.lax.scan(again, first, length=self.passes(len(prompt)))[0]

    def budget(self, prompt_length):
        return self.passes(prompt_length)

    def span(self, prompt_length):
        return self.budget(prompt_length) * self.network.span(prompt_length)

    def _read(self, prompt, answer):
        return self.network(jnp.concatenate([prompt[: -self.answer_length], answer]))

    def _answer(self, logits):
        return logits[..., -self.answer_length :, :].argmax(-1)
