"""The environment of Theorem G.2: a forced choice between a circuit and a chain, then more picks.

Liu et al. 2025, Appendix G.2. The player sees a configuration, an alternating circuit of n gates with inputs
(`depth_of_one`), and beside it a chain of L gates fed by a 1. It picks a gate of one of them, and the other
is removed. Then it may pick one more gate at every step. At the end it is paid the depth of its deepest pick
if all picks output 1, else nothing. The best values are

    V*(nothing picked) = max(DO1, L)        V*(a gate of the chain) = L
    V*(gate g of the circuit) = DO1 if g outputs 1, else 0.

In the terms of Gymnasium: `start`, `observation`, `actions` and `step` are the environment, an action that is
not allowed picks nothing while the step passes, and no episode is truncated.

What the theorem says of players is in `choice_reduction`. Two remarks on the environment belong to it.

- Only the first pick is hard. The picks are a memory: `forward` looks one gate far and, called at every step,
  picks all gates that output 1 and earns DO1. A rule that is parallel at each step is serial over an episode.
  So `ratio` and `regret` score the first pick, by what the best play after it earns.
- "Decision rule" means a deterministic one. A coin that chooses the side, followed by `forward`, earns (DO1
  + L) / 2 on average, or L if DO1 = 0: at least half of the best in *every* environment, at constant depth
  in every step. The theorem is about the worst outcome, not about the mean.

What it does not do: a Gymnasium class, and environments that pay failing picks.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from .circuits import ONE, ZERO
from .depth_of_one import Configuration, forced

CIRCUIT, CHAIN = "circuit", "chain"


class Pick(NamedTuple):
    """A gate of a side, `CIRCUIT` or `CHAIN`, counted from 0 in the order of the wires."""

    side: str
    gate: int


@dataclass(frozen=True)
class State:
    """A configuration and a chain of `length` gates; the side that is left, None before the first pick; the
    gates of it that were picked; the steps that have passed."""

    configuration: Configuration
    length: int
    side: str | None = None
    picked: frozenset[int] = frozenset()
    steps: int = 0

    @property
    def horizon(self) -> int:
        """The steps of an episode: enough to pick every gate of the larger side."""
        return max(self.configuration.circuit.size, self.length)

    @property
    def ended(self) -> bool:
        """Whether all steps have passed."""
        return self.steps >= self.horizon


Policy = Callable[[State], Pick | None]
"""A decision rule: what to pick, None to pick nothing."""
ValueFunction = Callable[[State], float]


def start(configuration: Configuration, length: int) -> State:
    """Nothing picked yet, beside a chain of `length` gates.

    >>> from .alternating_instances import planted
    >>> optimal_value(start(planted(8, 5, width=4, seed=0), length=3))
    5
    """
    if length < 1:
        raise ValueError(f"start: length={length}: must be 1 or more; e.g. length=1")
    return State(configuration, length)


def actions(state: State) -> tuple[Pick, ...]:
    """The gates that may be picked: of both sides at first, then those left of the side chosen. To pick
    nothing (None) is allowed too."""
    if state.ended:
        return ()
    return tuple(
        Pick(side, gate)
        for side, size in _sizes(state).items()
        for gate in range(size)
        if gate not in state.picked
    )


def step(state: State, action: Pick | None) -> tuple[State, int, bool]:
    """The next state, the reward, and whether the episode is over. What is not among `actions` picks nothing.

    The reward is 0 except at the last step, where it is `payoff`. After the end nothing changes.

    >>> from .depth_of_one import chain
    >>> state, *_ = step(start(chain(2), length=1), Pick(CIRCUIT, 1))
    >>> step(state, None)[1:]
    (2, True)
    """
    if state.ended:
        return state, 0, True
    after = replace(state, steps=state.steps + 1)
    if action is not None and 0 <= action.gate < _sizes(state).get(action.side, 0):
        after = replace(after, side=action.side, picked=state.picked | {action.gate})
    return after, payoff(after) if after.ended else 0, after.ended


def payoff(state: State) -> int:
    """The depth of the deepest pick if every pick outputs 1, else 0; 0 for no picks."""
    if not state.picked:
        return 0
    if state.side == CHAIN:
        return 1 + max(state.picked)
    depths, values = state.configuration.depths, state.configuration.values
    if not all(values[gate] for gate in state.picked):
        return 0
    return max(int(depths[gate]) for gate in state.picked)


def observation(state: State) -> dict[str, np.ndarray]:
    """What the player sees, as arrays that no two observations share.

    `inputs` (Bool, inputs); `conjunction` (Bool, gates: AND, else OR); `reads` (Int, wires x 2): pairs of a
    gate and a wire it reads, wires counted as in `circuits`; `picked` (Bool, gates + length), the chain
    last; `side` (0 none, 1 circuit, 2 chain), `length` and `steps`, without axes. DO1 and outputs are not
    told.
    """
    circuit = state.configuration.circuit
    blocks = [block for layer in circuit.layers for block in layer]
    fans = [block.wires.shape for block in blocks]
    gates = np.repeat(
        np.arange(circuit.size), np.repeat([fan for _, fan in fans], [count for count, _ in fans]).astype(int)
    )
    wires = np.concatenate([block.wires.ravel() for block in blocks] or [np.zeros(0, np.int32)])
    neutral = [np.full(block.wires.size, ONE if block.kind == "AND" else ZERO) for block in blocks]
    real = wires != np.concatenate(neutral or [np.zeros(0, int)])  # such constants change nothing
    picked = np.zeros(circuit.size + state.length, bool)
    picked[[gate + circuit.size * (state.side == CHAIN) for gate in state.picked]] = True
    return {
        "inputs": state.configuration.inputs.copy(),
        "conjunction": np.array([block.kind == "AND" for block in blocks for _ in block.wires], bool),
        "reads": np.stack([gates[real], wires[real]], axis=1),
        "picked": picked,
        "side": np.array((None, CIRCUIT, CHAIN).index(state.side)),
        "length": np.array(state.length),
        "steps": np.array(state.steps),
    }


def optimal_value(state: State) -> int:
    """V*: what the best play from here earns.

    >>> from .depth_of_one import chain
    >>> beside = start(chain(3), length=2)
    >>> [optimal_value(step(beside, pick)[0]) for pick in (Pick(CIRCUIT, 0), Pick(CHAIN, 0))]
    [3, 2]
    """
    if state.ended:
        return payoff(state)
    if state.side is None:
        return max(state.configuration.do1, state.length)
    if state.side == CHAIN:
        return state.length
    return state.configuration.do1 if payoff(state) else 0


def ratio(state: State, pick: Pick | None) -> float:
    """What the best play earns after `pick`, as a share of what it earns without it."""
    return optimal_value(step(state, pick)[0]) / optimal_value(state)


def regret(state: State, pick: Pick | None) -> int:
    """What the best play earns less after `pick`."""
    return optimal_value(state) - optimal_value(step(state, pick)[0])


def play(state: State, policy: Policy) -> int:
    """The reward of an episode."""
    reward = 0
    while not state.ended:
        state, reward, _ = step(state, policy(state))
    return reward


def forward(side: str) -> Policy:
    """A rule of constant depth that earns DO1 or L, whichever `side` it is told.

    It picks a gate that its inputs and the gates picked so far force to 1. In as many steps as there are
    gates these are all gates that output 1. Where no gate is forced, DO1 is 0, and it takes the chain.

    >>> from .alternating_instances import planted
    >>> beside = start(planted(6, 4, width=4, seed=0), length=9)
    >>> play(beside, forward(CIRCUIT)), play(beside, forward(CHAIN))
    (4, 9)
    """
    if side not in (CIRCUIT, CHAIN):
        raise ValueError(f"forward: side={side!r}: must be {CIRCUIT!r} or {CHAIN!r}")

    def policy(state: State) -> Pick | None:
        if (state.side or side) == CHAIN:
            return Pick(CHAIN, state.length - 1)
        ones = np.zeros(state.configuration.circuit.size, bool)
        ones[list(state.picked)] = True
        known = forced(state.configuration.circuit, state.configuration.inputs[None], ones[None])[0]
        fresh = np.flatnonzero(known & ~ones)
        if len(fresh):
            return Pick(CIRCUIT, int(fresh[0]))
        return Pick(CHAIN, state.length - 1) if state.side is None else None

    return policy


def _sizes(state: State) -> dict[str, int]:
    """The gates of the sides that are left."""
    sizes = {CIRCUIT: state.configuration.circuit.size, CHAIN: state.length}
    return sizes if state.side is None else {state.side: sizes[state.side]}
