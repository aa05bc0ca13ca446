"""Running a study: the trials that the store does not hold yet, one group at a time.

A group is trained together: on an accelerator the trials that differ in learning rate and seed alone; on a
CPU, which gains nothing from that, each trial by itself. Its records are written in one transaction when it
is done. So a process killed at any moment loses the running group at most, and the same command goes on.
"""

import dataclasses
import datetime
import importlib.metadata
import os
import platform
import re
import subprocess
import time
from bisect import bisect_left
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from ..claims import CLAIMS
from ..instance import Format
from ..meter import COST_VERSION, Growth, growth, measure
from ..solvers import build
from ..store import Record, Store, digest, finite
from ..tasks.base import AbstractTask
from .evaluate import evaluator
from .experiment import Experiment
from .splits import TEST, VALIDATION, shared_depth
from .train import Trainer, depths_of
from .trial import Study, Trial
from .turns import Turns

EVALUATION_KEY = 0x5E71A1
"""The seed of validation and test instances, the same for all."""
GROWTH_LENGTHS = (32, 64, 128, 256)
"""Prompt lengths, or the next that a task has, at which span is metered. Nothing is run at them. Where depth
does not lengthen the prompt, or cannot grow so far, it is the task's layout with a longer prompt."""


@dataclass(frozen=True)
class Progress:
    """Where a run stands: trial groups done of all, and the running group's step, loss and accuracy.

    `phase` is "compiling", "training", "evaluating" and, once its records are in the store, "recorded"; of an
    experiment it is "measuring" and "recorded".
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


def groups(study: Study, seeds: int | None = None) -> list[list[Trial | Experiment]]:
    """The trials of a study, those that are trained together in one list, in the order they run."""
    alike: dict[str, list[Trial | Experiment]] = {}
    for trial in study.trials(study.seeds if seeds is None else seeds):
        alike.setdefault(trial.program, []).append(trial)
    if jax.default_backend() == "cpu":
        return [[trial] for trials in alike.values() for trial in trials]
    return list(alike.values())


def run(
    study: Study,
    store: Store,
    *,
    seeds: int | None = None,
    observe: Callable[[Progress], None] = lambda progress: None,
) -> int:
    """Runs what is missing of a study; returns the number of records written.

    ValueError for fewer than one seed.
    """
    if seeds is not None and seeds < 1:
        raise ValueError(f"seeds is {seeds}, allowed is 1 or more, such as {study.seeds}")
    every = groups(study, seeds)
    provenance = {
        **environment(),  # now: a commit made while this runs is not what runs
        "rules": {name: digest(dataclasses.asdict(CLAIMS[name])) for name in study.claims},
        "trials": sum(map(len, every)),
    }
    alike: dict[str, list[tuple[int, list[Trial | Experiment]]]] = {}
    for number, group in enumerate(every):
        alike.setdefault(group[0].compiled, []).append((number, group))
    program, written = None, 0
    with Turns(store.path) as turns:
        # First what no other process compiles, then what none runs, then what is still missing.
        for alone, wait in ((True, False), (False, False), (False, True)):
            for compiled, numbered in alike.items():
                if alone and not turns.take(compiled, wait=False):
                    continue
                for number, group in numbered:
                    turn = group[0].id
                    if not _missing(group, store) or not turns.take(turn, wait=wait):
                        continue
                    if pending := _missing(group, store):  # another process may have written them since
                        first = pending[0]
                        here = Progress(number, len(every), first, "compiling", replicas=len(pending))
                        if isinstance(first, Experiment):
                            written += _measure_and_write(first, provenance, store, observe, here)
                        else:
                            observe(here)
                            if program is None or program.name != first.program:
                                program = _Program(first, provenance)
                            written += _run_and_write(program, pending, store, observe, here)
                    turns.give_back(turn)
                if alone:
                    turns.give_back(compiled)
    return written


def _missing(group: list[Trial | Experiment], store: Store) -> list:
    present = store.ids(group[0].study)
    return [trial for trial in group if trial.id not in present]


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


def _measure_and_write(
    trial: Experiment,
    provenance: dict[str, Any],
    store: Store,
    observe: Callable[[Progress], None],
    here: Progress,
) -> int:
    """The number of records written for an experiment."""
    _tell(observe, here, phase="measuring")
    started = time.perf_counter()
    outcome = finite(trial.measure())
    record = Record(trial.id, trial.study, trial.settings(), outcome, provenance | _ended(started))
    written = store.add([record])
    _tell(observe, here, groups_done=here.groups_done + 1, phase="recorded")
    return written


def _ended(started: float) -> dict[str, Any]:
    """When a computation ended and how long it took, for its record."""
    return {
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "wall_s": round(time.perf_counter() - started, 2),
    }


def _run_and_write(
    program: _Program, pending: list[Trial], store: Store, observe: Callable[[Progress], None], here: Progress
) -> int:
    """The number of records written for a group's pending trials."""
    records = _run_group(program, pending, partial(_tell, observe, here))
    written = store.add(records)
    outcomes = [record.outcome for record in records]
    _tell(
        observe,
        here,
        groups_done=here.groups_done + 1,
        phase="recorded",
        steps=max(outcome["steps_run"] for outcome in outcomes),
        solved=sum(outcome["solved"] for outcome in outcomes),
        diverged=sum(outcome["diverged"] for outcome in outcomes),
    )
    return written


