"""Automata against Wolfram's definition in plain Python and published rows from a single cell."""

from collections import Counter
from itertools import product

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seriality.instance import PAD, QUERY
from seriality.tasks import ElementaryAutomaton

KEY = jax.random.key(7)
CELL, STEP = 2, 4


def next_row(rule, row):
    """Wolfram (1983): bit number `left cell right`, read in binary, of the rule."""
    digits = f"{rule:08b}"[::-1]
    return [int(digits[int(f"{row[i - 1]}{row[i]}{row[(i + 1) % len(row)]}", 2)]) for i in range(len(row))]


def prompt_of(task, row, depth):
    steps = [STEP] * depth + [PAD] * (task.steps - depth)
    return np.array([*(CELL + bit for bit in row), *steps, *[QUERY] * task.width])


@pytest.mark.parametrize(
    ("rule", "rows"),
    [
        (110, [1, 3, 7, 13, 31, 49, 115, 215]),  # OEIS A006978
        (30, [1, 7, 25, 111, 401, 1783, 6409, 28479]),  # OEIS A110240
        (90, [1, 5, 17, 85, 257, 1285, 4369, 21845]),  # OEIS A038183
        (150, [1, 7, 21, 107, 273, 1911, 5189, 28123]),  # OEIS A038184
    ],
)
def test_published_rows(rule, rows):
    task = ElementaryAutomaton(rule=rule, width=17, steps=7)
    single = [int(i == 8) for i in range(17)]
    prompts = np.stack([prompt_of(task, single, depth) for depth in range(8)])
    answers = np.asarray(jax.jit(jax.vmap(task.reference))(prompts)) - CELL
    for depth, (expected, row) in enumerate(zip(rows, answers, strict=True)):
        value = int("".join(map(str, row)), 2)
        right_edge = 8 if rule == 110 else 8 - depth  # Rule 110 grows to the left only
        assert value == expected << right_edge


@pytest.mark.parametrize("rule", [110, 90, 60, 184])
def test_every_row_is_the_definition(rule):
    task = ElementaryAutomaton(rule=rule, width=5, steps=6)
    batch = jax.tree.map(np.asarray, task.sample(12, key=KEY, depth=jnp.asarray(np.arange(12) % 6 + 1)))
    answers = np.asarray(jax.jit(jax.vmap(task.reference))(batch.prompt))
    for i, depth in enumerate(batch.depth):
        row = (batch.prompt[i, :5] - CELL).tolist()
        assert batch.prompt[i].tolist() == prompt_of(task, row, int(depth)).tolist()
        for step in range(depth):
            row = next_row(rule, row)
            assert (batch.trace[i].reshape(6, 5)[step] - CELL).tolist() == row
        assert (batch.answer[i] - CELL).tolist() == (answers[i] - CELL).tolist() == row


@pytest.mark.parametrize("width", [3, 31, 32, 33, 64, 65])
def test_rings_that_fill_words_and_do_not(width):
    task = ElementaryAutomaton(rule=110, width=width, steps=5)
    batch = jax.tree.map(np.asarray, task.sample(4, key=KEY))
    for prompt, trace in zip(batch.prompt, batch.trace, strict=True):
        row = (prompt[:width] - CELL).tolist()
        for found in trace.reshape(5, width) - CELL:
            row = next_row(110, row)
            assert found.tolist() == row


def test_the_shortcut_is_the_simulation_on_every_row():
    task = ElementaryAutomaton(rule=150, width=4, steps=9)
    rows = [[n >> i & 1 for i in range(4)] for n in range(16)]
    prompts = np.stack([prompt_of(task, row, 9) for row in rows])
    for row, answer in zip(rows, np.asarray(jax.jit(jax.vmap(task.reference))(prompts)), strict=True):
        for _ in range(9):
            row = next_row(150, row)
        assert (answer - CELL).tolist() == row


def test_the_eight_additive_rules():
    additive = [rule for rule in range(256) if ElementaryAutomaton(rule).is_additive]
    assert additive == [0, 60, 90, 102, 150, 170, 204, 240]


def test_controls():
    assert ElementaryAutomaton(30, 9, 4).control == ElementaryAutomaton(90, 9, 4)
    assert ElementaryAutomaton(30, 8, 4).control == ElementaryAutomaton(150, 8, 4)
    assert ElementaryAutomaton(90, 8, 4).guess_rate == 1  # all rings become zeros
    assert ElementaryAutomaton(90, 32, 16).guess_rate == 1
    assert ElementaryAutomaton(150, 8, 4).guess_rate == 2**-8
    assert ElementaryAutomaton(90).control is None
    assert ElementaryAutomaton(150).control is None


def test_initial_cells_are_fair_coins():
    cells = np.asarray(ElementaryAutomaton(width=64, steps=1).sample(256, key=KEY).prompt)[:, :64] - CELL
    assert abs(cells.sum() - 8192) < 5 * np.sqrt(16384 / 4)


