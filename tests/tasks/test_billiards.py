"""Discs against the same motion in 50 digits, written from the definition; symmetries; what is conserved."""

import re
from dataclasses import replace
from functools import cache
from itertools import combinations, product

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seriality.instance import PAD, QUERY
from seriality.meter import measure
from seriality.tasks.billiards import Billiards
from seriality.tasks.hard_discs import Discs
from seriality.tasks.occluded_balls import OccludedBalls

KEY = jax.random.key(5)
SMALL = Billiards(collisions=4, balls=3, precision=24, radius=2, speed=5)
HIDDEN = OccludedBalls(collisions=3, balls=2)


@cache
def sampled(task):
    """64 instances of all depths, the deepest first. Drawn once: what takes time is to compile."""
    depth = task.max_depth - jnp.asarray(np.arange(64) % task.max_depth)
    return jax.tree.map(np.asarray, task.sample(64, key=KEY, depth=depth))


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
        (time,) = re.findall(r"^Time: (\d+\.\d) seconds$", text, re.M)
        time = mpmath.mpf(time.replace(".", "")) / 10
        return [[x + 0.5 for x in row[:2]] for row in rows], [row[2:] for row in rows], time


@pytest.mark.parametrize("task", [SMALL, Billiards(), Billiards().resized(12)], ids=str)
def test_trace_and_answer_are_those_of_fifty_digits(task):
    batch = jax.tree.map(lambda part: part[:24], sampled(task))
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
    task, errors = Billiards(), []

    @jax.jit
    def both(place, velocity, time):
        end = task.discs.at(place, velocity, time, task._events)
        return end, task.discs.follow(place, velocity, task._events)

    for prompt in sampled(task).prompt[:12]:
        p, v, time = question(task.render(prompt))
        end, _, _ = simulated(p, v, 3, (32, 32), time)
        with jax.enable_x64(True):
            place, velocity = (jnp.asarray(np.array(x, float)) for x in (p, v))
            found, path = jax.tree.map(np.asarray, both(place, velocity, float(time)))
        last = int(np.sum(path.motion.time <= float(time))) - 1
        wait = float(time) - path.motion.time[last]
        bound = path.place_error[last] + wait * path.velocity_error[last] + 1e-12
        error = np.max(np.abs(found.place - np.array(end, float)), axis=1)
        assert np.all(error <= bound)
        assert abs(np.sum(found.velocity**2) / np.sum(np.array(v, float) ** 2) - 1) < 1e-12
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
    batch = sampled(SMALL)
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
    task = replace(SMALL, present="one")
    assert task == SMALL.control
    batch = sampled(task)
    assert np.array_equal(jax.jit(jax.vmap(task.reference))(batch.prompt), batch.answer)  # draw steps
    zero = task.format.tokens.index("0")
    for prompt, answer in zip(batch.prompt[:40], batch.answer[:40], strict=True):
        p, v, time = question(task.render(prompt))
        end, *_ = simulated(p, v, 2, (24, 24), time)
        assert [int(mpmath.floor(x)) for x in end[0]] == (answer - zero).tolist()


@pytest.mark.parametrize("depth", [1, 4])
def test_no_cell_is_likelier_than_stated_with_others_or_alone(depth):
    for task in (SMALL, SMALL.control):
        answers = np.asarray(task.sample(4096, key=KEY, depth=depth).answer)
        most = np.unique(answers, axis=0, return_counts=True)[1].max() / 4096
        assert most < task.guess_rate + 5 * np.sqrt(task.guess_rate / 4096)
        assert most > task.guess_rate / 5  # so it says something


def test_kinetic_energy_is_the_answer_to_the_macrostate_and_the_chain_agrees():
    task = Billiards(question="macrostates")
    batch = sampled(task)
    for prompt, answer in zip(batch.prompt[:20], batch.answer[:20], strict=True):
        p, v, time = question(task.render(prompt))
        _, speeds, _ = simulated(p, v, 3, (32, 32), time)
        with mpmath.workdps(50):
            energy = sum(x * x for row in speeds for x in row)
        assert abs(energy - int(task.render_answer(answer).replace(" ", ""))) < 1e-20
    assert task.control is None
    assert task.cost().span < Billiards().cost().span / 100
    assert np.array_equal(batch.prompt[:, :20], sampled(Billiards()).prompt[:, :20])


def test_one_hidden_motion_is_in_one_split_whoever_is_asked_for_and_when():
    """Its trace answers for every ball and every frame. Another motion is, by and large, in another."""
    prompts = sampled(HIDDEN).prompt[:32]
    one, two = map(HIDDEN.format.tokens.index, "12")
    renamed, later = prompts.copy(), prompts.copy()
    pixels = renamed[:, :-3]  # a view: the frames
    pixels[:] = np.where(pixels == one, two, np.where(pixels == two, one, pixels))
    later[:, -3] += 1
    assert not np.array_equal(renamed, prompts)
    motions, of_renamed, of_later = (
        HIDDEN.lineage(jnp.asarray(each), 1) for each in (prompts, renamed, later)
    )
    assert np.array_equal(motions, of_renamed)
    assert np.array_equal(motions, of_later)
    unnamed = np.where(pixels == two, one, pixels)
    assert len(np.unique(motions, axis=0)) == len(np.unique(unnamed, axis=0)) > 25


