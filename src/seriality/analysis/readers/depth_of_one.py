"""Claim C18 from the study `depth_of_one`: what rules of bounded depth, and trained ones, earn."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ... import claims
from ..finding import Finding, Panel, Point, Series, decide, parsed
from ..intervals import wilson
from ..table import CONTROL, SERIAL, RecordLike

REPEATED = "repeated layers"


def read(records: Sequence[RecordLike], missing: int) -> tuple[Finding, ...]:
    """The finding on C18."""
    rows, unread = parsed(records, _row)
    families: dict[str, dict[tuple[str, str], list[dict[str, Any]]]] = {}
    for family, row, role, outcome in rows:
        families.setdefault(family, {}).setdefault((row, role), []).append(outcome)
    bounded = {row: outcomes for (row, _), outcomes in families.get("bounded", {}).items()}
    trained = families.get("trained", {})
    supporting = [_bounded(bounded), _trained(trained)]
    controls = []
    for (row, role), outcomes in trained.items():
        if role == CONTROL and not row.startswith(REPEATED):
            share, low, _ = _right(outcomes)
            controls.append(
                (bool((low >= claims.ACCURACY).all()), f"{row} is right for {share.min():.1%} on the control")
            )
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
    notes = [
        "The paper's statement is about deterministic rules. A coin for the side, and then a constant-depth "
        "rule called at every later step, earns half of the optimum on average, everywhere.",
        "The comment after Theorem G.2 does not hold as printed: a chain put before the inputs raises both "
        "sides alike, and the regret of the first choice stays as it was. A chain on the output, and a rival "
        "of half its length, gives linear regret; that is the panel.",
    ]
    if unread:
        notes.append(f"Not of this form: {unread:,} records.")
    verdict = decide(supporting, missing=missing, controls=controls)
    return (Finding("C18", verdict, tuple(_panels(bounded, trained, families)), tuple(notes)),)


def _row(settings: dict[str, Any], outcome: dict[str, Any]) -> tuple[str, str, str, dict[str, Any]]:
    family = str(settings["family"])
    if family == "trained":
        tries = int(outcome["tries"])
        if len(outcome["right"]) != len(outcome["lengths"]) or not tries:
            raise ValueError("a count of right choices for every length")
        if not all(0 <= int(right) <= tries for right in outcome["right"]):
            raise ValueError("right choices are from 0 to the tries")
    for name in ("mean", "least", "worst"):
        if family in ("trained", "bounded") and name in outcome:
            shares = np.array(outcome[name], float)
            if not np.all((shares >= 0) & (shares <= 1)):
                raise ValueError("a share of the reward is from 0 to 1")
    row = str(settings["row"])
    if family == "bounded":
        int(row.split()[0])  # "8 of 16 rounds"
    return family, row, str(settings["role"]), outcome


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


def _right(outcomes: list[dict[str, Any]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The share of right choices at every length, and the ends of its interval."""
    right = np.sum([each["right"] for each in outcomes], axis=0)
    tries = np.full(len(right), sum(int(each["tries"]) for each in outcomes))
    return right / tries, *wilson(right, tries, confidence=claims.CONFIDENCE)


def _trained(rows: dict[tuple[str, str], list[dict[str, Any]]]) -> tuple[bool | None, str]:
    """Whether every one-pass rule fails, and earns little, at some length that repeated layers resolve."""
    serial = {row: outcomes for (row, role), outcomes in rows.items() if role == SERIAL}
    repeated = [row for row in serial if row.startswith(REPEATED)]
    if not repeated or min(map(len, serial.values())) < claims.SEEDS:
        return None, "trained rules were not all run"
    lengths = serial[repeated[0]][0]["lengths"]
    resolved = _right(serial[repeated[0]])[1] >= claims.ACCURACY
    said, states = [], []
    for row, outcomes in serial.items():
        share, low, high = _right(outcomes)
        least = np.max([[each[-1] for each in outcome["least"]] for outcome in outcomes], axis=0)
        said.append(f"{row}: " + ", ".join(f"{s:.1%} at {n}" for s, n in zip(share, lengths, strict=True)))
        if row not in repeated:
            fails = (high < claims.ACCURACY) & (least < claims.EPSILON) & resolved
            states.append(False if low[-1] >= claims.ACCURACY else True if fails.any() else None)
    seen = False if False in states else None if None in states else True
    return seen, "right choices, " + "; ".join(said)


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
                (Series("measured", points),),
                True,
                True,
            )
        )
    series = []
    for family, cells in families.items():
        if family.startswith("reduction"):
            for end in ("least", "most"):
                by: dict[float, list[float]] = {}
                for (row, _), outcomes in cells.items():
                    by.setdefault(float(row.rsplit(", ", 1)[1]), []).extend(each[end] for each in outcomes)
                pick = min if end == "least" else max
                points = tuple(Point(accuracy, pick(values)) for accuracy, values in sorted(by.items()))
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
