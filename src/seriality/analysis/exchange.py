"""The exchange rate of serial and parallel compute: how many doublings of parallel compute hold accuracy when
serial compute is halved.

Serial compute is span, parallel compute is work / span. A rate of 0 says that only parallelism matters and a
halved span costs nothing; 1 that work alone matters; above 1 that serial compute cannot be replaced by as
much parallel compute as it was; no finite rate that nothing replaces it. It is local: a rate belongs to an
accuracy, a depth and a span, and says nothing beyond what was measured.

What is known of a rate is a pair of ends. They are the same number where the accuracy is held within the
measured work; where it is held only beyond the most work, the upper one is infinite, and where it is held
even with the least, the lower one is minus infinity. Resampling gives such a pair each time. The interval
goes from a low percentile of the lower ends to a high one of the upper ends, so what a resample leaves open
widens it. The rules:

- "not identified": the interval is open on both sides, or the accuracy is held even with the least work and
  the rate
  may still be above 0, or (said by the caller) there is no point to start from.
- "free": the whole interval is at or below 0. Halving the span costs nothing.
- "none in range": the accuracy is not held within the work measured at half the span. There is no estimate;
  `low`
  is the bound below the rate that this implies.
- "identified": everything else. An end of the interval may still be infinite: that side is open.
"""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from .intervals import _rank

IDENTIFIED, NONE_IN_RANGE, NOT_IDENTIFIED, FREE = "identified", "none in range", "not identified", "free"


@dataclass(frozen=True)
class ExchangeRate:
    """Doublings of work / span for a halving of span, with the ends of their confidence interval.

    `estimate` is NaN where there is none, and an end is infinite where the interval is open.
    """

    estimate: float
    low: float
    high: float
    status: str
    """"identified", "free", "none in range" or "not identified", by the rules of this module."""
    reason: str
    """The status in words, with the numbers behind it."""


@dataclass(frozen=True)
class Band:
    """Estimates with the ends of their confidence intervals, all of one shape."""

    estimate: Float[np.ndarray, "*shape"]
    low: Float[np.ndarray, "*shape"]
    high: Float[np.ndarray, "*shape"]


def percentiles(
    values: Float[np.ndarray, "resamples *shape"], confidence: float
) -> tuple[Float[np.ndarray, "*shape"], Float[np.ndarray, "*shape"]]:
    """The ends of the percentile interval over the first axis; infinite values take part."""
    ordered, tail = np.sort(values, axis=0), (1 - confidence) / 2
    # Open outwards where two ranks would do.
    low = ordered[_rank(tail, len(ordered))]
    return np.asarray(low), np.asarray(ordered[len(ordered) - 1 - _rank(tail, len(ordered))])


def open_rate(reason: str) -> ExchangeRate:
    """A rate of which nothing is known, and why."""
    return ExchangeRate(math.nan, -math.inf, math.inf, NOT_IDENTIFIED, reason)


def judge(
    ends: tuple[float, float],
    resampled: tuple[Float[np.ndarray, " resamples"], Float[np.ndarray, " resamples"]],
    *,
    where: str,
    left: float,
    confidence: float,
) -> ExchangeRate:
    """The rate of which these ends are known, by the rules of this module.

    `where` says what is asked, in words, and `left` is the accuracy with the most work at half the span.
    """
    low = float(percentiles(resampled[0], confidence)[0])
    high = float(percentiles(resampled[1], confidence)[1])
    low, high = min(low, ends[0]), max(high, ends[1])
    estimate = ends[0] if ends[0] == ends[1] else math.nan
    interval = f"{confidence:.0%} interval {low:.2f} to {high:.2f}"
    if low == -math.inf and high == math.inf:
        return ExchangeRate(
            estimate, low, high, NOT_IDENTIFIED, f"{where}: the interval covers all that was measured"
        )
    if high <= 0:
        return ExchangeRate(
            estimate, low, high, FREE, f"{where}: halving the span costs nothing, {interval} doublings"
        )
    if ends[1] == math.inf:
        return ExchangeRate(
            math.nan,
            low,
            high,
            NONE_IN_RANGE,
            f"{where}: not held within the work measured, {ends[0]:.2f} doublings of parallel compute,"
            f" which leave accuracy {left:.3f}; the rate is above {low:.2f}",
        )
    if ends[0] == -math.inf:
        return ExchangeRate(
            math.nan,
            low,
            high,
            NOT_IDENTIFIED,
            f"{where}: held even with the least work measured; the rate is at most {high:.2f}",
        )
    return ExchangeRate(estimate, low, high, IDENTIFIED, f"{where}: {estimate:.2f} doublings, {interval}")
