"""The exact law against quadrature and simulation, closed forms against integration, floors against chance.

Values of the 1/T law are sanity ranges. That it is the sampler's law is decided by the comparisons.
"""

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, optimize, stats

from seriality.theory.schedules import COEFFICIENTS, SCHEDULES, coefficients, signal
from seriality.theory.total_variation import (
    closed_curve,
    isotropic_normals,
    monte_carlo_curve,
    monte_carlo_law,
    normal_directions,
    normal_variance,
    product_of_bits,
    sampling_floor,
    slope,
    snapped_law,
    total_variation,
)

BIT, BIASED = np.array([-1.0, 1.0]), np.array([0.2, 0.8])
FOUR, UNEQUAL = np.array([-1.5, -0.4, 0.1, 1.2]), np.array([0.1, 0.4, 0.2, 0.3])
DOUBLING = np.array([32, 64, 128, 256])


def error(schedule, steps, kind="posterior", points=BIT, weights=BIASED):
    return total_variation(snapped_law(points, weights, signal(schedule, steps), kind), weights)


# Total variation itself


def law(size=4):
    parts = st.lists(st.floats(0.01, 1), min_size=size, max_size=size)
    return parts.map(lambda each: np.array(each) / sum(each))


@given(law(), law(), law())
def test_total_variation_is_a_distance(p, q, r):
    assert total_variation(p, p) == 0
    assert total_variation(p, q) == total_variation(q, p)
    assert total_variation(p, r) <= total_variation(p, q) + total_variation(q, r) + 1e-12


@given(law(), law())
def test_total_variation_is_the_largest_difference_of_an_event(p, q):
    events = itertools.product([False, True], repeat=4)
    assert total_variation(p, q) == pytest.approx(max(float((p - q)[list(event)].sum()) for event in events))


# The law of the sampler on the line


def posterior_mean(y, abar, points, weights):
    logs = np.log(weights) - (y - math.sqrt(abar) * points) ** 2 / (2 * (1 - abar))
    density = np.exp(logs - logs.max())
    return density @ points / density.sum()


@pytest.mark.parametrize("kind", COEFFICIENTS)
@pytest.mark.parametrize(("points", "weights"), [(BIT, BIASED), (FOUR, UNEQUAL)])
@pytest.mark.parametrize("levels", [(1.0, 0.3), (1.0, 0.7, 0.02)])
def test_one_and_two_steps_against_quadrature(kind, points, weights, levels):
    """Level 1 is decided where the posterior mean crosses a midpoint, so both laws are plain integrals."""
    abar = np.array(levels)
    cuts = []
    for midpoint in (points[1:] + points[:-1]) / 2:
        low, high = -50.0, 50.0
        for _ in range(100):
            middle = (low + high) / 2
            below = posterior_mean(middle, abar[1], points, weights) < midpoint
            low, high = (middle, high) if below else (low, middle)
        cuts.append(low)
    if len(abar) == 2:
        below = stats.norm.cdf(cuts)
    else:
        step = coefficients(abar, 2, kind)

        def to(y, cut):
            return step.state * y + step.mean * posterior_mean(y, abar[2], points, weights) - cut

        def chance(y, cut):
            return stats.norm.pdf(y) * stats.norm.cdf(-to(y, cut) / step.noise)

        if step.noise == 0:
            below = stats.norm.cdf([optimize.brentq(to, -50, 50, args=(cut,), xtol=1e-14) for cut in cuts])
        else:
            below = [
                sum(integrate.quad(chance, *ends, args=(cut,), epsabs=1e-12)[0] for ends in ((-9, 0), (0, 9)))
                for cut in cuts
            ]
    expected = np.diff(np.concatenate([[0], below, [1]]))
    found = snapped_law(points, weights, abar, kind)
    np.testing.assert_allclose(found, expected, atol=1e-9)


CASES = [
    ("cosine", 8, "posterior"),
    ("log-SNR", 12, "large"),
    ("EDM", 8, "DDIM"),
    ("Li-Yan", 12, "Li-Yan"),
    ("cosine", 12, "Li-Yan"),
    ("EDM", 12, "posterior"),
]


