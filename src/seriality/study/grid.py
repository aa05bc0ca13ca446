"""Grids: serial against parallel compute at equal work.

A grid crosses a serial axis (layers, loops, steps of a chain of thought, of denoising, of recurrence) with a
parallel one (width, heads, votes, instances of a training step). Its points lie on lines of equal work, so
that along a line one kind of compute is paid for with the other. Work is metered, never estimated: for every
serial value the parallel value is taken whose metered work is nearest to the line's, and it must lie within
5 % of it.

A study states its points as plain numbers and a test holds them to `iso_work`, since metering takes seconds
and a list of trials must not.
"""

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..tasks.base import AbstractTask
from .costs import answer_cost
from .trial import Training

Settings = Mapping[str, Any]
TOLERANCE = 0.05
"""How far a point's work may be from its line's."""


@dataclass(frozen=True)
class Axis:
    """A dial of compute. `put` sets it in a solver's settings and the training regime; it is `serial` if the
    span of an answer, or of training, grows with it.

    >>> settings, _ = AXES["width"].put({"name": "SinglePass", "network": {"name": "MLP"}}, None, 48)
    >>> settings["network"]
    {'name': 'MLP', 'width': 48}
    """

    name: str
    serial: bool
    put: Callable[[Settings, Training, int], tuple[Settings, Training]]


def _inside(settings: Settings, value: Mapping[str, Any], *, part: str) -> Settings:
    """The settings with dials of an inner part changed, however many solvers are around it."""
    if "solver" in settings:
        return {**settings, "solver": _inside(settings["solver"], value, part=part)}
    if part == "solver":
        return {**settings, **value}
    return {**settings, "network": {**settings["network"], **value}}


def _network(name: str, dial: str, serial: bool) -> Axis:
    return Axis(name, serial, lambda s, t, value: (_inside(s, {dial: value}, part="network"), t))


def _solver(name: str, dial: str, serial: bool, form: Callable[[int], Any] = int) -> Axis:
    return Axis(name, serial, lambda s, t, value: (_inside(s, {dial: form(value)}, part="solver"), t))


def _passes(count: int) -> dict[str, int]:
    return {"constant": count}


def _heads(settings: Settings, training: Training, heads: int) -> tuple[Settings, Training]:
    """Heads of one size: the width grows with their number."""
    network = settings["network"]
    size = network["width"] // network["heads"]
    return {**settings, "network": {**network, "heads": heads, "width": heads * size}}, training


AXES: dict[str, Axis] = {
    axis.name: axis
    for axis in (
        _network("layers", "layers", True),
        _solver("loops", "loops", True, _passes),
        _solver("kept", "kept", True),
        _solver("denoising steps", "steps", True, _passes),
        _network("tokens a recurrent step", "stride", True),
        Axis("training steps", True, lambda s, t, value: (s, replace(t, steps=value))),
        _network("width", "width", False),
        Axis("heads", False, _heads),
        Axis("votes", False, lambda s, t, value: ({**s, "samples": value}, t)),
        Axis("batch", False, lambda s, t, value: (s, replace(t, batch=value))),
    )
}
"""Every axis by name. More tokens a recurrent step are fewer steps."""


@dataclass(frozen=True)
class Point:
    """A configuration on a line of equal work, with its metered work and span (the `unit` cost model)."""

    line: int
    serial: int
    parallel: int
    work: int
    span: int


def iso_work(
    task: AbstractTask,
    settings: Settings,
    *,
    serial: tuple[str, Sequence[int]],
    parallel: tuple[str, Sequence[int]],
    lines: Sequence[int],
    training: Training | None = None,
) -> list[Point]:
    """The points of a grid on lines of equal work, an axis given by its name in AXES and its values.

    For each line and serial value it is the parallel value whose metered work is nearest to the line. Work
    must not fall along the parallel values. ValueError, which says what blocks it, for every place that no
    parallel value comes near enough to.

    >>> from ..tasks import Words
    >>> network = {"name": "SinglePass", "network": {"name": "Transformer", "heads": 2}}
    >>> words, widths = Words(length=8), range(8, 129, 4)
    >>> points = iso_work(
    ...     words, network, serial=("layers", [1, 4]), parallel=("width", widths), lines=[1_500_000]
    ... )
    >>> [(point.serial, point.parallel) for point in points]
    [(1, 76), (4, 40)]
    """
    (serial_name, serial_values), (name, values) = serial, parallel
    training = Training(stages=(1,)) if training is None else training
    points, faults = [], []
    for value in serial_values:
        found: dict[int, tuple[int, int]] = {}

        def at(width: int, value: int = value, found: dict[int, tuple[int, int]] = found) -> int:
            if width not in found:
                put = AXES[serial_name].put(settings, training, value)
                put, _ = AXES[name].put(*put, width)
                cost = answer_cost(put, task)[1]["unit"]
                found[width] = cost["work"], cost["span"]
            return found[width][0]

        for line in lines:
            after = bisect_left(values, line, key=at)
            near = min(values[max(after - 1, 0) : after + 1], key=lambda width: abs(at(width) - line))
            work, span = at(near), found[near][1]
            if abs(work - line) <= TOLERANCE * line:
                points.append(Point(line, value, near, work, span))
                continue
            faults.append(f"{serial_name} = {value}: {_blocked(name, values, near, work, line)}")
    if faults:
        raise ValueError(
            f"no point within {TOLERANCE:.0%} of its line of work: {'; '.join(faults)}; give other lines,"
            f" more values of {name} or fewer of {serial_name}"
        )
    return points


def _blocked(name: str, values: Sequence[int], near: int, work: int, line: int) -> str:
    """Which bound keeps a line of work from being met."""
    off = f"work {work:,}, {work / line - 1:+.0%} of the line {line:,}"
    if near == values[0] and work > line:
        return f"the least {name}, {near}, has {off}"
    if near == values[-1] and work < line:
        return f"the largest {name}, {near}, has {off}"
    return f"the nearest {name}, {near}, has {off}, and the values of {name} are too far apart"
