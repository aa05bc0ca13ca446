"""Circuits against gates evaluated one by one from the token texts; and that every gate matters."""

import re
from itertools import product

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from seriality.instance import UNASKED
from seriality.tasks import CircuitValue

KEY = jax.random.key(11)
OPS = {
    "AND": lambda a, b: a and b,
    "OR": lambda a, b: a or b,
    "NAND": lambda a, b: not (a and b),
    "NOR": lambda a, b: not (a or b),
}


def layers_of(task, prompt):
    """The gates of a prompt as (operation, wire, wire), layer by layer."""
    g = task.gates_per_layer
    texts = [task.format.tokens[t] for t in prompt[2 * g : -2 * g]]
    gates = [re.fullmatch(r"([A-Z]+)\((\d),(\d)\)", text).groups() for text in texts if text != "PAD"]
    gates = [(OPS[op], int(a), int(b)) for op, a, b in gates]
    return [gates[i : i + g] for i in range(0, len(gates), g)]


def evaluate(layers, inputs, wiring="deep", flip=None, reversible=True):
    """The gates' values and the last two rows; `flip` names one gate (layer, place) to invert."""
    g = len(inputs) // 2
    x = u, v = list(inputs[:g]), list(inputs[g:])
    values = []
    for level, layer in enumerate(layers):
        read = v if wiring == "deep" else x[(level + 1) % 2]
        new = [int(op(read[a], read[b])) ^ (u[i] if reversible else 0) for i, (op, a, b) in enumerate(layer)]
        new = [bit ^ (flip == (level, i)) for i, bit in enumerate(new)]
        u, v = v, new
        values += new
    return values, u + v


def random_circuits(task, count):
    return [layers_of(task, prompt) for prompt in np.asarray(task.sample(count, key=KEY).prompt)]


@pytest.mark.parametrize("wiring", ["deep", "wide"])
@pytest.mark.parametrize(("gates_per_layer", "layers"), [(2, 3), (4, 5)])
def test_direct_evaluation(wiring, gates_per_layer, layers):
    task = CircuitValue(gates_per_layer, layers, wiring)
    batch = jax.tree.map(np.asarray, task.sample(20, key=KEY, depth=jnp.asarray(np.arange(20) % layers + 1)))
    answers = np.asarray(jax.jit(jax.vmap(task.reference))(batch.prompt))
    for i, depth in enumerate(batch.depth):
        circuit = layers_of(task, batch.prompt[i])
        assert len(circuit) == depth
        values, last = evaluate(circuit, (batch.prompt[i, : 2 * gates_per_layer] - 2).tolist(), wiring)
        assert (batch.trace[i, : len(values)] - 2).tolist() == values
        inputs, rest = [UNASKED] * 2 * gates_per_layer, [UNASKED] * (layers - depth) * gates_per_layer
        labels = [*inputs, *(value + 2 for value in values), *rest, *batch.answer[i]]
        assert batch.labels[i].tolist() == labels
        assert (batch.answer[i] - 2).tolist() == (answers[i] - 2).tolist() == last


def idle_gates(circuit, g, **kind):
    """The gates that are constant, or whose inversion leaves some answer as it is, over all inputs."""
    idle = set()
    inputs = list(product((0, 1), repeat=2 * g))
    runs = [evaluate(circuit, bits, **kind) for bits in inputs]
    for level in range(len(circuit)):
        for i in range(g):
            column = [values[level * g + i] for values, _ in runs]
            flipped = [evaluate(circuit, bits, flip=(level, i), **kind)[1] for bits in inputs]
            constant = len(set(column)) == 1
            dead = any(changed == last for changed, (_, last) in zip(flipped, runs, strict=True))
            if constant or dead:
                idle.add((level, i))
    return idle


@pytest.mark.parametrize("wiring", ["deep", "wide"])
@pytest.mark.parametrize(("gates_per_layer", "layers"), [(2, 5), (3, 3)])
def test_every_gate_matters_on_every_input(wiring, gates_per_layer, layers):
    for circuit in random_circuits(CircuitValue(gates_per_layer, layers), 8):
        assert not idle_gates(circuit, gates_per_layer, wiring=wiring)


def test_without_the_reversible_form_gates_idle():
    circuits = random_circuits(CircuitValue(3, 3), 8)
    assert all(idle_gates(circuit, 3, reversible=False) for circuit in circuits)


def test_gates_are_balanced_and_states_do_not_collide():
    for circuit in random_circuits(CircuitValue(3, 6), 4):
        runs = [evaluate(circuit, bits) for bits in product((0, 1), repeat=6)]
        assert np.array([values for values, _ in runs]).sum(axis=0).tolist() == [32] * 18
        assert len({tuple(last) for _, last in runs}) == 64


def test_deep_and_wide_share_their_prompts():
    deep, wide = CircuitValue(3, 4), CircuitValue(3, 4, "wide")
    assert deep.format == wide.format
    ours, theirs = deep.sample(8, key=KEY), wide.sample(8, key=KEY)
    assert np.array_equal(ours.prompt, theirs.prompt)
    assert not np.array_equal(ours.answer, theirs.answer)
    assert deep.control == wide
    assert wide.control is None


def test_every_gate_is_as_likely():
    task = CircuitValue(3, 8)
    gates = np.asarray(task.sample(512, key=KEY).prompt)[:, 6:-6]
    tokens, counts = np.unique(gates, return_counts=True)
    assert tokens.tolist() == list(range(4, task.format.vocabulary))
    mean = gates.size / 12
    assert np.all(np.abs(counts - mean) < 5 * np.sqrt(mean))


def test_render():
    task = CircuitValue(gates_per_layer=2, layers=2)
    assert task.format.tokens[4:] == ("AND(0,1)", "OR(0,1)", "NAND(0,1)", "NOR(0,1)")
    prompt = np.array([2, 3, 3, 3, 4, 7, 0, 0, 1, 1, 1, 1])
    text = task.render(prompt, np.array([3, 3, 0, 0]), np.array([3, 3, 3, 3]))
    assert text.splitlines() == [
        "gates read the layer below",
        "inputs: u=01 v=11",
        "layer 1  AND(0,1)  NOR(0,1)  -> 11",
        "answer: u=11 v=11",
    ]
