"""What the contract promises, for every task: layout, seeding, depth, scores, declared costs."""

import hashlib
import subprocess
import sys
from dataclasses import fields, replace
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from seriality.instance import PAD, QUERY, UNASKED
from seriality.meter import measure
from seriality.tasks import (
    MONOIDS,
    TASKS,
    Billiards,
    CircuitValue,
    ElementaryAutomaton,
    IteratedSquaring,
    OccludedBalls,
    PointerChase,
    Rollout,
    Words,
)

EXAMPLES = [
    Words("S5", length=7),
    Words("A5", length=7, generators="all"),
    Words("Z60", length=7),
    Words("reset", length=7),
    Words("registers", length=7),
    ElementaryAutomaton(rule=110, width=5, steps=4),
    ElementaryAutomaton(rule=90, width=5, steps=4),
    CircuitValue(gates_per_layer=3, layers=4),
    CircuitValue(gates_per_layer=3, layers=4, wiring="wide"),
    PointerChase(hops=4, nodes=18),
    PointerChase(hops=4, nodes=18, graph="function"),
    PointerChase(hops=4, nodes=18, graph="list"),
    IteratedSquaring(squarings=4, bits=12),
    IteratedSquaring(squarings=4, bits=12, order="known"),
    Rollout(horizon=4, size=12),
    Rollout(horizon=4, size=12, dynamics="map"),
    Rollout(horizon=4, size=12, truncation=2),
    Billiards(collisions=4, balls=3, precision=24, radius=2),
    Billiards(collisions=4, balls=3, precision=24, radius=2, present="one"),
    Billiards(collisions=4, balls=3, precision=24, radius=2, question="macrostates"),
    OccludedBalls(collisions=4, balls=2),
    OccludedBalls(collisions=4, balls=2, contact="none"),
]
EVERY = pytest.mark.parametrize("task", EXAMPLES, ids=str)
ONE_EACH = pytest.mark.parametrize("task", {type(task): task for task in EXAMPLES}.values(), ids=str)
COUNT = 16
KEY = jax.random.key(3)


def depths(task):
    return jnp.asarray(np.arange(COUNT) % task.max_depth + 1)


@cache
def instances(task, count=COUNT):
    return jax.tree.map(np.asarray, task.sample(count, key=KEY, depth=depths(task)[:count]))


def same(left, right):
    return jax.tree.all(jax.tree.map(np.array_equal, left, right))


def test_every_task_has_an_example():
    assert {type(task) for task in EXAMPLES} == set(TASKS.values())


@EVERY
def test_layout(task):
    layout, batch = task.format, instances(task)
    assert batch.prompt.shape == batch.labels.shape == (COUNT, layout.prompt_length)
    assert batch.trace.shape == (COUNT, layout.trace_length)
    assert batch.answer.shape == (COUNT, layout.answer_length)
    assert layout.tokens[:2] == ("PAD", "QUERY")
    assert len(set(layout.tokens)) == layout.vocabulary

    is_query = batch.prompt == QUERY
    assert np.all(is_query[:, -layout.answer_length :])
    assert not np.any(is_query[:, : -layout.answer_length])
    assert np.array_equal(batch.labels[:, -layout.answer_length :], batch.answer)
    assert not np.any((batch.labels != UNASKED) & (batch.prompt == PAD))

    steps = layout.trace_length // task.max_depth
    within = np.arange(layout.trace_length) < steps * np.asarray(batch.depth)[:, None]
    assert np.array_equal(batch.trace != PAD, within)
    for tokens in (batch.prompt, batch.trace, batch.answer):
        assert tokens.min() >= 0
        assert tokens.max() < layout.vocabulary


@EVERY
def test_the_reference_gives_the_answer(task):
    batch = instances(task)
    assert np.array_equal(jax.jit(jax.vmap(task.reference))(batch.prompt), batch.answer)


