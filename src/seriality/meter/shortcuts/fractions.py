"""Whether an elementwise update is a linear fraction of its carry, (a h + b) / (c h + d), decided exactly.

**Method.** The update is run on numbers modulo a prime. What is free of the carry is drawn at random, and
the carry is a point of the line. A quotient of polynomials of degrees p and q that agrees with a linear
fraction at more than p + q + 1 points equals it as a function, so three points give the fraction and the
others decide. It is done twice: a wrong answer needs random numbers to hit a root (Schwartz 1980).

So (1 − K) P with K = P / (P + r) is seen to be r P / (P + r), though as written its degree is two.
"""

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from jax.extend.core import Jaxpr, JaxprEqn, Literal
from jaxtyping import Int

from ..jaxprs import shape
from .algebras import NotInAlgebra, keeps_numbers

PRIME = 2**31 - 1
"""Products of two residues fit int64."""

MOST_DEGREE = 64
"""The formal degree up to which an update is tried."""

DRAWS = 2

Residues = Int[np.ndarray, "..."]


def is_linear_fraction(jaxpr: Jaxpr) -> bool:
    """Whether the first output of an inlined jaxpr is a linear fraction of the first input, elementwise.

    Both have one shape. Raises NotInAlgebra at an operation on the carry that is no sum, product or quotient.
    """
    foreign = _foreign(jaxpr)
    if foreign is not None:
        raise NotInAlgebra(foreign)
    degree = _degree(jaxpr)
    if degree > MOST_DEGREE:
        raise NotInAlgebra(jaxpr.eqns[-1])
    for draw in range(DRAWS):
        update = _Update(jaxpr, np.random.default_rng(draw))
        points = list(range(2, 2 * degree + 7))
        try:
            values = [update(point) for point in points]
        except ZeroDivisionError:  # with random numbers, a division by zero itself
            return False
        if not fits(points, values):
            return False
    return True


def fits(points: Sequence[int], values: Sequence[Residues]) -> bool:
    """Whether a h + b = v (c h + d) has one solution for all points, elementwise: three of them give it."""
    rows = [(h, 1, -v * h % PRIME, -v % PRIME) for h, v in zip(points, values, strict=True)]
    found = np.stack([_minor(rows[:3], gone) for gone in range(4)])
    is_constant = np.all([value == values[0] for value in values], axis=0)
    held = np.zeros(np.shape(values[0]), np.int64)
    for row in rows:
        error = sum((term * part % PRIME for term, part in zip(row, found, strict=True)), held) % PRIME
        if np.any((error != 0) & ~is_constant):
            return False
    return bool(np.all(is_constant | np.any(found != 0, axis=0)))


def _minor(rows: Sequence[tuple[Any, ...]], gone: int) -> Residues:
    """A determinant of three rows without one column, with its sign."""
    (a, b, c), (d, e, f), (g, h, i) = (
        [each for column, each in enumerate(row) if column != gone] for row in rows
    )
    first = a * ((e * i - f * h) % PRIME) % PRIME
    second = b * ((d * i - f * g) % PRIME) % PRIME
    third = c * ((d * h - e * g) % PRIME) % PRIME
    return np.asarray((-1) ** gone * (first - second + third) % PRIME, np.int64)


def _foreign(jaxpr: Jaxpr) -> JaxprEqn | None:
    """The first operation on the carry that is no sum, product or quotient, if any."""
    held: set[Any] = {jaxpr.invars[0]}
    for eqn in jaxpr.eqns:
        if any(not isinstance(atom, Literal) and atom in held for atom in eqn.invars):
            is_cast = eqn.primitive.name == "convert_element_type"
            if eqn.primitive.name not in _RULES or (is_cast and not keeps_numbers(eqn)):
                return eqn
            held.update(eqn.outvars)
    return None


def _degree(jaxpr: Jaxpr) -> int:
    """A bound on the degrees of numerator and denominator of the first output in the first input."""
    degrees: dict[Any, int] = {jaxpr.invars[0]: 1}
    for eqn in jaxpr.eqns:
        given = [degrees.get(atom, 0) if not isinstance(atom, Literal) else 0 for atom in eqn.invars]
        if any(given):
            power = abs(eqn.params["y"]) if eqn.primitive.name == "integer_pow" else 1
            degrees.update(dict.fromkeys(eqn.outvars, sum(given) * power))
    out = jaxpr.outvars[0]
    return 0 if isinstance(out, Literal) else degrees.get(out, 0)


