"""What circuits of two halves have in common: layers that change the halves in turn, and their tokens.

Layers 0, 2, … change the half u and layers 1, 3, … the half v; gate i of a layer changes wire i of its half
by two wires of the other. The tokens are the values of a wire, those of inputs where they are others, and the
gates: by target, then by operands, then by operation.
"""

import abc
from dataclasses import replace
from functools import cached_property
from itertools import combinations
from math import comb
from typing import Any, ClassVar

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int

from ..instance import PAD, QUERY, UNASKED
from .base import AbstractTask, in_full, integer_fault, lay_out, line_after, refuse, shortened, size_fault
from .layered_picture import layered_picture
from .texts import same_text


class AbstractLayeredCircuit(AbstractTask):
    """A task on layered circuits: a subclass adds values, operations, the reference and its cost."""

    gates_per_layer: int
    layers: int
    wiring: str

    operations: ClassVar[tuple[str, ...]]
    """The names of what a gate does with its operands."""
    most_gates: ClassVar[int]
    """The most gates to a layer: the vocabulary names every gate, and grows with their third power."""

    @property
    @abc.abstractmethod
    def first_gate(self) -> int:
        """The token of the first gate of the first target; those of the next target follow."""

    @abc.abstractmethod
    def read_inputs(self, text: str) -> Int[np.ndarray, " inputs"]:
        """The tokens of the inputs as the question tells them."""

    @abc.abstractmethod
    def run(
        self, inputs: Int[Array, "2 g"], gates: Int[Array, "layers g"]
    ) -> tuple[Int[Array, " answer_length"], Int[Array, "layers g"]]:
        """What the wires hold at the end, and each gate's value."""

    def check_dials(self, *more: str) -> None:
        """Refuse dials that cannot be; `more` are the faults of a subclass's own."""
        g, n = self.gates_per_layer, self.layers
        faults = integer_fault("gates_per_layer", g, 2, 3, self.most_gates)
        faults += integer_fault("layers", n, 1, 8)
        faults += more
        if self.wiring not in ("deep", "wide"):
            faults.append(f"wiring={self.wiring!r}: must be 'deep' or 'wide'; e.g. wiring='deep'")
        refuse(type(self).__name__, faults or size_fault(g * n, gates_per_layer=g, layers=n))

    @classmethod
    def deep_and_wide(
        cls, gates: int = 32, *, narrow: int = 2
    ) -> "tuple[AbstractLayeredCircuit, AbstractLayeredCircuit]":
        """A deep-narrow and a shallow-wide task of as many gates: `narrow` a layer in gates / narrow layers,
        and the other way round. To tell what depth does at equal work; inputs and answers are longer in the
        shallow one.

        >>> from seriality.tasks import CircuitValue
        >>> CircuitValue.deep_and_wide(32)[1]
        CircuitValue(gates_per_layer=16, layers=2, wiring='deep')
        """
        faults = integer_fault("gates", gates, 4, 32) + integer_fault("narrow", narrow, 2, 2, cls.most_gates)
        if not faults and (gates % narrow or not narrow <= gates // narrow <= cls.most_gates):
            most = narrow * cls.most_gates
            faults = [f"gates={gates}: must be a multiple of narrow={narrow}, from {narrow**2} to {most}"]
        refuse(f"{cls.__name__}.deep_and_wide", faults)
        deep, wide = (narrow, gates // narrow), (gates // narrow, narrow)
        return tuple(cls(gates_per_layer=g, layers=n) for g, n in (deep, wide))  # type: ignore[call-arg]

    @property
    def max_depth(self) -> int:
        return self.layers

    def resized(self, max_depth: int) -> "AbstractLayeredCircuit":
        return replace(self, layers=max_depth)  # type: ignore[type-var]

    @property
    def control(self) -> "AbstractLayeredCircuit | None":
        """The wide circuits; None if this task is them."""
        return None if self.wiring == "wide" else replace(self, wiring="wide")  # type: ignore[type-var]

    def leading(self, depth: int) -> int:
        return 2 * self.gates_per_layer + self.gates_per_layer * depth

    # Instances

    def assembled(
        self,
        depth: Int[Array, ""],
        inputs: Int[Array, " inputs"],
        values: Int[Array, " inputs"],
        gates: Int[Array, " gates"],
    ) -> tuple[
        Int[Array, " prompt_length"],
        Int[Array, " prompt_length"],
        Int[Array, " trace_length"],
        Int[Array, " answer_length"],
    ]:
        """An instance of these tokens of inputs, with these values, and of these kinds of gates."""
        g = self.gates_per_layer
        gates = gates.reshape(self.layers, g) + self.first_gates
        within = jnp.arange(self.layers)[:, None] < depth
        gates = jnp.where(within, gates, PAD)
        answer, found = self.run(values.reshape(2, g), gates)
        prompt = lay_out(jnp.concatenate([inputs, gates.ravel()]), 2 * g)
        trace = jnp.where(within, found, PAD).ravel()
        asked = jnp.where(within, found, UNASKED).ravel()
        labels = jnp.concatenate([jnp.full(2 * g, UNASKED, asked.dtype), asked, answer])
        return prompt, labels, trace, answer

    def gates_of(self, prompt: Int[Any, " prompt_length"]) -> Int[Any, "layers g"]:
        """The gates of a prompt, by [layer, place]."""
        g = self.gates_per_layer
        return prompt[2 * g : self.gates_end].reshape(self.layers, g)

    # Tables over token ids

    @property
    def gate_kinds(self) -> int:
        """How many gates a target can have, with consecutive tokens: by operands, then by operation."""
        return len(self.operations) * comb(self.gates_per_layer, 2)

    @property
    def gates_end(self) -> int:
        """The place after the last gate of a prompt."""
        return 2 * self.gates_per_layer + self.gates_per_layer * self.layers

    @cached_property
    def first_gates(self) -> np.ndarray:
        """The token of the first kind of gate at each place, by [layer, place]."""
        g = self.gates_per_layer
        target = np.arange(g) + g * (np.arange(self.layers)[:, None] % 2)
        return (self.first_gate + self.gate_kinds * target).astype(np.int32)

    @cached_property
    def operands(self) -> np.ndarray:
        """The two wires of the other half that a gate reads, by [token]."""
        pairs = combinations(range(self.gates_per_layer), 2)
        wires = [pair for pair in pairs for _ in self.operations]
        return np.array([(0, 0)] * self.first_gate + wires * (2 * self.gates_per_layer), np.int32)

    # Texts

    @property
    def reads(self) -> str:
        """What a gate reads, in words."""
        return {
            "deep": "A gate reads what the wires hold when its layer begins.",
            "wide": "A gate reads what the wires held at the start, before all layers.",
        }[self.wiring]

    def render_layers(self, prompt: Int[np.ndarray, " prompt_length"]) -> list[str]:
        """The line of the inputs and one for each layer."""
        text, gates = self.format.tokens, self.gates_of(prompt)
        return [
            f"inputs: {' '.join(text[t] for t in prompt[: 2 * self.gates_per_layer])}",
            *(
                f"layer {i}: {' '.join(text[t] for t in layer)}"
                for i, layer in enumerate(gates[gates[:, 0] != PAD], 1)
            ),
        ]

    def parse(self, text: str) -> Int[np.ndarray, " prompt_length"]:
        g = self.gates_per_layer
        inputs = self.read_inputs(line_after(text, "inputs"))
        layers = [line.partition(": ") for line in text.splitlines() if line.startswith("layer ")]
        if not 1 <= len(layers) <= self.layers:
            raise ValueError(f"{len(layers)} lines begin with 'layer', must be 1 to {self.layers}")
        for i, (label, _, _) in enumerate(layers, 1):
            if label != f"layer {i}":
                raise ValueError(f"{shortened(label)} where 'layer {i}' must be")
        gates = [in_full(self.token_ids(names.split()), g, label) for label, _, names in layers]
        places = (np.array(gates) - self.first_gates[: len(gates)]).ravel()
        if (wrong := np.flatnonzero((places < 0) | (places >= self.gate_kinds))).size:
            layer, gate = divmod(int(wrong[0]), g)
            raise ValueError(
                f"layer {layer + 1}: {self.format.tokens[gates[layer][gate]]} is not in its place"
            )
        prompt = np.full(self.format.prompt_length, PAD, np.int32)
        prompt[: 2 * g], prompt[-2 * g :] = inputs, QUERY
        prompt[2 * g : 2 * g + len(places)] = np.concatenate(gates)
        same_text(text, self.render(prompt))
        return prompt

    def picture(
        self,
        prompt: Int[np.ndarray, " prompt_length"],
        trace: Int[np.ndarray, " trace_length"],
        answer: Int[np.ndarray, " answer_length"],
    ) -> str | None:
        """The layers from left to right with the value of every gate; None beyond 40 gates."""
        g, text, gates = self.gates_per_layer, self.format.tokens, self.gates_of(prompt)
        layers = [
            [
                (
                    i + g * (k % 2),
                    int(self.operands[token][0]) + g * (1 - k % 2),
                    int(self.operands[token][1]) + g * (1 - k % 2),
                    self.operations[(int(token) - self.first_gate) % len(self.operations)],
                    text[trace[k * g + i]],
                )
                for i, token in enumerate(layer)
            ]
            for k, layer in enumerate(gates[gates[:, 0] != PAD])
        ]
        wires = [f"{half}{i}" for half in "uv" for i in range(g)]
        inputs = [text[token].rpartition("=")[2] for token in prompt[: 2 * g]]
        return layered_picture(wires, inputs, layers, wide=self.wiring == "wide")
