"""The oracles of Sudoku against plain Python and slow loops: rounds of singles, orders, counts, messages."""

import math
import re
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from seriality.instance import PAD, QUERY
from seriality.solvers import MaskedDiffusion
from seriality.solvers.gaussian import cosine
from seriality.studies.sudoku_oracles import (
    DAMPING,
    Propagation,
    SolverOrder,
    belief_propagation,
    duplicates,
    open_right,
    turns_of,
)
from seriality.tasks import Sudoku
from seriality.tasks.sudoku import OPEN

KEY = jax.random.key(3)
WIKIPEDIA = "53..7....6..195....98....6.8...6...34..8.3..17...2...6.6....28....419..5....8..79"


class Few(Sudoku):
    """Small pools: a class of its own, so that nothing compiled for it is taken for a Sudoku."""

    _members = 8


FOUR = Sudoku(side=4, rounds=3)
NINE = Few(side=9, rounds=4, clues=36)


@pytest.fixture(autouse=True)
def nothing_kept(monkeypatch):
    monkeypatch.setenv("SERIALITY_CACHE", "")


# The definition, in plain Python. A board is a list of its cells' sets of digits, from 1; empty if open.


@cache
def houses(n):
    b = math.isqrt(n)
    rows = [[r * n + c for c in range(n)] for r in range(n)]
    columns = [[r * n + c for r in range(n)] for c in range(n)]
    boxes = [
        [(r + i) * n + c + j for i in range(b) for j in range(b)]
        for r in range(0, n, b)
        for c in range(0, n, b)
    ]
    return rows + columns + boxes


@cache
def around(n):
    """The cells that share a house with each cell."""
    return [
        sorted({other for house in houses(n) if cell in house for other in house}) for cell in range(n * n)
    ]


def candidates(board, n):
    """Of every open cell, the digits that none of its houses has."""
    every = set(range(1, n + 1))
    return [
        set() if digits else every.difference(*(board[other] for other in around(n)[cell]))
        for cell, digits in enumerate(board)
    ]


def singles(free, n):
    """Of every cell, the candidates that are alone in the cell or in one of its houses."""
    found = [set(digits) if len(digits) == 1 else set() for digits in free]
    for house in houses(n):
        for digit in range(1, n + 1):
            places = [cell for cell in house if digit in free[cell]]
            if len(places) == 1:
                found[places[0]].add(digit)
    return found


def told(board, n, rounds):
    """The digits that are told of every cell after so many rounds."""
    board = [set(digits) for digits in board]
    for _ in range(rounds - 1):
        board = [had | new for had, new in zip(board, singles(candidates(board, n), n), strict=True)]
    free = candidates(board, n)
    last = singles(free, n)
    every = set(range(1, n + 1))
    return [(single or digits) | had or every for single, digits, had in zip(last, free, board, strict=True)]


def board_of(tokens):
    return [{token - OPEN} if token > OPEN else set() for token in np.asarray(tokens).tolist()]


@cache
def passed(side, rounds):
    """A pass of the oracle, compiled for batches."""
    return jax.jit(jax.vmap(lambda tokens: Propagation(side, rounds)(tokens)))


def probabilities(side, rounds, clues, grids):
    """The oracle's law of every cell, [board, cell, digit]; the prompt is the clues, as masked diffusion lays
    them out, and `grids` what is revealed, QUERY elsewhere."""
    prompts = np.concatenate([clues, grids], axis=1).astype(np.int32)
    batch = np.resize(prompts, (48, prompts.shape[1]))  # of one size, so that it is compiled once
    logits = np.asarray(passed(side, rounds)(batch))[: len(prompts)]
    assert logits.shape == (len(prompts), side**2, OPEN + 1 + side)
    assert np.isneginf(logits[..., : OPEN + 1]).all()
    found = np.exp(logits[..., OPEN + 1 :])
    np.testing.assert_allclose(found.sum(-1), 1, rtol=1e-5)
    return found


def assert_told(side, rounds, clues, grids):
    found = probabilities(side, rounds, clues, grids)
    for clue, grid, law in zip(clues, grids, found, strict=True):
        expected = told(board_of(np.where(grid == QUERY, clue, grid)), side, rounds)
        assert [set(np.flatnonzero(cell) + 1) for cell in law] == expected
        for cell, digits in zip(law, expected, strict=True):
            np.testing.assert_allclose(cell[cell > 0], 1 / len(digits), rtol=1e-5)


