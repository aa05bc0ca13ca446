"""Greedy schedules beside the best of all schedules, and within the bounds that are proved for them."""

from functools import cache
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seriality.theory.scheduling import greedy_steps


@st.composite
def graphs(draw, most=30):
    count = draw(st.integers(1, most))
    return [sorted(draw(st.sets(st.integers(0, i - 1), max_size=3))) if i else [] for i in range(count)]


@st.composite
def in_trees(draw):
    """Everything is read once, by something later."""
    count = draw(st.integers(1, 9))
    reads = [[] for _ in range(count)]
    for i in range(count - 1):
        reads[draw(st.integers(i + 1, count - 1))].append(i)
    return reads


def span(reads):
    longest = []
    for before in reads:
        longest.append(1 + max((longest[j] for j in before), default=0))
    return max(longest)


def best(reads, processors):
    """The fewest steps of any schedule, by trying all."""
    everything = frozenset(range(len(reads)))

    @cache
    def left(done):
        if done == everything:
            return 0
        ready = [i for i in everything - done if set(reads[i]) <= done]
        now = min(processors, len(ready))
        return 1 + min(left(done | set(chosen)) for chosen in combinations(ready, now))

    return left(frozenset())


@given(reads=graphs(), processors=st.integers(1, 40))
def test_within_the_bounds(reads, processors):
    steps, work = greedy_steps(reads, processors), len(reads)
    assert max(span(reads), -(-work // processors)) <= steps <= work / processors + span(reads)


@given(reads=graphs(most=8), processors=st.integers(1, 3))
def test_never_better_than_the_best_nor_twice_as_long(reads, processors):
    assert best(reads, processors) <= greedy_steps(reads, processors)
    assert greedy_steps(reads, processors) <= (2 - 1 / processors) * best(reads, processors)  # Graham


@given(reads=in_trees(), processors=st.integers(1, 3))
def test_the_best_for_trees(reads, processors):
    assert greedy_steps(reads, processors) == best(reads, processors)  # Hu


def test_what_it_refuses():
    with pytest.raises(ValueError, match="processors is 0, allowed is 1 or more"):
        greedy_steps([[]], 0)
    with pytest.raises(ValueError, match=r"operation 1 reads \[1\], allowed are operations before it"):
        greedy_steps([[], [1]], 2)
