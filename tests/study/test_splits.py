"""Splits: nothing in common, nothing else changed."""

import hashlib
from functools import partial
from itertools import product

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from seriality.instance import PAD
from seriality.study import Training
from seriality.study.evaluate import EVALUATION_KEY
from seriality.study.splits import SMALLEST_SPACE, TEST, TRAIN, VALIDATION, draw, shared_depth, split_of
from seriality.tasks import (
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
    monoid,
)

SPLITS = (TRAIN, VALIDATION, TEST)
KEY = jax.random.key(3)
LARGE = [
    Words("S5", length=14),
    Words("registers", length=14),
    ElementaryAutomaton(rule=110, width=14, steps=2),
    LatticeAutomaton("majority", side=4, steps=2),
    CircuitValue(gates_per_layer=3, layers=2),
    ArithmeticCircuit(gates_per_layer=2, layers=2),
    DepthOfOne(gates_per_layer=3, layers=2),
    PointerChase(hops=2, nodes=12),
    IteratedSquaring(squarings=2, bits=16),
    Rollout(horizon=2, size=12),
    Billiards(collisions=2, balls=3, precision=24, radius=2),
    OccludedBalls(collisions=2, balls=3),
    GradeSchool(chain=2, operations=4, distractors=1),
    Sudoku(rounds=2),
    Countdown(operations=3, largest=20),
]
COUNT = 800
RECORDED = 64
"""The first prompts of a split, of which there is a digest."""
KEY_OF_RECORDS = jax.random.key(EVALUATION_KEY)
EXPENSIVE = (Billiards, OccludedBalls, Sudoku)
"""Families whose instances take long to find: fewer are drawn."""


@partial(jax.jit, static_argnums=(0, 2))
def drawn(task, split, count, depth, key):
    return draw(task, split, count, depth=depth, key=key)


def rows(prompts):
    return {row.tobytes() for row in np.asarray(prompts)}


def test_every_task_has_an_example():
    assert {type(task) for task in LARGE} == {TASKS[name] for name in TASKS.built_in}


DIVIDED = {
    ("Words(monoid='S5', length=14, generators='few')", 1): "842586bd844aad60",
    ("Words(monoid='registers', length=14, generators='few')", 1): "723c52d87729619b",
    ("ElementaryAutomaton(rule=110, width=14, steps=2, edges='ring')", 1): "e0ccd9bc9c068fc6",
    ("LatticeAutomaton(rule='majority', dimensions=2, side=4, steps=2)", 1): "7060b730d97f3a85",
    ("CircuitValue(gates_per_layer=3, layers=2, wiring='deep')", 1): "3da3719d34de8336",
    ("ArithmeticCircuit(gates_per_layer=2, layers=2, modulus=5, wiring='deep')", 1): "a0624be21fab115e",
    ("DepthOfOne(gates_per_layer=3, layers=2, question='depth', wiring='deep')", 1): "8abf9134dc3222b2",
    ("PointerChase(hops=2, nodes=12, graph='cycle')", 1): "333326cc1d52a194",
    ("IteratedSquaring(squarings=2, bits=16, order='hidden')", 1): "34e4d477f5d030f2",
    ("Rollout(horizon=2, size=12, dynamics='automaton', truncation=0)", 1): "df2a1ee7a565a7c4",
    (
        "Billiards(collisions=2, balls=3, precision=24, radius=2, speed=7, present='all', question='positions')",  # noqa: E501
        1,
    ): "59d13c84942ff81e",
    (  # until 2026-11-27 by the whole prompt; no record is of a set so divided
        "OccludedBalls(collisions=2, balls=3, height=12, visible=4, hidden=16, speed=3, contact='hard')",
        1,
    ): "d483d7cac559ad83",
    (
        "GradeSchool(chain=2, operations=4, distractors=1, givens=5, modulus=23, reads='results')",
        1,
    ): "78a4411c047e51a0",
    ("Sudoku(side=9, rounds=2, tier='singles', clues=None, grid='any')", 1): "af9302517b45fd6a",
    ("Countdown(operations=3, largest=20, target='expression')", 1): "a258b01c987d51e4",
}
"""A digest of what each split of an example is asked, by the version of the training: whoever changes the
division, or the key of evaluation, raises it. Records name that version, so an entry is never altered."""


