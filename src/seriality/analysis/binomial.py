"""Binomial regression with a floor and a ceiling, for many sets of counts over one design at once.

    p = chance + (1 - chance - lapse) / (1 + exp(-eta)),   eta = design @ weights.

`chance` is what guessing gets and is known. `lapse` is what is wrong even where a solver is able; fixing it
at zero flattens the slopes where a few such errors occur (Wichmann, F. A. & Hill, N. J. (2001). The
psychometric function: I. Fitting, sampling, and goodness of fit. Perception & Psychophysics 63, 1293-1313),
so it is fitted.

What is maximised is the log-likelihood minus ridge / 2 times the squared weights, so that counts that are all
right or all wrong have a finite answer. A fitted lapse has a prior for the same reason: its log-odds, as a
share of 1 - chance, are normal with deviation 1 around those of 1 %. At a ridge of 0.01 the first tells less
than one try at even odds; the second as much as a hundred tries at the ceiling. Fisher scoring (Newton's
method with the expected curvature) with halved steps climbs to a maximum; with chance or lapse above zero it
may be one of several.
"""

import numpy as np
from jaxtyping import Float
from scipy.special import expit, logit

LAPSE_CENTRE = float(logit(0.99))
STEPS = 300
TINY = 1e-300
AT_ONCE = 2**16
"""Numbers in an intermediate array: more do not stay in a core's cache."""


