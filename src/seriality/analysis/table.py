"""From records to the rows of a table: is each kind of solver parallel, does it solve a serial task?

The rule is that of claim C01 (`seriality.claims`), whose thresholds and expected rows are passed in. Reach is
judged beside a control: a solver that fails at both tasks has shown nothing about serial problems. The
learning rate of each row and task is chosen on validation counts, and test counts are read only after that.

Diverged runs are failures that count. Records of one row and task that differ in more than seed and learning
rate, or in how instances were divided, are not mixed: the settings of the record added last are taken and the
others are counted as left out. A control is one only if solver, training and depths are those of the serial
task.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np

from .intervals import Interval, bootstrap, wilson
from .reach import reach

SERIAL, CONTROL = "serial", "control"
UNJUDGED = ("not run", "no claim")
"""Agreements that say nothing of the paper, whatever the number of seeds."""

PAIR_RULE = (
    "A pair is parted if the whole interval of the reach on the serial task lies below that on its control.",
    "It is not parted if every seed reaches the largest depth of both.",
    "Else it is undecided, and so it is with too few seeds. A control that is not learnt has a reach of 0, "
    "below which nothing lies: its pair is undecided and says nothing about depth.",
)
"""The rule of the study `pairs`. Right at a depth, reach, interval and seeds are those of claim C01."""


@runtime_checkable
class RecordLike(Protocol):
    """What is read of a record."""

    @property
    def id(self) -> str: ...

    @property
    def settings(self) -> dict[str, Any]: ...

    @property
    def outcome(self) -> dict[str, Any]: ...


@runtime_checkable
class ExpectedLike(Protocol):
    """What the paper says of a row; None where it says nothing."""

    @property
    def name(self) -> str: ...

    @property
    def parallel(self) -> bool | None: ...

    @property
    def solves(self) -> bool | None: ...


@dataclass(frozen=True)
class Rule:
    """Thresholds: accuracy that is right, confidence, seeds that are evidence, names of growth."""

    accuracy: float
    confidence: float
    seeds: int
    parallel_laws: tuple[str, ...]
    serial_laws: tuple[str, ...]


@dataclass(frozen=True)
class Run:
    """One record, read: accuracies are shares of right answers by depth, zero where the run diverged."""

    family: str
    role: str
    row: str
    conditions: str
    regime: str
    learning_rate: float
    seed: int
    diverged: bool
    depths: tuple[int, ...]
    validation: tuple[float, ...]
    test: tuple[float, ...]
    test_low: tuple[float, ...]
    test_high: tuple[float, ...]
    tries: int
    task: str
    span: int | None
    work: int | None
    law: str | None
    formula: str | None
    cost_model: str
    shared_depth: int
    parameters: int | None
    id: str = ""
    """The record's."""


@dataclass(frozen=True)
class Side:
    """One row on one task, at the learning rate chosen on validation: its runs, one a seed, and its reach."""

    runs: tuple[Run, ...]
    reaches: tuple[int, ...]
    reach: Interval
    learning_rate: float
    solves: str
    """"yes", "no" or "undecided"; by the median alone when the seeds are too few to be evidence."""

    @property
    def max_depth(self) -> int:
        """The largest depth that was evaluated."""
        return max(self.runs[0].depths)

    @property
    def diverged(self) -> int:
        """How many of the runs diverged."""
        return sum(run.diverged for run in self.runs)


@dataclass(frozen=True)
class Row:
    """A row of the table for one family of tasks. `serial` or `control` is None where nothing was run."""

    name: str
    family: str
    serial: Side | None
    control: Side | None
    parallel: bool | None
    solves: bool | None
    """Whether it solves the serial task: no only if it solves the control, and None where that is open."""
    expected_parallel: bool | None
    expected_solves: bool | None
    agreement: str
    """"agrees", "contradicts", "undecided" or "not run", as observed whatever the number of seeds; "no claim"
    where the paper says nothing of the row."""
    seeds: int
    evidence: bool
    """Whether both tasks have seeds enough for the agreement to count."""
    left_out: int
    """Records of this row with settings other than the latest."""

    @property
    def verdict(self) -> str:
        """The agreement, or "undecided" if the seeds are too few for it to be evidence."""
        return self.agreement if self.evidence or self.agreement in UNJUDGED else "undecided"

    @property
    def pair(self) -> str:
        """Whether this row tells the tasks apart, by `PAIR_RULE`: "parted", "not parted" or "undecided"."""
        if self.serial is None or self.control is None or not self.evidence:
            return "undecided"
        if self.serial.reach.high < self.control.reach.low:
            return "parted"
        sides = (self.serial, self.control)
        return "not parted" if all(min(side.reaches) == side.max_depth for side in sides) else "undecided"

    @property
    def law(self) -> str | None:
        """How the metered span grows with input length."""
        return None if self._run is None else self._run.law

    @property
    def formula(self) -> str | None:
        """The metered span as a function of the input length n."""
        return None if self._run is None else self._run.formula

    @property
    def work(self) -> int | None:
        """The metered operations behind one answer, in the cost model of the growth."""
        return None if self._run is None else self._run.work

    @property
    def parameters(self) -> int | None:
        """How many numbers are trained."""
        return None if self._run is None else self._run.parameters

    @property
    def _run(self) -> Run | None:
        side = self.serial or self.control
        return None if side is None else side.runs[0]


