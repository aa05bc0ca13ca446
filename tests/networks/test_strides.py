"""A recurrent network that takes in several tokens a step, beside a plain loop over its steps."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from seriality.meter import measure
from seriality.networks import GRU
from seriality.tasks import Words

FORMAT = Words("S5", length=8).format  # prompts of 9 tokens


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def by_hand(network, tokens):
    """Step by step in float64: the tokens padded on the left, a step for each `stride` of them."""
    stride, width = network.stride, network.embedding.shape[1]
    get = lambda leaf: np.asarray(leaf, np.float64)  # noqa: E731
    x = np.concatenate([np.zeros((-len(tokens) % stride, width)), get(network.embedding)[tokens]])
    x = x.reshape(-1, stride * width)
    if network.entry is not None:
        x = x @ get(network.entry)
    block, state, states = network.blocks, np.zeros(width), []
    for entered in x @ get(block.input_weights[0]) + get(block.bias[0]):
        reset_in, update_in, candidate_in = np.split(entered, 3)
        reset_state, update_state, candidate_state = np.split(state @ get(block.recurrent_weights[0]), 3)
        reset, update = sigmoid(reset_in + reset_state), sigmoid(update_in + update_state)
        candidate = np.tanh(candidate_in + reset * (candidate_state + get(block.candidate_bias[0])))
        state = candidate + update * (state - candidate)
        states.append(state)
    logits = (np.array(states) @ get(network.unembedding)).reshape(len(states) * stride, -1)
    return logits[-len(tokens) :], len(states)


@pytest.mark.parametrize("stride", [1, 2, 3, 4, 9, 20])
def test_it_is_a_loop_over_whole_steps(stride, filled):
    network = filled(GRU, FORMAT, width=6, stride=stride)
    tokens = np.random.default_rng(0).integers(0, FORMAT.vocabulary, 9)
    expected, steps = by_hand(network, tokens)
    np.testing.assert_allclose(network(jnp.array(tokens)), expected, atol=2e-4)
    assert steps == -(-9 // stride)
    assert network.span(9) == steps + 1 + (stride > 1)


@pytest.mark.parametrize("stride", [1, 2, 4])
def test_the_declared_span_is_metered(stride):
    network = GRU(FORMAT, width=6, layers=2, stride=stride, key=jax.random.key(0))
    measured = measure(lambda n, t: n(t), network, jnp.zeros(9, int), cost_model="layer")
    assert measured.span == network.span(9)


def test_a_stride_below_one_is_refused():
    with pytest.raises(ValueError, match="stride is 0"):
        GRU(FORMAT, stride=0, key=jax.random.key(0))
