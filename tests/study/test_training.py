"""Training and evaluation, on a task a small network learns and with solvers made by hand."""

import itertools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array, Float

from seriality.instance import PAD
from seriality.networks import MLP
from seriality.solvers import SinglePass, build
from seriality.solvers.base import AbstractSolver
from seriality.study import Training
from seriality.study.evaluate import evaluator
from seriality.study.splits import TEST, draw
from seriality.study.train import Trainer, answered_right
from seriality.tasks import Words
from seriality.tasks.base import FIRST

PARITY = Words("parity", length=2)
SETTINGS = {"name": "SinglePass", "network": {"name": "MLP", "width": 16, "layers": 1, "features": 4}}
TRAINING = Training(stages=(1, 2), steps=120, chunk=10, warmup=5, batch=32, gate_instances=64)
TRAINER = Trainer(PARITY, lambda key: build(SETTINGS, PARITY.format, key=key), TRAINING)
LEARNS, IDLE, DIVERGES = 0.03, 0.0, 1e30
STAGES = len(TRAINING.stages)


def run(seeds, rates, trainer=TRAINER):
    """Every chunk's (steps, replicas, gate) as NumPy."""
    keys = jax.vmap(lambda seed: jax.random.split(jax.random.key(seed), 3))(jnp.array(seeds))
    chunks = trainer.run(trainer.replicas(keys[:, 0]), keys[:, 1:], jnp.array(rates))
    return [jax.tree.map(np.array, chunk) for chunk in chunks]


@pytest.fixture(scope="module")
def together():
    """Replicas 0 and 1 learn, 2 stands at its start, 3 diverges."""
    return run([0, 1, 0, 0], [LEARNS, LEARNS, IDLE, DIVERGES])


def parameters(replicas, place):
    return [leaf[place] for leaf in jax.tree.leaves((replicas.parameters, replicas.optimiser))]


def same(left, right):
    return all(np.array_equal(a, b) for a, b in zip(left, right, strict=True))


def test_parity_of_two_letters_is_learnt(together):
    steps, replicas, gate = together[-1]
    assert replicas.stage.tolist() == [STAGES, STAGES, 0, 0]
    assert np.isnan(gate.accuracy[:2]).all()  # they stand still by now
    assert gate.accuracy[2] < TRAINING.gate
    assert steps == TRAINING.steps  # the idle replica goes on to the end


def test_a_stage_passes_exactly_when_its_gate_does(together):
    before = np.zeros(4, int)
    for _, replicas, gate in together:
        active = (before < STAGES) & ~replicas.diverged
        assert gate.depth.tolist() == [TRAINING.stages[min(stage, STAGES - 1)] for stage in before]
        assert replicas.stage.tolist() == (before + ((gate.accuracy >= TRAINING.gate) & active)).tolist()
        before = replicas.stage


def test_a_replica_stands_still_once_it_has_passed_the_last_stage(together):
    solved = [replicas for _, replicas, _ in together if replicas.stage[0] == STAGES]
    assert len(solved) > 1
    assert same(parameters(solved[0], 0), parameters(solved[-1], 0))
    assert solved[0].steps_run[0] == solved[-1].steps_run[0] < TRAINING.steps
    first, second = together[0][1], together[1][1]
    assert not same(parameters(first, 0), parameters(second, 0))


def test_steps_are_counted_until_then(together):
    for number, (steps, replicas, _) in enumerate(together):
        assert steps == (number + 1) * TRAINING.chunk
        assert replicas.steps_run[2] == steps
        if replicas.stage[0] < STAGES:
            assert replicas.steps_run[0] == steps


def test_divergence_is_marked_and_the_last_finite_state_kept(together):
    for _, replicas, _ in together:
        assert replicas.diverged.tolist() == [False, False, False, True]
        assert replicas.steps_run[3] < TRAINING.chunk
        assert all(np.isfinite(leaf).all() for leaf in parameters(replicas, 3))
    assert same(parameters(together[0][1], 3), parameters(together[-1][1], 3))


def test_a_replica_becomes_the_same_alone_and_beside_others(together):
    alone = run([0], [LEARNS])
    assert alone[-1][0] < TRAINING.steps  # nobody to wait for
    for (_, replicas, gate), (_, others, other_gate) in zip(alone, together, strict=False):
        assert replicas.stage[0] == others.stage[0]
        assert replicas.steps_run[0] == others.steps_run[0]
        np.testing.assert_allclose(gate.loss[0], other_gate.loss[0], rtol=1e-4)
        for left, right in zip(parameters(replicas, 0), parameters(others, 0), strict=True):
            np.testing.assert_allclose(left, right, rtol=1e-3, atol=1e-5)
    assert not np.allclose(together[0][2].loss[0], together[0][2].loss[1], rtol=1e-3)


