"""The map: tasks by the growth of their span, solvers by the growth of theirs, and how far each reached."""

from collections.abc import Mapping, Sequence
from typing import Any

from ..analysis import CONTROL, SERIAL, Row, Side
from .index import Index
from .markup import Markup, element, join, table
from .summary import RULE, Summary, plain
from .terminal import reach

LAWS = ("constant", "logarithmic", "polylogarithmic", "linear", "quadratic")
"""Growths that have a name, from the least. Another comes last."""


def span_map(found: Sequence[Summary], spans: Mapping[str, Mapping[str, Any]], index: Index) -> Markup:
    """A table with a line for every task that was asked, the least growth first, and a column for every
    growth of solvers."""
    cells: dict[tuple[str, str, str], dict[str, list[Markup]]] = {}
    for summary in found:
        for row in (row for members in summary.table.values() for row in members):
            law = plain(row.law or "unnamed")
            for role, side in ((SERIAL, row.serial), (CONTROL, row.control)):
                if side is not None:
                    task = side.runs[0].task
                    key = (_law(task, role, spans), plain(task), role)
                    cells.setdefault(key, {}).setdefault(law, []).append(_cell(summary, row, side, index))
    said = (
        "How does reach go with span? Lines are tasks, by how the span of this package's best algorithm for "
        "them grows with depth, an upper bound; columns are solvers, by how their metered span grows with "
        "the length of the input. Span that grows is necessary, and not sufficient. In each cell: reach of "
        f"the largest depth asked, by the rule of claim C01 ({RULE.accuracy:.0%} right)."
    )
    if not cells:
        return join((element("h2", "Map"), element("p", said, cls="lead"), _nothing()))
    laws = sorted({law for each in cells.values() for law in each}, key=_place)
    names = ["Task", "Its algorithm's span, n the depth", *(f"Solvers of {law} span" for law in laws)]
    rows, before = [], None
    for (growth, task, role), each in sorted(
        cells.items(), key=lambda item: (_place(item[0][0]), item[0][1:])
    ):
        if growth != before:
            title = (
                f"Tasks whose algorithm has {growth} span" if growth in LAWS else "Tasks without an exact law"
            )
            head = element("th", title, scope="rowgroup", colspan=str(len(names)))
            rows.append(element("tr", head, cls="group"))
            before = growth
        name, _, dials = task.partition("(")
        kind = ["control · "] if role == CONTROL else []
        rows.append(
            element(
                "tr",
                element("th", name, element("small", *kind, dials.removesuffix(")")), scope="row"),
                element("td", _named(task, role, spans)),
                *(element("td", *each.get(law, ["–"])) for law in laws),
            )
        )
    return join(
        (
            element("h2", "Map"),
            element("p", said, cls="lead"),
            table(names, rows, caption="Measured reach by the span of the task and of the solver"),
            element(
                "p",
                "Green: the largest depth, by all of the interval; red: not even the smallest; brown: "
                "between. A task's span is declared in closed form and metered in its tests, for the dials "
                "of the list of tasks; at the fixed sizes asked here no task is known to need more than "
                "logarithmic span. A solver that falls short was not taught in the steps given; that alone "
                "does not say that it cannot.",
                cls="note",
            ),
        )
    )


def _nothing() -> Markup:
    return element(
        "p", "No solvers are among these records: ", element("code", "seriality run demo"), " makes some."
    )


def _place(law: str) -> int:
    return LAWS.index(law) if law in LAWS else len(LAWS)


def _known(task: str, role: str, spans: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Any]:
    return spans.get(f"{task.partition('(')[0]}, {role}", {})


def _law(task: str, role: str, spans: Mapping[str, Mapping[str, Any]]) -> str:
    return str(_known(task, role, spans).get("law", "unnamed"))


def _named(task: str, role: str, spans: Mapping[str, Mapping[str, Any]]) -> Markup:
    found = _known(task, role, spans)
    if not found:
        return element("span", "not listed")
    if found["law"] == "unnamed":
        return element("small", "events are rounded up")
    return element("span", str(found["formula"]))


def _cell(summary: Summary, row: Row, side: Side, index: Index) -> Markup:
    places = index.link(run.id for run in side.runs)
    of = side.max_depth
    state = "full" if side.reach.low >= of else "none" if side.reach.high == 0 else "part"
    return element(
        "a",
        f"{row.name} ",
        element("strong", reach(side)),
        f" of {of} ",
        element("small", summary.study),
        href=f"#?records={places}",
        data_records=places,
        title=f"{summary.study}: the records behind it",
        cls=f"reach {state}",
    )
