"""From the convergence of the sampler to the depth of a circuit: the steps that Theorem F.2 needs.

Theorem F.1 of Liu et al. 2025 (Li & Yan 2025) bounds the total variation between target and sample after T
steps by

    c (d_eps (log T)^3 / T  +  score_error sqrt(log T)),      eps = T^-c0,

for a target whose mean norm is at most T^c_moment; d_eps is its discrete intrinsic dimension, see
`dimension`. Theorem F.2 takes a T at which this is at most 1/2 - delta, for all lengths of the input, unrolls
T passes of the backbone, and fixes the seeds of copies whose majority is right on every input, see
`derandomisation`.

The bound rises before it falls: log 1 = 0, so at T = 1 it reads 0, and its first term is largest at T = e^3
for a constant d_eps. That a bound on few steps is small there is an accident of the formula, which is meant
for large T. So only numbers of steps from that maximum on are considered. With a score error the bound rises
again, so it has a least value: the floor that no number of steps gets below.

Bears on Theorem F.2 and section F.5. The theorem says that the constants exist and not what they are: with
c = c0 = 1, the defaults, growth means something and values do not.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..cost import Cost

MOST_STEPS = 2**53
"""The largest number of steps considered: beyond it a float skips integers."""

GRID = 1024
"""Numbers of steps at which the bound is looked at, evenly spaced in their logarithm, before refinement."""

Dimension = float | Callable[[float], float]
"""A constant, or d_eps as a function of eps."""

ONE_LAYER = Cost(work=1, span=1)


@dataclass(frozen=True)
class Bound:
    """A value of the bound, and the number of steps at which it is taken."""

    value: float
    steps: int


@dataclass(frozen=True)
class LiYan:
    """The bound of Theorem F.1 with its three constants.

    >>> LiYan(c=1.0).total_variation(1000, dimension=1.0).__round__(4)
    0.3296
    """

    c: float = 1.0
    c0: float = 1.0
    c_moment: float = 1.0

    def __post_init__(self) -> None:
        faults = [
            f"{name}={value}: must be positive; e.g. {name}=1.0"
            for name, value in (("c", self.c), ("c0", self.c0), ("c_moment", self.c_moment))
            if not value > 0
        ]
        if faults:
            raise ValueError(f"LiYan: {'; '.join(faults)}")

    def scale(self, steps: float) -> float:
        """eps, the scale at which the target's dimension counts: steps^-c0."""
        return float(steps) ** -self.c0

    def admits(self, mean_norm: float, steps: int) -> bool:
        """Whether a target of this mean norm meets the theorem's condition on its first moment."""
        return mean_norm <= float(steps) ** self.c_moment

    def discretisation(self, steps: float, dimension: Dimension) -> float:
        """The first term, which more steps make small. Steps are 2 or more: at 1, eps is 1 and d_eps is not
        defined."""
        if steps < 2:
            raise ValueError(f"LiYan: steps={steps}: must be at least 2; e.g. steps=64")
        d = dimension(self.scale(steps)) if callable(dimension) else dimension
        return self.c * d * math.log(steps) ** 3 / steps

    def total_variation(self, steps: float, dimension: Dimension, score_error: float = 0.0) -> float:
        """The bound. It may exceed 1, and then says nothing."""
        return self.discretisation(steps, dimension) + self.c * score_error * math.sqrt(math.log(steps))


def finite_set(count: int) -> Callable[[float], float]:
    """d_eps of `count` points that are farther apart than 2 eps: log count / log(1/eps).

    The first term of the bound is then c log(count) (log T)^2 / (c0 T): for an answer of n bits, n takes the
    place of a dimension.

    >>> finite_set(1024)(1 / 32)
    2.0
    """
    if count < 1:
        raise ValueError(f"finite_set: count={count}: must be at least 1; e.g. count=1024")
    return lambda eps: math.log(count) / -math.log(eps)


