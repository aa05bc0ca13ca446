"""Does more throughput shorten a serial program, and lower latency? (claim C24, section 2.4)

Hardware is not exchanged here: knobs are turned on the processor that is there. Two turn throughput and
leave the latency of a step nearly as it is: a second thread (the affinity of a process of its own, set before
JAX counts processors), and float32 in place of float64, of which twice as many fit a vector. One turns
latency and leaves throughput: the same operations, dispatched one by one from Python or compiled into one
program. Each knob meets serial programs and a wide one of *the same work*: a chain of products of width 16,
and one matrix product of width 816. A chain of 640 steps stands in for the long one where it is dispatched.
Real programs beside them are two rows of Table 1 that answer one prompt; a chain of width 64 is as wide as
one of them.

Beside it the time of all seven rows of Table 1, predicted from work, bytes and span, and measured.

Shape chosen: a process for each setting, all alive at once and asked in turns, so that what else the machine
does meets all settings alike. Rejected: one after the other, where a drift of the clock would be a gain.

What it does not do: it is of processors. On an accelerator the command `seriality machine` predicts and
measures, and no knob is turned.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from ..meter import Measurement, measure
from ..meter.machine import (
    Machine,
    Measured,
    Observe,
    Prediction,
    alternated,
    chain,
    measure_machine,
    predict,
    repeated,
    seconds,
    settled,
)
from ..solvers import build
from ..study import CONTROL, SERIAL, Experiment, Study
from ..study.provenance import processor
from ..tasks import Words
from .table1 import ROWS

NAME = "machine"
CHAIN_WIDTH, WIDER, PRODUCT_WIDTH = 16, 64, 816
LENGTH = PRODUCT_WIDTH**3 // (CHAIN_WIDTH * (CHAIN_WIDTH + 1))
"""Steps of the chain of the same work: a step of width w is 2 w (w + 1) operations, the product 2 n^3."""
LENGTH_OF_WIDER = PRODUCT_WIDTH**3 // (WIDER * (WIDER + 1))
SHORT = 640
EMPTY = 300
REAL = ("RNN", "Chain of thought")
BLOCKS = 8
BLOCK_S = 0.02

ONE, TWO, SINGLE = "1 thread, float64", "2 threads, float64", "1 thread, float32"
SETTINGS = {ONE: (1, "float64"), TWO: (2, "float64"), SINGLE: (1, "float32")}
DISPATCHED, COMPILED = "dispatched", "compiled"
"""Ways of running in the setting `SINGLE`."""

Program = tuple[Callable[..., Any], tuple[Any, ...]]


def solver(row: str, precision: str = "float32") -> Program:
    """A row of Table 1 that answers one prompt, a word of 16 letters over S5. Its weights are drawn from one
    normal law: what it answers is of no matter for how long it takes."""
    task, draw = Words("S5", length=16), np.random.default_rng(0)
    abstract = eqx.filter_eval_shape(lambda key: build(ROWS[row], task.format, key=key), jax.random.key(0))
    held, static = eqx.partition(abstract, lambda leaf: isinstance(leaf, jax.ShapeDtypeStruct))
    held = jax.tree.map(lambda leaf: jnp.asarray(draw.normal(scale=0.1, size=leaf.shape), precision), held)
    prompt = task.sample(1, key=jax.random.key(1)).prompt[0]
    answer = lambda held, prompt, key: eqx.combine(held, static).solve(prompt, key=key)  # noqa: E731
    return answer, (held, prompt, jax.random.key(2))


def programs(precision: str) -> dict[str, Program]:
    """What the knobs are tried on: chains, the wide product, an empty loop, and the real rows."""
    narrow = settled(CHAIN_WIDTH, precision)
    wide = jnp.full((PRODUCT_WIDTH,) * 2, 1 / PRODUCT_WIDTH, precision)
    empty = lambda x: jax.lax.scan(lambda x, _: (x * 0.5 + 1, None), x, length=EMPTY)[0]  # noqa: E731
    made: dict[str, Program] = {
        "chain": (chain(LENGTH), narrow),
        "wider chain": (chain(LENGTH_OF_WIDER), settled(WIDER, precision)),
        "short chain": (chain(SHORT), narrow),
        "product": (jnp.matmul, (wide, wide)),
        "empty loop": (empty, (jnp.ones((), precision),)),
    }
    return made | {row: solver(row, precision) for row in REAL}


def predicted(machine: Machine, program: Program) -> tuple[Measurement, Prediction]:
    """What the meter counts of a program in float32, and the time that follows for a machine."""
    fn, args = program
    found = measure(fn, *args)
    holds = sum(leaf.nbytes for leaf in jax.tree.leaves(args))
    foretold = predict(
        machine,
        found.cost,
        products=found.products,
        calls=found.product_calls,
        moved=found.moved or 0,
        holds=holds,
    )
    return found, foretold


def prediction_and_time(
    *, quick: bool, observe: Observe = lambda share: None
) -> tuple[Machine, dict[str, tuple[Measurement, Prediction, Measured]]]:
    """The machine, and of each row of Table 1 what it costs, the time predicted, and the time measured."""
    machine = measure_machine(quick=quick, processor=processor(), observe=lambda share: observe(share / 2))
    calls, counts, told = {}, {}, {}
    for done, row in enumerate(ROWS):
        fn, args = program = solver(row)
        told[row] = predicted(machine, program)
        compiled = jax.jit(fn)
        once = lambda compiled=compiled, args=args: compiled(*args)  # noqa: E731
        calls[row], counts[row] = repeated(once, BLOCK_S / 4 if quick else BLOCK_S)
        observe(0.5 + 0.25 * (done + 1) / len(ROWS))
    times = alternated(calls, machine.rounds, lambda share: observe(0.75 + share / 4))
    return machine, {row: (*told[row], times[row].over(counts[row])) for row in ROWS}


def rows_timed(*, seed: int) -> dict[str, Any]:
    """Every row of Table 1 as `as_columns` has it. `seed` is the number of the repetition."""
    return as_columns(*prediction_and_time(quick=True))


def as_columns(
    machine: Machine, found: Mapping[str, tuple[Measurement, Prediction, Measured]]
) -> dict[str, Any]:
    """The rows of Table 1 in columns: work, span, bytes, the terms of the predicted time, the time predicted
    and the one measured, in seconds; and the machine."""
    columns: dict[str, list[Any]] = {}
    for row, (metered, foretold, measured) in found.items():
        entry = {"rows": row, "work": metered.work, "span": metered.span, "bytes": metered.moved}
        entry |= asdict(foretold) | {"predicted_s": foretold.seconds}
        entry |= {"measured_s": measured.median, "low_s": measured.low, "high_s": measured.high}
        for name, value in entry.items():
            columns.setdefault(name, []).append(value)
    return columns | {"machine": machine.as_json()}


def knobs_turned(blocks: int, *, seed: int) -> dict[str, Any]:
    """The seconds of every program in every setting, block by block, and what the programs are. `seed` is
    the number of the repetition."""
    spent: dict[str, dict[str, list[float]]] = {}
    with _workers() as workers:
        asked = [
            (setting, setting, program, COMPILED)
            for program in ("chain", "wider chain", "product", *REAL)
            for setting in SETTINGS
        ]
        asked += [
            (way, SINGLE, program, way)
            for program in ("short chain", "product", "empty loop", *REAL)
            for way in (DISPATCHED, COMPILED)
        ]
        for block in range(blocks + 1):
            for name, setting, program, way in asked:
                one = workers[setting].ask("time", program, way)
                if block:
                    spent.setdefault(name, {}).setdefault(program, []).append(one)
    found = {name: measure(fn, *args) for name, (fn, args) in programs("float32").items()}
    told = {name: {"work": each.work, "span": each.span, "bytes": each.moved} for name, each in found.items()}
    return {"programs": told, "seconds": spent}


# Processes, one for each setting


class _Worker:
    """A process that holds the programs in one setting, and times one when asked."""

    def __init__(self, threads: int, precision: str):
        available = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
        bound = f"import os; os.sched_setaffinity(0, {available[:threads]}); " if available else ""
        run = f"{bound}from seriality.studies.machine import serve; serve({precision!r})"
        environment = os.environ | {
            "JAX_PLATFORMS": "cpu",
            "JAX_ENABLE_X64": str(int(precision == "float64")),
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        }
        self.process = subprocess.Popen(
            [sys.executable, "-c", run],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )

    def ask(self, *words: str) -> Any:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(words) + "\n")
        self.process.stdin.flush()
        if not (line := self.process.stdout.readline()):
            raise RuntimeError(f"a process of the study ended while asked for {' '.join(words)}")
        return json.loads(line)


@contextmanager
def _workers() -> Iterator[Mapping[str, _Worker]]:
    """A process for each setting, all ended with the block."""
    started: dict[str, _Worker] = {}
    try:
        for name, setting in SETTINGS.items():
            started[name] = _Worker(*setting)
        yield started
    finally:
        for worker in started.values():
            worker.process.kill()
            worker.process.communicate()


def serve(precision: str) -> None:
    """Answer what is asked on standard input, a line of JSON each, until it ends."""
    held = programs(precision)
    calls: dict[tuple[str, str], tuple[Callable[[], Any], int]] = {}
    for line in sys.stdin:
        match json.loads(line):
            case ["time", program, way]:
                if (program, way) not in calls:
                    calls[program, way] = repeated(_call(held[program], way), BLOCK_S)
                call, count = calls[program, way]
                print(json.dumps(seconds(call) / count), flush=True)


def _call(program: Program, way: str) -> Callable[[], Any]:
    fn, args = program
    if way == COMPILED:
        compiled = jax.jit(fn)
        return lambda: compiled(*args)

    def dispatched() -> Any:
        with jax.disable_jit():
            return fn(*args)

    return dispatched


def trials(seeds: int) -> Sequence[Experiment]:
    """The knobs and the seven rows, for every repetition."""
    return [
        experiment
        for seed in range(seeds)
        for experiment in (
            Experiment(NAME, "three knobs", "knobs", SERIAL, knobs_turned, {"blocks": BLOCKS}, 2, seed=seed),
            Experiment(NAME, "seven rows", "prediction", CONTROL, rows_timed, version=2, seed=seed),
        )
    ]


MACHINE = Study(
    name=NAME,
    title="Throughput against latency: knobs turned on a processor, and the time of seven rows predicted",
    claims=("C24",),
    seeds=5,
    trials=trials,
)
