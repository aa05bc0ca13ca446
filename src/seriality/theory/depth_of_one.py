"""Depth of 1: the deepest gate that outputs 1 in a circuit whose AND and OR gates alternate.

A circuit is alternating if it has AND and OR gates only, each of which reads inputs and gates of the other
kind. With inputs it is a *configuration*. The depth of a gate is its longest path from an input, and

    DO1 = max { depth of g : g outputs 1 },      0 if no gate does

(Kirousis & Spirakis 1988; Appendix G.1 of Liu et al. 2025). All gates count, whether or not an output needs
them, and so does how many there are. `Builder.circuit` leaves out gates that no output needs: name all of
them as outputs. It also makes one gate of equal ones, which changes their number and nothing else. `layered`
keeps every gate as it is written.

To approximate DO1 within any factor is P-hard (Theorem G.1, from Kirousis and Spirakis; A.1.10 of Greenlaw,
Hoover and Ruzzo 1995). The paper says P-complete, which is to be read so: this is no decision problem.

Whether DO1 > 0 is easy, but not by the test of the proof of Theorem G.2, which asks for a gate *of the first
layer* that outputs 1. Where inputs feed later layers too it fails: with x = (1, 0), g = AND(x0, x1) and
h = OR(g, x0) it finds none, and DO1 is 2. `positive` asks for a gate of any layer that is 1 *by the inputs
that it reads alone*. That is right: the first gate in topological order that outputs 1 reads no gate that
does, so its inputs force it; conversely a forced gate outputs 1. It takes one round, at constant depth.

Hardness is a statement about all configurations, and no finite set of them shows it. `alternating_instances`
have any DO1 that is asked for and are not hard; in `lifted_decisions` DO1 waits for a computation.

What it does not do: gates of other kinds, and proofs of hardness.

Kirousis, L., & Spirakis, P. (1988). Probabilistic log-space reductions and problems probabilistically hard
for P. SWAT.
Greenlaw, R., Hoover, H. J., & Ruzzo, W. L. (1995). Limits to Parallel Computation. Oxford University Press.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Int, UInt32

from .circuits import FIRST_INPUT, ONE, ZERO, Block, Circuit, pack, unpack

ALL_ONES = np.uint32(0xFFFFFFFF)
UNKNOWN = -1

Layer = tuple[str, Sequence[Sequence[int]]]
"""The kind of a layer's gates, and for each the places in the layer below, or the inputs, that it reads."""


@dataclass(frozen=True, eq=False)
class Configuration:
    """An alternating circuit and its inputs. Two are equal if they are the same object.

    >>> chain(3).do1, chain(3).depths.tolist()
    (3, [1, 2, 3])
    """

    circuit: Circuit
    inputs: Bool[np.ndarray, " inputs"]

    def __post_init__(self) -> None:
        faults = []
        if len(self.inputs) != self.circuit.inputs:
            faults.append(f"inputs has {len(self.inputs)} bits, the circuit reads {self.circuit.inputs}")
        if not is_alternating(self.circuit):
            faults.append("the circuit does not alternate: see is_alternating; e.g. chain(3)")
        if faults:
            raise ValueError(f"Configuration: {'; '.join(faults)}")

    @cached_property
    def depths(self) -> Int[np.ndarray, " gates"]:
        """Of every gate, in the order of their wires."""
        return gate_depths(self.circuit)

    @cached_property
    def values(self) -> Bool[np.ndarray, " gates"]:
        """What every gate outputs, computed serially."""
        return gate_values(self.circuit, self.inputs[None])[0]

    @cached_property
    def do1(self) -> int:
        """The depth of the deepest gate that outputs 1, 0 if there is none."""
        return int(np.max(self.depths * self.values, initial=0))


def is_alternating(circuit: Circuit) -> bool:
    """Whether there are AND and OR gates only and none reads a gate of its own kind (Appendix G.1).

    >>> from .circuits import Builder
    >>> build = Builder(2)
    >>> is_alternating(build.circuit([build.all([build.all(build.inputs), *build.inputs])]))
    False
    """
    first = FIRST_INPUT + circuit.inputs
    kinds = [block.kind for layer in circuit.layers for block in layer for _ in block.wires]
    if not {"AND", "OR"}.issuperset(kinds):
        return False
    conjunction = np.array([False] * first + [kind == "AND" for kind in kinds])
    return not any(
        ((block.wires >= first) & (conjunction[block.wires] == (block.kind == "AND"))).any()
        for layer in circuit.layers
        for block in layer
    )


def gate_depths(circuit: Circuit) -> Int[np.ndarray, " gates"]:
    """The depth of every gate, in the order of their wires: the layer it is in, counted from 1."""
    sizes = [sum(len(block.wires) for block in layer) for layer in circuit.layers]
    return np.repeat(np.arange(1, len(sizes) + 1), sizes)


