"""Reading jaxprs: tracing, dead code, inner jaxprs, counted loops.

Written for JAX 0.10. The parameters of calls and loops are read here alone; those of other primitives where
they matter, `primitives` first of all.
"""

import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import equinox as eqx
import jax
import jaxtyping
import numpy as np
from jax._src import source_info_util
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn, Literal, Var
from jax.interpreters.partial_eval import dce_jaxpr

CALLS = {
    *("call", "call_exported", "closed_call", "composite", "custom_jvp_call", "custom_partitioning"),
    *("custom_vjp_call", "custom_vmap_call", "jit"),
    *("linear_call", "remat2", "remat_opt"),
}
"""Primitives that run one inner jaxpr on their own inputs."""


def is_data(leaf: Any) -> bool:
    """Whether a leaf of the arguments is an input: an array, or the shape of one."""
    return isinstance(leaf, (jax.Array, np.ndarray, jax.ShapeDtypeStruct))


def trace(fn: Callable[..., Any], *args: Any) -> ClosedJaxpr:
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

    closed = jax.make_jaxpr(arrays_to_arrays)(data)
    return ClosedJaxpr(alive(closed.jaxpr), closed.consts)


def alive(jaxpr: Jaxpr) -> Jaxpr:
    """The same jaxpr without what no output needs, in inner jaxprs too; all inputs are kept."""
    return dce_jaxpr(jaxpr, [True] * len(jaxpr.outvars), instantiate=True)[0]


def opened(jaxpr: Jaxpr | ClosedJaxpr) -> Jaxpr:
    """The jaxpr itself, whether or not it comes with its constants."""
    return jaxpr.jaxpr if isinstance(jaxpr, ClosedJaxpr) else jaxpr


Instead = Callable[[JaxprEqn, list[Any]], list[Any] | None]
"""What to give for an equation in place of what it computes, or None."""


def run(
    jaxpr: Jaxpr, consts: Sequence[Any], args: Sequence[Any], instead: Instead | None = None, line: Any = None
) -> list[Any]:
    """The outputs of a jaxpr, all calls in it written out. Traced operations keep the lines they came from.

    `line` is the traceback of the call, for operations that were written by a library.
    """
    held: dict[Var, Any] = dict(zip(jaxpr.constvars, consts, strict=True))
    held.update(zip(jaxpr.invars, args, strict=True))

    def read(atom: Any) -> Any:
        return atom.val if isinstance(atom, Literal) else held[atom]

    for eqn in jaxpr.eqns:
        given = [read(atom) for atom in eqn.invars]
        results = instead(eqn, given) if instead else None
        if results is None and eqn.primitive.name in CALLS:
            results = run(called(eqn), _consts(eqn), given, instead, _line(eqn, line))
        elif results is None:
            results = bind(eqn, given, line)
        held.update(zip(eqn.outvars, results, strict=True))
    return [read(atom) for atom in jaxpr.outvars]


def bind(eqn: JaxprEqn, given: Sequence[Any], line: Any = None) -> list[Any]:
    """The results of one equation."""
    context = source_info_util.user_context(_line(eqn, line), name_stack=eqn.source_info.name_stack)
    with context, eqn.ctx.manager:
        results = eqn.primitive.bind(*given, **eqn.primitive.get_bind_params(eqn.params))
    return list(results) if eqn.primitive.multiple_results else [results]


def _line(eqn: JaxprEqn, line: Any) -> Any:
    """The traceback of an equation, or of the call it stands in if it has none of a user."""
    own = eqn.source_info.traceback
    return own if line is None or next(iter(source_info_util.user_frames(own)), None) else line


_INLINED: WeakKeyDictionary[Any, ClosedJaxpr] = WeakKeyDictionary()


def inlined(jaxpr: Jaxpr | ClosedJaxpr) -> ClosedJaxpr:
    """The same jaxpr with all calls written out and no dead code."""
    plain = opened(jaxpr)
    if plain not in _INLINED:
        consts = jaxpr.consts if isinstance(jaxpr, ClosedJaxpr) else ()
        if any(eqn.primitive.name in CALLS for eqn in plain.eqns):
            closed = jax.make_jaxpr(lambda *args: run(plain, consts, args))(*map(abstract, plain.invars))
        else:
            closed = ClosedJaxpr(plain, list(consts))
        _INLINED[plain] = ClosedJaxpr(alive(closed.jaxpr), closed.consts)
    return _INLINED[plain]


