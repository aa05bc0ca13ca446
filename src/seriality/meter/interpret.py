"""The meter: exact work and span of a JAX program.

**Definition.** A program is the graph of the operations in its jaxpr, every loop unrolled. Work is the sum
of their operations; span is the longest chain of dependent steps from an argument to a result (Brent 1974;
Blelloch 1996). `rules` says what an operation counts. What needs no argument is known before the run and
costs nothing: literals, closed-over arrays, loop counters, a causal mask. What no result needs is not
counted either.

**Method.** A jaxpr is summarised once as its work and a max-plus matrix T, whose entry T[o, i] is the
longest path from input i to output o. A loop of n iterations is the n-th power of its carry-to-carry block,
by repeated squaring, so the span is that of the unrolled program and costs O(k³ log n) for k carries.

**What it does not do.** It does not execute, and it looks for no shortcut: the numbers are those of the
program as written, and a program that can be re-associated (a linear recurrence) has a smaller span
elsewhere. It guesses nothing: a primitive without a rule and a loop without a trip count are errors.
"""

import difflib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from jax.extend.core import Jaxpr, JaxprEqn, Var
from jaxtyping import Int

from ..cost import Cost
from . import jaxprs
from .maxplus import NONE, extend, no_paths, power, product, reachable, up_to
from .rules import COST_MODELS, RULES, CostModel

Rows = Int[np.ndarray, "_values _inputs"]
"""For each value, the longest path to it from each input. A value no path ends at is known before the run."""

Known = tuple[bool, ...]

Bound = Literal["exact", "upper", "lower", "neither"]


@dataclass(frozen=True)
class Measurement:
    """What `measure` found.

    `bound` says how the cost relates to the truth: "exact"; "upper" where a data-dependent choice was
    charged its dearest branch; "lower" where primitives were left out; "neither" where both happened.
    `uncounted` names those primitives. `notes` gives every reason, and each assumed trip count.
    """

    cost: Cost
    cost_model: str
    bound: Bound
    uncounted: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def work(self) -> int:
        """The number of operations."""
        return self.cost.work

    @property
    def span(self) -> int:
        """The length of the longest chain of dependent steps."""
        return self.cost.span

    def __str__(self) -> str:
        kind = {"exact": "", "neither": " (neither bound)"}.get(self.bound, f" ({self.bound} bound)")
        text = f"work {self.work:,}, span {self.span:,} in the {self.cost_model} model{kind}"
        return "\n  ".join((text, *self.notes))


def measure(
    fn: Callable[..., Any],
    *args: Any,
    cost_model: str = "unit",
    trips: int | None = None,
    uncounted: str = "error",
) -> Measurement:
    """The work and span of `fn(*args)`. The function is traced, never executed.

    Arrays and `jax.ShapeDtypeStruct`s in `args` (any pytree, Equinox modules included) and in `fn` itself
    are the inputs; all other leaves are static. `trips` is the trip count assumed for each while loop
    whose own cannot be read, and no more than what can be read of it allows. `uncounted="list"` goes on past
    primitives without a rule and names them.

    Raises ValueError for an unknown cost model, for no inputs, and for a while loop of unknown length;
    NotImplementedError for a primitive without a rule.

    >>> import jax, jax.numpy as jnp
    >>> print(measure(lambda x: jnp.tanh(x @ x), jax.ShapeDtypeStruct((8, 8), "float32")))
    work 1,088, span 2 in the unit model
    """
    if cost_model not in COST_MODELS:
        near = difflib.get_close_matches(cost_model, COST_MODELS, n=1, cutoff=0)
        raise ValueError(
            f"unknown cost model {cost_model!r}; allowed are {sorted(COST_MODELS)}: "
            f"measure(..., cost_model={(near or ['unit'])[0]!r})"
        )
    if uncounted not in ("error", "list"):
        raise ValueError(f'uncounted={uncounted!r}; allowed are "error" and "list"')
    if trips is not None and (not isinstance(trips, int) or trips < 0):
        raise ValueError(f"trips={trips!r}; allowed is an integer from 0 up, as in trips=100")
    jaxpr = jaxprs.trace(fn, *args)
    meter = _Meter(COST_MODELS[cost_model], trips, uncounted == "list")
    work, results = meter.run(jaxpr, np.zeros((len(jaxpr.invars), 1), dtype=np.int64))
    cost = Cost(work=work, span=int(results.max(initial=0)))
    return Measurement(cost, cost_model, meter.bound, tuple(sorted(meter.uncounted)), tuple(meter.notes))


