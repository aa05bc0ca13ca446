"""One self-contained page: the question, demos, a map, the claims, the machine, the studies.

Shape chosen: the words and tables are written here, as markup in which every text is escaped (`markup`); the
page's program (`web`) opens tabs, draws charts from their specifications, lets one play with the demos and
shows the records behind a number. Rejected: a page that a program builds from data alone, which without it
is empty and in which each module would have to escape; and pictures drawn beforehand, which are larger than
their data, know one theme and cannot be pressed.

The page needs no network: a policy in its head names by digest the scripts that may run, and allows nothing
from outside.
"""

import itertools
import os
import re
import shlex
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..partial import replacing
from ..store import Record
from . import figures, script
from .claim_list import claim_list
from .explore import demos, explore
from .figures import for_page
from .index import Index
from .machine_tables import machine_tables
from .markup import Markup, data, element
from .opening import opening
from .panels import drawn
from .span_map import span_map
from .standings import stand
from .study_list import study_list
from .summary import plain, readings, summaries

MARK = "<!doctype html>\n<!-- A report of seriality. -->\n"
"""How every page begins."""
TABS = {
    "question": "Question",
    "explore": "Explore",
    "map": "Map",
    "claims": "Claims",
    "machine": "Machine",
    "studies": "Studies",
}


def write(
    records: Sequence[Record], out: Path, figures_in: Path | None = None, stores: Sequence[Path] = ()
) -> list[Path]:
    """Write the page at `out`, and its figures as SVG and PNG into a folder if one is named; the paths
    written, the page first. The page says that `stores` hold the records.

    ValueError if there are no records, FileExistsError if something else is `in_the_way`.
    """
    if not records:
        raise ValueError("there are no records to report; `seriality run demo` makes some")
    if (other := in_the_way(out, figures_in)) is not None:
        raise FileExistsError(f"{other} is there and was not written by seriality")
    out.parent.mkdir(parents=True, exist_ok=True)
    with replacing(out) as beside:
        beside.write_text(page(records, stores), encoding="utf-8", errors="replace")
    return [out, *([] if figures_in is None else save_figures(records, figures_in))]


def save_figures(records: Sequence[Record], folder: Path) -> list[Path]:
    """Write every figure as SVG and PNG; the paths."""
    folder.mkdir(parents=True, exist_ok=True)
    return [path for name, chart in charts(records).items() for path in figures.save(chart, folder / name)]


def charts(records: Sequence[Record]) -> dict[str, Any]:
    """Every figure as a chart, by the name of its file."""
    charts: dict[str, Any] = {}
    found = summaries(records)
    for place, summary in enumerate(found):
        for name, chart in figures.figures(summary).items():
            charts[name if len(found) == 1 else f"{name}_{place + 1}"] = chart
    for reading in readings(records):
        for claim, chart in figures.findings(reading).items():
            again = sum(name.startswith(claim) for name in charts)
            charts[f"{claim}_{again + 1}" if again else claim] = chart
    return charts


def in_the_way(out: Path, figures_in: Path | None = None) -> Path | None:
    """What a report at `out` would write over that no older report has written; None if there is nothing.

    A page and an SVG file say in their first line whose they are; a PNG file goes with its SVG file.
    """
    if os.path.lexists(out) and not _begins(out, MARK):
        return out
    if figures_in is None:
        return None
    if os.path.lexists(figures_in) and not figures_in.is_dir():
        return figures_in
    for file in sorted(figures_in.glob("*")):
        name = re.fullmatch(rf"({'|'.join(figures.NAMES)})(_\d+)?|C\d\d(_\d+)?", file.stem)
        if name and file.suffix in (".svg", ".png") and not _begins(file.with_suffix(".svg"), figures.MARK):
            return file
    return None


def _begins(file: Path, mark: str) -> bool:
    """Whether a file begins so; an empty one has nothing to lose."""
    if not file.is_file():
        return False
    with suppress(OSError), open(file, "rb") as opened:
        return opened.read(len(mark.encode())) in (b"", mark.encode())
    return False


