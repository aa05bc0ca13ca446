"""Executors: where the trials of a study are computed. EXECUTORS is the only list.

    Local       in this process, one group after the other (the default)
    Processes   in worker processes on this machine, each on cores of its own
    Ray         in actors of a Ray cluster, which is started on this machine if no address is given

Each opens workers, which are given a `Job` when they are idle and end it with records, or are lost. Trials
are idempotent, and workers never see the store: they send their records to the driver (`run`), which writes
them. A worker whose driver is gone ends by itself, however the driver ended.

What is sent between the two is pickled; nothing that was pickled is kept.
"""

import abc
import contextlib
import logging
import multiprocessing
import os
import pickle
import re
import signal
import socket
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, NamedTuple

import jax

from ..store import Record
from .cache import use_cache
from .experiment import Experiment
from .trial import Trial
from .work import Workbench

PATIENCE_S = 2.0
"""How long a worker without a job may take to end."""
POLL_S = 1.0
"""How often workers on Ray are asked where they stand."""
ASKED = 8
"""How many of them are: as many as a display shows."""
START_S = 600.0
"""How long a cluster may take to start any of the workers that are waited for: nodes may have to come."""
REACH_S = 5.0
"""How long a cluster's address may take to answer."""


class ExecutorError(Exception):
    """Workers cannot be had, or are gone with their cluster; says in one line what is wrong."""


class TrialError(Exception):
    """A trial's own code failed on a worker; says in one line which and how. The traceback is in a note."""


class Job(NamedTuple):
    """A group of trials to be computed together, and which attempt it is."""

    number: int
    trials: list[Trial | Experiment]
    compiled: str
    attempt: int = 1

    @property
    def turn(self) -> str:
        """The name of its turn, the same for all drivers."""
        return self.trials[0].id


class End(NamedTuple):
    """A worker is idle again: with the records of its job, or with None if it was lost, and the reason."""

    worker: int
    records: list[Record] | None
    reason: str = ""


Tell = Callable[..., None]
"""Called with a worker's number and whatever has changed of its `Progress`."""


class AbstractWorkers(abc.ABC):
    """Workers numbered from 0 to `count` - 1. One that is lost is replaced when it is next given a job."""

    count: int

    @abc.abstractmethod
    def give(self, worker: int, job: Job) -> None:
        """Let an idle worker compute a job."""

    @abc.abstractmethod
    def ended(self) -> Iterator[End]:
        """Waits until one or more workers are idle again. TrialError if a trial's own code failed."""


class AbstractExecutor(abc.ABC):
    """How workers are had."""

    @abc.abstractmethod
    def open(self, provenance: Mapping[str, Any], tell: Tell) -> AbstractContextManager[AbstractWorkers]:
        """Workers, until the context is left: then those that still compute are stopped."""


# In this process


@dataclass(frozen=True)
class Local(AbstractExecutor):
    """This process, one group at a time."""

    @contextlib.contextmanager
    def open(self, provenance: Mapping[str, Any], tell: Tell) -> Iterator["_LocalWorkers"]:
        yield _LocalWorkers(provenance, tell)


class _LocalWorkers(AbstractWorkers):
    count = 1

    def __init__(self, provenance: Mapping[str, Any], tell: Tell):
        self.bench, self.tell = Workbench(provenance), tell
        self.job: Job | None = None

    def give(self, worker: int, job: Job) -> None:
        self.job = job

    def ended(self) -> Iterator[End]:
        if self.job is not None:
            records = self.bench.run(self.job.trials, lambda **now: self.tell(0, **now))
            self.job = None
            yield End(0, records)


# In processes


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True)
class Processes(AbstractExecutor):
    """So many processes on this machine, as many as there are cores if 0, on cores of their own where the
    system allows it."""

    workers: int = 0

    @contextlib.contextmanager
    def open(self, provenance: Mapping[str, Any], tell: Tell) -> Iterator["_Processes"]:
        workers = _Processes(self.workers or cores(), {**provenance, "executor": "processes"}, tell)
        try:
            yield workers
        finally:
            workers.close()