def hidden_motion(task, prompt):
    """What the text of a prompt leads to in 50 digits: the end, and the collisions."""
    text = task.render(prompt)
    rows = [line.split(": ")[1].split() for line in text.splitlines() if line.startswith("row ")]
    frames = [
        {pixel: (x, y) for y, row in enumerate(half) for x, pixel in enumerate(row) if pixel != "."}
        for half in (rows[: task.height], rows[task.height :])
    ]
    names = sorted(frames[0]) if task.contact == "hard" else ["1"]
    p = [[x + 0.5 for x in frames[0][name]] for name in names]
    v = [np.subtract(frames[1][name], frames[0][name]).tolist() for name in names]
    (frame,) = re.findall(r"Lifted: frame (\d+)", text)
    end, _, collisions = simulated(p, v, 1, (task.visible + task.hidden, task.height), int(frame))
    return [int(mpmath.floor(x)) for x in end[0]], collisions


@pytest.mark.parametrize(
    "task",
    [
        HIDDEN,
        replace(HIDDEN, contact="none"),
        OccludedBalls(10, 3, 14, 6, 40, 4),  # of these one candidate in some 2,000 is accepted
    ],
    ids=str,
)
def test_hidden_balls_are_those_of_fifty_digits(task):
    batch = sampled(task) if task.max_depth < 10 else jax.tree.map(np.asarray, task.sample(6, key=KEY))
    zero = task.format.tokens.index("0")
    for prompt, answer, depth in zip(batch.prompt, batch.answer, batch.depth.tolist(), strict=True):
        end, collisions = hidden_motion(task, prompt)
        assert end == (answer - zero).tolist()
        if task.contact == "hard":
            assert len(collisions) == depth
            assert all(min(cells[::2]) >= task.visible for _, _, *cells in collisions)
            assert 0 in collisions[-1][:2]


def test_the_meter_agrees_with_the_declared_cost():
    for task in (
        Billiards(2, 2, 16, 2), Billiards(3, 5, 32, 2), Billiards(1, 6), Billiards(7, 3, 64, 5),
        OccludedBalls(1, 2, 8, 4, 8), OccludedBalls(2, 4, 16, 5, 20, 2),
        OccludedBalls(2, 2, speed=2, contact="none"),
    ):  # fmt: skip
        prompt = jax.ShapeDtypeStruct((task.format.prompt_length,), jnp.int32)
        found = measure(task.reference, prompt, cost_model="unit")
        assert (found.cost, found.bound) == (task.cost(), "exact")


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 12),
    st.integers(2, 6),
    st.integers(8, 48),
    st.integers(1, 6),
    st.integers(1, 12),
    st.data(),
)
def test_any_dials_of_billiards_are_a_task_or_a_line(collisions, balls, precision, radius, speed, data):
    check_dials(Billiards, (collisions, balls, precision, radius, speed), data)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 10),
    st.integers(2, 6),
    st.integers(8, 32),
    st.integers(4, 6),
    st.integers(8, 48),
    st.data(),
)
def test_any_dials_of_occluded_balls_are_a_task_or_a_line(collisions, balls, height, visible, hidden, data):
    check_dials(OccludedBalls, (collisions, balls, height, visible, hidden), data)


def check_dials(family, dials, data):
    """Dials that cannot be met say in one line what can. With others every smaller depth is one too, the cost
    is the one that its events give, and the control has the layout."""
    task, refusal = None, ""
    try:
        task = family(*dials)
    except ValueError as error:
        refusal = str(error)
    if task is None:
        assert "\n" not in refusal
        assert re.search(r"allowed|up to|at most", refusal)
        return
    smaller = task.resized(data.draw(st.integers(1, task.max_depth)))
    assert smaller.cost().span <= task.cost().span
    assert smaller.cost().work <= task.cost().work
    assert abs(task.cost().span - 27 * task._events) <= 2
    for twin in (task, task.control):
        assert 0 < twin.guess_rate < 1
        assert twin.distinct(1) >= 1
        assert twin.max_depth == task.max_depth
        for part in ("prompt_length", "trace_length", "answer_length", "vocabulary"):
            assert getattr(twin.format, part) == getattr(task.format, part)
    for dial, value in task.other_values.items():
        replace(task, **{dial: value})  # raises if these dials cannot be


