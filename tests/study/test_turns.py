"""Turns: one process at a time has one, and death gives it back."""

import os
import signal
import subprocess
import sys

import pytest

from seriality.study.turns import Turns

TRIAL, OTHER = "0" * 64, "f" * 64

HOLD = """
import sys, time
from pathlib import Path
from seriality.study.turns import Turns
with Turns(Path(sys.argv[1])) as turns:
    print(turns.take(sys.argv[2], wait=False), flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path):
    """The store's path, and a process that has the turn of TRIAL there."""
    path = tmp_path / "store.sqlite"
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path), TRIAL],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    with process.stdin, process.stdout:
        assert process.stdout.readline() == "True\n"
        yield path, process
        process.kill()
        process.wait()


pytestmark = pytest.mark.skipif(os.name != "posix", reason="turns need POSIX locks")


def test_a_turn_that_another_process_has_is_not_taken(holder):
    path, _ = holder
    with Turns(path) as turns:
        assert not turns.take(TRIAL, wait=False)
        assert turns.take(OTHER, wait=False)


def test_a_killed_process_gives_its_turn_back(holder):
    path, process = holder
    process.send_signal(signal.SIGKILL)
    with Turns(path) as turns:
        assert turns.take(TRIAL, wait=True)


def test_a_turn_given_back_can_be_taken_by_another_process(tmp_path):
    path = tmp_path / "store.sqlite"
    arguments = [sys.executable, "-c", HOLD, str(path), TRIAL]
    with Turns(path) as turns:
        assert turns.take(TRIAL, wait=False)
        refused = subprocess.run(arguments, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        turns.give_back(TRIAL)
        taken = subprocess.run(arguments, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert (refused.stdout, taken.stdout) == ("False\n", "True\n")


def test_where_no_file_can_be_made_every_turn_is_taken(tmp_path):
    with Turns(tmp_path / "no folder" / "store.sqlite") as turns:
        assert turns.take(TRIAL, wait=False)
        turns.give_back(TRIAL)
