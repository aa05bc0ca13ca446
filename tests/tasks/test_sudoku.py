"""Sudoku against plain Python written from the definition: rounds, uniqueness, guesses, symmetries."""

import hashlib
import sys
from dataclasses import replace
from functools import cache
from math import factorial
from xml.etree import ElementTree

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seriality.conformance import check_task
from seriality.instance import PAD, QUERY
from seriality.meter import measure
from seriality.study.splits import TEST, TRAIN, draw, split_of
from seriality.tasks import pools
from seriality.tasks.base import FIRST
from seriality.tasks.sudoku import REACH, SYMBOLS, Sudoku

KEY = jax.random.key(17)


class Few(Sudoku):
    """Small pools: a class of its own, so that nothing compiled for it is taken for a Sudoku."""

    _members = 32


WIKIPEDIA = "53..7....6..195....98....6.8...6...34..8.3..17...2...6.6....28....419..5....8..79"
WIKIPEDIA_SOLVED = "534678912672195348198342567859761423426853791713924856961537284287419635345286179"
ESCARGOT = "1....7.9..3..2...8..96..5....53..9...1..8...26....4...3......1..4......7..7...3.."
"""AI Escargot (A. Inkala, 2006), known for being hard."""
NORVIG = [
    "85...24..72......9..4.........1.7..23.5...9...4...........8..7..17..........36.4.",
    "..53.....8......2..7..1.5..4....53...1..7...6..32...8..6.5....9..4....3......97..",
    "12..4......5.69.1...9...5.........7.7...52.9..3......2.9.6...5.4..9..8.1..3...9.4",
    "...57..3.1......2.7...234......8...4..7..4...49....6.5.42...3.....7..9....18.....",
    "7..1523........92....3.....1....47.8.......6............9...5.6.4.9.7...8....6.1.",
    "1....7.9..3..2...8..96..5....53..9...1..8...26....4...3......1..4......7..7...3..",
    "1...34.8....8..5....4.6..21.18......3..1.2..6......81.52..7.9....6..9....9.64...2",
    "...92......68.3...19..7...623..4.1....1...7....8.3..297...8..91...5.72......64...",
    ".6.5.4.3.1...9...8.........9...5...6.4.6.2.7.7...4...5.........4...8...1.5.2.3.4.",
    "7.....4...2..7..8...3..8.799..5..3...6..2..9...1.97..6...3..9...3..4..6...9..1.35",
    "....7..2.8.......6.1.2.5...9.54....8.........3....85.1...3.2.8.4.......9.7..6....",
    "4.....8.5.3..........7......2.....6.....8.4......1.......6.3.7.5..2.....1.4......",
    "52...6.........7.13...........4..8..6......5...........418.........3..2...87.....",
    "6.....8.3.4.7.................5.4.7.3..2.....1.6.......2.....5.....8.6......1....",
]
"""The hardest grids that P. Norvig found (norvig.com/hardest.txt), then the first of his 95 hard ones."""


@pytest.fixture(autouse=True)
def nothing_kept(monkeypatch):
    monkeypatch.setenv("SERIALITY_CACHE", "")


# The definition, in plain Python. A board is a tuple of digits from 1, 0 for an open cell.


@cache
def houses(n):
    """The rows, columns and boxes as sets of cells."""
    b = round(n**0.5)
    rows = [frozenset(r * n + c for c in range(n)) for r in range(n)]
    columns = [frozenset(r * n + c for r in range(n)) for c in range(n)]
    boxes = [
        frozenset((r + i) * n + c + j for i in range(b) for j in range(b))
        for r in range(0, n, b)
        for c in range(0, n, b)
    ]
    return rows + columns + boxes


@cache
def around(n):
    """The other cells that a cell shares a house with."""
    return [frozenset().union(*(h for h in houses(n) if cell in h)) - {cell} for cell in range(n * n)]


