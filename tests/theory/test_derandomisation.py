"""Counts of copies against exact fractions, lists of seeds and their absence against trying all of them."""

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from seriality.theory.derandomisation import (
    SEARCHES,
    copies_by_hoeffding,
    copies_exact,
    decides_every_input,
    find_seeds,
    histogram,
    impossible,
    log_inputs,
    majority,
    majority_bound,
    majority_error,
    qualifying,
    right_answers,
    success,
    weighted_majority,
)


def exact_error(copies, p):
    """P(Binomial(copies, p) <= copies / 2), as a fraction."""
    return sum(math.comb(copies, k) * p**k * (1 - p) ** (copies - k) for k in range(copies // 2 + 1))


ODDS = [Fraction(51, 100), Fraction(3, 5), Fraction(3, 4), Fraction(9, 10), Fraction(999, 1000), Fraction(1)]


# How many copies


@pytest.mark.parametrize("p", ODDS)
@pytest.mark.parametrize("copies", [1, 2, 3, 8, 21, 60, 151])
def test_the_error_of_a_majority_is_the_binomial_tail(copies, p):
    assert majority_error(copies, float(p)) == pytest.approx(float(exact_error(copies, p)), rel=1e-10)


@given(st.integers(1, 3000), st.floats(0.501, 1))
def test_hoeffding_bounds_the_error(copies, p):
    assert majority_error(copies, p) <= majority_bound(copies, p) * (1 + 1e-9)


@pytest.mark.parametrize("p", [each for each in ODDS if each > Fraction(11, 20)])
@pytest.mark.parametrize("inputs", [1, 2, 4, 10, 1000, 10**9])
def test_the_exact_count_is_the_least_odd_one(inputs, p):
    found = copies_exact(math.log(inputs), float(p))
    assert found % 2 == 1
    assert exact_error(found, p) * inputs < 1
    assert found == 1 or exact_error(found - 2, p) * inputs >= 1


def test_a_union_bound_that_is_1_is_not_enough():
    """One copy errs on a quarter: of four inputs that is one in the mean, which promises nothing."""
    assert copies_exact(math.log(4), 0.75) == 3
    assert copies_exact(math.log(3), 0.75) == 1


@given(st.floats(0, 2000), st.floats(0.52, 1))
@settings(deadline=None)
def test_hoeffding_never_asks_for_less(inputs_log, p):
    hoeffding, exact = copies_by_hoeffding(inputs_log, p), copies_exact(inputs_log, p)
    assert hoeffding | 1 >= exact
    assert hoeffding > inputs_log / (2 * (p - 0.5) ** 2) >= hoeffding - 1


def test_published_counts():
    pairs = [
        (copies_by_hoeffding(log_inputs(32), p), copies_exact(log_inputs(32), p)) for p in (0.6, 0.75, 0.9)
    ]
    assert pairs == [(1110, 951), (178, 135), (70, 39)]


def test_tails_far_below_the_smallest_float_are_told_apart():
    """For 20,000 bits the tail is e^-13863. A copy too few fails, by the series in the logarithm."""
    inputs_log = log_inputs(20_000)
    found = copies_exact(inputs_log, 0.75)

    def log_error(copies):
        ones = np.arange(copies // 2 + 1)
        logs = [math.lgamma(copies + 1) - math.lgamma(k + 1) - math.lgamma(copies - k + 1) for k in ones]
        logs = np.array(logs) + ones * math.log(0.75) + (copies - ones) * math.log(0.25)
        return logs.max() + math.log(np.exp(logs - logs.max()).sum())

    assert log_error(found) < -inputs_log <= log_error(found - 2)
    assert majority_error(found, 0.75) == 0.0


def test_an_alphabet_counts_by_its_logarithm():
    assert log_inputs(5, alphabet=8) == pytest.approx(log_inputs(15))
    assert math.exp(log_inputs(3, alphabet=10)) == pytest.approx(1000)


# A table


def tables(most_inputs=6, most_seeds=7):
    return arrays(bool, st.tuples(st.integers(1, most_inputs), st.integers(1, most_seeds)))


@given(
    arrays(np.int64, st.tuples(st.integers(1, 5), st.integers(1, 9)), elements=st.integers(0, 2)), st.data()
)
def test_a_majority_is_an_answer_of_more_than_half(answers, data):
    seeds = tuple(data.draw(st.lists(st.integers(0, answers.shape[1] - 1), min_size=1, max_size=8)))
    for row, found in zip(answers, majority(answers, seeds), strict=True):
        votes = [int(row[each]) for each in seeds]
        winners = [each for each in set(votes) if 2 * votes.count(each) > len(votes)]
        assert [int(found)] == (winners or [-1])


@given(arrays(np.int64, (4, 7), elements=st.integers(0, 3)), arrays(np.int64, 4, elements=st.integers(0, 3)))
def test_a_list_decides_exactly_if_its_majority_is_the_truth(answers, truth):
    for seeds in [(0,), (0, 1, 2), (1, 1, 4, 5), tuple(range(7))]:
        right = bool((majority(answers, seeds) == truth).all())
        assert decides_every_input(right_answers(answers, truth), seeds) is right


def test_success_and_its_histogram():
    right = np.array(
        [[0] * 8, [1] + [0] * 7, [1] * 2 + [0] * 6, [1] * 4 + [0] * 4, [1] * 5 + [0] * 3, [1] * 8], bool
    )
    assert success(right).tolist() == [0, 0.125, 0.25, 0.5, 0.625, 1]
    assert list(histogram(right).counts.values()) == [1, 2, 1, 1, 0, 1]


@given(tables())
def test_every_input_is_in_one_bin(right):
    assert sum(histogram(right).counts.values()) == len(right)


@given(tables(most_inputs=8, most_seeds=12))
def test_qualifying_inputs_are_those_of_an_exact_test(right):
    found = qualifying(right)
    above = below = 0
    for row in right:
        tries, count = len(row), int(row.sum())
        tail = sum(Fraction(math.comb(tries, k), 2**tries) for k in range(count, tries + 1))
        above += tail <= Fraction(1, 20)
        below += sum(Fraction(math.comb(tries, k), 2**tries) for k in range(count + 1)) <= Fraction(1, 20)
    assert (found.above, found.below) == (above, below)
    assert found.open == len(right) - above - below
    assert found.observed == int((success(right) > 0.5).sum())


# Lists of seeds


def some_list(right, longest=9):
    """The length of the shortest list that decides every input, by trying all; None if none does."""
    for length in range(1, longest + 1, 2):
        for seeds in itertools.combinations_with_replacement(range(right.shape[1]), length):
            if (2 * right[:, list(seeds)].sum(-1) > length).all():
                return length
    return None


def assert_settled(right, expected):
    """`expected`: whether there is a list. Each of the two answers comes with its own check."""
    counts, weights = weighted_majority(right), impossible(right)
    assert (counts is not None, weights is not None) == (expected, not expected)
    if counts is not None:
        assert counts.min() >= 0
        assert decides_every_input(right, tuple(np.repeat(np.arange(len(counts)), counts).tolist()))
    else:
        assert weights.min() >= 0
        for seed in range(right.shape[1]):
            assert 2 * sum(int(weights[x]) for x in np.flatnonzero(right[:, seed])) <= int(weights.sum())


def test_every_small_table_is_settled_as_trying_all_lists_settles_it():
    """All 3 x 3 tables, up to the order of inputs: with three seeds, short lists decide if any do."""
    found = {True: 0, False: 0}
    for rows in itertools.combinations_with_replacement(itertools.product([False, True], repeat=3), 3):
        right = np.array(rows)
        exists = some_list(right) is not None
        assert_settled(right, exists)
        found[exists] += 1
    assert found[True] > 20
    assert found[False] > 20


@given(tables(most_inputs=5, most_seeds=4))
@settings(deadline=None, max_examples=40)
def test_small_tables_at_random(right):
    assert_settled(right, some_list(right) is not None)


@given(tables(most_inputs=7, most_seeds=6))
@settings(deadline=None, max_examples=40)
def test_a_list_is_found_if_and_only_if_there_is_one(right):
    found = find_seeds(right, seed=0)
    assert (found is None) == (impossible(right) is not None)
    if found is not None:
        assert decides_every_input(right, found.seeds)
        assert len(found.seeds) % 2 == 1
        assert found.search in SEARCHES


def test_a_mean_above_one_half_promises_nothing():
    """No seed answers the last input, and the mean is 7/8."""
    right = np.ones((8, 20), bool)
    right[-1] = False
    assert success(right).mean() == 0.875
    assert find_seeds(right, seed=0) is None
    assert impossible(right).tolist() == [0] * 7 + [1]


def test_weights_decide_what_no_list_without_repeats_does():
    """Every input needs the first seed and one other: only a list that repeats the first has a majority."""
    right = np.array(
        [[1, 1, 0, 0, 0], [1, 0, 1, 0, 0], [1, 0, 0, 1, 0], [1, 0, 0, 0, 1], [0, 1, 1, 1, 1]], bool
    )
    without = [
        seeds
        for length in (1, 3, 5)
        for seeds in itertools.combinations(range(5), length)
        if decides_every_input(right, seeds)
    ]
    assert not without
    found = find_seeds(right, seed=0)
    assert found is not None
    assert decides_every_input(right, found.seeds)
    assert len(found.seeds) == some_list(right) == 7


def test_where_every_input_qualifies_the_promised_list_exists_and_is_shorter():
    """Independent seeds, right with probability 0.7 or more on each of 200 inputs: the theorem, executed."""
    rng = np.random.default_rng(0)
    chances = rng.uniform(0.7, 1, size=200)
    right = rng.random((200, 300)) < chances[:, None]
    found = find_seeds(right, seed=1)
    assert found is not None
    assert decides_every_input(right, found.seeds)
    assert len(found.seeds) < copies_exact(math.log(200), float(success(right).min()))
    again = find_seeds(right, seed=1)
    assert found == again


def test_each_search_finds_easy_lists_and_finds_none_where_none_is():
    rng = np.random.default_rng(2)
    easy, hard = rng.random((20, 60)) < 0.9, np.zeros((4, 60), bool)
    for search in SEARCHES.values():
        assert any(decides_every_input(easy, each) for each in search(easy, np.random.default_rng(0)))
        assert not any(decides_every_input(hard, each) for each in search(hard, np.random.default_rng(0)))


def test_a_large_table_is_settled_exactly():
    rng = np.random.default_rng(3)
    assert_settled(rng.random((300, 120)) < 0.75, True)
    assert_settled(rng.random((300, 120)) < 0.4, False)


def test_what_is_no_probability_and_no_table_is_refused():
    with pytest.raises(ValueError, match=r"p=0\.5.*copies=0"):
        majority_bound(0, 0.5)
    with pytest.raises(ValueError, match=r"p=1\.1.*inputs_log=-1"):
        copies_exact(-1.0, 1.1)
    with pytest.raises(ValueError, match="a table of 3 inputs and 0 seeds"):
        find_seeds(np.zeros((3, 0), bool), seed=0)
    with pytest.raises(ValueError, match=r"seeds=\[-1, 2\]"):
        decides_every_input(np.ones((2, 2), bool), (-1, 0, 2))
