"""From work, bytes and span to seconds: a machine is measured, and the time of a metered program predicted.

**Machine.** Four kinds of number, each the median over rounds in which all probes take turns, with an
interval. *Throughput*: operations a second of large matrix products, by precision; of dependent square ones
by their side; and of tanh(s x + b) on a small array, the second ceiling. *Bandwidth*: bytes a second of
x <- s x + b over arrays of several sizes (as the triad of STREAM, McCalpin 1995). *Latency*: seconds of one
dependent step max(W x + b, 0), in a compiled loop, for several widths, and, with 16 columns for x, written
out, where each step calls a kernel. *Overheads*: a dispatch from Python, and an iteration of an empty loop.

**Model.** A program of work W, Q bytes and span S, one launch, takes about

    launch + S × latency + max(P / throughput + (W - P) / elementwise, Q / bandwidth)  seconds,

P of its operations being in matrix products. The last term is the roofline with two ceilings (Williams,
Waterman and Patterson 2009): a machine computes and moves at once. Its sum with the steps is the bound of
Brent (1974), whose unit of time is a step's latency: what a greedy schedule reaches, at most twice too long
where steps and work overlap. The latency of a step is that of the kernel, over the span that the meter counts
for it; the throughput that of square products of as many operations as the program's have on average; the
bandwidth that of the smallest array measured which is as large as what the program holds. Programs are taken
to be called over and over, as the probes are: caches are warm.

**Laws.** `amdahl`, `gustafson` and `brent`. The serial share of a program is S / W, exactly: of W operations
one after another, S are on a chain. With it Amdahl's law *is* Brent's bound, W / ((W - S) / p + S).

**What it does not do.** One number for all kernels says nothing of how well each of them is written. Caches
count by size alone, no clock is watched, and work and moves of different steps are not weighed one by one.
Communication between devices is not there at all. A busy machine is measured busy: the intervals tell.

Sources: Amdahl 1967; Gustafson 1988; Brent, The parallel evaluation of general arithmetic expressions, 1974.
"""

import math
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from ..cost import Cost
from .program import measure

CONFIDENCE = 0.95
PRECISIONS = ("float64", "float32", "bfloat16", "float16")
WIDTHS = (16, 64, 256, 1024)
"""Of the dependent products."""
SIDES = (64, 256, 1024)
"""Of the square products."""
SIZES = (2**20, 2**23, 2**26, 2**28)
"""Bytes that the triad's two arrays hold together."""
SMALL = 2**12
"""Elements of the array that any cache holds."""
WRITTEN_OUT = 128
"""How many dependent steps are kernels of their own in one program."""
NARROW = WIDTHS[0]

Call = Callable[[], Any]
Observe = Callable[[float], None]
"""Told the share that is done, from 0 to 1."""


@dataclass(frozen=True)
class Measured:
    """A median over rounds, with the ends of its interval (of order statistics, see `spread`)."""

    median: float
    low: float
    high: float

    def over(self, units: float) -> "Measured":
        """Seconds of one of so many equal parts."""
        return Measured(self.median / units, self.low / units, self.high / units)

    def rate(self, units: float) -> "Measured":
        """From seconds to units a second."""
        return Measured(units / self.median, units / self.high, units / self.low)


def spread(values: Sequence[float]) -> Measured:
    """The median with its interval: the two order statistics of which at least 95 % enclose it, whatever the
    law of the values (binomial, half of them below the median). Of fewer than six it is their whole range.

    >>> spread([5.0, 1.0, 2.0, 3.0, 4.0, 6.0])
    Measured(median=3.5, low=1.0, high=6.0)
    """
    ordered, n = sorted(values), len(values)
    if not n:
        raise ValueError("there are 0 values, allowed is 1 or more, such as spread([0.1, 0.2])")
    cut, below = 0, 0.5**n
    while 2 * (below := below + math.comb(n, cut + 1) * 0.5**n) <= 1 - CONFIDENCE:
        cut += 1
    return Measured(statistics.median(ordered), ordered[cut], ordered[n - 1 - cut])


