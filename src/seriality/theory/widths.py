"""What shallow circuits and networks pay in width, exactly, where it can be computed (paper, section 2.1).

* Depth 2 without MAJORITY: an OR of ANDs of inputs and negated inputs. `least_terms` is the least number of
  ANDs of a function given by its table, by its prime implicants (Quine 1952; McCluskey 1956) and an exact
  cover of the ones (an integer program). Of parity it is 2^(n-1): every prime implicant is a single row.
* One hidden layer of rectifiers in one variable: `least_rectifiers` is the least number of units of a
  piecewise linear function. Of Telgarsky's sawtooth, k triangle maps in turn, it is 2^k, where 2 k layers of
  two units do (`deep_sawtooth`); Telgarsky 2015, 2016.

What this does not show: a lower bound for circuits of depth 3 or more, or for networks of several hidden
layers (Hastad 1986 and Telgarsky 2016 have those), nor for depth 2 with MAJORITY, where some 1.5 n gates
compute parity.
"""

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise

import numpy as np
from jaxtyping import Bool, Float
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_array

FREE = 2
"""An input that an implicant does not read; 0 and 1 are the values that it asks for."""


def prime_implicants(table: Bool[np.ndarray, " rows"]) -> list[tuple[int, ...]]:
    """The ANDs that imply a function of n inputs and are as short as can be; row r has input i at bit i.

    ValueError if the table does not have 2^n rows.

    >>> prime_implicants(np.array([0, 1, 0, 1], bool))
    [(1, 2)]
    """
    inputs = _inputs(table)
    cube = np.asarray(table, bool).reshape((2,) * inputs, order="F")
    implies = np.zeros((3,) * inputs, bool)
    implies[(slice(0, 2),) * inputs] = cube
    for axis in range(inputs):  # an AND that does not read an input implies what both of its halves imply
        zero, one = (np.take(implies, bit, axis) for bit in (0, 1))
        implies[(slice(None),) * axis + (FREE,)] = zero & one
    prime = implies.copy()
    for axis in range(inputs):  # nor is one prime that could do without one of its inputs
        free = np.expand_dims(np.take(implies, FREE, axis), axis)
        keep = np.concatenate([~free, ~free, np.ones_like(free)], axis)
        prime &= keep
    return [tuple(int(value) for value in place) for place in np.argwhere(prime)]


def least_terms(table: Bool[np.ndarray, " rows"]) -> int:
    """The least number of ANDs whose OR is the function. (An AND of ORs may be smaller.)

    Exact: the integer program is solved to optimality, and a least OR of ANDs may be taken of prime ones.
    RuntimeError if the solver stops before.

    >>> least_terms(np.array([0, 1, 1, 0, 1, 0, 0, 1], bool))
    4
    """
    inputs, rows = _inputs(table), np.flatnonzero(table)
    if not len(rows):
        return 0
    primes = np.array(prime_implicants(table)).reshape(-1, inputs)
    bits = (rows[:, None] >> np.arange(inputs)) & 1
    covers = ((primes == FREE) | (primes == bits[:, None])).all(-1)
    found = milp(
        np.ones(len(primes)),
        constraints=LinearConstraint(csr_array(covers.astype(float)), lb=1.0),
        integrality=np.ones(len(primes)),
        bounds=Bounds(0, 1),
    )
    if found.status != 0 or found.mip_gap != 0:
        raise RuntimeError(f"the integer program was not solved to optimality: {found.message}")
    return round(found.fun)


def _inputs(table: np.ndarray) -> int:
    inputs = (len(table) - 1).bit_length()
    if len(table) != 2**inputs:
        raise ValueError(f"table has {len(table)} rows, allowed are powers of two")
    return inputs


def sawtooth(points: Float[np.ndarray, " points"], folds: int) -> Float[np.ndarray, " points"]:
    """The triangle map, 2 x up to 1/2 and 2 - 2 x after it, applied `folds` times to points of [0, 1]:
    2^folds pieces.

    >>> sawtooth(np.array([0.0, 0.25, 0.5, 0.75, 1.0]), folds=2).tolist()
    [0.0, 1.0, 0.0, 1.0, 0.0]
    """
    for _ in range(folds):
        points = np.minimum(2 * points, 2 - 2 * points)
    return points


def deep_sawtooth(points: Float[np.ndarray, " points"], folds: int) -> Float[np.ndarray, " points"]:
    """The same by a network: `folds` hidden layers of two units, 2 relu(x) - 4 relu(x - 1/2)."""
    for _ in range(folds):
        hidden = np.maximum(points[:, None] * np.array([1.0, 1.0]) + np.array([0.0, -0.5]), 0)
        points = hidden @ np.array([2.0, -4.0])
    return points


def least_rectifiers(slopes: Sequence[Fraction | int]) -> int:
    """The least number of units of one hidden layer that makes a function of one variable with these slopes,
    from left to right, on an interval; a constant may be added.

    A unit bends the function at one place, so every bend needs a unit; the change of slope there fixes the
    unit but for the side on which it is zero. The slope of the leftmost piece comes from the units that are
    not zero there, which are of our choice: it is minus a sum of some of the changes. If no choice gives it,
    one more unit does that bends outside the interval.

    >>> [least_rectifiers([2**k, -(2**k)] * 2 ** (k - 1)) for k in (1, 2, 3)]
    [2, 4, 8]
    """
    changes = [right - left for left, right in pairwise(slopes)]
    if 0 in changes:
        raise ValueError("neighbouring pieces have the same slope; give them as one piece")
    sums = {Fraction(0)}
    for change in changes:
        sums |= {total + change for total in sums}
    return len(changes) + (-Fraction(slopes[0]) not in sums if slopes else 0)


def sawtooth_slopes(folds: int) -> list[int]:
    """The slopes of the sawtooth's pieces."""
    return [2**folds, -(2**folds)] * (2**folds // 2) if folds else [1]


def most_pieces(widths: Sequence[int]) -> int:
    """The most linear pieces of a network of rectifiers in one variable with hidden layers of these widths:
    the product of (width + 1) over the layers, each unit bending once for every piece before it (Telgarsky
    2015).

    >>> most_pieces([2, 2, 2])
    27
    """
    pieces = 1
    for width in widths:
        pieces = pieces * (width + 1)
    return pieces
