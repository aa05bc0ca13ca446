"""Claim C24 from the study `machine`: what each knob gains each program, and time predicted and measured."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ... import claims
from ..finding import POSITIVE, Finding, Panel, Point, Series, behind, columns, decide, number, parsed
from ..intervals import Interval, student
from ..table import RecordLike

KNOBS = {
    "a second thread": ("1 thread, float64", "2 threads, float64"),
    "float32 for float64": ("1 thread, float64", "1 thread, float32"),
    "compiled, not dispatched": ("dispatched", "compiled"),
}
"""The settings before and after each is turned; the last is that of latency."""
LATENCY = "compiled, not dispatched"
WIDE, WIDER, EMPTY = "product", "wider chain", "empty loop"
CHAINS = {knob: "short chain" if knob == LATENCY else "chain" for knob in KNOBS}
JUDGED, SHOWN = "Chain of thought", "RNN"
REAL = (JUDGED, SHOWN)
SECONDS = (1e-12, 1e6)
TERMS = ("launch_s", "latency_s", "work_s", "bytes_s")
FACTORS = (1, 2, 5, 10, 20, 50, 100)
"""How many times the throughput, or how many times lower the latency, the predicted curves are drawn for."""

Gains = dict[str, dict[str, list[float]]]
"""By knob and program: the gain of every repetition."""


def _programs(knob: str) -> tuple[str, ...]:
    """What a knob is tried on: judged, shown, control."""
    if knob == LATENCY:
        return (CHAINS[knob], JUDGED, SHOWN, WIDE, EMPTY)
    return (CHAINS[knob], WIDER, JUDGED, SHOWN, WIDE)


def read(records: Sequence[RecordLike], missing: int) -> tuple[Finding, ...]:
    """The finding on C24."""
    rows, unread = parsed(records, _row)
    turned = [found for family, found in rows if family == "knobs"]
    timed = [found for family, found in rows if family == "prediction"]
    turned.sort(key=lambda found: found["seed"])
    gains: Gains = {
        knob: {program: [found["gains"][knob][program] for found in turned] for program in _programs(knob)}
        for knob in KNOBS
    }
    supporting = [_knob(knob, gains[knob]) for knob in KNOBS]
    unequal = [found for found in turned if not found["equal"]]
    verdict = decide(
        supporting,
        missing=missing,
        controls=[
            (not unequal, f"the work of the chain is{' not' * bool(unequal)} that of the wide control"),
        ],
    )
    notes = [_agreement(timed)] if timed else []
    if unread:
        notes.append(f"Not of this form: {unread:,} records.")
    return (
        Finding(
            "C24", verdict, (*_of_gains(gains, behind(turned)), *panels_of_times(timed)), tuple(notes), unread
        ),
    )


def _row(record: RecordLike) -> tuple[str, dict[str, Any]]:
    settings, outcome = record.settings, record.outcome
    family = str(settings["family"])
    if family == "prediction":
        names = outcome["rows"]
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise ValueError("rows is a list of names")
        ranges = dict.fromkeys(("measured_s", "low_s", "high_s"), SECONDS) | dict.fromkeys(TERMS, (0.0, 1e6))
        found = columns(outcome, **ranges)
        if len(found["measured_s"]) != len(names):
            raise ValueError("there is a time for every row")
        return family, {"rows": names, "record": record.id, **found}
    if family != "knobs":
        raise ValueError(f"there is no family {family}")
    spent, told = outcome["seconds"], outcome["programs"]
    gains = {
        knob: {program: _gain(spent[before][program], spent[after][program]) for program in _programs(knob)}
        for knob, (before, after) in KNOBS.items()
    }
    work = [number(told[program]["work"], POSITIVE[0], 1e18) for program in (CHAINS["a second thread"], WIDE)]
    return family, {
        "record": record.id,
        "seed": int(settings["seed"]),
        "gains": gains,
        "equal": work[0] == work[1],
    }


def _gain(before: list[float], after: list[float]) -> float:
    """The median over blocks of how many times shorter the time after is."""
    held = columns({"before": before, "after": after}, before=SECONDS, after=SECONDS)
    return float(np.median(np.array(held["before"]) / np.array(held["after"])))


def _interval(gains: Sequence[float]) -> Interval:
    """The geometric mean over repetitions, with the interval of the mean logarithm."""
    logs = student(np.log(np.array(gains)), confidence=claims.CONFIDENCE)
    return Interval(*(float(np.exp(end)) for end in (logs.estimate, logs.low, logs.high)))


def _knob(knob: str, gains: dict[str, list[float]]) -> tuple[bool | None, str]:
    """Whether a knob does to the judged programs what the claim says, and in words."""
    if len(gains[WIDE]) < claims.SEEDS:
        return None, f"{knob}: {len(gains[WIDE])} repetitions, {claims.SEEDS} are needed"
    found = {program: _interval(each) for program, each in gains.items()}
    programs = (CHAINS[knob], JUDGED)
    told = ", ".join(
        f"{program} {found[program].estimate:.3g} ({found[program].low:.3g} to {found[program].high:.3g})"
        for program in gains
    )
    said = f"gains by {knob}: {told}"
    if knob == LATENCY:
        if found[EMPTY].low < claims.FALLS or found[WIDE].high >= claims.HELPS:
            return None, f"the knob is not turned; {said}"
        if any(found[program].high < claims.DOES_NOT_HELP for program in programs):
            return False, said
        return (True if all(found[program].low >= claims.FALLS for program in programs) else None), said
    if found[WIDE].low < claims.HELPS:
        return None, f"the knob is not turned; {said}"
    if any(found[program].low >= claims.HELPS for program in programs):
        return False, said
    return (True if all(found[program].high < claims.DOES_NOT_HELP for program in programs) else None), said


def _agreement(timed: Sequence[dict[str, Any]]) -> str:
    """How many of the seven rows are predicted within the factor that was stated before."""
    ratios = {row: float(np.exp(np.mean(np.log(each)))) for row, each in _ratios(timed).items()}
    within = [row for row, ratio in ratios.items() if 1 / claims.WITHIN <= ratio <= claims.WITHIN]
    told = ", ".join(f"{row} {ratio:.2f}" for row, ratio in ratios.items())
    return (
        f"Measured over predicted time, geometric mean of {len(timed)} repetitions: {told}. Within a factor "
        f"of {claims.WITHIN}: {len(within)} of {len(ratios)} rows."
    )


def _foretold(found: dict[str, Any], place: int, *, throughput: float = 1, latency: float = 1) -> float:
    """The predicted seconds of a row on a machine of other throughput or latency (`meter.machine`)."""
    launch, steps, work, moves = (found[term][place] for term in TERMS)
    return (launch + steps) / latency + max(work, moves) / throughput


def _ratios(timed: Sequence[dict[str, Any]]) -> dict[str, list[float]]:
    ratios: dict[str, list[float]] = {}
    for found in timed:
        for place, row in enumerate(found["rows"]):
            ratios.setdefault(row, []).append(
                found["measured_s"][place] / max(1e-12, _foretold(found, place))
            )
    return ratios


def _of_gains(gains: Gains, records: Sequence[str]) -> list[Panel]:
    return [
        Panel(
            f"Gain by {knob}",
            "repetition",
            "time before / time after",
            tuple(
                Series(
                    program,
                    tuple(
                        Point(place + 1, gain, records=(record,))
                        for place, (gain, record) in enumerate(zip(each, records, strict=True))
                    ),
                )
                for program, each in programs.items()
                if each
            ),
            log_y=True,
            line=1.0,
        )
        for knob, programs in gains.items()
    ]


def panels_of_times(timed: Sequence[dict[str, Any]]) -> list[Panel]:
    """Predicted against measured time, and what other machines would give, by the last repetition."""
    if not timed:
        return []
    last = timed[-1]
    places = list(enumerate(last["rows"]))
    times = [*last["measured_s"], *(_foretold(last, place) for place, _ in places)]
    ends = (min(times), max(times))
    points = tuple(
        Series(row, tuple(_timed(found, found["rows"].index(row)) for found in timed if row in found["rows"]))
        for _, row in places
    )
    equal = Series("equal", tuple(Point(end, end) for end in ends), expected=True)
    panels = [
        Panel("Table 1, one prompt", "predicted seconds", "measured seconds", (*points, equal), True, True)
    ]
    for name, title in (("throughput", "Times the throughput"), ("latency", "Times lower latency")):
        series = tuple(
            Series(
                row,
                tuple(
                    Point(factor, _foretold(last, place) / _foretold(last, place, **{name: factor}))
                    for factor in FACTORS
                ),
                records=behind([last]),
            )
            for place, row in places
        )
        panels.append(Panel(f"Predicted gain: {name}", title.lower(), "gain", series, True, True))
    return panels


def _timed(found: dict[str, Any], place: int) -> Point:
    measured, low, high = (found[what][place] for what in ("measured_s", "low_s", "high_s"))
    return Point(_foretold(found, place), measured, low, high, records=behind([found]))
