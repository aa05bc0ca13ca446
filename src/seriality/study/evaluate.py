"""Evaluation: answers right and answers tried, by depth, on instances no training has seen where a depth has
enough of them (`splits`).

All replicas, solvers and seeds are asked the same instances of a task: their key depends on split and depth
alone, so that a comparison is paired.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int, Key, PyTree

from ..solvers.base import AbstractSolver
from .splits import draw
from .train import Replica, Trainer, answered_right, over_replicas

EVALUATION_KEY = 0x5E71A1
"""The seed of validation and test instances, the same for all."""


def evaluator(
    trainer: Trainer,
    depths: tuple[int, ...],
    count: int,
    solver_of: Callable[[PyTree], AbstractSolver] | None = None,
) -> Callable[[Replica, Int[Array, ""], Key[Array, ""]], Int[Array, "replicas depths"]]:
    """A compiled function from (replicas, split, key) to right answers among `count` at each depth.

    `solver_of` makes a solver of a replica's parameters: the one that was trained, if absent.
    """
    solver_of = solver_of or trainer.solver

    @jax.jit
    def successes(replicas, split, key):
        def at(_, depth):
            draw_key, solve_key = jax.random.split(jax.random.fold_in(jax.random.fold_in(key, split), depth))
            instances = draw(trainer.task, split, count, depth=depth, key=draw_key)

            def one(parameters):
                solver = solver_of(parameters)
                return answered_right(solver, trainer.task, instances, key=solve_key).sum()

            return None, over_replicas(one, replicas.parameters)

        return jax.lax.scan(at, None, jnp.array(depths))[1].T

    return successes
