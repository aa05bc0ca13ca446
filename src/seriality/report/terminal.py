"""The table for a terminal: words beside every sign, so that it reads without colour and in 80 columns."""

import re
from collections.abc import Iterator, Mapping, Sequence

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ..analysis import UNJUDGED, Finding, Row, Side, Verdict
from ..claims import CLAIMS, Claim
from ..store import Record
from .standings import Standing
from .summary import RULE, Reading, Summary, count, decided, numbers, plain, readings, summaries

STYLES = {"agrees": "green", "contradicts": "bold red", "supported": "bold green", "contradicted": "bold red"}


def table(records: Sequence[Record]) -> RenderableType:
    """The tables of all studies that have records, each with its verdict, for `rich.print`."""
    found, read = summaries(records), readings(records)
    if not found and not read:
        return Text("No records yet. `seriality run demo` makes some.")
    parts = [part for summary in found for part in _study(summary)]
    return Group(*parts, *(part for reading in read for part in _reading(reading)))


def yes_no(answer: bool | None) -> str:
    """An answer as a sign and a word.

    >>> yes_no(True), yes_no(False), yes_no(None)
    ('✓ yes', '✗ no', '? open')
    """
    return "? open" if answer is None else "✓ yes" if answer else "✗ no"


def solves(row: Row) -> str:
    """The answer on the serial task as a sign and words, and why it shows nothing if it does not."""
    if row.serial is None:
        return "–"
    answer = row.serial.solves
    text = {"yes": "✓ ", "no": "✗ "}.get(answer, "? ") + answer
    if answer != "no" or row.solves is False:
        return text
    control = "not run" if row.control is None else row.control.solves
    return f"{text}; control {'too' if control == 'no' else control}"


def span(row: Row) -> str:
    """The metered span as a function of the input length n."""
    return "–" if row.formula is None else plain(row.formula)


def reach(side: Side | None) -> str:
    """A reach, its interval where that has any width, and how many runs diverged."""
    if side is None:
        return "–"
    low, high = (f"{end:g}" for end in (side.reach.low, side.reach.high))
    interval = f" ({low}–{high})" if low != high else ""
    diverged = f", {side.diverged} diverged" if side.diverged else ""
    return f"{side.reach.estimate:g}{interval}{diverged}"


def agreement(row: Row) -> str:
    """Whether the row agrees with the paper; in brackets where the seeds are too few to be evidence."""
    return row.agreement if row.evidence or row.agreement in UNJUDGED else f"({row.agreement})"


def paper(row: Row) -> str:
    """What the paper says of the row: whether it is parallel, and whether it solves."""
    said = (row.expected_parallel, row.expected_solves)
    return "–" if None in said else ", ".join(map(yes_no, said))


def heading(summary: Summary, family: str) -> str:
    """The title of a table: study, family, tasks, and the number of seeds with what it is worth."""
    members = summary.table[family]
    seeds = sorted({row.seeds for row in members if row.agreement != "not run"}) or [0]
    number = ("" if seeds[0] == seeds[-1] else f"{seeds[0]} to ") + count(seeds[-1], "seed")
    number = number if seeds[-1] else "one task of two"
    worth = (
        ", not evidence" if seeds[-1] < RULE.seeds else ", not all evidence" if seeds[0] < RULE.seeds else ""
    )
    return f"{summary.study}: {plain(family)}, depths {depths(members)}; {number}{worth}"


def depths(members: Sequence[Row]) -> str:
    """The depths at which a family was evaluated."""
    found = {depth for side in _sides(members) for depth in side.runs[0].depths}
    return ", ".join(map(str, sorted(found)))


def no_verdict(claim: Claim) -> str:
    """What stands in the place of a verdict in a study that is not the claim's."""
    return f"No verdict: claim {claim.id} is decided by the study {claim.study}."


def deepest(members: Sequence[Row]) -> int:
    """The largest depth that was evaluated on any task of a family."""
    return max((side.max_depth for side in _sides(members)), default=0)


def _sides(members: Sequence[Row]) -> list[Side]:
    return [side for row in members for side in (row.serial, row.control) if side]


