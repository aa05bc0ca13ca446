"""Chain of thought: autoregressive decoding of the trace, then of the answer (paper, 3.5 and Appendix E)."""

from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from ..instance import Format, Instances
from ..networks import Transformer
from .base import AbstractSolver, check_temperature, choose, cross_entropy


class ChainOfThought(AbstractSolver):
    """Writes `trace_length + answer_length` tokens, each after the one before, with a key-value cache.

    Trained by teacher forcing on the task's trace. The number of tokens is that of the task's largest
    instance whatever the instance, so the budget gives nothing of the answer away.

    >>> from seriality.tasks import Words
    >>> format = Words("S5", length=4).format
    >>> network = Transformer(format, causal=True, key=jax.random.key(0))
    >>> ChainOfThought(network, format).budget(prompt_length=5)
    5
    """

    version: ClassVar[int] = 1
    network: Transformer
    trace_length: int = eqx.field(static=True)
    answer_length: int = eqx.field(static=True)
    temperature: float = eqx.field(static=True)

    def __init__(self, network: Transformer, format: Format, *, temperature: float = 0.0):
        if not network.causal:
            raise ValueError("chain of thought needs a causal Transformer; build it with causal=True")
        self.network = network
        self.trace_length = format.trace_length
        self.answer_length = format.answer_length
        self.temperature = temperature

    def __check_init__(self):
        check_temperature(self.temperature)

    def loss(self, instances: Instances, *, key: Key[Array, ""]) -> Float[Array, ""]:
        written = jnp.concatenate([instances.trace, instances.answer], axis=1)
        tokens = jnp.concatenate([instances.prompt, written], axis=1)
        logits = jax.vmap(self.network)(tokens[:, :-1])[:, -written.shape[1] :]
        return cross_entropy(logits[:, : self.trace_length], instances.trace) + cross_entropy(
            logits[:, self.trace_length :], instances.answer
        )

    def solve(self, prompt: Int[Array, " length"], *, key: Key[Array, ""]) -> Int[Array, " answer_length"]:
        first_key, rest_key = jax.random.split(key)
        count = self.trace_length + self.answer_length
        logits, cache = self.network.prefill(prompt, len(prompt) + count - 1)
        first = choose(logits, self.temperature, key=first_key)

        def write(state, now):
            token, cache = state
            position, key = now
            logits, cache = self.network.decode(token, position, cache)
            token = choose(logits, self.temperature, key=key)
            return (token, cache), token

        positions = len(prompt) + jnp.arange(count - 1)
        _, rest = jax.lax.scan(write, (first, cache), (positions, jax.random.split(rest_key, count - 1)))
        return jnp.concatenate([first[None], rest])[-self.answer_length :]

    def budget(self, prompt_length: int) -> int:
        return self.trace_length + self.answer_length

    def span(self, prompt_length: int) -> int:
        return self.budget(prompt_length) * self.network.span(prompt_length)
