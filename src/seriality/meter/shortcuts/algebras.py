"""Whether the update of a loop is affine in its carries, over the ring or over a tropical semiring.

**Definition.** An algebra has a sum and a product that distributes over it: (+, ×), (max, +) or (min, +). An
update is affine when every result is a sum of products of one carry with what does not depend on the carries.
Affine maps compose to affine maps, so a prefix of n of them takes ⌈log2 n⌉ rounds (Blelloch 1990;
Kogge and Stone 1973 for linear recurrences).

**Method.** An abstract interpretation of the body: each value is free of the carries, affine in them, or
neither, and the first operation that is neither is the culprit. Beside it, for each value and each axis of
each carry, the axis of the value that it is *aligned* with: element i along the one needs only element i
along the other. Aligned axes are batches of small maps; the axes left are rows of a matrix.

What it does not see: affinity by cancellation, a map that is affine after a change of variables, and sums and
maxima written as comparisons and selections.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.extend.core import Jaxpr, JaxprEqn, Var

from .. import jaxprs
from ..jaxprs import dtype, shape
from ..primitives import RULES

Axis = tuple[int, bool]
"""An axis of a value, and whether the map from carry to value is the same all along it."""

Axes = tuple[Axis | None, ...]
"""For each axis of a carry, the axis of a value that it is aligned with, or None."""

Needs = Mapping[int, Axes]
"""The carries a value depends on. Empty: none."""


@dataclass(frozen=True)
class Algebra:
    """A sum, the reductions that belong to it, and the operands in which a product is linear."""

    name: str
    sums: frozenset[str]
    products: Mapping[str, tuple[int, ...]]


RING = Algebra(
    "affine",
    frozenset(
        [
            "add",
            "add_any",
            "sub",
            "neg",
            "reduce_sum",
            "cumsum",
            "reduce_window_sum",
            "psum",
            "psum_invariant",
            "fft",
            "complex",
        ]
    ),
    {
        "mul": (0, 1),
        "div": (0,),
        "dot_general": (0, 1),
        "conv_general_dilated": (0, 1),
        "triangular_solve": (1,),
    },
)
MAX_PLUS = Algebra(
    "max-plus",
    frozenset(["max", "reduce_max", "cummax", "reduce_window_max", "pmax"]),
    {"add": (0, 1), "add_any": (0, 1), "sub": (0,)},
)
MIN_PLUS = Algebra(
    "min-plus",
    frozenset(["min", "reduce_min", "cummin", "reduce_window_min", "pmin"]),
    {"add": (0, 1), "add_any": (0, 1), "sub": (0,)},
)
ANY = Algebra("any", frozenset(), {})
"""No algebra: nothing is a culprit, and only the alignment is followed."""


class NotInAlgebra(Exception):
    """An operation that takes the carries out of the algebra."""

    def __init__(self, eqn: JaxprEqn):
        self.eqn = eqn
        super().__init__(f"{eqn.primitive.name} at {jaxprs.where(eqn)[0]}")


def follow(jaxpr: Jaxpr, needs: Sequence[Needs], algebra: Algebra) -> list[Needs]:
    """What every output of an inlined jaxpr needs, given what its inputs need.

    Raises NotInAlgebra at the first operation that is not affine in the carries.
    """
    found: dict[Any, Needs] = dict(zip(jaxpr.invars, needs, strict=True))
    spread: dict[Any, frozenset[int]] = {}

    def read(atom: Any) -> Needs:
        return found.get(atom, {}) if isinstance(atom, Var) else {}

    for eqn in jaxpr.eqns:
        operands = [read(atom) for atom in eqn.invars]
        if any(operands):
            results = _results(eqn, operands, algebra)
            varied = _varied(eqn, operands, spread, algebra)
            found.update(
                (variable, _uneven(needs, varied))
                for variable, needs in zip(eqn.outvars, results, strict=True)
            )
        elif eqn.primitive.name == "broadcast_in_dim":
            given, places = shape(eqn.invars[0]), eqn.params["broadcast_dimensions"]
            real = {place for place, n in zip(places, given, strict=True) if n > 1}
            spread[eqn.outvars[0]] = frozenset(range(len(eqn.params["shape"]))) - real
    return [read(atom) for atom in jaxpr.outvars]


def _varied(
    eqn: JaxprEqn, operands: list[Needs], spread: Mapping[Any, frozenset[int]], algebra: Algebra
) -> frozenset[int]:
    """The axes of the result along which what is free of the carries changes the map from them.

    `spread` names the axes along which a value is known to be the same.
    """
    name, output = eqn.primitive.name, shape(eqn.outvars[0])
    every = frozenset(range(len(output)))
    if algebra is ANY or name in _INNER:
        return every
    if name == "dot_general":
        batched = len(eqn.params["dimension_numbers"][1][0])
        return frozenset(range(batched))
    if name in algebra.sums and name not in ("add", "add_any", "sub", "max", "min"):
        return frozenset()
    free = [atom for atom, operand in zip(eqn.invars, operands, strict=True) if not operand]
    if name in algebra.products:
        if name in ("conv_general_dilated", "triangular_solve"):
            return every
        along = [
            frozenset(axis for axis, n in enumerate(shape(atom)) if n > 1) - spread.get(atom, frozenset())
            for atom in free
            if isinstance(atom, Var)
        ]
        return frozenset().union(*along)
    if name in algebra.sums:
        return frozenset()
    if name == "select_n":
        if not shape(eqn.invars[0]):
            return frozenset()
        return (
            every - spread.get(eqn.invars[0], frozenset()) if isinstance(eqn.invars[0], Var) else frozenset()
        )
    return frozenset() if name in _EVEN else every


def _uneven(needs: Needs, axes: frozenset[int]) -> Needs:
    """The same needs, the map changing along some axes of the value."""
    return {
        carry: tuple(
            (axis[0], axis[1] and axis[0] not in axes) if axis is not None else None for axis in aligned
        )
        for carry, aligned in needs.items()
    }


def _results(eqn: JaxprEqn, operands: list[Needs], algebra: Algebra) -> list[Needs]:
    name, outputs = eqn.primitive.name, len(eqn.outvars)
    dependent = [place for place, operand in enumerate(operands) if operand]
    if name in _INNER:
        if algebra in (MAX_PLUS, MIN_PLUS):
            raise NotInAlgebra(eqn)
        return _INNER[name](eqn, operands, algebra)
    if name == "convert_element_type" and algebra is not ANY:
        is_order_kept = np.dtype(dtype(eqn.invars[0])) == np.dtype(eqn.params["new_dtype"])
        is_real = jnp.issubdtype(eqn.params["new_dtype"], np.floating)
        if not keeps_numbers(eqn) or not (algebra is RING or is_order_kept or is_real):
            raise NotInAlgebra(eqn)
    if name in _MOVES or name in ("stop_gradient", "select_n", "gather", "dynamic_slice", *_WRITES):
        if any(operands[place] for place in addressed(eqn)) and algebra is not ANY:
            raise NotInAlgebra(eqn)
        if name in _COMBINED and algebra is not _COMBINED[name] and algebra is not ANY:
            raise NotInAlgebra(eqn)
    elif algebra is not ANY:
        if name in algebra.products:
            if name == "div" and not jnp.issubdtype(dtype(eqn.outvars[0]), np.inexact):  # it rounds
                raise NotInAlgebra(eqn)
            if len(dependent) > 1 or dependent[0] not in algebra.products[name]:
                raise NotInAlgebra(eqn)
        elif name not in algebra.sums:
            raise NotInAlgebra(eqn)
    result = _aligned(eqn, operands, dependent)
    return [result] * outputs


def addressed(eqn: JaxprEqn) -> Sequence[int]:
    """The operands that say which elements are moved, and are no elements themselves."""
    if eqn.primitive.name == "select_n":
        return (0,)
    index = RULES[eqn.primitive.name].addresses
    return () if index is None else range(len(eqn.invars))[index]


def keeps_numbers(eqn: JaxprEqn) -> bool:
    """Whether a cast keeps the carries' arithmetic: between floats, or between integers of one width."""
    before, after = dtype(eqn.invars[0]), eqn.params["new_dtype"]
    if jnp.issubdtype(before, np.inexact) and jnp.issubdtype(after, np.inexact):
        return jnp.issubdtype(before, np.complexfloating) == jnp.issubdtype(after, np.complexfloating)
    both = jnp.issubdtype(before, np.integer) and jnp.issubdtype(after, np.integer)
    return both and jnp.iinfo(before).bits == jnp.iinfo(after).bits


