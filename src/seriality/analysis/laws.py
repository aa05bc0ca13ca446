"""Is accuracy a law of work alone, or of span and work? Judged by the error on solvers that were held out.

Four laws, all binomial with one intercept for each depth (and floor and ceiling as in `binomial`):

    depth           intercepts alone
    work            and w, w², w d
    span            and s, s², s d
    span and work   and w, w², w d, s, s², s d

with s = log2 span, w = log2 work and d = log2 depth. Each law of one variable is as flexible in its own as
the law of two is in that, so that curvature cannot win the comparison; more terms win nothing by themselves,
because what is compared is the error on what was not fitted. One configuration, or all of one level of span
or of work, is held out and its accuracies at every depth are predicted by the rest, in turn. An outermost
level is extrapolated to.

What is reported is the mean absolute error of accuracy and the log loss: minus the log-likelihood of a try,
in nats, of which the entropy of the answers is no law's fault. A difference is paired by unit, and its
interval comes from resampling units. The seeds and tries of a unit are held out with it, so resampling units
holds their noise too; drawing seeds besides would count it twice.

What it does not say: that span causes accuracy (configurations differ in more than both), that the law holds
beyond the grid, or that the form is right. It says which variables predict better here. Predictions of
different units share most of what they were fitted to, which the interval leaves out; there is no unbiased
estimate of that (Bengio, Y. & Grandvalet, Y. (2004). No unbiased estimator of the variance of k-fold
cross-validation. JMLR 5, 1089-1105).
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy.special import xlogy

from .binomial import maximise, probability
from .exchange import NOT_IDENTIFIED
from .intervals import Interval, bootstrap
from .observations import Cells, Observations, levels, one_line

CONFIGURATION, SPAN, WORK_LINE = "configuration", "span", "work line"
DEPTH_LAW, WORK_LAW, SPAN_LAW, BOTH_LAW = LAWS = ("depth", "work", "span", "span and work")
UNITS = 6
"""With fewer held-out units, even a difference of one sign in all of them is no evidence at 95 % (1 in
32)."""
UNDECIDED = "undecided"


@dataclass(frozen=True)
class Loss:
    """Mean absolute error of accuracy, and nats for each try; over the held-out units, with intervals."""

    error: Interval
    log_loss: Interval


@dataclass(frozen=True)
class LawComparison:
    """The errors of the four laws on the same held-out units."""

    held_out: str
    units: int
    laws: dict[str, Loss]
    """By name: "depth", "work", "span", "span and work"."""
    differences: dict[str, Loss]
    """What each law of one variable or none loses more than that of span and work; above 0 two predict
    better."""
    favours: str
    """"span and work" or "work", whose error is less with the whole interval; "undecided"; or "not
    identified"."""
    reason: str
    """Why, in a sentence with the numbers."""


