"""The weights written by hand: every answer against the task's reference and against tuples composed in plain
Python, every state against what the construction says it is.
"""

from functools import cache
from itertools import product

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from seriality.instance import PAD, QUERY, UNASKED
from seriality.meter import measure
from seriality.networks.base import normalise
from seriality.networks.transformer import attend
from seriality.solvers import build
from seriality.solvers.base import Passes
from seriality.studies.doubling import FREQUENCIES, LEAD, LONGEST, SHARPNESS, constructed, doubling
from seriality.studies.table1 import ROWS
from seriality.tasks import Words

KEY = jax.random.key(11)
LOGITS = eqx.filter_jit(lambda solver, prompts: jax.vmap(solver)(prompts))


def rounding(loops):
    """A bound on how far a state is off: 16 roundings of float32 a loop, doubled in every later one."""
    return 16 * 2.0 ** (loops - 24)


def least_margin(length):
    """Elements that differ agree on three of five points at most, so exact weights have a margin of 2; ten
    entries of the state go into it."""
    return 2 - 10 * rounding(length.bit_length())


@cache
def solver_of(task, loops=None):
    return doubling(task, loops)


def logits(task, prompts, loops=None):
    """Of every prompt, position and token."""
    return np.asarray(LOGITS(solver_of(task, loops), jnp.asarray(prompts, jnp.int32)))


@cache
def image(text):
    """What an element's name says in cycles: (013) maps 0 to 1, 1 to 3 and 3 to 0."""
    places = list(range(5))
    for cycle in text.strip("()").split(")("):
        for here, there in zip(cycle, cycle[1:] + cycle[:1], strict=True):
            places[int(here)] = int(there)
    return tuple(places)


def composed(task, tokens):
    """The token of the product, first letter first, from the names alone."""
    names = task.format.tokens
    total = (0, 1, 2, 3, 4)
    for token in tokens:
        if token not in (PAD, QUERY):
            total = tuple(image(names[token])[place] for place in total)
    return next(token for token in range(2, len(names)) if image(names[token]) == total)


def prompts_of(task, words):
    prompts = np.full((len(words), task.length + 1), PAD)
    for row, word in zip(prompts, words, strict=True):
        row[: len(word)] = word
    prompts[:, -1] = QUERY
    return prompts


def margins(found, truth):
    """The logit of the right token less the largest other."""
    right = np.take_along_axis(found, truth[..., None], -1)[..., 0]
    others = np.where(np.arange(found.shape[-1]) == truth[..., None], -np.inf, found)
    return right - others.max(-1)


# Answers


@pytest.mark.parametrize("length", [1, 3, 5])
def test_every_word_of_the_two_generators_is_multiplied(length):
    task = Words("S5", length=length)
    letters = sorted({task.format.tokens.index(name) for name in ("(01)", "(01234)")})
    words = [word for d in range(1, length + 1) for word in product(letters, repeat=d)]
    found = logits(task, prompts_of(task, words))[:, -1]
    assert found.argmax(-1).tolist() == [composed(task, word) for word in words]


def test_every_pair_of_elements_is_multiplied():
    task = Words("S5", length=2, generators="all")
    words = list(product(range(2, 122), repeat=2))
    found = logits(task, prompts_of(task, words))[:, -1]
    truth = np.array([composed(task, word) for word in words])
    assert len(set(truth.tolist())) == 120
    assert margins(found, truth).min() > least_margin(2)


@pytest.mark.parametrize(
    ("monoid", "length", "generators"),
    [
        ("S5", 5, "few"),
        ("S5", 16, "all"),
        ("S5", 33, "few"),
        ("S5", 64, "all"),
        ("A5", 5, "all"),
    ],
)
def test_random_words_of_every_length_are_multiplied_at_every_position(monoid, length, generators):
    """The last position has the product of all letters, each other one that of the letters up to it."""
    task = Words(monoid, length=length, generators=generators)
    depths = jnp.asarray(length - np.arange(48) % length)
    batch = jax.tree.map(np.asarray, task.sample(48, key=KEY, depth=depths))
    found = logits(task, batch.prompt)
    truth = np.asarray(jax.vmap(task.reference)(batch.prompt))[:, 0]
    assert truth.tolist() == [composed(task, prompt) for prompt in batch.prompt.tolist()]
    assert margins(found[:, -1], truth).min() > least_margin(length)
    asked = batch.labels != UNASKED
    assert (found.argmax(-1) == batch.labels)[asked].all()
    assert asked[:, :-1].any()


