"""Trials and studies: what is run, with every setting that bears on the result."""

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from ..solvers import resolved
from ..store import digest
from ..tasks.base import AbstractTask
from .experiment import Experiment


@dataclass(frozen=True)
class Training:
    """The regime that every solver of a comparison shares.

    `stages` are the depths of the gated curriculum. A stage trains half of the instances at its own depth,
    the share `beyond` at any evaluated depth (states that only deep instances reach are then known when their
    stage comes), and the rest at any evaluated depth up to its own. It gives way to the next when at every
    evaluated depth up to its own at least the share `gate` of `gate_instances` fresh validation instances is
    answered right. Training ends after `steps`, or when the last stage is passed. AdamW with linear warm-up
    over `warmup` steps, then a cosine to zero at `steps`. `version` rises when the same settings train
    otherwise, not for a speed-up.

    >>> Training(stages=(2, 4, 8), steps=600).learning_rates
    (0.001, 0.003)
    """

    version: ClassVar[int] = 1

    stages: tuple[int, ...]
    steps: int = 1000
    batch: int = 64
    learning_rates: tuple[float, ...] = (1e-3, 3e-3)
    warmup: int = 50
    weight_decay: float = 0.01
    beyond: float = 0.125
    gate: float = 0.97
    gate_instances: int = 64
    test_instances: int = 256
    chunk: int = 50

    def __post_init__(self):
        counts = ("steps", "batch", "gate_instances", "test_instances", "chunk")
        faults = [
            f"{name} is {getattr(self, name)!r}, allowed are integers from 1 up"
            for name in counts
            if not isinstance(getattr(self, name), int) or getattr(self, name) < 1
        ]
        if not self.stages or list(self.stages) != sorted(set(self.stages)) or self.stages[0] < 1:
            faults.append(f"stages is {self.stages}, allowed are rising depths from 1 up, such as (2, 4, 8)")
        if not self.learning_rates or not all(0 < rate < math.inf for rate in self.learning_rates):
            faults.append(
                f"learning_rates is {self.learning_rates}, allowed is one or more above 0, such as (1e-3,)"
            )
        if not 0 <= self.weight_decay < math.inf:
            faults.append(f"weight_decay is {self.weight_decay}, allowed is 0 or more, such as 0.01")
        if not 0 < self.gate < math.inf:
            faults.append(
                f"gate is {self.gate}, allowed is a share above 0, such as 0.97; above 1 never opens"
            )
        if not 0 <= self.warmup < self.steps:
            faults.append(
                f"warmup is {self.warmup}, allowed are 0 to steps - 1 = {self.steps - 1},"
                f" such as warmup={self.steps // 20}"
            )
        if not 0 <= self.beyond <= 0.5:
            faults.append(f"beyond is {self.beyond}, allowed are shares from 0 to 0.5, such as 0.125")
        if self.chunk > 0 and self.steps % self.chunk:
            faults.append(f"steps is {self.steps}, allowed are multiples of chunk = {self.chunk}")
        if faults:
            raise ValueError("Training: " + "; ".join(faults))


@dataclass(frozen=True)
class Trial:
    """One training and evaluation: one row of the comparison, one task, one learning rate, one seed.

    `answering` are other dials of the solver under which the same trained network answers too, by name: other
    numbers of denoising steps, another order. They must be dials that training does not depend on. They are
    asked at the depths `asked_at`, or at all that are evaluated.

    >>> from seriality.studies import STUDIES
    >>> STUDIES["miniature"].trials(seeds=1)[0].row
    'Transformer'
    """

    study: str
    row: str
    family: str
    role: str
    task: AbstractTask
    solver: Mapping[str, Any]
    training: Training
    learning_rate: float
    seed: int
    answering: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    asked_at: tuple[int, ...] = ()

    def settings(self) -> dict[str, Any]:
        """All of it as plain JSON, as the record keeps it: defaults and versions too, other rates not."""
        training = dataclasses.asdict(self.training)
        del training["learning_rates"]
        return {
            "study": self.study,
            "row": self.row,
            "family": self.family,
            "role": self.role,
            "task": {
                "name": type(self.task).__name__,
                "version": self.task.version,
                **self.task.settings(),
            },
            "solver": resolved(self.solver),
            "training": {
                "version": self.training.version,
                **training,
                "learning_rate": self.learning_rate,
            },
            "seed": self.seed,
        } | self._answering()

    def _answering(self) -> dict[str, Any]:
        """What is told of other ways to answer: nothing where there are none, as in the first records."""
        if not self.answering:
            return {}
        solvers = {name: resolved(settings) for name, settings in self.variants}
        return {"answering": {"asked_at": list(self.asked_at), "solvers": solvers}}

    @property
    def variants(self) -> list[tuple[str, dict[str, Any]]]:
        """The solver's settings under each name of `answering`."""
        return [(name, {**self.solver, **dials}) for name, dials in self.answering.items()]

    @property
    def label(self) -> str:
        """What tells it from the others of its row, for a line of progress."""
        return f"seed {self.seed}, rate {self.learning_rate:g}"

    @property
    def plan(self) -> str:
        """What is going to be done, for a line of progress."""
        return f"at most {self.training.steps} steps"

    @property
    def id(self) -> str:
        """A digest of the settings."""
        return digest(self.settings())

    @property
    def program(self) -> str:
        """The same for trials that differ in learning rate and seed alone: one compiled program runs them."""
        shared = dataclasses.replace(self, learning_rate=0.0, seed=0)
        return digest(shared.settings())

    @property
    def compiled(self) -> str:
        """Its program: two processes that share a study first take trials of different programs, so that
        each is compiled once."""
        return self.program


@dataclass(frozen=True)
class Study:
    """A named set of trials or experiments and the claims it bears on. `trials(seeds)` lists them in the
    order they run.

    >>> from seriality.studies import STUDIES
    >>> len(STUDIES["table1"].trials(seeds=5))
    420
    """

    name: str
    title: str
    claims: tuple[str, ...]
    seeds: int
    trials: Callable[[int], Sequence[Trial | Experiment]]
