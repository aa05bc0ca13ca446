"""One self-contained page: what was run, the verdict and its rule, the table, the figures and their numbers.

The page needs no network and runs no script; a policy in its head forbids both. Whatever comes from a record
is escaped on its way in: the one function that makes markup, `element`, escapes every text it is given.
"""

import os
import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from html import escape
from importlib.resources import files
from pathlib import Path
from urllib.parse import quote

import numpy as np

from ..analysis import PAIR_RULE, Finding, Row, Side
from ..claims import CLAIMS
from ..store import Record
from . import figures
from .summary import RULE, Reading, Summary, count, numbers, plain, readings, summaries
from .terminal import (
    agreement,
    depths,
    heading,
    no_verdict,
    pairs_heading,
    paper,
    reach,
    solves,
    span,
    yes_no,
)

CAPTIONS = {
    "accuracy_against_depth": (
        "Accuracy against depth.",
        f"Marks are means over seeds, small dots single seeds; bars span the {RULE.confidence:.0%} Wilson "
        f"intervals of all seeds. From the dashed line, {RULE.accuracy:.0%}, upwards a solver is right. At "
        "each depth the marks stand side by side. If the paper is right, the serial task parts the rows and "
        "the control does not.",
    ),
    "reach_against_span": (
        "Reach against metered span.",
        "Span is the longest chain of dependent operations behind one answer, on a log scale. Bars are "
        f"{RULE.confidence:.0%} bootstrap intervals over seeds, where they have a width. The dashed line is "
        "the largest depth that was evaluated. If the paper is right, reach needs span on the serial task "
        "and not on the control, and the span of denoising a fixed answer does not help.",
    ),
    "serial_beside_control": (
        "Every serial task beside its control.",
        "One solver, whose work and span are the same at every depth of a task; the table gives both for the "
        "control. "
        f"Marks are means over seeds, small dots single seeds, bars the {RULE.confidence:.0%} Wilson "
        f"intervals of all seeds. From the dashed line, {RULE.accuracy:.0%}, upwards the solver is right. "
        "Training came to the depths beyond the reach late or hardly at all: how high the marks stand there "
        "is no measure of anything.",
    ),
}


LEADS = (
    "Which models compute in parallel, and which solve problems that are serial? Table 1 of “The Serial "
    "Scaling Hypothesis”, with the paper's ticks replaced by measurements.",
    "How deep does one solver reach on serial tasks, and on twins of them that have a shortcut?",
    "Claims of “The Serial Scaling Hypothesis”, each put to a test that it could fail.",
)
"""What the page answers: of a study of solvers, of one that compares tasks, and of other tests of claims."""
MARK = "<!doctype html>\n<!-- A report of seriality. -->\n"
"""How every page begins."""


class Markup(str):
    """Text that is markup already and is not escaped again."""


def element(tag: str, *children: str, **attributes: str) -> Markup:
    """An HTML element; children and attribute values are escaped unless they are markup.

    >>> element("td", "<script>", cls="span")
    '<td class="span">&lt;script&gt;</td>'
    """
    given = "".join(
        f' {name.replace("cls", "class")}="{escape(value)}"' for name, value in attributes.items()
    )
    inner = "".join(child if isinstance(child, Markup) else escape(child) for child in children)
    return Markup(f"<{tag}{given}>{inner}</{tag}>")