@pytest.fixture(scope="module", params=[FOUR, NINE], ids=["4x4", "9x9"])
def sampled(request):
    task = request.param
    depths = jnp.asarray(np.arange(12) % task.max_depth + 1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SERIALITY_CACHE", "")
        return task, jax.tree.map(np.asarray, task.sample(12, key=KEY, depth=depths))


@pytest.mark.parametrize("rounds", [1, 3])
def test_the_law_of_a_pass_is_what_the_rounds_leave(sampled, rounds):
    """On the clues alone, on boards filled in part with the answer's digits or with any, and on full ones."""
    task, batch = sampled
    n, cells = task.side, task.side**2
    rng = np.random.default_rng(rounds)
    clues, masked = batch.prompt[:, :cells], np.full((12, cells), QUERY)
    some = rng.random((12, cells)) < 0.2
    wrong = rng.integers(OPEN + 1, OPEN + 1 + n, (12, cells))
    grids = [masked, np.where(some, batch.answer, QUERY), np.where(some, wrong, QUERY)]
    grids.append(np.where(rng.random((12, cells)) < 0.6, wrong, QUERY))
    assert_told(n, rounds, np.concatenate([clues] * 4), np.concatenate(grids))


def test_a_wrong_board_can_leave_no_digit_and_all_are_then_as_good():
    """The first cell's row and column hold all digits between them."""
    board = np.full(16, QUERY)
    board[[1, 2, 4, 8]] = OPEN + np.array([1, 2, 3, 4])
    (law,) = probabilities(4, 1, np.full((1, 16), OPEN), board[None])
    np.testing.assert_allclose(law[0], 0.25)
    assert candidates(board_of(np.where(board == QUERY, OPEN, board)), 4)[0] == set()


def test_a_published_grid_is_solved_by_as_many_rounds_as_it_takes():
    clues = np.array([OPEN if sign == "." else OPEN + int(sign) for sign in WIKIPEDIA])[None]
    board, needed = board_of(clues[0]), 0
    while not all(board):
        board = [had | new for had, new in zip(board, singles(candidates(board, 9), 9), strict=True)]
        needed += 1
    assert needed > 2
    masked = np.full((1, 81), QUERY)
    for rounds in (needed - 1, needed):
        (law,) = probabilities(9, rounds, clues, masked)
        assert (law.max(-1) > 0.99).all() == (rounds == needed)
    assert [{digit + 1} for digit in law.argmax(-1)] == board


def test_a_grid_of_so_many_rounds_is_solved_by_one_pass_if_the_depth_is_as_great(sampled):
    task, batch = sampled
    cells = task.side**2
    needed = batch.depth + task._offset
    assert len(set(needed.tolist())) > 2
    for rounds in range(1, needed.max() + 1):
        law = probabilities(task.side, rounds, batch.prompt[:, :cells], np.full((12, cells), QUERY))
        certain = (law.max(-1) > 0.99).all(-1)
        assert certain.tolist() == (needed <= rounds).tolist()
        answered = law.argmax(-1) + OPEN + 1
        assert (answered == batch.answer).all(-1)[certain].all()


def test_the_span_is_the_number_of_rounds():
    assert [Propagation(4, rounds).span(32) for rounds in (1, 5)] == [1, 5]


# Orders


def test_turns_are_the_rounds_that_the_text_of_the_trace_tells(sampled):
    task, batch = sampled
    n = task.side
    turns = np.asarray(jax.jit(jax.vmap(lambda trace: turns_of(task, trace)))(batch.trace))
    for found, trace, prompt, depth in zip(turns, batch.trace, batch.prompt, batch.depth, strict=True):
        expected = np.zeros(n * n, int)
        for line in task.render_trace(trace).splitlines():
            number, filled = re.fullmatch(r"round (\d+): (.*)", line).groups()
            for row, column in re.findall(r"r(\d+)c(\d+)=", filled):
                expected[(int(row) - 1) * n + int(column) - 1] = int(number)
        assert found.tolist() == expected.tolist()
        assert ((found == 0) == (prompt[: n * n] != OPEN)).all()
        assert found.max() == depth + task._offset
        assert (trace == PAD).any() or depth == task.max_depth


def test_in_the_solvers_order_one_round_a_pass_is_enough_and_in_the_reverse_it_is_not():
    batch = FOUR.sample(40, key=KEY, depth=3)
    network, keys = Propagation(4, 1), jax.random.split(KEY, 40)

    @jax.jit
    @jax.vmap
    def answer(prompt, turn, key):
        order = SolverOrder(turn)
        return MaskedDiffusion(network, FOUR.format, steps={"constant": 16}, order=order).solve(
            prompt, key=key
        )

    turns = jax.vmap(lambda trace: turns_of(FOUR, trace))(batch.trace)
    assert FOUR.score(answer(batch.prompt, turns, keys), batch).all()
    assert not FOUR.score(answer(batch.prompt, -turns, keys), batch).all()


def test_the_solvers_order_scores_clues_first_and_then_earlier_rounds():
    turn = jnp.array([2, 0, 1, 3])
    score = SolverOrder(turn)(turn, turn, jnp.zeros((4, 2)), key=KEY)
    assert np.argsort(-np.asarray(score), kind="stable").tolist() == [1, 2, 0, 3]


# Counts


def repeated(grids, n):
    """`duplicates` of every grid; more are asked for than there are, so that it is compiled once."""
    found = counting(n)(np.resize(grids, (40, n * n)).astype(np.int32))
    return np.asarray(found)[: len(grids)]


@cache
def counting(n):
    return jax.jit(jax.vmap(lambda grid: duplicates(grid, n)))


@pytest.mark.parametrize("n", [4, 9])
def test_repeated_digits_are_those_that_a_house_has_again(n):
    grids = np.random.default_rng(n).integers(OPEN, OPEN + 1 + n, (30, n * n))
    counted = repeated(grids, n)
    for grid, found in zip(grids.tolist(), counted, strict=True):
        assert found == sum(n - len({grid[cell] for cell in house} - {OPEN}) for house in houses(n))
    assert counted.min() > 0


def test_a_solution_repeats_nothing_and_one_wrong_cell_is_seen_in_its_houses(sampled):
    task, batch = sampled
    other = batch.answer.copy()
    other[:, 0] = OPEN + 1 + (other[:, 0] - OPEN) % task.side
    assert not repeated(batch.answer, task.side).any()
    assert (repeated(other, task.side) == 3).all()


def test_the_share_of_open_cells_that_are_right(sampled):
    _, batch = sampled
    chosen = np.random.default_rng(0).random(batch.answer.shape) < 0.5
    grids = np.where(chosen, batch.answer, OPEN + 1).astype(np.int32)
    found = jax.jit(jax.vmap(open_right))(batch.prompt, grids, batch.answer)
    for share, prompt, grid, answer in zip(found, batch.prompt, grids, batch.answer, strict=True):
        places = [cell for cell in range(len(answer)) if prompt[cell] == OPEN]
        expected = sum(grid[cell] == answer[cell] for cell in places) / len(places)
        assert float(share) == pytest.approx(expected)


# Belief propagation


CONSTRAINTS = (
    [[(cell, digit) for digit in range(9)] for cell in range(81)],
    *(
        [
            [(cell, digit) for cell in house]
            for house in houses(9)[kind * 9 : kind * 9 + 9]
            for digit in range(9)
        ]
        for kind in range(3)
    ),
)
"""Of which each holds exactly once: a cell's digits, and a digit's places in a row, a column and a box."""


def slowly(clues, noisy, level, sweeps):
    """Sum-product on the constraints, in loops: a message to a variable is minus the logarithm of the sum of
    the odds of the others of its constraint."""
    evidence = np.sqrt(level) * noisy / (1 - level)
    for cell, clue in enumerate(clues):
        if clue != OPEN:
            evidence[cell] -= 30 * (np.arange(9) != clue - OPEN - 1)
    messages = np.zeros((4, 81, 9))
    for _ in range(sweeps):
        fresh = np.zeros_like(messages)
        total = evidence + messages.sum(0)
        for kind, constraints in enumerate(CONSTRAINTS):
            for variables in constraints:
                odds = [np.exp(np.clip(total[v] - messages[kind][v], -30, 30)) for v in variables]
                for place, variable in enumerate(variables):
                    others = sum(odds[:place]) + sum(odds[place + 1 :])
                    fresh[kind][variable] = np.clip(-np.log(max(others, 1e-13)), -25, 25)
        messages = DAMPING * messages + (1 - DAMPING) * fresh
    beliefs = evidence + messages[1:].sum(0)
    return (
        beliefs
        - np.log(np.exp(beliefs - beliefs.max(-1, keepdims=True)).sum(-1, keepdims=True))
        - beliefs.max(-1, keepdims=True)
    )


@cache
def propagated(sweeps):
    return jax.jit(lambda clues, noisy, level: belief_propagation(clues, noisy, level, sweeps))


def beliefs(clues, noisy, level, sweeps):
    found = propagated(sweeps)(
        jnp.asarray(clues, jnp.int32), jnp.asarray(noisy, jnp.float32), jnp.float32(level)
    )
    return np.asarray(found, float)


@pytest.fixture(scope="module")
def seen():
    """A grid of which one round leaves nothing open, its clues, and its board without noise and with some."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SERIALITY_CACHE", "")
        batch = jax.tree.map(np.asarray, Few(side=9, rounds=3, clues=48).sample(1, key=KEY, depth=1))
    clues, answer = batch.prompt[0, :81], batch.answer[0]
    level = float(cosine(8)[5])
    clean = np.sqrt(level) * (answer[:, None] == OPEN + 1 + np.arange(9))
    noise = np.random.default_rng(5).normal(size=(81, 9)) * np.sqrt(1 - level)
    return clues, answer, level, clean, clean + noise


@pytest.mark.parametrize("sweeps", [1, 2])
def test_a_sweep_is_that_of_the_definition_in_loops(seen, sweeps):
    clues, _, level, clean, noisy = seen
    for board in (clean, noisy):
        found, expected = beliefs(clues, board, level, sweeps), slowly(clues, board, level, sweeps)
        np.testing.assert_allclose(np.exp(found), np.exp(expected), atol=1e-4)
        np.testing.assert_allclose(np.exp(found).sum(-1), 1, rtol=1e-4)
        if sweeps == 1:
            np.testing.assert_allclose(found, expected, atol=2e-2, rtol=1e-3)


def test_messages_of_later_sweeps_are_right_beside_large_odds(seen):
    clues, _, level, clean, _ = seen
    np.testing.assert_allclose(
        beliefs(clues, clean, level, 2), slowly(clues, clean, level, 2), atol=0.1, rtol=1e-2
    )


def test_without_noise_the_likeliest_digits_are_the_grid(seen):
    clues, answer, level, clean, _ = seen
    found = beliefs(clues, clean, level, 4).argmax(-1) + OPEN + 1
    assert found.tolist() == answer.tolist()
    unseen = beliefs(clues, np.zeros((81, 9)), level, 4).argmax(-1) + OPEN + 1
    assert (unseen == answer)[clues != OPEN].all()  # a clue is believed whatever is seen
    assert (unseen == answer).mean() > 0.9  # and a grid of one round follows from the clues nearly alone


def test_digits_may_be_renamed_and_the_board_turned(seen):
    """The beliefs follow: of a renamed board they are renamed, and of a transposed one transposed."""
    clues, _, level, _, noisy = seen
    found = np.exp(beliefs(clues, noisy, level, 2))
    names = np.random.default_rng(1).permutation(9)
    renamed = np.where(clues == OPEN, OPEN, names[clues - OPEN - 1] + OPEN + 1)
    moved = np.empty_like(noisy)
    moved[:, names] = noisy
    np.testing.assert_allclose(np.exp(beliefs(renamed, moved, level, 2))[:, names], found, atol=1e-4)
    turn = np.arange(81).reshape(9, 9).T.ravel()
    np.testing.assert_allclose(np.exp(beliefs(clues[turn], noisy[turn], level, 2)), found[turn], atol=1e-4)
    # The twin: a move that is no symmetry of the constraints is noticed.
    shift = (np.arange(81) + 9) % 81
    assert np.abs(np.exp(beliefs(clues[shift], noisy[shift], level, 2)) - found[shift]).max() > 0.01
