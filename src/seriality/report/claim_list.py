"""The claims: each with its verdict, what decided it, its figure, its records and how to repeat it."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import TYPE_CHECKING

from ..analysis import Finding, Verdict
from .index import Index
from .markup import Markup, element, items, join, terms, to_records
from .standings import Standing
from .summary import Reading, count, decided, plain
from .terminal import CHANGED, CLAIM_STATES

if TYPE_CHECKING:
    from .page import Figures


CHOSEN = " checked"


def claim_list(claims: Mapping[str, Standing], made: Figures, index: Index) -> Markup:
    """All of them, one below the other, with a filter by verdict."""
    options = ("all", *CLAIM_STATES)
    inputs = [
        element(
            "label",
            Markup(f'<input type="radio" name="claim-status" value="{escape(status)}"{CHOSEN * (k == 0)}>'),
            element("span", status),
            cls="option",
        )
        for k, status in enumerate(options)
    ]
    return join(
        (
            element("h2", "Claims"),
            element(
                "p",
                "Every claim of the paper, with what would support it and what contradict it. Rules were "
                f"written before the records shown; † marks a verdict {CHANGED}. Verdicts are computed from "
                "records alone.",
                cls="lead",
            ),
            element("fieldset", element("legend", "Show"), *inputs, cls="choice", id="claim-filter"),
            element("p", "", id="claim-count", cls="note", aria_live="polite"),
            element("div", *(_claim(each, made, index) for each in claims.values()), id="claim-list"),
        )
    )


def _claim(standing: Standing, made: Figures, index: Index) -> Markup:
    claim, kind = standing.claim, standing.status.replace(" ", "-")
    head = element(
        "summary",
        element("span", claim.id, cls="id"),
        element("span", claim.statement, cls="said"),
        element("span", standing.status + " †" * claim.changed, cls=f"badge {kind}"),
    )
    facts = terms(
        (
            ("Paper", f"section {claim.section}"),
            ("It would be supported if", claim.supports),
            ("It would be contradicted if", claim.contradicts),
            ("Control", claim.control),
            ("Thresholds", "; ".join(f"{what} {value:g}" for what, value in claim.thresholds)),
            ("Seeds, at least", str(claim.seeds)),
            ("To hold against it", claim.caveat),
        )
    )
    parts = [_decided(standing.verdict)] if standing.verdict else []
    places = index.link(standing.records)
    if standing.command:
        again = element("p", "Run it again: ", element("code", standing.command))
        parts.append(again)
    else:
        parts.append(element("p", "No study tests it yet.", cls="note"))
    if places:
        records = to_records(count(len(standing.records), "record"), places)
        parts.append(element("p", "Behind the verdict: ", records))
    findings = [_finding(reading, finding, standing, made) for reading, finding in standing.findings]
    if standing.table is not None:
        findings.insert(
            0, element("p", element("a", "Its table and curves", href="#question"), " open the page.")
        )
    rule = (
        [
            element(
                "details",
                element("summary", _fixed(standing)),
                items(claim.rule, "ol"),
            )
        ]
        if claim.rule
        else []
    )
    return element(
        "details",
        head,
        element("div", *parts, facts, *rule, *findings, cls="inside"),
        id=f"claim-{claim.id}",
        cls=f"claim {kind}",
        data_status=standing.status,
    )


def _decided(verdict: Verdict) -> Markup:
    """What it rests on, a line for each thing that the rule asks for."""
    lines = [
        element(
            "li", *([element("strong", f"{mark}: ")] if mark else []), first, *([items(rest)] if rest else [])
        )
        for mark, (first, *rest) in decided(verdict)
    ]
    return element("ul", *lines, cls="reasons")


def _fixed(standing: Standing) -> str:
    """How the rule is called: one that has changed since some records were made was not fixed before them."""
    claim = standing.claim
    other = standing.table.other_rule if standing.table is not None else 0
    for reading, _ in standing.findings:
        other += reading.other_rule[claim.id]
    if not standing.records:
        return "The decision rule"
    if other:
        return f"The decision rule as it is now; it was another for {count(other, 'record')}"
    return "The decision rule in full, whose digest the records hold"


def _finding(reading: Reading, finding: Finding, standing: Standing, made: Figures) -> Markup:
    own = reading.study == standing.claim.study
    title = f"Claim {finding.claim} by the records of {reading.study}."
    shown = [] if own else [element("h4", f"Also shown, by the study {reading.study}")]
    shown += [] if own else [_decided(finding.verdict)]
    return join(
        (
            *shown,
            made.finding(f"{finding.claim}-{reading.study}", finding.panels, title),
            *(element("p", plain(note), cls="note") for note in finding.notes),
        )
    )
