"""The task against a walk in plain Python, the contract, and the solver against the meter."""

from itertools import product
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from seriality import check_task, measure
from seriality.networks import MLP, AbstractNetwork, Transformer
from seriality.solvers.base import Passes
from seriality_example import ANT_MINIATURE, Ant, Revised

KEY = jax.random.key(0)


def walked(text, side, in_order):
    """The last cell of a walk, from the question's text, by complex numbers."""
    lines = dict(line.split(": ") for line in text.splitlines() if ": " in line)
    black = [word == "black" for word in lines["Floor"].split()]
    cell, ahead = int(lines["Start"]), -1j  # rows grow downwards
    for step in range(int(lines["Steps"])):
        looked_at = step % len(black) if in_order else cell
        ahead *= -1j if black[looked_at] else 1j
        if not in_order:
            black[cell] = not black[cell]
        column, row = cell % side + ahead.real, cell // side + ahead.imag
        cell = int(row % side * side + column % side)
    return cell


@pytest.mark.parametrize("task", [Ant(), Ant(steps=20, side=3), Ant().control, Ant(steps=20, side=3).control])
def test_the_answers_are_those_of_a_walk(task):
    depths = jnp.arange(64) % task.max_depth + 1
    instances = jax.tree.map(np.asarray, task.sample(64, key=KEY, depth=depths))
    for prompt, trace, answer in zip(instances.prompt, instances.trace, instances.answer, strict=True):
        cell = walked(task.render(prompt), task.side, task.reads == "order")
        assert task.render_answer(answer) == str(cell) == task.render_trace(trace).split()[-1]


def test_ant_and_control_differ():
    ant, control = Ant(), Ant().control
    assert (ant.sample(64, key=KEY).answer != control.sample(64, key=KEY).answer).any()


def test_the_task_keeps_the_contract():
    found = check_task(Ant())
    assert found.passed, str(found)


@pytest.mark.parametrize("passes", [1, 3])
@pytest.mark.parametrize("network", [MLP, Transformer])
def test_the_declared_span_is_the_metered_one(network, passes):
    layout = Ant(steps=4).format
    solver = Revised(network(layout, key=KEY), layout, passes=Passes(constant=passes))
    prompt = jnp.zeros(layout.prompt_length, jnp.int32)
    found = measure(lambda solver, prompt: solver.solve(prompt, key=KEY), solver, prompt, cost_model="layer")
    assert found.span == solver.span(layout.prompt_length)
    assert found.bound == "exact"


def test_each_pass_reads_the_last_answer():
    """A network that adds one to every token counts the passes."""

    class AddsOne(AbstractNetwork):
        version: ClassVar[int] = 1

        def __call__(self, tokens):
            return jax.nn.one_hot(tokens + 1, 9)

        def span(self, length):
            return 0

    solver = Revised(AddsOne(), Ant(steps=4).format, passes=Passes(constant=5))
    assert solver.solve(jnp.array([7, 7, 1], jnp.int32), key=KEY).tolist() == [1 + 5]


def test_the_study_compares_both_rows_on_the_ant_and_its_control():
    trials = ANT_MINIATURE.trials(2)
    told = {(trial.row, trial.role, trial.seed) for trial in trials}
    assert told == set(product(("Transformer", "Revised"), ("serial", "control"), (0, 1)))
    assert {trial.study for trial in trials} == {ANT_MINIATURE.name}
