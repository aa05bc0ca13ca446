"""The studies: what was run, on what, and the tables of solvers that decide no other part of the page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..analysis import PAIR_RULE, Row, Side
from ..store import Record
from . import figures
from .index import Index
from .markup import Markup, element, items, join, table, terms, to_records
from .opening import ACCURACY, REACH
from .summary import RULE, Reading, Summary, count, plain
from .terminal import (
    agreement,
    depths,
    heading,
    no_verdict,
    pairs_heading,
    paper,
    reach,
    solves,
    span,
    yes_no,
)

if TYPE_CHECKING:
    from .page import Figures

PAIRS = (
    "Every serial task beside its control.",
    "One solver, whose work and span are the same at every depth of a task; the table gives both for the "
    f"control. Marks are means over seeds, small dots single seeds, bars the {RULE.confidence:.0%} Wilson "
    f"intervals of all seeds. From the dashed line, {RULE.accuracy:.0%}, upwards the solver is right. "
    "Training came to the depths beyond the reach late or hardly at all: how high the marks stand there is "
    "no measure of anything.",
)


def study_list(
    records: Sequence[Record],
    found: Sequence[Summary],
    read: Sequence[Reading],
    made: Figures,
    index: Index,
) -> Markup:
    """A part for every study that has records."""
    opened = next((summary for summary in found if summary.is_table_1), None)
    parts = [_solvers(summary, summary is opened, made, index) for summary in found]
    parts += [_reading(reading, index) for reading in read]
    said = f"{count(len(records), 'record')} of {count(len(parts), 'study').replace('studys', 'studies')}."
    return join((element("h2", "Studies"), element("p", said, cls="lead"), *parts))


def _frame(study: str, parts: Sequence[str], index: Index) -> Markup:
    places = index.of(study)
    links = [element("p", to_records("All its records", places))]
    return element(
        "section", element("h3", f"Study {study}"), *parts, *(links if places else []), cls="study"
    )


def _reading(reading: Reading, index: Index) -> Markup:
    said = [
        element(
            "p",
            element("a", f"Claim {finding.claim}", href=f"#claims/{finding.claim}"),
            f": {finding.verdict.status} by these records.",
        )
        for finding in reading.findings
    ]
    said = said or [element("p", "It bears on no claim.", cls="note")]
    return _frame(reading.study, [*said, terms(reading.facts)], index)


def _solvers(summary: Summary, opened: bool, made: Figures, index: Index) -> Markup:
    facts = terms((*summary.facts, *summary.caveats))
    if summary.compares_tasks:
        panels = figures.pair_panels(summary, made.link)
        parts = [
            element("p", pairs_heading(summary), cls="said"),
            element("p", "It decides no claim."),
            _pairs(summary, index),
            element("p", _reach_key(), cls="note"),
            made.place(f"{summary.study}-pairs", panels, *PAIRS),
            element(
                "details",
                element("summary", "When a pair is parted"),
                items(PAIR_RULE, "ol"),
            ),
        ]
        return _frame(summary.study, [*parts, facts], index)
    said = summary.verdict
    verdict = (
        element("p", element("a", "Claim C01", href="#claims/C01"), f": {said.status} by these records.")
        if said is not None
        else element("p", no_verdict(summary.claim))
    )
    parts = [verdict]
    parts += [_table(summary, family, members, index) for family, members in summary.table.items()]
    if summary.table:
        parts.append(element("p", _key(), cls="note"))
    if not opened:
        for name, draw, caption in (
            ("accuracy", figures.accuracy, ACCURACY),
            ("reach", figures.reach, REACH),
        ):
            panels = [each for line in figures.panels_of(summary, draw, made.link) for each in line]
            parts.append(made.place(f"{summary.study}-{name}", panels, *caption))
    return _frame(summary.study, [*parts, facts], index)


def _reach_key() -> str:
    return (
        f"Reach: the largest depth up to which test accuracy is at least {RULE.accuracy:.0%}; the median of "
        f"the seeds with its {RULE.confidence:.0%} interval."
    )


def _key() -> str:
    return (
        "Span: the longest chain of dependent operations behind one answer, metered from the program, as "
        f"a function of the input length n. {_reach_key()} Solves: a no "
        "says what was not learnt in the steps given, not what cannot be. Control: a "
        "twin task in the same format that has a shortcut; failing at both shows nothing about serial "
        f"problems. In brackets: fewer than {RULE.seeds} seeds, not evidence. Work: operations behind one "
        "answer, metered, where the prompt has the length trained on."
    )


def _table(summary: Summary, family: str, members: Sequence[Row], index: Index) -> Markup:
    names = ("Solver", "Metered span", "Parallel?", "Reach, serial task", "Reach, control", "Solves serial?")
    names += ("Paper: parallel, solves", "Agreement", "Work of an answer", "Parameters")
    rows = []
    for row in members:
        law = f" ({plain(row.law)})" if row.law else ""
        cells = (
            element("th", row.name, scope="row"),
            element("td", span(row), element("small", law)),
            element("td", "–" if row.law is None else yes_no(row.parallel)),
            element("td", _reach(row.serial, index)),
            element("td", _reach(row.control, index)),
            element("td", solves(row)),
            element("td", paper(row)),
            element("td", agreement(row), cls=row.verdict.replace(" ", "-")),
            *(element("td", "–" if each is None else f"{each:,}") for each in (row.work, row.parameters)),
        )
        rows.append(element("tr", *cells))
    return table(names, rows, caption=heading(summary, family))


def _pairs(summary: Summary, index: Index) -> Markup:
    names = ("Task", "Depths", "Seeds", "Reach, serial task", "Reach, control", "Pair")
    names += ("Metered span of an answer: task, control", "Work of an answer: task, control")
    rows = []
    for family, (row,) in summary.table.items():
        runs = [None if side is None else side.runs[0] for side in (row.serial, row.control)]
        spans, works = (
            [None if run is None else getattr(run, name) for run in runs] for name in ("span", "work")
        )
        cells = (
            element("th", plain(family), scope="row"),
            element("td", depths([row])),
            element("td", str(row.seeds)),
            element("td", _reach(row.serial, index)),
            element("td", _reach(row.control, index)),
            element("td", row.pair),
            *(
                element("td", ", ".join("–" if n is None else f"{n:,}" for n in each))
                for each in (spans, works)
            ),
        )
        rows.append(element("tr", *cells))
    return table(names, rows, caption=pairs_heading(summary))


def _reach(side: Side | None, index: Index) -> Markup:
    """The reach with its interval spelt out, even where it has no width, and its records behind it."""
    if side is None:
        return element("span", "–")
    told: list[str] = [reach(side)]
    if len(side.runs) > 1 and side.reach.low == side.reach.high:
        interval = f" ({side.reach.low:g}–{side.reach.high:g})"
        told = [f"{side.reach.estimate:g}", element("small", interval + reach(side).partition(",")[2])]
    places = index.link(run.id for run in side.runs)
    return to_records(join(told), places)