class _Processes(AbstractWorkers):
    def __init__(self, count: int, provenance: Mapping[str, Any], tell: Tell):
        self.count, self.provenance, self.tell = count, provenance, tell
        self.context = multiprocessing.get_context("spawn")  # a forked JAX may hang
        self.processes: dict[int, tuple[Any, Connection]] = {}
        self.jobs: dict[int, Job] = {}
        self.started: set[int] = set()
        self.lost: list[End] = []

    def give(self, worker: int, job: Job) -> None:
        if worker not in self.processes:
            self.processes[worker] = self._start(worker)
        self.jobs[worker] = job
        self.tell(worker, phase="waiting")
        try:
            self.processes[worker][1].send(job.trials)
        except OSError:  # it was lost while it was idle
            self.lost.append(self._lose(worker))
        except Exception as error:  # whatever pickling says
            raise _failed(job, *_told(error)) from error

    def _start(self, worker: int) -> tuple[Any, Connection]:
        here, there = self.context.Pipe()
        arguments = (there, worker, self.count, self.provenance, jax.config.jax_platforms)  # type: ignore[attr-defined]
        process = self.context.Process(target=_serve, args=arguments, daemon=True)
        with _deaf_to_ctrl_c():
            process.start()
        there.close()  # the worker's end is its own, so that its death is seen here
        return process, here

    def ended(self) -> Iterator[End]:
        while self.lost:
            yield self.lost.pop()
        if not self.jobs:
            return
        of = {self.processes[worker][1]: worker for worker in self.jobs}
        ends, failed = [], None
        while not ends and failed is None:
            for connection in wait(list(of)):
                worker = of[connection]  # type: ignore[index]
                try:
                    kind, said = connection.recv()  # type: ignore[union-attr]
                except (EOFError, OSError):
                    ends.append(self._lose(worker))
                    continue
                if kind == "started":
                    self.started.add(worker)
                elif kind == "progress":
                    self.tell(worker, **said)
                elif kind == "failed":
                    failed = _failed(self.jobs[worker], *said)
                else:
                    del self.jobs[worker]
                    ends.append(End(worker, said))
        yield from ends
        if failed is not None:  # after what others finished was taken
            raise failed

    def _lose(self, worker: int) -> End:
        process, connection = self.processes.pop(worker)
        self.jobs.pop(worker, None)
        connection.close()
        process.join(PATIENCE_S)
        if process.is_alive():
            process.kill()
            process.join()
        code = process.exitcode or 0
        if worker not in self.started and code >= 0:
            raise ExecutorError(
                f"a worker process ended with code {code} before it could begin; a script that calls `run`"
                ' needs `if __name__ == "__main__":` around it'
            )
        self.started.discard(worker)
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
        return End(worker, None, f"its process {how}")

    def close(self) -> None:
        for worker, (process, connection) in self.processes.items():
            if worker in self.jobs:
                process.kill()
            connection.close()
        for process, _ in self.processes.values():
            process.join(PATIENCE_S)
            if process.is_alive():
                process.kill()
                process.join()


def _serve(
    connection: Connection, worker: int, workers: int, provenance: Mapping[str, Any], platforms: str | None
) -> None:
    """A worker's whole life: jobs in, records out, until the driver lets go."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # for systems without masks
    _keep_to_own_cores(worker, workers)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()
    if platforms:
        jax.config.update("jax_platforms", platforms)
    use_cache()
    bench = None
    with suppress(EOFError, OSError):  # the driver is gone, or done
        connection.send(("started", None))
        while True:
            sent = connection.recv_bytes()
            try:
                trials = pickle.loads(sent)
                bench = bench or Workbench(provenance)
                records = bench.run(trials, lambda **now: connection.send(("progress", now)))
                connection.send(("records", records))
            except Exception as error:
                connection.send(("failed", _told(error)))


@contextlib.contextmanager
def _deaf_to_ctrl_c() -> Iterator[None]:
    """What is started meanwhile never hears Ctrl-C, which is for the driver."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _keep_to_own_cores(worker: int, workers: int) -> None:
    """Share the cores out among the workers: two that use the same ones only wait for each other."""
    if hasattr(os, "sched_setaffinity"):
        every = sorted(os.sched_getaffinity(0))
        with suppress(OSError):
            os.sched_setaffinity(0, every[worker % len(every) :: workers])


def _end_with(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)


def _told(error: Exception) -> tuple[str, str]:
    """An error in one line, and its traceback."""
    line = " ".join(f"{type(error).__name__}: {error}".split())
    return line, traceback.format_exc()


def _failed(job: Job, line: str, trace: str) -> TrialError:
    trial = job.trials[0]
    error = TrialError(f"{trial.row} on {trial.family}, {trial.role}, {trial.label}: {line}")
    error.add_note(trace)
    return error


# On Ray


