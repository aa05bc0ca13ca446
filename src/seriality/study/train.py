"""Training: a gated curriculum, for one replica or for many together.

One compiled function runs a chunk of steps and then the gate; instances are made inside it. A replica is one
(seed, learning rate). Replicas that have passed the last stage, or diverged, stand still, so what a replica
becomes does not depend on those it is trained beside.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Bool, Float, Int, Key, PyTree

from ..instance import Instances
from ..solvers.base import AbstractSolver
from ..tasks.base import AbstractTask
from .splits import TRAIN, VALIDATION, draw
from .trial import Training


class Replica(eqx.Module):
    """The state of one training run, or of many. `stage` counts the stages passed; `diverged` never falls."""

    parameters: PyTree
    optimiser: PyTree
    stage: Int[Array, "*replicas"]
    diverged: Bool[Array, "*replicas"]
    steps_run: Int[Array, "*replicas"]

    def active(self, stages: int) -> Bool[Array, "*replicas"]:
        return (self.stage < stages) & ~self.diverged


class Gate(NamedTuple):
    """What a chunk reports of each replica: its mean loss, its stage's depth, and the accuracy that opens the
    gate, which is the lowest at any evaluated depth up to the stage's. Both are NaN where it stood still."""

    loss: Float[Array, " replicas"]
    depth: Int[Array, " replicas"]
    accuracy: Float[Array, " replicas"]


def depths_of(task: AbstractTask) -> tuple[int, ...]:
    """The depths at which solvers are trained and evaluated: the powers of two and the task's largest.

    >>> from ..tasks import Words
    >>> depths_of(Words(length=16)), depths_of(Words(length=10))
    ((1, 2, 4, 8, 16), (1, 2, 4, 8, 10))
    """
    return tuple(sorted({2**k for k in range(task.max_depth.bit_length())} | {task.max_depth}))


def answered_right(
    solver: AbstractSolver, task: AbstractTask, instances: Instances, *, key: Key[Array, ""]
) -> Bool[Array, " batch"]:
    """Whether the solver's answer to each instance is right."""
    keys = jax.random.split(key, len(instances.depth))
    answers = jax.vmap(lambda prompt, key: solver.solve(prompt, key=key))(instances.prompt, keys)
    return task.score(answers, instances)


def over_replicas(function: Callable[..., PyTree], arguments: PyTree) -> PyTree:
    """`function` of each replica's arguments: at once on an accelerator, one after the other on a CPU.

    A CPU has no lanes to fill, keeps one replica's numbers in its cache and passes over one at a standstill.
    """
    if jax.default_backend() == "cpu":
        return jax.lax.map(function, arguments)
    return jax.vmap(function)(arguments)


