"""The values an integer can take: interval arithmetic over an inlined jaxpr.

A loop whose carries take few values is a finite machine, and maps of finitely many states compose as tables.
Which values they take is read from remainders, masks, clamps, arguments of maxima, and known tables.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax.extend.core import Jaxpr, JaxprEqn, Literal

from ..jaxprs import dtype, shape

Range = tuple[int, int] | None
"""Smallest and largest value; None: not known."""


def of_value(value: Any) -> Range:
    """The range of an array that is known."""
    kind = jnp.result_type(value)
    if not (jnp.issubdtype(kind, np.integer) or kind == np.bool_) or not np.size(value):
        return None
    array = np.asarray(value)
    return int(array.min()), int(array.max())


def ranges(jaxpr: Jaxpr, known: Mapping[Any, Range]) -> list[Range]:
    """The ranges of the outputs, given those of some values."""
    found: dict[Any, Range] = dict(known)

    def read(atom: Any) -> Range:
        if isinstance(atom, Literal):
            return of_value(atom.val)
        if dtype(atom) == np.bool_:
            return (0, 1)
        return found.get(atom)

    for eqn in jaxpr.eqns:
        rule = _RULES.get(eqn.primitive.name)
        operands = [read(atom) for atom in eqn.invars]
        result = rule(eqn, operands) if rule else None
        for variable in eqn.outvars:
            found[variable] = _within(dtype(variable), result)
    return [read(atom) for atom in jaxpr.outvars]


def _within(kind: Any, found: Range) -> Range:
    """The range, if the type holds it without wrapping around."""
    if found is None or not jnp.issubdtype(kind, np.integer):
        return found if found is not None and kind == np.bool_ else None
    limits = jnp.iinfo(kind)
    return found if limits.min <= found[0] and found[1] <= limits.max else None


def union(*found: Range) -> Range:
    """The range of a value that is one of several."""
    lows_highs = [each for each in found if each is not None]
    if len(lows_highs) < len(found) or not found:
        return None
    return min(low for low, _ in lows_highs), max(high for _, high in lows_highs)


def _first(eqn: JaxprEqn, operands: Sequence[Range]) -> Range:
    return operands[0]


def _all(eqn: JaxprEqn, operands: Sequence[Range]) -> Range:
    return union(*operands)


def _corners(combine: Any) -> Any:
    def rule(eqn: JaxprEqn, operands: Sequence[Range]) -> Range:
        left, right = operands
        if left is None or right is None:
            return None
        corners = [combine(a, b) for a in left for b in right]
        return min(corners), max(corners)

    return rule


def _rem(eqn: JaxprEqn, operands: Sequence[Range]) -> Range:
    """The sign of a remainder is that of the dividend."""
    left, right = operands
    if right is None or right[0] <= 0:
        return None
    most = right[1] - 1
    if left is None:
        unsigned = jnp.issubdtype(dtype(eqn.outvars[0]), np.unsignedinteger)
        return (0 if unsigned else -most), most
    return max(-most, min(left[0], 0)), min(most, max(left[1], 0))


def _div(eqn: JaxprEqn, operands: Sequence[Range]) -> Range:
    left, right = operands
    if left is None or right is None or right[0] <= 0:
        return None
    corners = [int(a / b) for a in left for b in right]
    return min(*corners, 0), max(*corners, 0)


def _and(eqn: JaxprEqn, operands: Sequence[Range]) -> Range:
    masks = [each[1] for each in operands if each is not None and each[0] >= 0]
    return (0, min(masks)) if masks else None


def _or(eqn: JaxprEqn, operands: Sequence[Range]) -> Range:
    if any(each is None or each[0] < 0 for each in operands):
        return None
    bits = max(each[1] for each in operands if each is not None).bit_length()
    return 0, (1 << bits) - 1


def _full(eqn: JaxprEqn, found: Range) -> tuple[int, int]:
    """A range that is not known is that of the type."""
    if found is not None:
        return found
    limits = jnp.iinfo(dtype(eqn.outvars[0]))
    return int(limits.min), int(limits.max)


def _ordered(rule: Any) -> Any:
    """Maxima, minima and clamps of integers, which bound even what is not known."""

    def bounded(eqn: JaxprEqn, operands: Sequence[Range]) -> Range:
        if not jnp.issubdtype(dtype(eqn.outvars[0]), np.integer):
            return None
        return rule(*(_full(eqn, found) for found in operands))

    return bounded


_max = _ordered(lambda a, b: (max(a[0], b[0]), max(a[1], b[1])))
_min = _ordered(lambda a, b: (min(a[0], b[0]), min(a[1], b[1])))
_clamp = _ordered(lambda low, x, high: (min(max(low[0], x[0]), high[0]), min(max(low[1], x[1]), high[1])))


def _select(eqn: JaxprEqn, operands: Sequence[Range]) -> Range:
    return union(*operands[1:])


def _argument(eqn: JaxprEqn, operands: Sequence[Range]) -> Range:
    return 0, max(0, int(np.prod([shape(eqn.invars[0])[axis] for axis in eqn.params["axes"]], dtype=int)) - 1)


def _iota(eqn: JaxprEqn, operands: Sequence[Range]) -> Range:
    return 0, max(0, eqn.params["shape"][eqn.params["dimension"]] - 1)


def _gather(eqn: JaxprEqn, operands: Sequence[Range]) -> Range:
    """Places outside of the array are filled with another value in one mode, and clipped in the others."""
    return None if "FILL" in str(eqn.params["mode"]) else operands[0]


def _written(eqn: JaxprEqn, operands: Sequence[Range]) -> Range:
    return union(operands[0], operands[2 if eqn.primitive.name == "scatter" else 1])


def _boolean(eqn: JaxprEqn, operands: Sequence[Range]) -> Range:
    return (0, 1) if dtype(eqn.outvars[0]) == np.bool_ else None


def _negative(eqn: JaxprEqn, operands: Sequence[Range]) -> Range:
    return None if operands[0] is None else (-operands[0][1], -operands[0][0])


def _sign(eqn: JaxprEqn, operands: Sequence[Range]) -> Range:
    return -1, 1


_RULES = {
    **dict.fromkeys(
        [
            "broadcast_in_dim",
            "reshape",
            "transpose",
            "squeeze",
            "expand_dims",
            "slice",
            "rev",
            "copy",
            "copy_p",
            "convert_element_type",
            "dynamic_slice",
            "reduce_max",
            "reduce_min",
            "cummax",
            "cummin",
            "stop_gradient",
        ],
        _first,
    ),
    **dict.fromkeys(["concatenate", "pad"], _all),
    **dict.fromkeys(
        ["eq", "ne", "lt", "le", "gt", "ge", "not", "reduce_and", "reduce_or", "is_finite"], _boolean
    ),
    **dict.fromkeys(["argmax", "argmin"], _argument),
    **dict.fromkeys(["dynamic_update_slice", "scatter"], _written),
    **dict.fromkeys(["or", "xor"], _or),
    "add": _corners(lambda a, b: a + b),
    "sub": _corners(lambda a, b: a - b),
    "mul": _corners(lambda a, b: a * b),
    "and": _and,
    "rem": _rem,
    "div": _div,
    "max": _max,
    "min": _min,
    "clamp": _clamp,
    "select_n": _select,
    "iota": _iota,
    "gather": _gather,
    "neg": _negative,
    "sign": _sign,
}