INSTANCES_OF = {
    ("Words(monoid='S5', length=7, generators='few')", 3): "8f762e263512c27b",
    ("Words(monoid='A5', length=7, generators='all')", 3): "24ee049bd311af58",
    ("Words(monoid='Z60', length=7, generators='few')", 3): "0af124f48a152856",
    ("Words(monoid='reset', length=7, generators='few')", 3): "eddb771d0c9c3c3f",
    ("Words(monoid='registers', length=7, generators='few')", 3): "60d8c01d4c20ff56",
    ("ElementaryAutomaton(rule=110, width=5, steps=4)", 2): "583a9b21f72f575c",
    ("ElementaryAutomaton(rule=90, width=5, steps=4)", 2): "c75156b6f7cdb10e",
    ("CircuitValue(gates_per_layer=3, layers=4, wiring='deep')", 2): "1ac51cda5bcd8b89",
    ("CircuitValue(gates_per_layer=3, layers=4, wiring='wide')", 2): "24e199cd5566a7cb",
    ("PointerChase(hops=4, nodes=18, graph='cycle')", 1): "13ce899c8c38997a",
    ("PointerChase(hops=4, nodes=18, graph='function')", 1): "398149415b8570e4",
    ("PointerChase(hops=4, nodes=18, graph='list')", 1): "6a18faecfc3dcb58",
    ("IteratedSquaring(squarings=4, bits=12, order='hidden')", 1): "08614fd369519156",
    ("IteratedSquaring(squarings=4, bits=12, order='known')", 1): "03d9fb5eeaa927d3",
    ("Rollout(horizon=4, size=12, dynamics='automaton', truncation=0)", 1): "e0bf39394a9e358f",
    ("Rollout(horizon=4, size=12, dynamics='map', truncation=0)", 1): "c10df8a3dc9be469",
    ("Rollout(horizon=4, size=12, dynamics='automaton', truncation=2)", 1): "be5d2421c18a2cff",
    (
        "Billiards(collisions=4, balls=3, precision=24, radius=2, speed=7, present='all', question='positions')",  # noqa: E501
        1,
    ): "5fae414098b7f58d",
    (
        "Billiards(collisions=4, balls=3, precision=24, radius=2, speed=7, present='one', question='positions')",  # noqa: E501
        1,
    ): "2aa8d7c6adac4270",
    (
        "Billiards(collisions=4, balls=3, precision=24, radius=2, speed=7, present='all', question='macrostates')",  # noqa: E501
        1,
    ): "62cb42311dd68121",
    (
        "OccludedBalls(collisions=4, balls=2, height=12, visible=4, hidden=16, speed=3, contact='hard')",
        1,
    ): "f673f3a61052bf1f",  # noqa: E501
    (
        "OccludedBalls(collisions=4, balls=2, height=12, visible=4, hidden=16, speed=3, contact='none')",
        1,
    ): "b80f886ae2fb3899",  # noqa: E501
}
"""A digest of each example's instances, by the version of its task. Records name the version they were made
with, so an entry is never altered: other instances are another version."""


@EVERY
def test_a_version_has_its_instances(task):
    parts = [np.asarray(part, "<i4").tobytes() for part in jax.tree.leaves(instances(task))]
    digest = hashlib.sha256(b"".join(parts)).hexdigest()[:16]
    assert digest == INSTANCES_OF[str(task), task.version]


@ONE_EACH
def test_batch_size_never_changes_data(task):
    whole, part = instances(task), instances(task, count=3)
    assert same(jax.tree.map(lambda x: x[:3], whole), part)
    assert len(np.unique(whole.prompt, axis=0)) > COUNT // 2


@ONE_EACH
def test_depth_may_be_an_int_an_array_or_traced(task):
    whole = task.sample(COUNT, key=KEY)
    assert same(whole, task.sample(COUNT, key=KEY, depth=task.max_depth))
    assert same(whole, task.sample(COUNT, key=KEY, depth=jnp.full(COUNT, task.max_depth)))

    def draw_again(carry, depth):
        return carry, task.sample(COUNT, key=KEY, depth=depth)

    deeper = jnp.array([1, task.max_depth])
    _, scanned = jax.jit(lambda d: jax.lax.scan(draw_again, 0, d))(deeper)
    assert same(jax.tree.map(lambda x: x[1], scanned), whole)


@EVERY
def test_depth_changes_only_what_it_should(task):
    whole, half = task.sample(COUNT, key=KEY), task.sample(COUNT, key=KEY, depth=2)
    for deep, shallow in ((whole.prompt, half.prompt), (whole.trace, half.trace)):
        assert np.array_equal(np.where(shallow == PAD, PAD, deep), shallow)
        assert np.sum(shallow == PAD) > np.sum(deep == PAD)
    assert np.array_equal(half.depth, [2] * COUNT)


@EVERY
def test_score_wants_every_token(task):
    batch = task.sample(COUNT, key=KEY, depth=depths(task))
    assert np.all(task.score(batch.answer, batch))
    for place in range(task.format.answer_length):
        wrong = np.array(batch.answer)
        wrong[::2, place] += 1
        assert np.array_equal(task.score(jnp.asarray(wrong), batch), np.arange(COUNT) % 2 == 1)


@EVERY
def test_render_shows_every_step(task):
    batch = task.sample(1, key=KEY, depth=3)
    text = task.render(*(np.asarray(x)[0] for x in (batch.prompt, batch.trace, batch.answer)))
    lines = text.splitlines()
    assert lines[-1].startswith("answer: ")
    assert 5 <= len(lines) <= 6


@EVERY
def test_the_control_is_a_twin_with_a_shortcut(task):
    larger = task.resized(2 * task.max_depth)
    assert larger.max_depth == 2 * task.max_depth
    if task.control is None:
        assert task.cost().span == larger.cost().span
        return
    ours, twin = task.format, task.control.format
    assert (ours.prompt_length, ours.trace_length, ours.answer_length) == (
        (twin.prompt_length, twin.trace_length, twin.answer_length)
    )
    assert task.control.control is None
    assert task.control.max_depth == task.max_depth
    assert task.control.cost().span == larger.control.cost().span
    assert task.cost().span < larger.cost().span