class Trainer:
    """Trains replicas of one solver on one task.

    `make(key)` builds a fresh solver. `replicas` gives the first state, `advance` the state after one chunk.
    """

    def __init__(
        self, task: AbstractTask, make: Callable[[Key[Array, ""]], AbstractSolver], training: Training
    ):
        if training.stages[-1] > task.max_depth:
            raise ValueError(
                f"the last stage is depth {training.stages[-1]}, the task's largest is {task.max_depth};"
                " give a larger task or fewer stages"
            )
        self.task, self.make, self.training = task, make, training
        _, self.static = eqx.partition(make(jax.random.key(0)), eqx.is_inexact_array)
        self.optimiser = optax.chain(
            optax.clip_by_global_norm(1.0),
            optax.scale_by_adam(b2=0.98),
            optax.add_decayed_weights(training.weight_decay),
        )
        self.schedule = optax.warmup_cosine_decay_schedule(0.0, 1.0, training.warmup, training.steps)
        self.advance = jax.jit(self._advance, donate_argnums=0)

    def solver(self, parameters: PyTree) -> AbstractSolver:
        return eqx.combine(parameters, self.static)

    def replicas(self, keys: Key[Array, " replicas"]) -> Replica:
        """Fresh replicas, one for each key."""

        def start(key):
            parameters = eqx.filter(self.make(key), eqx.is_inexact_array)
            return Replica(
                parameters,
                self.optimiser.init(parameters),
                jnp.array(0),
                jnp.array(False),
                jnp.array(0),
            )

        return jax.jit(jax.vmap(start))(keys)

    def _advance(
        self,
        replicas: Replica,
        keys: Key[Array, "replicas 2"],
        learning_rates: Float[Array, " replicas"],
        first_step: Int[Array, ""],
    ) -> tuple[Replica, Gate]:
        def advance(one):
            replica, keys, learning_rate = one
            return jax.lax.cond(
                replica.active(len(self.training.stages)), self._chunk, self._stand_still,
                replica, keys, learning_rate, first_step,
            )  # fmt: skip

        return over_replicas(advance, (replicas, keys, learning_rates))

    def _stand_still(self, replica, keys, learning_rate, first_step):
        nothing = jnp.array(jnp.nan)
        return replica, Gate(nothing, self._edge(replica), nothing)

    def _edge(self, replica: Replica) -> Int[Array, ""]:
        """The depth of the stage a replica is in."""
        stages = jnp.array(self.training.stages)
        return stages[jnp.minimum(replica.stage, len(stages) - 1)]

    def _chunk(
        self,
        replica: Replica,
        keys: Key[Array, " 2"],
        learning_rate: Float[Array, ""],
        first_step: Int[Array, ""],
    ) -> tuple[Replica, Gate]:
        def step(replica, number):
            return self._step(replica, number, learning_rate, key=jax.random.fold_in(keys[0], number))

        replica, losses = jax.lax.scan(step, replica, first_step + jnp.arange(self.training.chunk))
        count, edge = self.training.gate_instances, self._edge(replica)
        draw_key, solve_key = jax.random.split(jax.random.fold_in(keys[1], first_step))
        grid = np.array(depths_of(self.task))
        first_beyond = jnp.searchsorted(grid, edge)  # stands for the edge itself, those after it for nothing
        depth = jnp.repeat(jnp.minimum(grid, edge), count)
        instances = draw(self.task, VALIDATION, len(depth), depth=depth, key=draw_key)
        right = answered_right(self.solver(replica.parameters), self.task, instances, key=solve_key)
        shares = right.reshape(-1, count).mean(1)
        accuracy = jnp.where(np.arange(len(grid)) <= first_beyond, shares, 1.0).min()
        passed = (accuracy >= self.training.gate) & replica.active(len(self.training.stages))
        replica = eqx.tree_at(lambda r: r.stage, replica, replica.stage + passed)
        return replica, Gate(losses.mean(), edge, accuracy)

    def _step(
        self,
        replica: Replica,
        number: Int[Array, ""],
        learning_rate: Float[Array, ""],
        *,
        key: Key[Array, ""],
    ) -> tuple[Replica, Float[Array, ""]]:
        depth_key, share_key, draw_key, loss_key = jax.random.split(key, 4)
        stages, edge = self.training.stages, self._edge(replica)
        batch = self.training.batch
        share = jax.random.uniform(share_key, (batch,))
        deepest = jnp.where(share < self.training.beyond, stages[-1], edge)
        grid = jnp.array(depths_of(self.task))
        up_to = jnp.searchsorted(grid, deepest, side="right")
        below = grid[jax.random.randint(depth_key, (batch,), 0, up_to)]
        depth = jnp.where(share < 0.5, below, edge)
        instances = draw(self.task, TRAIN, batch, depth=depth, key=draw_key)

        def loss_of(parameters):
            return self.solver(parameters).loss(instances, key=loss_key)

        loss, gradient = jax.value_and_grad(loss_of)(replica.parameters)
        updates, optimiser = self.optimiser.update(gradient, replica.optimiser, replica.parameters)
        rate = learning_rate * self.schedule(number)
        parameters = jax.tree.map(lambda p, u: p - rate * u, replica.parameters, updates)
        finite = jnp.isfinite(loss) & jnp.isfinite(optax.tree.norm(parameters))
        moves = replica.active(len(stages)) & finite
        stepped = Replica(
            *jax.tree.map(
                lambda new, old: jnp.where(moves, new, old),
                (parameters, optimiser),
                (replica.parameters, replica.optimiser),
            ),
            stage=replica.stage,
            diverged=replica.diverged | (replica.active(len(stages)) & ~finite),
            steps_run=replica.steps_run + moves,
        )
        return stepped, loss

    def run(
        self, replicas: Replica, keys: Key[Array, "replicas 2"], learning_rates: Float[Array, " replicas"]
    ) -> Iterator[tuple[int, Replica, Gate]]:
        """(steps done, state, gate) after every chunk, until all replicas stand still or steps run out.

        The two keys of a replica are for its training instances and for the gate's.
        """
        for first in range(0, self.training.steps, self.training.chunk):
            replicas, gate = self.advance(replicas, keys, learning_rates, jnp.array(first))
            yield first + self.training.chunk, replicas, gate
            if not replicas.active(len(self.training.stages)).any():
                return
