"""Claims C12 and C13 from the study `thinning`: kept steps of a chain, and votes at as many tokens."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from ... import claims
from ..finding import POSITIVE, Finding, Panel, Series, decide, number, parsed, points
from ..intervals import GENERATOR_SEED, RESAMPLES, Interval, student, welch
from ..observations import one_version
from ..table import CONTROL, SERIAL, RecordLike, Verdict
from .trained import Trained, of_record, point, shares

TOKENS = 16
"""The budget: those of the full chain."""
LENGTH = 16
"""The letters of the words that are judged."""
GREEDY = 0
"""Stands for the likeliest tokens of one chain in place of a number of votes."""


@dataclass(frozen=True)
class Asked:
    """One training of a chain that keeps so many steps, and its answers by number of votes."""

    kept: int
    by_votes: Mapping[int, Trained]

    @property
    def matched(self) -> int:
        """The votes that spend the budget."""
        return TOKENS // (self.kept + 1)


Rows = dict[int, list[Asked]]
"""By steps kept."""


def read(records: Sequence[RecordLike], missing: int) -> tuple[Finding, ...]:
    """The findings on C12 and C13."""
    try:
        one_version(records)
    except ValueError as error:
        verdict = Verdict("undecided", (str(error),))
        return tuple(Finding(claim, verdict, ()) for claim in ("C12", "C13"))
    asked, unread = parsed(records, _asked)
    task, control = (_rows(asked, role) for role in (SERIAL, CONTROL))
    notes = ("One training for each number of kept steps and seed; votes ask the same weights.",)
    if unread:
        notes += (f"Not of this form: {unread:,} records.",)
    steps, helped = _steps(task, control)
    return (
        Finding("C12", decide(*steps[:1], missing=missing, controls=steps[1]), _kept_panels(task, control),
                notes + helped, unread),
        _votes(task, control, missing, notes, unread),
    )  # fmt: skip


def _asked(record: RecordLike) -> tuple[str, Asked]:
    settings, outcome = record.settings, record.outcome
    greedy = of_record(record)
    kept = int(number(settings["solver"]["solver"]["kept"], 0, TOKENS - 1))
    by_votes = {GREEDY: greedy}
    for name, found in (outcome.get("answering") or {}).items():
        votes = int(number(int(name.removeprefix("votes = ")), *POSITIVE))
        other = of_record(record, {**outcome, **found})
        by_votes[votes] = replace(other, row=f"kept {kept}, votes {votes}")
    if LENGTH not in greedy.right or TOKENS // (kept + 1) not in by_votes:
        raise ValueError(f"words of {LENGTH} letters, with as many votes as the budget pays for")
    return greedy.role, Asked(kept, by_votes)


def _rows(asked: Sequence[tuple[str, Asked]], role: str) -> Rows:
    rows: Rows = {}
    for found, each in sorted(asked, key=lambda a: (a[1].kept, a[1].by_votes[GREEDY].seed)):
        if found == role:
            rows.setdefault(each.kept, []).append(each)
    return rows


def _is_whole(rows: Rows) -> bool:
    return set(rows) == {0, 1, 3, 7, 15} and min(map(len, rows.values())) >= claims.SEEDS


def _of(row: Sequence[Asked], votes: int) -> list[Trained]:
    return [each.by_votes[votes] for each in row if votes in each.by_votes]


def _mean(trained: Sequence[Trained]) -> Interval:
    return student(shares(trained, LENGTH), confidence=claims.CONFIDENCE)


def _gain(one: Sequence[Trained], other: Sequence[Trained]) -> Interval:
    return welch(shares(one, LENGTH), shares(other, LENGTH), confidence=claims.CONFIDENCE)


def _told(share: Interval) -> str:
    return f"{share.estimate:.1%} ({share.low:.1%} to {share.high:.1%})"


Judged = tuple[list[tuple[bool | None, str]], list[tuple[bool, str]]]
"""What supports a claim and what controls it, for `decide`."""


def _steps(task: Rows, control: Rows) -> tuple[Judged, tuple[str, ...]]:
    """C12: what kept steps do."""
    if not _is_whole(task) or not _is_whole(control):
        return ([(None, f"not all rows were run with {claims.SEEDS} seeds on both")], []), ()
    chains = {kept: _of(row, GREEDY) for kept, row in task.items()}
    full, single, gain = _mean(chains[15]), _mean(chains[0]), _gain(chains[0], chains[15])
    adds: bool | None = True if full.low >= claims.ACCURACY > single.high else None
    if gain.high < claims.GAIN:
        adds = False
    slope = _slope(chains)
    doublings = [_gain(one, other) for one, other in pairwise(chains.values())]
    falls = any(each.high < -claims.GAIN for each in doublings)
    could_fall = any(each.low < -claims.GAIN for each in doublings)
    helps: bool | None = True if slope.low > 0 and not could_fall else None
    if slope.high < 0 or falls:
        helps = False
    supporting = [
        (adds, f"a full chain is {_told(full)} right, a single pass {_told(single)}"),
        (helps, f"each doubling of k + 1 adds {points(slope)} on the average"),
    ]
    worst = min(_mean(_of(row, GREEDY)).low for row in control.values())
    controls = [(worst >= claims.ACCURACY, f"on two registers every row is at least {worst:.1%} right")]
    by_itself = ", ".join(
        f"k = {kept}: {points(each)}" for kept, each in zip([*chains][1:], doublings, strict=True)
    )
    count = sum(each.low > 0 for each in doublings)
    return (supporting, controls), (f"{count} of 4 doublings help by themselves ({by_itself}).",)


def _slope(chains: Mapping[int, Sequence[Trained]]) -> Interval:
    """The least-squares slope of accuracy against log2(k + 1), bootstrap over seeds within rows."""
    x = np.array([math.log2(kept + 1) for kept in chains])
    values = [shares(trained, LENGTH) for trained in chains.values()]
    weight = (x - x.mean()) / ((x - x.mean()) ** 2).sum()
    draw = np.random.default_rng(GENERATOR_SEED)
    means = [each[draw.integers(each.size, size=(RESAMPLES, each.size))].mean(1) for each in values]
    tail = (1 - claims.CONFIDENCE) / 2
    low, high = np.quantile(weight @ np.array(means), [tail, 1 - tail])
    return Interval(float(weight @ [each.mean() for each in values]), float(low), float(high))


def _votes(task: Rows, control: Rows, missing: int, notes: tuple[str, ...], unread: int) -> Finding:
    """C13: the long chain against votes."""
    panels = _vote_panels(task, control)
    if not _is_whole(task) or not _is_whole(control):
        few = f"not all rows were run with {claims.SEEDS} seeds on both"
        verdict = decide([(None, few)], missing=missing)
        return Finding("C13", verdict, panels, notes, unread)
    chain, twin = _of(task[15], 1), _of(control[15], 1)
    supporting: list[tuple[bool | None, str]] = []
    controls: list[tuple[bool, str]] = []
    for kept in (7, 3, 1, 0):
        votes = TOKENS // (kept + 1)
        gain = _gain(_of(task[kept], votes), chain)
        seen = True if gain.low > 0 else False if gain.high <= 0 else None
        supporting.append((seen, f"one chain beats {votes} of {kept + 1} by {points(gain)}"))
        same = _gain(_of(control[kept], votes), twin)
        controls.append(
            (same.low <= claims.GAIN, f"on two registers it beats {votes} of {kept + 1} by {points(same)}")
        )
    worst = min(_mean(_of(row, TOKENS // (kept + 1))).low for kept, row in control.items())
    controls.append((worst >= claims.ACCURACY, f"on two registers all are at least {worst:.1%} right"))
    replaced = tuple(_replaced(task[few], task[more]) for few, more in pairwise(sorted(task)))
    verdict = decide(supporting, missing=missing, controls=controls)
    return Finding("C13", verdict, panels, notes + replaced, unread)


def _replaced(short: Sequence[Asked], long: Sequence[Asked]) -> str:
    """Whether the most votes over chains of half the length make up for one of the whole: the exchange rate
    of votes for kept steps, as far as votes were asked."""
    votes = max(short[0].by_votes)
    one, voted = _of(long, 1), _of(short, votes)
    gain = _gain(voted, one)
    held = "hold" if gain.high <= 0 else "do not hold" if gain.low > 0 else "may hold"
    return (
        f"{votes} votes over chains of {short[0].kept + 1} ({_mean(voted).estimate:.1%}) {held} what one "
        f"chain of {long[0].kept + 1} gives ({_mean(one).estimate:.1%}): they lack {points(gain)}."
    )


def _kept_panels(task: Rows, control: Rows) -> tuple[Panel, ...]:
    """Accuracy against tokens, a curve for each length of words."""
    panels = []
    for title, rows in (("task", task), ("control", control)):
        if not rows:
            continue
        depths = sorted(rows[min(rows)][0].by_votes[GREEDY].right)
        series = tuple(
            Series(
                f"{depth} letters",
                tuple(point(kept + 1, _of(row, GREEDY), depth) for kept, row in rows.items()),
            )
            for depth in depths[1:]
        )
        panels.append(
            Panel(f"Kept steps, {title}", "tokens written, k + 1", "right answers", series, log_x=True,
                  share=True, line=claims.ACCURACY)
        )  # fmt: skip
    return tuple(panels)


def _vote_panels(task: Rows, control: Rows) -> tuple[Panel, ...]:
    """Accuracy against tokens in all, a curve for each length of chain: votes go to the right."""
    panels = []
    for title, rows in (("task", task), ("control", control)):
        series = []
        for kept, row in rows.items():
            votes = sorted(set(row[0].by_votes) - {GREEDY})
            found = [(count, _of(row, count)) for count in votes]
            points = tuple(point(count * (kept + 1), each, LENGTH) for count, each in found if each)
            series.append(Series(f"votes of {kept + 1} token{'s' * (kept > 0)}", points))
        if series:
            panels.append(
                Panel(f"Votes, {title}, {LENGTH} letters", "tokens written, all votes", "right answers",
                      tuple(series), log_x=True, share=True, line=claims.ACCURACY)
            )  # fmt: skip
    return tuple(panels)
