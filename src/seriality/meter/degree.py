"""The formal degree of a program: a second detector of shortcuts, which needs no loop.

**Definition.** Inputs have degree 1, a sum the larger degree of its terms, a product the sum of the degrees of
its factors; an operation outside of the algebra doubles the degree. The logarithm is taken to base 2, so a chain
of n products has log2 n and a chain of n tanh has n. The same in the tropical semirings, where the maximum (or
minimum) is the sum and the sum is the product.

**Reading.** A program of polynomial degree and polynomial size has an equal one of depth O(log² n), and
O(log n) with sums of unbounded fan-in (Valiant, Skyum, Berkowitz and Rackoff 1983). So growth like log n in any
of the three algebras means that the program can be re-associated, however it is written, and growth like n that
these algebras know no shortcut.

**What it does not see.** The theorem is about commutative semirings and polynomials: across operations outside of
the algebra, and for divisions, the reading is a heuristic. Finite machines and linear fractions look serial to it.
Loops beyond `FOLLOWED` steps are extrapolated.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, Literal
from weakref import WeakKeyDictionary

from jax.extend.core import Jaxpr, JaxprEqn
from jax.extend.core import Literal as Constant

from . import jaxprs
from .primitives import RULES

Degrees = tuple[float, float, float]
"""log2 of the degree in (+, ×), (max, +) and (min, +)."""

FREE: Degrees = (-math.inf, -math.inf, -math.inf)
"""Known before the run: degree 0."""

INPUT: Degrees = (0.0, 0.0, 0.0)

FOLLOWED = 16
"""How many steps of a loop are followed one by one."""


def sum_of(left: float, right: float) -> float:
    """log2(2^left + 2^right)."""
    high, low = (left, right) if left > right else (right, left)
    return high if low == -math.inf else high + math.log2(1 + 2.0 ** (low - high))


def degrees(jaxpr: Jaxpr, inputs: Sequence[Degrees]) -> list[Degrees]:
    """The degrees of the outputs, given those of the inputs."""
    if jaxpr not in _COMPILED:
        _COMPILED[jaxpr] = _compiled(jaxpr)
    size, steps, results = _COMPILED[jaxpr]
    held = [FREE] * size
    held[1 : 1 + len(inputs)] = inputs
    for rule, places, targets in steps:
        given = [held[place] for place in places]
        if any(each is not FREE for each in given):
            found = rule(given)
            if type(found) is tuple:
                for target in targets:
                    held[target] = found
            else:
                for target, each in zip(targets, found, strict=True):
                    held[target] = each
    return [held[place] for place in results]


_Rule = Callable[[list[Degrees]], Any]
"""From the degrees of the operands to that of all results, or to a list of one each."""

_COMPILED: WeakKeyDictionary[Any, tuple[int, list[tuple[_Rule, list[int], list[int]]], list[int]]]
_COMPILED = WeakKeyDictionary()


def _compiled(jaxpr: Jaxpr) -> tuple[int, list[tuple[_Rule, list[int], list[int]]], list[int]]:
    """A jaxpr as a list of rules on numbered values. Number 0 is what is known."""
    number: dict[Any, int] = {variable: place + 1 for place, variable in enumerate(jaxpr.invars)}

    def read(atom: Any) -> int:
        return 0 if isinstance(atom, Constant) else number.get(atom, 0)

    steps = []
    for eqn in jaxpr.eqns:
        places = [read(atom) for atom in eqn.invars]
        if any(places) and eqn.outvars:
            for variable in eqn.outvars:
                number[variable] = len(number) + 1
            steps.append((_rule(eqn), places, [number[variable] for variable in eqn.outvars]))
    return len(number) + 1, steps, [read(atom) for atom in jaxpr.outvars]


def _top(given: Sequence[Degrees]) -> Degrees:
    if len(given) == 1:
        return given[0]
    return (max(d[0] for d in given), max(d[1] for d in given), max(d[2] for d in given))


def _raised(degree: Degrees) -> Degrees:
    return (degree[0] + 1, degree[1] + 1, degree[2] + 1)


def _rule(eqn: JaxprEqn) -> _Rule:
    name = eqn.primitive.name
    if name in jaxprs.CALLS or name == "shard_map":
        called = jaxprs.called(eqn)
        return lambda given: degrees(called, given)
    if name == "scan":
        return lambda given: _scan(eqn, given)
    if name == "cond":
        branches = [jaxprs.opened(branch) for branch in eqn.params["branches"]]

        def conditional(given: list[Degrees]) -> list[Degrees]:
            found = zip(*(degrees(branch, given[1:]) for branch in branches), strict=True)
            return [_chosen(given[0], _top(each)) for each in found]

        return conditional
    if name == "custom_linear_solve":
        solver, consts = jaxprs.linear_solve(eqn)
        sides = sum(eqn.params["const_lengths"])
        return lambda given: degrees(solver, given[consts] + given[sides:])
    if name not in RULES:
        return lambda given: _raised(_top(given))
    return _plain(eqn)


def _chosen(predicate: Degrees, value: Degrees) -> Degrees:
    """A choice multiplies what it chooses by a function of its predicate."""
    ring, high, low = _raised(predicate)
    return (sum_of(ring, value[0]), max(high, value[1]), max(low, value[2]))


def _plain(eqn: JaxprEqn) -> _Rule:
    """The rule of a primitive in the table, by its algebra."""
    rule = RULES[eqn.primitive.name]
    two = len(eqn.invars) == 2
    match rule.algebra:
        case "move":
            return _top
        case "sum" if two:
            return _sum
        case "sum":
            terms = max(1, jaxprs.size(eqn.invars[0]) // max(1, jaxprs.size(eqn.outvars[0])))
            more = math.log2(terms) if eqn.primitive.name == "reduce_sum" else 1.0

            def reduction(given: list[Degrees]) -> Degrees:
                ring, high, low = _top(given)
                return (ring, high + more, low + more)

            return reduction
        case "product" if two:
            return _product
        case "quotient" if two:
            return _quotient
        case "max":
            return _maximum
        case "min":
            return _minimum
        case "choice":
            return lambda given: _chosen(given[0], _top(given[1:]))
        case "lookup" | "write":
            index = range(len(eqn.invars))[rule.addresses] if rule.addresses else ()

            def addressed(given: list[Degrees]) -> Degrees:
                return _top([_raised(each) if place in index else each for place, each in enumerate(given)])

            return addressed
        case _:
            return lambda given: _raised(_top(given))


def _sum(given: list[Degrees]) -> Degrees:
    (a, b, c), (d, e, f) = given
    return (a if a > d else d, sum_of(b, e), sum_of(c, f))


def _product(given: list[Degrees]) -> Degrees:
    (a, b, c), (d, e, f) = given
    return (sum_of(a, d), (b if b > e else e) + 1, (c if c > f else f) + 1)


def _quotient(given: list[Degrees]) -> Degrees:
    (a, b, c), (d, e, f) = given
    return (sum_of(a, d + 1), (b if b > e else e) + 1, (c if c > f else f) + 1)


def _maximum(given: list[Degrees]) -> Degrees:
    ring, high, low = _top(given)
    return (ring + 1, high, low + 1)


def _minimum(given: list[Degrees]) -> Degrees:
    ring, high, low = _top(given)
    return (ring + 1, high + 1, low)


def _scan(eqn: JaxprEqn, given: list[Degrees]) -> list[Degrees]:
    consts, carries = eqn.params["num_consts"], eqn.params["num_carry"]
    body, length = jaxprs.opened(eqn.params["jaxpr"]), eqn.params["length"]

    def step(carry: Sequence[Degrees]) -> list[Degrees]:
        return degrees(body, [*given[:consts], *carry, *given[consts + carries :]])

    first = given[consts : consts + carries]
    last = carried(lambda carry: step(carry)[:carries], first, length - 1)
    return step(last) if length else [*first, *[FREE] * (len(eqn.outvars) - carries)]


def carried(step: Any, carry: Sequence[Degrees], length: int) -> list[Degrees]:
    """The degrees of the carries after `length` steps; beyond FOLLOWED their growth is carried on."""
    carry, seen = list(carry), {}
    for count in range(1, min(length, FOLLOWED) + 1):
        new = step(carry)
        if new == carry:
            return new
        carry = seen[count] = new
    if length <= FOLLOWED:
        return carry
    return [
        tuple(_extrapolated(*values, length) for values in zip(*found, strict=True))  # type: ignore[misc]
        for found in zip(seen[FOLLOWED // 4], seen[FOLLOWED // 2], seen[FOLLOWED], strict=True)
    ]


def _extrapolated(quarter: float, half: float, whole: float, length: int) -> float:
    if whole == -math.inf or whole == half:
        return whole
    if _is_logarithmic(quarter, half, whole):
        return whole + (whole - half) * math.log2(length / FOLLOWED)
    return whole + (whole - half) / (FOLLOWED / 2) * (length - FOLLOWED)


def _is_logarithmic(quarter: float, half: float, whole: float) -> bool:
    """Equal gains for doubled lengths; a chain gains twice as much each time."""
    return whole - half <= 1.4 * (half - quarter) or whole == half


def reading(step: Any, carry: Sequence[Degrees]) -> Literal["shortcut", "serial", "unknown"]:
    """What the growth of the degrees of the carries tells of a loop."""
    seen, carry = {}, list(carry)
    for count in range(1, FOLLOWED + 1):
        carry = seen[count] = step(carry)
    found = [seen[FOLLOWED // 4], seen[FOLLOWED // 2], seen[FOLLOWED]]
    kinds = []
    for algebra in range(3):
        values = [max(degree[algebra] for degree in each) for each in found]
        if values[-1] == -math.inf:
            return "unknown"
        kinds.append(_is_logarithmic(*values))
    return "shortcut" if any(kinds) else "serial"
