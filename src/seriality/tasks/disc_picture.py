"""Pictures of moving discs: where they start, the paths they take, and their collisions in order."""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from .hard_discs import Discs, Path

COLOURS = ("#1667b7", "#c40", "#2a8a3a", "#8a4fbf", "#b58900", "#008b8b")
"""Of the discs in turn; the first is the one that is asked for."""
GOLD = 'fill="#ffcf33" stroke="#b58900"'
"""The style of the answer."""
LARGEST = 20_000
"""The most characters of a picture; where it would take more there is none."""


class Drawn(NamedTuple):
    """The corners of the path of each disc, start and end among them, and where two discs touched."""

    paths: list[Float[np.ndarray, "_ 2"]]
    touched: Float[np.ndarray, "collisions 2"]


def drawn_until(
    discs: Discs,
    place: Float[np.ndarray, "discs 2"],
    velocity: Float[np.ndarray, "discs 2"],
    time: float,
    events: int,
) -> Drawn:
    """The motion until a time before which no more than so many events come."""
    with jax.enable_x64(True):
        path = _follower(discs, events)(jnp.asarray(place, jnp.float64), jnp.asarray(velocity, jnp.float64))
        found: Path = jax.tree.map(np.asarray, path)
    count = int(np.sum(found.motion.time <= time))
    places = np.concatenate([place[None], found.motion.place[:count]])
    velocities = np.concatenate([velocity[None], found.motion.velocity[:count]])
    last = found.motion.time[count - 1] if count else 0.0
    end = places[-1] + (time - last) * velocities[-1]
    turned = np.any(velocities[1:] != velocities[:-1], axis=-1)
    paths = [
        np.concatenate([places[:1, i], places[1:, i][turned[:, i]], end[None, i]]) for i in range(discs.count)
    ]
    hits = [k for k in range(count) if found.event[k] < len(discs.pairs)]
    touched = [found.motion.place[k, list(discs.pairs[found.event[k]])].mean(axis=0) for k in hits]
    return Drawn(paths, np.array(touched).reshape(-1, 2))


@lru_cache(maxsize=16)
def _follower(discs: Discs, events: int):
    return jax.jit(lambda place, velocity: discs.follow(place, velocity, events))


def svg_discs(starts: Float[np.ndarray, "discs 2"], ends: Float[np.ndarray, "discs 2"], radius: float) -> str:
    """A circle with its number for each disc at its start, and a dashed one at its end. All in pixels."""
    parts = []
    for i, ((x, y), (u, v)) in enumerate(zip(starts, ends, strict=True)):
        colour = COLOURS[i % len(COLOURS)]
        parts.append(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}" fill="{colour}" fill-opacity=".2" '
            f'stroke="{colour}"/><circle cx="{u:.1f}" cy="{v:.1f}" r="{radius:.1f}" fill="none" '
            f'stroke="{colour}" stroke-dasharray="3 3"/>'
            f'<text x="{x:.1f}" y="{y + 4:.1f}" fill="{colour}">{i + 1}</text>'
        )
    return "".join(parts)


def svg_paths(paths: Sequence[Float[np.ndarray, "_ 2"]]) -> str:
    """A line for each path, in pixels, the first one thicker."""
    parts = []
    for i, path in reversed(list(enumerate(paths))):
        corners = " ".join(f"{x:.1f},{y:.1f}" for x, y in path)
        parts.append(
            f'<polyline points="{corners}" fill="none" stroke="{COLOURS[i % len(COLOURS)]}" '
            f'stroke-width="{1 if i else 2}"/>'
        )
    return "".join(parts)


def svg_arrows(starts: Float[np.ndarray, "discs 2"], tips: Float[np.ndarray, "discs 2"]) -> str:
    """An arrow for each disc, in pixels; none for one that is at rest."""
    parts = []
    for start, tip in zip(starts, tips, strict=True):
        if length := np.hypot(*(tip - start)):
            along = 6 * (tip - start) / length
            across = np.array([-along[1], along[0]]) / 2
            head = "L".join(f"{x:.1f} {y:.1f}" for x, y in (tip - along + across, tip, tip - along - across))
            parts.append(f"M{start[0]:.1f} {start[1]:.1f}L{tip[0]:.1f} {tip[1]:.1f}M{head}")
    return f'<path d="{"".join(parts)}" fill="none" stroke="#222" stroke-width="1.5"/>'


def svg_marks(places: Float[np.ndarray, "marks 2"]) -> str:
    """A numbered mark at each place, in pixels."""
    return "".join(
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="6.5" fill="#fff" stroke="#333"/>'
        f'<text class="mark" x="{x:.1f}" y="{y + 3.5:.1f}">{number}</text>'
        for number, (x, y) in enumerate(places, start=1)
    )


def svg_page(width: float, height: float, parts: Sequence[str]) -> str | None:
    """The whole picture; None if it is too large."""
    page = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" font-size="10" '
        'font-family="sans-serif" text-anchor="middle" fill="#222">'
        f'<rect width="100%" height="100%" fill="#fff"/>{"".join(parts)}</svg>'
    )
    return page if len(page) < LARGEST else None