def test_the_longest_words_are_multiplied():
    task = Words("S5", length=LONGEST, generators="all")
    prompts = np.asarray(task.sample(4, key=KEY).prompt)
    truth = np.array([composed(task, prompt) for prompt in prompts.tolist()])
    assert margins(logits(task, prompts)[:, -1], truth).min() > least_margin(LONGEST)


@pytest.mark.parametrize(("length", "generators"), [(16, "few"), (64, "all")])
def test_one_loop_fewer_multiplies_as_many_letters_as_its_windows_hold_and_is_wrong(length, generators):
    task = Words("S5", length=length, generators=generators)
    fewer = solver_of(task).budget(length + 1) - 1
    prompts = np.asarray(task.sample(240, key=KEY).prompt)
    found = logits(task, prompts, Passes(constant=fewer))[:, -1].argmax(-1)
    inside = [composed(task, prompt[-(2**fewer) :]) for prompt in prompts.tolist()]
    assert found.tolist() == inside
    truth = np.asarray(jax.vmap(task.reference)(prompts))[:, 0]
    missed = length + 1 - 2**fewer
    # One letter of "few" is missed, which is never the identity; of "all" the product of those missed is
    # any element as likely as any other, so 2 of 240 are expected to be right.
    assert (found == truth).sum() <= (0 if (missed, generators) == (1, "few") else 8)


def test_letters_of_another_order_have_another_product():
    """The twin: were the word read from right to left, the tests above would notice."""
    task = Words("S5", length=5)
    prompts = np.asarray(task.sample(48, key=KEY).prompt)
    backwards = np.array([composed(task, prompt[::-1]) for prompt in prompts.tolist()])
    assert (logits(task, prompts)[:, -1].argmax(-1) != backwards).any()


# What the construction says of itself


def test_the_weights_are_the_same_for_every_length():
    short, long = (eqx.filter(solver_of(Words("S5", length=n)), eqx.is_inexact_array) for n in (1, LONGEST))
    assert all(jax.tree.leaves(jax.tree.map(lambda a, b: bool((a == b).all()), short, long)))


def test_the_network_is_that_of_the_row_that_is_trained():
    task = Words("S5", length=16)
    trained = eqx.filter(build(ROWS["Repeating layers"], task.format, key=KEY), eqx.is_inexact_array)
    by_hand = eqx.filter(solver_of(task), eqx.is_inexact_array)
    shapes = [
        [(leaf.shape, leaf.dtype) for leaf in jax.tree.leaves(parameters)]
        for parameters in (trained, by_hand)
    ]
    assert shapes[0] == shapes[1]
    assert solver_of(task).network.blocks.heads == 4
    assert not solver_of(task).network.causal


def test_other_scores_and_the_lead_stay_apart_up_to_the_longest_words():
    """By the formula, in float64: distances between two wrong places reach twice the length."""
    far = np.cos(np.outer(np.arange(1, 2 * LONGEST + 1), FREQUENCIES[:4])).mean(1).max()
    lead = sum(share * np.cos(FREQUENCIES[f] * np.arange(LONGEST + 1)) for f, share in LEAD.items())
    assert far < 0.859
    assert lead.min() >= 0.925
    assert lead.max() < 0.934
    # Between the others, all at the nearest, and the one wanted: far less than float32 adds to one.
    assert LONGEST * np.exp(-SHARPNESS * min(lead.min() - far, 1 - lead.max())) < 1e-20