def candidates(board, n):
    return {
        cell: set(range(1, n + 1)) - {board[other] for other in around(n)[cell]}
        for cell in range(n * n)
        if not board[cell]
    }


def rounds(board, n):
    """What each round fills in, as {cell: digit}, and the board at the end; None for a contradiction."""
    board, found = list(board), []
    while 0 in board:
        free = candidates(board, n)
        if not all(free.values()):
            return None
        now = {cell: digits for cell, digits in free.items() if len(digits) == 1}
        now = {cell: set(digits) for cell, digits in now.items()}
        for house in houses(n):
            for digit in range(1, n + 1):
                places = [cell for cell in house if digit in free.get(cell, ())]
                if len(places) == 1:
                    now.setdefault(places[0], set()).add(digit)
        if not now:
            break
        if any(len(digits) > 1 for digits in now.values()):
            return None
        filled = {cell: digits.pop() for cell, digits in now.items()}
        for cell, digit in filled.items():
            board[cell] = digit
        if any(board[cell] == board[other] for cell in filled for other in around(n)[cell]):
            return None
        found.append(filled)
    return found, tuple(board)


def solutions(board, n, limit=2):
    """The first solutions, by backtracking without any singles, on the cell with the fewest candidates."""
    free = candidates(board, n)
    if not free:
        return [tuple(board)]
    cell = min(free, key=lambda cell: len(free[cell]))
    found = []
    for digit in sorted(free[cell]):
        found += solutions((*board[:cell], digit, *board[cell + 1 :]), n, limit - len(found))
        if len(found) >= limit:
            break
    return found


def is_solved(board, n):
    return all({board[cell] for cell in house} == set(range(1, n + 1)) for house in houses(n))


def rounds_after_a_guess(board, n):
    """The fewest, over all digits on all open cells."""
    found = []
    for cell, digits in candidates(board, n).items():
        for digit in digits:
            after = rounds((*board[:cell], digit, *board[cell + 1 :]), n)
            if after is not None and 0 not in after[1]:
                found.append(len(after[0]))
    return min(found, default=None)


# Instances as boards


def sampled(task, count, key=KEY, depth=None):
    wanted = jnp.asarray(np.arange(count) % task.max_depth + 1) if depth is None else depth
    return jax.tree.map(np.asarray, task.sample(count, key=key, depth=wanted))


def boards(tokens, n):
    return [tuple(row) for row in (np.asarray(tokens)[:, : n * n] - FIRST).tolist()]


def read(text):
    return tuple(("." + SYMBOLS).index(symbol) for symbol in text)


def stages_of(task, trace):
    """The trace as a list of {cell: digit}."""
    n, found, now, cell = task.side, [], {}, None
    for token in trace[trace != PAD].tolist():
        if token == FIRST + n + n * n + 1:
            found.append(now)
            now = {}
        elif token > FIRST + n:
            cell = token - FIRST - n - 1
        else:
            now[cell] = token - FIRST
    assert not now
    return found


SINGLES = [
    Sudoku(side=4, rounds=3),
    Few(side=9, rounds=14),
    Few(side=9, rounds=12, grid="known"),
    Few(side=9, rounds=5, clues=32),
    Few(side=16, rounds=8),
]
GUESSES = [
    Few(side=9, rounds=7, tier="guess"),
    Few(side=9, rounds=7, tier="ambiguous"),
    Few(side=9, rounds=6, tier="ambiguous", grid="known"),
    Sudoku(side=4, rounds=2, tier="ambiguous"),
]


@pytest.mark.parametrize("task", SINGLES, ids=str)
def test_the_trace_is_the_rounds_of_the_definition(task):
    n = task.side
    batch = sampled(task, 2 * task.max_depth)
    for i, board in enumerate(boards(batch.prompt, n)):
        found, end = rounds(board, n)
        assert len(found) == batch.depth[i]
        assert found == stages_of(task, batch.trace[i])
        assert end == boards(batch.answer, n)[i]
        assert is_solved(end, n)
        assert n * n - board.count(0) == task.clues_at(int(batch.depth[i]))


