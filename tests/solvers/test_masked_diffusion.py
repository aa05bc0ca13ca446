"""The sampler against the law of a known denoiser, and the loss against all masks and all orders."""

import math
from collections.abc import Callable
from itertools import combinations, pairwise, permutations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array, Float

from seriality.instance import QUERY, UNASKED, Instances
from seriality.networks import Transformer
from seriality.solvers import MaskedDiffusion

KEY = jax.random.key(3)
JOINT = np.array([[0.45, 0.05], [0.1, 0.4]])
FIRST = 2


class Known(Transformer):
    """The exact denoiser of two answer tokens with a known joint distribution."""

    joint: Float[Array, "2 2"]

    def __init__(self, format, *, joint, key):
        super().__init__(format, width=8, heads=1, key=key)
        self.joint = joint

    def __call__(self, tokens):
        left, right = tokens[-2:] - FIRST
        given_right = jnp.where(right < 0, self.joint.sum(1), self.joint[:, right])
        given_left = jnp.where(left < 0, self.joint.sum(0), self.joint[left])
        logits = jnp.log(jnp.stack([given_right, given_left]))
        return jnp.concatenate([jnp.full((2, FIRST), -30.0), logits], axis=1)


class Watched(Transformer):
    """Equal logits for everything, the mask's token by far the largest; tells what it was given."""

    tell: Callable = eqx.field(static=True)

    def __init__(self, format, *, tell, key):
        super().__init__(format, width=8, heads=1, key=key)
        self.tell = tell

    def __call__(self, tokens):
        jax.debug.callback(self.tell, tokens, ordered=True)
        return jnp.zeros((len(tokens), 5)).at[:, QUERY].set(9.0)


def diffusion(network, layout, steps):
    return MaskedDiffusion(network, layout, steps={"constant": steps})


def chi_square(counts, shares):
    expected = counts.sum() * shares
    return np.sum((counts - expected) ** 2 / expected)


def test_answers_follow_the_law_of_the_denoiser(layout, filled):
    """Both tokens fall to the same one of T steps with probability 1/T, and are independent then."""
    shape = layout(vocabulary=4)
    network = filled(Known, shape, joint=jnp.zeros((2, 2)))
    network = eqx.tree_at(lambda n: n.joint, network, jnp.asarray(JOINT, jnp.float32))
    independent = np.outer(JOINT.sum(1), JOINT.sum(0))
    prompt = jnp.array([2, 3, 2, 3, QUERY, QUERY])
    for steps in (1, 3):
        solver = diffusion(network, shape, steps)
        answers = jax.jit(jax.vmap(lambda key, solver=solver: solver.solve(prompt, key=key)))(
            jax.random.split(KEY, 20_000)
        )
        counts = np.bincount(np.asarray(answers - FIRST) @ [2, 1], minlength=4)
        law = (1 - 1 / steps) * JOINT + independent / steps
        assert chi_square(counts, law.ravel()) < 16.3  # 3 degrees, p = 0.001
        assert chi_square(counts, JOINT.ravel()) > 100


def test_tokens_are_revealed_on_the_linear_schedule_and_stay(layout, filled):
    steps, length, count = 4, 3, 400
    shape = layout(prompt_length=7, answer_length=length)
    seen = []
    network = filled(Watched, shape, tell=lambda tokens: seen.append(np.array(tokens)))
    prompt = jnp.array([2, 3, 4, 2, QUERY, QUERY, QUERY])

    @jax.jit
    def run(keys):
        return jax.lax.map(lambda key: diffusion(network, shape, steps).solve(prompt, key=key), keys)

    answers = np.asarray(run(jax.random.split(KEY, count)))
    jax.effects_barrier()
    given = np.array(seen).reshape(count, steps, 7)
    assert np.all(given[:, :, :4] == prompt[:4])
    states = np.concatenate([given[:, :, 4:], answers[:, None]], axis=1)
    revealed = states != QUERY
    assert not revealed[:, 0].any()
    assert revealed[:, -1].all()
    for before, after in pairwise(states.transpose(1, 0, 2)):
        assert np.all((before == QUERY) | (before == after))
    for step in range(steps + 1):
        share = step / steps
        bound = 4 * math.sqrt(share * (1 - share) / (count * length))
        assert abs(revealed[:, step].mean() - share) <= bound


