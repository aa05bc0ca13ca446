"""The discrete intrinsic dimension of a sample: how many balls of radius eps cover it, and how that grows.

For a set A in R^n, N_eps(A) is the least number of balls of radius eps that cover it, and its discrete
intrinsic dimension is d_eps = log N_eps / log(1/eps), for eps below 1 (appendix F.3 of Liu et al. 2025). At
the scale eps = T^-c0 it is bounded by the D of Theorem F.2.

N_eps is hard to compute and easy to enclose. Points chosen greedily, each the farthest from those before it,
are at every radius eps both a cover (all points within eps of one) and a packing (chosen points more than eps
apart), so with M(eps) the number chosen until no point is farther than eps,

    M(2 eps)  <=  N_eps  <=  M(eps).

The ratio carries the set's size as a constant that fades only as 1/log(1/eps); the slope of log N_eps against
log(1/eps) does not, so both are given. Radii that halve suit the slope best, for a greedy net of a regular
set grows in jumps of that rhythm.

Gonzalez, T. F. (1985). Clustering to minimize the maximum intercluster distance. Theoretical Computer Science
38, 293-306.

What it does not do: it sees the sample and not the set behind it. A net with a point for every few of the
sample counts the sample, and its slope falls to 0 for want of points; such radii are flagged as starved.
Nothing is said of scales below those.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

MOST = 2000
"""Points of a net, unless told otherwise."""

POINTS_PER_CELL = 10
"""A net of more than one in so many points of the sample is starved."""


@dataclass(frozen=True)
class Net:
    """Points chosen greedily from a sample, each the farthest from those before it.

    `chosen` are their indices, `distances` how far each was from those before it when it was chosen, which
    falls; the first has none, so infinity. No point of the sample is farther than `radius` from all of them.
    `sample_size` is the number of points they were chosen from.
    """

    chosen: Int[np.ndarray, " net"]
    distances: Float[np.ndarray, " net"]
    radius: float
    sample_size: int

    def size(self, radii: Float[np.ndarray, "*batch"]) -> Int[np.ndarray, "*batch"]:
        """M(eps) at each of the `radii`; a lower bound on it where eps is below the net's own radius."""
        return np.asarray(len(self.distances) - np.searchsorted(self.distances[::-1], radii, side="right"))


@dataclass(frozen=True)
class Dimensions:
    """Covering numbers and dimensions at falling radii.

    N_eps of the sample is from `least` to `most`. `ratio` is log most / log(1/eps), the discrete intrinsic
    dimension up to the factor between the two; `slope` is that of log most, between each radius and the one
    before it (NaN at the first). `starved` tells where they are those of the sample and not of the set.
    """

    radii: Float[np.ndarray, " radii"]
    least: Int[np.ndarray, " radii"]
    most: Int[np.ndarray, " radii"]
    ratio: Float[np.ndarray, " radii"]
    slope: Float[np.ndarray, " radii"]
    starved: Bool[np.ndarray, " radii"]


def farthest_point_net(sample: Float[np.ndarray, "points dimension"], *, most: int = MOST) -> Net:
    """The greedy net of a `sample`, of at most `most` points; it starts at the sample's first point.

    Takes points x dimension operations for every point of the net.

    >>> net = farthest_point_net(np.array([[0.0], [0.4], [1.0]]))
    >>> net.chosen.tolist(), net.distances.tolist(), net.radius
    ([0, 2, 1], [inf, 1.0, 0.4], 0.0)
    """
    if not len(sample) or most < 1:
        raise ValueError(
            f"farthest_point_net: {len(sample)} points, most={most}: both must be at least 1; e.g. most=2000"
        )
    chosen, distances = [0], [math.inf]
    squared = ((sample - sample[0]) ** 2).sum(-1)
    while len(chosen) < most and squared.max() > 0:
        farthest = int(squared.argmax())
        chosen.append(farthest)
        distances.append(math.sqrt(squared[farthest]))
        np.minimum(squared, ((sample - sample[farthest]) ** 2).sum(-1), out=squared)
    return Net(np.array(chosen), np.array(distances), math.sqrt(squared.max()), len(sample))


