"""Claim C11 from the study `loops`: do log n loops suffice for words over S5, as written and as trained?"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ... import claims
from ..finding import POSITIVE, Finding, Panel, Series, decide, number, parsed, points
from ..intervals import student, welch
from ..observations import one_version
from ..table import CONTROL, SERIAL, RecordLike, Verdict
from .trained import Cells, Trained, cells, point, shares

CONSTRUCTED, WORDS = "constructed", "words"
LENGTHS = (2, 4, 8, 16)
"""Letters of the words at which trained loops are judged."""
ASKED = (8, 16, 32, 64, 128)
"""The same of the constructed weights."""
TRIED = 1000
"""Words of each length that are asked of them, for each draw."""
AT_EQUAL_SPAN = (("2 loops", "4 layers"), ("5 loops", "10 layers"))


@dataclass(frozen=True)
class Constructed:
    """What the constructed weights said of words of the full length, with so many loops."""

    length: int
    loops: int
    right: int
    tries: int
    margin: float


def read(records: Sequence[RecordLike], missing: int) -> tuple[Finding, ...]:
    """The finding on C11."""
    written, _ = parsed(records, _constructed)
    found, unread = cells([each for each in records if "experiment" not in each.settings], *LENGTHS)
    try:
        one_version(records)
    except ValueError as error:
        return (Finding("C11", Verdict("undecided", (str(error),)), (), (), unread),)
    suffices, fewer = _written(written)
    supporting = [suffices, _trained(found)]
    controls = [each for each in (fewer, _control(found)) if each is not None]
    notes = [*_at_equal_span(found), *_unread(unread)]
    verdict = decide(supporting, missing=missing, controls=controls)
    return (Finding("C11", verdict, tuple(_panels(found)), tuple(notes), unread),)


def _constructed(record: RecordLike) -> Constructed:
    settings, outcome = record.settings, record.outcome
    if settings["family"] != CONSTRUCTED:
        raise ValueError("weights that were not trained")
    length = int(number(outcome["depths"][-1], *POSITIVE))
    tries = int(number(outcome["tries"][-1], *POSITIVE))
    right = int(number(outcome["right"][-1], 0, tries))
    margin = number(outcome["margin"][-1], -math.inf, math.inf)
    return Constructed(length, int(number(outcome["loops"], *POSITIVE)), right, tries, margin)


def _written(
    found: Sequence[Constructed],
) -> tuple[tuple[bool | None, str], tuple[bool, str] | None]:
    """Whether the constructed weights suffice, and whether one loop fewer does not."""
    enough = [each for each in found if each.loops == each.length.bit_length()]
    fewer = [each for each in found if each.loops == each.length.bit_length() - 1]
    for which in (enough, fewer):
        counted = [sum(each.length == length and each.tries >= TRIED for each in which) for length in ASKED]
        if min(counted) < claims.SEEDS:
            return (None, f"the constructed weights were not asked with {claims.SEEDS} draws of words"), None
    wrong = sum(each.tries - each.right for each in enough)
    words, margin = sum(each.tries for each in enough), min(each.margin for each in enough)
    share = max(each.right / each.tries for each in fewer)
    return (
        (
            not wrong,
            f"constructed: with ceil(log2 n) loops {words - wrong:,} of {words:,} words of {ASKED[0]} to "
            f"{ASKED[-1]} letters are right, the logit ahead by {margin:.2f} or more",
        ),
        (share <= 0.5, f"with one loop fewer at most {share:.1%} of them"),
    )


def _rows(found: Cells, role: str) -> dict[str, list[Trained]]:
    return {row: trained for (family, r, row), trained in found.items() if (family, r) == (WORDS, role)}


def _trained(found: Cells) -> tuple[bool | None, str]:
    """Whether trained loops solve every length with as many loops as log2 of it."""
    rows = _rows(found, SERIAL)
    loops = sorted(int(row.split()[0]) for row in rows if row.endswith("loops"))
    said, solved = [], []
    for length in LENGTHS:
        few = [r for r in loops if r <= length.bit_length()]
        trained = rows[f"{few[-1]} loops"] if few else []
        if len(trained) < claims.SEEDS:
            return None, f"trained: not all loops were run with {claims.SEEDS} seeds"
        mean = student(shares(trained, length), confidence=claims.CONFIDENCE)
        solved.append(mean.low >= claims.ACCURACY)
        said.append(
            f"{length} letters, {few[-1]} loops: {mean.estimate:.1%} ({mean.low:.1%} to {mean.high:.1%})"
        )
    return (True if all(solved) else None), f"trained; {'; '.join(said)}"


def _control(found: Cells) -> tuple[bool, str] | None:
    """Whether every row is right on the control at every length."""
    rows = {row: each for row, each in _rows(found, CONTROL).items() if len(each) >= claims.SEEDS}
    if not rows:
        return None
    least = min(
        student(shares(trained, length), confidence=claims.CONFIDENCE).low
        for trained in rows.values()
        for length in LENGTHS
    )
    return least >= claims.ACCURACY, f"on two registers every row is at least {least:.1%} right"


def _at_equal_span(found: Cells) -> list[str]:
    """Layers beside loops of the same span."""
    rows, said = _rows(found, SERIAL), []
    for loops, layers in AT_EQUAL_SPAN:
        one, other = rows.get(loops, []), rows.get(layers, [])
        if min(len(one), len(other)) < 2:
            continue
        for length in LENGTHS[-2:]:
            gain = welch(shares(one, length), shares(other, length), confidence=claims.CONFIDENCE)
            said.append(
                f"{length} letters: {layers} in place of {loops}, at equal span and work, {points(gain)}."
            )
    return said


def _unread(unread: int) -> list[str]:
    return [f"Not of this form: {unread:,} records."] if unread else []


def _panels(found: Cells) -> list[Panel]:
    """Accuracy against loops, a curve for each length; layers that are not repeated at their span."""
    panels = []
    for title, role in (("task", SERIAL), ("control", CONTROL)):
        rows = _rows(found, role)
        series = []
        for kind, per in (("loops", 1), ("layers", 2)):
            named = sorted((int(row.split()[0]), row) for row in rows if row.endswith(kind))
            for length in LENGTHS:
                points = [point(count / per, rows[row], length) for count, row in named]
                name = f"{length} letters" if kind == "loops" else f"{length} letters, layers"
                if kind == "loops" or length in LENGTHS[-2:]:
                    series.append(Series(name, tuple(points)))
        if rows:
            panels.append(
                Panel(f"Words, {title}", "loops of two layers, or half the layers", "right answers",
                      tuple(series), log_x=True, share=True, line=claims.ACCURACY)
            )  # fmt: skip
    return panels
