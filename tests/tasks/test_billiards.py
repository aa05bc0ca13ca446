"""Discs against the same motion in 50 digits, written from the definition; symmetries; what is conserved."""

import re
from itertools import combinations

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest

from seriality.instance import PAD
from seriality.meter import measure
from seriality.tasks.billiards import Billiards
from seriality.tasks.hard_discs import Discs
from seriality.tasks.occluded_balls import OccludedBalls

KEY = jax.random.key(5)
SMALL = Billiards(collisions=4, balls=3, precision=24, radius=2, speed=5)
HIDDEN = OccludedBalls(collisions=3, balls=2)


def sampled(task, count, depth=None):
    return jax.tree.map(np.asarray, task.sample(count, key=KEY, depth=depth))


def simulated(places, velocities, radius, sides, end):
    """Hard discs until a time, in 50 digits; the places, the velocities and the collisions."""
    with mpmath.workdps(50):
        p = [[mpmath.mpf(x) for x in row] for row in places]
        v = [[mpmath.mpf(x) for x in row] for row in velocities]
        time, collisions = mpmath.mpf(0), []
        while True:
            events = []
            for i, j in combinations(range(len(p)), 2):
                r = [a - b for a, b in zip(p[i], p[j], strict=True)]
                g = [a - b for a, b in zip(v[i], v[j], strict=True)]
                a, b = sum(x * x for x in g), sum(x * y for x, y in zip(r, g, strict=True))
                d = b * b - a * (sum(x * x for x in r) - 4 * radius**2)
                if b < 0 and d > 0:
                    events.append(((-b - mpmath.sqrt(d)) / a, i, j))
            for i, axis in ((i, axis) for i in range(len(p)) for axis in (0, 1)):
                if v[i][axis]:
                    wall = sides[axis] - radius if v[i][axis] > 0 else radius
                    events.append(((wall - p[i][axis]) / v[i][axis], i, axis - 2))
            wait, i, j = min(events)
            go = min(wait, end - time)
            p = [[x + u * go for x, u in zip(*rows, strict=True)] for rows in zip(p, v, strict=True)]
            time += go
            if go < wait:
                return p, v, collisions
            if j < 0:
                v[i][j + 2] = -v[i][j + 2]
                continue
            n = [(a - b) / (2 * radius) for a, b in zip(p[i], p[j], strict=True)]
            along = sum(x * (a - b) for x, a, b in zip(n, v[i], v[j], strict=True))
            v[i] = [a - along * x for a, x in zip(v[i], n, strict=True)]
            v[j] = [a + along * x for a, x in zip(v[j], n, strict=True)]
            collisions.append((i, j, *map(int, map(mpmath.floor, p[i] + p[j]))))


def question(text):
    """The places, velocities and time, read from the text alone."""
    found = re.findall(r"^Disc \d+: cell \((\d+), (\d+)\) velocity \((-?\d+), (-?\d+)\)$", text, re.M)
    rows = [[mpmath.mpf(number) for number in row] for row in found]
    with mpmath.workdps(50):
        time = mpmath.mpf(re.search(r"^Time: (\d+\.\d) seconds$", text, re.M)[1].replace(".", "")) / 10
        return [[x + 0.5 for x in row[:2]] for row in rows], [row[2:] for row in rows], time


@pytest.mark.parametrize("task", [SMALL, Billiards(), Billiards().resized(12)], ids=str)
def test_trace_and_answer_are_those_of_fifty_digits(task):
    batch = sampled(task, 24, jnp.asarray(np.arange(24) % task.max_depth + 1))
    side, zero = task.precision, task.format.tokens.index("0")
    for prompt, trace, answer, depth in zip(
        *(np.asarray(x) for x in (batch.prompt, batch.trace, batch.answer, batch.depth)), strict=True
    ):
        p, v, time = question(task.render(prompt))
        end, _, collisions = simulated(p, v, task.radius, (side, side), time)
        assert [int(mpmath.floor(x)) for x in end[0]] == (answer - zero).tolist()
        assert len(collisions) == depth
        assert 0 in collisions[-1][:2]
        steps = trace[trace != PAD].reshape(-1, 10) - zero
        assert [(i + 1, j + 1, *cells) for i, j, *cells in collisions] == [
            tuple(row[:6]) for row in steps.tolist()
        ]