def lowest(bound: LiYan, dimension: Dimension, score_error: float = 0.0) -> Bound:
    """The least value of the bound from its maximum on, and the steps at which it is reached.

    With a score error this is the floor of section F.5. Without one the bound falls to the last number of
    steps considered, 2^53.

    >>> lowest(LiYan(), 1.0, score_error=0.1).steps
    66677
    """
    _check_score_error("lowest", score_error)
    logs, first = _falling(bound, dimension)

    def value(steps: float) -> float:
        return bound.total_variation(steps, dimension, score_error)

    at = int((first + bound.c * score_error * np.sqrt(logs)).argmin())
    steps = _least(value, logs, at)
    return Bound(value(steps), steps)


def steps_needed(bound: LiYan, dimension: Dimension, *, delta: float, score_error: float = 0.0) -> int:
    """The least number of steps T*, from the bound's maximum on, at which it is at most 1/2 - delta.

    A ValueError where there is none, which gives the floor: the score error is too large, or the dimension
    grows as fast as the steps. A `dimension` that is a function must be smooth in log eps: the bound is
    looked at some 1000 times up to 2^53 steps.

    >>> steps_needed(LiYan(), 1.0, delta=0.1)
    706
    >>> steps_needed(LiYan(), finite_set(2**32), delta=0.1)
    3758
    """
    _check("steps_needed", delta)
    _check_score_error("steps_needed", score_error)
    target = 0.5 - delta
    floor = lowest(bound, dimension, score_error)
    if floor.value > target:
        allowed = score_error_allowed(bound, dimension, delta=delta)
        raise ValueError(
            f"steps_needed: delta={delta:g}, score_error={score_error:g}: the bound is at least "
            f"{floor.value:.4g}, at {floor.steps} steps, and never 1/2 - delta = {target:g}; "
            + (
                f"allowed is a score error up to {allowed:.4g}, e.g. score_error={allowed / 2:.2g}"
                if allowed > 0
                else "allowed is a smaller dimension, e.g. dimension=1.0"
            )
        )
    logs, first = _falling(bound, dimension)
    falls = first + bound.c * score_error * np.sqrt(logs) > target
    # Bisection between a number that is too small, or before the maximum, and one that is enough.
    most = min(math.ceil(math.exp(logs[falls.argmin()])), floor.steps) if not falls.all() else floor.steps
    short = np.floor(np.exp(logs[falls]))
    least = int(short[short < most].max(initial=math.ceil(math.exp(logs[0])) - 1))
    while most - least > 1:
        middle = (least + most) // 2
        enough = bound.total_variation(middle, dimension, score_error) <= target
        least, most = (least, middle) if enough else (middle, most)
    return most


def score_error_allowed(bound: LiYan, dimension: Dimension, *, delta: float) -> float:
    """The largest score error for which some number of steps suffices.

    It is the largest of (1/2 - delta - first term) / (c sqrt(log T)), over T from the bound's maximum on;
    0 if even a perfect score needs more than 2^53 steps. A larger error leaves the task outside of the
    theorem, whatever T.

    >>> round(score_error_allowed(LiYan(), 1.0, delta=0.1), 4)
    0.1139
    """
    _check("score_error_allowed", delta)
    logs, first = _falling(bound, dimension)

    def excess(steps: float) -> float:
        first = bound.discretisation(steps, dimension)
        return (first - 0.5 + delta) / (bound.c * math.sqrt(math.log(steps)))

    steps = _least(excess, logs, int(((first - 0.5 + delta) / np.sqrt(logs)).argmin()))
    return max(-excess(steps), 0.0)


def steps_by_rate(constant: float, *, delta: float) -> int:
    """The least T with constant / T at most 1/2 - delta: T* of a measured law instead of a bound.

    >>> steps_by_rate(1.47, delta=0.1)
    4
    """
    _check("steps_by_rate", delta)
    if not constant >= 0:
        raise ValueError(f"steps_by_rate: constant={constant}: must be 0 or more; e.g. constant=0.7")
    return max(math.ceil(constant / (0.5 - delta)), 1)


