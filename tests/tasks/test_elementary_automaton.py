"""Automata against Wolfram's definition in plain Python and published rows from a single cell."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

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
    assert ElementaryAutomaton(30, 8, 4).control == ElementaryAutomaton(90, 8, 4)
    assert ElementaryAutomaton(90).control is None
    assert ElementaryAutomaton(150).control is None


def test_initial_cells_are_fair_coins():
    cells = np.asarray(ElementaryAutomaton(width=64, steps=1).sample(256, key=KEY).prompt)[:, :64] - CELL
    assert abs(cells.sum() - 8192) < 5 * np.sqrt(16384 / 4)


def test_render():
    task = ElementaryAutomaton(rule=90, width=3, steps=2)
    prompt = prompt_of(task, [1, 0, 0], 1)
    trace, answer = np.array([2, 3, 3, 0, 0, 0]), np.array([2, 3, 3])
    assert task.render(prompt, trace, answer) == "Rule 90\n   0  █··\n   1  ·██\nanswer: ·██"
