"""Walks against a plain walk over a dictionary read from the question's text; that nothing cheap tells."""

import math
import re
from itertools import permutations, product
from xml.etree import ElementTree

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seriality.instance import PAD, UNASKED
from seriality.meter import growth, measure
from seriality.study.splits import TEST, TRAIN, draw
from seriality.tasks.pointer_chase import GRAPHS, MOST_DRAWN, PointerChase

KEY = jax.random.key(31)
EVERY = pytest.mark.parametrize("graph", GRAPHS)


def question(text):
    """The pointers, the start and the hops, read from the text alone."""
    lines = dict(line.split(": ") for line in text.splitlines() if ": " in line)
    if "Order" in lines:
        order = [int(word) for word in lines["Order"].split()]
        pointers = dict(zip(order, order[1:] + order[:1], strict=True))
    else:
        pointers = {int(a): int(b) for a, b in re.findall(r"(\d+)->(\d+)", lines["Pointers"])}
    return pointers, int(lines["Start"]), int(lines["Hops"])


def walk(pointers, node, hops):
    nodes = []
    for _ in range(hops):
        node = pointers[node]
        nodes.append(node)
    return nodes


def sampled(task, count, depth=None):
    return jax.tree.map(np.asarray, task.sample(count, key=KEY, depth=depth))


@EVERY
def test_trace_labels_and_answer_are_the_walk(graph):
    task = PointerChase(hops=5, nodes=11, graph=graph)
    batch = sampled(task, 40, jnp.asarray(np.arange(40) % 5 + 1))
    answers = np.asarray(jax.jit(jax.vmap(task.reference))(batch.prompt))
    for i, depth in enumerate(batch.depth.tolist()):
        pointers, start, hops = question(task.render(batch.prompt[i]))
        assert hops == depth
        nodes = [node + 2 for node in walk(pointers, start, hops)]
        rest = 5 - depth
        assert batch.trace[i].tolist() == nodes + [PAD] * rest
        assert batch.labels[i].tolist() == [UNASKED] * 12 + nodes + [UNASKED] * rest + nodes[-1:]
        assert batch.answer[i].tolist() == answers[i].tolist() == nodes[-1:]


def every_table(graph, n):
    if graph == "function":
        return list(product(range(n), repeat=n))
    tables = list(permutations(range(n)))
    return tables if graph == "list" else [t for t in tables if len({*walk(t, 0, n)}) == n]


@EVERY
def test_the_reference_on_every_prompt_of_four_nodes(graph):
    task = PointerChase(hops=2, nodes=4, graph=graph)
    tables = every_table(graph, 4)
    assert len(tables) == {"cycle": 6, "function": 256, "list": 24}[graph]
    prompts, right = [], []
    for table, start, hops in product(tables, range(4), (1, 2)):
        follows = dict(zip(table, (*table[1:], table[0]), strict=True)) if graph == "list" else table
        prompts.append([*(node + 2 for node in (*table, start)), 6, 6 if hops == 2 else 0, 1])
        right.append(walk(follows, start, hops)[-1] + 2)
    answers = jax.jit(jax.vmap(task.reference))(jnp.array(prompts, jnp.int32))
    assert answers[:, 0].tolist() == right


@pytest.mark.parametrize(("graph", "tables"), [("cycle", 24), ("list", 24), ("function", 27)])
def test_every_table_and_start_is_as_likely(graph, tables):
    nodes = 3 if graph == "function" else 5
    prompts = sampled(PointerChase(1, nodes, graph), 24_000).prompt[:, : nodes + 1]
    counts = np.unique(prompts, axis=0, return_counts=True)[1]
    assert len(counts) == tables * nodes == PointerChase(1, nodes, graph).distinct(1)
    expected = 24_000 / len(counts)
    degrees = len(counts) - 1
    assert np.sum((counts - expected) ** 2) / expected < degrees + 5 * np.sqrt(2 * degrees)


def chi_square(values, cells):
    counts = np.bincount(values, minlength=cells)
    expected = len(values) / cells
    return np.sum((counts - expected) ** 2) / expected - (cells - 1), np.sqrt(2 * (cells - 1))