class Figures:
    """The figures of a page: their panels by name, for its program, and where they stand."""

    def __init__(self, index: Index):
        self.link = index.link
        self.panels: dict[str, list[dict[str, Any]]] = {}

    def free(self, name: str) -> str:
        """The name, with a number behind it if a figure has it: studies may differ by what is not seen."""
        others = (f"{name}-{n}" for n in itertools.count(2))
        return next(each for each in itertools.chain([name], others) if each not in self.panels)

    def place(self, name: str, panels: Iterable[Any], title: str, text: str) -> Markup:
        """A figure; nothing if it has no panels."""
        charts = [for_page(panel) for panel in panels]
        if not charts:
            return Markup("")
        name = self.free(name)
        self.panels[name] = charts
        return element(
            "figure",
            element("div", element("p", "The chart needs the page's program.", cls="note"), cls="panels"),
            element("figcaption", element("strong", title), f" {text} ", element("span", cls="downloads")),
            element("details", element("summary", "The numbers behind the figure"), cls="numbers"),
            data_figure=name,
            data_label=title,
        )

    def finding(self, name: str, panels: Iterable[Any], title: str) -> Markup:
        """The figure of a finding."""
        charts = drawn(list(panels), self.link)
        return self.place(
            name,
            charts,
            title,
            "Marks are measured, bars their intervals, dashed curves theory. Where curves meet, their marks "
            "stand side by side.",
        )


def page(records: Sequence[Record], stores: Sequence[Path] = ()) -> str:
    """The page as text; it says that `stores` hold the records."""
    found, read = summaries(records), readings(records)
    claims = stand(records, found, read)
    index = Index(records)
    made = Figures(index)
    shipped = demos()
    parts = {
        "question": opening(found, claims, made, index),
        "explore": explore(shipped),
        "map": span_map(found, shipped["spans"], index),
        "claims": claim_list(claims, made, index),
        "machine": machine_tables(records, read, made, index),
        "studies": study_list(records, found, read, made, index),
    }
    blocks = (
        data("figures-data", made.panels),
        data("records-data", index.data() | {"command": _shows(stores)}),
        data("demos-data", {name: each for name, each in shipped.items() if name != "spans"}),
    )
    return f"{MARK}{_html(parts, blocks)}\n"


def _shows(stores: Sequence[Path]) -> str:
    """What shows a record of these stores, up to its id: each as it was named, but for the folders of this
    machine."""
    named = (path.name if path.is_absolute() else str(path) for path in stores)
    return " ".join(["seriality record", *(f"--store {shlex.quote(plain(each))}" for each in named)])


def _html(parts: dict[str, Markup], blocks: Iterable[Markup]) -> Markup:
    scripts = [script.charts(), script.program()]
    for each in scripts:
        if "</script" in each or "<!--" in each:
            raise AssertionError("a script of the page would end its element")
    allowed = " ".join(map(script.digest, scripts))
    policy = (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data: blob:; "
        "base-uri 'none'; form-action 'none'"
    )
    head = (
        Markup('<meta charset="utf-8">'),
        Markup('<meta name="viewport" content="width=device-width, initial-scale=1">'),
        Markup('<meta name="color-scheme" content="light dark">'),
        Markup(f'<meta http-equiv="Content-Security-Policy" content="{policy}">'),
        element("title", "Which models compute in series? Serial compute, measured"),
        element("style", Markup(script.style())),
    )
    tabs = element(
        "nav",
        element(
            "div",
            *(
                element(
                    "a", label, role="tab", href=f"#{name}", id=f"tab-{name}", aria_controls=f"panel-{name}"
                )
                for name, label in TABS.items()
            ),
            role="tablist",
            id="tabs",
            aria_label="Parts of the page",
        ),
    )
    panels = (
        element("section", part, role="tabpanel", id=f"panel-{name}", aria_labelledby=f"tab-{name}")
        for name, part in parts.items()
    )
    top = element(
        "header",
        element("a", "To the content", href="#main", cls="skip"),
        element("p", element("strong", "seriality"), " serial compute, measured", cls="brand"),
        tabs,
    )
    unscripted = element(
        "noscript", element("p", "Charts and demos need JavaScript; the rest is below.", cls="note")
    )
    footer = element(
        "footer",
        element(
            "p",
            "Claims are those of “The Serial Scaling Hypothesis” (Liu et al. 2025), in our words. "
            "Written by ",
            element("code", "seriality report"),
            " from records; it asks nothing of the network.",
            cls="note",
        ),
    )
    body = element(
        "body",
        top,
        element("main", unscripted, *panels, id="main", tabindex="-1"),
        footer,
        *blocks,
        *(element("script", Markup(each)) for each in scripts),
    )
    return element("html", element("head", *head), body, lang="en")
