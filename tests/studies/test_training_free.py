"""Studies that train nothing, or next to it, in the small: what their functions compute is true where it is
known, and what they return is what their readers read.
"""

from dataclasses import replace
from itertools import permutations, product

import jax
import numpy as np
import pytest

from seriality import claims
from seriality.analysis.readers import READERS
from seriality.instance import QUERY
from seriality.store import Record, canonical, finite
from seriality.studies import (
    STUDIES,
    depth_of_one,
    derandomised,
    sampler_error,
    sudoku_orders,
    widths,
)
from seriality.study import Training
from seriality.study.train import Trainer
from seriality.tasks import Sudoku
from seriality.tasks.sudoku import OPEN


def record(trial):
    """The record of an experiment, as a run would keep it."""
    outcome = finite(trial.measure())
    canonical(outcome)
    return Record(trial.id, trial.study, trial.settings(), outcome, {})


def small(study, shrunk, *, seeds=1):
    """The records of a study's own experiments with smaller arguments, one for every family."""
    found = {}
    for trial in STUDIES[study].trials(seeds):
        if trial.family in shrunk:
            smaller = replace(trial, arguments={**trial.arguments, **shrunk[trial.family]})
            found.setdefault((trial.family, trial.seed), smaller)
    assert {family for family, _ in found} == set(shrunk)
    return [record(trial) for trial in found.values()]


def read(study, records, missing=1):
    """The finding of the study's reader, which must have read every record; few are enough for no verdict."""
    (finding,) = READERS[study](records, missing)
    assert finding.claim == STUDIES[study].claims[0]
    assert not [note for note in finding.notes if "Not of this form" in note]
    return finding


def drawn(finding):
    """The names of the curves that have points, by panel."""
    return {
        panel.title: [series.name for series in panel.series if series.points] for panel in finding.panels
    }


# Derandomised: grids and minimal puzzles by brute force


def images(grid):
    """All grids that symmetries make of one: digits renamed, rows and columns permuted in their bands, bands
    and stacks swapped, the grid turned over."""
    orders = [
        [2 * band + line for band, lines in zip(bands, pair, strict=True) for line in lines]
        for bands in permutations(range(2))
        for pair in product(permutations(range(2)), repeat=2)
    ]
    assert len(orders) == 8
    square = np.array(grid).reshape(4, 4)
    places = [turned[np.ix_(r, c)].ravel() for turned in (square, square.T) for r in orders for c in orders]
    return {tuple(np.array(names)[place].tolist()) for place in places for names in permutations(range(4))}


def valid(grid):
    square = np.array(grid).reshape(4, 4)
    lines = [*square, *square.T, *(square[r : r + 2, c : c + 2].ravel() for r in (0, 2) for c in (0, 2))]
    return all(set(line.tolist()) == {0, 1, 2, 3} for line in lines)


def solutions(puzzle):
    """All solutions of a 4x4 grid, by backtracking cell by cell."""
    if -1 not in puzzle:
        return [puzzle]
    cell = puzzle.index(-1)
    row, column = divmod(cell, 4)
    seen = {
        puzzle[other]
        for other in range(16)
        if other // 4 == row or other % 4 == column or (other // 8, other % 4 // 2) == (row // 2, column // 2)
    }
    return [
        found
        for digit in range(4)
        if digit not in seen
        for found in solutions((*puzzle[:cell], digit, *puzzle[cell + 1 :]))
    ]


def test_all_grids_are_found_and_fall_into_two_classes():
    every = {tuple(grid.tolist()) for grid in derandomised._all_grids()}
    assert len(every) == len(derandomised._all_grids()) == 288
    assert all(map(valid, every))
    assert len(solutions((-1,) * 16)) == 288
    classes = [images(grid) for grid in derandomised.grids()]
    assert sorted(map(len, classes)) == [96, 192]
    assert not classes[0] & classes[1]
    assert classes[0] | classes[1] == every


