"""Transformer (Vaswani et al. 2017), causal or full, pre-normalised, with rotary positions (Su et al.
2021) and a feed-forward part of squared rectifiers (So et al. 2021).

The layers are one stacked block run by a scan, so compile time does not grow with depth. A causal
Transformer also decodes token by token with a cache of keys and values.
"""

from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key

from ..instance import Format
from .base import UNROLL, AbstractNetwork, normalise, refuse, weights

PRODUCTS_PER_LAYER = 6
"""Dependent matrix products: queries/keys/values, scores, mixing, output, and two feed-forward."""


class Cache(eqx.Module):
    """Keys and values of every layer, for positions yet to come too."""

    keys: Float[Array, "layers length heads features"]
    values: Float[Array, "layers length heads features"]


def rotate(
    x: Float[Array, "length heads features"], positions: Int[Array, " length"]
) -> Float[Array, "length heads features"]:
    """Rotary position embedding: feature pairs turned by position times a geometric range of angles."""
    half = x.shape[-1] // 2
    angle = positions[:, None, None] * 1000.0 ** (-jnp.arange(half) / half)
    cosine, sine = jnp.cos(angle), jnp.sin(angle)
    left, right = x[..., :half], x[..., half:]
    return jnp.concatenate([left * cosine - right * sine, left * sine + right * cosine], axis=-1)


def attend(
    queries: Float[Array, "length heads features"],
    keys: Float[Array, "source heads features"],
    values: Float[Array, "source heads features"],
    seen: Bool[Array, "length source"] | None,
) -> Float[Array, "length heads*features"]:
    """Softmax attention; `seen` says which sources each query may look at, all if None."""
    scores = jnp.einsum("qhf,khf->hqk", queries, keys) / queries.shape[-1] ** 0.5
    if seen is not None:
        scores = jnp.where(seen, scores, -1e9)
    mixed = jnp.einsum("hqk,khf->qhf", jax.nn.softmax(scores), values)
    return mixed.reshape(len(queries), -1)


class Block(eqx.Module):
    """One layer: attention, then a feed-forward part, each added to the residual stream."""

    attention_scale: Float[Array, " width"]
    queries_keys_values: Float[Array, "width 3*width"]
    bias: Float[Array, " 3*width"]
    attention_out: Float[Array, "width width"]
    feed_forward_scale: Float[Array, " width"]
    up: Float[Array, "width 4*width"]
    down: Float[Array, "4*width width"]
    heads: int = eqx.field(static=True)

    def __init__(self, width: int, heads: int, *, key: Key[Array, ""]):
        attention_key, out_key, up_key, down_key = jax.random.split(key, 4)
        self.attention_scale = jnp.ones(width)
        self.queries_keys_values = weights(attention_key, width, 3 * width)
        # Without a bias, attention to a fixed distance has no content to start from and is learnt slowly.
        self.bias = jnp.zeros(3 * width)
        self.attention_out = weights(out_key, width, width)
        self.feed_forward_scale = jnp.ones(width)
        self.up = weights(up_key, width, 4 * width)
        self.down = weights(down_key, 4 * width, width)
        self.heads = heads

    def project(self, x: Float[Array, "length width"], positions: Int[Array, " length"]):
        """Queries, keys and values, each [length, heads, features]."""
        projected = normalise(x, self.attention_scale) @ self.queries_keys_values + self.bias
        queries, keys, values = jnp.split(projected.reshape(len(x), 3 * self.heads, -1), 3, axis=1)
        return rotate(queries, positions), rotate(keys, positions), values

    def finish(self, x: Float[Array, "length width"], mixed: Float[Array, "length width"]):
        """The residual stream after attention has mixed the values."""
        x = x + mixed @ self.attention_out
        hidden = jax.nn.relu(normalise(x, self.feed_forward_scale) @ self.up)
        return x + (hidden * hidden) @ self.down