@dataclass(frozen=True)
class Ray(AbstractExecutor):
    """Actors of a Ray cluster, with one core and `gpus_per_trial` GPUs each: as many as it has room for if
    `workers` is 0. The cluster at `address`, or one that is started here and ends with the run."""

    workers: int = 0
    address: str | None = None
    gpus_per_trial: float = 0.0

    @contextlib.contextmanager
    def open(self, provenance: Mapping[str, Any], tell: Tell) -> Iterator["_Actors"]:
        try:
            import ray
        except ImportError as error:
            raise ExecutorError(
                f"the executor ray needs the package ray ({error}): pip install 'seriality[ray]'"
            ) from error
        self._reach()
        ours = not ray.is_initialized()
        if ours:
            self._connect(ray)
        try:
            count = self._room(ray.cluster_resources())
            workers = _Actors(ray, count, self, {**provenance, "executor": "ray"}, tell)
            try:
                yield workers
            finally:
                workers.close()
        finally:
            if ours:
                ray.shutdown()

    def _connect(self, ray: Any) -> None:
        source = str(Path(__file__).parents[2])
        path = os.pathsep.join(dict.fromkeys([source, *filter(None, sys.path)]))
        there: dict[str, Any] = {"py_modules": [f"{source}/seriality"]}
        here: dict[str, Any] = {"env_vars": {"PYTHONPATH": path}}
        size = {"num_cpus": self.workers or cores(), "include_dashboard": False}
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is reported to anyone
        try:
            with warnings.catch_warnings():
                # The cluster is started by a fork and an exec at once, which JAX warns of.
                warnings.filterwarnings("ignore", r"os\.fork\(\) was called", RuntimeWarning)
                ray.init(
                    address=self.address or "local",  # not one that happens to run here
                    runtime_env=there if self.address else here,
                    log_to_driver=False,
                    logging_level=logging.ERROR,
                    **({} if self.address else size),
                )
        except Exception as error:  # whatever the cluster says
            said = " ".join(str(error).split())[:200]
            what = f"--address {self.address}" if self.address else "a local Ray cluster"
            raise ExecutorError(
                f"{what} does not answer ({said}); start a cluster with `ray start --head`, or leave"
                " --address out for one on this machine"
            ) from error

    def _reach(self) -> None:
        """See whether anyone listens at an address of the form host:port; Ray would try for minutes."""
        host, colon, port = (self.address or "").rpartition(":")
        if colon and port.isdigit() and "/" not in host:
            try:
                socket.create_connection((host, int(port)), timeout=REACH_S).close()
            except (OSError, OverflowError) as error:
                raise ExecutorError(
                    f"--address {self.address}: nobody answers there ({error}); start a cluster with `ray"
                    " start --head`, or leave --address out for one on this machine"
                ) from error

    def _room(self, resources: Mapping[str, float]) -> int:
        """How many workers there are to be. ExecutorError if there is no room for one."""
        room = int(resources.get("CPU", 0))
        if self.gpus_per_trial:
            room = min(room, int(resources.get("GPU", 0) / self.gpus_per_trial + 1e-9))
        if room < 1:
            raise ExecutorError(
                f"the cluster has {resources.get('CPU', 0):g} cores and {resources.get('GPU', 0):g} GPUs, a"
                f" worker needs 1 and {self.gpus_per_trial:g}; add a node, or ask for fewer --gpus-per-trial"
            )
        return min(self.workers, room) if self.workers else room