@dataclass(frozen=True)
class Part:
    """One thing that a rule asks for: whether it was seen (None where that is open), and the numbers, with
    semicolons between them where they are many."""

    seen: bool | None
    said: str
    control: bool = False
    """Whether it is about the instrument, not about the claim."""


@dataclass(frozen=True)
class Verdict:
    """What the records say of the claim: "supported", "contradicted" or "undecided", and why.

    `parts` are all that the rule asks for, those that did not decide too; of a table one for each family.
    """

    status: str
    reasons: tuple[str, ...]
    parts: tuple[Part, ...] = ()


def read(records: Iterable[RecordLike], *, rule: Rule) -> tuple[list[Run], int]:
    """The runs that the records hold, in order, and how many records could not be read as such."""
    runs, unread = [], 0
    for record in records:
        try:
            runs.append(_run(record, rule))
        except (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError):
            unread += 1
    return runs, unread


def rows(runs: Sequence[Run], *, expected: Sequence[ExpectedLike], rule: Rule) -> dict[str, list[Row]]:
    """The rows of the table in the order of `expected`, by family of tasks in the order they were run."""
    families = dict.fromkeys(run.family for run in runs)
    return {
        family: [_row([run for run in runs if run.family == family], family, each, rule) for each in expected]
        for family in families
    }


def verdict(table: dict[str, list[Row]], *, rule: Rule, missing: int = 0) -> Verdict:
    """The verdict on the claim that every row is as expected, in every family of the study.

    While trials are `missing` a row that has all of its seeds may contradict, and nothing is supported.
    """
    every = [row for family in table.values() for row in family]
    parts = tuple(_part(family, members) for family, members in table.items())
    contradicting = [row for row in every if row.verdict == "contradicts"]
    if contradicting:
        said = tuple(f"{row.name} ({row.family})" for row in contradicting)
        return Verdict("contradicted", said, parts)
    if every and not missing and all(row.verdict == "agrees" for row in every):
        return Verdict("supported", tuple(f"all rows agree ({family})" for family in table), parts)
    reasons = [f"{missing} trials of the study are missing"] if missing else []
    for family, members in table.items():
        for state in ("not run", "undecided"):
            if names := [row.name for row in members if row.agreement == state]:
                reasons.append(f"{state} in {family}: {', '.join(names)}")
        few = [row.seeds for row in members if row.agreement != "not run" and not row.evidence]
        if few:
            reasons.append(f"{family}: {_seeds(min(few))}, not evidence ({rule.seeds} are needed)")
    return Verdict("undecided", tuple(reasons) or ("no records",), parts)


def _part(family: str, members: Sequence[Row]) -> Part:
    """Whether the rows of a family are as expected; which are, which are open, and which are not."""
    named = {"agrees": "agree", "contradicts": "not so"}
    by: dict[str, list[str]] = {"agree": [], "open": [], "not so": []}
    for row in members:
        by[named.get(row.verdict, "open")].append(row.name)
    seen = False if by["not so"] else None if by["open"] else True
    told = [f"{state}: {', '.join(names)}" for state, names in by.items() if names]
    return Part(seen, "; ".join([family, *told]))


def choose(runs: Sequence[Run], *, rule: Rule) -> float:
    """The learning rate to take, on validation alone: by median reach, mean accuracy, then the smaller one.

    Rates with fewer seeds than the most do not compete.
    """
    rates: dict[float, list[Run]] = {}
    for run in runs:
        rates.setdefault(run.learning_rate, []).append(run)
    most = max(len(members) for members in rates.values())

    def merit(rate: float) -> tuple[float, float, float]:
        accuracy = np.array([run.validation for run in rates[rate]])
        reaches = reach(np.array(rates[rate][0].depths), accuracy >= rule.accuracy)
        return float(np.median(reaches)), float(accuracy.mean()), -rate

    return max((rate for rate in rates if len(rates[rate]) == most), key=merit)


def _side(runs: Sequence[Run], rule: Rule) -> Side | None:
    if not runs:
        return None
    rate = choose(runs, rule=rule)
    chosen = tuple(sorted((run for run in runs if run.learning_rate == rate), key=lambda run: run.seed))
    depths = np.array(chosen[0].depths)
    reaches = reach(depths, np.array([run.test for run in chosen]) >= rule.accuracy)
    interval = bootstrap(reaches, confidence=rule.confidence)
    low, high = interval.low, interval.high
    if len(chosen) < rule.seeds:
        low = high = interval.estimate
    solves = "yes" if low == depths.max() else "no" if high < depths.max() else "undecided"
    return Side(chosen, tuple(reaches.tolist()), interval, rate, solves)