def alternated(
    calls: Mapping[Any, Call], rounds: int, observe: Observe = lambda share: None
) -> dict[Any, Measured]:
    """The seconds of each call. They take turns (A, B, A, B, ...), so that what else a machine does meets all
    of them alike; a call returns arrays, which are waited for. Each is called once before, untimed.
    """
    spent: dict[Any, list[float]] = {name: [] for name in calls}
    for call in calls.values():
        seconds(call)
    for done in range(rounds):
        for name, call in calls.items():
            spent[name].append(seconds(call))
        observe((done + 1) / rounds)
    return {name: spread(each) for name, each in spent.items()}


def repeated(call: Call, least_s: float) -> tuple[Call, int]:
    """The call as often in a row as takes at least about `least_s` seconds, and how often that is."""
    seconds(call)
    count = max(1, math.ceil(least_s / max(1e-9, min(seconds(call) for _ in range(3)))))
    return lambda: [call() for _ in range(count)][-1], count


def seconds(call: Call) -> float:
    """The time of a call, what it returns waited for."""
    started = time.perf_counter()
    jax.block_until_ready(call())
    return time.perf_counter() - started


# The machine


@dataclass(frozen=True)
class Machine:
    """A device as measured. Rates are units a second, latencies seconds.

    `throughput` is by precision, of large products; `by_side` of square ones in float32, by their side;
    `elementwise` the same outside of products. `bandwidth` is by the bytes that the arrays hold, `latency` of
    one dependent step in a compiled loop by width. `kernel` is that of the narrowest step on a matrix, which
    calls a kernel, `kernel_span` what the meter counts for such a step, `dispatch` the time of one operation
    dispatched from Python, `iteration` of an empty iteration of a compiled loop. `load` is the system's load
    over the minute before; None where there is none to read.
    """

    device: str
    processor: str
    cores: int
    load: float | None
    rounds: int
    throughput: Mapping[str, Measured]
    by_side: Mapping[int, Measured]
    elementwise: Measured
    bandwidth: Mapping[int, Measured]
    latency: Mapping[int, Measured]
    kernel: Measured
    kernel_span: int
    dispatch: Measured
    iteration: Measured

    @property
    def name(self) -> str:
        """Processor and device, for a line."""
        return f"{self.processor}, {self.cores} cores, JAX on {self.device}"

    def as_json(self) -> dict[str, Any]:
        """Plain JSON, from which `Machine.of` makes the same machine."""
        return {
            **asdict(self),
            "by_side": {str(side): asdict(each) for side, each in self.by_side.items()},
            "bandwidth": {str(size): asdict(each) for size, each in self.bandwidth.items()},
            "latency": {str(width): asdict(each) for width, each in self.latency.items()},
        }

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> "Machine":
        """The machine that `as_json` told, however its keys are ordered."""
        held = dict(plain)
        told = held["throughput"]
        held["throughput"] = {at: Measured(**told[at]) for at in PRECISIONS if at in told}
        for name in ("by_side", "bandwidth", "latency"):
            held[name] = {at: Measured(**held[name][str(at)]) for at in sorted(map(int, held[name]))}
        for name in ("elementwise", "kernel", "dispatch", "iteration"):
            held[name] = Measured(**held[name])
        return cls(**held)


