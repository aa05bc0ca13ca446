"""How far the output of a diffusion sampler is from its target: total variation against the number of steps.

Theorem F.2 of Liu et al. 2025 rests on Theorem F.1 (Li & Yan 2025): with the exact score, T steps leave a
total variation of order D/T, up to powers of log T, D the intrinsic dimension of the target. This file
computes the left-hand side, so that the order can be looked at.

- Finite targets on the line: the law of the snapped output, without sampling.
- Products of bits, and the directions normal to the data: in closed form from one factor.
- Finite targets and closed curves in R^n: by simulation, each estimate beside its Monte Carlo floor.
- The exponent of T: a straight line through the logarithms.

Schedules, coefficients and steps are those of `schedules`. The output is *snapped*: the last step returns the
posterior mean, without noise, and the nearest point of the target is the answer. That is the discretisation
of the theorem. It cannot see the directions normal to the data, in which the samplers differ most; these have
functions of their own.

What it does not do: no rate is proved, constants are those of the target at hand, and no score is learnt. An
estimate at its Monte Carlo floor says that the truth is not far above the floor, and no more.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
from jaxtyping import Float, Int, Num
from scipy import stats
from scipy.special import ndtr

from .schedules import Coefficients, coefficients, signal_faults

TOLERANCE = 1e-8
"""No probability of `snapped_law` changes by more when its panels are made narrower."""

WIDTHS = (6.0, 4.0, 8 / 3, 16 / 9, 32 / 27)
"""Of the panels, in standard deviations of the noise."""

NODES, NODE_WEIGHTS = np.polynomial.legendre.leggauss(16)

ROWS_AT_ONCE = 256

FINEST = 1 / 500
FROZEN = 1 / 24
"""Levels are left out whose noise is below this share of the smallest gap, if the steps to them from the next
level make noise of less than that share of the range: half a gap is then 12 standard deviations."""

BEYOND = 8.0
"""Standard deviations on each side that count as the whole of a normal law: 1e-15 of it is left out."""

NUMBERS_AT_ONCE = 2**21
"""Of the largest array of a simulation: 16 MB."""

REFERENCE = 8
"""Direct samples for every simulated one: they cost one step each, and the fewer would set the floor."""

CLEAR_OF_THE_FLOOR = 3.0
"""Times its floor that an estimate must exceed to count for a slope."""


@dataclass(frozen=True)
class Estimate:
    """A total variation by simulation, and the one that `samples` samples show where there is none.

    `law` is the share of samples at each point or in each bin, `reference` what it is compared with.
    """

    law: Float[np.ndarray, " points"]
    reference: Float[np.ndarray, " points"]
    samples: int
    total_variation: float
    floor: float


@dataclass(frozen=True)
class Slope:
    """The exponent b of tv = a steps^b, the ends of its interval, and the numbers of steps it rests on."""

    estimate: float
    low: float
    high: float
    steps: tuple[int, ...]


def total_variation(p: Float[np.ndarray, " points"], q: Float[np.ndarray, " points"]) -> float:
    """Half the sum of |p - q|: the largest difference between the probabilities of one event.

    >>> total_variation(np.array([0.25, 0.75]), np.array([0.5, 0.5]))
    0.25
    """
    faults = [
        f"{name} has the sum {law.sum():.9g} and the minimum {law.min():.3g}: must be a law"
        for name, law in (("p", p), ("q", q))
        if law.min(initial=0) < 0 or abs(law.sum() - 1) > 1e-6
    ]
    if faults:
        raise ValueError(f"total_variation: {'; '.join(faults)}; e.g. np.array([0.2, 0.8])")
    return float(np.abs(p - q).sum() / 2)


# Finite targets on the line


def snapped_law(
    points: Float[np.ndarray, " points"],
    weights: Float[np.ndarray, " points"],
    abar: Float[np.ndarray, " levels"],
    kind: str,
    *,
    tolerance: float = TOLERANCE,
) -> Float[np.ndarray, " points"]:
    """The probability that the sampler ends nearest to each of the `points`, with the exact score.

    `points` rise; `weights` are their probabilities under the target. The sampler starts from the standard
    normal law and takes one step of `coefficients(abar, t, kind)` at every level t = T, ..., 1.

    The chance u_t(y) that the answer lies below a midpoint, given Y_t = y, obeys
    u_t(y) = E u_(t-1)(state y + mean m_t(y) + noise Z), and u_0 is a step. What a step of the sampler does
    before its noise is increasing in y, so u stays a step through steps without noise, and bisection finds
    where it jumps; the first noise makes it a normal distribution function; every later expectation is a
    Gauss-Legendre quadrature on panels that are narrow where u may be steep. Panels are made narrower until
    no probability changes by more than `tolerance`; a RuntimeError if the narrowest do not do.

    Where steps are finer than 1/500 of the range of Y_t, levels are left out whose noise is below 1/24 of the
    smallest gap, and the answer is read off above them: half a gap is 12 standard deviations there.

    >>> from seriality.theory.schedules import signal
    >>> law = snapped_law(np.array([-1.0, 1.0]), np.array([0.2, 0.8]), signal("cosine", 32), "posterior")
    >>> law.round(4).tolist()
    [0.1902, 0.8098]
    """
    _refuse("snapped_law", points[:, None], weights, abar)
    if not (np.diff(points) > 0).all():
        raise ValueError("snapped_law: points must rise; e.g. np.array([-1.0, 1.0])")
    steps = [coefficients(abar, t, kind) for t in range(1, len(abar))]
    steps[0] = steps[0]._replace(noise=0.0)
    coarse = None
    for width in WIDTHS:
        below = _below(points, np.log(weights), abar, steps, width)
        law = np.diff(below, prepend=0.0, append=1.0)
        deterministic = not any(step.noise for step in steps)
        if deterministic or (coarse is not None and np.abs(law - coarse).max() <= tolerance):
            return np.clip(law, 0, 1)
        coarse = law
    raise RuntimeError(
        f"snapped_law: {kind!r} with {len(steps)} steps and {len(points)} points has not settled to "
        f"tolerance={tolerance:g}; allowed is more, e.g. tolerance={TOLERANCE:g}, or use monte_carlo_law"
    )


def _below(
    points: np.ndarray, log_weights: np.ndarray, abar: np.ndarray, steps: list[Coefficients], width: float
) -> np.ndarray:
    """The probabilities of ending below each midpoint of two neighbouring points, on panels of `width`."""
    half = _half_widths(float(np.abs(points).max()), steps)
    noise = np.array([step.noise for step in steps] + [1.0])  # the last is that of the start
    frozen = np.sqrt((1 - abar) / abar) < FROZEN * np.diff(points).min()
    first = int(np.flatnonzero(frozen & (noise > 0) & (noise < FINEST * half)).max(initial=0))
    cuts = math.sqrt(abar[first]) * (points[1:] + points[:-1]) / 2
    nodes = measure = u = np.empty(0)
    for t in range(first + 1, len(abar)):
        step = steps[t - 1]
        to = partial(_before_noise, points=points, log_weights=log_weights, abar=float(abar[t]), step=step)
        if step.noise == 0:
            cuts = _preimage(cuts, to, half[t])
            continue
        y, weight = _panels(to, half[t], noise[t] * width, step.noise * width)
        if not u.size:
            u = ndtr((cuts - to(y)[:, None]) / step.noise)
        else:
            u = _expectation(to(y), step.noise, nodes, measure, u)
        nodes, measure = y, weight
    return _expectation(np.zeros(1), 1.0, nodes, measure, u)[0] if u.size else ndtr(cuts)


def _panels(
    to: Callable[[np.ndarray], np.ndarray], half: float, in_y: float, in_to: float
) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights of a quadrature on -half..half, by Gauss and Legendre on panels of unequal widths.

    No panel is wider than `in_y`, and on none does the increasing function `to` grow by more than `in_to`, or
    stray from a straight line by more than a sixteenth of it: so both the normal density that the integrand
    holds and the smooth function of `to` are close to polynomials on each. It is looked at in the middle and
    at a quarter, for by symmetry a steep rise may pass through the middle of a line.
    """
    edges = np.linspace(-half, half, math.ceil(2 * half / in_y) + 1)
    values = to(edges)
    while True:
        gap, rise = np.diff(edges), np.diff(values)
        quarter, middle = edges[:-1] + gap / 4, edges[:-1] + gap / 2
        early, between = np.split(to(np.concatenate([quarter, middle])), 2)
        stray = np.maximum(np.abs(early - values[:-1] - rise / 4), np.abs(between - values[:-1] - rise / 2))
        rough = ((stray > in_to / 16) | (rise > in_to)) & (gap > 1e-13 * half)
        if not rough.any():
            radius = gap[:, None] / 2
            return (middle[:, None] + radius * NODES).ravel(), (radius * NODE_WEIGHTS).ravel()
        at = np.flatnonzero(rough) + 1
        edges, values = np.insert(edges, at, middle[rough]), np.insert(values, at, between[rough])