def test_bad_dials():
    with pytest.raises(ValueError, match=r"up to balls=6"):
        Billiards(balls=7)
    with pytest.raises(ValueError, match=r"allowed are radius=1\.\.5"):
        Billiards(radius=9)
    with pytest.raises(ValueError, match=r"up to collisions=\d+"):
        Billiards(collisions=50)
    with pytest.raises(ValueError, match=r"within 1000 seconds.* up to collisions=1"):
        Billiards(collisions=3, balls=2, precision=48, radius=1, speed=1)
    with pytest.raises(ValueError, match=r"collide 62 times a second.* up to speed=63"):
        Billiards(precision=12, radius=1, balls=6, speed=99)
    with pytest.raises(ValueError, match="2 faults"):
        Billiards(balls=1, present="two")
    with pytest.raises(ValueError, match=r"collisions=1\.\.4 or hidden=20"):
        OccludedBalls(collisions=5)
    with pytest.raises(ValueError, match=r"at most balls=3"):
        OccludedBalls(balls=4)
    with pytest.raises(ValueError, match=r"allowed are collisions=1\.\.4; for more, more balls"):
        OccludedBalls(collisions=6, balls=2, height=24, hidden=24)


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
    text = task.render(sampled(task).prompt[0])
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


def ends(inputs):
    """Where the discs are after 18 seconds, a set of cells for each row of bits: a disc of radius 3 flies to
    the right along y = 40.5, and each input that is 1 upward to cross it; one that is 0 rests aside.
    `reference` is asked of each disc in turn."""
    n = inputs.shape[1] + 1
    task = Billiards(collisions=3, balls=n, precision=80, radius=3, speed=2)
    zero, prompts = task.format.tokens.index("0"), []
    for bits in inputs.tolist():
        rows = [[4, 40, 2, 0]]
        rows += [
            [14 + 10 * i, 30 - 10 * i, 0, 2] if on else [72, 30 - 10 * i, 0, 0] for i, on in enumerate(bits)
        ]
        for disc in range(n):
            fields = np.concatenate([np.roll(rows, -disc, axis=0).ravel(), [0, 1, 8, 0]]) + zero
            prompts.append(np.append(fields, [QUERY, QUERY]).astype(np.int32))
            assert np.array_equal(task.parse(task.render(prompts[-1])), prompts[-1])
    cells = np.asarray(jax.jit(jax.vmap(task.reference))(np.stack(prompts))) - zero
    return [set(map(tuple, row)) for row in cells.reshape(len(inputs), n, 2).tolist()]


SHIFT = 6 / np.sqrt(2)
TRACKS = [(int(40.5 + k * SHIFT), int(40.5 - k * SHIFT)) for k in range(4)]
"""The cells in which the tracks end that are 0, 1, 2 and 3 times displaced."""


def test_two_interaction_gates_are_a_half_adder():
    """In the task's own prompts, in one box, without mirrors. A disc that always comes passes both inputs. In
    each gate that has two discs, the one that goes on to the right does so on a track displaced by a diameter
    over the root of 2, and as much ahead, so that it still meets the next input: the displacements add up.
    One track is the sum, a single one for both ways to make 1, and one the carry. The discs that leave upward
    are what makes it reversible; the disc on a track is not always the same one."""
    inputs = np.array(list(product((0, 1), repeat=2)))
    for (a, b), cells in zip(inputs.tolist(), ends(inputs), strict=True):
        there = [track in cells for track in TRACKS]
        total, carry = there[1], there[2]
        assert (total, carry) == (a != b, a == b == 1)
        assert sum(there) == 1


def test_three_interaction_gates_are_a_full_adder():
    """The same with a third input: here sum and carry are each a disc on one of two tracks."""
    inputs = np.array(list(product((0, 1), repeat=3)))
    for bits, cells in zip(inputs.tolist(), ends(inputs), strict=True):
        there = [track in cells for track in TRACKS]
        assert there.index(True) == sum(bits)
        assert (there[2] or there[3], there[1] or there[3]) == tuple(map(bool, divmod(sum(bits), 2)))


def test_the_package_billiards_agrees():
    """Markus Ebke's `billiards` on the same prompts: answers and collisions. Under the GPL, so it is
    no dependency of the tests; the extra `benchmarks` has it, and another truth (50 digits) is above."""
    billiards = pytest.importorskip("billiards")
    task = Billiards()
    batch, side = sampled(task), float(task.precision)
    corners = [(0.0, 0.0), (side, 0.0), (side, side), (0.0, side)]
    for prompt, trace, answer in zip(batch.prompt[:40], batch.trace[:40], batch.answer[:40], strict=True):
        p, v, time = question(task.render(prompt))
        walls = [billiards.InfiniteWall(corners[i - 1], corners[i]) for i in range(4)]
        table = billiards.Billiard(obstacles=walls)
        for place, velocity in zip(np.array(p, float), np.array(v, float), strict=True):
            table.add_ball(tuple(place), tuple(velocity), radius=float(task.radius))
        pairs = [sorted(hit[1:]) for hit in table.evolve(float(time)) if isinstance(hit[2], int)]
        steps = trace[trace != PAD].reshape(-1, 10) - task.format.tokens.index("0")
        assert pairs == (steps[:, :2] - 1).tolist()
        assert task.render_answer(answer).split() == [str(int(x)) for x in table.balls_position[0]]
