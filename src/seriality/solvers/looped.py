"""Repeated layers with input injection (Dehghani et al. 2019; Bansal et al. 2022; paper, Appendix E)."""

from collections.abc import Mapping
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from ..instance import Format, Instances
from ..networks import Transformer
from ..networks.base import normalise
from ..networks.transformer import PRODUCTS_PER_LAYER
from .base import AbstractSolver, Passes, answer_and_prefix_loss


class Looped(AbstractSolver):
    """x <- normalise(layers(x + embedded prompt)), `loops(prompt length)` times, then the logits.

    The same weights serve every loop, so depth costs no parameters. Only the last `gradient_loops` are
    differentiated (as in Wang et al. 2025a and Bansal et al. 2022): the loops before them bring the state
    as far as the weights now can, and the gradient teaches how to go on from there, at less cost.

    It has the methods of the Transformer inside, so it may stand in its place in a diffusion model.

    >>> from seriality.tasks import Words
    >>> format = Words("S5", length=4).format
    >>> network = Transformer(format, key=jax.random.key(0))
    >>> Looped(network, format, loops=Passes(per_doubling=1)).budget(prompt_length=5)
    3
    """

    version: ClassVar[int] = 1
    network: Transformer
    scale: Float[Array, " width"]
    answer_length: int = eqx.field(static=True)
    loops: Passes = eqx.field(static=True)
    gradient_loops: int = eqx.field(static=True)

    def __init__(
        self,
        network: Transformer,
        format: Format,
        *,
        loops: Passes | Mapping[str, Any] = Passes(per_token=1.0),
        gradient_loops: int = 4,
    ):
        if gradient_loops < 1:
            raise ValueError(f"gradient_loops is {gradient_loops}, allowed is 1 or more, such as 4")
        self.network = network
        self.scale = jnp.ones(network.embedding.shape[-1])
        self.answer_length = format.answer_length
        self.loops = Passes.of(loops)
        self.gradient_loops = gradient_loops

    def embed(self, tokens: Int[Array, " length"]) -> Float[Array, "length width"]:
        return self.network.embed(tokens)

    def transform(self, injected: Float[Array, "length width"]) -> Float[Array, "length width"]:
        """The loops, from nothing but what is injected into each."""

        def loop(x, _):
            return normalise(self.network.transform(x + injected), self.scale), None

        loops = self.loops(len(injected))
        learning = min(self.gradient_loops, loops)
        x, _ = jax.lax.scan(loop, jnp.zeros_like(injected), length=loops - learning)
        x, _ = jax.lax.scan(loop, jax.lax.stop_gradient(x), length=learning)
        return x

    def read(self, x: Float[Array, "length width"]) -> Float[Array, "length vocabulary"]:
        return self.network.read(x)

    def __call__(self, tokens: Int[Array, " length"]) -> Float[Array, "length vocabulary"]:
        """Logits at every position: embed, transform, read, as a Transformer does."""
        return self.read(self.transform(self.embed(tokens)))

    def loss(self, instances: Instances, *, key: Key[Array, ""]) -> Float[Array, ""]:
        return answer_and_prefix_loss(jax.vmap(self)(instances.prompt), instances)

    def solve(self, prompt: Int[Array, " length"], *, key: Key[Array, ""]) -> Int[Array, " answer_length"]:
        return self(prompt)[-self.answer_length :].argmax(-1)

    def budget(self, prompt_length: int) -> int:
        return self.loops(prompt_length)

    def span(self, prompt_length: int) -> int:
        return self.budget(prompt_length) * PRODUCTS_PER_LAYER * self.network.layers + 1
