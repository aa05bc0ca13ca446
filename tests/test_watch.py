"""The display of a running study: what it says at each moment, on a terminal and off it; the time left."""

import io
import re
from dataclasses import replace

import pytest
from rich.console import Console

from seriality.store import Record
from seriality.studies import STUDIES
from seriality.study import Progress, groups, watch

ALONE = groups(STUDIES["miniature"], 2)
GROUPS = [ALONE[place] + ALONE[place + 1] for place in range(0, len(ALONE), 2)]
"""Transformer and RNN on the task, then on its control; two seeds together, as on an accelerator."""


class Clock:
    """A clock that is moved by hand."""

    now = 0.0

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(watch, "time", clock)
    return clock


def make(records=(), *, live=False):
    console = Console(file=(text := io.StringIO()), width=100, force_terminal=live, color_system=None)
    return watch.Watch(console, GROUPS, records, live=live), text


def begin(number):
    return Progress(number, len(GROUPS), GROUPS[number][0], "compiling", replicas=2)


def end(number):
    return replace(begin(number), groups_done=number + 1, phase="recorded", steps=50, solved=1)


def recorded(number, wall_s):
    """The records of a group that took this long."""
    took = {"wall_s": wall_s, "together": 2}
    return [Record(trial.id, trial.study, trial.settings(), {}, took) for trial in GROUPS[number]]


def screen(shown):
    console = Console(file=(text := io.StringIO()), width=100, color_system=None)
    console.print(shown)
    return text.getvalue()


def test_off_a_terminal_a_line_begins_and_a_line_ends_a_group(clock):
    shown, text = make()
    with shown:
        shown(begin(0))
        clock.now = 4.0
        shown(replace(begin(0), phase="training", steps=25, loss=1.0, accuracy=((1, 0.5), (2, 0.25))))
        clock.now = 10.0
        shown(replace(end(0), diverged=1))
    first, second = text.getvalue().splitlines()
    assert first == "[1/4] Transformer on words, serial, 2 trials together: at most 50 steps"
    assert second == (
        "[1/4] Transformer on words, serial, 2 trials together: solved by 1 of 2 after 50 steps, "
        "25% right at depth 2, 1 diverged; 10.0 s; about 30 s left"
    )
    assert not re.search(r"[\x00-\x09\x0b-\x1f]", text.getvalue())


def test_a_trial_by_itself_is_named_by_its_rate_and_seed(clock):
    shown, text = make()
    alone = Progress(1, 8, ALONE[1][0], "recorded", steps=50, replicas=1)
    with shown:
        shown(replace(alone, phase="compiling"))
        shown(replace(alone, groups_done=2))
        shown(replace(alone, groups_done=2, solved=1))
    first, *ends = text.getvalue().splitlines()
    rate = ALONE[1][0].learning_rate
    assert first == f"[2/8] Transformer on words, serial, seed 1, rate {rate:g}: at most 50 steps"
    assert ["not solved after 50 steps" in end for end in ends] == [True, False]


def test_the_screen_says_what_runs_and_that_it_runs(clock):
    shown, _ = make()
    assert "starting" in screen(shown)
    shown(begin(1))
    clock.now = 65.0
    assert "[2/4] RNN on words, serial, 2 trials together: compiling, 1:05" in screen(shown)
    assert "0 of 8 trials · 1:05 · time left not known yet" in screen(shown)
    shown(replace(begin(1), phase="training", steps=25, loss=1.25, accuracy=((2, 0.5), (1, 0.125)), solved=1))
    text = screen(shown)
    assert "training, step 25 of 50" in text
    assert "loss 1.250 · 1 of 2 solved · best accuracy by depth 1: 12%, 2: 50%" in text
    shown(replace(begin(1), phase="training", steps=50, loss=None, accuracy=((2, 0.75), (2, 1.0))))
    text = screen(shown)
    assert "loss not finite" in text
    assert "1: 12%, 2: 100%" in text
    shown(replace(begin(1), phase="evaluating", steps=50))
    clock.now = 70.0
    assert "evaluating, 0:05" in screen(shown)


def test_on_a_terminal_lines_stay_above_the_display(clock):
    shown, text = make(live=True)
    with shown:
        shown(begin(0))
        shown(end(0))
    assert "solved by 1 of 2" in text.getvalue()
    assert "\x1b" in text.getvalue()


def test_nothing_is_said_of_the_time_left_before_anything_is_measured(clock):
    shown, _ = make()
    assert shown.time_left_s() is None
    shown(begin(0))
    clock.now = 100.0
    assert shown.time_left_s() is None