def test_text():
    task = ElementaryAutomaton(rule=90, width=3, steps=2)
    prompt = prompt_of(task, [1, 0, 0], 1)
    text = task.render(prompt)
    assert "111 gives 0, 110 gives 1, 101 gives 0, 100 gives 1, 011 gives 1, 010 gives 0, 001 gives 1" in text
    assert text.splitlines()[-2:] == ["steps: 1", "row: 100"]
    assert "The row is a ring" in text
    assert np.array_equal(task.parse(text), prompt)
    assert task.render_answer(np.array([2, 3, 3])) == "011"
    assert task.render_trace(np.array([2, 3, 3, 0, 0, 0])) == "011"
    for wrong, said in (("row: 100", "row: 10"), ("row: 100", "row: 102"), ("steps: 1", "steps: 3")):
        with pytest.raises(ValueError, match="must be"):
            task.parse(text.replace(wrong, said))
    for other in (ElementaryAutomaton(30, 3, 2), ElementaryAutomaton(90, 3, 2, "padded")):
        with pytest.raises(ValueError, match="differs from this task's at character"):
            other.parse(text)


def test_the_guess_rate_by_counting_all_rows():
    for rule, edges, steps in ((110, "ring", 5), (30, "padded", 6), (128, "ring", 3)):
        task, counts = ElementaryAutomaton(rule, 6, steps, edges), Counter()
        for row in product((0, 1), repeat=6):
            for _ in range(steps):
                row = plain_step(rule, list(row), edges)
            counts[tuple(row)] += 1
        assert task.guess_rate == max(counts.values()) / 64


def test_picture_has_a_rectangle_for_every_run_of_ones():
    task = ElementaryAutomaton(rule=204, width=6, steps=2)
    prompt = prompt_of(task, [1, 1, 0, 1, 0, 1], 2)
    drawn = task.picture(prompt, np.tile(prompt[:6], 2), prompt[:6])
    assert drawn.count("M0 ") == drawn.count("M3 ") == drawn.count("M5 ") == 3
    assert drawn.count("h2v1H0z") == 3


@pytest.mark.parametrize("edges", ["ring", "padded"])
def test_all_rules_against_plain_python(edges):
    """All 256 at once: the packed step that makes instances, and the step of the reference or its powers."""
    width, steps = 7, 3
    first = np.random.default_rng(0).integers(0, 2, (8, width))
    for rule in range(256):
        task = ElementaryAutomaton(rule, width, steps, edges)
        rows = first.tolist()
        for _ in range(steps):
            rows = [plain_step(rule, row, edges) for row in rows]
        stepped = first
        for _ in range(steps):
            stepped = task.step(stepped)
        assert np.array_equal(stepped, rows)
        if rule % 15 == 0 or rule in (30, 90, 110, 150):  # compiled: a share of them, additive ones too
            prompts = jnp.asarray([prompt_of(task, row, steps) for row in first])
            assert np.array_equal(jax.jit(jax.vmap(task.reference))(prompts) - CELL, rows)
            packed = jax.vmap(task._pack)(jnp.asarray(first))
            for _ in range(steps):
                packed = jax.vmap(task._next)(packed)
            assert np.array_equal(jax.vmap(task._unpack)(packed), rows)


@settings(max_examples=6, deadline=None)
@given(
    st.integers(0, 255), st.integers(3, 70), st.integers(1, 9), st.sampled_from(["ring", "padded"]), st.data()
)
def test_rows_and_answers_are_the_definition_at_any_dials(rule, width, steps, edges, data):
    task = ElementaryAutomaton(rule, width, steps, edges)
    depth = data.draw(st.integers(1, steps))
    batch = jax.tree.map(np.asarray, task.sample(4, key=KEY, depth=depth))
    answers = np.asarray(jax.jit(jax.vmap(task.reference))(batch.prompt))
    for prompt, trace, answer, found in zip(batch.prompt, batch.trace, batch.answer, answers, strict=True):
        row = (prompt[:width] - CELL).tolist()
        assert prompt.tolist() == prompt_of(task, row, depth).tolist()
        for step in range(depth):
            row = plain_step(rule, row, edges)
            assert (trace.reshape(steps, width)[step] - CELL).tolist() == row
        assert (answer - CELL).tolist() == (found - CELL).tolist() == row


def plain_step(rule, row, edges):
    """The rule from its definition: the three cells as a number say which bit of the rule comes next."""
    beyond = [row[-1], row[0]] if edges == "ring" else [0, 0]
    padded = [beyond[0], *row, beyond[1]]
    return [rule >> int("".join(map(str, padded[i : i + 3])), 2) & 1 for i in range(len(row))]


# From one live cell, the first rows as numbers: OEIS A110240 (Rule 30), A038183 (90), A117999 (110).
PUBLISHED = {
    30: [1, 7, 25, 111, 401, 1783, 6409, 28479, 102849, 456263],
    90: [1, 5, 17, 85, 257, 1285, 4369, 21845, 65537, 327685],
    110: [1, 6, 28, 104, 496, 1568, 7360, 27520, 130304, 396800],
}


@pytest.mark.parametrize("rule", PUBLISHED)
def test_published_numbers(rule):
    """Row n of a triangle has 2n + 1 cells, the middle one above the first cell."""
    steps = len(PUBLISHED[rule]) - 1
    width = 2 * steps + 1
    row = np.zeros(width, int)
    row[steps] = 1
    task = ElementaryAutomaton(rule, width, steps, "padded")
    for n, published in enumerate(PUBLISHED[rule]):
        assert int("".join(map(str, row[steps - n : steps + n + 1])), 2) == published
        row = task.step(row[None])[0]