# Alignment.


def join(*needs: Needs) -> Needs:
    """What a value needs that is made of several, element by element."""
    total: dict[int, Axes] = {}
    for need in needs:
        for carry, axes in need.items():
            if carry in total:
                axes = tuple(
                    (one[0], one[1] and other[1]) if one and other and one[0] == other[0] else None
                    for one, other in zip(total[carry], axes, strict=True)
                )
            total[carry] = axes
    return total


def moved(needs: Needs, to: Callable[[int], int | None]) -> Needs:
    """The same needs after axis a of the value went to axis `to(a)`, or was lost."""

    def place(axis: Axis | None) -> Axis | None:
        target = None if axis is None else to(axis[0])
        return None if axis is None or target is None else (target, axis[1])

    return {carry: tuple(place(axis) for axis in axes) for carry, axes in needs.items()}


def mixed(needs: Needs) -> Needs:
    """The same needs, nothing aligned."""
    return moved(needs, lambda axis: None)


def _aligned(eqn: JaxprEqn, operands: list[Needs], dependent: list[int]) -> Needs:
    name = eqn.primitive.name
    if name in _ALIGNMENTS:
        return _ALIGNMENTS[name](eqn, operands)
    output = shape(eqn.outvars[0])
    if name in _ELEMENTWISE and all(len(shape(eqn.invars[place])) == len(output) for place in dependent):
        return join(*(_whole(eqn.invars[place], operands[place], output) for place in dependent))
    return mixed(join(*(mixed(operands[place]) for place in dependent)))


