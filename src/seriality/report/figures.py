"""The figures of a study: accuracy against depth and reach against metered span, beside their controls.

The table of a study is drawn too, for pages that cannot show the report.

Rows have the same colour and the same shape in every figure. The colours are those of Okabe and Ito, told
apart by colour-blind readers too; parallel rows are cool and serial rows warm, as the paper sorts them. At
one depth the rows are set side by side so that equal accuracies stay visible.
"""

import io
import re
from collections.abc import Iterator, Sequence
from functools import cache
from html import escape
from itertools import cycle, pairwise
from pathlib import Path
from typing import Any

import altair as alt
import numpy as np

from .. import analysis
from ..analysis import CONTROL, SERIAL, Row, Side
from ..partial import replacing
from . import panels
from .panels import Link
from .summary import RULE, Reading, Summary, plain
from .terminal import agreement, deepest, heading, paper, solves, span, yes_no
from .terminal import reach as reach_text

INK, FAINT, RULER = "#1f2328", "#e4e6e8", "#8a9097"
STYLE = {
    "MLP": ("#56b4e9", "square"),
    "Transformer": ("#0072b2", "circle"),
    "State-space model": ("#009e73", "triangle-up"),
    "RNN": ("#d55e00", "diamond"),
    "Repeating layers": ("#e69f00", "triangle-down"),
    "Chain of thought": ("#7a4a1d", "cross"),
    "Diffusion": ("#b4609a", "triangle-right"),
}
SPARE = (*STYLE.values(), (INK, "stroke"), (RULER, "arrow"))
"""For rows that are not in the paper's table: what its rows leave over, again and again."""
LONGEST = 21
"""The letters of a row's name that there is room for in the drawn table."""
ROLES = {SERIAL: "serial task", CONTROL: "control"}
WIDTH, HEIGHT = 300, 230
Panel = alt.LayerChart | alt.FacetChart
FONT = "Helvetica Neue, Helvetica, Arial, sans-serif"


NAMES = ("accuracy_against_depth", "reach_against_span", "table", "serial_beside_control")


def findings(reading: Reading) -> dict[str, alt.TopLevelMixin]:
    """The panels of a study's findings as one chart for each claim, by its id."""
    charts = {finding.claim: together(finding.panels) for finding in reading.findings}
    return {claim: chart for claim, chart in charts.items() if chart is not None}


def for_page(chart: Any) -> dict[str, Any]:
    """The Vega-Lite specification of one panel that is as wide as its place in a page."""
    found = chart.to_dict(validate=False)  # to validate takes longer than all else; browsers test the charts
    del found["$schema"]
    return found | {"width": "container", "config": _config()}


@cache
def _config() -> dict[str, Any]:
    """The settings of every chart, without those of its ground, which are the page's."""
    config = _configured(alt.Chart().mark_point()).to_dict()["config"]
    return {part: settings for part, settings in config.items() if part != "view"}


def together(found: Sequence[analysis.Panel]) -> alt.TopLevelMixin | None:
    """Panels as one chart, each with a legend of its own; None if there is nothing to draw."""
    charts = panels.drawn(found)
    if not charts:
        return None
    whole = alt.concat(*charts, columns=panels.COLUMNS, spacing=26)
    return _configured(whole.resolve_scale(color="independent", shape="independent"))


def figures(summary: Summary) -> dict[str, alt.TopLevelMixin]:
    """The charts of a study by name; none where it has no runs. One that compares tasks has one for all."""
    if not summary.table:
        return {}
    if summary.compares_tasks:
        return {"serial_beside_control": pairs(summary)}
    charts = (
        _page(panels_of(summary, accuracy)),
        _page(panels_of(summary, reach)),
        _page([[table(summary, family)] for family in summary.table]),
    )
    return dict(zip(NAMES[:3], charts, strict=True))


def svg(chart: alt.TopLevelMixin) -> str:
    """A chart as SVG text."""
    text = io.StringIO()
    chart.save(text, format="svg")
    return text.getvalue()


def inline(text: str, label: str, description: str) -> str:
    """SVG fit to stand inside a page: it scales, its names are its own, and it has a title for those who
    listen.

    `label` and `description` are escaped here; all text of the drawing was escaped by the renderer.
    """
    text = text[text.index("<svg") :]
    for name in set(re.findall(r'\bid="([^"]+)"', text)):
        text = text.replace(f'id="{name}"', f'id="{label}-{name}"').replace(
            f"url(#{name})", f"url(#{label}-{name})"
        )
    return text.replace("<svg", f'<svg role="img" aria-label="{escape(description, quote=True)}"', 1)


MARK = "<!-- A figure of seriality. -->\n"
"""How every SVG file begins."""


