"""Which instances a file holds, and how each is named.

An id such as `Words-8f3a12bc-m16-n1000-s0-d8-123` says what is needed to make its instance again: the task, a
digest of its dials and version, its largest depth, how many there are of each depth, the seed, the depth and
the index. An instance is a function of task, seed, depth and index alone: a smaller count gives the first
rows of a larger one.

An instance's split follows from its question, as in the studies (`study.splits`): no question is in two
splits, and a model trained on an exported training split may be compared with a study's.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int, Key

from ..instance import Instances
from ..store import digest
from ..study.splits import TEST, TRAIN, VALIDATION, split_of
from ..tasks.base import LARGEST, AbstractTask, drawn, shortened

SPLITS = {"train": TRAIN, "validation": VALIDATION, "test": TEST}
"""The splits by name, in the order of their codes."""
NAMES = np.array(list(SPLITS))
BATCH = 4096
"""The most instances made at a time: what memory is needed does not depend on how many are wanted."""
TOKENS = 2**24
"""The most tokens of instances made at a time: nor on how large each is."""
MOST = 10**9
"""The most instances of one depth."""


class Refused(Exception):
    """What was asked for cannot be done; the text is one line that says what is allowed."""


class Unusable(Refused):
    """A file from which nothing can be scored; the text is one line that says why."""


class Id(NamedTuple):
    """An instance's name, taken apart."""

    task: str
    code: str
    most: int
    count: int
    seed: int
    depth: int
    index: int

    def __str__(self) -> str:
        return f"{self.task}-{self.code}-m{self.most}-n{self.count}-s{self.seed}-d{self.depth}-{self.index}"


_ID = re.compile(r"(\w+)-([0-9a-f]{8})-m(\d{1,7})-n(\d{1,10})-s(\d{1,10})-d(\d{1,7})-(\d{1,10})", re.ASCII)


def read_id(text: str) -> Id | None:
    """The parts of an id; None if the text is none.

    >>> read_id("Words-8f3a12bc-m16-n1000-s0-d8-123")
    Id(task='Words', code='8f3a12bc', most=16, count=1000, seed=0, depth=8, index=123)
    """
    if len(text) > 200 or (match := _ID.fullmatch(text)) is None:
        return None
    task, code, *numbers = match.groups()
    found = Id(task, code, *map(int, numbers))
    return found if str(found) == text else None  # no leading zeros: an instance has one name


@dataclass(frozen=True)
class Plan:
    """`count` instances of each of `depths`, drawn with `seed`.

    >>> from seriality.tasks import Words
    >>> plan = Plan(Words("S5", length=8), depths=(2, 4), count=100, seed=0)
    >>> len(plan), str(plan.id(4, 7)).startswith("Words-")
    (200, True)
    """

    task: AbstractTask
    depths: tuple[int, ...]
    count: int
    seed: int = 0

    def __post_init__(self) -> None:
        faults = []
        if not 1 <= self.count <= MOST:
            faults.append(f"count is {shortened(str(self.count))[1:-1]}, allowed is 1 to {MOST}; e.g. 1000")
        if not 0 <= self.seed < 2**32:
            faults.append(f"seed is {self.seed}, allowed is 0 to {2**32 - 1}; e.g. 0")
        outside = [depth for depth in self.depths if not 1 <= depth <= self.task.max_depth]
        if outside or not self.depths or list(self.depths) != sorted(set(self.depths)):
            faults.append(
                f"depths are {shortened(','.join(map(str, self.depths)))}, allowed are rising depths in "
                f"1..{self.task.max_depth} of {self.task!r}"
            )
        if faults:
            raise Refused("; ".join(faults))

    def __len__(self) -> int:
        return len(self.depths) * self.count

    @cached_property
    def code(self) -> str:
        """A digest of the task's name, version and dials: other instances have another."""
        return task_code(self.task)

    def id(self, depth: int, index: int) -> Id:
        """The name of an instance."""
        name, most = type(self.task).__name__, self.task.max_depth
        return Id(name, self.code, most, self.count, self.seed, depth, index)

    def batches(self) -> Iterator[tuple[int, Int[np.ndarray, " n"], Instances, Int[np.ndarray, " n"]]]:
        """Depth, indices, instances and splits, `at_a_time` and in order."""
        size = at_a_time(self.task, self.count)
        for depth in self.depths:
            for first in range(0, self.count, size):
                index = np.arange(first, min(first + size, self.count))
                instances, splits = made(self.task, self.seed, np.full(len(index), depth), index, size)
                yield depth, index, instances, splits


def at_a_time(task: AbstractTask, count: int) -> int:
    """How many of `count` instances are made together: at most BATCH, and few where they are large."""
    layout = task.format
    tokens = 2 * layout.prompt_length + layout.trace_length + layout.answer_length
    return min(count, BATCH, max(8, TOKENS // tokens // 8 * 8))


def task_code(task: AbstractTask) -> str:
    """Eight hexadecimal digits that tell a task's instances from those of other dials and versions."""
    return digest({"name": type(task).__name__, "version": task.version, **task.settings()})[:8]


def made(
    task: AbstractTask,
    seed: int,
    depth: Int[np.ndarray, " n"],
    index: Int[np.ndarray, " n"],
    size: int,
) -> tuple[Instances, Int[np.ndarray, " n"]]:
    """The instances of a seed at these depths and indices, and their splits; compiled for `size` of them."""
    padded = size - len(index)
    depths = jnp.asarray(np.pad(depth, (0, padded), mode="edge").astype(np.int32))
    indices = jnp.asarray(np.pad(index, (0, padded), mode="edge").astype(np.int32))
    instances, splits = _make(task, jax.random.key(seed), depths, indices)
    return jax.tree.map(lambda x: np.asarray(x)[: len(index)], (instances, splits))


@partial(jax.jit, static_argnums=0)
def _make(
    task: AbstractTask, key: Key[Array, ""], depth: Int[Array, " n"], index: Int[Array, " n"]
) -> tuple[Instances, Int[Array, " n"]]:
    keys = jax.vmap(jax.random.fold_in, (None, 0))(key, depth.astype(jnp.uint32))
    keys = jax.vmap(jax.random.fold_in)(keys, index)
    instances = drawn(task, depth, keys)
    return instances, split_of(task, instances.prompt)


@partial(jax.jit, static_argnums=0)
def right(task: AbstractTask, answer: Int[Array, "n a"], instances: Instances) -> Bool[Array, " n"]:
    """`task.score`, compiled."""
    return task.score(answer, instances)


def read_depths(text: str) -> tuple[int, ...]:
    """Depths as typed: `8`, `1..32`, `1,2,4` or `1..4,8,16`.

    >>> read_depths("1..3,8")
    (1, 2, 3, 8)
    """
    found: set[int] = set()
    for part in text.split(","):
        low, dots, high = part.strip().partition("..")
        try:
            first, last = int(low), int(high if dots else low)
        except ValueError:
            first, last = 1, 0
        if not 1 <= first <= last <= LARGEST:
            raise Refused(
                f"depth {shortened(part)}: allowed is a depth from 1 to {LARGEST}, or a rising range; "
                "e.g. 8 or 1..32"
            )
        found |= {*range(first, last + 1)}
    return tuple(sorted(found))
