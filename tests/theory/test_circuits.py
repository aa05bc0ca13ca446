"""Circuits against the plain meaning of their gates, on all inputs of small ones and on random ones."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seriality.theory.circuits import KINDS, Builder, every_input, pack, unpack


@st.composite
def programs(draw):
    """Gates in any order of kinds and fan-ins, by the numbers of the wires they read, and the outputs."""
    inputs = draw(st.integers(1, 6))
    gates = []
    for place in range(draw(st.integers(0, 14))):
        kind = draw(st.sampled_from(KINDS))
        most = 1 if kind == "NOT" else 9
        gates.append((kind, draw(st.lists(st.integers(0, 1 + inputs + place), min_size=1, max_size=most))))
    wires = st.integers(0, 1 + inputs + len(gates))
    return inputs, gates, draw(st.lists(wires, min_size=1, max_size=5))


def value(gates, inputs, wire, bits):
    """What a wire of a program holds, by the definition."""
    if wire < 2:
        return bool(wire)
    if wire < 2 + inputs:
        return bool(bits[wire - 2])
    kind, wires = gates[wire - 2 - inputs]
    read = [value(gates, inputs, each, bits) for each in wires]
    return {
        "AND": all(read),
        "OR": any(read),
        "NOT": not read[0],
        "MAJORITY": sum(read) > len(read) / 2,
    }[kind]


def depth(gates, inputs, wire):
    if wire < 2 + inputs:
        return 0
    return 1 + max(depth(gates, inputs, each) for each in gates[wire - 2 - inputs][1])


@settings(max_examples=25, deadline=None)
@given(programs())
def test_a_circuit_computes_what_its_gates_say_at_the_depth_of_the_longest_path(program):
    inputs, gates, outputs = program
    outputs = [wire % (2 + inputs + len(gates)) for wire in outputs]
    build = Builder(inputs)
    number = list(range(2 + inputs))
    for kind, wires in gates:
        number.append(build.gate(kind, [number[wire] for wire in wires]))
    circuit = build.circuit([number[wire] for wire in outputs])
    bits = every_input(inputs)
    expected = [[value(gates, inputs, wire, row) for wire in outputs] for row in bits]
    assert circuit(bits).tolist() == expected
    assert circuit.depth == max(depth(gates, inputs, wire) for wire in outputs)


@pytest.mark.parametrize("regular", [True, False])
def test_a_deep_circuit_of_alike_or_unlike_layers_computes_the_same_as_gate_by_gate(regular, gate_by_gate):
    rng = np.random.default_rng(0)
    build = Builder(12)
    wires = list(build.inputs)
    for _ in range(24):
        count = 12 if regular else int(rng.integers(6, 13))
        wires = [
            build.gate(
                "AND" if (k < 6 if regular else rng.random() < 0.5) else "MAJORITY",
                rng.choice(wires, 3 if regular else int(rng.integers(1, 6))).tolist(),
            )
            for k in range(count)
        ]
        wires[0] = build.negate(wires[0])
    circuit = build.circuit(wires)
    bits = rng.random((77, 12)) < 0.5
    assert circuit.depth > 24
    assert (circuit(bits) == gate_by_gate(circuit, bits)).all()


def test_thresholds_and_majorities_of_every_number_of_wires_on_all_inputs():
    bits = every_input(9)
    build = Builder(9)
    counts = [build.at_least(count, build.inputs) for count in range(12)]
    halves = [build.majority(build.inputs[:wires]) for wires in range(1, 10)]
    found = build.circuit(counts + halves)(bits)
    ones = bits.cumsum(1)
    assert (found[:, :12] == (ones[:, -1:] >= np.arange(12))).all()
    assert (found[:, 12:] == (2 * ones > np.arange(1, 10))).all()


def test_what_is_padded_counts_as_nothing():
    build = Builder(5)
    circuit = build.circuit([build.all(build.inputs), build.any(build.inputs[:3])])
    assert (circuit.size, circuit.edges, circuit.fan_in, circuit.depth) == (2, 8, 5, 1)


def test_gates_that_no_output_needs_are_left_out_and_equal_gates_are_one():
    build = Builder(2)
    kept = build.all(build.inputs)
    build.any(build.inputs)
    assert build.all(reversed(build.inputs)) == kept
    assert build.circuit([kept]).size == 1


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 100), st.integers(1, 5), st.integers(0, 2**32 - 1))
def test_packing_and_unpacking_is_nothing(rows, columns, seed):
    bits = np.random.default_rng(seed).random((rows, columns)) < 0.5
    assert (unpack(pack(bits), rows) == bits).all()


def test_the_first_row_is_the_lowest_bit():
    bits = np.zeros((40, 1), bool)
    bits[[0, 33]] = True
    assert pack(bits).tolist() == [[1, 2]]


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: Builder(0), "inputs is 0, allowed is 1 or more"),
        (lambda: Builder(2).gate("XOR", [2, 3]), "there is no gate 'XOR'; there are AND, OR, NOT, MAJORITY"),
        (lambda: Builder(2).gate("AND", [4]), "wires (4,): allowed are those there are, 0 to 3"),
        (lambda: Builder(2).gate("NOT", [2, 3]), "NOT reads one wire, not 2"),
        (
            lambda: Builder(2).circuit([2])(np.zeros((3, 5), bool)),
            "bits has shape (3, 5), allowed is (batch, 2)",
        ),
    ],
)
def test_errors_say_what_is_allowed(call, said):
    with pytest.raises(ValueError, match=re.escape(said)):
        call()
