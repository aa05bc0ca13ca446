"""A running study for a reader: a live display on a terminal, plain lines elsewhere.

On a terminal: trials done, time left, and the running group's phase, step, loss and accuracy by depth.
Elsewhere a line when a group begins and one when it ends, without control characters. The time left is an
estimate from trials already measured, in this run or in records: of the same row and task if there are any,
of the same row if not, or else all.
"""

import math
import time
from collections.abc import Iterable, Sequence
from statistics import fmean

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from ..store import Record
from .experiment import Experiment
from .run import Progress
from .trial import Trial

BEGINS = ("compiling", "measuring")
"""The first phase of a training and of an experiment."""


class Unheeded(Console):
    """A console that falls silent when nobody reads on: what it tells of does not depend on it."""

    def on_broken_pipe(self) -> None:
        self.quiet = True


class Watch:
    """Shows a run; call it with every `Progress`. A context manager: the display ends with it.

    `groups` are the study's, as `study.groups` lists them; `records` those that the store holds already.
    """

    def __init__(
        self,
        console: Console,
        groups: Sequence[Sequence[Trial | Experiment]],
        records: Iterable[Record],
        *,
        live: bool,
    ):
        records = list(records)
        present = {record.id for record in records}
        self.console = console
        self.groups = groups
        self.pending = [sum(trial.id not in present for trial in group) for group in groups]
        self.measured = _Measured()
        for record in records:
            self.measured.read(record)
        self.started = self.phase_started = self.group_started = time.monotonic()
        self.first_step: tuple[int, float] | None = None
        self.now: Progress | None = None
        self.accuracy: dict[int, dict[int, float]] = {}
        self.live = Live(self, console=console, refresh_per_second=8, transient=True) if live else None

    def __enter__(self) -> "Watch":
        if self.live:
            self.live.start()
        return self

    def __exit__(self, *exception: object) -> None:
        if self.live:
            self.live.stop()

    def __call__(self, now: Progress) -> None:
        """Take note of where the run stands, and print the lines that stay."""
        moment = time.monotonic()
        if now.phase in BEGINS:
            self.group_started, self.first_step, self.accuracy = moment, None, {}
        if self.now is None or now.phase != self.now.phase:
            self.phase_started = moment
        if now.phase == "training":
            self.first_step = self.first_step or (now.steps, moment)
            for replica, (depth, share) in enumerate(now.accuracy):
                if not math.isnan(share):
                    self.accuracy.setdefault(depth, {})[replica] = share
        if now.phase == "recorded":
            self.measured.add(now.trial, (moment - self.group_started) / now.replicas)
            self.pending[now.groups_done - 1] = 0
        self.now = now
        if now.phase in BEGINS and not self.live:
            self._print(f"{self._name(now)}: {now.trial.plan}")
        if now.phase == "recorded":
            self._print(self._end(now, moment - self.group_started))

    def time_left_s(self) -> float | None:
        """The seconds that the rest is expected to take; None before anything is known."""
        now, moment = self.now, time.monotonic()
        running = now is not None and now.phase != "recorded"
        rest, usual, current = 0.0, None, None
        if now is not None and running:
            current, elapsed = now.groups_done, moment - self.group_started
            expected = self.measured.expect(now.trial)
            if expected is not None:
                expected *= now.replicas
            elif isinstance(now.trial, Trial) and self.first_step and now.steps > self.first_step[0]:
                steps, since = self.first_step
                a_step = (self.phase_started if now.phase == "evaluating" else moment) - since
                a_step /= now.steps - steps
                expected = since - self.group_started + a_step * (now.trial.training.steps - steps)
            if expected is None:
                return None
            rest, usual = max(expected - elapsed, 0.0), expected / now.replicas
        for place, trials in enumerate(self.pending):
            if trials and place != current:
                each = self.measured.expect(self.groups[place][0]) or usual
                if each is None:
                    return None
                rest += trials * each
        return rest

    def __rich__(self) -> Group | Text:
        now = self.now
        if now is None:
            return Text("starting")
        trials = sum(map(len, self.groups))
        done = trials - sum(self.pending)
        top = Table.grid(padding=(0, 1))
        top.add_row(
            ProgressBar(total=trials, completed=done, width=30),
            f"{done} of {trials} trials · {clock(time.monotonic() - self.started)} · {self._left()}",
        )
        bottom = Table.grid(padding=(0, 1))
        bottom.add_row(self.spinner, Text(f"{self._name(now)}: {self._phase(now)}"))
        if now.phase == "training":
            loss = "not finite" if now.loss is None else f"{now.loss:.3f}"
            solved = f"{now.solved} of {now.replicas} solved"
            bottom.add_row("", Text(f"loss {loss} · {solved} · {self._accuracies(now)}"))
        return Group(top, bottom)

    spinner = Spinner("line")

    def _left(self) -> str:
        left = self.time_left_s()
        return "time left not known yet" if left is None else f"{about(left)} left"

    def _phase(self, now: Progress) -> str:
        spent = clock(time.monotonic() - self.phase_started)
        if now.phase == "training" and isinstance(now.trial, Trial):
            return f"training, step {now.steps} of {now.trial.training.steps}"
        return f"{now.phase}, {spent}"

    def _accuracies(self, now: Progress) -> str:
        """The best replica's accuracy at each depth trained for so far, when last asked."""
        if not self.accuracy:
            return ""
        best = [f"{depth}: {max(shares.values()):.0%}" for depth, shares in sorted(self.accuracy.items())]
        which = "accuracy by depth" if now.replicas == 1 else "best accuracy by depth"
        return f"{which} {', '.join(best)}"

    def _name(self, now: Progress) -> str:
        number = now.groups_done + (now.phase != "recorded")
        trial = now.trial
        which = trial.label
        which = which if now.replicas == 1 else f"{now.replicas} trials together"
        return f"[{number}/{now.groups}] {trial.row} on {trial.family}, {trial.role}, {which}"

    def _end(self, now: Progress, seconds: float) -> str:
        left = f"; {self._left()}" if any(self.pending) else ""
        if isinstance(now.trial, Experiment):
            return f"{self._name(now)}: measured; {seconds:.1f} s{left}"
        solved = f"solved by {now.solved} of {now.replicas}"
        if now.replicas == 1:
            solved = "solved" if now.solved else "not solved"
        said = [f"{solved} after {now.steps} steps"]
        if self.accuracy:
            depth = max(self.accuracy)
            said.append(f"{max(self.accuracy[depth].values()):.0%} right at depth {depth}")
        if now.diverged:
            said.append(f"{now.diverged} diverged")
        return f"{self._name(now)}: {', '.join(said)}; {seconds:.1f} s{left}"

    def _print(self, line: str) -> None:
        self.console.print(Text(line), soft_wrap=True)