def maximise(
    design: Float[np.ndarray, "cells terms"],
    successes: Float[np.ndarray, "batch cells"],
    tries: Float[np.ndarray, "batch cells"],
    *,
    chance: float = 0.0,
    lapse: float | None = None,
    ridge: float = 0.01,
    start: tuple[Float[np.ndarray, " terms"], float] | None = None,
    tolerance: float = 1e-10,
) -> tuple[Float[np.ndarray, "batch terms"], Float[np.ndarray, " batch"]]:
    """The weights and the lapse of each set of counts; cells without tries do not count.

    `start` are weights and a lapse near the answer. A fit is done when a step would gain less than
    `tolerance` in log-likelihood. A RuntimeError says that it was not after 300 steps.

    >>> right, tries = np.array([[30.0]]), np.array([[40.0]])
    >>> weights, _ = maximise(np.ones((1, 1)), right, tries, lapse=0, ridge=1e-9)
    >>> float(expit(weights[0, 0]).round(6))
    0.75
    """
    if faults := _faults(chance, lapse, ridge):
        raise ValueError("\n".join(faults))
    weights = np.zeros((len(tries), design.shape[1])) if start is None else np.tile(start[0], (len(tries), 1))
    free = lapse is None
    if free:
        first = LAPSE_CENTRE if start is None else logit(1 - start[1] / (1 - chance))
        weights = np.concatenate([weights, np.full((len(tries), 1), first)], axis=1)
    pairs = (design[:, :, None] * design[:, None, :]).reshape(len(design), -1)
    size = max(1, AT_ONCE // len(design))
    for begin in range(0, len(tries), size):
        part = slice(begin, begin + size)
        weights[part] = _climb(
            design, pairs, successes[part], tries[part], weights[part], chance, lapse, ridge, tolerance
        )
    if lapse is not None:
        return weights, np.full(len(tries), float(lapse))
    return weights[:, :-1], (1 - chance) * expit(-weights[:, -1])


def probability(
    eta: Float[np.ndarray, "*#cells"], lapse: Float[np.ndarray, "*#cells"], *, chance: float
) -> Float[np.ndarray, "*cells"]:
    """The chance of a right answer."""
    return np.asarray(chance + (1 - chance - lapse) * expit(eta))


def _faults(chance: float, lapse: float | None, ridge: float) -> list[str]:
    faults = []
    if not 0 <= chance < 1:
        faults.append(
            f"chance is {chance}, allowed is 0 or more and less than 1, such as 0.5 for two answers"
        )
    elif lapse is not None and not 0 <= lapse < 1 - chance:
        faults.append(f"lapse is {lapse}, allowed is 0 or more and less than 1 - chance, or None to fit it")
    if not 0 < ridge < np.inf:
        faults.append(f"ridge is {ridge}, allowed is a number above 0, such as 0.01")
    return faults


def _climb(design, pairs, successes, tries, weights, chance, lapse, ridge, tolerance):
    """The weights at the maximum. With a fitted lapse the last is the log-odds of what it leaves."""
    terms, free = design.shape[1], lapse is None
    centre = np.zeros(weights.shape[1])
    strength = np.full(weights.shape[1], ridge)
    if free:
        centre[-1], strength[-1] = LAPSE_CENTRE, 1.0
    left = 1 - chance

    def parts(weights):
        eta = weights[:, :terms] @ design.T
        kept = expit(weights[:, -1:]) if free else 1 - lapse / left
        small = np.exp(-np.abs(eta))
        large = 1 / (1 + small)
        small *= large
        able, unable = np.where(eta >= 0, large, small), np.where(eta >= 0, small, large)
        lost = expit(-weights[:, -1:]) if free else lapse / left
        return chance + left * kept * able, left * (lost + kept * unable), kept, lost, able, unable

    def height(weights, right, wrong, p, q):
        # What underflows is as unlikely as can be told, and 0 log 0 is 0.
        p, q = np.maximum(p, TINY), np.maximum(q, TINY)
        likelihood = np.einsum("bc,bc->b", right, np.log(p)) + np.einsum("bc,bc->b", wrong, np.log(q))
        return likelihood - 0.5 * (strength * (weights - centre) ** 2).sum(axis=1)

    weights, going = weights.copy(), np.arange(len(weights))
    now = parts(weights)
    high = height(weights, successes, tries - successes, *now[:2])
    for _ in range(STEPS):
        if not going.size:
            return weights
        here, right, n = weights[going], successes[going], tries[going]
        p, q, kept, lost, able, unable = now
        p, q = np.maximum(p, TINY), np.maximum(q, TINY)
        rise, score = left * kept * able * unable, right / p - (n - right) / q
        per_try = 1 / (p * q)
        heavy = n * rise**2 * per_try
        slope = np.empty_like(here)
        slope[:, :terms] = (score * rise) @ design
        bend = np.zeros((len(here), here.shape[1], here.shape[1]))
        bend[:, :terms, :terms] = (heavy @ pairs).reshape(-1, terms, terms)
        if free:
            lift = left * kept * lost * able
            slope[:, -1] = (score * lift).sum(axis=1)
            cross = n * rise * lift * per_try
            bend[:, -1, :terms] = bend[:, :terms, -1] = cross @ design
            bend[:, -1, -1] = (n * lift**2 * per_try).sum(axis=1)
        slope -= strength * (here - centre)
        bend += np.diag(strength)
        step = np.linalg.solve(bend, slope[:, :, None])[:, :, 0]
        gain = (slope * step).sum(axis=1)
        open_ = gain > 2 * tolerance
        going, here, step, right, n = going[open_], here[open_], step[open_], right[open_], n[open_]
        high, gain = high[open_], gain[open_]
        share = np.ones((len(going), 1))
        there, reached, risen = here, high, open_[open_]
        for _ in range(30):
            there = here + share * step
            now = parts(there)
            reached = height(there, right, n - right, *now[:2])
            # The curvature promises half of `gain`. Less than a third: the step was too long, and would go to
            # and fro.
            risen = reached - high >= share[:, 0] * gain / 3
            if risen.all():
                break
            share[~risen] /= 2
        # What no fraction of a step can raise is at its maximum, up to rounding.
        weights[going[risen]] = there[risen]
        going, high = going[risen], reached[risen]
        now = tuple(each[risen] if np.ndim(each) else each for each in now)
    raise RuntimeError(f"{going.size} of {len(weights)} fits did not settle in {STEPS} steps; raise ridge")