@pytest.mark.parametrize(
    ("task", "dial", "other"),
    [
        (Words("S5", length=7), "monoid", "A5"),
        (Words("S5", length=7), "length", 8),
        (Words("S5", length=7), "generators", "all"),
        (ElementaryAutomaton(110, 5, 4), "rule", 30),
        (ElementaryAutomaton(110, 5, 4), "width", 6),
        (ElementaryAutomaton(110, 5, 4), "steps", 5),
        (CircuitValue(3, 4), "gates_per_layer", 2),
        (CircuitValue(3, 4), "layers", 5),
        (CircuitValue(3, 4), "wiring", "wide"),
        (PointerChase(4, 18), "hops", 5),
        (PointerChase(4, 18), "nodes", 19),
        (PointerChase(4, 18), "graph", "function"),
        (IteratedSquaring(4, 12), "squarings", 5),
        (IteratedSquaring(4, 12), "bits", 13),
        (IteratedSquaring(4, 12), "order", "known"),
        (Rollout(4, 12), "horizon", 5),
        (Rollout(4, 12), "size", 13),
        (Rollout(4, 12), "dynamics", "map"),
        (Rollout(4, 12), "truncation", 2),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_every_dial_moves_the_instances(task, dial, other):
    assert not same(instances(task), instances(replace(task, **{dial: other})))


def test_every_dial_is_in_the_test_above():
    (mark,) = test_every_dial_moves_the_instances.pytestmark
    moved = {(type(task).__name__, dial) for task, dial, _ in mark.args[1]}
    assert moved == {(name, field.name) for name, task in TASKS.items() for field in fields(task())}


@pytest.mark.parametrize(
    ("task", "depth"),
    [(Words("Z60", length=3), 2), (ElementaryAutomaton(width=4, steps=3), 2), (CircuitValue(2, 2), 1)],
    ids=str,
)
def test_distinct_counts_the_prompts(task, depth):
    prompts = task.sample(8192, key=KEY, depth=depth).prompt
    assert len(np.unique(prompts, axis=0)) == task.distinct(depth)


SIZES = [
    *(Words(name, length=n) for name in MONOIDS for n in (1, 2, 3, 8, 13, 64)),
    *(
        ElementaryAutomaton(r, *size)
        for r in (110, 30, 90, 150)
        for size in ((3, 1), (4, 9), (8, 2), (16, 8))
    ),
    *(CircuitValue(*size, wiring=w) for w in ("deep", "wide") for size in ((2, 1), (2, 2), (3, 8), (5, 3))),
]


@pytest.mark.parametrize("task", EXAMPLES + SIZES, ids=str)
def test_the_meter_agrees_with_the_declared_cost(task):
    prompt = jax.ShapeDtypeStruct((task.format.prompt_length,), jnp.int32)
    found = measure(task.reference, prompt, cost_model="unit")
    assert (found.cost, found.bound) == (task.cost(), "exact")


def test_depths_out_of_range_are_refused():
    task = Words("parity", length=4)
    with pytest.raises(ValueError, match=r"depth=5: must be an integer in 1\.\.4"):
        task.sample(2, key=KEY, depth=5)
    with pytest.raises(ValueError, match=r"depth=0: must be an integer in 1\.\.4"):
        task.sample(2, key=KEY, depth=jnp.array([1, 0]))
    with pytest.raises(ValueError, match=r"(?s)count=-1.*shape \(3,\)"):
        task.sample(-1, key=KEY, depth=jnp.ones(3, jnp.int32))


@pytest.mark.parametrize(
    ("make", "faults"),
    [
        (lambda: Words("S6", length=0, generators="some"), ["monoid='S6'", "length=0", "generators='some'"]),
        (lambda: ElementaryAutomaton(256, 2, 0), ["rule=256", "width=2", "steps=0", "0..255", "at least 3"]),
        (lambda: CircuitValue(1, 0, "flat"), ["gates_per_layer=1", "layers=0", "wiring='flat'", "'deep'"]),
    ],
)
def test_all_faults_are_reported_at_once(make, faults):
    with pytest.raises(ValueError, match="3 faults") as error:
        make()
    assert all(fault in str(error.value) for fault in faults)


def test_importing_and_declaring_start_no_backend():
    program = """
from jax._src import xla_bridge
from seriality.tasks import TASKS
for task in TASKS.values():
    task().cost(), task().format, task().control, task().distinct(2), hash(task())
assert not xla_bridge._backends
import jax.numpy
jax.numpy.zeros(1)
assert xla_bridge._backends
"""
    subprocess.run([sys.executable, "-c", program], check=True)
