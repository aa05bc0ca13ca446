"""Theorem G.2: the first choices of a player tell DO1 within a factor, so none in parallel is near the best.

Theorem G.2 of Liu et al. 2025, on the environment of `forced_choice`, if P-complete problems have no parallel
algorithm: (a) no parallel algorithm computes the best value V* of all states within a constant factor;
(b) greedy play on a parallel value function earns, for every eps > 0, at most eps times the best in some
environment; (c) so does every parallel decision rule.

The proof is a reduction, here `estimate`. The first choices beside chains of several lengths, all
independent of each other, tell DO1 within the factor in `guarantee`; and that is P-hard (Theorem G.1). One
of its steps is mended here, and one needs less than it uses.

1. The special case DO1 = 0 is decided by `depth_of_one.positive`; the test in the paper misses circuits whose
   inputs feed later layers.
2. Part (a) needs no choice. V*(s_g) = 0 exactly if gate g outputs 0, so within any factor [V(s_g) > 0] is
   what g outputs (`values_told`), and all outputs are the circuit value problem. Besides, V*(start) =
   max(DO1, L), so at L = 1 the one number V(start) is DO1 within the factor. To pay failing picks a small
   rho > 0 repairs neither: V(s_g) > rho tells the gates if DO1 > rho / alpha, and V(start) is as before. So
   (a) is a corollary of Theorem G.1, and the choice is needed for (b) and (c), where choices are all that is
   seen. Noise on V* that is to stay within a factor keeps zeros; so do `VALUE_FUNCTIONS`.

The theorem is about all environments; no finite set of them shows it. What a test or a study can do is to
hold the reduction to its constants, and to show players of bounded depth below any ratio
(`lifted_decisions`).

What it does not do: learning rules that produce policies, which reduce to the policies that they produce.
"""

from collections.abc import Callable
from types import MappingProxyType

import numpy as np
from jaxtyping import Bool

from .depth_of_one import Configuration, positive
from .forced_choice import (
    CHAIN,
    CIRCUIT,
    Pick,
    Policy,
    State,
    ValueFunction,
    actions,
    optimal_value,
    start,
    step,
)

GRIDS = ("geometric", "linear")


def greedy(value: ValueFunction) -> Policy:
    """The first choice that a value function makes: the chain if V(s_chain) >= max V(s_g), as in the proof.

    Of the chain the gate next to its input is tried, of the circuit every gate: n + 1 evaluations, which do
    not depend on each other.
    """

    def policy(state: State) -> Pick | None:
        picks = [Pick(CHAIN, 0), *(pick for pick in actions(state) if pick.side == CIRCUIT)]
        return max(picks, key=lambda pick: value(step(state, pick)[0]))  # of equals, the first

    return policy


def chain_lengths(gates: int, grid: str = "geometric") -> tuple[int, ...]:
    """The chains that a circuit of `gates` gates is put beside: 1, 2, 4, ... up to the first of `gates` or
    more, or 1, 2, 3, ... `gates`.

    >>> chain_lengths(5), chain_lengths(5, "linear")
    ((1, 2, 4, 8), (1, 2, 3, 4, 5))
    """
    faults = []
    if grid not in GRIDS:
        faults.append(f"grid={grid!r}: must be 'geometric' or 'linear'")
    if gates < 1:
        faults.append(f"gates={gates}: must be 1 or more")
    if faults:
        raise ValueError(f"chain_lengths: {'; '.join(faults)}; e.g. chain_lengths(5, 'linear')")
    if grid == "linear":
        return tuple(range(1, gates + 1))
    return tuple(2**i for i in range((gates - 1).bit_length() + 1))


def evaluations(gates: int, grid: str = "geometric") -> int:
    """The evaluations of a value function in the reduction, none of which waits for another: n + 1 for each
    chain, so (m + 1)(n + 1) with 2^m >= n, or n (n + 1).

    >>> evaluations(1000), evaluations(1000, "linear")
    (11011, 1001000)
    """
    return len(chain_lengths(gates, grid)) * (gates + 1)


def estimate(configuration: Configuration, policy: Policy, grid: str = "geometric") -> int:
    """DO1 as the first choices of `policy` tell it: the shortest chain of the grid that is preferred.

    The reduction in the proof of Theorem G.2, with the test of DO1 = 0 repaired. If no chain is preferred
    the longest is the estimate. How far it may be off is in `guarantee`. A ValueError if the policy picks
    nothing.

    >>> from .alternating_instances import planted
    >>> exactly = greedy(VALUE_FUNCTIONS["exact"](1.0, 0))
    >>> [estimate(planted(8, 5, width=4, seed=0), exactly, grid) for grid in GRIDS]
    [8, 5]
    """
    lengths = chain_lengths(max(configuration.circuit.size, 1), grid)
    states = [start(configuration, length) for length in lengths]
    choices = [policy(state) for state in states]  # all of them: none depends on another
    preferred = []
    for state, choice in zip(states, choices, strict=True):
        if choice is None or choice not in actions(state):
            raise ValueError(
                f"estimate: beside {state.length} gates the policy picks {choice}: must be a gate"
            )
        if choice.side == CHAIN:
            preferred.append(state.length)
    if not positive(configuration.circuit, configuration.inputs[None])[0]:
        return 0
    return min(preferred, default=lengths[-1])


