"""Claim C17 from the study `sudoku_orders`: which orders solve which tier, at a depth of 4 rounds a pass."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ... import claims
from ..finding import COUNT, POSITIVE, Finding, Panel, Point, Series, behind, columns, decide, number, parsed
from ..intervals import wilson
from ..table import CONTROL, SERIAL, RecordLike

STANDARD = ("random order, d = 4", "Gaussian, d = 4")
CONFIDENT = ("most confident first, d = 4",)
AUTOREGRESSIVE = ("by rows, d = 4", "solver's order, d = 4")
OTHERS = ("by margin, d = 4", "repeated layers, d = 4")
TIERS = 4
"""The tiers that are judged."""
SEEN = {True: "", False: " (not so)", None: " (open)"}


class Cell:
    """A row on a tier: grids solved of tries at every number of steps, pooled over seeds."""

    def __init__(self, outcomes: list[dict[str, Any]]):
        outcomes = [each for each in outcomes if each["steps"] == outcomes[-1]["steps"]]
        self.seeds = len(outcomes)
        self.records = behind(outcomes)
        self.steps = [int(step) for step in outcomes[0]["steps"]]
        self.tries = sum(int(each["tries"]) for each in outcomes)
        self.solved = np.sum([each["successes"] for each in outcomes], axis=0)
        self.duplicates = np.mean([each["duplicates"] for each in outcomes], axis=0)
        tries = np.full(len(self.steps), self.tries)
        self.low, self.high = wilson(self.solved, tries, confidence=claims.CONFIDENCE)

    @property
    def share(self) -> np.ndarray:
        """Grids solved, as a share."""
        return self.solved / self.tries


def read(records: Sequence[RecordLike], missing: int) -> tuple[Finding, ...]:
    """The finding on C17."""
    rows, unread = parsed(records, _row)
    tiers = {tier: role for _, tier, role, _ in rows}
    cells: dict[tuple[str, str], Cell] = {}
    for row, tier in dict.fromkeys((row, tier) for row, tier, _, _ in rows):
        cells[row, tier] = Cell([outcome for r, t, _, outcome in rows if (r, t) == (row, tier)])
    supporting = _parts([tier for tier, role in tiers.items() if role == SERIAL], cells)
    controls = []
    orders = STANDARD + CONFIDENT + AUTOREGRESSIVE + OTHERS[:1]
    for tier in (tier for tier, role in tiers.items() if role == CONTROL):
        here = [cells[row, tier] for row in orders if (row, tier) in cells]
        if len(here) == len(orders) and min(cell.seeds for cell in here) >= claims.SEEDS:
            worst = float(min(cell.share[-1] for cell in here))
            controls.append(
                (
                    worst >= claims.ACCURACY,
                    f"of grids of {tier} every order solves {_all(worst)}",
                )
            )
    if not controls:
        supporting.append((None, f"the control was not run whole, with {claims.SEEDS} seeds"))
    notes = [
        "Right is the whole grid; of a tier with several solutions, any of them. Repeated digits are counted "
        "in every row, column and box. The Gaussian sampler's network is belief propagation, which is "
        "biased, for its constraints have loops.",
    ]
    if unread:
        notes.append(f"Not of this form: {unread:,} records.")
    verdict = decide(supporting, missing=missing, controls=controls)
    return (Finding("C17", verdict, tuple(_panels(tiers, cells)), tuple(notes), unread),)


def _row(record: RecordLike) -> tuple[str, str, str, dict[str, Any]]:
    settings, outcome = record.settings, record.outcome
    tries = number(outcome["tries"], *POSITIVE)
    found: dict[str, Any] = dict(columns(outcome, steps=POSITIVE, successes=(0, tries), duplicates=COUNT))
    role = settings["role"]
    if role not in (SERIAL, CONTROL):
        raise ValueError(f"the role of a tier is {SERIAL} or {CONTROL}")
    return str(settings["row"]), str(settings["family"]), role, found | {"tries": tries, "record": record.id}


def _parts(tiers: Sequence[str], cells: dict[tuple[str, str], Cell]) -> list[tuple[bool | None, str]]:
    """The three things the claim says, each in all tiers, with what every order solves at the most
    steps."""
    judged = ((STANDARD, _invalid), (CONFIDENT, _solved), (AUTOREGRESSIVE, _solved))
    names = ("standard diffusion", "most confident", "autoregressive, the better order")
    parts = []
    for name, (rows, judge) in zip(names, judged, strict=True):
        states, said = [], []
        for tier in tiers:
            here = [cells[row, tier] for row in rows if (row, tier) in cells]
            if len(here) < len(rows) or min(cell.seeds for cell in here) < claims.SEEDS:
                states.append(None)
                said.append(f"{tier}: not run with {claims.SEEDS} seeds")
            elif min(cell.steps[-1] for cell in here) < claims.SUDOKU_STEPS:
                states.append(None)
                said.append(f"{tier}: not run with {claims.SUDOKU_STEPS} steps")
            else:
                states.append(judge(here))
                told = [
                    _told(row, cell, digits=judge is _invalid) for row, cell in zip(rows, here, strict=True)
                ]
                said.append(f"{tier}{SEEN[states[-1]]}: {', '.join(told)}")
        seen = False if False in states else None if None in states or len(tiers) < TIERS else True
        parts.append((seen, f"{name}, grids solved; {'; '.join(said) or 'no tier was run'}"))
    return parts


def _all(share: float) -> str:
    return "all" if share == 1 else f"at least {share:.0%}"


def _told(row: str, cell: Cell, *, digits: bool) -> str:
    """Grids solved at the most steps, with the interval; with `digits` those that are repeated after one pass
    and at the most steps."""
    share = f"{cell.share[-1]:.0%} ({cell.low[-1]:.0%} to {cell.high[-1]:.0%})"
    fallen = (
        f", repeated digits {cell.duplicates[0]:.0f} after one step, then {cell.duplicates[-1]:.0f}"
        if digits
        else ""
    )
    return f"{row.removesuffix(', d = 4')} {share}{fallen}"


def _invalid(cells: list[Cell]) -> bool | None:
    if any(cell.low[-1] >= claims.ACCURACY for cell in cells):
        return False
    plausible = all(cell.duplicates[-1] < cell.duplicates[0] / 2 for cell in cells)
    return True if plausible and all(cell.high[-1] < claims.VALID for cell in cells) else None


def _solved(cells: list[Cell]) -> bool | None:
    best = max(cells, key=lambda cell: cell.share[-1])
    if best.low[-1] >= claims.ACCURACY:
        return True
    return False if best.high[-1] < claims.ACCURACY else None


def _panels(tiers: dict[str, str], cells: dict[tuple[str, str], Cell]) -> list[Panel]:
    panels = []
    for tier in tiers:
        series = tuple(
            _series(row, cells[row, tier])
            for row in STANDARD + CONFIDENT + AUTOREGRESSIVE + OTHERS
            if (row, tier) in cells
        )
        panels.append(
            Panel(f"{tier}, 4 rounds a pass", "steps T", "grids solved", series, log_x=True, share=True)
        )
    deep = tuple(
        _series(f"{row}, {tier}", cells[row, tier])
        for tier in tiers
        if "8 rounds" in tier
        for row in (
            "random order, d = 1",
            "random order, d = 4",
            "Gaussian, d = 2",
            "Gaussian, d = 4",
            "Gaussian, d = 8",
        )
        if (row, tier) in cells
    )
    panels.append(Panel("Depth moves the plateau", "steps T", "grids solved", deep, log_x=True, share=True))
    repeated = tuple(
        Series(
            f"{row.removesuffix(', d = 4')}, {tier}",
            tuple(
                Point(step, float(value))
                for step, value in zip(cells[row, tier].steps, cells[row, tier].duplicates, strict=True)
            ),
            records=cells[row, tier].records,
        )
        for tier in tiers
        if "8 rounds" in tier or "guess" in tier
        for row in STANDARD
        if (row, tier) in cells
    )
    panels.append(
        Panel("Repeated digits fall: plausible", "steps T", "repeated digits", repeated, log_x=True)
    )
    return panels


def _series(name: str, cell: Cell) -> Series:
    points = zip(cell.steps, cell.share, cell.low, cell.high, strict=True)
    return Series(
        name.removesuffix(", d = 4"),
        tuple(Point(x, float(y), float(low), float(high)) for x, y, low, high in points),
        records=cell.records,
    )
