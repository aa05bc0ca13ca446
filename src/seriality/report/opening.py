"""The opening: the question, Table 1 as measured, whose cells open their curves, and how the claims stand."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ..analysis import Row
from . import figures
from .index import Index
from .markup import Markup, element, join, table, terms, to_records
from .standings import Standing
from .summary import RULE, Summary, plain
from .terminal import CLAIM_STATES, agreement, solves, span, yes_no
from .terminal import reach as reach_text

if TYPE_CHECKING:
    from .page import Figures

ACCURACY = (
    "Accuracy against depth.",
    f"Marks are means over seeds, small dots single seeds; bars span the {RULE.confidence:.0%} Wilson "
    f"intervals of all seeds. From the dashed line, {RULE.accuracy:.0%}, upwards a solver is right. At each "
    "depth the marks stand side by side. If the paper is right, the serial task parts the rows and the "
    "control does not.",
)
REACH = (
    "Reach against metered span.",
    "Span is the longest chain of dependent operations behind one answer, on a log scale. Bars are "
    f"{RULE.confidence:.0%} bootstrap intervals over seeds, where they have a width. The dashed line is the "
    "largest depth that was evaluated. If the paper is right, reach needs span on the serial task and not on "
    "the control, and the span of denoising a fixed answer does not help.",
)


def opening(found: Sequence[Summary], claims: Mapping[str, Standing], made: Figures, index: Index) -> Markup:
    """The first thing that is seen."""
    solvers = [summary for summary in found if summary.is_table_1]
    return join(
        (
            element("h1", "Which models compute in series, and does it help?"),
            element(
                "p",
                "Compute is counted as one number. The paper “The Serial Scaling Hypothesis” argues that it "
                "takes two: ",
                element("strong", "work"),
                ", the number of operations, and ",
                element("strong", "span"),
                ", the longest chain of dependent ones, which no parallel hardware shortens. Which models "
                "compute in parallel, and which solve problems that are serial?",
                cls="lead",
            ),
            *(_table_1(solvers[0], made, index) if solvers else [_nothing()]),
            element("h2", "The claims, as they stand"),
            _counts(claims),
        )
    )


def _nothing() -> Markup:
    return element(
        "p",
        "Table 1 of the paper is not among these records: ",
        element("code", "seriality run demo"),
        " measures it in the small.",
    )


def _counts(claims: Mapping[str, Standing]) -> Markup:
    parts = []
    for status in CLAIM_STATES:
        held = [each for each in claims.values() if each.status == status]
        badge = element("span", status, cls=f"badge {status.replace(' ', '-')}")
        parts.append((join((badge, f" {len(held)}")), join(map(_linked, held)) or "none"))
    return terms(parts, cls="counts")


def _linked(standing: Standing) -> Markup:
    claim = standing.claim
    mark = "†" * claim.changed
    return join((element("a", f"{claim.id}{mark}", href=f"#claims/{claim.id}", title=claim.statement), " "))


def _table_1(summary: Summary, made: Figures, index: Index) -> list[Markup]:
    families = list(summary.table)
    rows = [summary.table[family] for family in families]
    panels = figures.panels_of(summary, figures.accuracy, made.link)
    name = made.free(f"{summary.study}-accuracy")
    places = _places(panels)
    names = ["Solver", "Metered span", "Parallel?", *(f"{plain(family)}: reach" for family in families)]
    body = [
        element(
            "tr",
            element("th", members[0].name, scope="row"),
            element("td", span(members[0])),
            element(
                "td",
                _paper(
                    "–" if members[0].law is None else yes_no(members[0].parallel),
                    members[0].expected_parallel,
                ),
            ),
            *(
                element("td", _cell(row, json.dumps([name, places[k], row.name])), cls=_colour(row))
                for k, row in enumerate(members)
            ),
        )
        for members in zip(*rows, strict=True)
    ]
    said = summary.verdict
    head = element("h2", f"Table 1 of the paper as measured, by the study {summary.study}")
    links = index.of(summary.study)
    verdict = (
        element(
            "p",
            element("span", said.status, cls=f"badge {said.status}"),
            f" {_told(summary)} ",
            element("a", "The claim and its rule", href="#claims/C01"),
            " · ",
            to_records("all its records", links),
        )
        if said
        else element("p", f"A look, not evidence: claim C01 is decided by the study {summary.claim.study}.")
    )
    key = (
        "Press a cell for its curve. Reach: the largest depth up to which at least "
        f"{RULE.accuracy:.0%} of test answers are right, the median of the seeds with its interval where it "
        "has a width; beside it the reach on the control, a twin with a shortcut. A no counts only where the "
        "control is solved. Span: metered at powers of two, as a function of the input length n, for the "
        "first family. Paper: what its Table 1 says."
    )
    lines = [panel for line in panels for panel in line]
    reach = [panel for line in figures.panels_of(summary, figures.reach, made.link) for panel in line]
    return [
        head,
        verdict,
        table(names, body, caption=f"Table 1 as measured: {', '.join(map(plain, families))}"),
        element("p", key, cls="note"),
        made.place(name, lines, *ACCURACY),
        made.place(f"{summary.study}-reach", reach, *REACH),
    ]


def _told(summary: Summary) -> str:
    """How many cells agree with the paper, and which do not."""
    rows = [row for members in summary.table.values() for row in members]
    states = [row.verdict for row in rows]
    against = [f"{row.name} on {plain(row.family)}" for row in rows if row.verdict == "contradicts"]
    told = f"{states.count('agrees')} of {len(rows)} cells are as the paper says, "
    told += f"{len(rows) - states.count('agrees') - len(against)} open, {len(against)} not"
    told += f": {', '.join(against)}. " if against else ". "
    return told + "A no is one of this training, not of what can be expressed."


def _places(panels: Sequence[Sequence[object]]) -> list[list[int]]:
    """The panels of each family, by their places among all."""
    found, start = [], 0
    for line in panels:
        found.append([start + k for k in range(len(line))])
        start += len(line)
    return found


def _paper(measured: str, said: bool) -> Markup:
    return join((measured, " ", element("small", f"paper: {'yes' if said else 'no'}")))


def _cell(row: Row, curve: str) -> Markup:
    if row.serial is None and row.control is None:
        return element("span", "not run")
    of = f" of {max(side.max_depth for side in (row.serial, row.control) if side)}"
    label = f"Curve of {row.name} on {plain(row.family)}"
    return join(
        (
            element(
                "button",
                f"{reach_text(row.serial)}{of}",
                element("small", f" control {reach_text(row.control)}"),
                type="button",
                data_curve=curve,
                aria_label=f"{label}: reach {reach_text(row.serial)}{of}, control {reach_text(row.control)}",
            ),
            element(
                "small", f"{solves(row)}; paper: {'yes' if row.expected_solves else 'no'}; {agreement(row)}"
            ),
        )
    )


def _colour(row: Row) -> str:
    return row.verdict.replace(" ", "-")