def pairs_heading(summary: Summary) -> str:
    """The title of a comparison of tasks, and how many pairs are parted."""
    rows = [row for (row,) in summary.table.values()]
    states = [row.pair for row in rows]
    found = ", ".join(f"{states.count(state)} {state}" for state in ("parted", "not parted", "undecided"))
    return f"{summary.study}: {rows[0].name} on {count(len(rows), 'task')} and their controls; {found}"


def _reading(reading: Reading) -> Iterator[RenderableType]:
    """The findings of a study: verdict, reasons, and the numbers of every curve."""
    for finding in reading.findings:
        claim, said = CLAIMS[finding.claim], finding.verdict
        yield Text(f"{reading.study}: {claim.statement}", style="bold")
        yield from _curves(finding)
        yield Text.assemble(
            f"{claim.id} (paper, {claim.section}): ",
            (said.status, STYLES.get(said.status, "bold")),
            " by these records",
        )
        yield _decided(said)
        yield from (Text(plain(note), style="dim") for note in finding.notes)
        if other := reading.other_rule[finding.claim]:
            yield Text(f"Made under another decision rule: {count(other, 'record')}")
        yield Text()
    facts = dict(reading.facts)
    told = [facts["Records"], *(f"failed: {facts[name]}" for name in ("Failed",) if name in facts)]
    told += [] if reading.findings else ["it bears on no claim"]
    yield Text(f"{reading.study}: {'; '.join(told)}")
    yield Text()


def _curves(finding: Finding) -> Iterator[Text]:
    for panel in finding.panels:
        yield Text(f"{plain(panel.title)}: {plain(panel.y)} by {plain(panel.x)}")
        for series in panel.series:
            yield Text(f"  {plain(series.name)}: {numbers(series)}")


def _study(summary: Summary) -> Iterator[RenderableType]:
    if summary.compares_tasks:
        yield from _pairs(summary)
    else:
        yield from _rows(summary)
    for name, value in summary.caveats:
        yield Text(f"{name}: {value}")
    kinds = (
        "A pair is parted if the whole interval on the task lies below that on the control, and undecided "
        f"with fewer than {RULE.seeds} seeds."
        if summary.compares_tasks
        else "Span: metered at powers of two, n = input length. Solves: a no says what was not learnt in the "
        "steps given, not what cannot be. Paper: parallel, solves. In brackets: too few seeds to be evidence."
    )
    yield Text(
        f"Reach: depth up to which accuracy is at least {RULE.accuracy:.0%}, the median of the seeds "
        f"({RULE.confidence:.0%} interval if it has a width). Control: reach on a twin task that has a "
        f"shortcut. {kinds}",
        style="dim",
    )


def _table() -> Table:
    return Table(box=box.SIMPLE_HEAD, padding=0, pad_edge=False, show_edge=False)


def _pairs(summary: Summary) -> Iterator[RenderableType]:
    found = _table()
    for name in ("Task", "Depths", "Seeds", "Reach", "Control", "Pair"):
        found.add_column(name, overflow="fold")
    for family, (row,) in summary.table.items():
        cells = (depths([row]), str(row.seeds), reach(row.serial), reach(row.control), row.pair)
        found.add_row(*map(Text, (plain(family), *cells)))
    yield Text(pairs_heading(summary), style="bold")
    yield found
    yield Text()


def _rows(summary: Summary) -> Iterator[RenderableType]:
    for family, members in summary.table.items():
        found = _table()
        found.add_column("Solver", min_width=11)
        found.add_column("Span", overflow="fold")
        found.add_column("Parallel", no_wrap=True)
        found.add_column(f"Reach/{deepest(members)}")
        found.add_column("Control")
        found.add_column("Solves", min_width=6)
        found.add_column("Paper", no_wrap=True)
        found.add_column("Agreement", no_wrap=True, min_width=len("(contradicts)"))
        for row in members:
            found.add_row(
                Text(row.name),
                Text(span(row)),
                "–" if row.formula is None else yes_no(row.parallel),
                reach(row.serial),
                reach(row.control),
                solves(row),
                re.sub("[✓✗] ", "", paper(row)),
                Text(agreement(row), style=STYLES.get(row.verdict, "")),
            )
        yield Text(heading(summary, family), style="bold")
        yield found
        yield Text()
    claim, said = summary.claim, summary.verdict
    if said is None:
        yield Text(no_verdict(claim))
    else:
        yield Text.assemble(
            f"{claim.id} (paper, {claim.section}): ",
            (said.status, STYLES.get(said.status, "bold")),
            " by these records",
        )
        yield _decided(said)