class Transformer(AbstractNetwork):
    """`layers` blocks of `width` with `heads`; logits at every position.

    >>> from seriality.tasks import Words
    >>> Transformer(Words("S5", length=4).format, layers=2, key=jax.random.key(0)).span(5)
    13
    """

    version: ClassVar[int] = 1
    embedding: Float[Array, "vocabulary width"]
    blocks: Block
    scale: Float[Array, " width"]
    unembedding: Float[Array, "width vocabulary"]
    causal: bool = eqx.field(static=True)

    def __init__(
        self,
        format: Format,
        *,
        width: int = 64,
        layers: int = 2,
        heads: int = 4,
        causal: bool = False,
        key: Key[Array, ""],
    ):
        refuse("Transformer", width=width, layers=layers, heads=heads)
        if width % (2 * heads):
            raise ValueError(
                f"width {width} is not a multiple of 2 * heads = {2 * heads}; try width={2 * heads * 8}"
            )
        embedding_key, blocks_key, unembedding_key = jax.random.split(key, 3)
        self.embedding = jax.random.normal(embedding_key, (format.vocabulary, width))
        self.blocks = eqx.filter_vmap(lambda k: Block(width, heads, key=k))(
            jax.random.split(blocks_key, layers)
        )
        self.scale = jnp.ones(width)
        self.unembedding = weights(unembedding_key, width, format.vocabulary)
        self.causal = causal

    @property
    def layers(self) -> int:
        return self.blocks.up.shape[-3]

    def embed(self, tokens: Int[Array, " length"]) -> Float[Array, "length width"]:
        return self.embedding[tokens]

    def transform(self, x: Float[Array, "length width"]) -> Float[Array, "length width"]:
        """The blocks once over: what `Looped` repeats."""
        x, _ = self._transform(x, jnp.arange(len(x)))
        return x

    def _transform(self, x, positions):
        order = jnp.arange(len(x))
        seen = order[:, None] >= order if self.causal else None

        def layer(x, block):
            queries, keys, values = block.project(x, positions)
            return block.finish(x, attend(queries, keys, values, seen)), (keys, values)

        return jax.lax.scan(layer, x, self.blocks, unroll=UNROLL)

    def read(self, x: Float[Array, "length width"]) -> Float[Array, "length vocabulary"]:
        return normalise(x, self.scale) @ self.unembedding

    def __call__(
        self, tokens: Int[Array, " length"], positions: Int[Array, " length"] | None = None
    ) -> Float[Array, "length vocabulary"]:
        """`positions` are those at which the tokens stand, rising; 0, 1, 2, … if absent."""
        positions = jnp.arange(len(tokens)) if positions is None else positions
        return self.read(self._transform(self.embed(tokens), positions)[0])

    def prefill(self, tokens: Int[Array, " length"], room: int) -> tuple[Float[Array, " vocabulary"], Cache]:
        """Logits after the last token, and a cache with room for `room` positions in all."""
        if not self.causal:
            raise ValueError("only a causal Transformer decodes with a cache; build it with causal=True")
        x, (keys, values) = self._transform(self.embed(tokens), jnp.arange(len(tokens)))
        spare = [(0, 0), (0, room - len(tokens)), (0, 0), (0, 0)]
        return self.read(x[-1:])[0], Cache(jnp.pad(keys, spare), jnp.pad(values, spare))

    def decode(
        self,
        token: Int[Array, ""],
        place: Int[Array, ""],
        cache: Cache,
        position: Int[Array, ""] | None = None,
    ) -> tuple[Float[Array, " vocabulary"], Cache]:
        """Logits after `token`, and the cache with that place filled. The token's `position` is its place if
        absent."""
        position = place if position is None else position
        seen = (jnp.arange(cache.keys.shape[1]) <= place)[None]

        def layer(x, layer_state):
            block, keys, values = layer_state
            queries, new_keys, new_values = block.project(x, position[None])
            keys = jax.lax.dynamic_update_slice_in_dim(keys, new_keys, place, axis=0)
            values = jax.lax.dynamic_update_slice_in_dim(values, new_values, place, axis=0)
            return block.finish(x, attend(queries, keys, values, seen)), (keys, values)

        x, (keys, values) = jax.lax.scan(
            layer, self.embed(token[None]), (self.blocks, cache.keys, cache.values), unroll=UNROLL
        )
        return self.read(x)[0], Cache(keys, values)

    def span(self, length: int) -> int:
        return PRODUCTS_PER_LAYER * self.layers + 1
