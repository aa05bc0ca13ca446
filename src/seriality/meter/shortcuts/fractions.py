"""Whether an elementwise update is a linear fraction of its carry, (a h + b) / (c h + d), decided exactly.

**Method.** The update is run on rational numbers of any length. What is free of the carry is drawn at random,
and the carry is a point of the line. A quotient of polynomials of degrees p and q that agrees with a linear
fraction at more than p + q + 1 points equals it as a function, so three points give the fraction and the
others decide. Another draw decides again: a wrong answer needs a random number to hit a root (Schwartz 1980).

So (1 − K) P with K = P / (P + r) is seen to be r P / (P + r), though as written its degree is two.
"""

from collections.abc import Callable, Sequence
from fractions import Fraction
from random import Random
from typing import Any

import numpy as np
from jax.extend.core import Jaxpr, JaxprEqn, Literal

from ..jaxprs import shape
from .algebras import NotInAlgebra

MOST_DEGREE = 64
"""The formal degree up to which an update is tried."""

DRAWS = 2


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
        update = _Update(jaxpr, Random(draw))
        points = [Fraction(k + 2, 1) for k in range(2 * degree + 5)]
        try:
            values = [update(point) for point in points]
        except ZeroDivisionError:
            return False
        for element in range(values[0].size):
            if not _fits(points, [value.flat[element] for value in values]):
                return False
    return True


def _fits(points: Sequence[Fraction], values: Sequence[Fraction]) -> bool:
    """Whether (a h + b) = v (c h + d) has one solution for all points: three of them give it."""
    rows = [(h, Fraction(1), -v * h, -v) for h, v in zip(points, values, strict=True)]
    found = _null_vector(rows[:3])
    return all(sum(x * y for x, y in zip(row, found, strict=True)) == 0 for row in rows)


def _null_vector(rows: Sequence[Sequence[Fraction]]) -> list[Fraction]:
    """A vector that is not zero and that three rows of four take to zero, by elimination."""
    matrix, pivots = [list(row) for row in rows], []
    for column in range(4):
        rank = len(pivots)
        found = next((r for r in range(rank, len(matrix)) if matrix[r][column]), None)
        if found is None:
            continue
        matrix[rank], matrix[found] = matrix[found], matrix[rank]
        pivot = matrix[rank][column]
        matrix[rank] = [value / pivot for value in matrix[rank]]
        for r in range(len(matrix)):
            if r != rank and matrix[r][column]:
                factor = matrix[r][column]
                matrix[r] = [x - factor * y for x, y in zip(matrix[r], matrix[rank], strict=True)]
        pivots.append(column)
        if len(pivots) == 3:
            break
    free = next(column for column in range(4) if column not in pivots)
    vector = [Fraction(0)] * 4
    vector[free] = Fraction(1)
    for row, column in enumerate(pivots):
        vector[column] = -matrix[row][free]
    return vector


def _foreign(jaxpr: Jaxpr) -> JaxprEqn | None:
    """The first operation on the carry that is no sum, product or quotient, if any."""
    held: set[Any] = {jaxpr.invars[0]}
    for eqn in jaxpr.eqns:
        if any(not isinstance(atom, Literal) and atom in held for atom in eqn.invars):
            if eqn.primitive.name not in _RULES:
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
    """The update as a function of one rational number; what is free of the carry keeps its draw."""

    def __init__(self, jaxpr: Jaxpr, random: Random):
        self.jaxpr, self.random = jaxpr, random
        self.free: dict[Any, np.ndarray] = {}
        for variable in jaxpr.invars[1:]:
            self.free[variable] = self.draw(shape(variable))

    def draw(self, sizes: tuple[int, ...]) -> np.ndarray:
        """Positive numbers."""
        drawn = np.empty(sizes, object)
        for place in np.ndindex(*sizes):
            drawn[place] = Fraction(self.random.randint(1, 10**6), self.random.randint(1, 10**6))
        return drawn

    def __call__(self, point: Fraction) -> np.ndarray:
        held: dict[Any, np.ndarray] = {
            self.jaxpr.invars[0]: np.full(shape(self.jaxpr.invars[0]), point, object)
        }

        def read(atom: Any) -> np.ndarray:
            if isinstance(atom, Literal):
                return np.vectorize(Fraction, otypes=[object])(np.asarray(atom.val, float))
            return held[atom] if atom in held else self.free[atom]

        for eqn in self.jaxpr.eqns:
            depends = any(not isinstance(atom, Literal) and atom in held for atom in eqn.invars)
            rule = _RULES.get(eqn.primitive.name)
            if not depends and eqn.outvars[0] in self.free:
                continue
            if rule is None:  # any function of what is free is free
                for variable in eqn.outvars:
                    self.free[variable] = self.draw(shape(variable))
            else:
                result = np.asarray(rule(eqn, [read(atom) for atom in eqn.invars]), object)
                (held if depends else self.free)[eqn.outvars[0]] = result
        return np.asarray(read(self.jaxpr.outvars[0]), object)


def _broadcast(eqn: JaxprEqn, operands: list[np.ndarray]) -> np.ndarray:
    sizes, places = eqn.params["shape"], eqn.params["broadcast_dimensions"]
    spread = [1] * len(sizes)
    for axis, place in enumerate(places):
        spread[place] = operands[0].shape[axis]
    return np.broadcast_to(operands[0].reshape(spread), sizes)


def _power(eqn: JaxprEqn, operands: list[np.ndarray]) -> np.ndarray:
    return np.asarray(operands[0] ** eqn.params["y"], object)


_RULES: dict[str, Callable[[JaxprEqn, list[np.ndarray]], np.ndarray]] = {
    "add": lambda eqn, given: given[0] + given[1],
    "add_any": lambda eqn, given: given[0] + given[1],
    "sub": lambda eqn, given: given[0] - given[1],
    "mul": lambda eqn, given: given[0] * given[1],
    "div": lambda eqn, given: given[0] / given[1],
    "neg": lambda eqn, given: -given[0],
    "square": lambda eqn, given: given[0] * given[0],
    "integer_pow": _power,
    "broadcast_in_dim": _broadcast,
    "reshape": lambda eqn, given: given[0].reshape(eqn.params["new_sizes"]),
    "squeeze": lambda eqn, given: given[0].reshape(shape(eqn.outvars[0])),
    "convert_element_type": lambda eqn, given: given[0],
    "copy": lambda eqn, given: given[0],
    "stop_gradient": lambda eqn, given: given[0],
}