def _whole(atom: Any, needs: Needs, output: tuple[int, ...]) -> Needs:
    """The same needs for a result of which the value spans some axes whole, and is repeated along others."""
    given = shape(atom)
    return moved(needs, lambda axis: axis if given[axis] == output[axis] else None)


def _broadcast(eqn: JaxprEqn, operands: list[Needs]) -> Needs:
    places = eqn.params["broadcast_dimensions"]
    return moved(operands[0], lambda axis: int(places[axis]))


def _transpose(eqn: JaxprEqn, operands: list[Needs]) -> Needs:
    order = list(eqn.params["permutation"])
    return moved(operands[0], lambda axis: order.index(axis))


def _reshape(eqn: JaxprEqn, operands: list[Needs]) -> Needs:
    """Axes that keep their size and the number of elements before them stay."""
    before, after = shape(eqn.invars[0]), shape(eqn.outvars[0])
    ahead = {(int(np.prod(after[:a], dtype=int)), size): a for a, size in enumerate(after) if size > 1}
    return moved(operands[0], lambda axis: ahead.get((int(np.prod(before[:axis], dtype=int)), before[axis])))


def _squeeze(eqn: JaxprEqn, operands: list[Needs]) -> Needs:
    kept = [a for a in range(len(shape(eqn.invars[0]))) if a not in set(eqn.params["dimensions"])]
    return moved(operands[0], lambda axis: kept.index(axis) if axis in kept else None)


def _same_size(eqn: JaxprEqn, operands: list[Needs]) -> Needs:
    """Slices and the like: an axis that is taken whole stays."""
    output = shape(eqn.outvars[0])
    found: list[Needs] = []
    for atom, operand in zip(eqn.invars, operands, strict=True):
        if operand:
            given = shape(atom)
            found.append(_whole(atom, operand, output) if len(given) == len(output) else mixed(operand))
    return join(*found)


def _rev(eqn: JaxprEqn, operands: list[Needs]) -> Needs:
    turned = set(eqn.params["dimensions"])
    return moved(operands[0], lambda axis: None if axis in turned else axis)


def _write(eqn: JaxprEqn, operands: list[Needs]) -> Needs:
    """What is written over stays aligned; what is written, only along the axes it fills."""
    whole, part = shape(eqn.invars[0]), shape(eqn.invars[1])
    kept = moved(
        operands[1], lambda axis: axis if len(part) == len(whole) and part[axis] == whole[axis] else None
    )
    return join(operands[0], kept, *(mixed(operand) for operand in operands[2:]))


def _scatter(eqn: JaxprEqn, operands: list[Needs]) -> Needs:
    return join(operands[0], mixed(operands[1]), mixed(operands[2]))


def _reduced(eqn: JaxprEqn, operands: list[Needs]) -> Needs:
    gone = set(eqn.params["axes"])
    kept = [a for a in range(len(shape(eqn.invars[0]))) if a not in gone]
    return join(
        *(moved(operand, lambda axis: kept.index(axis) if axis in kept else None) for operand in operands)
    )


def _along(eqn: JaxprEqn, operands: list[Needs]) -> Needs:
    name = "axis" if "axis" in eqn.params else "dimension"
    return join(
        *(moved(operand, lambda axis: None if axis == eqn.params[name] else axis) for operand in operands)
    )


def _select(eqn: JaxprEqn, operands: list[Needs]) -> Needs:
    output = shape(eqn.outvars[0])
    rest = [
        _whole(atom, needs, output) for atom, needs in zip(eqn.invars[1:], operands[1:], strict=True) if needs
    ]
    chosen = operands[0] if shape(eqn.invars[0]) == output else mixed(operands[0])
    return join(chosen, *rest)