def _solves(serial: Side | None, control: Side | None) -> bool | None:
    if serial is None or serial.solves == "undecided":
        return None
    if serial.solves == "yes":
        return True
    return False if control is not None and control.solves == "yes" else None


def _row(runs: Sequence[Run], family: str, expected: ExpectedLike, rule: Rule) -> Row:
    sides, left_out = {}, 0
    of_row = [run for run in runs if run.row == expected.name]
    for role in (SERIAL, CONTROL):
        members = [run for run in of_row if run.role == role]
        alike = [run for run in members if run.regime == of_row[-1].regime]
        latest = [run for run in alike if run.conditions == alike[-1].conditions]
        left_out += len(members) - len(latest)
        sides[role] = _side(latest, rule)
    serial, control = sides[SERIAL], sides[CONTROL]
    side = serial or control
    law = side.runs[0].law if side else None
    parallel = True if law in rule.parallel_laws else False if law in rule.serial_laws else None
    solves = _solves(serial, control)
    answers = ((parallel, expected.parallel), (solves, expected.solves))
    if serial is None:
        agreement = "not run"
    elif None in (expected.parallel, expected.solves):
        agreement = "no claim"
    elif any(answer is not None and answer != said for answer, said in answers):
        agreement = "contradicts"
    else:
        agreement = "undecided" if None in (parallel, solves) else "agrees"
    seeds = min((len(each.runs) if each else 0) for each in (serial, control))
    return Row(
        name=expected.name,
        family=family,
        serial=serial,
        control=control,
        parallel=parallel,
        solves=solves,
        expected_parallel=expected.parallel,
        expected_solves=expected.solves,
        agreement=agreement,
        seeds=seeds,
        evidence=seeds >= rule.seeds,
        left_out=left_out,
    )


def _run(record: RecordLike, rule: Rule) -> Run:
    settings, outcome = record.settings, record.outcome
    if settings["role"] not in (SERIAL, CONTROL):
        raise ValueError(f"the role of a task is {SERIAL} or {CONTROL}")
    varied = {"seed": None, "training": {**settings["training"], "learning_rate": None}}
    depths = tuple(int(depth) for depth in outcome["depths"])
    rate = float(settings["training"]["learning_rate"])
    if not np.isfinite(rate) or any(not 1 <= depth < 2**31 for depth in depths):
        raise ValueError("rates are finite and depths positive")
    diverged = bool(outcome["diverged"])
    order = np.argsort(depths)
    shares = {}
    for split in ("validation", "test"):
        tries = np.array(outcome[split]["tries"], float)[order]
        successes = np.array(outcome[split]["successes"], float)[order] * (not diverged)
        if not depths or {tries.shape, successes.shape} != {(len(depths),)}:
            raise ValueError("every depth needs tries and successes")
        if not np.all((tries >= 1) & (tries < 2**31) & (successes >= 0) & (successes <= tries)):
            raise ValueError("successes are among the tries")
        low, high = wilson(successes, tries, confidence=rule.confidence)
        shares[split] = (successes / tries, low, high)
    growth = outcome.get("growth") or {}
    cost_model = str(growth.get("cost_model", "layer"))
    cost = (outcome.get("cost") or {}).get(cost_model) or {}
    test, low, high = (tuple(values.tolist()) for values in shares["test"])
    return Run(
        family=str(settings["family"]),
        role=settings["role"],
        row=str(settings["row"]),
        conditions=json.dumps([settings | varied, outcome.get("shared_depth")], sort_keys=True),
        regime=json.dumps([settings.get("solver"), varied["training"], sorted(depths)], sort_keys=True),
        learning_rate=rate,
        seed=int(settings["seed"]),
        diverged=diverged,
        depths=tuple(np.array(depths)[order].tolist()),
        validation=tuple(shares["validation"][0].tolist()),
        test=test,
        test_low=low,
        test_high=high,
        tries=int(min(outcome["test"]["tries"])),
        task=_task(settings["task"]),
        span=_count(cost.get("span")),
        work=_count(cost.get("work")),
        law=growth.get("law"),
        formula=growth.get("formula"),
        cost_model=cost_model,
        shared_depth=int(outcome.get("shared_depth") or 0),
        parameters=_count(outcome.get("parameters")),
        id=record.id,
    )


def _count(value: Any) -> int | None:
    """A number of things, or None if there is none."""
    if value is not None and not (isinstance(value, int) and 0 <= value < 2**1000):
        raise ValueError("a cost is a whole number")
    return value


def _task(task: dict[str, Any]) -> str:
    """A task as one writes it: Words(monoid=S5, length=16)."""
    dials = ", ".join(f"{name}={value}" for name, value in task.items() if name not in ("name", "version"))
    return f"{task['name']}({dials})"


def _seeds(count: int) -> str:
    return f"{count} seed{'' if count == 1 else 's'}"