CLAIM_STYLES = {"not yet run": "dim", "undecided": "yellow", **STYLES}


def claims(found: Mapping[str, Standing]) -> RenderableType:
    """Every claim in a line or two, with its verdict and the study that decides it."""
    lines = _table()
    lines.add_column("", no_wrap=True)
    lines.add_column("Claim", overflow="fold")
    lines.add_column("Verdict", no_wrap=True)
    lines.add_column("Study", overflow="fold")
    for standing in found.values():
        of = standing.claim
        status = Text(standing.status + " †" * of.changed, style=CLAIM_STYLES.get(standing.status, ""))
        lines.add_row(of.id, Text(of.statement), status, of.study or "none yet")
    states = [standing.status for standing in found.values()]
    told = ", ".join(f"{states.count(state)} {state}" for state in CLAIM_STATES if state in states)
    return Group(lines, Text(), Text(told), Text(f"† {CHANGED}", style="dim"))


CHANGED = "by a rule that was changed after something had been seen: the claim tells what"
CLAIM_STATES = ("supported", "contradicted", "undecided", "not yet run")


def claim(standing: Standing, *, curves: bool = False) -> RenderableType:
    """One claim whole: its verdict and why, what would decide it, the rule, the records; with `curves` the
    numbers of every curve too."""
    of = standing.claim
    status = (standing.status, CLAIM_STYLES.get(standing.status, "bold"))
    parts: list[RenderableType] = [
        Text(f"{of.id} (paper, {of.section}): {of.statement}", style="bold"),
        Text.assemble("Verdict: ", status),
        *([] if standing.verdict is None else [_decided(standing.verdict)]),
    ]
    terms = Table(box=None, show_header=False, padding=(0, 2, 0, 0), pad_edge=False)
    terms.add_column(no_wrap=True, style="dim")
    terms.add_column(overflow="fold")
    for name, said in (
        ("Supported if", of.supports),
        ("Contradicted if", of.contradicts),
        ("Control", of.control),
        ("Thresholds", "; ".join(f"{what} {value:g}" for what, value in of.thresholds)),
        ("Seeds, at least", str(of.seeds)),
        ("Hold against it", of.caveat),
        ("Run it again", standing.command or "no study tests it yet"),
        ("Records", _ids(standing.records)),
    ):
        if said:
            terms.add_row(name, Text(said))
    parts += [Text(), terms]
    if of.rule:
        parts += [Text(), Text("The rule:", style="bold"), *(Text(f"- {each}") for each in of.rule)]
    for reading, finding in standing.findings:
        own = reading.study == of.study
        heading = f"By the records of {reading.study}" + ":" * own
        parts += [Text(), Text(heading if own else f"{heading}, which does not decide it:", style="bold")]
        parts += [] if own else [_decided(finding.verdict)]
        if curves:
            parts += _curves(finding)
        else:
            parts.append(Text(f"{count(len(finding.panels), 'figure')}; their numbers: --curves"))
        parts += [Text(plain(note), style="dim") for note in finding.notes]
    if standing.table is not None:
        parts += [Text(), *_study(standing.table)]
    return Group(*parts)


def _decided(verdict: Verdict) -> Table:
    """What a verdict rests on, a line for each thing."""
    lines = Table(box=None, show_header=False, padding=(0, 0, 0, 2), pad_edge=True)
    lines.add_column(no_wrap=True)
    lines.add_column(overflow="fold")
    for mark, said in decided(verdict):
        lines.add_row(Text(mark), Text("\n".join(said)))
    return lines


def _ids(records: Sequence[str]) -> str:
    """How many, and the first of them."""
    first = ", ".join(plain(id) for id in records[:3])
    return f"{count(len(records), 'record')}: {first}{', …' * (len(records) > 3)}" if records else ""
