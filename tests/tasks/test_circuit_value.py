"""Circuits against gates evaluated one by one from the token texts; and that every gate matters."""

import re
from itertools import product
from xml.etree import ElementTree

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seriality.instance import UNASKED
from seriality.tasks import ArithmeticCircuit, CircuitValue

KEY = jax.random.key(11)
OPS = {
    "AND": lambda a, b: a and b,
    "OR": lambda a, b: a or b,
    "NAND": lambda a, b: not (a and b),
    "NOR": lambda a, b: not (a or b),
    "GT": lambda a, b: a > b,
    "LT": lambda a, b: a < b,
    "GE": lambda a, b: a >= b,
    "LE": lambda a, b: a <= b,
}


def layers_of(task, prompt):
    """The gates of a prompt as (target, operation, operands), each wire a number from 0, layer by layer."""
    g = task.gates_per_layer
    texts = [task.format.tokens[t] for t in prompt[2 * g : -2 * g]]
    pattern = r"([uv]\d)\^=([A-Z]+)\(([uv]\d),([uv]\d)\)"
    gates = [re.fullmatch(pattern, text).groups() for text in texts if text != "PAD"]
    gates = [(wire(w, g), OPS[op], wire(a, g), wire(b, g)) for w, op, a, b in gates]
    return [gates[i : i + g] for i in range(0, len(gates), g)]


def wire(text, g):
    return int(text[1:]) + g * (text[0] == "v")


def inputs_of(task, prompt):
    """The bits that the prompt's first tokens give the wires."""
    named = [task.format.tokens[t].split("=") for t in prompt[: 2 * task.gates_per_layer]]
    assert [wire(text, task.gates_per_layer) for text, _ in named] == list(range(len(named)))
    return [int(bit) for _, bit in named]


def evaluate(layers, inputs, wiring="deep", flip=None, reversible=True):
    """The gates' values and what the wires hold at the end; `flip` is a gate (layer, place) to invert."""
    state, values = list(inputs), []
    for level, layer in enumerate(layers):
        read = list(state if wiring == "deep" else inputs)
        for i, (target, op, a, b) in enumerate(layer):
            bit = int(op(read[a], read[b])) ^ (state[target] if reversible else 0) ^ (flip == (level, i))
            state[target] = bit
            values.append(bit)
    return values, state


def random_circuits(task, count):
    return [layers_of(task, prompt) for prompt in np.asarray(task.sample(count, key=KEY).prompt)]


@pytest.mark.parametrize("wiring", ["deep", "wide"])
@pytest.mark.parametrize(("gates_per_layer", "layers"), [(2, 3), (4, 5)])
def test_direct_evaluation(wiring, gates_per_layer, layers):
    check_directly(gates_per_layer, layers, wiring)


@settings(max_examples=4, deadline=None)
@given(st.integers(2, 9), st.integers(1, 9), st.sampled_from(["deep", "wide"]))
def test_direct_evaluation_at_any_dials(gates_per_layer, layers, wiring):
    check_directly(gates_per_layer, layers, wiring)


def check_directly(gates_per_layer, layers, wiring):
    task = CircuitValue(gates_per_layer, layers, wiring)
    batch = jax.tree.map(np.asarray, task.sample(20, key=KEY, depth=jnp.asarray(np.arange(20) % layers + 1)))
    answers = np.asarray(jax.jit(jax.vmap(task.reference))(batch.prompt))
    for i, depth in enumerate(batch.depth):
        circuit = layers_of(task, batch.prompt[i])
        assert len(circuit) == depth
        values, last = evaluate(circuit, inputs_of(task, batch.prompt[i]), wiring)
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
    assert tokens.tolist() == list(range(16, task.format.vocabulary))
    mean = gates.size / 144
    assert np.all(np.abs(counts - mean) < 5 * np.sqrt(mean))


