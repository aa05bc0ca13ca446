"""The speed-up of a program against the number of processors, bounded by its work and span.

On p processors a program of work W and span S takes at least max(W / p, S) steps, and a greedy schedule at
most W / p + S (Brent 1974; Graham 1969). So its speed-up over one processor is at most the smaller of p and
W / S, and W / (W / p + S) is reached. The figure is that of Cilkscale (Schardl et al. 2015) without
measured times: it says nothing of memory, of communication, or of what an operation costs on a machine.

A re-associated program of work W' and span S' is compared with the same W, the program as written on one
processor: the work that the shortcut adds counts against it.
"""

import math
import os
from html import escape
from pathlib import Path

import altair as alt

from .figures import FONT, INK, MARK, RULER, _data, _page, inline, svg
from .summary import plain

KINDS = (".svg", ".png", ".html")
"""What a figure may be saved as."""

WIDTH, HEIGHT = 460, 320
PER_DECADE = 12
"""Places at which a curve is drawn, for each power of ten."""

DASHED, SOLID = [5, 4], [1, 0]
STYLE = {
    "perfect": (RULER, [2, 3]),
    "at most: work / span": ("#d55e00", DASHED),
    "greedy schedule": ("#d55e00", SOLID),
    "re-associated, at most": ("#0072b2", DASHED),
    "re-associated, greedy": ("#0072b2", SOLID),
}


def speedup_figure(
    work: int,
    span: int,
    *,
    span_reassociated: int | None = None,
    work_reassociated: int | None = None,
    name: str,
) -> alt.VConcatChart:
    """The chart of one program; with re-associated curves where both of their numbers are given and differ.

    Raises ValueError for a work or span below 1: what has no steps has no speed-up.
    """
    programs = [(work, span)]
    if span_reassociated is not None and work_reassociated is not None:
        programs.append((work_reassociated, span_reassociated))
    programs = list(dict.fromkeys(programs))
    if min(min(pair) for pair in programs) < 1:
        raise ValueError(
            f"{plain(name)} has work {work} and span {span}; a speed-up needs at least 1 of each"
        )
    decades = 1 + math.ceil(math.log10(max(10, *(work / steps for _, steps in programs))))
    processors = [10 ** (place / PER_DECADE) for place in range(decades * PER_DECADE + 1)]
    names = list(STYLE)[: 1 + 2 * len(programs)]
    points = [{"line": names[0], "processors": p, "speedup": p} for p in processors]
    for place, (operations, steps) in enumerate(programs):
        most, greedy = names[1 + 2 * place : 3 + 2 * place]
        for p in processors:
            points.append({"line": most, "processors": p, "speedup": work / steps})
            points.append({"line": greedy, "processors": p, "speedup": work / (operations / p + steps)})
    low = min(1.0, *(point["speedup"] for point in points))
    high = 2 * max(1, *(work / steps for _, steps in programs))
    ticks = [10.0**power for power in range(decades + 1)]
    legend = alt.Legend(columns=3, symbolSize=600)
    chart = (
        alt.Chart(_data(points))
        .mark_line(aria=False, clip=True, strokeWidth=1.8)
        .encode(
            x=alt.X(
                "processors:Q",
                title="processors",
                scale=alt.Scale(type="log", domain=[1, processors[-1]], nice=False),
                axis=alt.Axis(values=ticks, format="~s", labelOverlap="greedy"),
            ),
            y=alt.Y(
                "speedup:Q",
                title="speed-up over one processor",
                scale=alt.Scale(type="log", domain=[low, high], nice=False),
                axis=alt.Axis(values=ticks, format="~s", labelOverlap="greedy"),
            ),
            color=alt.Color("line:N", scale=_scale(names, 0), legend=legend),
            strokeDash=alt.StrokeDash("line:N", scale=_scale(names, 1), legend=legend),
        )
    )
    title = alt.Title(
        plain(name),
        subtitle=f"work {work:,}, span {span:,}: at most {work / span:,.1f} times as fast",
        subtitleColor=INK,
        subtitleFont=FONT,
    )
    return _page([[alt.layer(chart).properties(width=WIDTH, height=HEIGHT, title=title)]])


def in_the_way(file: Path) -> bool:
    """Whether something is there that is no figure; of a PNG file only the kind can be told."""
    if not os.path.lexists(file):
        return False
    begins = b"\x89PNG" if file.suffix == ".png" else MARK.encode()
    return not file.is_file() or file.read_bytes()[: len(begins)] not in (b"", begins)


def save(chart: alt.TopLevelMixin, file: Path, description: str) -> None:
    """Write a chart as what its suffix says, whole or not at all; an HTML page asks nothing of the network.

    Raises ValueError for another suffix.
    """
    if file.suffix not in KINDS:
        raise ValueError(f"{file.name!r} ends in {file.suffix!r}; allowed are {', '.join(KINDS)}")
    file.parent.mkdir(parents=True, exist_ok=True)
    fresh = file.with_name(f".{os.getpid()}{file.suffix}")
    if file.suffix == ".png":
        chart.save(fresh, scale_factor=2)
    else:
        text = svg(chart)
        if file.suffix == ".html":
            head = f'<!doctype html>\n<meta charset="utf-8">\n<title>{escape(plain(description))}</title>\n'
            text = head + inline(text, "speedup", plain(description))
        fresh.write_text(MARK + text, encoding="utf-8")
    fresh.replace(file)


def _scale(names: list[str], place: int) -> alt.Scale:
    return alt.Scale(domain=names, range=[STYLE[name][place] for name in names])
