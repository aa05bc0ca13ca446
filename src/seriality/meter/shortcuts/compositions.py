"""How the updates of a group compose: as matrices over a semiring, as machines, as linear fractions.

Each composition knows three things: the `element` that stands for one update, how two elements become one
(`combine`, associative, the later first), and how an element acts on a state. States are rows × batch, see
`algebras.Layout`. All are JAX functions: the meter reads them, and the certificate runs them.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.extend.core import ClosedJaxpr, Literal

from .. import jaxprs
from .algebras import MAX_PLUS, Algebra, Layout, addressed

Update = Callable[[list[Any]], list[Any]]
"""New carries from carries, at one step of the loop."""


@dataclass(frozen=True)
class Affine:
    """h → A h + b, elements (A, b); A is rows × rows × batch.

    The matrix is a derivative, or, where those are stopped and for integers, a difference.
    """

    layout: Layout
    dtypes: tuple[Any, ...]
    has_derivative: bool = True

    def element(self, update: Update) -> tuple[Any, Any]:
        rows, batch = self.layout.rows, self.layout.batch_shape
        dtype = jnp.result_type(*self.dtypes)

        def map_packed(packed: Any) -> Any:
            new = update(self.layout.unpack(packed, self.dtypes))
            return self.layout.pack([lax.convert_element_type(value, dtype) for value in new])

        zero = jnp.zeros((rows, *batch), dtype)
        seeds = jnp.eye(rows, dtype=dtype).reshape(rows, rows, *[1] * len(batch)) * jnp.ones(batch, dtype)
        if self.has_derivative and jnp.issubdtype(dtype, np.inexact):
            offset, linear = jax.linearize(map_packed, zero)
            columns = jax.vmap(linear)(seeds)
        else:
            offset = map_packed(zero)
            columns = jax.vmap(map_packed)(seeds) - offset
        return self.layout.one_map(jnp.swapaxes(columns, 0, 1)), offset

    def combine(self, later: tuple[Any, Any], earlier: tuple[Any, Any]) -> tuple[Any, Any]:
        (second, after), (first, before) = later, earlier
        return self.multiply(second, first), self.act(second, before) + after

    def multiply(self, second: Any, first: Any) -> Any:
        if self.layout.rows == 1:
            return second * first
        return jnp.einsum("om...,mi...->oi...", second, first)

    def act(self, matrix: Any, state: Any) -> Any:
        if self.layout.rows == 1:
            even = state.ndim - 1 - self.layout.varying
            return matrix[0].reshape(*matrix.shape[1:], *[1] * even) * state
        axes = "abcdefgh"[: self.layout.varying]
        return jnp.einsum(f"oi{axes},i{axes}...->o{axes}...", matrix, state)

    def apply(self, element: tuple[Any, Any], state: Any) -> Any:
        matrix, offset = element
        return self.act(matrix, state) + offset


@dataclass(frozen=True)
class Tropical:
    """h → A ⊗ h ⊕ b over (max, +) or (min, +)."""

    layout: Layout
    dtypes: tuple[Any, ...]
    algebra: Algebra
    body: ClosedJaxpr
    """From carries and then other values to new carries; calls are written out."""
    has_products: bool

    @property
    def zero(self) -> Any:
        """What changes no maximum. Integers have no infinity; where they are added, half of them are left."""
        dtype = jnp.result_type(*self.dtypes)
        if jnp.issubdtype(dtype, np.inexact):
            return np.asarray(-np.inf if self.algebra is MAX_PLUS else np.inf, dtype)
        limits = jnp.iinfo(dtype)
        extreme = limits.min if self.algebra is MAX_PLUS else limits.max
        return np.asarray(extreme // 2 if self.has_products else extreme, dtype)

    @property
    def one(self) -> Any:
        """What changes no product. Where integers are never added, it is what changes no minimum."""
        dtype = jnp.result_type(*self.dtypes)
        if self.has_products or jnp.issubdtype(dtype, np.inexact):
            return np.zeros((), dtype)
        limits = jnp.iinfo(dtype)
        return np.asarray(limits.max if self.algebra is MAX_PLUS else limits.min, dtype)

    def normal(self, matrix: Any) -> Any:
        """The same matrix, what sums have moved away from an integer zero being zero again."""
        if not self.has_products or jnp.issubdtype(matrix.dtype, np.inexact):
            return matrix
        half = self.zero // 2
        return jnp.where(matrix < half if self.algebra is MAX_PLUS else matrix > half, self.zero, matrix)

    def times(self, left: Any, right: Any) -> Any:
        """The product of the semiring, in which zero times anything is zero."""
        if jnp.issubdtype(left.dtype, np.inexact):
            return left + right
        if not self.has_products:  # the left is zero or one
            return jnp.minimum(left, right) if self.algebra is MAX_PLUS else jnp.maximum(left, right)
        return jnp.where((left == self.zero) | (right == self.zero), self.zero, left + right)

    def element(self, others: Sequence[Any]) -> tuple[Any, Any]:
        rows, batch = self.layout.rows, self.layout.batch_shape
        dtype = jnp.result_type(*self.dtypes)
        nothing = jnp.full((rows, *batch), self.zero, dtype)
        on = jnp.eye(rows, dtype=bool).reshape(rows, rows, *[1] * len(batch)) & jnp.ones(batch, bool)
        seeds = jnp.where(on, self.one, self.zero)

        def linear(seed: Any) -> Any:
            parts = self.layout.unpack(seed, self.dtypes)
            return self.layout.pack(_tropical(self.body, parts, others, self.algebra, self.zero))

        columns = jax.vmap(linear)(seeds)
        carries = self.layout.unpack(nothing, self.dtypes)
        offset = self.layout.pack(jaxprs.run(self.body.jaxpr, self.body.consts, [*carries, *others]))
        return self.normal(self.layout.one_map(jnp.swapaxes(columns, 0, 1))), offset

    def sum(self, left: Any, right: Any) -> Any:
        return jnp.maximum(left, right) if self.algebra is MAX_PLUS else jnp.minimum(left, right)

    def act(self, matrix: Any, state: Any) -> Any:
        even = state.ndim - 1 - self.layout.varying
        terms = self.times(matrix.reshape(*matrix.shape, *[1] * even), state[None])
        return jnp.max(terms, axis=1) if self.algebra is MAX_PLUS else jnp.min(terms, axis=1)

    def combine(self, later: tuple[Any, Any], earlier: tuple[Any, Any]) -> tuple[Any, Any]:
        (second, after), (first, before) = later, earlier
        terms = self.times(second[:, :, None], first[None])
        product = jnp.max(terms, axis=1) if self.algebra is MAX_PLUS else jnp.min(terms, axis=1)
        return self.normal(product), self.sum(self.act(second, before), after)

    def apply(self, element: tuple[Any, Any], state: Any) -> Any:
        matrix, offset = element
        return self.sum(self.act(matrix, state), offset)


def _tropical(
    body: ClosedJaxpr, carries: Sequence[Any], others: Sequence[Any], algebra: Algebra, zero: Any
) -> list[Any]:
    """The linear part of an update over a tropical semiring: what is free of the carries is zero."""
    jaxpr = body.jaxpr
    plain: dict[Any, Any] = dict(zip(jaxpr.constvars, body.consts, strict=True))
    plain.update(zip(jaxpr.invars[len(carries) :], others, strict=True))
    linear: dict[Any, Any] = dict(zip(jaxpr.invars, carries, strict=False))

    def nothing(value: Any) -> Any:
        return jnp.full(jnp.shape(value), zero, jnp.result_type(value))

    for eqn in jaxpr.eqns:
        is_linear = [not isinstance(atom, Literal) and atom in linear for atom in eqn.invars]
        if not any(is_linear):
            given = [atom.val if isinstance(atom, Literal) else plain[atom] for atom in eqn.invars]
            target = plain
        else:
            given, target = [], linear
            name = eqn.primitive.name
            index = addressed(eqn)
            for place, (atom, yes) in enumerate(zip(eqn.invars, is_linear, strict=True)):
                if yes:
                    given.append(linear[atom])
                    continue
                value = atom.val if isinstance(atom, Literal) else plain[atom]
                given.append(value if name in algebra.products or place in index else nothing(value))
        target.update(zip(eqn.outvars, jaxprs.bind(eqn, given), strict=True))
    return [linear[atom] if atom in linear else nothing(plain[atom]) for atom in jaxpr.outvars]


@dataclass(frozen=True)
class Machine:
    """A map of finitely many states, as the table of what follows each; states are digits.

    Row r of the carries is a digit of `sizes[r]` values from `lows[r]` up.

    The state of a batch element is the number that its rows spell, row r being a digit of `sizes[r]`.
    """

    layout: Layout
    dtypes: tuple[Any, ...]
    lows: tuple[int, ...]
    sizes: tuple[int, ...]
    ahead: int
    """After so many steps, whatever the start, the carries are states."""

    @property
    def states(self) -> int:
        return math.prod(self.sizes)

    def digits(self) -> np.ndarray:
        """The rows of every state: states × rows."""
        return np.stack(np.unravel_index(np.arange(self.states), self.sizes), axis=1) + np.array(self.lows)

    def element(self, update: Update) -> Any:
        batch = self.layout.batch_shape
        rows = self.digits().reshape(self.states, len(self.sizes), *[1] * len(batch))
        packed = jnp.broadcast_to(jnp.asarray(rows, "int32"), (self.states, len(self.sizes), *batch))

        def follow(state: Any) -> Any:
            new = update(self.layout.unpack(state, self.dtypes))
            return self.number(self.layout.pack([lax.convert_element_type(value, "int32") for value in new]))

        return jax.vmap(follow)(packed)

    def number(self, packed: Any) -> Any:
        """The state that rows × batch spell."""
        number = packed[0] - self.lows[0]
        for row in range(1, len(self.sizes)):
            number = number * self.sizes[row] + (packed[row] - self.lows[row])
        return number

    def combine(self, later: Any, earlier: Any) -> Any:
        return _lookup(later, earlier)

    def apply(self, element: Any, state: Any) -> Any:
        number = _lookup(element, self.number(lax.convert_element_type(state, "int32"))[None])[0]
        digits = jnp.asarray(self.digits().T, "int32")
        return digits.at[:, number].get(mode="promise_in_bounds", wrap_negative_indices=False)


def _lookup(table: Any, places: Any) -> Any:
    """table[places[i, b], b] for all i and all elements b of the batch."""
    batch = table.shape[1:]
    index = jnp.stack([places, *(_counter(places.shape, axis) for axis in range(1, 1 + len(batch)))], axis=-1)
    numbers = lax.GatherDimensionNumbers(
        offset_dims=(),
        collapsed_slice_dims=tuple(range(table.ndim)),
        start_index_map=tuple(range(table.ndim)),
    )
    return lax.gather(table, index, numbers, (1,) * table.ndim, mode="promise_in_bounds")


def _counter(shape: tuple[int, ...], axis: int) -> Any:
    return lax.broadcasted_iota("int32", shape, axis)


@dataclass(frozen=True)
class Fraction:
    """h → (a h + b) / (c h + d), elementwise, as the matrix of its coefficients: 2 × 2 × rows × batch."""

    layout: Layout
    dtypes: tuple[Any, ...]

    def element(self, update: Update) -> Any:
        """The one map through the values at three points. A map that takes equal values there is constant."""

        def at(point: float) -> Any:
            packed = jnp.full((self.layout.rows, *self.layout.batch_shape), point, self.dtypes[0])
            return self.layout.pack(update(self.layout.unpack(packed, self.dtypes)))

        points = (0.37, -1.91, 2.83)
        values = [at(point) for point in points]
        rows = [_row(point, value) for point, value in zip(points, values, strict=True)]

        def minor(gone: int) -> Any:
            (a, b, c), (d, e, f), (g, h, i) = (
                [each for k, each in enumerate(row) if k != gone] for row in rows
            )
            return (-1) ** gone * (a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g))

        found = jnp.stack([minor(gone) for gone in range(4)])
        is_constant = jnp.max(jnp.abs(found), axis=0) <= 1e-6
        constant = jnp.stack(
            [jnp.zeros_like(values[0]), values[0], jnp.zeros_like(values[0]), jnp.ones_like(values[0])]
        )
        found = jnp.where(is_constant, constant, found / jnp.max(jnp.abs(found), axis=0))
        return found.reshape(2, 2, *found.shape[1:])

    def combine(self, later: Any, earlier: Any) -> Any:
        product = jnp.einsum("om...,mi...->oi...", later, earlier)
        return product / jnp.max(jnp.abs(product), axis=(0, 1))  # the matrix is one up to a factor

    def apply(self, element: Any, state: Any) -> Any:
        (a, b), (c, d) = element
        return (a * state + b) / (c * state + d)


def _row(point: float, value: Any) -> list[Any]:
    """What a h + b = v (c h + d) asks of a, b, c and d at a point; where v is infinite, c h + d = 0."""
    is_finite = jnp.isfinite(value)
    plain = jnp.where(is_finite, value, 1.0)
    size = jnp.maximum(1.0, jnp.abs(plain))
    over = jnp.where(is_finite, 1.0 / size, 0.0)
    under = jnp.where(is_finite, plain / size, 1.0)
    return [point * over, over, -point * under, -under]


def prefix(combine: Callable[[Any, Any], Any], elements: Any) -> Any:
    """All prefixes of a sequence, in 2 ⌈log2 n⌉ − 1 rounds and 2n combinations (Blelloch 1990)."""
    length = jax.tree.leaves(elements)[0].shape[0]
    if length == 1:
        return elements
    every = jax.vmap(combine)
    even = jax.tree.map(lambda leaf: leaf[: length - length % 2 : 2], elements)
    odd = jax.tree.map(lambda leaf: leaf[1::2], elements)
    pairs = prefix(combine, every(odd, even))  # prefixes of even length
    if length > 2:
        rest = jax.tree.map(lambda leaf: leaf[2::2], elements)
        count = (length - 1) // 2
        longer = every(rest, jax.tree.map(lambda leaf: leaf[:count], pairs))
        firsts = jax.tree.map(lambda leaf, more: jnp.concatenate([leaf[:1], more]), elements, longer)
    else:
        firsts = jax.tree.map(lambda leaf: leaf[:1], elements)

    def interleave(first: Any, second: Any) -> Any:
        count = second.shape[0]
        woven = jnp.stack([first[:count], second], axis=1).reshape(2 * count, *second.shape[1:])
        return jnp.concatenate([woven, first[count:]]) if first.shape[0] > count else woven

    return jax.tree.map(interleave, firsts, pairs)
