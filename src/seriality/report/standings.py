"""How every claim stands by the records that are given: its verdict, what decided it, and what is behind it.

A claim whose study has no records, or that has no study, is not yet run. What other studies show of a claim
stands beside the verdict and never makes it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from ..analysis import Finding, Verdict
from ..claims import CLAIMS, Claim
from ..store import Record
from .summary import Reading, Summary, readings, summaries

NOT_RUN = "not yet run"


@dataclass(frozen=True)
class Standing:
    """A claim with its status ("supported", "contradicted", "undecided", "not yet run") and why.

    `verdict` is that of the claim's own study, None if it was not run; `findings` are of every study that
    says something of it, that of the claim first; `table` is the summary that decides claim C01; `records`
    the ids of the records of the claim's own study.
    """

    claim: Claim
    status: str
    verdict: Verdict | None = None
    findings: tuple[tuple[Reading, Finding], ...] = ()
    table: Summary | None = None
    records: tuple[str, ...] = ()

    @property
    def command(self) -> str | None:
        """What runs its study again; None if there is none."""
        return f"seriality run {self.claim.study} --store mine.sqlite" if self.claim.study else None


def standings(records: Sequence[Record]) -> dict[str, Standing]:
    """Every claim by its id, in order."""
    return stand(records, summaries(records), readings(records))


def stand(
    records: Sequence[Record], found: Sequence[Summary], read: Sequence[Reading]
) -> dict[str, Standing]:
    """The same from summaries and readings of the records that were made before."""
    behind: dict[str, list[str]] = {}
    for record in records:
        behind.setdefault(record.study, []).append(record.id)
    tables = {summary.study: summary for summary in found if summary.verdict is not None}
    told: dict[str, list[tuple[Reading, Finding]]] = {}
    for reading in read:
        for finding in reading.findings:
            told.setdefault(finding.claim, []).append((reading, finding))
    return {claim.id: _standing(claim, tables, told.get(claim.id, []), behind) for claim in CLAIMS.values()}


def _standing(
    claim: Claim,
    tables: dict[str, Summary],
    told: list[tuple[Reading, Finding]],
    behind: dict[str, list[str]],
) -> Standing:
    told = sorted(told, key=lambda each: each[0].study != claim.study)
    table = tables.get(claim.study) if claim.study else None
    verdict = None
    if table is not None:
        verdict = table.verdict
    elif told and told[0][0].study == claim.study:
        verdict = told[0][1].verdict
    ids = tuple(behind.get(claim.study, ()))
    if verdict is None:
        return Standing(claim, NOT_RUN, None, tuple(told), table, ids)
    return Standing(claim, verdict.status, verdict, tuple(told), table, ids)
