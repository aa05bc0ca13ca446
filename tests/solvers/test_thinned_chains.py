"""A chain of thought that keeps k of its steps: which, where they stand, and what is taught.

The truth is a search over all choices of steps, a decoding without a cache, and a single pass.
"""

from itertools import combinations, pairwise

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seriality.networks import Transformer
from seriality.solvers import ChainOfThought, SinglePass, build
from seriality.solvers.chain_of_thought import thinned
from seriality.study.costs import answer_cost
from seriality.tasks import ElementaryAutomaton, Words

WORDS = Words("S5", length=8)
KEY = jax.random.key(0)


def made(task=WORDS, **dials):
    network = {"name": "Transformer", "width": 16, "layers": 2, "heads": 2, "causal": True}
    return build({"name": "ChainOfThought", "network": network, **dials}, task.format, key=KEY)


@eqx.filter_jit
def answers(solver, prompts):
    return jax.vmap(lambda prompt: solver.solve(prompt, key=KEY))(prompts)


@eqx.filter_jit
def loss(solver, instances):
    return solver.loss(instances, key=KEY)


@given(steps=st.integers(1, 9), data=st.data())
def test_no_other_choice_of_steps_has_a_shorter_longest_way(steps, data):
    kept = data.draw(st.integers(0, steps - 1))
    ends = [place + 1 for place in thinned(steps, kept, 1)]
    assert len(ends) == len(set(ends)) == kept

    def longest(choice):
        return max(after - before for before, after in pairwise((0, *choice, steps)))

    assert longest(ends) == min(longest(choice) for choice in combinations(range(1, steps), kept))


@given(steps=st.integers(1, 40), tokens=st.integers(1, 4), data=st.data())
def test_whole_steps_are_kept_in_their_order(steps, tokens, data):
    kept = data.draw(st.integers(0, steps))
    places = thinned(steps * tokens, kept, tokens)
    assert list(places) == sorted(set(places))
    assert len(places) == kept * tokens
    assert set(places) <= set(range(steps * tokens))
    assert all(place - place % tokens + token in places for place in places for token in range(tokens))


def test_all_steps_are_all_tokens():
    assert thinned(12, None, 3) == thinned(12, 4, 3) == tuple(range(12))


@pytest.mark.parametrize("kept", [0, 1, 3, 7, 8])
def test_decoding_with_a_cache_is_that_without(kept, filled):
    solver = made(kept=kept)
    network = filled(Transformer, WORDS.format, width=16, layers=2, heads=2, causal=True)
    solver = ChainOfThought(network, WORDS.format, kept=kept)
    prompts = WORDS.sample(1, key=jax.random.key(1)).prompt
    length, answer = prompts.shape[1], prompts.shape[1] + WORDS.format.trace_length
    stands_at = [length + place for place in thinned(8, kept, 1)] + [answer]
    positions, tokens = np.array([*range(length), *stands_at]), np.zeros(length + kept + 1, int)
    tokens[:length] = prompts[0]
    again = eqx.filter_jit(network)
    for place in range(length, len(tokens)):  # the whole network again for every token: it sees no later one
        tokens[place] = again(tokens, positions)[place - 1].argmax()
    assert answers(solver, prompts)[0].tolist() == tokens[-1:].tolist()


def test_where_a_step_stands_matters(filled):
    network = filled(Transformer, WORDS.format, width=16, layers=2, heads=2, causal=True)
    tokens = WORDS.sample(1, key=jax.random.key(1)).prompt[0]
    plain, moved = network(tokens), network(tokens, 2 * jnp.arange(len(tokens)))
    assert not np.allclose(plain, moved)
    np.testing.assert_array_equal(plain, network(tokens, jnp.arange(len(tokens))))
    # rotary positions: only distances count
    np.testing.assert_allclose(network(tokens, 5 + jnp.arange(len(tokens))), plain, atol=2e-4)


def test_keeping_all_is_what_it_was():
    instances = WORDS.sample(6, key=jax.random.key(2))
    whole, all_kept = made(), made(kept=8)
    assert loss(whole, instances) == loss(all_kept, instances)
    assert (answers(whole, instances.prompt) == answers(all_kept, instances.prompt)).all()


def test_keeping_none_but_taught_all_is_a_single_pass():
    chain = made(kept=0, prefixes=True)
    single = SinglePass(chain.network, WORDS.format)
    instances = WORDS.sample(6, key=jax.random.key(2))
    np.testing.assert_allclose(loss(chain, instances), loss(single, instances), rtol=1e-6)
    assert (answers(chain, instances.prompt) == answers(single, instances.prompt)).all()


def test_what_is_taught_is_the_kept_steps_and_the_answer():
    solver, instances = made(kept=3), WORDS.sample(4, key=jax.random.key(3))
    taught = loss(solver, instances)
    dropped = instances.trace.at[:, [0, 2, 4, 6, 7]].set(1)  # steps 1, 3, 5, 7 and 8
    kept = instances.trace.at[:, 1].set(1)

    def with_trace(trace):
        return loss(solver, type(instances)(**{**vars(instances), "trace": trace}))

    assert with_trace(dropped) == taught
    assert with_trace(kept) != taught


def test_prefixes_add_what_is_right_after_every_letter():
    plain, taught = made(kept=3), made(kept=3, prefixes=True)
    instances = WORDS.sample(4, key=jax.random.key(3))
    logits = jax.vmap(plain.network)(instances.prompt)[:, :-1]
    labels = np.asarray(instances.labels[:, :-1])
    asked = labels >= 0
    nats = -jax.nn.log_softmax(logits)
    expected = np.asarray(jnp.take_along_axis(nats, jnp.maximum(labels, 0)[..., None], -1)[..., 0])[
        asked
    ].mean()
    difference = loss(taught, instances) - loss(plain, instances)
    np.testing.assert_allclose(difference, expected, rtol=1e-4)


@pytest.mark.parametrize(("kept", "step_tokens", "task"), [
    (0, 1, WORDS), (3, 1, WORDS), (None, 1, WORDS), (2, 5, ElementaryAutomaton(110, width=5, steps=4)),
])  # fmt: skip
def test_declared_budget_and_span_are_metered(kept, step_tokens, task):
    network = {"name": "Transformer", "width": 16, "layers": 2, "heads": 2, "causal": True}
    settings = {"name": "ChainOfThought", "kept": kept, "step_tokens": step_tokens, "network": network}
    solver = build(settings, task.format, key=KEY)
    passes, cost = answer_cost(settings, task)
    length = task.format.prompt_length
    steps = task.format.trace_length // step_tokens if kept is None else kept
    assert passes == solver.budget(length) == steps * step_tokens + task.format.answer_length
    assert cost["layer"]["span"] == solver.span(length)


@pytest.mark.parametrize(("dials", "said"), [
    ({"kept": 9}, "kept is 9, allowed is 0 to 8"),
    ({"kept": -1}, "kept is -1, allowed is 0 to 8"),
    ({"step_tokens": 3}, "step_tokens is 3, allowed are the divisors of the trace's 8 tokens"),
    ({"step_tokens": 0}, "step_tokens is 0"),
])  # fmt: skip
def test_what_cannot_be_kept_is_refused(dials, said):
    with pytest.raises(ValueError, match=said):
        made(**dials)
