"""Lattice automata against plain Python, and patterns whose lives are known."""

from itertools import product

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seriality.meter import measure
from seriality.tasks import LatticeAutomaton

KEY = jax.random.key(5)


def plain_step(rule, dimensions, side, cells):
    """From the definition: cells by their coordinates."""
    value = dict(zip(product(range(side), repeat=dimensions), cells, strict=True))
    after = []
    for place, cell in value.items():
        if rule == "life":
            moves = [move for move in product((-1, 0, 1), repeat=dimensions) if any(move)]
        else:
            moves = [(0,) * dimensions]
            for axis, by in product(range(dimensions), (-1, 1)):
                moves.append(tuple(by if i == axis else 0 for i in range(dimensions)))
        ones = sum(value[tuple((p + m) % side for p, m in zip(place, move, strict=True))] for move in moves)
        if rule == "life":
            after.append(int(ones == 3 or (cell == 1 and ones == 2)))
        else:
            after.append(int(2 * ones > len(moves)) if rule == "majority" else ones % 2)
    return after


RULES = [("life", 2), ("majority", 2), ("majority", 3), ("parity", 2), ("parity", 3)]


@pytest.mark.parametrize(("rule", "dimensions"), RULES)
def test_traces_and_answers_against_plain_python(rule, dimensions):
    check_against_plain_python(LatticeAutomaton(rule, dimensions, 4, 3))


@settings(max_examples=4, deadline=None)
@given(st.sampled_from(RULES), st.integers(3, 5), st.integers(1, 6))
def test_traces_and_answers_against_plain_python_at_any_dials(rule, side, steps):
    check_against_plain_python(LatticeAutomaton(*rule, side, steps))


def check_against_plain_python(task):
    rule, dimensions, side = task.rule, task.dimensions, task.side
    batch = jax.tree.map(np.asarray, task.sample(12, key=KEY, depth=jnp.arange(12) % task.steps + 1))
    for prompt, trace, answer, depth in zip(
        batch.prompt, batch.trace, batch.answer, batch.depth, strict=True
    ):
        cells = (prompt[: task.cells] - 2).tolist()
        for step in range(depth):
            cells = plain_step(rule, dimensions, side, cells)
            assert (trace[step * task.cells : (step + 1) * task.cells] - 2).tolist() == cells
        assert (answer - 2).tolist() == cells
        assert np.array_equal(task.parse(task.render(prompt)), prompt)
        assert np.array_equal(task.parse_answer(task.render_answer(answer)), answer)
    answers = jax.jit(jax.vmap(task.reference))(jnp.asarray(batch.prompt))
    assert np.array_equal(answers, batch.answer)


def run(task, lattice, steps):
    cells = np.array([int(cell) for cell in lattice.replace(" ", "")])[None]
    for _ in range(steps):
        cells = task.step(cells)
    return task.render_answer(cells[0] + 2)


GLIDER = "0100000 0010000 1110000 0000000 0000000 0000000 0000000"


def test_known_lives():
    life = LatticeAutomaton("life", side=7)
    block = "0000000 0110000 0110000 0000000 0000000 0000000 0000000"
    beehive = "0000000 0011000 0100100 0011000 0000000 0000000 0000000"
    blinker = "0000000 0010000 0010000 0010000 0000000 0000000 0000000"
    assert run(life, block, 5) == block
    assert run(life, beehive, 5) == beehive
    assert run(life, blinker, 1) == "0000000 0000000 0111000 0000000 0000000 0000000 0000000"
    assert run(life, blinker, 2) == blinker
    moved = "0000000 0010000 0001000 0111000 0000000 0000000 0000000"
    assert run(life, GLIDER, 4) == moved  # one cell down and one to the right
    assert run(life, GLIDER, 28) == GLIDER  # around the torus


def test_diehard():
    """Gone after 130 generations and not before (LifeWiki, Die hard); its 7 cells stay far from the edges."""
    life = LatticeAutomaton("life", side=64)
    lattice = np.zeros((64, 64), int)
    lattice[28:31, 28:36] = [[int(c) for c in row] for row in ("00000010", "11000000", "01000111")]
    cells = lattice.reshape(1, -1)
    for generation in range(1, 131):
        cells = life.step(cells)
        assert cells.any() == (generation < 130)


