"""The formal degree of a program: a second detector of shortcuts, which needs no loop.

**Definition.** Inputs have degree 1, a sum the larger degree of its terms, a product the sum of the degrees
of its factors; an operation outside of the algebra doubles the degree. The logarithm is taken to base 2, so a
chain of n products has log2 n and a chain of n tanh has n. The same in the tropical semirings, where the
maximum (or minimum) is the sum and the sum is the product.

**Reading.** A program of polynomial degree and polynomial size has an equal one of depth O(log² n), and O(log
n) with sums of unbounded fan-in (Valiant, Skyum, Berkowitz and Rackoff 1983). So growth like log n in any of
the three algebras means that the program can be re-associated, however it is written, and growth like n that
these algebras know no shortcut.

**What it does not see.** The theorem is about commutative semirings and polynomials: across operations
outside of the algebra, and for divisions, the reading is a heuristic. Finite machines and linear fractions
look serial to it. Loops beyond `FOLLOWED` steps are extrapolated.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, Literal
from weakref import WeakKeyDictionary

import jax.numpy as jnp
from jax.extend.core import Jaxpr, JaxprEqn
from jax.extend.core import Literal as Constant

from . import algebra, jaxprs
from .algebra import CONSTANT, UNKNOWN, Degrees
from .primitives import RULES

FOLLOWED = 16
"""How many steps of a loop are followed one by one."""

CHOOSING = {"lu", "eig", "eigh", "schur", "svd"}
"""Operations that choose on the way or go on until they converge, of which a degree says nothing: Gaussian
elimination with partial pivoting is P-complete (Vavasis 1989)."""

FOLLOWED_INSIDE = 4
"""The same of a loop inside another, so that the time of nested loops stays small."""


def degrees(jaxpr: Jaxpr, inputs: Sequence[Degrees], nesting: int = 0) -> list[Degrees]:
    """The degrees of the outputs, given those of the inputs; `nesting` counts the loops around."""
    if jaxpr not in _COMPILED:
        _COMPILED[jaxpr] = _compiled(jaxpr)
    size, steps, results = _COMPILED[jaxpr]
    held = [CONSTANT] * size
    held[1 : 1 + len(inputs)] = inputs
    for rule, places, targets in steps:
        given = [held[place] for place in places]
        if any(each is not CONSTANT for each in given):
            found = rule(given, nesting)
            if type(found) is tuple:
                for target in targets:
                    held[target] = found
            else:
                for target, each in zip(targets, found, strict=True):
                    held[target] = each
    return [held[place] for place in results]


_Rule = Callable[[list[Degrees], int], Any]
"""From the degrees of the operands, and the loops around, to that of all results or a list of each."""

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


def _rule(eqn: JaxprEqn) -> _Rule:
    name = eqn.primitive.name
    if name in jaxprs.CALLS or name == "shard_map":
        called = jaxprs.called(eqn)
        return lambda given, nesting: degrees(called, given, nesting)
    if name == "scan":
        return lambda given, nesting: _scan(eqn, given, nesting)
    if name == "cond":
        branches = [jaxprs.opened(branch) for branch in eqn.params["branches"]]

        def conditional(given: list[Degrees], nesting: int) -> list[Degrees]:
            found = zip(*(degrees(branch, given[1:], nesting) for branch in branches), strict=True)
            return [algebra.chosen(given[0], algebra.highest(each)) for each in found]

        return conditional
    if name == "custom_linear_solve":
        solver, consts = jaxprs.linear_solve(eqn)
        sides = sum(eqn.params["const_lengths"])
        return lambda given, nesting: degrees(solver, given[consts] + given[sides:], nesting)
    if name == "while":
        found = jaxprs.trips(eqn, {})
        if found is None or not found.exact:
            return lambda given, _: UNKNOWN
        counted = jaxprs.counted(eqn, found.count)
        return lambda given, nesting: degrees(counted, given, nesting)
    if name in CHOOSING:
        return lambda given, _: UNKNOWN
    if name not in RULES:
        return lambda given, _: algebra.raised(algebra.highest(given))
    return _plain(eqn)


def _plain(eqn: JaxprEqn) -> _Rule:
    """The rule of a primitive in the table, by its algebra."""
    rule = RULES[eqn.primitive.name]
    two = len(eqn.invars) == 2
    match rule.algebra:
        case "move":
            return lambda given, _: algebra.highest(given)
        case "sum" if two:
            return lambda given, _: algebra.summed(*given)
        case "sum":
            terms = max(1, jaxprs.size(eqn.invars[0]) // max(1, jaxprs.size(eqn.outvars[0])))
            more = math.log2(terms) if eqn.primitive.name == "reduce_sum" else 1.0
            return lambda given, _: algebra.total(algebra.highest(given), more)
        case "product" if two:
            return lambda given, _: algebra.product(*given)
        case "quotient" if two and jnp.issubdtype(jaxprs.dtype(eqn.outvars[0]), jnp.inexact):
            return lambda given, _: algebra.quotient(*given)
        case "max":
            return lambda given, _: algebra.maximum(algebra.highest(given))
        case "min":
            return lambda given, _: algebra.minimum(algebra.highest(given))
        case "choice":
            return lambda given, _: algebra.chosen(given[0], algebra.highest(given[1:]))
        case "lookup" | "write":
            index = range(len(eqn.invars))[rule.addresses] if rule.addresses else ()

            def addressed(given: list[Degrees], nesting: int) -> Degrees:
                return algebra.highest(
                    [algebra.raised(each) if place in index else each for place, each in enumerate(given)]
                )

            return addressed
        case _:
            return lambda given, _: algebra.raised(algebra.highest(given))


def _scan(eqn: JaxprEqn, given: list[Degrees], nesting: int) -> list[Degrees]:
    """Degrees of equal differences give degrees of equal differences, so loops in loops are followed once."""
    shift = algebra.highest(given)
    key = (eqn.params["length"], *(_apart(degree, shift) for degree in given))
    memo = _FOLLOWED.setdefault(jaxprs.opened(eqn.params["jaxpr"]), {}) if nesting else {}
    if key not in memo:
        memo[key] = [_apart(degree, shift) for degree in _follow(eqn, given, nesting)]
    return [_together(degree, shift) for degree in memo[key]]


_FOLLOWED: WeakKeyDictionary[Any, dict[Any, list[Degrees]]] = WeakKeyDictionary()


def _apart(degree: Degrees, shift: Degrees) -> Degrees:
    (a, b, c), (d, e, f) = degree, shift
    return CONSTANT if degree == CONSTANT else (a - d, b - e, c - f)


def _together(degree: Degrees, shift: Degrees) -> Degrees:
    (a, b, c), (d, e, f) = degree, shift
    return CONSTANT if degree == CONSTANT else (a + d, b + e, c + f)


def _follow(eqn: JaxprEqn, given: list[Degrees], nesting: int) -> list[Degrees]:
    consts, carries = eqn.params["num_consts"], eqn.params["num_carry"]
    body, length = jaxprs.opened(eqn.params["jaxpr"]), eqn.params["length"]

    def step(carry: Sequence[Degrees]) -> list[Degrees]:
        return degrees(body, [*given[:consts], *carry, *given[consts + carries :]], nesting + 1)

    first = given[consts : consts + carries]
    followed = FOLLOWED_INSIDE if nesting else FOLLOWED
    if len(eqn.outvars) == carries:
        return carried(step, first, length, followed)
    last = carried(lambda carry: step(carry)[:carries], first, length - 1, followed)
    return step(last) if length else [*first, *[CONSTANT] * (len(eqn.outvars) - carries)]


def carried(step: Any, carry: Sequence[Degrees], length: int, followed: int) -> list[Degrees]:
    """The degrees of the carries after `length` steps; beyond those `followed` their growth is carried on."""
    seen: dict[int, list[Degrees]] = {}
    held = list(carry)
    for count in range(1, min(length, followed) + 1):
        new = step(held)
        if new == held:
            return new
        held = seen[count] = new
    if length <= followed:
        return held

    def after(quarter: float, half: float, whole: float) -> float:
        if whole == -math.inf or whole == half:
            return whole
        if _is_logarithmic(quarter, half, whole):
            return whole + (whole - half) * math.log2(length / followed)
        return whole + (whole - half) / (followed / 2) * (length - followed)

    return [
        (after(a, d, g), after(b, e, h), after(c, f, i))
        for (a, b, c), (d, e, f), (g, h, i) in zip(
            seen[followed // 4], seen[followed // 2], seen[followed], strict=True
        )
    ]


def _is_logarithmic(quarter: float, half: float, whole: float) -> bool:
    """Equal gains for doubled lengths; a chain gains twice as much each time."""
    return whole == half or whole - half <= 1.4 * (half - quarter)


def reading(step: Any, carry: Sequence[Degrees]) -> Literal["shortcut", "serial", "unknown"]:
    """What the growth of the degrees of the carries tells of a loop."""
    seen, carry = {}, list(carry)
    for count in range(1, FOLLOWED + 1):
        carry = seen[count] = step(carry)
    found = [seen[FOLLOWED // 4], seen[FOLLOWED // 2], seen[FOLLOWED]]
    kinds = []
    for number in range(3):
        values = [max(degree[number] for degree in each) for each in found]
        if math.isinf(values[-1]):
            return "unknown"
        kinds.append(_is_logarithmic(*values))
    return "shortcut" if any(kinds) else "serial"