def write(records: Sequence[Record], out: Path) -> list[Path]:
    """Write the page at `out` and its figures in a folder beside it; the paths written, the page first.

    ValueError if there are no records, FileExistsError if something else is `in_the_way`.
    """
    if not records:
        raise ValueError("there are no records to report; `seriality run demo` makes some")
    if (other := in_the_way(out)) is not None:
        raise FileExistsError(f"{other} is there and was not written by seriality")
    found, read = summaries(records), readings(records)
    folder = _folder(out)
    folder.mkdir(parents=True, exist_ok=True)
    paths, sections = [out], []
    for place, summary in enumerate(found):
        drawn = []
        for name, chart in figures.figures(summary).items():
            label = name if len(found) == 1 else f"{name}_{place + 1}"
            paths += (saved := figures.save(chart, folder / label))
            if name in CAPTIONS:  # the table stands in the page as a table
                drawn.append(_figure(name, label, saved[0].read_text(encoding="utf-8"), folder.name))
        sections.append(_section(summary, drawn))
    for reading in read:
        drawn = {}
        for claim, chart in figures.findings(reading).items():
            again = sum(path.stem.startswith(claim) and path.suffix == ".svg" for path in paths)
            label = f"{claim}_{again + 1}" if again else claim
            paths += (saved := figures.save(chart, folder / label))
            title = f"Claim {claim}. {CLAIMS[claim].statement}"
            drawing = saved[0].read_text(encoding="utf-8")
            drawn[claim] = _drawing(label, drawing, folder.name, title, FINDING_CAPTION)
        sections.append(_reading_section(reading, drawn))
    fresh = folder / f".{os.getpid()}.html"  # an old page is replaced whole or not at all
    lead = LEADS[2 if not found else all(summary.compares_tasks for summary in found)]
    fresh.write_text(_page(lead, sections), encoding="utf-8", errors="replace")
    fresh.replace(out)
    return paths


def in_the_way(out: Path) -> Path | None:
    """What a report at `out` would write over that no older report has written; None if there is nothing.

    A page and an SVG file say in their first line whose they are; a PNG file goes with its SVG file.
    """
    if os.path.lexists(out) and not _begins(out, MARK):
        return out
    folder = _folder(out)
    if os.path.lexists(folder) and not folder.is_dir():
        return folder
    for file in sorted(folder.glob("*")):
        name = re.fullmatch(rf"({'|'.join(figures.NAMES)})(_\d+)?|C\d\d(_\d+)?", file.stem)
        if name and file.suffix in (".svg", ".png") and not _begins(file.with_suffix(".svg"), figures.MARK):
            return file
    return None


def _folder(out: Path) -> Path:
    return out.with_name(f"{out.stem}_figures")


def _begins(file: Path, mark: str) -> bool:
    """Whether a file begins so; an empty one has nothing to lose."""
    if not file.is_file():
        return False
    with suppress(OSError), open(file, "rb") as opened:
        return opened.read(len(mark.encode())) in (b"", mark.encode())
    return False


def _page(lead: str, sections: Iterable[Markup]) -> str:
    style = Markup(files("seriality.report").joinpath("page.css").read_text(encoding="utf-8"))
    policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
    head = (
        Markup('<meta charset="utf-8">'),
        Markup('<meta name="viewport" content="width=device-width, initial-scale=1">'),
        Markup('<meta name="color-scheme" content="light dark">'),
        Markup(f'<meta http-equiv="Content-Security-Policy" content="{policy}">'),
        element("title", "Serial compute, measured"),
        element("style", style),
    )
    intro = element(
        "header",
        element("h1", "Serial compute, measured"),
        element("p", lead, cls="lead"),
    )
    body = element("body", element("main", intro, *sections))
    return f"{MARK}{element('html', element('head', *head), body, lang='en')}\n"


def _section(summary: Summary, drawn: list[Markup]) -> Markup:
    facts = (
        part
        for name, value in summary.facts + summary.caveats
        for part in (element("dt", name), element("dd", value))
    )
    fixed = "The decision rule, fixed before the run"
    if summary.compares_tasks:
        said = element("p", pairs_heading(summary), cls="said")
        verdict = element("div", said, element("p", "It decides no claim."), cls="verdict open")
        tables, key, rule = [_pairs(summary)], _reach_key(), PAIR_RULE
        fixed = "When a pair is parted"
    else:
        verdict, key, rule = _verdict(summary), _key(), summary.claim.rule
        tables = [_table(summary, family, members) for family, members in summary.table.items()]
        if summary.other_rule:
            made = count(summary.other_rule, "record")
            fixed = f"The decision rule as it is now; it was another for {made} of this study"
    return element(
        "section",
        element("h2", f"Study {summary.study}"),
        verdict,
        *tables,
        element("p", key, cls="note"),
        *drawn,
        *(_numbers(family, members) for family, members in summary.table.items()),
        element("h3", fixed),
        element("ol", *(element("li", each) for each in rule)),
        element("h3", "What was run"),
        element("dl", *facts),
    )