def _expectation(
    x: np.ndarray, noise: float, nodes: np.ndarray, measure: np.ndarray, u: np.ndarray
) -> np.ndarray:
    """E u(x + noise Z) for rising `x`, with `u` known at the nodes of a quadrature, 1 below and 0 above."""
    result = np.empty((len(x), u.shape[1]))
    weighted = measure[:, None] * u / (noise * math.sqrt(2 * math.pi))
    for start in range(0, len(x), ROWS_AT_ONCE):
        rows = x[start : start + ROWS_AT_ONCE, None]
        ends = rows[0, 0] - BEYOND * noise, rows[-1, 0] + BEYOND * noise
        near = slice(*np.searchsorted(nodes, ends).tolist())
        scaled = (nodes[near] - rows) / noise
        result[start : start + ROWS_AT_ONCE] = np.exp(-(scaled**2) / 2) @ weighted[near]
    return result


def _half_widths(largest: float, steps: list[Coefficients]) -> np.ndarray:
    """What Y_0, ..., Y_T do not exceed: a bounded part and a normal one, each by its recursion."""
    bounded, variance, half = 0.0, 1.0, [BEYOND]
    for step in reversed(steps):
        bounded = step.state * bounded + step.mean * largest
        variance = step.state**2 * variance + step.noise**2
        half.append(bounded + BEYOND * math.sqrt(variance))
    return np.array(half[::-1])