@pytest.mark.parametrize(("schedule", "steps", "kind"), CASES)
def test_the_exact_law_is_the_simulated_one(schedule, steps, kind):
    """By chi-squared over four unequal points, at a level that chance exceeds once in 100,000 fixed seeds."""
    abar, samples = signal(schedule, steps), 100_000
    exact = snapped_law(FOUR, UNEQUAL, abar, kind)
    found = monte_carlo_law(FOUR[:, None], UNEQUAL, abar, kind, samples=samples, seed=5)
    statistic = samples * ((found.law - exact) ** 2 / exact).sum()
    assert statistic < stats.chi2.isf(1e-5, 3)
    # The twin: the target, which the sampler misses, is told apart from it.
    assert samples * ((found.law - UNEQUAL) ** 2 / UNEQUAL).sum() > stats.chi2.isf(1e-5, 3)


@pytest.mark.parametrize("kind", ["large", "Li-Yan"])
def test_the_last_step_of_a_simulation_is_without_noise(kind):
    """Level 1 is noisy enough here for its noise to move answers."""
    abar, samples = np.array([1.0, 0.4, 0.05]), 60_000
    exact = snapped_law(FOUR, UNEQUAL, abar, kind)
    found = monte_carlo_law(FOUR[:, None], UNEQUAL, abar, kind, samples=samples, seed=6)
    seen = exact > 1e-4
    assert samples * ((found.law - exact) ** 2 / exact)[seen].sum() < stats.chi2.isf(1e-5, 3)


@pytest.mark.parametrize("kind", ["posterior", "large", "Li-Yan"])
def test_the_backward_equation_agrees_with_the_forward_one(kind):
    """The plainest method, where noise is large enough for it: a matrix moves the density on a grid."""
    abar = np.array([1.0, 0.8, 0.6, 0.4, 0.2, 0.05])
    y, spacing = np.linspace(-12, 12, 1601, retstep=True)
    density = stats.norm.pdf(y)
    for t in range(len(abar) - 1, 1, -1):
        step = coefficients(abar, t, kind)
        mean = np.tanh(math.sqrt(abar[t]) * y / (1 - abar[t]) + math.log(4) / 2)
        moved = stats.norm.pdf((y[:, None] - step.state * y - step.mean * mean) / step.noise) / step.noise
        chances, density = density, moved @ density * spacing
    cut = -math.log(4) / 2 * (1 - abar[1]) / math.sqrt(abar[1])
    above = stats.norm.cdf((step.state * y + step.mean * mean - cut) / step.noise)
    exact = snapped_law(BIT, BIASED, abar, kind)[1]
    assert chances @ above * spacing == pytest.approx(exact, abs=1e-10)


@pytest.mark.parametrize("kind", COEFFICIENTS)
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_a_finer_tolerance_changes_no_more_than_the_tolerance(schedule, kind):
    abar = signal(schedule, 12)
    loose, tight = (snapped_law(FOUR, UNEQUAL, abar, kind, tolerance=each) for each in (1e-5, 1e-11))
    assert np.abs(loose - tight).max() <= 1e-5


def test_narrower_panels_settle_to_many_digits():
    """The last digits are those of the sum over nodes, whatever the widths."""
    for kind in ("posterior", "Li-Yan"):
        tight = snapped_law(FOUR, UNEQUAL, signal("EDM", 9), kind, tolerance=1e-10)
        assert np.abs(snapped_law(FOUR, UNEQUAL, signal("EDM", 9), kind) - tight).max() < 1e-9


def test_levels_that_are_left_out_move_no_mass(monkeypatch):
    abar = signal("EDM", 96)
    found = snapped_law(BIT, BIASED, abar, "Li-Yan")
    monkeypatch.setattr("seriality.theory.total_variation.FINEST", 1 / 4000)
    np.testing.assert_allclose(snapped_law(BIT, BIASED, abar, "Li-Yan"), found, atol=1e-12)
    # The twin: leaving out many more levels is noticed.
    monkeypatch.setattr("seriality.theory.total_variation.FINEST", 1 / 20)
    monkeypatch.setattr("seriality.theory.total_variation.FROZEN", 1 / 6)
    assert np.abs(snapped_law(BIT, BIASED, abar, "Li-Yan") - found).max() > 1e-7