FINDING_CAPTION = "Marks are measured, bars their intervals, dashed curves what theory says."


def _reading_section(reading: Reading, drawn: dict[str, Markup]) -> Markup:
    """A study's findings, each with its verdict, its figure, the numbers behind it and the rule."""
    parts = []
    for finding in reading.findings:
        claim, other = CLAIMS[finding.claim], reading.other_rule[finding.claim]
        fixed = "The decision rule, fixed before the run"
        if other:
            fixed = (
                f"The decision rule as it is now; it was another for {count(other, 'record')} of this study"
            )
        parts += [
            _said(finding, reading.study),
            *(element("p", plain(note), cls="note") for note in finding.notes),
            *([drawn[finding.claim]] if finding.claim in drawn else []),
            _curves(finding),
            element("h3", fixed),
            element("ol", *(element("li", each) for each in claim.rule)),
        ]
    facts = (part for name, value in reading.facts for part in (element("dt", name), element("dd", value)))
    ran = (element("h3", "What was run"), element("dl", *facts))
    return element("section", element("h2", f"Study {reading.study}"), *parts, *ran)


def _said(finding: Finding, study: str) -> Markup:
    claim, said = CLAIMS[finding.claim], finding.verdict
    label = element("p", f"Claim {claim.id} · paper, section {claim.section}", cls="label")
    by = f" by the records of {study}."
    return element(
        "div",
        label,
        element("p", element("strong", said.status.capitalize()), by, cls="said"),
        element("p", claim.statement),
        element("ul", *(element("li", plain(reason)) for reason in said.reasons)),
        cls=f"verdict {said.status}",
    )


def _curves(finding: Finding) -> Markup:
    """The numbers behind the panels, a curve a line."""
    rows = [
        element(
            "tr",
            element("th", plain(panel.title)),
            element("td", plain(series.name)),
            element("td", numbers(series)),
        )
        for panel in finding.panels
        for series in panel.series
    ]
    names = ("Panel", "Curve", "x: y (interval)")
    head = element("thead", element("tr", *(element("th", name, scope="col") for name in names)))
    return element(
        "details",
        element("summary", f"The numbers behind the figure: {count(len(rows), 'curve')}"),
        element("div", element("table", head, element("tbody", *rows)), cls="wide"),
    )


def _verdict(summary: Summary) -> Markup:
    claim, said = summary.claim, summary.verdict
    label = element("p", f"Claim {claim.id} · paper, section {claim.section}", cls="label")
    if said is None:
        parts, status = [element("p", no_verdict(claim), cls="said"), element("p", claim.statement)], "open"
    else:
        by = f" by the records of {summary.study}."
        parts = [
            element("p", element("strong", said.status.capitalize()), by, cls="said"),
            element("p", claim.statement),
            element("ul", *(element("li", plain(reason)) for reason in said.reasons)),
        ]
        status = said.status
    return element("div", label, *parts, cls=f"verdict {status}")


def _reach_key() -> str:
    return (
        f"Reach: the largest depth up to which test accuracy is at least {RULE.accuracy:.0%}; the median of "
        f"the seeds with its {RULE.confidence:.0%} interval."
    )


def _key() -> str:
    return (
        "Span: the longest chain of dependent operations behind one answer, metered from the program, as "
        f"a function of the input length n. {_reach_key()} Solves: a no "
        "says what was not learnt in the steps given, not what cannot be. Control: a "
        "twin task in the same format that has a shortcut; failing at both shows nothing about serial "
        f"problems. In brackets: fewer than {RULE.seeds} seeds, not evidence. Work: operations behind one "
        "answer, metered, where the prompt has the length trained on."
    )


