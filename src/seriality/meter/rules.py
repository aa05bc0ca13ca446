"""The rule set of both front ends: what each kind of operation costs, and the cost models.

Work is the number of scalar operations, the same in all cost models. The steps of an operation are the
length of its own chain:

    unit      every operation that computes is one step, whatever its fan-in: a sum of n terms, a matrix
              product, an argmax and a prefix sum are one step each (unbounded fan-in, as in AC0 and TC0)
    fan_in_2  two operands a step: a sum of n terms is ⌈log2 n⌉ steps, a lookup in a table of n places is
              ⌈log2 n⌉, a matrix product is the products and then their sum (as in NC1)
    layer     a matrix product or convolution is one step, everything else none. Appendix C.3 of "The
              Serial Scaling Hypothesis" counts layers, each of which is several products

An operation on nothing, such as a sum of one term, is no work and no step. What jaxprs call an operation is
in `primitives`, what PyTorch calls it in `pytorch/operators`; both give the sizes to the functions here.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from ..cost import Cost

CostModel = Literal["unit", "fan_in_2", "layer"]

COST_MODELS: tuple[CostModel, ...] = ("unit", "fan_in_2", "layer")
"""Their names."""

COST_VERSION = 1
"""Rises when a program's work or span comes out otherwise. Numbers of different versions are not compared."""

CHOICE: Mapping[CostModel, int] = {"unit": 1, "fan_in_2": 1, "layer": 0}
"""The steps of waiting for a predicate: `cond`, and each test of a `while`."""


@dataclass(frozen=True, slots=True)
class Operation:
    """The cost of one operation: its work, and its steps in each cost model."""

    work: int
    unit: int = 1
    fan_in_2: int = 1
    layer: int = 0

    def steps(self, cost_model: CostModel) -> int:
        """The length of its chain in one cost model."""
        return getattr(self, cost_model)

    def then(self, *others: "Operation") -> "Operation":
        """This operation followed by others, each needing the one before."""
        parts = (self, *others)
        return Operation(
            sum(part.work for part in parts),
            sum(part.unit for part in parts),
            sum(part.fan_in_2 for part in parts),
            sum(part.layer for part in parts),
        )


NOTHING = Operation(0, 0, 0)
"""Data moved to fixed places, renamed or made without an operand."""

Shapes = list[tuple[int, ...]]

Declared = Mapping[str, Cost | Callable[[Shapes, Shapes], Cost]]
"""Costs of operations the meter cannot look into, by name: a Cost, or a function that gives one for the
shapes of the operands and of the results. A declared span holds in every cost model."""


def doublings(n: int) -> int:
    """⌈log2 n⌉, and 0 for nothing."""
    return max(0, n - 1).bit_length()


def elementwise(outputs: int, operations: int = 1) -> Operation:
    """A chain of `operations` on every output."""
    return Operation(operations * outputs, operations, operations) if outputs else NOTHING


