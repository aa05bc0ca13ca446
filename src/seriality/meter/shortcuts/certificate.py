"""Running what the meter claims: re-associated programs, certificates, and parallel Newton evaluation.

    reassociate(fn)          a function equal to `fn`, its loops re-associated
    certify(fn, *args)       both run on the same inputs, loop by loop, and compared

A certificate is numerical. It says that on these inputs the two agree to rounding, not that they always do.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.extend.core import JaxprEqn, Literal
from jax.flatten_util import ravel_pytree

from .. import jaxprs
from ..measurement import kind_of
from .algebras import Layout
from .compositions import Affine, prefix
from .finder import Finder, scans
from .loops import Loop, reassociated

MOST_ITERATIONS = 100


@dataclass(frozen=True)
class Certificate:
    """One loop of a program, run as written and re-associated on the same inputs.

    `error` is the largest difference of the results, each relative to 1 + the sequential one; None where the
    loop has no shortcut. `newton` is empirical: the iterations that a parallel Newton evaluation needs on
    these inputs, None where it was not asked for or does not converge in MOST_ITERATIONS. It is asked for
    with `certify(..., newton=True)` and tried on loops without a shortcut.
    """

    where: str
    length: int
    kind: str
    error: float | None
    newton: int | None = None

    def __str__(self) -> str:
        text = f"loop of {self.length:,} at {self.where}: {self.kind}"
        if self.error is not None:
            text += f", re-associated and sequential differ by {self.error:.1e}"
        if self.newton is not None:
            text += f", {self.newton} Newton iterations (empirical)"
        return text


def reassociate(fn: Callable[..., Any], *, most_blow_up: float = 1024) -> Callable[..., Any]:
    """A function that gives what `fn` gives, every loop that has a shortcut being evaluated by it.

    It can be jitted, differentiated and measured like any other. Rounding differs.

    >>> import jax, jax.numpy as jnp
    >>> ema = lambda xs: jax.lax.scan(lambda h, x: (0.9 * h + x, h), 0.0, xs)[1]
    >>> jnp.allclose(reassociate(ema)(jnp.ones(100)), ema(jnp.ones(100)), atol=1e-5).item()
    True
    """

    def shorter(*args: Any) -> Any:
        program = _Program(fn, args, most_blow_up)
        return program.result(program.run(program.everywhere))

    return shorter


def certify(
    fn: Callable[..., Any],
    *args: Any,
    key: Any = None,
    newton: bool = False,
    tolerance: float = 1e-5,
    most_blow_up: float = 1024,
) -> list[Certificate]:
    """Run `fn(*args)` loop by loop, as written and re-associated, and compare; inner loops go with theirs.

    `jax.ShapeDtypeStruct`s among the arguments are filled at random with `key`: floats from a normal
    distribution, integers 0 or 1. With `newton=True` each loop without a shortcut is also evaluated by
    parallel Newton iterations (DEER; Lim et al. 2024) until they agree with it to `tolerance`.
    """
    args = _filled(args, jax.random.key(0) if key is None else key)
    program = _Program(fn, args, most_blow_up)
    found: list[Certificate] = []

    def instead(eqn: JaxprEqn, given: list[Any]) -> list[Any] | None:
        if eqn.primitive.name != "scan":
            return None
        sequential = jaxprs.bind(eqn, given)
        loop, _ = program.plan(eqn)
        parallel = program.shorter(eqn, given)
        kind = kind_of(plan.group for plan in loop.plans)
        error = None if parallel is None else difference(parallel, sequential)
        iterations = newton_iterations(loop, given, tolerance) if newton and kind == "serial" else None
        found.append(Certificate(jaxprs.where(eqn)[0], loop.length, kind, error, iterations))
        return sequential

    program.run(instead)
    return found


class _Program:
    """A traced program and the plans of its loops."""

    def __init__(self, fn: Callable[..., Any], args: tuple[Any, ...], most_blow_up: float):
        self.data, static = eqx.partition((fn, args), jaxprs.is_data)
        self.structure: Any = None
        self.static_out: Any = None

        def arrays(data: Any) -> list[Any]:
            inner, inputs = eqx.combine(data, static)
            out, self.static_out = eqx.partition(inner(*inputs), eqx.is_array)
            self.structure = jax.tree.structure(out)
            return jax.tree.leaves(out)

        if not jax.tree.leaves(self.data):
            raise ValueError(
                "nothing to run: no argument holds an array, as in certify(fn, jax.numpy.ones(16))"
            )
        self.closed = jax.make_jaxpr(arrays)(self.data)
        self.finder = Finder(most_blow_up, scans(self.closed))

    def run(self, instead: jaxprs.Instead) -> list[Any]:
        return jaxprs.run(self.closed.jaxpr, self.closed.consts, jax.tree.leaves(self.data), instead)

    def result(self, leaves: list[Any]) -> Any:
        return eqx.combine(jax.tree.unflatten(self.structure, leaves), self.static_out)

    def plan(self, eqn: JaxprEqn) -> tuple[Loop, list[bool]]:
        body = jaxprs.opened(eqn.params["jaxpr"])
        work = eqn.params["length"] * sum(jaxprs.size(variable) for e in body.eqns for variable in e.outvars)
        known = tuple(isinstance(atom, Literal) for atom in eqn.invars)
        loop, shortened, _ = self.finder.planned(eqn, known, work)
        return loop, shortened

    def shorter(self, eqn: JaxprEqn, given: list[Any]) -> list[Any] | None:
        """What a scan gives, by its shortcuts, or None."""
        loop, shortened = self.plan(eqn)
        if not any(shortened) or loop.length < 2:
            return None
        return jax.jit(lambda *given: reassociated(loop, shortened, given))(*given)

    def everywhere(self, eqn: JaxprEqn, given: list[Any]) -> list[Any] | None:
        """The same for loops in loops and in branches too."""
        name, params = eqn.primitive.name, eqn.params
        if name == "scan":
            found = self.shorter(eqn, given)
            return self.stepped(eqn, given) if found is None else found
        if name == "cond":
            branches = [
                lambda *args, branch=branch: jaxprs.run(branch.jaxpr, branch.consts, args, self.everywhere)
                for branch in params["branches"]
            ]
            return list(lax.switch(given[0].astype("int32"), branches, *given[1:]))
        if name == "while":
            trips = jaxprs.trips(eqn, {})
            if trips is not None and trips.exact:
                return jaxprs.run(self.finder.counted(eqn, trips.count), (), given, self.everywhere)
        return None

    def stepped(self, eqn: JaxprEqn, given: list[Any]) -> list[Any]:
        """A loop that is taken step by step, what is inside of it being re-associated."""
        body, consts, carries = eqn.params["jaxpr"], eqn.params["num_consts"], eqn.params["num_carry"]

        def step(carry: list[Any], xs: list[Any]) -> tuple[list[Any], list[Any]]:
            out = jaxprs.run(body.jaxpr, body.consts, [*given[:consts], *carry, *xs], self.everywhere)
            return out[:carries], out[carries:]

        first, xs = given[consts : consts + carries], given[consts + carries :]
        last, outputs = lax.scan(step, first, xs, eqn.params["length"], eqn.params["reverse"])
        return [*last, *outputs]


def difference(found: list[Any], expected: list[Any]) -> float:
    """The largest difference, relative to 1 + the second list; infinite where one is not finite."""
    largest = 0.0
    for one, other in zip(found, expected, strict=True):
        if not jnp.issubdtype(jnp.asarray(other).dtype, np.inexact):
            largest = max(largest, float(not np.array_equal(one, other)))
        elif jnp.size(other):
            apart = jnp.max(jnp.abs(one - other) / (1 + jnp.abs(other)))
            largest = max(largest, float(apart) if jnp.isfinite(apart) else math.inf)
    return largest


def newton_iterations(loop: Loop, given: list[Any], tolerance: float) -> int | None:
    """How many parallel Newton iterations give the carries of a loop, from a trajectory of zeros.

    Each iteration linearises every step at the current trajectory and solves the linear recurrence by prefix
    composition (Lim et al. 2024). The last iteration, which shows that nothing changes, is not counted.
    """
    body, consts, carries = loop.body, loop.consts, loop.carries
    if loop.eqn.params["reverse"]:
        given = [*given[: consts + carries], *(jnp.flip(value, 0) for value in given[consts + carries :])]
    if not all(jnp.issubdtype(carry.dtype, np.floating) for carry in given[consts : consts + carries]):
        return None
    start, unravel = ravel_pytree(given[consts : consts + carries])

    def step(state: Any, xs: list[Any]) -> Any:
        new = jaxprs.run(body.jaxpr, body.consts, [*given[:consts], *unravel(state), *xs])
        return ravel_pytree(new[:carries])[0]

    xs = given[consts + carries :]
    composition = Affine(Layout(((start.size,),), ((),), 0), (start.dtype,))

    def iterate(states: Any) -> Any:
        before = jnp.concatenate([start[None], states[:-1]])
        new = jax.vmap(step)(before, xs)
        slopes = jax.vmap(jax.jacfwd(step))(before, xs)
        offsets = new - jnp.einsum("toi,ti->to", slopes, before)
        return jax.vmap(composition.apply, in_axes=(0, None))(
            prefix(composition.combine, (slopes, offsets)), start
        )

    def sequential(state: Any, xs: list[Any]) -> tuple[Any, Any]:
        new = step(state, xs)
        return new, new

    truth = lax.scan(sequential, start, xs, length=loop.length)[1]
    states, run = jnp.zeros_like(truth), jax.jit(iterate)
    for count in range(1, MOST_ITERATIONS + 1):
        states = run(states)
        if difference([states], [truth]) <= tolerance:
            return count
    return None


def _filled(args: Any, key: Any) -> Any:
    leaves, structure = jax.tree.flatten(args, is_leaf=lambda leaf: isinstance(leaf, jax.ShapeDtypeStruct))
    keys = jax.random.split(key, max(1, len(leaves)))

    def fill(leaf: Any, key: Any) -> Any:
        if not isinstance(leaf, jax.ShapeDtypeStruct):
            return leaf
        if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            return jax.random.split(key, leaf.shape) if leaf.shape else key
        if jnp.issubdtype(leaf.dtype, np.inexact):
            return jax.random.normal(key, leaf.shape, leaf.dtype)
        return jax.random.bernoulli(key, 0.5, leaf.shape).astype(leaf.dtype)

    return jax.tree.unflatten(structure, [fill(leaf, key) for leaf, key in zip(leaves, keys, strict=True)])
