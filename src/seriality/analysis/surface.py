"""The surface of accuracy over serial and parallel compute: accuracy(depth; span, work), its contours, and
the exchange rate along them.

With s = log2 span, w = log2 work and d = log2 depth, each less its middle, right answers are binomial with

    p = chance + (1 - chance - lapse) / (1 + exp(-eta)),
    eta = a + b s + c w + e d + f s d + g w d + h s w.

The effect of span may grow with depth (s d), and so may that of work (w d); work may be worth less where span
is short, as it is if the span is a bottleneck (s w). At one depth and span eta is a straight line in w, so
each contour is found in closed form. Parallel compute is work / span: p = w - s. (`binomial` fits, `exchange`
judges.)

The range of a surface is the convex hull of the measured (s, w), between the least and the largest depth.
Outside of it every answer is NaN.

Intervals are percentiles over resampled seeds (`observations`). They hold the noise of seeds and of tries,
not what the form of eta misses: where accuracy is the lesser of what span and what work allow, with a sharp
bend, a surface that is smooth is wrong with small intervals. So a rate is refused where the surface misses
the accuracies measured around it by more than `MISFIT` beyond the noise; `crossing` asks the same without any
form. A lesser miss is not seen: with a soft bend the interval of a rate may leave out the truth. Give a rate
only beside its `crossing`. Accuracy is a property of trained solvers: what was not learnt is not told from
what cannot be.
"""

import math
from collections.abc import Collection
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from jaxtyping import Float, Num, Shaped
from scipy.special import logit

from .binomial import maximise, probability
from .exchange import Band, ExchangeRate, judge, open_rate, percentiles
from .observations import Cells, Observations, one_line

INTERACTIONS = ("span depth", "work depth", "span work")
ROUNDING = 1e-9
MISFIT = 0.05
"""Of accuracy: the root mean square by which the surface may miss what was measured, beyond the noise of
seeds."""


