"""Experiments: computations that train nothing, recorded like trials.

A theorem's numbers, an oracle asked in many ways, a construction and its size: what is computed is a function
of plain settings, and its outcome plain numbers. So the record is of the same form as that of a training, and
a study may hold both.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..store import digest


@dataclass(frozen=True)
class Experiment:
    """One computation: `function(**arguments)`, with `seed=` if it takes one; it returns its outcome, a
    dictionary.

    `row`, `family` and `role` say what it is compared with, as in a `Trial`. `version` rises when the same
    arguments give another outcome, not for a speed-up.

    >>> def square(number):
    ...     return {"square": number**2}
    >>> Experiment("mine", "squares", "numbers", "serial", square, {"number": 3}).measure()
    {'square': 9}
    """

    study: str
    row: str
    family: str
    role: str
    function: Callable[..., Mapping[str, Any]]
    arguments: Mapping[str, Any] = field(default_factory=dict)
    version: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        if taken := sorted({"name", "version"} & set(self.arguments)):
            raise ValueError(
                f"the function of an experiment has arguments {', '.join(taken)}, which name the function "
                "itself in its record; call them otherwise, such as kind"
            )

    def settings(self) -> dict[str, Any]:
        """All of it as plain JSON, as the record keeps it."""
        return {
            "study": self.study,
            "row": self.row,
            "family": self.family,
            "role": self.role,
            "experiment": {"name": self.function.__name__, "version": self.version, **self.arguments},
            "seed": self.seed,
        }

    @property
    def id(self) -> str:
        """A digest of the settings."""
        return digest(self.settings())

    @property
    def program(self) -> str:
        """Its id: experiments are run one by one."""
        return self.id

    @property
    def compiled(self) -> str:
        """The same for experiments that differ in seed alone, which most often compile the same programs."""
        return digest({**self.settings(), "seed": None})

    @property
    def label(self) -> str:
        """What tells it from the others of its row, for a line of progress."""
        return f"seed {self.seed}"

    @property
    def plan(self) -> str:
        """What is going to be done, for a line of progress."""
        return "measuring"

    def measure(self) -> dict[str, Any]:
        """The outcome. All cores are used if the function uses them."""
        takes_seed = "seed" in inspect.signature(self.function).parameters
        return dict(self.function(**self.arguments, **({"seed": self.seed} if takes_seed else {})))