def _preimage(values: np.ndarray, to: Callable[[np.ndarray], np.ndarray], half: float) -> np.ndarray:
    """Where the increasing function `to` takes the `values`; -half or half where it does not."""
    low, high = np.full(len(values), -half), np.full(len(values), half)
    for _ in range(56):
        middle = (low + high) / 2
        below = to(middle) < values
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return (low + high) / 2


def _before_noise(
    y: np.ndarray, *, points: np.ndarray, log_weights: np.ndarray, abar: float, step: Coefficients
) -> np.ndarray:
    """Where a step takes `y`, on the line, before it adds noise: an increasing function."""
    return step.state * y + step.mean * _posterior_mean(y[:, None], points[:, None], log_weights, abar)[:, 0]


def _posterior_mean(y: np.ndarray, points: np.ndarray, log_weights: np.ndarray, abar: float) -> np.ndarray:
    """The mean of X_0 given X_t = y, for every row of `y`; `points` are rows too."""
    logits = (math.sqrt(abar) / (1 - abar) * y) @ points.T
    logits += log_weights - abar / (1 - abar) / 2 * (points**2).sum(-1)
    logits -= logits.max(-1, keepdims=True)
    share = np.exp(logits, out=logits)
    share /= share.sum(-1, keepdims=True)
    return share @ points


# Closed forms


def product_of_bits(count: int, p: float, q: float) -> float:
    """The total variation between `count` independent bits of chance `p` and as many of chance `q`.

    The number of ones tells all, so it is that of two binomial laws. For small |p - q| it grows with the
    square root of `count`, not with `count`.

    >>> round(product_of_bits(1, 0.8, 0.7), 4), round(product_of_bits(4, 0.8, 0.7), 4)
    (0.1, 0.1695)
    """
    faults = [] if count >= 1 else [f"count={count}: must be at least 1; e.g. count=16"]
    faults += [
        f"{name}={value}: must lie from 0 to 1; e.g. {name}=0.8"
        for name, value in (("p", p), ("q", q))
        if not 0 <= value <= 1
    ]
    if faults:
        raise ValueError(f"product_of_bits: {'; '.join(faults)}")
    ones = np.arange(count + 1)
    return float(np.abs(stats.binom.pmf(ones, count, p) - stats.binom.pmf(ones, count, q)).sum() / 2)


