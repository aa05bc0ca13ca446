"""The surface of accuracy: known rates recovered, honest answers provoked beside twins that deserve none,
laws of invariance, and the fit against a general minimiser."""

import re
from dataclasses import fields
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.special import expit
from scipy.stats import binom

from seriality.analysis import Observations, crossing, fit, one_version
from seriality.analysis.binomial import LAPSE_CENTRE, maximise
from seriality.analysis.exchange import judge
from seriality.analysis.observations import Cells, levels

LAYERS, WIDTHS = (1, 2, 4, 8, 16), tuple(2**k for k in range(4, 13))


def drawn(
    eta, *, layers=LAYERS, widths=WIDTHS, depths=(2, 4, 8, 16), seeds=5, tries=200, noise=0.5, key=0, **model
):
    """Made-up records: right answers by eta(log2 depth, log2 span, log2 work), each seed off by normal
    noise."""
    draw = np.random.default_rng(key)
    span, work = (
        a.ravel() for a in (lambda x, y: (4 * x, 4 * x * y))(*np.meshgrid(layers, widths, indexing="ij"))
    )
    c, seed, depth = (
        a.ravel() for a in np.meshgrid(np.arange(span.size), np.arange(seeds), depths, indexing="ij")
    )
    off = draw.normal(0, noise, (span.size, seeds))[c, seed]
    able = expit(eta(np.log2(depth), np.log2(span[c]), np.log2(work[c])) + off)
    chance, lapse = model.get("chance", 0.0), model.get("lapse", 0.0)
    right = draw.binomial(tries, chance + (1 - chance - lapse) * able)
    return Observations(c, seed, depth, span[c], work[c], right, np.full(c.size, tries))


def picked(observations, chosen):
    return Observations(*(getattr(observations, f.name)[chosen] for f in fields(Observations)))


def plane(span, work, *, growing=0.0):
    """eta with these slopes, that of span growing with log2 depth; 0 at span 32, work 2^11, depth 8."""
    return lambda d, s, w: (span + growing * (d - 3)) * (s - 5) + work * (w - 11) - 1.5 * (d - 3)


# Known rates: 1 + slope of span / slope of work.

KNOWN = {
    "serial": (plane(1.2, 0.6), 3.0, {}),
    "work alone": (plane(0.0, 0.8), 1.0, {}),
    "parallel alone": (plane(-0.8, 0.8), 0.0, {}),
    "grows with depth": (plane(1.2, 0.8, growing=0.2), 2.5, {}),
    "chance": (plane(1.2, 0.8, growing=0.2), 2.5, {"chance": 0.25}),
    "lapse": (plane(1.2, 0.8, growing=0.2), 2.5, {"lapse": 0.03}),
}
DRAWS = 40
LEAST = int(binom.ppf(0.001, DRAWS, 0.95))
"""Fewer of 40 intervals cover a truth in less than one of a thousand such tests, if 95 % do."""


@pytest.mark.parametrize("name", KNOWN)
def test_intervals_cover_known_rates_as_often_as_they_say(name):
    eta, truth, model = KNOWN[name]
    chance = model.get("chance", 0.0)
    rates = [
        fit(drawn(eta, key=key, **model), chance=chance).exchange_rate((1 + chance) / 2, 8, 32)
        for key in range(DRAWS)
    ]
    covered = sum(rate.low <= truth <= rate.high for rate in rates)
    assert covered >= LEAST
    assert {rate.status for rate in rates} <= {"identified", "free"}
    # The twin: intervals of a third of the length (49 %) would not do, so length is not what covers.
    third = sum(abs(rate.estimate - truth) <= (rate.high - rate.low) / 6 for rate in rates)
    assert third < LEAST
    assert np.mean([rate.estimate for rate in rates]) == pytest.approx(truth, abs=0.06)


def test_two_seeds_have_intervals_of_the_right_length():
    # Drawing two of two would make them shorter by a factor of 1.4 (about 83 %).
    eta, truth, _ = KNOWN["serial"]
    rates = [fit(drawn(eta, seeds=2, key=key)).exchange_rate(0.5, 8, 32) for key in range(DRAWS)]
    assert sum(rate.low <= truth <= rate.high for rate in rates) >= LEAST


