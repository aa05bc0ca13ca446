"""What a set of records says, study by study, before anything is drawn.

Every record is shown or counted: records that are not of this shape, rows that the paper's table lacks, and
rows with settings other than the latest are numbers in the report, never dropped in silence.
"""

import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from .. import claims
from ..analysis import FAULT, READERS, Finding, Row, Rule, Run, Series, Verdict, read, rows, verdict
from ..store import Record, digest

RULE = Rule(
    accuracy=claims.ACCURACY,
    confidence=claims.CONFIDENCE,
    seeds=claims.SEEDS,
    parallel_laws=claims.PARALLEL_LAWS,
    serial_laws=claims.SERIAL_LAWS,
)
"""The thresholds of claim C01."""


@dataclass(frozen=True)
class Summary:
    """One study: its table by family, its verdict if it is the claim's own study, and on what it ran.

    `other_rule` counts records that were made when the claim's rule was not what it is now. `caveats` are
    what a reader of the table alone should know.
    """

    study: str
    claim: claims.Claim
    table: dict[str, list[Row]]
    verdict: Verdict | None
    other_rule: int
    facts: tuple[tuple[str, str], ...]
    caveats: tuple[tuple[str, str], ...]

    @property
    def compares_tasks(self) -> bool:
        """Whether it decides no claim and has one solver on several families: then tasks are compared."""
        alone = all(len(members) == 1 for members in self.table.values())
        return self.verdict is None and len(self.table) > 1 and alone

    @property
    def is_table_1(self) -> bool:
        """Whether it has the form of the paper's table: several solvers, and no row that the paper lacks."""
        claimed = all(row.expected_parallel is not None for members in self.table.values() for row in members)
        return bool(self.table) and not self.compares_tasks and claimed


@dataclass(frozen=True)
class Reading:
    """A study that is no table of solvers: its findings, each on one claim, and on what it ran.

    `other_rule` counts, for each claim, the records that were made when its rule was not what it is now.
    """

    study: str
    findings: tuple[Finding, ...]
    other_rule: dict[str, int]
    facts: tuple[tuple[str, str], ...]


def readings(records: Sequence[Record]) -> list[Reading]:
    """What the records of every study with a reader say, in the order of its claims."""
    studies = dict.fromkeys(record.study for record in records if record.study in READERS)
    records, lost = _results(records)
    found = [
        _reading(study, [each for each in records if each.study == study], lost[study]) for study in studies
    ]
    return sorted(found, key=lambda reading: min((each.claim for each in reading.findings), default=""))


def _results(records: Sequence[Record]) -> tuple[list[Record], Counter[str]]:
    """The records that are results, and by study the number of trials that failed: those that were lost with
    their worker each time, and have no result since."""
    found = [record for record in records if "failed" not in record.settings]
    ids = {record.id for record in found}
    failed = {(each.study, str(each.settings["failed"])) for each in records if "failed" in each.settings}
    return found, Counter(study for study, trial in failed if trial not in ids)


def _failures(number: int) -> str:
    return f"{count(number, 'trial')}, lost with their worker each time" if number else ""


def _reading(study: str, records: list[Record], lost: int) -> Reading:
    found = READERS[study](records, _missing(records, 0))
    if unread := max((each.unread for each in found), default=0):
        found = READERS[study](records, _missing(records, unread))  # what cannot be read is missing
    findings = tuple(_judged(each, study) for each in found)
    ended = {each.claim: _other_rule(claims.CLAIMS[each.claim], records) for each in findings}
    facts = [("Records", count(len(records), "trial")), ("Failed", _failures(lost)), *_ran_on(records)]
    return Reading(plain(study), findings, ended, tuple((name, value) for name, value in facts if value))


def _judged(finding: Finding, study: str) -> Finding:
    """The finding; undecided if the claim is decided by another study, of which this is a small copy."""
    own = claims.CLAIMS[finding.claim].study
    if study == own:
        return finding
    said = f"a look: the claim is decided by the study {own}"
    return replace(
        finding,
        verdict=replace(finding.verdict, status="undecided", reasons=(said, *finding.verdict.reasons)),
    )


