"""Balls behind an occluder: where is one of them when the occluder is taken away?

A video of two frames shows balls that fly into the hidden part of a box. The centres are in the middle of
their pixels in both, so the frames give places and velocities exactly. Behind the occluder the balls collide,
elastically and unseen, as in `Billiards`. Some frames later the occluder is taken away, and what is asked is
the pixel in which the first ball reappears. Depth is the number of collisions until then. All of them are of
two balls that are both hidden, and the last is one of the ball that is asked for.

To predict video is to say what must have happened where nothing is seen. How far this is serial is the
question of `billiards`: moving balls compute (Fredkin & Toffoli 1982), random instances are not known to be
hard, and chaos is the reason to expect no shortcut.

`contact="none"` is the control: the same frames, but balls pass through each other. Each is reflected by the
walls alone, which is one remainder a coordinate, in integers. Its depth is that of the frames, and its trace
the flight in as many equal parts.

Instances are certified like those of `Billiards`: candidates are drawn until of one every token is certain in
float64 and every collision hidden. So no answer and no depth is ever a guess. The dials keep to boxes in
which that is seen: two balls in a high one, say, seldom collide often before the frames are over. At the
defaults one candidate in 18 is accepted, where the dials end one in some 4,000.

What this task does not show: the seeing. Pixels are tokens, a ball is one, and the rule is told.
"""

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, Key

from ..cost import Cost
from ..instance import PAD, QUERY, Format
from .base import (
    FIRST,
    SPECIAL,
    AbstractTask,
    ask_at_the_end,
    integer_fault,
    lay_out,
    line_after,
    lookup,
    refuse,
    shortened,
    uniform,
)
from .disc_picture import COLOURS, GOLD, drawn_until, svg_discs, svg_marks, svg_page, svg_paths
from .hard_discs import ROUNDING, SLACK, Discs, Path
from .rejection import first_accepted
from .texts import same_text, whole_number

FRAMES = 2
"""The frames that are shown."""
MOST_FRAMES = 99
"""The last frame that is asked for."""
PLACES = 12
"""The places that are tried for a ball of a candidate."""
STEP = 10
"""The tokens of a step: two balls, then the pixels and the velocities of both."""
RADIUS = 1
"""The radius of a ball in pixels."""
HIDDEN = 4
"""The least hidden columns for a collision."""
ROWS = 96
"""The most collisions times rows, for every ball but one."""