def test_the_rate_at_each_depth_is_its_own():
    surface = fit(drawn(plane(1.2, 0.8, growing=0.4), key=3))
    for depth in (4, 8, 16):
        rate = surface.exchange_rate(0.5, depth, 32)
        assert rate.low <= 1 + (1.2 + 0.4 * (np.log2(depth) - 3)) / 0.8 <= rate.high


def test_the_crossing_covers_known_rates_and_agrees():
    eta, truth, _ = KNOWN["grows with depth"]
    covered = 0
    for key in range(DRAWS):
        found = crossing(drawn(eta, key=key), 0.5, 8)
        k = int(np.argmin(abs(found.spans - 16)))
        covered += found.rates[k].low <= truth <= found.rates[k].high
    assert covered >= LEAST
    contour = fit(drawn(eta, key=0)).contour(0.5, 8, np.array([16.0, 32.0]))
    exact = 2.0 ** (11 - 1.2 / 0.8 * np.array([-1, 0]))
    assert np.all((contour.low <= exact) & (exact <= contour.high))
    work = crossing(drawn(eta, key=0), 0.5, 8).work
    assert np.all((work.low[2:4] <= exact) & (exact <= work.high[2:4]))


# The fit


def test_the_fit_is_the_maximum_that_a_general_minimiser_finds():
    draw = np.random.default_rng(0)
    design = np.concatenate([np.ones((60, 1)), draw.normal(size=(60, 3))], axis=1)
    tries = draw.integers(5, 80, 60).astype(float)
    truth = 0.2 + 0.75 * expit(design @ np.array([0.3, 1.0, -2.0, 0.5]))
    right = draw.binomial(tries.astype(int), truth).astype(float)

    def loss(x):
        p = 0.2 + 0.8 * expit(x[4]) * expit(design @ x[:4])
        likelihood = right @ np.log(p) + (tries - right) @ np.log(1 - p)
        return -likelihood + 0.005 * x[:4] @ x[:4] + 0.5 * (x[4] - LAPSE_CENTRE) ** 2

    best = min(
        (minimize(loss, np.append(draw.normal(size=4), 3.0), method="BFGS") for _ in range(4)),
        key=lambda found: found.fun,
    )
    weights, lapse = maximise(design, right[None], tries[None], chance=0.2)
    np.testing.assert_allclose(weights[0], best.x[:4], atol=1e-4)
    assert lapse[0] == pytest.approx(0.8 * expit(-best.x[4]), abs=1e-5)
    # Without a floor, a lapse or, nearly, a penalty: plain logistic regression.
    plain = minimize(
        lambda x: -(right @ (design @ x) - tries @ np.logaddexp(0, design @ x)), np.zeros(4), method="BFGS"
    )
    weights, _ = maximise(design, right[None], tries[None], lapse=0.0, ridge=1e-9)
    np.testing.assert_allclose(weights[0], plain.x, atol=1e-4)


def test_many_fits_at_once_are_the_same_as_one_by_one():
    draw = np.random.default_rng(1)
    design = np.concatenate([np.ones((30, 1)), draw.normal(size=(30, 2))], axis=1)
    tries = draw.integers(1, 50, (7, 30)).astype(float)
    right = np.floor(tries * draw.random((7, 30)))
    together = maximise(design, right, tries, chance=0.1)
    for k in range(7):
        alone = maximise(design, right[k : k + 1], tries[k : k + 1], chance=0.1)
        np.testing.assert_allclose(together[0][k], alone[0][0], atol=1e-4)


@pytest.mark.parametrize("share", [0, 1])
def test_what_is_all_right_or_all_wrong_does_not_diverge(share):
    o = drawn(plane(1, 1))
    surface = fit(Observations(o.configuration, o.seed, o.depth, o.span, o.work, share * o.tries, o.tries))
    assert np.all(np.isfinite(surface.weights))
    assert abs(float(surface.accuracy(8, 16, 2**11).estimate) - share) < 0.01
    rate = surface.exchange_rate(0.5, 8, 32)
    assert rate.status == "not identified"
    assert ("ceiling" if share else "floor") in rate.reason


def test_a_step_between_all_wrong_and_all_right_has_a_finite_slope():
    surface = fit(drawn(lambda d, s, w: 1000.0 * (w - 11.3), noise=0.0))
    assert np.all(np.isfinite(surface.weights))
    rate = surface.exchange_rate(0.5, 8, 32)
    assert rate.estimate == pytest.approx(1, abs=0.1)