class _Update:
    """The update as a function of one number; what is free of the carry keeps its draw."""

    def __init__(self, jaxpr: Jaxpr, random: np.random.Generator):
        self.jaxpr, self.random = jaxpr, random
        self.free: dict[Any, Residues] = {variable: self.draw(variable) for variable in jaxpr.invars[1:]}

    def draw(self, variable: Any) -> Residues:
        return np.asarray(self.random.integers(1, PRIME, shape(variable)), np.int64)

    def __call__(self, point: int) -> Residues:
        carry = self.jaxpr.invars[0]
        held: dict[Any, Residues] = {carry: np.full(shape(carry), point, np.int64)}

        def read(atom: Any) -> Residues:
            if isinstance(atom, Literal):
                return _residues(atom.val)
            return held[atom] if atom in held else self.free[atom]

        for eqn in self.jaxpr.eqns:
            depends = any(not isinstance(atom, Literal) and atom in held for atom in eqn.invars)
            rule = _RULES.get(eqn.primitive.name)
            if not depends and eqn.outvars[0] in self.free:
                continue
            if rule is None:  # any function of what is free is free
                self.free.update((variable, self.draw(variable)) for variable in eqn.outvars)
            else:
                result = np.asarray(rule(eqn, [read(atom) for atom in eqn.invars]), np.int64)
                (held if depends else self.free)[eqn.outvars[0]] = result
        return np.asarray(read(self.jaxpr.outvars[0]), np.int64)


def _residues(value: Any) -> Residues:
    """Numbers of a program, which are fractions of integers, modulo the prime."""

    def one(number: float) -> int:
        if not np.isfinite(number):
            raise ZeroDivisionError
        fraction = Fraction(float(number))
        return fraction.numerator * pow(fraction.denominator, -1, PRIME) % PRIME

    return np.asarray(np.vectorize(one, otypes=[np.int64])(np.asarray(value, float)), np.int64)


def _inverse(value: Residues) -> Residues:
    if np.any(value == 0):
        raise ZeroDivisionError
    return _power(value, PRIME - 2)


def _power(value: Residues, exponent: int) -> Residues:
    """By repeated squaring."""
    result, base = np.ones_like(value), value if exponent >= 0 else _inverse(value)
    exponent = abs(exponent)
    while exponent:
        if exponent & 1:
            result = result * base % PRIME
        base, exponent = base * base % PRIME, exponent >> 1
    return np.asarray(result, np.int64)


def _broadcast(eqn: JaxprEqn, operands: list[Residues]) -> Residues:
    sizes, places = eqn.params["shape"], eqn.params["broadcast_dimensions"]
    spread = [1] * len(sizes)
    for axis, place in enumerate(places):
        spread[place] = operands[0].shape[axis]
    return np.broadcast_to(operands[0].reshape(spread), sizes)


_RULES: dict[str, Callable[[JaxprEqn, list[Residues]], Residues]] = {
    "add": lambda eqn, given: (given[0] + given[1]) % PRIME,
    "add_any": lambda eqn, given: (given[0] + given[1]) % PRIME,
    "sub": lambda eqn, given: (given[0] - given[1]) % PRIME,
    "mul": lambda eqn, given: given[0] * given[1] % PRIME,
    "div": lambda eqn, given: given[0] * _inverse(given[1]) % PRIME,
    "neg": lambda eqn, given: -given[0] % PRIME,
    "square": lambda eqn, given: given[0] * given[0] % PRIME,
    "integer_pow": lambda eqn, given: _power(given[0], eqn.params["y"]),
    "broadcast_in_dim": _broadcast,
    "reshape": lambda eqn, given: given[0].reshape(eqn.params["new_sizes"]),
    "squeeze": lambda eqn, given: given[0].reshape(shape(eqn.outvars[0])),
    "convert_element_type": lambda eqn, given: given[0],
    "copy": lambda eqn, given: given[0],
    "stop_gradient": lambda eqn, given: given[0],
}
