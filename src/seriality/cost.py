"""Work and span: the two numbers of serial compute.

Work is the number of operations, span the number of them on the longest chain of dependent ones
(Brent 1974; Blelloch 1996). The unit is that of a named cost model, see `seriality.meter`.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Cost:
    """Work and span of a computation, exact integers.

    >>> step = Cost(work=10, span=2)
    >>> step.then(step), step.beside(step), step.times(5)
    (Cost(work=20, span=4), Cost(work=20, span=2), Cost(work=50, span=10))
    """

    work: int
    span: int

    def then(self, other: "Cost") -> "Cost":
        """The cost of this computation followed by one that needs its result."""
        return Cost(self.work + other.work, self.span + other.span)

    def beside(self, other: "Cost") -> "Cost":
        """The cost of this computation and an independent one."""
        return Cost(self.work + other.work, max(self.span, other.span))

    def times(self, count: int) -> "Cost":
        """The cost of `count` repetitions, each needing the one before."""
        return Cost(count * self.work, count * self.span)