# Honest answers, each beside a twin


def test_none_in_range_says_what_was_measured_and_what_is_left():
    # Halving costs 5 doublings; from the contour at span 32 only 3.5 were measured.
    steep = plane(2.4, 0.6)
    rate = fit(drawn(steep, widths=WIDTHS[:7])).exchange_rate(0.5, 8, 32)
    assert rate.status == "none in range"
    assert np.isnan(rate.estimate)
    assert rate.high == np.inf
    assert 3 < rate.low < 5
    told = re.search(
        r"measured, ([\d.]+) doublings.*accuracy ([\d.]+); the rate is above ([\d.]+)", rate.reason
    )
    assert float(told[1]) == pytest.approx(4, abs=0.5)
    # With the most work, 2^14 at span 16, less its measured end at width 2^10: eta = -2.4 + 0.6 * (14 - 11).
    assert float(told[2]) == pytest.approx(expit(-2.4 + 0.6 * 3), abs=0.05)
    # The twin: the same truth where as much was measured.
    wide = fit(drawn(steep, widths=(*WIDTHS, 2**13, 2**14))).exchange_rate(0.5, 8, 32)
    assert wide.status == "identified"
    assert wide.low <= 5 <= wide.high


def test_free_is_said_where_a_halved_span_costs_nothing():
    costs_less = fit(drawn(plane(-1.2, 0.8))).exchange_rate(0.5, 8, 32)  # 1 - 1.5
    assert costs_less.status == "free"
    assert costs_less.low <= -0.5 <= costs_less.high <= 0
    twin = fit(drawn(plane(-0.4, 0.8))).exchange_rate(0.5, 8, 32)
    assert twin.status == "identified"
    assert twin.low > 0


def test_work_and_span_on_one_line_are_not_identified():
    o = drawn(plane(1.2, 0.8))
    along = o.work == 32 * o.span
    rate = fit(picked(o, along)).exchange_rate(0.5, 8, 32)
    assert (rate.status, rate.estimate) == ("not identified", pytest.approx(np.nan, nan_ok=True))
    assert "one line" in rate.reason
    # The twin: two such lines are not one.
    two = fit(picked(o, along | (o.work == 1024 * o.span))).exchange_rate(0.5, 8, 32)
    assert two.status == "identified"
    assert two.low <= 2.5 <= two.high


@pytest.mark.parametrize(
    ("keep", "said"),
    [
        (lambda o: o.span == 32, "1 span was measured, 2 or more"),
        (lambda o: o.work == 2**11, "1 work was measured, 2 or more"),
        (lambda o: o.span >= 32, "half the span is outside the spans measured, 32 to 64"),
        (lambda o: o.depth < 8, "depths from 2 to 4 were measured"),
        (lambda o: o.work > 2**12, "with the least work"),
    ],
)
def test_what_was_not_measured_is_told(keep, said):
    o = drawn(plane(1.2, 0.8), seeds=3)
    rate = fit(picked(o, keep(o)), resamples=40).exchange_rate(0.5, 8, 32)
    assert (rate.status, rate.low, rate.high) == ("not identified", -np.inf, np.inf)
    assert said in rate.reason


def test_an_accuracy_that_does_not_vary_is_not_identified():
    flat = [fit(drawn(plane(0.0, 0.0), key=key)).exchange_rate(0.5, 8, 32) for key in range(20)]
    wrong = sum(rate.status in ("identified", "free") for rate in flat)
    # A rate that is not there may be claimed in 5 % of draws, as any test's error may be.
    assert wrong <= binom.ppf(0.999, 20, 0.05)


def test_a_bend_that_the_surface_misses_is_refused():
    def bend(d, s, w):
        return np.minimum(6 * (s - d - 1), 0.8 * (w - 11) - 0.5 * (d - 3))

    o = drawn(bend)
    rate = fit(o).exchange_rate(0.5, 16, 64)
    assert rate.status == "not identified"
    assert "misses" in rate.reason
    # Nothing holds it at half of that span; the crossing, without a form, does not say otherwise.
    assert crossing(o, 0.5, 16).rates[-1].high == np.inf
    assert fit(drawn(plane(1.2, 0.8))).misfit() < 0.05


def test_above_the_ceiling_is_told():
    rate = fit(drawn(plane(1.2, 0.8), lapse=0.1)).exchange_rate(0.95, 8, 32)
    assert "ceiling is 0.9" in rate.reason