def test_layers_change_the_halves_in_turn():
    for circuit in random_circuits(CircuitValue(3, 5), 4):
        assert [[gate[0] for gate in layer] for layer in circuit] == [
            [0, 1, 2] if level % 2 == 0 else [3, 4, 5] for level in range(5)
        ]
        assert all({a // 3, b // 3} == {1 - target // 3} for layer in circuit for target, _, a, b in layer)


def test_text():
    task = CircuitValue(gates_per_layer=2, layers=2)
    kinds = ("AND", "OR", "NAND", "NOR", "GT", "LT", "GE", "LE")
    assert task.format.tokens[12:21] == (*(f"u0^={kind}(v0,v1)" for kind in kinds), "u1^=AND(v0,v1)")
    prompt = np.array([4, 7, 9, 11, 12, 23, 0, 0, 1, 1, 1, 1])
    text = task.render(prompt)
    assert text.splitlines()[-2:] == ["inputs: u0=0 u1=1 v0=1 v1=1", "layer 1: u0^=AND(v0,v1) u1^=NOR(v0,v1)"]
    assert "A gate reads what the wires hold when its layer begins." in text
    assert "held at the start" in task.control.render(prompt)
    assert np.array_equal(task.parse(text), prompt)
    assert task.render_trace(np.array([3, 3, 0, 0])) == "layer 1: u becomes 11"
    assert task.render_answer(np.array([3, 3, 2, 3])) == "11 01"
    for right, wrong, said in (
        ("u0=0 u1=1", "u1=1 u0=0", "u1=1 is not in its place"),
        ("u0=0", "u0=2", "is no token"),
        ("u1^=NOR(v0,v1)", "v1^=NOR(u0,u1)", r"layer 1: v1\^=NOR\(u0,u1\) is not in its place"),
        ("layer 1:", "layer 2:", "where 'layer 1' must be"),
        ("layer 1:", "level 1:", "must be 1 to 2"),
        (" u1^=NOR(v0,v1)", "", "1 tokens, must be 2"),
        ("inputs:", "input:", "0 lines begin with 'inputs:'"),
    ):
        with pytest.raises(ValueError, match=said):
            task.parse(text.replace(right, wrong))
    for wrong in ("11", "11 0", "11 02", "1 101"):
        with pytest.raises(ValueError, match="must be 2 bits, a space and 2 bits"):
            task.parse_answer(wrong)


@pytest.mark.parametrize("wiring", ["deep", "wide"])
def test_picture_shows_every_gate_and_value(wiring):
    task = CircuitValue(3, 4, wiring)
    batch = jax.tree.map(np.asarray, task.sample(1, key=KEY, depth=3))
    parts = batch.prompt[0], batch.trace[0], batch.answer[0]
    root = ElementTree.fromstring(task.picture(*parts))
    shown = [each.text for each in root if each.tag.endswith("text")]
    gates = [task.format.tokens[token] for token in batch.prompt[0, 6:15]]
    assert shown[6:15] == [re.split(r"[=(]", gate)[1] for gate in gates]
    values = inputs_of(task, batch.prompt[0]) + (batch.trace[0, :9] - 2).tolist()
    assert shown[15:] == [str(value) for value in values]
    large = CircuitValue(3, 16)
    batch = jax.tree.map(np.asarray, large.sample(1, key=KEY))
    assert large.picture(batch.prompt[0], batch.trace[0], batch.answer[0]) is None
    widest = CircuitValue(20, 2)
    batch = jax.tree.map(np.asarray, widest.sample(1, key=KEY))
    assert 0 < len(widest.picture(batch.prompt[0], batch.trace[0], batch.answer[0])) < 20_000


def test_deep_and_wide_have_as_many_gates():
    assert ArithmeticCircuit.deep_and_wide(32) == (ArithmeticCircuit(2, 16), ArithmeticCircuit(16, 2))
    with pytest.raises(ValueError, match=r"ArithmeticCircuit\.deep_and_wide: gates=64: .* from 4 to 32"):
        ArithmeticCircuit.deep_and_wide(64)
    assert CircuitValue.deep_and_wide(32) == (CircuitValue(2, 16), CircuitValue(16, 2))
    assert CircuitValue.deep_and_wide(24, narrow=3) == (CircuitValue(3, 8), CircuitValue(8, 3))
    for gates, narrow in ((33, 2), (4, 4), (66, 2), (0, 2), (32, 1)):
        with pytest.raises(ValueError, match="deep_and_wide: "):
            CircuitValue.deep_and_wide(gates, narrow=narrow)


def layer_maps(operations):
    """The permutations of the 16 states of two gates a layer, by every layer of such operations."""
    states = list(product((0, 1), repeat=4))
    layers = [
        [(first, OPS[one], 2 - first, 3 - first), (first + 1, OPS[other], 2 - first, 3 - first)]
        for first in (0, 2)
        for one, other in product(operations, repeat=2)
    ]
    return [[states.index(tuple(evaluate([layer], state)[1])) for state in states] for layer in layers]


def cycles(permutation):
    left, lengths = set(range(len(permutation))), []
    while left:
        start = place = left.pop()
        lengths.append(1)
        while (place := permutation[place]) != start:
            left.discard(place)
            lengths[-1] += 1
    return lengths


def test_two_gates_a_layer_generate_a_group_that_is_not_solvable():
    """Jordan (1873): a 2-transitive group that holds a p-cycle, p prime and at most n - 3, holds A_n."""
    maps = layer_maps(OPS)
    reached = new = {(0, 1)}
    while new:
        new = {(layer[a], layer[b]) for a, b in new for layer in maps} - reached
        reached = reached | new
    assert len(reached) == 16 * 15
    draw = np.random.default_rng(0)
    word, longest = list(range(16)), set()
    for layer in draw.integers(len(maps), size=300):
        word = [maps[layer][state] for state in word]
        longest.add(max(cycles(word)))  # 11 or 13 is prime and above 16 / 2: a power leaves it alone
    assert longest & {11, 13}


def test_without_comparisons_parities_would_go_by_themselves():
    parities = [(u0 ^ u1, v0 ^ v1) for u0, u1, v0, v1 in product((0, 1), repeat=4)]

    def alone(layer):
        return len({(before, parities[layer[state]]) for state, before in enumerate(parities)}) == 4

    assert all(map(alone, layer_maps(("AND", "OR", "NAND", "NOR"))))
    assert not all(map(alone, layer_maps(OPS)))