def _tell(observe: Callable[[Progress], None], here: Progress, **now: Any) -> None:
    observe(dataclasses.replace(here, **now))


def _run_group(program: _Program, trials: list[Trial], observe: Callable[..., None]) -> list[Record]:
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
        observe(
            phase="training",
            steps=steps,
            loss=float(np.nanmean(loss)) if np.isfinite(loss).any() else None,
            accuracy=tuple(zip(depth.tolist(), accuracy.tolist(), strict=True)),
            solved=int((np.asarray(replicas.stage) == len(training.stages)).sum()),
        )
    observe(phase="evaluating", steps=training.steps)
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


def costs(settings: Mapping[str, Any], task: AbstractTask) -> dict[str, Any]:
    """What one answer of a solver costs on a task, metered, and how its span grows with prompt length."""
    passes, cost = answer_cost(settings, task)
    law, spans = span_growth(settings, task)
    return {
        "passes": passes,
        "cost": cost,
        "growth": {
            "law": law.law,
            "formula": law.formula,
            "parallel": law.parallel,
            "lengths": list(spans),
            "spans": list(spans.values()),
            "cost_model": "unit",
        },
    }


def answer_cost(settings: Mapping[str, Any], task: AbstractTask) -> tuple[int, dict[str, dict[str, int]]]:
    """The passes behind one answer, and its metered work and span by cost model."""
    passes, cost = 0, {}
    for model in ("layer", "unit"):
        passes, measured = _meter(settings, task.format, model)
        cost[model] = {"work": measured.work, "span": measured.span}
    return passes, cost


def training_cost(settings: Mapping[str, Any], task: AbstractTask, batch: int) -> dict[str, int]:
    """Metered work and span of the loss of a batch and its gradient, the optimiser's own step left out."""
    key = jax.eval_shape(lambda: jax.random.key(0))
    solver = eqx.filter_eval_shape(lambda key: build(settings, task.format, key=key), key)
    instances = jax.eval_shape(lambda key: task.sample(batch, key=key), key)

    def step(solver, instances, key):
        return eqx.filter_value_and_grad(lambda solver: solver.loss(instances, key=key))(solver)

    cost = measure(step, solver, instances, key).cost
    return {"work": cost.work, "span": cost.span}


def span_growth(settings: Mapping[str, Any], task: AbstractTask) -> tuple[Growth, dict[int, int]]:
    """The law by which a solver's metered span grows with prompt length, and the spans it is read from."""
    spans = {}
    for length in GROWTH_LENGTHS:
        larger = _layout(task, length)
        spans[larger.prompt_length] = _meter(settings, larger, "unit")[1].span
    return growth(spans), spans


def _layout(task: AbstractTask, length: int) -> Format:
    """The layout of the smallest size of a task whose prompts are that long."""
    sizes = range(1, length + 1)
    try:
        size = bisect_left(sizes, length, key=lambda size: task.resized(size).format.prompt_length)
        return task.resized(sizes[size]).format
    except (ValueError, IndexError):
        return dataclasses.replace(task.format, prompt_length=length + task.format.answer_length)


def _meter(settings, layout, model):
    key = jax.eval_shape(lambda: jax.random.key(0))
    solver = eqx.filter_eval_shape(lambda key: build(settings, layout, key=key), key)
    prompt = jax.ShapeDtypeStruct((layout.prompt_length,), jnp.int32)
    measured = measure(lambda s, p, k: s.solve(p, key=k), solver, prompt, key, cost_model=model)
    return solver.budget(layout.prompt_length), measured


def environment() -> dict[str, Any]:
    """Versions, commit, device and machine, for a record."""
    device = jax.devices()[0]
    packages = ("seriality", "jax", "jaxlib", "equinox", "optax", "numpy")
    return {
        "versions": {"python": platform.python_version()} | {name: _version(name) for name in packages},
        "commit": _commit(),
        "device": f"{device.platform}: {device.device_kind}",
        "machine": f"{processor()}, {os.cpu_count()} cores",
    }


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:  # run from a source tree, which the commit tells
        return "not installed"


def processor() -> str:
    """The name of the processor, or its architecture where the system does not tell."""
    try:
        names = re.findall(r"^model name\s*: (.*)", Path("/proc/cpuinfo").read_text(), re.M)
    except OSError:
        names = []
    return names[0] if names else platform.processor() or platform.machine()


def _commit() -> str | None:
    """The commit of the source tree this module lies in, a plus sign if changed; None outside one."""
    folder = Path(__file__).parent

    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=True
        ).stdout.strip()

    try:
        if git("ls-files", "--error-unmatch", __file__) == "":
            return None
        return git("rev-parse", "HEAD") + ("+" if git("status", "--porcelain", "--", str(folder)) else "")
    except (OSError, subprocess.CalledProcessError):
        return None