def decided(verdict: Verdict) -> list[tuple[str, list[str]]]:
    """What a verdict rests on: what is said beside its parts, then each thing that its rule asks for, after a
    sign with a word; where semicolons part what is said, piece by piece.

    >>> from seriality.analysis import Part
    >>> parts = (Part(True, "a 5; c 6"), Part(False, "b 7", True))
    >>> decided(Verdict("undecided", ("1 trial is missing",), parts))
    [('', ['1 trial is missing']), ('✓ seen', ['a 5', 'c 6']), ('✗ control fails', ['b 7'])]
    """
    told = {each.said for each in verdict.parts} | {f"{FAULT}{each.said}" for each in verdict.parts}
    lines = [("", reason) for reason in verdict.reasons if reason not in told]
    lines += [(SEEN[part.control][part.seen], part.said) for part in verdict.parts]
    return [(mark, plain(said).split("; ")) for mark, said in lines]


SEEN = {
    False: {True: "✓ seen", False: "✗ not so", None: "? open"},
    True: {True: "✓ control holds", False: "✗ control fails"},
}


def _missing(records: Sequence[Record], left_out: int) -> int:
    """How many trials the study has that are not among its records."""
    trials = [each.provenance.get("trials") for each in records]
    planned = max((each for each in trials if isinstance(each, int) and each < 2**31), default=0)
    return max(0, planned - (len(records) - left_out))


def _other_rule(claim: claims.Claim, records: Sequence[Record]) -> int:
    """How many records were made when the claim's rule was another."""
    rule = digest(claim.fixed)
    made_under = [
        rules.get(claim.id) if isinstance(rules := record.provenance.get("rules"), dict) else None
        for record in records
    ]
    # A study that decides no claim, such as `miniature`, is made under no rule.
    return sum(
        each != rule
        for each, record in zip(made_under, records, strict=True)
        if each is not None or record.study == claim.study
    )


def summaries(records: Sequence[Record]) -> list[Summary]:
    """A summary of every study of solvers that has records, that of the claim first."""
    claim = claims.CLAIMS["C01"]
    studies = dict.fromkeys(record.study for record in records if record.study not in READERS)
    records, lost = _results(records)
    ordered = sorted(studies, key=lambda study: study != claim.study)
    return [
        _summary(claim, study, [each for each in records if each.study == study], lost[study])
        for study in ordered
    ]


def plain(value: Any) -> str:
    """A value from a record as one line of printable text: what is stored is never trusted.

    >>> plain("RNN\\x1b[31m\\n  x")
    'RNN[31m x'
    """
    signs = (sign for sign in str(value) if sign.isspace() or unicodedata.category(sign)[0] != "C")
    return " ".join("".join(signs).split())