@dataclass(frozen=True)
class OccludedBalls(AbstractTask):
    """Up to `collisions` hidden collisions of `balls` balls of radius 1, in pixels.

    The box is `height` pixels high; `visible` columns are shown and `hidden`, 4 for a collision or more, are
    not. Balls enter with up to `speed` pixels a frame. `contact` is "hard" or "none" (the control). `resized`
    adds hidden columns where there would be too few. Depth is the number of collisions.

    >>> OccludedBalls(collisions=4, balls=3).cost()
    Cost(work=9335, span=999)
    """

    collisions: int = 4
    balls: int = 3
    height: int = 12
    visible: int = 4
    hidden: int = 16
    speed: int = 3
    contact: str = "hard"

    version: ClassVar[int] = 1
    drawn_together = 1024

    def __post_init__(self) -> None:
        faults = (
            integer_fault("collisions", self.collisions, 1, 4, 10)
            + integer_fault("balls", self.balls, 2, 3, 6)
            + integer_fault("height", self.height, 8, 12, 32)
            + integer_fault("visible", self.visible, 4, 4, 6)
            + integer_fault("hidden", self.hidden, 8, 16, 128)
            + integer_fault("speed", self.speed, 2, 3, 6)
        )
        if not faults and self.hidden < HIDDEN * self.collisions:
            faults.append(
                f"hidden={self.hidden}: the balls need room to collide collisions={self.collisions} times; "
                f"allowed are collisions=1..{self.hidden // HIDDEN} or hidden={HIDDEN * self.collisions}"
            )
        if not faults and self.balls > (most := self.height // 4):
            faults.append(
                f"balls={self.balls}: one above the other in height={self.height} can be at most balls={most}"
            )
        if not faults and self.collisions > (most := ROWS * (self.balls - 1) // self.height):
            faults.append(
                f"collisions={self.collisions}: balls={self.balls} in height={self.height} meet so seldom "
                f"that allowed are collisions=1..{most}; for more, more balls or a smaller height"
            )
        if self.contact not in ("hard", "none"):
            faults.append(f"contact={self.contact!r}: must be 'hard' or 'none'; e.g. contact='hard'")
        refuse("OccludedBalls", faults)

    @property
    def other_values(self) -> dict[str, object]:  # type: ignore[override]
        others: dict[str, object] = {"contact": "none" if self.contact == "hard" else "hard"}
        for dial in ("collisions", "balls", "height", "visible", "hidden", "speed"):
            others[dial] = getattr(self, dial)
            for step in (1, -1):
                try:
                    others[dial] = getattr(replace(self, **{dial: getattr(self, dial) + step}), dial)
                except ValueError:
                    continue
                break
        return others

    @property
    def dials_without_cost(self) -> tuple[str, ...]:  # type: ignore[override]
        free = ("hidden", "speed")
        return free if self.contact == "hard" else ("collisions", *free)

    @property
    def guess_rate(self) -> float:
        """Twice the share of one pixel; more in a small box, as the ball has just collided."""
        return min(0.5, 4 / float(np.prod(self._room)))

    @cached_property
    def format(self) -> Format:
        numbers = range(-self._fastest, self._largest + 1)
        return Format(
            tokens=(*SPECIAL, ".", *map(str, numbers)),
            prompt_length=FRAMES * self.height * self.visible + 1 + 2,
            trace_length=STEP * self.collisions,
            answer_length=2,
        )

    @property
    def max_depth(self) -> int:
        return self.collisions

    def resized(self, max_depth: int) -> "OccludedBalls":
        return replace(self, collisions=max_depth, hidden=max(self.hidden, HIDDEN * max_depth))

    @property
    def control(self) -> "OccludedBalls | None":
        """The same frames of balls that pass through each other; None if this task is that."""
        return None if self.contact == "none" else replace(self, contact="none")

    def distinct(self, depth: int) -> int:
        """A quarter of the ways for a ball to fly in, if one candidate in sixty is accepted (at the defaults
        one in 12 to 18 is): 5,716 for three balls. By repetitions in 2,048 draws there are some 60,000."""
        rows, columns = self.height - 2 * RADIUS, self.visible - RADIUS - 1
        ways = rows * columns * min(self.speed, 2) * min(2 * self.speed + 1, rows) // 4
        return max(1, min(10**18, ways**self.balls // 60))

    def lineage(self, prompt: Int[Array, "batch prompt_length"], depth: int) -> Int[Array, "batch tokens"]:
        """The motion alone, without the numbers of the balls and the time: its traces answer for all."""
        cell, velocity = jax.vmap(self._seen)(prompt)
        base = 2 * self.speed + 1
        row = (cell[..., 0] * self.height + cell[..., 1]) * base + velocity[..., 0]
        return jnp.sort(row * base + velocity[..., 1] + self.speed, axis=-1)

    def draw(self, depth: Int[Array, ""], *, key: Key[Array, ""]):
        depth = jnp.clip(depth, 1, self.collisions)  # for another the search would not end
        fields, trace, answer = first_accepted(self._candidate, depth, key)
        prompt = lay_out(fields, 2)
        return prompt, ask_at_the_end(len(prompt), answer), trace, answer

    def reference(self, prompt: Int[Array, " prompt_length"]) -> Int[Array, " answer_length"]:
        cell, velocity = self._seen(prompt)
        ticks = prompt[-3] - self._zero
        if self.contact == "none":
            return self._ghost(cell[0], velocity[0], ticks) + self._zero
        with jax.enable_x64(True):
            place, speed = cell.astype(jnp.float64) + 0.5, velocity.astype(jnp.float64)
            end = self.discs.at(place, speed, ticks.astype(jnp.float64), self._events)
            return self._pixel(end.place[0]).astype(jnp.int32) + np.int32(self._zero)

    def cost(self) -> Cost:
        """Find the balls; then for every event the time to each, the first of them and what it does."""
        n, events = self.balls, self._events
        find = 4 * n * self.height * self.visible
        if self.contact == "none":
            return Cost(work=find + 4 * n + 55, span=22)
        each = 31 * (n * (n - 1) // 2) + 46 * n + 5
        return Cost(work=find + 6 * n + 9 + events * each, span=27 * events)

    def render(self, prompt: Int[np.ndarray, " prompt_length"]) -> str:
        texts = self.format.tokens
        width = self.visible + self.hidden
        rule = (
            "All have the same mass and collide elastically with each other and with the walls."
            if self.contact == "hard"
            else "They are reflected by the walls and pass through each other."
        )
        lines = [
            f"{self.balls} equal balls of radius {RADIUS} move without friction in a box, 0 <= x <= {width} "
            f"and 0 <= y <= {self.height}. {rule}",
            f"A camera sees the part x < {self.visible}; the rest is behind an occluder. A frame is "
            f"{self.height} rows of {self.visible} pixels: the pixel at place i of row j is the square "
            "i <= x < i + 1, j <= y < j + 1, counted from 0. It shows the number of the ball whose centre is "
            "in it, else a dot. In frames 0 and 1 all centres are in the middle of their pixels, and no ball "
            "collides in between.",
        ]
        pixels = prompt[:-3].reshape(FRAMES, self.height, self.visible)
        for number, frame in enumerate(pixels.tolist()):
            lines.append(f"Frame {number}:")
            lines += [f"row {j}: " + " ".join(texts[pixel] for pixel in row) for j, row in enumerate(frame)]
        lines += [
            "All balls fly behind the occluder, which is taken away for a later frame:",
            f"Lifted: frame {prompt[-3] - self._zero}",
            "In which pixel is ball 1 in that frame? Answer with its place and its row, as in: 17 4",
        ]
        return "\n".join(lines)

    def parse(self, text: str) -> Int[np.ndarray, " prompt_length"]:
        lines = text.splitlines()
        numbers: list[int] = []
        for frame in range(FRAMES):
            if lines.count(f"Frame {frame}:") != 1:
                raise ValueError(f"'Frame {frame}:' is {lines.count(f'Frame {frame}:')} lines, must be one")
            at = lines.index(f"Frame {frame}:") + 1
            for j in range(self.height):
                line = lines[at + j] if at + j < len(lines) else ""
                label, _, rest = line.partition(": ")
                pixels = rest.split()
                if label != f"row {j}" or len(pixels) != self.visible:
                    raise ValueError(
                        f"frame {frame}: {shortened(line)} must be 'row {j}: ' and {self.visible} pixels"
                    )
                numbers += self.token_ids(pixels).tolist()
        tokens = np.array(numbers, np.int32).reshape(FRAMES, -1)
        for frame, row in enumerate(tokens):
            balls = sorted((row[row != FIRST] - self._zero).tolist())
            if balls != list(range(1, self.balls + 1)):
                raise ValueError(f"frame {frame} shows balls {balls}, must be 1 to {self.balls}, each once")
        cells = self._cells_of[np.argsort(np.where(tokens == FIRST, 10**6, tokens), axis=1)[:, : self.balls]]
        low, high = RADIUS, np.array([self.visible, self.height - RADIUS]) - 1
        if np.any(cells < low) or np.any(cells > high):
            raise ValueError(f"a ball is within {RADIUS} of a wall")
        velocity = cells[1] - cells[0]
        if np.any(velocity[:, 0] < 1) or np.any(np.abs(velocity) > self.speed):
            raise ValueError(
                f"a ball moves by more than {self.speed} pixels, or not to higher places in its row"
            )
        for frame in cells:
            apart = np.sum((frame[:, None] - frame) ** 2, axis=-1) + 10**6 * np.eye(self.balls)
            if np.min(apart) <= 4 * RADIUS**2:
                raise ValueError(f"two balls touch; centres must be over {2 * RADIUS} apart")
        line = line_after(text, "Lifted")
        frame = whole_number(line.removeprefix("frame "), 2, MOST_FRAMES, "lifted: frame")
        if line != f"frame {frame}":
            raise ValueError(f"lifted {shortened(line)}: must be as in 'frame 17'")
        prompt = np.array([*tokens.ravel(), frame + self._zero, QUERY, QUERY], np.int32)
        same_text(text, self.render(prompt))
        return prompt

    def picture(
        self,
        prompt: Int[np.ndarray, " prompt_length"],
        trace: Int[np.ndarray, " trace_length"],
        answer: Int[np.ndarray, " answer_length"],
    ) -> str | None:
        """The two frames, and the box: grey where it is hidden, with the paths of the balls until the
        occluder is lifted. Numbered: the collisions; of balls that pass through each other, the steps of the
        trace. Gold: the pixel of the answer."""
        cell, velocity = (np.asarray(part, float) for part in self._seen(jnp.asarray(prompt)))
        time, sides = int(prompt[-3] - self._zero), (self.visible + self.hidden, self.height)
        if self.contact == "hard":
            paths, marks = drawn_until(self.discs, cell + 0.5, velocity, time, self._events)
        else:
            alone = Discs(1, float(RADIUS), self.discs.sides)
            each = [
                drawn_until(alone, start + 0.5, speed, time, 4 * MOST_FRAMES)
                for start, speed in zip(cell[:, None], velocity[:, None], strict=True)
            ]
            paths = [path for drawn in each for path in drawn.paths]
            steps = trace[trace != PAD].reshape(-1, STEP)
            marks = steps[:, 2:4] - self._zero + 0.5
        a = min(14.0, 900 / (sides[0] + 2 * self.visible))
        wide, top, bottom = a * self.visible, 30, 30 + a * self.height
        parts = []
        for number in range(FRAMES):
            left = 10 + number * (wide + 14)
            grid = "".join(f"M{left + a * i:.1f} {top}V{bottom:.1f}" for i in range(self.visible + 1))
            grid += "".join(f"M{left:.1f} {top + a * j:.1f}h{wide:.1f}" for j in range(self.height + 1))
            parts.append(f'<path d="{grid}" stroke="#ccc" fill="none"/>')
            parts.append(f'<text x="{left + wide / 2:.1f}" y="20">frame {number}</text>')
            for ball, (x, y) in enumerate(cell + number * velocity):
                parts.append(
                    f'<rect x="{left + a * x:.1f}" y="{top + a * y:.1f}" width="{a:.1f}" height="{a:.1f}" '
                    f'fill="{COLOURS[ball % len(COLOURS)]}"/><text x="{left + a * (x + 0.5):.1f}" '
                    f'y="{top + a * (y + 0.5) + 3.5:.1f}" fill="#fff">{ball + 1}</text>'
                )
        corner = np.array([10 + 2 * (wide + 14), top])
        (left, _), (x, y) = corner, corner + a * (answer - self._zero)
        high = f'height="{a * self.height:.1f}"'
        parts += [
            f'<rect x="{left + wide:.1f}" y="{top}" width="{a * self.hidden:.1f}" {high} fill="#e4e4e4"/>'
            f'<rect x="{left:.1f}" y="{top}" width="{a * sides[0]:.1f}" {high} fill="none" stroke="#333" '
            'stroke-width="2"/>'
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{a:.1f}" height="{a:.1f}" {GOLD}/>'
            f'<text x="{left + a * sides[0] / 2:.1f}" y="20">until frame {time}</text>'
        ]
        paths = [corner + a * path for path in paths]
        starts, ends = (np.array([path[k] for path in paths]) for k in (0, -1))
        parts += [svg_paths(paths), svg_discs(starts, ends, a * RADIUS), svg_marks(corner + a * marks)]
        return svg_page(left + a * sides[0] + 10, bottom + 10, parts)

    # Numbers

    @property
    def _zero(self) -> int:
        """The token of the number 0."""
        return FIRST + 1 + self._fastest

    @cached_property
    def _fastest(self) -> int:
        return math.isqrt(2 * self.balls * self.speed**2) + 1

    @property
    def _largest(self) -> int:
        return max(MOST_FRAMES, self.visible + self.hidden - 1, self.height - 1)

    @property
    def _events(self) -> int:
        """Enough for the collisions, and for four walls to each and twelve more."""
        return 5 * (self.collisions + 1) + 12

    @cached_property
    def discs(self) -> Discs:
        """The balls in their box."""
        return Discs(self.balls, float(RADIUS), (float(self.visible + self.hidden), float(self.height)))

    def _seen(self, prompt: Int[Array, " prompt_length"]) -> tuple[Array, Array]:
        """The pixels of the balls in frame 0, and their velocities."""
        frames = prompt[:-3].reshape(FRAMES, 1, -1)
        balls = np.arange(1, self.balls + 1, dtype=np.int32)[:, None] + self._zero
        cells = lookup(self._cells_of, jnp.argmax(frames == balls, axis=-1))
        return cells[0], cells[1] - cells[0]

    @cached_property
    def _columns(self) -> np.ndarray:
        """The columns of a ball in both frames: those that are shown, at a speed that there is."""
        shown = range(RADIUS, self.visible)
        return np.array([(i, j) for i in shown for j in shown if 0 < j - i <= self.speed], np.int32)

    @cached_property
    def _cells_of(self) -> np.ndarray:
        """The column and the row of each pixel of a frame."""
        places = np.arange(self.height * self.visible, dtype=np.int32)
        return np.stack([places % self.visible, places // self.visible], axis=1)

    @property
    def _room(self) -> np.ndarray:
        """The pixels a side in which centres can be."""
        return np.array([self.visible + self.hidden, self.height], np.int32) - 2 * RADIUS

    def _pixel(self, place: Array) -> Array:
        return jnp.clip(jnp.floor(place), float(RADIUS), self._room + (RADIUS - 1.0))

    def _ghost(self, cell: Array, velocity: Array, ticks: Array, parts: Array | int = 1) -> Array:
        """The pixel of a ball that meets walls alone, after `ticks` / `parts` frames: in units of
        1 / (2 parts) pixels, on the line of boxes and their reflections."""
        unit, room = 2 * parts, self._room
        straight = parts * (2 * cell + (1 - 2 * RADIUS)) + 2 * velocity * ticks
        inside = room * unit - jnp.abs(room * unit - jnp.mod(straight, 2 * room * unit))
        return jnp.minimum(inside // unit, room - 1) + RADIUS

    # Candidates

    def _candidate(self, depth: Int[Array, ""], key: Key[Array, ""]):
        n, radius = self.balls, RADIUS
        rows = self.height - 2 * radius
        each = [len(self._columns), rows, 2 * self.speed + 1]
        drawn = uniform(np.array([*np.repeat(each, n * PLACES), 2**16, 2**16]), key=key)
        which, when = drawn[-2], drawn[-1]
        drawn = drawn[:-2].reshape(3, n, PLACES)
        first, second = jnp.moveaxis(lookup(self._columns, drawn[0]), -1, 0)
        tried = jnp.stack([first, drawn[1] + radius, second - first, drawn[2] - self.speed], axis=-1)

        def put(state, tried):
            placed, i, fits = state
            moved, others = tried[:, :2] + tried[:, 2:], placed[:, :2] + placed[:, 2:]
            free = (moved[:, 1] >= radius) & (moved[:, 1] < radius + rows)
            for ours, theirs in ((tried[:, :2], placed[:, :2]), (moved, others)):
                apart = jnp.sum((ours[:, None] - theirs) ** 2, axis=-1)
                free &= jnp.all((apart > 4 * radius**2) | (jnp.arange(n) >= i), axis=-1)
            spot = tried[jnp.argmax(free)]
            return (placed.at[i].set(spot), i + 1, fits & jnp.any(free)), None

        state = (jnp.zeros((n, 4), jnp.int32), jnp.int32(0), jnp.bool_(True))
        (balls, _, fits), _ = jax.lax.scan(put, state, tried)
        cell, velocity = balls[:, :2], balls[:, 2:]
        with jax.enable_x64(True):
            place, speed = cell.astype(jnp.float64) + 0.5, velocity.astype(jnp.float64)
            path = self.discs.follow(place, speed, self._events)
            ticks, certain, names, trace, answer = self._read(path, depth, which, when)
        if self.contact == "none":
            asked = lookup(cell, names[0]), lookup(velocity, names[0])
            answer = self._ghost(*asked, ticks) + self._zero
            parts = jnp.arange(1, self.collisions + 1)[:, None]
            flight = self._ghost(*asked, ticks * jnp.minimum(parts, depth), depth) + self._zero
            steps = jnp.full((self.collisions, STEP), FIRST, jnp.int32)
            steps = steps.at[:, 0].set(self._zero + 1).at[:, 2:4].set(flight)
            trace = jnp.where(parts <= depth, steps, PAD).ravel()
        texts = names + 1 + self._zero
        frames = jnp.full((FRAMES, self.height * self.visible), FIRST, jnp.int32)
        for number in range(FRAMES):
            now = cell + number * velocity
            spots = jnp.clip(now[:, 1] * self.visible + now[:, 0], 0, self.height * self.visible - 1)
            frames = frames.at[number, spots].set(texts)
        fields = jnp.concatenate([frames.ravel(), ticks[None] + self._zero])
        return fits & certain, fields, trace, answer

    def _read(self, path: Path, depth: Array, which: Array, when: Array):
        """A frame with `depth` collisions before it and none but those, and what happened until then."""
        n, pairs, line = self.balls, len(self.discs.pairs), float(self.visible)
        count = jnp.cumsum(path.event < pairs)
        found = jnp.searchsorted(count, np.arange(1, self.collisions + 2, dtype=np.int32))
        found = jnp.minimum(found, self._events - 1)
        last, following = lookup(found, depth - 1), lookup(found, depth)
        early = lookup(path.motion.time, last) + lookup(path.time_error, last)
        late = lookup(path.motion.time, following) - lookup(path.time_error, following)
        first_frame, last_frame = jnp.floor(early) + 1, jnp.minimum(jnp.ceil(late) - 1, MOST_FRAMES)
        certain = (lookup(count, following) > depth) & lookup(path.certain, following)
        certain &= last_frame >= first_frame
        choices = jnp.maximum(last_frame - first_frame + 1, 1)
        time = jnp.clip(first_frame + jnp.floor(when * choices / 2**16), 2, MOST_FRAMES)

        events = jnp.minimum(lookup(path.event, found[:-1]), pairs - 1)
        pair = lookup(np.array(self.discs.pairs, np.int32), events)
        asked = lookup(pair, depth - 1, which & 1)
        names = jnp.asarray(np.arange(n, dtype=np.int32))
        names = jnp.where(names == asked, 0, jnp.where(names == 0, asked, names))  # its own inverse
        low, high = np.full(2, RADIUS + 1.0), self._room + (RADIUS - 1.0)

        def sharp(place: Array, error: Array) -> Array:
            return jnp.all(jnp.abs(place - jnp.clip(jnp.round(place), low, high)) > SLACK * error, axis=-1)

        before = jnp.maximum(jnp.sum(path.motion.time <= time) - 1, 0)
        wait = time - lookup(path.motion.time, before)
        place = lookup(path.motion.place, before, asked) + wait * lookup(path.motion.velocity, before, asked)
        error = lookup(path.place_error, before, asked) + wait * lookup(path.velocity_error, before, asked)
        certain &= sharp(place, error + ROUNDING * (self.visible + self.hidden))
        answer = self._pixel(place).astype(jnp.int32) + np.int32(self._zero)

        called = lookup(names, pair)
        pair = jnp.where(called[:, :1] > called[:, 1:], pair[:, ::-1], pair)
        index, within = found[:-1, None], np.arange(self.collisions, dtype=np.int32) < depth
        place, velocity = lookup(path.motion.place, index, pair), lookup(path.motion.velocity, index, pair)
        place_error = lookup(path.place_error, index, pair)
        velocity_error = lookup(path.velocity_error, index, pair)[..., None]
        hides = place[..., 0] > line + SLACK * place_error
        whole = jnp.floor(velocity + 0.5)
        clear = jnp.all(0.5 - jnp.abs(velocity - whole) > SLACK * velocity_error, axis=-1)
        clear &= hides & sharp(place, place_error[..., None])
        certain &= jnp.all(clear | ~within[:, None])
        cells, whole = self._pixel(place).reshape(-1, 4), whole.reshape(-1, 4)
        steps = jnp.concatenate([lookup(names, pair) + 1, cells, whole], axis=1)
        trace = jnp.where(within[:, None], steps.astype(jnp.int32) + np.int32(self._zero), PAD).ravel()
        return time.astype(jnp.int32), certain, names, trace, answer
