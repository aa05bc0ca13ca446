"""Intervals: Wilson's for a proportion, the percentile bootstrap for a statistic over seeds, Student's t for
a mean, Welch's for the difference of two.

Wilson, E. B. (1927). Probable inference, the law of succession, and statistical inference. JASA 22, 209-212.
Efron, B. (1979). Bootstrap methods: another look at the jackknife. Annals of Statistics 7, 1-26.

Seeds are few, so the bootstrap is computed exactly where that is cheap: n seeds have n^n equally likely
resamples, and up to six seeds (46,656 resamples) all of them are visited. Beyond that a fixed number is
drawn from a fixed generator, so the same records always give the same interval.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from jaxtyping import Float, Num
from scipy.special import stdtrit

EXACT_UP_TO = 6
RESAMPLES = 20_000
GENERATOR_SEED = 1


@dataclass(frozen=True)
class Interval:
    """An estimate and the ends of its confidence interval."""

    estimate: float
    low: float
    high: float


def wilson(
    successes: Num[np.ndarray, "*batch"], tries: Num[np.ndarray, "*batch"], *, confidence: float = 0.95
) -> tuple[Float[np.ndarray, "*batch"], Float[np.ndarray, "*batch"]]:
    """The ends of Wilson's score interval for a proportion; 0 and 1 where there were no tries.

    >>> low, high = wilson(np.array(8), np.array(10))
    >>> round(float(low), 4), round(float(high), 4)
    (0.4902, 0.9433)
    """
    if np.any(successes < 0) or np.any(successes > tries):
        raise ValueError(f"successes lie between 0 and tries: got {successes} of {tries}")
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    n = np.maximum(tries, 1).astype(float)
    p = successes / n
    centre = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
    # At the edges the interval ends at 0 or 1 exactly, which rounding would miss.
    low = np.where(successes == 0, 0.0, centre - half)
    high = np.where(successes == tries, 1.0, centre + half)
    return np.asarray(low), np.asarray(high)


def median(values: Num[np.ndarray, "*batch seeds"]) -> Num[np.ndarray, "*batch"]:
    """The median over seeds, the last axis."""
    return np.asarray(np.median(values, axis=-1))


def bootstrap(
    values: Num[np.ndarray, " seeds"],
    *,
    statistic: Callable[..., np.ndarray] = median,
    confidence: float = 0.95,
) -> Interval:
    """The percentile bootstrap interval of a statistic over seeds; `statistic` reduces the last axis.

    >>> bootstrap(np.array([16, 16, 16, 16, 16]))
    Interval(estimate=16.0, low=16.0, high=16.0)
    """
    if not values.size:
        raise ValueError("a bootstrap needs at least one value")
    resampled = np.sort(statistic(values[_resamples(values.size)]))
    tail = (1 - confidence) / 2
    low, high = (resampled[_rank(share, resampled.size)] for share in (tail, 1 - tail))
    return Interval(float(statistic(values)), float(low), float(high))


def student(values: Num[np.ndarray, " seeds"], *, confidence: float = 0.95) -> Interval:
    """The mean of two or more values with Student's t interval. It takes them for normal.

    >>> round(student(np.array([0.1, 0.2, 0.3])).high, 4)
    0.4484
    """
    if values.size < 2:
        raise ValueError(f"a t interval needs two values or more: got {values.size}")
    mean, error = float(np.mean(values)), float(np.std(values, ddof=1) / values.size**0.5)
    half = error * float(stdtrit(values.size - 1, (1 + confidence) / 2))
    return Interval(mean, mean - half, mean + half)


def welch(
    one: Num[np.ndarray, " seeds"], other: Num[np.ndarray, " others"], *, confidence: float = 0.95
) -> Interval:
    """The mean of `other` less that of `one`, two or more values each, with Welch's t interval for unequal
    variances. Where neither varies the interval has no width.

    Welch, B. L. (1947). The generalization of "Student's" problem when several different population variances
    are involved. Biometrika 34, 28-35.

    >>> found = welch(np.array([0.1, 0.2, 0.3]), np.array([0.5, 0.6, 0.7]))
    >>> round(found.estimate, 4), round(found.low, 4)
    (0.4, 0.1733)
    """
    if min(one.size, other.size) < 2:
        raise ValueError(f"a t interval needs two values or more: got {one.size} and {other.size}")
    if not np.ptp(one) and not np.ptp(other):
        gain = float(other[0] - one[0])
        return Interval(gain, gain, gain)
    gain = float(np.mean(other) - np.mean(one))
    errors = [float(np.var(each, ddof=1)) / each.size for each in (one, other)]
    freedom = sum(errors) ** 2 / (errors[0] ** 2 / (one.size - 1) + errors[1] ** 2 / (other.size - 1))
    half = sum(errors) ** 0.5 * float(stdtrit(freedom, (1 + confidence) / 2))
    return Interval(gain, gain - half, gain + half)


def _resamples(count: int) -> np.ndarray:
    """Indices of the resamples, one a row: every one of them for few seeds, drawn ones for many."""
    if count <= EXACT_UP_TO:
        return np.indices((count,) * count).reshape(count, -1).T
    return np.random.default_rng(GENERATOR_SEED).integers(count, size=(RESAMPLES, count))


def _rank(share: float, size: int) -> int:
    """The place of the smallest of `size` sorted values below or at which a `share` of them lies."""
    return min(max(math.ceil(share * size - 1e-9) - 1, 0), size - 1)