def count(number: int, noun: str) -> str:
    """A number with its noun.

    >>> count(1, "seed"), count(5, "seed")
    ('1 seed', '5 seeds')
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def numbers(series: Series) -> str:
    """A curve in a line of text: every place with its value and interval.

    >>> from seriality.analysis import Point
    >>> numbers(Series("a", (Point(1, 0.5), Point(2, 0.25, 0.2, 0.3))))
    '1: 0.5, 2: 0.25 (0.2 to 0.3)'
    """
    return ", ".join(
        f"{point.x:.4g}: {point.y:.4g}"
        + ("" if point.low is None or point.high is None else f" ({point.low:.4g} to {point.high:.4g})")
        for point in series.points
    )


def duration(seconds: float) -> str:
    """A time to two units.

    >>> duration(12.34), duration(754), duration(7300)
    ('12.3 s', '12 min 34 s', '2 h 1 min')
    """
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


@dataclass(frozen=True)
class _Unclaimed:
    """A row of which the paper says nothing."""

    name: str
    parallel: None = None
    solves: None = None


def _expected(ran: Sequence[str], *, claimed: bool) -> list[Any]:
    """The rows to be shown: the paper's, or those that ran where some are not the paper's (of the claim's own
    study these are counted).

    Where one solver ran, tasks are compared, and rows that were not run would be all that one sees.
    """
    known = {row.name: row for row in claims.TABLE_1}
    if not claimed and (len(ran) == 1 or not known.keys() >= set(ran)):
        return [known.get(name, _Unclaimed(name)) for name in ran]
    return list(claims.TABLE_1)


def _summary(claim: claims.Claim, study: str, records: list[Record], lost: int) -> Summary:
    runs, unread = read(records, rule=RULE)
    ran = list(dict.fromkeys(run.row for run in runs))
    expected = _expected(ran, claimed=study == claim.study)
    table = {
        family: [replace(row, name=plain(row.name)) for row in members]
        for family, members in rows(runs, expected=expected, rule=RULE).items()
    }
    other_rule = _other_rule(claim, records)
    left_out = sum(row.left_out for members in table.values() for row in members)
    missing = _missing(records, left_out)
    shown = {row.name for row in expected}
    strangers = sum(run.row not in shown for run in runs)
    caveats = (
        ("Missing", f"{missing:,} of {missing + len(records) - left_out:,} trials" if missing else ""),
        ("Failed", _failures(lost)),
        (
            "Depths too small for separate splits",
            _all(f"{run.family}, {run.role}: up to {run.shared_depth}" for run in runs if run.shared_depth),
        ),
        ("Made under another decision rule", count(other_rule, "record") if other_rule else ""),
        ("Not shown: other settings", count(left_out, "record") if left_out else ""),
        ("Not shown: rows not in the paper's table", count(strangers, "record") if strangers else ""),
        ("Not shown: not of this form", count(unread, "record") if unread else ""),
    )
    return Summary(
        study=plain(study),
        claim=claim,
        table=table,
        verdict=verdict(table, rule=RULE, missing=missing) if study == claim.study else None,
        other_rule=other_rule,
        facts=tuple((name, value) for name, value in _facts(records, runs) if value),
        caveats=tuple((name, value) for name, value in caveats if value),
    )


def _facts(records: list[Record], runs: list[Run]) -> Iterator[tuple[str, str]]:
    trainings = [record.settings.get("training") for record in records]
    budgets = [each for each in trainings if isinstance(each, dict)]
    yield "Records", count(len(records), "trial")
    yield "Seeds", _several(sorted({run.seed for run in runs}))
    yield "Diverged", count(sum(run.diverged for run in runs), "trial")
    yield "Tasks", _all(f"{run.family}, {run.role}: {run.task}" for run in runs)
    yield "Training steps, at most", _several(each.get("steps") for each in budgets)
    yield "Batch", _several(each.get("batch") for each in budgets)
    yield "Learning rates", _several(each.get("learning_rate") for each in budgets)
    yield "Test instances per depth", _several(run.tries for run in runs)
    yield from _ran_on(records)


def _ran_on(records: list[Record]) -> Iterator[tuple[str, str]]:
    provenance = [record.provenance for record in records]
    yield "Wall time, all trials", duration(sum(map(_wall_s, provenance)))
    yield "Device", _several(each.get("device") for each in provenance)
    yield "Machine", _several(each.get("machine") for each in provenance)
    yield "Commit", _several(each.get("commit") for each in provenance)
    yield "Versions", _several(_versions(each.get("versions")) for each in provenance)
    days = sorted(plain(each.get("created"))[:10] for each in provenance if each.get("created"))
    yield "Run on", " to ".join(dict.fromkeys((days[0], days[-1]))) if days else ""


def _all(values: Iterable[str]) -> str:
    """The different values, in order."""
    return " · ".join(dict.fromkeys(map(plain, values)))


def _several(values: Iterable[Any]) -> str:
    """The different values, in order, at most eight of them."""
    texts = list(dict.fromkeys(plain(value) for value in values if value is not None))
    return " · ".join(texts[:8]) + (f" · and {len(texts) - 8} more" if len(texts) > 8 else "")


def _versions(versions: Any) -> str | None:
    return (
        ", ".join(f"{name} {version}" for name, version in versions.items())
        if isinstance(versions, dict)
        else None
    )


def _wall_s(provenance: dict[str, Any]) -> float:
    """A trial's share of the wall time; trials that were trained together hold the time of all of them."""
    wall_s, together = provenance.get("wall_s"), provenance.get("together")
    shared = together if isinstance(together, int) and together > 1 else 1
    return float(wall_s) / shared if isinstance(wall_s, int | float) and 0 <= wall_s < 1e12 else 0.0
