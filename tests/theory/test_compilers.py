"""Compiled programs against the programs, on all inputs of small sizes."""

from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seriality.theory.circuits import every_input
from seriality.theory.compilers import ThresholdNetwork, TuringMachine, automaton


@settings(max_examples=25, deadline=None)
@given(
    st.integers(0, 2**32 - 1), st.integers(1, 8), st.lists(st.integers(1, 6), min_size=1, max_size=3),
    st.integers(2, 6),
)  # fmt: skip
def test_a_quantised_network_is_its_circuit_on_all_inputs(gate_by_gate, seed, inputs, widths, bits):
    rng = np.random.default_rng(seed)
    sizes = [inputs, *widths]
    weights = [rng.normal(size=(after, before)) for before, after in pairwise(sizes)]
    biases = [rng.normal(size=size) for size in widths]
    network = ThresholdNetwork.quantised(weights, biases, bits)
    rows, circuit = every_input(inputs), network.circuit()
    states = rows
    for matrix, bias in zip(weights, biases, strict=True):  # the rounded network, with fractions of a unit
        unit = np.abs(matrix).max() / 2 ** (bits - 1)
        states = states @ np.rint(matrix / unit).T + bias / unit >= 0
    assert (gate_by_gate(circuit, rows) == states).all()
    assert (network(rows) == states).all()
    assert circuit.depth <= 2 * len(widths)


def test_depth_does_not_grow_with_width():
    rng = np.random.default_rng(0)
    depths = {
        width: ThresholdNetwork(
            (rng.integers(-3, 4, (width, 6)), rng.integers(-3, 4, (1, width))),
            (np.arange(width), np.array([2])),
        )
        .circuit()
        .depth
        for width in (8, 32, 128)
    }
    assert set(depths.values()) == {4}


def test_weights_that_are_too_large_are_refused():
    network = ThresholdNetwork((np.array([[2**16, 1]]),), (np.array([1]),))
    with pytest.raises(ValueError, match="a neuron's weights sum to 65537, allowed is 65536"):
        network.circuit()


@pytest.mark.parametrize("rule", [0, 30, 90, 110, 204, 255])
def test_an_automaton_is_its_circuit_on_all_rows(rule):
    rows = every_input(8).astype(int)
    circuit = automaton(rule, 8, 6)
    for _ in range(6):
        rows = (rule >> (4 * np.roll(rows, 1, 1) + 2 * rows + np.roll(rows, -1, 1))) & 1
    assert (circuit(every_input(8)) == rows).all()
    assert circuit.depth <= 18
    with pytest.raises(ValueError, match="rule 256, width 2, steps 1"):
        automaton(256, 2, 1)


PALINDROMES = TuringMachine(
    "take", "yes", "_",
    {("take", bit): (f"carry {bit}", "_", 1) for bit in "01"}
    | {("take", "_"): ("yes", "_", 0)}
    | {(f"carry {bit}", other): (f"carry {bit}", other, 1) for bit in "01" for other in "01"}
    | {(f"carry {bit}", "_"): (f"compare {bit}", "_", -1) for bit in "01"}
    | {(f"compare {bit}", bit): ("return", "_", -1) for bit in "01"}
    | {(f"compare {bit}", "_"): ("yes", "_", 0) for bit in "01"}
    | {("return", bit): ("return", bit, -1) for bit in "01"}
    | {("return", "_"): ("take", "_", 1)},
)  # fmt: skip
"""Takes a bit from the left end, compares it with the right end, and so on."""


@pytest.mark.parametrize("length", range(7))
def test_a_turing_machine_is_its_circuit_on_all_inputs(gate_by_gate, length):
    texts = ["".join(bits) for bits in product("01", repeat=length)]
    steps, cells = length**2 + length + 3, length + 2
    circuit = PALINDROMES.circuit(steps=steps, cells=cells)
    found = gate_by_gate(circuit, PALINDROMES.encode(texts, cells=cells))[:, 0].tolist()
    assert found == [text == text[::-1] for text in texts]
    assert found == [PALINDROMES.accepts(text, steps=steps, cells=cells) for text in texts]
    assert circuit.depth <= 4 * steps + 1


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_any_machine_agrees_with_its_circuit(gate_by_gate, data):
    """Rules drawn at random: heads that bump into the ends, states that halt, writing on the spot."""
    keys = list(product("abc", "01_"))
    moves = st.tuples(st.sampled_from("abc"), st.sampled_from("01_"), st.sampled_from([-1, 0, 1]))
    rules = {key: data.draw(moves) for key in keys if data.draw(st.booleans())}
    machine = TuringMachine("a", "c", "_", rules)
    texts = ["", "0", "01", "110"]
    for steps in (0, 5):
        circuit = machine.circuit(steps=steps, cells=4)
        if steps and circuit.size:
            alphabet = set(machine.symbols)
            usable = [text for text in texts if set(text) <= alphabet]
            found = gate_by_gate(circuit, machine.encode(usable, cells=4))[:, 0].tolist()
            assert found == [machine.accepts(text, steps=steps, cells=4) for text in usable]