@pytest.mark.parametrize("task", LARGE, ids=str)
def test_splits_share_no_prompt(task):
    """And are those that records were made with."""
    assert shared_depth(task) < task.max_depth
    found, digest = [], hashlib.sha256()
    for split in SPLITS:
        count = RECORDED if isinstance(task, EXPENSIVE) else COUNT
        prompts = np.asarray(drawn(task, split, count, task.max_depth, KEY_OF_RECORDS).prompt)
        assert np.all(np.asarray(split_of(task, jnp.asarray(prompts))) == split)
        found.append(rows(prompts))
        digest.update(prompts[:RECORDED].astype("<i4").tobytes())
    assert all(found)
    assert not (found[0] & found[1] | found[0] & found[2] | found[1] & found[2])
    assert digest.hexdigest()[:16] == DIVIDED[str(task), Training.version]


def shallower(task, instances, depth):
    """The questions of a depth that deeper instances' labels and traces answer: their prompts, cut short."""
    kept = task.sample(1, key=KEY, depth=depth).prompt[0] != PAD
    return jnp.where(kept, instances.prompt, PAD)


@pytest.mark.parametrize("task", [LARGE[0], LARGE[2], CircuitValue(gates_per_layer=2, layers=4)], ids=str)
def test_what_a_training_instance_answers_on_its_way_is_not_asked_in_testing(task):
    """Though most questions of the smallest divided depth come up on the way if splits are not kept apart."""
    depth = shared_depth(task) + 1
    assert depth < task.max_depth
    for below in range(depth, task.max_depth):
        trained = shallower(task, drawn(task, TRAIN, 5 * COUNT, task.max_depth, KEY), below)
        asked = drawn(task, TEST, COUNT, below, KEY).prompt
        assert not rows(trained) & rows(asked)
        seen_in_any = shallower(task, task.sample(5 * COUNT, key=KEY), below)
        assert rows(seen_in_any) & rows(asked) or task.distinct(below) > 10**5


@pytest.mark.parametrize("task", LARGE, ids=str)
def test_one_prompt_in_eight_is_for_testing(task):
    count = 1000 if isinstance(task, EXPENSIVE) else 20_000
    prompts = np.asarray(task.sample(count, key=KEY).prompt)
    lineage = np.asarray(task.lineage(jnp.asarray(prompts), min(shared_depth(task) + 1, task.max_depth)))
    prompts = prompts[np.unique(lineage, axis=0, return_index=True)[1]]
    counts = np.bincount(np.asarray(split_of(task, jnp.asarray(prompts))), minlength=3)
    shares = np.array([6, 1, 1]) / 8
    error = np.sqrt(shares * (1 - shares) / len(prompts))
    assert np.all(np.abs(counts / len(prompts) - shares) < 4 * error)


def test_without_the_division_there_is_overlap():
    task = Words("S5", length=14)
    undivided = shared_depth(task)
    found = [rows(drawn(task, split, COUNT, undivided, KEY).prompt) for split in SPLITS]
    assert found[0] == found[1] == found[2]
    fresh = [rows(task.sample(COUNT, key=key).prompt) for key in jax.random.split(KEY)]
    assert fresh[0] & fresh[1]


def test_within_a_split_every_prompt_is_as_likely_as_before():
    """All 4096 words of 12 letters: those of a split are drawn alike, and the splits part them all."""
    task = Words("S5", length=12)
    letters = np.unique(np.asarray(task.sample(50, key=KEY).prompt)[:, :12])
    words = np.array([(*word, 1) for word in product(letters, repeat=12)], np.int32)
    splits = np.asarray(split_of(task, jnp.asarray(words)))
    assert np.abs(np.bincount(splits) / 4096 - np.array([6, 1, 1]) / 8).max() < 0.03
    for split in (VALIDATION, TEST):
        prompts = np.asarray(drawn(task, split, 8000, 12, KEY).prompt)
        places = (prompts[:, :12] == letters[1]) @ (1 << np.arange(12)[::-1])
        counts = np.bincount(places, minlength=4096)
        assert not counts[splits != split].any()
        inside = counts[splits == split]
        expected, degrees = 8000 / len(inside), len(inside) - 1
        chi_square = np.sum((inside - expected) ** 2 / expected)
        assert abs(chi_square - degrees) < 4 * np.sqrt(2 * degrees)


