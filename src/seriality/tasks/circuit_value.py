"""The circuit value problem on random layered circuits in which every gate matters.

The wires are two halves, u and v, of g = `gates_per_layer` bits. Layers 0, 2, … change u and layers 1, 3, …
v: a layer's gate i, for i = 0..g − 1, changes wire i of its half by two wires of the other half,

    u[i] <- u[i] ⊕ op(v[a], v[b]),   op in {AND, OR, NAND, NOR, GT, LT, GE, LE},  a < b,

(all eight that are not linear; GT is a ∧ ¬b) and its value is what the wire then holds: the reversible form
of Fredkin & Toffoli (1982), the round of a Feistel cipher. Inputs and gates are drawn independently and
uniformly, and all wires are asked for at the end. Every token says all of itself: an input names its wire, a
gate its target and both operands. A circuit cut short after any gate is a circuit too, so a gate's token is
labelled with the gate's value.

No gate is constant or dead. Each layer is its own inverse, so a bijection of {0,1}^2g. So over uniform inputs
the state after every layer is uniform: each gate is 0 and 1 equally often. And states that differ after one
layer differ at the end: flipping any gate, on any input, changes the answer.

Control, `wiring="wide"`: the same tokens from the same distribution, but a gate's operands are the inputs, as
they were at the start. The answer is then, per wire, the parity of an input and its column of gates: in TC0
at every depth.

Circuit value is P-complete (Ladner 1975). What this task does not show: hardness of random circuits, or of
few wires. At fixed g the state takes 2^2g values and the problem falls into NC1 (Barrington 1989): hardness
beyond it needs `gates_per_layer` to grow with `layers`. Two gates a layer are NC1-complete already, since
their layers generate a group that holds A16. (With AND, OR, NAND and NOR alone the halves' parities would
change affinely, by themselves, and two gates a layer would be a solvable group.)
"""

from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, Key

from ..cost import Cost
from ..instance import Format
from .base import FIRST, SPECIAL, in_full, lookup, shortened, uniform
from .layered_circuit import AbstractLayeredCircuit

OPERATIONS = {
    "AND": (0, 0, 0, 1),
    "OR": (0, 1, 1, 1),
    "NAND": (1, 1, 1, 0),
    "NOR": (1, 0, 0, 0),
    "GT": (0, 0, 1, 0),
    "LT": (0, 1, 0, 0),
    "GE": (1, 0, 1, 1),
    "LE": (1, 1, 0, 1),
}
"""The value of each operation at (0, 0), (0, 1), (1, 0), (1, 1)."""

FIRST_INPUT = FIRST + 2  # values are FIRST + 0 and FIRST + 1