def test_the_bound_is_above_the_error():
    task = Billiards()
    batch = sampled(task, 12)
    errors = []
    for prompt in batch.prompt:
        p, v, time = question(task.render(prompt))
        end, _, _ = simulated(p, v, 3, (32, 32), time)
        with jax.enable_x64(True):
            place, velocity = (jnp.asarray(np.array(x, float)) for x in (p, v))
            found = task._discs.at(place, velocity, float(time), task._events)
            path = task._discs.follow(place, velocity, task._events)
            last = int(np.sum(np.asarray(path.motion.time) <= float(time))) - 1
            wait = float(time) - path.motion.time[last]
            bound = path.place_error[last] + wait * path.velocity_error[last] + 1e-12
            error = np.max(np.abs(np.array(found.place) - np.array(end, float)), axis=1)
            energy = float(jnp.sum(found.velocity**2) / jnp.sum(velocity**2))
        assert np.all(error <= np.asarray(bound))
        assert abs(energy - 1) < 1e-12
        errors.append(error.max())
    assert max(errors) > 1e-12  # errors do grow


def test_momentum_is_conserved_without_walls_and_time_can_be_turned_back():
    rng = np.random.default_rng(3)
    discs = Discs(5, 0.5)
    start = np.array([[0, 0], [3, 0.4], [0.3, 3], [3, 3.2], [1.6, 1.5]])
    velocity = (1.5 - start) + 0.2 * rng.normal(size=(5, 2))
    with jax.enable_x64(True):
        there = discs.at(jnp.asarray(start), jnp.asarray(velocity), 4.0, 20)
        assert np.max(np.abs(np.asarray(there.velocity) - velocity)) > 0.5  # they did collide
        assert np.allclose(np.sum(there.velocity, axis=0), velocity.sum(axis=0), atol=1e-12)
        back = discs.at(there.place, -there.velocity, 4.0, 20)
        assert np.allclose(back.place, start, atol=1e-8)
        assert np.allclose(back.velocity, -velocity, atol=1e-8)


def test_permuted_and_mirrored_discs_move_alike():
    batch = sampled(SMALL, 64)
    answers = jax.jit(jax.vmap(SMALL.reference))
    zero, n, side = SMALL.format.tokens.index("0"), SMALL.balls, SMALL.precision
    swapped = batch.prompt.copy()
    swapped[:, 4:12] = np.roll(swapped[:, 4:12], 4, axis=1)
    assert np.array_equal(answers(swapped), batch.answer)
    mirrored = batch.prompt - zero
    mirrored[:, : 4 * n : 4] = side - 1 - mirrored[:, : 4 * n : 4]
    mirrored[:, 2 : 4 * n : 4] *= -1
    wanted = batch.answer - zero
    wanted[:, 0] = side - 1 - wanted[:, 0]
    assert np.array_equal(np.asarray(answers(mirrored + zero)) - zero, wanted)


def test_one_disc_stepped_and_unfolded_agree():
    task = SMALL.control
    batch = sampled(task, 256, jnp.asarray(np.arange(256) % 4 + 1))
    assert np.array_equal(jax.jit(jax.vmap(task.reference))(batch.prompt), batch.answer)  # draw steps
    zero = task.format.tokens.index("0")
    for prompt, answer in zip(batch.prompt[:40], batch.answer[:40], strict=True):
        p, v, time = question(task.render(prompt))
        end, *_ = simulated(p, v, 2, (24, 24), time)
        assert [int(mpmath.floor(x)) for x in end[0]] == (answer - zero).tolist()


def test_kinetic_energy_is_the_answer_to_the_macrostate_and_the_chain_agrees():
    task = Billiards(question="macrostates")
    batch = sampled(task, 20)
    for prompt, answer in zip(batch.prompt, batch.answer, strict=True):
        p, v, time = question(task.render(prompt))
        _, speeds, _ = simulated(p, v, 3, (32, 32), time)
        with mpmath.workdps(50):
            energy = sum(x * x for row in speeds for x in row)
        assert abs(energy - int(task.render_answer(answer).replace(" ", ""))) < 1e-20
    assert task.control is None
    assert task.cost().span < Billiards().cost().span / 100
    assert np.array_equal(batch.prompt[:, :20], sampled(Billiards(), 20).prompt[:, :20])


