"""Programs as circuits: threshold networks, cellular automata and Turing machines.

A threshold network with L layers of integer weights becomes a circuit of depth 2 L at most, whatever its
width: that is why networks of constant depth and logarithmic precision are in TC0 (Merrill & Sabharwal 2023;
section 2.1 of Liu et al. 2025), as long as the sum of a neuron's weights is polynomial.

A Turing machine that runs for t steps on s cells becomes a circuit of depth 4 t and size O(s t), and its
input the circuit's: the answer of the machine is the value of the circuit (Ladner 1975), so the circuit value
problem is P-complete. The depth is that of the run. That the reduction itself is easy (every block of gates
is the same) is what the name of a block says and what its builder does: it reads nothing of the input.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int

from .circuits import ZERO, Builder, Circuit

MOST_WEIGHT = 2**16
"""The largest sum of a neuron's weights: a weight is a repeated wire."""


@dataclass(frozen=True)
class ThresholdNetwork:
    """Layers of neurons [weights . x >= threshold] over bits, with integer weights and thresholds:
    `weights` are [neurons, inputs] and `thresholds` [neurons] for each layer.

    >>> both = ThresholdNetwork((np.array([[1, 1], [-1, -1]]),), (np.array([2, 0]),))
    >>> both(np.array([[1, 1], [0, 0]], bool)).tolist()
    [[True, False], [False, True]]
    """

    weights: tuple[Int[np.ndarray, "_ _"], ...]
    thresholds: tuple[Int[np.ndarray, " _"], ...]

    @classmethod
    def quantised(
        cls, weights: Sequence[np.ndarray], biases: Sequence[np.ndarray], bits: int
    ) -> "ThresholdNetwork":
        """The network [W x + b >= 0] with every number rounded to a multiple of its layer's largest weight
        over 2^(bits-1): what it computes then is exactly this, however it was trained.
        """
        rounded, thresholds = [], []
        for matrix, bias in zip(weights, biases, strict=True):
            unit = np.abs(matrix).max() / 2 ** (bits - 1) or 1.0
            rounded.append(np.rint(matrix / unit).astype(np.int64))
            thresholds.append(np.ceil(-bias / unit).astype(np.int64))
        return cls(tuple(rounded), tuple(thresholds))

    def __call__(self, bits: Bool[np.ndarray, "batch inputs"]) -> Bool[np.ndarray, "batch outputs"]:
        for weights, thresholds in zip(self.weights, self.thresholds, strict=True):
            bits = bits.astype(np.int64) @ weights.T >= thresholds
        return bits

    def circuit(self) -> Circuit:
        """The same function as a circuit. A negative weight is a positive one of the wire's negation, as
        -w x = w (1 - x) - w. ValueError where a neuron's weights sum to more than MOST_WEIGHT.
        """
        largest = max(int(np.abs(matrix).sum(1).max()) for matrix in self.weights)
        if largest > MOST_WEIGHT:
            raise ValueError(
                f"a neuron's weights sum to {largest}, allowed is {MOST_WEIGHT}; quantise to fewer bits"
            )
        build = Builder(self.weights[0].shape[1])
        wires: Sequence[int] = build.inputs
        for matrix, thresholds in zip(self.weights, self.thresholds, strict=True):
            neurons = []
            for row, threshold in zip(matrix.tolist(), thresholds.tolist(), strict=True):
                repeated = []
                for wire, weight in zip(wires, row, strict=True):
                    if weight:
                        repeated += [wire if weight > 0 else build.negate(wire)] * abs(weight)
                negative = sum(-weight for weight in row if weight < 0)
                neurons.append(build.at_least(threshold + negative, repeated))
            wires = neurons
        return build.circuit(wires)


def automaton(rule: int, width: int, steps: int) -> Circuit:
    """The row of an elementary cellular automaton on a ring after `steps`: depth 3 a step at most.

    >>> circuit = automaton(rule=110, width=7, steps=4)
    >>> circuit(np.array([[0, 0, 0, 0, 0, 0, 1]], bool))[0].astype(int).tolist()
    [0, 0, 1, 1, 1, 1, 1]
    """
    if not 0 <= rule < 256 or width < 3 or steps < 0:
        raise ValueError(
            f"rule {rule}, width {width}, steps {steps}: allowed are rules 0 to 255, widths from 3 and "
            "steps from 0"
        )
    build = Builder(width)
    row = list(build.inputs)
    neighbourhoods = [
        (a, b, c) for a in (0, 1) for b in (0, 1) for c in (0, 1) if rule >> (4 * a + 2 * b + c) & 1
    ]
    for _ in range(steps):
        either = [(build.negate(wire), wire) for wire in row]
        row = [
            build.any(
                build.all(either[(place + side - 1) % width][bit] for side, bit in enumerate(bits))
                for bits in neighbourhoods
            )
            for place in range(width)
        ]
    return build.circuit(row)


