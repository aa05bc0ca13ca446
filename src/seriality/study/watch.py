"""A running study for a reader: a live display on a terminal, plain lines elsewhere.

On a terminal: trials done, time left, and the running group's phase, step, loss and accuracy by depth.
Elsewhere a line when a group begins and one when it ends, without control characters. The time left is an
estimate from trials already measured, in this run or in records: of the same row and task if there are any,
of the same row if not, or else all.
"""

import math
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from ..store import Record
from .experiment import Experiment
from .trial import Trial
from .work import Progress

BEGINS = ("compiling", "measuring")
"""The first phase of a training and of an experiment."""
ENDS = ("recorded", "lost", "failed")
SHOWN = 8
"""The most workers that are shown line by line."""
ESTIMATE_S = 1.0
"""How long an estimate of the time left is shown."""


@dataclass
class _Running:
    """What is known of a worker's group: where it stands and since when."""

    now: Progress
    started: float
    phase_started: float
    first_step: tuple[int, float] | None = None
    accuracy: dict[int, dict[int, float]] = field(default_factory=dict)
    """By depth, then by replica, when last asked."""


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
        self.console = console
        self.trials = sum(map(len, groups))
        self.measured = _Measured()
        present = set()
        for record in records:
            present.add(record.id)
            self.measured.read(record)
        self.pending: dict[int, int] = {}
        self.kinds: dict[tuple[str, str, str], tuple[Trial | Experiment, int]] = {}
        for place, group in enumerate(groups):
            if left := sum(trial.id not in present for trial in group):
                self.pending[place] = left
                self._count(group[0], left)
        self.left = sum(self.pending.values())
        self.started = time.monotonic()
        self.estimate: tuple[float, str] = (-math.inf, "")
        self.running: dict[int, _Running] = {}
        self.workers: set[int] = set()
        self.live = Live(self, console=console, refresh_per_second=8, transient=True) if live else None

    def _count(self, trial: Trial | Experiment, more: int) -> None:
        """Keep how many trials like this one are pending."""
        kind = (trial.row, trial.family, trial.role)
        one, count = self.kinds.get(kind, (trial, 0))
        self.kinds[kind] = (one, count + more)

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
        self.workers.add(now.worker)
        if now.phase in BEGINS:
            self.running[now.worker] = _Running(now, moment, moment)
            if not self.live:
                self._print(f"{self._name(now)}: {now.trial.plan}")
            return
        if now.phase in ENDS:
            self._ended(now, moment)
            return
        here = self.running.setdefault(now.worker, _Running(now, moment, moment))
        if now.phase != here.now.phase:
            here.phase_started = moment
        if now.phase == "training":
            here.first_step = here.first_step or (now.steps, moment)
            for replica, (depth, share) in enumerate(now.accuracy):
                if not math.isnan(share):
                    here.accuracy.setdefault(depth, {})[replica] = share
        here.now = now

    def _ended(self, now: Progress, moment: float) -> None:
        here = self.running.pop(now.worker, None) or _Running(now, moment, moment)
        took = max(moment - here.started, now.seconds)
        place = now.groups_done - 1
        if now.phase == "lost":
            self._print(f"{self._name(now)}: lost, {now.reason}; it is tried again")
            return
        if left := self.pending.pop(place, 0):
            self.left -= left
            self._count(now.trial, -left)
        if now.phase == "failed":
            self._print(f"{self._name(now)}: recorded as failed, {now.reason}")
            return
        self.measured.add(now.trial, took / now.replicas)
        self._print(self._end(now, here, took))

    def time_left_s(self) -> float | None:
        """The seconds that the rest is expected to take; None before anything is known."""
        moment = time.monotonic()
        rest, usual = 0.0, None
        for here in self.running.values():
            expected = self._expected(here, moment)
            if expected is None:
                return None
            usual = expected / here.now.replicas
            # What runs is pending too: it is taken off what all that are pending will take.
            each = self.measured.expect(here.now.trial)
            each = usual if each is None else each
            rest += max(expected - (moment - here.started), 0.0)
            rest -= self.pending.get(here.now.groups_done, 0) * each
        for trial, count in self.kinds.values():
            if count:
                each = self.measured.expect(trial)
                each = usual if each is None else each
                if each is None:
                    return None
                rest += count * each
        return max(rest, 0.0) / max(len(self.workers), 1)

    def _expected(self, here: "_Running", moment: float) -> float | None:
        """The seconds that a running group is expected to take in all."""
        now = here.now
        if (each := self.measured.expect(now.trial)) is not None:
            return each * now.replicas
        if isinstance(now.trial, Trial) and here.first_step and now.steps > here.first_step[0]:
            steps, since = here.first_step
            a_step = (here.phase_started if now.phase == "evaluating" else moment) - since
            a_step /= now.steps - steps
            return since - here.started + a_step * (now.trial.training.steps - steps)
        return None

    def __rich__(self) -> Group | Text:
        if not self.workers:
            return Text("starting")
        done = self.trials - self.left
        top = Table.grid(padding=(0, 1))
        top.add_row(
            ProgressBar(total=self.trials, completed=done, width=30),
            f"{done} of {self.trials} trials · {clock(time.monotonic() - self.started)} · {self._left()}",
        )
        bottom = Table.grid(padding=(0, 1))
        shown = sorted(self.running.items())[:SHOWN]
        for _, here in shown:
            now = here.now
            bottom.add_row(self.spinner, Text(f"{self._name(now)}: {self._phase(here)}"))
            if now.phase == "training" and len(self.running) == 1:
                loss = "not finite" if now.loss is None else f"{now.loss:.3f}"
                solved = f"{now.solved} of {now.replicas} solved"
                bottom.add_row("", Text(f"loss {loss} · {solved} · {self._accuracies(here)}"))
        if more := len(self.running) - len(shown):
            bottom.add_row("", Text(f"and {more} more workers"))
        return Group(top, bottom)

    spinner = Spinner("line")

    def _left(self) -> str:
        """The time left in words; made once a second, for it looks at every worker."""
        moment = time.monotonic()
        if moment - self.estimate[0] >= ESTIMATE_S:
            left = self.time_left_s()
            said = "time left not known yet" if left is None else f"{about(left)} left"
            self.estimate = (moment, said)
        return self.estimate[1]

    def _phase(self, here: "_Running") -> str:
        now = here.now
        if now.phase == "training" and isinstance(now.trial, Trial):
            return f"training, step {now.steps} of {now.trial.training.steps}"
        return f"{now.phase}, {clock(time.monotonic() - here.phase_started)}"

    def _accuracies(self, here: "_Running") -> str:
        """The best replica's accuracy at each depth trained for so far, when last asked."""
        if not here.accuracy:
            return ""
        best = [f"{depth}: {max(shares.values()):.0%}" for depth, shares in sorted(here.accuracy.items())]
        which = "accuracy by depth" if here.now.replicas == 1 else "best accuracy by depth"
        return f"{which} {', '.join(best)}"

    def _name(self, now: Progress) -> str:
        number = now.groups_done + (now.phase not in ("recorded", "failed"))
        trial = now.trial
        which = trial.label
        which = which if now.replicas == 1 else f"{now.replicas} trials together"
        return f"[{number}/{now.groups}] {trial.row} on {trial.family}, {trial.role}, {which}"

    def _end(self, now: Progress, here: "_Running", seconds: float) -> str:
        left = f"; {self._left()}" if self.pending else ""
        if isinstance(now.trial, Experiment):
            return f"{self._name(now)}: measured; {seconds:.1f} s{left}"
        solved = f"solved by {now.solved} of {now.replicas}"
        if now.replicas == 1:
            solved = "solved" if now.solved else "not solved"
        said = [f"{solved} after {now.steps} steps"]
        if here.accuracy:
            depth = max(here.accuracy)
            said.append(f"{max(here.accuracy[depth].values()):.0%} right at depth {depth}")
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
    """Seconds that trials took: their sum and number, by row, family and role, by row, and of all."""

    def __init__(self) -> None:
        self.sums: dict[tuple[str, ...], tuple[float, int]] = {}

    def add(self, trial: Trial | Experiment, seconds: float) -> None:
        self._add((trial.row, trial.family, trial.role), seconds)

    def _add(self, kind: tuple[str, str, str], seconds: float) -> None:
        for like in (kind, kind[:1], ()):
            total, count = self.sums.get(like, (0.0, 0))
            self.sums[like] = (total + seconds, count + 1)

    def read(self, record: Record) -> None:
        """Records of trials that were trained together hold the time of all of them."""
        row, family, role = (str(record.settings.get(name)) for name in ("row", "family", "role"))
        wall_s, together = record.provenance.get("wall_s"), record.provenance.get("together", 1)
        if not isinstance(wall_s, int | float) or not 0 <= wall_s < 1e12:
            return
        if isinstance(together, int) and 0 < together < 1e6:
            self._add((row, family, role), wall_s / together)

    def expect(self, trial: Trial | Experiment) -> float | None:
        """The mean of the trials most like this one; None if there are none at all."""
        for like in ((trial.row, trial.family, trial.role), (trial.row,), ()):
            if like in self.sums:
                total, count = self.sums[like]
                return total / count
        return None
