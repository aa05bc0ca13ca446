"""The bound against its formula, the least number of steps and the floor against trying every number."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seriality.cost import Cost
from seriality.theory.convergence import (
    MOST_STEPS,
    LiYan,
    finite_set,
    lowest,
    score_error_allowed,
    steps_by_rate,
    steps_needed,
    unrolled,
    unrolled_depth,
)


def formula(steps, dimension, score_error=0.0, c=1.0):
    log = np.log(np.asarray(steps, float))
    return c * (dimension / steps * log**3 + score_error * np.sqrt(log))


def by_trying(values, first, target):
    """The least number from `first` on whose value is at most `target`; values start at 1."""
    good = np.flatnonzero(values[first - 1 :] <= target)
    return int(good[0]) + first if len(good) else None


EVERY = np.arange(1, 400_001)
AFTER_THE_MAXIMUM = 21
"""The first integer above e^3."""


@given(st.floats(0.01, 30), st.floats(0, 0.5), st.floats(0.1, 3), st.integers(2, 10**6))
def test_the_bound_is_the_formula_of_the_theorem(dimension, score_error, c, steps):
    found = LiYan(c=c).total_variation(steps, dimension, score_error)
    assert found == pytest.approx(formula(steps, dimension, score_error, c))


def test_the_constants_are_those_of_the_theorem():
    bound = LiYan(c0=2.0, c_moment=0.5)
    assert bound.scale(100) == pytest.approx(1e-4)
    assert bound.admits(10.0, 100)
    assert not bound.admits(10.1, 100)


def test_at_one_step_the_formula_would_read_zero_and_is_refused():
    with pytest.raises(ValueError, match="at least 2"):
        LiYan().total_variation(1, 1.0)


@pytest.mark.parametrize("score_error", [0.0, 0.02, 0.09])
@pytest.mark.parametrize("dimension", [1e-6, 0.08, 0.3, 1.0, 2.0, 20.0])
@pytest.mark.parametrize("delta", [0.02, 0.2])
def test_the_least_number_of_steps_by_trying_every_one(dimension, score_error, delta):
    values = formula(EVERY, dimension, score_error)
    expected = by_trying(values, AFTER_THE_MAXIMUM, 0.5 - delta)
    if expected is None:
        with pytest.raises(ValueError, match="steps_needed"):
            steps_needed(LiYan(), dimension, delta=delta, score_error=score_error)
    else:
        assert steps_needed(LiYan(), dimension, delta=delta, score_error=score_error) == expected


@pytest.mark.parametrize(("count", "c0"), [(2, 1.0), (2**8, 1.0), (2**40, 2.0)])
def test_the_dimension_of_a_finite_set_is_its_entropy(count, c0):
    """With d_eps = log N / log(1/eps) the first term is log N (log T)^2 / (c0 T), largest at e^2."""
    bound = LiYan(c0=c0)
    values = math.log(count) * np.log(EVERY) ** 2 / (c0 * EVERY)
    np.testing.assert_allclose(bound.total_variation(1000, finite_set(count)), values[999])
    assert steps_needed(bound, finite_set(count), delta=0.1) == by_trying(values, 8, 0.4)


def test_few_steps_are_not_mistaken_for_enough():
    """At T = 2 the bound is below 1/2 because the logarithm is small; at the maximum it is above."""
    assert LiYan().total_variation(2, 1.0) < 0.4 < LiYan().total_variation(20, 1.0)
    assert steps_needed(LiYan(), 1.0, delta=0.1) > 20


@given(st.floats(0.05, 50), st.floats(0.01, 0.4))
@settings(deadline=None, max_examples=12)
def test_one_step_fewer_is_not_enough_and_more_dimensions_need_more(dimension, delta):
    steps = steps_needed(LiYan(), dimension, delta=delta)
    assert formula(steps, dimension) <= 0.5 - delta
    assert steps <= AFTER_THE_MAXIMUM or formula(steps - 1, dimension) > 0.5 - delta
    assert steps <= steps_needed(LiYan(), 1.5 * dimension, delta=delta)


@pytest.mark.parametrize(("dimension", "score_error"), [(1.0, 0.3), (1.0, 0.1), (0.05, 0.05), (30.0, 1.0)])
def test_the_floor_is_the_least_value_of_the_bound(dimension, score_error):
    values = formula(EVERY, dimension, score_error)[AFTER_THE_MAXIMUM - 1 :]
    found = lowest(LiYan(), dimension, score_error)
    at = int(values.argmin()) + AFTER_THE_MAXIMUM
    assert found.value == pytest.approx(values.min(), rel=1e-9)
    assert values[found.steps - AFTER_THE_MAXIMUM] == pytest.approx(values.min(), rel=1e-9)
    assert abs(found.steps / at - 1) < 1e-3


def test_without_a_score_error_there_is_no_floor():
    found = lowest(LiYan(), 1.0)
    assert found.value < 1e-10
    assert found.steps > MOST_STEPS / 2


@pytest.mark.parametrize("dimension", [0.1, 1.0, 10.0, finite_set(2**16)])
def test_the_largest_score_error_is_where_the_floor_meets_the_target(dimension):
    allowed = score_error_allowed(LiYan(), dimension, delta=0.1)
    assert lowest(LiYan(), dimension, allowed).value == pytest.approx(0.4, rel=1e-6)
    assert steps_needed(LiYan(), dimension, delta=0.1, score_error=0.999 * allowed) > 20
    with pytest.raises(ValueError, match=f"allowed is a score error up to {allowed:.4g}"):
        steps_needed(LiYan(), dimension, delta=0.1, score_error=1.001 * allowed)


def test_a_dimension_that_grows_with_the_steps_is_out_of_reach():
    with pytest.raises(ValueError, match="allowed is a smaller dimension"):
        steps_needed(LiYan(), lambda eps: 1 / eps, delta=0.1)
    assert score_error_allowed(LiYan(), lambda eps: 1 / eps, delta=0.1) == 0


def test_a_dimension_that_rises_between_scales_is_followed():
    """Of a tube: 1 above its radius, 2 below. Between the two constants, and that of the tube."""

    def tube(eps):
        return 1.5 + 0.5 * math.tanh(math.log(0.01 / eps))

    thin, found, thick = (steps_needed(LiYan(), each, delta=0.1) for each in (1.0, tube, 2.0))
    assert thin < found < thick
    values = np.array([formula(each, tube(1 / each)) for each in range(thin, thick + 1)])
    assert found == by_trying(values, 1, 0.4) + thin - 1


@given(st.floats(0, 100), st.floats(0.01, 0.49))
def test_a_measured_rate_needs_its_share_of_steps(constant, delta):
    steps = steps_by_rate(constant, delta=delta)
    assert constant / steps <= (0.5 - delta) * (1 + 1e-12)
    assert steps == 1 or constant / (steps - 1) > (0.5 - delta) * (1 - 1e-12)


def test_the_unrolled_circuit_is_counted_by_building_it():
    """A node is a layer with the nodes it waits for; size is their number and depth the longest chain."""
    steps, copies, bits, backbone = 5, 3, 2, Cost(work=7, span=3)
    nodes, depth = 0, {}

    def add(name, after):
        nonlocal nodes
        nodes += 1
        depth[name] = 1 + max((depth[each] for each in after), default=0)

    for copy in range(copies):
        last = []
        for step in range(steps):
            for layer in range(backbone.span):
                width = 3 if layer < 2 else 1
                names = [(copy, step, layer, each) for each in range(width)]
                for name in names:
                    add(name, last)
                last = names
            add((copy, step, "update"), last)
            last = [(copy, step, "update")]
        add((copy, "snap"), last)
    for bit in range(bits):
        add(("majority", bit), [(copy, "snap") for copy in range(copies)])
    found = unrolled(steps, backbone, copies=copies, answer_bits=bits)
    assert found == Cost(work=nodes, span=max(depth.values()))
    assert unrolled_depth(steps, backbone.span) == found.span


def test_the_depth_is_steps_times_backbone_and_constants():
    depths = [unrolled_depth(steps, 6, update_depth=2, snapping_depth=3) for steps in (10, 11)]
    assert depths == [10 * 8 + 3 + 1, 11 * 8 + 3 + 1]


def test_all_faults_are_named_at_once():
    with pytest.raises(ValueError, match=r"c=0.*c0=-1"):
        LiYan(c=0.0, c0=-1.0)
    with pytest.raises(ValueError, match=r"steps=0.*copies=0"):
        unrolled(0, Cost(1, 1), copies=0)
    with pytest.raises(ValueError, match=r"delta=0\.5"):
        steps_needed(LiYan(), 1.0, delta=0.5)
    with pytest.raises(ValueError, match="score_error=-1"):
        lowest(LiYan(), 1.0, -1.0)