def test_outside_of_the_range_nothing_is_said():
    surface = fit(drawn(plane(1.2, 0.8), seeds=2), resamples=40)
    found = surface.accuracy(8, np.array([4, 3, 64, 64]), np.array([64, 64, 64 * 2**12, 64 * 2**13]))
    assert np.isnan(found.estimate).tolist() == [False, True, False, True]
    assert np.isnan(found.low).tolist() == np.isnan(found.high).tolist() == [False, True, False, True]
    assert np.isnan(surface.accuracy(32, 16, 2**11).estimate)
    assert np.isnan(surface.contour(0.5, 8, np.array([2.0, 128.0])).estimate).all()
    # Between measured spans the hull holds: at span 24, between those of 16 and 32.
    assert np.isfinite(surface.accuracy(8, 24, 2**11).estimate)


def test_the_contour_has_the_accuracy_it_is_of():
    surface = fit(drawn(plane(1.2, 0.8, growing=0.2), chance=0.2), chance=0.2, resamples=40)
    spans = np.array([16.0, 24.0, 32.0])
    work = surface.contour(0.6, 8, spans).estimate
    np.testing.assert_allclose(surface.accuracy(8, spans, work).estimate, 0.6, atol=1e-9)
    assert surface.falling == 0


def ends(low, high=None):
    return np.full(100, low), np.full(100, low if high is None else high)


@pytest.mark.parametrize(
    ("known", "resampled", "status", "interval"),
    [
        ((2.0, 2.0), ends(2.0), "identified", (2.0, 2.0)),
        ((2.0, 2.0), ends(1.0, np.inf), "identified", (1.0, np.inf)),
        ((2.0, 2.0), ends(-np.inf, np.inf), "not identified", (-np.inf, np.inf)),
        ((-1.0, -1.0), ends(-1.0), "free", (-1.0, -1.0)),
        ((-np.inf, -1.0), ends(-np.inf, -1.0), "free", (-np.inf, -1.0)),
        ((-np.inf, 1.0), ends(-np.inf, 1.0), "not identified", (-np.inf, 1.0)),
        ((3.0, np.inf), ends(3.0, np.inf), "none in range", (3.0, np.inf)),
        ((3.0, np.inf), ends(1.0, np.inf), "none in range", (1.0, np.inf)),
    ],
)
def test_the_statuses_follow_the_rules(known, resampled, status, interval):
    rate = judge(known, resampled, where="here", left=0.5, confidence=0.95)
    assert (rate.status, (rate.low, rate.high)) == (status, interval)
    assert rate.reason.startswith("here: ")


# Laws of invariance


def same(one, two, tolerance=1e-6):
    assert one.status == two.status
    np.testing.assert_allclose(
        [one.estimate, one.low, one.high], [two.estimate, two.low, two.high], rtol=tolerance, atol=tolerance
    )


SMALL = {"layers": (2, 4, 8), "widths": WIDTHS[::2], "depths": (4, 8), "seeds": 2}


@given(st.integers(0, 10**6), st.integers(1, 6))
@settings(deadline=None, max_examples=10)
def test_doubling_all_works_and_spans_changes_nothing(key, doublings):
    o = drawn(plane(0.6, 0.8), key=key, **SMALL)
    k = 2**doublings
    more = Observations(o.configuration, o.seed, o.depth, k * o.span, k * o.work, o.successes, o.tries)
    one, two = (fit(each, resamples=40).exchange_rate(0.5, 8, s) for each, s in ((o, 32), (more, 32 * k)))
    same(one, two, 1e-4)
    for a, b in zip(crossing(o, 0.5, 8).rates, crossing(more, 0.5, 8).rates, strict=True):
        same(a, b)


@given(st.integers(0, 10**6), st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=10)
def test_order_and_the_splitting_of_tries_change_nothing(key, random):
    o = drawn(plane(0.6, 0.8), key=key, **SMALL)
    first = np.array([random.randint(max(0, y - 100), min(y, 100)) for y in o.successes.tolist()])
    halves = [
        Observations(o.configuration, o.seed, o.depth, o.span, o.work, y, np.full(y.size, 100))
        for y in (first, o.successes - first)
    ]
    order = np.array(random.sample(range(2 * o.tries.size), 2 * o.tries.size))
    other = Observations(
        *(np.concatenate([getattr(h, f.name) for h in halves])[order] for f in fields(Observations))
    )
    same(*(fit(each, resamples=40).exchange_rate(0.5, 8, 32) for each in (o, other)), 0)
    same(*(crossing(each, 0.5, 8).rates[-1] for each in (o, other)), 0)


