"""Words against permutations applied to points one after another, and a plain fold of the table."""

from collections import Counter
from functools import reduce
from itertools import permutations, product

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seriality.instance import PAD, UNASKED
from seriality.tasks import MONOIDS, Words, monoid

KEY = jax.random.key(5)


def apply_cycles(cycles, point):
    for cycle in cycles.strip("()").split(")("):
        if str(point) in cycle:
            return int((cycle + cycle[0])[cycle.index(str(point)) + 1])
    return point


def test_s5_moves_points_one_letter_at_a_time():
    task = Words("S5", length=9)
    text = task.format.tokens
    batch = jax.tree.map(np.asarray, task.sample(20, key=KEY, depth=jnp.asarray(np.arange(20) % 9 + 1)))
    for prompt, answer, depth in zip(batch.prompt, batch.answer, batch.depth, strict=True):
        letters = [text[t] for t in prompt[: int(depth)]]
        assert set(letters) <= {"(01)", "(01234)"}
        images = [reduce(lambda point, letter: apply_cycles(letter, point), letters, p) for p in range(5)]
        assert images == [apply_cycles(text[int(answer[0])], p) for p in range(5)]


def relabelled_s3():
    members = list(permutations(range(3)))[::-1]  # the identity comes last
    index = {p: i for i, p in enumerate(members)}
    return monoid([[index[tuple(b[x] for x in a)] for b in members] for a in members], name="S3")


def relabelled_reset():
    """A latch of four values whose identity is element 2."""
    return monoid([[b if b != 2 else a for b in range(5)] for a in range(5)], name="latch")


@pytest.mark.parametrize(
    "task",
    [
        Words("parity", length=11),
        Words("A4xZ5", length=11),
        Words("registers", length=11),
        Words("registers", length=11, generators="all"),
        Words(relabelled_s3(), length=11),
        Words(relabelled_reset(), length=11),
        Words(monoid([[0]], name="trivial"), length=11),
    ],
    ids=lambda task: f"{getattr(task.monoid, 'name', task.monoid)}, {task.generators}",
)
def test_trace_labels_and_answer_are_the_fold(task):
    check_the_fold(task)


@settings(max_examples=5, deadline=None)
@given(st.sampled_from([*MONOIDS]), st.integers(1, 20), st.sampled_from(["few", "all"]))
def test_trace_labels_and_answer_are_the_fold_at_any_dials(name, length, generators):
    check_the_fold(Words(name, length=length, generators=generators))


def check_the_fold(task):
    table, length = task._monoid.table, task.length
    depths = jnp.asarray(np.arange(2 * length) % length + 1)
    batch = jax.tree.map(np.asarray, task.sample(2 * length, key=KEY, depth=depths))
    answers = np.asarray(jax.jit(jax.vmap(task.reference))(batch.prompt))
    for i, depth in enumerate(batch.depth):
        word = batch.prompt[i, :depth] - 2
        products = [reduce(lambda a, b: table[a][b], word[: n + 1]) + 2 for n in range(depth)]
        padding = length - int(depth)
        assert batch.trace[i].tolist() == products + [PAD] * padding
        assert batch.labels[i].tolist() == products + [UNASKED] * padding + products[-1:]
        assert batch.answer[i].tolist() == answers[i].tolist() == products[-1:]


def test_labels_are_the_reference_on_every_prefix():
    task = Words("A5", length=8, generators="all")
    batch = jax.tree.map(np.asarray, task.sample(6, key=KEY))
    reference = jax.jit(jax.vmap(task.reference))
    for length in range(1, 9):
        prefix = np.where((np.arange(9) < length) | (np.arange(9) == 8), batch.prompt, PAD)
        assert np.array_equal(reference(prefix)[:, 0], batch.labels[:, length - 1])


def test_which_letters_occur():
    few, all_of_them = Words("A5", length=64), Words("A5", length=64, generators="all")
    text = few.format.tokens
    prompts = [np.asarray(t.sample(32, key=KEY).prompt)[:, :-1] for t in (few, all_of_them)]
    assert {text[t] for t in np.unique(prompts[0])} == {"(012)", "(01234)"}
    assert len(np.unique(prompts[1])) == 60


def test_every_letter_is_as_likely():
    letters = np.asarray(Words("Z60", length=64).sample(256, key=KEY).prompt)[:, :-1]
    _, counts = np.unique(letters, return_counts=True)
    assert np.all(np.abs(counts - 4096) < 5 * np.sqrt(16384 * 3 / 16))


def test_controls():
    assert Words("S5", length=9).control == Words("registers", length=9)
    assert Words("A5", generators="all").control == Words("registers", generators="all")
    assert [Words(name).control for name in ("A4xZ5", "Z60", "parity", "reset", "registers")] == [None] * 5


def test_text():
    task = Words("S5", length=4)
    prompt = np.array([5, 0, 0, 0, 1], np.int32)
    letter = task.format.tokens[5]
    assert letter not in ("(01)", "(01234)")
    with pytest.raises(ValueError, match=r"is no letter; allowed are \(01234\), \(01\)|\(01\), \(01234\)"):
        task.parse(task.render(prompt))
    word = task.token_ids(["(01)", "(01234)", "(01)"])
    prompt = np.array([*word, 0, 1], np.int32)
    text = task.render(prompt)
    assert text.splitlines()[-1] == "word: (01) (01234) (01)"
    assert "The product ab is: first a, then b." in text
    assert np.array_equal(task.parse(text), prompt)
    assert task.render_trace(np.array([*word, 0], np.int32)).splitlines()[1] == "after letter 2: (01234)"
    for wrong in (
        text + " (01) (01)",
        text + " (",
        text.replace("cycles", "circles"),
        text.replace("word:", "w"),
    ):
        with pytest.raises(ValueError, match=r"must be|no token|differs"):
            task.parse(wrong)


def test_the_text_of_a_monoid_without_a_formula_holds_its_table():
    maximum = monoid([[max(a, b) for b in range(4)] for a in range(4)], elements="abcd")
    task = Words(maximum, length=3)
    text = task.render(np.array([2, 3, 5, 1], np.int32))
    assert "- b: b b c d" in text
    assert text.endswith("word: a b d")
    own = monoid(Words("A5")._monoid.table, name="S5")  # a name alone makes no permutations of numbers
    assert "Its table has a row" in Words(own).render(np.array([2] + 15 * [0] + [1], np.int32))


def test_registers_are_told_in_words():
    text = Words("registers", length=3).render(np.array([2, 3, 0, 1], np.int32))
    assert text.startswith("Two registers, a and b, hold a bit each.")
    assert "table" not in text
    own = monoid(Words("registers")._monoid.table, name="registers")  # whose elements are numbers
    assert "Its table has a row" in Words(own, length=3).render(np.array([2, 3, 0, 1], np.int32))


def test_names_of_elements_are_single_words():
    with pytest.raises(ValueError, match="'a b' is not one word"):
        monoid([[0, 1], [1, 0]], elements=["0", "a b"])


def test_the_guess_rate_is_the_share_of_the_commonest_product():
    for task in (Words("S5", length=3), Words("reset", length=5), Words("registers", length=2)):
        m, letters = task._monoid, (task._letters - 2).tolist()
        counts = Counter(
            reduce(lambda a, b: m.table[a][b], word) for word in product(letters, repeat=task.length)
        )
        assert task.guess_rate == pytest.approx(max(counts.values()) / len(letters) ** task.length)