@given(
    st.sampled_from([each for each in SCHEDULES if each != "Li-Yan"]),
    st.sampled_from(list(COEFFICIENTS)),
    st.integers(1, 12),
    st.lists(st.floats(0.3, 2), min_size=1, max_size=3),
    st.data(),
)
@settings(deadline=None, max_examples=20)
def test_laws_sum_to_one_and_mirrored_targets_have_mirrored_laws(schedule, kind, steps, gaps, data):
    points = np.cumsum([0.0, *gaps])
    points -= points.mean()
    weights = data.draw(law(len(points)))
    abar = signal(schedule, steps)
    found = snapped_law(points, weights, abar, kind)
    mirrored = snapped_law(-points[::-1], weights[::-1].copy(), abar, kind)
    assert found.sum() == pytest.approx(1, abs=1e-12)
    assert found.min() >= 0
    np.testing.assert_allclose(mirrored[::-1], found, atol=2e-8)


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("kind", COEFFICIENTS)
@pytest.mark.parametrize("steps", [9, 33])
def test_a_symmetric_target_has_no_error_at_any_number_of_steps(schedule, kind, steps):
    """A negative control: the sampler commutes with the reflection, whatever its coefficients."""
    assert error(schedule, steps, kind, weights=np.array([0.5, 0.5])) < 1e-13
    assert error(schedule, steps, kind) > 1e-4


@pytest.mark.parametrize(("schedule", "times"), [("cosine", 1), ("log-SNR", 1), ("linear", 1), ("EDM", 2)])
def test_the_error_falls_as_one_over_the_number_of_steps(schedule, times):
    """EDM spends many steps on noise too small to matter, so its range starts later."""
    steps = times * DOUBLING
    found = slope(steps, np.array([error(schedule, int(each)) for each in steps]))
    assert found.estimate == pytest.approx(-1, abs=0.05)
    assert found.steps == tuple(steps)


def test_published_sizes_of_the_error():
    assert 256 * error("cosine", 256) == pytest.approx(0.33, abs=0.02)
    assert 256 * error("log-SNR", 256) == pytest.approx(0.71, abs=0.02)
    assert 128 * error("log-SNR", 128, "Li-Yan") == pytest.approx(1.5, abs=0.05)


def test_ddim_meets_the_floor_that_the_start_leaves():
    """The signal left at T shifts the start: log-SNR leaves some at every T, cosine less and less."""
    kept = [snapped_law(BIT, BIASED, signal("log-SNR", each), "DDIM")[1] - 0.8 for each in (64, 512)]
    assert kept[0] > 0 > kept[1]
    assert kept[1] == pytest.approx(-0.00126, abs=2e-5)
    steps = DOUBLING // 2
    found = slope(steps, np.array([error("cosine", int(each), "DDIM") for each in steps]))
    assert found.estimate == pytest.approx(-1, abs=0.05)


def test_what_cannot_be_computed_is_refused(monkeypatch):
    with pytest.raises(ValueError, match=r"abar=.*weights sum to 1\.1"):
        snapped_law(BIT, np.array([0.3, 0.8]), np.array([0.9, 0.5]), "posterior")
    with pytest.raises(ValueError, match="points must rise"):
        snapped_law(BIT[::-1].copy(), BIASED, signal("cosine", 8), "posterior")
    monkeypatch.setattr("seriality.theory.total_variation.WIDTHS", (6.0,))
    with pytest.raises(RuntimeError, match="has not settled"):
        snapped_law(BIT, BIASED, signal("cosine", 8), "posterior")


# Closed forms


@pytest.mark.parametrize(
    ("count", "p", "q"), [(1, "4/5", "7/10"), (3, "4/5", "79/100"), (5, "1/2", "1/3"), (6, "1", "9/10")]
)
def test_a_product_of_bits_against_all_its_outcomes(count, p, q):
    p, q = Fraction(p), Fraction(q)
    distance = Fraction(0)
    for bits in itertools.product([0, 1], repeat=count):
        first, second = (math.prod(each if bit else 1 - each for bit in bits) for each in (p, q))
        distance += abs(first - second) / 2
    assert product_of_bits(count, float(p), float(q)) == pytest.approx(float(distance), abs=1e-13)


def test_the_error_of_a_product_grows_with_the_root_of_its_size():
    q = float(snapped_law(BIT, BIASED, signal("log-SNR", 256), "posterior")[1])
    one = product_of_bits(1, 0.8, q)
    assert one == pytest.approx(q - 0.8)
    for count in (4, 16, 64, 256):
        assert product_of_bits(count, 0.8, q) / one == pytest.approx(math.sqrt(count), rel=0.04)


@pytest.mark.parametrize("ratio", [0.3, 0.98, 1 + 1e-6, 1.4, 20.0])
@pytest.mark.parametrize("dimension", [1, 2, 7])
def test_isotropic_normals_against_an_integral_over_the_radius(ratio, dimension):
    """The radius of N(0, r I) has a scaled chi law, and tells all."""

    def difference(radius):
        scaled = stats.chi.pdf(radius / math.sqrt(ratio), dimension) / math.sqrt(ratio)
        return abs(scaled - stats.chi.pdf(radius, dimension)) / 2

    crossing = math.sqrt(dimension * math.log(ratio) * ratio / (ratio - 1))
    pieces = [(0, crossing), (crossing, 60)]
    expected = sum(
        integrate.quad(difference, *ends, epsabs=1e-13, points=[ends[0] + 2], limit=500)[0] for ends in pieces
    )
    assert isotropic_normals(ratio, dimension) == pytest.approx(expected, rel=1e-6)


