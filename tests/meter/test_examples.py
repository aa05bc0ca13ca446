"""The examples against their papers: blocks on the critical path, work of products, equations by twins."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from seriality.cost import Cost
from seriality.meter import growth, jaxprs, measure
from seriality.meter.examples import EXAMPLES, rotated
from seriality.meter.interpret import Interpreter, Settings

FREE = dict.fromkeys(("dot_general", "conv_general_dilated"), Cost(0, 0))


def as_written(program, cost_model="layer", declared=None):
    """What `measure` finds, without a search for shortcuts."""
    jaxpr = jaxprs.trace(*program).jaxpr
    settings = Settings(cost_model, "full", None, declared or {}, False)
    body = Interpreter(settings).body(jaxpr, (False,) * len(jaxpr.invars))
    return Cost(body.work, int(body.paths.max()))


def span(name, cost_model="layer", **sizes):
    return as_written(EXAMPLES[name](**sizes), cost_model).span


def products(program):
    """The operations of matrix products alone: what is gone when these are free."""
    return as_written(program).work - as_written(program, declared=FREE).work


def filled(program):
    """The same program with normal numbers for its weights and zeros for its tokens."""
    fn, *arguments = program
    draw = np.random.default_rng(0)

    def fill(leaf):
        is_real = jnp.issubdtype(leaf.dtype, jnp.floating)
        values = draw.normal(size=leaf.shape, scale=0.7) if is_real else np.zeros(leaf.shape)
        return jnp.asarray(values, leaf.dtype)

    return fn, *jax.tree.map(fill, arguments)


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_example_is_shapes_alone_and_is_metered(name):
    _, *arguments = program = EXAMPLES[name]()
    assert all(isinstance(leaf, jax.ShapeDtypeStruct) for leaf in jax.tree.leaves(arguments))
    cost = as_written(program, "unit")
    assert cost.work > cost.span > 0


# Depth, as the papers count it.


@pytest.mark.parametrize(
    ("name", "sizes", "blocks"),
    [
        ("looped", {}, 132),  # Geiping et al. 2025
        ("looped", {"loops": 1}, 8),
        ("hrm", {}, 384),  # Jolicoeur-Martineau 2025, of HRM
        ("hrm", {"segments": 1}, 24),
        ("trm", {}, 672),  # Jolicoeur-Martineau 2025: Sudoku
        ("trm", {"segments": 1}, 42),
        ("trm", {"latents": 4, "attention": True, "tokens": 900}, 480),  # ARC-AGI and mazes
        ("chain-of-thought", {}, 3_145_728),  # "The Serial Scaling Hypothesis", appendix C.3
        ("chain-of-thought", {"tokens": 1}, 96),
    ],
)
def test_blocks_on_the_critical_path(name, sizes, blocks):
    assert span(name, blocks_only=True, **sizes) == blocks


ATTENTION_AND_MLP = 2 + 2 + 2  # products on the path: in, scores; values, out; up, down


@pytest.mark.parametrize(
    ("name", "sizes", "layers"),
    [
        ("gpt2", {}, 12 * ATTENTION_AND_MLP + 1),
        ("llama-7b", {}, 32 * ATTENTION_AND_MLP + 1),
        ("looped", {}, 132 * ATTENTION_AND_MLP + 32 + 1),  # the adapter, once a loop
        ("hrm", {}, 384 * ATTENTION_AND_MLP + 1),
        ("trm", {}, 672 * 4 + 1),  # two gated units a block
        ("trm", {"latents": 4, "attention": True, "tokens": 900}, 480 * ATTENTION_AND_MLP + 1),
        ("chain-of-thought", {}, 32_768 * (96 * ATTENTION_AND_MLP + 1)),
        # the first block waits for the time (2) and its modulation (1), not for its input (1)
        ("diffusion", {}, 250 * (12 * ATTENTION_AND_MLP + 2) + 2),
        ("mamba", {}, 24 * 6 + 1),  # in, convolution, selection, step, read, out: the scan has no product
        ("rnn", {}, 1024),
        ("lstm", {}, 1024),
        ("gru", {}, 1024),
    ],
)
def test_the_full_models_run_the_same_loops(name, sizes, layers):
    assert span(name, **sizes) == layers


# Work.


@pytest.mark.parametrize("sizes", [{}, {"tokens": 64, "layers": 3, "width": 96, "vocabulary": 77}])
def test_the_products_of_gpt2(sizes):
    given = {"tokens": 1024, "layers": 12, "width": 768, "vocabulary": 50257} | sizes
    t, layers, d, v = given.values()
    true = 2 * t * (layers * (4 * d * d + 8 * d * d) + d * v) + layers * 4 * t * t * d
    assert products(EXAMPLES["gpt2"](**sizes)) == true
    assert sizes or true == 291_648_307_200


@pytest.mark.parametrize(
    "sizes", [{}, {"tokens": 64, "layers": 3, "width": 128, "hidden": 80, "vocabulary": 77}]
)
def test_the_products_of_llama(sizes):
    given = {"tokens": 2048, "layers": 32, "width": 4096, "hidden": 11_008, "vocabulary": 32_000} | sizes
    t, layers, d, h, v = given.values()
    true = 2 * t * (layers * (4 * d * d + 3 * d * h) + d * v) + layers * 4 * t * t * d
    assert products(EXAMPLES["llama-7b"](**sizes)) == true
    assert sizes or true == 29_261_612_187_648


def test_the_products_of_mamba():
    t, layers, d, inner, states, rank, vocabulary = 2048, 24, 768, 1536, 16, 48, 50_280
    per_token = (
        d * 2 * inner + 4 * inner + inner * (rank + 2 * states) + rank * inner + inner * states + inner * d
    )
    assert products(EXAMPLES["mamba"]()) == 2 * t * (layers * per_token + d * vocabulary)


# Recurrences.


@pytest.mark.parametrize("name", ["rnn", "lstm", "gru", "mamba", "linear-attention", "delta-rule"])
def test_recurrences_are_linear_as_written(name):
    sizes = {"layers": 1} if name == "mamba" else {}
    law = growth({n: span(name, "unit", tokens=n, **sizes) for n in (32, 64, 128, 256)})
    assert law.law == "linear"


@pytest.mark.parametrize(("name", "sizes"), [("rnn", {}), ("linear-attention", {"heads": 2})])
def test_the_whole_meter_tells_the_same(name, sizes):
    program = EXAMPLES[name](**sizes)
    found = measure(*program, cost_model="layer")
    assert (found.cost, found.bound) == (as_written(program), "exact")


@pytest.mark.parametrize(
    ("name", "parallel"),
    [
        *((name, True) for name in ("mamba", "linear-attention", "delta-rule")),
        *((name, False) for name in ("rnn", "lstm", "gru")),
    ],
)
def test_what_is_linear_in_its_state_has_a_shortcut(name, parallel):
    sizes = {"layers": 1} if name == "mamba" else {}
    found = measure(*EXAMPLES[name](tokens=512, **sizes))
    assert found.span > 512
    assert found.span_reassociated < 100 if parallel else found.span_reassociated == found.span


# Equations.


def test_the_cache_of_the_decoder_changes_nothing():
    """The words it writes are the likeliest ones of the same weights on the whole text."""
    sizes = {"tokens": 7, "layers": 2, "heads": 2, "width": 8, "vocabulary": 11}
    decode, weights, start = filled(EXAMPLES["chain-of-thought"](**sizes))
    weights = jax.tree_util.tree_map_with_path(  # no constant may make one word the likeliest everywhere
        lambda path, leaf: leaf * (0 if "shift" in path[-1].key else 3 if path[-1].key == "positions" else 1),
        weights,
    )
    weights["words"] /= jnp.linalg.norm(weights["words"], axis=1, keepdims=True)
    written = decode(weights, start)
    forward, _, _ = EXAMPLES["gpt2"](**sizes)
    logits = forward(weights, jnp.append(start, written[:-1]))
    assert written.tolist() == jnp.argmax(logits, -1).tolist()
    assert len(set(written.tolist())) > 2


@pytest.mark.parametrize(
    ("name", "sizes"),
    [
        ("gpt2", {"layers": 2, "heads": 2, "width": 8}),
        ("llama-7b", {"layers": 2, "heads": 2, "width": 8, "hidden": 12}),
        ("mamba", {"layers": 2, "width": 8, "inner": 16, "rank": 3, "states": 4}),
    ],
)
def test_no_position_sees_a_later_one(name, sizes):
    forward, weights, text = filled(EXAMPLES[name](tokens=6, vocabulary=11, **sizes))
    first, second = forward(weights, text), forward(weights, text.at[4].set(3))
    changed = jnp.abs(first - second).max(axis=1) > 1e-6
    assert changed.tolist() == [False] * 4 + [True] * 2


def test_linear_attention_is_its_masked_quadratic_form():
    mix, q, k, v = filled(EXAMPLES["linear-attention"](tokens=9, heads=2, size=4))
    left, right = (np.where(x > 0, x + 1, np.exp(x)) for x in (q, k))
    pairs = np.einsum("qhd,khd->hqk", left, right) * np.tri(9)
    expected = np.einsum("hqk,khd->qhd", pairs / pairs.sum(-1, keepdims=True), v)
    np.testing.assert_allclose(mix(q, k, v), expected, rtol=1e-4)


def test_the_delta_rule_is_a_product_of_matrices():
    mix, q, k, v, rate = filled(EXAMPLES["delta-rule"](tokens=9, heads=1, size=4))
    state, read = np.zeros((4, 4)), []
    for query, key, value, raw in zip(
        *(np.asarray(x, "float64")[:, 0] for x in (q, k, v, rate)), strict=True
    ):
        key, weight = key / np.linalg.norm(key), 1 / (1 + np.exp(-raw))
        state = state @ (np.eye(4) - weight * np.outer(key, key)) + weight * np.outer(value, key)
        read.append(state @ query)
    np.testing.assert_allclose(mix(q, k, v, rate)[:, 0], read, rtol=1e-4, atol=1e-5)


def test_rotary_positions_are_relative():
    q, k = np.random.default_rng(0).normal(size=(2, 8))
    rows = [rotated(jnp.tile(jnp.asarray(x, "float32"), (6, 1, 1)))[:, 0] for x in (q, k)]
    scores = np.asarray(rows[0] @ rows[1].T)
    for offset in range(-4, 5):
        diagonal = np.diagonal(scores, offset)
        np.testing.assert_allclose(diagonal, diagonal[0], rtol=1e-3, atol=1e-4)
    assert abs(scores[0, 0] - scores[0, 3]) > 1e-2
