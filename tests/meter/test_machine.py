"""The machine: bytes against hand counts, predictions and laws against worked cases, a measurement in order.

Nothing here asserts a speed.
"""

import json
import math
import statistics
import threading
from dataclasses import replace
from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seriality.cost import Cost
from seriality.meter import machine as module
from seriality.meter import measure
from seriality.meter.machine import (
    Machine,
    Measured,
    Prediction,
    alternated,
    amdahl,
    brent,
    chain,
    gustafson,
    measure_machine,
    predict,
    repeated,
    serial_share,
    settled,
    spread,
    step,
)

pytestmark = pytest.mark.usefixtures("as_users_call")


def shaped(*shape, dtype="float32"):
    return jax.ShapeDtypeStruct(shape, dtype)


# Bytes, counted by hand


def in_a_loop(w, x):
    return jax.lax.scan(lambda x, _: (jnp.tanh(w @ x), None), x, length=10)[0]


def in_a_while(w, x):
    return jax.lax.fori_loop(0, 7, lambda _, x: w @ x, x)


def nested(w, x):
    inner = lambda x, _: (w @ x, None)  # noqa: E731
    return jax.lax.scan(lambda x, _: (jax.lax.scan(inner, x, length=3)[0], None), x, length=5)[0]


def chosen(p, w, x):
    return jax.lax.cond(p, lambda x: w @ (w @ x), lambda x: w @ x, x)


FLOAT, HALF, INT = 4, 2, 4
BYTES = [
    (lambda a, b: a @ b, (shaped(2, 3), shaped(3, 5)), FLOAT * (6 + 15 + 10)),
    (
        lambda a, b: a @ b,
        (shaped(2, 3, dtype="bfloat16"), shaped(3, 5, dtype="bfloat16")),
        HALF * (6 + 15 + 10),
    ),
    (lambda a, b: jax.vmap(jnp.matmul)(a, b), (shaped(7, 2, 3), shaped(7, 3, 5)), FLOAT * 7 * (6 + 15 + 10)),
    (lambda a: jnp.tanh(a) + 1, (shaped(1000),), 0),  # elementwise: fused
    (lambda a: a.sum(), (shaped(1000),), 0),
    (lambda a: a.T.reshape(-1), (shaped(10, 10),), 0),
    # fused on both sides of a product: the product alone moves
    (lambda w, x: jnp.tanh(w @ jnp.sin(x)), (shaped(8, 8), shaped(8)), FLOAT * (64 + 8 + 8)),
    (in_a_loop, (shaped(8, 8), shaped(8)), 10 * FLOAT * (64 + 8 + 8)),
    (in_a_while, (shaped(8, 8), shaped(8)), 7 * FLOAT * (64 + 8 + 8)),
    (nested, (shaped(8, 8), shaped(8)), 15 * FLOAT * (64 + 8 + 8)),
    (chosen, (shaped(dtype="bool"), shaped(8, 8), shaped(8)), 2 * FLOAT * (64 + 8 + 8)),  # the dearest branch
    # the table itself is not moved: four indices, and four rows of 16 read and written
    (
        lambda table, i: table.at[i].get(mode="promise_in_bounds"),
        (shaped(100, 16), shaped(4, dtype="int32")),
        INT * 4 + 2 * FLOAT * 4 * 16,
    ),
    (
        lambda x, i: jax.lax.dynamic_slice(x, (i,), (10,)),
        (shaped(100), shaped(dtype="int32")),
        INT + 2 * FLOAT * 10,
    ),
    (
        lambda x, u, i: jax.lax.dynamic_update_slice(x, u, (i,)),
        (shaped(100), shaped(10), shaped(dtype="int32")),
        INT + 2 * FLOAT * 10,
    ),
    (
        lambda x, i, u: x.at[i].add(u, mode="promise_in_bounds"),
        (shaped(100), shaped(4, dtype="int32"), shaped(4)),
        INT * 4 + 3 * FLOAT * 4,
    ),
    (jnp.sort, (shaped(64),), 2 * FLOAT * 64),
    (jnp.linalg.cholesky, (shaped(8, 8),), 2 * FLOAT * 64),
]


