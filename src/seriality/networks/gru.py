"""Gated recurrent unit (Cho et al. 2014), its reset after the product as in cuDNN: the RNN of the table.

Its state moves nonlinearly, so no known re-association shortens the chain of `length` steps. The input's
projection is computed for all positions at once, before the chain. A step may take in several tokens: the
number of recurrent steps is then a dial of serial compute.
"""

from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from ..instance import Format
from .base import UNROLL, AbstractNetwork, refuse, weights


class RecurrentLayer(eqx.Module):
    """One recurrent layer, width in and out."""

    input_weights: Float[Array, "width 3*width"]
    bias: Float[Array, " 3*width"]
    recurrent_weights: Float[Array, "width 3*width"]
    candidate_bias: Float[Array, " width"]

    def __init__(self, width: int, *, key: Key[Array, ""]):
        input_key, recurrent_key = jax.random.split(key)
        self.input_weights = weights(input_key, width, 3 * width)
        self.bias = jnp.zeros(3 * width)
        orthogonal = jax.nn.initializers.orthogonal()
        gates = [orthogonal(k, (width, width)) for k in jax.random.split(recurrent_key, 3)]
        self.recurrent_weights = jnp.concatenate(gates, axis=1)
        self.candidate_bias = jnp.zeros(width)

    def __call__(self, x: Float[Array, "length width"]) -> Float[Array, "length width"]:
        def step(state, entered):
            from_input = jnp.split(entered, 3)
            from_state = jnp.split(state @ self.recurrent_weights, 3)
            reset = jax.nn.sigmoid(from_input[0] + from_state[0])
            update = jax.nn.sigmoid(from_input[1] + from_state[1])
            candidate = jnp.tanh(from_input[2] + reset * (from_state[2] + self.candidate_bias))
            state = candidate + update * (state - candidate)
            return state, state

        _, states = jax.lax.scan(step, jnp.zeros(x.shape[-1]), x @ self.input_weights + self.bias)
        return states


class GRU(AbstractNetwork):
    """`layers` recurrent layers of `width` that take in `stride` tokens a step; logits at every position.

    With a stride above 1 the tokens are padded on the left to whole steps, and the state after a step answers
    for all of its tokens.

    >>> from seriality.tasks import Words
    >>> GRU(Words("S5", length=4).format, layers=1, key=jax.random.key(0)).span(5)
    6
    >>> GRU(Words("S5", length=4).format, layers=1, stride=2, key=jax.random.key(0)).span(5)
    5
    """

    version: ClassVar[int] = 1
    later_dials: ClassVar[frozenset[str]] = frozenset({"stride"})
    embedding: Float[Array, "vocabulary width"]
    entry: Float[Array, "stride*width width"] | None
    blocks: RecurrentLayer
    unembedding: Float[Array, "width stride*vocabulary"]
    stride: int = eqx.field(static=True)

    def __init__(
        self, format: Format, *, width: int = 128, layers: int = 1, stride: int = 1, key: Key[Array, ""]
    ):
        refuse("GRU", width=width, layers=layers, stride=stride)
        embedding_key, blocks_key, unembedding_key = jax.random.split(key, 3)
        self.embedding = jax.random.normal(embedding_key, (format.vocabulary, width))
        self.blocks = eqx.filter_vmap(lambda k: RecurrentLayer(width, key=k))(
            jax.random.split(blocks_key, layers)
        )
        self.unembedding = weights(unembedding_key, width, stride * format.vocabulary)
        self.entry = weights(jax.random.fold_in(key, 3), stride * width, width) if stride > 1 else None
        self.stride = stride

    def __call__(self, tokens: Int[Array, " length"]) -> Float[Array, "length vocabulary"]:
        x = self.embedding[tokens]
        spare = -len(tokens) % self.stride
        if self.entry is not None:
            x = jnp.pad(x, [(spare, 0), (0, 0)]).reshape(-1, self.entry.shape[0]) @ self.entry
        x, _ = jax.lax.scan(lambda x, block: (block(x), None), x, self.blocks, unroll=UNROLL)
        return (x @ self.unembedding).reshape(len(tokens) + spare, -1)[spare:]

    def span(self, length: int) -> int:
        steps = -(-length // self.stride)
        return self.blocks.bias.shape[-2] * steps + 1 + (self.stride > 1)
