"""Schedules against their published ends, coefficients against the normal law they come from."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seriality.solvers import gaussian
from seriality.theory.schedules import COEFFICIENTS, SCHEDULES, coefficients, signal

STEPS = {"log-SNR": 1, "cosine": 1, "linear": 1, "EDM": 1, "Li-Yan": 9}
"""The least number for which each schedule exists."""


@pytest.mark.parametrize("kind", SCHEDULES)
@pytest.mark.parametrize("more", [0, 1, 2, 7, 100, 1500])
def test_every_schedule_starts_at_1_and_falls_strictly(kind, more):
    abar = signal(kind, STEPS[kind] + more)
    assert len(abar) == STEPS[kind] + more + 1
    assert abar[0] == 1
    assert (np.diff(abar) < 0).all()
    assert 0 < abar[-1] < 0.002


def test_schedules_are_those_of_their_papers():
    beta = 1 - np.divide(*(signal("linear", 1000)[i:][:1000] for i in (1, 0)))
    assert (beta[0], beta[-1]) == (pytest.approx(1e-4), pytest.approx(0.02))
    np.testing.assert_allclose(np.diff(beta), np.diff(beta).mean(), rtol=1e-6)

    abar = signal("cosine", 1000)
    assert abar[500] == pytest.approx(
        (math.cos(0.508 / 1.008 * math.pi / 2) / math.cos(0.008 / 1.008 * math.pi / 2)) ** 2
    )
    assert 1 - abar[1000] / abar[999] == pytest.approx(0.999)

    abar = signal("EDM", 18)[1:]
    sigma = np.sqrt((1 - abar) / abar)
    assert (sigma[0], sigma[-1]) == (pytest.approx(0.002), pytest.approx(80))
    np.testing.assert_allclose(np.diff(sigma ** (1 / 7), 2), 0, atol=1e-9)

    abar = signal("log-SNR", 5)[1:]
    np.testing.assert_allclose(
        np.log(abar / (1 - abar)), np.linspace(math.log(400), math.log(1e-4), 5), rtol=1e-9
    )


def test_li_yan_follows_its_recursion():
    steps = 64
    rate, first = 4 * math.log(steps) / steps, steps**-2
    beta = [first] + [rate * min(first * (1 + rate) ** t, 1) for t in range(1, steps)]
    np.testing.assert_allclose(signal("Li-Yan", steps)[1:], np.cumprod(1 - np.array(beta)), rtol=1e-12)


@pytest.mark.parametrize("steps", range(1, 9))
def test_li_yan_says_from_where_it_exists(steps):
    with pytest.raises(ValueError, match=r"exists from T = 9 on"):
        signal("Li-Yan", steps)


@pytest.mark.parametrize("steps", [2, 8, 9])
def test_li_yan_is_refused_exactly_where_a_beta_reaches_1(steps):
    rate, first = 4 * math.log(steps) / steps, steps**-2
    largest = max([first, rate] + [rate * min(first * (1 + rate) ** t, 1) for t in range(1, steps)])
    if largest < 1:
        assert len(signal("Li-Yan", steps)) == steps + 1
    else:
        with pytest.raises(ValueError, match="every beta below 1"):
            signal("Li-Yan", steps)


levels = st.tuples(st.floats(0.01, 0.98), st.floats(0.01, 0.98)).filter(lambda x: abs(x[0] - x[1]) > 1e-3)


@given(levels, st.floats(-3, 3), st.floats(-2, 2))
def test_the_posterior_is_the_law_of_a_gaussian_given_two_others(pair, y, x):
    """Conditioning the joint normal of (X_before, X_now) given X_0 = x, by the textbook formula."""
    before, now = max(pair), min(pair)
    a = now / before
    covariance, variance = math.sqrt(a) * (1 - before), 1 - now
    mean = math.sqrt(before) * x + covariance / variance * (y - math.sqrt(now) * x)
    spread = 1 - before - covariance**2 / variance
    step = coefficients(np.array([1.0, before, now]), 2, "posterior")
    assert step.state * y + step.mean * x == pytest.approx(mean, abs=1e-9)
    assert step.noise**2 == pytest.approx(spread, abs=1e-9)


@given(levels, st.floats(-3, 3), st.floats(-2, 2))
def test_the_other_coefficients_in_terms_of_the_score(pair, y, m):
    before, now = max(pair), min(pair)
    abar = np.array([1.0, before, now])
    a, score = now / before, (math.sqrt(now) * m - y) / (1 - now)

    step = coefficients(abar, 2, "Li-Yan")
    assert step.state * y + step.mean * m == pytest.approx((y + (1 - a) * score) / math.sqrt(a), abs=1e-8)
    assert step.noise == pytest.approx(math.sqrt((1 - a) / a))

    step, noise = coefficients(abar, 2, "DDIM"), (y - math.sqrt(now) * m) / math.sqrt(1 - now)
    assert step.state * y + step.mean * m == pytest.approx(
        math.sqrt(before) * m + math.sqrt(1 - before) * noise, abs=1e-9
    )
    assert step.noise == 0

    large, posterior = coefficients(abar, 2, "large"), coefficients(abar, 2, "posterior")
    assert large[:2] == posterior[:2]
    assert large.noise == pytest.approx(math.sqrt(1 - a))


@pytest.mark.parametrize("kind", COEFFICIENTS)
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_the_last_step_returns_the_posterior_mean(kind, schedule):
    step = coefficients(signal(schedule, 16), 1, kind)
    assert step.state == pytest.approx(0, abs=1e-9)
    assert step.mean == pytest.approx(1)


@pytest.mark.parametrize(("kind", "kept"), [("posterior", True), ("DDIM", True), ("large", False)])
def test_which_samplers_keep_the_law_of_a_point_exactly(kind, kept):
    """If Y_t has the variance of X_t around 0, does Y_(t-1) have that of X_(t-1)?"""
    abar = signal("cosine", 8)
    for t in range(2, 9):
        step = coefficients(abar, t, kind)
        variance = step.state**2 * (1 - abar[t]) + step.noise**2
        assert bool(variance == pytest.approx(1 - abar[t - 1], rel=1e-9)) is kept


def test_all_faults_are_named_at_once():
    with pytest.raises(ValueError, match=r"kind='sine'.*steps=0"):
        signal("sine", 0)
    with pytest.raises(ValueError, match=r"abar=.*kind='euler'.*t=3"):
        coefficients(np.array([1.0, 0.5, 0.6]), 3, "euler")


@pytest.mark.parametrize("steps", [4, 32])
def test_the_solvers_sampler_has_the_posterior_coefficients_of_the_theory(steps):
    """Written twice, for solvers may not import the theory: what is proved of one is run with the other."""
    abar = signal("cosine", steps)
    theory = np.array([coefficients(abar, t, "posterior") for t in range(1, steps + 1)])
    np.testing.assert_allclose(gaussian.coefficients(abar)[:, [1, 0, 2]], theory, rtol=1e-9, atol=1e-12)