def abstract(atom: Any) -> jax.ShapeDtypeStruct:
    """The shape and type of a variable."""
    return jax.ShapeDtypeStruct(
        atom.aval.shape, atom.aval.dtype, weak_type=getattr(atom.aval, "weak_type", False)
    )


def _consts(eqn: JaxprEqn) -> Sequence[Any]:
    inner = next(eqn.params[name] for name in _HELD if name in eqn.params)
    return inner.consts if isinstance(inner, ClosedJaxpr) else ()


_HELD = ("jaxpr", "call_jaxpr", "call", "callee")
"""The parameters in which calls hold their jaxpr."""


def called(eqn: JaxprEqn) -> Jaxpr:
    """The inner jaxpr of a call."""
    return opened(next(eqn.params[name] for name in _HELD if name in eqn.params))


def inner(eqn: JaxprEqn, operands: Sequence[Any]) -> Iterator[tuple[Jaxpr, Sequence[Any]]]:
    """The jaxprs inside an equation, with those of its operands that are their inputs, None where changed."""
    name, params = eqn.primitive.name, eqn.params
    if name == "scan":
        first, after = params["num_consts"], params["num_consts"] + params["num_carry"]
        yield opened(params["jaxpr"]), [*operands[:first], *[None] * params["num_carry"], *operands[after:]]
    elif name == "while":
        before, inside = params["cond_nconsts"], params["body_nconsts"]
        yield opened(params["cond_jaxpr"]), operands[:before]
        yield opened(params["body_jaxpr"]), operands[before : before + inside]
    elif name == "cond":
        for branch in params["branches"]:
            yield opened(branch), operands[1:]
    elif name == "custom_linear_solve":
        solver, consts = linear_solve(eqn)
        yield solver, operands[consts]
    elif name in CALLS or name == "shard_map":
        yield called(eqn), operands


def names(eqn: JaxprEqn) -> tuple[str, ...]:
    """What a declaration of costs may call an equation: its function or kernel, then its primitive."""
    given = eqn.params.get("name") or eqn.params.get("target_name") or eqn.params.get("call_target_name")
    kernel = (
        getattr(eqn.params.get("jaxpr"), "debug_info", None) if eqn.primitive.name == "pallas_call" else None
    )
    candidates = (given, getattr(kernel, "func_name", None), eqn.primitive.name)
    return tuple(name for name in candidates if isinstance(name, str))


def operands(eqn: JaxprEqn) -> tuple[list[tuple[int, ...]], list[tuple[int, ...]]]:
    """The shapes of what an equation takes and gives."""
    return [shape(atom) for atom in eqn.invars], [shape(atom) for atom in eqn.outvars]


_HIDDEN = (__file__, os.path.dirname(str(jaxtyping.__file__)), "<@beartype")
"""Files whose functions stand between those of a user: this one, and those that check annotations."""


def where(eqn: JaxprEqn) -> tuple[str, tuple[str, ...]]:
    """The line that wrote an equation, as `file:line`, and the functions around it, outermost first."""
    frames = [
        frame
        for frame in source_info_util.user_frames(eqn.source_info.traceback)
        if not frame.file_name.startswith(_HIDDEN)
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


def counted(eqn: JaxprEqn, count: int) -> Jaxpr:
    """A while loop that runs `count` times as a scan, with the same inputs and outputs."""
    before, inside = eqn.params["cond_nconsts"], eqn.params["body_nconsts"]
    body = eqn.params["body_jaxpr"]

    def loop(*args: Any) -> Any:
        consts, carry = args[before : before + inside], args[before + inside :]
        return jax.lax.scan(
            lambda held, _: (run(body.jaxpr, body.consts, [*consts, *held]), None), list(carry), None, count
        )[0]

    with source_info_util.user_context(eqn.source_info.traceback):
        return alive(jax.make_jaxpr(loop)(*map(abstract, eqn.invars)).jaxpr)


def shape(atom: Any) -> tuple[int, ...]:
    """The shape of a variable or literal."""
    return tuple(atom.aval.shape)


def dtype(atom: Any) -> Any:
    """The type of the elements of a variable or literal."""
    return atom.aval.dtype


def size(atom: Any) -> int:
    """The number of elements of a variable or literal."""
    return math.prod(shape(atom))


def value(atom: Any, values: Mapping[Var, int]) -> int | None:
    """The integer an atom is known to hold, or None."""
    if isinstance(atom, Literal):
        is_whole = np.ndim(atom.val) == 0 and jax.numpy.issubdtype(dtype(atom), np.integer)
        return int(atom.val) if is_whole else None
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
