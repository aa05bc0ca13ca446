"""Claim C15 from the study `sampler_error`: the slope of the error against T, and its growth with size."""

import itertools
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from scipy.special import stdtrit

from ... import claims
from ..finding import (
    POSITIVE,
    SHARE,
    Finding,
    Panel,
    Point,
    Series,
    behind,
    columns,
    decide,
    number,
    parsed,
    singles,
)
from ..intervals import student
from ..table import RecordLike

STANDARD = ("log-SNR", "cosine", "linear", "EDM")
SETS, CIRCUIT = "intrinsic dimension", "circuit"
DIRECTIONS = 512
FROM = 64
"""The number of steps from which on the slope is taken."""


def read(records: Sequence[RecordLike], missing: int) -> tuple[Finding, ...]:
    """The finding on C15."""
    found, unread = parsed(records, _row)
    curves = {(family, row): outcome for family, row, _, outcome in found}
    slopes = {name: _slope(curves.get(("bit", f"{name}, posterior"))) for name in STANDARD}
    falls = _all(
        None if slope is None else slope[0] <= claims.SLOPE - 1 and slope[0] >= -1 - claims.SLOPE
        for slope in slopes.values()
    )
    if any(slope is not None and slope[0] > claims.NOT_A_SLOPE - 1 for slope in slopes.values()):
        falls = False
    elif falls is False:
        falls = None
    said = ", ".join(
        f"{name} {slope[0]:.3f} ({slope[1]:.3f} to {slope[2]:.3f})"
        for name, slope in slopes.items()
        if slope is not None
    )
    around, around_said = _around(curves.get(("normal directions", "posterior")))
    symmetric = [
        error
        for (family, _), outcome in curves.items()
        if family == "uniform bit"
        for error in outcome["total_variation"]
    ]
    uniform = {row for family, row in curves if family == "uniform bit"}
    normal = curves.get(("normal directions", "Li-Yan"))
    controls = []
    if symmetric:
        controls.append(
            (max(symmetric) < claims.SYMMETRIC, f"a uniform bit has an error of up to {max(symmetric):.1g}")
        )
    if normal:
        by = dict(zip(normal["dimensions"], normal["total_variation"], strict=True))
        first, last = by.get(1.0, 0.0), by.get(float(DIRECTIONS), 0.0)
        growth = last / first if first else 0.0
        controls.append(
            (growth >= 5, f"the error of Li & Yan's coefficients grows {growth:.1f} times with directions")
        )
    verdict = decide(
        [
            (falls, f"slopes of log error against log T: {said or 'none'}"),
            (around, around_said),
            *([] if normal and uniform >= {*STANDARD, "Li-Yan"} else [(None, "not all controls were run")]),
        ],
        missing=missing,
        controls=controls,
    )
    notes = [
        "The slope's interval is the least-squares line's t interval over the T of the grid: it says how "
        "straight the line is, since nothing here is sampled.",
        "Of finite sets the intrinsic dimension goes to 0 at small scales, and the bound then speaks of the "
        "logarithm of their number. The powers of log T in the bound are not seen for the usual schedules.",
    ]
    if unread:
        notes.append(f"Not of this form: {unread:,} records.")
    return (Finding("C15", verdict, (*_panels(found, curves), *_of_theory(curves)), tuple(notes), unread),)


ACROSS = {
    "bit": "steps",
    "uniform bit": "steps",
    "bits": "bits",
    "normal directions": "dimensions",
    "codes": "log_codes",
}
"""What the error of a family is told against."""


def _row(record: RecordLike) -> tuple[str, str, int, dict[str, Any]]:
    settings, outcome = record.settings, record.outcome
    family, seed = str(settings["family"]), int(settings["seed"])
    found: dict[str, Any]
    if family == SETS:
        found = columns(outcome, radii=(1e-12, 1e12))
        for name in ("ratio", "slope"):
            values = outcome[name]
            if not isinstance(values, list) or len(values) != len(found["radii"]):
                raise ValueError(f"{name} has a value for each radius")
            found[name] = [None if value is None else number(value, -1e6, 1e6) for value in values]
    elif family == CIRCUIT:
        found = columns(outcome, dimensions=(1e-9, 1e9), depth=(1, 1e18), depth_as_seen=(1, 1e18))
    elif family == "dimension":
        found = dict(singles(outcome, dimension=POSITIVE, total_variation=SHARE, floor=SHARE))
    else:
        ranges = {ACROSS[family]: POSITIVE, "total_variation": SHARE}
        found = dict(columns(outcome, **ranges, **({"floor": SHARE} if family == "codes" else {})))
    return family, str(settings["row"]), seed, found | {"record": record.id}


def _all(answers: Any) -> bool | None:
    answers = list(answers)
    return None if None in answers else all(answers)


def _slope(outcome: dict[str, Any] | None) -> tuple[float, float, float] | None:
    """The log-log slope of the error from `FROM` steps on, with its interval; None for fewer than three
    values.
    """
    if outcome is None:
        return None
    steps, errors = (np.array(outcome[name], float) for name in ("steps", "total_variation"))
    keep = (steps >= FROM) & (errors > 0)
    if keep.sum() < 3 or len(set(steps[keep])) < 3:
        return None
    x, y = np.log(steps[keep]), np.log(errors[keep])
    centred = x - x.mean()
    slope = float(centred @ y / (centred @ centred))
    rest = y - y.mean() - slope * centred
    error = (rest @ rest / (len(x) - 2) / (centred @ centred)) ** 0.5
    half = float(error * stdtrit(len(x) - 2, (1 + claims.CONFIDENCE) / 2))
    return slope, slope - half, slope + half


