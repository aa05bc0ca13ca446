"""Where a page shows the records behind a number: every record has a place, and a link names places.

Records are grouped by what they have in common: study, family, role and row; within a group they are in the
order of learning rates and seeds, so that what a number is taken from is most often a run of places. Ids are
cut to the shortest length at which they are all told apart, as `seriality record` takes them. So 100,000
records take some ten bytes each.
"""

from collections.abc import Iterable
from itertools import groupby, pairwise
from typing import Any

from ..store import Record
from .summary import plain

LEAST = 8
"""The fewest digits of an id that are told."""
LONGEST = 80
"""The longest name of a group, in characters."""


class Index:
    """The places of records on a page.

    >>> records = [Record(f"{n:020x}", "mine", {"row": "RNN", "seed": n}, {}, {}) for n in range(5)]
    >>> index = Index(records)
    >>> index.link([records[0].id, records[1].id, records[2].id, records[4].id])
    '0-2,4'
    """

    def __init__(self, records: Iterable[Record]):
        self._records = sorted(records, key=_order)
        self._place = {record.id: place for place, record in enumerate(self._records)}

    def link(self, ids: Iterable[str]) -> str:
        """The places of records, in order; those that are not on the page are left out."""
        places = sorted({self._place[id] for id in ids if id in self._place})
        told = []
        for _, run in groupby(enumerate(places), lambda each: each[1] - each[0]):
            found = [place for _, place in run]
            told.append(f"{found[0]}-{found[-1]}" if len(found) > 1 else str(found[0]))
        return ",".join(told)

    def of(self, study: str, **settings: str) -> str:
        """The places of a study's records that have these settings."""
        return self.link(
            record.id
            for record in self._records
            if plain(record.study) == plain(study)
            and all(record.settings.get(name) == value for name, value in settings.items())
        )

    def data(self) -> dict[str, Any]:
        """All of it, for a script: groups in the order of places, each with the ids of its records one after
        the other and with runs of (what they have in common, the first seed, how many seeds from there)."""
        digits = self._digits()
        groups = []
        for (study, name), members in groupby(self._records, lambda each: _order(each)[:2]):
            ids: list[str] = []
            runs: list[list[Any]] = []
            for record in members:
                ids.append(plain(record.id)[:digits].ljust(digits))
                kind, seed = _kind(record), _numbers(record.settings)[1]
                if runs and runs[-1][0] == kind and runs[-1][1] + runs[-1][2] == seed:
                    runs[-1][2] += 1
                else:
                    runs.append([kind, seed, 1])
            groups.append([study, name, "".join(ids), runs])
        return {"digits": digits, "groups": groups}

    def _digits(self) -> int:
        ids = sorted(record.id for record in self._records)
        return max([LEAST, *(_common(one, other) + 1 for one, other in pairwise(ids))])


def _common(one: str, other: str) -> int:
    return next((place for place, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), len(one))


def _order(record: Record) -> tuple[str, str, tuple[float, int, str]]:
    settings = record.settings
    names = [plain(settings.get(name, "")) for name in ("family", "role", "row")]
    name = " · ".join(each for each in names if each)[:LONGEST]
    return plain(record.study)[:LONGEST], name, (*_numbers(settings), record.id)


def _numbers(settings: dict[str, Any]) -> tuple[float, int]:
    """The learning rate, 0 where nothing is trained, and the seed."""
    training = settings.get("training")
    rate = training.get("learning_rate") if isinstance(training, dict) else 0.0
    seed = settings.get("seed")
    return (
        float(rate) if isinstance(rate, int | float) and abs(rate) < 1e300 else 0.0,
        seed if isinstance(seed, int) and abs(seed) < 2**53 else 0,
    )


def _kind(record: Record) -> str:
    if "failed" in record.settings:
        return "failed"
    rate, _ = _numbers(record.settings)
    return f"rate {rate:g}" if rate else ""
