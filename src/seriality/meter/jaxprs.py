"""Reading jaxprs: tracing, dead code, inner jaxprs, counted loops. The only file that knows JAX's internals.

Written for JAX 0.10; parameter names of primitives differ between versions, and only here.
"""

import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax
import numpy as np
from jax._src import source_info_util
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn, Literal, Var
from jax.interpreters.partial_eval import dce_jaxpr

CALLS = {
    "call", "call_exported", "closed_call", "composite", "core_call", "custom_jvp_call", "custom_partitioning",
    "custom_vjp_call", "custom_vmap_call", "eval_jaxpr", "jaxpr_call", "jit", "linear_call", "remat2", "remat_opt",
}  # fmt: skip
"""Primitives that run one inner jaxpr on their own inputs."""


def is_data(leaf: Any) -> bool:
    """Whether a leaf of the arguments is an input: an array, or the shape of one."""
    return isinstance(leaf, (jax.Array, np.ndarray, jax.ShapeDtypeStruct))


def trace(fn: Callable[..., Any], *args: Any) -> Jaxpr:
    """The jaxpr of `fn`, live code only, inputs = the arrays in `fn` and `args`. Nothing is executed."""
    data, static = eqx.partition((fn, args), is_data)
    if not jax.tree.leaves(data):
        raise ValueError(
            "nothing to measure: no argument holds an array, so all is known before the run; "
            "pass the input as an argument, measure(fn, jax.ShapeDtypeStruct((16,), 'int32'))"
        )

    def arrays_to_arrays(data: Any) -> list[jax.Array]:
        inner, inputs = eqx.combine(data, static)
        return [leaf for leaf in jax.tree.leaves(inner(*inputs)) if isinstance(leaf, jax.Array)]

    return alive(jax.make_jaxpr(arrays_to_arrays)(data).jaxpr)


def alive(jaxpr: Jaxpr) -> Jaxpr:
    """The same jaxpr without what no output needs, in inner jaxprs too; all inputs are kept."""
    return dce_jaxpr(jaxpr, [True] * len(jaxpr.outvars), instantiate=True)[0]


def opened(jaxpr: Jaxpr | ClosedJaxpr) -> Jaxpr:
    """The jaxpr itself, whether or not it comes with its constants."""
    return jaxpr.jaxpr if isinstance(jaxpr, ClosedJaxpr) else jaxpr


def called(eqn: JaxprEqn) -> Jaxpr:
    """The inner jaxpr of a call."""
    return opened(
        next(eqn.params[name] for name in ("jaxpr", "call_jaxpr", "call", "callee") if name in eqn.params)
    )


def names(eqn: JaxprEqn) -> tuple[str, ...]:
    """What an equation may be called in a declaration of costs: its function or kernel, then its primitive."""
    given = eqn.params.get("name") or eqn.params.get("target_name") or eqn.params.get("call_target_name")
    about = eqn.params.get("name_and_src_info")
    candidates = (given, getattr(about, "name", None), eqn.primitive.name)
    return tuple(name for name in candidates if isinstance(name, str))


def operands(eqn: JaxprEqn) -> tuple[list[tuple[int, ...]], list[tuple[int, ...]]]:
    """The shapes of what an equation takes and gives."""
    return [shape(atom) for atom in eqn.invars], [shape(atom) for atom in eqn.outvars]


def where(eqn: JaxprEqn) -> tuple[str, tuple[str, ...]]:
    """The line that wrote an equation, as `file:line`, and the functions around it, outermost first."""
    frames = [
        frame
        for frame in source_info_util.user_frames(eqn.source_info.traceback)
        if frame.file_name != __file__
    ]
    if not frames:
        return "(no source)", ()
    first = frames[0]
    functions = tuple(frame.function_name for frame in reversed(frames))
    return f"{os.path.basename(first.file_name)}:{first.start_line}", functions


def linear_solve(eqn: JaxprEqn) -> tuple[Jaxpr, slice]:
    """What `custom_linear_solve` runs forwards, and which operands are its constants."""
    lengths, inner = eqn.params["const_lengths"], eqn.params["jaxprs"]
    before = lengths.matvec + lengths.vecmat
    return opened(inner.solve), slice(before, before + lengths.solve)


def devices(eqn: JaxprEqn) -> int:
    """How many devices run the body of a `shard_map`."""
    mesh = eqn.params["mesh"].shape
    return math.prod(mesh[axis] for axis in eqn.params["newly_manual_axes"])


