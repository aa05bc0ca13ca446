"""That annotations are checked at all under test: a wrong shape and a wrong type are noticed."""

import jax.numpy as jnp
import pytest
from jaxtyping import TypeCheckError

from seriality.cost import Cost
from seriality.solvers.base import cross_entropy


def test_a_wrong_shape_is_noticed():
    logits = jnp.zeros((3, 4))
    assert cross_entropy(logits, jnp.zeros(3, int)) > 0
    with pytest.raises(TypeCheckError, match="labels"):
        cross_entropy(logits, jnp.zeros(2, int))


def test_a_wrong_type_is_noticed():
    assert Cost(work=1, span=1).times(2).work == 2
    with pytest.raises(TypeCheckError, match="count"):
        Cost(work=1, span=1).times("2")
