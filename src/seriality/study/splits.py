"""Training, validation and test instances that share no question, for any task.

A hash of a prompt's beginning decides to which split an instance belongs, so two splits cannot hold the same
prompt however long one trains. The beginning is what the smallest divided depth has of it: a deep instance's
labels and trace answer the shallower ones it continues, and those must lie in the same split. Where a depth
has too few different prompts to divide (`distinct` is below SMALLEST_SPACE), all splits draw from the whole
of it; `shared_depth` says how far that goes, and every record keeps it.
"""

from bisect import bisect_left

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int, Key, UInt32

from ..instance import Instances
from ..tasks.base import AbstractTask, drawn

TRAIN, VALIDATION, TEST = 0, 1, 2
SHARES = 8
"""One share in eight is for testing, one for validation, the rest for training."""
SMALLEST_SPACE = 4096
"""Depths with fewer different prompts than this are not divided."""


def split_of(task: AbstractTask, prompt: Int[Array, "batch length"]) -> Int[Array, " batch"]:
    """The split of each prompt deeper than `shared_depth`, by a hash of its beginning.

    A sum of tokens times odd constants that differ by place, then the finaliser of MurmurHash3 (Appleby).
    """
    beginning = task.lineage(prompt, min(shared_depth(task) + 1, task.max_depth))
    place = jnp.arange(1, beginning.shape[1] + 1, dtype=jnp.uint32)
    state = (beginning.astype(jnp.uint32) * (_mix(place) | 1)).sum(-1, dtype=jnp.uint32)
    share = _mix(state) % SHARES
    return jnp.where(share == 0, TEST, jnp.where(share == 1, VALIDATION, TRAIN))


def _mix(state: UInt32[Array, " batch"]) -> UInt32[Array, " batch"]:
    state = (state ^ (state >> 16)) * jnp.uint32(0x85EBCA6B)
    state = (state ^ (state >> 13)) * jnp.uint32(0xC2B2AE35)
    return state ^ (state >> 16)


def shared_depth(task: AbstractTask) -> int:
    """The largest depth whose prompts are too few to divide between splits; 0 if there is none."""
    return bisect_left(range(1, task.max_depth + 1), SMALLEST_SPACE, key=task.distinct)


def draw(
    task: AbstractTask,
    split: int | Int[Array, ""],
    count: int,
    *,
    depth: int | Int[Array, "..."],
    key: Key[Array, ""],
) -> Instances:
    """`count` instances of a split: instances of other splits are drawn again until none is left.

    Instance i depends on (key, split, i, its depth) alone: attempt a at it is what `sample` gives at i for
    `fold_in(key, a)`. Attempts are made for a quarter of the batch at a time, where they are missing.
    """
    shared = shared_depth(task)
    some = -(-count // 4)

    def belongs(instances: Instances) -> Bool[Array, " batch"]:
        return (split_of(task, instances.prompt) == split) | (instances.depth <= shared)

    def again(state):
        attempts, instances, kept = state
        place = jnp.argsort(kept)[:some]  # those that are missing come first
        keys = jax.vmap(lambda attempt: jax.random.fold_in(key, attempt))(attempts[place])
        keys = jax.vmap(jax.random.fold_in)(keys, place)
        fresh = drawn(task, instances.depth[place], keys)
        place = jnp.where(kept[place], count, place)  # beyond the end: not written
        instances = jax.tree.map(lambda old, new: old.at[place].set(new, mode="drop"), instances, fresh)
        return attempts.at[place].add(1, mode="drop"), instances, belongs(instances)

    first = task.sample(count, key=jax.random.fold_in(key, 0), depth=depth)
    start = (jnp.ones(count, jnp.int32), first, belongs(first))
    return jax.lax.while_loop(lambda state: ~state[2].all(), again, start)[1]