def _dot(eqn: JaxprEqn, operands: list[Needs]) -> Needs:
    (contracted, batched) = eqn.params["dimension_numbers"]
    free_before = 0
    found = []
    for side, (atom, operand) in enumerate(zip(eqn.invars, operands, strict=True)):
        batch, gone = list(batched[side]), set(contracted[side])
        free = [a for a in range(len(shape(atom))) if a not in batch and a not in gone]
        places = {axis: place for place, axis in enumerate(batch)}
        places |= {axis: len(batch) + free_before + place for place, axis in enumerate(free)}
        found.append(moved(operand, places.get))
        free_before += len(free)
    return join(*found)


def _gather(eqn: JaxprEqn, operands: list[Needs]) -> Needs:
    """Indices keep the axes along which they are looked up; what is looked up, none."""
    offsets = set(eqn.params["dimension_numbers"].offset_dims)
    batches = [a for a in range(len(shape(eqn.outvars[0]))) if a not in offsets]
    return join(
        mixed(operands[0]), moved(operands[1], lambda axis: batches[axis] if axis < len(batches) else None)
    )


def _inner_conditional(eqn: JaxprEqn, operands: list[Needs], algebra: Algebra) -> list[Needs]:
    if operands[0] and algebra is not ANY:
        raise NotInAlgebra(eqn)
    branches = [
        follow(jaxprs.inlined(branch).jaxpr, operands[1:], algebra) for branch in eqn.params["branches"]
    ]
    waited = mixed(operands[0])
    return [join(waited, *found) for found in zip(*branches, strict=True)]


def _inner_scan(eqn: JaxprEqn, operands: list[Needs], algebra: Algebra) -> list[Needs]:
    """The same for a loop inside the body, followed until its carries need no more."""
    consts, carries = eqn.params["num_consts"], eqn.params["num_carry"]
    body = jaxprs.inlined(eqn.params["jaxpr"]).jaxpr
    operands = [mixed(operand) for operand in operands]
    if not eqn.params["length"]:
        return [*operands[consts : consts + carries], *[{}] * (len(eqn.outvars) - carries)]
    while True:
        found = [mixed(result) for result in follow(body, operands, algebra)]
        grown = [
            join(before, after)
            for before, after in zip(operands[consts : consts + carries], found, strict=False)
        ]
        if grown == operands[consts : consts + carries]:
            return found
        operands = [*operands[:consts], *grown, *operands[consts + carries :]]


def _inner_while(eqn: JaxprEqn, operands: list[Needs], algebra: Algebra) -> list[Needs]:
    if algebra is not ANY:
        raise NotInAlgebra(eqn)
    everything = mixed(join(*(mixed(operand) for operand in operands)))
    return [everything] * len(eqn.outvars)


def _inner_solve(eqn: JaxprEqn, operands: list[Needs], algebra: Algebra) -> list[Needs]:
    solver, consts = jaxprs.linear_solve(eqn)
    sides = operands[sum(eqn.params["const_lengths"]) :]
    return follow(jaxprs.inlined(solver).jaxpr, [*map(mixed, operands[consts]), *map(mixed, sides)], algebra)


_INNER = {
    "cond": _inner_conditional,
    "scan": _inner_scan,
    "while": _inner_while,
    "custom_linear_solve": _inner_solve,
}

_ALIGNMENTS: dict[str, Callable[[JaxprEqn, list[Needs]], Needs]] = {
    "broadcast_in_dim": _broadcast,
    "transpose": _transpose,
    "reshape": _reshape,
    "squeeze": _squeeze,
    "slice": _same_size,
    "dynamic_slice": _same_size,
    "concatenate": _same_size,
    "pad": _same_size,
    "rev": _rev,
    "dynamic_update_slice": _write,
    "scatter": _scatter,
    **dict.fromkeys(("scatter-add", "scatter-sub", "scatter-max", "scatter-min"), _scatter),
    "select_n": _select,
    "dot_general": _dot,
    "gather": _gather,
    **dict.fromkeys(
        ["reduce_sum", "reduce_max", "reduce_min", "reduce_and", "reduce_or", "reduce_prod", "reduce_xor"],
        _reduced,
    ),
    **dict.fromkeys(["cumsum", "cummax", "cummin", "cumprod", "cumlogsumexp"], _along),
}

_COMBINED = {"scatter-add": RING, "scatter-sub": RING, "scatter-max": MAX_PLUS, "scatter-min": MIN_PLUS}
"""Writes that combine what is there with what is written, and the algebra in which that is a sum."""

_WRITES = ("dynamic_update_slice", "scatter", *_COMBINED)

_ROUNDING = {"reduce_precision", "bitcast_convert_type"}

