"""Arithmetic circuit value modulo a prime, on random layered circuits in which every gate matters.

The wires are two halves, u and v, of g = `gates_per_layer` numbers modulo p. Layers 0, 2, … change u and
layers 1, 3, … v: a layer's gate i adds to wire i of its half a product of two different wires of the other,

    u[i] <- u[i] + f(v[a], v[b])  mod p,   f in {ab, ab + a, ab + b, ab + 1},  a < b

(the form of `circuit_value` over another field: the round of a Feistel cipher). Inputs and gates are drawn
independently and uniformly, and all wires are asked for at the end. A circuit cut short after any gate is a
circuit too, so a gate's token is labelled with what its target then holds.

A layer is undone by subtracting what it added, since it leaves alone what it read: it is a bijection of the
p^2g states. So over uniform inputs the state after every layer is uniform, and states that differ after one
layer differ at the end: adding to any wire, on any input, changes the answer. Nothing collapses to zero, as
it does in random circuits of products, where a product is 0 once a factor is. The terms beside the products
are there because products alone would leave the zero state where it is, and for two gates a layer let both
wires of a half change by the same number. Two gates a layer modulo 3 generate a group that holds A81.

Control, `wiring="wide"`: the same tokens from the same distribution, but a gate's operands are the inputs, as
they were at the start. The answer is then, per wire, the sum of an input and its column of gates: in TC0
at every depth.

Arithmetic circuit value over a fixed finite field is P-complete, equivalent to circuit value (Greenlaw,
Hoover & Ruzzo 1995, page 124). Circuits of this form suffice, if inputs are chosen: a gate idles on a wire of
0, adds a copy with a wire of 1, and p − 1 times `t += ab` turns 1 into 1 − ab, on 0 and 1 the NAND. Circuits
of polynomial formal degree are in NC2 (Valiant, Skyum, Berkowitz & Rackoff 1983); here the degree doubles
with every layer, so their theorem covers O(log) layers only. That rules out no other shortcut.

What this task does not show: hardness of random circuits, or of few wires. At fixed g the state takes p^2g
values and the problem falls into NC1 (Barrington 1989): hardness beyond it needs `gates_per_layer` to grow
with `layers`. At a fixed modulus wires are functions of degree below p in each input, whatever the formal
degree. Modulo 2 the gates are four of those of `circuit_value`.
"""

from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from math import isqrt
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, Key

from ..cost import Cost
from ..instance import PAD, Format
from .base import FIRST, SPECIAL, in_full, integer_fault, lookup, uniform
from .layered_circuit import AbstractLayeredCircuit

TERMS = ("ab", "ab+a", "ab+b", "ab+1")
"""What a gate with operands a and b adds to its target."""
LARGEST_MODULUS = 97