Move = tuple[str, str, int]
"""The next state, the symbol written and the move of the head: -1, 0 or 1."""


@dataclass(frozen=True)
class TuringMachine:
    """A machine with one tape. `rules` maps (state, symbol) to a move; where there is none it halts.

    It begins in the state `start` on the first cell, with the input on the tape and `blank` after it. It
    accepts if it halts in the state `accept`. A head that would leave the tape stays where it is.

    >>> parity = TuringMachine("even", "odd", "_", {
    ...     ("even", "0"): ("even", "0", 1), ("even", "1"): ("odd", "1", 1),
    ...     ("odd", "0"): ("odd", "0", 1), ("odd", "1"): ("even", "1", 1)})
    >>> parity.accepts("10110", steps=5, cells=6), parity.accepts("1010", steps=4, cells=6)
    (True, False)
    """

    start: str
    accept: str
    blank: str
    rules: Mapping[tuple[str, str], Move]

    @property
    def states(self) -> tuple[str, ...]:
        """All states, sorted."""
        named = {self.start, self.accept, *(state for state, _ in self.rules)}
        return tuple(sorted(named | {move[0] for move in self.rules.values()}))

    @property
    def symbols(self) -> tuple[str, ...]:
        """All symbols, sorted."""
        named = {self.blank, *(symbol for _, symbol in self.rules)}
        return tuple(sorted(named | {move[1] for move in self.rules.values()}))

    def accepts(self, text: str, *, steps: int, cells: int) -> bool:
        """Whether it is in the state `accept` after `steps` steps on a tape of so many cells, by running
        it.
        """
        tape = [*text, *[self.blank] * (cells - len(text))]
        state, head = self.start, 0
        for _ in range(steps):
            if (state, tape[head]) not in self.rules:
                break
            state, tape[head], move = self.rules[state, tape[head]]
            head = min(max(head + move, 0), cells - 1)
        return state == self.accept

    def encode(self, texts: Sequence[str], *, cells: int) -> Bool[np.ndarray, "batch inputs"]:
        """The circuit's inputs for tapes: a bit for every cell and symbol."""
        tapes = np.array([[*text, *[self.blank] * (cells - len(text))] for text in texts])
        return (tapes[..., None] == np.array(self.symbols)).reshape(len(texts), -1)

    def circuit(self, *, steps: int, cells: int) -> Circuit:
        """Whether the machine accepts (`accepts`), as a circuit over the tape (`encode`): Ladner's reduction.

        A wire for every cell and symbol, and for every cell and state if the head is there. In a step a
        symbol stays where no head is, and is written where the head is; a state comes to a cell from where
        the head was.
        """
        states, symbols = self.states, self.symbols
        build = Builder(cells * len(symbols))
        inputs = np.array(build.inputs).reshape(cells, len(symbols)).tolist()
        tape = [dict(zip(symbols, row, strict=True)) for row in inputs]
        heads = [dict.fromkeys(states, ZERO) for _ in range(cells)]
        heads[0][self.start] = build.all([])
        for _ in range(steps):
            meets = [
                {
                    (state, symbol): build.all([head[state], row[symbol]])
                    for state in states
                    for symbol in symbols
                }
                for head, row in zip(heads, tape, strict=True)
            ]
            absent = [build.negate(build.any(head.values())) for head in heads]
            arrivals: list[dict[str, list[int]]] = [{state: [] for state in states} for _ in range(cells)]
            writes: list[dict[str, list[int]]] = [{symbol: [] for symbol in symbols} for _ in range(cells)]
            for place in range(cells):
                for (state, symbol), met in meets[place].items():
                    after, written, move = self.rules.get((state, symbol), (state, symbol, 0))
                    writes[place][written].append(met)
                    arrivals[min(max(place + move, 0), cells - 1)][after].append(met)
            tape = [
                {
                    symbol: build.any(
                        [*writes[place][symbol], build.all([absent[place], tape[place][symbol]])]
                    )
                    for symbol in symbols
                }
                for place in range(cells)
            ]
            heads = [{state: build.any(wires) for state, wires in arriving.items()} for arriving in arrivals]
        return build.circuit([build.any(head[self.accept] for head in heads)])
