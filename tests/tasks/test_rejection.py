"""Candidates in batches: each instance gets the first that is accepted, as if it were alone."""

from itertools import count

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seriality.tasks.rejection import first_accepted


def candidate(depth, key):
    """Accepted once in `depth`; which it is, is part of it."""
    drawn = jax.random.randint(key, (3,), 0, 1000)
    return drawn[0] % depth == 0, drawn, depth[None]


def one_by_one(depth, key):
    for number in count():
        accepted, *parts = candidate(depth, jax.random.fold_in(key, number))
        if accepted:
            return parts


alone = jax.jit(lambda depth, key: first_accepted(candidate, depth, key))
together = jax.jit(jax.vmap(lambda depth, key: first_accepted(candidate, depth, key)))


@pytest.mark.parametrize("size", [1, 3, 40, 150])
def test_a_batch_gets_what_each_instance_gets_alone(size):
    depths = jnp.asarray(np.arange(size) % 30 + 1)
    keys = jax.random.split(jax.random.key(5), size)
    found = together(depths, keys)
    for place in range(0, size, 13):
        for expected in (one_by_one(depths[place], keys[place]), alone(depths[place], keys[place])):
            assert all(np.array_equal(part[place], own) for part, own in zip(found, expected, strict=True))


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), depth=st.integers(1, 400))
def test_one_that_is_seldom_accepted_is_found_among_others(seed, depth):
    depths = jnp.ones(9, jnp.int32).at[4].set(depth)
    keys = jax.random.split(jax.random.key(seed), 9)
    found = together(depths, keys)
    for place in (0, 4, 8):
        expected = alone(depths[place], keys[place])
        assert all(np.array_equal(part[place], own) for part, own in zip(found, expected, strict=True))


def test_batches_of_batches_and_a_depth_for_all():
    keys = jax.random.split(jax.random.key(6), (2, 5))
    both = jax.vmap(jax.vmap(lambda key: first_accepted(candidate, jnp.int32(7), key)))(keys)
    for i, j in np.ndindex(2, 5):
        expected = alone(jnp.int32(7), keys[i, j])
        assert all(np.array_equal(part[i, j], own) for part, own in zip(both, expected, strict=True))