def isotropic_normals(ratio: float, dimension: int) -> float:
    """The total variation between N(0, ratio I) and N(0, I) in `dimension` dimensions.

    One density is above the other inside a ball, so it is a difference of two chi-squared probabilities. Near
    ratio 1 it is |ratio - 1| sqrt(dimension / (4 pi)) for large dimensions.

    >>> round(isotropic_normals(2.0, 1), 4), round(isotropic_normals(2.0, 100), 4)
    (0.1661, 0.9853)
    """
    faults = [] if ratio > 0 else [f"ratio={ratio}: must be positive; e.g. ratio=1.01"]
    faults += [] if dimension >= 1 else [f"dimension={dimension}: must be at least 1; e.g. dimension=64"]
    if faults:
        raise ValueError(f"isotropic_normals: {'; '.join(faults)}")
    if ratio == 1:
        return 0.0
    # The squared radius at which the densities are equal. An error in it counts in second order only.
    squared = dimension * ratio * math.log1p(ratio - 1) / (ratio - 1)
    inside = stats.chi2.cdf(np.array([squared, squared / ratio]), dimension)
    return float(abs(inside[0] - inside[1]))


def normal_variance(abar: Float[np.ndarray, " levels"], kind: str) -> float:
    """The variance of Y_1 over that of X_1, in a direction in which the data has none.

    There m_t = 0, so every step is linear and Y_1 normal. 1 would be exact.

    >>> from seriality.theory.schedules import signal
    >>> round(normal_variance(signal("log-SNR", 64), "Li-Yan"), 3)
    1.273
    """
    if faults := signal_faults(abar):
        raise ValueError(f"normal_variance: {faults[0]}")
    variance = 1.0
    for t in range(len(abar) - 1, 1, -1):
        step = coefficients(abar, t, kind)
        variance = step.state**2 * variance + step.noise**2
    return variance / (1 - float(abar[1]))


def normal_directions(abar: Float[np.ndarray, " levels"], kind: str, dimension: int) -> float:
    """The total variation between Y_1 and X_1 for a point in R^`dimension`: what the ambient space costs.

    This is before snapping, which would hide it. It is the test of whether coefficients adapt to the
    dimension of the data: no more than rounding if they do, sqrt(dimension)/T if they do not.

    >>> from seriality.theory.schedules import signal
    >>> abar = signal("log-SNR", 1024)
    >>> [round(normal_directions(abar, "Li-Yan", n), 3) for n in (1, 64)]
    [0.004, 0.033]
    """
    return isotropic_normals(normal_variance(abar, kind), dimension)


# Simulation


def monte_carlo_law(
    points: Float[np.ndarray, "points dimension"],
    weights: Float[np.ndarray, " points"],
    abar: Float[np.ndarray, " levels"],
    kind: str,
    *,
    samples: int,
    seed: int,
) -> Estimate:
    """The law of the snapped output for `points` in R^dimension, by simulation, against `weights`.

    Takes about samples x levels x points x dimension operations; memory is bounded. The same arguments give
    the same samples.

    >>> from seriality.theory.schedules import signal
    >>> codes = np.array([[1.0, 1.0], [-1.0, -1.0]])
    >>> found = monte_carlo_law(
    ...     codes, np.array([0.2, 0.8]), signal("cosine", 8), "posterior", samples=4000, seed=0
    ... )
    >>> found.total_variation > found.floor
    True
    """
    _refuse("monte_carlo_law", points, weights, abar, samples)
    counts = np.zeros(len(points), int)
    for y, rng in _batches(points, samples, seed):
        ends = _sample(rng.standard_normal(y), points, np.log(weights), abar, kind, rng)
        counts += np.bincount(_nearest(ends, points), minlength=len(points))
    law = counts / samples
    return Estimate(law, weights, samples, total_variation(law, weights), sampling_floor(weights, samples))