@pytest.mark.parametrize(("fn", "args", "expected"), BYTES)
def test_bytes_are_those_counted_by_hand(fn, args, expected):
    assert measure(fn, *args).moved == expected


def test_what_no_result_needs_or_is_known_before_moves_nothing():
    w = jnp.ones((8, 8))
    assert measure(lambda x: (w @ x, x + 1)[1], shaped(8)).moved == 0
    assert measure(lambda x: x + (w @ w)[0], shaped(8)).moved == 0
    assert measure(lambda x: w @ x, shaped(8)).moved == FLOAT * (64 + 8 + 8)  # weights closed over


@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 9), st.integers(0, 40))
@settings(max_examples=25, deadline=None)
def test_a_loop_moves_what_the_same_operations_written_out_move(rows, inner, batch, length):
    def body(x, w):
        return jnp.tanh(w.T @ (w @ x))

    def written_out(w, x):
        for _ in range(length):
            x = body(x, w)
        return x + 0

    looped = lambda w, x: jax.lax.scan(lambda x, _: (body(x, w), None), x, length=length)[0]  # noqa: E731
    args = shaped(rows, inner), shaped(inner, batch)
    assert measure(looped, *args).moved == measure(written_out, *args).moved


def test_packed_elements_are_counted_as_packed():
    four = shaped(6, 8, dtype="int4"), shaped(8, 2, dtype="int4")
    product = lambda a, b: jax.lax.dot(a, b, preferred_element_type="int32")  # noqa: E731
    assert measure(product, *four).moved == 24 + 8 + 4 * 12


def test_keys_are_values_too():
    keys = jax.eval_shape(lambda: jax.random.split(jax.random.key(0), 5))
    picked = measure(lambda keys, i: jax.random.key_data(keys[i]), keys, shaped(dtype="int32"))
    assert picked.moved == INT + 2 * 8


def test_bytes_of_pytorch_programs_are_not_counted():
    torch = pytest.importorskip("torch")
    assert measure(torch.nn.Linear(2, 2), torch.ones(3, 2)).moved is None


# Medians


@given(st.lists(st.floats(1e-9, 1e3), min_size=1, max_size=60))
def test_the_interval_encloses_the_median_and_is_made_of_values(values):
    found = spread(values)
    assert found.low <= found.median <= found.high
    assert {found.low, found.high} <= set(values)
    assert found.median == statistics.median(values)


@pytest.mark.parametrize(
    ("count", "rank"), [(1, 1), (5, 1), (6, 1), (8, 1), (9, 2), (11, 2), (12, 3), (15, 4), (20, 6), (25, 8)]
)
def test_the_ranks_are_those_of_the_tables(count, rank):
    """Order statistics for the median at 95 %: Conover, Practical Nonparametric Statistics, table A3."""
    found = spread([float(place) for place in range(1, count + 1)])
    assert (found.low, found.high) == (rank, count + 1 - rank)


def test_no_values_have_no_median():
    with pytest.raises(ValueError, match="there are 0 values, allowed is 1 or more"):
        spread([])


def test_calls_take_turns_and_are_each_called_once_before():
    order = []
    calls = {name: (lambda name=name: order.append(name)) for name in "ab"}
    shares = []
    found = alternated(calls, 3, shares.append)
    assert "".join(order) == "ab" * 4
    assert shares == [1 / 3, 2 / 3, 1]
    assert list(found) == ["a", "b"]


def test_a_short_call_is_repeated():
    calls = []
    call, count = repeated(lambda: calls.append(1), 1e-4)
    before = len(calls)
    call()
    assert len(calls) - before == count > 1


# Predictions, worked out by hand


def measured(value):
    return Measured(value, value, value)


