"""Every program of `programs.py` is counted, and its span is the longest path of its graph.

The graph is made here, equation by equation, every iteration of every loop on its own, and the longest path
is found by networkx. Only the cost of a single operation is taken from the meter's rules, whose numbers are
counted by hand in test_measure.py.
"""

import importlib.util
import itertools
import sys
from pathlib import Path

import networkx as nx
import pytest
from jax.extend.core import Literal

from seriality.meter import measure
from seriality.meter.jaxprs import trace
from seriality.meter.primitives import RULES

_SPEC = importlib.util.spec_from_file_location("programs", Path(__file__).parent / "programs.py")
_PROGRAMS = importlib.util.module_from_spec(_SPEC)
sys.modules["programs"] = _PROGRAMS
_SPEC.loader.exec_module(_PROGRAMS)
PROGRAMS = _PROGRAMS.PROGRAMS

UNBOUNDED = {"random.gamma", "random.beta", "random.dirichlet", "sqrtm", "gcd", "exp1", "polar"}
"""Their loops run until something happens."""


class Graph:
    """The operations of a program, one node each, with its steps as weight of the edges that leave it."""

    def __init__(self, cost_model):
        self.graph, self.cost_model, self.numbers = nx.DiGraph(), cost_model, itertools.count()
        self.source, self.work = self.node(0, []), 0

    def node(self, steps, before):
        number = next(self.numbers)
        self.graph.add_node(number, steps=steps)
        self.graph.add_edges_from((other, number) for other in before)
        return number

    def span(self):
        end = self.node(0, list(self.graph))
        for start, _, data in self.graph.edges(data=True):
            data["weight"] = self.graph.nodes[start]["steps"]
        assert end in self.graph
        return nx.dag_longest_path_length(self.graph, weight="weight")

    def run(self, jaxpr, inputs, gates=()):
        """The nodes of the outputs; None is known before the run. Every operation waits for the gates."""
        held = dict.fromkeys(jaxpr.constvars) | dict(zip(jaxpr.invars, inputs, strict=True))

        def read(atom):
            return None if isinstance(atom, Literal) else held[atom]

        for eqn in jaxpr.eqns:
            results = self.equation(eqn, [read(atom) for atom in eqn.invars], gates)
            held.update(zip(eqn.outvars, results, strict=True))
        return [read(atom) for atom in jaxpr.outvars]

    def equation(self, eqn, given, gates):
        name, params, count = eqn.primitive.name, eqn.params, len(eqn.outvars)
        if all(node is None for node in given):
            return [None] * count
        if name in RULES:
            rule = RULES[name]
            operation = rule.count(eqn)
            if rule.addresses and not rule.combines and all(node is None for node in given[rule.addresses]):
                operation = None
            steps = 0 if operation is None or not operation.work else getattr(operation, self.cost_model)
            self.work += 0 if operation is None else operation.work
            before = [node for node in given if node is not None]
            return [self.node(steps, [*before, *gates])] * count
        if name == "scan":
            return self.scan(params, given, gates, count)
        if name == "cond":
            return self.cond(params, given, gates)
        if name == "while":
            return self.counted(params, given, gates)
        if name == "custom_linear_solve":
            before = params["const_lengths"].matvec + params["const_lengths"].vecmat
            consts = given[before : before + params["const_lengths"].solve]
            sides = given[sum(params["const_lengths"]) :]
            return self.run(params["jaxprs"].solve.jaxpr, [*consts, *sides], gates)
        inner = params.get("jaxpr", params.get("call_jaxpr"))
        return self.run(getattr(inner, "jaxpr", inner), given, gates)

    def scan(self, params, given, gates, count):
        consts, carries = params["num_consts"], params["num_carry"]
        carry, seen = given[consts : consts + carries], [[] for _ in range(count - carries)]
        for _ in range(params["length"]):
            inputs = [*given[:consts], *carry, *given[consts + carries :]]
            results = self.run(params["jaxpr"].jaxpr, inputs, gates)
            carry = results[:carries]
            for nodes, node in zip(seen, results[carries:], strict=True):
                nodes += [node] if node is not None else []
        return [*carry, *(self.node(0, nodes) if nodes else None for nodes in seen)]

    def counted(self, params, given, gates):
        """A loop whose condition needs nothing but numbers known before the run: it is followed with them."""
        before, inside = params["cond_nconsts"], params["body_nconsts"]
        consts, carry = given[before : before + inside], given[before + inside :]
        for _ in range(self.trips):
            carry = self.run(params["body_jaxpr"].jaxpr, [*consts, *carry], gates)
        return carry

    def cond(self, params, given, gates):
        """Every operation of every branch waits for the choice, and so does what a branch hands on."""
        predicate, inputs = given[0], given[1:]
        works, before, results = [], self.work, []
        if predicate is not None:
            step = int(self.cost_model != "layer")
            choice = self.node(step, [predicate, *gates])
            inputs = [None if node is None else self.node(step, [node, *gates]) for node in inputs]
            gates = [*gates, choice]
        for branch in params["branches"]:
            self.work = before
            results.append(self.run(branch.jaxpr, inputs, gates))
            works.append(self.work)
        self.work = max(works) + (predicate is not None)
        outputs = []
        for nodes in zip(*results, strict=True):
            found = [node for node in nodes if node is not None]
            outputs.append(self.node(0, [*found, *gates[-1:]]) if found or predicate is not None else None)
        return outputs