@pytest.mark.parametrize("task", SINGLES[:4], ids=str)
def test_the_solution_is_the_only_one(task):
    batch = sampled(task, 12)
    for board, answer in zip(boards(batch.prompt, task.side), boards(batch.answer, task.side), strict=True):
        assert solutions(board, task.side) == [answer]


@pytest.mark.parametrize("task", GUESSES, ids=str)
def test_a_guess_is_needed_and_the_best_takes_as_many_rounds(task):
    n = task.side
    batch = sampled(task, 5 if n == 9 else 24)
    several = task.tier == "ambiguous"
    for i, (board, answer) in enumerate(zip(boards(batch.prompt, n), boards(batch.answer, n), strict=True)):
        assert 0 in rounds(board, n)[1]
        found = solutions(board, n)
        assert len(found) == 1 + several
        assert several or found == [answer]
        wanted = rounds_after_a_guess(board, n)
        assert wanted == batch.depth[i] + (n == 9)
        guess, *after = stages_of(task, batch.trace[i])
        assert len(guess) == 1
        guessed = [*board]
        guessed[next(iter(guess))] = next(iter(guess.values()))
        assert rounds(guessed, n) == (after, answer)
        assert len(after) == wanted
        assert is_solved(answer, n)


@cache
def small_grids():
    """All 288 full 4x4 grids."""
    return np.array(solutions((0,) * 16, 4, limit=10**6))


def test_all_puzzles_of_4_by_4():
    """Published counts: 288 grids in two classes. And those of an exhaustive run of another program:
    13,579,680 puzzles of one solution, of which singles solve 76.6, 21.8 and 1.65 % in 1, 2 and 3 rounds."""
    from seriality.tasks.sudoku_search import propagate, units_of

    grids = small_grids()
    assert len(grids) == 288
    units, masks = units_of(4), np.arange(2**16)
    is_clue = (masks[:, None] >> np.arange(16) & 1).astype(bool)
    squares = [tuple(grid[[0, 1, 4, 5]]) + tuple(grid[[10, 11, 14, 15]]) for grid in grids]
    total, counts = 0, np.zeros(4)
    first = [i for i, square in enumerate(squares) if square[:4] == (1, 2, 3, 4)]
    assert len(first) == 12  # the others are these with digits renamed
    for i in first:
        differs = ((grids != grids[i]) @ (1 << np.arange(16))).astype(np.int64)
        is_unique = np.ones(len(masks), bool)
        for other in differs[differs > 0]:
            is_unique &= masks & other != 0
        total += 24 * is_unique.sum()
        bits = np.where(is_clue, 1 << (grids[i] - 1), 0)
        when = np.zeros(16, np.int64)
        outcomes = np.array([propagate(row.copy(), when, units) for row in bits[is_unique]])
        assert outcomes.min() >= 0  # none needs a guess
        counts += 24 * np.bincount(outcomes, minlength=4)
        some = np.flatnonzero(~is_unique)[::997]
        assert all(propagate(row.copy(), when, units) == -1 for row in bits[some])
    assert total == 13_579_680
    assert [f"{share:.3g}" for share in 100 * counts[1:] / total] == ["76.6", "21.8", "1.65"]
    most = {rounds_of_all[1] for rounds_of_all in REACH[4]["singles"].values()}
    assert most == {3}


@pytest.mark.parametrize("text", [WIKIPEDIA, ESCARGOT, *NORVIG])
def test_what_is_known_of_published_grids(text):
    """One solution, and its tier and rounds, by the definition in plain Python."""
    from seriality.tasks.sudoku_search import rounds_of

    board = read(text)
    assert len(solutions(board, 9)) == 1
    found, end = rounds(board, 9)
    if 0 not in end:
        wanted = ("singles", len(found))
    else:
        fewest = rounds_after_a_guess(board, 9)
        wanted = None if fewest is None else ("guess", fewest)
    assert rounds_of(np.array(board), 9) == wanted
    assert text != WIKIPEDIA or end == read(WIKIPEDIA_SOLVED)


