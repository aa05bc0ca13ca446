"""Chain of thought: autoregressive decoding of the trace, then of the answer (paper, 3.5 and Appendix E).

The chain may be thinned: of the trace's T steps k are written, evenly spaced, and what lies between two of
them the network must do in one pass. So k is a dial of serial compute on one network (claim C12).
"""

from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key

from ..instance import Format, Instances
from ..networks import Transformer
from .base import AbstractSolver, check_temperature, choose, cross_entropy


class ChainOfThought(AbstractSolver):
    """Writes the trace's tokens and then the answer's, each after the one before, with a key-value cache.

    Trained by teacher forcing on the task's trace. The number of tokens is that of the task's largest
    instance whatever the instance, so the budget gives nothing of the answer away.

    With `kept` = k the trace is thinned to k of its T steps, of `step_tokens` tokens each: step number
    ceil(T j / (k + 1)) for j = 1 to k, so that the way from one to the next, and on to the last, is as long
    everywhere as it can be. None keeps all; 0 answers at once. A step that is kept stands at the position
    that it has in the whole trace, so what it needs of the prompt is as far away as there.

    With `prefixes` the network is also taught what is right at every labelled position of the prompt, as in
    a single pass. Then all k are taught the same steps and differ in how many of them are fed back: k = 0 is
    `SinglePass` of the same network.

    >>> from seriality.tasks import Words
    >>> format = Words("S5", length=4).format
    >>> network = Transformer(format, causal=True, key=jax.random.key(0))
    >>> ChainOfThought(network, format).budget(prompt_length=5)
    5
    >>> ChainOfThought(network, format, kept=1).written
    (1,)
    """

    version: ClassVar[int] = 1
    later_dials: ClassVar[frozenset[str]] = frozenset({"kept", "step_tokens", "prefixes"})
    network: Transformer
    trace_length: int = eqx.field(static=True)
    written: tuple[int, ...] = eqx.field(static=True)
    answer_length: int = eqx.field(static=True)
    temperature: float = eqx.field(static=True)
    prefixes: bool = eqx.field(static=True)

    def __init__(
        self,
        network: Transformer,
        format: Format,
        *,
        temperature: float = 0.0,
        kept: int | None = None,
        step_tokens: int = 1,
        prefixes: bool = False,
    ):
        if not network.causal:
            raise ValueError("chain of thought needs a causal Transformer; build it with causal=True")
        self.network = network
        self.trace_length = format.trace_length
        self.written = thinned(format.trace_length, kept, step_tokens)
        self.answer_length = format.answer_length
        self.temperature = temperature
        self.prefixes = prefixes

    def __check_init__(self):
        check_temperature(self.temperature)

    def loss(self, instances: Instances, *, key: Key[Array, ""]) -> Float[Array, ""]:
        trace = instances.trace
        if len(self.written) < trace.shape[1]:
            trace = trace[:, np.array(self.written, int)]
        written = jnp.concatenate([trace, instances.answer], axis=1)
        tokens = jnp.concatenate([instances.prompt, written], axis=1)
        positions = self._positions(instances.prompt.shape[1], tokens.shape[1] - 1)
        everywhere = jax.vmap(lambda tokens: self.network(tokens, positions))(tokens[:, :-1])
        logits = everywhere[:, -written.shape[1] :]
        steps, answer = logits[:, : trace.shape[1]], logits[:, trace.shape[1] :]
        loss = cross_entropy(steps, trace) + cross_entropy(answer, instances.answer)
        if not self.prefixes:
            return loss
        labels = instances.labels[:, : -self.answer_length]
        return loss + cross_entropy(everywhere[:, : labels.shape[1]], labels)

    def solve(self, prompt: Int[Array, " length"], *, key: Key[Array, ""]) -> Int[Array, " answer_length"]:
        first_key, rest_key = jax.random.split(key)
        count = len(self.written) + self.answer_length
        logits, cache = self.network.prefill(prompt, len(prompt) + count - 1)
        first = choose(logits, self.temperature, key=first_key)

        def write(state, now):
            token, cache = state
            place, position, key = now
            logits, cache = self.network.decode(token, place, cache, position)
            token = choose(logits, self.temperature, key=key)
            return (token, cache), token

        places = len(prompt) + jnp.arange(count - 1)
        positions = self._positions(len(prompt), len(prompt) + count - 1)[len(prompt) :]
        keys = jax.random.split(rest_key, count - 1)
        _, rest = jax.lax.scan(write, (first, cache), (places, positions, keys))
        return jnp.concatenate([first[None], rest])[-self.answer_length :]

    def _positions(self, prompt_length: int, length: int) -> Int[Array, " length"]:
        """Where the first `length` tokens of prompt, kept steps and answer stand."""
        answer = self.trace_length + np.arange(self.answer_length)
        after = prompt_length + np.concatenate([np.array(self.written, int), answer])
        return jnp.array(np.concatenate([np.arange(prompt_length), after])[:length])

    def budget(self, prompt_length: int) -> int:
        return len(self.written) + self.answer_length

    def span(self, prompt_length: int) -> int:
        return self.budget(prompt_length) * self.network.span(prompt_length)


def thinned(trace_length: int, kept: int | None, step_tokens: int) -> tuple[int, ...]:
    """The places of a trace's tokens that are written if `kept` of its steps are.

    >>> thinned(8, 3, 1), thinned(6, 1, 2)
    ((1, 3, 5), (2, 3))
    """
    if step_tokens < 1 or trace_length % step_tokens:
        raise ValueError(
            f"step_tokens is {step_tokens}, allowed are the divisors of the trace's {trace_length} tokens,"
            " such as 1"
        )
    steps = trace_length // step_tokens
    if kept is None:
        kept = steps
    if not 0 <= kept <= steps:
        raise ValueError(
            f"kept is {kept}, allowed is 0 to {steps}, the steps of a trace; such as {steps // 2}"
        )
    ends = [-(-steps * j // (kept + 1)) for j in range(1, kept + 1)]
    return tuple((end - 1) * step_tokens + token for end in ends for token in range(step_tokens))
