"""Where accuracy crosses a value and what that says of the exchange rate, without a parametric form.

For each level of span, accuracy at one depth is taken to rise with work and nothing else: isotonic regression
over the works that were measured with it (Barlow, R. E., Bartholomew, D. J., Bremner, J. M. & Brunk, H. D.
(1972). Statistical Inference under Order Restrictions. Wiley), straight in log2 work between them. Two
neighbouring levels give a rate. It needs several works at each span, uses nothing of other depths or levels,
and so has wider intervals than the fitted surface, beside which it stands as a check. With two seeds of each
configuration the intervals are too short, because few configurations decide where a level crosses. Spans less
than a tenth of a doubling apart are one level.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Num
from scipy.optimize import isotonic_regression

from .exchange import Band, ExchangeRate, judge, open_rate, percentiles
from .observations import Cells, Observations, levels


@dataclass(frozen=True)
class Crossing:
    """For each level of span, from the shortest, the work at which the accuracy is first reached; and between
    each level and the next the rate for halving the longer span, the difference scaled where they are not a
    halving apart.
    """

    spans: Float[np.ndarray, " levels"]
    """The geometric mean of each level."""
    work: Band
    """NaN where the accuracy is reached with the least work measured, or not with the most. An end is 0 or
    infinite where it lies beyond."""
    rates: tuple[ExchangeRate, ...]


def crossing(
    observations: Observations,
    accuracy: float,
    depth: float,
    *,
    resamples: int = 400,
    confidence: float = 0.95,
) -> Crossing:
    """The crossings of `accuracy` at a depth that was measured. A ValueError says which depths were.

    >>> span, work, seed = (a.ravel() for a in np.meshgrid([4, 8], [64, 128, 256, 512], [0, 1]))
    >>> right = np.clip(2 * np.log2(work) + 4 * np.log2(span) - 20, 0, 10).astype(int)
    >>> each = np.unique(np.stack([span, work]), axis=1, return_inverse=True)[1].ravel()
    >>> found = crossing(Observations(each, seed, 0 * span + 8, span, work, right, 0 * span + 10), 0.5, 8)
    >>> found.work.estimate.round().tolist(), round(found.rates[0].estimate, 2)
    ([362.0, 91.0], 3.0)
    """
    o = observations
    faults = []
    if not np.any(at := o.depth == depth):
        faults.append(f"depth is {depth:g}, allowed are {', '.join(f'{d:g}' for d in np.unique(o.depth))}")
    if not 0 < accuracy < 1:
        faults.append(f"accuracy is {accuracy}, allowed is more than 0 and less than 1, such as 0.5")
    if not 0 < confidence < 1:
        faults.append(f"confidence is {confidence}, allowed is more than 0 and less than 1, such as 0.95")
    if faults:
        raise ValueError("\n".join(faults))
    cells = Cells.of(
        Observations(
            o.configuration[at], o.seed[at], o.depth[at], o.span[at], o.work[at], o.successes[at], o.tries[at]
        )
    )
    drawn = cells.resampled(resamples)
    successes, tries = (
        np.concatenate([own[None], each])
        for own, each in zip((cells.successes, cells.tries), drawn, strict=True)
    )
    level = levels(cells.span)
    places, found, ranges, lefts = [], [], [], []
    for number in range(level.max() + 1):
        members = level == number
        work, column = np.unique(np.log2(cells.work[members].astype(float)), return_inverse=True)
        add = np.eye(work.size)[column]
        right, n = successes[:, members] @ add, tries[:, members] @ add
        rising = np.stack([isotonic_regression(y / m, weights=m).x for y, m in zip(right, n, strict=True)])
        places.append(np.log2(cells.span[members].astype(float)).mean())
        found.append(_first(rising, work, accuracy))
        ranges.append((work[0], work[-1]))
        lefts.append(float(rising[0, -1]))
    ends = [
        (np.where(w == np.inf, most, w), np.where(w == -np.inf, least, w))
        for w, (least, most) in zip(found, ranges, strict=True)
    ]
    rates = tuple(
        _rate(ends, np.array(places), lefts, k, accuracy=accuracy, depth=depth, confidence=confidence)
        for k in range(len(places) - 1)
    )
    table = np.stack(found, axis=1)
    known = np.isfinite(table[0])
    bounds = (table[0], *percentiles(table[1:], confidence))
    band = Band(*(np.where(known, np.exp2(each), np.nan) for each in bounds))
    return Crossing(np.exp2(np.array(places)), band, rates)


def _first(
    rising: Float[np.ndarray, "resamples works"], work: Num[np.ndarray, " works"], accuracy: float
) -> Float[np.ndarray, " resamples"]:
    """The log2 work at which each curve first reaches the accuracy: minus infinity if at the least, infinity
    if not at the most."""
    reached = rising >= accuracy
    after = np.argmax(reached, axis=1)
    before = np.maximum(after - 1, 0)
    row = np.arange(len(rising))
    low, high = rising[row, before], rising[row, after]
    share = (accuracy - low) / np.where(high > low, high - low, 1)
    inside = work[before] + share * (work[after] - work[before])
    return np.where(~reached.any(axis=1), np.inf, np.where(reached[:, 0], -np.inf, inside))


def _rate(
    ends: list[tuple[np.ndarray, np.ndarray]],
    places: np.ndarray,
    lefts: list[float],
    k: int,
    *,
    accuracy: float,
    depth: float,
    confidence: float,
) -> ExchangeRate:
    """Between level k and the next: the interval of a difference of two intervals, by halving."""
    (short_low, short_high), (long_low, long_high) = ends[k], ends[k + 1]
    apart = places[k + 1] - places[k]
    lower, upper = ((each + apart) / apart for each in (short_low - long_high, short_high - long_low))
    where = (
        f"accuracy {accuracy:.3g} at depth {depth:g}, span {2 ** places[k + 1]:.4g} to {2 ** places[k]:.4g}"
    )
    if long_low[0] != long_high[0]:
        return open_rate(f"{where}: not crossed with the longer span")
    return judge(
        (float(lower[0]), float(upper[0])),
        (lower[1:], upper[1:]),
        where=where,
        left=lefts[k],
        confidence=confidence,
    )
