"""What statistical mechanics tells of `Billiards` without following a disc, and how far off it is.

The only quantity that N discs in a box conserve is the energy E = Σ v² / 2. If their motion is ergodic, time
averages are those over all places and velocities of that energy, and need no chain of collisions:

- The kinetic temperature (in units of mass and of Boltzmann's constant) is E / N. No average is needed: it is
  exact at every time, and what `question="macrostates"` asks for.
- The mean place of the discs is the middle of the box, by symmetry.
- The mean force on a wall is E / N times the derivative of log V by the width of the box, V being the volume
  of all placements (the entropy of Hertz 1910; exact for every N). Two discs of diameter D, their centres in
  a rectangle of a by b, have V = (ab)² − ab B with B = π D² − (4/3) D³ (1/a + 1/b) + D⁴ / (2ab), the area
  that one takes from the other, walls included. For more discs, V = Π (ab − i B), i = 0..N − 1, is taken:
  discs placed in turn, which is right to first order in their density.

Over a short window none of this is the value: the error of one instance is told beside the bias of many.
Ergodicity is assumed (for discs on a torus it is a theorem, Simányi 2013), and over windows beyond the digits
of float64 the averages are those of some orbit, not of the one of the prompt.
"""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Key

from .base import integer_fault, refuse
from .billiards import Billiards


class Estimate(NamedTuple):
    """A quantity predicted without the chain and averaged along it: the means over all instances, the root
    mean square error of one, and an interval of 95% for the mean of simulated minus predicted."""

    predicted: float
    simulated: float
    error: float
    bias: tuple[float, float]


class MacrostateEstimates(NamedTuple):
    """Pressure on the right wall (also as if discs were points), mean x of all discs, temperature."""

    pressure: Estimate
    ideal_pressure: Estimate
    place: Estimate
    temperature: Estimate


def macrostate_estimates(
    task: Billiards, count: int, *, key: Key[Array, ""], events: int = 1000
) -> MacrostateEstimates:
    """How well the macrostates of `count` instances are predicted for a window of so many events from time 0.

    >>> found = macrostate_estimates(Billiards(2, balls=2), 16, key=jax.random.key(0), events=16)
    >>> found.place.predicted, found.temperature.error < 1e-9
    (16.0, True)
    """
    faults = integer_fault("count", count, 2, 256) + integer_fault("events", events, 1, 1000)
    if task.present != "all":
        faults.append(f"present={task.present!r}: a disc alone visits few velocities; use present='all'")
    refuse("macrostate_estimates", faults)
    discs, n, side, room = task.discs, task.balls, task.precision, float(task.precision - 2 * task.radius)
    prompts = task.sample(count, key=key).prompt
    with jax.enable_x64(True):
        starts = jax.vmap(task.start)(jnp.asarray(prompts))
        sums, end = jax.jit(jax.vmap(lambda place, velocity: discs.sums(place, velocity, events)))(*starts)
        (_, before), sums, after = jax.tree.map(np.asarray, (starts, sums, end.velocity))
    energy, later = (np.sum(each**2, axis=(1, 2)) / 2 for each in (before, after))
    pressure = sums.walls[:, 1] / (sums.time * side)
    force = energy / n * growth_of_placements(n, 2.0 * task.radius, room, room)
    return MacrostateEstimates(
        pressure=_compared(force / side, pressure),
        ideal_pressure=_compared(energy / side**2, pressure),
        place=_compared(np.full(count, side / 2), np.mean(sums.place[..., 0], axis=1) / sums.time),
        temperature=_compared(energy / n, later / n),
    )


def growth_of_placements(discs: int, diameter: float, width: float, height: float) -> float:
    """The derivative of log V by the width of the rectangle of centres."""
    area = width * height
    taken = math.pi * diameter**2 - 4 / 3 * diameter**3 * (1 / width + 1 / height) + diameter**4 / (2 * area)
    taken_more = 4 / 3 * diameter**3 / width**2 - diameter**4 / (2 * area * width)
    return sum((height - i * taken_more) / (area - i * taken) for i in range(discs))


def _compared(predicted: np.ndarray, simulated: np.ndarray) -> Estimate:
    difference = simulated - predicted
    middle, half = np.mean(difference), 1.96 * np.std(difference, ddof=1) / math.sqrt(len(difference))
    error = math.sqrt(np.mean(difference**2))
    means = float(np.mean(predicted)), float(np.mean(simulated))
    return Estimate(*means, error, (float(middle - half), float(middle + half)))
