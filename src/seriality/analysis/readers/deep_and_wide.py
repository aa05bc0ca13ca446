"""Claim C07 from the study `deep_and_wide`: does width make up for depth on deep circuits, on wide ones?"""

from collections.abc import Sequence

import numpy as np

from ... import claims
from ..finding import COUNT, POSITIVE, Finding, Panel, Point, Series, columns, decide, parsed, points, singles
from ..intervals import Interval, student, welch
from ..table import RecordLike
from .exchange_rate import Grid, accuracy_panels, grids
from .trained import Trained, cells, shares

FAMILY, SCHEDULE = "circuit", "schedule"
DEPTHS = (2, 4)
"""Layers of the circuits that are judged: all but one."""
SHALLOW, DEEP = 2, 8
"""Layers of the models that are compared."""
RATES = 2
"""The learning rates of which the better is taken."""
LINE = 1.1
"""Works that are on one line differ by less than this factor."""


def read(records: Sequence[RecordLike], missing: int) -> tuple[Finding, ...]:
    """The finding on C07."""
    schedules, _ = parsed(records, _schedule)
    trained = [record for record in records if "experiment" not in record.settings]
    found, unread = cells(trained, *DEPTHS)
    deep, wide = grids(found, FAMILY)
    supporting, controls = _judged(deep, wide)
    verdict = decide(supporting, missing=missing, controls=controls)
    panels = (*accuracy_panels(FAMILY, deep, wide), *_panels(schedules))
    notes = ["What is not learnt in the steps given is not thereby beyond a width."]
    if unread:
        notes.append(f"Not of this form: {unread:,} records.")
    return (Finding("C07", verdict, panels, tuple(notes), unread),)


def _judged(deep: Grid, wide: Grid) -> tuple[list[tuple[bool | None, str]], list[tuple[bool, str]]]:
    shallow = [sorted((t for t in _of(grid, SHALLOW)), key=lambda t: t[0].work) for grid in (deep, wide)]
    pairs = _lines(deep)
    rows = [*shallow[0], *shallow[1], *(row for pair in pairs for row in pair)]
    if (
        set(deep) != set(wide)
        or min(map(len, shallow)) < 2
        or not pairs
        or min(map(len, rows)) < claims.SEEDS
    ):
        return [(None, f"not all configurations were run with {claims.SEEDS} seeds on both circuits")], []
    if min(each.rates for row in rows for each in row) < RATES:
        return [(None, f"not all configurations were run at {RATES} learning rates")], []
    (least, most), (wide_least, wide_most) = ((each[0], each[-1]) for each in shallow)
    by_width, on_wide = _gain(least, most), _gain(wide_least, wide_most)
    by_depth = _gain(*max(pairs, key=lambda pair: pair[0][0].work))
    ends = [student(shares(row, *DEPTHS), confidence=claims.CONFIDENCE) for row in (wide_least, wide_most)]
    gain, times = claims.GAIN, most[0].work / least[0].work  # an answer costs the same on both
    resists = True if by_width.high < gain else False if by_width.low > gain else None
    gives_way: bool | None = None
    if on_wide.low > gain or ends[0].low >= claims.ACCURACY:
        gives_way = True
    elif on_wide.high < gain and ends[1].high < claims.ACCURACY:
        gives_way = False
    missing = True if by_depth.low > gain else False if by_depth.high < gain else None
    supporting = [
        (resists, f"deep circuits gain {points(by_width)} from {times:.1f} times the work in width"),
        (
            gives_way,
            f"wide circuits gain {points(on_wide)} from {times:.1f} times the work in width, to "
            f"{ends[1].estimate:.1%} right ({ends[1].low:.1%} to {ends[1].high:.1%})",
        ),
        (missing, f"deep circuits gain {points(by_depth)} from {DEEP} layers for {SHALLOW} at equal work"),
    ]
    best = max(float(shares(row, *DEPTHS).mean()) for row in wide.values())
    right = (best >= claims.ACCURACY, f"the best model is {best:.1%} right on wide circuits")
    return supporting, [right]


def _of(grid: Grid, layers: int) -> list[Sequence[Trained]]:
    """The configurations of so many layers."""
    return [trained for row, trained in grid.items() if row.startswith(f"{layers} x ")]


def _lines(grid: Grid) -> list[tuple[Sequence[Trained], Sequence[Trained]]]:
    """The shallow and the deep configuration of each line of work that has both."""
    return [
        (one, other)
        for one in _of(grid, SHALLOW)
        for other in _of(grid, DEEP)
        if max(one[0].work, other[0].work) < LINE * min(one[0].work, other[0].work)
    ]


def _gain(one: Sequence[Trained], other: Sequence[Trained]) -> Interval:
    return welch(shares(one, *DEPTHS), shares(other, *DEPTHS), confidence=claims.CONFIDENCE)


def _schedule(record: RecordLike) -> tuple[int, dict[str, list[float]], str]:
    settings, outcome = record.settings, record.outcome
    if settings["family"] != SCHEDULE:
        raise ValueError("a schedule")
    singles(outcome, layers=POSITIVE, gates=POSITIVE)
    return int(outcome["layers"]), columns(outcome, processors=POSITIVE, steps=COUNT), record.id


def _panels(schedules: Sequence[tuple[int, dict[str, list[float]], str]]) -> list[Panel]:
    """Steps against processors for circuits of as many gates."""
    curves: dict[int, dict[float, list[float]]] = {}
    records: dict[int, list[str]] = {}
    for layers, found, id in schedules:
        records.setdefault(layers, []).append(id)
        for processors, steps in zip(found["processors"], found["steps"], strict=True):
            curves.setdefault(layers, {}).setdefault(processors, []).append(steps)
    if not curves:
        return []
    series = tuple(
        Series(
            f"{layers} layers",
            tuple(
                Point(x, float(np.mean(steps)), min(steps), max(steps)) for x, steps in sorted(points.items())
            ),
            records=tuple(records[layers]),
        )
        for layers, points in sorted(curves.items(), reverse=True)
    )
    title = "The gates themselves, 64 of them, on p processors"
    return [Panel(title, "processors", "steps of a greedy schedule", series, log_x=True, log_y=True)]
