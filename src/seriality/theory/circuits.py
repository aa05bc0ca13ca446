"""Threshold circuits: AND, OR, NOT and MAJORITY gates of unbounded fan-in, evaluated on 32 inputs at a time.

These are the circuits of Definition D.1 of Liu et al. 2025: MAJORITY is 1 if more than half of its wires are,
and the depth of a circuit is its longest path from an input, NOT gates included (textbooks often let
negations be free). TC0 is what circuits of constant depth and polynomial size compute.

A wire is a number: 0 and 1 are the constants, 2 to 1 + n the inputs, and the gates follow in the order of
their layers. A gate of depth k is in layer k. The gates of a layer lie in blocks of one kind and one fan-in,
a power of two: shorter gates are padded by constants that change nothing, which for MAJORITY are as many
zeros as ones, and one more of the kind that keeps a tie a tie. Wires may be repeated: that is a weight.

`evaluate` packs a batch into words of 32 instances, so one machine instruction is 32 gates; a MAJORITY gate
adds its wires as bit planes in a tree of adders. Layers that look alike are run by a scan, so that compile
time depends on how many kinds of layers there are and not on how many layers.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int, UInt32

ZERO, ONE = 0, 1
"""The constant wires."""
FIRST_INPUT = 2
KINDS = ("AND", "OR", "NOT", "MAJORITY")
FILLING = 2
"""How much larger a stretch of layers may become when its layers are made alike."""
MOST_UNROLLED = 16
"""Wires of a gate that are combined one after the other; of more, by a reduction."""
TILE = 256
"""Most words of a batch that are evaluated together, so that the values of a circuit stay in the cache."""
ROOM = 2**20
"""Most words that the gates of a layer read together, a gate with more wires than that aside."""


class Block(NamedTuple):
    """Gates of one kind and one padded fan-in."""

    kind: str
    wires: Int[np.ndarray, "gates fan_in"]


@dataclass(frozen=True)
class Circuit:
    """`layers` of blocks over `inputs` bits, and the wires of the outputs. Made by a `Builder`.

    >>> build = Builder(3)
    >>> circuit = build.circuit([build.majority(build.inputs)])
    >>> circuit.size, circuit.depth, circuit.edges
    (1, 1, 3)
    >>> circuit(np.array([[0, 1, 0], [1, 1, 0]], bool)).tolist()
    [[False], [True]]
    """

    inputs: int
    layers: tuple[tuple[Block, ...], ...]
    outputs: Int[np.ndarray, " outputs"]

    @property
    def size(self) -> int:
        """The number of gates."""
        return sum(len(block.wires) for layer in self.layers for block in layer)

    @property
    def depth(self) -> int:
        """The gates on the longest path."""
        return len(self.layers)

    @property
    def edges(self) -> int:
        """Wires into gates, constants not counted, a repeated wire as often as it is there."""
        return sum(int((block.wires >= FIRST_INPUT).sum()) for layer in self.layers for block in layer)

    @property
    def fan_in(self) -> int:
        """The most wires of a gate, constants not counted."""
        fans = [(block.wires >= FIRST_INPUT).sum(1).max() for layer in self.layers for block in layer]
        return int(max(fans, default=0))

    def __call__(self, bits: Bool[np.ndarray, "batch inputs"]) -> Bool[np.ndarray, "batch outputs"]:
        """The outputs for every row of inputs."""
        if bits.ndim != 2 or bits.shape[1] != self.inputs:
            raise ValueError(f"bits has shape {bits.shape}, allowed is (batch, {self.inputs})")
        return unpack(np.asarray(evaluate(self, jnp.asarray(pack(bits)))), len(bits))


class Builder:
    """Gates one after the other, each told by the wires it reads; `circuit` sorts them into layers.

    >>> build = Builder(2)
    >>> a, b = build.inputs
    >>> exclusive = build.all([build.any([a, b]), build.negate(build.all([a, b]))])
    >>> circuit = build.circuit([exclusive])
    >>> circuit.depth, circuit.size
    (3, 4)
    """

    def __init__(self, inputs: int):
        if inputs < 1:
            raise ValueError(f"inputs is {inputs}, allowed is 1 or more")
        self.inputs = tuple(range(FIRST_INPUT, FIRST_INPUT + inputs))
        self._gates: list[tuple[str, tuple[int, ...]]] = []
        self._depths = [0] * (FIRST_INPUT + inputs)
        self._known: dict[tuple[str, tuple[int, ...]], int] = {}

    def depth(self, wire: int) -> int:
        """The gates on the longest path to a wire."""
        return self._depths[wire]

    def gate(self, kind: str, wires: Iterable[int]) -> int:
        """A gate's wire. A gate that is already there (the same kind, the same wires) is used again."""
        wires = tuple(sorted(int(wire) for wire in wires))
        if kind not in KINDS:
            raise ValueError(f"there is no gate {kind!r}; there are {', '.join(KINDS)}")
        if wires and not 0 <= wires[0] <= wires[-1] < len(self._depths):
            raise ValueError(f"wires {wires}: allowed are those there are, 0 to {len(self._depths) - 1}")
        if kind == "NOT" and len(wires) != 1:
            raise ValueError(f"NOT reads one wire, not {len(wires)}")
        if not wires:
            return ONE if kind == "AND" else ZERO
        if (kind, wires) not in self._known:
            self._known[kind, wires] = len(self._depths)
            self._gates.append((kind, wires))
            self._depths.append(1 + max(self._depths[wire] for wire in wires))
        return self._known[kind, wires]

    def all(self, wires: Iterable[int]) -> int:
        """An AND gate."""
        return self.gate("AND", wires)

    def any(self, wires: Iterable[int]) -> int:
        """An OR gate."""
        return self.gate("OR", wires)

    def negate(self, wire: int) -> int:
        """A NOT gate."""
        return self.gate("NOT", [wire])

    def majority(self, wires: Iterable[int]) -> int:
        """A MAJORITY gate."""
        return self.gate("MAJORITY", wires)

    def at_least(self, count: int, wires: Sequence[int]) -> int:
        """Whether at least `count` of the wires are 1: a MAJORITY gate that also reads constants.

        Of m wires, z zeros and o ones more than half are 1 if c + o > (m + z + o) / 2, and that is
        c >= count for z - o = 2 count - 1 - m.
        """
        if count <= 0:
            return ONE
        if count > len(wires):
            return ZERO
        spare = 2 * count - 1 - len(wires)
        return self.majority([*wires, *[ZERO] * max(spare, 0), *[ONE] * max(-spare, 0)])

    def exclusive(self, left: int, right: int) -> int:
        """The XOR of two wires, by four gates of depth 3."""
        return self.all([self.any([left, right]), self.negate(self.all([left, right]))])

    def circuit(self, outputs: Iterable[int]) -> Circuit:
        """The circuit of what the outputs need: other gates are left out."""
        outputs = [int(wire) for wire in outputs]
        first = FIRST_INPUT + len(self.inputs)
        needed = set(outputs)
        for place in range(len(self._gates) - 1, -1, -1):
            if first + place in needed:
                needed.update(self._gates[place][1])
        number = dict(zip(range(first), range(first), strict=True))
        layers: dict[int, dict[tuple[str, int], list[int]]] = {}
        for place, (kind, wires) in enumerate(self._gates):
            if first + place in needed:
                fan_in = 1 << (len(wires) - 1).bit_length()
                blocks = layers.setdefault(self._depths[first + place], {})
                blocks.setdefault((kind, fan_in), []).append(place)
        made = []
        for depth in sorted(layers):
            blocks = sorted(layers[depth].items())
            for _, places in blocks:
                for place in places:
                    number[first + place] = len(number)
            made.append(
                tuple(
                    Block(
                        kind,
                        np.array(
                            [
                                [*(number[w] for w in self._gates[place][1]), *self._padding(place, fan_in)]
                                for place in places
                            ],
                            np.int32,
                        ),
                    )
                    for (kind, fan_in), places in blocks
                )
            )
        return Circuit(len(self.inputs), tuple(made), np.array([number[w] for w in outputs], np.int32))

    def _padding(self, place: int, fan_in: int) -> list[int]:
        """Constants that change nothing. An odd number of them for MAJORITY: with one more zero if the
        wires are even (half of them is not enough), with one more one if they are odd."""
        kind, wires = self._gates[place]
        spare = fan_in - len(wires)
        if kind != "MAJORITY":
            return [ONE if kind == "AND" else ZERO] * spare
        ones = (spare + len(wires) % 2) // 2
        return [ONE] * ones + [ZERO] * (spare - ones)


