"""The table: what every JAX primitive costs, and the cost models.

Work is the same in all cost models: the number of scalar operations. Span differs:

    unit    every operation that computes is one step, whatever its fan-in: a sum of n terms, a matrix
            product, an argmax and a prefix sum are one step each (unbounded fan-in, as in AC0 and TC0)
    layer   a matrix product or convolution is one step, everything else none. Appendix C.3 of "The Serial
            Scaling Hypothesis" counts layers, each of which is several products (six in our Transformer)

An operation on nothing, such as a sum of one term, is no work and no step. A primitive that is not in RULES
has no cost: it is an error, not zero.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

from jax.extend.core import JaxprEqn

from .jaxprs import shape, size


@dataclass(frozen=True)
class Rule:
    """The cost of one primitive.

    `work` counts its operations and `steps` the length of its chain in the `unit` model. `addresses`
    names the operands that hold the index of a lookup: a lookup whose index is known before the run only
    moves data at fixed places, and is free unless it `combines` what it finds with what it brings.
    """

    work: Callable[[JaxprEqn], int]
    steps: Callable[[JaxprEqn], int]
    is_product: bool = False
    addresses: slice | None = None
    combines: bool = False


@dataclass(frozen=True)
class CostModel:
    """How the steps of a rule count. `choice` is the span of waiting for a predicate (cond, while)."""

    steps: Callable[[Rule, JaxprEqn], int]
    choice: int


COST_MODELS = {
    "unit": CostModel(steps=lambda rule, eqn: rule.steps(eqn), choice=1),
    "layer": CostModel(steps=lambda rule, eqn: int(rule.is_product), choice=0),
}


def none(eqn: JaxprEqn) -> int:
    """Nothing to do."""
    return 0


def one(eqn: JaxprEqn) -> int:
    """A single step."""
    return 1


def per_output(eqn: JaxprEqn) -> int:
    """One operation for every element of the output."""
    return max(map(size, eqn.outvars))


def matrix_product(eqn: JaxprEqn) -> int:
    """k multiplications and k additions for every output; k is the contracted size."""
    (contracted, _), _ = eqn.params["dimension_numbers"]
    left = shape(eqn.invars[0])
    return 2 * math.prod(left[axis] for axis in contracted) * per_output(eqn)


def convolution(eqn: JaxprEqn) -> int:
    """As a matrix product whose k is the size of one output channel's kernel."""
    kernel = shape(eqn.invars[1])
    channels = kernel[eqn.params["dimension_numbers"].rhs_spec[0]]
    return 2 * (math.prod(kernel) // max(1, channels)) * per_output(eqn)


def reduction(eqn: JaxprEqn) -> int:
    """n terms take n − 1 operations."""
    return max(0, size(eqn.invars[0]) - size(eqn.outvars[0]))


def window(eqn: JaxprEqn) -> int:
    """A reduction of one window for every output."""
    return (math.prod(eqn.params["window_dimensions"]) - 1) * per_output(eqn)


def _rounds(eqn: JaxprEqn) -> tuple[int, int]:
    """Elements to a line, and rounds of the network that sorts it: r (r + 1) / 2 for r = ⌈log2 n⌉."""
    length = shape(eqn.invars[0])[eqn.params.get("dimension", -1)]
    doublings = max(0, length - 1).bit_length()
    return length, doublings * (doublings + 1) // 2


def network_steps(eqn: JaxprEqn) -> int:
    """The depth of the bitonic comparison network (Batcher 1968): one step a round."""
    return _rounds(eqn)[1]


def network_work(eqn: JaxprEqn) -> int:
    """⌊n / 2⌋ comparisons for every round and every line."""
    length, rounds = _rounds(eqn)
    lines = size(eqn.invars[0]) // max(1, length)
    return lines * (length // 2) * rounds


def columns(eqn: JaxprEqn) -> int:
    """A factorisation or substitution takes one step for every column of its matrix."""
    return shape(eqn.invars[0])[-1]


def substitution(eqn: JaxprEqn) -> int:
    """k² operations for every right-hand side of k rows."""
    return columns(eqn) * per_output(eqn)


def cholesky(eqn: JaxprEqn) -> int:
    """Column j of k: a root, k − 1 − j divisions, a symmetric update: k (k + 1) (2k + 1) / 6 in all."""
    k = columns(eqn)
    return size(eqn.invars[0]) // max(1, k * k) * (k * (k + 1) * (2 * k + 1) // 6)


def elimination(eqn: JaxprEqn) -> int:
    """Pivot j of an m × n matrix: m − 1 − j divisions, then a product and a sum for each entry left."""
    rows, width = shape(eqn.invars[0])[-2:]
    matrices = size(eqn.invars[0]) // max(1, rows * width)
    left = [(rows - 1 - j, width - 1 - j) for j in range(min(rows, width))]
    return matrices * sum(below + 2 * below * beside for below, beside in left)


def brought(operand: int) -> Callable[[JaxprEqn], int]:
    """One operation for every element of the operand that is written."""
    return lambda eqn: size(eqn.invars[operand])


_KINDS = [
    # Moves data at fixed places, or only renames it.
    (
        Rule(none, none),
        """
        all_gather all_to_all bitcast_convert_type broadcast_in_dim concatenate convert_element_type copy
        copy_p device_put empty2 expand_dims iota name optimization_barrier pad pbroadcast ppermute pvary
        random_clone random_unwrap random_wrap reduce_precision reshape rev sharding_constraint slice split
        squeeze stack stop_gradient transpose unstack""",
    ),
    # Elementwise.
    (
        Rule(per_output, one),
        """
        abs acos acosh add add_any and asin asinh atan atan2 atanh bessel_i0e bessel_i1e cbrt ceil clamp clz
        complex conj cos cosh digamma div eq eq_to erf erf_inv erfc exp exp2 expm1 floor ge gt igamma igammac
        imag integer_pow is_finite le le_to lgamma log log1p logistic lt lt_to max min mul ne neg nextafter
        not or polygamma population_count pow real regularized_incomplete_beta rem round rsqrt select_n
        shift_left shift_right_arithmetic shift_right_logical sign sin sinh sqrt square sub tan tanh xor
        zeta""",
    ),
    (Rule(matrix_product, one, is_product=True), "dot_general"),
    (Rule(convolution, one, is_product=True), "conv_general_dilated"),
    (
        Rule(reduction, one),
        """
        argmax argmin reduce_and reduce_max reduce_min reduce_or reduce_prod reduce_sum reduce_xor""",
    ),
    (Rule(window, one), "reduce_window_max reduce_window_min reduce_window_sum"),
    # Prefix sums and their kin, and sums across devices: one step, one operation an element.
    (Rule(per_output, one), "cumlogsumexp cummax cummin cumprod cumsum pmax pmin psum psum_invariant"),
    # Lookups. The index is an operand.
    (Rule(per_output, one, addresses=slice(1, 2)), "gather"),
    (Rule(per_output, one, addresses=slice(1, None)), "dynamic_slice"),
    (Rule(brought(1), one, addresses=slice(2, None)), "dynamic_update_slice"),
    (Rule(brought(2), one, addresses=slice(1, 2)), "scatter"),
    (
        Rule(brought(2), one, addresses=slice(1, 2), combines=True),
        """
        scatter-add scatter-max scatter-min scatter-mul scatter-sub""",
    ),
    # Random numbers.
    (
        Rule(per_output, one),
        """
        random_bits random_fold_in random_seed random_split rng_bit_generator rng_uniform threefry2x32""",
    ),
    # A comparison network.
    (Rule(network_work, network_steps), "sort top_k"),
    # Linear systems: one step a column.
    (Rule(elimination, columns), "lu"),
    (Rule(cholesky, columns), "cholesky"),
    (Rule(substitution, columns), "triangular_solve"),
]

RULES = {name: rule for rule, names in _KINDS for name in names.split()}
"""Primitive → rule. Calls, scan, while and cond are not here: `interpret` goes inside them."""
