"""How passes are composed: against explicit Python loops, and with networks made by hand."""

from collections import Counter

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jaxtyping import Array, Int, Key

from seriality.instance import UNASKED, Instances
from seriality.networks import AbstractNetwork, Transformer
from seriality.solvers import ChainOfThought, Looped, Majority, SinglePass
from seriality.solvers.base import AbstractSolver
from seriality.tasks import AbstractTask, ElementaryAutomaton, Words

KEY = jax.random.key(3)
PROMPT = jnp.array([2, 4, 3, 0, 1, 1])


@pytest.fixture
def causal(layout, filled):
    """`causal(seed)`: a causal Transformer."""
    return lambda seed=0: filled(Transformer, layout(), width=8, heads=2, causal=True, seed=seed)


@eqx.filter_jit
def forward(network, tokens):
    return network(tokens)


@eqx.filter_jit
def solved(solver, prompt):
    return solver.solve(prompt, key=KEY)


class Oracle(AbstractNetwork):
    """Says the reference answer, or the token after it."""

    task: AbstractTask = eqx.field(static=True)
    shift: int = eqx.field(static=True)

    def __call__(self, tokens):
        answer = self.task.reference(tokens) + self.shift
        return jax.nn.one_hot(answer, self.task.format.vocabulary)

    def span(self, length):
        return 0


@pytest.mark.parametrize("task", [Words("S5", length=5), ElementaryAutomaton(width=3, steps=4)], ids=str)
def test_a_perfect_network_makes_a_perfect_solver(task):
    instances = task.sample(20, key=KEY)
    for shift, share in ((0, 1.0), (1, 0.0)):
        solver = SinglePass(Oracle(task, shift), task.format)
        answers = jax.vmap(lambda prompt, solver=solver: solver.solve(prompt, key=KEY))(instances.prompt)
        assert task.score(answers, instances).mean() == share


def test_single_pass_reads_the_last_positions(layout, causal):
    network = causal()
    expected = forward(network, PROMPT)[-2:].argmax(-1)
    assert solved(SinglePass(network, layout()), PROMPT).tolist() == expected.tolist()


def test_looped_is_a_loop(layout, causal):
    logits = eqx.filter_jit(lambda looped, prompt: looped(prompt))
    transform = eqx.filter_jit(lambda network, x: network.transform(x))
    network = causal()
    scale = jnp.linspace(0.5, 2.0, 8)
    expected = {0: jnp.zeros((6, 8))}
    for loop in range(3):
        x = transform(network, expected[loop] + network.embedding[PROMPT])
        expected[loop + 1] = x / jnp.sqrt((x**2).mean(-1, keepdims=True)) * scale
    for loops in (1, 3):
        looped = Looped(network, layout(), loops={"constant": loops})
        looped = eqx.tree_at(lambda solver: solver.scale, looped, scale)
        found = logits(looped, PROMPT)
        np.testing.assert_allclose(found, network.read(expected[loops]), rtol=1e-3, atol=1e-3)
        assert not np.allclose(found, network.read(expected[loops - 1]), atol=0.1)
        assert solved(looped, PROMPT).tolist() == found[-2:].argmax(-1).tolist()


def test_only_the_last_loops_are_differentiated(layout, causal):
    network = causal()

    def out(loops, gradient_loops):
        looped = Looped(network, layout(), loops={"constant": loops}, gradient_loops=gradient_loops)
        return eqx.filter_jit(eqx.filter_grad(lambda solver: solver(PROMPT).std()))(looped)

    def last_loop(network, before):
        x = network.transform(before + network.embedding[PROMPT])
        x = x / jnp.sqrt((x**2).mean(-1, keepdims=True) + 1e-6)
        return network.read(x).std()

    before = jnp.zeros((6, 8))
    for _ in range(2):
        x = eqx.filter_jit(lambda network, x: network.transform(x))(
            network, before + network.embedding[PROMPT]
        )
        before = x / jnp.sqrt((x**2).mean(-1, keepdims=True) + 1e-6)
    expected = eqx.filter_jit(eqx.filter_grad(last_loop))(network, before).blocks.up
    np.testing.assert_allclose(out(3, 1).network.blocks.up, expected, rtol=1e-3, atol=1e-4)
    assert not np.allclose(out(3, 3).network.blocks.up, expected, rtol=1e-2, atol=1e-3)
    with pytest.raises(ValueError, match="gradient_loops is 0, allowed is 1 or more"):
        out(3, 0)


