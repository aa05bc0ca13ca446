"""Claim C22 from the study `widths`: least widths, exact and trained."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from ... import claims
from ..finding import (
    COUNT,
    POSITIVE,
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
)
from ..table import RecordLike

LEAST_GROWTH = 1.5
FOLDS = (2, 3, 4)


def read(records: Sequence[RecordLike], missing: int) -> tuple[Finding, ...]:
    """The finding on C22."""
    rows, unread = parsed(records, _row)
    parity = next((outcome for family, _, _, outcome in rows if family == "parity"), None)
    sawtooth = next((outcome for family, _, _, outcome in rows if family == "sawtooth"), None)
    fits: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for family, row, folds, outcome in rows:
        if family == "trained":
            fits.setdefault((row, folds), []).append(outcome)
    fits = {key: alike(outcomes, "widths") for key, outcomes in fits.items()}
    least = {key: _least(outcomes) for key, outcomes in fits.items() if len(outcomes) >= claims.SEEDS}
    below = [
        f"{width:g} units at k = {folds}"
        for (row, folds), outcomes in fits.items()
        if row.startswith("1 ")
        for outcome in outcomes
        for width, count in zip(outcome["widths"], outcome["fits"], strict=True)
        if count and width < 2**folds - 1
    ]
    verdict = decide(
        [_exact(parity, sawtooth), _trained(least)],
        missing=missing,
        controls=[
            (
                not below,
                f"fits of one hidden layer with fewer units than any has: {', '.join(below) or 'none'}",
            )
        ],
    )
    notes = [
        "With MAJORITY gates, depth 3 and some 1.5 n gates compute parity: the price is one of AND and OR."
    ]
    if unread:
        notes.append(f"Not of this form: {unread:,} records.")
    return (Finding("C22", verdict, tuple(_panels(parity, sawtooth, fits)), tuple(notes), unread),)


def _row(record: RecordLike) -> tuple[str, str, int, dict[str, Any]]:
    settings, outcome = record.settings, record.outcome
    family, folds = str(settings["family"]), 0
    found: dict[str, Any]
    if family == "trained":
        folds = int(number(settings["experiment"]["folds"], 1, 30))
        starts = number(outcome["starts"], *POSITIVE)
        found = {"starts": starts, **columns(outcome, widths=POSITIVE, fits=(0, starts))}
    elif family == "parity":
        names = ("2 levels", "4 levels", "MAJORITY")
        found = dict(columns(outcome, n=POSITIVE, least=POSITIVE, **dict.fromkeys(names, COUNT)))
    elif family == "sawtooth":
        found = dict(columns(outcome, k=POSITIVE, least=POSITIVE, deep=POSITIVE))
    else:
        raise ValueError(f"there is no family {family}")
    return family, str(settings["row"]), folds, found | {"record": record.id}


def _exact(parity: dict[str, Any] | None, sawtooth: dict[str, Any] | None) -> tuple[bool | None, str]:
    if parity is None or sawtooth is None:
        return None, "the exact widths were not computed"
    if min(len(parity["n"]), len(sawtooth["k"])) < 2:
        return None, "the exact widths were computed for one size alone"
    growth = [after / before for each in (parity, sawtooth) for before, after in pairwise(each["least"])]
    deep = [size / n for n, size in zip(parity["n"], parity["MAJORITY"], strict=True)]
    deep += [units / k for k, units in zip(sawtooth["k"], sawtooth["deep"], strict=True)]
    said = (
        f"the least width of parity is {parity['least'][-1]:,.0f} ANDs at n = {parity['n'][-1]:g} and that "
        f"of the sawtooth {sawtooth['least'][-1]:,.0f} units at k = {sawtooth['k'][-1]:g}, at least "
        f"{min(growth):.4g} times the one before at every step; deeper ones have at most {max(deep):.3g} "
        "gates or units for each input or fold"
    )
    if min(growth) < LEAST_GROWTH:
        return False, said
    whole = parity["n"] == [float(n) for n in range(1, 13)] and sawtooth["k"] == [
        float(k) for k in range(1, 9)
    ]
    return (True if whole and min(growth) == max(growth) == 2 and max(deep) <= 2 else None), said


def _least(outcomes: list[dict[str, Any]]) -> float | None:
    """The least width at which half of the starts of all seeds fit; None if there is none on the grid."""
    widths = outcomes[0]["widths"]
    share = np.sum([each["fits"] for each in outcomes], axis=0) / sum(each["starts"] for each in outcomes)
    return next((w for w, s in zip(widths, share, strict=True) if s >= 0.5), None)


def _trained(least: dict[tuple[str, int], float | None]) -> tuple[bool | None, str]:
    keys = [(row, k) for row in ("1 hidden layer", "3 hidden layers") for k in FOLDS]
    if any(key not in least for key in keys):
        return None, f"trained networks were not all run with {claims.SEEDS} seeds"
    shallow, deeper = (
        [least[key] for key in keys if key[0] == row] for row in dict.fromkeys(r for r, _ in keys)
    )
    deep = deeper[-1]
    found = ", ".join("none in range" if width is None else f"{width:g}" for width in shallow)
    said = (
        f"trained, one hidden layer needs a width of {found} at k = {', '.join(map(str, FOLDS))}; three need "
        f"{'none in range' if deep is None else f'{deep:g}'} at k = {FOLDS[-1]}"
    )
    widths = [width for width in shallow if width is not None]
    if deep is None or None in deeper or len(widths) < len(shallow):
        return None, said
    if widths[-1] <= widths[0] or deep >= widths[-1]:
        return False, said
    return (True if all(after >= 2 * before for before, after in pairwise(widths)) else None), said


def _panels(parity: dict | None, sawtooth: dict | None, fits: dict) -> list[Panel]:
    panels = []
    if parity:
        names = {
            "least": "least ANDs of depth 2",
            "2 levels": "2 levels, gates",
            "4 levels": "4 levels, gates",
            "MAJORITY": "MAJORITY, gates",
        }
        series = tuple(
            Series(
                label,
                tuple(Point(n, y) for n, y in zip(parity["n"], parity[name], strict=True) if y),
                records=behind([parity]),
            )
            for name, label in names.items()
        )
        panels.append(Panel("Parity of n inputs", "n", "width or gates", series, log_y=True))
    if sawtooth:
        series = (
            Series(
                "least, one hidden layer",
                tuple(Point(k, y) for k, y in zip(sawtooth["k"], sawtooth["least"], strict=True)),
                records=behind([sawtooth]),
            ),
            Series(
                "k layers of two",
                tuple(Point(k, y) for k, y in zip(sawtooth["k"], sawtooth["deep"], strict=True)),
                records=behind([sawtooth]),
            ),
        )
        panels.append(Panel("Sawtooth of 2^k pieces", "k", "units", series, log_y=True))
    for row in dict.fromkeys(row for row, _ in fits):
        series = tuple(
            Series(
                f"k = {folds}",
                tuple(
                    Point(w, float(s))
                    for w, s in zip(
                        outcomes[0]["widths"],
                        np.sum([each["fits"] for each in outcomes], axis=0)
                        / sum(each["starts"] for each in outcomes),
                        strict=True,
                    )
                ),
                records=behind(outcomes),
            )
            for (name, folds), outcomes in fits.items()
            if name == row
        )
        panels.append(Panel(f"Trained, {row}", "width", "starts that fit", series, log_x=True, share=True))
    return panels
