"""Discs in a box: where is one of them at a time by which so many collisions have happened?

Equal hard discs move freely in a square box and collide elastically, with each other and with the walls. The
prompt gives places and velocities as integers, so that the motion is one of real numbers, defined whatever
computes it; the answer is the cell of the grid in which the first disc then is. Depth counts the collisions
of two discs. The disc that is asked for takes part in the last of them.

That many bodies are serial where one is not is the claim of the paper's "One ball, five balls". What is
known: moving discs with suitable walls compute all that circuits do (Fredkin & Toffoli 1982, the tests have
their interaction gate come out of these collisions), so to predict them, with numbers of polynomially many
digits, is P-hard. The instances here are random: that those are serial is not a theorem. The reason to expect
it is chaos. A collision multiplies an error by about the free path over the diameter, so that each digit of
the answer hangs on ever later digits of the prompt's exact motion, and no shortcut through a formula is
known.

`present="one"` is the control: the first disc alone, the other places of the prompt blank; depth counts
walls. Reflected boxes side by side unfold its path into a straight line, so that one remainder a coordinate
tells where it is, in integers. `question="macrostates"` asks of the same prompts what physics tells without a
chain: twice the kinetic energy, Σ v², is conserved exactly. With walls it is the only such quantity: the
pressure on a wall and the centre of mass have values in equilibrium, and `macrostate_estimates` tells how far
off these are for a window of an instance.

`draw` certifies what it draws: candidates are drawn until of one the order of events, the depth and every
token of trace and answer are certain under the bound of `hard_discs`. So no answer and no depth is ever a
guess. That this ends soon is seen to by the dials: they refuse discs of which so few collisions come within
the longest time, or so many within a tick, that candidates are seldom accepted.

What this task does not show: that random instances are hard; that depth is the length of a chain of causes
(two collisions of four different discs are side by side; how many are is not measured); nor that a trace in
cells suffices to go on from. It says where the chain passes, and the next step needs digits that only the
prompt holds.
"""

import math
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key

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
    size_fault,
    uniform,
)
from .disc_picture import GOLD, drawn_until, svg_arrows, svg_discs, svg_marks, svg_page, svg_paths
from .hard_discs import ROUNDING, SLACK, Discs, Path
from .rejection import first_accepted
from .texts import same_text

TICKS = 10
"""Times are in tenths of a second."""
DIGITS = 4
"""The digits of a time."""
MOST_BALLS = 16
"""Exact ties of two events, which are rejected, grow with the square of the discs."""
MOST_RATE = 40
"""The most collisions a second: of four in a tick, the time cannot be told apart."""
PLACES = 16
"""The places that are tried for a disc of a candidate."""
DECADES = 11.5
"""The decimal places that the bound on the error may grow by: from float64's to about a cell."""
WALLS = ("left", "right", "bottom", "top")
STEP = 10
"""The tokens of a step: two names, then the cells and the velocities of both."""


