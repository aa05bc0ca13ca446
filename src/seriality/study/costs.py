"""Costs of a solver on a task, metered for its record: an answer, a step of training, the growth of span."""

import dataclasses
from bisect import bisect_left
from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp

from ..instance import Format
from ..meter import Growth, growth, measure
from ..solvers import build
from ..tasks.base import AbstractTask

GROWTH_LENGTHS = (32, 64, 128, 256)
"""Prompt lengths, or the next that a task has, at which span is metered. Nothing is run at them. Where depth
does not lengthen the prompt, or cannot grow so far, it is the task's layout with a longer prompt."""


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