def test_a_block_with_the_trace_stands_in_the_place_of_the_answer(layout, filled):
    seen = []
    shape = layout(prompt_length=6, trace_length=3, answer_length=2)
    network = filled(Watched, shape, tell=lambda tokens: seen.append(np.array(tokens)))
    solver = MaskedDiffusion(
        network, shape, steps={"constant": 5}, temperature=0.0, order="autoregressive", block="trace"
    )
    answer = jax.jit(lambda prompt: solver.solve(prompt, key=KEY))(jnp.array([2, 3, 4, 2, QUERY, QUERY]))
    jax.effects_barrier()
    first = 0  # the likeliest but for the mask's token
    expected = [[2, 3, 4, 2] + [first] * step + [QUERY] * (5 - step) for step in range(5)]
    assert np.array(seen).tolist() == expected
    assert answer.tolist() == [first] * 2


@pytest.fixture(scope="module", params=["answer", "trace"])
def case(layout, filled, request):
    """A solver, one instance with a block of three tokens, and the nats of each under each mask.

    The block is the answer, or a trace of one token and an answer of two.
    """
    length = 3
    parts = {"answer": (1, 3), "trace": (1, 2)}[request.param]
    shape = layout(prompt_length=2 + parts[1], trace_length=parts[0], answer_length=parts[1])
    network = filled(Transformer, shape, width=8, heads=2)
    solver = MaskedDiffusion(network, shape, steps={"constant": 4}, block=request.param)
    answer = np.array([3, 2, 4])
    prompt = jnp.array([2, 4, QUERY, QUERY, QUERY])
    instance = Instances(
        prompt=prompt[None, : shape.prompt_length],
        labels=jnp.full((1, shape.prompt_length), UNASKED),
        trace=jnp.asarray(answer)[None, :1],
        answer=jnp.asarray(answer)[None, -parts[1] :],
        depth=jnp.array([1]),
    )
    forward = eqx.filter_jit(lambda network, tokens: network(tokens))
    nats = {}
    for size in range(1, length + 1):
        for mask in combinations(range(length), size):
            tokens = np.array(prompt)
            tokens[2:] = [QUERY if place in mask else token for place, token in enumerate(answer)]
            logits = np.array(forward(solver.network, jnp.asarray(tokens)), float)[-length:]
            logits[:, QUERY] = -np.inf
            log_probability = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
            nats[mask] = -log_probability[range(length), answer]
    return solver, instance, nats


def expected_loss(nats, weight):
    """The mean over masks of the masked tokens' mean."""
    total = sum(weight(len(mask)) for mask in nats)
    return sum(weight(len(mask)) * value[list(mask)].mean() for mask, value in nats.items()) / total


def test_the_loss_is_its_expectation_over_all_masks(case):
    solver, instance, nats = case
    keys = jax.random.split(KEY, 20_000)
    losses = np.asarray(jax.jit(jax.vmap(lambda key: solver.loss(instance, key=key)))(keys))
    error = 5 * losses.std() / len(losses) ** 0.5
    assert abs(losses.mean() - expected_loss(nats, lambda size: 1 / math.comb(3, size))) < error
    assert abs(losses.mean() - expected_loss(nats, lambda size: 1)) > error  # masks drawn alike


def test_the_loss_bounds_the_likelihood_of_random_order_decoding(case):
    """Ou et al. 2025: the loss is the mean over orders of the chain rule: no less than the likelihood's."""
    _, _, nats = case
    chains = []
    for order in permutations(range(3)):
        chains.append(sum(nats[tuple(sorted(order[place:]))][order[place]] for place in range(3)))
    bound = 3 * expected_loss(nats, lambda size: 1 / math.comb(3, size))
    assert bound == pytest.approx(np.mean(chains))
    assert bound > -math.log(np.mean(np.exp(-np.array(chains)))) + 1e-3
