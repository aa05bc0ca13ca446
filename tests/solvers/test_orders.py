"""Samplers of masked diffusion against the exact law of what they write, by enumeration in NumPy."""

import math
from collections import defaultdict
from itertools import combinations, permutations, product

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array, Float, Int

from seriality.instance import QUERY
from seriality.networks import Transformer
from seriality.solvers import MaskedDiffusion
from seriality.solvers.orders import highest

KEY = jax.random.key(5)
FIRST, VALUES, LENGTH = 2, 3, 3
# Rare values and correlations, so that each order has a law of its own.
JOINT = np.random.default_rng(7).dirichlet(np.full(VALUES**LENGTH, 0.3)).reshape((VALUES,) * LENGTH)
JOINT = 0.9 * JOINT + 0.1 / JOINT.size


class Known(Transformer):
    """The exact denoiser of three answer tokens with a known joint distribution."""

    joint: Float[Array, "3 3 3"]

    def __init__(self, format, *, joint, key):
        super().__init__(format, width=8, heads=1, key=key)
        self.joint = joint

    def __call__(self, tokens):
        answer = tokens[-LENGTH:]
        allowed = jnp.where(answer[:, None] == QUERY, 1.0, jax.nn.one_hot(answer - FIRST, VALUES))
        agreeing = self.joint * jnp.einsum("i,j,k->ijk", *allowed)
        marginals = jnp.stack([agreeing.sum(axes) for axes in ((1, 2), (0, 2), (0, 1))])
        return jnp.concatenate([jnp.full((LENGTH, FIRST), -30.0), jnp.log(marginals)], axis=1)


@pytest.fixture(scope="module")
def answers(layout, filled):
    """`answers(joint, **dials)`: many of a masked diffusion model with the exact denoiser, as an array."""
    shape = layout(prompt_length=5, answer_length=LENGTH, vocabulary=FIRST + VALUES)
    network = filled(Known, shape, joint=jnp.zeros((3, 3, 3)))
    prompt = jnp.array([2, 3, QUERY, QUERY, QUERY])

    def sample(joint, *, count=10_000, **dials):
        known = eqx.tree_at(lambda n: n.joint, network, jnp.asarray(joint, jnp.float32))
        solver = MaskedDiffusion(known, shape, **dials)
        keys = jax.random.split(KEY, count)
        return np.asarray(jax.jit(jax.vmap(lambda key: solver.solve(prompt, key=key)))(keys)) - FIRST

    return sample


def conditionals(joint, state):
    """The law of each token, given those of the state that are not None."""
    agreeing = joint[tuple(slice(None) if value is None else slice(value, value + 1) for value in state)]
    agreeing = agreeing / agreeing.sum()
    return [agreeing.sum(tuple(j for j in range(LENGTH) if j != i)).ravel() for i in range(LENGTH)]