_MOVES = frozenset(name for name, rule in RULES.items() if rule.algebra == "move") - _ROUNDING

_EVEN = frozenset(
    [
        "broadcast_in_dim",
        "transpose",
        "reshape",
        "squeeze",
        "expand_dims",
        "rev",
        "convert_element_type",
        "copy",
        "copy_p",
        "stop_gradient",
        "neg",
        "slice",
        "dynamic_slice",
        "reduce_precision",
    ]
)
"""Operations that leave a map the same along the axes that stay aligned."""

_PLAIN = "stop_gradient copy name optimization_barrier sharding_constraint pvary convert_element_type"

_ELEMENTWISE = frozenset(_PLAIN.split()) | {
    name
    for name, rule in RULES.items()
    if rule.count is RULES["add"].count and not name.startswith(("random", "rng", "threefry", "philox"))
}


# How a group of carries is laid out as a batch of vectors.


@dataclass(frozen=True)
class Layout:
    """Carries as `rows` values for each element of a batch.

    `batch[c]` names, for each batch axis, the axis of carry number c that runs along it. The map changes
    along the first `varying` batch axes only.
    """

    shapes: tuple[tuple[int, ...], ...]
    batch: tuple[tuple[int, ...], ...]
    varying: int

    def one_map(self, maps: Any) -> Any:
        """From maps for the whole batch, rows × rows × batch, those that differ."""
        return maps[(..., *[0] * (len(self.batch[0]) - self.varying))]

    @property
    def batch_shape(self) -> tuple[int, ...]:
        return tuple(self.shapes[0][axis] for axis in self.batch[0])

    def rows_of(self, carry: int) -> int:
        own = self.shapes[carry]
        return int(np.prod([n for axis, n in enumerate(own) if axis not in self.batch[carry]], dtype=int))

    @property
    def rows(self) -> int:
        return sum(self.rows_of(carry) for carry in range(len(self.shapes)))

    def pack(self, carries: Sequence[Any]) -> Any:
        """An array of rows × batch."""
        count = len(self.batch_shape)
        parts = []
        for carry, value in enumerate(carries):
            ends = tuple(range(value.ndim - count, value.ndim))
            turned = jnp.moveaxis(value, self.batch[carry], ends)
            parts.append(turned.reshape(self.rows_of(carry), *self.batch_shape))
        return jnp.concatenate(parts) if len(parts) > 1 else parts[0]

    def unpack(self, packed: Any, dtypes: Sequence[Any]) -> list[Any]:
        """The carries in an array of rows × batch."""
        carries, start, count = [], 0, len(self.batch_shape)
        for carry, own in enumerate(self.shapes):
            rows = packed[start : start + self.rows_of(carry)]
            start += self.rows_of(carry)
            mixed_sizes = [n for axis, n in enumerate(own) if axis not in self.batch[carry]]
            turned = rows.reshape(*mixed_sizes, *self.batch_shape)
            ends = tuple(range(len(own) - count, len(own)))
            carries.append(
                lax.convert_element_type(jnp.moveaxis(turned, ends, self.batch[carry]), dtypes[carry])
            )
        return carries


def layout(shapes: Sequence[tuple[int, ...]], results: Sequence[Needs]) -> Layout:
    """The largest batch for which every map is aligned. `results[c]` is what the new carry number c needs."""
    places = [(carry, axis) for carry, own in enumerate(shapes) for axis, n in enumerate(own) if n > 1]
    label = {place: place for place in places}

    def find(place: tuple[int, int]) -> tuple[int, int]:
        while label[place] != place:
            place = label[place]
        return place

    broken: set[tuple[int, int]] = set()
    uneven: set[tuple[int, int]] = set()
    for new, needs in enumerate(results):
        for carry, axes in needs.items():
            for axis, target in enumerate(axes):
                if shapes[carry][axis] == 1:
                    continue
                if target is None or shapes[new][target[0]] != shapes[carry][axis]:
                    broken.add((carry, axis))
                else:
                    label[find((carry, axis))] = find((new, target[0]))
                    if not target[1]:
                        uneven.add((carry, axis))
    classes: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for place in places:
        classes.setdefault(find(place), []).append(place)
    whole = [
        sorted(members)
        for members in classes.values()
        if not broken & set(members) and [carry for carry, _ in sorted(members)] == list(range(len(shapes)))
    ]
    whole.sort(key=lambda members: not uneven & set(members))
    batch = tuple(tuple(members[carry][1] for members in whole) for carry in range(len(shapes)))
    return Layout(tuple(shapes), batch, sum(bool(uneven & set(members)) for members in whole))
