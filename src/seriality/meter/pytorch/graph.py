"""The graph of the operations that ran, and what is read off it: work, span, formal degree, profile.

A node is an operation; its operands are the nodes that made what it reads. Two numbers stand for what no
operation made: INPUT, depth 0, and KNOWN, known before the run. A node is live when a result needs it, and
only live nodes count: eager PyTorch runs dead code, but no result waits for it.

Control is in the graph too: the `gate` of a node is the last read by the host before the node was launched.
Branches of a choice are all recorded; the dearest is counted.

**Formal degree** (Valiant, Skyum, Berkowitz and Rackoff 1983). The degree of a polynomial program bounds the
depth it can be re-associated to. It is carried as its logarithm in the ring (+, ×) and in the two tropical
semirings (max, +) and (min, +); an operation that is not in the algebra doubles it. Degree 0 is a constant.
"""

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from ...cost import Cost
from ..algebra import CONSTANT, Degrees, highest
from ..algebra import INPUT as INPUT_DEGREES
from ..measurement import Profile, Region, Step
from ..rules import NOTHING, CostModel, Operation
from .operators import MOVE, Rule

KNOWN = -1
INPUT = 0

Place = tuple[str, int, str]
"""File, line and function."""


@dataclass(frozen=True)
class Choice:
    """Two runs of nodes of which one happens, and the pairs of results that were chosen from."""

    branches: tuple[range, range]
    results: tuple[tuple[int, int], ...]


@dataclass
class Graph:
    """Nodes in the order in which they ran. Number 0 stands for all inputs."""

    names: list[str] = field(default_factory=lambda: ["input"])
    rules: list[Rule] = field(default_factory=lambda: [MOVE])
    operations: list[Operation] = field(default_factory=lambda: [NOTHING])
    operands: list[tuple[int, ...]] = field(default_factory=lambda: [()])
    addresses: list[tuple[int, ...]] = field(default_factory=lambda: [()])
    gates: list[int] = field(default_factory=lambda: [KNOWN])
    places: list[Place | None] = field(default_factory=lambda: [None])
    regions: list[int] = field(default_factory=lambda: [0])
    launched: list[int] = field(default_factory=lambda: [0])
    choices: list[Choice] = field(default_factory=list)
    parents: list[int] = field(default_factory=lambda: [0])
    labels: list[str] = field(default_factory=lambda: ["program"])
    joins: dict[tuple[int, ...], int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.names)

    def add(
        self,
        name: str,
        rule: Rule,
        operation: Operation,
        operands: tuple[int, ...],
        addresses: tuple[int, ...] = (),
        gate: int = KNOWN,
        place: Place | None = None,
        region: int = 0,
        launched: int = 0,
    ) -> int:
        """A new node. `addresses` made the indices or the predicate that it reads, `operands` the rest.

        `launched` is how many operators ran before.
        """
        self.names.append(name)
        self.rules.append(rule)
        self.operations.append(operation)
        self.operands.append(operands)
        self.addresses.append(addresses)
        self.gates.append(gate)
        self.places.append(place)
        self.regions.append(region)
        self.launched.append(launched)
        return len(self.names) - 1

    def join(self, nodes: Iterable[int]) -> int:
        """What waits for all of these nodes, at no cost."""
        needed = set(nodes)
        needed.discard(KNOWN)
        if len(needed) < 2:
            return needed.pop() if needed else KNOWN
        key = tuple(sorted(needed))
        if key not in self.joins:
            self.joins[key] = self.add("join", MOVE, NOTHING, key, launched=self.launched[-1])
        return self.joins[key]

    def region(self, parent: int, label: str) -> int:
        """A new region inside another."""
        self.parents.append(parent)
        self.labels.append(label)
        return len(self.labels) - 1

    def reading(self, results: Iterable[int]) -> "Reading":
        """The graph as these results see it."""
        return Reading(self, frozenset(results) - {KNOWN})


