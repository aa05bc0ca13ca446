"""Claims C14 and C25 from the studies `plateau` and `escapes`, and what `sudoku_trained` shows beside C17:
what denoising steps buy on the same weights.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ... import claims
from ..finding import POSITIVE, Finding, Panel, Point, Series, decide, number, parsed, points
from ..intervals import Interval, student, wilson
from ..table import CONTROL, SERIAL, RecordLike

RANDOM, CONFIDENT = "", ", confident"
ONE_LAYER, MASKED, GAUSSIAN, REPEATED = (
    "masked, 1 layer",
    "masked, 2 layers",
    "Gaussian, 2 layers",
    "repeated, 2 layers",
)
TRACE, RECURRENT = "masked trace, 2 layers", "masked, 2 layers repeated"
JUDGED = {"words": (GAUSSIAN,), "automaton": (MASKED, GAUSSIAN)}
"""The rows by which a family is judged. Of one token, as of words, masked diffusion says the same at every
number of steps."""


@dataclass(frozen=True)
class Answers:
    """What one trained network answered: right answers of tries by (order, steps), at the largest depth and
    at the others that were asked, and the work of an answer. A network without denoising steps has the order
    "" and 0 steps. A diverged run is never right."""

    family: str
    role: str
    row: str
    seed: int
    at: dict[int, dict[tuple[str, int], int]]
    """By depth."""
    tries: int
    diverged: bool
    work: dict[tuple[str, int], int]
    record: str
    """Its id."""

    @property
    def depth(self) -> int:
        """The largest."""
        return max(self.at)

    @property
    def right(self) -> dict[tuple[str, int], int]:
        """Right answers at the largest depth, which alone is judged."""
        return self.at[self.depth]

    def share(self, order: str, steps: int, depth: int | None = None) -> float:
        """The share of right answers, at the largest depth if none is said."""
        return self.at[depth or self.depth][order, steps] / self.tries


Cells = dict[tuple[str, str, str], list[Answers]]
"""By family, role and row."""


def read(records: Sequence[RecordLike], missing: int) -> tuple[Finding, ...]:
    """The finding on C14."""
    cells, unread = _cells(records)
    supporting = [_flat(family, rows, cells) for family, rows in JUDGED.items()]
    return (
        Finding(
            "C14", decide(supporting, missing=missing), tuple(_panels(cells)), _notes(cells, unread), unread
        ),
    )


def read_escapes(records: Sequence[RecordLike], missing: int) -> tuple[Finding, ...]:
    """The finding on C25."""
    cells, unread = _cells(records)
    families = list(dict.fromkeys([*JUDGED, *(family for family, _, _ in cells)]))
    whole = [f for f in families if len(cells.get((f, SERIAL, MASKED), [])) >= claims.SEEDS]
    heard = [family for family in whole if _says_something(family, cells)]
    silent = [family for family in whole if family not in heard]
    supporting = [_lifts(way, heard, cells) for way in (TRACE, RECURRENT)]
    supporting += [(None, f"{f} was not run with {claims.SEEDS} seeds") for f in families if f not in whole]
    verdict = decide(supporting, missing=missing)
    if silent:
        verdict = replace(verdict, reasons=(*verdict.reasons, f"say nothing: {', '.join(silent)}"))
    return (Finding("C25", verdict, tuple(_panels(cells)), _notes(cells, unread), unread),)


def read_sudoku(records: Sequence[RecordLike], missing: int) -> tuple[Finding, ...]:
    """What is shown beside C17, which another study decides."""
    cells, unread = _cells(records)
    said = [
        f"{family}, depth {max(each.depth for each in answers)}, {row}{order}"
        f"{f' at {steps} steps' * bool(steps)}: {_ends(answers, order, steps)[0]:.1%} right"
        for (family, role, row), answers in cells.items()
        if role == SERIAL
        for order, steps in _last(answers)
    ]
    verdict = decide([(None, each) for each in said], missing=missing)
    verdict = replace(verdict, parts=())  # no rule asks for these
    return (Finding("C17", verdict, tuple(_panels(cells)), _notes(cells, unread), unread),)


def _last(answers: list[Answers]) -> list[tuple[str, int]]:
    """Every order in which all seeds answered, with its most steps."""
    keys = [key for key in answers[0].right if all(key in each.right for each in answers)]
    return [(order, max(n for o, n in keys if o == order)) for order in dict.fromkeys(o for o, _ in keys)]


def _cells(records: Sequence[RecordLike]) -> tuple[Cells, int]:
    """The networks of each cell by seed, and how many records were of none; ValueError if those of one cell
    were not asked alike."""
    answers, unread = parsed(records, _answers)
    cells: Cells = {}
    for each in sorted(answers, key=lambda a: a.seed):
        cells.setdefault((each.family, each.role, each.row), []).append(each)
    for key, row in cells.items():
        if len({(frozenset(each.at), frozenset(each.right)) for each in row}) > 1:
            raise ValueError(f"not all of {', '.join(key)} were asked at the same depths and steps")
    return cells, unread


def _answers(record: RecordLike) -> Answers:
    settings, outcome = record.settings, record.outcome
    role, row, diverged = settings["role"], str(settings["row"]), bool(outcome["diverged"])
    if role not in (SERIAL, CONTROL):
        raise ValueError(f"the role of a task is {SERIAL} or {CONTROL}")
    tries = int(number(outcome["test"]["tries"][-1], *POSITIVE))
    at: dict[int, dict[tuple[str, int], int]] = {}
    work: dict[tuple[str, int], int] = {}
    asked = {_named(name): found for name, found in (outcome.get("answering") or {}).items()}
    for key, found in (asked or {(RANDOM, 0): outcome}).items():
        for depth, count in zip(found["depths"], found["test"]["successes"], strict=True):
            at.setdefault(int(depth), {})[key] = int(count) * (not diverged)
        work[key] = int(number(found["cost"]["unit"]["work"], 1, 1e18))
    right = at[max(int(d) for d in outcome["depths"])]
    judged = (
        {(RANDOM, n) for n in (claims.COARSE_STEPS, claims.MOST_STEPS)}
        if row.startswith(("masked", "Gaussian"))
        else {(RANDOM, 0)}
    )
    every = [count for counts in at.values() for count in counts.values()]
    if tries < 1 or not all(0 <= count <= tries for count in every) or not judged <= set(right):
        raise ValueError("right answers, of the tries, for the numbers of steps that are judged")
    family, seed = str(settings["family"]), int(settings["seed"])
    return Answers(family, role, row, seed, at, tries, diverged, work, record.id)


def _named(name: str) -> tuple[str, int]:
    """The order and the number of steps of a name such as "T = 4, confident"."""
    steps, _, order = name.removeprefix("T = ").partition(", ")
    return f", {order}" if order else RANDOM, int(steps)


def _ends(
    answers: list[Answers], order: str, steps: int, depth: int | None = None
) -> tuple[float, float, float]:
    """The share of right answers, with its interval over seeds; of one seed, over its instances."""
    shares = np.array([each.share(order, steps, depth) for each in answers])
    if len(shares) > 1:
        mean = student(shares, confidence=claims.CONFIDENCE)
        return mean.estimate, max(mean.low, 0.0), min(mean.high, 1.0)
    tries = np.array(answers[0].tries)
    low, high = wilson(np.array(round(shares[0] * answers[0].tries)), tries, confidence=claims.CONFIDENCE)
    return float(shares[0]), float(low), float(high)


def _difference(
    one: list[Answers], other: list[Answers], at: tuple[str, int], of: tuple[str, int], confidence: float
) -> Interval:
    """How much more often the other is right, seed by seed."""
    after = {each.seed: each for each in other}
    pairs = [(before, after[before.seed]) for before in one if before.seed in after]
    gains = np.array([then.share(*of) - before.share(*at) for before, then in pairs])
    return student(gains, confidence=confidence) if len(gains) > 1 else Interval(0.0, -1.0, 1.0)


def _flat(family: str, judged: tuple[str, ...], cells: Cells) -> tuple[bool | None, str]:
    """Whether a family is as C14 says, and what was seen."""
    rows = {row: cells.get((family, SERIAL, row), []) for row in (*judged, REPEATED)}
    twins = {row: cells.get((family, CONTROL, row), []) for row in judged}
    if min(map(len, [*rows.values(), *twins.values()])) < claims.SEEDS:
        return None, f"{family}: not all rows were run with {claims.SEEDS} seeds"
    most, said, states = (RANDOM, claims.MOST_STEPS), [], []
    for row in judged:
        rise = _difference(rows[row], rows[row], (RANDOM, claims.COARSE_STEPS), most, claims.CONFIDENCE)
        share, _, high = _ends(rows[row], *most)
        _, control, _ = _ends(twins[row], *most)
        gain = _difference(rows[row], rows[REPEATED], most, (RANDOM, 0), claims.CONFIDENCE)
        cheaper = rows[REPEATED][0].work[RANDOM, 0] <= rows[row][0].work[most]
        said.append(
            f"{row}: {share:.1%} right, a rise of {points(rise)}, control at least {control:.1%} right, "
            f"repeated layers {points(gain)} more"
        )
        right_on_control = control >= claims.ACCURACY
        as_said = (
            rise.high < claims.RISE
            and not any(each.diverged for each in rows[row])
            and high < claims.ACCURACY
            and right_on_control
            and gain.low > 0
            and cheaper
        )
        states.append(False if rise.low > claims.RISE and right_on_control else True if as_said else None)
    seen = False if False in states else None if None in states else True
    return seen, "; ".join([family, *said])


def _says_something(family: str, cells: Cells) -> bool:
    """Whether the plain row is below and some row is right on the control."""
    plain = cells.get((family, SERIAL, MASKED), [])
    controls = [cells.get((family, CONTROL, row), []) for row in (MASKED, TRACE, RECURRENT)]
    if len(plain) < claims.SEEDS:
        return False
    most = (RANDOM, claims.MOST_STEPS)
    right = any(len(each) >= claims.SEEDS and _ends(each, *most)[1] >= claims.ACCURACY for each in controls)
    return _ends(plain, *most)[2] < claims.ACCURACY and right


def _lifts(way: str, families: list[str], cells: Cells) -> tuple[bool | None, str]:
    """Whether a way out lifts the limit in all families that say something."""
    states, said = [], []
    orders = (RANDOM, CONFIDENT) if way == TRACE else (RANDOM,)
    for family in families:
        plain, other = (cells.get((family, SERIAL, row), []) for row in (MASKED, way))
        if min(len(plain), len(other)) < claims.SEEDS:
            states.append(None)
            said.append(f"{family} was not run with {claims.SEEDS} seeds")
            continue
        most, confidence = claims.MOST_STEPS, 1 - (1 - claims.CONFIDENCE) / len(orders)
        gains = [_difference(plain, other, (RANDOM, most), (order, most), confidence) for order in orders]
        best = max(range(len(orders)), key=lambda place: gains[place].estimate)
        gain, order = gains[best], orders[best]
        helps = True
        if way == TRACE:
            few = claims.COARSE_STEPS
            helps = _difference(other, other, (order, few), (order, most), claims.CONFIDENCE).low > 0
        states.append(
            False if gain.high < claims.RISE else True if gain.low > claims.RISE and helps else None
        )
        said.append(f"{family} {points(gain)}")
    text = f"{way}: {', '.join(said) or 'no family says anything'}"
    if states and all(state is False for state in states):
        return False, text
    return (True if states and all(state is True for state in states) else None), text


def _notes(cells: Cells, unread: int) -> tuple[str, ...]:
    notes = [
        "One training for each row and seed: the numbers of steps differ in how the same weights answer. A "
        "plateau is one of what was learnt in the steps of training given, not of what can be expressed.",
    ]
    below = [f"{row}, {family}" for (family, role, row), each in cells.items() if len(each) < claims.SEEDS]
    if below:
        notes.append(f"Fewer than {claims.SEEDS} seeds: {'; '.join(below)}.")
    if unread:
        notes.append(f"Not of this form: {unread:,} records.")
    return tuple(notes)


def _panels(cells: Cells) -> list[Panel]:
    """Accuracy against steps: a panel for every family, role and depth that all rows were asked at."""
    panels = []
    for family, role in dict.fromkeys((family, role) for family, role, _ in cells):
        rows = {row: answers for (f, r, row), answers in cells.items() if (f, r) == (family, role)}
        depths = set.intersection(*(set(each.at) for answers in rows.values() for each in answers))
        for depth in sorted(depths):
            series = [curve for row, answers in rows.items() for curve in _curves(row, answers, depth)]
            title = f"{family}, {'control' if role == CONTROL else 'task'}, depth {depth}"
            share = {"share": True, "line": claims.ACCURACY}
            panels.append(
                Panel(title, "denoising steps", "right answers", tuple(series), log_x=True, **share)
            )
    return panels


def _curves(row: str, answers: list[Answers], depth: int) -> list[Series]:
    """A row's accuracy at a depth in every order; a line across if it has no steps."""
    keys = [key for key in answers[0].at[depth] if all(key in each.at[depth] for each in answers)]
    curves = []
    for order in dict.fromkeys(order for order, _ in keys):
        steps = sorted(count for o, count in keys if o == order)
        across = (1, claims.MOST_STEPS) if steps == [0] else steps
        points = [
            Point(x, *_ends(answers, order, count, depth))
            for x, count in zip(across, steps * 2 if steps == [0] else steps, strict=True)
        ]
        curves.append(Series(f"{row}{order}", tuple(points), records=tuple(each.record for each in answers)))
    return curves