def measure_machine(
    *,
    quick: bool = False,
    device: Any = None,
    processor: str | None = None,
    observe: Observe = lambda share: None,
) -> Machine:
    """Measure a device, JAX's first if none is given: some seconds if `quick`, else some tens of seconds.

    Every program is compiled and called before it is timed. `processor` is the name to tell.
    """
    device = jax.devices()[0] if device is None else device
    rounds, least_s = (6, 0.008) if quick else (15, 0.04)
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    with jax.default_device(device):
        makers = _probes(SIZES[:-1] if quick else SIZES)
        calls, units = {}, {}
        for done, (name, (make, first, most, growth)) in enumerate(makers.items()):
            calls[name], units[name] = _sized(make, first, most, growth, least_s)
            observe((done + 1) / (2 * len(makers)))
        spent = alternated(calls, rounds, lambda share: observe((1 + share) / 2))
    vector, matrix = (
        jax.ShapeDtypeStruct((NARROW,), "float32"),
        jax.ShapeDtypeStruct((NARROW,) * 2, "float32"),
    )
    return Machine(
        device=f"{device.platform}: {device.device_kind}",
        processor=processor or platform.processor() or platform.machine(),
        cores=os.cpu_count() or 1,
        load=load,
        rounds=rounds,
        throughput={
            at: each.rate(units[kind, at]) for (kind, at), each in spent.items() if kind == "throughput"
        },
        by_side={at: each.rate(units[kind, at]) for (kind, at), each in spent.items() if kind == "by side"},
        elementwise=spent["elementwise", 0].rate(units["elementwise", 0]),
        bandwidth={
            at: each.rate(units[kind, at]) for (kind, at), each in spent.items() if kind == "bandwidth"
        },
        latency={at: each.over(units[kind, at]) for (kind, at), each in spent.items() if kind == "latency"},
        kernel=spent["kernel", 0].over(units["kernel", 0]),
        kernel_span=measure(step, matrix, vector, vector).span,
        dispatch=spent["dispatch", 0].over(units["dispatch", 0]),
        iteration=spent["iteration", 0].over(units["iteration", 0]),
    )


def step(weights: jax.Array, bias: jax.Array, x: jax.Array) -> jax.Array:
    """A dependent step: a matrix product, a bias and a rectifier."""
    return jnp.maximum(weights @ x + bias, 0)


def chain(length: int) -> Callable[..., jax.Array]:
    """The function of weights, bias and state that takes `length` dependent steps in a compiled loop."""
    return lambda weights, bias, x: jax.lax.scan(
        lambda x, _: (step(weights, bias, x), None), x, length=length
    )[0]


