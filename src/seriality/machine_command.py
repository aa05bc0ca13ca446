"""The command `seriality machine`: this machine measured, and the rows of Table 1 predicted and timed on it.

`found` measures, `shown` and `as_json` tell, `draw` draws. What is measured and by which model is predicted
stands in `meter.machine`, what is timed in `studies.machine`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from .analysis import Panel, Point, Series
from .analysis.readers.machine import panels_of_times
from .cost import Cost
from .meter import Measurement
from .meter.machine import Machine, Measured, Observe, Prediction, amdahl, gustafson, serial_share
from .report.summary import plain
from .studies.machine import as_columns, prediction_and_time

POWERS = tuple(10**power for power in range(7))
"""How many processors, or times the throughput, the laws are drawn for."""


@dataclass(frozen=True)
class Found:
    """The machine, and of each row of Table 1 what it costs, the time predicted and the one measured."""

    machine: Machine
    rows: Mapping[str, tuple[Measurement, Prediction, Measured]]

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> "Found":
        """What `as_json` told, and the records of the study `machine` hold."""
        rows = {}
        for place, row in enumerate(plain["rows"]):
            at = {name: column[place] for name, column in plain.items() if name != "machine"}
            rows[row] = (
                Measurement(Cost(at["work"], at["span"]), "unit", "exact", moved=at["bytes"]),
                Prediction(*(at[name] for name in ("launch_s", "latency_s", "work_s", "bytes_s"))),
                Measured(*(at[name] for name in ("measured_s", "low_s", "high_s"))),
            )
        return cls(Machine.of(plain["machine"]), rows)


def found(*, quick: bool, observe: Observe) -> Found:
    """All of it, measured: well below a minute on an idle machine if `quick`."""
    return Found(*prediction_and_time(quick=quick, observe=observe))


def as_json(told: Found) -> dict[str, Any]:
    """The machine and the rows for programs, in operations, bytes and seconds."""
    return as_columns(told.machine, told.rows)


def shown(told: Found) -> RenderableType:
    """Three tables, for a terminal of 80 columns."""
    return Group(
        Text(plain(told.machine.name)),
        Padding(_machine(told.machine), (0, 0, 1, 2), expand=False),
        Text("Table 1, one answer to one prompt"),
        Padding(_rows(told), (0, 0, 1, 2), expand=False),
        Text("What other machines would give, by the prediction"),
        Padding(_others(told), (0, 0, 1, 2), expand=False),
    )


def _machine(machine: Machine) -> Table:
    table = _table("", ("median", "low", "high"))

    def add(name: str, value: Measured, unit: float, digits: int = 1) -> None:
        ends = (value.median, value.low, value.high)
        table.add_row(name, *(f"{end / unit:,.{digits}f}" for end in ends))

    for precision, value in machine.throughput.items():
        add(f"products, {precision}, Gop/s", value, 1e9)
    for side, value in machine.by_side.items():
        add(f"products of side {side}, float32, Gop/s", value, 1e9)
    add("outside of products, float32, Gop/s", machine.elementwise, 1e9)
    for size, value in machine.bandwidth.items():
        add(f"bandwidth within {size / 2**20:,.0f} MiB, GB/s", value, 1e9)
    for width, value in machine.latency.items():
        add(f"step of width {width}, compiled loop, ns", value, 1e-9, 0)
    add(f"step of width {min(machine.latency)}, calling a kernel, ns", machine.kernel, 1e-9, 0)
    add("dispatch from Python, ns", machine.dispatch, 1e-9, 0)
    add("iteration of an empty loop, ns", machine.iteration, 1e-9, 1)
    load = "unknown" if machine.load is None else f"{machine.load:.2f}"
    table.caption = f"Medians of {machine.rounds} rounds with 95 % intervals; load before {load}"
    table.caption_justify = "left"
    return table


def _rows(told: Found) -> Table:
    table = _table("", ("work", "bytes", "span", "predicted\nms", "measured\nms", "ratio"))
    for row, (metered, foretold, measured) in told.rows.items():
        table.add_row(
            row,
            f"{metered.work:,}",
            f"{metered.moved or 0:,}",
            f"{metered.span:,}",
            f"{1e3 * foretold.seconds:.3f}",
            f"{1e3 * measured.median:.3f}",
            f"{measured.median / foretold.seconds:.2f}",
        )
    return table


def _others(told: Found) -> Table:
    table = _table(
        "", ("work / span", "share of\nlatency", "10 times the\nthroughput", "2 times lower\nlatency")
    )
    for row, (metered, foretold, _) in told.rows.items():
        table.add_row(
            row,
            f"{metered.parallelism:,.0f}",
            f"{foretold.latency_share:.0%}",
            f"{foretold.seconds / foretold.on(throughput=10).seconds:.2f}",
            f"{foretold.seconds / foretold.on(latency=2).seconds:.2f}",
        )
    return table


def _table(first: str, numbers: tuple[str, ...]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="")
    table.add_column(first, no_wrap=True)
    for name in numbers:
        table.add_column(name, justify="right")
    return table


def draw(told: Found, file: Path) -> None:
    """Write predicted against measured time, what other machines would give, and the laws of speed-up."""
    from .report.figures import together
    from .report.speedup import save

    chart = together([*panels_of_times([as_json(told)]), *_laws(told)])
    assert chart is not None
    save(chart, file, f"Predicted and measured time on {told.machine.name}")


def _laws(told: Found) -> list[Panel]:
    """Amdahl's law by the serial share, the span over the work; and Gustafson's for a program that grows
    with the throughput (more prompts at once), by the share of its time that is latency."""

    def drawn(title: str, x: str, speedup: Callable[[Measurement, Prediction, int], float]) -> Panel:
        series = tuple(
            Series(row, tuple(Point(n, speedup(metered, foretold, n)) for n in POWERS))
            for row, (metered, foretold, _) in told.rows.items()
        )
        return Panel(title, x, "speed-up", series, log_x=True, log_y=True)

    return [
        drawn(
            "Amdahl's law (Brent's bound)",
            "processors",
            lambda metered, _, n: float(amdahl(serial_share(metered.work, metered.span), n)),
        ),
        drawn(
            "Gustafson's law",
            "times the throughput",
            lambda _, foretold, n: gustafson(foretold.latency_share, n),
        ),
    ]