def pack(bits: Bool[np.ndarray, "batch wires"]) -> UInt32[np.ndarray, "wires words"]:
    """The columns as words of 32 rows, the first row in the lowest bit; zeros fill the last word."""
    spare = -len(bits) % 32
    padded = np.pad(np.asarray(bits, bool), [(0, spare), (0, 0)]).T
    packed = np.packbits(padded, axis=1, bitorder="little")
    return np.ascontiguousarray(packed).view("<u4").astype(np.uint32).reshape(bits.shape[1], -1)


def unpack(words: UInt32[np.ndarray, "wires words"], count: int) -> Bool[np.ndarray, "count wires"]:
    """The first `count` rows that were packed.

    >>> bits = np.random.default_rng(0).random((70, 3)) < 0.5
    >>> bool((unpack(pack(bits), 70) == bits).all())
    True
    """
    octets = np.ascontiguousarray(words.astype("<u4")).view(np.uint8)
    return np.unpackbits(octets, axis=1, count=count, bitorder="little").T.astype(bool)


def every_input(inputs: int) -> Bool[np.ndarray, "rows inputs"]:
    """All 2^inputs rows of bits; row r holds the binary digits of r, the lowest first."""
    rows = np.arange(2**inputs)
    return (rows[:, None] >> np.arange(inputs)) & 1 == 1