def monte_carlo_curve(
    curve: Float[np.ndarray, "mesh dimension"],
    weights: Float[np.ndarray, " mesh"],
    abar: Float[np.ndarray, " levels"],
    kind: str,
    *,
    bins: int,
    samples: int,
    seed: int,
) -> Estimate:
    """How far the sampler is from a law on a closed curve, in `bins` of equal arc length, by simulation.

    `curve` is a mesh of the curve, in order, and `weights` the probabilities of its points. The score is that
    of the mesh, which is the curve's as long as neighbours are closer than the noise of level 1; a ValueError
    if they are not. Both the sampler's Y_1 and direct samples of X_1, eight times as many, take the last step
    and are projected to the mesh, so that nothing but the steps before it makes a difference.

    Bins are a coarser view, so this is a lower bound on the total variation before projection.

    >>> from seriality.theory.schedules import signal
    >>> found = monte_carlo_curve(*closed_curve(4, 256), signal("cosine", 8), "posterior",
    ...     bins=8, samples=2000, seed=0)
    >>> found.law.shape
    (8,)
    """
    _refuse("monte_carlo_curve", curve, weights, abar, samples)
    lengths = np.linalg.norm(np.roll(curve, -1, 0) - curve, axis=-1)
    noise = math.sqrt((1 - abar[1]) / abar[1])
    faults = []
    if not 2 <= bins <= len(curve):
        faults.append(f"bins={bins}: must be from 2 to the {len(curve)} points of the mesh; e.g. bins=16")
    if lengths.max() > noise:
        faults.append(
            f"curve: neighbours are up to {lengths.max():.3g} apart, allowed is the noise of level 1, "
            f"{noise:.3g}; e.g. a mesh of {math.ceil(lengths.sum() / noise)} evenly spaced points"
        )
    if faults:
        raise ValueError(f"monte_carlo_curve: {'; '.join(faults)}")
    arc = np.concatenate([[0.0], np.cumsum(lengths)])
    bin_of = np.minimum((bins * (arc[:-1] / arc[-1])).astype(int), bins - 1)
    counts, direct = np.zeros(bins, int), np.zeros(bins, int)
    log_weights = np.log(weights)
    for shape, rng in _batches(curve, samples, seed):
        ends = _sample(rng.standard_normal(shape), curve, log_weights, abar, kind, rng)
        counts += np.bincount(bin_of[_nearest(ends, curve)], minlength=bins)
        for _ in range(REFERENCE):
            drawn = curve[rng.choice(len(curve), size=shape[0], p=weights)]
            noisy = math.sqrt(abar[1]) * drawn + math.sqrt(1 - abar[1]) * rng.standard_normal(shape)
            ends = _posterior_mean(noisy, curve, log_weights, abar[1])
            direct += np.bincount(bin_of[_nearest(ends, curve)], minlength=bins)
    law, reference = counts / samples, direct / (REFERENCE * samples)
    floor = sampling_floor(reference, samples, REFERENCE * samples)
    return Estimate(law, reference, samples, total_variation(law, reference), floor)


