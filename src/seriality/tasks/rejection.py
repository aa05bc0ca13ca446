"""Drawing by rejection: the first candidate that is accepted."""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax.custom_batching import custom_vmap
from jaxtyping import Array, Bool, Int, Key

SLOTS = (64, 128)
"""Candidates that a CPU makes at a time: for a small batch, and for one of as many instances as the larger.
An accelerator has lanes for all."""

Parts = tuple[Int[Array, "..."], ...]
Candidate = Callable[[Int[Array, ""], Key[Array, ""]], tuple[Bool[Array, ""], *Parts]]
"""From a depth and a key whether this candidate is accepted, and the parts of an instance."""


def first_accepted(candidate: Candidate, depth: Int[Array, ""], key: Key[Array, ""]) -> Parts:
    """The parts of `candidate(depth, fold_in(key, a))` for the first a = 0, 1, 2, ... that is accepted.

    Under `jax.vmap` no instance waits for the slowest: those that are missing share `SLOTS` candidates
    at a time, and when they are few each is given several attempts at once. The parts are the same.
    """

    @custom_vmap
    def search(depth, key):
        def attempt(state):
            number = state[0]
            accepted, *parts = candidate(depth, jax.random.fold_in(key, number))
            return number + 1, accepted, tuple(parts)

        start = (jnp.int32(0), jnp.bool_(False), _nothing(candidate, depth, key))
        return jax.lax.while_loop(lambda state: ~state[1], attempt, start)[2]

    @search.def_vmap
    def search_together(count, is_batched, depth, key):
        depth, key = (
            each if batched else jnp.broadcast_to(each, (count,))
            for each, batched in zip((depth, key), is_batched, strict=True)
        )
        parts = _nothing(candidate, depth[0], key[0])
        empty = tuple(jnp.zeros((count, *part.shape), part.dtype) for part in parts)
        start = (jnp.zeros(count, jnp.int32), jnp.zeros(count, bool), empty)
        step = partial(attempts, depth, key)
        return jax.lax.while_loop(lambda state: ~state[1].all(), step, start)[2], tuple(True for _ in parts)

    def attempts(depth, key, state):
        """Some candidates: the missing instances in turn, each with its next attempts."""
        tried, found, parts = state
        count = len(found)
        slots = SLOTS[count >= SLOTS[1]] if jax.default_backend() == "cpu" else max(SLOTS[0], count)
        missing = count - jnp.sum(found)
        slot = np.arange(slots)
        owner = jnp.argsort(found)[slot % missing]
        ahead = slot // missing
        keys = jax.vmap(jax.random.fold_in)(key[owner], tried[owner] + ahead)
        accepted, *fresh = jax.vmap(candidate)(depth[owner], keys)
        rank = jnp.where(accepted, ahead, slots)
        is_first = accepted & (rank == jnp.full(count, slots).at[owner].min(rank)[owner])
        place = jnp.where(is_first, owner, count)  # beyond the end: not written
        parts = tuple(old.at[place].set(new, mode="drop") for old, new in zip(parts, fresh, strict=True))
        return tried.at[owner].add(1), found.at[place].set(True, mode="drop"), parts

    return search(depth, key)


def _nothing(candidate: Candidate, depth: Int[Array, ""], key: Key[Array, ""]) -> Parts:
    _, *parts = jax.eval_shape(candidate, depth, key)
    return tuple(jnp.zeros(part.shape, part.dtype) for part in parts)