def gate_values(
    circuit: Circuit, inputs: Bool[np.ndarray, "batch inputs"]
) -> Bool[np.ndarray, "batch gates"]:
    """What every gate outputs on every row of inputs, in the order of their wires.

    Layer by layer, 32 rows to a word, by NumPy: configurations differ in their circuits, and to compile a
    program for each (`circuits.evaluate`) takes longer than to run it.

    >>> gate_values(chain(3).circuit, np.array([[True], [False]])).tolist()
    [[True, True, True], [False, False, False]]
    """
    _refuse_other_gates(circuit)
    _refuse_other_inputs(circuit, inputs)
    first = FIRST_INPUT + circuit.inputs
    words = pack(inputs)
    values = _wires(words, np.zeros((circuit.size, words.shape[1]), np.uint32))
    end = first
    for layer in circuit.layers:
        for kind, wires in layer:
            together = np.bitwise_and if kind == "AND" else np.bitwise_or
            values[end : end + len(wires)] = together.reduce(values[wires], axis=1)
            end += len(wires)
    return unpack(values[first:], len(inputs))


def depth_of_one(circuit: Circuit, inputs: Bool[np.ndarray, "batch inputs"]) -> Int[np.ndarray, " batch"]:
    """DO1 on every row of inputs, 0 where no gate outputs 1.

    >>> depth_of_one(chain(3).circuit, np.array([[True], [False]])).tolist()
    [3, 0]
    """
    return np.max(gate_depths(circuit) * gate_values(circuit, inputs), axis=1, initial=0)


def forced(
    circuit: Circuit, inputs: Bool[np.ndarray, "batch inputs"], ones: Bool[np.ndarray, "batch gates"]
) -> Bool[np.ndarray, "batch gates"]:
    """The gates that are 1 by their inputs and by the gates `ones` known to be 1, seen from one gate away.

    An OR gate that reads one of these, an AND gate that reads nothing else. Constant depth.

    >>> forced(chain(3).circuit, np.array([[True]]), np.array([[True, False, False]])).tolist()
    [[True, True, False]]
    """
    _refuse_other_gates(circuit)
    _refuse_other_inputs(circuit, inputs)
    return unpack(_round(_groups(circuit), _wires(pack(inputs), pack(ones))), len(inputs))


def positive(circuit: Circuit, inputs: Bool[np.ndarray, "batch inputs"]) -> Bool[np.ndarray, " batch"]:
    """Whether DO1 > 0, at constant depth: whether some gate is 1 by the inputs that it reads alone.

    This stands in for the test of the special case in the proof of Theorem G.2, see
    `positive_by_first_layer`.

    >>> positive(chain(3).circuit, np.array([[True], [False]])).tolist()
    [True, False]
    """
    return np.any(forced(circuit, inputs, np.zeros((len(inputs), circuit.size), bool)), axis=1)


def positive_by_first_layer(
    circuit: Circuit, inputs: Bool[np.ndarray, "batch inputs"]
) -> Bool[np.ndarray, " batch"]:
    """Whether a gate of depth 1 outputs 1: the test of the proof of Theorem G.2, which is wrong.

    It is right where every gate reads the layer below only. Here DO1 is 2:

    >>> from .circuits import Builder
    >>> build = Builder(2)
    >>> g = build.all(build.inputs)
    >>> circuit, inputs = build.circuit([g, build.any([g, build.inputs[0]])]), np.array([[True, False]])
    >>> positive_by_first_layer(circuit, inputs).tolist(), positive(circuit, inputs).tolist()
    ([False], [True])
    """
    return np.any(gate_values(circuit, inputs)[:, gate_depths(circuit) == 1], axis=1)


def after_rounds(
    circuit: Circuit, inputs: Bool[np.ndarray, "batch inputs"], rounds: int
) -> Int[np.ndarray, "batch gates"]:
    """What is known of every gate after `rounds` rounds in which all gates are looked at: 0, 1 or -1.

    One round learns a gate's output from what the round before knew of its wires: an AND gate with a 0 is 0,
    with ones alone 1, else unknown; OR gates the other way round. This is all that a circuit of depth
    `rounds` can tell of the gates by looking at inputs `rounds` gates away. If every gate reads the layer
    below only, a gate of depth k is known after k rounds and not before.

    >>> after_rounds(chain(3).circuit, np.array([[True]]), 2).tolist()
    [[1, 1, -1]]
    """
    _refuse_other_gates(circuit)
    _refuse_other_inputs(circuit, inputs)
    if rounds < 0:
        raise ValueError(f"after_rounds: rounds={rounds}: must be 0 or more; e.g. rounds=1")
    words, groups = pack(inputs), _groups(circuit)
    shape = (circuit.size, words.shape[1])
    low, high = np.zeros(shape, np.uint32), np.full(shape, ALL_ONES)
    # Gates are monotone, so a gate is known to be 1 if it is with 0 for all that is unknown, and known to be
    # 0 if it is with 1 for all that is unknown.
    for _ in range(min(rounds, circuit.depth)):
        low, high = (_round(groups, _wires(words, gates)) for gates in (low, high))
    ones, zeros = unpack(low, len(inputs)), ~unpack(high, len(inputs))
    return np.where(ones, 1, np.where(zeros, 0, UNKNOWN))