def test_at_once_as_on_an_accelerator_is_one_after_the_other(together, monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    fresh = Trainer(PARITY, TRAINER.make, TRAINING)  # traced anew
    at_once = run([0, 1, 0, 0], [LEARNS, LEARNS, IDLE, DIVERGES], fresh)
    assert len(at_once) == len(together)
    for (_, replicas, gate), (_, others, other_gate) in zip(at_once, together, strict=True):
        assert replicas.stage.tolist() == others.stage.tolist()
        np.testing.assert_allclose(gate.loss, other_gate.loss, rtol=1e-3)


class Watcher(AbstractSolver):
    """Always right. Its loss is the batch's largest depth, and in the fraction half the share at it."""

    weight: Float[Array, ""]

    def loss(self, instances, *, key):
        edge = instances.depth.max()
        return edge + (instances.depth == edge).mean() / 2.5 + 0 * self.weight

    def solve(self, prompt, *, key):
        return Words("parity", length=8).reference(prompt)

    def budget(self, prompt_length):
        return 1

    def span(self, prompt_length):
        return 0


@pytest.mark.parametrize("beyond", [0.0, 0.25, 0.5])
def test_the_curriculum_trains_at_the_stage_and_below_it_and_only_its_share_beyond(beyond):
    training = Training(
        stages=(1, 2, 4, 8), steps=12, chunk=1, warmup=0, batch=2000, gate_instances=8, beyond=beyond
    )
    trainer = Trainer(Words("parity", length=8), lambda key: Watcher(jnp.ones(())), training)
    keys = jax.random.split(jax.random.key(0), (1, 2))
    chunks = list(trainer.run(trainer.replicas(keys[:, 0]), keys, jnp.ones(1)))
    assert [steps for steps, _, _ in chunks] == [1, 2, 3, 4]  # a stage a chunk, then all is done
    losses = np.array([gate.loss[0] for _, _, gate in chunks])
    deepest = [8] * 4 if beyond else list(training.stages)
    assert np.floor(losses).tolist() == deepest
    for stage, deep, share in zip(training.stages, deepest, (losses % 1) * 2.5, strict=True):
        depths = stage.bit_length()  # 1, 2, 4, ... up to the stage's
        expected = 0.5 * (stage == deep) + (0.5 - beyond) * (stage == deep) / depths + beyond / 4
        assert abs(share - expected) <= 4 * (expected * (1 - expected) / 2000) ** 0.5 + 1e-4


class BlindToOneLetter(Watcher):
    """Right at every depth but the first."""

    def solve(self, prompt, *, key):
        return jnp.where((prompt[:8] != PAD).sum() == 1, PAD, super().solve(prompt, key=key))


@pytest.mark.parametrize(("solver", "passed"), [(Watcher, 1), (BlindToOneLetter, 0)])
def test_the_gate_asks_every_depth_up_to_the_stage(solver, passed):
    training = Training(stages=(8,), steps=1, chunk=1, warmup=0, batch=4, gate_instances=8, gate=0.5)
    trainer = Trainer(Words("parity", length=8), lambda key: solver(jnp.ones(())), training)
    keys = jax.random.split(jax.random.key(0), (1, 2))
    ((_, replicas, gate),) = trainer.run(trainer.replicas(keys[:, 0]), keys, jnp.ones(1))
    assert (replicas.stage.tolist(), gate.accuracy.tolist()) == ([passed], [float(passed)])


class HalfRight(Watcher):
    """Right where the first letter is 0."""

    def solve(self, prompt, *, key):
        return jnp.where(prompt[0] == FIRST, super().solve(prompt, key=key), PAD)


def test_the_gate_asks_a_stage_once_however_many_depths_lie_beyond():
    """One try with eight letters is half right on average, the least of four tries a third."""
    training = Training(stages=(1, 8), steps=1, chunk=1, warmup=0, batch=4, gate_instances=8)
    trainer = Trainer(Words("parity", length=8), lambda key: HalfRight(jnp.ones(())), training)
    keys = jax.random.split(jax.random.key(0), (200, 2))
    ((_, _, gate),) = trainer.run(trainer.replicas(keys[:, 0]), keys, jnp.ones(200))
    assert abs(gate.accuracy.mean() - 0.5) < 4 * 0.5 / (8 * 200) ** 0.5


def test_stages_beyond_the_task_are_refused():
    with pytest.raises(ValueError, match="the last stage is depth 3, the task's largest is 2; give a larger"):
        Trainer(PARITY, TRAINER.make, Training(stages=(1, 3), steps=100))


def test_the_evaluator_counts_as_a_loop_does():
    count, depths = 24, (1, 3)
    task = Words("parity", length=3)

    def make(key):
        return SinglePass(MLP(task.format, width=4, layers=1, features=2, key=key), task.format)

    trainer = Trainer(task, make, Training(stages=(1,), steps=100))
    replicas = trainer.replicas(jax.random.split(jax.random.key(0), 4))
    solvers = [trainer.solver(jax.tree.map(lambda x, n=n: x[n], replicas.parameters)) for n in range(4)]
    key = jax.random.key(5)
    found = np.asarray(evaluator(trainer, depths, count)(replicas, jnp.array(TEST), key))
    assert found.shape == (4, 2)
    solve = eqx.filter_jit(lambda solver, prompt: solver.solve(prompt, key=key))
    reference = jax.jit(task.reference)
    fresh = jax.jit(lambda depth, key: draw(task, TEST, count, depth=depth, key=key).prompt)
    for place, depth in enumerate(depths):
        draw_key, _ = jax.random.split(jax.random.fold_in(jax.random.fold_in(key, TEST), depth))
        prompts = fresh(depth, draw_key)
        truth = [reference(prompt).tolist() for prompt in prompts]
        for replica, solver in enumerate(solvers):
            right = [solve(solver, p).tolist() == t for p, t in zip(prompts, truth, strict=True)]
            assert found[replica, place] == sum(right)
    assert 0 < found.sum() < found.size * count


def test_a_solver_is_judged_by_its_answer_and_sees_no_other():
    key = jax.random.key(4)
    solver = build(SETTINGS, PARITY.format, key=key)
    instances = PARITY.sample(32, key=key, depth=2)
    answers = jax.jit(jax.vmap(lambda prompt: solver.solve(prompt, key=key)))(instances.prompt)
    judge = jax.jit(lambda told: answered_right(solver, PARITY, told, key=key))
    for shift, noise in itertools.product((0, 1), (0, 1)):
        told = eqx.tree_at(
            lambda i: (i.answer, i.trace, i.labels),
            instances,
            (answers + shift, instances.trace + noise, instances.labels + noise),
        )
        assert np.all(np.asarray(judge(told)) == (shift == 0))
