"""Loops whose span is shorter than it looks: their plans, and the programs that are shorter.

**Method.** The carries of a loop are grouped (`groups`), and for each group an algebra is sought in which its
update composes: (+, ×), (max, +), (min, +), a finite machine, linear fractions. The re-associated loop
computes the trajectory of one group after the other, by prefix composition where it can and step by step
where it cannot, and then all outputs at once. It is a JAX program, which the meter reads and anyone can run:
its span and its work are measured, not estimated.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn, Literal

from .. import jaxprs
from ..measurement import Group, Kind
from .algebras import ANY, MAX_PLUS, MIN_PLUS, RING, Needs, NotInAlgebra, follow, layout
from .compositions import Affine, Fraction, Machine, Tropical, prefix
from .fractions import is_linear_fraction
from .groups import groups, needs
from .ranges import Range, ranges

MOST_STATES = 128
"""A machine of more states is not called small. S5, whose words are NC1-complete, has 120."""

Composition = Affine | Tropical | Machine | Fraction


@dataclass(frozen=True, eq=False)
class Update:
    """The slice of a body that gives the new carries of a group from the old ones and from other values."""

    carries: tuple[int, ...]
    body: ClosedJaxpr
    others: tuple[Any, ...]

    @property
    def jaxpr(self) -> Jaxpr:
        return self.body.jaxpr

    @cached_property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        return tuple(jaxprs.shape(variable) for variable in self.jaxpr.invars[: len(self.carries)])

    @cached_property
    def dtypes(self) -> tuple[Any, ...]:
        return tuple(jaxprs.dtype(variable) for variable in self.jaxpr.invars[: len(self.carries)])

    @cached_property
    def identities(self) -> list[Needs]:
        """Every carry needs itself, axis by axis; other values need no carry."""
        own: list[Needs] = [
            {place: tuple((axis, True) if n > 1 else None for axis, n in enumerate(sizes))}
            for place, sizes in enumerate(self.shapes)
        ]
        return [*own, *[{}] * len(self.others)]

    def __call__(self, carries: Sequence[Any], others: Sequence[Any]) -> list[Any]:
        return jaxprs.run(self.jaxpr, self.body.consts, [*carries, *others])


@dataclass(frozen=True, eq=False)
class Planned:
    """A group, its update, and the composition that shortens it, if any."""

    group: Group
    update: Update | None = None
    composition: Composition | None = None


@dataclass(frozen=True, eq=False)
class Loop:
    """A `scan`, its calls written out, and what each group of its carries admits."""

    eqn: JaxprEqn
    ranges: tuple[Range, ...] = ()
    """The ranges of its operands, where known."""
    known: tuple[bool, ...] = ()
    """Which operands are known before the run: a counter that starts at zero is no recurrence."""

    @property
    def length(self) -> int:
        return self.eqn.params["length"]

    @property
    def consts(self) -> int:
        return self.eqn.params["num_consts"]

    @property
    def carries(self) -> int:
        return self.eqn.params["num_carry"]

    @cached_property
    def body(self) -> ClosedJaxpr:
        return jaxprs.inlined(self.eqn.params["jaxpr"])

    @cached_property
    def plans(self) -> tuple[Planned, ...]:
        """The groups of carries, each before those that need it."""
        jaxpr = self.body.jaxpr
        found = needs(jaxpr, range(self.consts, self.consts + self.carries))
        results = jaxpr.outvars[: self.carries]
        edges = [0 if isinstance(atom, Literal) else found.get(atom, 0) for atom in results]
        return tuple(self.plan(members, edges) for members in groups(edges))

    def plan(self, members: tuple[int, ...], edges: Sequence[int]) -> Planned:
        if len(members) == 1 and not edges[members[0]] >> members[0] & 1:
            return Planned(Group(members, "none"))
        update = self.update(members)
        if all(self.passes(member) or self.stays_known[member] for member in members):
            return Planned(Group(members, "none"), update)
        culprit = ""
        for attempt in (self._ring, self._tropical, self._machine, self._fraction):
            try:
                composition, kind, states = attempt(update)
                return Planned(Group(members, kind, states), update, composition)
            except NotInAlgebra as reason:
                culprit = culprit or str(reason)
        return Planned(Group(members, "serial", culprit=culprit), update)

    @cached_property
    def stays_known(self) -> list[bool]:
        """Which carries are known before the run at every step."""
        jaxpr, first = self.body.jaxpr, self.consts
        known = list(self.known or [False] * len(jaxpr.invars))
        while True:
            unknown = [place for place, is_known in enumerate(known) if not is_known]
            found = needs(jaxpr, unknown)
            lost = [
                carry
                for carry, atom in enumerate(jaxpr.outvars[: self.carries])
                if known[first + carry] and not isinstance(atom, Literal) and found.get(atom)
            ]
            if not lost:
                return known[first : first + self.carries]
            for carry in lost:
                known[first + carry] = False

    def passes(self, member: int) -> bool:
        """Whether a carry is handed on as it is."""
        return self.body.jaxpr.outvars[member] is self.body.jaxpr.invars[self.consts + member]

    def update(self, members: tuple[int, ...]) -> Update:
        jaxpr = self.body.jaxpr
        carried = [jaxpr.invars[self.consts + member] for member in members]
        results = [jaxpr.outvars[member] for member in members]
        depends, wanted, slice_ = (
            set(carried),
            {atom for atom in results if not isinstance(atom, Literal)},
            [],
        )
        for eqn in jaxpr.eqns:
            if any(not isinstance(atom, Literal) and atom in depends for atom in eqn.invars):
                depends.update(eqn.outvars)
        for eqn in reversed(jaxpr.eqns):
            if any(variable in wanted and variable in depends for variable in eqn.outvars):
                slice_.append(eqn)
                wanted.update(atom for atom in eqn.invars if not isinstance(atom, Literal))
        others = [variable for variable in _order(jaxpr) if variable in wanted and variable not in depends]
        inner = jaxpr.replace(
            constvars=[],
            invars=[*carried, *others],
            outvars=results,
            eqns=slice_[::-1],
            debug_info=jaxpr.debug_info.with_unknown_names(),
        )
        return Update(members, ClosedJaxpr(inner, ()), tuple(others))

    def _ring(self, update: Update) -> tuple[Composition, Kind, int]:
        kinds = {_kind(dtype) for dtype in update.dtypes}
        if kinds not in ({"float"}, {"complex"}) and (
            kinds != {"integer"} or len({np.dtype(dtype) for dtype in update.dtypes}) > 1
        ):
            raise NotInAlgebra(_last(update))
        if kinds == {"complex"}:
            for eqn in update.jaxpr.eqns:  # parts of a complex number are linear over the reals alone
                if any(_kind(jaxprs.dtype(atom)) == "complex" for atom in eqn.invars) and any(
                    _kind(jaxprs.dtype(atom)) != "complex" for atom in eqn.outvars
                ):
                    raise NotInAlgebra(eqn)
        shaped = layout(update.shapes, follow(update.jaxpr, update.identities, RING))
        is_stopped = any(eqn.primitive.name == "stop_gradient" for eqn in update.jaxpr.eqns)
        return Affine(shaped, update.dtypes, not is_stopped), "affine", shaped.rows

    def _tropical(self, update: Update) -> tuple[Composition, Kind, int]:
        if {_kind(dtype) for dtype in update.dtypes} not in ({"float"}, {"integer"}):
            raise NotInAlgebra(_last(update))
        try:
            algebra = MAX_PLUS
            found = follow(update.jaxpr, update.identities, algebra)
        except NotInAlgebra:
            algebra = MIN_PLUS
            found = follow(update.jaxpr, update.identities, algebra)
        shaped = layout(update.shapes, found)
        kind: Kind = "max-plus" if algebra is MAX_PLUS else "min-plus"
        adds = any(eqn.primitive.name in algebra.products for eqn in update.jaxpr.eqns)
        if adds and any(_kind(dtype) == "integer" and np.dtype(dtype) != np.int32 for dtype in update.dtypes):
            raise NotInAlgebra(_last(update))  # no room for what stands for infinity
        return Tropical(shaped, update.dtypes, algebra, update.body, adds), kind, shaped.rows

    def _machine(self, update: Update) -> tuple[Composition, Kind, int]:
        if not {_kind(dtype) for dtype in update.dtypes} <= {"integer", "boolean"}:
            raise NotInAlgebra(_last(update))
        shaped = layout(update.shapes, follow(update.jaxpr, update.identities, ANY))
        others = self._ranges(update)
        count = len(update.carries)
        held: list[Range] = [(0, 1) if _kind(dtype) == "boolean" else None for dtype in update.dtypes]
        ahead = 0
        for _ in range(4):  # a smaller range of the old carries may give a smaller one of the new
            known = dict(zip(update.jaxpr.invars, [*held, *others], strict=True))
            new = ranges(update.jaxpr, known)[:count]
            if new == held:
                break
            held, ahead = new, ahead + 1
        else:
            known = dict(zip(update.jaxpr.invars, [*held, *others], strict=True))
            if not _inside(ranges(update.jaxpr, known)[:count], held):
                raise NotInAlgebra(_last(update))
        lows, sizes = [], []
        for carry, found in enumerate(held):
            if found is None:
                raise NotInAlgebra(_last(update))
            lows += [found[0]] * shaped.rows_of(carry)
            sizes += [found[1] - found[0] + 1] * shaped.rows_of(carry)
        machine = Machine(shaped, update.dtypes, tuple(lows), tuple(sizes), ahead)
        if len(sizes) > 12 or machine.states > MOST_STATES:
            raise NotInAlgebra(_last(update))
        return machine, "finite", machine.states

    def _ranges(self, update: Update) -> list[Range]:
        """The ranges of what an update takes beside its carries."""
        jaxpr = self.body.jaxpr
        known = dict(zip(jaxpr.invars, self.ranges or [None] * len(jaxpr.invars), strict=True))
        for place in range(self.consts, self.consts + self.carries):
            known[jaxpr.invars[place]] = None  # where it starts tells nothing about later
        everything = jaxpr.replace(
            outvars=list(update.others), debug_info=jaxpr.debug_info.with_unknown_names()
        )
        return ranges(everything, known)

    def _fraction(self, update: Update) -> tuple[Composition, Kind, int]:
        if len(update.carries) != 1 or _kind(update.dtypes[0]) != "float":
            raise NotInAlgebra(_last(update))
        shaped = layout(update.shapes, follow(update.jaxpr, update.identities, ANY))
        if shaped.rows != 1 or not is_linear_fraction(update.jaxpr):
            raise NotInAlgebra(_last(update))
        return Fraction(shaped, update.dtypes), "linear-fractional", 2


def _order(jaxpr: Jaxpr) -> list[Any]:
    return [*jaxpr.constvars, *jaxpr.invars, *(variable for eqn in jaxpr.eqns for variable in eqn.outvars)]


def _last(update: Update) -> JaxprEqn:
    return update.jaxpr.eqns[-1]


def _kind(dtype: Any) -> str:
    if dtype == np.bool_:
        return "boolean"
    for kind, name in ((np.complexfloating, "complex"), (np.floating, "float"), (np.integer, "integer")):
        if jnp.issubdtype(dtype, kind):
            return name
    return "other"


def _inside(found: Sequence[Range], held: Sequence[Range]) -> bool:
    return all(
        inner is not None and outer is not None and outer[0] <= inner[0] and inner[1] <= outer[1]
        for inner, outer in zip(found, held, strict=True)
    )


@dataclass(eq=False)
class _Values:
    """Values of a body for all steps at once: each either one for all steps, or one a step."""

    body: ClosedJaxpr
    length: int
    held: dict[Any, tuple[Any, bool]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for variable, value in zip(self.body.jaxpr.constvars, self.body.consts, strict=True):
            self.held[variable] = value, False

    def read(self, atom: Any) -> tuple[Any, bool]:
        return (atom.val, False) if isinstance(atom, Literal) else self.held[atom]

    def provide(self, atoms: Sequence[Any]) -> list[tuple[Any, bool]]:
        """The values of some atoms, all that they need being held or computable."""
        wanted = {atom for atom in atoms if not isinstance(atom, Literal) and atom not in self.held}
        eqns = []
        for eqn in reversed(self.body.jaxpr.eqns):
            if wanted.intersection(eqn.outvars):
                eqns.append(eqn)
                wanted.difference_update(eqn.outvars)
                wanted.update(
                    atom for atom in eqn.invars if not isinstance(atom, Literal) and atom not in self.held
                )
        for eqn in reversed(eqns):
            operands = [self.read(atom) for atom in eqn.invars]
            given, stepped = [value for value, _ in operands], [is_stepped for _, is_stepped in operands]
            if any(stepped):
                axes = tuple(0 if is_stepped else None for is_stepped in stepped)
                results = jax.vmap(lambda *args, eqn=eqn: jaxprs.bind(eqn, args), in_axes=axes)(*given)
            else:
                results = jaxprs.bind(eqn, given)
            self.held.update(
                (v, (result, any(stepped))) for v, result in zip(eqn.outvars, results, strict=True)
            )
        return [self.read(atom) for atom in atoms]

    def every_step(self, atom: Any) -> Any:
        """The values of one atom, steps first."""
        [(value, is_stepped)] = self.provide([atom])
        return value if is_stepped else jnp.broadcast_to(value, (self.length, *jnp.shape(value)))


def reassociated(loop: Loop, shortened: Sequence[bool], args: Sequence[Any]) -> list[Any]:
    """What the loop computes, its plans carried out where `shortened`. Takes and gives what the scan does."""
    body, consts, carries, length = loop.body, loop.consts, loop.carries, loop.length
    backwards = loop.eqn.params["reverse"]
    invars = body.jaxpr.invars
    values = _Values(body, length)
    for place, value in enumerate(args):
        if place < consts:
            values.held[invars[place]] = value, False
        elif place >= consts + carries:
            values.held[invars[place]] = (jnp.flip(value, 0) if backwards else value), True
    last: dict[int, Any] = {}
    for plan, is_shortened in zip(loop.plans, shortened, strict=True):
        first = [args[consts + carry] for carry in plan.group.carries]
        trajectories = _trajectories(plan, is_shortened, values, first)
        for carry, start, trajectory in zip(plan.group.carries, first, trajectories, strict=True):
            before = jnp.concatenate([jnp.asarray(start)[None], trajectory[:-1]])
            values.held[invars[consts + carry]] = before, True
            result = body.jaxpr.outvars[carry]
            if not isinstance(result, Literal):
                values.held.setdefault(result, (trajectory, True))
            last[carry] = trajectory[-1]
    outputs = [values.every_step(atom) for atom in body.jaxpr.outvars[carries:]]
    return [
        *(last[carry] for carry in range(carries)),
        *(jnp.flip(output, 0) if backwards else output for output in outputs),
    ]


def _trajectories(plan: Planned, is_shortened: bool, values: _Values, first: list[Any]) -> list[Any]:
    """The carries of a group after every step."""
    if plan.update is None:
        [carry] = plan.group.carries
        return [values.every_step(values.body.jaxpr.outvars[carry])]
    update, length = plan.update, values.length
    others = values.provide(update.others)
    stepped = [value for value, is_stepped in others if is_stepped]

    def at(step: Sequence[Any]) -> list[Any]:
        """The values beside the carries at one step."""
        of_step = iter(step)
        return [next(of_step) if is_stepped else value for value, is_stepped in others]

    if all(result is carry for result, carry in zip(update.jaxpr.outvars, update.jaxpr.invars, strict=False)):
        return [jnp.broadcast_to(value, (length, *jnp.shape(value))) for value in first]
    if not is_shortened or plan.composition is None:

        def step(carry: list[Any], now: list[Any]) -> tuple[list[Any], list[Any]]:
            new = update(carry, at(now))
            return new, new

        return lax.scan(step, first, stepped, length=length)[1]
    composition = plan.composition
    ahead: list[list[Any]] = []
    if isinstance(composition, Machine):  # where it starts may be no state of the machine, what follows is
        for _ in range(min(composition.ahead, length)):
            first = update(first, at([value[0] for value in stepped]))
            ahead, stepped, length = [*ahead, first], [value[1:] for value in stepped], length - 1
        if length == 0:
            return [jnp.stack(steps) for steps in zip(*ahead, strict=True)]

    def element(now: list[Any]) -> Any:
        beside = at(now)
        if isinstance(composition, Tropical):
            return composition.element(beside)
        return composition.element(lambda carries: update(carries, beside))

    if stepped:
        elements = jax.vmap(element)(stepped)
    else:
        one = element([])
        elements = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (length, *leaf.shape)), one)
    start = composition.layout.pack(
        [lax.convert_element_type(v, jnp.result_type(*update.dtypes)) for v in first]
    )
    states = jax.vmap(composition.apply, in_axes=(0, None))(prefix(composition.combine, elements), start)
    after = jax.vmap(lambda packed: composition.layout.unpack(packed, update.dtypes))(states)
    if not ahead:
        return after
    before = [jnp.stack(steps) for steps in zip(*ahead, strict=True)]
    return [jnp.concatenate([early, late]) for early, late in zip(before, after, strict=True)]


def trace(loop: Loop, shortened: Sequence[bool]) -> ClosedJaxpr:
    """The re-associated loop as a jaxpr."""
    given = [jaxprs.abstract(atom) for atom in loop.eqn.invars]
    return jax.make_jaxpr(lambda *args: reassociated(loop, shortened, args))(*given)