def layered(inputs: int, layers: Sequence[Layer]) -> Circuit:
    """The circuit with a gate for each entry, whose outputs are all gates. Nothing is merged or left out.

    Every gate reads the layer below only; places are counted from 0. A ValueError for a place that is not
    there, for a gate that reads nothing, and for kinds that do not alternate.

    >>> layered(2, [("OR", [(0, 1), (1,)]), ("AND", [(0, 1)])]).size
    3
    """
    faults, made = [], []
    below, first = inputs, FIRST_INPUT
    for depth, (kind, gates) in enumerate(layers, 1):
        if kind not in ("AND", "OR") or (depth > 1 and kind == layers[depth - 2][0]):
            faults.append(f"layer {depth} is {kind!r}: must be 'AND' and 'OR' in turn")
        if any(len(gate) == 0 or not 0 <= min(gate) <= max(gate) < below for gate in gates) or not len(gates):
            faults.append(f"layer {depth}: must be gates that read places 0 to {below - 1}, one or more")
            break
        fan_in = 1 << (max(map(len, gates)) - 1).bit_length()
        wires = np.full((len(gates), fan_in), ONE if kind == "AND" else ZERO, np.int32)
        for row, gate in zip(wires, gates, strict=True):
            row[: len(gate)] = np.add(gate, first)
        made.append((Block(kind, wires),))
        first, below = first + below, len(gates)
    if faults:
        raise ValueError(
            f"layered: {'; '.join(faults)}; e.g. layered(2, [('OR', [(0, 1)]), ('AND', [(0,)])])"
        )
    gates = np.arange(FIRST_INPUT + inputs, first + below if made else FIRST_INPUT + inputs, dtype=np.int32)
    return Circuit(inputs, tuple(made), gates)


def chain(length: int) -> Configuration:
    """`length` gates of one wire each, OR and AND in turn, over an input that is 1. DO1 is `length`.

    >>> chain(2).circuit.layers[1][0].kind
    'AND'
    """
    if length < 1:
        raise ValueError(f"chain: length={length}: must be 1 or more; e.g. length=3")
    return Configuration(
        layered(1, [(("OR", "AND")[k % 2], [(0,)]) for k in range(length)]), np.array([True])
    )


def _wires(
    inputs: UInt32[np.ndarray, "inputs words"], gates: UInt32[np.ndarray, "gates words"]
) -> UInt32[np.ndarray, "wires words"]:
    constants = np.stack([np.zeros_like(inputs[0]), np.full_like(inputs[0], ALL_ONES)])
    return np.concatenate([constants, inputs, gates])


class _Group(NamedTuple):
    """Gates of one kind and one fan-in, of all layers together: what they read and their places."""

    kind: str
    wires: Int[np.ndarray, "gates fan_in"]
    places: Int[np.ndarray, " gates"]


def _groups(circuit: Circuit) -> list[_Group]:
    parts: dict[tuple[str, int], list[tuple[np.ndarray, np.ndarray]]] = {}
    end = 0
    for layer in circuit.layers:
        for kind, wires in layer:
            places = np.arange(end, end + len(wires))
            parts.setdefault((kind, wires.shape[1]), []).append((wires, places))
            end += len(wires)
    return [
        _Group(
            kind, np.concatenate([wires for wires, _ in part]), np.concatenate([places for _, places in part])
        )
        for (kind, _), part in parts.items()
    ]


def _round(
    groups: list[_Group], values: UInt32[np.ndarray, "wires words"]
) -> UInt32[np.ndarray, "gates words"]:
    """All gates at once, from the values that the wires had before."""
    found = np.zeros((sum(len(places) for *_, places in groups), values.shape[1]), np.uint32)
    for kind, wires, places in groups:
        together = np.bitwise_and if kind == "AND" else np.bitwise_or
        found[places] = together.reduce(values[wires], axis=1)
    return found


def _refuse_other_gates(circuit: Circuit) -> None:
    others = {block.kind for layer in circuit.layers for block in layer} - {"AND", "OR"}
    if others:
        raise ValueError(f"the circuit has {', '.join(sorted(others))} gates, allowed are AND and OR")


def _refuse_other_inputs(circuit: Circuit, inputs: Bool[np.ndarray, "batch inputs"]) -> None:
    if inputs.ndim != 2 or inputs.shape[1] != circuit.inputs:
        raise ValueError(f"inputs has shape {inputs.shape}, allowed is (batch, {circuit.inputs})")