@dataclass(frozen=True)
class Billiards(AbstractTask):
    """Up to `collisions` collisions among `balls` discs in a box of `precision` cells a side.

    `radius` is in cells; velocities are of up to `speed` cells a second a coordinate. `present` is "all" or
    "one" (the control); `question` is "positions" or "macrostates". Depth is the number of collisions.

    >>> Billiards(collisions=8, balls=4).cost()
    Cost(work=12419, span=889)
    """

    collisions: int = 8
    balls: int = 4
    precision: int = 32
    radius: int = 3
    speed: int = 7
    present: str = "all"
    question: str = "positions"

    version: ClassVar[int] = 1
    drawn_together = 1024

    def __post_init__(self) -> None:
        faults = (
            integer_fault("collisions", self.collisions, 1, 8)
            + integer_fault("balls", self.balls, 2, 4, MOST_BALLS)
            + integer_fault("precision", self.precision, 8, 32, 1024)
            + integer_fault("radius", self.radius, 1, 3)
            + integer_fault("speed", self.speed, 1, 7, 99)
        )
        if not faults and self.radius > (largest := (self.precision - 2) // 6):
            faults.append(
                f"radius={self.radius}: discs must have room in a box of precision={self.precision}; "
                f"allowed are radius=1..{largest}"
            )
        if not faults and self.balls > (most := self._most_balls):
            faults.append(
                f"balls={self.balls}: discs of radius={self.radius} placed one by one in a box of "
                f"precision={self.precision} are sure to find room up to balls={most}"
            )
        if not faults and self.collisions > (most := self._most_collisions):
            faults.append(
                f"collisions={self.collisions}: with discs so far apart float64 tells most answers surely "
                f"up to collisions={most}; for more, a larger radius, more balls or a smaller precision"
            )
        longest = 10 ** (DIGITS - 1)
        if not faults and self.collisions > (most := int(longest * self._rate) - 1):
            faults.append(
                f"collisions={self.collisions}: within {longest} seconds, the longest time, discs so slow "
                f"and so few collide up to collisions={max(0, most)}; for more, a larger speed or radius, "
                "more balls or a smaller precision"
            )
        if not faults and self._rate > MOST_RATE:
            faults.append(
                f"speed={self.speed}: the discs would collide {self._rate:.0f} times a second, allowed are "
                f"{MOST_RATE}, as times are in tenths; allowed is up to "
                f"speed={int((self.speed + 0.5) * MOST_RATE / self._rate - 0.5)}"
            )
        if self.present not in ("all", "one"):
            faults.append(f"present={self.present!r}: must be 'all' or 'one'; e.g. present='all'")
        if self.question not in ("positions", "macrostates"):
            faults.append(
                f"question={self.question!r}: must be 'positions' or 'macrostates'; e.g. question='positions'"
            )
        if not faults:
            faults = size_fault(STEP * self.collisions, collisions=self.collisions)
        refuse("Billiards", faults)

    @property
    def other_values(self) -> dict[str, object]:  # type: ignore[override]
        near = (1, -1, 2, -2, 4, -4, 8, -8, 16, -16)
        others: dict[str, object] = {
            "present": "one" if self.present == "all" else "all",
            "question": "macrostates" if self.question == "positions" else "positions",
            **{dial: getattr(self, dial) for dial in ("collisions", "balls", "precision", "radius", "speed")},
        }
        for dial in ("collisions", "balls", "precision", "radius"):
            for step in near:  # the first that is allowed, and that moves the number of events where it can
                try:
                    other = replace(self, **{dial: getattr(self, dial) + step})
                except ValueError:
                    continue
                others[dial] = getattr(other, dial)
                if other._events != self._events:
                    break
        for step in (-1, 1):
            with suppress(ValueError):
                others["speed"] = replace(self, speed=self.speed + step).speed
        return others

    @property
    def dials_without_cost(self) -> tuple[str, ...]:  # type: ignore[override]
        if self.question == "macrostates":
            other = replace(self, speed=self.other_values["speed"])  # type: ignore[arg-type]
            same = other._answer_length == self._answer_length
            free = ("collisions", "precision", "radius") + ("speed",) * same
        elif self.present == "one":
            free = ("collisions", "precision", "radius", "speed")
        else:
            return ("speed",)
        return free + ("balls",) * (self._moving == 1)

    @property
    def guess_rate(self) -> float:
        """Twice the share of one cell, or of the likeliest Σ v² before any candidate is rejected. A disc
        alone is oftenest in a corner, where one wall soon follows the other: 1 / room is twice what was seen
        in ten settings (at most 0.46 / room, at depth 1)."""
        if self.question == "positions":
            return min(0.5, 1 / self._room if self.present == "one" else 2 / self._room**2)
        square = np.bincount(np.arange(-self.speed, self.speed + 1) ** 2) / (2 * self.speed + 1)
        total = np.ones(1)
        for _ in range(2 * self._moving):
            total = np.convolve(total, square)
        return min(0.9, 2 * float(total.max()))

    @cached_property
    def format(self) -> Format:
        numbers = range(-self._fastest, self._largest + 1)
        return Format(
            tokens=(*SPECIAL, "-", *WALLS, *map(str, numbers)),
            prompt_length=4 * self.balls + DIGITS + self._answer_length,
            trace_length=STEP * self.collisions,
            answer_length=self._answer_length,
        )

    @property
    def max_depth(self) -> int:
        return self.collisions

    def resized(self, max_depth: int) -> "Billiards":
        return replace(self, collisions=max_depth)

    @property
    def control(self) -> "Billiards | None":
        """The first disc alone; None if that is what is asked, or what is conserved."""
        if self.present == "one" or self.question == "macrostates":
            return None
        return replace(self, present="one")

    def distinct(self, depth: int) -> int:
        """Every place and velocity that discs can have, if one candidate in a hundred is accepted."""
        places = math.prod(max(1, self._room**2 - i * self._taken) for i in range(self._moving))
        return min(10**18, places * (2 * self.speed + 1) ** (2 * self._moving) // 100)

    def lineage(self, prompt: Int[Array, "batch prompt_length"], depth: int) -> Int[Array, "batch tokens"]:
        """The discs without the time: one motion answers for all times."""
        return prompt[:, : 4 * self.balls]

    def draw(self, depth: Int[Array, ""], *, key: Key[Array, ""]):
        depth = jnp.clip(depth, 1, self.collisions)  # for another the search would not end
        fields, trace, answer = first_accepted(self._candidate, depth, key)
        prompt = lay_out(fields, self._answer_length)
        return prompt, ask_at_the_end(len(prompt), answer), trace, answer

    def reference(self, prompt: Int[Array, " prompt_length"]) -> Int[Array, " answer_length"]:
        rows = prompt[: 4 * self.balls].reshape(-1, 4)[: self._moving] - self._zero
        if self.question == "macrostates":
            return self._energy(rows[:, 2:])
        powers = 10 ** np.arange(DIGITS, dtype=np.int32)[::-1]
        ticks = jnp.sum((prompt[4 * self.balls :][:DIGITS] - self._zero) * powers)
        if self.present == "one":
            return self._unfolded(rows[0, :2], rows[0, 2:], ticks) + self._zero
        with jax.enable_x64(True):
            place, velocity = self._motion(rows)
            end = self.discs.at(place, velocity, ticks.astype(jnp.float64) / TICKS, self._events)
            return self._cells(end.place[0]).astype(jnp.int32) + np.int32(self._zero)

    def cost(self) -> Cost:
        """Read the prompt; then for every event the time to each of all, the first of them and what it does.
        Alone: read, go on, fold. What is conserved: read, square, add, write the digits."""
        n, events = self._moving, self._events
        if self.question == "macrostates":
            return Cost(work=8 * n - 1 + 3 * self._answer_length, span=6)
        if self.present == "one":
            return Cost(work=53, span=17)
        pairs = n * (n - 1) // 2
        return Cost(work=20 + 6 * n + events * (31 * pairs + 46 * n + 5), span=27 * events - 2)

    def render(self, prompt: Int[np.ndarray, " prompt_length"]) -> str:
        n, side = self.balls, self.precision
        numbers = (prompt - self._zero).tolist()
        who = f"{n} equal discs of radius {self.radius} move" if self._moving > 1 else "A disc moves"
        lines = [
            f"{who} without friction in a square box, 0 <= x <= {side} and 0 <= y <= {side}. "
            + (
                "Discs collide elastically with the walls and with each other; all have the same mass."
                if self._moving > 1
                else f"It has radius {self.radius} and is reflected by the walls."
            ),
            "Cell (i, j) is the square i <= x < i + 1, j <= y < j + 1. At time 0 the centre of a disc is in "
            "the middle of its cell. Velocities are in cells a second.",
        ]
        for i in range(self._moving):
            lines.append(f"Disc {i + 1}: {_line(numbers[4 * i : 4 * i + 4])}")
        digits = "".join(map(str, numbers[4 * n : 4 * n + DIGITS]))
        lines.append(f"Time: {int(digits[:-1])}.{digits[-1]} seconds")
        if self.question == "positions":
            lines.append(
                "In which cell is the centre of disc 1 at that time? Answer with its two numbers, as in: 4 17"
            )
        else:
            lines.append(
                "What is the sum of the squares of the speeds of all discs at that time? Answer with a whole "
                f"number of {self._answer_length} digits, with leading zeros and spaces between, as in: "
                + " ".join("0" * (self._answer_length - 2) + "42")
            )
        return "\n".join(lines)

    def parse(self, text: str) -> Int[np.ndarray, " prompt_length"]:
        low, high = self.radius, self.precision - self.radius - 1
        numbers: list[int] = []
        for i in range(self._moving):
            line = line_after(text, f"Disc {i + 1}")
            words = line.replace("(", " ").replace(")", " ").replace(",", " ").split()
            if len(words) != 6 or words[0] != "cell" or words[3] != "velocity":
                raise ValueError(f"disc {shortened(line)}: must be as in 'cell (4, 17) velocity (-1, 2)'")
            values = [_integer(word) for word in words[1:3] + words[4:]]
            if not all(low <= value <= high for value in values[:2]):
                raise ValueError(f"disc {i + 1}: cell {values[:2]} must lie in {low}..{high}")
            if not all(abs(value) <= self.speed for value in values[2:]):
                raise ValueError(
                    f"disc {i + 1}: velocity {values[2:]} must lie in -{self.speed}..{self.speed}"
                )
            if _line(values) != line:
                raise ValueError(f"disc {shortened(line)}: must be {_line(values)!r}")
            numbers += values
        places = np.array(numbers).reshape(-1, 4)[:, :2]
        for i in range(self._moving):
            if np.any(np.sum((places[:i] - places[i]) ** 2, axis=1) <= 4 * self.radius**2):
                raise ValueError(
                    f"disc {i + 1} touches one before it; centres must be over {2 * self.radius} apart"
                )
        time = line_after(text, "Time")
        whole, _, tenth = time.removesuffix(" seconds").partition(".")
        digits = f"{whole:0>{DIGITS - 1}}{tenth}"
        if not (digits.isascii() and digits.isdigit() and len(digits) == DIGITS and len(tenth) == 1) or (
            time != f"{int(whole)}.{tenth} seconds"
        ):
            raise ValueError(
                f"time {shortened(time)}: must be as in '7.3 seconds', below {10 ** (DIGITS - 1)}"
            )
        blank = [FIRST] * 4 * (self.balls - self._moving)
        tokens = [number + self._zero for number in numbers] + blank
        tokens += [int(digit) + self._zero for digit in digits] + [QUERY] * self._answer_length
        prompt = np.array(tokens, np.int32)
        same_text(text, self.render(prompt))
        return prompt

    def picture(
        self,
        prompt: Int[np.ndarray, " prompt_length"],
        trace: Int[np.ndarray, " trace_length"],
        answer: Int[np.ndarray, " answer_length"],
    ) -> str | None:
        """The discs at the start with their velocities, and their paths until the time that is asked, with
        collisions (of a disc alone: walls) numbered. Gold: the cell of the answer. None if too large."""
        digits = (prompt[4 * self.balls :][:DIGITS] - self._zero).tolist()
        time = int("".join(map(str, digits))) / TICKS
        with jax.enable_x64(True):
            place, velocity = (np.asarray(part) for part in self.start(jnp.asarray(prompt)))
        paths, touched = drawn_until(self.discs, place, velocity, time, self._events)
        if self._moving == 1:
            touched = paths[0][1:-1]
        scale = 360 / self.precision

        def pixels(places: np.ndarray) -> np.ndarray:
            return np.array([20, 380]) + np.array([scale, -scale]) * places

        paths = [pixels(path) for path in paths]
        starts, ends = (np.array([path[k] for path in paths]) for k in (0, -1))
        tips = pixels(place + velocity * (0.12 * self.precision / max(1.0, np.abs(velocity).max())))
        parts = ['<rect x="20" y="20" width="360" height="360" fill="none" stroke="#333" stroke-width="2"/>']
        if self.question == "positions":
            (x, y), size = pixels(answer - self._zero + 0.5), max(scale, 5.0)
            corner = f'x="{x - size / 2:.1f}" y="{y - size / 2:.1f}"'
            parts.append(f'<rect {corner} width="{size:.1f}" height="{size:.1f}" {GOLD}/>')
        parts += [
            svg_paths(paths),
            svg_discs(starts, ends, scale * self.radius),
            svg_arrows(starts, tips),
            svg_marks(pixels(touched)),
            f'<text x="200" y="395">{time} seconds</text>',
        ]
        return svg_page(400, 400, parts)

    # Numbers

    @cached_property
    def discs(self) -> Discs:
        """The discs in their box."""
        side = float(self.precision)
        return Discs(self._moving, float(self.radius), (side, side))

    def start(
        self, prompt: Int[Array, " prompt_length"]
    ) -> tuple[Float[Array, "discs 2"], Float[Array, "discs 2"]]:
        """The places and velocities that a prompt tells. Needs x64 enabled."""
        return self._motion(prompt[: 4 * self.balls].reshape(-1, 4)[: self._moving] - self._zero)

    @property
    def _moving(self) -> int:
        return self.balls if self.present == "all" else 1

    @property
    def _room(self) -> int:
        """The cells a side in which centres can be."""
        return self.precision - 2 * self.radius

    @cached_property
    def _taken(self) -> int:
        """The cells in which, next to a disc, no other can be."""
        reach = np.arange(-2 * self.radius, 2 * self.radius + 1) ** 2
        return int(np.sum(reach[:, None] + reach <= 4 * self.radius**2))

    @property
    def _most_balls(self) -> int:
        """So many discs always find room, wherever the others are put."""
        return 1 + (self._room**2 - 1) // self._taken

    @cached_property
    def _fastest(self) -> int:
        """No coordinate of a velocity is ever beyond: all the energy in one."""
        return math.isqrt(2 * self.balls * self.speed**2) + 1

    @property
    def _largest(self) -> int:
        return max(self.precision - 1, self._fastest, self.balls, 9)

    @property
    def _zero(self) -> int:
        """The token of the number 0."""
        return FIRST + 1 + len(WALLS) + self._fastest

    @property
    def _answer_length(self) -> int:
        return 2 if self.question == "positions" else len(str(2 * self._moving * self.speed**2))

    @property
    def _events(self) -> int:
        """Enough events for the collisions, walls included: kinetic theory has 0.9 room / ((n − 1) diameter)
        walls to a collision, here 1.5."""
        if self._moving == 1:
            return self.collisions + 1
        walls = -(-3 * self._room * (self.collisions + 1) // (4 * self.radius * (self._moving - 1)))
        return self.collisions + 1 + walls + 4

    @property
    def _most_collisions(self) -> int:
        """The bound on the error grows by 2 + about 3 times the mean free path / diameter per collision."""
        others = self.balls - 1 if self.balls > 2 else 0.5  # two discs meet less often than that
        flights = others * self.radius**2
        growth = 2 + self._room**2 / (4 * flights)
        return max(1, int(DECADES / math.log10(growth)))

    @property
    def _rate(self) -> float:
        """The collisions a second of kinetic theory: every pair sweeps 2 diameters at its relative speed."""
        relative = 0.9 * math.sqrt(4 / 3 * self.speed * (self.speed + 1))
        pairs = self.balls * (self.balls - 1) / 2
        return pairs * 4 * self.radius * relative / self._room**2

    def _motion(self, rows: Int[Array, "discs 4"]) -> tuple[Array, Array]:
        return rows[:, :2].astype(jnp.float64) + 0.5, rows[:, 2:].astype(jnp.float64)

    def _cells(self, place: Array) -> Array:
        return jnp.clip(jnp.floor(place), self.radius, self.precision - self.radius - 1)

    def _sure(self, place: Array, error: Array) -> Array:
        """Whether the cells of places with errors are certain; walls are no borders."""
        border = jnp.clip(jnp.round(place), self.radius + 1, self.precision - self.radius - 1)
        return jnp.all(jnp.abs(place - border) > SLACK * error)

    def _energy(self, velocity: Int[Array, "discs 2"]) -> Int[Array, " digits"]:
        total = jnp.sum(velocity * velocity)
        powers = 10 ** np.arange(self._answer_length, dtype=np.int32)[::-1]
        return jax.lax.rem(jax.lax.div(total, powers), jnp.int32(10)) + self._zero

    def _unfolded(
        self, cell: Int[Array, " 2"], velocity: Int[Array, " 2"], ticks: Int[Array, ""]
    ) -> Int[Array, " 2"]:
        """Where a disc alone is: in twentieths of a cell, on the line of boxes and their reflections."""
        unit, room = 2 * TICKS, self._room
        straight = cell * unit + (TICKS - self.radius * unit) + 2 * velocity * ticks
        period = 2 * room * unit
        inside = jnp.int32(room * unit) - jnp.abs(jnp.int32(room * unit) - jnp.mod(straight, period))
        return jnp.minimum(jax.lax.div(inside, jnp.int32(unit)), room - 1) + self.radius

    # Candidates

    def _candidate(self, depth: Int[Array, ""], key: Key[Array, ""]):
        n, places = self._moving, self._moving * PLACES
        choices = [self._room] * (2 * places) + [2 * self.speed + 1] * (2 * n) + [2**16] * 2
        drawn = uniform(np.array(choices), key=key)
        spots = drawn[: 2 * places].reshape(n, -1, 2) + self.radius
        velocity = drawn[2 * places : 2 * places + 2 * n].reshape(n, 2) - self.speed
        which, when = drawn[-2], drawn[-1]

        def put(state, tried):
            placed, i, fits = state
            apart = jnp.sum((tried[:, None] - placed) ** 2, axis=-1)
            free = jnp.all((apart > 4 * self.radius**2) | (jnp.arange(n) >= i), axis=-1)
            spot = tried[jnp.argmax(free)]
            return (placed.at[i].set(spot), i + 1, fits & jnp.any(free)), None

        state = (jnp.zeros((n, 2), jnp.int32), jnp.int32(0), jnp.bool_(True))
        (cells, _, fits), _ = jax.lax.scan(put, state, spots)
        rows = jnp.concatenate([cells, velocity], axis=1)
        with jax.enable_x64(True):
            place, speed = self._motion(rows)
            path = self.discs.follow(place, speed, self._events)
            ticks, certain, names, trace, answer = self._read(path, depth, which, when)
        rows = lookup(rows, names) + self._zero
        blank = jnp.full(4 * (self.balls - n), FIRST, jnp.int32)
        powers = 10 ** np.arange(DIGITS, dtype=np.int32)[::-1]
        time = jax.lax.rem(jax.lax.div(ticks, powers), jnp.int32(10)) + self._zero
        fields = jnp.concatenate([rows.ravel(), blank, time])
        if self.question == "macrostates":
            answer = self._energy(velocity)
        return fits & certain, fields, trace, answer

    def _read(self, path: Path, depth: Array, which: Array, when: Array):
        """A time with `depth` collisions before it and none but those, and what happened until then."""
        n, pairs = self._moving, len(self.discs.pairs)
        counted = path.event < pairs if n > 1 else jnp.ones_like(path.event, bool)
        count = jnp.cumsum(counted)
        found = jnp.searchsorted(count, np.arange(1, self.collisions + 2, dtype=np.int32))
        found = jnp.minimum(found, self._events - 1)
        last, following = lookup(found, depth - 1), lookup(found, depth)
        early = lookup(path.motion.time, last) + lookup(path.time_error, last)
        late = lookup(path.motion.time, following) - lookup(path.time_error, following)
        first_tick = jnp.floor(early * TICKS) + 1
        last_tick = jnp.ceil(late * TICKS) - 1
        certain = (lookup(count, following) > depth) & lookup(path.certain, following)
        certain &= (last_tick >= first_tick) & (last_tick < 10**DIGITS)
        span = jnp.maximum(last_tick - first_tick + 1, 1)
        ticks = jnp.clip(first_tick + jnp.floor(when * span / 2**16), 0, 10**DIGITS - 1)
        time = ticks / TICKS

        if n > 1:
            pair = lookup(np.array(self.discs.pairs, np.int32), lookup(path.event, found[:-1]))
            asked = lookup(pair, depth - 1, which & 1)
        else:
            pair, asked = jnp.zeros((self.collisions, 2), jnp.int32), jnp.int32(0)
        names = jnp.asarray(np.arange(n, dtype=np.int32))
        names = jnp.where(names == asked, 0, jnp.where(names == 0, asked, names))  # its own inverse

        before = jnp.sum(path.motion.time <= time) - 1
        wait = time - lookup(path.motion.time, before)
        place = lookup(path.motion.place, before, asked) + wait * lookup(path.motion.velocity, before, asked)
        error = lookup(path.place_error, before, asked) + wait * lookup(path.velocity_error, before, asked)
        certain &= self._sure(place, error + ROUNDING * self.precision)
        answer = self._cells(place).astype(jnp.int32) + np.int32(self._zero)

        called = lookup(names, pair)
        pair = jnp.where(called[:, :1] > called[:, 1:], pair[:, ::-1], pair)
        rows = found[:-1, None]
        place, velocity = lookup(path.motion.place, rows, pair), lookup(path.motion.velocity, rows, pair)
        place_error = lookup(path.place_error, rows, pair)[..., None]
        velocity_error = lookup(path.velocity_error, rows, pair)[..., None]
        whole = jnp.floor(velocity + 0.5)
        sharp = 0.5 - jnp.abs(velocity - whole) > SLACK * velocity_error
        within = np.arange(self.collisions, dtype=np.int32) < depth
        if n > 1:
            border = jnp.clip(jnp.round(place), self.radius + 1, self.precision - self.radius - 1)
            sharp &= jnp.abs(place - border) > SLACK * place_error
            certain &= jnp.all(jnp.where(within[:, None, None], sharp, True))
        cells = self._cells(place).reshape(-1, 4)
        steps = jnp.concatenate(
            [jnp.sort(lookup(names, pair), axis=1) + 1, cells, whole.reshape(-1, 4)], axis=1
        )
        steps = steps.astype(jnp.int32) + np.int32(self._zero)
        if n == 1:
            wall = lookup(path.event, found[:-1])
            upward = lookup(path.motion.velocity, found[:-1], jnp.int32(0), wall) < 0
            steps = steps.at[:, 1].set((FIRST + 1 + 2 * wall + upward).astype(jnp.int32))
            steps = steps.at[:, np.array([4, 5, 8, 9])].set(FIRST)
        trace = jnp.where(within[:, None], steps, PAD).ravel()
        return ticks.astype(jnp.int32), certain, names, trace, answer


def _line(values: list[int]) -> str:
    """What a line says of a disc: its cell and its velocity."""
    x, y, u, v = values
    return f"cell ({x}, {y}) velocity ({u}, {v})"


def _integer(word: str) -> int:
    digits = word.removeprefix("-")
    if not (digits.isascii() and digits.isdigit() and len(digits) < 10) or word != str(int(word)):
        raise ValueError(f"{shortened(word)}: must be a whole number")
    return int(word)