def compare(
    observations: Observations,
    *,
    held_out: str = CONFIGURATION,
    chance: float = 0.0,
    lapse: float | None = None,
    ridge: float = 0.01,
    confidence: float = 0.95,
) -> LawComparison:
    """The laws compared on what is held out: a "configuration", a level of "span", or a "work line" of equal
    work.

    Levels are a tenth of a doubling wide. A ValueError says what is not allowed, and which depths were
    measured in one unit alone, where no other can predict it.

    >>> span, work = (a.ravel() for a in np.meshgrid([1, 2, 4, 8], [64, 256, 1024]))
    >>> right = np.round(1000 / (1 + np.exp(8 - np.log2(work)))).astype(int)
    >>> ones = 0 * span + 1
    >>> found = compare(Observations(np.arange(12), ones, ones, span, work, right, 1000 * ones))
    >>> found.laws["work"].error.estimate < 0.01 < found.laws["span"].error.estimate
    True
    """
    if held_out not in (CONFIGURATION, SPAN, WORK_LINE):
        raise ValueError(f'held_out is {held_out!r}, allowed are "{CONFIGURATION}", "{SPAN}", "{WORK_LINE}"')
    cells = Cells.of(observations)
    unit = _unit(cells, held_out)
    inside = unit == np.arange(unit.max() + 1)[:, None]
    if faults := _faults(cells, unit, held_out):
        raise ValueError("\n".join(faults))
    successes, tries = cells.successes, cells.tries
    share = successes / tries
    loss = {}
    for law in LAWS:
        design = _design(cells, law)
        weights, lost = maximise(
            design,
            np.where(inside, 0, successes),
            np.where(inside, 0, tries),
            chance=chance,
            lapse=lapse,
            ridge=ridge,
        )
        eta = np.einsum("ct,ct->c", design, weights[unit])
        p = probability(eta, lost[unit], chance=chance)
        # Half a try away from what would be certain: one surprise is not to weigh without bound.
        p_safe = np.clip(p, 0.5 / tries, 1 - 0.5 / tries)
        nats = -(xlogy(successes, p_safe) + xlogy(tries - successes, 1 - p_safe)) / tries
        loss[law] = np.stack([_means(np.abs(p - share), unit), _means(nats, unit)])
    laws = {law: _loss(values, confidence) for law, values in loss.items()}
    differences = {law: _loss(loss[law] - loss[BOTH_LAW], confidence) for law in LAWS if law != BOTH_LAW}
    favours, reason = _favoured(cells, differences[WORK_LAW], len(inside), held_out)
    return LawComparison(held_out, len(inside), laws, differences, favours, reason)


def _unit(cells: Cells, held_out: str) -> Int[np.ndarray, " cells"]:
    """The number of the unit that each cell belongs to."""
    if held_out == CONFIGURATION:
        return np.unique(cells.configuration, return_inverse=True)[1]
    return levels(cells.span if held_out == SPAN else cells.work)


def _faults(cells: Cells, unit: np.ndarray, held_out: str) -> list[str]:
    if not unit.any():
        return [f"there is 1 {held_out} to hold out, allowed is 2 or more"]
    alone = [d for d in np.unique(cells.depth) if np.unique(unit[cells.depth == d]).size < 2]
    if alone:
        told = ", ".join(f"{d:g}" for d in alone)
        return [f"depths {told} were measured in one {held_out} alone, allowed is 2 or more; leave them out"]
    return []


def _design(cells: Cells, law: str) -> Float[np.ndarray, "cells terms"]:
    """The columns of a law."""
    d, s, w = (np.log2(each.astype(float)) for each in (cells.depth, cells.span, cells.work))
    d, s, w = (each - (each.min() + each.max()) / 2 for each in (d, s, w))
    columns = [(cells.depth == each).astype(float) for each in np.unique(cells.depth)]
    for values, laws in ((w, (WORK_LAW, BOTH_LAW)), (s, (SPAN_LAW, BOTH_LAW))):
        if law in laws:
            columns += [values, values**2, values * d]
    return np.stack(columns, axis=1)


def _means(values: np.ndarray, unit: np.ndarray) -> Float[np.ndarray, " units"]:
    """The mean over the cells of each unit."""
    return np.bincount(unit, values) / np.bincount(unit)


def _loss(values: Float[np.ndarray, "2 units"], confidence: float) -> Loss:
    """The means over units, with intervals."""

    def mean(each: np.ndarray) -> np.ndarray:
        return np.asarray(np.mean(each, axis=-1))

    error, nats = (bootstrap(each, statistic=mean, confidence=confidence) for each in values)
    return Loss(error, nats)


def _favoured(cells: Cells, difference: Loss, units: int, held_out: str) -> tuple[str, str]:
    """Which law predicts better, and why that is said."""
    if fault := one_line(cells.span, cells.work):
        return NOT_IDENTIFIED, fault
    gap = difference.error
    said = (
        f"work alone errs by {gap.estimate:+.4f} of accuracy more than span and work ({gap.low:+.4f} to"
        f" {gap.high:+.4f}), over {units} held out by {held_out}"
    )
    if units < UNITS:
        return UNDECIDED, f"{said}, {UNITS} are needed"
    if gap.low > 0:
        return BOTH_LAW, said
    return (WORK_LAW, said) if gap.high < 0 else (UNDECIDED, said)
