"""Sums along the motion against the virial theorem; predicted macrostates against integrals and long runs."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from seriality.tasks.billiards import Billiards
from seriality.tasks.hard_discs import Discs
from seriality.tasks.macrostates import growth_of_placements, macrostate_estimates

KEY = jax.random.key(2)


def test_the_virial_theorem_ties_walls_to_collisions():
    """With q from the middle of the box, d(Σ v·q)/dt is Σ v², less half a width for each unit of impulse on a
    wall, and plus a diameter for each between discs: exact for any stretch of the motion. The impulses are of
    different events, so neither can be wrong alone."""
    width, height, radius, events = 11.0, 8.0, 0.7, 400
    discs = Discs(5, radius, (width, height))
    start = np.array([[1, 1], [4, 2], [7, 5], [2, 6], [9, 3.5]])
    velocity = np.random.default_rng(0).normal(size=(5, 2))
    with jax.enable_x64(True):
        sums, end = discs.sums(jnp.asarray(start), jnp.asarray(velocity), events)
        path = discs.follow(jnp.asarray(start), jnp.asarray(velocity), events)
        sums, end, path = jax.tree.map(np.asarray, (sums, end, path))
    middle = np.array([width, height]) / 2
    gained = np.sum(end.velocity * (end.place - middle)) - np.sum(velocity * (start - middle))
    left, right, bottom, top = sums.walls
    halves = (left + right) * (width / 2 - radius) + (bottom + top) * (height / 2 - radius)
    assert np.all(sums.walls > 1)
    assert sums.pairs > 1
    assert abs(np.sum(velocity**2) * sums.time - halves + 2 * radius * sums.pairs - gained) < 1e-9 * halves
    wall = path.event >= 10  # a disc leaves a wall by half of its impulse
    counted = np.sum(np.abs(path.motion.velocity.reshape(events, -1)[wall, path.event[wall] - 10])) * 2
    assert np.isclose(counted, sums.walls.sum(), rtol=1e-9)
    times = np.diff(path.motion.time, prepend=0.0)
    places = np.concatenate([start[None], path.motion.place])
    assert np.allclose(np.tensordot(times, (places[1:] + places[:-1]) / 2, 1), sums.place, rtol=1e-6)


def test_placements_of_two_discs_are_counted():
    """The closed form against the integral over relative places on a grid, differenced by the width."""

    def volume(width, height, diameter, cells=3000):
        x, y = ((np.arange(cells) + 0.5) / cells * side for side in (width, height))
        apart = x[:, None] ** 2 + y**2 >= diameter**2
        return 4 * np.sum((width - x)[:, None] * (height - y) * apart) * width * height / cells**2

    for width, height, diameter in ((6.0, 6.0, 2.0), (26.0, 20.0, 6.0), (5.0, 9.0, 4.0)):
        step = 0.02 * width
        slope = np.log(volume(width + step, height, diameter) / volume(width - step, height, diameter)) / (
            2 * step
        )
        assert np.isclose(growth_of_placements(2, diameter, width, height), slope, rtol=1e-3)
    assert growth_of_placements(3, 0.0, 5.0, 7.0) == pytest.approx(3 / 5)


def test_two_discs_have_the_pressure_that_is_predicted():
    """The formula is exact for two; that discs are no points is noticed."""
    task = Billiards(collisions=4, balls=2)
    found = macrostate_estimates(task, 256, key=KEY, events=2000)
    half = (found.pressure.bias[1] - found.pressure.bias[0]) / 2
    assert half < 0.03 * found.pressure.predicted
    assert abs(found.pressure.simulated - found.pressure.predicted) < 2 * half
    assert found.ideal_pressure.bias[0] > 0.2 * found.ideal_pressure.predicted
    assert found.place.predicted == 16
    assert abs(sum(found.place.bias)) < 0.2
    assert found.place.error < 0.5
    assert found.temperature.error < 1e-9


def test_four_discs_have_it_nearly_and_a_short_window_does_not_show_it():
    task = Billiards()
    short, long = (macrostate_estimates(task, 256, key=KEY, events=n) for n in (20, 2000))
    prompts = np.asarray(task.sample(256, key=KEY).prompt)
    speeds = (prompts - task.format.tokens.index("0"))[:, :16].reshape(-1, 4, 4)[..., 2:]
    assert np.isclose(long.temperature.predicted, np.mean(np.sum(speeds**2, axis=(1, 2))) / 8)
    predicted = long.pressure.predicted
    assert -0.05 * predicted < long.pressure.bias[0] < long.pressure.bias[1] < 0
    assert long.pressure.error < 0.08 * predicted
    assert short.pressure.error > 0.25 * predicted
    assert short.place.error > 4 * long.place.error


def test_what_has_no_macrostates_is_refused():
    with pytest.raises(
        ValueError, match=r"3 faults\n  count=1: .*\n  events=0: .*\n  present='one': .*'all'"
    ):
        macrostate_estimates(Billiards(present="one"), 1, key=KEY, events=0)
