"""Predictions scored: accuracy by depth with intervals, reach, and what the commonest answer would give."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..analysis import reach, wilson
from ..study.splits import shared_depth
from ..tasks.base import AbstractTask, brief, shortened
from .files import NoRow, predictions
from .plan import MOST, SPLITS, Id, Refused, Unusable, at_a_time, made, read_id, right, task_code

REACHED = 0.9
"""The share of right answers at which a depth counts as reached."""
SHOWN = 3
"""Offending rows that are named of each kind."""
LONGEST_ANSWER = 100_000
"""The most characters of an answer that is read; a longer one is wrong."""
SIZES = 64
"""Largest depths that are looked at in the ids of one file."""
BASELINE = 2048
"""Training instances of a depth from which the commonest answer is taken."""


@dataclass(frozen=True)
class DepthScore:
    """One depth: rows asked, rows answered, right ones; accuracy of all asked, with its 95 % interval."""

    depth: int
    asked: int
    given: int
    right: int
    accuracy: float
    low: float
    high: float
    baseline: float
    """The share of the same rows for which the commonest training answer is right."""


@dataclass
class Fault:
    """One kind of offending rows: how many, and the first."""

    what: str
    count: int = 0
    first: list[str] = field(default_factory=list)

    def add(self, row: int, shown: str) -> None:
        self.count += 1
        if len(self.first) < SHOWN:
            self.first.append(f"row {row}: {shown}")

    def __str__(self) -> str:
        more = ["..."] if self.count > len(self.first) else []
        return "; ".join([f"{self.count:,} {self.what}", *self.first, *more])


@dataclass(frozen=True)
class Score:
    """What a file of predictions is worth."""

    task: str
    split: str
    seed: int
    given_only: bool
    """Whether rows without a prediction were left out."""
    rows: tuple[DepthScore, ...]
    max_depth: int
    """The largest depth of the task that was exported."""
    shared_depth: int
    """Up to this depth questions are too few to be divided into splits: those of testing are trained on."""
    reach: int
    """The largest depth up to which at least `REACHED` of the answers are right at all depths scored."""
    unreadable: Fault
    """Answers that are none of the task's: they count as wrong."""
    missing: Fault
    """Rows that were asked and not answered: they count as wrong, unless only those given are scored."""
    elsewhere: int
    """Rows of other splits, which were left out."""
    faults: tuple[Fault, ...]
    """Rows that could not be scored, by kind."""


def score(
    task: AbstractTask,
    file: Path,
    *,
    split: str = "test",
    given_only: bool = False,
    observe: Callable[[int], object] = lambda rows: None,
) -> Score:
    """Score a `.parquet` or `.jsonl` file with the columns `id` and `prediction` (a text, or token ids).

    Answers are made again from the ids. Of every depth that occurs, all rows of the split count, those
    without a prediction as wrong; with `given_only` just those given. `split` is "all" or one of SPLITS.
    Rows without a usable id, of another task, twice there or of a wrong type are counted, named and left
    out; of an id that is there twice the first counts, and a prediction that is null counts as none. A number
    is of a wrong type: it may be an answer or a token. Memory: one bit for each instance exported.
    """
    if split not in (*SPLITS, "all"):
        raise Refused(f"split is {split!r}, allowed are {', '.join(SPLITS)} and all")
    reading = _Reading(task, split)
    row = 0
    for ids, given in predictions(file):
        reading.take(row, ids, given)
        row += len(ids)
        observe(row)
    if row == 0:
        raise Unusable(f"file {str(file)!r} holds no rows")
    return reading.score(given_only)