def law(joint, steps, score):
    """The probability of every answer: K = ceil(masked / steps left), ties split evenly, values from the law
    of each token on its own."""
    states = {(None,) * LENGTH: 1.0}
    for left in range(steps, 0, -1):
        after = defaultdict(float)
        for state, weight in states.items():
            masked = [i for i in range(LENGTH) if state[i] is None]
            given = conditionals(joint, state)
            for chosen, share in picks(masked, -(-len(masked) // left), {i: score(i, given) for i in masked}):
                for values in product(range(VALUES), repeat=len(chosen)):
                    chance = math.prod(given[i][v] for i, v in zip(chosen, values, strict=True))
                    new = list(state)
                    for i, v in zip(chosen, values, strict=True):
                        new[i] = v
                    after[tuple(new)] += weight * share * chance
        states = after
    return np.array([states[state] for state in product(range(VALUES), repeat=LENGTH)])


def picks(masked, count, scores):
    """The sets of `count` tokens of the highest scores, each with its share among equals."""
    best = sorted(masked, key=lambda i: -scores[i])[:count]
    top = sorted(round(scores[i], 6) for i in best)
    sets = [c for c in combinations(masked, count) if sorted(round(scores[i], 6) for i in c) == top]
    return [(chosen, 1 / len(sets)) for chosen in sets]


def second(p):
    return np.sort(p)[-2]


SCORES = {
    "confidence": lambda i, given: given[i].max(),
    "margin": lambda i, given: given[i].max() - second(given[i]),
    "autoregressive": lambda i, given: -i,
}


def chi_square(counts, shares):
    expected = counts.sum() * shares
    return np.sum((counts - expected) ** 2 / expected)


def counted(written):
    return np.bincount(written @ [VALUES**2, VALUES, 1], minlength=VALUES**LENGTH)


def test_answers_follow_the_exact_law_of_their_order(answers):
    laws = {name: law(JOINT, 2, score) for name, score in SCORES.items()}
    counts = {name: counted(answers(JOINT, order=name, steps={"constant": 2})) for name in SCORES}
    for name, other in permutations(SCORES, 2):
        assert chi_square(counts[name], laws[name]) < 54.1  # 26 degrees, p = 0.001
        assert chi_square(counts[name], laws[other]) > 100


def test_with_one_token_a_step_the_chain_rule_holds_in_every_order(answers):
    for score in SCORES.values():
        np.testing.assert_allclose(law(JOINT, LENGTH, score), JOINT.ravel(), atol=1e-12)
    counts = counted(answers(JOINT, order="margin", steps={"constant": LENGTH}))
    assert chi_square(counts, JOINT.ravel()) < 54.1


def test_an_order_of_ones_own(answers):
    class Rightmost(eqx.Module):
        places: Int[Array, " block_length"]

        def __call__(self, prompt, answer, log_probability, *, key):
            return self.places.astype(jnp.float32)

    def rightmost(prompt, answer, log_probability, key):
        return jnp.arange(len(answer)).astype(jnp.float32)

    expected = law(JOINT, 2, lambda i, given: i)
    for order in (Rightmost(jnp.arange(LENGTH)), rightmost):
        counts = counted(answers(JOINT, order=order, steps={"constant": 2}))
        assert chi_square(counts, expected) < 54.1
        assert chi_square(counts, law(JOINT, 2, SCORES["autoregressive"])) > 100


class Watched(Transformer):
    """Says the law it was given, and what it was given to `seen`."""

    logits: Float[Array, "positions vocabulary"]
    seen: list = eqx.field(static=True)

    def __init__(self, format, *, logits, seen, key):
        super().__init__(format, width=8, heads=1, key=key)
        self.logits, self.seen = logits, seen

    def __call__(self, tokens):
        jax.debug.callback(lambda x: self.seen.append(np.array(x)), tokens, ordered=True)
        return self.logits


@pytest.fixture(scope="module")
def states(layout, filled):
    """`states(logits, count, steps, **dials)`: the block before every step and after the last one."""

    def watch(logits, count, steps, **dials):
        length = len(logits)
        shape = layout(prompt_length=length + 2, answer_length=length)
        network = eqx.tree_at(
            lambda n: n.logits, filled(Watched, shape, logits=jnp.zeros((length, 5)), seen=[]), logits
        )
        solver = MaskedDiffusion(network, shape, steps={"constant": steps}, **dials)
        prompt = jnp.array([2, 3] + [QUERY] * length)
        run = jax.jit(lambda keys: jax.lax.map(lambda key: solver.solve(prompt, key=key), keys))
        written = np.asarray(run(jax.random.split(KEY, count)))
        jax.effects_barrier()
        given = np.array(network.seen).reshape(count, steps, length + 2)[:, :, 2:]
        return np.concatenate([given, written[:, None]], axis=1)

    return watch


SHARES = np.array(
    [[0.5, 0.2, 0.3], [0.9, 0.09, 0.01], [0.6, 0.39, 0.01], [0.34, 0.33, 0.33], [0.89, 0.06, 0.05]]
)
LOGITS = jnp.concatenate([jnp.full((5, 2), -30.0), jnp.log(jnp.asarray(SHARES, jnp.float32))], axis=1)


@pytest.mark.parametrize(
    ("order", "sequence"),
    [("confidence", [1, 4, 2, 0, 3]), ("margin", [4, 1, 2, 0, 3]), ("autoregressive", [0, 1, 2, 3, 4])],
)
@pytest.mark.parametrize(("steps", "shares"), [(2, [3, 2]), (3, [2, 2, 1]), (7, [1] * 5 + [0] * 2)])
def test_each_step_reveals_its_share_in_the_order_of_the_scores(order, sequence, steps, shares, states):
    (blocks,) = states(LOGITS, 1, steps, order=order, temperature=0.0)
    revealed = blocks != QUERY
    for step, done in enumerate(np.cumsum([0, *shares])):
        assert set(np.flatnonzero(revealed[step])) == set(sequence[:done])
    assert blocks[-1].tolist() == [2] * 5


@pytest.mark.parametrize("order", ["confidence", "margin"])
def test_equal_scores_are_put_in_a_random_order(order, states):
    equal = jnp.tile(LOGITS[:1], (3, 1))
    blocks = states(equal, 600, 3, order=order)
    orders = [tuple((block != QUERY).argmax(0)) for block in blocks]
    counts = np.array([orders.count(each) for each in permutations((1, 2, 3))])
    assert counts.sum() == 600
    assert chi_square(counts, np.full(6, 1 / 6)) < 20.5  # 5 degrees, p = 0.001
    always = states(equal, 30, 3, order="autoregressive")
    assert {tuple((block != QUERY).argmax(0)) for block in always} == {(1, 2, 3)}


def test_only_masked_tokens_are_revealed_whatever_their_scores():
    score = jnp.array([5.0, -jnp.inf, 3.0, jnp.inf, 4.0])
    masked = jnp.array([False, True, True, False, True])
    for count, expected in enumerate(([], [4], [2, 4], [1, 2, 4], [1, 2, 4])):
        found = highest(score, masked, jnp.array(count), key=KEY)
        assert np.flatnonzero(found).tolist() == expected


REMASKING, STEPS, MANY = 0.4, 5, 2500


@pytest.fixture(scope="module")
def remasked(states):
    return states(LOGITS[:3], MANY, STEPS, remasking=REMASKING) == QUERY


def test_remasking_keeps_the_marginals_of_the_process(remasked):
    """At t = 1 - i / T each token is masked with probability t, independently of the others."""
    for step in range(STEPS + 1):
        t = 1 - step / STEPS
        counts = np.bincount(remasked[:, step].sum(1), minlength=4)
        shares = np.array([math.comb(3, k) * t**k * (1 - t) ** (3 - k) for k in range(4)])
        if step in (0, STEPS):
            assert counts.tolist() == (MANY * shares).tolist()
        else:
            assert chi_square(counts, shares) < 16.3  # 3 degrees, p = 0.001


def test_remasking_is_that_of_remdm_with_a_cap(remasked):
    """Its formula in alpha_t = 1 - t, of both ways to change."""
    for step in range(1, STEPS):
        alpha, later = step / STEPS, (step + 1) / STEPS
        sigma = min(REMASKING, (1 - later) / alpha)
        reveal = (later - (1 - sigma) * alpha) / (1 - alpha)
        before, after = remasked[:, step], remasked[:, step + 1]
        for among, share in ((~before, sigma), (before, 1 - reveal)):
            tries = among.sum()
            assert abs(after[among].mean() - share) <= 4 * math.sqrt(share * (1 - share) / tries)
    assert (~remasked[:, 1:-2] & remasked[:, 2:-1]).any()


def test_a_token_shown_keeps_its_value_until_it_is_masked(states):
    blocks = states(LOGITS[:3], 300, STEPS, remasking=REMASKING)
    before, after = blocks[:, :-1], blocks[:, 1:]
    assert np.all((before == QUERY) | (after == QUERY) | (before == after))


def test_remasking_leaves_an_exact_denoiser_of_independent_tokens_exact(answers):
    independent = np.einsum("i,j,k->ijk", *np.random.default_rng(2).dirichlet([2, 2, 2], 3))
    counts = counted(answers(independent, steps={"constant": 4}, remasking=0.3))
    assert chi_square(counts, independent.ravel()) < 54.1
