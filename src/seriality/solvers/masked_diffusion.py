"""Absorbing-state diffusion over the answer's tokens alone (Austin et al. 2021; Sahoo et al. 2024).

The denoised dimension is the answer's length and does not grow with depth. That makes it a discrete analogue
of what Theorem F.2 of Liu et al. 2025 speaks of, whose sampler adds Gaussian noise to continuous outputs; the
theorem itself does not cover it. Order is random, nothing is remasked.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from ..instance import QUERY, Format, Instances
from ..networks import Transformer
from .base import AbstractSolver, Passes, check_temperature, choose


class MaskedDiffusion(AbstractSolver):
    """T = `steps(prompt length)` denoising passes from a fully masked answer.

    At step i of T every token still masked is revealed with probability 1 / (T - i), which is the
    linear schedule's (t - s) / t, with a value chosen from the network's: sampled from its law at temperature
    1, as the process has it; the likeliest at 0.

    >>> from seriality.tasks import Words
    >>> format = Words("S5", length=4).format
    >>> network = Transformer(format, key=jax.random.key(0))
    >>> MaskedDiffusion(network, format, steps=Passes(constant=8)).budget(prompt_length=5)
    8
    """

    version: ClassVar[int] = 1
    network: Transformer
    answer_length: int = eqx.field(static=True)
    steps: Passes = eqx.field(static=True)
    temperature: float = eqx.field(static=True)

    def __init__(
        self,
        network: Transformer,
        format: Format,
        *,
        steps: Passes | Mapping[str, Any] = Passes(per_token=1.0),
        temperature: float = 1.0,
    ):
        check_temperature(temperature)
        self.network = network
        self.answer_length = format.answer_length
        self.steps = Passes.of(steps)
        self.temperature = temperature

    def denoise(
        self, prompt: Int[Array, " length"], answer: Int[Array, " answer_length"]
    ) -> Float[Array, "answer_length vocabulary"]:
        """Logits of the clean answer, given one in which some tokens are masked (QUERY).

        The clean answer holds no QUERY: its probability is zero, as in Sahoo et al. 2024, section 3.2.3.
        """
        logits = self.network(jnp.concatenate([prompt[: -self.answer_length], answer]))
        return logits[-self.answer_length :].at[:, QUERY].set(-jnp.inf)

    def loss(self, instances: Instances, *, key: Key[Array, ""]) -> Float[Array, ""]:
        """The bound on the answer's negative log-likelihood, per token, in the form that draws how many
        tokens are masked, uniform in 1..answer_length, and then which (Ou et al. 2025, equation 3.4)."""
        count_key, order_key = jax.random.split(key)
        answer = instances.answer
        masked_count = jax.random.randint(count_key, (len(answer), 1), 1, self.answer_length + 1)
        rank = jax.random.uniform(order_key, answer.shape).argsort(-1).argsort(-1)
        masked = rank < masked_count
        logits = jax.vmap(self.denoise)(instances.prompt, jnp.where(masked, QUERY, answer))
        log_probability = jax.nn.log_softmax(logits)
        right = jnp.take_along_axis(log_probability, answer[..., None], axis=-1)[..., 0]
        return -((right * masked).sum(-1) / masked_count[:, 0]).mean()

    def solve(self, prompt: Int[Array, " length"], *, key: Key[Array, ""]) -> Int[Array, " answer_length"]:
        count = self.steps(len(prompt))

        def step(answer, now):
            left, key = now
            reveal_key, value_key = jax.random.split(key)
            value = choose(self.denoise(prompt, answer), self.temperature, key=value_key)
            revealed = jax.random.uniform(reveal_key, answer.shape) * left < 1
            return jnp.where((answer == QUERY) & revealed, value, answer), None

        masked = jnp.full(self.answer_length, QUERY, dtype=prompt.dtype)
        answer, _ = jax.lax.scan(step, masked, (count - jnp.arange(count), jax.random.split(key, count)))
        return answer

    def budget(self, prompt_length: int) -> int:
        return self.steps(prompt_length)

    def span(self, prompt_length: int) -> int:
        return self.budget(prompt_length) * self.network.span(prompt_length)