def save(chart: alt.TopLevelMixin, stem: Path) -> list[Path]:
    """Write a chart as SVG and then as PNG (twice the size in pixels); the two paths."""
    paths = [stem.with_name(f"{stem.name}.{kind}") for kind in ("svg", "png")]
    with replacing(paths[0]) as beside:
        beside.write_text(MARK + svg(chart), encoding="utf-8")
    with replacing(paths[1]) as beside:
        chart.save(str(beside), format="png", scale_factor=2)
    return paths


def accuracy(members: Sequence[Row], role: str, names: Sequence[str], link: Link | None = None) -> Panel:
    """Accuracy on test instances against depth: the mean of the seeds, and every seed with its interval."""
    sides = _sides(members, role)
    depths = sorted({depth for _, side in sides for depth in side.runs[0].depths})
    closest = min((after / before for before, after in pairwise(depths)), default=2.0)
    step = min(1.03, closest ** (1 / (len(sides) + 2)))
    rows = []
    for place, (name, side) in enumerate(sides):
        apart = step ** (place - (len(sides) - 1) / 2)
        rows += [{"row": name, **each, "place": each["depth"] * apart} for each in _shares(side, link)]
    x = alt.X(
        "place:Q",
        title="depth of the instance",
        scale=alt.Scale(type="log", base=2, domain=[depths[0] * 0.78, depths[-1] * 1.28], nice=False),
        axis=alt.Axis(values=depths, format="d", grid=False, labelOverlap="greedy"),
    )
    y = alt.Y(
        "accuracy:Q",
        title="accuracy on test instances",
        scale=alt.Scale(domain=[-0.03, 1.03], nice=False),
        axis=alt.Axis(format=".0%", values=[0, 0.25, 0.5, 0.75, RULE.accuracy, 1]),
    )
    return alt.layer(*_layers(x, y, _colour(names), _shape(names), "row"), data=_data(rows))


MOST_DOTS = 40
"""Single seeds that are drawn at one place; of more, as many that are evenly spread over their order."""


def _shares(side: Side, link: Link | None) -> Iterator[dict[str, Any]]:
    """The mean over seeds at each depth, and single seeds."""
    runs = side.runs
    test = np.array([run.test for run in runs])
    low, high = (np.array([getattr(run, end) for run in runs]) for end in ("test_low", "test_high"))
    where = {"records": link([run.id for run in runs])} if link else {}
    for column, depth in enumerate(runs[0].depths):
        ends = {"low": low[:, column].min(), "high": high[:, column].max()}
        yield {"kind": "mean", "depth": depth, "accuracy": test[:, column].mean(), **ends, **where}
        order = np.argsort(test[:, column], kind="stable")
        if len(order) > MOST_DOTS:
            order = order[np.linspace(0, len(order) - 1, MOST_DOTS).round().astype(int)]
        for place in sorted(order.tolist()):
            own = {"records": link([runs[place].id])} if link else {}
            yield {"kind": "seed", "depth": depth, "accuracy": test[place, column], **own}


def _layers(x: alt.X, y: alt.Y, colour: alt.Color, shape: alt.Shape, name: str) -> list[alt.Chart]:
    """The right answers of means and seeds, with a dashed line at what is right."""
    means, seeds = (
        alt.Chart().transform_filter(alt.FieldEqualPredicate(field="kind", equal=kind))
        for kind in ("mean", "seed")
    )
    tips = [
        alt.Tooltip(f"{name}:N"),
        alt.Tooltip("depth:Q"),
        alt.Tooltip("accuracy:Q", title="mean accuracy", format=".1%"),
    ]
    return [
        _line(RULE.accuracy),
        means.mark_rule(aria=False, strokeWidth=1.5, opacity=0.45).encode(
            x=x, y=alt.Y("low:Q"), y2="high:Q", color=colour
        ),
        seeds.mark_point(aria=False, size=7, filled=True, opacity=0.35).encode(x=x, y=y, color=colour),
        means.mark_line(aria=False, strokeWidth=1.6, opacity=0.9).encode(x=x, y=y, color=colour),
        means.mark_point(size=52, filled=True, opacity=1, stroke="white", strokeWidth=0.7).encode(
            x=x, y=y, color=colour, shape=shape, tooltip=tips
        ),
    ]


