"""Nets against exact covering numbers, dimensions against the sets they were drawn from."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from seriality.theory.dimension import (
    REFERENCE_SETS,
    cube,
    farthest_point_net,
    finite_points,
    helix,
    intrinsic_dimension,
    segment,
    square,
)

HALVING = 0.8 * 0.5 ** np.arange(7)


def distances(sample, chosen):
    return np.linalg.norm(sample[:, None] - sample[chosen], axis=-1)


def cover_of_a_line(values, radius):
    """The least number of intervals of half-length `radius` that cover points on a line: left to right."""
    count, covered = 0, -math.inf
    for value in np.sort(values):
        if value > covered:
            count, covered = count + 1, value + 2 * radius
    return count


samples = arrays(
    float, st.tuples(st.integers(1, 30), st.integers(1, 3)), elements=st.integers(0, 20).map(float)
)


@given(samples, st.floats(0.3, 8))
def test_a_net_is_a_cover_and_a_packing_at_every_radius(sample, radius):
    net = farthest_point_net(sample)
    size = int(net.size(np.array(radius)))
    chosen = net.chosen[:size]
    assert distances(sample, chosen).min(-1).max() <= radius + 1e-12
    apart = distances(sample[chosen], np.arange(size))[np.triu_indices(size, 1)]
    assert apart.min(initial=math.inf) > radius - 1e-12


@given(arrays(float, st.integers(2, 60), elements=st.integers(0, 400).map(lambda x: x / 100)))
def test_the_covering_number_of_points_on_a_line_is_enclosed(values):
    radii = np.array([0.9013, 0.4117, 0.2031, 0.0773])  # no two points are exactly 2 radii apart
    found = intrinsic_dimension(farthest_point_net(values[:, None]), radii, complete=True)
    for radius, least, most in zip(radii, found.least, found.most, strict=True):
        assert least <= cover_of_a_line(values, radius) <= most


def test_a_net_of_a_segment_is_at_most_twice_what_it_takes():
    values = np.linspace(0, 1, 2049)
    net = farthest_point_net(values[:, None])
    for radius in (0.3, 0.1, 0.04, 0.011):
        exact = cover_of_a_line(values, radius)
        assert 0 <= 1 / (2 * radius) + 1 - exact <= 2
        assert exact <= net.size(np.array(radius)) <= 2 * exact + 1


def test_a_ball_holds_its_surface():
    net = farthest_point_net(np.array([[0.0], [1.0], [3.0]]))
    assert net.size(np.array([3.0, 2.9, 1.0, 0.9])).tolist() == [1, 2, 2, 3]


def test_a_net_that_is_cut_off_says_so():
    sample = square(3000, 2, seed=0)
    net = farthest_point_net(sample, most=60)
    whole = farthest_point_net(sample, most=400)
    np.testing.assert_array_equal(net.chosen, whole.chosen[:60])
    assert net.radius == pytest.approx(whole.distances[60])
    found = intrinsic_dimension(net, np.array([0.2, 0.1, 0.02]))
    assert 0.1 < net.radius < 0.2
    assert found.starved.tolist() == [False, True, True]
    assert found.most[1:].tolist() == [60, 60]


@pytest.mark.parametrize(
    ("make", "radii", "low", "high"),
    [
        (segment, HALVING[2:7], 0.85, 1.1),
        (square, HALVING[2:5], 1.7, 2.2),
        (cube, HALVING[1:4], 2.3, 3.0),
    ],
)
def test_local_slopes_are_the_dimension_until_the_sample_starves(make, radii, low, high):
    net = farthest_point_net(make(8000, 5, seed=1), most=700)
    found = intrinsic_dimension(net, radii)
    assert not found.starved.any()
    assert low < np.mean(found.slope[1:]) < high


def test_a_starved_slope_is_flagged_and_wrong():
    found = intrinsic_dimension(farthest_point_net(cube(400, 3, seed=0)), HALVING)
    assert found.starved[-1]
    assert found.slope[-1] < 1
    assert not found.starved[0]


def test_the_ambient_dimension_does_not_count():
    """The same draws in R^3 and in R^50, each in its own position: distances are equal, so nets are."""
    few, many = (farthest_point_net(cube(800, ambient, seed=3)) for ambient in (3, 50))
    np.testing.assert_allclose(few.distances[1:], many.distances[1:], atol=1e-12)


def test_a_tight_helix_is_a_line_then_a_tube_then_a_line():
    net = farthest_point_net(helix(16_000, 3, seed=0), most=1600)
    found = intrinsic_dimension(net, HALVING[1:])
    by_radius = dict(zip(found.radii.round(4).tolist(), found.slope.tolist(), strict=True))
    assert by_radius[0.2] == pytest.approx(1, abs=0.3)
    assert by_radius[0.05] == pytest.approx(2, abs=0.3)
    fine = intrinsic_dimension(net, np.array([0.0125, 0.00625]))
    assert fine.slope[1] == pytest.approx(1, abs=0.3)


def test_a_finite_set_has_slope_zero_and_a_ratio_that_falls_to_zero():
    net = farthest_point_net(finite_points(500, 6, seed=0))
    found = intrinsic_dimension(net, np.array([0.1, 0.01, 0.001]), complete=True)
    assert found.most.tolist() == found.least.tolist() == [16, 16, 16]
    assert found.slope[1:].tolist() == [0, 0]
    np.testing.assert_allclose(found.ratio, math.log(16) / -np.log(found.radii))
    assert not found.starved.any()


@pytest.mark.parametrize("name", REFERENCE_SETS)
def test_reference_sets_are_what_was_asked_for(name):
    sample = REFERENCE_SETS[name](200, 7, seed=0)
    assert sample.shape == (200, 7)
    np.testing.assert_array_equal(sample, REFERENCE_SETS[name](200, 7, seed=0))
    assert not np.array_equal(sample, REFERENCE_SETS[name](200, 7, seed=1))
    rank = {"segment": 1, "square": 2, "cube": 3, "tube": 3, "helix": 3}
    if name in rank:
        assert np.linalg.matrix_rank(sample, tol=1e-9) == rank[name]


def test_embedding_keeps_distances():
    plane = square(50, 9, seed=2)
    sides = np.linalg.svd(plane - plane.mean(0), compute_uv=False)[:2] / math.sqrt(50)
    np.testing.assert_allclose(sides, math.sqrt(1 / 12), rtol=0.3)


def test_what_has_no_dimension_is_refused():
    net = farthest_point_net(np.zeros((3, 2)))
    assert (net.chosen.tolist(), net.radius) == ([0], 0)
    for radii in ([1.0, 0.5], [0.1, 0.2], [0.5, 0.0]):
        with pytest.raises(ValueError, match="must fall"):
            intrinsic_dimension(net, np.array(radii))
    with pytest.raises(ValueError, match="must be at least 3"):
        cube(10, 2, seed=0)
