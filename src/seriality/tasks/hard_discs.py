"""Hard discs of equal radius and mass: free flight, elastic collisions, walls, fixed discs.

Nothing happens between events, so the motion is stepped from event to event, each time found in closed form
(Alder & Wainwright 1959). For two discs at relative place r and velocity g, with D the diameter, that is the
smaller root of |r + g τ| = D,

    τ = (r² − D²) / (−r·g + √((r·g)² − g² (r² − D²)))    if r·g < 0 and the root is real;

the normal n of contact then takes n (n·g) from one and gives it to the other. A disc that is fixed gives back
twice that: it is a mirror, curved, and exact where the normal is the one wanted.

All is in float64, and `follow` bounds how far that is from the motion of real numbers. With e the norms of
the errors of a place and of a velocity, to first order: flight for τ adds τ e_v to e_p; a collision exchanges
normal parts, which adds in squares; and the normal of contact is off by no more than ρ |g| / (D g_n), where ρ
is the error of the relative place and g_n the speed of approach, so that velocities are off by ρ |g|² / (D
g_n) more. That is what makes it chaos: τ |g| / D, the free path by the diameter, is the factor per collision.
The bound multiplies norms, so it is above the error itself. The order of events is certain if no other event
could come as early and no pair passes by within the error of touching.
"""

from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float, Int

from .base import lookup

ROUNDING = 32 * float(np.finfo(np.float64).eps)
"""What one event may add to the relative error by rounding alone: about thirty operations."""
SLACK = 2.0
"""The factor on the bound for what is of second order."""


class Motion(NamedTuple):
    """The discs at an instant."""

    time: Float[Array, "..."]
    place: Float[Array, "... discs 2"]
    velocity: Float[Array, "... discs 2"]


class Path(NamedTuple):
    """The motion right after each event: what it was (an index into `Discs.events`), and the bounds."""

    motion: Motion
    event: Int[Array, " events"]
    time_error: Float[Array, " events"]
    place_error: Float[Array, "events discs"]
    velocity_error: Float[Array, "events discs"]
    certain: Bool[Array, " events"]


class Sums(NamedTuple):
    """What a stretch of the motion adds up to: time; the impulses on the left, right, bottom and top wall,
    and those between discs, each once; and the time integral of the places."""

    time: Float[Array, "..."]
    walls: Float[Array, "... 4"]
    pairs: Float[Array, "..."]
    place: Float[Array, "... discs 2"]


