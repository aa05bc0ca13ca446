"""Claim C23 from grids of depth against width: does work alone predict accuracy? What is the rate?"""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from ... import claims
from ..crossing import crossing
from ..exchange import NOT_IDENTIFIED, ExchangeRate
from ..finding import UNDECIDED, Finding, Panel, Point, Series, decide, points
from ..laws import BOTH_LAW, SPAN, WORK_LAW, LawComparison, compare
from ..observations import one_line, one_version
from ..surface import Surface, fit
from ..table import CONTROL, SERIAL, RecordLike, Verdict
from .trained import Cells, Trained, by_span, cells, observations, shares

ACCURACIES = (0.25, 0.5, 0.75)
"""Of the contours that are shown."""
RATES_AT = 0.5
"""The accuracy at which crossings are sought."""
EDGE = 0.03
"""Nearer to none or all right than this no rate is asked for."""

Grid = Mapping[str, Sequence[Trained]]
"""The trainings of a family's task or control, by row."""


def read(records: Sequence[RecordLike], missing: int) -> tuple[Finding, ...]:
    """The finding on C23."""
    found, unread = cells(records)
    if mixed := _mixed(records):
        return (Finding("C23", Verdict(UNDECIDED, (mixed,)), (), (), unread),)
    families = list(dict.fromkeys(family for family, _, _ in found))
    supporting, controls, panels, notes = [], [], [], []
    for family in families:
        task, control = grids(found, family)
        seen, twin = laws(family, task, control)
        supporting.append(seen)
        controls += [twin] if twin else []
        panels += accuracy_panels(family, task, control)
        if is_whole(task):
            surface = fit(observations(each for row in task.values() for each in row))
            panels += contour_panels(family, surface, task)
            notes += rates(family, task, surface)
            notes.append(_far(family, task))
    notes += _trained(found)
    if unread:
        notes.append(f"Not of this form: {unread:,} records.")
    verdict = decide(supporting, missing=missing, controls=controls)
    return (Finding("C23", verdict, tuple(panels), tuple(notes), unread),)


def _mixed(records: Sequence[RecordLike]) -> str | None:
    """Why these records are not fitted together; None if they are."""
    try:
        one_version(records)
    except ValueError as error:
        return str(error)
    return None


def grids(found: Cells, family: str) -> tuple[Grid, Grid]:
    """The trainings of a family's task and of its control."""
    task, control = (
        {row: trained for (f, r, row), trained in found.items() if (f, r) == (family, role)}
        for role in (SERIAL, CONTROL)
    )
    return task, control


def is_whole(grid: Grid) -> bool:
    """Whether work and span can be told apart in a grid, and every configuration has enough seeds."""
    rows = [trained for trained in grid.values() if len(trained) >= claims.SEEDS]
    if not rows or len(rows) < len(grid):
        return False
    span, work = (np.array([getattr(trained[0], name) for trained in rows]) for name in ("span", "work"))
    return one_line(span, work) is None


def laws(family: str, task: Grid, control: Grid) -> tuple[tuple[bool | None, str], tuple[bool, str] | None]:
    """Whether work and span predict better than work alone on the task, and the same of the control."""
    if set(task) != set(control) or not is_whole(task) or not is_whole(control):
        few = f"{family}: not all configurations were run with {claims.SEEDS} seeds on task and control"
        return (None, few), None
    of_task, of_control = (
        compare(observations(each for row in grid.values() for each in row)) for grid in (task, control)
    )
    gap, share = of_task.differences[WORK_LAW].error, _share(of_task)
    alone = of_task.laws[WORK_LAW].error.estimate
    seen = True if gap.low > 0 and share <= 1 - claims.LESS_ERROR else None
    if gap.high < 0 or alone < claims.NO_MATTER:
        seen = False
    depth = max(each.depth for row in control.values() for each in row)
    best = max(float(shares(trained, depth).mean()) for trained in control.values())
    nearer = of_control.differences[WORK_LAW].error.estimate
    holds = nearer < claims.NO_MATTER and best >= claims.ACCURACY
    return (seen, f"{family}: {_told(of_task)}"), (
        holds,
        f"{family}, control: span and work are nearer by {100 * nearer:.1f} points, and the best "
        f"configuration is {best:.1%} right at depth {depth}",
    )


def _share(found: LawComparison) -> float:
    """The error of the law of both over that of work alone."""
    both, alone = (found.laws[law].error.estimate for law in (BOTH_LAW, WORK_LAW))
    return both / alone if alone else 1.0