class _Actors(AbstractWorkers):
    def __init__(self, ray: Any, count: int, dials: Ray, provenance: Mapping[str, Any], tell: Tell):
        self.ray, self.count, self.dials = ray, count, dials
        self.provenance, self.tell = provenance, tell
        self.actors: dict[int, Any] = {}
        self.jobs: dict[int, tuple[Job, Any]] = {}
        self.asked: dict[int, Any] = {}
        self.starting: dict[int, float] = {}

    def give(self, worker: int, job: Job) -> None:
        if worker not in self.actors:
            # Two threads: one computes, the other says how far it is.
            kind = self.ray.remote(
                num_cpus=1, num_gpus=self.dials.gpus_per_trial, max_restarts=0, max_concurrency=2
            )(_Actor)
            alone = self.dials.address is None
            platforms = None if self.dials.gpus_per_trial else jax.config.jax_platforms  # type: ignore[attr-defined]
            self.actors[worker] = kind.remote(worker, self.count if alone else 0, self.provenance, platforms)
            self.starting[worker] = time.monotonic()
            self.asked[worker] = self.actors[worker].now.remote()
        self.tell(worker, phase="waiting")
        self.jobs[worker] = (job, self.actors[worker].run.remote(job.trials))

    def ended(self) -> Iterator[End]:
        failed = None
        of = {future: worker for worker, (_, future) in self.jobs.items()}
        while of:
            ready, _ = self.ray.wait(list(of), num_returns=1, timeout=POLL_S)
            if ready:  # and all others that are: a look at thousands of futures takes a while
                ready, _ = self.ray.wait(list(of), num_returns=len(of), timeout=0)
                break
            self._check_nodes()
            self._ask()
            self._check_starting()
        else:
            return
        for future in ready:
            try:
                yield self._end(of[future], future)
            except TrialError as error:
                failed = error
        if failed is not None:  # after what others finished was taken
            raise failed

    def _end(self, worker: int, future: Any) -> End:
        job, _ = self.jobs.pop(worker)
        self.asked.pop(worker, None)
        self.starting.pop(worker, None)
        errors = self.ray.exceptions
        try:
            done, said = self.ray.get(future)
        except (
            errors.RayActorError,
            errors.NodeDiedError,
            errors.OutOfMemoryError,
            errors.ObjectLostError,  # it was done, and its records died with the node
        ) as error:
            if getattr(error, "actor_init_failed", False):
                raise ExecutorError(f"a worker on Ray could not start ({_why(error)})") from error
            self._drop(worker)
            return End(worker, None, _why(error))
        except errors.RayError as error:  # not the trial's own: what it raises comes back as a value
            raise ExecutorError(f"Ray fails ({_why(getattr(error, 'cause', error))})") from error
        if done:
            return End(worker, said)
        raise _failed(job, *said)

    def _drop(self, worker: int) -> None:
        with suppress(Exception):
            self.ray.kill(self.actors[worker])
        self.actors.pop(worker, None)

    def _ask(self) -> None:
        """Ask some of the workers how far they are, and tell what was answered."""
        for worker in sorted(self.jobs)[:ASKED]:
            if worker not in self.asked:
                self.asked[worker] = self.actors[worker].now.remote()
        of = {future: worker for worker, future in self.asked.items()}
        answered, _ = self.ray.wait(list(of), num_returns=len(of), timeout=0)
        for future in answered:
            worker = of[future]
            del self.asked[worker]
            self.starting.pop(worker, None)
            with suppress(self.ray.exceptions.RayError):  # its end is seen in its job
                if said := self.ray.get(future):
                    self.tell(worker, **said)

    def _check_starting(self) -> None:
        """Where a worker with a job finds no room, because a node was lost, let those without one go."""
        if not self.starting:
            return
        for worker in self.actors.keys() - self.jobs.keys():
            self._drop(worker)
        waited = time.monotonic() - max(self.starting.values())
        if self.jobs.keys() <= self.starting.keys() and waited > START_S:
            free = self.ray.available_resources()
            raise ExecutorError(
                f"no worker could start for {waited:.0f} s: {free.get('CPU', 0):g} cores and"
                f" {free.get('GPU', 0):g} GPUs of the cluster are free, one needs 1 and"
                f" {self.dials.gpus_per_trial:g}; add a node, or end what else runs there"
            )

    def _check_nodes(self) -> None:
        if not any(node["Alive"] for node in self.ray.nodes()):
            raise ExecutorError("no node of the Ray cluster is left")

    def close(self) -> None:
        for worker in list(self.actors):
            self._drop(worker)


def _why(error: BaseException) -> str:
    """The sentence in which Ray says why an actor is dead, or the first of what it says."""
    said = " ".join(str(error).split()).partition(" traceback: ")[0]
    dead = re.search(r"The actor is dead because ([^.]*)\.", said)
    return f"its actor is dead because {dead[1]}" if dead else said[:200]


class _Actor:
    """A worker on Ray. It ends with its driver, which owns it."""

    def __init__(self, worker: int, workers: int, provenance: Mapping[str, Any], platforms: str | None):
        if workers:
            _keep_to_own_cores(worker, workers)
        if platforms:
            jax.config.update("jax_platforms", platforms)
        use_cache()
        self.said: dict[str, Any] = {}
        self.bench, self.provenance = None, provenance

    def run(self, trials: list[Trial | Experiment]) -> tuple[bool, Any]:
        self.said = {}
        try:
            self.bench = self.bench or Workbench(self.provenance)
            return True, self.bench.run(trials, self._tell)
        except Exception as error:
            return False, _told(error)

    def _tell(self, **now: Any) -> None:
        self.said = now

    def now(self) -> dict[str, Any]:
        """What was not told yet."""
        said, self.said = self.said, {}
        return said


EXECUTORS: dict[str, type[AbstractExecutor]] = {"local": Local, "processes": Processes, "ray": Ray}
"""Every executor by name."""
