"""What a worker does: it trains and evaluates groups of trials, or measures experiments, into records.

A group is trained together: on an accelerator the trials that differ in learning rate and seed alone; on a
CPU, which gains nothing from that, each trial by itself. What they share is compiled once.
"""

import datetime
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from ..meter import COST_VERSION
from ..solvers import build
from ..store import Record, finite
from ..tasks.base import AbstractTask
from .costs import answer_cost, costs, training_cost
from .evaluate import EVALUATION_KEY, evaluator
from .experiment import Experiment
from .provenance import computer
from .splits import TEST, VALIDATION, shared_depth
from .train import Trainer, depths_of
from .trial import Trial

Tell = Callable[..., None]
"""Called with whatever of a `Progress` has changed."""


@dataclass(frozen=True)
class Progress:
    """Where a run stands: trial groups done of all, and the running group's step, loss and accuracy.

    `phase` is "compiling", "training", "evaluating" and, once its records are in the store, "recorded"; of an
    experiment it is "measuring" and "recorded". A group that was lost with its worker is "lost", and "failed"
    if it is not tried again; `reason` says how. What a worker was sent and has not spoken of is "waiting".
    `seconds` is what the records say that a group took, which may be more than was watched.
    `accuracy` holds, for each replica, the depth now trained for and the share right there, NaN if it stood
    still.
    """

    groups_done: int
    groups: int
    trial: Trial | Experiment
    phase: str
    steps: int = 0
    loss: float | None = None
    accuracy: tuple[tuple[int, float], ...] = ()
    solved: int = 0
    diverged: int = 0
    replicas: int = 0
    worker: int = 0
    reason: str = ""
    seconds: float = 0.0


class Workbench:
    """Computes groups one after the other; keeps the compiled program of the last one.

    `provenance` is that of the whole run; device and machine are this process's own.
    """

    def __init__(self, provenance: Mapping[str, Any]):
        self.provenance = {**provenance, **computer()}
        self.program: _Program | None = None

    def run(self, trials: list[Trial | Experiment], tell: Tell) -> list[Record]:
        """The records of trials of one program, trained together, or of an experiment."""
        first = trials[0]
        if isinstance(first, Experiment):
            tell(phase="measuring")
            return [self._measure(first)]
        tell(phase="compiling")
        if self.program is None or self.program.name != first.program:
            self.program = _Program(first, self.provenance)
        return _run_group(self.program, cast(list[Trial], trials), tell)

    def _measure(self, trial: Experiment) -> Record:
        started = time.perf_counter()
        outcome = finite(trial.measure())
        provenance = {**self.provenance, **_ended(started)}
        return Record(trial.id, trial.study, trial.settings(), outcome, provenance)


class _Program:
    """What trials share that differ in learning rate and seed alone: compiled once, used for all of them."""

    def __init__(self, trial: Trial, provenance: dict[str, Any]):
        self.name, self.provenance = trial.program, provenance
        task, training = trial.task, trial.training
        self.trainer = Trainer(task, lambda key: build(trial.solver, task.format, key=key), training)
        self.depths = depths_of(task)
        self.count = evaluator(self.trainer, self.depths, training.test_instances)
        asked_at = trial.asked_at or self.depths
        self.answering = {name: _Variant(self, settings, task, asked_at) for name, settings in trial.variants}
        self.outcome = {
            "depths": self.depths,
            "shared_depth": shared_depth(task),
            **costs(trial.solver, task),
            "training_step": training_cost(trial.solver, task, training.batch),
            "cost_version": COST_VERSION,
        }


class _Variant:
    """The trained network under other dials of its solver: how it answers, and what an answer costs."""

    def __init__(
        self, program: "_Program", settings: Mapping[str, Any], task: AbstractTask, depths: tuple[int, ...]
    ):
        solver = build(settings, task.format, key=jax.random.key(0))
        own, static = eqx.partition(solver, eqx.is_inexact_array)
        structure = jax.tree.structure(own)  # the same leaves in their order, with other dials around them
        trainer, tries = program.trainer, program.trainer.training.test_instances

        def solver_of(parameters):
            return eqx.combine(jax.tree.unflatten(structure, jax.tree.leaves(parameters)), static)

        self.count = evaluator(trainer, depths, tries, solver_of)
        passes, cost = answer_cost(settings, task)
        self.outcome = {"depths": list(depths), "passes": passes, "cost": cost}


def _run_group(program: _Program, trials: list[Trial], tell: Tell) -> list[Record]:
    """Trains and evaluates trials of one program together."""
    started = time.perf_counter()
    trainer, training = program.trainer, program.trainer.training
    keys = jax.vmap(lambda seed: jax.random.split(jax.random.key(seed), 3))(
        jnp.array([trial.seed for trial in trials])
    )
    rates = jnp.array([trial.learning_rate for trial in trials])
    start = replicas = trainer.replicas(keys[:, 0])
    curve: dict[str, list] = {"step": [], "loss": [], "accuracy": [], "depth": []}
    first_chunk_s = 0.0
    for steps, replicas, gate in trainer.run(start, keys[:, 1:], rates):
        loss, depth, accuracy = (np.asarray(value) for value in gate)
        for name, value in zip(curve, (steps, loss, accuracy, depth), strict=True):
            curve[name].append(value)
        first_chunk_s = first_chunk_s or time.perf_counter() - started
        tell(
            phase="training",
            steps=steps,
            loss=float(np.nanmean(loss)) if np.isfinite(loss).any() else None,
            accuracy=tuple(zip(depth.tolist(), accuracy.tolist(), strict=True)),
            solved=int((np.asarray(replicas.stage) == len(training.stages)).sum()),
        )
    tell(phase="evaluating", steps=training.steps)
    key = jax.random.key(EVALUATION_KEY)
    successes = {
        name: np.asarray(program.count(replicas, jnp.array(split), key))
        for name, split in (("validation", VALIDATION), ("test", TEST))
    }
    variants = {
        name: np.asarray(variant.count(replicas, jnp.array(TEST), key))
        for name, variant in program.answering.items()
    }
    parameters = sum(leaf.size for leaf in jax.tree.leaves(replicas.parameters)) // len(trials)
    shared = program.outcome | {"parameters": parameters}
    provenance = {
        **program.provenance,
        **_ended(started),
        "first_chunk_s": round(first_chunk_s, 2),
        "together": len(trials),
    }
    records = []
    tries = [training.test_instances] * len(program.depths)
    for place, trial in enumerate(trials):
        outcome = shared | {
            split: {"successes": right[place], "tries": tries} for split, right in successes.items()
        }
        if variants:
            outcome["answering"] = {
                name: {
                    "test": {"successes": right[place], "tries": tries[: right.shape[1]]},
                    **program.answering[name].outcome,
                }
                for name, right in variants.items()
            }
        run_for = int(replicas.steps_run[place])
        chunks = -(-run_for // training.chunk) or 1
        outcome |= {
            "diverged": bool(replicas.diverged[place]),
            "stage": int(replicas.stage[place]),
            "solved": int(replicas.stage[place]) == len(training.stages),
            "steps_run": run_for,
            "curve": {
                "step": curve["step"][:chunks],
                **{
                    name: np.round([row[place] for row in curve[name][:chunks]], 4)
                    for name in ("loss", "accuracy", "depth")
                },
            },
        }
        records.append(Record(trial.id, trial.study, trial.settings(), finite(outcome), provenance))
    return records


def _ended(started: float) -> dict[str, Any]:
    """When a computation ended and how long it took, for its record."""
    return {
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "wall_s": round(time.perf_counter() - started, 2),
    }
