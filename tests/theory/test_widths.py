"""Least widths against exhaustive search, and the constructions that attain them."""

from fractions import Fraction
from itertools import combinations, pairwise, product

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from seriality.theory.circuits import every_input
from seriality.theory.widths import (
    deep_sawtooth,
    least_rectifiers,
    least_terms,
    most_pieces,
    prime_implicants,
    sawtooth,
    sawtooth_slopes,
)


def by_search(table):
    """The fewest of all 3^n ANDs whose OR is the function."""
    inputs = len(table).bit_length() - 1
    rows = every_input(inputs)
    terms = []
    for term in product((0, 1, 2), repeat=inputs):
        covers = np.all((np.array(term) == 2) | (rows == np.array(term)), axis=1)
        if not (covers & ~table).any():
            terms.append(covers)
    for count in range(len(table) + 1):
        for chosen in combinations(terms, count):
            if (np.any(chosen, axis=0) if count else np.zeros(len(table), bool)).tolist() == table.tolist():
                return count
    raise AssertionError("the ANDs of all inputs cover everything")


@settings(max_examples=40, deadline=None)
@given(st.lists(st.booleans(), min_size=8, max_size=8))
def test_least_terms_of_three_inputs_by_search(table):
    table = np.array(table)
    assert least_terms(table) == by_search(table)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.integers(1, 4).flatmap(lambda n: st.lists(st.booleans(), min_size=2**n, max_size=2**n)))
@example([True, True])
@example([False, False, False, False])
def test_prime_implicants_by_definition(table):
    arity = len(table).bit_length() - 1
    points = every_input(arity).astype(int).tolist()

    def implies(cube):
        return all(table[i] for i, point in enumerate(points) if all(point[v] == b for v, b in cube))

    cubes = [
        tuple((v, b) for v, b in enumerate(each) if b is not None)
        for each in product((None, 0, 1), repeat=arity)
    ]
    prime = {c for c in cubes if implies(c) and not any(implies(tuple(set(c) - {x})) for x in c)}
    found = prime_implicants(np.array(table))
    assert {tuple((v, b) for v, b in enumerate(each) if b != 2) for each in found} == prime
    assert len(found) == len(prime)


@pytest.mark.parametrize("inputs", range(1, 11))
def test_parity_needs_half_of_all_rows(inputs):
    odd = every_input(inputs).sum(1) % 2 == 1
    assert least_terms(odd) == 2 ** (inputs - 1)
    assert all(2 not in term for term in prime_implicants(odd))


def test_what_has_a_short_form_is_found_to_have_it():
    rows = every_input(6)
    assert least_terms(rows[:, 2]) == 1
    assert least_terms(rows.any(1)) == 6
    assert least_terms(rows.sum(1) >= 4) == 15  # majority: 6 choose 4
    assert least_terms(np.zeros(4, bool)) == 0
    with pytest.raises(ValueError, match="table has 3 rows"):
        least_terms(np.zeros(3, bool))


@pytest.mark.parametrize("folds", range(1, 7))
def test_the_sawtooth_deep_and_shallow(folds):
    points = np.linspace(0, 1, 2**folds * 8 + 1)
    heights = sawtooth(points, folds)
    assert np.allclose(deep_sawtooth(points, folds), heights, atol=1e-12)
    slopes = np.round(np.diff(heights) * (len(points) - 1)).astype(int)
    assert slopes[::8].tolist() == sawtooth_slopes(folds)
    assert least_rectifiers(sawtooth_slopes(folds)) == 2**folds
    assert most_pieces([2] * folds) >= 2**folds > most_pieces([2**folds - 2])


def fits(slopes, units):
    """Whether so many units, each with a bend at a bend of the function or outside, give these slopes.

    The pieces of a sum of units are linear in their weights: solved for every choice of places and sides.
    """
    pieces = len(slopes)
    for places in combinations([*range(pieces), *range(1, pieces)], units):
        for sides in product((1, -1), repeat=units):
            on = [
                [
                    float(piece >= place if side > 0 else piece < place)
                    for place, side in zip(places, sides, strict=True)
                ]
                for piece in range(pieces)
            ]
            weights, *_ = np.linalg.lstsq(np.array(on), np.array(slopes, float), rcond=None)
            if np.allclose(np.array(on) @ weights, slopes, atol=1e-9):
                return True
    return False


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(-2, 2), min_size=2, max_size=4))
def test_least_rectifiers_by_search(slopes):
    if any(left == right for left, right in pairwise(slopes)):
        with pytest.raises(ValueError, match="the same slope"):
            least_rectifiers(slopes)
        return
    least = least_rectifiers([Fraction(slope) for slope in slopes])
    assert fits(slopes, least)
    assert not fits(slopes, least - 1)
