"""The formal degree of a single operation, by its algebra; one arithmetic for both front ends.

Degrees are carried as their base-2 logarithms in three algebras at once: the ring (+, ×) and the tropical
semirings (max, +) and (min, +). In each a sum has the larger degree of its terms and a product the sum of the
degrees of its factors; what is outside of an algebra doubles the degree. `degree` says what the numbers tell.
"""

import math
from collections.abc import Sequence

Degrees = tuple[float, float, float]
"""log2 of the degree in (+, ×), (max, +) and (min, +)."""

CONSTANT: Degrees = (-math.inf, -math.inf, -math.inf)
"""Known before the run: degree 0."""

INPUT: Degrees = (0.0, 0.0, 0.0)

UNKNOWN: Degrees = (math.inf, math.inf, math.inf)
"""After a loop that runs until something happens."""


def added(one: float, other: float) -> float:
    """log2(2^one + 2^other)."""
    high, low = (one, other) if one > other else (other, one)
    if low == -math.inf or high == math.inf:
        return high
    return high + math.log2(1 + 2.0 ** (low - high))


def highest(found: Sequence[Degrees]) -> Degrees:
    """The largest of each."""
    if len(found) == 1:
        return found[0]
    ring, high, low = CONSTANT
    for a, b, c in found:
        ring, high, low = a if a > ring else ring, b if b > high else high, c if c > low else low
    return ring, high, low


def raised(degrees: Degrees, by: float = 1.0) -> Degrees:
    """What is outside of all algebras, `by` operations deep."""
    ring, high, low = degrees
    return ring + by, high + by, low + by


def summed(one: Degrees, other: Degrees) -> Degrees:
    """A sum of two: the product of the tropical semirings."""
    (a, b, c), (d, e, f) = one, other
    return a if a > d else d, added(b, e), added(c, f)


def total(terms: Degrees, doublings: float) -> Degrees:
    """A sum of 2^doublings terms."""
    return terms[0], terms[1] + doublings, terms[2] + doublings


def product(one: Degrees, other: Degrees) -> Degrees:
    (a, b, c), (d, e, f) = one, other
    return added(a, d), (b if b > e else e) + 1, (c if c > f else f) + 1


def quotient(one: Degrees, other: Degrees) -> Degrees:
    """A product with an inverse, which is outside of the ring."""
    (a, b, c), (d, e, f) = one, other
    return added(a, d + 1), (b if b > e else e) + 1, (c if c > f else f) + 1


def maximum(terms: Degrees) -> Degrees:
    ring, high, low = terms
    return ring + 1, high, low + 1


def minimum(terms: Degrees) -> Degrees:
    ring, high, low = terms
    return ring + 1, high + 1, low


def chosen(predicate: Degrees, value: Degrees) -> Degrees:
    """A choice multiplies what it chooses by a function of its predicate."""
    ring, high, low = raised(predicate)
    return added(ring, value[0]), max(high, value[1]), max(low, value[2])
