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
import signal
import socket
import sys
import threading
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
BEGINS = ("compiling", "measuring")
"""The first phase of a training and of an experiment."""
POLL_S = 1.0
"""How often workers on Ray are asked where they stand."""


REACH_S = 5.0


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
        self.ready: set[int] = set()
        self.lost: list[End] = []

    def give(self, worker: int, job: Job) -> None:
        if worker not in self.processes:
            self.processes[worker] = self._start(worker)
        self.jobs[worker] = job
        try:
            self.processes[worker][1].send(job.trials)
        except OSError:  # it was lost while it was idle
            self.lost.append(self._lose(worker))

    def _start(self, worker: int) -> tuple[Any, Connection]:
        here, there = self.context.Pipe()
        arguments = (there, worker, self.count, self.provenance, jax.config.jax_platforms)  # type: ignore[attr-defined]
        process = self.context.Process(target=_serve, args=arguments, daemon=True)
        process.start()
        there.close()  # the worker's end is its own, so that its death is seen here
        return process, here

    def ended(self) -> Iterator[End]:
        while self.lost:
            yield self.lost.pop()
        if not self.jobs:
            return
        of = {self.processes[worker][1]: worker for worker in self.jobs}
        ends = []
        while not ends:
            for connection in wait(list(of)):
                worker = of[connection]  # type: ignore[index]
                try:
                    kind, said = connection.recv()  # type: ignore[union-attr]
                except (EOFError, OSError):
                    ends.append(self._lose(worker))
                    continue
                if kind == "ready":
                    self.ready.add(worker)
                elif kind == "progress":
                    self.tell(worker, **said)
                elif kind == "failed":
                    raise _failed(self.jobs[worker], *said)
                else:
                    del self.jobs[worker]
                    ends.append(End(worker, said))
        yield from ends

    def _lose(self, worker: int) -> End:
        process, connection = self.processes.pop(worker)
        self.jobs.pop(worker, None)
        connection.close()
        process.join(PATIENCE_S)
        if process.is_alive():
            process.kill()
            process.join()
        code = process.exitcode
        if worker not in self.ready and not (code and code < 0):
            raise ExecutorError(f"a worker could not start: its process ended with code {code}")
        self.ready.discard(worker)
        how = f"killed by {signal.Signals(-code).name}" if code and code < 0 else f"ended with code {code}"
        return End(worker, None, f"its process was {how}" if code and code < 0 else f"its process {how}")

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
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the driver
    _keep_to_own_cores(worker, workers)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()
    if platforms:
        jax.config.update("jax_platforms", platforms)
    use_cache()
    bench = None
    with suppress(EOFError, OSError):  # the driver is gone, or done
        connection.send(("ready", None))
        while True:
            try:
                trials = connection.recv()
                bench = bench or Workbench(provenance)
                records = bench.run(trials, lambda **now: connection.send(("progress", now)))
            except (EOFError, BrokenPipeError, ConnectionResetError):
                raise
            except Exception as error:
                connection.send(("failed", _told(error)))
            else:
                connection.send(("records", records))


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
        self._reach()
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is reported to anyone
        try:
            with warnings.catch_warnings():
                # The cluster is started by a fork and an exec at once, which JAX warns of.
                warnings.filterwarnings("ignore", r"os\.fork\(\) was called", RuntimeWarning)
                ray.init(
                    address=self.address or "local",  # None would join any cluster that once ran here
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

    def give(self, worker: int, job: Job) -> None:
        if worker not in self.actors:
            # Two threads: one computes, the other says how far it is.
            kind = self.ray.remote(
                num_cpus=1, num_gpus=self.dials.gpus_per_trial, max_restarts=0, max_concurrency=2
            )(_Actor)
            alone = self.dials.address is None
            self.actors[worker] = kind.remote(worker, self.count if alone else 0, self.provenance)
        self.jobs[worker] = (job, self.actors[worker].run.remote(job.trials))
        # Its own first word is fetched with a delay.
        self.tell(worker, phase="measuring" if isinstance(job.trials[0], Experiment) else "compiling")

    def ended(self) -> Iterator[End]:
        ends: list[End] = []
        while self.jobs and not ends:
            of = {future: worker for worker, (_, future) in self.jobs.items()}
            ready, _ = self.ray.wait(list(of), num_returns=1, timeout=POLL_S)
            for future in ready:
                ends.append(self._end(of[future], future))
            if not ready:
                self._check_nodes()
                self._ask()
                self._make_room()
        yield from ends

    def _end(self, worker: int, future: Any) -> End:
        job, _ = self.jobs.pop(worker)
        self.asked.pop(worker, None)
        errors = self.ray.exceptions
        try:
            done, said = self.ray.get(future)
        except (
            errors.RayActorError,
            errors.NodeDiedError,
            errors.OutOfMemoryError,
            errors.ObjectLostError,  # it was done, and its records died with the node
        ) as error:
            said = " ".join(str(error).split())
            if getattr(error, "actor_init_failed", False):
                raise ExecutorError(f"a worker on Ray could not start ({said[:300]})") from error
            self._drop(worker)
            return End(worker, None, said[:300])
        except errors.RayError as error:  # not the trial's own: what it raises comes back as a value
            raise ExecutorError(f"Ray fails ({' '.join(str(error).split())[:300]})") from error
        if done:
            return End(worker, said)
        raise _failed(job, *said)

    def _drop(self, worker: int) -> None:
        with suppress(Exception):
            self.ray.kill(self.actors[worker])
        self.actors.pop(worker, None)

    def _ask(self) -> None:
        """Ask the workers how far they are, and tell what those said that were asked before."""
        for worker in self.jobs:
            if (future := self.asked.get(worker)) is None:
                self.asked[worker] = self.actors[worker].now.remote()
            elif self.ray.wait([future], timeout=0)[0]:
                del self.asked[worker]
                with suppress(self.ray.exceptions.RayError):  # its end is seen in its job
                    if (said := self.ray.get(future)) and said["phase"] not in BEGINS:
                        self.tell(worker, **said)

    def _make_room(self) -> None:
        """Let actors go that have no job: one that replaces a lost one may be waiting for their core, since
        the cluster may have lost a node with it."""
        for worker in self.actors.keys() - self.jobs.keys():
            self._drop(worker)

    def _check_nodes(self) -> None:
        if not any(node["Alive"] for node in self.ray.nodes()):
            raise ExecutorError("no node of the Ray cluster is left")

    def close(self) -> None:
        for worker in list(self.actors):
            self._drop(worker)


class _Actor:
    """A worker on Ray. It ends with its driver, which owns it."""

    def __init__(self, worker: int, workers: int, provenance: Mapping[str, Any]):
        if workers:
            _keep_to_own_cores(worker, workers)
        use_cache()
        self.said: dict[str, Any] = {}
        self.bench, self.provenance = None, provenance

    def run(self, trials: list[Trial | Experiment]) -> tuple[bool, Any]:
        try:
            self.bench = self.bench or Workbench(self.provenance)
            return True, self.bench.run(trials, self._tell)
        except Exception as error:
            return False, _told(error)

    def _tell(self, **now: Any) -> None:
        self.said = now

    def now(self) -> dict[str, Any]:
        return self.said


EXECUTORS: dict[str, type[AbstractExecutor]] = {"local": Local, "processes": Processes, "ray": Ray}
"""Every executor by name."""