@pytest.mark.parametrize(("which", "count"), [(0, 284), (1, 304)])
def test_minimal_puzzles_have_one_solution_and_lose_it_with_any_clue(which, count):
    puzzles = [tuple(puzzle.tolist()) for puzzle in derandomised.minimal_puzzles(which)]
    assert len(set(puzzles)) == len(puzzles) == count
    grid = tuple(derandomised.grids()[which].tolist())
    for puzzle in puzzles[:: count // 12]:
        assert solutions(puzzle) == [grid]
        clues = [cell for cell in range(16) if puzzle[cell] >= 0]
        for cell in clues:
            assert len(solutions((*puzzle[:cell], -1, *puzzle[cell + 1 :]))) > 1
    assert {len([digit for digit in puzzle if digit >= 0]) for puzzle in puzzles} <= {4, 5, 6}


def test_no_minimal_puzzle_of_four_clues_is_left_out():
    """Of all 1,820 sets of four cells of a grid, those with which no other grid agrees."""
    for which, grid in enumerate(derandomised.grids()):
        every = derandomised._all_grids()
        agree = every == grid
        found = 0
        for cells in product((False, True), repeat=16):
            if sum(cells) == 4:
                found += int(agree[:, np.array(cells)].all(1).sum() == 1)
        puzzles = derandomised.minimal_puzzles(which)
        assert found == int(((puzzles >= 0).sum(1) == 4).sum())


@pytest.fixture(scope="module")
def tables():
    """Which of three seeds are right on every puzzle of the first grid: with 2 rounds a pass, and with 1."""
    return [derandomised.right_table(0, rounds, 1, 3, key=jax.random.key(0)) for rounds in (2, 1)]


def test_a_denoiser_of_as_many_rounds_as_puzzles_take_is_right_with_every_seed(tables):
    deep, shallow = tables
    assert deep.shape == shallow.shape == (4 * 284, 3)
    assert deep.all()
    assert not shallow.all()


def test_what_derandomisation_returns_its_reader_reads(tables, monkeypatch):
    """One round and one step: the seeds choose at random, and no list of three is right on every input."""
    monkeypatch.setattr(derandomised, "SAID", 3)
    monkeypatch.setattr(derandomised, "USED", 3)
    trial = replace(STUDIES["derandomised"].trials(1)[0], arguments={"grid": 0, "rounds": 1, "steps": 1})
    found = record(trial)
    outcome = found.outcome
    assert outcome["inputs"] == 4 * 284 == sum(outcome["histogram"].values())
    assert outcome["seeds"] == [3, 3]
    assert outcome["least"] == 0 < outcome["mean"] < 1
    assert outcome["impossible"]
    assert not {"hoeffding", "found", "verified"} & set(outcome)
    finding = read("derandomised", [found])
    assert finding.verdict.status == "undecided"
    assert drawn(finding)["Inputs by how often they are right"] == ["grid A, d = 1, T = 4"]


def test_where_every_seed_is_right_random_lists_are_right_too(monkeypatch):
    """Two rounds, which every puzzle of the first grid takes at most: the least share of right seeds is 1."""
    monkeypatch.setattr(derandomised, "SAID", 3)
    monkeypatch.setattr(derandomised, "USED", 3)
    trial = replace(STUDIES["derandomised"].trials(1)[0], arguments={"grid": 0, "rounds": 2, "steps": 1})
    found = record(trial)
    outcome = found.outcome
    assert outcome["least"] == outcome["mean"] == outcome["random_right"] == 1
    # exp(-k / 2) is below 1 / (2 inputs), so that at most half of all lists fail, from k = 16 on
    assert 2 * 4 * 284 * np.exp(-15 / 2) > 1 > 2 * 4 * 284 * np.exp(-16 / 2)
    assert outcome["hoeffding"] == 16
    assert outcome["found"] == outcome["exact"] == 1
    assert outcome["verified"]
    assert not outcome["impossible"]
    finding = read("derandomised", [found])
    # Wilson's interval of 3 of 3 begins at 3 / (3 + 1.96^2) = 0.44
    assert "0 of 1 cases qualify in all repetitions" in " ".join(finding.verdict.reasons)


# The sampler's error


def test_a_uniform_bit_has_no_error_and_another_has_half_as_much_with_twice_the_steps():
    for schedule in ("log-SNR", "cosine"):
        uniform = sampler_error.bit_error(schedule, "posterior", 0.5, (8, 32))
        assert max(uniform["total_variation"]) < claims.SYMMETRIC
        biased = sampler_error.bit_error(schedule, "posterior", 0.8, (32, 64))
        assert biased["total_variation"][0] / biased["total_variation"][1] == pytest.approx(2, rel=0.1)
        for law, error in zip(biased["law"], biased["total_variation"], strict=True):
            assert error == pytest.approx(abs(law - 0.8))


def test_numbers_of_steps_that_a_schedule_lacks_are_left_out():
    found = sampler_error.bit_error("Li-Yan", "posterior", 0.8, (4, 8, 16))
    assert found["steps"] == [16]
    assert len(found["total_variation"]) == len(found["law"]) == 1


def test_independent_bits_err_as_binomial_laws_do():
    """The total variation of D alike bits is that of their number of ones."""
    from scipy.stats import binom

    found = sampler_error.bits_error("cosine", 0.8, 16, (1, 2, 8))
    (law,) = sampler_error.bit_error("cosine", "posterior", 0.8, [16])["law"]
    for bits, error in zip(found["bits"], found["total_variation"], strict=True):
        ones = np.arange(bits + 1)
        expected = np.abs(binom.pmf(ones, bits, 0.8) - binom.pmf(ones, bits, law)).sum() / 2
        assert error == pytest.approx(expected, abs=1e-12)


def test_what_the_samplers_functions_return_their_reader_reads():
    steps = {"steps": (64, 128, 256)}
    records = small(
        "sampler_error",
        {
            "bit": steps,
            "uniform bit": {"steps": (8, 16)},
            "bits": {"steps": 16, "bits": (1, 2, 4)},
            "normal directions": {"steps": 16, "dimensions": (1, 8)},
            "dimension": {"steps": 4, "samples": 200},
            "codes": {"steps": 4, "samples": 200, "log_codes": (1, 2)},
        },
        seeds=2,
    )
    finding = read("sampler_error", records)
    assert finding.verdict.status == "undecided"
    panels = drawn(finding)
    assert panels["A bit of probability 0.8"] == ["log-SNR, posterior", "1 / T"]
    assert panels["A closed curve, T = 32"] == ["sampled", "floor"]
    assert panels["2^k random codes in 32 dimensions, T = 8"] == ["sampled", "floor"]
    assert [name for name in panels["D independent bits, T = 256"] if name in ("log-SNR", "cosine")]


# Widths


def test_least_widths_are_the_known_ones():
    found = widths.least_ands((1, 2, 3, 4, 5))
    assert found["least"] == [1, 2, 4, 8, 16]
    # Four levels of two inputs each are a tree of ANDs, ORs and negations, five for an exclusive or.
    assert found["4 levels"] == [5 * (n - 1) for n in found["n"]]
    assert all(gates <= n + n // 2 + 1 for gates, n in zip(found["MAJORITY"], found["n"], strict=True))
    units = widths.least_units((1, 2, 3, 4))
    assert units == {"k": [1, 2, 3, 4], "least": [2, 4, 8, 16], "deep": [2, 4, 6, 8]}


def test_what_the_functions_of_widths_return_their_reader_reads(monkeypatch):
    monkeypatch.setattr(widths, "UPDATES", 3)
    monkeypatch.setattr(widths, "WIDTHS", (2,))
    records = small(
        "widths", {"parity": {"inputs": (1, 2, 3)}, "sawtooth": {"folds": (1, 2)}, "trained": {"folds": 1}}
    )
    trained = records[-1].outcome
    assert trained["widths"] == [2]
    assert all(0 <= fits <= trained["starts"] == widths.STARTS for fits in trained["fits"])
    finding = read("widths", records)
    assert finding.verdict.status == "undecided"
    assert drawn(finding)["Trained, 1 hidden layer"] == ["k = 1"]
    exact, trained_said = READERS["widths"](records, 0)[0].verdict.reasons
    assert "at least 2 times the one before" in exact  # of ranges that are too small to be judged
    assert trained_said == f"trained networks were not all run with {claims.SEEDS} seeds"


# The depth-of-1 environment


def test_a_rule_that_sees_all_rounds_earns_all_and_one_that_sees_none_what_theory_says():
    arguments = {"steps": 2, "cells": 5, "rows": 12}
    sees = {rounds: depth_of_one.bounded(rounds, **arguments, seed=0) for rounds in (0, 4)}
    assert sees[4]["worst"] == [1.0] * 4
    assert sees[0]["depth"] == 4
    for worst, stretch, theory in zip(
        sees[0]["worst"], depth_of_one.STRETCHES, sees[0]["without_the_bit"], strict=True
    ):
        # sqrt(d / (d + L)), up to the rounding of the rival's length to a whole number of gates
        assert theory == pytest.approx((1 / (1 + stretch)) ** 0.5, rel=0.1)
        assert worst == pytest.approx(theory, rel=0.15)


def test_a_rule_that_guesses_and_one_that_knows_earn_what_they_should(monkeypatch):
    """Untrained: the answers are chance, so some choice is wrong and earns the share of the theory."""
    monkeypatch.setattr(depth_of_one, "INSTANCES", 40)
    training = Training(stages=(1, 2), steps=1, warmup=0, chunk=1, learning_rates=(1e-3,))
    monkeypatch.setattr(depth_of_one, "regime", lambda lengths, steps: training)
    monkeypatch.setattr(
        Trainer, "run", lambda *arguments: iter(())
    )  # others test that it trains, and on what
    monkeypatch.setattr(
        depth_of_one,
        "draw",
        lambda task, split, count, *, depth, key: task.sample(count, key=key, depth=depth),
    )
    mlp = {"name": "SinglePass", "network": {"name": "MLP", "width": 4, "layers": 1, "features": 2}}
    records = small(
        "depth_of_one",
        {
            "bounded": {"steps": 1, "cells": 3, "rows": 3},
            "regret": {"steps": 2, "cells": 5, "rows": 8, "lengths": (4, 16)},
            "reduction, geometric grid": {"circuits": 2},
            "trained": {"solver": mlp, "lengths": (2,)},
        },
    )
    trained = [each.outcome for each in records if each.settings["family"] == "trained"]
    assert len(trained) == 1
    for outcome in trained:
        assert outcome["lengths"] == [2]
        assert all(0 < right < outcome["tries"] == 40 for right in outcome["right"])
        for length, least, mean in zip(outcome["lengths"], outcome["least"], outcome["mean"], strict=True):
            depth = 2 * length
            for stretch, worst, usual in zip(outcome["stretches"], least, mean, strict=True):
                share = (depth / (depth + stretch * depth)) ** 0.5
                assert worst == pytest.approx(share, rel=0.15)
                assert worst < usual < 1
    (reduction,) = (each.outcome for each in records if each.settings["family"].startswith("reduction"))
    assert reduction["held"]
    assert 0 < reduction["least"] <= reduction["most"]
    (regret,) = (each.outcome for each in records if each.settings["family"] == "regret")
    assert regret["regret"] == [2, 8]  # half of the chain
    assert regret["gates"][1] - regret["gates"][0] == 12
    finding = read("depth_of_one", records)
    assert finding.verdict.status == "undecided"
    assert drawn(finding)["Regret without the last round"] == ["measured"]


# Sudoku's orders


class Few(Sudoku):
    """Small pools: a class of its own, so that nothing compiled for it is taken for a Sudoku."""

    _members = 8


@pytest.fixture
def few(monkeypatch):
    monkeypatch.setenv("SERIALITY_CACHE", "")
    monkeypatch.setattr(sudoku_orders, "Sudoku", Few)
    monkeypatch.setattr(sudoku_orders, "GRIDS", 3)
    monkeypatch.setattr(sudoku_orders, "STEPS", (1, 4))
    monkeypatch.setattr(sudoku_orders, "GAUSSIAN_STEPS", (1,))
    dials = {"rounds": 3, "clues": 48}
    monkeypatch.setattr(
        sudoku_orders, "TIERS", {"one round": ("control", 1, dials, 1), "3 rounds": ("serial", 3, dials, 3)}
    )


def test_one_pass_solves_grids_of_as_many_rounds_and_what_is_returned_is_read(few):
    """Repeated layers of one round: 1 round in one pass, 4 in four, which is more than 3."""
    asked = {
        ("repeated layers", "3 rounds"): [0, 3],
        ("Gaussian", "one round"): None,
    }
    trials = STUDIES["sudoku_orders"].trials(1)
    records = []
    for (order, tier), successes in asked.items():
        rounds = 2 if order == "Gaussian" else 1
        trial = next(
            each
            for each in trials
            if (each.arguments["order"], each.arguments["rounds"], each.family) == (order, rounds, tier)
        )
        records.append(record(trial))
        outcome = records[-1].outcome
        assert outcome["tries"] == 3
        if successes is not None:
            assert outcome["successes"] == successes
            for solved, repeated, right in zip(
                outcome["successes"], outcome["duplicates"], outcome["cells"], strict=True
            ):
                assert (solved == 3) == (repeated == 0) == (right == 1)
    finding = read("sudoku_orders", records)
    assert finding.verdict.status == "undecided"


def test_the_prompt_of_a_puzzle_asks_for_every_cell():
    """What `right_table` lays out is what the task lays out: the clues, then a grid that is asked for."""
    puzzle = derandomised.minimal_puzzles(0)[0]
    task = Sudoku(side=4, rounds=3)
    rows = ["".join("." if digit < 0 else str(digit + 1) for digit in row) for row in puzzle.reshape(4, 4)]
    text = task.render(np.concatenate([np.full(16, OPEN), np.full(16, QUERY)]).astype(np.int32))
    for number, row in enumerate(rows, 1):
        text = text.replace(f"row {number}: ....", f"row {number}: {row}")
    board = np.where(puzzle < 0, OPEN, puzzle + OPEN + 1)
    if (puzzle >= 0).sum() == 5:
        assert task.parse(text).tolist() == [*board, *[QUERY] * 16]


def test_the_tiers_of_rounds_have_the_rounds_of_their_names():
    for name, (_, rounds, dials, depth) in sudoku_orders.TIERS.items():
        if "tier" not in dials:
            assert rounds == depth
            assert name in (f"{rounds} rounds", "one round")
