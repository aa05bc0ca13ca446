"""What the terminal's tables say, for programs: plain JSON with the ids of the records behind each number."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from ..analysis import Finding, Row, Side
from ..store import Record
from .standings import Standing
from .summary import Reading, Summary, readings, summaries


def tables(records: Sequence[Record]) -> dict[str, Any]:
    """Every study: its table of solvers, or its findings."""
    return {
        "tables": [_summary(each) for each in summaries(records)],
        "findings": [_reading(each) for each in readings(records)],
    }


def claims(standings: Mapping[str, Standing]) -> list[dict[str, Any]]:
    """Every claim with its rule, its verdict, what decided it, and its records."""
    return [claim(each) for each in standings.values()]


def claim(standing: Standing) -> dict[str, Any]:
    """One claim."""
    of = standing.claim
    return {
        "id": of.id,
        "section": of.section,
        "statement": of.statement,
        "supports": of.supports,
        "contradicts": of.contradicts,
        "control": of.control,
        "thresholds": dict(of.thresholds),
        "seeds": of.seeds,
        "caveat": of.caveat,
        "rule_changed": of.changed,
        "study": of.study or None,
        "rule": list(of.rule),
        "verdict": standing.status,
        "reasons": list(standing.verdict.reasons) if standing.verdict else [],
        "parts": [asdict(part) for part in standing.verdict.parts] if standing.verdict else [],
        "findings": [_finding(reading.study, finding) for reading, finding in standing.findings],
        "table": None if standing.table is None else _summary(standing.table),
        "command": standing.command,
        "records": list(standing.records),
    }


def _summary(summary: Summary) -> dict[str, Any]:
    return {
        "study": summary.study,
        "claim": summary.claim.id if summary.verdict is not None else None,
        "verdict": None if summary.verdict is None else asdict(summary.verdict),
        "families": {family: [_row(row) for row in members] for family, members in summary.table.items()},
        "facts": dict(summary.facts),
        "caveats": dict(summary.caveats),
    }


def _row(row: Row) -> dict[str, Any]:
    return {
        "row": row.name,
        "span": row.formula,
        "law": row.law,
        "parallel": row.parallel,
        "solves": row.solves,
        "serial": _side(row.serial),
        "control": _side(row.control),
        "paper": {"parallel": row.expected_parallel, "solves": row.expected_solves},
        "agreement": row.verdict,
        "work": row.work,
        "parameters": row.parameters,
    }


def _side(side: Side | None) -> dict[str, Any] | None:
    if side is None:
        return None
    runs = side.runs
    accuracy = [sum(values) / len(runs) for values in zip(*(run.test for run in runs), strict=True)]
    return {
        "task": runs[0].task,
        "reach": asdict(side.reach),
        "deepest": side.max_depth,
        "learning_rate": side.learning_rate,
        "accuracy": dict(zip(map(str, runs[0].depths), accuracy, strict=True)),
        "seeds": len(runs),
        "diverged": side.diverged,
        "records": [run.id for run in runs],
    }


def _reading(reading: Reading) -> dict[str, Any]:
    return {
        "study": reading.study,
        "findings": [_finding(reading.study, finding) for finding in reading.findings],
        "facts": dict(reading.facts),
    }


def _finding(study: str, finding: Finding) -> dict[str, Any]:
    found = {"study": study, **asdict(finding)}
    for panel in found["panels"]:
        for series in panel["series"]:
            for point in series["points"]:
                point["records"] = point["records"] or series["records"]
    return found