def intrinsic_dimension(
    net: Net, radii: Float[np.ndarray, " radii"], *, complete: bool = False
) -> Dimensions:
    """Covering numbers, d_eps and local slopes of what `net` was chosen from, at `radii` below 1 that fall.

    A radius is starved if it is below the net's own, so that the count was cut off, or if the net has more
    than a tenth of the sample's points there. With `complete`, the sample is the whole set and only the first
    applies.

    >>> net = farthest_point_net(np.linspace(0, 1, 1001)[:, None])
    >>> found = intrinsic_dimension(net, np.array([0.2, 0.1, 0.05]))
    >>> found.most.tolist(), found.slope.round(2).tolist()
    ([5, 9, 17], [nan, 0.85, 0.92])
    """
    if not len(radii) or not (np.diff(radii) < 0).all() or radii[0] >= 1 or radii[-1] <= 0:
        raise ValueError(
            f"intrinsic_dimension: radii={radii}: must fall, from below 1 to above 0; "
            "e.g. 0.5 ** np.arange(1, 6)"
        )
    most, least = net.size(radii), net.size(2 * radii)
    logs = np.log(most)
    slope = np.concatenate([[np.nan], np.diff(logs) / np.diff(-np.log(radii))])
    starved = radii < net.radius
    if not complete:
        starved |= most * POINTS_PER_CELL > net.sample_size
    return Dimensions(radii, least, most, logs / -np.log(radii), slope, starved)


# Reference sets. All are drawn uniformly, and laid into R^ambient by a random isometry.


def segment(count: int, ambient: int, *, seed: int) -> Float[np.ndarray, "count ambient"]:
    """A segment of length 1: dimension 1."""
    return _cube(1, count, ambient, seed)


def square(count: int, ambient: int, *, seed: int) -> Float[np.ndarray, "count ambient"]:
    """A square of side 1: dimension 2."""
    return _cube(2, count, ambient, seed)


def cube(count: int, ambient: int, *, seed: int) -> Float[np.ndarray, "count ambient"]:
    """A cube of side 1: dimension 3."""
    return _cube(3, count, ambient, seed)


def tube(count: int, ambient: int, *, seed: int, radius: float = 0.05) -> Float[np.ndarray, "count ambient"]:
    """The surface of a thin cylinder of length 1: dimension 1 above its `radius`, 2 below."""
    rng = np.random.default_rng(seed)
    return _isometry(_around_axis(rng.random(count), 2 * np.pi * rng.random(count), radius), ambient, rng)


def helix(
    count: int, ambient: int, *, seed: int, radius: float = 0.05, pitch: float = 0.02
) -> Float[np.ndarray, "count ambient"]:
    """A curve wound tightly around an axis of length 1: the example of appendix F.3.

    Dimension 1 above its `radius`, 2 from there to its `pitch`, the distance between turns, and 1 below.
    """
    rng = np.random.default_rng(seed)
    along = rng.random(count)
    return _isometry(_around_axis(along, 2 * np.pi / pitch * along, radius), ambient, rng)


def finite_points(
    count: int, ambient: int, *, seed: int, distinct: int = 16
) -> Float[np.ndarray, "count ambient"]:
    """`count` draws from `distinct` points of the unit cube: dimension 0."""
    rng = np.random.default_rng(seed)
    return rng.random((distinct, ambient))[rng.integers(distinct, size=count)]


REFERENCE_SETS: dict[str, Callable[..., np.ndarray]] = {
    "segment": segment,
    "square": square,
    "cube": cube,
    "tube": tube,
    "helix": helix,
    "finite": finite_points,
}
"""Every reference set, by name: a function of the number of points, the ambient dimension and the seed."""


def _cube(dimension: int, count: int, ambient: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return _isometry(rng.random((count, dimension)), ambient, rng)


def _around_axis(along: np.ndarray, angle: np.ndarray, radius: float) -> np.ndarray:
    return np.stack([along, radius * np.cos(angle), radius * np.sin(angle)], axis=-1)


def _isometry(points: np.ndarray, ambient: int, rng: np.random.Generator) -> np.ndarray:
    """The points in R^ambient, in a random position."""
    dimension = points.shape[1]
    if ambient < dimension:
        raise ValueError(f"ambient={ambient}: must be at least {dimension} for this set; e.g. ambient=50")
    frame, _ = np.linalg.qr(rng.standard_normal((ambient, dimension)))
    return points @ frame.T