def reduction(inputs: int, outputs: int) -> Operation:
    """n terms take n − 1 operations."""
    work = inputs - outputs
    return Operation(work, 1, doublings(-(-inputs // outputs))) if work > 0 and outputs else NOTHING


def prefix(outputs: int, length: int) -> Operation:
    """Prefix sums and their kin over lines of `length`: one operation an element."""
    return Operation(outputs, 1, max(1, doublings(length))) if outputs else NOTHING


def window(outputs: int, terms: int) -> Operation:
    """A reduction of one window for every output."""
    work = (terms - 1) * outputs
    return Operation(work, 1, doublings(terms)) if work > 0 else NOTHING


def matrix_product(outputs: int, terms: int) -> Operation:
    """`terms` multiplications and as many additions for every output. A convolution is one too."""
    if not outputs * terms:
        return NOTHING
    return Operation(2 * terms * outputs, 1, 1 + doublings(terms), layer=1)


def lookup(moved: int, places: int) -> Operation:
    """`moved` elements read from, or written to, places that depend on data, each one of `places`."""
    return Operation(moved, 1, max(1, doublings(places))) if moved else NOTHING


def scatter(moved: int, terms: int) -> Operation:
    """`moved` elements combined into places, at most `terms` of them into one."""
    return Operation(moved, 1, max(1, doublings(terms + 1))) if moved else NOTHING


def sort(lines: int, length: int) -> Operation:
    """The bitonic comparison network (Batcher 1968): r (r + 1) / 2 rounds for r = ⌈log2 n⌉."""
    rounds = doublings(length) * (doublings(length) + 1) // 2
    work = lines * (length // 2) * rounds
    return Operation(work, rounds, rounds) if work else NOTHING


def fourier(lines: int, length: int) -> Operation:
    """The Cooley–Tukey transform: ⌈log2 n⌉ rounds of one product and two sums for every two elements."""
    rounds = doublings(length)
    work = lines * 3 * (length // 2) * rounds
    return Operation(work, 2 * rounds, 2 * rounds) if work else NOTHING


# Linear systems take a step for each column: the column is divided, and then updates what is left.


def lu(matrices: int, rows: int, width: int) -> Operation:
    """Pivot j of an m × n matrix: m − 1 − j divisions, then a product and a sum for each entry left."""
    left = [(rows - 1 - j, width - 1 - j) for j in range(min(rows, width))]
    work = matrices * sum(below + 2 * below * beside for below, beside in left)
    steps = min(rows, width)
    return Operation(work, steps, steps * (1 + doublings(rows))) if work else NOTHING


def cholesky(matrices: int, k: int) -> Operation:
    """Column j of k: a root, k − 1 − j divisions, a symmetric update: k (k + 1) (2k + 1) / 6 in all."""
    work = matrices * (k * (k + 1) * (2 * k + 1) // 6)
    return Operation(work, k, k) if work else NOTHING


def triangular_solve(k: int, outputs: int) -> Operation:
    """k² operations for every right-hand side of k rows."""
    return Operation(k * outputs, k, k) if k * outputs else NOTHING


def householder(matrices: int, rows: int, width: int) -> Operation:
    """QR by reflections: column j takes a norm, then a product and a rank-one update of what is left.

    2 k² (l − k / 3) operations, k the shorter and l the longer side (Golub and Van Loan 2013, section 5.2.2);
    two sums over a column a step.
    """
    columns, longer = min(rows, width), max(rows, width)
    work = matrices * (2 * columns * columns * (3 * longer - columns) // 3)
    return Operation(work, 2 * columns, columns * 2 * (1 + doublings(rows))) if work else NOTHING


def iterative(matrices: int, rows: int, width: int, work: int) -> Operation:
    """Eigenvalues and singular values: `work` of the textbook algorithm for one matrix.

    The reduction takes two steps a column, and the iteration, which no program bounds, is taken to need two
    sweeps a value, pipelined, one step each (Golub and Van Loan 2013, sections 7.5, 8.3 and 8.6).
    """
    columns = min(rows, width)
    steps = 4 * columns
    return Operation(matrices * work, steps, steps * (1 + doublings(rows))) if matrices * work else NOTHING


# What libraries fuse. The chains are those of `jax.nn`, and tests hold both front ends to them.


def softmax(elements: int, length: int) -> Operation:
    """Maximum, difference, exponential, sum, quotient, over lines of `length`."""
    lines = elements // max(1, length)
    reduce = reduction(elements, lines)
    return reduce.then(elementwise(elements, 2), reduce, elementwise(elements))


def log_softmax(elements: int, length: int) -> Operation:
    """Maximum, difference, exponential, sum, logarithm, difference, over lines of `length`."""
    lines = elements // max(1, length)
    reduce = reduction(elements, lines)
    return reduce.then(elementwise(elements, 2), reduce, elementwise(lines), elementwise(elements))
