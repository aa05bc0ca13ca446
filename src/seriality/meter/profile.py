"""Where the work and the span of a JAX program are: a tree of functions, and the critical path.

The span of a region is the longest chain of its own operations when all others are free. It is found by
metering the program once more for each region, with the steps of all other operations set to zero.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from jax.extend.core import Jaxpr, JaxprEqn

from .interpret import Interpreter, Place
from .maxplus import longest
from .measurement import Profile, Region, Settings, Step
from .parts import Leaf, Trace
from .rules import Operation


def profile(jaxpr: Jaxpr, settings: Settings) -> Profile:
    """The tree and the path of a program."""
    reader = Interpreter(settings, located=True)
    body = reader.body(jaxpr, (False,) * len(jaxpr.invars))
    trace: Trace = {}
    if longest(body.paths):
        output, source = np.unravel_index(int(np.argmax(body.paths)), body.paths.shape)
        trace = body.trace(int(output), int(source))
    works: Counter[tuple[str, ...]] = Counter()
    _collect(body, 1, works)
    critical: Counter[tuple[str, ...]] = Counter()
    for leaf, count in trace.items():
        critical[leaf.functions] += count * leaf.steps
    names = sorted({place[:depth] for place in works for depth in range(len(place) + 1)} | {()})
    names = _without_only_children(names, works)

    def span(place: tuple[str, ...]) -> int:
        inside = _Focused(settings, located=True, place=place).body(jaxpr, (False,) * len(jaxpr.invars))
        return longest(inside.paths)

    def region(place: tuple[str, ...], name: str) -> Region:
        own = [other for other in works if other[: len(place)] == place]
        below = [other for other in names if len(other) > len(place) and _parent(other, names) == place]
        inner = [region(other, " / ".join(other[len(place) :])) for other in below]
        return Region(
            name,
            sum(works[other] for other in own),
            span(place),
            sum(critical[other] for other in critical if other[: len(place)] == place),
            tuple(sorted(inner, key=lambda found: (-found.critical, -found.work))),
        )

    return Profile(region((), "program"), tuple(_steps(trace)))


class _Focused(Interpreter):
    """A reading in which only the operations of one region take steps."""

    def __init__(self, settings: Settings, located: bool, place: tuple[str, ...]):
        super().__init__(settings, located=located)
        self.focus = place

    def leaf(self, eqn: JaxprEqn, operation: Operation, place: Place) -> Leaf:
        return self.focused(super().leaf(eqn, operation, place))

    def choice(self, eqn: JaxprEqn, place: Place) -> Leaf:
        return self.focused(super().choice(eqn, place))

    def focused(self, leaf: Leaf) -> Leaf:
        return leaf if leaf.functions[: len(self.focus)] == self.focus else replace(leaf, steps=0)


def _collect(part: Any, times: int, works: Counter[tuple[str, ...]]) -> None:
    """Add the work of every operation to its region."""
    if isinstance(part, Leaf):
        if part.work:
            works[part.functions] += times * part.work
        return
    for inner, count in part.contents():
        _collect(inner, times * count, works)


def _parent(place: tuple[str, ...], names: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """The nearest of the names that encloses a place."""
    return max((other for other in names if other != place and place[: len(other)] == other), key=len)


def _without_only_children(
    names: Sequence[tuple[str, ...]], works: Counter[tuple[str, ...]]
) -> list[tuple[str, ...]]:
    """The places that tell something: those with work of their own, or with several places inside."""
    kept = []
    for place in names:
        children = [other for other in names if len(other) == len(place) + 1 and other[:-1] == place]
        if not place or works[place] or len(children) != 1:
            kept.append(place)
    return kept


def _steps(trace: Trace) -> list[Step]:
    """The operations on a path that take steps; equal ones of one line follow each other once."""
    found: dict[tuple[str, str, str], list[int]] = {}
    for leaf, count in trace.items():
        if leaf.steps:
            function = leaf.functions[-1] if leaf.functions else ""
            totals = found.setdefault((leaf.name, leaf.line, function), [0, 0])
            totals[0] += count
            totals[1] += count * leaf.steps
    return [Step(*names, count, steps) for names, (count, steps) in found.items()]