@given(st.floats(0.05, 20), st.integers(1, 400))
def test_isotropic_normals_is_symmetric_and_grows_with_the_dimension(ratio, dimension):
    found = isotropic_normals(ratio, dimension)
    assert isotropic_normals(1 / ratio, dimension) == pytest.approx(found, abs=1e-12)
    assert 0 <= found <= isotropic_normals(ratio, dimension + 1) + 1e-12 <= 1 + 1e-12


def test_normal_variance_is_that_of_simulated_paths():
    abar = signal("cosine", 8)
    rng = np.random.default_rng(0)
    for kind in COEFFICIENTS:
        y = rng.standard_normal(200_000)
        for t in range(8, 1, -1):
            step = coefficients(abar, t, kind)
            y = step.state * y + step.noise * rng.standard_normal(len(y))
        expected = normal_variance(abar, kind) * (1 - abar[1])
        assert y.var() == pytest.approx(expected, rel=5 * math.sqrt(2 / len(y)))


def test_only_some_coefficients_adapt_to_the_dimension_of_the_data():
    abar = signal("log-SNR", 1024)
    for dimension in (1, 64, 512):
        assert normal_directions(abar, "posterior", dimension) < 1e-8
        assert normal_directions(abar, "DDIM", dimension) < 1e-3
    for kind in ("Li-Yan", "large"):
        values = [normal_directions(signal("log-SNR", each), kind, 64) for each in (1024, 2048, 4096)]
        assert slope(np.array([1024, 2048, 4096]), np.array(values)).estimate == pytest.approx(-1, abs=0.01)
        assert normal_directions(abar, kind, 256) / values[0] == pytest.approx(2, rel=0.02)


# Simulation


def test_an_isometry_into_more_dimensions_leaves_the_law():
    abar, samples = signal("cosine", 8), 60_000
    frame, _ = np.linalg.qr(np.random.default_rng(0).standard_normal((24, 1)))
    exact = snapped_law(FOUR, UNEQUAL, abar, "posterior")
    found = monte_carlo_law(FOUR[:, None] * frame[:, 0], UNEQUAL, abar, "posterior", samples=samples, seed=1)
    assert samples * ((found.law - exact) ** 2 / exact).sum() < stats.chi2.isf(1e-5, 3)


def test_batches_are_many_small_ones_and_the_law_is_the_same(monkeypatch):
    abar = signal("cosine", 4)
    arguments = {"samples": 30_000, "seed": 3}
    whole = monte_carlo_law(BIT[:, None], BIASED, abar, "posterior", **arguments)
    again = monte_carlo_law(BIT[:, None], BIASED, abar, "posterior", **arguments)
    assert (whole.law == again.law).all()
    monkeypatch.setattr("seriality.theory.total_variation.NUMBERS_AT_ONCE", 1400)
    parts = monte_carlo_law(BIT[:, None], BIASED, abar, "posterior", **arguments)
    assert parts.law.sum() == pytest.approx(1)
    assert abs(parts.law - whole.law).max() < 5 * math.sqrt(0.16 * 2 / 30_000)


@pytest.mark.parametrize(("samples", "other"), [(2000, None), (2000, 1000)])
def test_the_floor_is_the_mean_distance_of_equal_laws(samples, other):
    rng = np.random.default_rng(0)
    p = rng.dirichlet(np.full(20, 3.0))
    first = rng.multinomial(samples, p, size=4000) / samples
    second = p if other is None else rng.multinomial(other, p, size=4000) / other
    distances = np.abs(first - second).sum(-1) / 2
    assert sampling_floor(p, samples, other) == pytest.approx(
        distances.mean(), abs=5 * distances.std() / math.sqrt(4000) + 0.01 * distances.mean()
    )
    # The twin: a formula without the factor of the mean of |N| is noticed.
    assert abs(sampling_floor(p, samples, other) * math.sqrt(math.pi / 2) - distances.mean()) > 0.1 * (
        distances.mean()
    )