def test_what_has_no_solution_or_many_has_no_rounds():
    from seriality.tasks.sudoku_search import rounds_of

    assert rounds_of(np.zeros(81, int), 9) is None
    assert rounds_of(np.array(read("11" + "." * 79)), 9) is None


def test_natural_grids_have_the_rounds_they_were_found_to_have():
    """28 clues, of 3,000 grids by another program: singles solve 0.735; rounds 5/25/50/75/95 %:
    6/7/9/10/13."""
    from seriality.tasks.sudoku_search import natural_rounds

    found = natural_rounds(5, 9, 28, 2000)
    error = np.sqrt(0.735 * 0.265 * (1 / 2000 + 1 / 3000))
    assert abs((found >= 0).mean() - 0.735) < 4 * error
    assert np.percentile(found[found >= 0], [5, 25, 50, 75, 95]).tolist() == [6, 7, 9, 10, 13]


# Symmetries, lineage, splits


def image(board, n, draw):
    """A random image under renaming of digits, permutations of rows and columns, and transposition."""
    b = round(n**0.5)

    def lines():
        return np.concatenate([b * band + draw.permutation(b) for band in draw.permutation(b)])

    grid = np.array(board).reshape(n, n)[lines()][:, lines()]
    names = np.concatenate([[0], 1 + draw.permutation(n)])
    return names[grid.T if draw.integers(2) else grid].ravel()


def lineages(task, found):
    """The lineage of boards of digits."""
    tokens = (
        np.concatenate([np.array(found), np.full((len(found), task.side**2), QUERY - FIRST)], axis=1) + FIRST
    )
    return [row.tobytes() for row in np.asarray(task.lineage(jnp.asarray(tokens, jnp.int32), 1))]


@pytest.mark.parametrize(
    "task", [Few(rounds=10), Few(rounds=6, tier="guess"), Sudoku(side=4, rounds=2)], ids=str
)
def test_images_have_one_lineage_and_as_many_rounds(task):
    from seriality.tasks.sudoku_search import rounds_of

    n, chance = task.side, np.random.default_rng(2)
    originals = boards(sampled(task, 24).prompt, n)
    images = [image(board, n, chance) for board in originals]
    assert lineages(task, originals) == lineages(task, images)
    assert [rounds_of(np.array(board), n) for board in originals] == [rounds_of(i, n) for i in images]
    moved = [np.roll(board, 1) for board in originals]  # no symmetry: what would be seen if there were none
    assert sum(a != b for a, b in zip(lineages(task, originals), lineages(task, moved), strict=True)) > 20


def pool_boards(task):
    """The members of all pools, by [depth − 1]."""
    grids, stages = task._pool
    return np.where(stages == 0, grids + 1, 0)


@pytest.mark.parametrize("grid", ["any", "known"])
def test_members_of_pools_are_no_images_of_each_other_and_all_are_drawn(grid):
    task = Sudoku(rounds=2, grid=grid)
    members = pool_boards(task)
    assert members.shape == (2, 1024, 81)
    found = [lineages(task, pool) for pool in members]
    assert len({each for pool in found for each in pool}) == 2 * 1024
    batch = sampled(task, 4096)
    seen = lineages(task, boards(batch.prompt, 9))
    assert all(each in set(found[depth - 1]) for each, depth in zip(seen, batch.depth.tolist(), strict=True))
    expected = 2048 * -np.expm1(2048 * np.log1p(-1 / 1024))
    assert abs(len(set(seen)) - expected) < 5 * np.sqrt(2048 / 8)