def loop_parts(eqn: JaxprEqn, used: Sequence[bool]) -> tuple[Jaxpr, Jaxpr]:
    """Condition and body of a while loop, live code only: a carry that nothing needs passes through.

    `used` marks the carries that are needed after the loop. JAX itself removes no dead code from a while.
    """
    condition, body = opened(eqn.params["cond_jaxpr"]), opened(eqn.params["body_jaxpr"])
    tested = dce_jaxpr(condition, [True])[1][eqn.params["cond_nconsts"] :]
    inside = eqn.params["body_nconsts"]
    needed, grown = list(used), [a or b for a, b in zip(used, tested, strict=True)]
    while needed != grown:
        needed = grown
        read = dce_jaxpr(body, needed)[1][inside:]
        grown = [a or b for a, b in zip(needed, read, strict=True)]
    results = zip(needed, body.outvars, body.invars[inside:], strict=True)
    passing = body.replace(outvars=[made if is_needed else given for is_needed, made, given in results])
    return alive(condition), alive(passing)


def shape(atom: Any) -> tuple[int, ...]:
    """The shape of a variable or literal."""
    return tuple(atom.aval.shape)


def size(atom: Any) -> int:
    """The number of elements of a variable or literal."""
    return math.prod(shape(atom))


def value(atom: Any, values: Mapping[Var, int]) -> int | None:
    """The integer an atom is known to hold, or None."""
    if isinstance(atom, Literal):
        return int(atom.val) if np.ndim(atom.val) == 0 and isinstance(atom.val, (int, np.integer)) else None
    return values.get(atom)


@dataclass(frozen=True)
class Trips:
    """How often a while loop runs: exactly, or at most when it may also stop early."""

    count: int
    exact: bool


def trips(eqn: JaxprEqn, values: Mapping[Var, int]) -> Trips | None:
    """The trip count of a counted loop, or None.

    Counted: a carry starts at a known integer, the body adds a literal to it, and the condition compares
    it with a known integer, alone (exact) or joined to others by `and` (the loop runs at most so often).
    """
    condition, body = opened(eqn.params["cond_jaxpr"]), opened(eqn.params["body_jaxpr"])
    skip_condition, skip_body = eqn.params["cond_nconsts"], eqn.params["body_nconsts"]
    start = eqn.invars[skip_condition + skip_body :]
    known = {
        inner: found
        for inner, outer in zip(condition.invars[:skip_condition], eqn.invars, strict=False)
        if (found := value(outer, values)) is not None
    }
    made_by = {out: inner for inner in condition.eqns for out in inner.outvars}
    counts, others = [], 0
    tests = [condition.outvars[0]]
    while tests:
        test = tests.pop()
        maker = made_by.get(test) if isinstance(test, Var) else None
        if maker is not None and maker.primitive.name in ("and", "convert_element_type"):
            tests.extend(maker.invars)
            continue
        count = None
        if maker is not None and maker.primitive.name in _COMPARISONS:
            count = _count(maker, condition.invars[skip_condition:], known, body, skip_body, start, values)
        if count is None:
            others += 1
        else:
            counts.append(count)
    return Trips(min(counts), exact=not others) if counts else None


_COMPARISONS = {"lt": "gt", "gt": "lt", "le": "ge", "ge": "le"}
"""Each comparison and its mirror image."""


def _count(
    test: JaxprEqn,
    carries: list[Var],
    known: Mapping[Var, int],
    body: Jaxpr,
    skip_body: int,
    start: list[Any],
    values: Mapping[Var, int],
) -> int | None:
    """The trips that one comparison `counter < limit` allows, or None if it is no such comparison."""
    (left, right), name = test.invars, test.primitive.name
    if left not in carries:
        left, right, name = right, left, _COMPARISONS[name]
    limit = value(right, known)
    if isinstance(left, Literal) or left not in carries or limit is None:
        return None
    place = carries.index(left)
    first, stride = value(start[place], values), _stride(body, skip_body + place, body.outvars[place])
    if first is None or stride is None:
        return None
    if name in ("gt", "ge"):  # count down: mirror the line of numbers
        first, stride, limit = -first, -stride, -limit
    if name in ("le", "ge"):
        limit += 1
    if first >= limit:
        return 0
    return -((first - limit) // stride) if stride > 0 else None


def _stride(body: Jaxpr, place: int, result: Any) -> int | None:
    """The literal that `body` adds to its input number `place` to make `result`, or None."""
    counter = body.invars[place]
    for eqn in body.eqns:
        if result in eqn.outvars and eqn.primitive.name in ("add", "sub") and counter in eqn.invars:
            left, right = eqn.invars
            if eqn.primitive.name == "sub":
                step = value(right, {}) if left is counter else None
                return None if step is None else -step
            return value(right if left is counter else left, {})
    return None
