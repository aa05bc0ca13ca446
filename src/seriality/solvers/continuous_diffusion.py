"""Gaussian diffusion of a block of tokens as points in space (Ho et al. 2020; SMLD of Song & Ermon 2019).

This is the kind of model that Theorem F.2 of Liu et al. 2025 speaks of: a score network of bounded depth, T
steps that do not depend on the instance, and an answer that is the sampled point made discrete. Each token is
a fixed point of `features` coordinates, +1 or -1 (analog bits, Chen, Zhang & Hinton 2023). The network sees
the prompt and the noisy points, and says a law over tokens for each of them.

Training is by cross-entropy of the clean token given the noisy points (score interpolation, Dieleman et al.
2022). Its minimiser is the exact law of each token given all noisy points and the prompt, so the mean of the
codes under it is the exact posterior mean E[x_0 | x_t], and (sqrt(a_t) E[x_0 | x_t] - x_t) / (1 - a_t) is the
exact score. For a token, the squared error of the score at level a_t is at most 2 `features` a_t / (1 -
a_t)^2 times the excess of the loss there, in nats (Pinsker's inequality). Levels are drawn uniformly along
the schedule, so the network knows all of them and any T may be used after training.

Sampling and schedule are those of `gaussian`, which also runs denoisers that are not networks. The answer is
the most likely token at each position in the last denoising.

What it does not do: codes are not learnt, there is no self-conditioning, and nothing ties T or the schedule
to the theorem's constants.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from ..instance import QUERY, Format, Instances
from ..networks.base import weights
from .base import AbstractSolver, Passes, cross_entropy
from .blocks import Backbone, Block
from .gaussian import backward, cosine

COSINES = 8
"""How many functions of the level of noise are embedded: cos(pi k t / T) for k from 0."""


def analog_bits(vocabulary: int, features: int) -> Int[Array, "vocabulary features"]:
    """A code of +1 and -1 for each token: its number in binary, then signs from a fixed key.

    The first part keeps codes distinct, the second apart.

    >>> analog_bits(4, 2).tolist()
    [[-1, -1], [1, -1], [-1, 1], [1, 1]]
    """
    digits = (vocabulary - 1).bit_length()
    if features < digits:
        raise ValueError(
            f"features is {features}, allowed is {digits} or more for {vocabulary} tokens;"
            f" try features={2 * digits}"
        )
    bits = jnp.arange(vocabulary)[:, None] >> jnp.arange(digits) & 1
    signs = jax.random.bernoulli(jax.random.key(0), shape=(vocabulary, features - digits))
    return 2 * jnp.concatenate([bits, signs.astype(bits.dtype)], axis=1) - 1


class ContinuousDiffusion(AbstractSolver):
    """T = `steps(prompt length)` denoising passes from noise, by `gaussian.backward`.

    The network's input is the embedded prompt; at the block's positions a linear map of the noisy point and
    an embedding of the level of noise, both learnt, are added to that of QUERY. `block` is "answer", or
    "trace" for the trace and then the answer; `features` is the number of coordinates of a token.

    >>> from seriality.networks import Transformer
    >>> from seriality.tasks import Words
    >>> format = Words("S5", length=4).format
    >>> key = jax.random.key(0)
    >>> network = Transformer(format, key=key)
    >>> ContinuousDiffusion(network, format, steps=Passes(constant=8), key=key).budget(prompt_length=5)
    8
    """

    version: ClassVar[int] = 1
    network: Backbone
    point: Float[Array, "features width"]
    level: Float[Array, "cosines width"]
    codes: Int[Array, "vocabulary features"]  # integers, which training leaves as they are
    block: Block = eqx.field(static=True)
    steps: Passes = eqx.field(static=True)

    def __init__(
        self,
        network: Backbone,
        format: Format,
        *,
        steps: Passes | Mapping[str, Any] = Passes(per_token=1.0),
        features: int = 16,
        block: str = "answer",
        key: Key[Array, ""],
    ):
        point_key, level_key = jax.random.split(key)
        width = len(network.scale)
        self.network = network
        self.point = weights(point_key, features, width)
        self.level = weights(level_key, COSINES, width)
        self.codes = analog_bits(format.vocabulary, features)
        self.block = Block.of(block, format)
        self.steps = Passes.of(steps)

    def denoise(
        self,
        prompt: Int[Array, " length"],
        noisy: Float[Array, "block_length features"],
        level: Float[Array, ""],
    ) -> Float[Array, "block_length vocabulary"]:
        """Logits of the clean block, given its noisy points at a level t / T of the schedule.

        The clean block holds no QUERY: its probability is zero.
        """
        asked = jnp.full(self.block.length, QUERY, prompt.dtype)
        x = self.network.embed(self.block.sequence(prompt, asked))
        before, block = x[: -self.block.length], x[-self.block.length :]
        block = block + noisy @ self.point + jnp.cos(jnp.pi * level * jnp.arange(COSINES)) @ self.level
        x = self.network.transform(jnp.concatenate([before, block]))
        return self.network.read(x[-self.block.length :]).at[:, QUERY].set(-jnp.inf)

    def loss(self, instances: Instances, *, key: Key[Array, ""]) -> Float[Array, ""]:
        """The mean cross-entropy of a block's tokens, each instance at a level t / T uniform in 0..1."""
        level_key, noise_key = jax.random.split(key)
        clean = self.block.clean(instances)
        points = self.codes[clean]
        level = jax.random.uniform(level_key, (len(clean),))
        angle = jnp.pi / 2 * level[:, None, None]  # the square of its cosine is alpha-bar
        noisy = jnp.cos(angle) * points + jnp.sin(angle) * jax.random.normal(noise_key, points.shape)
        return cross_entropy(jax.vmap(self.denoise)(instances.prompt, noisy, level), clean)

    def solve(self, prompt: Int[Array, " length"], *, key: Key[Array, ""]) -> Int[Array, " answer_length"]:
        count = self.steps(len(prompt))
        _, log_probability = backward(
            lambda noisy, t: self.denoise(prompt, noisy, t / count),
            self.codes,
            cosine(count),
            self.block.length,
            key=key,
        )
        return self.block.answer(log_probability.argmax(-1))

    def budget(self, prompt_length: int) -> int:
        return self.steps(prompt_length) * self.block.passes(self.network, prompt_length)

    def span(self, prompt_length: int) -> int:
        """A step maps the points in and takes the mean of the codes; the last answers without the mean."""
        return self.steps(prompt_length) * (self.block.span(self.network, prompt_length) + 2) - 1
