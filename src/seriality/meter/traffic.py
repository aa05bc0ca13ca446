"""Bytes that a program moves: what the bandwidth of a memory has to carry, as a count.

**Convention.** Matrix products, convolutions, sorts and the textbook algorithms of linear algebra read each
operand once and write each result once. A lookup reads its index and what it finds, and writes what it found;
a write to places reads its index and what it brings, and writes that in place; where it combines, it reads
the places too. Everything else is fused with what stands before it, as compilers do: elementwise operations,
reductions, moves to known places. The bytes of a loop are those of an iteration times its trips, and what is
known before the run, or needed by no result, is not counted: the same as for work.

This is the traffic of a machine whose caches hold nothing from one operation to the next (the Q of the
roofline, Williams, Waterman and Patterson 2009, without reuse between operations). A program of elementwise
operations alone moves nothing by this count. It is of JAX programs.
"""

import math
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend.core import JaxprEqn

from .jaxprs import dtype, size

_WHOLE = {
    *("dot_general", "ragged_dot_general", "conv_general_dilated", "fft", "sort", "top_k", "approx_top_k"),
    *("lu", "cholesky", "cholesky_update", "triangular_solve", "tridiagonal_solve", "geqp3", "geqrf", "qr"),
    *("householder_product", "ormqr", "hessenberg", "tridiagonal", "eigh", "eig", "schur", "svd"),
}
"""Operands and results, each once."""

_LOOKUPS = {"gather": 1, "dynamic_slice": 1}
"""From which operand on the index stands."""

_WRITES = {"dynamic_update_slice": 1, "scatter": 2} | {
    f"scatter-{how}": 2 for how in ("add", "sub", "mul", "min", "max")
}
"""Which operand holds what is written."""


def moved(eqn: JaxprEqn) -> int:
    """The bytes that one equation moves, by the convention."""
    name = eqn.primitive.name
    if name in _WHOLE:
        return sum(map(held, (*eqn.invars, *eqn.outvars)))
    if name in _LOOKUPS:
        return sum(map(held, eqn.invars[_LOOKUPS[name] :])) + 2 * sum(map(held, eqn.outvars))
    if name in _WRITES:
        place = _WRITES[name]
        written, index = eqn.invars[place], [*eqn.invars[1:place], *eqn.invars[place + 1 :]]
        return sum(map(held, index)) + (3 if name.startswith("scatter-") else 2) * held(written)
    return 0


def held(atom: Any) -> int:
    """The bytes of a value. Elements of less than a byte are packed."""
    kind = dtype(atom)
    is_key = jnp.issubdtype(kind, jax.dtypes.extended)
    bits = 8 * kind.itemsize if is_key else jax.dtypes.itemsize_bits(kind)
    return math.ceil(size(atom) * bits / 8)