@dataclass
class Reading:
    """The live part of a graph, which nobody changes any more."""

    graph: Graph
    results: frozenset[int]

    def __post_init__(self) -> None:
        graph = self.graph
        live = bytearray(len(graph))
        for node in self.results:
            live[node] = 1
        operands, addresses, gates = graph.operands, graph.addresses, graph.gates
        for node in range(len(graph) - 1, 0, -1):
            if live[node]:
                for operand in operands[node]:
                    if operand > 0:
                        live[operand] = 1
                for operand in addresses[node]:
                    if operand > 0:
                        live[operand] = 1
                if gates[node] > 0:
                    live[gates[node]] = 1
        live[INPUT] = 0
        self.live = [node for node, is_live in enumerate(live) if is_live]
        self.work_of = {node: graph.operations[node].work for node in self.live}
        self.is_upper = False
        for choice in graph.choices:  # inner ones first
            works = [sum(self.work_of.get(node, 0) for node in branch) for branch in choice.branches]
            if works[0] != works[1]:
                self.is_upper = True
            for node in choice.branches[works[0] >= works[1]]:
                if node in self.work_of:
                    self.work_of[node] = 0

    @property
    def work(self) -> int:
        """The number of operations."""
        return sum(self.work_of.values())

    @property
    def products(self) -> int:
        """The number of those in matrix products and convolutions."""
        operations = self.graph.operations
        return sum(work for node, work in self.work_of.items() if operations[node].layer)

    def depths(self, cost_model: CostModel) -> list[int]:
        """The longest chain that ends at each node. The last entry is that of KNOWN."""
        graph = self.graph
        depths = [0] * (len(graph) + 1)
        depths[KNOWN] = -1
        operands, addresses, gates, operations = (
            graph.operands,
            graph.addresses,
            graph.gates,
            graph.operations,
        )
        for node in self.live:
            deepest = depths[gates[node]]
            for operand in operands[node]:
                if depths[operand] > deepest:
                    deepest = depths[operand]
            for operand in addresses[node]:
                if depths[operand] > deepest:
                    deepest = depths[operand]
            depths[node] = deepest + getattr(operations[node], cost_model)
        return depths

    def span(self, cost_model: CostModel) -> int:
        """The longest chain to a result."""
        depths = self.depths(cost_model)
        if any(
            depths[one] != depths[other] for choice in self.graph.choices for one, other in choice.results
        ):
            self.is_upper = True
        return max((depths[node] for node in self.results), default=0)

    def cost(self, cost_model: CostModel) -> Cost:
        """Work and span."""
        return Cost(self.work, self.span(cost_model))

    def log2_degree(self) -> float:
        """log2 of the formal degree: each result in the algebra where it is least, the largest of these."""
        graph = self.graph
        degrees: list[Degrees] = [CONSTANT] * (len(graph) + 1)
        degrees[INPUT] = INPUT_DEGREES
        rules, operations = graph.rules, graph.operations
        for node in self.live:
            operands = [degrees[operand] for operand in graph.operands[node]]
            addresses = [degrees[operand] for operand in graph.addresses[node]]
            address = highest(addresses)
            degrees[node] = rules[node].degree(
                operands, None if address == CONSTANT else address, operations[node]
            )
        return max([0.0, *(min(degrees[node]) for node in self.results)])

    def profile(self, cost_model: CostModel) -> Profile:
        """Where the work and the span are."""
        path = self.critical_path(cost_model)
        return Profile(self._tree(cost_model, path), tuple(self._steps(cost_model, path)))

    def critical_path(self, cost_model: CostModel) -> list[int]:
        """The nodes on a longest chain, in order."""
        graph, depths, path = self.graph, self.depths(cost_model), []
        node = max(self.results, key=depths.__getitem__, default=INPUT)
        while node > 0:
            path.append(node)
            before = (*graph.operands[node], *graph.addresses[node], graph.gates[node])
            node = max(before, key=depths.__getitem__)
        return path[::-1]

    def _steps(self, cost_model: CostModel, path: Sequence[int]) -> list[Step]:
        counts: dict[tuple[str, str, str], list[int]] = {}
        for node in path:
            steps = getattr(self.graph.operations[node], cost_model)
            if steps:
                file, line, function = self.graph.places[node] or ("", 0, "")
                where = f"{os.path.basename(file)}:{line}" if file else "(no source)"
                count = counts.setdefault((self.graph.names[node], where, function), [0, 0])
                count[0] += 1
                count[1] += steps
        return [Step(*names, count=count, steps=steps) for names, (count, steps) in counts.items()]

    def _tree(self, cost_model: CostModel, path: Sequence[int]) -> Region:
        graph = self.graph
        number = len(graph.labels)
        inside = np.zeros((number, number), dtype=bool)  # [region, any region around it or itself]
        for region in range(number):
            inside[region, region] = True
            if region:
                inside[region] |= inside[graph.parents[region]]
        work = [0] * number
        critical = [0] * number
        for node, own in self.work_of.items():
            for region in np.flatnonzero(inside[graph.regions[node]]):
                work[region] += own
        for node in path:
            steps = getattr(graph.operations[node], cost_model)
            for region in np.flatnonzero(inside[graph.regions[node]]):
                critical[region] += steps
        spans = self._spans(cost_model, inside)

        def build(region: int) -> Region:
            inner = [
                build(other) for other in range(1, number) if graph.parents[other] == region and work[other]
            ]
            inner.sort(key=lambda found: (-found.critical, -found.work))
            return Region(
                graph.labels[region], work[region], int(spans[region]), critical[region], tuple(inner)
            )

        return build(0)

    def _spans(self, cost_model: CostModel, inside: np.ndarray) -> np.ndarray:
        """The longest chain of the operations of each region, all others being free."""
        graph = self.graph
        rows: dict[int, np.ndarray] = {}
        waiting = Counter(
            operand
            for node in self.live
            for operand in {*graph.operands[node], *graph.addresses[node], graph.gates[node]}
        )
        spans = np.zeros(len(inside), dtype=np.int64)
        for node in self.live:
            before = {*graph.operands[node], *graph.addresses[node], graph.gates[node]} - {KNOWN, INPUT}
            row = np.zeros(len(inside), dtype=np.int64)
            for operand in before:
                np.maximum(row, rows[operand], out=row)
                waiting[operand] -= 1
                if not waiting[operand]:
                    del rows[operand]
            row += getattr(graph.operations[node], cost_model) * inside[graph.regions[node]]
            np.maximum(spans, row, out=spans)
            rows[node] = row
        return spans