def unrolled(
    steps: int,
    backbone: Cost,
    *,
    copies: int = 1,
    answer_bits: int = 1,
    update: Cost = ONE_LAYER,
    snapping: Cost = ONE_LAYER,
) -> Cost:
    """The circuit of the proof of Theorem F.2: size is its work, depth its span.

    Each of `copies` runs `steps` passes, one after the other: the backbone, then the `update`, the affine
    step of the sampler with its noise hard-wired from a fixed seed. Then it snaps: the `snapping` is the
    answer's discretisation, of constant depth by assumption. A majority over the copies for each of
    `answer_bits` is one gate each, all in one layer.

    The unit is that of `backbone`: layers or gates. The update and the snapping are in TC0 at logarithmic
    precision, so they are a constant number of layers; the default, one each, counts them as layers, and a
    count in gates must give them.

    >>> unrolled(8, Cost(work=100, span=4), copies=15)
    Cost(work=12136, span=42)
    """
    faults = [
        f"{name}={value}: must be at least 1; e.g. {name}={example}"
        for name, value, example in (
            ("steps", steps, 8),
            ("copies", copies, 15),
            ("answer_bits", answer_bits, 1),
        )
        if value < 1
    ]
    if faults:
        raise ValueError(f"unrolled: {'; '.join(faults)}")
    one = backbone.then(update).times(steps).then(snapping)
    return Cost(one.work * copies, one.span).then(Cost(work=answer_bits, span=1))


def unrolled_depth(steps: int, backbone_depth: int, *, update_depth: int = 1, snapping_depth: int = 1) -> int:
    """The depth of that circuit: steps (backbone + update) + snapping + 1 for the majority.

    >>> unrolled_depth(8, 4)
    42
    """
    backbone, update, snapping = (Cost(0, depth) for depth in (backbone_depth, update_depth, snapping_depth))
    return unrolled(steps, backbone, update=update, snapping=snapping).span


def _falling(bound: LiYan, dimension: Dimension) -> tuple[np.ndarray, np.ndarray]:
    """Logarithms of numbers of steps from the maximum of the first term on, and that term."""
    logs = np.linspace(math.log(2), math.log(MOST_STEPS), GRID)

    def first(log: float) -> float:
        return bound.discretisation(math.exp(log), dimension)

    values = np.array([first(log) for log in logs])
    at = int(values.argmax())
    maximum = _trough(lambda log: -first(log), logs, at)
    kept = logs > maximum
    return np.append(maximum, logs[kept]), np.append(first(maximum), values[kept])


def _least(value: Callable[[float], float], logs: np.ndarray, at: int) -> int:
    """The number of steps, none below those of logs[0], with the least `value`, near logs[at]."""
    steps = math.exp(_trough(lambda log: value(math.exp(log)), logs, at))
    lowest, highest = math.ceil(math.exp(logs[0])), MOST_STEPS
    near = {min(max(each, lowest), highest) for each in (math.floor(steps), math.ceil(steps))}
    return min(near, key=value)


def _trough(value: Callable[[float], float], logs: np.ndarray, at: int) -> float:
    """Where `value`, which falls and then rises between the neighbours of logs[at], is least."""
    low, high = logs[max(at - 1, 0)], logs[min(at + 1, len(logs) - 1)]
    for _ in range(80):
        left, right = (2 * low + high) / 3, (low + 2 * high) / 3
        low, high = (low, right) if value(left) <= value(right) else (left, high)
    return float(low + high) / 2


def _check(what: str, delta: float) -> None:
    if not 0 < delta < 0.5:
        raise ValueError(f"{what}: delta={delta}: must be above 0 and below 1/2; e.g. delta=0.1")


def _check_score_error(what: str, score_error: float) -> None:
    if not score_error >= 0:
        raise ValueError(f"{what}: score_error={score_error}: must be 0 or more; e.g. score_error=0.01")
