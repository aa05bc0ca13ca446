"""Claim C16 from the study `derandomised`: is a majority of fixed seeds right on every input?"""

from collections.abc import Sequence
from typing import Any

from ... import claims
from ..finding import Finding, Panel, Point, Series, decide, parsed
from ..table import RecordLike

BINS = ("none", "above none, to 1/4", "1/4 to 1/2", "above 1/2, to 3/4", "above 3/4", "all")
CASES = 2
"""The fewest cases that must qualify."""


def read(records: Sequence[RecordLike], missing: int) -> tuple[Finding, ...]:
    """The finding on C16."""
    rows, unread = parsed(records, _row)
    cases: dict[str, list[dict[str, Any]]] = {}
    for name, outcome in rows:
        cases.setdefault(name, []).append(outcome)
    qualify = {
        name: [each for each in outcomes if each["above"] == each["inputs"]]
        for name, outcomes in cases.items()
    }
    whole = [name for name, each in qualify.items() if len(each) == len(cases[name]) >= claims.SEEDS]
    seen: bool | None = None
    if any(not _listed(each) for outcomes in qualify.values() for each in outcomes):
        seen = False
    elif len(whole) >= CASES:
        seen = True
    proved = [
        name
        for name, outcomes in cases.items()
        if any(each["impossible"] and each["mean"] > 0.5 and each["below"] for each in outcomes)
    ]
    lengths = [each["found"] for name in whole for each in qualify[name] if "found" in each]
    bounds = [each["hoeffding"] for name in whole for each in qualify[name]]
    said = f"{len(whole)} of {len(cases)} cases qualify in all repetitions: {', '.join(whole) or 'none'}"
    if lengths:
        said += (
            f"; lists of {min(lengths)} to {max(lengths)} seeds are right on every input, where Hoeffding's "
            f"bound asks for {min(bounds)} to {max(bounds)}"
        )
    verdict = decide(
        [(seen, said)],
        missing=missing,
        controls=[(bool(proved), "in no case that does not qualify was a list proved impossible")]
        if cases
        else [],
    )
    notes = [
        "Proved that no list of these seeds is right on every input, though the mean is above 1/2: "
        f"{', '.join(proved)}."
        if proved
        else "In no case was a list proved impossible.",
        "The condition suffices and is not necessary: of seeds that are chosen, and not drawn, a list may do "
        "where some input is right with probability below 1/2.",
    ]
    if unread:
        notes.append(f"Not of this form: {unread:,} records.")
    return (Finding("C16", verdict, tuple(_panels(cases)), tuple(notes)),)


def _row(settings: dict[str, Any], outcome: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    for name in ("inputs", "above", "below"):
        if not 0 <= int(outcome[name]) < 2**31:
            raise ValueError(f"{name} is a number of inputs")
    if [*outcome["histogram"]] and not set(outcome["histogram"]) <= set(BINS):
        raise ValueError("the histogram has other bins")
    return f"{settings['family']}, {settings['row']}", outcome


def _listed(outcome: dict[str, Any]) -> bool:
    """Whether a list was found, is right on every input, and is no longer than the bound."""
    return bool(outcome.get("verified")) and outcome["found"] <= outcome["hoeffding"]


def _panels(cases: dict[str, list[dict[str, Any]]]) -> list[Panel]:
    middles = (0.0, 0.125, 0.375, 0.625, 0.875, 1.0)
    shares = tuple(
        Series(
            name,
            tuple(
                Point(
                    x,
                    sum(each["histogram"].get(label, 0) for each in outcomes)
                    / sum(each["inputs"] for each in outcomes),
                )
                for x, label in zip(middles, BINS, strict=True)
            ),
        )
        for name, outcomes in cases.items()
    )
    found = [
        (float(each["least"]), float(each["found"]))
        for outcomes in cases.values()
        for each in outcomes
        if each.get("verified")
    ]
    lists = Series("shortest list found", tuple(Point(p, k) for p, k in sorted(found)))
    with_bound = sorted(
        (float(each["least"]), float(each["hoeffding"]), float(each["exact"]))
        for outcomes in cases.values()
        for each in outcomes
        if "hoeffding" in each
    )
    bounds = Series("Hoeffding's bound", tuple(Point(p, k) for p, k, _ in with_bound), expected=True)
    exact = Series("exact binomial", tuple(Point(p, k) for p, _, k in with_bound), expected=True)
    return [
        Panel(
            "Inputs by how often they are right",
            "share of seeds that are right",
            "share of inputs",
            shares,
            share=True,
        ),
        Panel(
            "Seeds until every input is right",
            "least share of right seeds",
            "seeds",
            (lists, bounds, exact),
            log_y=True,
        ),
    ]