def _told(found: LawComparison) -> str:
    """The errors of the laws, in words."""
    each = ", ".join(f"{law} {100 * loss.error.estimate:.1f}" for law, loss in found.laws.items())
    return (
        f"each {found.held_out} is foretold from the others, and accuracy missed by so many points: {each} "
        f"(of depth alone: the mean at each length); work alone misses by "
        f"{points(found.differences[WORK_LAW].error)} more than span and work"
    )


def _far(family: str, task: Grid) -> str:
    """The laws when a whole span is left out."""
    every = observations(each for row in task.values() for each in row)
    return f"{family}: {_told(compare(every, held_out=SPAN))}. The outer spans are extrapolated to."


def rates(family: str, task: Grid, surface: Surface) -> list[str]:
    """The exchange rates at the two largest depths, in words: from the surface, for halving the span of a
    point in the middle of the works measured, at the accuracy it has; and from crossings, where there are.
    """
    every = observations(each for row in task.values() for each in row)
    spans = np.unique(every.span)
    said = []
    for depth in np.unique(every.depth)[-2:].tolist():
        for span in spans[spans >= 2 * spans[0]].tolist():
            middle = float(np.exp2(np.log2(np.unique(every.work[every.span == span])).mean()))
            accuracy = float(surface.accuracy(depth, span, middle).estimate)
            if min(accuracy, 1 - accuracy) < EDGE:
                said.append(f"{family}, depth {depth}, span {span}: {accuracy:.1%} right, no rate is asked.")
                continue
            found = surface.exchange_rate(accuracy, depth, span)
            said.append(f"{family}, exchange rate by the surface: {_rate(found)}.")
        crossed = [each for each in crossing(every, RATES_AT, depth).rates if each.status != NOT_IDENTIFIED]
        said += [f"{family}, exchange rate by crossings: {_rate(each)}." for each in crossed]
    return said


def _rate(found: ExchangeRate) -> str:
    return f"{found.status} ({found.reason})"


def accuracy_panels(family: str, task: Grid, control: Grid) -> list[Panel]:
    """Accuracy against work, a curve for each span, at the two largest depths."""
    panels = []
    for title, grid in (("task", task), ("control", control)):
        if not grid:
            continue
        depths = sorted(set.intersection(*(set(each.right) for row in grid.values() for each in row)))
        for depth in depths[-2:]:
            panels.append(
                Panel(
                    f"{family}, {title}, depth {depth}", "work of an answer", "right answers",
                    tuple(by_span(grid, depth)), log_x=True, share=True, line=claims.ACCURACY,
                )
            )  # fmt: skip
    return panels


def contour_panels(family: str, surface: Surface, task: Grid) -> list[Panel]:
    """The work at which accuracies are reached, against span, at the two largest depths."""
    spans = np.geomspace(surface.cells.span.min(), surface.cells.span.max(), 13)
    panels, records = [], tuple(each.record for row in task.values() for each in row)
    for depth in np.unique(surface.cells.depth)[-2:].tolist():
        curves = []
        for accuracy in ACCURACIES:
            band = surface.contour(accuracy, depth, spans)
            points = [
                Point(float(x), float(y), float(low), float(high) if math.isfinite(high) else None)
                for x, y, low, high in zip(spans, band.estimate, band.low, band.high, strict=True)
                if math.isfinite(y)
            ]
            if len(points) > 1:
                curves.append(Series(f"{accuracy:.0%} right", tuple(points), records=records))
        panels.append(
            Panel(
                f"{family}, depth {depth}: equal accuracy, fitted", "span of an answer", "work of an answer",
                tuple(curves), log_x=True, log_y=True,
            )
        )  # fmt: skip
    return panels


def _trained(found: Cells) -> list[str]:
    """What training cost, and what is to be said of seeds."""
    works = [each.training_work for trained in found.values() for each in trained if each.training_work]
    notes = ["A point is one of what was learnt in the steps given, not of what can be expressed."]
    if works:
        notes.append(
            f"Training took {min(works):.1e} to {max(works):.1e} operations, metered from a step's loss and "
            "gradient; what was passed early stopped early."
        )
    diverged = sum(each.diverged for trained in found.values() for each in trained)
    return [*notes, f"Diverged, and counted as never right: {diverged}."] if diverged else notes