# Observations


def test_resampled_counts_have_the_mean_and_the_variance_of_the_sum_over_seeds():
    right = np.array([3, 9, 5, 10, 0, 4])
    o = Observations(np.array([0, 0, 0, 1, 1, 1]), np.arange(6), *np.full((3, 6), 4), right, np.full(6, 10))
    successes, tries = Cells.of(o).resampled(20_000)
    assert np.all(tries == pytest.approx(30))
    for k, own in enumerate((right[:3], right[3:])):
        assert successes[:, k].mean() == pytest.approx(own.sum(), abs=0.2)
        assert successes[:, k].var() == pytest.approx(3 * own.var(ddof=1), rel=0.05)


def test_all_faults_are_told_at_once(as_users_call):
    good = np.array([1, 1])
    with pytest.raises(ValueError, match="configuration 1 has spans from 1 to 8") as told:
        Observations(
            good, good, np.array([0, 4]), np.array([1, 8]), np.array([9, 4]), good * 3, np.array([2, 0])
        )
    lines = str(told.value).splitlines()
    assert [line.split()[0] for line in lines] == [
        "depth",
        "work",
        "tries",
        "successes",
        *2 * ["configuration"],
    ]
    with pytest.raises(ValueError, match="equally long"):
        Observations(good, good, good, good, good, good, np.array([1]))
    with pytest.raises(ValueError, match="0 observations"):
        Observations(*np.zeros((7, 0), int))
    with pytest.raises(ValueError, match="successes is of type float64"):
        Observations(good, good, good, good, good, good * 0.5, good)


def test_what_cannot_be_asked_is_refused():
    o = drawn(plane(1, 1), **SMALL)
    with pytest.raises(ValueError, match=r"1 seed, allowed is 2 or more") as told:
        fit(picked(o, (o.seed == 0) | (o.configuration > 1)))
    assert "configurations 0, 1 have" in str(told.value)
    with pytest.raises(ValueError, match=r"interactions hold span\n?") as told:
        fit(o, interactions=["span"], confidence=1.0)
    assert len(str(told.value).splitlines()) == 2
    with pytest.raises(ValueError, match="chance is 1"):
        fit(o, chance=1.0)
    with pytest.raises(ValueError, match=r"accuracy is 0.2, allowed is more than chance, 0.25"):
        fit(o, chance=0.25, resamples=40).exchange_rate(0.2, 8, 32)
    with pytest.raises(ValueError, match="depth is 5, allowed are 4, 8"):
        crossing(o, 0.5, 5)


def test_levels_end_a_tenth_of_a_doubling_above_their_first():
    # Each next value is near to the one before it; a chain of them is not one level.
    values = 8 * 2.0 ** (0.06 * np.arange(6))
    assert levels(values).tolist() == [0, 0, 1, 1, 2, 2]


# Versions


def told(task=1, network=1, training=1, **outcome):
    return SimpleNamespace(
        settings={
            "task": {"name": "Words", "version": task, "length": 16},
            "solver": {"name": "Majority", "version": 1, "solver": {"name": "GRU", "version": network}},
            "training": {"version": training},
        },
        outcome=outcome,
        id="0",
    )


def test_records_of_one_version_pass():
    assert one_version([told(), told(cost_version=1), told()]) is None
    assert one_version([]) is None
    other = told()
    other.settings["task"] = {"name": "Registers", "version": 7}
    assert one_version([told(), other]) is None


def test_every_version_is_listed_with_its_records():
    records = [told()] * 120 + [told(task=2)] * 3 + [told(network=4)] + [told(training=2, cost_version=3)] * 2
    with pytest.raises(ValueError, match="never fitted together") as caught:
        one_version(records)
    assert str(caught.value) == (
        "records of different versions are never fitted together:"
        " GRU of versions 1 (125 records) and 4 (1 record);"
        " Words of versions 1 (123 records) and 2 (3 records);"
        " cost of versions 1 (124 records) and 3 (2 records);"
        " training of versions 1 (124 records) and 2 (2 records); fit them apart"
    )