def guarantee(do1: int, accuracy: float, grid: str = "geometric") -> tuple[float, float]:
    """The least and the largest `estimate` of a DO1 = d > 0, for a player of the given accuracy.

    | grid      | value function, alpha V* <= V <= V*  | policy that earns eps V*              |
    |-----------|--------------------------------------|---------------------------------------|
    | geometric | alpha d <= estimate < 2 d / alpha    | eps d <= estimate <= 2 d / eps        |
    | linear    | alpha d <= estimate < d / alpha + 1  | eps d <= estimate <= d / eps + 1      |

    Value function. Let L be the estimate and K the next shorter chain. The chain L is preferred, so alpha d
    <= max V(s_g) <= V(chain L) <= L. K is not, so alpha K <= V(chain K) < max V(s_g) <= d, and L is 2 K or K
    + 1. If there is no K then L = 1 <= d. If no chain is preferred then L >= n >= d, and alpha L < d by the
    second argument. V need not grow with L, as no other chain is looked at.

    Policy. That L is chosen means L >= eps max(d, L), so L >= eps d; that K is not, d >= eps K. The largest
    value is reached: at eps = 1, by a tie.

    >>> guarantee(12, 0.5), guarantee(12, 0.5, "linear")
    ((6.0, 48.0), (6.0, 25.0))
    """
    faults = []
    if do1 < 1:
        faults.append(f"do1={do1}: must be 1 or more; an estimate of 0 is exact")
    if not 0 < accuracy <= 1:
        faults.append(f"accuracy={accuracy}: must be above 0 and at most 1")
    if grid not in GRIDS:
        faults.append(f"grid={grid!r}: must be 'geometric' or 'linear'")
    if faults:
        raise ValueError(f"guarantee: {'; '.join(faults)}; e.g. guarantee(12, 0.5)")
    return accuracy * do1, 2 * do1 / accuracy if grid == "geometric" else do1 / accuracy + 1


def values_told(
    configuration: Configuration, value: ValueFunction, failing: float = 0.0
) -> Bool[np.ndarray, " gates"]:
    """What a value function tells of every gate's output, by no choice: [V(s_g) > failing].

    It is right for every value function within a factor alpha if failing picks are paid nothing, and, where
    they are paid `failing`, if DO1 > failing / alpha: the second repair above.
    """
    beside = start(configuration, 1)
    gates = range(configuration.circuit.size)
    return np.array([value(step(beside, Pick(CIRCUIT, gate))[0]) > failing for gate in gates], bool)


def _scaled(circuit: float, chain: float) -> ValueFunction:
    """V* times one factor before anything is picked and on the circuit's side, and another on the chain's."""
    return lambda state: (chain if state.side == CHAIN else circuit) * optimal_value(state)


def _noisy(accuracy: float, seed: int) -> ValueFunction:
    """V* times a factor drawn for every state of first picks, from `accuracy` to 1, logarithms uniform."""

    def value(state: State) -> float:
        where = [seed, state.length, (None, CIRCUIT, CHAIN).index(state.side), *sorted(state.picked)]
        drawn = accuracy ** np.random.default_rng(where).random()
        return max(accuracy, min(drawn, 1.0)) * optimal_value(state)

    return value


VALUE_FUNCTIONS = MappingProxyType(
    {
        "exact": lambda accuracy, seed: _scaled(1.0, 1.0),
        "circuit low": lambda accuracy, seed: _scaled(accuracy, 1.0),
        "chain low": lambda accuracy, seed: _scaled(1.0, accuracy),
        "random": _noisy,
    }
)
"""Value functions with accuracy V* <= V <= V*, made from an accuracy and a seed. "circuit low" and "chain
low" give the smallest and the largest estimate that there can be."""


def _within(accuracy: float, prefers: Callable[[State], str]) -> Policy:
    def policy(state: State) -> Pick | None:
        configuration = state.configuration
        worth = {CIRCUIT: configuration.do1, CHAIN: state.length}
        side = prefers(state)
        if worth[side] < accuracy * max(worth.values()):
            side = CHAIN if side == CIRCUIT else CIRCUIT
        if side == CHAIN:
            return Pick(CHAIN, 0)
        return Pick(CIRCUIT, int(np.flatnonzero(configuration.values)[0]))

    return policy


def _coin(seed: int) -> Callable[[State], str]:
    return lambda state: (CIRCUIT, CHAIN)[np.random.default_rng([seed, state.length]).integers(2)]


POLICIES = MappingProxyType(
    {
        "circuit if allowed": lambda accuracy, seed: _within(accuracy, lambda state: CIRCUIT),
        "chain if allowed": lambda accuracy, seed: _within(accuracy, lambda state: CHAIN),
        "random": lambda accuracy, seed: _within(accuracy, _coin(seed)),
    }
)
"""Policies whose first pick leaves at least accuracy V*, made from an accuracy and a seed: where both sides
do, the one preferred. The first two give the largest and the smallest estimate that there can be."""