def test_a_pool_depends_on_its_own_depth_alone():
    from seriality.tasks.sudoku_search import puzzles

    np.testing.assert_array_equal(pool_boards(Few(rounds=5))[2], pool_boards(Few(rounds=3))[2])
    many, few = (puzzles(3, 0, 30, 6, np.zeros(0, int), 9, count) for count in (70, 9))
    np.testing.assert_array_equal(many[:, :9], few)
    other = puzzles(4, 0, 30, 6, np.zeros(0, int), 9, 9)
    assert not (other == few).all(axis=(0, 2)).any()


@pytest.mark.parametrize(
    ("side", "tier", "asked", "digest"),
    [
        (9, "singles", (28, 12), "1eb4efe38e313f1c"),
        (9, "guess", (28, 6), "7033537f0f178157"),
        (9, "ambiguous", (28, 6), "cc26a8a8507d9ce5"),
        (16, "singles", (110, 12), "25af029cf653e367"),
    ],
)
def test_pools_are_frozen(side, tier, asked, digest):
    """Those of a version are never altered: other grids are another version."""
    from seriality.tasks.sudoku_search import pools

    found = pools(Sudoku.version, side, tier, (asked,), (), 16).astype(np.int8)
    assert hashlib.sha256(found.tobytes()).hexdigest()[:16] == digest


@pytest.mark.parametrize("task", [Sudoku(side=4, rounds=2), Few(rounds=6)], ids=str)
def test_the_symmetries_take_every_cell_and_digit_anywhere(task):
    """The group is transitive on cells, and on digits: all are clues equally often."""
    n, count = task.side, 4096
    found = np.array(boards(sampled(task, count, depth=task.max_depth).prompt, n))
    clues = task.clues_at(task.max_depth)
    error = np.sqrt(count * clues / n**2)
    assert np.abs((found > 0).sum(axis=0) - count * clues / n**2).max() < 5 * error
    shown = (found == np.arange(1, n + 1)[:, None, None]).sum(axis=(1, 2))
    assert np.abs(shown / (count * clues / n) - 1).max() < 0.1
    known = replace(task, grid="known")
    places = (np.array(boards(sampled(known, count, depth=task.max_depth).prompt, n)) > 0).sum(axis=0)
    assert np.abs(places - count * clues / n**2).max() > 5 * error  # there, cells stay where they are


class More(Sudoku):
    """Enough members for every split to have some."""

    _members = 128


def test_no_grid_of_the_test_is_an_image_of_one_trained_on():
    task = More(rounds=6)
    found = {split: draw(task, split, 200, depth=6, key=KEY).prompt for split in (TRAIN, TEST)}
    assert all((np.asarray(split_of(task, prompts)) == split).all() for split, prompts in found.items())
    train, test = (set(lineages(task, boards(prompts, 9))) for prompts in found.values())
    assert train
    assert test
    assert not train & test
    chance = np.random.default_rng(3)
    images = [image(board, 9, chance) for board in boards(found[TEST], 9)]
    assert set(lineages(task, images)) == test


# Scores, controls, costs


def test_any_completion_of_an_ambiguous_grid_is_right_and_no_other():
    task = Sudoku(side=4, rounds=2, tier="ambiguous")
    batch = task.sample(40, key=KEY)
    grids = jnp.asarray(small_grids() + FIRST, jnp.int32)
    right = np.asarray(
        jax.vmap(lambda answer: task.score(jnp.broadcast_to(answer, (40, 16)), batch))(grids)
    ).T
    for board, row in zip(boards(batch.prompt, 4), right, strict=True):
        agrees = [
            all(c in (0, d) for c, d in zip(board, grid, strict=True)) for grid in small_grids().tolist()
        ]
        assert row.tolist() == agrees
        assert row.sum() >= 2
    wrong = np.asarray(batch.answer).copy()
    wrong[:, [0, 1]] = wrong[:, [1, 0]]
    assert not np.asarray(task.score(jnp.asarray(wrong), batch)).any()
    unique = replace(task, tier="singles")
    assert np.asarray(unique.score(batch.answer, batch)).all()
    assert not np.asarray(unique.score(jnp.asarray(wrong), batch)).any()