def longest_path(program, arguments, cost_model, trips):
    closed = trace(program, *arguments)
    graph = Graph(cost_model)
    graph.trips = trips
    outputs = graph.run(closed.jaxpr, [graph.source] * len(closed.jaxpr.invars))
    ends = {node for node in outputs if node is not None}
    needed = set().union(ends, *(nx.ancestors(graph.graph, node) for node in ends))
    graph.graph = graph.graph.subgraph(needed).copy()
    return graph.work, graph.span() if needed else 0


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_program_is_counted(name):
    program, *arguments = PROGRAMS[name]
    found = measure(program, *arguments, trips=3 if any(part in name for part in UNBOUNDED) else None)
    assert found.uncounted == ()
    assert found.work >= found.span >= 0


PATHS = [
    *list(_PROGRAMS.ELEMENTWISE)[::6],
    *list(_PROGRAMS.REDUCTIONS)[::3],
    *["solve", "jax.numpy.linalg.qr", "jax.numpy.fft.fft2", "einsum", "least squares", "tridiagonal solve"],
    *[
        "interp",
        "searchsorted",
        "unique",
        "top k",
        "segment sum",
        "associative scan",
        "Hessian",
        "percentile",
    ],
    *["random.normal", "random.permutation", "random.categorical"],
    *_PROGRAMS.EQUINOX,
    *_PROGRAMS.NNX,
    *_PROGRAMS.LOOPS,
]


def test_there_are_enough_of_them():
    assert len(set(PATHS)) >= 40


@pytest.mark.parametrize("name", PATHS)
def test_the_span_is_the_longest_path(name):
    program, *arguments = PROGRAMS[name]
    for cost_model in ("unit", "fan_in_2"):
        found = measure(program, *arguments, cost_model=cost_model)
        work, span = longest_path(program, arguments, cost_model, trips=4)
        assert (found.work, found.span) == (work, span)


def test_the_oracle_would_notice():
    """A loop one iteration longer has one more of its three steps on the path, and its work."""
    program, *arguments = PROGRAMS["scan"]
    found = measure(program, *arguments)
    work, span = longest_path(program, [arguments[0], _PROGRAMS.reals(10, 4)], "unit", trips=0)
    assert (work - found.work, span - found.span) == (2 * 4 * 4 + 2 * 4, 3)
