"""The pieces all solvers share: declared numbers of passes, losses by hand, the choice of a token."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seriality.instance import UNASKED, Instances
from seriality.solvers.base import Passes, answer_and_prefix_loss, choose, cross_entropy

LOGITS = jnp.log(jnp.array([[0.5, 0.25, 0.25], [0.1, 0.1, 0.8], [0.2, 0.6, 0.2], [0.3, 0.3, 0.4]]))


def test_passes_by_hand():
    assert [Passes(constant=3)(n) for n in (1, 2, 100)] == [3, 3, 3]
    assert [Passes(per_doubling=2)(n) for n in (2, 3, 4, 5, 8, 9)] == [2, 4, 4, 6, 6, 8]
    assert [Passes(per_token=0.5)(n) for n in (1, 2, 3, 9)] == [1, 1, 2, 5]
    assert Passes.of({"constant": 1, "per_token": 1.0}) == Passes(constant=1, per_token=1.0)


@given(st.integers(0, 9), st.integers(0, 9), st.integers(0, 40), st.integers(1, 4096))
def test_passes_is_its_closed_form(constant, per_doubling, quarters, length):
    if constant or per_doubling or quarters:
        doublings = (length - 1).bit_length()
        expected = constant + per_doubling * doublings + -(-quarters * length // 4)
        assert Passes(constant, per_doubling, quarters / 4)(length) == max(1, expected)


def test_passes_are_not_one_too_many_by_rounding():
    for hundredths in range(1, 100):
        assert Passes(per_token=hundredths / 100)(100) == hundredths


@pytest.mark.parametrize("terms", [{}, {"constant": -1, "per_token": 1.0}, {"per_token": -0.5}])
def test_no_passes_are_refused(terms):
    with pytest.raises(ValueError, match=r"allows no pass; give .* such as Passes\(per_token=1.0\)"):
        Passes(**terms)
    assert Passes(per_token=0.5)


def test_cross_entropy_by_hand():
    assert float(cross_entropy(LOGITS, jnp.array([0, 2, 1, 2]))) == pytest.approx(
        -(math.log(0.5) + math.log(0.8) + math.log(0.6) + math.log(0.4)) / 4
    )


def test_positions_not_asked_have_no_part_in_the_loss():
    some = cross_entropy(LOGITS, jnp.array([UNASKED, 2, UNASKED, 0]))
    assert float(some) == pytest.approx(-(math.log(0.8) + math.log(0.3)) / 2)
    assert float(cross_entropy(LOGITS, jnp.full(4, UNASKED))) == 0


def instances(labels):
    labels = jnp.array([labels])
    blank = jnp.zeros((1, 4), int)
    return Instances(prompt=blank, labels=labels, trace=blank, answer=labels[:, -1:], depth=jnp.array([2]))


def test_answer_and_prefix_loss_by_hand():
    answer = -math.log(0.4)
    prefixes = -(math.log(0.25) + math.log(0.6)) / 2
    asked = instances([1, UNASKED, 1, 2])
    assert float(answer_and_prefix_loss(LOGITS[None], asked)) == pytest.approx(answer + prefixes)
    assert float(answer_and_prefix_loss(LOGITS[None, -1:], asked)) == pytest.approx(answer)
    assert float(answer_and_prefix_loss(LOGITS[None, -2:], asked)) == pytest.approx(answer - math.log(0.6))
    unasked = instances([UNASKED, UNASKED, UNASKED, 2])
    assert float(answer_and_prefix_loss(LOGITS[None], unasked)) == pytest.approx(answer)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_tokens_are_sampled_at_the_temperature(temperature):
    count = 20_000
    logits = jnp.broadcast_to(LOGITS[1], (count, 3))
    counts = np.bincount(np.asarray(choose(logits, temperature, key=jax.random.key(0))), minlength=3)
    share = np.array([0.1, 0.1, 0.8]) ** (1 / temperature)
    expected = count * share / share.sum()
    assert np.sum((counts - expected) ** 2 / expected) < 13.8  # chi-square, 2 degrees, p = 0.001


def test_without_a_temperature_the_likeliest_token_is_chosen():
    assert choose(jnp.asarray(LOGITS), 0.0, key=jax.random.key(0)).tolist() == [0, 2, 1, 2]