def test_chain_of_thought_is_naive_decoding(layout, causal):
    answers = set()
    for seed in range(8):
        network = causal(seed)
        tokens = np.zeros(11, np.int32)
        tokens[:6] = np.random.default_rng(seed).integers(0, 5, 6)
        prompt = jnp.asarray(tokens[:6])
        for place in range(6, 11):  # a causal network does not see the zeros that follow
            tokens[place] = forward(network, jnp.asarray(tokens))[place - 1].argmax()
        answer = solved(ChainOfThought(network, layout()), prompt).tolist()
        assert answer == tokens[-2:].tolist()
        answers.add(tuple(answer))
    assert len(answers) > 3


def test_chain_of_thought_learns_trace_and_answer_each_by_its_mean(layout, causal):
    solver = ChainOfThought(causal(), layout())
    trace, answer = jnp.array([3, 2, 0]), jnp.array([4, 2])
    tokens = jnp.concatenate([PROMPT, trace, answer])
    nats = -jax.nn.log_softmax(forward(solver.network, tokens))[jnp.arange(5, 10), tokens[6:]]
    instances = Instances(
        prompt=PROMPT[None],
        labels=jnp.full((1, 6), UNASKED),
        trace=trace[None],
        answer=answer[None],
        depth=jnp.array([2]),
    )
    loss = float(eqx.filter_jit(lambda solver: solver.loss(instances, key=KEY))(solver))
    assert loss == pytest.approx(float(nats[:3].mean() + nats[3:].mean()), rel=1e-4)


@pytest.mark.parametrize("make", [SinglePass, ChainOfThought])
def test_at_a_temperature_equal_logits_give_every_answer_alike(make, layout, causal):
    network = causal()
    indifferent = eqx.tree_at(lambda n: n.unembedding, network, jnp.zeros_like(network.unembedding))
    solver, count = make(indifferent, layout(), temperature=1.0), 5000
    answers = jax.jit(jax.vmap(lambda key: solver.solve(PROMPT, key=key)))(jax.random.split(KEY, count))
    counts = np.bincount(np.asarray(answers) @ [5, 1], minlength=25)
    assert np.sum((counts - count / 25) ** 2 / (count / 25)) < 51.2  # chi-square, 24 degrees, p = 0.001


class Voters(AbstractSolver):
    """Gives the answer in the row of its table that stands beside the key."""

    keys: Key[Array, " samples"]
    table: Int[Array, "samples answer_length"]

    def loss(self, instances, *, key):
        return jnp.zeros(())

    def solve(self, prompt, *, key):
        mine = (jax.random.key_data(self.keys) == jax.random.key_data(key)).all(-1)
        return self.table[mine.argmax()]

    def budget(self, prompt_length):
        return 4

    def span(self, prompt_length):
        return 7


@jax.jit
def elect(table):
    return Majority(Voters(jax.random.split(KEY, 5), table), samples=5).solve(PROMPT, key=KEY)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 2)), min_size=5, max_size=5))
def test_the_majority_wins_and_among_equals_the_first(votes):
    winner = Counter(votes).most_common(1)[0][0]
    assert tuple(np.asarray(elect(jnp.array(votes)))) == winner


def test_whole_answers_are_voted_on():
    votes = [(0, 1), (1, 0), (1, 2), (0, 1), (1, 3)]  # token by token (1, 1) would win
    assert elect(jnp.array(votes)).tolist() == [0, 1]


def test_votes_take_the_budget_of_one():
    majority = Majority(Voters(jax.random.split(KEY, 5), jnp.zeros((5, 2), int)), samples=5)
    assert (majority.budget(9), majority.span(9)) == (4, 7)