def settled(width: int, precision: str) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Weights, bias and a state for `step` on which it neither grows nor fades: no number is denormal."""
    bias = jnp.ones(width, precision)
    return jnp.eye(width, dtype=precision) / 2, bias, bias


_Maker = tuple[Callable[[int], tuple[Call, float]], int, int, int]
"""From a count to a call and the units in it; the first count, the largest, and by how much it may grow."""


def _probes(sizes: Sequence[int]) -> dict[Any, _Maker]:
    """What is timed, by kind and place."""
    found: dict[Any, _Maker] = {}
    for precision in PRECISIONS:
        found["throughput", precision] = (lambda side, at=precision: _product(side, at)), 512, 8192, 2
    for side in SIDES:
        found["by side", side] = (lambda count, at=side: _squares(count, at)), 2, 2**20, 64
    found["elementwise", 0] = _elementwise, 16, 2**20, 64
    for size in sizes:
        found["bandwidth", size] = (lambda count, at=size: _triad(count, at)), 2, 2**20, 64
    for width in WIDTHS:
        found["latency", width] = (lambda count, at=width: _chain(count, at)), 64, 2**22, 64
    found["kernel", 0] = _kernels(), 1, 2**14, 64
    found["dispatch", 0] = _dispatches(), 64, 2**14, 16
    found["iteration", 0] = _empty, 1024, 2**26, 64
    return found


def _sized(
    make: Callable[[int], tuple[Call, float]], first: int, most: int, growth: int, least_s: float
) -> tuple[Call, float]:
    """A call that takes about `least_s` seconds or more, compiled and warm, and the units in it."""
    count = first
    while True:
        call, units = make(count)
        seconds(call)  # compiles
        spent = min(seconds(call) for _ in range(2))
        if spent >= least_s / 2 or count >= most:
            return call, units
        count = min(most, count * max(2, min(growth, math.ceil(least_s / max(spent, 1e-9)))))


def _product(side: int, precision: str) -> tuple[Call, float]:
    context = jax.enable_x64(True) if precision == "float64" else nullcontext()
    with context:
        factor = jnp.full((side, side), 1 / side, precision)
        multiply = jax.jit(jnp.matmul).lower(factor, factor).compile()
    return lambda: multiply(factor, factor), 2.0 * side**3


def _squares(count: int, side: int) -> tuple[Call, float]:
    """Products one after the other, each with what the one before made."""
    run = jax.jit(lambda w, x: jax.lax.fori_loop(0, count, lambda _, x: w @ x, x))
    w = jnp.eye(side, dtype="float32")
    return lambda: run(w, w), 2.0 * side**3 * count


def _elementwise(count: int) -> tuple[Call, float]:
    """Three operations an element, of which one is long."""
    run = jax.jit(lambda x: jax.lax.fori_loop(0, count, lambda _, x: jnp.tanh(x * 0.5 + 1), x))
    x = jnp.ones(SMALL, "float32")
    return lambda: run(x), 3.0 * SMALL * count


def _triad(count: int, size: int) -> tuple[Call, float]:
    """Each turn reads both arrays and writes one of them."""
    x = jnp.ones(size // 8, "float32")
    run = jax.jit(lambda x, b: jax.lax.fori_loop(0, count, lambda _, x: x * 0.5 + b, x))
    return lambda: run(x, x), 1.5 * size * count


def _chain(count: int, width: int) -> tuple[Call, float]:
    run, held = jax.jit(chain(count)), settled(width, "float32")
    return lambda: run(*held), count


def _kernels() -> Callable[[int], tuple[Call, float]]:
    """A program of steps written out, launched so often in a row: its steps share a launch. The state is a
    matrix: a product with a vector as narrow is compiled in line and calls no kernel on a processor."""
    weights, bias, _ = settled(NARROW, "float32")
    bias = first = jnp.broadcast_to(bias, weights.shape)

    @jax.jit
    def written_out(weights: jax.Array, bias: jax.Array, x: jax.Array) -> jax.Array:
        for _ in range(WRITTEN_OUT):
            x = step(weights, bias, x)
        return x

    def make(count: int) -> tuple[Call, float]:
        return (lambda: _again(written_out, count, weights, bias, first)), count * WRITTEN_OUT

    return make


def _dispatches() -> Callable[[int], tuple[Call, float]]:
    """A step dispatched from Python so often in a row, each on the result of the one before."""
    weights, bias, first = settled(NARROW, "float32")
    one = jax.jit(step)
    return lambda count: ((lambda: _again(one, count, weights, bias, first)), count)


def _again(fn: Callable[..., jax.Array], count: int, weights: jax.Array, bias: jax.Array, x: jax.Array):
    for _ in range(count):
        x = fn(weights, bias, x)
    return x


def _empty(count: int) -> tuple[Call, float]:
    """A multiplication and an addition on one number, so that no iteration can be left out."""
    run = jax.jit(lambda x: jax.lax.fori_loop(0, count, lambda _, x: x * 0.5 + 1, x))
    one = jnp.ones((), "float32")
    return lambda: run(one), count


# Predictions


@dataclass(frozen=True)
class Prediction:
    """The terms of a predicted time, in seconds."""

    launch_s: float
    latency_s: float
    work_s: float
    bytes_s: float

    @property
    def seconds(self) -> float:
        """Launch, steps, and the longer of work and moves."""
        return self.launch_s + self.latency_s + max(self.work_s, self.bytes_s)

    @property
    def latency_share(self) -> float:
        """The share of the time that is latency: what more throughput does not shorten."""
        return (self.launch_s + self.latency_s) / self.seconds

    def on(self, *, throughput: float = 1, latency: float = 1) -> "Prediction":
        """The same on a machine of so many times the throughput and bandwidth, and so many times lower
        latency of steps and launches.

        >>> now = Prediction(launch_s=0.0, latency_s=0.9, work_s=0.1, bytes_s=0.05)
        >>> round(now.seconds / now.on(throughput=10).seconds, 3)
        1.099
        >>> round(now.seconds / now.on(latency=2).seconds, 3)
        1.818
        """
        for name, value in (("throughput", throughput), ("latency", latency)):
            if not value > 0:
                raise ValueError(f"{name} is {value!r}, allowed is a number above 0, such as {name}=2")
        return Prediction(
            self.launch_s / latency,
            self.latency_s / latency,
            self.work_s / throughput,
            self.bytes_s / throughput,
        )


def predict(
    machine: Machine,
    cost: Cost,
    *,
    products: int,
    moved: int,
    calls: int | None = None,
    precision: str = "float32",
    holds: int | None = None,
) -> Prediction:
    """The time of a program of this work and span (in the `unit` model), so many of its operations in matrix
    products, which moves so many bytes: the numbers of a `Measurement`.

    `calls` is how many products there are, which says how large they are; None means that they are as large
    as the largest measured. `holds` is how many bytes its arguments take, which says from where they are
    read; None means that they are in the largest memory measured. ValueError for numbers below 0 and for a
    precision not measured.
    """
    faults = [
        f"{name} is {value}, allowed is 0 or more, such as {name}=0"
        for name, value in (
            *(("work", cost.work), ("span", cost.span), ("products", products)),
            *(("moved", moved), ("calls", calls or 0), ("holds", holds or 0)),
        )
        if value < 0
    ]
    if products > cost.work:
        faults.append(f"products is {products:,}, allowed is the work, {cost.work:,}, and less")
    if precision not in machine.throughput:
        known = ", ".join(machine.throughput)
        faults.append(
            f"precision is {precision!r}, measured are {known}; "
            f"try precision={next(iter(machine.throughput))!r}"
        )
    if faults:
        raise ValueError("\n".join(faults))
    sizes = sorted(machine.bandwidth)
    size = next((each for each in sizes if holds is not None and each >= holds), sizes[-1])
    return Prediction(
        machine.dispatch.median,
        cost.span * machine.kernel.median / machine.kernel_span,
        products / _throughput(machine, precision, products, calls)
        + (cost.work - products) / machine.elementwise.median,
        moved / machine.bandwidth[size].median,
    )


def _throughput(machine: Machine, precision: str, products: int, calls: int | None) -> float:
    """Operations a second of so many products: between two sides that were measured as a power of the
    operations, beyond them as at the last."""
    large = machine.throughput[precision].median
    if not calls:
        return large
    sides = sorted(machine.by_side)
    rates = [math.log(machine.by_side[side].median) for side in sides]
    at = np.interp(math.log(max(1, products) / calls), [math.log(2.0 * side**3) for side in sides], rates)
    return math.exp(at) * large / machine.throughput["float32"].median


# Laws


Number = TypeVar("Number", float, Fraction)


def serial_share(work: int, span: int) -> Fraction:
    """S / W: the share of the operations, one after another, that are on the longest chain.

    >>> serial_share(work=1000, span=10)
    Fraction(1, 100)
    """
    if not 0 <= span <= work or not work:
        raise ValueError(
            f"work is {work} and span {span}, allowed is a span from 0 to the work, and work of 1 or more, "
            "such as serial_share(work=1000, span=10)"
        )
    return Fraction(span, work)


def amdahl(share: Number, processors: int) -> Number:
    """The speed-up of a program of fixed size on p processors: 1 / (s + (1 - s) / p), s its serial share.

    >>> amdahl(Fraction(1, 20), 20)
    Fraction(400, 39)
    """
    _check(share, processors)
    return 1 / (share + (1 - share) / processors)


def gustafson(share: Number, processors: int) -> Number:
    """The speed-up of a program that grows with the machine: s + (1 - s) p, s the share of the time *on p
    processors* in which one alone works.

    >>> gustafson(Fraction(1, 20), 20)
    Fraction(381, 20)
    """
    _check(share, processors)
    return share + (1 - share) * processors


def brent(work: int, span: int, processors: int) -> tuple[Fraction, Fraction]:
    """The least steps that p processors can take, max(W / p, S), and the most that a greedy schedule takes,
    (W - S) / p + S (Brent 1974; Graham 1969).

    >>> brent(work=100, span=10, processors=5)
    (Fraction(20, 1), Fraction(28, 1))
    """
    share = serial_share(work, span)
    _check(share, processors)
    most = Fraction(work - span, processors) + span
    return max(Fraction(work, processors), Fraction(span)), most


def _check(share: Any, processors: int) -> None:
    faults = []
    if not 0 <= share <= 1:
        faults.append(f"share is {share}, allowed is 0 to 1, such as 0.05")
    if processors < 1:
        faults.append(f"processors is {processors}, allowed is 1 or more, such as 8")
    if faults:
        raise ValueError("\n".join(faults))
