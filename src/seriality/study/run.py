"""Running a study: the trials that the store does not hold yet, on the workers of an executor.

Records are written in one transaction a group, by this process alone, when the group is done. So a process
killed at any moment loses the running groups at most, and the same command goes on. A group whose worker is
lost is tried again on another; after so many losses its trials are recorded as failed and left alone, until
they are asked for.
"""

import dataclasses
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from typing import Any

import jax

from ..claims import CLAIMS
from ..store import Record, Store, digest
from .executors import AbstractExecutor, Job, Local
from .experiment import Experiment
from .provenance import environment
from .trial import Study, Trial
from .turns import Turns
from .work import Progress

RETRIES = 3
"""How often a trial is tried again after its worker was lost."""


def groups(study: Study, seeds: int | None = None) -> list[list[Trial | Experiment]]:
    """The trials of a study, those that are trained together in one list, in the order they run."""
    alike: dict[str, list[Trial | Experiment]] = {}
    for trial in study.trials(study.seeds if seeds is None else seeds):
        alike.setdefault(trial.program, []).append(trial)
    if jax.default_backend() == "cpu":
        return [[trial] for trials in alike.values() for trial in trials]
    return list(alike.values())


def run(
    study: Study,
    store: Store,
    *,
    seeds: int | None = None,
    executor: AbstractExecutor | None = None,
    retries: int = RETRIES,
    retry_failed: bool = False,
    observe: Callable[[Progress], None] = lambda progress: None,
) -> int:
    """Runs what is missing of a study, in this process if no other `executor` is given; returns the number of
    records written.

    Trials recorded as failed are run again only with `retry_failed`. ValueError for fewer than one seed or
    less than no retry; `executors.TrialError` if a trial's own code fails; `executors.ExecutorError` if the
    workers cannot be had or all are lost with their cluster.
    """
    faults = []
    if seeds is not None and seeds < 1:
        faults.append(f"seeds is {seeds}, allowed is 1 or more, such as {study.seeds}")
    if retries < 0:
        faults.append(f"retries is {retries}, allowed is 0 or more, such as {RETRIES}")
    if faults:
        raise ValueError("; ".join(faults))
    every = groups(study, seeds)
    provenance = {
        **environment(),  # now: a commit made while this runs is not what runs
        "rules": {name: digest(CLAIMS[name].fixed) for name in study.claims},
        "trials": sum(map(len, every)),
    }
    given_up = set() if retry_failed else store.failed(study.name)
    driver = _Driver(study, store, len(every), retries, observe)
    with Turns(store.path) as turns:
        waiting = _Waiting(every, store, turns, given_up)
        if (job := waiting.take("", wait=True)) is None:
            return 0
        with (executor or Local()).open(provenance, driver.tell) as workers:
            idle, programs = deque(range(workers.count)), [""] * workers.count
            while True:
                while job is not None:
                    worker = idle.popleft()
                    programs[worker] = job.compiled
                    driver.begin(worker, job)
                    workers.give(worker, job)
                    job = waiting.take(programs[idle[0]], wait=False) if idle else None
                for end in workers.ended():
                    ran = driver.running[end.worker]
                    idle.append(end.worker)
                    if end.records is not None:
                        driver.record(end.worker, end.records)
                        waiting.done(ran)
                    elif ran.attempt > retries:
                        driver.give_up(end.worker, end.reason)
                        waiting.done(ran)
                    else:
                        driver.lose(end.worker, end.reason)
                        programs[end.worker] = ""
                        waiting.put_back(ran)
                job = waiting.take(programs[idle[0]], wait=not driver.running) if idle else None
                if job is None and not driver.running:
                    return driver.written


class _Driver:
    """What runs, and what is written: the only one who writes."""

    def __init__(
        self,
        study: Study,
        store: Store,
        groups: int,
        retries: int,
        observe: Callable[[Progress], None],
    ):
        self.study, self.store, self.groups, self.observe = study, store, groups, observe
        self.running: dict[int, Job] = {}
        self.here: dict[int, Progress] = {}
        self.written = 0

    def begin(self, worker: int, job: Job) -> None:
        self.running[worker] = job
        self.here[worker] = Progress(
            job.number, self.groups, job.trials[0], "waiting", replicas=len(job.trials), worker=worker
        )

    def tell(self, worker: int, **now: Any) -> None:
        self.observe(dataclasses.replace(self.here[worker], **now))

    def record(self, worker: int, records: list[Record]) -> None:
        self.written += self.store.add(records)
        outcomes = [record.outcome for record in records if "steps_run" in record.outcome]
        trained = {
            "steps": max(outcome["steps_run"] for outcome in outcomes),
            "solved": sum(outcome["solved"] for outcome in outcomes),
            "diverged": sum(outcome["diverged"] for outcome in outcomes),
        } if outcomes else {}  # fmt: skip
        seconds = records[0].provenance["wall_s"]
        self._end(worker, phase="recorded", seconds=seconds, **trained)

    def lose(self, worker: int, reason: str) -> None:
        self._end(worker, phase="lost", reason=reason)

    def give_up(self, worker: int, reason: str) -> None:
        """Record the trials as failed: under an id of their own, so that they may still be run."""
        job = self.running[worker]
        self.store.add(failure(trial, attempts=job.attempt, reason=reason) for trial in job.trials)
        self._end(worker, phase="failed", reason=reason)

    def _end(self, worker: int, **now: Any) -> None:
        job = self.running.pop(worker)
        self.tell(worker, groups_done=job.number + (now["phase"] != "lost"), **now)


