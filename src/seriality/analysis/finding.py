"""What the records of a study say of a claim: the verdict with its reasons, and the curves behind it.

A finding is all that a page, a terminal or a notebook needs to show it. It is computed from records alone, by
the reader of its study (`readers`), with the thresholds that `seriality.claims` states.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from .table import RecordLike, Verdict

SUPPORTED, CONTRADICTED, UNDECIDED = "supported", "contradicted", "undecided"


@dataclass(frozen=True)
class Point:
    """A measured value at a place, with the ends of its interval where there is one."""

    x: float
    y: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Series:
    """A curve: its points in the order of x. `expected` is what a theory says, not what was measured."""

    name: str
    points: tuple[Point, ...]
    expected: bool = False


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


def parsed(
    records: Iterable[RecordLike], parse: Callable[[dict[str, Any], dict[str, Any]], Any]
) -> tuple[list[Any], int]:
    """What `parse(settings, outcome)` makes of each record, and how many records it could not read."""
    rows, unread = [], 0
    for record in records:
        try:
            rows.append(parse(record.settings, record.outcome))
        except (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError):
            unread += 1
    return rows, unread


def decide(
    supporting: Sequence[tuple[bool | None, str]],
    *,
    missing: int = 0,
    controls: Sequence[tuple[bool, str]] = (),
) -> Verdict:
    """The verdict on a claim that says several things, each (whether it was seen, in words).

    Contradicted if one of them is False. Supported if all are True, all controls hold and no record is
    missing. Undecided otherwise, and if a control fails whatever else was seen: the instrument is then at
    fault.
    """
    faults = [said for holds, said in controls if not holds]
    if faults:
        return Verdict(UNDECIDED, tuple(f"a control fails: {said}" for said in faults))
    against = [said for seen, said in supporting if seen is False]
    if against:
        return Verdict(CONTRADICTED, tuple(against))
    open_ = [said for seen, said in supporting if seen is None]
    if missing:
        open_.append(f"{missing:,} trial{'' if missing == 1 else 's'} of the study are missing")
    if open_ or not supporting:
        return Verdict(UNDECIDED, tuple(open_) or ("no records",))
    return Verdict(SUPPORTED, tuple(said for _, said in supporting))
