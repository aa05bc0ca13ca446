"""The panels of findings: curves over one pair of axes, whatever they are of."""

import itertools
import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import altair as alt

from ..analysis import Panel, Point
from .summary import plain

PALETTE = ("#0072b2", "#d55e00", "#009e73", "#b4609a", "#e69f00", "#56b4e9", "#7a4a1d", "#1f2328")
"""Okabe & Ito's colours, told apart by colour-blind readers too."""
SHAPES = ("circle", "square", "triangle-up", "diamond", "triangle-down", "cross", "triangle-right", "stroke")
WIDTH, HEIGHT, COLUMNS = 380, 220, 2


Link = Callable[[Sequence[str]], str]
"""From the ids of records to where a page shows them."""


def drawn(panels: Sequence[Panel], link: Link | None = None) -> list[Any]:
    """A chart for each panel, with a legend of its own; with `link`, its data say where their records are."""
    return [_panel(panel, link) for panel in panels if any(series.points for series in panel.series)]


def _panel(panel: Panel, link: Link | None) -> Any:
    names = [plain(series.name) for series in panel.series]
    rows = [
        {"series": plain(series.name), "expected": series.expected, **_ends(point)}
        | ({"records": link(point.records or series.records)} if link and not series.expected else {})
        for series in panel.series
        for point in series.points
        if (point.x > 0 or not panel.log_x) and (point.y > 0 or not panel.log_y)
    ]
    beside = _side_by_side(rows, names, panel)
    ticks: dict[str, Any] = _ticks(rows, "x", panel.log_x) | ({"values": beside} if beside else {})
    x = alt.X(
        "place:Q" if beside else "x:Q",
        title=plain(panel.x),
        scale=_scale(panel.log_x),
        axis=alt.Axis(grid=False, **ticks),
    )
    limits = {"domain": [-0.03, 1.03], "nice": False} if panel.share else {}
    y = alt.Y(
        "y:Q",
        title=plain(panel.y),
        scale=alt.Scale(**limits) if panel.share else _scale(panel.log_y),
        axis=alt.Axis(format=".0%") if panel.share else alt.Axis(**_ticks(rows, "y", panel.log_y)),
    )
    colours = alt.Color(
        "series:N",
        legend=alt.Legend(columns=2, labelLimit=260),
        scale=alt.Scale(
            domain=names, range=[c for c, _ in zip(itertools.cycle(PALETTE), names, strict=False)]
        ),
    )
    shapes = alt.Shape(
        "series:N",
        scale=alt.Scale(
            domain=names, range=[s for s, _ in zip(itertools.cycle(SHAPES), names, strict=False)]
        ),
    )
    tips = [alt.Tooltip("series:N", title="curve"), alt.Tooltip("x:Q", title=plain(panel.x), format=".4~g")]
    tips.append(alt.Tooltip("y:Q", title=plain(panel.y), format=".4~g"))
    measured = alt.Chart().transform_filter(alt.FieldEqualPredicate(field="expected", equal=False))
    expected = alt.Chart().transform_filter(alt.FieldEqualPredicate(field="expected", equal=True))
    bars = (
        measured.transform_filter(alt.FieldValidPredicate(field="low", valid=True))
        .transform_filter(alt.FieldValidPredicate(field="high", valid=True))
        .mark_rule(aria=False, strokeWidth=1.5, opacity=0.45)
        .encode(x=x, y=alt.Y("low:Q"), y2="high:Q", color=colours)
    )
    theory = expected.mark_line(aria=False, strokeWidth=1.2, strokeDash=[4, 3])
    layers = [
        measured.mark_line(aria=False, strokeWidth=1.6).encode(x=x, y=y, color=colours),
        *(
            [bars]
            if any(None not in (row["low"], row["high"]) and not row["expected"] for row in rows)
            else []
        ),
        *([theory.encode(x=x, y=y, color=colours)] if any(row["expected"] for row in rows) else []),
        measured.mark_point(size=36, filled=True, opacity=1, stroke="white", strokeWidth=0.6).encode(
            x=x, y=y, color=colours, shape=shapes, tooltip=tips
        ),
    ]
    if panel.line is not None:
        rule = alt.Chart(_data([{"y": panel.line}])).mark_rule(aria=False, strokeDash=[2, 3], color="#8a9097")
        layers.insert(0, rule.encode(y="y:Q"))
    title = alt.Title(plain(panel.title), anchor="start", limit=WIDTH + 80)
    return alt.layer(*layers, data=_data(rows)).properties(width=WIDTH, height=HEIGHT, title=title)


APART = 0.009
"""How far apart marks stand that would hide each other, as a share of the width."""


def _side_by_side(rows: Sequence[dict], names: Sequence[str], panel: Panel) -> list[float]:
    """Give every row a `place` beside its x, by its curve, if measured curves of a panel share a point to the
    eye; the x, none if no curves do."""
    at: dict[tuple[float, float], set[str]] = {}
    for row in rows:
        if not row["expected"]:
            seen = round(row["y"], 2) if panel.share else float(f"{row['y']:.2g}")
            at.setdefault((row["x"], seen), set()).add(row["series"])
    if all(len(curves) == 1 for curves in at.values()):
        return []
    measured = [name for name in names if any(name in curves for curves in at.values())]
    xs = sorted({math.log(x) if panel.log_x else x for x, _ in at})
    gaps = [after - before for before, after in pairwise(xs)]
    step = min([APART * (xs[-1] - xs[0] or 1), *(gap / (2 * len(measured) + 2) for gap in gaps)])
    for row in rows:
        if row["expected"]:
            row["place"] = row["x"]
            continue
        apart = step * (measured.index(row["series"]) - (len(measured) - 1) / 2)
        row["place"] = row["x"] * math.exp(apart) if panel.log_x else row["x"] + apart
    return sorted({x for x, _ in at})


def _ends(point: Point) -> dict[str, Any]:
    return {"x": point.x, "y": point.y, "low": point.low, "high": point.high}


def _scale(log: bool) -> alt.Scale:
    return alt.Scale(type="log", nice=False, padding=8) if log else alt.Scale(zero=False, padding=8)


def _ticks(rows: Sequence[dict], axis: str, log: bool) -> dict[str, Any]:
    """Whole numbers as such, or in thousands and millions; powers of ten where a logarithmic axis goes below
    a thousandth. Labels that would touch are left out."""
    values = [abs(row[axis]) for row in rows]
    ticks: dict[str, Any] = {"labelOverlap": "greedy", "labelSeparation": 4}
    if all(value == int(value) for value in values) and max(values, default=0) < 1e6:
        return ticks | {"format": ",d"} | ({} if log else {"tickMinStep": 1})
    if min(values, default=0) >= 1e5:
        return ticks | {"format": ".3~s"}  # 2M in place of 2000000
    return ticks | {"format": "~e" if log and min(values, default=1) < 1e-3 else "~g"}


def _data(rows: Sequence[dict]) -> alt.InlineData:
    return alt.InlineData(values=list(rows))