@dataclass(frozen=True)
class _Summary:
    """Work of a jaxpr and its longest paths, outputs × inputs."""

    work: int
    paths: Rows


def _known(rows: Rows) -> Known:
    return tuple(not found for found in reachable(rows).tolist())


@dataclass
class _Meter:
    """One measurement under way. `memo` holds each jaxpr's summary, by identity and by what is known."""

    model: CostModel
    trips: int | None
    lists_uncounted: bool
    memo: dict[tuple[Jaxpr, Known], _Summary] = field(default_factory=dict)
    notes: dict[str, Bound] = field(default_factory=dict)
    uncounted: set[str] = field(default_factory=set)

    @property
    def bound(self) -> Bound:
        """What all notes together leave of the numbers."""
        match sorted(set(self.notes.values()) - {"exact"}):
            case []:
                return "exact"
            case [bound]:
                return bound
            case _:
                return "neither"

    def run(self, jaxpr: Jaxpr, rows: Rows) -> tuple[int, Rows]:
        """The work of a jaxpr whose inputs end the paths `rows`, and the paths to its outputs."""
        summary = self.summarise(jaxpr, _known(rows))
        return summary.work, product(summary.paths, rows)

    def summarise(self, jaxpr: Jaxpr, known: Known) -> _Summary:
        """Work and paths of a jaxpr, the inputs marked `known` being available before the run."""
        if (jaxpr, known) in self.memo:
            return self.memo[jaxpr, known]
        width = len(jaxpr.invars)
        nowhere = no_paths(1, width)[0]
        rows: dict[Any, Any] = dict.fromkeys(jaxpr.constvars, nowhere)
        values: dict[Any, int] = {}
        used = {atom for eqn in jaxpr.eqns for atom in eqn.invars if isinstance(atom, Var)}
        used.update(atom for atom in jaxpr.outvars if isinstance(atom, Var))
        for place, variable in enumerate(jaxpr.invars):
            rows[variable] = nowhere.copy()
            if not known[place]:
                rows[variable][place] = 0
        work = 0

        def read(atoms: Any) -> Rows:
            found = [rows[atom] if isinstance(atom, Var) else nowhere for atom in atoms]
            return np.stack(found) if found else no_paths(0, width)

        for eqn in jaxpr.eqns:
            operands = read(eqn.invars)
            if reachable(operands).any():
                operations, results = self.equation(eqn, operands, values, used)
                work += operations
            else:
                results = no_paths(len(eqn.outvars), width)
            rows.update(zip(eqn.outvars, results, strict=True))
            if eqn.primitive.name == "convert_element_type":
                constant = jaxprs.value(eqn.invars[0], values)
                if constant is not None:
                    values[eqn.outvars[0]] = constant
        summary = _Summary(work, read(jaxpr.outvars))
        self.memo[jaxpr, known] = summary
        return summary

    def equation(
        self, eqn: JaxprEqn, operands: Rows, values: dict[Any, int], used: set[Any]
    ) -> tuple[int, Rows]:
        """The work of one equation, and the paths to its outputs."""
        name = eqn.primitive.name
        if name in jaxprs.CALLS:
            return self.run(jaxprs.called(eqn), operands)
        if name == "custom_linear_solve":
            solver, consts = jaxprs.linear_solve(eqn)
            sides = operands[sum(eqn.params["const_lengths"]) :]
            return self.run(solver, np.concatenate([operands[consts], sides]))
        if name == "shard_map":
            work, results = self.run(jaxprs.called(eqn), operands)
            return work * jaxprs.devices(eqn), results
        if name == "scan":
            return self.scan(eqn, operands)
        if name == "while":
            return self.while_loop(eqn, operands, values, used)
        if name == "cond":
            return self.cond(eqn, operands)
        if not eqn.outvars:  # an effect such as a print: no result depends on it
            return 0, operands[:0]
        work, steps = self.operation(eqn, operands)
        row = extend(operands.max(axis=0), steps)
        return work, np.tile(row, (len(eqn.outvars), 1))

    def operation(self, eqn: JaxprEqn, operands: Rows) -> tuple[int, int]:
        """The work and steps of a primitive in the table."""
        name = eqn.primitive.name
        if name not in RULES:
            if not self.lists_uncounted:
                raise NotImplementedError(
                    f"no rule for the primitive {name!r}; add one to seriality/meter/rules.py, or go on "
                    'without counting it: measure(..., uncounted="list")'
                )
            self.uncounted.add(name)
            self.notes[f"not counted: {name}"] = "lower"
            return 0, 0
        rule = RULES[name]
        if rule.addresses is not None and not rule.combines and not reachable(operands[rule.addresses]).any():
            return 0, 0
        work = rule.work(eqn)
        return work, self.model.steps(rule, eqn) if work else 0

    def cond(self, eqn: JaxprEqn, operands: Rows) -> tuple[int, Rows]:
        """A choice is one operation and one step, then the branch runs; the dearest branch is charged."""
        predicate, inputs = operands[:1], operands[1:]
        branches = [
            self.summarise(jaxprs.opened(branch), _known(inputs)) for branch in eqn.params["branches"]
        ]
        paths = np.max([branch.paths for branch in branches], axis=0)
        if any(branch.work != branches[0].work or (branch.paths != paths).any() for branch in branches):
            self.notes["cond: the branches differ, the dearest is counted"] = "upper"
        work = max(branch.work for branch in branches)
        if not reachable(predicate)[0]:
            return work, product(paths, inputs)
        through = extend(product(paths, inputs), self.model.choice)
        waited = product(self.gate(paths), predicate)
        return work + 1, np.maximum(through, waited)

    def gate(self, paths: Rows) -> Rows:
        """Paths from a predicate to the outputs of what waits for it: the choice, then the longest chain."""
        return extend(paths.max(axis=1, keepdims=True, initial=0), self.model.choice)

    def scan(self, eqn: JaxprEqn, operands: Rows) -> tuple[int, Rows]:
        consts, carries = eqn.params["num_consts"], eqn.params["num_carry"]
        body = jaxprs.opened(eqn.params["jaxpr"])
        carry, side = operands[consts : consts + carries], np.delete(operands, _span(consts, carries), axis=0)

        def iteration(known_carry: Known) -> _Summary:
            beside = _known(side)
            summary = self.summarise(body, beside[:consts] + known_carry + beside[consts:])
            return _Summary(summary.work, _carry_first(summary.paths, consts, carries))

        work, carry, collected = self.repeat(
            iteration, eqn.params["length"], carry, side, len(eqn.outvars) - carries
        )
        return work, np.concatenate([carry, collected])

    def repeat(
        self, iteration: Callable[[Known], _Summary], count: int, carry: Rows, side: Rows, outputs: int
    ) -> tuple[int, Rows, Rows]:
        """Work of `count` iterations, the paths to the last carry and to the outputs of all iterations.

        `iteration` summarises one, carry and outputs × carry and side inputs, given which carries are
        known. First iterations whose knowns differ (a state that starts at zero) run one by one.
        """
        size, work = len(carry), 0
        collected = no_paths(outputs, carry.shape[1])
        if count == 0:
            return work, carry, collected
        known = _known(carry)
        for _ in range(size + 1):
            step = iteration(known)
            after = product(step.paths, np.concatenate([carry, side]))
            if _known(after[:size]) == known:
                break
            work, count = work + step.work, count - 1
            carry, collected = after[:size], np.maximum(collected, after[size:])
            if count == 0:
                return work, carry, collected
            known = _known(carry)
        else:  # knowns that rotate from carry to carry: take none for known
            self.notes["loop: what is known before the run moves between carries, all is counted"] = "upper"
            step = iteration((False,) * size)
        between, fresh = step.paths[:size, :size], product(step.paths[:size, size:], side)
        across, beside = step.paths[size:, :size], product(step.paths[size:, size:], side)
        last = np.maximum(product(power(between, count), carry), product(up_to(between, count - 1), fresh))
        seen = np.maximum(
            product(up_to(between, count - 1), carry), product(up_to(between, count - 2), fresh)
        )
        collected = np.max([collected, beside, product(across, seen)], axis=0)
        return work + count * step.work, last, collected

    def while_loop(
        self, eqn: JaxprEqn, operands: Rows, values: dict[Any, int], used: set[Any]
    ) -> tuple[int, Rows]:
        """Test, choose, run the body, and at last test and choose to stop: each test gates what follows."""
        count = self.trip_count(eqn, values)
        before, inside = eqn.params["cond_nconsts"], eqn.params["body_nconsts"]
        condition, body = jaxprs.loop_parts(eqn, [variable in used for variable in eqn.outvars])
        side, carry = operands[: before + inside], operands[before + inside :]

        def test(known_carry: Known) -> _Summary:
            """The predicate, as paths from carry and side inputs."""
            summary = self.summarise(condition, _known(side[:before]) + known_carry)
            paths = _carry_first(summary.paths, before, len(carry))
            return _Summary(summary.work, np.insert(paths, [paths.shape[1]] * inside, NONE, axis=1))

        def chosen(predicate: _Summary, then: _Summary) -> _Summary:
            if not reachable(predicate.paths)[0]:
                return _Summary(predicate.work + then.work, then.paths)
            paths = np.maximum(
                extend(then.paths, self.model.choice), product(self.gate(then.paths), predicate.paths)
            )
            return _Summary(predicate.work + then.work + 1, paths)

        def iteration(known_carry: Known) -> _Summary:
            summary = self.summarise(body, _known(side[before:]) + known_carry)
            paths = _carry_first(summary.paths, inside, len(carry))
            paths = np.insert(paths, [len(carry)] * before, NONE, axis=1)
            return chosen(test(known_carry), _Summary(summary.work, paths))

        work, carry, _ = self.repeat(iteration, count, carry, side, 0)
        known = _known(carry)
        stay = no_paths(len(carry), len(carry) + len(side))
        for place, is_known in enumerate(known):
            if not is_known:
                stay[place, place] = 0
        leave = chosen(test(known), _Summary(0, stay))
        return work + leave.work, product(leave.paths, np.concatenate([carry, side]))

    def trip_count(self, eqn: JaxprEqn, values: dict[Any, int]) -> int:
        found = jaxprs.trips(eqn, values)
        if found is not None and found.exact:
            return found.count
        if self.trips is not None and (found is None or self.trips <= found.count):
            self.notes[f"while: {self.trips} trips, as given"] = "exact"
            return self.trips
        if found is not None:
            self.notes[f"while: at most {found.count} trips, all are counted"] = "upper"
            return found.count
        raise ValueError(
            "a while loop whose trip count is not a constant of the program; say how often it runs, "
            "measure(..., trips=100), or write it as jax.lax.scan or as a fori_loop between Python integers"
        )


def _span(start: int, count: int) -> list[int]:
    return list(range(start, start + count))


def _carry_first(paths: Rows, before: int, carries: int) -> Rows:
    """The same paths, the columns of the carries moved from behind `before` others to the front."""
    rest = [*range(before), *range(before + carries, paths.shape[1])]
    return paths[:, [*_span(before, carries), *rest]]
