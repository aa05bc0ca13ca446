"""The circuit value problem on random layered circuits in which every gate matters.

The state is two half-registers (u, v) of g = `gates_per_layer` bits. A layer computes g new gates,

    new[i] = u[i] ⊕ op_i(v[a_i], v[b_i]),   op_i in {AND, OR, NAND, NOR},  a_i < b_i,

and passes on (v, new): the reversible form of Fredkin & Toffoli (1982), the round of a Feistel cipher. Inputs
and gates are drawn independently and uniformly, and all final wires are asked for. A circuit cut short after
any gate is a circuit too, so each gate's token is labelled with the gate's value.

No gate is constant or dead. Each layer is a bijection of {0,1}^2g, with inverse (v, new) ↦ (new ⊕ op(v), v).
So over uniform inputs the state after every layer is uniform: each gate is 0 and 1 equally often. And states
that differ after one layer differ at the end: flipping any gate, on any input, changes the answer.

Control, `wiring="wide"`: the same tokens from the same distribution, but a gate's operands are inputs: v in
the layers 0, 2, …, u in the layers 1, 3, …; each layer is XORed onto the half that it does not read. The
answer is then, per wire, the parity of an input and its column of gates: in TC0 at every depth.

Circuit value is P-complete (Ladner 1975). What this task does not show: hardness of random circuits, or of
few wires. At fixed g the state takes 2^2g values and the problem falls into NC1 (Barrington 1989): hardness
needs `gates_per_layer` to grow with `layers`.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations
from math import comb
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, Key

from ..cost import Cost
from ..instance import PAD, UNASKED, Format
from .base import (
    FIRST,
    SPECIAL,
    AbstractTask,
    integer_fault,
    lay_out,
    lookup,
    refuse,
    uniform,
)

OPERATIONS = {
    "AND": (0, 0, 0, 1),
    "OR": (0, 1, 1, 1),
    "NAND": (1, 1, 1, 0),
    "NOR": (1, 0, 0, 0),
}
"""The value of each operation at (0, 0), (0, 1), (1, 0), (1, 1)."""

FIRST_GATE = FIRST + 2  # wires are FIRST + 0 and FIRST + 1


@dataclass(frozen=True)
class CircuitValue(AbstractTask):
    """Circuits of up to `layers` layers of `gates_per_layer` gates. Depth is the layers.

    `wiring` is "deep" (each layer reads the one below) or "wide" (all read the inputs: the control). The
    trace holds the value of every gate; in a wide circuit that is the running parity of its column.

    >>> CircuitValue(gates_per_layer=3, layers=8).cost()
    Cost(work=141, span=18)
    """

    gates_per_layer: int = 3
    layers: int = 8
    wiring: str = "deep"

    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        faults = integer_fault("gates_per_layer", self.gates_per_layer, 2, 3)
        faults += integer_fault("layers", self.layers, 1, 8)
        if self.wiring not in ("deep", "wide"):
            faults.append(f"wiring={self.wiring!r}: must be 'deep' or 'wide'; e.g. wiring='deep'")
        refuse("CircuitValue", faults)

    @property
    def format(self) -> Format:
        pairs = combinations(range(self.gates_per_layer), 2)
        gates = [f"{name}({a},{b})" for a, b in pairs for name in OPERATIONS]
        return Format(
            tokens=(*SPECIAL, "0", "1", *gates),
            prompt_length=self._gates_end + 2 * self.gates_per_layer,
            trace_length=self.layers * self.gates_per_layer,
            answer_length=2 * self.gates_per_layer,
        )

    @property
    def max_depth(self) -> int:
        return self.layers

    def resized(self, max_depth: int) -> "CircuitValue":
        return replace(self, layers=max_depth)

    @property
    def control(self) -> "CircuitValue | None":
        """The wide circuits; None if this task is them."""
        return None if self.wiring == "wide" else replace(self, wiring="wide")

    def distinct(self, depth: int) -> int:
        g = self.gates_per_layer
        return 2 ** (2 * g) * self._gate_kinds ** (g * depth)

    def draw(self, key: Key[Array, ""], depth: Int[Array, ""]):
        g = self.gates_per_layer
        kinds = np.repeat([2, self._gate_kinds], [2 * g, g * self.layers])
        inputs, gates = jnp.split(uniform(key, kinds), [2 * g])
        inputs, gates = inputs + FIRST, gates.reshape(self.layers, g) + FIRST_GATE
        within = jnp.arange(self.layers)[:, None] < depth
        gates = jnp.where(within, gates, PAD)
        rows = self._rows(inputs.reshape(2, g), gates)
        prompt = lay_out(jnp.concatenate([inputs, gates.ravel()]), 2 * g)
        answer = jax.lax.dynamic_slice(rows, (depth, 0), (2, g)).ravel()
        trace = jnp.where(within, rows[2:], PAD).ravel()
        values = jnp.where(within, rows[2:], UNASKED).ravel()
        labels = jnp.concatenate([jnp.full(2 * g, UNASKED, values.dtype), values, answer])
        return prompt, labels, trace, answer

    def reference(self, prompt: Int[Array, " prompt_length"]) -> Int[Array, " answer_length"]:
        g = self.gates_per_layer
        inputs = prompt[: 2 * g].reshape(2, g)
        gates = prompt[2 * g : self._gates_end].reshape(self.layers, g)
        depth = jnp.sum(gates[:, 0] != PAD)
        if self.wiring == "deep":
            rows, start = self._rows(inputs, gates), depth
        else:
            u, v = inputs
            even, odd = self._column_parities(u, v, gates[0::2]), self._column_parities(v, u, gates[1::2])
            rows, start = jnp.concatenate([even, odd, even]), depth & 1
        # (u, v) after d layers are rows d and d + 1
        return jnp.concatenate([lookup(rows[:-1], start), lookup(rows[1:], start)])

    def cost(self) -> Cost:
        """Deep: read the wiring, two lookups a layer, read the answer. Wide: four steps, read the answer."""
        g, n = self.gates_per_layer, self.layers
        counting_layers, answering = 2 * n - 1, 2 * g
        if self.wiring == "deep":
            return Cost(work=5 * g * n + counting_layers + answering, span=2 * n + 2)
        return Cost(work=6 * g * n + counting_layers + 1 + answering, span=5)

    def render(
        self,
        prompt: Int[np.ndarray, " prompt_length"],
        trace: Int[np.ndarray, " trace_length"],
        answer: Int[np.ndarray, " answer_length"],
    ) -> str:
        g, text = self.gates_per_layer, self.format.tokens
        gates = prompt[2 * g : self._gates_end].reshape(self.layers, g)
        cells = [[text[t] for t in layer] for layer in gates[gates[:, 0] != PAD]]
        width = max(len(cell) for row in cells for cell in row)
        bits = [
            "".join(text[t] for t in half) for half in (*prompt[: 2 * g].reshape(2, g), *answer.reshape(2, g))
        ]
        values = ["".join(text[t] for t in layer) for layer in trace.reshape(self.layers, g)]
        lines = [
            f"layer {i + 1}  {'  '.join(cell.ljust(width) for cell in row)}  -> {values[i]}"
            for i, row in enumerate(cells)
        ]
        read = "the layer below" if self.wiring == "deep" else "the inputs"
        return "\n".join(
            [
                f"gates read {read}",
                f"inputs: u={bits[0]} v={bits[1]}",
                *lines,
                f"answer: u={bits[2]} v={bits[3]}",
            ]
        )

    @property
    def _gate_kinds(self) -> int:
        return len(OPERATIONS) * comb(self.gates_per_layer, 2)

    @property
    def _gates_end(self) -> int:
        return 2 * self.gates_per_layer + self.gates_per_layer * self.layers

    # Tables over token ids, so that no token needs to be converted. A PAD gate reads wires 0 and is 0.

    @cached_property
    def _operands(self) -> np.ndarray:
        """The two wires that a gate reads, by [gate]."""
        pairs = combinations(range(self.gates_per_layer), 2)
        wires = [pair for pair in pairs for _ in OPERATIONS]
        return np.array([(0, 0)] * FIRST_GATE + wires, np.int32)

    @cached_property
    def _values(self) -> np.ndarray:
        """The bit of an operation by [gate, first operand, second operand]."""
        table = np.zeros((len(self._operands), FIRST + 2, FIRST + 2), np.int32)
        outcomes = np.array(list(OPERATIONS.values())).reshape(-1, 2, 2)
        table[FIRST_GATE:, FIRST:, FIRST:] = np.tile(outcomes, (self._gate_kinds // len(outcomes), 1, 1))
        return table

    @cached_property
    def _new(self) -> np.ndarray:
        """The token of a new gate by [gate, token it is XORed onto, first operand, second operand]."""
        return np.arange(FIRST + 2, dtype=np.int32)[:, None, None] ^ self._values[:, None]

    def _rows(self, inputs: Int[Array, "2 g"], gates: Int[Array, "layers g"]) -> Int[Array, "rows g"]:
        """Rows u, v, and then the gates of each layer: two rows before, XOR the operations of the layer."""

        def layer(state, now):
            u, v, read, other = state
            gate, wires = now
            operands = lookup(read, wires)
            new = lookup(self._new, gate, u, operands[:, 0], operands[:, 1])
            return (v, new, new, v) if self.wiring == "deep" else (v, new, other, read), new

        u, v = inputs
        _, new = jax.lax.scan(layer, (u, v, v, u), (gates, lookup(self._operands, gates)))
        return jnp.concatenate([inputs, new])

    def _column_parities(
        self, onto: Int[Array, " g"], read: Int[Array, " g"], gates: Int[Array, "half g"]
    ) -> Int[Array, "1 g"]:
        """The inputs `onto`, each XOR the operations of its column on the inputs `read`; as one row."""
        operands = lookup(read, lookup(self._operands, gates))
        values = lookup(self._values, gates, operands[..., 0], operands[..., 1])
        return jnp.bitwise_xor.reduce(jnp.concatenate([onto[None], values]), axis=0, keepdims=True)