@pytest.mark.parametrize("length", [5, 100, LONGEST])
def test_every_loop_looks_twice_as_far_and_keeps_the_sums_of_squares(length):
    task = Words("S5", length=length, generators="all")
    solver = solver_of(task)
    first, second = (jax.tree.map(lambda a, n=n: a[n], solver.network.blocks) for n in (0, 1))
    positions = jnp.arange(length + 1)
    prompt = task.sample(1, key=KEY, depth=max(1, length - 1)).prompt[0]  # one PAD
    injected = solver.embed(prompt)

    @jax.jit
    def loop(x):
        """The state after it, the weights of its attention, and what is normalised on the way."""
        start = x + injected
        read = first.finish(start, attend(*first.project(start, positions), None))
        queries, keys, values = second.project(read, positions)
        scores = jnp.einsum("qhf,khf->hqk", queries, keys) / queries.shape[-1] ** 0.5
        mixed = attend(queries, keys, values, None)
        end = second.finish(read, mixed)
        stages = start, read, read + mixed @ second.attention_out, end
        return normalise(end, solver.scale), jax.nn.softmax(scores), stages

    x, own = jnp.zeros_like(injected), prompt.tolist()
    for k in range(solver.budget(length + 1)):
        x, attention, stages = loop(x)
        off = rounding(k + 1)
        for stage, squares in zip(stages, (15, 10, 16, 18), strict=True):
            np.testing.assert_allclose((np.asarray(stage) ** 2).sum(-1), squares, rtol=0, atol=40 * off)
        looked_at = np.asarray(attention).argmax(-1)
        wanted = [i - 2**k if i >= 2**k else length for i in range(length + 1)]
        assert (looked_at == wanted).all()
        assert np.asarray(attention).max(-1).min() > 1 - 1e-6
        own = [composed(task, [own[i - 2**k], own[i]] if i >= 2**k else [own[i]]) for i in range(length + 1)]
        # A matrix of bits, whose rows pick the permutation.
        bits = np.asarray(x[:, :25]).reshape(-1, 5, 5)
        np.testing.assert_allclose(bits, np.round(bits), rtol=0, atol=off)
        assert bits.argmax(-1).tolist() == [list(image(task.format.tokens[token])) for token in own]


def test_no_matrix_is_all_zeros():
    """As a constant of a program such a matrix was compiled wrongly beside a normalisation."""
    blocks = solver_of(Words("S5", length=5)).network.blocks
    for each in (blocks.queries_keys_values, blocks.attention_out, blocks.up, blocks.down):
        assert (each != 0).any((1, 2)).all()


def test_weights_may_be_constants_of_a_program():
    task = Words("S5", length=64)
    solver = solver_of(task)
    prompts = np.asarray(task.sample(100, key=KEY).prompt)
    found = jax.jit(lambda prompts: jax.vmap(lambda prompt: solver.solve(prompt, key=KEY))(prompts))(prompts)
    assert (np.asarray(found) == np.asarray(jax.vmap(task.reference)(prompts))).all()


# Costs and outcomes


@pytest.mark.parametrize("length", [1, 5, 64, LONGEST])
def test_the_declared_span_is_metered_and_grows_with_the_logarithm(length):
    solver = solver_of(Words("S5", length=length))
    prompt = jax.ShapeDtypeStruct((length + 1,), jnp.int32)
    measured = measure(lambda s, p: s.solve(p, key=KEY), solver, prompt, cost_model="layer")
    loops = next(k for k in range(20) if 2**k >= length + 1)
    assert solver.budget(length + 1) == loops
    assert measured.span == solver.span(length + 1) == 12 * loops + 1


def test_what_an_experiment_returns():
    found = constructed(12, None, 40, seed=3)
    assert found["depths"] == [1, 2, 4, 8, 12]
    assert found["right"] == found["tries"] == [40] * 5
    assert least_margin(12) < min(found["margin"]) <= max(found["margin"]) < 4 - least_margin(12)
    assert (found["loops"], found["layers"], found["width"], found["heads"]) == (4, 2, 64, 4)
    assert found["hidden"] == 256
    assert found["span"] == found["cost"]["layer"]["span"] < found["cost"]["unit"]["span"]
    wrong = constructed(12, {"constant": 3}, 40, "few", seed=3)
    assert wrong["loops"] == 3
    assert wrong["right"][-1] < 20
    assert wrong["margin"][-1] < 0
    assert wrong["tries"] == found["tries"]


@pytest.mark.parametrize(
    ("task", "told"),
    [
        (Words("parity", length=4), "monoid is 'parity', allowed are S5, A5"),
        (Words("S5", length=257), "length is 257, allowed is 256 or less"),
    ],
)
def test_other_words_are_refused(task, told):
    with pytest.raises(ValueError, match=told):
        doubling(task)
