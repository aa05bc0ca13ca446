"""The networks against their equations in NumPy, one position at a time, in double precision."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seriality.instance import Format
from seriality.networks import GRU, MLP, StateSpace, Transformer
from seriality.networks.state_space import all_states
from seriality.networks.transformer import attend, rotate

LENGTH = 7
LAYOUT = Format(tuple("abcdef"), prompt_length=LENGTH, trace_length=3, answer_length=2)
TOKENS = np.array([3, 1, 5, 0, 1, 2, 4])


def in_numpy(module):
    return jax.tree.map(lambda x: np.asarray(x, float), eqx.filter(module, eqx.is_inexact_array))


def layers_of(blocks):
    count = len(jax.tree.leaves(blocks)[0])
    return [jax.tree.map(lambda x, layer=layer: x[layer], blocks) for layer in range(count)]


def agrees(network, expected):
    np.testing.assert_allclose(eqx.filter_jit(network)(jnp.asarray(TOKENS)), expected, rtol=2e-4, atol=2e-4)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softplus(x):
    return np.log1p(np.exp(x))


def relu(x):
    return np.maximum(x, 0)


def norm(x, scale):
    return x / np.sqrt(np.mean(x**2, -1, keepdims=True) + 1e-6) * scale


def test_gru(filled):
    """Cho et al. (2014), the reset after the recurrent product as in cuDNN."""
    network = filled(GRU, LAYOUT, width=5, layers=2)
    p = in_numpy(network)
    x = p.embedding[TOKENS]
    for layer in layers_of(p.blocks):
        w_r, w_z, w_n = np.split(layer.input_weights, 3, 1)
        u_r, u_z, u_n = np.split(layer.recurrent_weights, 3, 1)
        b_r, b_z, b_n = np.split(layer.bias, 3)
        h, states = np.zeros(5), []
        for x_t in x:
            r = sigmoid(x_t @ w_r + h @ u_r + b_r)
            z = sigmoid(x_t @ w_z + h @ u_z + b_z)
            n = np.tanh(x_t @ w_n + b_n + r * (h @ u_n + layer.candidate_bias))
            h = (1 - z) * n + z * h
            states.append(h)
        x = np.array(states)
    agrees(network, x @ p.unembedding)


def test_state_space_model(filled):
    """Gu & Dao (2023), Algorithm 2, with the state carried from position to position."""
    width, states = 32, 3
    network = filled(StateSpace, LAYOUT, width=width, layers=2, states=states)
    p = in_numpy(network)
    x = p.embedding[TOKENS]
    for layer in layers_of(p.blocks):
        inner, gate = np.split(norm(x, layer.scale) @ layer.in_projection, 2, 1)
        h, outputs = np.zeros((2 * width, states)), []
        for t in range(LENGTH):
            taps = [inner[t - 3 + tap] * layer.filters[tap] for tap in range(4) if t - 3 + tap >= 0]
            u = sum(taps) * sigmoid(sum(taps))
            step, into, out = np.split(u @ layer.selection, [width // 16, width // 16 + states])
            delta = softplus(step @ layer.step_projection + layer.step_bias)
            for channel in range(2 * width):
                a = np.exp(-delta[channel] * np.exp(layer.log_decay[channel]))
                h[channel] = a * h[channel] + delta[channel] * u[channel] * into
            outputs.append(h @ out + layer.skip * u)
        x = x + (np.array(outputs) * gate * sigmoid(gate)) @ layer.out_projection
    agrees(network, norm(x, p.scale) @ p.unembedding)


@pytest.mark.parametrize("causal", [True, False])
def test_transformer(causal, filled):
    """Vaswani et al. (2017) query by query; the rotation is a product of complex numbers (Su et al. 2021)."""
    heads, size = 2, 4
    network = filled(Transformer, LAYOUT, width=8, layers=2, heads=heads, causal=causal)
    p = in_numpy(network)
    turn = np.exp(1j * np.arange(LENGTH)[:, None] * 1000.0 ** -np.array([0, 0.5]))

    def rotated(v):
        turned = (v[:, :2] + 1j * v[:, 2:]) * turn
        return np.concatenate([turned.real, turned.imag], 1)

    x = p.embedding[TOKENS]
    for layer in layers_of(p.blocks):
        parts = np.split(norm(x, layer.attention_scale) @ layer.queries_keys_values + layer.bias, 3, 1)
        mixed = np.zeros((LENGTH, heads * size))
        for head in range(heads):
            columns = slice(head * size, (head + 1) * size)
            q, k, v = (part[:, columns] for part in parts)
            q, k = rotated(q), rotated(k)
            for t in range(LENGTH):
                last = t + 1 if causal else LENGTH
                weight = np.exp([q[t] @ k[s] / np.sqrt(size) for s in range(last)])
                mixed[t, columns] = weight / weight.sum() @ v[:last]
        x = x + mixed @ layer.attention_out
        x = x + relu(norm(x, layer.feed_forward_scale) @ layer.up) ** 2 @ layer.down
    agrees(network, norm(x, p.scale) @ p.unembedding)


@pytest.mark.parametrize("layers", [1, 3])
def test_mlp(layers, filled):
    network = filled(MLP, LAYOUT, width=8, layers=layers, features=3)
    p = in_numpy(network)
    x = np.concatenate([p.embedding[token] for token in TOKENS])
    for matrix, bias in zip([p.input_weights, *p.hidden], p.bias, strict=True):
        x = relu(x @ matrix + bias)
    agrees(network, (x @ p.output_weights).reshape(2, 6))


def test_attention_looks_only_where_it_may():
    queries, keys, values = jax.random.normal(jax.random.key(4), (3, 3, 2, 4))
    only_one = attend(queries, keys, values, jnp.eye(3, dtype=bool))
    np.testing.assert_allclose(only_one, values.reshape(3, 8), rtol=1e-6)
    assert not np.allclose(attend(queries, keys, values, None), only_one, atol=0.1)


places = st.integers(0, 300)


@settings(max_examples=25, deadline=None)
@given(here=places, there=places, shift=places, seed=st.integers(0, 99))
def test_rotary_scores_depend_on_relative_position_alone(here, there, shift, seed):
    queries, keys = jax.random.normal(jax.random.key(seed), (2, 1, 1, 8))

    def score(i, j):
        return float((rotate(queries, jnp.array([i])) * rotate(keys, jnp.array([j]))).sum())

    assert score(here + shift, there + shift) == pytest.approx(score(here, there), abs=2e-3)
    assert score(here, here) == pytest.approx(float((queries * keys).sum()), abs=2e-3)


def test_rotary_scores_do_depend_on_relative_position():
    ones = jnp.ones((6, 1, 8))
    scores = (rotate(ones, jnp.arange(6)) * rotate(ones, jnp.zeros(6, int))).sum((1, 2))
    assert np.all(np.abs(np.diff(np.asarray(scores))) > 0.1)


@pytest.mark.parametrize("room", [LENGTH, LENGTH + 3])
def test_cached_decoding_is_the_uncached_pass_at_every_position(room, filled):
    network = filled(Transformer, LAYOUT, width=8, layers=2, heads=2, causal=True)
    tokens = jnp.asarray(TOKENS)
    uncached = eqx.filter_jit(network)(tokens)
    prefill = eqx.filter_jit(lambda network, prompt: network.prefill(prompt, room))
    decode = eqx.filter_jit(lambda network, *state: network.decode(*state))
    for prompt_length in (1, 4):
        logits, cache = prefill(network, tokens[:prompt_length])
        np.testing.assert_allclose(logits, uncached[prompt_length - 1], atol=1e-4)
        for place in range(prompt_length, LENGTH):
            logits, cache = decode(network, tokens[place], jnp.array(place), cache)
            np.testing.assert_allclose(logits, uncached[place], atol=1e-4)


def test_what_a_transformer_refuses(filled):
    with pytest.raises(ValueError, match=r"width 12 is not a multiple of 2 \* heads = 8; try width=64"):
        filled(Transformer, LAYOUT, width=12, heads=4)
    full = filled(Transformer, LAYOUT, width=8, heads=2)
    with pytest.raises(ValueError, match="build it with causal=True"):
        full.prefill(jnp.asarray(TOKENS), LENGTH)


def test_the_gradient_of_the_recurrence_is_that_of_its_steps():
    decay_key, drive_key, weight_key = jax.random.split(jax.random.key(0), 3)
    decay = jax.random.uniform(decay_key, (LENGTH, 3, 2))
    drive, weight = (jax.random.normal(k, (LENGTH, 3, 2)) for k in (drive_key, weight_key))

    def one_by_one(decay, drive):
        def step(state, now):
            state = now[0] * state + now[1]
            return state, state

        return jax.lax.scan(step, jnp.zeros((3, 2)), (decay, drive))[1]

    def gradients(states):
        return jax.jit(jax.grad(lambda *maps: jnp.vdot(states(*maps), weight), (0, 1)))(decay, drive)

    for found, expected in zip(gradients(all_states), gradients(one_by_one), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
        assert np.abs(expected).max() > 0.1


def test_the_recurrence_is_differentiated_in_a_batch_as_alone():
    decay, drive = jax.random.uniform(jax.random.key(1), (2, 4, LENGTH, 3, 2))

    def gradient(decay, drive):
        return jax.grad(lambda decay, drive: (all_states(decay, drive) ** 2).sum(), (0, 1))(decay, drive)

    def of_the_batch(decay, drive):
        return (jax.vmap(all_states)(decay, drive) ** 2).sum()

    alone = jax.jit(jax.vmap(gradient))(decay, drive)
    for found, expected in zip(jax.jit(jax.grad(of_the_batch, (0, 1)))(decay, drive), alone, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-5)
