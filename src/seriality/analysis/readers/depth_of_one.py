"""Claim C18 from the study `depth_of_one`: what rules of bounded depth, and trained ones, earn."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ... import claims
from ..finding import (
    COUNT,
    POSITIVE,
    SHARE,
    Finding,
    Panel,
    Point,
    Series,
    alike,
    behind,
    columns,
    decide,
    number,
    parsed,
    singles,
)
from ..intervals import student
from ..table import CONTROL, SERIAL, RecordLike

ONE_PASS = tuple(f"Transformer, {size}" for size in ("1 x 64", "2 x 32", "2 x 64", "4 x 64"))
IN_SERIES = tuple(f"{name}, 2 x 64" for name in ("repeated layers", "chain of thought"))
SHORTEST = 16
"""The shortest words that are judged: shorter ones are too few to keep training and test apart."""


def read(records: Sequence[RecordLike], missing: int) -> tuple[Finding, ...]:
    """The finding on C18."""
    rows, unread = parsed(records, _row)
    families: dict[str, dict[tuple[str, str], list[dict[str, Any]]]] = {}
    for family, row, role, outcome in rows:
        families.setdefault(family, {}).setdefault((row, role), []).append(outcome)
    for cells in families.values():
        for key, outcomes in cells.items():
            cells[key] = alike(outcomes, "lengths", "stretches", "gates")
    bounded = {row: outcomes for (row, _), outcomes in families.get("bounded", {}).items()}
    trained = families.get("trained", {})
    supporting, controls = [_trained(trained)], []
    holds, said = _bounded(bounded)
    if holds is None:
        supporting.append((None, said))
    else:
        controls.append((holds, said))
    for row in ONE_PASS:
        outcomes = trained.get((row, CONTROL), [])
        if len(outcomes) < claims.SEEDS:
            supporting.append((None, f"{row} was not run with {claims.SEEDS} seeds on the control"))
            continue
        share, low, _ = _right(outcomes)
        right = bool((low[_judged(outcomes)] >= claims.ACCURACY).all())
        controls.append((right, f"{row} is right for {share.min():.1%} on the control"))
    reduction = [
        outcome
        for family, cells in families.items()
        if family.startswith("reduction")
        for each in cells.values()
        for outcome in each
    ]
    if reduction:
        held = sum(outcome["held"] for outcome in reduction)
        controls.append(
            (
                held == len(reduction),
                f"the proven factors of the reduction held in {held} of {len(reduction)} runs",
            )
        )
    else:
        supporting.append((None, "the reduction was not run"))
    notes = [
        "The paper's statement is about deterministic rules. A coin for the side, and then a constant-depth "
        "rule called at every later step, earns half of the optimum on average, everywhere.",
        "The comment after Theorem G.2 needs its adjustments: a chain put before the inputs makes both sides "
        "deeper alike and adds no regret to the first choice. A chain on the output, and a rival of half its "
        "length, gives linear regret; that is the panel.",
    ]
    if unread:
        notes.append(f"Not of this form: {unread:,} records.")
    verdict = decide(supporting, missing=missing, controls=controls)
    return (Finding("C18", verdict, tuple(_panels(bounded, trained, families)), tuple(notes), unread),)


def _row(record: RecordLike) -> tuple[str, str, str, dict[str, Any]]:
    settings, outcome = record.settings, record.outcome
    family, row, role = str(settings["family"]), str(settings["row"]), settings["role"]
    if role not in (SERIAL, CONTROL):
        raise ValueError(f"the role of a task is {SERIAL} or {CONTROL}")
    found: dict[str, Any]
    if family == "trained":
        tries = number(outcome["tries"], *POSITIVE)
        found = {"tries": tries, **columns(outcome, lengths=POSITIVE, right=(0, tries))}
        found |= columns(outcome, stretches=(1e-9, 1e9))
        for name in ("mean", "least"):
            if not isinstance(outcome[name], list) or len(outcome[name]) != len(found["lengths"]):
                raise ValueError(f"{name} has a list for every length")
            found[name] = [
                columns(
                    {name: each, "stretches": found["stretches"]}, **{name: SHARE, "stretches": (1e-9, 1e9)}
                )[name]
                for each in outcome[name]
            ]
    elif family == "bounded":
        int(row.split()[0])  # "8 of 16 rounds"
        found = dict(singles(outcome, depth=POSITIVE))
        found |= columns(outcome, stretches=(1e-9, 1e9), worst=SHARE, without_the_bit=SHARE)
    elif family == "regret":
        found = dict(columns(outcome, gates=POSITIVE, regret=COUNT))
    elif family.startswith("reduction"):
        number(float(row.rsplit(", ", 1)[1]), 0, 1)  # "value: random, 0.5"
        found = {**singles(outcome, least=(0, 1e9), most=(0, 1e9)), "held": outcome["held"] is True}
    else:
        raise ValueError(f"there is no family {family}")
    return family, row, role, found | {"record": record.id}


def _bounded(rows: dict[str, list[dict[str, Any]]]) -> tuple[bool | None, str]:
    """Whether rules that see too few rounds earn little on their worst instance, and one that sees all earns
    all."""
    short, full = {}, []
    for row, outcomes in rows.items():
        rounds, depth = int(row.split()[0]), int(outcomes[0]["depth"])
        worst = [each["worst"][-1] for each in outcomes]
        if len(worst) < claims.SEEDS:
            return None, f"the rule of {row} was run with {len(worst)} seeds"
        if rounds < depth:
            short[rounds] = max(worst)
        else:
            full.append(min(worst))
    if not short or not full:
        return None, "rules of bounded depth were not all run"
    said = (
        f"at L / d = 64 rules that see {', '.join(map(str, sorted(short)))} rounds earn at most "
        f"{max(short.values()):.3f} of the best on their worst instance, and one that sees all earns "
        f"{min(full):g}"
    )
    return max(short.values()) < claims.EPSILON and min(full) == 1, said


def _judged(outcomes: list[dict[str, Any]]) -> np.ndarray:
    """Which lengths are judged: those whose words are too many to be known from training."""
    return np.array(outcomes[0]["lengths"]) >= SHORTEST


def _right(outcomes: list[dict[str, Any]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The share of right choices at every length, and the ends of its interval over seeds."""
    shares = np.array([np.array(each["right"]) / each["tries"] for each in outcomes])
    if len(shares) < 2:
        return shares[0], shares[0], shares[0]
    ends = [student(column, confidence=claims.CONFIDENCE) for column in shares.T]
    low, high = ([getattr(each, end) for each in ends] for end in ("low", "high"))
    return shares.mean(0), np.clip(low, 0, 1), np.clip(high, 0, 1)