@dataclass(frozen=True)
class ArithmeticCircuit(AbstractLayeredCircuit):
    """Circuits of up to `layers` layers of `gates_per_layer` gates modulo a prime. Depth is the layers.

    `wiring` is "deep" (each layer reads the one below) or "wide" (all read the inputs: the control). The
    trace holds the value of every gate; in a wide circuit that is the running sum of its column.

    >>> ArithmeticCircuit(gates_per_layer=3, layers=8, modulus=5).cost()
    Cost(work=168, span=25)
    """

    gates_per_layer: int = 3
    layers: int = 8
    modulus: int = 5
    wiring: str = "deep"

    version: ClassVar[int] = 1
    operations: ClassVar[tuple[str, ...]] = TERMS
    most_gates: ClassVar[int] = 16

    def __post_init__(self) -> None:
        modulus = integer_fault("modulus", self.modulus, 2, 5, LARGEST_MODULUS)
        if not modulus and any(self.modulus % d == 0 for d in range(2, isqrt(self.modulus) + 1)):
            modulus = [f"modulus={self.modulus}: must be a prime from 2 to {LARGEST_MODULUS}; e.g. modulus=5"]
        self.check_dials(*modulus)

    @cached_property
    def format(self) -> Format:
        wires = [f"{half}{i}" for half in "uv" for i in range(self.gates_per_layer)]
        gates = [
            f"{wire}+={other}{a}*{other}{b}{last}"
            for wire in wires
            for other in ("v" if wire[0] == "u" else "u")
            for a, b in combinations(range(self.gates_per_layer), 2)
            for last in ("", f"+{other}{a}", f"+{other}{b}", "+1")
        ]
        return Format(
            tokens=(*SPECIAL, *map(str, range(self.modulus)), *gates),
            prompt_length=self.gates_end + 2 * self.gates_per_layer,
            trace_length=self.layers * self.gates_per_layer,
            answer_length=2 * self.gates_per_layer,
        )

    @property
    def other_values(self) -> dict[str, object]:
        return {
            "modulus": 7 if self.modulus == 5 else 5,
            "wiring": "wide" if self.wiring == "deep" else "deep",
        }

    @property
    def dials_without_cost(self) -> tuple[str, ...]:
        return ("modulus",)

    @property
    def guess_rate(self) -> float:
        """All answers are equally likely: a deep circuit is a bijection, a wide one adds to the inputs."""
        return float(self.modulus) ** (-2 * self.gates_per_layer)

    def distinct(self, depth: int) -> int:
        g = self.gates_per_layer
        return self.modulus ** (2 * g) * self.gate_kinds ** (g * depth)

    def draw(self, depth: Int[Array, ""], *, key: Key[Array, ""]):
        g = self.gates_per_layer
        kinds = np.repeat([self.modulus, self.gate_kinds], [2 * g, g * self.layers])
        inputs, gates = jnp.split(uniform(kinds, key=key), [2 * g])
        return self.assembled(depth, inputs + FIRST, inputs + FIRST, gates)

    def reference(self, prompt: Int[Array, " prompt_length"]) -> Int[Array, " answer_length"]:
        g = self.gates_per_layer
        inputs = prompt[: 2 * g].reshape(2, g)
        gates = self.gates_of(prompt)
        if self.wiring == "deep":
            return self.run(inputs, gates)[0]
        # layer k changes half k % 2 by the other half's inputs
        halves = [self._column_sums(inputs[k], inputs[1 - k], gates[k::2]) for k in (0, 1)]
        return jnp.concatenate(halves)

    def cost(self) -> Cost:
        """Read the tokens; then, deep, three lookups a layer: operands, their product, its sum. Wide: two
        lookups a gate, one sum of a wire's column, its remainder, one lookup a wire."""
        g, n = self.gates_per_layer, self.layers
        if self.wiring == "deep":
            return Cost(work=7 * g * n, span=3 * n + 1)
        return Cost(work=7 * g * n + 2 * g, span=5 + (n > 2))

    def render(self, prompt: Int[np.ndarray, " prompt_length"]) -> str:
        g = self.gates_per_layer
        lines = [
            f"Wires u0 to u{g - 1} and v0 to v{g - 1} hold numbers modulo {self.modulus}. A gate "
            "adds to the wire left of += the value of the expression right of it, modulo "
            f"{self.modulus}; * is multiplication and comes before +.",
            f"The layers are carried out one after the other. {self.reads}",
            "What do all wires hold at the end? Answer with the numbers of u, then those of v, separated "
            "by spaces.",
        ]
        return "\n".join(lines + self.render_layers(prompt))

    def read_inputs(self, text: str) -> Int[np.ndarray, " inputs"]:
        return self._numbers(text, "inputs")

    def parse_answer(self, text: str) -> Int[np.ndarray, " answer_length"]:
        return self._numbers(text, "answer")

    def render_trace(self, trace: Int[np.ndarray, " trace_length"]) -> str:
        layers, text = trace.reshape(self.layers, -1), self.format.tokens
        values = [" ".join(text[t] for t in layer) for layer in layers[layers[:, 0] != PAD]]
        return "\n".join(f"layer {i}: {'uv'[(i - 1) % 2]} becomes {row}" for i, row in enumerate(values, 1))

    def _numbers(self, text: str, what: str) -> Int[np.ndarray, " numbers"]:
        numbers = in_full(self.token_ids(text.split()), 2 * self.gates_per_layer, what)
        if (numbers >= FIRST + self.modulus).any():
            raise ValueError(f"{what}: must be {len(numbers)} numbers from 0 to {self.modulus - 1}")
        return numbers

    @property
    def first_gate(self) -> int:
        return FIRST + self.modulus

    # Tables over token ids, so that no token needs to be converted. A PAD gate changes nothing.

    @cached_property
    def _kinds(self) -> np.ndarray:
        """What a gate adds, by [token]: 0 for nothing, or one more than a place in TERMS."""
        gates = len(self.operands) - self.first_gate
        return np.array([0] * self.first_gate + [1, 2, 3, 4] * (gates // len(TERMS)), np.int32)

    @cached_property
    def _products(self) -> np.ndarray:
        """What a gate adds, 0 to p - 1, by [kind, first operand, second operand]."""
        p = self.modulus
        table = np.zeros((1 + len(TERMS), FIRST + p, FIRST + p), np.int32)
        a, b = np.arange(p)[:, None], np.arange(p)
        for kind, last in enumerate((0, a, b, 1), 1):
            table[kind, FIRST:, FIRST:] = (a * b + last) % p
        return table

    @cached_property
    def _sums(self) -> np.ndarray:
        """A wire's token after a gate, by [token, what is added]."""
        p = self.modulus
        table = np.zeros((FIRST + p, p), np.int32)
        table[FIRST:] = FIRST + (np.arange(p)[:, None] + np.arange(p)) % p
        return table

    def run(
        self, inputs: Int[Array, "2 g"], gates: Int[Array, "layers g"]
    ) -> tuple[Int[Array, " answer_length"], Int[Array, "layers g"]]:
        def layer(state, now):
            target, other, read, read_next = state
            kind, wires = now
            operands = lookup(other if self.wiring == "deep" else read, wires)
            added = lookup(self._products, kind, operands[:, 0], operands[:, 1])
            target = lookup(self._sums, target, added)
            return (other, target, read_next, read), target

        u, v = inputs
        each = lookup(self._kinds, gates), lookup(self.operands, gates)
        (target, other, *_), values = jax.lax.scan(layer, (u, v, v, u), each)
        u, v = (other, target) if self.layers % 2 else (target, other)
        return jnp.concatenate([u, v]), values

    def _column_sums(
        self, onto: Int[Array, " g"], read: Int[Array, " g"], gates: Int[Array, "half g"]
    ) -> Int[Array, " g"]:
        """The inputs `onto`, each with its column of gates on the inputs `read` added."""
        operands = lookup(read, lookup(self.operands, gates))
        added = lookup(self._products, lookup(self._kinds, gates), operands[..., 0], operands[..., 1])
        total = jax.lax.rem(jnp.sum(added, axis=0), jnp.int32(self.modulus))
        return lookup(self._sums, onto, total)