MACHINE = Machine(
    device="cpu: cpu",
    processor="made up",
    cores=2,
    load=None,
    rounds=6,
    throughput={"float32": measured(100e9), "float64": measured(50e9)},
    by_side={64: measured(25e9), 256: measured(100e9)},
    elementwise=measured(10e9),
    bandwidth={2**20: measured(50e9), 2**26: measured(5e9)},
    latency={16: measured(50e-9)},
    kernel=measured(300e-9),
    kernel_span=3,
    dispatch=measured(10e-6),
    iteration=measured(2e-9),
)


def test_a_prediction_is_the_sum_of_its_terms():
    found = predict(MACHINE, Cost(work=3_000_000, span=500), products=2_000_000, moved=10**6, holds=10**5)
    assert found.launch_s == 10e-6
    assert found.latency_s == pytest.approx(500 * 100e-9)
    assert found.work_s == pytest.approx(2e6 / 100e9 + 1e6 / 10e9)  # 120 µs
    assert found.bytes_s == pytest.approx(1e6 / 50e9)  # 20 µs
    assert found.seconds == pytest.approx(180e-6)
    assert found.latency_share == pytest.approx(60 / 180)


@pytest.mark.parametrize(
    ("holds", "rate"), [(0, 50e9), (2**20, 50e9), (2**20 + 1, 5e9), (2**26, 5e9), (2**40, 5e9), (None, 5e9)]
)
def test_bytes_come_from_the_smallest_memory_that_holds_the_program(holds, rate):
    found = predict(MACHINE, Cost(work=0, span=0), products=0, moved=10**9, holds=holds)
    assert found.bytes_s == 1e9 / rate
    assert found.seconds == 10e-6 + 1e9 / rate


def test_another_precision_has_another_throughput():
    found = predict(MACHINE, Cost(work=10**6, span=1), products=10**6, moved=0, precision="float64")
    assert found.work_s == 1e6 / 50e9


@pytest.mark.parametrize(("side", "rate"), [(8, 25e9), (64, 25e9), (128, 50e9), (256, 100e9), (4096, 100e9)])
@pytest.mark.parametrize(("precision", "share"), [("float32", 1), ("float64", 0.5)])
def test_small_products_have_the_throughput_of_their_size(side, rate, precision, share):
    """Halfway between two sides, by powers: the geometric mean of their rates."""
    work = 10 * 2 * side**3
    found = predict(MACHINE, Cost(work=work, span=1), products=work, calls=10, moved=0, precision=precision)
    assert found.work_s == pytest.approx(work / (rate * share))


def test_the_calls_of_products_are_counted():
    """Five turns of two products, of which one is for all four rows at once, and one besides."""

    def program(w, x):
        x = jax.lax.fori_loop(0, 5, lambda _, x: jnp.tanh(jax.vmap(lambda row: w @ row)(x) @ w), x)
        return x @ w

    assert measure(program, shaped(3, 3), shaped(4, 3)).product_calls == 11
    assert measure(jnp.tanh, shaped(3)).product_calls == 0


def test_throughput_shortens_work_and_bytes_and_latency_the_rest():
    found = Prediction(launch_s=1.0, latency_s=2.0, work_s=8.0, bytes_s=4.0)
    assert found.seconds == 11
    assert found.on(throughput=8).seconds == 4
    assert found.on(latency=2).seconds == 9.5
    assert found.on(throughput=2, latency=3).seconds == 5
    assert found.on() == found


@given(*[st.floats(1e-9, 1.0)] * 4, st.integers(1, 10**6))
def test_more_throughput_gains_what_amdahls_law_says_of_the_share_of_latency(launch, steps, work, moves, n):
    found = Prediction(launch, steps, work, moves)
    assert found.seconds / found.on(throughput=n).seconds == pytest.approx(amdahl(found.latency_share, n))


