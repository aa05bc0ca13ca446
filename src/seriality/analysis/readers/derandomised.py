"""Claim C16 from the study `derandomised`: is a majority of fixed seeds right on every input?"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ... import claims
from ..finding import (
    POSITIVE,
    SHARE,
    Finding,
    Panel,
    Point,
    Series,
    behind,
    decide,
    number,
    parsed,
    singles,
)
from ..intervals import wilson
from ..table import RecordLike

BINS = ("none", "above none, to 1/4", "1/4 to 1/2", "above 1/2, to 3/4", "above 3/4", "all")
LISTS = ("found", "hoeffding", "exact")
CASES = 2
"""The fewest cases that must qualify."""


def read(records: Sequence[RecordLike], missing: int) -> tuple[Finding, ...]:
    """The finding on C16."""
    rows, unread = parsed(records, _row)
    cases: dict[str, list[dict[str, Any]]] = {}
    for name, outcome in rows:
        cases.setdefault(name, []).append(outcome)
    qualify = {name: [each for each in outcomes if _above(each)] for name, outcomes in cases.items()}
    whole = [name for name, each in qualify.items() if len(each) == len(cases[name]) >= claims.SEEDS]
    seen: bool | None = None
    if any(each["random_right"] < 0.5 for outcomes in qualify.values() for each in outcomes):
        seen = False
    elif len(whole) >= CASES:
        seen = True
    proved = [
        name
        for name, outcomes in cases.items()
        if any(each["impossible"] and each["mean"] > 0.5 and not _above(each) for each in outcomes)
    ]
    lengths = [each["found"] for name in whole for each in qualify[name] if "found" in each]
    bounds = [each["hoeffding"] for name in whole for each in qualify[name]]
    shares = [each["random_right"] for name in whole for each in qualify[name]]
    said = f"{len(whole)} of {len(cases)} cases qualify in all repetitions: {', '.join(whole) or 'none'}"
    if shares:
        said += (
            f"; of random lists of {min(bounds):.0f} to {max(bounds):.0f} seeds, as Hoeffding's bound asks, "
            f"at least {min(shares):.0%} are right on every input"
        )
    if lengths:
        said += f"; a search finds lists of {min(lengths):.0f} to {max(lengths):.0f}"
    supporting = [(seen, said)]
    if few := [name for name, outcomes in cases.items() if len(outcomes) < claims.SEEDS]:
        supporting.append((None, f"fewer than {claims.SEEDS} repetitions: {', '.join(few)}"))
    if not proved and missing:
        supporting.append((None, "the control was not run whole"))
    control = (
        bool(proved),
        "cases that do not qualify in which no list of the seeds is right on every input: "
        f"{', '.join(proved) or 'none'}",
    )
    verdict = decide(supporting, missing=missing, controls=[control] if cases and not missing else [])
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
    return (Finding("C16", verdict, tuple(_panels(cases)), tuple(notes), unread),)


def _row(record: RecordLike) -> tuple[str, dict[str, Any]]:
    settings, outcome = record.settings, record.outcome
    found: dict[str, Any] = {
        "record": record.id,
        **singles(outcome, inputs=POSITIVE, mean=SHARE, least=SHARE),
    }
    found["said"] = number(outcome["seeds"][0], *POSITIVE)
    if found["least"] > 0.5:
        found |= singles(outcome, random_right=SHARE, hoeffding=POSITIVE)
    found |= singles(
        {name: outcome[name] for name in LISTS if name in outcome},
        **{n: POSITIVE for n in LISTS if n in outcome},
    )
    found["verified"], found["impossible"] = outcome.get("verified") is True, outcome["impossible"] is True
    if not isinstance(outcome["histogram"], dict) or not set(outcome["histogram"]) <= set(BINS):
        raise ValueError("the histogram has other bins")
    found["histogram"] = {
        name: number(count, 0, found["inputs"]) for name, count in outcome["histogram"].items()
    }
    return f"{settings['family']}, {settings['row']}", found


def _above(outcome: dict[str, Any]) -> bool:
    """Whether the interval of the input that is least often right, and so of every input, lies above 1/2."""
    right, seeds = np.array(round(outcome["least"] * outcome["said"])), np.array(round(outcome["said"]))
    return float(wilson(right, seeds, confidence=claims.CONFIDENCE)[0]) > 0.5


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
            records=behind(outcomes),
        )
        for name, outcomes in cases.items()
    )
    lists = tuple(
        Series(
            f"found, {name}",
            tuple(
                Point(p, k, records=(record,))
                for p, k, record in sorted(
                    (float(each["least"]), float(each["found"]), each["record"])
                    for each in outcomes
                    if each["verified"] and "found" in each
                )
            ),
        )
        for name, outcomes in cases.items()
    )
    with_bound = sorted(
        (float(each["least"]), float(each["hoeffding"]), float(each["exact"]))
        for outcomes in cases.values()
        for each in outcomes
        if "hoeffding" in each and "exact" in each
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
            (*(series for series in lists if series.points), bounds, exact),
            log_y=True,
        ),
    ]
