"""Laws of growth: on programs whose law is known, on closed forms, and on what must not be named."""

import inspect

import jax
import jax.numpy as jnp
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jax import lax

from seriality.meter import growth, measure

GRID = (16, 32, 64, 128)


def attention(x):
    return jax.nn.softmax(x @ x.T) @ x


def recurrence(x):
    return lax.scan(lambda h, x: (jnp.tanh(h) + x, None), x[0], x)[0]


def every_pair(x):
    def row(h, x_i):
        return lax.scan(lambda h, x_j: (jnp.tanh(h * x_i + x_j), None), h, x)[0], None

    return lax.scan(row, x[0], x)[0]


@pytest.mark.parametrize(
    ("program", "text", "parallel"),
    [
        (attention, "constant: 8", True),
        (lambda x: lax.associative_scan(jnp.add, x), "logarithmic: 3 log2 n - 1", True),
        (lambda x: lax.sort(x, dimension=0), "polylogarithmic: 1/2 (log2 n)² + 1/2 log2 n", True),
        (recurrence, "linear: 2n", False),
        (every_pair, "quadratic: 3n²", False),
    ],
)
def test_the_law_of_a_program(program, text, parallel):
    found = growth({n: measure(program, jax.ShapeDtypeStruct((n, 4), "float32")).span for n in GRID})
    assert str(found) == f"{text}, at n = 16, 32, …, 128"
    assert found.parallel is parallel


coefficient = st.integers(1, 50)
offset = st.integers(0, 50)


@given(coefficient, offset)
def test_a_line_is_linear(a, b):
    found = growth((n, a * n + b) for n in (3, 7, 20))
    assert (found.law, found.parallel) == ("linear", False)


@given(coefficient, offset, st.sampled_from([GRID, (12, 24, 48, 96), (10, 100, 1000), (5, 9, 17, 200)]))
def test_a_rounded_logarithm_is_logarithmic(a, b, lengths):
    found = growth((n, a * (n - 1).bit_length() + b) for n in lengths)
    assert (found.law, found.parallel) == ("logarithmic", True)


@given(coefficient, offset, offset)
def test_a_square_is_quadratic(a, b, c):
    found = growth((n, a * n * n + b * n + c) for n in GRID)
    assert (found.law, found.parallel) == ("quadratic", False)


@given(offset)
def test_a_constant_is_constant(c):
    assert str(growth((n, c) for n in GRID)) == f"constant: {c}, at n = 16, 32, …, 128"


def test_the_range_says_where_a_law_begins():
    found = growth({8: 50, 16: 50, 32: 98, 64: 194, 128: 386})
    assert str(found) == "linear: 3n + 2, at n = 16, 32, …, 128"
    assert found.values[0] == (8, 50)


@pytest.mark.parametrize(
    "spans",
    [
        {16: 4, 32: 9, 64: 12, 128: 40},  # no law
        {16: 256, 32: 1024, 64: 4096},  # a square, but no value left to test it
        {n: n * (n - 1).bit_length() for n in (16, 32, 64)},  # n log n, but no value left to test it
        {n: round(n**0.5) for n in (16, 64, 256, 1024)},
        {16: 12, 32: 10, 64: 8},  # falls
        {1: 0, 2: 1, 3: 2},  # n - 1 or ⌈log2 n⌉
    ],
)
def test_what_no_law_fits_is_not_named(spans):
    found = growth(spans)
    assert (found.law, found.parallel) == ("unnamed", None)


def test_formulas_read_as_people_write_them():
    assert growth({n: 4 * (n.bit_length() - 1) + 9 for n in GRID}).formula == "4 log2 n + 9"
    assert growth({n: 4 * (n - 1).bit_length() for n in (10, 20, 50)}).formula == "4 ⌈log2 n⌉"
    assert growth({n: n.bit_length() - 1 for n in (10, 16, 31, 40)}).formula == "⌊log2 n⌋"
    assert growth({n: n - 3 for n in GRID}).formula == "n - 3"
    assert growth({n: n // 2 for n in GRID}).formula == "1/2 n"
    assert growth({n: n * n - n for n in GRID}).formula == "n² - n"


def test_another_length_is_asked_for_where_it_could_tell():
    assert growth({16: 272, 32: 1056, 64: 4160}).formula == "no exact law; some laws need another length"
    assert growth({16: 272, 32: 1056, 64: 4160, 128: 16512}).formula == "n² + n"
    assert growth({16: 4, 32: 9, 64: 12, 128: 40, 256: 41}).formula == "no exact law"


@pytest.mark.parametrize(
    "spans", [[1, 2, 3], {16: measure(jnp.tanh, jnp.zeros(3)), 32: 1, 64: 1}, {16: 1.5, 32: 1, 64: 1}]
)
def test_what_is_no_span_is_refused(spans):
    with pytest.raises(TypeError, match=r"\.span for n in"):
        inspect.unwrap(growth)(spans)  # what a user meets, whose annotations are not checked


def test_pivots_are_choices_of_which_the_degree_says_nothing():
    def pivots(a):
        return lax.linalg.lu(a)[2]

    found = growth(lambda n: (pivots, jax.ShapeDtypeStruct((n, n), "float32")), sizes=GRID)
    assert (found.span.law, found.degree) == ("linear", "unknown")
    assert "no parallel algorithm is known" in found.reading


def test_the_sizes_at_which_a_law_is_exact_are_told():
    assert str(growth({n: 3 * n for n in (8, 9, 31)})) == "linear: 3n, at n = 8, 9, 31"
    assert str(growth({8: 99, 9: 27, 31: 93, 40: 120, 50: 150})) == "linear: 3n, at n = 9, 31, …, 50"


def test_a_program_that_is_not_given_by_size_is_told_how():
    def rnn(w, xs):
        return xs @ w

    w, xs = jax.ShapeDtypeStruct((4, 4), "float32"), jax.ShapeDtypeStruct((8, 4), "float32")
    asked = inspect.unwrap(growth)
    for arguments in ((rnn, w, xs), (rnn, w), (rnn,), (jnp.cos,), (lambda n: (w, xs),), (lambda n: rnn,)):
        with pytest.raises(TypeError, match=r"growth\(lambda n: \(fn, jax\.ShapeDtypeStruct"):
            asked(*arguments)
    with pytest.raises(TypeError, match=r"sizes=\(16, 32, 64, 128\)"):
        asked(lambda n: (jnp.cos, xs), sizes=(1.5, 2, 3))


def test_too_few_lengths_are_an_error():
    with pytest.raises(ValueError, match="at least 3"):
        growth({16: 1, 32: 2})
    with pytest.raises(ValueError, match="at least 3"):
        growth({0: 1, 16: 1, 32: 2})
    with pytest.raises(ValueError, match=r"two spans for the same length \[16\]"):
        growth([(16, 1), (16, 2), (32, 2), (64, 3)])