def test_every_fault_of_a_prediction_is_told_at_once():
    with pytest.raises(ValueError, match="work is -1") as caught:
        predict(
            MACHINE, Cost(work=-1, span=-2), products=5, moved=-3, calls=-1, precision="float31", holds=-4
        )
    said = str(caught.value).splitlines()
    assert [line.split(" is ")[0] for line in said] == [
        *("work", "span", "moved", "calls", "holds"),
        *("products", "precision"),
    ]
    assert "measured are float32, float64" in said[-1]


@pytest.mark.parametrize("name", ["throughput", "latency"])
@pytest.mark.parametrize("value", [0, -1, math.nan])
def test_a_machine_without_throughput_or_latency_is_refused(name, value):
    with pytest.raises(ValueError, match=f"{name} is {value}, allowed is a number above 0"):
        Prediction(1.0, 1.0, 1.0, 1.0).on(**{name: value})


# Laws

COSTS = st.integers(1, 10**12).flatmap(lambda work: st.tuples(st.just(work), st.integers(0, work)))
PROCESSORS = st.integers(1, 10**9)


def greedy(layers, processors):
    """The steps of a schedule of a graph whose layers follow each other, operation by operation."""
    return sum(-(-layer // processors) for layer in layers)


@given(st.lists(st.integers(1, 50), min_size=1, max_size=30), st.integers(1, 60))
def test_a_greedy_schedule_lies_between_brents_bounds(layers, processors):
    """Graham's and Brent's theorem, against schedules that are made step by step."""
    work, span = sum(layers), len(layers)
    least, most = brent(work, span, processors)
    steps = greedy(layers, processors)
    assert least <= steps <= most
    assert Fraction(work, processors) <= steps <= Fraction(work, processors) + span


@given(COSTS, PROCESSORS)
def test_brents_bounds_are_in_order_and_within_twice(cost, processors):
    work, span = cost
    least, most = brent(work, span, processors)
    assert Fraction(work, processors) <= least <= most <= Fraction(work, processors) + span
    assert most <= 2 * least
    assert brent(work, span, 1) == (work, work)


@given(COSTS, PROCESSORS)
def test_amdahls_law_of_the_serial_share_is_brents_bound(cost, processors):
    work, span = cost
    share = serial_share(work, span)
    speedup = amdahl(share, processors)
    assert speedup == work / brent(work, span, processors)[1]
    assert 1 <= speedup <= processors
    if share:
        assert speedup <= 1 / share


@given(st.fractions(0, 1), PROCESSORS)
def test_gustafsons_law_is_amdahls_seen_from_the_parallel_machine(share, processors):
    """s of the time on p processors is s / (s + (1 - s) p) of the time on one (Shi 1996)."""
    alone = share / (share + (1 - share) * processors)
    assert gustafson(share, processors) == amdahl(alone, processors)


def test_the_laws_are_those_of_the_textbooks():
    assert amdahl(Fraction(1, 20), 20) == Fraction(400, 39)  # 10.26: 95 % parallel, 20 processors
    assert round(amdahl(0.05, 2048), 2) == 19.82
    assert round(amdahl(0.1, 10), 2) == 5.26  # Hennessy and Patterson: 90 %, 10 times
    assert amdahl(Fraction(1, 4), 10**9) < 4
    assert amdahl(Fraction(0), 7) == gustafson(Fraction(0), 7) == 7
    assert amdahl(Fraction(1), 7) == gustafson(Fraction(1), 7) == 1
    assert round(gustafson(0.004, 1024)) == 1020  # Gustafson 1988: 0.4 to 0.8 % serial on 1,024 processors
    assert serial_share(work=1000, span=10) == Fraction(1, 100)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: serial_share(10, 11), "work is 10 and span 11"),
        (lambda: serial_share(0, 0), "work is 0 and span 0"),
        (lambda: serial_share(5, -1), "work is 5 and span -1"),
        (lambda: amdahl(1.5, 2), "share is 1.5, allowed is 0 to 1"),
        (lambda: gustafson(math.nan, 2), "share is nan, allowed is 0 to 1"),
        (lambda: brent(10, 1, 0), "processors is 0, allowed is 1 or more"),
        (lambda: amdahl(-0.1, 0), "share is -0.1.*\nprocessors is 0"),
    ],
)
def test_what_is_no_share_and_no_processor_is_refused(call, said):
    with pytest.raises(ValueError, match=said):
        call()


