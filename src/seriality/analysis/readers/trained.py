"""What a trained network answered, read off a record of a grid: right answers by depth, and their cost."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ... import claims
from ..finding import COUNT, POSITIVE, Point, Series, number, parsed
from ..intervals import student, wilson
from ..observations import Observations
from ..table import CONTROL, SERIAL, RecordLike


@dataclass(frozen=True)
class Trained:
    """One training of one configuration. A diverged run is never right."""

    family: str
    role: str
    row: str
    seed: int
    right: Mapping[int, int]
    """By depth."""
    tries: int
    span: int
    work: int
    training_work: int | None
    diverged: bool
    rate: float = 0.0
    """The learning rate."""
    validation: float = 0.0
    """The share of right answers on validation instances of all depths."""
    rates: int = 1
    """Learning rates among which this one was chosen."""
    record: str = ""
    """Its id."""

    def share(self, depth: int) -> float:
        return self.right[depth] / self.tries

    @property
    def depth(self) -> int:
        """The largest."""
        return max(self.right)


Cells = dict[tuple[str, str, str], list[Trained]]
"""By family, role and row."""


def cells(records: Sequence[RecordLike], *depths: int) -> tuple[Cells, int]:
    """The trainings of each row at one learning rate, by seed, and how many records were none that was asked
    at these depths."""

    def asked(record: RecordLike) -> Trained:
        found = of_record(record)
        if not set(depths) <= set(found.right):
            raise ValueError(f"asked at depths {depths}")
        return found

    trained, unread = parsed(records, asked)
    found: Cells = {}
    for each in sorted(trained, key=lambda t: t.seed):
        found.setdefault((each.family, each.role, each.row), []).append(each)
    return {key: chosen(row) for key, row in found.items()}, unread


def chosen(row: Sequence[Trained]) -> list[Trained]:
    """The trainings at the learning rate that does best on validation instances, the smaller if two do
    alike. Rates with fewer seeds than the most do not compete."""
    by_rate: dict[float, list[Trained]] = {}
    for each in row:
        by_rate.setdefault(each.rate, []).append(each)
    most = max(map(len, by_rate.values()))
    competing = {rate: each for rate, each in sorted(by_rate.items()) if len(each) == most}
    best = max(competing.values(), key=lambda each: sum(one.validation for one in each))
    return [replace(each, rates=len(competing)) for each in best]


def of_record(record: RecordLike, outcome: Mapping[str, Any] | None = None) -> Trained:
    """A training, or what its weights said when asked another way; ValueError or KeyError if the record is of
    none."""
    settings, outcome = record.settings, record.outcome if outcome is None else outcome
    role, diverged = settings["role"], bool(outcome["diverged"])
    if role not in (SERIAL, CONTROL):
        raise ValueError(f"the role of a task is {SERIAL} or {CONTROL}")
    tries = {int(number(each, *POSITIVE)) for each in outcome["test"]["tries"]}
    right = {
        int(number(depth, *POSITIVE)): int(number(count, 0, max(tries))) * (not diverged)
        for depth, count in zip(outcome["depths"], outcome["test"]["successes"], strict=True)
    }
    if len(tries) != 1 or not right:
        raise ValueError("as many tries at every depth, and one depth or more")
    cost, step = outcome["cost"]["unit"], outcome.get("training_step")
    training_work = (
        None
        if step is None
        else int(number(step["work"], 0, 1e18)) * int(number(outcome["steps_run"], *COUNT))
    )
    span, work = (int(number(cost[name], 1, 1e18)) for name in ("span", "work"))
    regime, held = settings.get("training") or {}, outcome.get("validation")
    rate = number(regime.get("learning_rate", 0.0), 0.0, 1e9)
    validation = 0.0
    if held is not None and not diverged:
        asked = sum(number(each, *POSITIVE) for each in held["tries"])
        validation = sum(number(each, 0, asked) for each in held["successes"]) / asked
    return Trained(
        str(settings["family"]), role, str(settings["row"]), int(settings["seed"]),
        right, tries.pop(), span, work, training_work, diverged, rate, validation, record=record.id,
    )  # fmt: skip


def shares(trained: Iterable[Trained], *depths: int) -> np.ndarray:
    """Accuracy by seed, the mean over depths."""
    return np.array([np.mean([each.share(depth) for depth in depths]) for each in trained])


def point(x: float, trained: Sequence[Trained], depth: int) -> Point:
    """The mean accuracy of the seeds with its interval; of one seed that over its instances."""
    found, ids = shares(trained, depth), tuple(each.record for each in trained)
    if len(found) > 1:
        mean = student(found, confidence=claims.CONFIDENCE)
        return Point(x, mean.estimate, max(mean.low, 0.0), min(mean.high, 1.0), ids)
    right, tries = np.array(trained[0].right[depth]), np.array(trained[0].tries)
    low, high = wilson(right, tries, confidence=claims.CONFIDENCE)
    return Point(x, float(found[0]), float(low), float(high), ids)


def observations(trained: Iterable[Trained]) -> Observations:
    """Every depth of every training, configurations numbered by row; ValueError if not all were asked at the
    same depths."""
    every = list(trained)
    if len({frozenset(each.right) for each in every}) > 1:
        raise ValueError("not all were asked at the same depths")
    rows = {row: place for place, row in enumerate(dict.fromkeys(each.row for each in every))}
    table = [
        (rows[each.row], each.seed, depth, each.span, each.work, count, each.tries)
        for each in every
        for depth, count in each.right.items()
    ]
    return Observations(*np.array(table).T)


def by_span(found: Mapping[str, Sequence[Trained]], depth: int, name: str = "span {}") -> list[Series]:
    """Accuracy at a depth against work, a curve for each span."""
    curves: dict[int, list[Point]] = {}
    for trained in sorted(found.values(), key=lambda t: t[0].work):
        curves.setdefault(trained[0].span, []).append(point(trained[0].work, trained, depth))
    return [Series(name.format(span), tuple(curves[span])) for span in sorted(curves)]
