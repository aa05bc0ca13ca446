"""Constructions against arithmetic, on all inputs where these are few, and their promised depth."""

from itertools import permutations

import numpy as np
import pytest

from seriality.theory.builders import (
    add,
    add_in_turn,
    iterated_addition,
    parity,
    parity_by_blocks,
    permutation_bits,
    symmetric,
    word_product,
)
from seriality.theory.circuits import Builder, every_input


def number(bits):
    return bits @ 2 ** np.arange(bits.shape[-1])


@pytest.mark.parametrize("inputs", range(1, 10))
def test_parities_on_all_inputs(inputs):
    bits, build = every_input(inputs), Builder(inputs)
    wires = [parity(build, build.inputs), *(parity_by_blocks(build, build.inputs, k) for k in (1, 2, 3))]
    assert (build.circuit(wires)(bits) == (bits.sum(1, keepdims=True) % 2 == 1)).all()


@pytest.mark.parametrize("inputs", [2, 16, 64, 256])
def test_parity_by_majority_has_depth_three_and_linear_size(inputs):
    build = Builder(inputs)
    circuit = build.circuit([parity(build, build.inputs)])
    assert (circuit.depth, circuit.size) == (3, inputs + inputs // 2 + 1)


def test_parity_without_majority_has_exponential_size_at_depth_three_and_less_with_levels():
    sizes = {}
    for levels in (1, 2, 4):
        build = Builder(16)
        circuit = build.circuit([parity_by_blocks(build, build.inputs, levels)])
        assert circuit.depth == 3 * levels
        sizes[levels] = circuit.size
    assert sizes == {1: 2**15 + 16 + 1, 2: 5 * (8 + 4 + 1), 4: 15 * 5}


@pytest.mark.parametrize("seed", range(8))
def test_symmetric_functions_with_weights_on_all_inputs(seed):
    rng = np.random.default_rng(seed)
    weights = rng.integers(0, 4, 7)
    inside = rng.random(int(weights.sum()) + 1) < 0.5
    bits, build = every_input(7), Builder(7)
    wire = symmetric(build, build.inputs, lambda total: bool(inside[total]), weights=weights.tolist())
    circuit = build.circuit([wire])
    assert (circuit(bits)[:, 0] == inside[bits @ weights]).all()
    assert circuit.depth <= 3


@pytest.mark.parametrize("length", range(1, 6))
def test_sums_of_two_on_all_inputs(length):
    bits = every_input(2 * length)
    expected = number(bits[:, :length]) + number(bits[:, length:])
    for adder, depth in ((add, 6), (add_in_turn, 2 * length + 4)):
        build = Builder(2 * length)
        circuit = build.circuit(adder(build, build.inputs[:length], build.inputs[length:]))
        assert (number(circuit(bits)) == expected).all()
        assert circuit.depth == depth


@pytest.mark.parametrize(
    ("count", "length"), [(1, 4), (2, 3), (3, 3), (3, 4), (4, 4), (5, 2), (7, 2), (6, 5)]
)
def test_sums_of_many_and_their_constant_depth(count, length):
    inputs = count * length
    bits = every_input(inputs) if inputs <= 16 else np.random.default_rng(0).random((3000, inputs)) < 0.7
    build = Builder(inputs)
    wires = iterated_addition(build, [build.inputs[k * length : (k + 1) * length] for k in range(count)])
    circuit = build.circuit(wires)
    assert (number(circuit(bits)) == number(bits.reshape(-1, count, length)).sum(1)).all()
    assert circuit.depth == (0 if count == 1 else 9)


def test_words_of_s5_in_a_tree_of_logarithmic_depth():
    elements = np.array(list(permutations(range(5))))
    rng = np.random.default_rng(1)
    for length in (1, 2, 3, 5, 8):
        build = Builder(25 * length)
        letters = np.array(build.inputs).reshape(length, 5, 5).tolist()
        circuit = build.circuit(wire for row in word_product(build, letters) for wire in row)
        words = elements[rng.integers(0, 120, (300, length))]
        images = np.tile(np.arange(5), (300, 1))
        for place in range(length):
            images = np.take_along_axis(words[:, place], images, axis=1)
        found = circuit(permutation_bits(words)).reshape(-1, 5, 5)
        assert (found == (images[..., None] == np.arange(5))).all()
        assert circuit.depth == 2 * (length - 1).bit_length()
    with pytest.raises(ValueError, match="a word has at least one letter"):
        word_product(build, [])


def test_errors():
    build = Builder(4)
    with pytest.raises(ValueError, match="levels is 0, allowed is 1 or more"):
        parity_by_blocks(build, build.inputs, 0)
    with pytest.raises(ValueError, match="numbers must be one or more of equally many bits"):
        iterated_addition(build, [build.inputs[:1], build.inputs[1:]])