def test_the_first_group_is_extrapolated_from_its_steps(clock):
    """Compiled and 10 steps done at 20 s, 20 more by 30 s: 20 left in 10 s, so 40 s a group, 4 groups."""
    shown, _ = make()
    shown(begin(0))
    clock.now = 20.0
    shown(replace(begin(0), phase="training", steps=10))
    clock.now = 30.0
    shown(replace(begin(0), phase="training", steps=30))
    assert shown.time_left_s() == pytest.approx(10 + 3 * 40)


def test_a_group_takes_what_its_row_took_before_or_else_the_mean(clock):
    shown, _ = make()
    for number, seconds in ((0, 10.0), (1, 30.0)):
        shown(begin(number))
        clock.now += seconds
        if number == 0:
            shown(end(0))
            assert shown.time_left_s() == pytest.approx(3 * 10.0)
    shown(end(1))
    assert shown.time_left_s() == pytest.approx(10.0 + 30.0)
    shown(begin(2))
    clock.now += 4.0
    assert shown.time_left_s() == pytest.approx(6.0 + 30.0)
    clock.now += 100.0
    assert shown.time_left_s() == pytest.approx(0.0 + 30.0)


def test_records_tell_what_is_done_and_how_long_it_took(clock):
    """Both records of a group hold the time of the whole group."""
    shown, _ = make([*recorded(0, 20.0), *recorded(1, 8.0)])
    assert shown.time_left_s() == pytest.approx(20.0 + 8.0)
    assert "4 of 8 trials" in screen((shown(begin(2)), shown)[1])
    half, _ = make(recorded(0, 20.0)[:1])
    assert half.time_left_s() == pytest.approx(7 * 10.0)


def test_the_time_of_a_recorded_group_may_be_missing():
    settings = GROUPS[0][0].settings()
    strange = [
        Record("x", "miniature", each, {}, wall) for each, wall in (({}, {}), (settings, {"wall_s": "?"}))
    ]
    assert make(strange)[0].time_left_s() is None


# Several workers


def at(worker, number, **now):
    return replace(begin(number), worker=worker, **now)


def test_every_worker_has_a_line_and_the_first_ones_are_shown(clock):
    shown, _ = make()
    shown(at(0, 0, phase="waiting"))
    shown(at(1, 2))
    clock.now = 5.0
    text = screen(shown)
    assert "[1/4] Transformer on words, serial, 2 trials together: waiting, 0:05" in text
    assert "[3/4]" in text
    assert "loss" not in screen((shown(at(1, 2, phase="training", steps=25, loss=1.0)), shown)[1])
    for worker in range(2, watch.SHOWN + 3):
        shown(at(worker, 3))
    text = screen(shown)
    assert text.count("[") - text.count("/4]") == 0
    assert text.count("/4]") == watch.SHOWN
    assert "and 3 more workers" in text


def test_the_time_left_is_divided_by_the_workers(clock):
    """Two groups are left of 20 s each: 15 s of the one that runs, 20 of the other; two workers."""
    shown, _ = make([*recorded(0, 20.0), *recorded(2, 20.0)])
    shown(at(0, 1))
    clock.now = 5.0
    assert shown.time_left_s() == pytest.approx(15.0 + 20.0)
    shown(at(1, 3))
    assert shown.time_left_s() == pytest.approx((15.0 + 20.0) / 2)
    shown(at(1, 3, groups_done=4, phase="recorded", steps=50, seconds=20.0))
    assert shown.time_left_s() == pytest.approx(15.0 / 2)


def test_a_lost_group_is_still_to_be_done_and_a_failed_one_is_not(clock):
    shown, text = make()
    shown(at(1, 0))
    clock.now = 3.0
    shown(at(1, 0, phase="lost", reason="its process was killed by SIGKILL"))
    assert "0 of 8 trials" in screen(shown)
    shown(at(0, 0))
    shown(at(0, 0, groups_done=1, phase="failed", reason="its process ended with code 3"))
    assert "2 of 8 trials" in screen(shown)
    name = "[1/4] Transformer on words, serial, 2 trials together"
    assert text.getvalue().splitlines()[1:] == [
        f"{name}: lost, its process was killed by SIGKILL; it is tried again",
        f"{name}: at most 50 steps",
        f"{name}: recorded as failed, its process ended with code 3",
    ]
    assert shown.time_left_s() is None  # neither says how long a group takes


def test_a_group_that_was_heard_of_late_took_what_its_records_say(clock):
    """Workers on Ray are asked now and then: their beginning may be seen just before their end."""
    shown, text = make()
    shown(at(0, 0, phase="waiting"))
    shown(at(0, 0))
    clock.now = 0.5
    shown(at(0, 0, groups_done=1, phase="recorded", steps=50, seconds=8.0))
    assert "; 8.0 s;" in text.getvalue()
    assert shown.time_left_s() == pytest.approx(3 * 8.0)