def _table(summary: Summary, family: str, members: Sequence[Row]) -> Markup:
    names = ("Solver", "Metered span", "Parallel?", "Reach, serial task", "Reach, control", "Solves serial?")
    names += ("Paper: parallel, solves", "Agreement", "Work of an answer", "Parameters")
    rows = []
    for row in members:
        law = f" ({plain(row.law)})" if row.law else ""
        cells = (
            element("th", row.name, scope="row"),
            element("td", span(row), element("small", law)),
            element("td", "–" if row.law is None else yes_no(row.parallel)),
            element("td", _reach(row.serial)),
            element("td", _reach(row.control)),
            element("td", solves(row)),
            element("td", paper(row)),
            element("td", agreement(row), cls=row.verdict.replace(" ", "-")),
            *(element("td", "–" if each is None else f"{each:,}") for each in (row.work, row.parameters)),
        )
        rows.append(element("tr", *cells))
    head = element("thead", element("tr", *(element("th", name, scope="col") for name in names)))
    title = element("h3", heading(summary, family))
    return Markup(title + element("div", element("table", head, element("tbody", *rows)), cls="wide"))


def _pairs(summary: Summary) -> Markup:
    names = ("Task", "Depths", "Seeds", "Reach, serial task", "Reach, control", "Pair")
    names += ("Metered span of an answer: task, control", "Work of an answer: task, control")
    rows = []
    for family, (row,) in summary.table.items():
        runs = [None if side is None else side.runs[0] for side in (row.serial, row.control)]
        spans, works = (
            [None if run is None else getattr(run, name) for run in runs] for name in ("span", "work")
        )
        cells = (
            element("th", plain(family), scope="row"),
            element("td", depths([row])),
            element("td", str(row.seeds)),
            element("td", _reach(row.serial)),
            element("td", _reach(row.control)),
            element("td", row.pair),
            *(
                element("td", ", ".join("–" if n is None else f"{n:,}" for n in each))
                for each in (spans, works)
            ),
        )
        rows.append(element("tr", *cells))
    head = element("thead", element("tr", *(element("th", name, scope="col") for name in names)))
    return element("div", element("table", head, element("tbody", *rows)), cls="wide")


def _reach(side: Side | None) -> Markup:
    """The reach with its interval spelt out, even where it has no width."""
    if side is None or len(side.runs) == 1 or side.reach.low != side.reach.high:
        return Markup(escape(reach(side)))
    interval = f" ({side.reach.low:g}–{side.reach.high:g})"
    return Markup(
        escape(f"{side.reach.estimate:g}") + element("small", interval + reach(side).partition(",")[2])
    )


def _figure(name: str, label: str, drawing: str, folder: str) -> Markup:
    return _drawing(label, drawing, folder, *CAPTIONS[name])


def _drawing(label: str, drawing: str, folder: str, title: str, text: str) -> Markup:
    place = f"{quote(folder, errors='replace')}/{label}"
    links = (Markup(f"{element('a', kind.upper(), href=f'{place}.{kind}')} ") for kind in ("svg", "png"))
    return element(
        "figure",
        element("div", Markup(figures.inline(drawing, label, f"{title} {text}")), cls="card"),
        element("figcaption", element("strong", title), f" {text} ", *links),
    )


def _numbers(family: str, members: Sequence[Row]) -> Markup:
    """The accuracies behind the first figure: mean over seeds, least and greatest seed."""
    rows = []
    columns: tuple[int, ...] = ()
    for row in members:
        for role, side in (("serial", row.serial), ("control", row.control)):
            if side is None:
                continue
            columns = max(columns, side.runs[0].depths, key=len)
            test = np.array([run.test for run in side.runs])
            shares = (
                f"{mean:.1%} ({low:.1%}–{high:.1%})" if len(test) > 1 else f"{mean:.1%}"
                for mean, low, high in zip(test.mean(0), test.min(0), test.max(0), strict=True)
            )
            rate = element("td", f"{side.learning_rate:g}")
            cells = (
                element("td", f"{depth}: {share}")
                for depth, share in zip(side.runs[0].depths, shares, strict=True)
            )
            rows.append(
                element("tr", element("th", row.name, scope="row"), element("td", role), rate, *cells)
            )
    names = ("Solver", "Task", "Learning rate", *("Depth: accuracy" for _ in columns))
    head = element("thead", element("tr", *(element("th", name, scope="col") for name in names)))
    return element(
        "details",
        element("summary", f"The numbers behind the figure: {plain(family)}, {count(len(rows), 'line')}"),
        element("p", "Mean accuracy over seeds, with the least and the greatest seed.", cls="note"),
        element("div", element("table", head, element("tbody", *rows)), cls="wide"),
    )