def _around(outcome: dict[str, Any] | None) -> tuple[bool | None, str]:
    """Whether the directions around the target cost nothing, however many there are."""
    if outcome is None or max(outcome["dimensions"]) < DIRECTIONS:
        return None, f"the error in {DIRECTIONS} directions around the target was not computed"
    error = outcome["total_variation"][outcome["dimensions"].index(max(outcome["dimensions"]))]
    said = f"{max(outcome['dimensions']):.0f} directions around the target cost an error of {error:.1g}"
    if error <= claims.NOTHING:
        return True, said
    return (False if error > 1000 * claims.NOTHING else None), said


def _panels(found: list, curves: dict) -> list[Panel]:
    def over(family: str, name: str, rows: Sequence[str]) -> tuple[Series, ...]:
        return tuple(
            Series(
                row,
                tuple(Point(x, y) for x, y in zip(outcome[name], outcome["total_variation"], strict=True)),
                records=behind([outcome]),
            )
            for row in rows
            if (outcome := curves.get((family, row)))
        )

    posterior = [row for family, row in curves if family == "bit" and row.endswith("posterior")]
    other = [row for family, row in curves if family == "bit" and not row.endswith("posterior")]
    law = [Series("1 / T", tuple(Point(t, 0.5 / t) for t in (8, 512)), expected=True)]
    panels = [
        Panel(
            "A bit of probability 0.8",
            "steps T",
            "total variation",
            (*over("bit", "steps", posterior), *law),
            True,
            True,
        ),
        Panel(
            "Other coefficients",
            "steps T",
            "total variation",
            (*over("bit", "steps", other), *law),
            True,
            True,
        ),
    ]
    bits = over("bits", "bits", ["log-SNR", "cosine"])
    if bits:
        first = bits[0].points[0].y
        theory = Series("sqrt D", tuple(Point(d, first * d**0.5) for d in (1, 64)), expected=True)
        linear = Series("D", tuple(Point(d, first * d) for d in (1, 64)), expected=True)
        panels.append(
            Panel(
                "D independent bits, T = 256",
                "bits D",
                "total variation",
                (*bits, theory, linear),
                True,
                True,
            )
        )
    panels.append(
        Panel(
            "Directions normal to the target, T = 256",
            "directions",
            "total variation",
            over("normal directions", "dimensions", ["posterior", "Li-Yan", "DDIM"]),
            True,
            True,
        )
    )
    by: dict[int, list] = {}
    for family, _, _, outcome in found:
        if family == "dimension":
            by.setdefault(int(outcome["dimension"]), []).append(outcome)
    if by:
        points, floors = [], []
        for dimension, outcomes in sorted(by.items()):
            errors = [each["total_variation"] for each in outcomes]
            points.append(replace(_point(dimension, errors), records=behind(outcomes)))
            floors.append(Point(dimension, float(np.mean([each["floor"] for each in outcomes]))))
        series = (Series("sampled", tuple(points)), Series("floor", tuple(floors), expected=True))
        panels.append(
            Panel("A closed curve, T = 32", "dimensions of the space", "total variation", series, True)
        )
    codes = [outcome for family, _, _, outcome in found if family == "codes"]
    codes = [each for each in codes if each["log_codes"] == codes[0]["log_codes"]]
    if codes:
        sizes = codes[0]["log_codes"]
        errors = np.array([each["total_variation"] for each in codes])
        floors = np.array([each["floor"] for each in codes]).mean(0)
        points = []
        for place, k in enumerate(sizes):
            points.append(_point(k, errors[:, place].tolist()))
        series = (
            Series("sampled", tuple(points), records=behind(codes)),
            Series(
                "floor", tuple(Point(k, float(f)) for k, f in zip(sizes, floors, strict=True)), expected=True
            ),
        )
        panels.append(Panel("2^k random codes in 32 dimensions, T = 8", "k", "total variation", series))
    return panels


def _point(x: float, values: list[float]) -> Point:
    """The mean of the seeds, with its interval where there are two or more."""
    if len(values) < 2:
        return Point(x, values[0])
    mean = student(np.array(values), confidence=claims.CONFIDENCE)
    return Point(x, mean.estimate, mean.low, mean.high)


def _of_theory(curves: dict) -> list[Panel]:
    """The panels of sets and of the circuit's count, which decide nothing."""
    panels = []
    titles = (("ratio", "log N over log 1/radius"), ("slope", "local slope of log N"))
    sets = sorted(row for family, row in curves if family == SETS)  # records come in any order
    spaces = sorted({row.split(", ")[-1] for row in sets}, key=len)
    for (name, title), space in itertools.product(titles, spaces):
        series = tuple(
            Series(
                row.removesuffix(f", {space}"),
                tuple(
                    Point(1 / radius, float(value))
                    for radius, value in zip(curves[SETS, row]["radii"], curves[SETS, row][name], strict=True)
                    if value is not None
                ),
                records=behind([curves[SETS, row]]),
            )
            for row in sets
            if row.endswith(f", {space}")
        )
        panels.append(
            Panel(f"Intrinsic dimension, {space}: {title}", "1 / radius", "dimension", series, log_x=True)
        )
    if count := curves.get((CIRCUIT, "Li & Yan's bound")):
        series = tuple(
            Series(
                label,
                tuple(Point(d, y) for d, y in zip(count["dimensions"], count[name], strict=True)),
                records=behind([count]),
            )
            for name, label in (("depth", "by the bound, constants 1"), ("depth_as_seen", "by sqrt D / T"))
        )
        title = "Depth of T* copies of 10 layers, error 0.4"
        panels.append(Panel(title, "dimension D", "depth", series, log_x=True, log_y=True))
    return panels