@dataclass(frozen=True)
class Discs:
    """`count` discs of a radius in a box with a corner at the origin, or (sides None) in the open plane.

    `fixed` are the discs that never move; their velocities must be 0.
    """

    count: int
    radius: float
    sides: tuple[float, float] | None = None
    fixed: tuple[int, ...] = ()

    @cached_property
    def pairs(self) -> tuple[tuple[int, int], ...]:
        """The pairs that can collide."""
        fixed = set(self.fixed)
        return tuple(pair for pair in combinations(range(self.count), 2) if not fixed.issuperset(pair))

    @property
    def events(self) -> int:
        """The number of kinds of events: each pair, then each disc at a vertical wall and at a horizontal."""
        return len(self.pairs) + 2 * self.count * (self.sides is not None)

    @cached_property
    def _ends(self) -> np.ndarray:
        """The two discs of each pair."""
        return np.array(self.pairs, np.int32).reshape(-1, 2).T

    @cached_property
    def _signs(self) -> np.ndarray:
        """By event: +1 for the first disc of the pair, −1 for the other; of no event, 0."""
        signs = np.zeros((self.events + 1, self.count))
        for row, pair in enumerate(self.pairs):
            signs[row, pair] = 1.0, -1.0
        return signs

    @cached_property
    def _shares(self) -> np.ndarray:
        """By event: what each disc takes of n (n·g): the signs, but 0 and twice where one is fixed."""
        shares = self._signs.copy()
        for row, pair in enumerate(self.pairs):
            if fixed := set(self.fixed).intersection(pair):
                shares[row] *= 2
                shares[row, list(fixed)] = 0
        return shares

    @cached_property
    def _flips(self) -> np.ndarray:
        """By event: −1 for the velocity that a wall turns round, else 1."""
        flips = np.ones((self.events + 1, self.count, 2))
        if self.sides is not None:
            for row in range(2 * self.count):
                flips[len(self.pairs) + row, row // 2, row % 2] = -1.0
        return flips

    def _waits(self, place: Array, velocity: Array) -> tuple[Array, Array, tuple[Array, ...]]:
        """The time to each event, infinite where it is not to come; and of the pairs what bounds need."""
        first, second = jnp.asarray(self._ends)
        apart = lookup(place, first) - lookup(place, second)
        speed = lookup(velocity, first) - lookup(velocity, second)
        closing = jnp.sum(apart * speed, axis=-1)
        square = jnp.sum(speed * speed, axis=-1)
        gap = jnp.maximum(jnp.sum(apart * apart, axis=-1) - 4 * self.radius**2, 0.0)
        inside = closing * closing - square * gap
        hit = (closing < 0) & (inside > 0)
        root = jnp.sqrt(choose(hit, inside, 1.0))
        waits = choose(hit, gap / choose(hit, root - closing, 1.0), jnp.inf)
        if self.sides is None:
            return waits, waits[:0], (closing, square, inside, root)
        far = np.asarray(self.sides) - self.radius
        goal = choose(velocity > 0, far, self.radius)
        still = velocity == 0
        walls = choose(still, jnp.inf, (goal - place) / choose(still, 1.0, velocity))
        return waits, jnp.maximum(walls, 0.0).ravel(), (closing, square, inside, root)

    def _earliest_walls(
        self, place: Array, velocity: Array, place_error: Array, velocity_error: Array
    ) -> Array:
        """Before when no disc can be at a wall, either wall if the sign of its velocity is not certain."""
        fast, near = (SLACK * each[:, None] for each in (velocity_error, place_error))
        behind, ahead = place - self.radius, np.asarray(self.sides) - self.radius - place
        way = choose(velocity > 0, ahead, behind)
        way = choose(jnp.abs(velocity) <= fast, jnp.minimum(ahead, behind), way)
        return (jnp.maximum(way - near, 0.0) / (jnp.abs(velocity) + fast)).ravel()

    def _struck(self, place: Array, velocity: Array, event: Array) -> tuple[Array, Array, Array]:
        """The velocities after an event; the relative velocity of the pair and its part along the normal."""
        signs = lookup(self._signs, event)
        apart = jnp.sum(signs[:, None] * place, axis=0)
        speed = jnp.sum(signs[:, None] * velocity, axis=0)
        along = jnp.sum(apart * speed) / (4 * self.radius**2)
        taken = lookup(self._shares, event)[:, None] * (along * apart)
        return velocity * lookup(self._flips, event) - taken, speed, along

    def at(self, place: Array, velocity: Array, time: ArrayLike, events: int) -> Motion:
        """The motion at a time, if no more than so many events come before it. Needs x64 enabled."""

        def step(state: tuple[Array, Array, Array], _):
            left, place, velocity = state
            waits, walls, _ = self._waits(place, velocity)
            waits = jnp.concatenate([waits, walls])
            wait, event = first_of(waits)
            place = place + velocity * jnp.minimum(wait, left)
            event = choose(wait <= left, event, self.events)
            velocity, _, _ = self._struck(place, velocity, event)
            return (jnp.maximum(left - wait, 0.0), place, velocity), None

        state = (jnp.asarray(time, jnp.float64), place, velocity)
        (left, place, velocity), _ = jax.lax.scan(step, state, length=events)
        return Motion(jnp.asarray(time) - left, place, velocity)

    def sums(self, place: Array, velocity: Array, events: int) -> tuple[Sums, Motion]:
        """The sums over so many events, and the motion after the last. Needs x64 enabled; none is fixed."""

        def step(state: tuple[Sums, Array, Array], _):
            sums, place, velocity = state
            waits, walls, _ = self._waits(place, velocity)
            wait, event = first_of(jnp.concatenate([waits, walls]))
            middle, place = place + velocity * (wait / 2), place + velocity * wait
            struck, _, along = self._struck(place, velocity, event)
            pushed = choose(event >= len(self.pairs), jnp.sum(struck - velocity, axis=0), 0.0)
            push = jnp.maximum(jnp.stack([pushed, -pushed], axis=1), 0.0).ravel()
            each = Sums(wait, push, jnp.abs(along) * (2 * self.radius), wait * middle)
            return (jax.tree.map(jnp.add, sums, each), place, struck), None

        zeros = Sums(*(jnp.zeros(shape, jnp.float64) for shape in ((), 4, (), (self.count, 2))))
        (sums, place, velocity), _ = jax.lax.scan(step, (zeros, place, velocity), length=events)
        return sums, Motion(sums.time, place, velocity)

    def follow(self, place: Array, velocity: Array, events: int) -> Path:
        """The motion after each of so many events, with its bounds. Needs x64 enabled.

        Once no event is to come the motion stands still and `certain` is false.
        """
        first, second = jnp.asarray(self._ends)
        diameter = 2 * self.radius
        size = max(self.sides) if self.sides is not None else 64 * self.radius

        def step(state, _):
            time, place, velocity, place_error, velocity_error, certain = state
            waits, walls, (closing, square, inside, root) = self._waits(place, velocity)
            apart_error, speed_error = (
                lookup(each, first) + lookup(each, second) for each in (place_error, velocity_error)
            )
            finite = choose(jnp.isfinite(waits), waits, 0.0)
            late = (apart_error + finite * speed_error) * diameter / root
            nearest = -closing / choose(square > 0, square, 1.0)
            reach = SLACK * (apart_error + nearest * speed_error)
            grazes = (closing < 0) & (jnp.abs(inside) <= 2 * diameter * square * reach)
            earliest = waits - SLACK * late
            if self.sides is not None:
                at_walls = self._earliest_walls(place, velocity, place_error, velocity_error)
                earliest = jnp.concatenate([earliest, at_walls])
                finite = choose(jnp.isfinite(walls), walls, 0.0).reshape(-1, 2)
                error = place_error[:, None] + finite * velocity_error[:, None]
                late = jnp.concatenate([late, (error / jnp.maximum(jnp.abs(velocity), 1e-300)).ravel()])
            waits = jnp.concatenate([waits, walls])
            wait, event = first_of(waits)
            others = choose(np.arange(self.events, dtype=np.int32) == event, jnp.inf, earliest)
            time_error = SLACK * lookup(late, event) + ROUNDING * (time + wait)
            clear = jnp.all(others > wait + time_error)
            certain = certain & jnp.isfinite(wait) & clear & ~jnp.any(grazes)
            wait = choose(jnp.isfinite(wait), wait, 0.0)
            time, place = time + wait, place + velocity * wait
            velocity, speed, along = self._struck(place, velocity, event)
            fastest = jnp.sqrt(jnp.max(jnp.sum(velocity * velocity, axis=-1)))
            place_error = place_error + wait * velocity_error + ROUNDING * size
            hits = lookup(self._signs, event) != 0
            apart_error = jnp.sum(choose(hits, place_error, 0.0))
            normal = jnp.maximum(jnp.abs(along) * diameter, 1e-300)
            turned = apart_error * jnp.sum(speed * speed) / (diameter * normal)
            both = [
                choose(hits, jnp.sqrt(jnp.sum(choose(hits, each * each, 0.0))), each)
                for each in (place_error, velocity_error)
            ]
            share = jnp.abs(lookup(self._shares, event))
            velocity_error = both[1] + share * turned + ROUNDING * fastest
            state = (time, place, velocity, both[0], velocity_error, certain)
            path = Motion(time, place, velocity), event, time_error, both[0], velocity_error, certain
            return state, path

        # Exact beginnings have errors too: what touches or ties exactly is decided by how sums are rounded.
        fastest = jnp.sqrt(jnp.max(jnp.sum(velocity * velocity, axis=-1)))
        place_error = jnp.full(self.count, ROUNDING * size, jnp.float64)
        velocity_error = jnp.broadcast_to(ROUNDING * fastest, (self.count,))
        start = (jnp.zeros((), jnp.float64), place, velocity, place_error, velocity_error, jnp.bool_(True))
        _, path = jax.lax.scan(step, start, length=events)
        return Path(*path)


def first_of(waits: Array) -> tuple[Array, Array]:
    """The least and its index, the first of equals. (argmin of float64 needs x64 when it is compiled.)"""
    wait = jnp.min(waits)
    numbers = np.arange(len(waits), dtype=np.int32)
    return wait, jnp.min(choose(waits == wait, numbers, np.int32(len(waits) - 1)))


def choose(test: Array, yes: ArrayLike, no: ArrayLike) -> Array:
    """`jnp.where` without a call inside: the meter writes calls out, which for float64 needs x64."""
    kind = jnp.result_type(yes, no)
    shape = np.broadcast_shapes(np.shape(test), np.shape(yes), np.shape(no))
    yes, no = (jnp.broadcast_to(jnp.asarray(each, kind), shape) for each in (yes, no))
    return jax.lax.select(jnp.broadcast_to(test, shape), yes, no)