def _trained(rows: dict[tuple[str, str], list[dict[str, Any]]]) -> tuple[bool | None, str]:
    """Whether every one-pass rule fails where a rule that computes in series resolves."""
    serial = {row: outcomes for (row, role), outcomes in rows.items() if role == SERIAL}
    if not {*ONE_PASS, *IN_SERIES} <= set(serial) or min(map(len, serial.values())) < claims.SEEDS:
        return None, "trained rules were not all run"
    lengths = serial[ONE_PASS[0]][0]["lengths"]
    judged = _judged(serial[ONE_PASS[0]])
    resolved = np.any([_right(serial[row])[1] >= claims.RESOLVED for row in IN_SERIES], axis=0) & judged
    said, states = [], []
    for row, outcomes in serial.items():
        share, low, high = _right(outcomes)
        said.append(f"{row}: " + ", ".join(f"{s:.1%} at {n:g}" for s, n in zip(share, lengths, strict=True)))
        if row in ONE_PASS:
            fails = (high < claims.ACCURACY) & resolved
            states.append(False if low[-1] >= claims.RESOLVED else True if fails.any() else None)
    seen = False if False in states else None if None in states else True
    return seen, "; ".join(["right choices by length", *said])


def _panels(bounded: dict, trained: dict, families: dict) -> list[Panel]:
    panels = []
    if bounded:
        first = next(iter(bounded.values()))[0]
        theory = Series(
            "sqrt(d / (d + L))",
            tuple(Point(x, y) for x, y in zip(first["stretches"], first["without_the_bit"], strict=True)),
            expected=True,
        )
        series = tuple(
            Series(
                row,
                tuple(
                    Point(x, min(each["worst"][k] for each in outcomes))
                    for k, x in enumerate(first["stretches"])
                ),
                records=behind(outcomes),
            )
            for row, outcomes in bounded.items()
        )
        panels.append(
            Panel(
                "Rules that see k rounds",
                "L / d",
                "worst share of the best reward",
                (*series, theory),
                True,
                share=True,
            )
        )
    for role, title in ((SERIAL, "Trained rules, words over S5"), (CONTROL, "Trained rules, reset words")):
        cells = {row: outcomes for (row, kind), outcomes in trained.items() if kind == role}
        shares = tuple(
            Series(
                row,
                tuple(
                    Point(n, float(s), float(low), float(high))
                    for n, s, low, high in zip(outcomes[0]["lengths"], *_right(outcomes), strict=True)
                ),
                records=behind(outcomes),
            )
            for row, outcomes in cells.items()
        )
        panels.append(Panel(title, "letters", "right choices", shares, share=True, line=claims.ACCURACY))
        if role == SERIAL:
            earned = tuple(
                Series(
                    row,
                    tuple(
                        Point(x, float(np.mean([each["mean"][-1][k] for each in outcomes])))
                        for k, x in enumerate(outcomes[0]["stretches"])
                    ),
                    records=behind(outcomes),
                )
                for row, outcomes in cells.items()
            )
            title = "What trained rules earn at the largest length"
            panels.append(
                Panel(title, "L / d", "mean share of the best reward", earned, log_x=True, share=True)
            )
    regret = [outcome for each in families.get("regret", {}).values() for outcome in each]
    if regret:
        points = tuple(
            Point(gates, float(np.mean([each["regret"][k] for each in regret])))
            for k, gates in enumerate(regret[0]["gates"])
        )
        panels.append(
            Panel(
                "Regret without the last round",
                "gates",
                "largest regret",
                (Series("measured", points, records=behind(regret)),),
            )
        )
    series = []
    for family, cells in families.items():
        if family.startswith("reduction"):
            for end in ("least", "most"):
                by: dict[float, list[dict[str, Any]]] = {}
                for (row, _), outcomes in cells.items():
                    by.setdefault(float(row.rsplit(", ", 1)[1]), []).extend(outcomes)
                pick = min if end == "least" else max
                points = tuple(
                    Point(accuracy, pick(each[end] for each in outcomes), records=behind(outcomes))
                    for accuracy, outcomes in sorted(by.items())
                )
                series.append(Series(f"{family.removeprefix('reduction, ')}, {end}", points))
    if series:
        low = Series("least proven", tuple(Point(a, a) for a in (0.1, 1.0)), expected=True)
        high = Series("most proven, geometric", tuple(Point(a, 2 / a) for a in (0.1, 1.0)), expected=True)
        panels.append(
            Panel(
                "The reduction: estimate over DO1",
                "accuracy of the player",
                "estimate over DO1",
                (*series, low, high),
                True,
                True,
            )
        )
    return panels