def test_every_size_has_its_control():
    for task in (LatticeAutomaton("life", 2, 64, 256), LatticeAutomaton("majority", 3, 16, 256)):
        assert task.control.rule == "parity"
        assert task.control.control is None


def test_the_guess_rate_is_the_share_of_the_commonest_lattice():
    """On 3 x 3 cells each is beside all others. One step later all are ones if 3 were, what they were if 4
    were, else zeros; all ones die: after 2 steps 512 - 126 lattices are empty."""
    assert LatticeAutomaton("life", side=3, steps=2).guess_rate == 386 / 512
    sampled = LatticeAutomaton("life", side=6, steps=4)
    cells = np.random.default_rng(1).integers(0, 2, (20000, 36))
    for _ in range(4):
        cells = sampled.step(cells)
    empty = np.mean(~cells.any(axis=1))
    assert empty - 0.01 < sampled.guess_rate < empty + 0.05


def test_majority_keeps_what_has_votes_and_loses_what_has_not():
    flat = LatticeAutomaton("majority", 2, 6)
    square = "000000 011000 011000 000000 000000 000000"
    stripe = "000000 111111 111111 000000 000000 000000"
    assert run(flat, square, 3) == square
    assert run(flat, stripe, 3) == stripe
    assert (
        run(flat, "000000 111111 000000 000000 000000 000000", 3)
        == "000000 111111 000000 000000 000000 000000"
    )
    assert run(flat, "000000 010000 000000 000000 000000 000000", 1) == " ".join(["000000"] * 6)
    solid = LatticeAutomaton("majority", 3, 4)
    cube = np.zeros((4, 4, 4), int)
    cube[:2, :2, :2] = 1
    assert np.array_equal(solid.step(cube.reshape(1, -1)), cube.reshape(1, -1))


def test_parity_is_linear_and_the_others_are_not():
    drawn = np.random.default_rng(0).integers(0, 2, (2, 64, 36))
    for rule, linear in (("parity", True), ("majority", False), ("life", False)):
        step = LatticeAutomaton(rule).step
        assert np.array_equal(step(drawn[0] ^ drawn[1]), step(drawn[0]) ^ step(drawn[1])) == linear


@pytest.mark.parametrize("size", [(3, 1), (3, 2), (4, 5), (5, 3)])
@pytest.mark.parametrize(("rule", "dimensions"), RULES)
def test_the_meter_agrees_with_the_declared_cost(rule, dimensions, size):
    task = LatticeAutomaton(rule, dimensions, *size)
    prompt = jax.ShapeDtypeStruct((task.format.prompt_length,), jnp.int32)
    found = measure(task.reference, prompt)
    assert (found.cost, found.bound) == (task.cost(), "exact")


def test_picture():
    task = LatticeAutomaton("life", side=7, steps=4)
    first = [int(cell) + 2 for cell in GLIDER.replace(" ", "")]
    prompt = np.array([*first, 4, 4, 4, 4, *[1] * 49])
    trace = task.parse_answer(GLIDER)
    drawn = task.picture(prompt, np.tile(trace, 4), trace)
    assert drawn.count("<rect") == 6  # the ground and five lattices
    assert drawn.count("z") == 15  # three runs of ones in each
    assert "M1 0h1v1H1zM2 1h1v1H2zM0 2h3v1H0zM9 0h1" in drawn


def test_bad_dials_and_texts():
    for dials, said in (
        ({"rule": "conway", "side": 2, "steps": 0}, "3 faults"),
        ({"rule": "life", "dimensions": 3}, "Life has 2 dimensions"),
        ({"rule": "majority", "dimensions": 3, "side": 17}, "4913 cells, allowed are 4096"),
        ({"dimensions": 4}, "dimensions=4"),
    ):
        with pytest.raises(ValueError, match=said):
            LatticeAutomaton(**dials)
    task = LatticeAutomaton("life", side=3, steps=2)
    text = task.render(np.array([2, 3, 2, 3, 3, 2, 2, 2, 2, 4, 0, *[1] * 9]))
    assert text.splitlines()[-1] == "lattice: 010 110 000"
    for old, new in (("steps: 1", "steps: 3"), ("010 110", "010 11"), ("010", "012"), ("lattice:", "rows:")):
        with pytest.raises(ValueError, match="must be"):
            task.parse(text.replace(old, new))
    with pytest.raises(ValueError, match="differs from this task's at character"):
        LatticeAutomaton("majority", side=3, steps=2).parse(text)