@pytest.mark.parametrize("task", [*GUESSES, *SINGLES[:3], SINGLES[4]], ids=str)
def test_the_reference_is_right(task):
    few = sampled(task, 4 if task.tier == "guess" or task.side == 16 else 8)
    answers = jax.jit(jax.vmap(task.reference))(jnp.asarray(few.prompt))
    assert np.asarray(task.score(answers, jax.tree.map(jnp.asarray, few))).all()


def test_one_round_fewer_does_not_do():
    """The reference of a task of fewer rounds leaves the deepest grids unsolved."""
    task = Few(rounds=8)
    batch = sampled(task, 32, depth=8)
    solve = jax.jit(jax.vmap(replace(task, rounds=7).reference))
    assert not np.asarray(task.score(solve(batch.prompt), jax.tree.map(jnp.asarray, batch))).any()


@pytest.mark.parametrize("task", [Few(rounds=6, grid="known"), Few(side=16, rounds=6, grid="known")], ids=str)
def test_the_known_grid_is_the_one_the_question_tells(task):
    n, b = task.side, round(task.side**0.5)
    batch = sampled(task, 12)
    for answer in boards(batch.answer, n):
        classes = {}
        for cell, digit in enumerate(answer):
            r, c = divmod(cell, n)
            classes.setdefault((b * (r % b) + r // b + c) % n, set()).add(digit)
        assert sorted(map(sorted, classes.values())) == [[digit] for digit in range(1, n + 1)]
    names = boards(sampled(task, 200, depth=1).answer, n)
    assert len({names[i][:n] for i in range(200)}) > 190


@pytest.mark.parametrize(
    "task",
    [
        *(
            Sudoku(side, k, tier)
            for side, k in ((4, 2), (9, 5), (9, 12))
            for tier in ("singles", "ambiguous")
        ),
        Sudoku(9, 7, "guess"),
        Sudoku(16, 20),
        *(Sudoku(side, 2, grid="known") for side in (4, 9, 16)),
    ],
    ids=str,
)
def test_the_meter_reads_the_declared_cost(task):
    prompt = jax.ShapeDtypeStruct((task.format.prompt_length,), jnp.int32)
    found = measure(task.reference, prompt, cost_model="unit")
    assert (found.cost, found.bound) == (task.cost(), "exact")


def test_a_constant_answer_is_right_as_rarely_as_stated():
    task = Sudoku(side=4, rounds=2)
    assert task.guess_rate == 1 / factorial(4)
    answers = sampled(task, 4096, depth=2).answer
    most = np.unique(answers, axis=0, return_counts=True)[1].max()
    assert most / 4096 < task.guess_rate + 0.01


@pytest.mark.parametrize("task", [Few(rounds=5), Few(rounds=4, tier="guess")], ids=str)
def test_9_by_9_keeps_the_contract(task):
    kept = ["contract", "layout", "batch size", "depth", "uniqueness", "answers", "text", "control"]
    found = check_task(task, count=64, only=kept)
    assert found.passed, str(found)


# Texts


@settings(max_examples=8, deadline=None)
@given(st.sampled_from([*SINGLES, *GUESSES]), st.integers(0, 2**31), st.data())
def test_questions_and_answers_come_back(task, seed, data):
    depth = data.draw(st.integers(1, task.max_depth))
    batch = sampled(task, 4, key=jax.random.key(seed), depth=depth)
    np.testing.assert_array_equal(task.parse(task.render(batch.prompt[0])), batch.prompt[0])
    np.testing.assert_array_equal(task.parse_answer(task.render_answer(batch.answer[0])), batch.answer[0])
    lines = task.render_trace(batch.trace[0]).splitlines()
    assert len(lines) == depth + task._offset + (task.tier != "singles")
    assert lines[0].startswith("guess: r" if task.tier != "singles" else "round 1: r")
    filled = [word.split("=") for line in lines for word in line.split(": ")[1].split()]
    rows = task.render_answer(batch.answer[0]).split()
    for cell, digit in filled:
        r, c = cell[1:].split("c")
        assert rows[int(r) - 1][int(c) - 1] == digit


def test_what_parse_refuses():
    task = Few(rounds=5)
    batch = sampled(task, 2, depth=5)
    text, other = (task.render(prompt) for prompt in batch.prompt)
    row = next(line for line in text.splitlines() if line.startswith("row 1:"))
    clue = next(symbol for symbol in row[7:] if symbol != ".")
    wrong = {
        "0 lines begin with 'row 1:'": text.replace("row 1:", "row:"),
        "row 1 is '12345': must be 9 characters": text.replace(row, "row 1: 12345"),
        "must be 9 characters of .123456789": text.replace(row, "row 1: ........A"),
        "clues are given; allowed are 28,": text.replace(row, row.replace(clue, ".", 1)),
        "not that of this task": text.replace("exactly one", "one"),
        "has no solution": text.replace(row, row.replace(clue, str(1 + int(clue) % 9), 1)),
    }
    for what, bad in wrong.items():
        with pytest.raises(ValueError, match=what) as error:
            task.parse(bad)
        assert "\n" not in str(error.value)
    np.testing.assert_array_equal(task.parse(other), batch.prompt[1])
    with pytest.raises(ValueError, match="takes 5 rounds, allowed are 1 to 4"):
        replace(task, rounds=4).parse(text)
    known = replace(task, grid="known")
    with pytest.raises(ValueError, match="not those of the known grid"):
        known.parse(
            "\n".join(
                [text.splitlines()[0], known.render(batch.prompt[0]).splitlines()[1], *text.splitlines()[1:]]
            )
        )
    guess = Few(rounds=5, tier="guess")
    with pytest.raises(ValueError, match="of the tier 'singles', must be of 'guess'"):
        guess.parse(text)
    for bad in ("", "123456789", "12345678 " * 9, "x23456789 " * 9):
        with pytest.raises(ValueError, match="must be 9"):
            task.parse_answer(bad)
    assert task.render_answer(np.zeros(81, int)).split() == ["?" * 9] * 9


@pytest.mark.parametrize("task", [SINGLES[0], SINGLES[1], SINGLES[4], GUESSES[0]], ids=str)
def test_the_picture(task):
    batch = sampled(task, 1, depth=task.max_depth)
    picture = task.picture(batch.prompt[0], batch.trace[0], batch.answer[0])
    assert len(picture) < 20_000
    root = ElementTree.fromstring(picture)
    texts = list(root.iter("{http://www.w3.org/2000/svg}text"))
    digits = "".join(t.text for t in texts if t.get("font-weight"))
    assert sorted(digits) == sorted(SYMBOLS[: task.side] * task.side)
    bold = "".join(t.text for t in texts if t.get("font-weight") == "bold")
    assert len(bold) == task.clues_at(task.max_depth)


# Dials


def test_faults_of_dials():
    with pytest.raises(ValueError, match="4 faults") as error:
        Sudoku(side=8, rounds=0, tier="hard", grid="some")
    assert all(text in str(error.value) for text in ("side=8", "rounds=0", "tier='hard'", "grid='some'"))
    least, most = REACH[9]["singles"][28]
    with pytest.raises(
        ValueError, match=rf"rounds=40: with side=9.*28 clues, grids of {least} to {most} rounds"
    ):
        Sudoku(rounds=40)
    with pytest.raises(
        ValueError, match=r"clues=17: must be None or, with side=9, tier='singles', one of 25,"
    ):
        Sudoku(clues=17)
    with pytest.raises(ValueError, match="there are no such grids; with side=4 singles solve"):
        Sudoku(side=4, rounds=2, tier="guess")
    with pytest.raises(ValueError, match="it must be at least 2"):
        Sudoku(rounds=1, tier="guess")


def test_the_table_of_what_is_found_is_one_that_shallow_grids_can_use():
    for side, tiers in REACH.items():
        for tier, reach in tiers.items():
            fewest = min(least for least, _ in reach.values())
            for clues, (least, most) in reach.items():
                assert fewest <= least < most or side == 4
                task = Sudoku(side, most, tier, clues)
                used = [task.clues_at(depth) for depth in range(1, task.max_depth + 1)]
                assert used == sorted(used, reverse=True)
                assert used[-1] == clues
                for depth, k in enumerate(used, fewest):
                    assert reach[k][0] <= depth <= reach[k][1]


# Kept pools


def test_pools_are_kept_and_made_anew_when_damaged(tmp_path, monkeypatch):
    monkeypatch.setenv("SERIALITY_CACHE", str(tmp_path))
    made = []

    def make():
        made.append(1)
        return np.arange(24, dtype=np.uint8).reshape(2, 12)

    def get(depends_on="this"):
        found = pools.kept("name", depends_on, (2, 12), make)
        np.testing.assert_array_equal(found, np.arange(24).reshape(2, 12))
        return len(made)

    assert [get(), get(), get("that"), get()] == [1, 1, 2, 2]
    path = next(path for path in (tmp_path / "pools").iterdir() if path.stat().st_size)
    whole = path.read_bytes()
    flipped = bytes([*whole[:-1], whole[-1] ^ 1])
    for content in (b"", b"nonsense", whole[:-3], flipped):
        for each in (tmp_path / "pools").iterdir():
            each.write_bytes(content)
        before = len(made)
        assert get() == before + 1 == get()
    with path.open("wb") as file:
        np.save(file, np.array([{"a": 1}]), allow_pickle=True)
    before = len(made)
    get(), get("that")
    assert before + 1 <= len(made) <= before + 2
    assert not [each for each in (tmp_path / "pools").iterdir() if each.suffix != ".npy"]


def test_without_a_place_to_keep_pools_all_works(tmp_path, monkeypatch):
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    for place in (str(blocked), ""):
        monkeypatch.setenv("SERIALITY_CACHE", place)
        assert pools.kept("name", "this", (3,), lambda: np.ones(3, np.uint8)).tolist() == [1, 1, 1]
    monkeypatch.delenv("SERIALITY_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert pools.pool_folder() == tmp_path / "seriality" / "pools"


def test_a_long_search_says_how_far_it_is(capsys, monkeypatch):
    from seriality.tasks import sudoku_search

    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    progress = sudoku_search.Progress("grids", 10)
    progress.move_to(3)
    progress.end()
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(sudoku_search, "PATIENCE_S", 0.0)
    monkeypatch.setattr(sudoku_search, "BETWEEN_S", 0.0)
    progress = sudoku_search.Progress("grids", 10)
    progress.move_to(3)
    progress.move_to(4)
    progress.end()
    assert capsys.readouterr().err == "\rgrids: 3 of 10 found\rgrids: 4 of 10 found\n"


def test_what_cannot_be_found_is_an_error(monkeypatch):
    from seriality.tasks import sudoku_search

    monkeypatch.setattr(sudoku_search, "ATTEMPTS", 1)
    with pytest.raises(RuntimeError, match="no 9x9 grid with 28 clues and 60 rounds was found on 1 full"):
        sudoku_search.puzzles(1, 0, 28, 60, np.zeros(0, int), 9, 1)


def test_pools_can_be_filled_before_the_first_draw():
    task = Sudoku(side=4, rounds=2)
    assert "_pool" not in vars(task)
    task.prepare()
    assert "_pool" in vars(task)