@pytest.mark.parametrize("contact", ["hard", "none"])
def test_hidden_balls_are_those_of_fifty_digits(contact):
    task = OccludedBalls(collisions=3, balls=2, contact=contact)
    batch = sampled(task, 24, jnp.asarray(np.arange(24) % 3 + 1))
    zero, sides = task.format.tokens.index("0"), (task.visible + task.hidden, task.height)
    for prompt, answer, depth in zip(batch.prompt, batch.answer, batch.depth.tolist(), strict=True):
        text = task.render(prompt)
        rows = [line.split(": ")[1].split() for line in text.splitlines() if line.startswith("row ")]
        frames = [
            {pixel: (x, y) for y, row in enumerate(half) for x, pixel in enumerate(row) if pixel != "."}
            for half in (rows[: task.height], rows[task.height :])
        ]
        names = ["1", "2"] if contact == "hard" else ["1"]
        p = [[x + 0.5 for x in frames[0][name]] for name in names]
        v = [np.subtract(frames[1][name], frames[0][name]).tolist() for name in names]
        end, _, collisions = simulated(p, v, 1, sides, int(re.search(r"Lifted: frame (\d+)", text)[1]))
        assert [int(mpmath.floor(x)) for x in end[0]] == (answer - zero).tolist()
        if contact == "hard":
            assert len(collisions) == depth
            assert all(min(cells[::2]) >= task.visible for _, _, *cells in collisions)
            assert 0 in collisions[-1][:2]


def test_the_meter_agrees_with_the_declared_cost():
    for task in (
        Billiards(2, 2, 16, 2), Billiards(3, 5, 32, 2), Billiards(1, 6), Billiards(7, 3, 64, 5),
        OccludedBalls(1, 2, 8, 3, 4), OccludedBalls(2, 4, 16, 5, 20, 2),
        OccludedBalls(2, 2, speed=1, contact="none"),
    ):  # fmt: skip
        prompt = jax.ShapeDtypeStruct((task.format.prompt_length,), jnp.int32)
        found = measure(task.reference, prompt, cost_model="unit")
        assert (found.cost, found.bound) == (task.cost(), "exact")


def test_bad_dials():
    with pytest.raises(ValueError, match=r"up to balls=6"):
        Billiards(balls=7)
    with pytest.raises(ValueError, match=r"allowed are radius=1\.\.5"):
        Billiards(radius=9)
    with pytest.raises(ValueError, match=r"up to collisions=\d+"):
        Billiards(collisions=50)
    with pytest.raises(ValueError, match="2 faults"):
        Billiards(balls=1, present="two")
    with pytest.raises(ValueError, match=r"collisions=1\.\.4 or hidden=20"):
        OccludedBalls(collisions=5)
    with pytest.raises(ValueError, match=r"at most balls=3"):
        OccludedBalls(balls=4)


@pytest.mark.parametrize(
    ("task", "old", "new", "fault"),
    [
        (SMALL, "seconds\n", "s\n", "time"),
        (SMALL, "Disc 2: cell", "Disc 2: place", "must be as in"),
        (SMALL, "Disc 3:", "Disc 4:", "0 lines begin with 'Disc 3:'"),
        (HIDDEN, "Frame 1:", "Frame 2:", "'Frame 1:' is 0 lines"),
        (HIDDEN, "Lifted: frame", "Lifted: at", "frame"),
        (HIDDEN, "row 3: .", "row 3: . .", "and 4 pixels"),
    ],
)
def test_bad_texts(task, old, new, fault):
    text = task.render(sampled(task, 1).prompt[0])
    assert old in text
    with pytest.raises(ValueError, match=fault) as error:
        task.parse(text.replace(old, new))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(("a", "b"), [(0, 0), (0, 1), (1, 0), (1, 1)])
def test_two_paths_that_cross_are_the_interaction_gate(a, b):
    """Fredkin & Toffoli 1982: one ball a path goes straight on; two deflect each other to paths of their own.
    Whether there is a ball at the end of each path is read off the motion."""
    rows = [[-10, 0, 1, 0]] * a + [[0, -10, 0, 1]] * b + [[90, 90, 0, 0], [95, 90, 0, 0]]
    discs = Discs(len(rows), 0.5, fixed=(len(rows) - 1,))  # the last two stand aside
    with jax.enable_x64(True):
        start = jnp.asarray(np.array(rows, float))
        end = np.asarray(discs.at(start[:, :2], start[:, 2:], 20.0, 4).place)
    side = np.sqrt(0.5)  # half of a diameter, along the diagonal
    ends = {"a and not b": (10, 0), "not a and b": (0, 10), "a and b": (10 + side, -side)}
    ends["b and a"] = (-side, 10 + side)
    there = {name: bool(np.any(np.hypot(*(end - place).T) < 1e-9)) for name, place in ends.items()}
    both, first, second = bool(a and b), bool(a and not b), bool(b and not a)
    assert there == {"a and not b": first, "not a and b": second, "a and b": both, "b and a": both}