def test_the_floor_of_equal_points_and_its_excess_at_rare_ones():
    assert sampling_floor(np.full(400, 1 / 400), 10_000) == pytest.approx(
        math.sqrt(400 / (2 * math.pi * 10_000)), rel=2e-3
    )
    rare, samples = 1e-6, 100_000
    ones = stats.binom(samples, rare)
    exact = sum(abs(k / samples - rare) * ones.pmf(k) for k in range(20)) / 2
    part = math.sqrt(rare * (1 - rare) / (2 * math.pi * samples))
    excess = math.exp(samples * rare) / math.sqrt(2 * math.pi * samples * rare)
    assert part / exact == pytest.approx(excess, rel=1e-3)


def test_independent_bits_have_the_product_of_their_laws():
    """All sign vectors in R^3 with product weights: the coordinates never meet."""
    abar, samples = signal("log-SNR", 8), 60_000
    codes = np.array(list(itertools.product(BIT, repeat=3)))
    one = snapped_law(BIT, BIASED, abar, "posterior")
    weights, exact = (np.prod([each[(codes > 0).astype(int)]], 0).prod(-1) for each in (BIASED, one))
    found = monte_carlo_law(codes, weights, abar, "posterior", samples=samples, seed=4)
    assert samples * ((found.law - exact) ** 2 / exact).sum() < stats.chi2.isf(1e-5, 7)
    assert found.total_variation == pytest.approx(total_variation(exact, weights), abs=3 * found.floor)
    assert total_variation(exact, weights) == pytest.approx(product_of_bits(3, 0.8, one[1]), abs=1e-12)


def test_a_curve_is_on_the_unit_sphere_at_constant_speed_and_in_no_subspace():
    curve, weights = closed_curve(8, 64)
    np.testing.assert_allclose(np.linalg.norm(curve, axis=1), 1)
    chords = np.linalg.norm(np.roll(curve, -1, 0) - curve, axis=1)
    np.testing.assert_allclose(chords, chords[0])
    assert np.linalg.matrix_rank(curve) == 8
    assert weights.sum() == pytest.approx(1)


def test_the_ambient_dimension_of_a_curve_does_not_count():
    found = {
        dimension: monte_carlo_curve(
            *closed_curve(dimension, 192), signal("cosine", 10), "posterior", bins=8, samples=6000, seed=2
        )
        for dimension in (2, 24)
    }
    assert found[2].total_variation > 3 * found[2].floor
    assert found[24].total_variation < found[2].total_variation + 2 * found[2].floor


def test_a_curve_with_even_weights_is_kept_by_symmetry():
    """The negative control: what is left is the floor."""
    curve, _ = closed_curve(6, 128)
    found = monte_carlo_curve(
        curve, np.full(128, 1 / 128), signal("cosine", 8), "posterior", bins=8, samples=6000, seed=0
    )
    assert found.total_variation < 2 * found.floor


def test_a_mesh_that_is_too_coarse_is_refused():
    with pytest.raises(ValueError, match=r"bins=1.*neighbours are up to"):
        monte_carlo_curve(*closed_curve(4, 16), signal("EDM", 8), "posterior", bins=1, samples=10, seed=0)


# The slope


def test_the_slope_and_its_interval_are_those_of_a_regression():
    rng = np.random.default_rng(0)
    steps = np.array([8, 16, 32, 64, 128])
    tv = 0.7 / steps * np.exp(0.1 * rng.standard_normal(5))
    fit = stats.linregress(np.log(steps), np.log(tv))
    half = stats.t.ppf(0.975, 3) * fit.stderr
    found = slope(steps, tv)
    assert (found.estimate, found.low, found.high) == pytest.approx(
        (fit.slope, fit.slope - half, fit.slope + half)
    )


def test_the_interval_covers_the_exponent_as_often_as_it_says():
    rng, steps = np.random.default_rng(1), np.array([8, 16, 32, 64, 128, 256])
    noise = np.exp(0.1 * rng.standard_normal((400, 6)))
    covered = sum(found.low <= -1 <= found.high for found in (slope(steps, each / steps) for each in noise))
    assert 0.91 < covered / 400 < 0.98


def test_values_at_the_floor_are_left_out_by_the_floor_alone():
    steps = np.array([8, 16, 32, 64, 128])
    tv = 0.8 / steps
    assert slope(steps, tv, floor=0.005).steps == (8, 16, 32)
    assert slope(steps, tv, floor=np.array([0.1, 0.001, 0.001, 0.001, 0.001])).steps == (16, 32, 64, 128)
    with pytest.raises(ValueError, match="2 of 5 values"):
        slope(steps, tv, floor=0.01)
