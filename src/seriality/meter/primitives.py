"""The table of the JAX front end: primitive → rule.

A rule takes the sizes of an equation to the functions of `rules`, and names the algebra of the primitive,
which the detectors of shortcuts read. A primitive that is not in RULES has no cost: it is an error, not zero.
Calls, `scan`, `while` and `cond` are not here: `interpret` goes inside them.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from jax.extend.core import JaxprEqn

from . import rules
from .jaxprs import shape, size
from .rules import NOTHING, Operation

Algebra = Literal["move", "sum", "product", "quotient", "max", "min", "choice", "lookup", "write", "other"]
"""move     elements, at places that are known or given by an index operand
sum      linear in all operands together
product  linear in each operand
quotient, max, min, choice  what they say
lookup   moves the operand number 0, at places given by an index
write    moves operand 0 and what is written, or adds them, at places given by an index
other    anything else"""


@dataclass(frozen=True)
class Rule:
    """The cost of one primitive, and its algebra.

    `addresses` names the operands that hold the index of a lookup: a lookup whose index is known before the
    run only moves data at fixed places, and is free unless it `combines` what it finds with what it brings.
    `is_assumed` marks a count that is a convention, since the algorithm runs until it converges.
    """

    count: Callable[[JaxprEqn], Operation]
    algebra: Algebra = "other"
    addresses: slice | None = None
    combines: bool = False
    is_assumed: bool = False


def _outputs(eqn: JaxprEqn) -> int:
    return max(map(size, eqn.outvars))


def _nothing(eqn: JaxprEqn) -> Operation:
    return NOTHING


def _elementwise(eqn: JaxprEqn) -> Operation:
    return rules.elementwise(_outputs(eqn))


def _dot_general(eqn: JaxprEqn) -> Operation:
    (contracted, _), _ = eqn.params["dimension_numbers"]
    left = shape(eqn.invars[0])
    return rules.matrix_product(_outputs(eqn), math.prod(left[axis] for axis in contracted))


def _ragged_dot(eqn: JaxprEqn) -> Operation:
    """Every row meets the matrix of its group."""
    (contracted, _), _ = eqn.params["ragged_dot_dimension_numbers"].dot_dimension_numbers
    left = shape(eqn.invars[0])
    return rules.matrix_product(_outputs(eqn), math.prod(left[axis] for axis in contracted))


def _convolution(eqn: JaxprEqn) -> Operation:
    """As a matrix product whose terms are the size of one output channel's kernel."""
    kernel = shape(eqn.invars[1])
    channels = kernel[eqn.params["dimension_numbers"].rhs_spec[0]]
    return rules.matrix_product(_outputs(eqn), math.prod(kernel) // max(1, channels))


def _reduction(eqn: JaxprEqn) -> Operation:
    return rules.reduction(size(eqn.invars[0]), size(eqn.outvars[0]))


def _window(eqn: JaxprEqn) -> Operation:
    return rules.window(_outputs(eqn), math.prod(eqn.params["window_dimensions"]))


def _prefix(eqn: JaxprEqn) -> Operation:
    return rules.prefix(_outputs(eqn), shape(eqn.invars[0])[eqn.params["axis"]])


def _devices(eqn: JaxprEqn) -> Operation:
    """A sum over devices, an operation an element; how many devices there are is not in the equation."""
    return rules.prefix(sum(map(size, eqn.outvars)), 2)


def _gather(eqn: JaxprEqn) -> Operation:
    return rules.lookup(_outputs(eqn), size(eqn.invars[0]) // max(1, math.prod(eqn.params["slice_sizes"])))


def _dynamic_slice(eqn: JaxprEqn) -> Operation:
    return rules.lookup(_outputs(eqn), _starts(shape(eqn.invars[0]), shape(eqn.outvars[0])))


def _dynamic_update(eqn: JaxprEqn) -> Operation:
    return rules.lookup(size(eqn.invars[1]), _starts(shape(eqn.invars[0]), shape(eqn.invars[1])))


def _starts(whole: tuple[int, ...], part: tuple[int, ...]) -> int:
    """At how many places a block fits into an array."""
    return math.prod(n - m + 1 for n, m in zip(whole, part, strict=True))


def _scatter(eqn: JaxprEqn) -> Operation:
    return rules.lookup(size(eqn.invars[2]), size(eqn.invars[0]))


def _scatter_combining(eqn: JaxprEqn) -> Operation:
    depth, index = shape(eqn.invars[1])[-1:], size(eqn.invars[1])
    return rules.scatter(size(eqn.invars[2]), index // max(1, *depth))


def _sort(eqn: JaxprEqn) -> Operation:
    axes = [eqn.params[name] for name in ("dimension", "axis", "reduction_dimension") if name in eqn.params]
    length = shape(eqn.invars[0])[axes[0] if axes else -1]
    return rules.sort(size(eqn.invars[0]) // max(1, length), length)


def _fft(eqn: JaxprEqn) -> Operation:
    lengths = eqn.params["fft_lengths"]
    elements = max(size(eqn.invars[0]), _outputs(eqn))
    one = [rules.fourier(elements // max(1, length), length) for length in lengths]
    return one[0].then(*one[1:]) if one else NOTHING


def _matrices(eqn: JaxprEqn) -> tuple[int, int, int]:
    """Matrices in the batch, their rows and columns."""
    rows, columns = shape(eqn.invars[0])[-2:]
    return size(eqn.invars[0]) // max(1, rows * columns), rows, columns


def _lu(eqn: JaxprEqn) -> Operation:
    return rules.lu(*_matrices(eqn))


def _cholesky(eqn: JaxprEqn) -> Operation:
    batch, _, columns = _matrices(eqn)
    return rules.cholesky(batch, columns)


def _triangular(eqn: JaxprEqn) -> Operation:
    return rules.triangular_solve(shape(eqn.invars[0])[-1], _outputs(eqn))


def _householder(eqn: JaxprEqn) -> Operation:
    return rules.householder(*_matrices(eqn))


def _reflected(eqn: JaxprEqn) -> Operation:
    """k reflections of m rows, applied to every column: 2 k (2 m − k) operations each."""
    rows, reflections = shape(eqn.invars[0])[-2:]
    columns = size(eqn.invars[2]) // max(1, rows)
    work, steps = 2 * reflections * max(0, 2 * rows - reflections) * columns, 2 * reflections
    return Operation(work, steps, steps * (1 + rules.doublings(rows))) if work else NOTHING


def _chosen_in_windows(eqn: JaxprEqn) -> Operation:
    """The extremum of every window, and what stands beside it moved or added there."""
    windows = size(eqn.invars[0]) if "scatter" in eqn.primitive.name else _outputs(eqn)
    terms = math.prod(eqn.params["window_dimensions"])
    return rules.window(windows, terms).then(rules.scatter(windows, terms))


def _tridiagonal_solve(eqn: JaxprEqn) -> Operation:
    """Forward elimination and back substitution (Thomas): 8 operations and 4 steps a row."""
    rows = shape(eqn.invars[0])[-1]
    return Operation(8 * _outputs(eqn), 4 * rows, 4 * rows) if _outputs(eqn) else NOTHING


# Operations of the textbook algorithms, with vectors where they are asked for (Golub and Van Loan 2013).


def _eigh(eqn: JaxprEqn) -> Operation:
    batch, rows, columns = _matrices(eqn)
    return rules.iterative(batch, rows, columns, 9 * rows**3)


def _eig(eqn: JaxprEqn) -> Operation:
    batch, rows, columns = _matrices(eqn)
    return rules.iterative(batch, rows, columns, (25 if len(eqn.outvars) > 1 else 10) * rows**3)


def _svd(eqn: JaxprEqn) -> Operation:
    batch, rows, columns = _matrices(eqn)
    m, n = max(rows, columns), min(rows, columns)
    if eqn.params["compute_uv"] and not eqn.params["full_matrices"]:
        return rules.iterative(batch, rows, columns, 14 * m * n * n + 8 * n**3)
    if eqn.params["compute_uv"]:
        return rules.iterative(batch, rows, columns, 4 * m * m * n + 8 * m * n * n + 9 * n**3)
    return rules.iterative(batch, rows, columns, max(1, (12 * m * n * n - 4 * n**3) // 3))


def _hessenberg(eqn: JaxprEqn) -> Operation:
    """10 n³ / 3 operations, 4 n³ / 3 where the matrix is symmetric."""
    batch, rows, _ = _matrices(eqn)
    work = batch * (4 if eqn.primitive.name == "tridiagonal" else 10) * rows**3 // 3
    steps = 2 * rows
    return Operation(work, steps, steps * (1 + rules.doublings(rows))) if work else NOTHING


def _gamma(eqn: JaxprEqn) -> Operation:
    """Rejection sampling (Marsaglia and Tsang 2000), taken to accept at once."""
    return rules.elementwise(_outputs(eqn), 10)


_MOVED = """
    all_gather all_gather_invariant all_gather_reduced all_to_all axis_index bitcast_convert_type
    broadcast_in_dim broadcast_to concatenate copy create_token device_put dimension_size empty empty2
    from_edtype iota layout_constraint name optimization_barrier pad pbroadcast platform_index
    ppermute preduced pvary random_clone random_unwrap random_wrap reduced_vary_cast_p reshape reshard rev
    sharding_constraint slice split squeeze stack stage stop_gradient tie tile to_edtype transpose unstack
    with_memory_space_constraint after_all nonbatchable nontraceable"""

_LINEAR = "add add_any sub neg real imag conj complex"

_NONLINEAR = """
    abs acos acosh and asin asinh atan atan2 atanh bessel_i0e bessel_i1e cbrt ceil clamp clz cos cosh digamma
    eq eq_to erf erf_inv erfc exp exp2 expm1 floor ge gt igamma igamma_grad_a igammac is_finite le le_to
    lgamma log log1p logistic lt lt_to ne nextafter not or polygamma population_count pow
    regularized_incomplete_beta rem round rsqrt shift_left shift_right_arithmetic shift_right_logical sign sin
    sinh sqrt tan tanh xor zeta"""

_KINDS: list[tuple[Rule, str]] = [
    (Rule(_nothing, "move"), _MOVED),
    (Rule(_nothing, "move"), "convert_element_type reduce_precision"),
    (Rule(_elementwise, "sum"), _LINEAR),
    (Rule(_elementwise, "product"), "mul mulhi"),
    (Rule(_elementwise, "quotient"), "div"),
    (Rule(_elementwise, "max"), "max"),
    (Rule(_elementwise, "min"), "min"),
    (Rule(_elementwise, "choice"), "select_n select_if_vmap"),
    (Rule(_elementwise), _NONLINEAR + " integer_pow square"),
    (Rule(_dot_general, "product"), "dot_general"),
    (Rule(_ragged_dot, "product"), "ragged_dot_general"),
    (Rule(_convolution, "product"), "conv_general_dilated"),
    (Rule(_reduction, "sum"), "reduce_sum"),
    (Rule(_reduction, "max"), "reduce_max"),
    (Rule(_reduction, "min"), "reduce_min"),
    (
        Rule(_reduction),
        "argmax argmin reduce_and reduce_or reduce_prod reduce_xor unvmap_all unvmap_any unvmap_max",
    ),
    (Rule(_window, "sum"), "reduce_window_sum"),
    (Rule(_window, "max"), "reduce_window_max"),
    (Rule(_window, "min"), "reduce_window_min"),
    (Rule(_chosen_in_windows), "select_and_gather_add select_and_scatter_add"),
    (Rule(_prefix, "sum"), "cumsum"),
    (Rule(_prefix, "max"), "cummax"),
    (Rule(_prefix, "min"), "cummin"),
    (Rule(_prefix), "cumlogsumexp cumprod"),
    (Rule(_devices, "sum"), "psum psum_invariant reduce_scatter unreduced_psum unreduced_reduce_scatter"),
    (Rule(_devices, "max"), "pmax"),
    (Rule(_devices, "min"), "pmin"),
    (Rule(_gather, "lookup", addresses=slice(1, 2)), "gather"),
    (Rule(_dynamic_slice, "lookup", addresses=slice(1, None)), "dynamic_slice"),
    (Rule(_dynamic_update, "write", addresses=slice(2, None)), "dynamic_update_slice"),
    (Rule(_scatter, "write", addresses=slice(1, 2)), "scatter"),
    (Rule(_scatter_combining, "write", addresses=slice(1, 2), combines=True), "scatter-add scatter-sub"),
    (Rule(_scatter_combining, addresses=slice(1, 2), combines=True), "scatter-max scatter-min scatter-mul"),
    (
        Rule(_elementwise),
        """
        philox2x32 philox4x32 random_bits random_fold_in random_seed random_split rng_bit_generator
        rng_uniform threefry2x32 threefry4x32""",
    ),
    (Rule(_gamma, is_assumed=True), "random_gamma"),
    (Rule(_sort), "sort top_k approx_top_k lu_pivots_to_permutation"),
    (Rule(_fft, "sum"), "fft"),
    (Rule(_lu), "lu"),
    (Rule(_cholesky), "cholesky cholesky_update"),
    (Rule(_triangular), "triangular_solve"),
    (Rule(_tridiagonal_solve), "tridiagonal_solve"),
    (Rule(_householder), "geqp3 geqrf householder_product qr"),
    (Rule(_reflected), "ormqr"),
    (Rule(_hessenberg), "hessenberg tridiagonal"),
    (Rule(_eigh, is_assumed=True), "eigh"),
    (Rule(_eig, is_assumed=True), "eig schur"),
    (Rule(_svd, is_assumed=True), "svd"),
]

RULES = {name: rule for rule, names in _KINDS for name in names.split()}
"""Primitive → rule."""
