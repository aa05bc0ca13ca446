"""Pictures of discs: well formed, and what they show is what the trace and the answer say."""

from dataclasses import replace
from xml.etree import ElementTree

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from seriality.instance import PAD
from seriality.tasks import disc_picture
from seriality.tasks.billiards import Billiards
from seriality.tasks.disc_picture import svg_page
from seriality.tasks.occluded_balls import OccludedBalls

SVG = "{http://www.w3.org/2000/svg}"
SMALL = Billiards(collisions=4, balls=3, precision=24, radius=2)
HIDDEN = OccludedBalls(collisions=3, balls=2)


def drawn(task):
    """Each picture of four instances, with its trace in rows of numbers, its answer and its prompt."""
    depths = jnp.asarray(np.arange(64) % task.max_depth + 1)
    batch = jax.tree.map(np.asarray, task.sample(64, key=jax.random.key(8), depth=depths))
    for prompt, trace, answer in list(zip(batch.prompt, batch.trace, batch.answer, strict=True))[:4]:
        picture = task.picture(prompt, trace, answer)
        assert len(picture) < 20_000
        zero = task.format.tokens.index("0")
        steps = trace[trace != PAD].reshape(-1, 10) - zero
        yield ElementTree.fromstring(picture), steps, answer - zero, prompt


def numbers(element, *names):
    return np.array([float(element.attrib[name]) for name in names])


def marks(picture):
    found = [text for text in picture.iter(f"{SVG}text") if text.get("class") == "mark"]
    assert [text.text for text in found] == [str(i + 1) for i in range(len(found))]
    return np.array([numbers(text, "x", "y") for text in found]) - [0, 3.5]


def gold(picture):
    (found,) = (rect for rect in picture.iter(f"{SVG}rect") if rect.get("fill") == "#ffcf33")
    return numbers(found, "x", "y") + numbers(found, "width") / 2


@pytest.mark.parametrize("task", [SMALL, replace(SMALL, present="one")], ids=["all", "one"])
def test_billiards(task):
    scale = 360 / task.precision
    for picture, steps, answer, prompt in drawn(task):
        cells = np.array([[1, -1]]) * (marks(picture) - [20, 380]) / scale
        assert len(cells) == len(steps)
        if task.present == "all":  # where two discs touch is between the cells of the trace
            middle = (steps[:, 2:4] + steps[:, 4:6] + 1) / 2
            assert np.max(np.abs(cells - middle)) < 0.51
        else:
            assert np.array_equal(np.floor(cells.clip(2, 21.99)), steps[:, 2:4])
        assert np.allclose((gold(picture) - [20, 380]) / [scale, -scale], answer + 0.5, atol=0.02)
        lines = list(picture.iter(f"{SVG}polyline"))
        assert len(lines) == (3 if task.present == "all" else 1)
        corners = np.array([pair.split(",") for pair in lines[-1].attrib["points"].split()], float)
        start, end = ((corners[k] - [20, 380]) / [scale, -scale] for k in (0, -1))
        zero = task.format.tokens.index("0")
        assert np.allclose(start, prompt[:2] - zero + 0.5, atol=0.02)
        assert np.max(np.abs(end - answer - 0.5)) < 0.52  # the path of the first disc ends in the cell


def test_the_picture_of_a_macrostate_asks_for_no_cell():
    task = Billiards(question="macrostates")
    for picture, steps, _, _ in drawn(task):
        assert len(marks(picture)) == len(steps)
        with pytest.raises(ValueError, match="not enough values"):
            gold(picture)


@pytest.mark.parametrize("task", [HIDDEN, replace(HIDDEN, contact="none")], ids=["hard", "none"])
def test_occluded_balls(task):
    a, left = 14, 10 + 2 * (14 * task.visible + 14)
    for picture, steps, answer, prompt in drawn(task):
        cells = (marks(picture) - [left, 30]) / a
        assert len(cells) == len(steps)
        middle = (steps[:, 2:4] + steps[:, 4:6] + 1) / 2 if task.contact == "hard" else steps[:, 2:4] + 0.5
        assert np.max(np.abs(cells - middle)) < 0.51
        assert np.allclose((gold(picture) - [left, 30]) / a, answer + 0.5, atol=0.02)
        (grey,) = (rect for rect in picture.iter(f"{SVG}rect") if rect.get("fill") == "#e4e4e4")
        found = numbers(grey, "x", "width", "height")
        assert np.allclose(found, [left + a * task.visible, a * task.hidden, a * task.height], atol=0.06)
        frames = prompt[:-3].reshape(2, task.height, task.visible) - task.format.tokens.index("0")
        shown = [text for text in picture.iter(f"{SVG}text") if text.get("fill") == "#fff"]
        for text, (frame, ball) in zip(shown, [(f, b) for f in (0, 1) for b in (1, 2)], strict=True):
            row, column = np.argwhere(frames[frame] == ball)[0]
            x = 10 + frame * (a * task.visible + 14) + a * (column + 0.5)
            assert text.text == str(ball)
            assert np.allclose(numbers(text, "x", "y"), [x, 30 + a * (row + 0.5) + 3.5])


def test_a_picture_that_is_too_large_is_none(monkeypatch):
    assert svg_page(10, 10, ["<g/>"]) is not None
    monkeypatch.setattr(disc_picture, "LARGEST", 100)
    assert svg_page(10, 10, ["<g/>"]) is None
