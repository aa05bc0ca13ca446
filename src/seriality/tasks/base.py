"""The contract of a task: a distribution of instances with dials."""

import abc
from typing import ClassVar

from jaxtyping import Array, Bool, Int, Key

from ..cost import Cost
from ..instance import Format, Instances


class AbstractTask(abc.ABC):
    """A distribution of instances whose dials are the fields of the (frozen dataclass) task.

    `version` rises when the same key gives other instances or other scores, not for a speed-up.
    """

    version: ClassVar[int]

    @property
    @abc.abstractmethod
    def format(self) -> Format:
        """The layout of the instances; it depends on the dials alone."""

    @property
    @abc.abstractmethod
    def max_depth(self) -> int:
        """The largest serial depth of an instance; depths run from 1 to it."""

    @property
    @abc.abstractmethod
    def control(self) -> "AbstractTask | None":
        """The twin in the same format whose steps have a shortcut; None if this task is one."""

    @abc.abstractmethod
    def distinct(self, depth: int) -> int:
        """The number of different prompts of this depth that `sample` can draw."""

    @abc.abstractmethod
    def sample(
        self, count: int, *, key: Key[Array, ""], depth: int | Int[Array, "..."] | None = None
    ) -> Instances:
        """`count` instances of the given depth: one for all, one each, or (None) `max_depth`.

        Instance i is a function of `fold_in(key, i)` and its depth alone, so batch size never changes data.
        `depth` may be traced; a Python int outside 1..max_depth is a ValueError.
        """

    @abc.abstractmethod
    def reference(self, prompt: Int[Array, " prompt_length"]) -> Int[Array, " answer_length"]:
        """The right answer to one prompt, by the best algorithm known: what the meter reads the span from."""

    @abc.abstractmethod
    def score(self, answer: Int[Array, "batch answer_length"], instances: Instances) -> Bool[Array, " batch"]:
        """Whether each answer is right."""

    @abc.abstractmethod
    def cost(self) -> Cost:
        """Work and span of `reference` in the `unit` cost model, in closed form; the meter must agree."""
