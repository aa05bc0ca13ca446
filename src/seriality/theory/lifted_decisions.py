"""Choices that wait for a computation: the family on which the ratio of Theorem G.2 goes to 0.

Any computation of T rounds, in each of which a cell becomes a Boolean function of a few cells, is lifted to
an alternating circuit: two rails for a cell, of which one is 1; a round is a layer of AND gates, one for
each prime implicant of a function and of its negation, and a layer of OR gates that are the new rails. Every
layer has a gate that outputs 1. On the rail "cell c is 1" of the last row hangs a chain of L gates, so that

    d = 2 T,      DO1 = d + L bit.

The rival chain of the forced choice (`forced_choice`) has M = sqrt(d (d + L)) gates, rounded. Then both
errors cost the same: who takes the wrong side earns the share

    s = sqrt(d / (d + L))

of the best, whatever the bit is. A player that does not know the bit, and so takes the same side for both,
falls to s on one of two instances, and s -> 0 as L / d grows: that is how Theorem G.2 (c) of Liu et al. 2025
comes about, with P-complete computations such as Rule 110 (Neary & Woods 2006) and L = d^2, say. A player
of k rounds of constant propagation (`bounded_player`) knows the bit at k = d and not before. A ring of n
cells has 2^n rows, so n must grow with T for this to be more than a table.

A player that is right with probability p, whatever the bit, expects p + (1 - p) s. So the guess of a coin
expects above one half, and if P-complete problems have no parallel algorithm with coins either, one half is
all that such algorithms get on all instances: with p >= 1/2 + delta on every instance the majority of
independent runs would be the bit.

Regret. The comment after the theorem puts a chain of n gates beneath the circuit, for a regret of order n. A
chain below the inputs (`with_prefix`) raises both sides by n: DO1 - L is what it was, and so is the regret,
while the ratio is kept above 1/2 as long as no depth is above n. It is the chain *above*, L of order n, that
makes the regret linear: with a rival of d + L / 2 gates the wrong side costs L / 2 (`rival_for_regret`),
prefix or none.

What it does not do: it says nothing of players that do not propagate constants. That the bit takes them
depth is the hypothesis about the computation.

Neary, T., & Woods, D. (2006). P-completeness of cellular automaton Rule 110. ICALP.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Int

from .circuits import FIRST_INPUT, ONE, ZERO, Block, Circuit
from .depth_of_one import Configuration, after_rounds, layered
from .forced_choice import CHAIN, CIRCUIT, Pick, Policy, State, start
from .widths import FREE, prime_implicants

MOST_READ = 6
"""Cells that a cell may read: 3^6 products are tried for the implicants of a function."""

Product = tuple[tuple[int, int], ...]
"""Literals (variable, value), all of which are to hold."""


@dataclass(frozen=True, eq=False)
class LocalMap:
    """One round: cell i becomes `tables[i]` of the cells `reads[i]`, the first of which is the highest digit.

    >>> step = elementary(110, cells=5)
    >>> step(np.array([[0, 0, 0, 1, 0]], bool)).astype(int).tolist()
    [[0, 0, 1, 1, 0]]
    """

    reads: Int[np.ndarray, "cells arity"]
    tables: Bool[np.ndarray, "cells outcomes"]

    def __post_init__(self) -> None:
        (cells, arity), faults = self.reads.shape, []
        if not 1 <= arity <= MOST_READ:
            faults.append(f"reads {arity} cells: must be 1 to {MOST_READ}")
        if self.tables.shape != (cells, 2**arity):
            faults.append(f"tables has shape {self.tables.shape}: must be {(cells, 2**arity)}")
        if not cells or not 0 <= self.reads.min() <= self.reads.max() < cells:
            faults.append(f"reads must be cells, one or more, from 0 to {cells - 1}")
        if faults:
            raise ValueError(f"LocalMap: {'; '.join(faults)}; e.g. elementary(110, cells=11)")

    def __call__(self, rows: Bool[np.ndarray, "batch cells"]) -> Bool[np.ndarray, "batch cells"]:
        """The rows one round later."""
        digits = 1 << np.arange(self.reads.shape[1])[::-1]
        return self.tables[np.arange(len(self.reads)), rows[:, self.reads] @ digits]

    @cached_property
    def layers(self) -> tuple[tuple[tuple[int, ...], ...], tuple[tuple[int, ...], ...]]:
        """The AND gates and the OR gates of the round, by places in the layer below. Of the rails, 2 i says
        that cell i is 1 and 2 i + 1 that it is 0."""
        products, rails = [], []
        for cells, table in zip(self.reads.tolist(), self.tables, strict=True):
            for wanted in (table, ~table):
                # A constant is spelt with a cell and its negation, so that the gates stand in their layers.
                covers = _products(wanted) or [((0, 0), (0, 1))]
                if covers == [()]:
                    covers = [((0, 0),), ((0, 1),)]
                rails.append(tuple(range(len(products), len(products) + len(covers))))
                products += [tuple(2 * cells[of] + 1 - bit for of, bit in cover) for cover in covers]
        return tuple(products), tuple(rails)


def elementary(rule: int, cells: int) -> LocalMap:
    """One step of an elementary cellular automaton, by its Wolfram number, on a ring."""
    faults = []
    if not 0 <= rule <= 255:
        faults.append(f"rule={rule}: must be a Wolfram rule number, 0..255")
    if cells < 1:
        faults.append(f"cells={cells}: must be 1 or more")
    if faults:
        raise ValueError(f"elementary: {'; '.join(faults)}; e.g. elementary(110, cells=11)")
    reads = (np.arange(cells)[:, None] + np.array([-1, 0, 1])) % cells
    return LocalMap(reads, np.tile((rule >> np.arange(8)) & 1 == 1, (cells, 1)))


def _products(table: Bool[np.ndarray, " outcomes"]) -> list[Product]:
    """The prime implicants of a function whose first variable is the highest digit of an index into `table`.

    With some variables unknown, one of them is known to hold as soon as they determine the function to be 1.
    """
    arity = len(table).bit_length() - 1
    return [
        tuple((arity - 1 - place, value) for place, value in enumerate(term) if value != FREE)
        for term in prime_implicants(table)
    ]


@dataclass(frozen=True, eq=False)
class Decision:
    """A lifted computation with a chain on one of its bits, and the rival chain.

    `depth` is that of the computation (d), `length` that of the chain on the bit (L), `rival` that of the
    chain beside the circuit (M), and `bit_gate` the gate that outputs the bit.
    """

    configuration: Configuration
    depth: int
    length: int
    rival: int
    bit_gate: int

    @property
    def bit(self) -> bool:
        """What the chain hangs on, computed serially."""
        return bool(self.configuration.values[self.bit_gate])

    @property
    def start(self) -> State:
        """The forced choice."""
        return start(self.configuration, self.rival)


def lift_to_decision(
    rounds: Sequence[LocalMap],
    row: Bool[np.ndarray, " cells"],
    *,
    cell: int = 0,
    length: int,
    rival: int | None = None,
) -> Decision:
    """The forced choice that waits for `cell` after all `rounds` from `row`, with a chain of `length` gates.

    The rival is `rival_for_ratio` if none is given. In the order of the wires: layer by layer, the rails of a
    row as (is 1, is 0) for each cell, the chain last.

    >>> decision = lift_to_decision([elementary(110, 5)] * 3, np.array([0, 0, 0, 1, 0], bool), length=18)
    >>> decision.depth, decision.rival, decision.bit, decision.configuration.do1
    (6, 12, True, 24)
    """
    faults = []
    if not rounds:
        faults.append("there must be a round or more")
    if any(len(each.reads) != len(row) for each in rounds):
        faults.append(f"row has {len(row)} cells: rounds must have as many")
    if not 0 <= cell < len(row):
        faults.append(f"cell={cell}: must be from 0 to {len(row) - 1}")
    if length < 1:
        faults.append(f"length={length}: must be 1 or more")
    if faults:
        example = "lift_to_decision([elementary(110, 11)] * 12, row, length=48)"
        raise ValueError(f"lift_to_decision: {'; '.join(faults)}; e.g. {example}")
    layers = [layer for each in rounds for layer in zip(("AND", "OR"), each.layers, strict=True)]
    depth = len(layers)
    layers += [(("AND", "OR")[k % 2], ((2 * cell if k == 0 else 0,),)) for k in range(length)]
    circuit = layered(2 * len(row), layers)
    inputs = np.stack([row, ~row], axis=1).ravel()
    bit_gate = circuit.size - length - 2 * len(row) + 2 * cell
    rival = rival_for_ratio(depth, length) if rival is None else rival
    return Decision(Configuration(circuit, inputs), depth, length, rival, bit_gate)


def rival_for_ratio(depth: int, length: int) -> int:
    """M = sqrt(d (d + L)), rounded: both errors earn the same share of the best.

    >>> rival_for_ratio(24, 72)
    48
    """
    return round(math.sqrt(depth * (depth + length)))


def rival_for_regret(depth: int, length: int) -> int:
    """M = d + L / 2, rounded down: both errors cost L / 2, rounded down or up."""
    return depth + length // 2


def worst_ratio_without_bit(depth: int, length: int) -> float:
    """s = sqrt(d / (d + L)): what a player that does not know the bit earns of the best, at worst.

    The rounding of M is left out: for the M of an instance it is min(d / M, M / (d + L)), or `reward_ratio`.

    >>> worst_ratio_without_bit(24, 72)
    0.5
    """
    return math.sqrt(depth / (depth + length))


def reward_ratio(
    chose_circuit: Bool[np.ndarray, " choices"],
    bit: Bool[np.ndarray, " choices"],
    depth: int,
    length: int,
    rival: int,
) -> Float[np.ndarray, " choices"]:
    """What first choices, of a trained policy say, earn of the best, if the best play follows.

    >>> reward_ratio(np.array([True, False, True]), np.array([True, True, False]), 24, 72, 48).tolist()
    [1.0, 0.5, 0.5]
    """
    circuit = depth + length * bit
    return np.where(chose_circuit, circuit, rival) / np.maximum(circuit, rival)


def expected_ratio(right: float, depth: int, length: int) -> float:
    """p + (1 - p) s: what a player expects of the best that is on the right side with probability `right`.

    If that is its rate on every instance, this is its worst ratio in expectation; if it is an accuracy over
    instances it is the mean over these, and the worst ratio is s as soon as it errs once.

    >>> expected_ratio(0.5, 24, 72)
    0.75
    """
    if not 0 <= right <= 1:
        raise ValueError(f"expected_ratio: right={right}: must be a probability, 0 to 1; e.g. right=0.5")
    return right + (1 - right) * worst_ratio_without_bit(depth, length)


def bounded_player(rounds: int, undecided: str = CHAIN) -> Policy:
    """The first choice of a player that propagates constants for `rounds` rounds.

    Gates known to be 1 bound DO1 from below, gates not known to be 0 from above. It takes the side that is
    larger for sure, by the deepest gate known to be 1, and else `undecided`; the chain if no gate is known.
    A gate of one wire counts as a name of what it reads, for chains are followed at depth log L by doubling:
    so the chain on a bit is known with the bit.

    >>> decision = lift_to_decision([elementary(110, 5)] * 3, np.array([0, 0, 0, 1, 0], bool), length=18)
    >>> [bounded_player(k)(decision.start).side for k in (5, 6)]
    ['chain', 'circuit']
    """
    faults = []
    if rounds < 0:
        faults.append(f"rounds={rounds}: must be 0 or more")
    if undecided not in (CIRCUIT, CHAIN):
        faults.append(f"undecided={undecided!r}: must be {CIRCUIT!r} or {CHAIN!r}")
    if faults:
        raise ValueError(f"bounded_player: {'; '.join(faults)}; e.g. bounded_player(12)")

    def policy(state: State) -> Pick | None:
        circuit, inputs = state.configuration.circuit, state.configuration.inputs
        wires = np.concatenate([[0, 1], inputs, after_rounds(circuit, inputs[None], rounds)[0]])
        known = wires[_named(circuit)][FIRST_INPUT + circuit.inputs :]
        depths = state.configuration.depths
        low = int(np.max(depths * (known == 1), initial=0))
        high = int(np.max(depths * (known != 0), initial=0))
        if low and (low >= state.length or (high > state.length and undecided == CIRCUIT)):
            return Pick(CIRCUIT, int(np.flatnonzero((known == 1) & (depths == low))[0]))
        return Pick(CHAIN, 0)

    return policy


def with_prefix(configuration: Configuration, length: int) -> Configuration:
    """The configuration raised by `length`: every gate is that much deeper and outputs what it did.

    Two chains of `length` - 1 gates, one of ones and one of zeros, stand beneath. At depth `length` an AND
    gate joins every input to the ones, for the OR gates that read it, and an OR gate joins it to the zeros,
    for the AND gates. The gates of the prefix come first in the order of their layers, and the old gates
    follow, so the last of the values are the old ones. DO1 is `length` larger if it was positive.

    A ValueError for a gate that reads constants only, which nothing raises.

    >>> from .depth_of_one import chain
    >>> with_prefix(chain(3), 10).do1
    13
    """
    circuit, m = configuration.circuit, configuration.circuit.inputs
    faults = []
    if length < 2:
        faults.append(f"length={length}: must be 2 or more; e.g. length=10")
    if any((block.wires < FIRST_INPUT).all(axis=1).any() for layer in circuit.layers for block in layer):
        faults.append("a gate reads constants only: every gate must read an input or a gate")
    if faults:
        raise ValueError(f"with_prefix: {'; '.join(faults)}")
    first = FIRST_INPUT + m
    layers, ones, zeros = [], ONE, ZERO
    for k in range(1, length):
        # The ones end with an OR gate below the AND gates at depth `length`, the zeros the other way round.
        up, down = ("OR", "AND") if (length - k) % 2 else ("AND", "OR")
        layers.append((Block(up, _column([ones])), Block(down, _column([zeros]))))
        ones, zeros = first + 2 * (k - 1), first + 2 * (k - 1) + 1
    joins, inputs = first + 2 * (length - 1), np.arange(FIRST_INPUT, first)
    layers.append(
        tuple(
            Block(kind, np.stack([inputs, np.full(m, chained)], axis=1).astype(np.int32))
            for kind, chained in (("AND", ones), ("OR", zeros))
        )
    )
    added = 2 * (length - 1) + 2 * m

    def raised(kind: str, wires: np.ndarray) -> np.ndarray:
        below = wires - FIRST_INPUT + joins + (m if kind == "AND" else 0)
        moved = np.where(wires < first, below, wires + added)
        return np.where(wires < FIRST_INPUT, wires, moved).astype(np.int32)

    layers += [tuple(Block(kind, raised(kind, wires)) for kind, wires in layer) for layer in circuit.layers]
    made = Circuit(m, tuple(layers), np.arange(first, first + added + circuit.size, dtype=np.int32))
    return Configuration(made, configuration.inputs)


def _column(wires: Sequence[int]) -> Int[np.ndarray, "gates 1"]:
    return np.array(wires, np.int32)[:, None]


def _named(circuit: Circuit) -> Int[np.ndarray, " wires"]:
    """For every wire the one that it repeats: gates of one wire are followed down, by doubling."""
    names = np.arange(FIRST_INPUT + circuit.inputs + circuit.size)
    end = FIRST_INPUT + circuit.inputs
    for layer in circuit.layers:
        for kind, wires in layer:
            real = wires != (ONE if kind == "AND" else ZERO)
            lowest = np.where(real, wires, len(names)).min(axis=1)
            highest = np.where(real, wires, -1).max(axis=1)
            gates = np.arange(end, end + len(wires))
            names[gates] = np.where(lowest == highest, lowest, gates)
            end += len(wires)
    while (names[names] != names).any():
        names = names[names]
    return names