def evaluate(circuit: Circuit, words: UInt32[Array, "inputs words"]) -> UInt32[Array, "outputs words"]:
    """The outputs for packed inputs (`pack`)."""
    if words.shape[0] != circuit.inputs:
        raise ValueError(f"words has {words.shape[0]} rows, allowed is one for each input: {circuit.inputs}")
    count = words.shape[1]
    read = max((sum(block.wires.size for block in layer) for layer in circuit.layers), default=1)
    tile = max(1, min(TILE, count, ROOM // read))
    padded = jnp.pad(words, [(0, 0), (0, -count % tile)]).reshape(circuit.inputs, -1, tile).swapaxes(0, 1)
    found = _run(padded, *_program(circuit))
    return found.swapaxes(0, 1).reshape(len(circuit.outputs), -1)[:, :count]


class _Gates(NamedTuple):
    """Gates of one fan-in as they are computed, of `turns` layers that are alike. All but MAJORITY are an OR
    of wires that may be inverted, itself inverted or not; masks are a word of zeros or of ones for each gate.
    """

    wires: Int[Array | np.ndarray, "turns gates fan_in"]
    before: UInt32[Array | np.ndarray, "turns gates"]
    after: UInt32[Array | np.ndarray, "turns gates"]


_Signature = dict[tuple[str, int], int]
"""How many gates a layer has, by ("OR" or "MAJORITY", fan-in)."""
_INVERTED = {"OR": (0, 0), "AND": (1, 1), "NOT": (0, 1), "MAJORITY": (0, 0)}
"""Whether a gate's wires are inverted before the OR, and the outcome after it."""


def _program(circuit: Circuit) -> tuple[list[dict[tuple[str, int], _Gates]], Int[np.ndarray, " outputs"]]:
    """A circuit as stretches of layers, each filled up with gates that nobody reads until its layers are
    alike, and where the outputs then are."""
    sizes = [_signature(layer) for layer in circuit.layers]
    first = FIRST_INPUT + circuit.inputs
    number = np.arange(first + circuit.size, dtype=np.int32)  # of each wire, with the filling
    old, new, parts = first, first, []
    for start, end in _stretches(sizes):
        signature = _largest(sizes[start:end])
        part = {
            (kind, fan_in): _Gates(
                np.zeros((end - start, gates, fan_in), np.int32),
                np.zeros((end - start, gates), np.uint32),
                np.zeros((end - start, gates), np.uint32),
            )
            for (kind, fan_in), gates in signature.items()
        }
        for turn, layer in enumerate(circuit.layers[start:end]):
            began, at = {}, new
            for key, gates in signature.items():
                began[key], at = at, at + gates
            filled = dict.fromkeys(signature, 0)
            for kind, wires in layer:
                key = ("MAJORITY" if kind == "MAJORITY" else "OR", wires.shape[1])
                place = slice(filled[key], filled[key] + len(wires))
                part[key].wires[turn, place] = number[wires]
                for masks, inverted in zip(part[key][1:], _INVERTED[kind], strict=True):
                    masks[turn, place] = np.uint32(0xFFFFFFFF * inverted)
                number[old : old + len(wires)] = began[key] + np.arange(place.start, place.stop)
                old, filled[key] = old + len(wires), place.stop
            new = at
        parts.append(part)
    return parts, number[circuit.outputs]


def _signature(layer: tuple[Block, ...]) -> _Signature:
    found: _Signature = {}
    for kind, wires in layer:
        key = ("MAJORITY" if kind == "MAJORITY" else "OR", wires.shape[1])
        found[key] = found.get(key, 0) + len(wires)
    return found


def _largest(signatures: Sequence[_Signature]) -> _Signature:
    keys = sorted({key for signature in signatures for key in signature})
    return {key: max(signature.get(key, 0) for signature in signatures) for key in keys}


def _stretches(sizes: list[_Signature]) -> list[tuple[int, int]]:
    """Where layers that are run together begin and end: as long as filling up costs no more than `FILLING`
    times what is there. A lone layer is a stretch."""

    def cost(signature: _Signature) -> int:
        return sum(fan_in * gates for (_, fan_in), gates in signature.items())

    found, start, own = [], 0, 0
    largest: _Signature = {}
    for place, size in enumerate(sizes):
        larger = _largest([largest, size])
        if place > start and cost(larger) * (place + 1 - start) > FILLING * (own + cost(size)):
            found.append((start, place))
            start, own, larger = place, 0, size
        largest, own = larger, own + cost(size)
    return [*found, (start, len(sizes))] if sizes else []


@jax.jit
def _run(tiles, parts, outputs):
    inputs = tiles.shape[1]
    gates = sum(block.before.size for part in parts for block in part.values())

    def one(words):
        values = jnp.zeros((FIRST_INPUT + inputs + gates, words.shape[1]), jnp.uint32)
        values = values.at[ONE].set(jnp.uint32(0xFFFFFFFF))
        values = values.at[FIRST_INPUT : FIRST_INPUT + inputs].set(words)
        end = FIRST_INPUT + inputs
        for part in parts:
            values, end = _layers(part, values, end)
        return _read(values, outputs)

    return jax.lax.map(one, tiles)


def _layers(part, values, end):
    """The values with those of a stretch of layers, the first of which is written at `end`.

    What a layer reads is fetched before its turn begins: a loop that reads and writes the values in one turn
    makes XLA copy all of them every time.
    """
    following = {key: jnp.roll(block.wires, -1, axis=0) for key, block in part.items()}
    masks = {key: (block.before, block.after) for key, block in part.items()}

    def turn(state, now):
        values, read, end = state
        masks, following = now
        found = jnp.concatenate([_gates(kind, read[kind, n], *masks[kind, n]) for kind, n in part])
        values = jax.lax.dynamic_update_slice_in_dim(values, found, end, axis=0)
        return (values, _fetch(values, following), end + len(found)), None

    read = _fetch(values, {key: block.wires[0] for key, block in part.items()})
    (values, _, _), _ = jax.lax.scan(turn, (values, read, jnp.int32(end)), (masks, following))
    return values, end + sum(block.before.size for block in part.values())


def _fetch(values, wires):
    return {key: _read(values, each) for key, each in wires.items()}


def _read(values: UInt32[Array, "wires words"], wires: Int[Array, "..."]) -> UInt32[Array, "..."]:
    return values.at[wires].get(mode="promise_in_bounds", wrap_negative_indices=False)


def _gates(
    kind: str,
    read: UInt32[Array, "gates fan_in words"],
    before: UInt32[Array, " gates"],
    after: UInt32[Array, " gates"],
) -> UInt32[Array, "gates words"]:
    if kind == "MAJORITY":
        return _majority(read)
    read = read ^ before[:, None, None]
    if read.shape[1] > MOST_UNROLLED:
        return jnp.bitwise_or.reduce(read, axis=1) ^ after[:, None]
    return reduce(jnp.bitwise_or, [read[:, place] for place in range(read.shape[1])]) ^ after[:, None]


def _majority(read: UInt32[Array, "gates fan_in words"]) -> UInt32[Array, "gates words"]:
    """Whether more than half of 2^m planes are 1: numbers of one bit, two bits, ... are added in pairs."""
    planes = [read]
    while planes[0].shape[1] > 1:
        left, right = ([plane[:, start::2] for plane in planes] for start in (0, 1))
        carry, total = jnp.zeros_like(left[0]), []
        for a, b in zip(left, right, strict=True):
            half = a ^ b
            total.append(half ^ carry)
            carry = (a & b) | (half & carry)
        planes = [*total, carry]
    *low, high = (plane[:, 0] for plane in planes)
    if len(low) < 2:  # one wire, or two: more than half are all
        return high
    return high | (low[-1] & reduce(jnp.bitwise_or, low[:-1]))