def test_an_instance_does_not_depend_on_the_batch():
    task, depth = Words("S5", length=14), 13
    for split in SPLITS:
        many, few = (drawn(task, split, count, depth, KEY) for count in (40, 3))
        assert jax.tree.all(jax.tree.map(lambda a, b: np.array_equal(a[:3], b), many, few))


def test_depths_may_differ_within_a_batch():
    task = Words("S5", length=14)
    depths = jnp.arange(1, 15)
    instances = drawn(task, TEST, 14, depths, KEY)
    assert instances.depth.tolist() == depths.tolist()
    belongs = np.asarray(split_of(task, instances.prompt)) == TEST
    assert belongs[shared_depth(task) :].all()
    assert not belongs[: shared_depth(task)].all()


@pytest.mark.parametrize(
    ("task", "depth"),
    [
        (Words("S5", length=16), 11),  # 2^11 < 4096 = 2^12
        (Words("S5", length=5), 5),
        (Words("A5", length=4, generators="all"), 2),  # 60^2 < 4096 < 60^3
        (ElementaryAutomaton(width=11, steps=3), 3),
        (ElementaryAutomaton(width=12, steps=3), 0),
    ],
    ids=str,
)
def test_shared_depth_by_counting(task, depth):
    assert SMALLEST_SPACE == 4096
    assert shared_depth(task) == depth


def test_shared_depth_by_brute_force():
    """Every prompt of a small task, collected until none is new."""
    k = np.arange(3)
    task = Words(monoid((k[:, None] + k) % 3), length=9)
    counts = {}
    for depth in (6, 7):
        counts[depth] = len(np.unique(np.asarray(task.sample(60_000, key=KEY, depth=depth).prompt), axis=0))
    assert counts == {6: 3**6, 7: 3**7}
    assert shared_depth(task) == 7
    assert 3**7 < SMALLEST_SPACE <= 3**8


def test_the_likeliest_prompt_decides_what_can_be_divided():
    """Its share is estimated from counts."""
    k = np.arange(3)
    task = Words(monoid((k[:, None] + k) % 3, [0, 1, 2, 2]), length=14)
    prompts = np.asarray(task.sample(100_000, key=KEY, depth=3).prompt)
    shares = np.unique(prompts, axis=0, return_counts=True)[1] / len(prompts)
    assert len(shares) == 27
    assert abs(shares.max() * task.distinct(3) - 1) < 0.05
    assert task.distinct(12) == 2**12 == SMALLEST_SPACE  # half of the letters are 2
    assert shared_depth(task) == 11
    assert shared_depth(Words("reset", length=20)) == 20  # 9 % of the words of 18 letters hold throughout


def answers_differ(task):
    """Whether some split has other answers than the task as a whole: chi square on answers of one token, of
    which 5 or more are expected (of rarer ones a single count would be far)."""
    undivided = np.asarray(task.sample(40_000, key=KEY).answer)[:, 0]
    tokens, counts = np.unique(undivided, return_counts=True)
    tokens, counts = tokens[counts >= 100], counts[counts >= 100]
    found = [np.asarray(drawn(task, split, 2000, task.max_depth, KEY).answer)[:, 0] for split in SPLITS]
    expected = 2000 * counts / len(undivided)
    distances = [np.sum(((part[:, None] == tokens).sum(0) - expected) ** 2 / expected) for part in found]
    degrees = len(tokens) - 1
    return max(distances) > degrees + 5 * np.sqrt(2 * degrees)


def test_no_split_has_other_answers_than_the_task(monkeypatch):
    task = Words("S5", length=20)
    assert (shared_depth(task), shared_depth(task.control)) == (11, 5)  # 2^12 and 5^6 reach 4096
    assert not answers_differ(task)
    assert not answers_differ(task.control)
    monkeypatch.setattr(Words, "distinct", lambda self, depth: SMALLEST_SPACE * (depth >= 18))
    assert answers_differ(Words("reset", length=20))  # 9 % of the words begin with 18 times hold
