"""Every loop of a program with what re-association makes of it, for the interpreter and for the user."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn, Literal

from ...cost import Cost
from .. import jaxprs, measurement
from ..algebra import INPUT
from ..degree import degrees, reading
from ..interpret import Interpreter, Known
from ..maxplus import longest
from ..measurement import Group
from .loops import Loop, Planned, trace
from .ranges import Range, of_value, union


@dataclass
class Finder:
    """The shortcuts of one program. Called by an `Interpreter` for each scan it meets.

    `loops` holds each loop of the program once, by its equation. A shortcut that takes more than
    `most_blow_up` times the work of the loop is refused.
    """

    most_blow_up: float
    ranges: dict[Any, tuple[Range, ...]]
    loops: dict[int, measurement.Loop] = field(default_factory=dict)
    _planned: dict[tuple[int, Known], tuple[Loop, list[bool], ClosedJaxpr | None]] = field(
        default_factory=dict
    )
    _counted: dict[int, Jaxpr] = field(default_factory=dict)
    _kept: list[JaxprEqn] = field(default_factory=list)

    def __call__(self, eqn: JaxprEqn, known: Known, reader: Interpreter) -> Any:
        """The part that takes the place of a scan, or None."""
        written = reader.scan_as_written(eqn, known)
        try:
            loop, shortened, shorter = self.planned(eqn, known, written.work)
        except NameError:  # an axis of devices has a name inside of its shard_map alone
            self.leave(eqn, eqn.params["length"], written, "it names an axis of a shard_map")
            return None
        part, refused = None, ""
        if shorter is not None:
            part = reader.body(jaxprs.alive(shorter.jaxpr), known)
            if part.work > self.most_blow_up * written.work > 0:
                refused = f"{part.work / written.work:,.0f} times the work"
                part = None
        if id(eqn) in self.ranges:
            self.loops.setdefault(id(eqn), self._told(loop, shortened, written, part, refused))
        if part is None or longest(part.paths) >= longest(written.paths):
            return None
        return part

    def leave(self, eqn: JaxprEqn, length: int, written: Any, reason: str) -> None:
        """Tell of a loop that is left as it is."""
        self._kept.append(eqn)
        cost = Cost(written.work, longest(written.paths))
        group = Group((), "serial", culprit=f"not looked into: {reason}")
        loop = measurement.Loop(jaxprs.where(eqn)[0], length, (group,), cost, cost)
        self.loops.setdefault(id(eqn), loop)

    def counted(self, eqn: JaxprEqn, count: int) -> Jaxpr:
        """A while loop of known length as a scan, which is then one of the loops."""
        if id(eqn) not in self._counted:
            self._kept.append(eqn)
            jaxpr = self._counted[id(eqn)] = jaxprs.counted(eqn, count)
            self.ranges.update(_joined(_scans(jaxpr, {})))
        return self._counted[id(eqn)]

    def planned(self, eqn: JaxprEqn, known: Known, work: int) -> tuple[Loop, list[bool], ClosedJaxpr | None]:
        """The loop of an equation, which of its groups are shortened, and the shorter program."""
        if (id(eqn), known) not in self._planned:
            self._kept.append(eqn)  # an identity is one only while its object lives
            loop = Loop(eqn, self.ranges.get(id(eqn), ()), known)
            shortened = [
                plan.composition is not None and self._estimate(plan, loop, work) <= 4 * self.most_blow_up
                for plan in loop.plans
            ]
            useful = any(shortened) and loop.length > 1
            self._planned[id(eqn), known] = loop, shortened, trace(loop, shortened) if useful else None
        return self._planned[id(eqn), known]

    def _estimate(self, plan: Planned, loop: Loop, work: int) -> float:
        """About how many times the work of the loop a shortcut takes, before it is traced."""
        composition = plan.composition
        assert composition is not None, "only compositions are estimated"
        rows, batch = composition.layout.rows, int(np.prod(composition.layout.batch_shape, dtype=int))
        if plan.group.kind == "finite":
            return plan.group.states
        if plan.group.kind == "linear-fractional":
            return 3.0
        varying = int(np.prod(composition.layout.batch_shape[: composition.layout.varying], dtype=int))
        return rows + 4 * loop.length * (rows**3 * varying + rows**2 * batch) / max(1, work)

    def _told(
        self, loop: Loop, shortened: Sequence[bool], written: Any, part: Any, refused: str
    ) -> measurement.Loop:
        groups = []
        for plan, is_shortened in zip(loop.plans, shortened, strict=True):
            group = plan.group
            if plan.composition is not None and (refused or not is_shortened):
                reason = refused or f"more than {self.most_blow_up:,.0f} times the work"
                culprit = f"{group.kind} of {group.states:,} rows or states, refused: {reason}"
                group = replace(group, kind="serial", culprit=culprit)
            groups.append(group)
        cost = Cost(written.work, longest(written.paths))
        shorter = cost if part is None else Cost(part.work, longest(part.paths))
        if shorter.span >= cost.span:
            shorter = cost
        return measurement.Loop(
            jaxprs.where(loop.eqn)[0], loop.length, tuple(groups), cost, shorter, _degree(loop)
        )


def _degree(loop: Loop) -> Any:
    """What the formal degree says of the groups: serial if it says so of one."""
    found = set()
    for plan in loop.plans:
        if plan.update is not None and plan.group.kind != "none":
            update = plan.update
            beside = [INPUT] * len(update.others)
            found.add(
                reading(
                    lambda carry, update=update, beside=beside: degrees(update.jaxpr, [*carry, *beside]),
                    [INPUT] * len(update.carries),
                )
            )
    for answer in ("serial", "unknown", "shortcut"):
        if answer in found:
            return answer
    return "unknown"


def scans(closed: ClosedJaxpr) -> dict[int, tuple[Range, ...]]:
    """The scans of a program by identity, with what is known of the values of their operands."""
    held = {
        variable: of_value(value)
        for variable, value in zip(closed.jaxpr.constvars, closed.consts, strict=True)
    }
    return _joined(_scans(closed.jaxpr, held))


def _joined(visits: Iterable[tuple[int, tuple[Range, ...]]]) -> dict[int, tuple[Range, ...]]:
    """A jaxpr may be shared by several calls: what holds for a loop in it holds for all of them."""
    found: dict[int, tuple[Range, ...]] = {}
    for loop, known in visits:
        before = found.get(loop, known)
        found[loop] = tuple(union(one, other) for one, other in zip(before, known, strict=True))
    return found


def _scans(jaxpr: Jaxpr, held: dict[Any, Range]) -> Iterator[tuple[int, tuple[Range, ...]]]:
    for eqn in jaxpr.eqns:
        known = tuple(
            of_value(atom.val) if isinstance(atom, Literal) else held.get(atom) for atom in eqn.invars
        )
        if eqn.primitive.name == "scan":
            yield id(eqn), known
        for inner, operands in jaxprs.inner(eqn, known):
            yield from _scans(inner, dict(zip(inner.invars, operands, strict=False)))