def failure(trial: Trial | Experiment, *, attempts: int, reason: str) -> Record:
    """The record that a trial was lost with its worker so many times. It is no result: its id is not the
    trial's."""
    settings = {
        "study": trial.study,
        "failed": trial.id,
        "attempts": attempts,
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "trial": trial.settings(),
    }
    return Record(digest(settings), trial.study, settings, {"reason": reason}, {})


class _Waiting:
    """The groups that are still to be run, by the program that they compile.

    A worker is given groups of the program it has, then of one that no worker of any process is at, then
    whatever is left. Groups that another process has a turn at come last.
    """

    def __init__(
        self,
        every: Iterable[list[Trial | Experiment]],
        store: Store,
        turns: Turns,
        given_up: set[str],
    ):
        self.store, self.turns = store, turns
        # The next group is the last of its list: a deque for each of very many programs takes much memory.
        self.by_program: OrderedDict[str, list[Job]] = OrderedDict()
        self.workers_at: dict[str, int] = {}
        for number, group in enumerate(every):
            trials = [trial for trial in group if trial.id not in given_up] if given_up else group
            if trials:
                compiled = trials[0].compiled
                self.by_program.setdefault(compiled, []).append(Job(number, trials, compiled))
        for jobs in self.by_program.values():
            jobs.reverse()

    def take(self, program: str, *, wait: bool) -> Job | None:
        """The next group for a worker that has this program; None if there is none that may be run now. If
        `wait` is set, what other processes run is waited for."""
        job = self._of(program, wait=False)
        for alone in (True, False):
            tried: set[str] = set()
            while job is None and (other := self._next(tried, alone)) is not None:
                job = self._of(other, wait=False)
                tried.add(other)
                if job is None and not self.workers_at.get(other):
                    self.turns.give_back(other)
        while job is None and wait and self.by_program:
            job = self._of(next(iter(self.by_program)), wait=True)
        return job

    def _next(self, tried: set[str], alone: bool) -> str | None:
        """The first program that was not tried; if `alone`, that no worker of any process is at."""
        for program in self.by_program:
            if program in tried or (alone and self.workers_at.get(program)):
                continue
            if not alone or self.turns.take(program, wait=False):
                return program
        return None

    def _of(self, program: str, *, wait: bool) -> Job | None:
        """The next group of a program of which this process gets the turn."""
        jobs = self.by_program.get(program)
        held = []
        found = None
        while jobs and found is None:
            job = jobs.pop()
            if not (missing := self._missing(job)):
                continue
            if not self.turns.take(job.turn, wait=wait):
                held.append(job)
            elif missing := self._missing(job):  # another process may have written them since
                found = job._replace(trials=missing)
            else:
                self.turns.give_back(job.turn)
        if jobs is not None:
            jobs.extend(reversed(held))
            if not jobs:
                del self.by_program[program]
        if found is not None:
            self.turns.take(program, wait=False)
            self.workers_at[program] = self.workers_at.get(program, 0) + 1
        return found

    def _missing(self, job: Job) -> list[Trial | Experiment]:
        present = self.store.held(trial.id for trial in job.trials)
        return [trial for trial in job.trials if trial.id not in present]

    def put_back(self, job: Job) -> None:
        """To be tried again, before the others of its program."""
        self._leave(job)
        again = job._replace(attempt=job.attempt + 1)
        self.by_program.setdefault(job.compiled, []).append(again)

    def done(self, job: Job) -> None:
        self._leave(job)

    def _leave(self, job: Job) -> None:
        self.turns.give_back(job.turn)
        self.workers_at[job.compiled] -= 1
        if not self.workers_at[job.compiled]:
            del self.workers_at[job.compiled]
            self.turns.give_back(job.compiled)