def reach(members: Sequence[Row], role: str, names: Sequence[str], link: Link | None = None) -> Panel:
    """Reach, with its interval over seeds, against the metered span of the solver on this task."""
    sides = [(name, side) for name, side in _sides(members, role) if side.runs[0].span]
    points = [
        {
            "row": name,
            "span": side.runs[0].span,
            "reach": side.reach.estimate,
            "low": side.reach.low,
            "high": side.reach.high,
            **({"records": link([run.id for run in side.runs])} if link else {}),
        }
        for name, side in sides
    ]
    deepest = max((side.max_depth for _, side in _sides(members, role)), default=1)
    spans = [side.runs[0].span or 1 for row in members for side in (row.serial, row.control) if side]
    x = alt.X(
        "span:Q",
        title=f"metered span of one answer ({_cost_model(members)})",
        scale=alt.Scale(
            type="log", domain=[min(spans, default=1) / 1.6, max(spans, default=1) * 1.6], nice=False
        ),
        axis=alt.Axis(grid=False, values=_ticks(min(spans, default=1), max(spans, default=1)), format=",d"),
    )
    depths = sorted({0, *(depth for _, side in _sides(members, role) for depth in side.runs[0].depths)})
    y = alt.Y(
        "reach:Q",
        title="reach (depth)",
        scale=alt.Scale(type="symlog", constant=1, domain=[0, deepest * 1.15], nice=False),
        axis=alt.Axis(values=depths, format="d", labelOverlap="greedy"),
    )
    base = alt.Chart()
    tips = [alt.Tooltip("row:N"), alt.Tooltip("span:Q", format=","), alt.Tooltip("reach:Q")]
    return alt.layer(
        _line(deepest),
        base.mark_rule(aria=False, strokeWidth=1.6, opacity=0.6).encode(
            x=x, y=alt.Y("low:Q"), y2="high:Q", color=_colour(names)
        ),
        base.mark_point(size=90, filled=True, opacity=0.95, stroke="white", strokeWidth=0.8).encode(
            x=x, y=y, color=_colour(names), shape=_shape(names), tooltip=tips
        ),
        data=_data(points),
    )


def table(summary: Summary, family: str) -> Panel:
    """The rows of a family as a picture, in words alone: few fonts hold the signs."""
    members = summary.table[family]
    columns = {  # where each begins, in pixels
        "solver": 0,
        "metered span": 130,
        "parallel?": 265,
        f"reach of {deepest(members)}": 345,
        "control": 430,
        "solves?": 500,
        "paper": 650,
        "agreement": 745,
    }
    cells = [{"x": x, "line": 0, "text": name, "kind": "head"} for name, x in columns.items()]
    for line, row in enumerate(members, start=1):
        name = row.name if len(row.name) <= LONGEST else f"{row.name[: LONGEST - 1]}…"
        texts = (
            *(name, span(row), "–" if row.law is None else yes_no(row.parallel)),
            *(reach_text(row.serial), reach_text(row.control), solves(row), paper(row), agreement(row)),
        )
        kinds = ["row"] * (len(texts) - 1) + [row.verdict]
        cells += [
            {"x": x, "line": line, "text": re.sub("[✓✗?] ", "", text), "kind": kind}
            for x, text, kind in zip(columns.values(), texts, kinds, strict=True)
        ]
    colours = {"head": RULER, "row": INK, "agrees": "#1a7f37", "contradicts": "#b3261e"}
    height = 24 * (len(members) + 1)
    return alt.layer(
        alt.Chart(_data(cells))
        .mark_text(aria=False, align="left", baseline="middle", fontSize=12)
        .encode(
            x=alt.X("x:Q", axis=None, scale=alt.Scale(domain=[0, 840], nice=False)),
            y=alt.Y("line:Q", axis=None, scale=alt.Scale(domain=[len(members) + 0.5, -0.5], nice=False)),
            text="text:N",
            color=alt.Color(
                "kind:N",
                legend=None,
                scale=alt.Scale(
                    domain=[*colours, "undecided", "not run"], range=[*colours.values(), RULER, RULER]
                ),
            ),
        )
    ).properties(width=840, height=height, title=alt.Title(heading(summary, family)))


PAIR = {SERIAL: ("#d55e00", "circle"), CONTROL: ("#0072b2", "square")}
"""The colour and the shape of a serial task and of its control."""


def pairs(summary: Summary) -> alt.ConcatChart:
    """A panel for each family: accuracy against depth of its one row, on the serial task and the control."""
    return _configured(alt.concat(*pair_panels(summary), columns=4, spacing=22))


def pair_panels(summary: Summary, link: Link | None = None) -> list[Panel]:
    """The panels of `pairs`."""
    return [_pair(family, members[0], link) for family, members in summary.table.items()]


