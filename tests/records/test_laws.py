"""The laws of accuracy: who wins where the truth is known, and that held-out units are held out."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit
from scipy.stats import binom

from seriality.analysis import Observations, compare
from seriality.analysis.binomial import maximise

DRAWS = 24
MOST = int(binom.ppf(0.999, DRAWS, 0.025))
"""More of 24 false favours happen in less than one of a thousand such tests, if 2.5 % of draws give one."""


def drawn(eta, *, layers=(1, 2, 4, 8, 16), widths=(16, 32, 64, 128, 256), seeds=5, noise=0.5, key=0):
    draw = np.random.default_rng(key)
    span, width = (4 * a.ravel() for a in np.meshgrid(layers, widths, indexing="ij"))
    work = span * width // 4
    c, seed, depth = (
        a.ravel() for a in np.meshgrid(np.arange(span.size), np.arange(seeds), (2, 4, 8, 16), indexing="ij")
    )
    off = draw.normal(0, noise, (span.size, seeds))[c, seed]
    right = draw.binomial(200, expit(eta(np.log2(depth), np.log2(span[c]), np.log2(work[c])) + off))
    return Observations(c, seed, depth, span[c], work[c], right, np.full(c.size, 200))


def by_work(d, s, w):
    return 0.8 * (w - 10) - 1.5 * (d - 2.5)


def curved(d, s, w):
    return 0.8 * (w - 10) - 0.1 * (w - 10) ** 2 - 1.5 * (d - 2.5)


def by_both(d, s, w):
    return 0.6 * (s - 4) + 0.8 * (w - 10) - 1.5 * (d - 2.5)


def by_span(d, s, w):
    return 1.2 * (s - 4) - 1.5 * (d - 2.5)


@pytest.mark.parametrize("truth", [by_work, curved])
def test_a_truth_of_work_alone_does_not_favour_two(truth):
    found = [compare(drawn(truth, key=key)) for key in range(DRAWS)]
    assert sum(each.favours == "span and work" for each in found) <= MOST
    # Nor is work alone worse by anything that matters.
    assert np.mean([each.differences["work"].error.estimate for each in found]) < 0


@pytest.mark.parametrize("held_out", ["configuration", "work line"])
def test_a_truth_of_two_favours_two(held_out):
    for key in range(5):
        found = compare(drawn(by_both, key=key), held_out=held_out)
        assert found.favours == "span and work"
        for law in ("depth", "work", "span"):
            assert found.differences[law].error.low > 0
            assert found.laws[law].log_loss.estimate > found.laws["span and work"].log_loss.estimate
        assert found.laws["depth"].error.estimate > found.laws["work"].error.estimate


def test_a_truth_of_span_is_predicted_by_span():
    found = compare(drawn(by_span))
    assert found.laws["span"].error.estimate < 0.6 * found.laws["work"].error.estimate
    assert found.differences["span"].error.estimate < 0.01


def test_few_units_decide_nothing():
    found = compare(drawn(by_both), held_out="span")
    assert (found.units, found.favours) == (5, "undecided")
    assert "5 held out by span" in found.reason
    assert "6 are needed" in found.reason
    more = compare(drawn(by_both, layers=(1, 2, 3, 5, 8, 12, 16)), held_out="span")
    assert (more.units, more.favours) == (7, "span and work")


def test_on_one_line_nothing_is_identified():
    o = drawn(by_both, layers=tuple(range(1, 17)), widths=(64,))
    found = compare(o)
    assert found.favours == "not identified"
    assert "one line" in found.reason


@pytest.mark.parametrize("held_out", ["configuration", "span", "work line"])
def test_the_errors_are_those_of_fits_from_which_each_unit_was_deleted(held_out):
    o = drawn(by_both, layers=(1, 2, 4), widths=(16, 64, 256))
    unit = {"configuration": o.configuration, "span": o.span, "work line": o.work}[held_out]
    errors = []
    for each in np.unique(unit):
        accuracy, error = {}, []
        for d in np.unique(o.depth):
            for c in np.unique(o.configuration[unit == each]):
                at = (o.configuration == c) & (o.depth == d)
                accuracy[c, d] = o.successes[at].sum() / o.tries[at].sum()
        d, s, w = (np.log2(a) - np.log2([a.min(), a.max()]).mean() for a in (o.depth, o.span, o.work))
        levels = [o.depth == depth for depth in np.unique(o.depth)]
        design = np.stack([*levels, w, w**2, w * d, s, s**2, s * d], axis=1).astype(float)
        rest = unit != each
        weights, lapse = maximise(design[rest], o.successes[rest][None] * 1.0, o.tries[rest][None] * 1.0)
        for (c, depth), measured in accuracy.items():
            row = design[(o.configuration == c) & (o.depth == depth)][0]
            error.append(abs((1 - lapse[0]) * expit(row @ weights[0]) - measured))
        errors.append(np.mean(error))
    found = compare(o, held_out=held_out)
    assert found.units == len(errors)
    assert found.laws["span and work"].error.estimate == pytest.approx(np.mean(errors), abs=1e-5)


@given(st.integers(0, 10**6), st.integers(1, 6))
@settings(deadline=None, max_examples=8)
def test_doubling_all_works_and_spans_and_the_order_change_nothing(key, doublings):
    o = drawn(by_both, layers=(1, 2, 4), widths=(16, 64), seeds=2, key=key)
    k, order = 2**doublings, np.random.default_rng(key).permutation(o.tries.size)
    columns = (o.configuration, o.seed, o.depth, k * o.span, k * o.work, o.successes, o.tries)
    one, two = compare(o), compare(Observations(*(each[order] for each in columns)))
    assert one.favours == two.favours
    for law, loss in one.laws.items():
        assert loss.error.estimate == pytest.approx(two.laws[law].error.estimate, abs=1e-5)
        assert loss.log_loss.high == pytest.approx(two.laws[law].log_loss.high, abs=1e-5)


def test_what_cannot_be_compared_is_refused():
    o = drawn(by_both, layers=(1, 2), widths=(16, 64))
    with pytest.raises(ValueError, match="held_out is 'seed', allowed are"):
        compare(o, held_out="seed")
    with pytest.raises(ValueError, match="1 configuration to hold out"):
        compare(
            Observations(0 * o.tries, o.seed, o.depth, 4 + 0 * o.span, 64 + 0 * o.span, o.successes, o.tries)
        )
    depth = np.where((o.configuration == 0) & (o.depth == 16), 32, o.depth)
    with pytest.raises(ValueError, match="depths 32 were measured in one configuration alone"):
        compare(Observations(o.configuration, o.seed, depth, o.span, o.work, o.successes, o.tries))
