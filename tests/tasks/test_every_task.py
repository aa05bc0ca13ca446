"""What the contract promises, for every task: `check_task`, and the digests of what each version draws."""

import hashlib
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from seriality.conformance import CHECKS, check_task
from seriality.meter import measure
from seriality.tasks import (
    MONOIDS,
    TASKS,
    ArithmeticCircuit,
    Billiards,
    CircuitValue,
    Countdown,
    DepthOfOne,
    ElementaryAutomaton,
    GradeSchool,
    IteratedSquaring,
    LatticeAutomaton,
    OccludedBalls,
    PointerChase,
    Rollout,
    Sudoku,
    Words,
)

EXAMPLES = {
    Words("S5", length=7): (3, "8f762e263512c27b"),
    Words("A5", length=7, generators="all"): (3, "24ee049bd311af58"),
    Words("Z60", length=7): (3, "0af124f48a152856"),
    Words("reset", length=7): (3, "eddb771d0c9c3c3f"),
    Words("registers", length=7): (3, "60d8c01d4c20ff56"),
    ElementaryAutomaton(rule=110, width=5, steps=4): (2, "583a9b21f72f575c"),
    ElementaryAutomaton(rule=90, width=5, steps=4): (2, "c75156b6f7cdb10e"),
    LatticeAutomaton("life", side=4, steps=2): (1, "8bbd3ac809185533"),
    LatticeAutomaton("majority", 3, 3, 2): (1, "f95822255bcb4e13"),
    LatticeAutomaton("parity", side=4, steps=2): (1, "0a84418dd5995081"),
    CircuitValue(gates_per_layer=3, layers=4): (2, "1ac51cda5bcd8b89"),
    CircuitValue(gates_per_layer=3, layers=4, wiring="wide"): (2, "24e199cd5566a7cb"),
    ArithmeticCircuit(gates_per_layer=2, layers=4): (1, "d096af10ecf34931"),
    ArithmeticCircuit(gates_per_layer=2, layers=4, wiring="wide"): (1, "f8bc2e31858ab81d"),
    DepthOfOne(gates_per_layer=3, layers=4): (1, "3fc37d4b5ad2766f"),
    DepthOfOne(gates_per_layer=3, layers=4, question="choice"): (1, "ad7c7bb4a0b9495d"),
    DepthOfOne(gates_per_layer=3, layers=4, question="choice", wiring="wide"): (1, "49df50c007678dce"),
    PointerChase(hops=4, nodes=18): (1, "13ce899c8c38997a"),
    PointerChase(hops=4, nodes=18, graph="function"): (1, "398149415b8570e4"),
    PointerChase(hops=4, nodes=18, graph="list"): (1, "6a18faecfc3dcb58"),
    IteratedSquaring(squarings=4, bits=12): (1, "08614fd369519156"),
    IteratedSquaring(squarings=4, bits=12, order="known"): (1, "03d9fb5eeaa927d3"),
    Rollout(horizon=4, size=12): (1, "e0bf39394a9e358f"),
    Rollout(horizon=4, size=12, dynamics="map"): (1, "c10df8a3dc9be469"),
    Rollout(horizon=4, size=12, truncation=2): (1, "be5d2421c18a2cff"),
    Billiards(collisions=4, balls=3, precision=24, radius=2): (1, "5fae414098b7f58d"),
    Billiards(collisions=4, balls=3, precision=24, radius=2, present="one"): (1, "2aa8d7c6adac4270"),
    Billiards(collisions=4, balls=3, precision=24, radius=2, question="macrostates"): (1, "62cb42311dd68121"),
    OccludedBalls(collisions=4, balls=2): (1, "379ba7093df62c0a"),
    OccludedBalls(collisions=4, balls=2, contact="none"): (1, "8e6ab5105ca2714e"),
    GradeSchool(chain=4, operations=6, distractors=1): (1, "f5012de452b8074c"),
    GradeSchool(chain=4, operations=6, distractors=1, reads="start"): (1, "abfc4b4db74ce4e7"),
    Sudoku(side=4, rounds=2): (1, "8dac26eb645805a1"),
    Sudoku(side=4, rounds=2, grid="known"): (1, "bc5dab1d64fb4d7f"),
    Sudoku(side=4, rounds=2, tier="ambiguous"): (1, "ff37700a33c2fbd1"),
    Countdown(operations=2, largest=9): (1, "8d1d9833909be106"),
    Countdown(operations=2, largest=9, target="sum"): (1, "fe37fd69685f1402"),
    Countdown(operations=2, largest=9, target=12): (1, "9aa2022312523c9a"),
}
"""Small settings of every task, with the version of the task and a digest of the instances it draws. Records
name the version they were made with, so an entry is never altered: other instances are another version."""
EVERY = pytest.mark.parametrize("task", EXAMPLES, ids=str)
COUNT = 16
KEY = jax.random.key(3)


def test_every_task_has_an_example():
    assert {type(task) for task in EXAMPLES} == {TASKS[name] for name in TASKS.built_in}


@EVERY
def test_a_version_has_its_instances(task):
    depths = jnp.asarray(np.arange(COUNT) % task.max_depth + 1)
    instances = task.sample(COUNT, key=KEY, depth=depths)
    parts = [np.asarray(part, "<i4").tobytes() for part in jax.tree.leaves(instances)]
    assert EXAMPLES[task] == (task.version, hashlib.sha256(b"".join(parts)).hexdigest()[:16])


@pytest.mark.parametrize("task", {type(task): task for task in reversed(EXAMPLES)}.values(), ids=str)
def test_the_contract_is_kept(task):
    """The first example of each task; its control, declared costs and layout are part of what is checked.
    Splits are, for all tasks, in `tests/study/test_splits.py`."""
    every = (check.__name__.strip("_").replace("_", " ") for check in CHECKS)
    found = check_task(task, count=512, only=[name for name in every if name != "splits"])
    assert found.passed, str(found)


@pytest.mark.parametrize(
    "task",
    {type(task): task.control for task in reversed(EXAMPLES) if task.control is not None}.values(),
    ids=str,
)
def test_answers_of_controls_are_right_and_as_various_as_stated(task):
    found = check_task(task, count=512, only=["reference", "answers", "scores"])
    assert found.passed, str(found)


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


@pytest.mark.parametrize("task", SIZES, ids=str)
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
for task in map(TASKS.get, TASKS.built_in):
    task().cost(), task().format, task().control, task().distinct(2), hash(task())
assert not xla_bridge._backends
import jax.numpy
jax.numpy.zeros(1)
assert xla_bridge._backends
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def test_a_dial_of_any_length_is_told_in_short(as_users_call):
    with pytest.raises(ValueError, match=r"length='9+\.\.\.9+': must be an integer") as refused:
        Words("S5", length="9" * 10_000)
    assert len(str(refused.value)) < 300