# The probes


def test_a_step_is_what_it_says_and_its_state_is_settled():
    draw = np.random.default_rng(0)
    w, b, x = draw.normal(size=(4, 4)), draw.normal(size=4), draw.normal(size=4)
    assert step(jnp.asarray(w), jnp.asarray(b), jnp.asarray(x)) == pytest.approx(
        np.maximum(w @ x + b, 0), abs=1e-5
    )
    assert chain(1000)(*settled(5, "float32")) == pytest.approx(2.0, abs=1e-5)


def test_a_chain_is_as_long_as_it_says():
    w, b, x = settled(5, "float32")
    once = measure(step, w, b, x)
    found = measure(chain(40), w, b, x)
    assert (found.work, found.span) == (40 * once.work, 40 * once.span)
    assert once.span == 3
    assert once.work == 2 * 5 * (5 + 1)


@pytest.fixture
def little(monkeypatch):
    """Smaller and fewer probes, so that a measurement takes a second or two."""
    monkeypatch.setattr(module, "PRECISIONS", ("float64", "float32"))
    monkeypatch.setattr(module, "WIDTHS", (16, 64))
    monkeypatch.setattr(module, "SIDES", (16, 32))
    monkeypatch.setattr(module, "SIZES", (2**12, 2**16, 2**20))
    monkeypatch.setattr(module, "WRITTEN_OUT", 8)


def intervals(found):
    plain = [found.elementwise, found.kernel, found.dispatch, found.iteration]
    return [
        *plain,
        *found.throughput.values(),
        *found.by_side.values(),
        *found.bandwidth.values(),
        *found.latency.values(),
    ]


def test_a_measurement_is_positive_and_in_order(little):
    shares = []
    found = measure_machine(quick=True, processor="mine", observe=shares.append)
    for each in intervals(found):
        assert 0 < each.low <= each.median <= each.high < math.inf
    assert list(found.throughput) == ["float64", "float32"]
    assert list(found.by_side) == [16, 32]
    assert list(found.bandwidth) == [2**12, 2**16]
    assert list(found.latency) == [16, 64]
    assert (found.kernel_span, found.rounds, found.processor) == (3, 6, "mine")
    assert found.device.startswith(jax.devices()[0].platform)
    assert shares == sorted(shares)
    assert shares[-1] == 1


def test_a_measurement_survives_a_busy_machine(little):
    stop = threading.Event()

    def busy():
        while not stop.is_set():
            np.linalg.norm(np.ones((200, 200)) @ np.ones((200, 200)))

    threads = [threading.Thread(target=busy) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        found = measure_machine(quick=True)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    for each in intervals(found):
        assert 0 < each.low <= each.median <= each.high < math.inf


def test_the_product_is_computed_in_the_precision_it_is_named_for():
    for precision in module.PRECISIONS:
        call, units = module._product(8, precision)
        assert call().dtype == precision
        assert units == 2 * 8**3
    assert not jax.config.jax_enable_x64


def test_a_machine_goes_through_json():
    told = json.loads(json.dumps(MACHINE.as_json()))
    assert Machine.of(told) == MACHINE
    assert Machine.of(replace(MACHINE, load=0.5).as_json()).load == 0.5
    assert MACHINE.name == "made up, 2 cores, JAX on cpu: cpu"


def test_rates_turn_the_ends_of_seconds_around():
    found = Measured(median=2.0, low=1.0, high=4.0)
    assert found.rate(8.0) == Measured(median=4.0, low=2.0, high=8.0)
    assert found.over(2.0) == Measured(median=1.0, low=0.5, high=2.0)