@pytest.mark.parametrize("graph", ["cycle", "list"])
def test_the_answer_is_any_node_but_the_start_whatever_is_seen_of_the_table(graph):
    n, count = 16, 8000
    task = PointerChase(hops=8, nodes=n, graph=graph)
    batch = sampled(task, count)
    table, start = batch.prompt[:, :n] - 2, batch.prompt[:, n] - 2
    walks = batch.trace - 2
    for hops in (2, 3, 8):
        answer = walks[:, hops - 1]
        distance, error = chi_square((answer - start) % n - 1, n - 1)
        assert distance < 5 * error
        first = walks[:, 0]  # what one hop tells: the answer is neither
        apart = (answer - start) % n - 1 - ((answer - start) % n > (first - start) % n)
        distance, error = chi_square(apart, n - 2)
        assert distance < 5 * error
        reversed_ = np.argmax(table == start[:, None], axis=1)
        for guess in (start, first, table[:, 0], table[:, -1], reversed_, (start + hops) % n):
            assert np.mean(guess == answer) < 1 / (n - 2) + 5 * np.sqrt(1 / n / count)
    assert all(len({s, *w}) == 9 for s, w in zip(start.tolist(), walks.tolist(), strict=True))


def test_a_random_permutation_would_come_back_early():
    """What `cycle` is there to avoid: the walk comes back within k hops with probability k / n."""
    rng = np.random.default_rng(0)
    back = [0 in walk(rng.permutation(16), 0, 8) for _ in range(2000)]
    assert abs(np.mean(back) - 8 / 16) < 5 * np.sqrt(1 / 4 / 2000)


def test_functions_run_into_themselves_and_tell_something():
    n = 64
    task = PointerChase(hops=32, nodes=n, graph="function")
    batch = sampled(task, 4000)
    steps = []
    for start, nodes in zip(batch.prompt[:, n].tolist(), batch.trace.tolist(), strict=True):
        seen = [start, *nodes]
        steps.append(next((i for i in range(1, 33) if seen[i] in seen[:i]), 33))
    error = math.sqrt((2 - math.pi / 2) * n / 4000)
    assert abs(np.mean(steps) - (math.sqrt(math.pi * n / 2) - 1 / 3)) < 5 * error  # Ramanujan's Q
    most_pointed_to = np.array([np.bincount(row, minlength=n + 2).argmax() for row in batch.prompt[:, :n]])
    assert np.mean(most_pointed_to == batch.answer[:, 0]) > 3 / n
    constant = np.bincount(batch.answer[:, 0]).max() / 4000
    assert constant < task.guess_rate + 5 * np.sqrt(1 / n / 4000)


def test_the_control_has_the_prompts_of_the_task():
    task = PointerChase(hops=4, nodes=12)
    ours, theirs = sampled(task, 64), sampled(task.control, 64)
    assert task.control == PointerChase(hops=4, nodes=12, graph="list")
    assert task.control.control is None
    assert PointerChase(graph="function").control == PointerChase(graph="list")
    assert np.array_equal(ours.prompt, theirs.prompt)
    assert np.mean(ours.answer == theirs.answer) < 0.3


def test_spans_grow_as_told():
    sizes = (32, 64, 128, 256)
    cycle = growth({n: PointerChase().resized(n).cost().span for n in sizes})
    listed = growth({n: PointerChase(graph="list").resized(n).cost().span for n in sizes})
    assert (cycle.law, listed.law) == ("logarithmic", "constant")


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 40), st.integers(0, 30), st.sampled_from(GRAPHS))
def test_the_meter_agrees_with_the_declared_cost(hops, more, graph):
    task = PointerChase(hops, 2 * hops + more, graph)
    prompt = jax.ShapeDtypeStruct((task.format.prompt_length,), jnp.int32)
    found = measure(task.reference, prompt, cost_model="unit")
    assert (found.cost, found.bound) == (task.cost(), "exact")


def test_larger_sizes_have_nodes_enough():
    task = PointerChase(hops=8, nodes=32)
    assert task.resized(16) == PointerChase(16, 32)
    assert task.resized(64) == PointerChase(64, 128)
    assert task.resized(4).resized(8) == task