class _Reading:
    """What has been read so far."""

    def __init__(self, task: AbstractTask, split: str) -> None:
        self.task, self.split = task, split
        self.name = type(task).__name__
        self.source: Id | None = None
        """An id of the export that most of the first rows are of: one file of predictions is of one."""
        self.codes: dict[int, str] = {}
        """The digest of the task's dials by its largest depth."""
        self.seen: dict[int, np.ndarray] = {}
        self.given: Counter[int] = Counter()
        self.right: Counter[int] = Counter()
        self.guessed: Counter[int] = Counter()
        self.elsewhere = 0
        self.size = 0
        """Instances made again at a time."""
        self.commonest: dict[int, np.ndarray] = {}
        self.unreadable = Fault("answers that are none of this task's, counted as wrong")
        self.faults = {
            kind: Fault(text)
            for kind, text in {
                "line": "lines that are no JSON object",
                "type": "rows without an id as text and a prediction as text or a list of token ids",
                "id": "rows with an unknown id",
                "task": f"rows of another task, other dials or another version than {task!r}",
                "source": "rows of another export (count or seed) than most",
                "twice": "rows whose id was there before",
            }.items()
        }

    def take(self, first: int, ids: list[Any], given: list[Any]) -> None:
        if self.source is None:
            self._choose(ids)
        kept: list[tuple[int, Id, np.ndarray, str]] = []
        for row, (name, prediction) in enumerate(zip(ids, given, strict=True), first + 1):
            if (found := self._identified(row, name, prediction)) is not None:
                kept.append((row, found, *self._answer(prediction)))
        if not kept:
            return
        # A power of two that grows with the rows of a block: a file of few rows is soon scored.
        self.size = max(self.size, at_a_time(self.task, 1 << (len(kept) - 1).bit_length()))
        for start in range(0, len(kept), self.size):
            self._score(kept[start : start + self.size])

    def _choose(self, ids: list[Any]) -> None:
        """Take the commonest export among these ids."""
        read = [found for name in ids if isinstance(name, str) and (found := read_id(name)) is not None]
        usable = [
            each for each in read if 1 <= each.count <= MOST and each.seed < 2**32 and self._is_ours(each)
        ]
        if usable:
            (most, count, seed), _ = Counter((x.most, x.count, x.seed) for x in usable).most_common(1)[0]
            self.source = next(x for x in usable if (x.most, x.count, x.seed) == (most, count, seed))
            self.task = self.task.resized(most)

    def _identified(self, row: int, name: Any, prediction: Any) -> Id | None:
        if isinstance(name, NoRow):
            self.faults["line"].add(row, shortened(name.text))
            return None
        if not isinstance(name, str) or not isinstance(prediction, str | list | None):
            self.faults["type"].add(row, f"id {_quoted(name)}, prediction {_quoted(prediction)}")
            return None
        found = read_id(name)
        if found is None or not 1 <= found.count <= MOST or found.index >= found.count:
            self.faults["id"].add(row, shortened(name, 100))
            return None
        if not self._is_ours(found):
            self.faults["task"].add(row, shortened(name, 100))
            return None
        if not 1 <= found.depth <= found.most or found.seed >= 2**32:
            self.faults["id"].add(row, shortened(name, 100))
            return None
        if prediction is None:  # as if the row were not there
            return None
        assert self.source is not None
        if (found.most, found.count, found.seed) != (self.source.most, self.source.count, self.source.seed):
            self.faults["source"].add(row, shortened(name, 100))
            return None
        seen = self.seen.setdefault(found.depth, np.zeros(-(-found.count // 8), np.uint8))
        byte, bit = divmod(found.index, 8)
        if seen[byte] >> bit & 1:
            self.faults["twice"].add(row, shortened(name, 100))
            return None
        seen[byte] |= 1 << bit
        return found

    def _is_ours(self, found: Id) -> bool:
        """Whether an id is of this task, if need be with another largest depth."""
        if found.task != self.name:
            return False
        if found.most not in self.codes and len(self.codes) < SIZES:
            try:
                self.codes[found.most] = task_code(self.task.resized(found.most))
            except ValueError:
                self.codes[found.most] = ""
        return self.codes.get(found.most) == found.code

    def _answer(self, prediction: str | list[Any]) -> tuple[np.ndarray, str]:
        """The answer's tokens, and nothing; or PAD, which is right nowhere, and why it cannot be read."""
        length, vocabulary = self.task.format.answer_length, self.task.format.vocabulary
        try:
            if isinstance(prediction, str):
                if len(prediction) > LONGEST_ANSWER:
                    raise ValueError(f"a text of {len(prediction):,} characters")
                return np.asarray(self.task.parse_answer(prediction), np.int32), ""
            whole = all(type(token) is int and 0 <= token < vocabulary for token in prediction)
            if not whole or len(prediction) != length:
                raise ValueError(
                    f"{len(prediction)} tokens, must be {length} whole numbers in 0..{vocabulary - 1}"
                )
            return np.array(prediction, np.int32), ""
        except ValueError as error:
            return np.zeros(length, np.int32), f"{_quoted(prediction)} ({' '.join(str(error).split())[:120]})"

    def _score(self, rows: list[tuple[int, Id, np.ndarray, str]]) -> None:
        depth = np.array([found.depth for _, found, *_ in rows])
        index = np.array([found.index for _, found, *_ in rows])
        assert self.source is not None
        instances, splits = made(self.task, self.source.seed, depth, index, self.size)
        pad = self.size - len(rows)
        answers = jnp.asarray(np.pad(np.stack([answer for _, _, answer, _ in rows]), ((0, pad), (0, 0))))
        commonest = np.stack([self._commonest(each) for each in depth.tolist()])
        guesses = jnp.asarray(np.pad(commonest, ((0, pad), (0, 0))))
        padded = _padded(instances, pad)
        is_right = np.asarray(right(self.task, answers, padded))[: len(rows)]
        is_guessed = np.asarray(right(self.task, guesses, padded))[: len(rows)]
        wanted = self._wanted(splits)
        self.elsewhere += int(np.sum(~wanted))
        for (row, *_, unread), counts in zip(rows, wanted, strict=True):
            if unread and counts:
                self.unreadable.add(row, unread)
        for counter, which in (
            (self.given, wanted),
            (self.right, wanted & is_right),
            (self.guessed, wanted & is_guessed),
        ):
            counter.update(depth[which].tolist())

    def _wanted(self, splits: np.ndarray) -> np.ndarray:
        return np.ones(len(splits), bool) if self.split == "all" else splits == SPLITS[self.split]

    def _commonest(self, depth: int) -> np.ndarray:
        """The commonest answer among training instances of this depth (of all, if none is for training)."""
        if depth not in self.commonest:
            most = at_a_time(self.task, BASELINE)
            answers, training = [], []
            for first in range(0, BASELINE, most):
                index = np.arange(first, first + most)
                instances, splits = made(self.task, 2**32 - 1, np.full(most, depth), index, most)
                answers.append(np.array(instances.answer))  # no view, which would keep all of the instances
                training.append(splits == SPLITS["train"])
            answers, training = np.concatenate(answers), np.concatenate(training)
            answers = answers[training if training.any() else slice(None)]
            values, counts = np.unique(answers, axis=0, return_counts=True)
            self.commonest[depth] = values[np.argmax(counts)]
        return self.commonest[depth]

    def score(self, given_only: bool) -> Score:
        faults = tuple(fault for fault in self.faults.values() if fault.count)
        if not self.given:
            said = "; ".join(map(str, faults)) or "none has a prediction"
            if self.elsewhere:
                said = f"{self.elsewhere:,} rows are not of split {self.split!r}: --split all scores them"
            raise Unusable(f"no row can be scored: {said}")
        assert self.source is not None
        count, seed = self.source.count, self.source.seed
        missing = Fault(
            "rows of the split without a prediction" + ("" if given_only else ", counted as wrong")
        )
        rows = []
        for depth in sorted(self.given):
            asked, guessed = self.given[depth], self.guessed[depth]
            if not given_only:
                absent, guessed_there = self._absent(depth, count, seed, missing)
                asked, guessed = asked + absent, guessed + guessed_there
            low, high = wilson(np.array(self.right[depth]), np.array(asked))
            rows.append(
                DepthScore(
                    depth=depth,
                    asked=asked,
                    given=self.given[depth],
                    right=self.right[depth],
                    accuracy=self.right[depth] / asked,
                    low=float(low),
                    high=float(high),
                    baseline=guessed / asked,
                )
            )
        reached = reach(
            np.array([row.depth for row in rows]), np.array([row.accuracy >= REACHED for row in rows])
        )
        return Score(
            task=repr(self.task),
            split=self.split,
            seed=seed,
            given_only=given_only,
            rows=tuple(rows),
            max_depth=self.task.max_depth,
            shared_depth=min(shared_depth(self.task), self.task.max_depth),
            reach=int(reached),
            unreadable=self.unreadable,
            missing=missing,
            elsewhere=self.elsewhere,
            faults=faults,
        )

    def _absent(self, depth: int, count: int, seed: int, missing: Fault) -> tuple[int, int]:
        """How many rows of the split were not given, and for how many the commonest answer is right."""
        assert self.source is not None
        absent = guessed = 0
        most = at_a_time(self.task, count)
        for start in range(0, count, most):  # a multiple of 8
            size = min(most, count - start)
            seen = np.unpackbits(self.seen[depth][start // 8 :], count=size, bitorder="little")
            index = start + np.flatnonzero(seen == 0)
            if not len(index):
                continue
            instances, splits = made(self.task, seed, np.full(len(index), depth), index, most)
            wanted = self._wanted(splits)
            pad = most - len(index)
            guesses = np.broadcast_to(self._commonest(depth), (most, self.task.format.answer_length))
            is_right = np.asarray(right(self.task, jnp.asarray(guesses), _padded(instances, pad)))[
                : len(index)
            ]
            absent += int(np.sum(wanted))
            guessed += int(np.sum(wanted & is_right))
            for each in index[wanted].tolist():
                missing.count += 1
                if len(missing.first) < SHOWN:
                    missing.first.append(str(self.source._replace(depth=depth, index=each)))
        return absent, guessed


def _quoted(value: Any) -> str:
    """A user's value, shortened before it is put into text."""
    return shortened(value) if isinstance(value, str) else shortened(brief(value), 200)[1:-1]


def _padded(instances: Any, pad: int) -> Any:
    return jax.tree.map(
        lambda x: jnp.asarray(np.pad(x, ((0, pad), *((0, 0),) * (x.ndim - 1)), mode="edge")), instances
    )
