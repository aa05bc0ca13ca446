"""The machine: its latency and throughput, and the time of Table 1's rows, predicted and measured."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..analysis.finding import number
from ..store import Record
from .index import Index
from .markup import Markup, element, join, table, to_records
from .summary import Reading, plain

if TYPE_CHECKING:
    from .page import Figures

SECONDS = (0.0, 1e12)
RATE = (0.0, 1e24)


def machine_tables(records: Sequence[Record], read: Sequence[Reading], made: Figures, index: Index) -> Markup:
    """What the records of the study `machine` say of the machine that made them."""
    said = (
        "A parallel program takes work ÷ throughput, a serial one span × latency. What are the two here, "
        "and does the sum predict the time?"
    )
    head = (element("h2", "Machine"), element("p", said, cls="lead"))
    first = _first(records)
    if first is None:
        hint = element(
            "p",
            "No machine is among these records: ",
            element("code", "seriality run machine"),
            " measures it, and ",
        )
        return join((*head, hint, element("code", "seriality machine"), " tells without keeping it."))
    record, outcome = first
    places = index.link([record.id])
    figure = [
        made.finding(
            f"machine-{finding.claim}", finding.panels, "Gains of the knobs, and time predicted and measured."
        )
        for reading in read
        if reading.study == "machine"
        for finding in reading.findings
    ]
    return join(
        (
            *head,
            element("h3", plain(_name(outcome["machine"]))),
            table(
                ("", "median", "low", "high"),
                _machine(outcome["machine"]),
                caption="Medians of the rounds with 95 % intervals",
            ),
            element("h3", "Table 1, one answer to one prompt"),
            table(
                (
                    "",
                    "work",
                    "span",
                    "predicted, ms",
                    "measured, ms",
                    "measured / predicted",
                    "share of latency",
                ),
                _rows(outcome),
                caption="Time predicted from work, bytes and span, and time measured",
            ),
            element(
                "p",
                *(
                    f"{plain(finding.notes[0])} "
                    for reading in read
                    if reading.study == "machine"
                    for finding in reading.findings
                    if finding.notes
                ),
                "The table is of the first repetition; ",
                to_records("its record", places),
                ". What it decides is ",
                element("a", "claim C24", href="#claims/C24"),
                ".",
                cls="note",
            ),
            *figure,
        )
    )


def _name(machine: Mapping[str, Any]) -> str:
    processor, cores, device = (str(machine.get(name, "?")) for name in ("processor", "cores", "device"))
    return f"{processor}, {cores} cores, {device}"


def _first(records: Iterable[Record]) -> tuple[Record, Mapping[str, Any]] | None:
    """The first repetition that can be read, by seed."""
    found = [
        record
        for record in records
        if record.study == "machine"
        and record.settings.get("family") == "prediction"
        and _is_whole(record.outcome)
    ]
    found.sort(key=lambda record: str(record.settings.get("seed")))
    return (found[0], found[0].outcome) if found else None


def _is_whole(outcome: Mapping[str, Any]) -> bool:
    try:
        _machine(outcome["machine"])
        _rows(outcome)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError, ZeroDivisionError):
        return False
    return True


def _machine(machine: Mapping[str, Any]) -> list[Markup]:
    rows = []

    def add(name: str, value: Mapping[str, Any], unit: float, digits: int) -> None:
        ends = (number(value[end], *RATE) / unit for end in ("median", "low", "high"))
        rows.append(
            element(
                "tr",
                element("th", plain(name), scope="row"),
                *(element("td", f"{end:,.{digits}f}") for end in ends),
            )
        )

    for precision, value in machine["throughput"].items():
        add(f"products, {precision}, Gop/s", value, 1e9, 1)
    add("outside of products, float32, Gop/s", machine["elementwise"], 1e9, 1)
    for size, value in sorted(machine["bandwidth"].items(), key=_size):
        add(f"bandwidth within {int(size) / 2**20:,.0f} MiB, GB/s", value, 1e9, 1)
    for width, value in sorted(machine["latency"].items(), key=_size):
        add(f"dependent step of width {width}, compiled loop, ns", value, 1e-9, 0)
    add("dependent step that calls a kernel, ns", machine["kernel"], 1e-9, 0)
    add("dispatch from Python, ns", machine["dispatch"], 1e-9, 0)
    return rows


def _size(item: tuple[str, Any]) -> int:
    return int(item[0])


def _rows(outcome: Mapping[str, Any]) -> list[Markup]:
    rows = []
    for place, name in enumerate(outcome["rows"]):
        work, span = (int(number(outcome[what][place], 0, 1e24)) for what in ("work", "span"))
        launch, steps, counted, moved, measured = (
            number(outcome[what][place], *SECONDS)
            for what in ("launch_s", "latency_s", "work_s", "bytes_s", "measured_s")
        )
        predicted = launch + steps + max(counted, moved)
        cells = (
            f"{work:,}",
            f"{span:,}",
            f"{1e3 * predicted:.3f}",
            f"{1e3 * measured:.3f}",
            f"{measured / predicted:.2f}",
            f"{(launch + steps) / predicted:.0%}",
        )
        rows.append(
            element("tr", element("th", plain(name), scope="row"), *(element("td", each) for each in cells))
        )
    return rows
