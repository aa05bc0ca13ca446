"""The meter of JAX programs: exact work and span, read from the jaxpr.

**Definition.** A program is the graph of the operations in its jaxpr, every loop unrolled. Work is the sum
of their operations; span is the longest chain of dependent steps from an argument to a result (Brent 1974;
Blelloch 1996). `rules` says what an operation counts. What needs no argument is known before the run and
costs nothing: literals, closed-over arrays, loop counters, a causal mask. What no result needs is not
counted either.

**Method.** A jaxpr is read once and becomes a `Body` of parts, whose max-plus matrix T holds the longest
path from input i to output o. A loop of n iterations is the n-th power of its carry-to-carry block, by
repeated squaring, so the span is that of the unrolled program and costs O(k³ log n) for k carries.

**What it does not do.** It does not execute. It guesses nothing: a primitive without a rule and a loop
without a trip count are errors.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from jax.extend.core import Jaxpr, JaxprEqn, Var

from ..cost import Cost
from . import jaxprs, rules, traffic
from .maxplus import NONE, extend, no_paths, product, reachable
from .measurement import Bound, Settings
from .parts import Body, Branches, Chain, Copies, Gated, Leaf, Made, Rearranged, Repeat, Rows, Unchanged
from .primitives import RULES
from .rules import CHOICE, NOTHING, Operation

Known = tuple[bool, ...]


class Place(NamedTuple):
    """The functions around an operation, outermost first, and its line."""

    functions: tuple[str, ...] = ()
    line: str = "(no source)"


NOWHERE = Place()


def known_rows(rows: Rows) -> Known:
    """Which values no path ends at: they are known before the run."""
    return tuple(not found for found in reachable(rows).tolist())


@dataclass
class Interpreter:
    """One reading of a program under way. `memo` holds each jaxpr's body, by identity and by what is known.

    `shortcut(eqn, known, self)` may give another part for a scan, with the same inputs and outputs. With
    `located` every leaf knows the functions around it, and jaxprs are shared only within one function.
    """

    settings: Settings
    shortcut: Any = None
    located: bool = False
    memo: dict[Any, Body] = field(default_factory=dict)
    notes: dict[str, Bound] = field(default_factory=dict)
    uncounted: set[str] = field(default_factory=set)
    has_while: bool = False
    declarations: set[str] = field(default_factory=set)

    def body(self, jaxpr: Jaxpr, known: Known, at: Place = NOWHERE) -> Body:
        """The parts of a jaxpr, the inputs marked `known` being available before the run."""
        key = (jaxpr, known, at)
        if key in self.memo:
            return self.memo[key]
        width = len(jaxpr.invars)
        nowhere = no_paths(1, width)[0]
        rows: dict[Any, Any] = dict.fromkeys(jaxpr.constvars, nowhere)
        values: dict[Any, int] = {}
        made: dict[Any, Made] = {}
        parts: list[Any] = []
        used = {atom for eqn in jaxpr.eqns for atom in eqn.invars if isinstance(atom, Var)}
        used.update(atom for atom in jaxpr.outvars if isinstance(atom, Var))
        for place, variable in enumerate(jaxpr.invars):
            rows[variable] = nowhere
            if not known[place]:
                rows[variable] = nowhere.copy()
                rows[variable][place] = 0
        places = self.places(jaxpr, at)

        def read(atoms: Any) -> Rows:
            found = [rows[atom] if isinstance(atom, Var) else nowhere for atom in atoms]
            return np.stack(found) if found else no_paths(0, width)

        for number, eqn in enumerate(jaxpr.eqns):
            operands = read(eqn.invars)
            known_operands = known_rows(operands)
            if all(known_operands):
                rows.update(dict.fromkeys(eqn.outvars, nowhere))
            elif eqn.outvars:  # an effect such as a print: no result depends on it
                part = self.part(eqn, known_operands, values, used, places[number])
                if isinstance(part, Leaf):
                    results = np.tile(extend(operands.max(axis=0), part.steps), (len(eqn.outvars), 1))
                else:
                    results = product(part.paths, operands)
                parts.append(part)
                rows.update(zip(eqn.outvars, results, strict=True))
                made.update(
                    (variable, Made(part, place, eqn.invars)) for place, variable in enumerate(eqn.outvars)
                )
            if eqn.primitive.name in ("convert_element_type", "broadcast_in_dim", "copy"):
                constant = jaxprs.value(eqn.invars[0], values)
                if constant is not None:
                    values[eqn.outvars[0]] = constant
        work = sum(part.work for part in parts)
        self.memo[key] = Body(work, read(jaxpr.outvars), rows, made, jaxpr.outvars, parts)
        return self.memo[key]

    def places(self, jaxpr: Jaxpr, at: Place) -> list[Place]:
        """Where each equation was written; `at` is that of the call of the jaxpr."""
        if not self.located:
            return [at] * len(jaxpr.eqns)
        found = [jaxprs.where(eqn) for eqn in jaxpr.eqns]
        frames = [functions for _, functions in found]
        if any(frame[: len(at.functions)] != at.functions for frame in frames):  # traced for another caller
            shared = _shared_prefix(frames)
            frames = [at.functions + frame[shared:] for frame in frames]
        return [
            Place(frame, line if functions else at.line)
            for frame, (line, functions) in zip(frames, found, strict=True)
        ]

    def part(self, eqn: JaxprEqn, known: Known, values: dict[Any, int], used: set[Any], at: Place) -> Any:
        """One equation, some of whose operands are not known."""
        name = eqn.primitive.name
        declared = self.declared(eqn)
        if declared is not None:
            return Leaf(name, declared, declared.steps(self.settings.cost_model), *at)
        if name in jaxprs.CALLS:
            return self.body(jaxprs.called(eqn), known, at)
        if name == "custom_linear_solve":
            solver, consts = jaxprs.linear_solve(eqn)
            places = [
                *range(consts.start, consts.stop),
                *range(sum(eqn.params["const_lengths"]), len(eqn.invars)),
            ]
            inner = self.body(solver, tuple(known[place] for place in places), at)
            columns = [places.index(place) if place in places else None for place in range(len(eqn.invars))]
            return Rearranged(inner, columns)
        if name == "shard_map":
            return Copies(self.body(jaxprs.called(eqn), known, at), jaxprs.devices(eqn))
        if name == "scan":
            return self.scan(eqn, known, at)
        if name == "while":
            return self.while_loop(eqn, known, values, used, at)
        if name == "cond":
            return self.cond(eqn, known, at)
        if name in ("reduce", "reduce_window"):
            return self.leaf(eqn, self.reduction(eqn), at)
        return self.leaf(eqn, self.operation(eqn, known), at)

    def reduction(self, eqn: JaxprEqn) -> Operation:
        """n terms combined by a function of two: n − 1 calls of it, in a tree."""
        combine = jaxprs.opened(eqn.params["jaxpr"])
        body = self.body(combine, (False,) * len(combine.invars))
        outputs = jaxprs.size(eqn.outvars[0])
        window = eqn.params.get("window_dimensions")
        terms = math.prod(window) if window else jaxprs.size(eqn.invars[0]) // max(1, outputs)
        steps = rules.doublings(terms) * max(0, int(body.paths.max(initial=0)))
        return Operation((terms - 1) * outputs * body.work, steps, steps, steps) if terms > 1 else NOTHING

    def leaf(self, eqn: JaxprEqn, operation: Operation, at: Place) -> Leaf:
        steps = operation.steps(self.settings.cost_model) if operation.work else 0
        moved = traffic.moved(eqn) if operation.work else 0
        return Leaf(eqn.primitive.name, operation, steps, *at, moved=moved)

    def declared(self, eqn: JaxprEqn) -> Operation | None:
        """The cost declared for an equation, by the name of its function, kernel or primitive."""
        if not self.settings.declared:
            return None
        for name in jaxprs.names(eqn):
            if name in self.settings.declared:
                cost = self.settings.declared[name]
                self.declarations.add(name)
                if not isinstance(cost, Cost):
                    cost = cost(*jaxprs.operands(eqn))
                if not isinstance(cost, Cost) or cost.work < 0 or cost.span < 0:
                    raise ValueError(
                        f"the cost declared for {name!r} is {cost!r}; allowed is a Cost from 0 up, "
                        f"measure(..., declared={{{name!r}: Cost(work=100, span=1)}})"
                    )
                return Operation(cost.work, cost.span, cost.span, cost.span)
        return None

    def operation(self, eqn: JaxprEqn, known: Known) -> Operation:
        """What a primitive in the table costs."""
        name = eqn.primitive.name
        if name not in RULES:
            if not self.settings.lists_uncounted:
                called = jaxprs.names(eqn)[0]
                raise NotImplementedError(
                    f"no rule for the primitive {name!r} at {jaxprs.where(eqn)[0]}; declare what it costs, "
                    f"measure(..., declared={{{called!r}: Cost(work=..., span=...)}}), or go on without "
                    'counting it, measure(..., uncounted="list")'
                )
            self.uncounted.add(name)
            self.notes[f"not counted: {name}"] = "lower"
            return NOTHING
        rule = RULES[name]
        if rule.addresses is not None and not rule.combines and all(known[rule.addresses]):
            return NOTHING
        if rule.is_assumed:
            self.notes[f"{name} runs until it converges: the count of the textbook is taken"] = "assumed"
        return rule.count(eqn)

    def choice(self, eqn: JaxprEqn, at: Place) -> Leaf:
        steps = CHOICE[self.settings.cost_model]
        return Leaf(f"choice of {eqn.primitive.name}", Operation(1), steps, *at)

    @property
    def waits(self) -> bool:
        """Whether what a predicate decides waits for it."""
        return self.settings.control == "full"

    def cond(self, eqn: JaxprEqn, known: Known, at: Place) -> Any:
        """A choice is one operation and one step, then the branch runs; the dearest branch is charged."""
        branches = [self.body(jaxprs.opened(branch), known[1:], at) for branch in eqn.params["branches"]]
        part = Branches(branches)
        if any(
            branch.work != part.work or not np.array_equal(branch.paths, part.paths) for branch in branches
        ):
            self.notes["cond: the branches differ, the dearest is counted"] = "upper"
        inputs = len(eqn.invars)
        inside = Rearranged(part, [None, *range(inputs - 1)])
        if known[0]:
            return inside
        return Gated(Unchanged([True], inputs), inside, self.choice(eqn, at), self.waits)

    def scan(self, eqn: JaxprEqn, known: Known, at: Place) -> Any:
        if self.shortcut is not None:
            found = self.shortcut(eqn, known, self)
            if found is not None:
                return found
        return self.scan_as_written(eqn, known, at)

    def scan_as_written(self, eqn: JaxprEqn, known: Known, at: Place = NOWHERE) -> Any:
        consts, carries = eqn.params["num_consts"], eqn.params["num_carry"]
        body = jaxprs.opened(eqn.params["jaxpr"])
        inputs = len(eqn.invars)
        order = [*range(consts, consts + carries), *range(consts), *range(consts + carries, inputs)]
        beside = tuple(known[place] for place in order[carries:])

        def iteration(known_carry: Known) -> Any:
            inner = self.body(body, beside[:consts] + known_carry + beside[consts:], at)
            return Rearranged(inner, order)

        known_carry = known[consts : consts + carries]
        loop = self.repeat(iteration, eqn.params["length"], known_carry, inputs, len(eqn.outvars) - carries)
        return Rearranged(loop, [order.index(place) for place in range(inputs)])

    def repeat(
        self, iteration: Callable[[Known], Any], count: int, known: Known, inputs: int, outputs: int
    ) -> Repeat:
        """A loop whose iteration takes `inputs`, carries first, and gives the carries and `outputs`.

        `iteration` gives one, given which carries are known. First iterations whose knowns differ (a state
        that starts at zero) run one by one.
        """
        carries, at_first, first = len(known), known, []
        for _ in range(carries + 1):
            if count == 0:
                return Repeat(first, None, 0, carries, at_first, inputs, outputs)
            step = iteration(known)
            after = known_rows(step.paths[:carries])
            if after == known:
                break
            first.append(step)
            count, known = count - 1, after
        else:  # knowns that rotate from carry to carry: take none for known
            self.notes["loop: what is known before the run moves between carries, all is counted"] = "upper"
            step = iteration((False,) * carries)
        return Repeat(first, step, count, carries, at_first, inputs, outputs)

    def while_loop(
        self, eqn: JaxprEqn, known: Known, values: dict[Any, int], used: set[Any], at: Place
    ) -> Any:
        """Test, choose, run the body, and at last test and choose to stop: each test gates what follows."""
        self.has_while = True
        count = self.trip_count(eqn, values)
        written, is_gated = self.while_as_written(eqn, count, known, used, at)
        if self.shortcut is not None and is_gated:
            self.shortcut.leave(eqn, count, written, "its test reads data")
        elif self.shortcut is not None and count > 1:
            shorter = self.body(self.shortcut.counted(eqn, count), known, at)
            if shorter.paths.max(initial=NONE) < written.paths.max(initial=NONE):
                return shorter
        return written

    def while_as_written(
        self, eqn: JaxprEqn, count: int, known: Known, used: set[Any], at: Place
    ) -> tuple[Any, bool]:
        """The loop, and whether its test needs anything that is not known before the run."""
        before, inside = eqn.params["cond_nconsts"], eqn.params["body_nconsts"]
        condition, body = jaxprs.loop_parts(eqn, [variable in used for variable in eqn.outvars])
        inputs = len(eqn.invars)
        carries = inputs - before - inside
        order = [*range(before + inside, inputs), *range(before + inside)]
        beside = known[: before + inside]

        def gated(known_carry: Known, part: Any) -> Any:
            test = self.body(condition, beside[:before] + known_carry, at)
            if not reachable(test.paths)[0]:
                return part
            columns = [*range(before, before + carries), *range(before), *[None] * inside]
            return Gated(Rearranged(test, columns), part, self.choice(eqn, at), self.waits)

        def iteration(known_carry: Known) -> Any:
            step = self.body(body, beside[before:] + known_carry, at)
            columns = [*range(inside, inside + carries), *[None] * before, *range(inside)]
            return gated(known_carry, Rearranged(step, columns))

        loop = self.repeat(iteration, count, known[before + inside :], inputs, 0)
        after = known_rows(loop.paths)
        leave = gated(after, Unchanged([not is_known for is_known in after], inputs))
        whole = Rearranged(Chain(loop, leave), [order.index(place) for place in range(inputs)])
        return whole, isinstance(leave, Gated)

    def trip_count(self, eqn: JaxprEqn, values: dict[Any, int]) -> int:
        found = jaxprs.trips(eqn, values)
        if found is not None and found.exact:
            return found.count
        trips = self.settings.trips
        if trips is not None and (found is None or trips <= found.count):
            self.notes[f"while: {trips} trips, as given"] = "exact"
            return trips
        if found is not None:
            self.notes[f"while: at most {found.count} trips, all are counted"] = "upper"
            return found.count
        raise ValueError(
            f"a while loop at {jaxprs.where(eqn)[0]} whose trip count is not a constant of the program; "
            "say how often it runs, measure(..., trips=100), or write it as jax.lax.scan or "
            "as a fori_loop between Python integers"
        )


def _shared_prefix(frames: list[tuple[str, ...]]) -> int:
    """How many functions all of these begin with; a function at least is left to each."""
    if not frames:
        return 0
    shortest = min(len(frame) for frame in frames)
    count = 0
    while count < shortest - 1 and len({frame[count] for frame in frames}) == 1:
        count += 1
    return count
