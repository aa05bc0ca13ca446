"""Selective diagonal state-space model: the recurrence of Mamba (Gu & Dao 2023).

The state moves by h_t = a(x_t) * h_{t-1} + b(x_t), affine in h, so all states come from one
`associative_scan` in logarithmic span: a recurrence that only looks serial (paper, Appendix C.2).
Zero-order hold for the transition and Euler's rule for the input, as in the original.
"""

from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from ..instance import Format
from .base import UNROLL, AbstractNetwork, normalise, refuse, weights

CONVOLUTION = 4
"""Length of the causal depthwise convolution before the recurrence."""
PRODUCTS_PER_LAYER = 5
"""Dependent matrix products: in, selection, step size, state to output, out."""


class SelectiveLayer(eqx.Module):
    """One residual layer; the channel count inside is twice the width."""

    scale: Float[Array, " width"]
    in_projection: Float[Array, "width entered"]
    filters: Float[Array, "taps channels"]
    selection: Float[Array, "channels selected"]
    step_projection: Float[Array, "rank channels"]
    step_bias: Float[Array, " channels"]
    log_decay: Float[Array, "channels states"]
    skip: Float[Array, " channels"]
    out_projection: Float[Array, "channels width"]

    def __init__(self, width: int, states: int, *, key: Key[Array, ""]):
        in_key, filter_key, selection_key, step_projection_key, step_key, out_key = jax.random.split(key, 6)
        channels, rank = 2 * width, max(1, width // 16)
        self.scale = jnp.ones(width)
        self.in_projection = weights(in_key, width, 2 * channels)
        self.filters = jax.random.normal(filter_key, (CONVOLUTION, channels)) / CONVOLUTION**0.5
        self.selection = weights(selection_key, channels, rank + 2 * states)
        self.step_projection = weights(step_projection_key, rank, channels)
        # Step sizes start log-uniform in [0.001, 0.1]; step_bias is their inverse softplus.
        step = jnp.exp(jax.random.uniform(step_key, (channels,), minval=jnp.log(1e-3), maxval=jnp.log(1e-1)))
        self.step_bias = jnp.log(jnp.expm1(step))
        self.log_decay = jnp.broadcast_to(jnp.log(jnp.arange(1.0, states + 1)), (channels, states))
        self.skip = jnp.ones(channels)
        self.out_projection = weights(out_key, channels, width)

    def __call__(self, x: Float[Array, "length width"]) -> Float[Array, "length width"]:
        inner, gate = jnp.split(normalise(x, self.scale) @ self.in_projection, 2, axis=-1)
        inner = jax.nn.silu(self.convolve(inner))
        return x + (self.recur(inner) * jax.nn.silu(gate)) @ self.out_projection

    def convolve(self, x: Float[Array, "length channels"]) -> Float[Array, "length channels"]:
        padded = jnp.pad(x, [(CONVOLUTION - 1, 0), (0, 0)])
        windows = jnp.stack([padded[tap : tap + len(x)] for tap in range(CONVOLUTION)])
        return (windows * self.filters[:, None]).sum(0)

    def recur(self, x: Float[Array, "length channels"]) -> Float[Array, "length channels"]:
        states = self.log_decay.shape[-1]
        selected = x @ self.selection
        step, into, out = jnp.split(
            selected, [selected.shape[-1] - 2 * states, selected.shape[-1] - states], 1
        )
        step = jax.nn.softplus(step @ self.step_projection + self.step_bias)
        decay = jnp.exp(-step[:, :, None] * jnp.exp(self.log_decay))
        drive = (step * x)[:, :, None] * into[:, None, :]
        state = all_states(decay, drive)
        return jnp.einsum("lcs,ls->lc", state, out) + self.skip * x


def compose(earlier, later):
    """Two affine maps h -> decay * h + drive, as one."""
    return later[0] * earlier[0], later[0] * earlier[1] + later[1]


@jax.custom_vjp
def all_states(
    decay: Float[Array, "length channels states"], drive: Float[Array, "length channels states"]
) -> Float[Array, "length channels states"]:
    """h_t = decay_t * h_{t-1} + drive_t for all t, from h = 0, in logarithmic span."""
    return jax.lax.associative_scan(compose, (decay, drive))[1]


def _before(decay, drive, *, reverse=False):
    """The state before each step, the steps taken one by one."""

    def step(state, now):
        return now[0] * state + now[1], state

    return jax.lax.scan(step, jnp.zeros_like(drive[0]), (decay, drive), reverse=reverse)[1]


# Training is bound by memory traffic, so it takes the steps one by one: the same numbers from the least work.
# An answer, which is what the meter reads, takes the scan.


def _forward(decay, drive):
    before = _before(decay, drive)
    return decay * before + drive, (decay, before)


def _backward(kept, gradient):
    # The adjoint runs the same recurrence backwards: g_t = gradient_t + decay_{t+1} * g_{t+1}.
    decay, before = kept
    later = jnp.concatenate([decay[1:], jnp.zeros_like(decay[:1])])
    adjoint = later * _before(later, gradient, reverse=True) + gradient
    return adjoint * before, adjoint


all_states.defvjp(_forward, _backward)


class StateSpace(AbstractNetwork):
    """`layers` selective layers of `width`, with `states` per channel; logits at every position.

    >>> from seriality.tasks import Words
    >>> StateSpace(Words("S5", length=4).format, layers=2, key=jax.random.key(0)).span(5)
    11
    """

    version: ClassVar[int] = 1
    embedding: Float[Array, "vocabulary width"]
    blocks: SelectiveLayer
    scale: Float[Array, " width"]
    unembedding: Float[Array, "width vocabulary"]

    def __init__(
        self, format: Format, *, width: int = 64, layers: int = 2, states: int = 8, key: Key[Array, ""]
    ):
        refuse("StateSpace", width=width, layers=layers, states=states)
        embedding_key, blocks_key, unembedding_key = jax.random.split(key, 3)
        self.embedding = jax.random.normal(embedding_key, (format.vocabulary, width))
        self.blocks = eqx.filter_vmap(lambda k: SelectiveLayer(width, states, key=k))(
            jax.random.split(blocks_key, layers)
        )
        self.scale = jnp.ones(width)
        self.unembedding = weights(unembedding_key, width, format.vocabulary)

    def __call__(self, tokens: Int[Array, " length"]) -> Float[Array, "length vocabulary"]:
        x = self.embedding[tokens]
        x, _ = jax.lax.scan(lambda x, block: (block(x), None), x, self.blocks, unroll=UNROLL)
        return normalise(x, self.scale) @ self.unembedding

    def span(self, length: int) -> int:
        return PRODUCTS_PER_LAYER * self.blocks.skip.shape[-2] + 1