@dataclass(frozen=True)
class CircuitValue(AbstractLayeredCircuit):
    """Circuits of up to `layers` layers of `gates_per_layer` gates. Depth is the layers.

    `wiring` is "deep" (each layer reads the one below) or "wide" (all read the inputs: the control). The
    trace holds the value of every gate; in a wide circuit that is the running parity of its column.

    >>> CircuitValue(gates_per_layer=3, layers=8).cost()
    Cost(work=126, span=17)
    """

    gates_per_layer: int = 3
    layers: int = 8
    wiring: str = "deep"

    version: ClassVar[int] = 2
    operations: ClassVar[tuple[str, ...]] = tuple(OPERATIONS)
    most_gates: ClassVar[int] = 32

    def __post_init__(self) -> None:
        self.check_dials()

    @cached_property
    def format(self) -> Format:
        wires = [f"{half}{i}" for half in "uv" for i in range(self.gates_per_layer)]
        inputs = [f"{wire}={bit}" for wire in wires for bit in "01"]
        gates = [
            f"{wire}^={name}({other}{a},{other}{b})"
            for wire in wires
            for other in ("v" if wire[0] == "u" else "u")
            for a, b in combinations(range(self.gates_per_layer), 2)
            for name in OPERATIONS
        ]
        return Format(
            tokens=(*SPECIAL, "0", "1", *inputs, *gates),
            prompt_length=self.gates_end + 2 * self.gates_per_layer,
            trace_length=self.layers * self.gates_per_layer,
            answer_length=2 * self.gates_per_layer,
        )

    def distinct(self, depth: int) -> int:
        g = self.gates_per_layer
        return 2 ** (2 * g) * self.gate_kinds ** (g * depth)

    def draw(self, depth: Int[Array, ""], *, key: Key[Array, ""]):
        g = self.gates_per_layer
        kinds = np.repeat([2, self.gate_kinds], [2 * g, g * self.layers])
        bits, gates = jnp.split(uniform(kinds, key=key), [2 * g])
        return self.assembled(depth, bits + (FIRST_INPUT + 2 * np.arange(2 * g)), bits + FIRST, gates)

    def reference(self, prompt: Int[Array, " prompt_length"]) -> Int[Array, " answer_length"]:
        g = self.gates_per_layer
        inputs = lookup(self.input_values, prompt[: 2 * g]).reshape(2, g)
        gates = self.gates_of(prompt)
        if self.wiring == "deep":
            return self.run(inputs, gates)[0]
        # layer k changes half k % 2 by the other half's inputs
        halves = [self._column_parities(inputs[k], inputs[1 - k], gates[k::2]) for k in (0, 1)]
        return jnp.concatenate(halves)

    def cost(self) -> Cost:
        """Deep: read the tokens, two lookups a layer. Wide: read the tokens, two lookups, one XOR a wire."""
        g, n = self.gates_per_layer, self.layers
        if self.wiring == "deep":
            return Cost(work=5 * g * n + 2 * g, span=2 * n + 1)
        return Cost(work=6 * g * n + 2 * g, span=4)

    @property
    def other_values(self) -> dict[str, object]:
        return {"wiring": "wide" if self.wiring == "deep" else "deep"}

    @property
    def guess_rate(self) -> float:
        """All answers are equally likely: a deep circuit is a bijection, a wide one flips uniform bits."""
        return 2.0 ** (-2 * self.gates_per_layer)

    def render(self, prompt: Int[np.ndarray, " prompt_length"]) -> str:
        g = self.gates_per_layer
        lines = [
            f"Wires u0 to u{g - 1} and v0 to v{g - 1} hold bits. The gate t^=OP(a,b) replaces the bit t "
            "by t XOR OP(a,b), where OP is:",
            "AND: 1 if a and b are 1. OR: 1 if a or b is 1. NAND: the opposite of AND. "
            "NOR: the opposite of OR. GT: 1 if a is 1 and b is 0. LT: 1 if a is 0 and b is 1. "
            "GE: the opposite of LT. LE: the opposite of GT.",
            f"The layers are carried out one after the other. {self.reads}",
            "What do all wires hold at the end? Answer with the bits of u, a space, and the bits of v.",
        ]
        return "\n".join(lines + self.render_layers(prompt))

    def read_inputs(self, text: str) -> Int[np.ndarray, " inputs"]:
        inputs = in_full(self.token_ids(text.split()), 2 * self.gates_per_layer, "inputs")
        wanted = FIRST_INPUT + 2 * np.arange(len(inputs))
        if (wrong := np.flatnonzero((inputs != wanted) & (inputs != wanted + 1))).size:
            raise ValueError(f"inputs: {self.format.tokens[inputs[wrong[0]]]} is not in its place")
        return inputs

    def render_answer(self, answer: Int[np.ndarray, " answer_length"]) -> str:
        bits = "".join({FIRST: "0", FIRST + 1: "1"}.get(token, "?") for token in answer.tolist())
        return f"{bits[: self.gates_per_layer]} {bits[self.gates_per_layer :]}"

    def parse_answer(self, text: str) -> Int[np.ndarray, " answer_length"]:
        halves, g = text.split(), self.gates_per_layer
        if [len(half) for half in halves] != [g, g] or set("".join(halves)) - {"0", "1"}:
            raise ValueError(
                f"{shortened(text)}: must be {g} bits, a space and {g} bits; e.g. {'0' * g} {'1' * g}"
            )
        return np.array([FIRST + int(bit) for bit in "".join(halves)], np.int32)

    def render_trace(self, trace: Int[np.ndarray, " trace_length"]) -> str:
        values = [
            "".join(self.format.tokens[t] for t in row) for row in trace.reshape(self.layers, -1) if row[0]
        ]
        return "\n".join(f"layer {i}: {'uv'[(i - 1) % 2]} becomes {bits}" for i, bits in enumerate(values, 1))

    @property
    def first_gate(self) -> int:
        return FIRST_INPUT + 4 * self.gates_per_layer

    # Tables over token ids, so that no token needs to be converted. A PAD gate changes nothing.

    @cached_property
    def input_values(self) -> np.ndarray:
        """The value that an input's token gives its wire."""
        return (FIRST + np.arange(self.first_gate) % 2).astype(np.int32)

    @cached_property
    def _flips(self) -> np.ndarray:
        """Whether a gate inverts its target, by [token, first operand, second operand]."""
        table = np.zeros((len(self.operands), FIRST + 2, FIRST + 2), np.int32)
        outcomes = np.array(list(OPERATIONS.values())).reshape(-1, 2, 2)
        gates = len(self.operands) - self.first_gate
        table[self.first_gate :, FIRST:, FIRST:] = np.tile(outcomes, (gates // len(outcomes), 1, 1))
        return table

    @cached_property
    def _new(self) -> np.ndarray:
        """What the target holds after a gate, by [token, target, first operand, second operand]."""
        return np.arange(FIRST + 2, dtype=np.int32)[:, None, None] ^ self._flips[:, None]

    def run(
        self, inputs: Int[Array, "2 g"], gates: Int[Array, "layers g"]
    ) -> tuple[Int[Array, " answer_length"], Int[Array, "layers g"]]:
        def layer(state, now):
            target, other, read, read_next = state
            gate, wires = now
            operands = lookup(other if self.wiring == "deep" else read, wires)
            target = lookup(self._new, gate, target, operands[:, 0], operands[:, 1])
            return (other, target, read_next, read), target

        u, v = inputs
        wires = lookup(self.operands, gates)
        (target, other, *_), values = jax.lax.scan(layer, (u, v, v, u), (gates, wires))
        u, v = (other, target) if self.layers % 2 else (target, other)
        return jnp.concatenate([u, v]), values

    def flips(self, read: Int[Array, " g"], gates: Int[Array, "layers g"]) -> Int[Array, "layers g"]:
        """Whether each gate inverts its target, if it reads these values of the other half."""
        operands = lookup(read, lookup(self.operands, gates))
        return lookup(self._flips, gates, operands[..., 0], operands[..., 1])

    def _column_parities(
        self, onto: Int[Array, " g"], read: Int[Array, " g"], gates: Int[Array, "half g"]
    ) -> Int[Array, " g"]:
        """The inputs `onto`, each XOR its column of gates on the inputs `read`."""
        return jnp.bitwise_xor.reduce(jnp.concatenate([onto[None], self.flips(read, gates)]), axis=0)
