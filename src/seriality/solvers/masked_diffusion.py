"""Absorbing-state diffusion over a block of tokens (Austin et al. 2021; Sahoo et al. 2024).

The block is the answer, whose dimension does not grow with depth. That makes it a discrete analogue of what
Theorem F.2 of Liu et al. 2025 speaks of, whose sampler adds Gaussian noise to continuous outputs
(`ContinuousDiffusion`); the theorem itself does not cover it. Two ways out are dials: a block that holds the
trace too, and a backbone that repeats its layers (`blocks`).

By default the order is random and nothing is remasked: the sampler is the process run backwards. Samplers by
score (`orders`) are not, since what they reveal depends on what the network says, and neither a bound on the
process nor the loss speaks of their law. Remasking keeps the process's marginals (Wang et al. 2025). None of
them changes training.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key

from ..instance import QUERY, Format, Instances
from ..networks.base import AbstractOracle
from .base import AbstractSolver, Passes, check_temperature, choose
from .blocks import Backbone, Block
from .orders import Order, highest, scoring


class MaskedDiffusion(AbstractSolver):
    """T = `steps(prompt length)` denoising passes from a fully masked block.

    At step i of T every token still masked is revealed with probability 1 / (T - i), which is the
    linear schedule's (t - s) / t, with a value chosen from the network's: sampled from its law at temperature
    1, as the process has it; the likeliest at 0.

    `order` names one of ORDERS, or scores tokens: then the ceil(masked / (T - i)) tokens of the highest score
    are revealed at step i, ties at random. Orders that are objects are no settings, and their float arrays
    would be trained; let them hold integers.

    `remasking` is the cap of ReMDM-cap (Wang et al. 2025). On the way from t to s, with alpha_t = 1 - t the
    probability that a token is revealed at t, sigma_t = min(remasking, (1 - alpha_s) / alpha_t); a revealed
    token is masked again with probability sigma_t, and a masked one revealed with probability
    (alpha_s - (1 - sigma_t) alpha_t) / (1 - alpha_t). The last step reveals all and masks nothing.

    `block` is "answer", or "trace" for the trace and then the answer.

    >>> from seriality.networks import Transformer
    >>> from seriality.tasks import Words
    >>> format = Words("S5", length=4).format
    >>> network = Transformer(format, key=jax.random.key(0))
    >>> MaskedDiffusion(network, format, steps=Passes(constant=8)).budget(prompt_length=5)
    8
    """

    version: ClassVar[int] = 1
    later_dials: ClassVar[frozenset[str]] = frozenset({"order", "remasking", "block"})
    network: Backbone | AbstractOracle
    order: Order | None
    block: Block = eqx.field(static=True)
    steps: Passes = eqx.field(static=True)
    temperature: float = eqx.field(static=True)
    remasking: float = eqx.field(static=True)

    def __init__(
        self,
        network: Backbone | AbstractOracle,
        format: Format,
        *,
        steps: Passes | Mapping[str, Any] = Passes(per_token=1.0),
        temperature: float = 1.0,
        order: str | Order = "random",
        remasking: float = 0.0,
        block: str = "answer",
    ):
        check_temperature(temperature)
        if not 0 <= remasking < 1:
            raise ValueError(f"remasking is {remasking}, allowed is 0 (never) to less than 1; try 0.1")
        self.network = network
        self.order = scoring(order)
        self.block = Block.of(block, format)
        self.steps = Passes.of(steps)
        self.temperature = temperature
        self.remasking = remasking
        if remasking and self.order is not None:
            raise ValueError(
                f'remasking is {remasking} with order={order!r}, allowed is 0 unless order="random":'
                " orders by score never mask again, as in LLaDA; try remasking=0.0"
            )

    def denoise(
        self, prompt: Int[Array, " length"], block: Int[Array, " block_length"]
    ) -> Float[Array, "block_length vocabulary"]:
        """Logits of the clean block, given one in which some tokens are masked (QUERY).

        The clean block holds no QUERY: its probability is zero, as in Sahoo et al. 2024, section 3.2.3.
        """
        logits = self.network(self.block.sequence(prompt, block))
        return logits[-self.block.length :].at[:, QUERY].set(-jnp.inf)

    def loss(self, instances: Instances, *, key: Key[Array, ""]) -> Float[Array, ""]:
        """The bound on the block's negative log-likelihood, per token, in the form that draws how many
        tokens are masked, uniform in 1..block_length, and then which (Ou et al. 2025, equation 3.4)."""
        count_key, order_key = jax.random.split(key)
        clean = self.block.clean(instances)
        masked_count = jax.random.randint(count_key, (len(clean), 1), 1, self.block.length + 1)
        rank = jax.random.uniform(order_key, clean.shape).argsort(-1).argsort(-1)
        masked = rank < masked_count
        logits = jax.vmap(self.denoise)(instances.prompt, jnp.where(masked, QUERY, clean))
        log_probability = jax.nn.log_softmax(logits)
        right = jnp.take_along_axis(log_probability, clean[..., None], axis=-1)[..., 0]
        return -((right * masked).sum(-1) / masked_count[:, 0]).mean()

    def solve(self, prompt: Int[Array, " length"], *, key: Key[Array, ""]) -> Int[Array, " answer_length"]:
        masked, steps = self._schedule(prompt, key)
        block, _ = jax.lax.scan(lambda block, now: (self._step(prompt, block, now), None), masked, steps)
        return self.block.answer(block)

    def trajectory(
        self, prompt: Int[Array, " length"], *, key: Key[Array, ""]
    ) -> Int[Array, "steps block_length"]:
        """The block after each step of `solve` with the same key; tokens still masked are QUERY."""

        def step(block, now):
            block = self._step(prompt, block, now)
            return block, block

        masked, steps = self._schedule(prompt, key)
        return jax.lax.scan(step, masked, steps)[1]

    def _schedule(self, prompt: Int[Array, " length"], key: Key[Array, ""]):
        """The masked block; and of every step how many are to go, this one included, with its key."""
        count = self.steps(len(prompt))
        masked = jnp.full(self.block.length, QUERY, dtype=prompt.dtype)
        return masked, (count - jnp.arange(count), jax.random.split(key, count))

    def _step(
        self,
        prompt: Int[Array, " length"],
        block: Int[Array, " block_length"],
        now: tuple[Int[Array, ""], Key[Array, ""]],
    ) -> Int[Array, " block_length"]:
        left, key = now
        reveal_key, value_key = jax.random.split(key)
        logits = self.denoise(prompt, block)
        value = choose(logits, self.temperature, key=value_key)
        if self.remasking:
            return self._remasked(block, value, left, self.steps(len(prompt)), key=reveal_key)
        revealed = self._revealed(prompt, block, logits, left, key=reveal_key)
        return jnp.where((block == QUERY) & revealed, value, block)

    def _revealed(
        self,
        prompt: Int[Array, " length"],
        block: Int[Array, " block_length"],
        logits: Float[Array, "block_length vocabulary"],
        left: Int[Array, ""],
        *,
        key: Key[Array, ""],
    ) -> Bool[Array, " block_length"]:
        """Which tokens are revealed if they are masked, with `left` steps to go, this one included."""
        if self.order is None:
            return jax.random.uniform(key, block.shape) * left < 1
        score_key, tie_key = jax.random.split(key)
        masked = block == QUERY
        score = self.order(prompt, block, jax.nn.log_softmax(logits), key=score_key)
        return highest(score, masked, -(-masked.sum() // left), key=tie_key)

    def _remasked(
        self,
        block: Int[Array, " block_length"],
        value: Int[Array, " block_length"],
        left: Int[Array, ""],
        count: int,
        *,
        key: Key[Array, ""],
    ) -> Int[Array, " block_length"]:
        """The block after a step of ReMDM, from t = left / count to s = (left - 1) / count."""
        done = count - left
        # 0 / 1 for 0 / 0 at the first step: no token is revealed then, so any sigma will do
        sigma = jnp.minimum(self.remasking, (left - 1) / jnp.maximum(done, 1))
        chance = jax.random.uniform(key, block.shape)
        shown = jnp.where(chance * left < 1 + sigma * done, value, QUERY)
        return jnp.where(block == QUERY, shown, jnp.where(chance < sigma, QUERY, block))

    def budget(self, prompt_length: int) -> int:
        return self.steps(prompt_length) * self.block.passes(self.network, prompt_length)

    def span(self, prompt_length: int) -> int:
        return self.steps(prompt_length) * self.block.span(self.network, prompt_length)
