"""What a fit of accuracy over serial and parallel compute is made from: counts of right answers, by solver,
trained seed and depth, and the resampling of seeds.

A configuration is one solver of a grid, such as a number of layers and a width, with the span (its longest
chain of dependent operations) and the work (its operations) of one answer, both metered. A seed is one
training of it. Parallel compute is work / span, the average parallelism.

Seeds differ by more than binomial noise, and all depths of one seed were answered by one network. So
intervals come from resampling whole seeds within each configuration, never single tries. Configurations have
few seeds, and resampling n of n makes the variance too small by (n - 1) / n. Here n - 1 of n are drawn with
replacement and weigh n / (n - 1) each, which has the right variance (Rao, J. N. K. & Wu, C. F. J. (1988).
Resampling inference with complex survey data. JASA 83, 231-241). It needs two seeds of every configuration.
Seeds of different configurations are taken for independent.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from jaxtyping import Float, Int, Num
from scipy.sparse import csr_matrix

from .intervals import GENERATOR_SEED
from .table import RecordLike

SAME_LEVEL = 0.1
"""Doublings: spans, or works, that are nearer to the smallest of a level belong to it. A metered span can
hold a few operations that depend on width."""


@dataclass(frozen=True)
class Observations:
    """Right answers (`successes`) of `tries`, one entry for each configuration, seed and depth. Several
    entries of the same three are added.

    >>> two = Observations(*np.array([[0, 0], [1, 2], [8, 8], [4, 4], [64, 64], [3, 5], [10, 10]]))
    >>> two.tries.sum()
    np.int64(20)
    >>> Observations(*np.array([[0], [1], [8], [4], [2], [11], [10]]))
    Traceback (most recent call last):
        ...
    ValueError: work is 2, allowed is the span or more, here 4
    successes is 11, allowed are 0 to tries, here 10
    """

    configuration: Int[np.ndarray, " observations"]
    seed: Int[np.ndarray, " observations"]
    depth: Num[np.ndarray, " observations"]
    """Serial steps of the instances, above 0."""
    span: Num[np.ndarray, " observations"]
    work: Num[np.ndarray, " observations"]
    successes: Int[np.ndarray, " observations"]
    tries: Int[np.ndarray, " observations"]

    def __post_init__(self) -> None:
        if faults := _faults({field.name: getattr(self, field.name) for field in fields(self)}):
            raise ValueError("\n".join(faults))


def _faults(given: dict[str, np.ndarray]) -> list[str]:
    """What is wrong with the arrays, a line each, with the first value that is."""
    shapes = {name: np.shape(values) for name, values in given.items()}
    if len(set(shapes.values())) > 1 or any(len(shape) != 1 for shape in shapes.values()):
        told = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
        return [f"the shapes are {told}, allowed is one dimension, equally long"]
    if not given["tries"].size:
        return ["there are 0 observations, allowed is 1 or more"]
    faults = []
    for name, values in given.items():
        whole = name in ("configuration", "seed", "successes", "tries")
        if values.dtype.kind not in ("iu" if whole else "iuf"):
            kind = "whole numbers" if whole else "numbers"
            faults.append(f"{name} is of type {values.dtype}, allowed are {kind} of NumPy")
    if faults:
        return faults
    span, work, tries, successes = (given[name] for name in ("span", "work", "tries", "successes"))
    depth, configuration = given["depth"], given["configuration"]

    def first(wrong: np.ndarray, name: str, allowed: str, beside: np.ndarray | None = None) -> None:
        if wrong.any():
            place = int(np.argmax(wrong))
            here = "" if beside is None else f", here {beside[place]:g}"
            faults.append(f"{name} is {given[name][place]:g}, allowed {allowed}{here}")

    first(~((depth > 0) & np.isfinite(depth)), "depth", "is a number above 0")
    first(~((span >= 1) & np.isfinite(span)), "span", "is 1 or more")
    first(~((work >= span) & np.isfinite(work)), "work", "is the span or more", span)
    first(tries < 1, "tries", "is 1 or more")
    first((successes < 0) | (successes > tries), "successes", "are 0 to tries", tries)
    names, place = np.unique(configuration, return_inverse=True)
    for name in ("span", "work"):
        low, high = np.full(names.size, np.inf), np.full(names.size, -np.inf)
        np.minimum.at(low, place, given[name])
        np.maximum.at(high, place, given[name])
        for which in np.flatnonzero(low < high)[:1]:
            faults.append(
                f"configuration {names[which]} has {name}s from {low[which]:g} to {high[which]:g},"
                " allowed is one; number the configurations by span and work"
            )
    return faults


@dataclass(frozen=True)
class Cells:
    """Counts added over seeds: one cell for each configuration and depth that was measured, ordered by
    both."""

    configuration: Int[np.ndarray, " cells"]
    depth: Num[np.ndarray, " cells"]
    span: Num[np.ndarray, " cells"]
    work: Num[np.ndarray, " cells"]
    by_seed: tuple[csr_matrix, csr_matrix]
    """Successes and tries of every trained seed (a row, ordered by configuration and seed) in every cell."""
    seeds: Int[np.ndarray, " configurations"]
    """How many there are of each configuration."""

    @classmethod
    def of(cls, observations: Observations) -> "Cells":
        """The cells of these observations; the order of those does not matter."""
        o = observations
        trained, row = np.unique(np.stack([o.configuration, o.seed], 1), axis=0, return_inverse=True)
        depths, at = np.unique(o.depth, return_inverse=True)
        name = np.unique(o.configuration, return_inverse=True)[1]
        cell, first, column = np.unique(name * depths.size + at, return_index=True, return_inverse=True)
        shape = (len(trained), cell.size)
        counts = tuple(
            csr_matrix((values.astype(float), (row.ravel(), column)), shape=shape)
            for values in (o.successes, o.tries)
        )
        seeds = np.unique(trained[:, 0], return_counts=True)[1]
        configuration, depth, span, work = (v[first] for v in (o.configuration, o.depth, o.span, o.work))
        return cls(configuration, depth, span, work, (counts[0], counts[1]), seeds)

    @property
    def successes(self) -> Float[np.ndarray, " cells"]:
        """Right answers of all seeds."""
        return np.asarray(self.by_seed[0].sum(axis=0)).ravel()

    @property
    def tries(self) -> Float[np.ndarray, " cells"]:
        """Of all seeds."""
        return np.asarray(self.by_seed[1].sum(axis=0)).ravel()

    def resampled(
        self, count: int
    ) -> tuple[Float[np.ndarray, "resamples cells"], Float[np.ndarray, "resamples cells"]]:
        """Successes and tries when seeds are drawn anew within each configuration, always the same draws.

        A ValueError names the configurations with one seed.
        """
        if count < 40:
            raise ValueError(f"resamples is {count}, allowed is 40 or more, such as 400")
        if np.any(self.seeds < 2):
            names = np.unique(self.configuration)[self.seeds < 2]
            told = ", ".join(map(str, names[:5])) + ", ..." * (names.size > 5)
            raise ValueError(
                f"configurations {told} have 1 seed, allowed is 2 or more, such as 5;"
                " between one seed and itself there is no variation to resample"
            )
        draw = np.random.default_rng(GENERATOR_SEED)
        weights = np.empty((count, int(self.seeds.sum())))
        of_row = np.repeat(self.seeds, self.seeds)
        for n in np.unique(self.seeds).tolist():
            drawn = draw.multinomial(n - 1, np.full(n, 1 / n), size=(count, int(np.sum(self.seeds == n))))
            weights[:, of_row == n] = drawn.reshape(count, -1) * (n / (n - 1))
        successes, tries = (np.asarray((each.T @ weights.T).T) for each in self.by_seed)
        return successes, tries


def levels(values: Num[np.ndarray, " values"]) -> Int[np.ndarray, " values"]:
    """The level of each value, counted from 0 at the smallest. A level ends `SAME_LEVEL` doublings above its
    first.

    >>> levels(np.array([64, 8, 16, 8.2])).tolist()
    [2, 0, 1, 0]
    """
    exact, place = np.unique(np.log2(values), return_inverse=True)
    level, start = np.zeros(exact.size, int), 0
    for i in range(1, exact.size):
        if new := exact[i] - exact[start] > SAME_LEVEL:
            start = i
        level[i] = level[i - 1] + new
    return level[place]


def one_line(
    span: Num[np.ndarray, " configurations"], work: Num[np.ndarray, " configurations"]
) -> str | None:
    """Why span and work cannot be told apart in these configurations; None if they can.

    >>> one_line(np.array([1, 2, 4]), np.array([10, 20, 40]))
    'work and span lie on one line: neither varies while the other is held'
    """
    for name, values in (("span", span), ("work", work)):
        if (count := np.unique(levels(values)).size) < 2:
            return f"{count} {name} was measured, 2 or more are needed"
    points = np.unique(np.log2(np.stack([span, work], 1).astype(float)), axis=0)
    centred = points - points.mean(axis=0)
    if np.linalg.svd(centred, compute_uv=False)[-1] / len(points) ** 0.5 < SAME_LEVEL / 2:
        return "work and span lie on one line: neither varies while the other is held"
    return None


def one_version(records: Iterable[RecordLike]) -> None:
    """Nothing if the records agree in the version of each task, each part of a solver, training and cost
    model.

    Else a ValueError that lists, for whatever differs, all versions and how many records have each. A version
    that a record does not tell is "untold"; of the cost model it is 1, as in the first records.
    """
    found: dict[str, Counter[str]] = {}
    for record in records:
        told = set(_versions(record.settings, record.outcome))
        for thing, version in told:
            found.setdefault(thing, Counter())[version] += 1
    mixed = []
    for thing, counts in found.items():
        if len(counts) > 1:
            each = [f"{version} ({n:,} record{'s' * (n != 1)})" for version, n in sorted(counts.items())]
            mixed.append(f"{thing} of versions {', '.join(each[:-1])} and {each[-1]}")
    if mixed:
        raise ValueError(
            f"records of different versions are never fitted together: {'; '.join(sorted(mixed))};"
            " fit them apart"
        )


def _versions(settings: Mapping[str, Any], outcome: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Each thing of one record that has a version."""
    yield from _parts(settings.get("task"))
    yield from _parts(settings.get("solver"))
    if isinstance(training := settings.get("training"), Mapping):
        yield "training", str(training.get("version", "untold"))
    yield "cost", str(outcome.get("cost_version", 1))


def _parts(settings: Any) -> Iterator[tuple[str, str]]:
    """Every part with a name, inner ones too."""
    if isinstance(settings, Mapping):
        if "name" in settings:
            yield str(settings["name"]), str(settings.get("version", "untold"))
        for value in settings.values():
            yield from _parts(value)
