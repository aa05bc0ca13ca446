"""Rollouts against a plain simulation written from the question's text; estimates against brute force."""

import re
from collections import Counter
from itertools import product
from xml.etree import ElementTree

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seriality.meter import growth, measure
from seriality.study.splits import TEST, TRAIN, draw
from seriality.tasks.rollout import MOST_DRAWN, Rollout, return_estimates

KEY = jax.random.key(41)
DYNAMICS = pytest.mark.parametrize("dynamics", ["automaton", "map"])
DIES = {(1, 1, 1), (1, 0, 0), (0, 0, 0)}


def arrows(text):
    return dict(word.split("->") for word in text.split())


def simulate(text):
    """The states after each step and what each pays, from the text alone."""
    lines = dict(line.split(": ", 1) for line in text.splitlines() if re.match(r"[A-Z][\w ]*: ", line))
    paid = int(lines["Steps that pay"].split(",")[0]) if lines["Steps that pay"] != "all" else 10**9
    states, rewards = [], []
    if "Row" in lines:
        row, policy = [int(c) for c in lines["Row"]], arrows(lines["Policy"])
        n = len(row)
        for _ in range(int(lines["Steps"])):
            if policy[f"{row[-1]}{row[0]}{row[1]}"] == "1":
                row[0] = 1 - row[0]
            row = [int((row[i - 1], row[i], row[(i + 1) % n]) not in DIES) for i in range(n)]
            states.append("".join(map(str, row)))
            rewards.append(2 * row[3] + row[n // 2])
    else:
        moves = [arrows(lines[f"Action {i} leads"]) for i in (0, 1)]
        policy, pays, state = arrows(lines["Policy"]), arrows(lines["Rewards"]), lines["Start"]
        for _ in range(int(lines["Steps"])):
            state = moves[int(policy[state])][state]
            states.append(f"s{state}")
            rewards.append(int(pays[state]))
    return states, [reward if t < paid else 0 for t, reward in enumerate(rewards)]


def sampled(task, count, depth=None):
    return jax.tree.map(np.asarray, task.sample(count, key=KEY, depth=depth))


@DYNAMICS
@pytest.mark.parametrize(("horizon", "size", "truncation"), [(7, 13, 2), (20, 12, 0)])
def test_trace_and_answer_are_the_simulation(dynamics, horizon, size, truncation):
    task = Rollout(horizon, size, dynamics, truncation)
    batch = sampled(task, 60, jnp.asarray(np.arange(60) % horizon + 1))
    answers = np.asarray(jax.jit(jax.vmap(task.reference))(batch.prompt))
    everything = np.asarray(jax.jit(jax.vmap(Rollout(horizon, size, dynamics).rewards))(batch.prompt))
    for i, depth in enumerate(batch.depth.tolist()):
        text = task.render(batch.prompt[i])
        states, rewards = simulate(text)
        assert len(states) == depth
        returns = np.cumsum(rewards)
        trace = task.render_trace(batch.trace[i]).splitlines()
        assert trace == [f"{state} {total}" for state, total in zip(states, returns, strict=True)]
        assert task.render_answer(batch.answer[i]) == str(returns[-1])
        assert np.array_equal(answers[i], batch.answer[i])
        paid = min(depth, truncation or depth)
        assert everything[i, :paid].tolist() == rewards[:paid]


def test_an_agent_that_never_acts_watches_rule_110():
    """The rows of Rule 110 from a single cell, which grow to one side (Wolfram 2002, page 32)."""
    published = ["1", "11", "111", "1101", "11111", "110001", "1110011", "11010111", "111111101"]
    fields = np.full(24 + 8, 2, np.int32)
    fields[20] = 3
    rows, _ = Rollout(horizon=8, size=24)._play(jnp.asarray(fields), 8)
    for t, row in enumerate(np.asarray(rows) - 2, start=1):
        assert "".join(map(str, row.tolist())) == f"{published[t]:0>21}000"


def every_ring(steps):
    """All rows of 12 cells under each of 16 policies: what each step pays, by plain NumPy."""
    policies = np.random.default_rng(0).integers(0, 2, (16, 8))
    rows = np.array(list(product((0, 1), repeat=12)))
    bits = np.array([[*row, *policy] for policy in policies for row in rows], np.int8)
    row, policy = bits[:, :12].copy(), bits[:, 12:]
    pays = []
    for _ in range(steps):
        seen = 4 * row[:, 11] + 2 * row[:, 0] + row[:, 1]
        row[:, 0] ^= policy[np.arange(len(bits)), seen]
        before, after = np.roll(row, 1, axis=1), np.roll(row, -1, axis=1)
        row = np.where(before + 2 * row + 4 * after == 7, 0, np.where(row | after, 1, 0)).astype(np.int8)
        pays.append(2 * row[:, 3] + row[:, 6])
    return bits, np.stack(pays, axis=1)


def test_estimates_on_every_ring_of_twelve_cells():
    """Expectations over all 4,096 rows under 16 policies, term by term."""
    task = Rollout(horizon=5, size=12)
    bits, pays = every_ring(5)
    prompts = np.concatenate([bits + 2, np.full((len(bits), 5), 12), np.ones((len(bits), 2))], axis=1)
    rewards = jax.jit(jax.vmap(task.rewards))(jnp.asarray(prompts, jnp.int32))
    assert np.array_equal(rewards, pays)
    found = jax.tree.map(np.asarray, jax.jit(return_estimates)(rewards))
    returns = pays.sum(axis=1, dtype=float)
    for h in range(6):
        estimate = pays[:, :h].sum(axis=1, dtype=float)
        assert np.isclose(found.bootstrap[h], returns.mean() - estimate.mean(), rtol=1e-4)
        best = np.sqrt(np.mean((estimate + returns.mean() - estimate.mean() - returns) ** 2))
        assert np.isclose(found.error[h], best, rtol=1e-4, atol=1e-6)
        for other in (-0.1, 0.1):  # no other constant does better
            shifted = estimate + found.bootstrap[h] + other
            assert np.sqrt(np.mean((shifted - returns) ** 2)) > best
        wrong, pairs = 0.0, 0
        for a, b, c, d in zip(returns, np.roll(returns, -1), estimate, np.roll(estimate, -1), strict=True):
            if a != b:
                pairs += 1
                wrong += 0.5 if c == d else (a < b) != (c < d)
        assert np.isclose(found.misordered[h], wrong / pairs, rtol=1e-4, atol=1e-6)
    assert found.error[-1] == found.bootstrap[-1] == found.misordered[-1] == 0
    assert np.all(np.diff(found.error) < 0)
    assert found.error[4] > 1  # one step missing of five
    assert np.isclose(found.misordered[0], 0.5)


def test_width_does_not_repair_a_truncated_estimate():
    """Its error is the same with 64 times the instances; that of the mean, which width does repair, falls."""
    task = Rollout(horizon=16, size=16)
    rewards = jax.jit(jax.vmap(task.rewards))(jnp.asarray(sampled(task, 16_384).prompt))
    few, many = return_estimates(rewards[:256]), return_estimates(rewards)
    assert abs(few.error[8] / many.error[8] - 1) < 0.2
    assert many.error[8] > 3
    means = np.asarray(rewards.sum(axis=1)).reshape(64, 256).mean(axis=1)
    assert np.std(means) < 2 * np.std(rewards.sum(axis=1)) / 16


@DYNAMICS
def test_every_step_matters_for_a_stated_share(dynamics):
    """Without its last step a return is wrong unless that pays nothing: at most 1 in 3."""
    task = Rollout(horizon=8, size=16, dynamics=dynamics)
    rewards = np.asarray(jax.jit(jax.vmap(task.rewards))(jnp.asarray(sampled(task, 8000).prompt)))
    pays_nothing = np.mean(rewards == 0, axis=0)
    assert np.all(pays_nothing < 1 / 3)
    likeliest = [max(Counter(column.tolist()).values()) / 8000 for column in rewards.T]
    assert max(likeliest) < 0.42  # what can be said of one reward without a rollout


def returns_of(task, count=4000):
    return np.asarray(jax.jit(lambda key: task.sample(count, key=key).answer)(KEY))


@pytest.mark.parametrize(
    ("dynamics", "size", "horizon"),
    [
        *(("automaton", n, h) for n in (12, 16) for h in (1, 2, 8, 24)),
        ("map", 12, 12),
        ("map", 16, 40),
        ("map", 13, 1),
    ],
)
def test_no_return_is_likelier_than_stated(dynamics, size, horizon):
    task = Rollout(horizon, size, dynamics)
    answers = returns_of(task)
    most = max(Counter(map(bytes, answers)).values()) / len(answers)
    assert most < task.guess_rate + 5 * np.sqrt(task.guess_rate / len(answers))
    assert most > 0.4 * task.guess_rate  # it is not stated too high either


@pytest.mark.parametrize("dynamics", ["automaton", "map"])
def test_cheap_guesses(dynamics):
    """Row sums, first rewards times the steps, the nearest likely sum: little better than the likeliest."""
    task = Rollout(horizon=16, size=16, dynamics=dynamics)
    batch = sampled(task, 4000)
    rewards = np.asarray(jax.jit(jax.vmap(task.rewards))(jnp.asarray(batch.prompt)))
    returns = rewards.sum(axis=1)
    rest = np.round((returns - rewards[:, 0]).mean())
    for guess in (16 * rewards[:, 0], rewards[:, 0] + rest, np.round(16 * rewards[:, :2].mean(axis=1))):
        assert np.mean(guess == returns) < 0.15
    half = rewards[:, :8].sum(axis=1)
    assert np.mean(half + np.round((returns - half).mean()) == returns) < 0.25


@DYNAMICS
def test_the_policy_matters(dynamics):
    """The opposite policy earns another return from the same row or map."""
    task = Rollout(horizon=16, size=16, dynamics=dynamics)
    prompts = sampled(task, 500).prompt.copy()
    reference = jax.jit(jax.vmap(task.reference))
    before = np.asarray(reference(prompts))
    place = slice(16, 24) if dynamics == "automaton" else slice(32, 48)
    prompts[:, place] ^= 1  # the tokens of 0 and 1 differ in their last bit
    assert np.mean(np.any(reference(prompts) != before, axis=1)) > 0.8


def test_the_policy_of_a_map_goes_round_all_states():
    task = Rollout(horizon=16, size=16, dynamics="map")
    states = sampled(task, 200).trace.reshape(200, 16, -1)[:, :, 0]
    assert all(len(set(row)) == 16 for row in states.tolist())


@DYNAMICS
def test_control(dynamics):
    task = Rollout(6, 12, dynamics)
    assert task.control == Rollout(6, 12, dynamics, truncation=2)
    assert task.control.control is None
    ours, theirs = sampled(task, 500), sampled(task.control, 500)
    assert np.array_equal(ours.prompt, theirs.prompt)
    assert np.mean(np.any(ours.answer != theirs.answer, axis=1)) > 0.8


def test_spans_grow_as_told():
    laws = [
        growth({n: Rollout(n, 16, dynamics, truncation).cost().span for n in (32, 64, 128, 256)}).law
        for dynamics, truncation in (("automaton", 0), ("map", 0), ("automaton", 2), ("map", 5))
    ]
    assert laws == ["linear", "logarithmic", "constant", "constant"]


@settings(max_examples=12, deadline=None)
@given(st.integers(1, 40), st.integers(12, 20), st.sampled_from(["automaton", "map"]), st.integers(0, 4))
def test_the_meter_agrees_with_the_declared_cost(horizon, size, dynamics, truncation):
    task = Rollout(horizon, size, dynamics, truncation)
    prompt = jax.ShapeDtypeStruct((task.format.prompt_length,), jnp.int32)
    found = measure(task.reference, prompt, cost_model="unit")
    assert (found.cost, found.bound) == (task.cost(), "exact")


@pytest.mark.parametrize("task", [Rollout(4, 12), Rollout(4, 13, "map")])
def test_splits_share_no_process(task):
    jitted = jax.jit(draw, static_argnums=(0, 1, 2))
    kept = task._fields - (task.dynamics == "map")
    train, test = (
        {row.tobytes() for row in np.asarray(jitted(task, s, 2000, depth=4, key=KEY).prompt)[:, :kept]}
        for s in (TRAIN, TEST)
    )
    assert len(train) > 1900
    assert len(test) > 1500
    assert not train & test


RING = """Each of the cells 0 to 11 of a ring holds 0 or 1; the row is from cell 0. In a step:
1. The agent reads cells 11, 0 and 1, in this order, as a pattern. If its policy gives 1 for the pattern, \
cell 0 flips; if 0, nothing happens.
2. Then all cells change at once: a cell becomes 0 if the cell before it, itself and the cell after it were \
111, 100 or 000, and 1 otherwise.
3. Then the step pays 2 if cell 3 is 1, and 1 more if cell 6 is 1.
Row: 000010000000
Policy: 000->0 001->1 010->1 011->0 100->0 101->0 110->0 111->0
Steps: 2
Steps that pay: all
What do all steps pay together? Answer with that number alone, in decimal."""

MAP = """There are 12 states, 0 to 11, and two actions, 0 and 1. In a step the agent takes the action that \
its policy gives for its state, goes where that action leads from there, and is paid the reward of the \
state it comes to.
Action 0 leads: 0->1 1->2 2->3 3->4 4->0 5->0 6->0 7->8 8->9 9->10 10->11 11->0
Action 1 leads: 0->0 1->0 2->0 3->0 4->5 5->6 6->7 7->0 8->0 9->0 10->0 11->0
Policy: 0->0 1->0 2->0 3->0 4->1 5->1 6->1 7->0 8->0 9->0 10->0 11->0
Rewards: 0->0 1->1 2->2 3->3 4->0 5->0 6->1 7->3 8->0 9->0 10->1 11->3
Start: 10
Steps: 4
Steps that pay: all
What do all steps pay together? Answer with that number alone, in decimal."""


def test_render():
    """By hand: cell 4 alone gives 3 and 4, then 2, 3 and 4: cell 3 pays twice. From 10 to 11, 0, 1, 2."""
    for task, text, answer in ((Rollout(4, 12), RING, "4"), (Rollout(4, 12, "map"), MAP, "6")):
        prompt = task.parse(text)
        assert task.render(prompt) == text
        assert task.render_answer(np.asarray(jax.jit(task.reference)(prompt))) == answer
        control = task.control.parse(text.replace("pay: all", "pay: 2, the first ones"))
        assert np.array_equal(control, prompt)
    assert task.render_answer(np.asarray(jax.jit(task.control.reference)(prompt))) == "3"
    ring = Rollout(4, 12)  # cell 0 alone: left as it is, or flipped before the step
    for kept, after in (("010->0", "100000000001"), ("010->1", "000000000000")):
        text = RING.replace("Row: 000010000000", "Row: 100000000000").replace("010->1", kept)
        rows, _ = ring._play(jnp.asarray(ring.parse(text)[:20]), 1)
        assert "".join(map(str, (np.asarray(rows[0]) - 2).tolist())) == after
    assert task.parse_answer("7").tolist() == [2, 9]
    assert task.render_answer(np.array([0, 9])) == "PAD 7"


@pytest.mark.parametrize(
    ("text", "old", "new", "fault"),
    [
        (RING, "Row: 0", "Row: 2", r"row '200010000000': must be 12 times 0 or 1"),
        (RING, "Row: 0", "Row: 00", r"must be 12 times 0 or 1"),
        (RING, "010->1", "010->2", r"policy '2': must be a whole number from 0 to 1"),
        (RING, " 111->0", "", r"policy: 7 are listed, must be 8"),
        (RING, "001->1 010->1", "010->1 001->1", r"policy '010->1': must be '001->' and a number"),
        (RING, "pay: all", "pay: 2, the first ones", r"must be 'all'"),
        (RING, "Steps: 2", "Steps: 5", r"steps '5': must be a whole number from 1 to 4"),
        (RING, "Policy: ", "Policies: ", r"0 lines begin with 'Policy:'"),
        (MAP, "Policy: 0->0", "Policy: 0->1", r"is at state 0 again after 1 steps, must be 12"),
        (MAP, "0->1 1->2", "0->12 1->2", r"action 0 '12': must be a whole number from 0 to 11"),
        (MAP, " 7->3", " 7->4", r"rewards '4': must be a whole number from 0 to 3"),
        (MAP, "Start: 10", "Start: s6", r"start 's6'"),
    ],
)
def test_bad_texts(text, old, new, fault):
    assert old in text
    task = Rollout(4, 12, "map" if text is MAP else "automaton")
    with pytest.raises(ValueError, match=fault) as error:
        task.parse(text.replace(old, new))
    assert "\n" not in str(error.value)


def test_bad_dials():
    with pytest.raises(ValueError, match="4 faults") as error:
        Rollout(0, 11, "chess", -1)
    named = ("horizon=0", "size=11", "dynamics='chess'", "truncation=-1", "at least 12", "'map'")
    assert all(name in str(error.value) for name in named)
    with pytest.raises(ValueError, match="make one of them smaller"):
        Rollout(2**16, 2**10)
    for answer in ("100", "-1", "1 2", "six"):
        with pytest.raises(ValueError, match="answer"):
            Rollout(8).parse_answer(answer)


def test_picture():
    for size, horizon in ((12, 4), MOST_DRAWN):
        task = Rollout(horizon, size)
        batch = sampled(task, 1)
        drawn = task.picture(batch.prompt[0], batch.trace[0], batch.answer[0])
        assert len(drawn) < 20_000
        tree = ElementTree.fromstring(drawn)
        assert "viewBox" in tree.attrib
        texts = [each.text for each in tree.iter("{http://www.w3.org/2000/svg}text")]
        _, rewards = simulate(task.render(batch.prompt[0]))
        shown = [text for t in range(horizon) for text in (f"+{rewards[t]}", str(sum(rewards[: t + 1])))]
        assert texts == ["pays", "return", *shown]
    task = Rollout(dynamics="map")
    batch = sampled(task, 1)
    assert task.picture(batch.prompt[0], batch.trace[0], batch.answer[0]) is None
