"""What the records of a study say of a claim: the verdict with its reasons, and the curves behind it.

A finding is all that a page, a terminal or a notebook needs to show it. It is computed from records alone, by
the reader of its study (`readers`), with the thresholds that `seriality.claims` states.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from .intervals import Interval
from .table import Part, RecordLike, Verdict

SUPPORTED, CONTRADICTED, UNDECIDED = "supported", "contradicted", "undecided"
FAULT = "a control fails: "
"""What a reason that is a control begins with."""


@dataclass(frozen=True)
class Point:
    """A measured value at a place, with the ends of its interval where there is one, and the ids of the
    records it was taken from, where they are fewer than its curve's."""

    x: float
    y: float
    low: float | None = None
    high: float | None = None
    records: tuple[str, ...] = ()


@dataclass(frozen=True)
class Series:
    """A curve: its points in the order of x, and the ids of the records behind it. `expected` is what a
    theory says, not what was measured."""

    name: str
    points: tuple[Point, ...]
    expected: bool = False
    records: tuple[str, ...] = ()


@dataclass(frozen=True)
class Panel:
    """Curves over one pair of axes; `x` and `y` are their titles with units."""

    title: str
    x: str
    y: str
    series: tuple[Series, ...]
    log_x: bool = False
    log_y: bool = False
    share: bool = False
    """Whether y is a share from 0 to 1."""
    line: float | None = None
    """A height at which a line is drawn, such as the share from which on something is right."""


@dataclass(frozen=True)
class Finding:
    """The verdict on a claim, the panels that show it, and what a reader of them alone should know."""

    claim: str
    verdict: Verdict
    panels: tuple[Panel, ...]
    notes: tuple[str, ...] = ()
    unread: int = 0
    """Records that are not of the study's form."""


def parsed(records: Iterable[RecordLike], parse: Callable[[RecordLike], Any]) -> tuple[list[Any], int]:
    """What `parse` makes of each record, and how many records it could not read."""
    rows, unread = [], 0
    for record in records:
        try:
            rows.append(parse(record))
        except (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError):
            unread += 1
    return rows, unread


def number(value: Any, low: float, high: float) -> float:
    """A number in a range; ValueError if it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise ValueError(f"a number from {low:g} to {high:g}")
    return float(value)


def points(gain: Interval) -> str:
    """A difference of two shares, in points of a hundred.

    >>> points(Interval(0.38, 0.288, 0.4726))
    '+38.0 points (+28.8 to +47.3)'
    """
    mean, low, high = (100 * each for each in (gain.estimate, gain.low, gain.high))
    return f"{mean:+.1f} points ({low:+.1f} to {high:+.1f})"


def behind(outcomes: Iterable[dict[str, Any]]) -> tuple[str, ...]:
    """The ids of the records of outcomes, those that were parsed with theirs as "record"."""
    return tuple(outcome["record"] for outcome in outcomes if "record" in outcome)


def columns(outcome: dict[str, Any], **ranges: tuple[float, float]) -> dict[str, list[float]]:
    """The named lists of an outcome, all numbers in their ranges and equally many, one at least; else a
    ValueError.

    >>> columns({"steps": [1, 2], "error": [0.5, 0.25]}, steps=(1, 9), error=(0, 1))["error"]
    [0.5, 0.25]
    """
    found = {}
    for name, ends in ranges.items():
        if not isinstance(outcome[name], list):
            raise ValueError(f"{name} is a list")
        found[name] = [number(value, *ends) for value in outcome[name]]
    if len({len(values) for values in found.values()}) != 1 or not all(found.values()):
        raise ValueError(f"{', '.join(found)} are equally long")
    return found


def alike(outcomes: Sequence[dict[str, Any]], *names: str) -> list[dict[str, Any]]:
    """The outcomes that were made on the same grids as the last one: others are of another version of the
    study."""
    last = outcomes[-1]
    return [each for each in outcomes if all(each.get(name) == last.get(name) for name in names)]


def singles(outcome: dict[str, Any], **ranges: tuple[float, float]) -> dict[str, float]:
    """The named numbers of an outcome, each in its range; else a ValueError."""
    return {name: number(outcome[name], *ends) for name, ends in ranges.items()}


COUNT = (0.0, 2.0**31)
POSITIVE = (1.0, 2.0**31)
SHARE = (0.0, 1.0)
"""Ranges of numbers: of things, of things of which there are some, and shares."""


def decide(
    supporting: Sequence[tuple[bool | None, str]],
    *,
    missing: int = 0,
    controls: Sequence[tuple[bool, str]] = (),
) -> Verdict:
    """The verdict on a claim that says several things, each (whether it was seen, in words).

    Contradicted if one of them is False. Supported if all are True, all controls hold and no record is
    missing. Undecided otherwise, and if a control fails whatever else was seen: the instrument is then at
    fault. Words are such that they can be read whether the thing was seen or not.
    """
    parts = (
        *(Part(seen, said) for seen, said in supporting),
        *(Part(bool(holds), said, control=True) for holds, said in controls),
    )
    faults = [said for holds, said in controls if not holds]
    if faults:
        return Verdict(UNDECIDED, tuple(f"{FAULT}{said}" for said in faults), parts)
    against = [said for seen, said in supporting if seen is False]
    if against:
        return Verdict(CONTRADICTED, tuple(against), parts)
    open_ = [said for seen, said in supporting if seen is None]
    if missing:
        open_.append(
            f"{missing:,} trial{' of the study is' if missing == 1 else 's of the study are'} missing"
        )
    if open_ or not supporting:
        return Verdict(UNDECIDED, tuple(open_) or ("no records",), parts)
    return Verdict(SUPPORTED, tuple(said for _, said in supporting), parts)
