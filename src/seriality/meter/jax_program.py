"""The meter of JAX programs: a program is traced, read as written, and read again with its shortcuts."""

import math
from collections.abc import Callable, Sequence
from typing import Any

from ..cost import Cost
from . import jaxprs
from .algebra import INPUT
from .degree import degrees
from .interpret import Interpreter
from .maxplus import longest
from .measurement import Measurement, Settings, joint
from .parts import total
from .profile import profile
from .shortcuts.finder import Finder, scans


def measure_program(
    fn: Callable[..., Any], args: Sequence[Any], settings: Settings, most_blow_up: float
) -> Measurement:
    """The work and span of `fn(*args)`, a JAX program. It is never executed."""
    closed = jaxprs.trace(fn, *args)
    jaxpr = closed.jaxpr
    reader = Interpreter(settings)
    unknown = (False,) * len(jaxpr.invars)
    body = reader.body(jaxpr, unknown)
    cost = reassociated = Cost(body.work, longest(body.paths))
    for name in sorted(set(settings.declared) - reader.declarations):
        reader.notes[f"declared, but not in the program: {name}"] = "exact"
    finder = Finder(most_blow_up, scans(closed))
    if finder.ranges or reader.has_while:
        shorter = Interpreter(settings, finder).body(jaxpr, unknown)
        if longest(shorter.paths) < cost.span:
            reassociated = Cost(shorter.work, longest(shorter.paths))
    degree = max((min(found) for found in degrees(jaxpr, [INPUT] * len(jaxpr.invars))), default=0.0)
    return Measurement(
        cost,
        settings.cost_model,
        joint(set(reader.notes.values())),
        settings.control,
        reassociated,
        tuple(finder.loops.values()),
        max(0.0, degree) if degree < math.inf else None,
        tuple(sorted(reader.uncounted)),
        tuple(reader.notes),
        total(body, lambda leaf: leaf.work if leaf.operation.layer else 0),
        total(body, lambda leaf: int(leaf.work > 0 and bool(leaf.operation.layer))),
        total(body, lambda leaf: int(leaf.work > 0)),
        moved=total(body, lambda leaf: leaf.moved),
        _profile=lambda: profile(jaxpr, settings),
    )
