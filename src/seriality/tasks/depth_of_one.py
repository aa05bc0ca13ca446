"""Depth of 1: how deep a circuit of alternating AND and OR gates still has a gate that outputs 1.

DO1 is the largest depth of a gate that outputs 1, the depth of a gate being the longest path to it from an
input (Kirousis & Spirakis 1988; Appendix G of Liu et al. 2025). `question="depth"` asks for it.
`question="choice"` is the first move of the environment of Theorem G.2: beside the circuit stands a chain of
L alternating gates fed by a 1, and the one with the larger DO1 is to be taken.

Random alternating circuits die within a few layers or are 1 for ever. These are a computation that halts.
Wires and gates are drawn as in `circuit_value`, and lifted to two rails for each wire, one of which is 1
while the circuit lives: `t ^= s ⊕ (a ∧ b)`, with literals a, b and a bit s, is with w = t ⊕ s

    t = (w ∨ a) ∧ (w ∨ b) ∧ (¬w ∨ ¬a ∨ ¬b),    ¬t = (¬w ∨ a) ∧ (¬w ∨ b) ∧ (w ∨ ¬a ∨ ¬b),

an OR layer and an AND layer; other wires pass through both. After such a block of g gates stands a guard, a
clause of some of the wires just changed: an OR gate among the next block's, read by all of its AND gates. If
it is 0 then so is everything above. The guard after block m + 1 is in layer 2m + 3: if it is the first that
fails, DO1 = 2m + 3. An OR, an AND and an OR layer that only pass follow the last block; DO1 is 2m + 3 too if
none of m guards fails. A token of a prompt names a wire's gates; `circuit` gives them all.

Nothing is planted. A gate's operation and its opposite are equally likely, so the wires changed by a block
are uniform whatever came before, and a guard of q literals fails with probability 2^-q, independently of the
other guards. Given all gates, the state after a block is uniform over inputs. So whether a guard fails is
independent of the circuit without its inputs, and of the inputs and all of the circuit before the block in
question. The q are chosen by the blocks left, so that every m is about as likely at every depth; `chances`
says how likely. L is near the median, and given L either answer is right for half of the instances: an even
number that lies between DO1 and that of a partner half of the distribution away.

Control, `wiring="wide"`: operands are the inputs as they were at the start (the circuit carries them along).
The wires after each block are then parities of a column, so all guards are evaluated at once: TC0.

To tell whether DO1 reaches k is P-complete. So is it here, for chosen inputs, gates and guards: a gate
`t ^= AND(a,b)` onto a wire of 1 is the NAND, and AND of two wires of 0 idles (Toffoli 1980). To approximate
DO1 within any factor is P-hard (Kirousis & Spirakis; A.1.10 of Greenlaw, Hoover & Ruzzo 1995 says hard, for
it is no decision problem): here one guard reads the result, and blocks without guards follow. The paper's
"P-complete" is to be read so.

What this task does not show: hardness of random circuits, or of few wires, as in `circuit_value`; serial
depth beyond half of the blocks in the choice, where it is enough to know whether a guard below the median
fails; an unbounded loss at a fixed depth; and later moves of the environment, of which only the first is
hard. Circuits planted layer by layer with labels hot and cold would be shallow by connectivity besides, and
where they are cut shows in how often gates are read.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import log
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, Key

from ..cost import Cost
from ..instance import PAD, QUERY, UNASKED, Format
from .base import (
    FIRST,
    AbstractTask,
    in_full,
    integer_fault,
    lay_out,
    line_after,
    lookup,
    refuse,
    shortened,
    uniform,
)
from .circuit_value import FIRST_INPUT, OPERATIONS, CircuitValue
from .layered_picture import value_map
from .texts import same_text

MOST_LAYERS = 512
FINE = 2**16
"""Probabilities are multiples of 1 / FINE where L is drawn."""


class Alternating(NamedTuple):
    """A layered circuit: its inputs, and for each layer the kind of its gates ("OR" or "AND") and, for each
    gate, the places in the layer before (or among the inputs) of what it reads."""

    inputs: tuple[int, ...]
    layers: tuple[tuple[str, tuple[tuple[int, ...], ...]], ...]

    def values(self) -> list[list[int]]:
        """What the gates of every layer output."""
        below, found = list(self.inputs), []
        for kind, gates in self.layers:
            below = [(any if kind == "OR" else all)(below[each] for each in gate) for gate in gates]
            found.append([int(value) for value in below])
        return found


@dataclass(frozen=True)
class DepthOfOne(AbstractTask):
    """Alternating circuits that compute `layers` layers of `gates_per_layer` gates. Depth is those layers.

    `question` is "depth" (of the deepest 1) or "choice" (circuit or chain); `wiring` is "deep" or "wide" (the
    control). The trace holds the wires changed by each block and whether its guard holds.

    >>> DepthOfOne(gates_per_layer=3, layers=8).cost()
    Cost(work=190, span=23)
    """

    gates_per_layer: int = 3
    layers: int = 8
    question: str = "depth"
    wiring: str = "deep"

    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        faults = integer_fault("gates_per_layer", self.gates_per_layer, 2, 3, CircuitValue.most_gates)
        faults += integer_fault("layers", self.layers, 1, 8, MOST_LAYERS)
        if self.question not in ("depth", "choice"):
            faults.append(f"question={self.question!r}: must be 'depth' or 'choice'; e.g. question='depth'")
        if self.wiring not in ("deep", "wide"):
            faults.append(f"wiring={self.wiring!r}: must be 'deep' or 'wide'; e.g. wiring='deep'")
        refuse("DepthOfOne", faults)

    @cached_property
    def format(self) -> Format:
        depths = map(str, range(3, 2 * self.layers + 4))
        own = ("-", "on", "off", "chain", "circuit", *depths)
        g, n = self.gates_per_layer, self.layers
        return Format(
            tokens=self._wires.format.tokens + own,
            prompt_length=self._blocks_end + self._asks_choice + 1,
            trace_length=n * (g + 1),
            answer_length=1,
        )

    @property
    def max_depth(self) -> int:
        return self.layers

    def resized(self, max_depth: int) -> "DepthOfOne":
        return replace(self, layers=max_depth)

    @property
    def control(self) -> "DepthOfOne | None":
        """The wide circuits; None if this task is them."""
        return None if self.wiring == "wide" else replace(self, wiring="wide")

    @property
    def other_values(self) -> dict[str, object]:
        return {
            "question": "choice" if self.question == "depth" else "depth",
            "wiring": "wide" if self.wiring == "deep" else "deep",
        }

    @property
    def guess_rate(self) -> float:
        return 0.5 if self._asks_choice else max(self.chances(self.layers).values())

    def chances(self, depth: int) -> dict[int, float]:
        """The probability of every DO1 that an instance of this depth can have."""
        chances, alive = {}, 1.0
        for m, literals in enumerate(self._literal_counts[depth - 1 :: -1].tolist()):
            fails = 2.0**-literals if literals else 0.0
            chances[2 * m + 3] = alive * fails
            alive *= 1 - fails
        return chances | {2 * depth + 3: alive}

    def distinct(self, depth: int) -> int:
        """Guards not counted."""
        return self._wires.distinct(depth)

    def lineage(self, prompt: Int[Array, "batch prompt_length"], depth: int) -> Int[Array, "batch tokens"]:
        """The inputs and the gates of the first blocks, without the guards: these depend on the layers left,
        and a circuit cut short is asked with others."""
        g = self.gates_per_layer
        gates = prompt[:, 2 * g : self._blocks_end].reshape(len(prompt), self.layers, 2 * g)[:, :depth, :g]
        return jnp.concatenate([prompt[:, : 2 * g], gates.reshape(len(prompt), -1)], axis=1)

    def draw(self, depth: Int[Array, ""], *, key: Key[Array, ""]):
        g, n = self.gates_per_layer, self.layers
        wires_key, guard_key = jax.random.split(key)
        wires, _, values, _ = self._wires.draw(depth, key=wires_key)
        gates, values = wires[2 * g : -2 * g].reshape(n, g), values.reshape(n, g)
        chosen = uniform(np.repeat([g, 2, FINE], [n, n * g, 1]), key=guard_key)
        start, sought, fine = jnp.split(chosen, [n, n + n * g])

        layer = np.arange(n)[:, None]
        within = layer < depth
        literals = self._first_literals + sought.reshape(n, g)
        read = lookup(self._literal_counts, jnp.maximum(depth - 1 - layer, 0))
        guards = jnp.where((np.arange(g) - start[:, None]) % g < read, literals, self._skip)
        guards = jnp.where(within, guards, PAD)

        m = self._first(self._fails(guards, values), np.arange(n))
        answer = self._first_depth + 2 * m
        values = jnp.where(layer <= m, values, self._off)
        holds = jnp.where(layer < m, self._on, self._off)
        trace = jnp.where(within, jnp.concatenate([values, holds], axis=1), PAD)
        shallower = jnp.full((n, g), UNASKED, answer.dtype)
        fields = [wires[: 2 * g], jnp.concatenate([gates, guards], axis=1).ravel()]
        if self._asks_choice:
            half = self._median(depth, m, fine[0])
            fields.append(self._first_depth + 1 + 2 * half[None])
            answer = jnp.where(m > half, self._circuit, self._chain)
        else:
            shallower = shallower.at[:, -1].set(self._first_depth + 2 * jnp.minimum(m, 1 + np.arange(n)))
        asked = jnp.where(within, jnp.concatenate([values, shallower], axis=1), UNASKED).ravel()
        before = jnp.full(2 * g, UNASKED, asked.dtype)
        after = jnp.full(int(self._asks_choice), UNASKED, asked.dtype)
        labels = jnp.concatenate([before, asked, after, answer[None]])
        return lay_out(jnp.concatenate(fields), 1), labels, trace.ravel(), answer[None]

    def reference(self, prompt: Int[Array, " prompt_length"]) -> Int[Array, " answer_length"]:
        g, n = self.gates_per_layer, self.layers
        inputs = lookup(self._wires.input_values, prompt[: 2 * g]).reshape(2, g)
        blocks = prompt[2 * g : self._blocks_end].reshape(n, 2, g)
        gates, guards = blocks[:, 0], blocks[:, 1]
        if self.wiring == "deep":
            fails = self._fails(guards, self._wires.run(inputs, gates)[1])
            m = self._first(fails, np.arange(n))
        else:  # block k changes half k % 2 by the other half's inputs
            halves = [self._running_parities(inputs[k], inputs[1 - k], gates[k::2]) for k in (0, 1)]
            values = jnp.concatenate(halves)
            order = np.concatenate([np.arange(n)[k::2] for k in (0, 1)])
            m = self._first(self._fails(jnp.concatenate([guards[::2], guards[1::2]]), values), order)
        depth = lookup(self._depth_tokens, m)
        if self._asks_choice:
            rival = prompt[self._blocks_end]
            return jnp.where(depth > rival, self._circuit, self._chain)[None]
        return depth[None]

    def cost(self) -> Cost:
        """Of `CircuitValue`, with its running parities if wide; then what each literal says, a guard's
        largest, whether it fails, the first place that does, DO1; for the choice, the larger of two."""
        g, n = self.gates_per_layer, self.layers
        last = (n > 1) + 2 * self._asks_choice
        if self.wiring == "deep":
            return Cost(work=(7 * g + 2) * n + 2 * g + 2 * self._asks_choice, span=2 * n + 6 + last)
        return Cost(work=(10 * g + 2) * n + 2 * g + 2 * self._asks_choice, span=11 + last)

    def circuit(self, prompt: Int[np.ndarray, " prompt_length"]) -> Alternating:
        """The alternating circuit of a prompt, gate by gate.

        Wire w, counted through u and v, has rails 2w (it holds 1) and 2w + 1 (it holds 0); in wide circuits
        as many rails for the inputs follow. Of an OR layer the clauses come first, six to a wire, then the
        wires that pass, then the guard.
        """
        g, wide = self.gates_per_layer, self.wiring == "wide"
        bits = (prompt[: 2 * g] - FIRST_INPUT) % 2
        inputs = tuple(int(value) for bit in bits for value in (bit, 1 - bit))
        blocks = prompt[2 * g : self._blocks_end].reshape(self.layers, 2, g)
        blocks = blocks[blocks[:, 0, 0] != PAD]
        layers, guard = [], ()
        for k in range(len(blocks) + 1):
            start = 4 * g if wide and k else 0
            changed = range(g * (k % 2), g * (k % 2) + g) if k < len(blocks) else range(0)
            clauses = [
                clause
                for i in range(len(changed))
                for clause in self._clauses(int(blocks[k, 0, i]), changed[i], start)
            ]
            passing = [rail for w in range(2 * g) if w not in changed for rail in (2 * w, 2 * w + 1)]
            passing += [start + rail for rail in range(4 * g if wide else 0)]
            ors = [*clauses, *((rail,) for rail in passing), *([guard] if guard else [])]
            places = {
                w: range(6 * i + 3 * opposite, 6 * i + 3 * opposite + 3)
                for i, wire in enumerate(changed)
                for w, opposite in ((2 * wire, 0), (2 * wire + 1, 1))
            }
            kept = {rail: len(clauses) + i for i, rail in enumerate(passing[: 4 * g - 2 * len(changed)])}
            reads = [tuple(places[rail]) if rail in places else (kept[rail],) for rail in range(4 * g)]
            reads += [(len(clauses) + i,) for i in range(len(kept), len(passing))]
            ands = [read + ((len(ors) - 1,) if guard else ()) for read in reads]
            layers += [("OR", tuple(ors)), ("AND", tuple(ands))]
            if k < len(blocks):
                guard = tuple(
                    2 * w + 1 - (int(token) - FIRST_INPUT) % 2
                    for w, token in zip(changed, blocks[k, 1], strict=True)
                    if token != self._skip
                )
        layers.append(("OR", tuple((rail,) for rail in range(len(layers[-1][1])))))
        return Alternating(inputs, tuple(layers))

    def render(self, prompt: Int[np.ndarray, " prompt_length"]) -> str:
        circuit = self.circuit(prompt)
        rules = [
            "The gates of a circuit stand in layers, of OR gates and of AND gates in turn. A gate is written "
            "as the numbers of what it reads: gates of the layer before it, or in layer 1 inputs, counted "
            "from 1 in the order in which they are written.",
            "An OR gate outputs 1 if at least one of what it reads is 1, an AND gate if all of it is 1; "
            "otherwise they output 0.",
        ]
        if self._asks_choice:
            rules += [
                "Beside the circuit stands a chain of gates, each in a layer of its own, OR and AND in turn. "
                "The first reads a 1, every other the gate before it.",
                "Circuit and chain are worth the number of their last layer in which a gate outputs 1. Which "
                "of them is worth more? Answer with circuit or chain.",
                f"layers of the chain: {self.format.tokens[prompt[self._blocks_end]]}",
            ]
        else:
            rules.append(
                "What is the number of the last layer in which a gate outputs 1? Answer with that number."
            )
        return "\n".join([*rules, f"inputs: {' '.join(map(str, circuit.inputs))}", *_layer_lines(circuit)])

    def parse(self, text: str) -> Int[np.ndarray, " prompt_length"]:
        g = self.gates_per_layer
        rails = line_after(text, "inputs").split()
        if len(rails) != 4 * g or set(rails) - {"0", "1"} or any(map(str.__eq__, rails[::2], rails[1::2])):
            raise ValueError(f"inputs: must be {2 * g} pairs of 0 1 or 1 0, separated by spaces")
        lines = [line for line in text.splitlines() if line.startswith("layer ")]
        depth, rest = divmod(len(lines) - 3, 2)
        if rest or not 1 <= depth <= self.layers:
            most = 2 * self.layers + 3
            raise ValueError(
                f"{len(lines)} lines begin with 'layer ', must be an odd number from 5 to {most}"
            )
        blocks = np.full((self.layers, 2, g), PAD, np.int32)
        for k in range(depth):
            blocks[k, 0] = self._gates_of(lines[2 * k], k)
            blocks[k, 1] = self._guard_of(lines[2 * k + 2], k)
        prompt = np.full(self.format.prompt_length, QUERY, np.int32)
        prompt[: 2 * g] = FIRST_INPUT + 2 * np.arange(2 * g) + [rail == "1" for rail in rails[::2]]
        prompt[2 * g : self._blocks_end] = blocks.ravel()
        for line, right in zip(lines, _layer_lines(self.circuit(prompt)), strict=True):
            if line.strip() != right:
                label = right.partition(":")[0]
                raise ValueError(f"{shortened(line)}: is no {label} of such a circuit")
        if self._asks_choice:
            length = line_after(text, "layers of the chain")
            if length not in self.format.tokens[self._first_depth + 1 :: 2]:
                raise ValueError(
                    f"layers of the chain: {shortened(length)} must be even, from 4 to {2 * self.layers + 2}"
                )
            prompt[self._blocks_end] = self.token_ids([length])[0]
        same_text(text, self.render(prompt))
        return prompt

    def parse_answer(self, text: str) -> Int[np.ndarray, " answer_length"]:
        answer = in_full(self.token_ids(text.split()), 1, "answer")
        allowed = ("chain", "circuit") if self._asks_choice else self.format.tokens[self._first_depth :: 2]
        if self.format.tokens[answer[0]] not in allowed:
            raise ValueError(
                f"{shortened(text)}: must be {' or '.join(allowed[:2])}{', ...' * (len(allowed) > 2)}"
            )
        return answer

    def render_trace(self, trace: Int[np.ndarray, " trace_length"]) -> str:
        g, text = self.gates_per_layer, self.format.tokens
        lines = []
        for k, row in enumerate(trace.reshape(self.layers, -1).tolist()):
            if row[0] == self._off:
                lines.append(f"layer {2 * k + 2}: all 0")
            elif row[0] != PAD:
                first = 2 * g * (k % 2)
                rails = " ".join("1 0" if text[token] == "1" else "0 1" for token in row[:-1])
                above = "all 0" if row[-1] == self._off else "not all 0"
                lines.append(
                    f"layer {2 * k + 2}: gates {first + 1} to {first + 2 * g} output {rails}; "
                    f"layer {2 * k + 4} will be {above}"
                )
        return "\n".join(lines)

    def picture(
        self,
        prompt: Int[np.ndarray, " prompt_length"],
        trace: Int[np.ndarray, " trace_length"],
        answer: Int[np.ndarray, " answer_length"],
    ) -> str | None:
        """The gates that output 1, layer by layer; None beyond 1,000 gates."""
        circuit = self.circuit(prompt)
        kinds = [kind for kind, _ in circuit.layers]
        return value_map(["in", *kinds], [circuit.inputs, *circuit.values()])

    @property
    def _asks_choice(self) -> bool:
        return self.question == "choice"

    @property
    def _blocks_end(self) -> int:
        return 2 * self.gates_per_layer * (1 + self.layers)

    @cached_property
    def _wires(self) -> CircuitValue:
        return CircuitValue(self.gates_per_layer, self.layers, self.wiring)

    # Tokens

    @property
    def _skip(self) -> int:
        """The token of a wire that a guard does not read; then come on, off, chain, circuit and depths."""
        return self._wires.format.vocabulary

    @property
    def _on(self) -> int:
        return self._skip + 1

    @property
    def _off(self) -> int:
        return self._skip + 2

    @property
    def _chain(self) -> int:
        return self._skip + 3

    @property
    def _circuit(self) -> int:
        return self._skip + 4

    @property
    def _first_depth(self) -> int:
        """The token of depth 3."""
        return self._skip + 5

    @cached_property
    def _depth_tokens(self) -> np.ndarray:
        """The token of DO1, by the number of blocks before the first guard that fails."""
        return (self._first_depth + 2 * np.arange(self.layers + 1)).astype(np.int32)

    @cached_property
    def _first_literals(self) -> np.ndarray:
        """The token of the literal that is true of 0, by [block, wire of the half it changes]."""
        g = self.gates_per_layer
        return (FIRST_INPUT + 2 * (np.arange(g) + g * (np.arange(self.layers)[:, None] % 2))).astype(np.int32)

    # Guards

    @cached_property
    def _literal_counts(self) -> np.ndarray:
        """How many literals a guard has (0: there is none), by the number of blocks that follow.

        With r blocks to follow, to live to the end should have probability 1 / (r + 2): from the last guard
        on, the count that comes closest.
        """
        alive, counts = 1.0, []
        for follow in range(self.layers):
            options = {0: alive} | {q: alive * (1 - 2.0**-q) for q in range(1, self.gates_per_layer + 1)}
            best = min(options, key=lambda q: abs(log(options[q] * (follow + 2))))
            alive = options[best]
            counts.append(best)
        return np.array(counts, np.int32)

    @cached_property
    def _verdicts(self) -> np.ndarray:
        """Of a guard's token: 0 if it reads nothing, 2 if its literal is true, 1 if false; by [token, value],
        a value being a token or a bit. The PAD behind an instance counts as false: there m ends at last."""
        table = np.ones((self._skip + 1, FIRST + 2), np.int32)
        literals = np.arange(FIRST_INPUT, FIRST_INPUT + 4 * self.gates_per_layer)
        for bit in (0, 1):
            table[literals, bit] = table[literals, FIRST + bit] = 1 + (
                literals % 2 == (FIRST_INPUT + bit) % 2
            )
        table[self._skip] = 0
        return table

    def _fails(self, guards: Int[Array, "layers g"], values: Int[Array, "layers g"]) -> Array:
        return jnp.max(lookup(self._verdicts, guards, values), axis=1) == 1

    def _first(self, fails: Array, places: Int[np.ndarray, " layers"]) -> Int[Array, ""]:
        """The smallest place that fails; `layers` if none does."""
        return jnp.min(jnp.where(fails, places.astype(np.int32), np.int32(self.layers)))

    def _running_parities(
        self, onto: Int[Array, " g"], read: Int[Array, " g"], gates: Int[Array, "half g"]
    ) -> Int[Array, "half g"]:
        """The bits that the wires `onto` hold after each layer, all gates on the inputs `read`."""
        flips = self._wires.flips(read, gates)
        return (onto + jnp.cumsum(flips, axis=0)) & 1

    # The choice

    @cached_property
    def _below(self) -> np.ndarray:
        """The probability that fewer than m blocks come before a guard fails, times FINE, by [depth, m]."""
        rows = np.full((self.layers + 1, self.layers + 2), FINE, np.int32)
        for depth in range(1, self.layers + 1):
            chances = list(self.chances(depth).values())
            rows[depth, : depth + 1] = np.rint(FINE * np.cumsum([0.0, *chances[:-1]]))
        return rows

    @cached_property
    def _middle(self) -> np.ndarray:
        """The largest m of the lower half of the distribution, by depth."""
        return (self._below[:, 1:] < FINE // 2).sum(axis=1, dtype=np.int32)

    def _median(self, depth: Int[Array, ""], m: Int[Array, ""], fine: Int[Array, ""]) -> Int[Array, ""]:
        """Where the chain is put: above all circuits with this m or a smaller one. `fine` is uniform in
        0..FINE - 1 and says where in the probability of m the instance lies."""
        below = lookup(self._below, depth)
        here, above = lookup(below, m), lookup(below, m + 1)
        partner = (here + ((above - here) * fine >> 16) + FINE // 2) & (FINE - 1)
        other = jnp.sum(below[1:] <= partner, dtype=jnp.int32)
        low, high = jnp.minimum(m, other), jnp.maximum(m, other)
        return jnp.clip(lookup(self._middle, depth), low, jnp.maximum(low, high - 1))

    # The circuit

    def _clauses(self, gate: int, target: int, start: int) -> tuple[tuple[int, ...], ...]:
        """The six clauses of a gate on wire `target`, with the rails of its operands from `start` on."""
        g = self.gates_per_layer
        first, second = (int(wire) + g * (target < g) for wire in self._wires.operands[gate])
        outcomes = tuple(OPERATIONS.values())[(gate - self._wires.first_gate) % len(OPERATIONS)]
        inverted = int(sum(outcomes) == 3)
        bits = divmod(outcomes.index(1 - inverted), 2)  # of the operands, where the literals are both true
        a, b = (start + 2 * wire + 1 - bit for wire, bit in zip((first, second), bits, strict=True))
        w = 2 * target + inverted
        return (w, a), (w, b), (w ^ 1, a ^ 1, b ^ 1), (w ^ 1, a), (w ^ 1, b), (w, a ^ 1, b ^ 1)

    @cached_property
    def _gates_by_clauses(self) -> dict[tuple[int, tuple[tuple[int, ...], ...]], int]:
        """The gate by its target and its clauses."""
        g, first, kinds = self.gates_per_layer, self._wires.first_gate, self._wires.gate_kinds
        return {
            (target, self._clauses(gate, target, start)): gate
            for target in range(2 * g)
            for gate in range(first + kinds * target, first + kinds * (target + 1))
            for start in ((0, 4 * g) if self.wiring == "wide" else (0,))
        }

    def _gates_of(self, line: str, k: int) -> list[int]:
        """The gates of block k, by the line of its OR layer."""
        g, gates = self.gates_per_layer, _gates_in(line)
        found = []
        for i in range(g):
            wanted = g * (k % 2) + i, tuple(gates[6 * i : 6 * i + 6])
            if wanted not in self._gates_by_clauses:
                raise ValueError(f"layer {2 * k + 1}: gates {6 * i + 1} to {6 * i + 6} compute no wire")
            found.append(self._gates_by_clauses[wanted])
        return found

    def _guard_of(self, line: str, k: int) -> list[int]:
        """The guard after block k, by the line of the OR layer above it: the gate that is over there."""
        g, guard = self.gates_per_layer, [self._skip] * self.gates_per_layer
        gates = _gates_in(line)
        others = {8 * g, 4 * g} if self.wiring == "deep" else {12 * g, 8 * g}
        if len(gates) - 1 in others:
            for rail in gates[-1]:
                wire = rail // 2 - g * (k % 2)
                if not 0 <= wire < g or guard[wire] != self._skip:
                    raise ValueError(
                        f"layer {2 * k + 3}: its last gate reads {rail + 1}, which no guard does"
                    )
                guard[wire] = int(self._first_literals[k, wire]) + 1 - rail % 2
        return guard


def _layer_lines(circuit: Alternating) -> list[str]:
    return [
        f"layer {i}, {kind}: " + " ".join(",".join(str(place + 1) for place in gate) for gate in gates)
        for i, (kind, gates) in enumerate(circuit.layers, 1)
    ]


def _gates_in(line: str) -> Sequence[tuple[int, ...]]:
    label, _, gates = line.partition(": ")
    try:
        return [tuple(int(place) - 1 for place in gate.split(",")) for gate in gates.split()]
    except ValueError:
        raise ValueError(f"{label}: gates must be numbers separated by commas; e.g. 1,2,3") from None