def closed_curve(
    dimension: int, mesh: int, *, concentration: float = 1.0
) -> tuple[Float[np.ndarray, "mesh dimension"], Float[np.ndarray, " mesh"]]:
    """A mesh of a closed curve that winds through all of R^dimension, and unequal weights on it.

    Coordinates 2k-1 and 2k are k^-2 times the cosine and the sine of k s, scaled so that every point has
    length 1. Speed is constant, so equal steps of s are equal arc lengths; the curve lies in no subspace. The
    weights are von Mises, proportional to exp(concentration cos s): equal ones would be kept by symmetry.
    `dimension` is even.

    >>> curve, weights = closed_curve(6, 100)
    >>> curve.shape, bool(np.allclose(np.linalg.norm(curve, axis=1), 1))
    ((100, 6), True)
    """
    faults = [] if dimension >= 2 and dimension % 2 == 0 else [f"dimension={dimension}: must be even; e.g. 8"]
    faults += [] if mesh >= 3 else [f"mesh={mesh}: must be at least 3; e.g. mesh=512"]
    if faults:
        raise ValueError(f"closed_curve: {'; '.join(faults)}")
    s = 2 * np.pi * np.arange(mesh) / mesh
    k = np.arange(1, dimension // 2 + 1)
    amplitude = k**-2.0 / np.linalg.norm(k**-2.0)
    turned = s[:, None] * k
    curve = np.stack([amplitude * np.cos(turned), amplitude * np.sin(turned)], -1).reshape(mesh, dimension)
    weights = np.exp(concentration * np.cos(s))
    return curve, weights / weights.sum()


def sampling_floor(
    law: Float[np.ndarray, " points"], samples: int, reference_samples: int | None = None
) -> float:
    """The total variation to expect between `samples` samples of `law` and `law` itself.

    With `reference_samples`, between two independent sets of samples of `law`. A share of M samples is normal
    around p with variance p (1 - p) / M for large M p, and the mean of |N(0, v)| is sqrt(2 v / pi), so

        floor = sum over points of sqrt(p (1 - p) (1/M + 1/M') / (2 pi)).

    For N equal points and M' infinite that is about sqrt(N / (2 pi M)). The part of a point with
    M p below 1 comes out too large, exp(M p) / sqrt(2 pi M p) times what it is.

    >>> round(sampling_floor(np.full(64, 1 / 64), 100_000), 4)
    0.01
    """
    counts = (samples,) if reference_samples is None else (samples, reference_samples)
    if min(counts) < 1:
        raise ValueError(f"sampling_floor: {min(counts)} samples; must be at least 1, e.g. samples=10_000")
    inverse = sum(1 / count for count in counts)
    return float(np.sqrt(law * (1 - law) * inverse / (2 * math.pi)).sum())


def _batches(
    points: np.ndarray, samples: int, seed: int
) -> Iterator[tuple[tuple[int, int], np.random.Generator]]:
    """Shapes of batches that fill `samples`, each with a generator of its own."""
    most = max(NUMBERS_AT_ONCE // max(points.shape), 1)
    for number, start in enumerate(range(0, samples, most)):
        yield (min(most, samples - start), points.shape[1]), np.random.default_rng([seed, number])


def _sample(
    y: np.ndarray,
    points: np.ndarray,
    log_weights: np.ndarray,
    abar: np.ndarray,
    kind: str,
    rng: np.random.Generator,
) -> np.ndarray:
    """The sampler from Y_T = `y` to the posterior mean of its last step, with the exact score."""
    for t in range(len(abar) - 1, 0, -1):
        step = coefficients(abar, t, kind)
        y = step.state * y + step.mean * _posterior_mean(y, points, log_weights, abar[t])
        if step.noise > 0 and t > 1:
            y += step.noise * rng.standard_normal(y.shape)
    return y


def _nearest(y: np.ndarray, points: np.ndarray) -> np.ndarray:
    """The index of the point nearest to each row of `y`."""
    return (y @ points.T - (points**2).sum(-1) / 2).argmax(-1)


# The exponent


def slope(
    steps: Int[np.ndarray, " runs"],
    tv: Float[np.ndarray, " runs"],
    *,
    floor: float | Float[np.ndarray, " runs"] = TOLERANCE,
    confidence: float = 0.95,
) -> Slope:
    """The slope of log tv over log steps, by least squares, with the t interval of its standard error.

    A value counts if it is more than three times its floor: the Monte Carlo floor of an estimate, the
    tolerance of a computed one. Nothing else is left out, so choose `steps` before looking. A ValueError if
    fewer than three values count.

    The interval tells how well a straight line describes the values over these steps. Residuals of computed
    values are no chance, they are the bend of the curve: the interval says nothing about steps outside the
    range, nor does it cover the upward bias of Monte Carlo estimates near their floor.

    >>> found = slope(np.array([8, 16, 32, 64]), np.array([0.4, 0.21, 0.1, 1e-9]))
    >>> round(found.estimate, 3), found.steps
    (-1.0, (8, 16, 32))
    """
    used = tv > CLEAR_OF_THE_FLOOR * np.asarray(floor)
    if used.sum() < 3 or len(np.unique(steps[used])) < 3 or steps.min() < 1:
        raise ValueError(
            f"slope: {int(used.sum())} of {len(tv)} values are above {CLEAR_OF_THE_FLOOR:g} times their "
            "floor, must be 3 or more, at different numbers of steps; take more samples or fewer steps"
        )
    x, y = np.log(steps[used]), np.log(tv[used])
    x, y = x - x.mean(), y - y.mean()
    exponent = float(x @ y / (x @ x))
    error = math.sqrt(((y - exponent * x) ** 2).sum() / (len(x) - 2) / (x @ x))
    half = float(stats.t.ppf((1 + confidence) / 2, len(x) - 2)) * error
    return Slope(exponent, exponent - half, exponent + half, tuple(steps[used].tolist()))


def _refuse(
    what: str,
    points: Num[np.ndarray, "points dimension"],
    weights: Float[np.ndarray, " points"],
    abar: np.ndarray,
    samples: int = 1,
) -> None:
    """A ValueError that names all faults of a target, a schedule and a number of samples."""
    faults = signal_faults(abar)
    if len(points) < 2:
        faults.append(f"{len(points)} points: must be at least 2; e.g. np.array([-1.0, 1.0])")
    if not (weights > 0).all() or abs(weights.sum() - 1) > 1e-9:
        faults.append(
            f"weights sum to {weights.sum():.9g}, with {weights.min(initial=1):.3g} the smallest: must be "
            "positive and sum to 1; e.g. np.array([0.2, 0.8])"
        )
    if samples < 1:
        faults.append(f"samples={samples}: must be at least 1; e.g. samples=10_000")
    if faults:
        raise ValueError(f"{what}: {'; '.join(faults)}")