@dataclass(frozen=True)
class Surface:
    """What `fit` returns: weights of eta for the observations and for each resample of their seeds."""

    chance: float
    confidence: float
    interactions: tuple[str, ...]
    weights: Float[np.ndarray, "fits terms"]
    """The first row is of the observations themselves."""
    lapse: Float[np.ndarray, " fits"]
    cells: Cells = field(repr=False)
    residual: Float[np.ndarray, " cells"] = field(repr=False)
    """Measured accuracy less the fitted."""
    noise: Float[np.ndarray, " cells"] = field(repr=False)
    """The variance of the residual over resamples."""

    def accuracy(
        self,
        depth: Num[np.ndarray, "*#shape"] | float,
        span: Num[np.ndarray, "*#shape"] | float,
        work: Num[np.ndarray, "*#shape"] | float,
    ) -> Band:
        """The fitted share of right answers, of the broadcast shape; NaN outside the range."""
        d, s, w = np.broadcast_arrays(*(np.log2(np.asarray(each, float)) for each in (depth, span, work)))
        found = probability(
            self._eta(d.ravel(), s.ravel(), w.ravel()), self.lapse[:, None], chance=self.chance
        )
        least, most = self._section(s.ravel())
        inside = (w.ravel() >= least - ROUNDING) & (w.ravel() <= most + ROUNDING) & self._spanned(d.ravel())
        low, high = percentiles(found[1:], self.confidence)
        return Band(*(np.where(inside, each, np.nan).reshape(d.shape) for each in (found[0], low, high)))

    def contour(self, accuracy: float, depth: float, spans: Num[np.ndarray, " spans"]) -> Band:
        """The work at which `accuracy` is reached at this depth with each span, from the least work up.

        NaN where it is reached with the least work of the range already, or not with the most. An end of an
        interval is 0 where a resample reaches it with the least work, and infinite where it does not with the
        most.
        """
        self._check(accuracy)
        s = np.log2(np.asarray(spans, float))
        d = np.full_like(s, math.log2(depth))
        least, most = self._section(s)
        share = (accuracy - self.chance) / (1 - self.chance - self.lapse)
        target = np.where(share < 1, logit(np.minimum(share, 1)), np.inf)
        found = _first(self._eta(d, s, least), self._eta(d, s, most), target[:, None], least, most)
        low, high = percentiles(found[1:], self.confidence)
        known = np.isfinite(found[0]) & self._spanned(d)
        return Band(*(np.where(known, np.exp2(each), np.nan) for each in (found[0], low, high)))

    def exchange_rate(self, accuracy: float, depth: float, span: float) -> ExchangeRate:
        """The doublings of work / span that hold `accuracy` at `depth` when `span` is halved.

        The start is the point of the contour at `span`. It stays in place over resamples: each says what
        holds the accuracy that it has itself at that point, so that the interval is of the rate and not of
        where the contour lies. The work at half the span is sought within the range. The statuses follow the
        rules of `exchange`; "not identified" is said besides where fewer than two spans or works were
        measured or both lie on one line, where depth, span or half the span are outside the range, and where
        the accuracy is above the ceiling that the lapse leaves or is not crossed at this span, and where the
        surface misses the accuracies measured at these spans and this depth, or next to them, by more than
        `MISFIT`.
        """
        self._check(accuracy)
        where = f"accuracy {accuracy:.3g} at depth {depth:g}, span {span:g} halved"
        d, s = (np.array([math.log2(each)]) for each in (depth, span))
        half = np.log2(np.array([span / 2]))
        start = self.contour(accuracy, depth, np.array([float(span)])).estimate
        if fault := self._fault(accuracy, d, s, half, start):
            return open_rate(f"{where}: {fault}")
        least, most = self._section(half)
        target = self._eta(d, s, np.log2(start))
        held = _first(self._eta(d, half, least), self._eta(d, half, most), target, least, most)[:, 0]
        # Half of the span and as much work is one doubling of work / span.
        base = 1 - math.log2(start[0])
        lower = np.where(held == np.inf, most, held) + base
        upper = np.where(held == -np.inf, least, held) + base
        left = float(self.accuracy(depth, span / 2, np.exp2(most)).estimate[0])
        return judge(
            (float(lower[0]), float(upper[0])),
            (lower[1:], upper[1:]),
            where=where,
            left=left,
            confidence=self.confidence,
        )

    def misfit(self, where: Shaped[np.ndarray, " cells"] | None = None) -> float:
        """By how much the surface misses the accuracies of these cells (a mask; all if None) beyond the noise
        of seeds: the root of the mean squared residual less its variance, 0 if that is more."""
        chosen = np.ones(self.residual.shape, bool) if where is None else where
        return float(np.sqrt(max(0.0, np.mean(self.residual[chosen] ** 2 - self.noise[chosen]))))

    @cached_property
    def falling(self) -> float:
        """The share of measured places at which more work with the same span lowers the fitted accuracy.

        A surface should rise with work wherever it was measured: above a few hundredths, distrust its
        contours.
        """
        c = self.cells
        d, s, w = (np.log2(each.astype(float)) for each in (c.depth, c.span, c.work))
        return float(np.mean(self._eta(d, s, w + 1)[0] < self._eta(d, s, w)[0]))

    def _fault(
        self, accuracy: float, d: np.ndarray, s: np.ndarray, half: np.ndarray, start: np.ndarray
    ) -> str | None:
        """Why there is no rate here."""
        c = self.cells
        if fault := one_line(c.span, c.work):
            return fault
        if not self._spanned(d).all():
            return f"depths from {c.depth.min():g} to {c.depth.max():g} were measured"
        for place, name in ((s, "span"), (half, "half the span")):
            if np.isnan(self._section(place)[0]).any():
                return f"{name} is outside the spans measured, {c.span.min():g} to {c.span.max():g}"
        if not np.isnan(start).any():
            missed = self.misfit(_around(c.depth, d, d) & _around(c.span, half, s))
            if missed <= MISFIT:
                return None
            return f"the surface misses the accuracies around it by {missed:.3f} beyond noise; see crossing"
        if accuracy >= 1 - self.lapse[0]:
            return f"the ceiling is {1 - self.lapse[0]:.3f}, what the lapse leaves"
        everywhere = self.accuracy(np.full(c.span.shape, 2.0 ** d[0]), c.span, c.work).estimate
        if everywhere.min() >= accuracy:
            return f"all configurations are above it (ceiling): the least has {everywhere.min():.3f}"
        if everywhere.max() < accuracy:
            return f"all configurations are below it (floor): the best has {everywhere.max():.3f}"
        ends = [
            float(self.accuracy(2.0 ** d[0], 2.0 ** s[0], 2.0 ** w[0]).estimate) for w in self._section(s)
        ]
        return f"not crossed with this span: {ends[0]:.3f} with the least work, {ends[1]:.3f} with the most"

    def _check(self, accuracy: float) -> None:
        if not self.chance < accuracy < 1:
            raise ValueError(
                f"accuracy is {accuracy}, allowed is more than chance, {self.chance:g}, and less than 1,"
                f" such as {(1 + self.chance) / 2:g}"
            )

    def _eta(self, d: np.ndarray, s: np.ndarray, w: np.ndarray) -> np.ndarray:
        """eta of every fit (a row) at each place."""
        return self.weights @ _terms(_centred(self.cells, d, s, w), self.interactions).T

    def _spanned(self, d: np.ndarray) -> np.ndarray:
        """Whether each depth lies between those measured."""
        low, high = np.log2([self.cells.depth.min(), self.cells.depth.max()])
        return (d >= low - ROUNDING) & (d <= high + ROUNDING)

    def _section(self, s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The least and the most log2 work of the convex hull at each log2 span; NaN beside it."""
        places, least, most = self._edges
        s = np.where((s < places[0] - ROUNDING) | (s > places[-1] + ROUNDING), np.nan, s)
        s = np.clip(s, places[0], places[-1])
        before, after = places[None, :, None], places[None, None, :]
        at = s[:, None, None]
        share = np.divide(
            at - before, after - before, out=np.zeros_like(at - before + after), where=after > before
        )
        between = (before <= at) & (at <= after) & ((after > before) | (before == at))
        low = (1 - share) * least[:, None] + share * least
        high = (1 - share) * most[:, None] + share * most
        low = np.where(between, low, np.inf).min(axis=(1, 2))
        high = np.where(between, high, -np.inf).max(axis=(1, 2))
        return np.where(np.isnan(s), np.nan, low), np.where(np.isnan(s), np.nan, high)

    @cached_property
    def _edges(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Every measured log2 span, with the least and the most log2 work that was measured with it."""
        places, at = np.unique(np.log2(self.cells.span.astype(float)), return_inverse=True)
        work = np.log2(self.cells.work.astype(float))
        least, most = np.full(places.size, np.inf), np.full(places.size, -np.inf)
        np.minimum.at(least, at, work)
        np.maximum.at(most, at, work)
        return places, least, most


def fit(
    observations: Observations,
    *,
    chance: float = 0.0,
    lapse: float | None = None,
    interactions: Collection[str] = INTERACTIONS,
    ridge: float = 0.01,
    resamples: int = 400,
    confidence: float = 0.95,
) -> Surface:
    """The surface of greatest penalised likelihood, and of `resamples` draws of the seeds, always the same.

    `chance` is the share that guessing gets; `lapse` is fitted if None. `interactions` are among "span
    depth", "work depth" and "span work". `ridge` is the inverse variance of a normal prior on each weight, in
    logits per doubling: at 0.01 a slope of 10 is not unusual. A ValueError lists what is not allowed, and
    names configurations with one seed.

    >>> span, work, seed = (a.ravel() for a in np.meshgrid([1, 2, 4, 8], [64, 256, 1024], [0, 1]))
    >>> known = 1 / (1 + np.exp(-(1.5 * np.log2(span) + 0.5 * np.log2(work) - 7.75)))
    >>> right = np.round(1000 * known + 2 * seed - 1).astype(int)
    >>> each = np.unique(np.stack([span, work]), axis=1, return_inverse=True)[1].ravel()
    >>> surface = fit(Observations(each, seed, 0 * span + 8, span, work, right, 0 * span + 1000))
    >>> rate = surface.exchange_rate(0.5, depth=8, span=8)  # 1 + 1.5 / 0.5
    >>> round(rate.estimate, 1), rate.status
    (4.0, 'identified')
    """
    faults = []
    if unknown := sorted(set(interactions) - set(INTERACTIONS)):
        faults.append(f"interactions hold {', '.join(unknown)}, allowed are {', '.join(INTERACTIONS)}")
    if not 0 < confidence < 1:
        faults.append(f"confidence is {confidence}, allowed is more than 0 and less than 1, such as 0.95")
    if faults:
        raise ValueError("\n".join(faults))
    cells = Cells.of(observations)
    chosen = tuple(each for each in INTERACTIONS if each in interactions)
    places = [np.log2(each.astype(float)) for each in (cells.depth, cells.span, cells.work)]
    design = _terms(_centred(cells, places[0], places[1], places[2]), chosen)
    successes, tries = cells.resampled(resamples)
    model = {"chance": chance, "lapse": lapse, "ridge": ridge}
    weights, kept = maximise(design, cells.successes[None], cells.tries[None], **model)
    start = (weights[0], float(kept[0]))
    # A gain of 1e-6 moves a weight by a thousandth of its own deviation.
    drawn = maximise(design, successes, tries, start=start, tolerance=1e-6, **model)
    residual = cells.successes / cells.tries - probability(weights @ design.T, kept[:, None], chance=chance)
    scattered = successes / tries - probability(drawn[0] @ design.T, drawn[1][:, None], chance=chance)
    return Surface(
        chance=float(chance),
        confidence=confidence,
        interactions=chosen,
        weights=np.concatenate([weights, drawn[0]]),
        lapse=np.concatenate([kept, drawn[1]]),
        cells=cells,
        residual=residual[0],
        noise=np.var(scattered, axis=0),
    )


def _centred(cells: Cells, d: np.ndarray, s: np.ndarray, w: np.ndarray) -> list[np.ndarray]:
    """Each less the middle of what was measured, so that units of span and work do not matter."""
    measured = (cells.depth, cells.span, cells.work)
    middles = (np.mean(np.log2([m.min(), m.max()])) for m in measured)
    return [values - middle for values, middle in zip((d, s, w), middles, strict=True)]


def _around(measured: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Which cells lie from `low` to `high` in log2, or next to them on either side."""
    places = np.log2(measured.astype(float))
    first = places[places <= low + ROUNDING].max()
    last = places[places >= high - ROUNDING].min()
    return (places >= first) & (places <= last)


def _terms(places: list[np.ndarray], interactions: Collection[str]) -> np.ndarray:
    """The columns of the design, one row a place."""
    d, s, w = places
    products = {"span depth": s * d, "work depth": w * d, "span work": s * w}
    return np.stack([np.ones_like(s), s, w, d, *(products[each] for each in interactions)], axis=-1)


def _first(
    low: np.ndarray, high: np.ndarray, target: np.ndarray, least: np.ndarray, most: np.ndarray
) -> Shaped[np.ndarray, "..."]:
    """Where, from `least` up, a line from `low` to `high` first reaches the target: minus infinity if at
    `least` already, infinity if not at `most`."""
    rise = np.where(high > low, high - low, 1)
    with np.errstate(invalid="ignore"):
        inside = least + (target - low) / rise * (most - least)
    found = np.where(low >= target, -np.inf, np.where(high < target, np.inf, inside))
    return np.where(np.isnan(low), np.nan, found)
