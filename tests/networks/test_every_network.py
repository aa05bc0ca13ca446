"""What the contract promises, for every network: where its logits stand, what they see, its declared span."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from seriality.instance import Format
from seriality.meter import measure
from seriality.networks import NETWORKS

EXAMPLES = {
    "MLP": {"width": 8, "features": 4},
    "Transformer": {"width": 8, "heads": 2},
    "StateSpace": {"width": 8, "states": 3},
    "GRU": {"width": 8},
}
VOCABULARY, ANSWER_LENGTH = 7, 2
KEY = jax.random.key(1)


def build(name, length, *, key, **dials):
    layout = Format(tuple("abcdefg"), prompt_length=length, trace_length=3, answer_length=ANSWER_LENGTH)
    return NETWORKS[name](layout, **(EXAMPLES[name] | dials), key=key)


def influence(network):
    """[i, j]: whether another token at i moves the logits at j."""
    tokens = np.array([3, 1, 5, 0, 2, 4])
    changed = np.vstack([tokens, tokens + 3 * np.eye(6, dtype=int)]) % VOCABULARY
    every = eqx.filter_jit(lambda network, inputs: jax.vmap(network)(inputs))
    logits = np.asarray(every(network, jnp.asarray(changed)))
    return np.abs(logits[1:] - logits[0]).max(-1) > 0


def test_every_network_has_an_example():
    assert set(EXAMPLES) == set(NETWORKS)


@pytest.mark.parametrize("name", EXAMPLES)
@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("length", [4, 9])
def test_the_declared_span_is_the_metered_one(name, layers, length):
    network = eqx.filter_eval_shape(build, name, length, layers=layers, key=KEY)
    tokens = jax.ShapeDtypeStruct((length,), jnp.int32)
    measured = measure(lambda network, tokens: network(tokens), network, tokens, cost_model="layer")
    assert (measured.span, measured.bound) == (network.span(length), "exact")


@pytest.mark.parametrize("name", EXAMPLES)
def test_logits_stand_at_the_last_positions(name):
    network = eqx.filter_eval_shape(build, name, 6, key=KEY)
    logits = eqx.filter_eval_shape(network, jax.ShapeDtypeStruct((6,), jnp.int32))
    assert logits.shape == (ANSWER_LENGTH if name == "MLP" else 6, VOCABULARY)


@pytest.mark.parametrize(("name", "causal"), [("Transformer", True), ("StateSpace", None), ("GRU", None)])
def test_causal_networks_see_every_earlier_token_and_no_later_one(name, causal, filled):
    dials = {} if causal is None else {"causal": causal}
    assert np.array_equal(influence(filled(build, name, 6, **dials)), np.triu(np.ones((6, 6), bool)))


@pytest.mark.parametrize("name", ["Transformer", "MLP"])
def test_the_others_see_every_token(name, filled):
    assert influence(filled(build, name, 6)).all()


@pytest.mark.parametrize("name", EXAMPLES)
def test_dials_below_one_are_refused_by_name(name):
    with pytest.raises(ValueError, match=rf"{name}: width is 0, layers is -1; allowed is 1 or more"):
        build(name, 6, width=0, layers=-1, key=KEY)