def about(seconds: float) -> str:
    """A time that is not known well.

    >>> about(3), about(42), about(250), about(9000)
    ('about 10 s', 'about 40 s', 'about 4 min', 'about 2.5 h')
    """
    if seconds < 90:
        return f"about {max(10, round(seconds / 10) * 10)} s"
    return f"about {seconds / 60:.0f} min" if seconds < 5400 else f"about {seconds / 3600:.1f} h"


def clock(seconds: float) -> str:
    """A time that is running.

    >>> clock(7), clock(754), clock(7300)
    ('0:07', '12:34', '2:01:40')
    """
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}:{rest:02}" if minutes < 60 else f"{minutes // 60}:{minutes % 60:02}:{rest:02}"


class _Measured:
    """Seconds that trials took, by row, family and role."""

    def __init__(self) -> None:
        self.seconds: dict[tuple[str, str, str], list[float]] = {}

    def add(self, trial: Trial | Experiment, seconds: float) -> None:
        self.seconds.setdefault((trial.row, trial.family, trial.role), []).append(seconds)

    def read(self, record: Record) -> None:
        """Records of trials that were trained together hold the time of all of them."""
        row, family, role = (str(record.settings.get(name)) for name in ("row", "family", "role"))
        wall_s, together = record.provenance.get("wall_s"), record.provenance.get("together", 1)
        if not isinstance(wall_s, int | float) or not 0 <= wall_s < 1e12:
            return
        if isinstance(together, int) and 0 < together < 1e6:
            self.seconds.setdefault((row, family, role), []).append(wall_s / together)

    def expect(self, trial: Trial | Experiment) -> float | None:
        """The mean of the trials most like this one; None if there are none at all."""
        like = [
            self.seconds.get((trial.row, trial.family, trial.role), []),
            [each for (row, _, _), times in self.seconds.items() if row == trial.row for each in times],
            [each for times in self.seconds.values() for each in times],
        ]
        return next((fmean(times) for times in like if times), None)
