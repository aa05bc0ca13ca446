"""Claim C17 from the study `sudoku_orders`: which orders solve which tier, at a depth of 4 rounds a pass."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ... import claims
from ..finding import Finding, Panel, Point, Series, decide, parsed
from ..intervals import wilson
from ..table import CONTROL, SERIAL, RecordLike

STANDARD = ("random order, d = 4", "Gaussian, d = 4")
SERIAL_ORDERS = ("most confident first, d = 4", "by rows, d = 4")
OTHERS = ("by margin, d = 4", "solver's order, d = 4", "repeated layers, d = 4")


class Cell:
    """A row on a tier: grids solved of tries at every number of steps, pooled over seeds."""

    def __init__(self, outcomes: list[dict[str, Any]]):
        self.seeds = len(outcomes)
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
    supporting = [_tier(tier, cells) for tier, role in tiers.items() if role == SERIAL]
    controls = []
    for tier, role in tiers.items():
        if role == CONTROL:
            shares = {
                row: cells[row, tier].share[-1]
                for row in STANDARD[:1] + SERIAL_ORDERS
                if (row, tier) in cells
            }
            worst = min(shares.values(), default=1.0)
            controls.append(
                (bool(worst >= claims.ACCURACY), f"of grids of {tier} an order solves {worst:.0%} only")
            )
    notes = [
        "Right is the whole grid; of a tier with several solutions, any of them. Repeated digits are counted "
        "in every row, column and box. The Gaussian sampler's network is belief propagation, which is "
        "biased: it need not solve even grids of one round.",
    ]
    if unread:
        notes.append(f"Not of this form: {unread:,} records.")
    verdict = decide(supporting, missing=missing, controls=controls)
    return (Finding("C17", verdict, tuple(_panels(tiers, cells)), tuple(notes)),)


def _row(settings: dict[str, Any], outcome: dict[str, Any]) -> tuple[str, str, str, dict[str, Any]]:
    length = len(outcome["steps"])
    tries = int(outcome["tries"])
    if any(len(outcome[name]) != length for name in ("successes", "duplicates")) or not length or tries < 1:
        raise ValueError("a value for every number of steps")
    if not all(0 <= int(each) <= tries for each in outcome["successes"]):
        raise ValueError("successes are from 0 to the tries")
    return str(settings["row"]), str(settings["family"]), str(settings["role"]), outcome


def _tier(tier: str, cells: dict[tuple[str, str], Cell]) -> tuple[bool | None, str]:
    """Whether a tier is as the claim says, and what each row solves at the most steps."""
    here = {row: cells.get((row, tier)) for row in STANDARD + SERIAL_ORDERS}
    said = f"{tier}: " + ", ".join(
        f"{row.removesuffix(', d = 4')} {cell.share[-1]:.0%}"
        for row, cell in here.items()
        if cell is not None
    )
    if any(cell is None or cell.seeds < claims.SEEDS for cell in here.values()):
        return None, f"{said} (not all rows were run with {claims.SEEDS} seeds)"
    standard = [cell for row in STANDARD if (cell := here[row]) is not None]
    serial = [cell for row in SERIAL_ORDERS if (cell := here[row]) is not None]
    if any(cell.high[-1] < claims.ACCURACY for cell in serial) or any(
        cell.low[-1] >= claims.ACCURACY for cell in standard
    ):
        return False, said
    plausible = all(cell.duplicates[-1] < cell.duplicates[0] / 2 for cell in standard)
    invalid = all(cell.high[-1] < claims.VALID for cell in standard)
    solved = all(cell.low[-1] >= claims.ACCURACY for cell in serial)
    return (True if plausible and invalid and solved else None), said


def _panels(tiers: dict[str, str], cells: dict[tuple[str, str], Cell]) -> list[Panel]:
    panels = []
    for tier in tiers:
        series = tuple(
            _series(row, cells[row, tier])
            for row in STANDARD + SERIAL_ORDERS + OTHERS
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
    )