def _pair(family: str, row: Row, link: Link | None) -> Panel:
    rows = []
    for role, side in ((SERIAL, row.serial), (CONTROL, row.control)):
        if side is not None:
            apart = 0.97 if role == SERIAL else 1.03
            rows += [
                {"task": ROLES[role], **each, "place": each["depth"] * apart} for each in _shares(side, link)
            ]
    deepest = max(side.max_depth for side in (row.serial, row.control) if side)
    depths = sorted({depth for side in (row.serial, row.control) if side for depth in side.runs[0].depths})
    x = alt.X(
        "place:Q",
        title="depth",
        scale=alt.Scale(type="log", base=2, domain=[0.8, deepest * 1.25], nice=False),
        axis=alt.Axis(values=depths, format="d", grid=False),
    )
    y = alt.Y(
        "accuracy:Q",
        title="accuracy",
        scale=alt.Scale(domain=[-0.03, 1.03], nice=False),
        axis=alt.Axis(format=".0%", values=[0, 0.5, RULE.accuracy]),
    )
    names = list(ROLES.values())
    colour = alt.Color("task:N", scale=alt.Scale(domain=names, range=[PAIR[role][0] for role in ROLES]))
    shape = alt.Shape("task:N", scale=alt.Scale(domain=names, range=[PAIR[role][1] for role in ROLES]))
    said = f"reach {reach_text(row.serial)}, control {reach_text(row.control)}: {row.pair}"
    return alt.layer(*_layers(x, y, colour, shape, "task"), data=_data(rows)).properties(
        width=165, height=120, title=alt.Title(plain(family), subtitle=said, subtitleFontSize=10)
    )


def panels_of(summary: Summary, draw: Any, link: Link | None = None) -> list[list[Panel]]:
    """One line of panels per family, the serial task beside its control."""
    run = {name for members in summary.table.values() for role in ROLES for name, _ in _sides(members, role)}
    names = [name for name in STYLE if name in run] + sorted(run - STYLE.keys())
    return [
        [
            draw(members, role, names, link).properties(
                width=WIDTH, height=HEIGHT, title=alt.Title(f"{plain(family)}: {label}")
            )
            for role, label in ROLES.items()
            if _sides(members, role)
        ]
        for family, members in summary.table.items()
    ]


def _page(panels: list[list[Panel]]) -> alt.VConcatChart:
    """Panels in lines under one legend, drawn for a white ground."""
    lines = [alt.hconcat(*line, spacing=28) for line in panels if line]
    return _configured(alt.vconcat(*lines, spacing=28))


def _configured(chart: Any) -> Any:
    return (
        chart.properties(background="white", padding=12)
        .configure(font=FONT)
        .configure_view(stroke=None)
        .configure_title(anchor="start", fontSize=13, fontWeight=600, color=INK, offset=10)
        .configure_axis(
            labelColor=INK,
            titleColor=INK,
            labelFontSize=11,
            titleFontSize=11,
            titleFontWeight="normal",
            titlePadding=8,
            gridColor=FAINT,
            domainColor=RULER,
            tickColor=RULER,
            tickSize=4,
        )
        .configure_legend(
            orient="bottom",
            columns=4,
            labelColor=INK,
            labelFontSize=11,
            labelLimit=200,
            symbolSize=80,
            symbolOpacity=1,
            symbolStrokeWidth=1.5,
            title=None,
            offset=14,
            columnPadding=18,
        )
    )


def _sides(members: Sequence[Row], role: str) -> list[tuple[str, Side]]:
    sides = ((row.name, row.serial if role == SERIAL else row.control) for row in members)
    return [(name, side) for name, side in sides if side is not None]


def _line(at: float) -> alt.Chart:
    """A dashed line across a panel."""
    mark = alt.Chart(_data([{"at": at}])).mark_rule(aria=False, color=RULER, strokeDash=[4, 3], strokeWidth=1)
    return mark.encode(y=alt.Y("at:Q"))


def _data(values: list[dict[str, Any]]) -> alt.InlineData:
    return alt.InlineData(values=[{key: _number(value) for key, value in each.items()} for each in values])


def _number(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _colour(names: Sequence[str]) -> alt.Color:
    return alt.Color("row:N", scale=_scale(names, 0))


def _shape(names: Sequence[str]) -> alt.Shape:
    return alt.Shape("row:N", scale=_scale(names, 1))


def _scale(names: Sequence[str], place: int) -> alt.Scale:
    used = {STYLE[name] for name in names if name in STYLE}
    spare = cycle([style for style in SPARE if style not in used])
    styles = [STYLE[name] if name in STYLE else next(spare) for name in names]
    return alt.Scale(domain=list(names), range=[style[place] for style in styles])


def _cost_model(members: Sequence[Row]) -> str:
    models = {side.runs[0].cost_model for row in members for side in (row.serial, row.control) if side}
    return f"{', '.join(map(plain, sorted(models)))} cost model"


def _ticks(low: float, high: float) -> list[int]:
    """Powers of ten with their halves and doubles, around a range."""
    every = [step * 10**power for power in range(10) for step in (1, 2, 5)]
    return [tick for tick in every if low / 1.6 <= tick <= high * 1.6]