def test_splits_share_no_table():
    task = PointerChase(hops=4, nodes=8)
    jitted = jax.jit(draw, static_argnums=(0, 1, 2))
    train, test = (
        {row.tobytes() for row in np.asarray(jitted(task, s, 1500, depth=4, key=KEY).prompt)[:, :8]}
        for s in (TRAIN, TEST)
    )
    assert len(train) > 1000
    assert len(test) > 300
    assert not train & test


def test_render():
    task = PointerChase(hops=2, nodes=4)
    prompt = np.array([3, 5, 2, 4, 2, 6, 6, 1], np.int32)  # 0 -> 1 -> 3 -> 2 -> 0
    text = task.render(prompt)
    assert text.splitlines() == [
        "Each of the nodes 0 to 3 points to one node. A hop goes from a node to the one it points to.",
        "Pointers: 0->1 1->3 2->0 3->2",
        "Start: 0",
        "Hops: 2",
        "At which node does one arrive after all hops? Answer with the number of the node alone.",
    ]
    assert np.array_equal(task.parse(text), prompt)
    assert task.render_answer(np.array([5])) == "3"
    assert task.render_trace(np.array([3, 5])) == "1\n3"
    listed = task.control.render(prompt)
    assert listed.splitlines()[:2] == [
        "The nodes 0 to 3 stand on a ring; each points to the next, and the last to the first. "
        "A hop goes from a node to the one it points to.",
        "Order: 1 3 0 2",
    ]


@pytest.mark.parametrize(
    ("graph", "old", "new", "fault"),
    [
        ("cycle", "0->1", "0->2", r"come back after 2 hops, must be 4"),
        ("cycle", "0->1", "0->0", r"come back after 1 hops"),
        ("cycle", "3->2", "3->3", r"come back after 5 hops|come back"),
        ("cycle", "0->1", "1->0", r"pointers '1->0': must be '0->' and a number"),
        ("cycle", "0->1", "0->4", r"pointers '4': must be a whole number from 0 to 3"),
        ("cycle", " 3->2", "", r"pointers: 3 are listed, must be 4"),
        ("cycle", "Start: 0", "Start: 01", r"node '01'"),
        ("cycle", "Hops: 2", "Hops: 3", r"hops '3': must be a whole number from 1 to 2"),
        ("cycle", "Hops: 2", "Hops: two", r"hops 'two'"),
        ("cycle", "Start: 0\n", "", r"0 lines begin with 'Start:'"),
        ("list", "1 3 0 2", "1 3 0 1", r"4 nodes are listed; must be all 4, each once"),
        ("list", "1 3 0 2", "1 3 0 2 2", r"5 nodes are listed; must be all 4"),
    ],
)
def test_bad_texts(graph, old, new, fault):
    task = PointerChase(hops=2, nodes=4, graph=graph)
    text = task.render(np.array([3, 5, 2, 4, 2, 6, 6, 1], np.int32))
    assert old in text
    with pytest.raises(ValueError, match=fault) as error:
        task.parse(text.replace(old, new))
    assert "\n" not in str(error.value)


def test_bad_dials():
    with pytest.raises(ValueError, match="3 faults") as error:
        PointerChase(0, 1, "tree")
    assert all(name in str(error.value) for name in ("hops=0", "nodes=1", "graph='tree'", "cycle, function"))
    with pytest.raises(ValueError, match=r"allowed are hops=1\.\.4 or nodes=10"):
        PointerChase(5, 9)


@EVERY
def test_picture(graph):
    for nodes in (4, MOST_DRAWN):
        task = PointerChase(hops=nodes // 2, nodes=nodes, graph=graph)
        batch = sampled(task, 1)
        drawn = task.picture(batch.prompt[0], batch.trace[0], batch.answer[0])
        assert len(drawn) < 20_000
        tree = ElementTree.fromstring(drawn)
        assert "viewBox" in tree.attrib
        texts = [each.text for each in tree.iter("{http://www.w3.org/2000/svg}text")]
        assert texts == [*map(str, range(nodes)), *map(str, range(1, nodes // 2 + 1))]
    assert (
        PointerChase(2, MOST_DRAWN + 1, graph).picture(batch.prompt[0], batch.trace[0], batch.answer[0])
        is None
    )
