"""The labels of recurrences.py, checked by numbers: the identity that defines an algebra holds, or it fails.

Every step runs in double precision on random carries and inputs. A shortcut must satisfy the identity of its
algebra stage by stage, the carries of earlier stages held; a serial loop must break every one of them after
three steps, on carries that all read each other. Nothing here knows how the package decides.
"""

import importlib.util
from collections import Counter
from pathlib import Path

import jax
import numpy as np
import pytest
from jax.extend.core import ClosedJaxpr, Jaxpr

_spec = importlib.util.spec_from_file_location("recurrences", Path(__file__).with_name("recurrences.py"))
_module = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_module)
RECURRENCES = _module.RECURRENCES

COUNT = 128  # carries to try an identity on
FAST_TO_COMPILE = {"xla_cpu_use_fusion_emitters": False, "xla_cpu_parallel_codegen_split_count": 1}
HOLDS, FAILS = 1e-8, 1e-3

SHORTCUTS = [r for r in RECURRENCES if r.label == "shortcut" and not r.hard]
SERIAL = [r for r in RECURRENCES if r.label == "serial"]
HARD = [r for r in RECURRENCES if r.hard]


def each(recurrences):
    return pytest.mark.parametrize("recurrence", recurrences, ids=lambda r: r.name)


def double(tree):
    wide = {"float32": "float64", "complex64": "complex128"}
    return jax.tree.map(lambda a: np.asarray(a, wide.get(a.dtype.name)), tree)


class Loop:
    """The map of `steps` steps on many carries at a time. A carry is a list of leaves, in double precision.

    A group is a list of masks, one per leaf: the part of the carry that an identity is about.
    """

    def __init__(self, recurrence, steps=1):
        self.recurrence, self.steps = recurrence, steps
        self.structure = jax.tree.structure(recurrence.drawn[1])
        self.weights, start, series = double(recurrence.inputs(jax.random.key(0), COUNT + 8))
        self.shapes = [np.shape(leaf) for leaf in jax.tree.leaves(start)]
        with jax.enable_x64(True):
            self.series = jax.tree.map(np.asarray, recurrence.before(self.weights, series))
            step = jax.vmap(recurrence.step, in_axes=(None, 0, 0))
            self.step = jax.jit(step, compiler_options=FAST_TO_COMPILE)

    def starts(self, seed):
        return jax.tree.leaves(double(self.recurrence.starts(jax.random.key(seed), COUNT)))

    def __call__(self, carry, begin=0, steps=None):
        """What the carries become; carry number i meets the inputs from number `begin` + i on."""
        with jax.enable_x64(True):
            for t in range(begin, begin + (steps or self.steps)):
                x = jax.tree.map(lambda a, t=t: a[t : t + COUNT], self.series)
                carry = self.step(self.weights, jax.tree.unflatten(self.structure, carry), x)
                carry = [np.asarray(leaf) for leaf in jax.tree.leaves(carry)]
        return carry

    def on(self, group, base):
        """The map on the part `group`, the rest being that of `base`."""
        return lambda part: choose(group, self(choose(group, part, base)), base)

    def whole(self, leaves):
        return [np.full(shape, i in leaves) for i, shape in enumerate(self.shapes)]

    def circles(self, leaves):
        """The parts of the carry whose elements all read each other, directly or not, as groups."""
        at = [(i, place) for i, shape in enumerate(self.shapes) if i in leaves for place in np.ndindex(shape)]
        base, other = self.starts(11), self.starts(12)
        after, reads = self(base, steps=1), np.eye(len(at), dtype=bool)
        for column, (i, place) in enumerate(at):
            moved = [leaf.copy() for leaf in base]
            moved[i][(slice(None), *place)] = other[i][(slice(None), *place)]
            moved = self(moved, steps=1)
            changed = [(a != b).any(0) for a, b in zip(after, moved, strict=True)]
            reads[:, column] |= [changed[j][p] for j, p in at]
        for _ in range(len(at).bit_length()):
            reads = (reads.astype("float32") @ reads) > 0
        for row in np.unique(reads & reads.T, axis=0):
            group = self.whole(())
            for (i, place), member in zip(at, row, strict=True):
                group[i][place] = member
            yield group


def choose(group, yes, no):
    return [np.where(mask, a, b) for mask, a, b in zip(group, yes, no, strict=True)]


def each_leaf(function, *carries):
    return [function(*leaves) for leaves in zip(*carries, strict=True)]


def error(found, wanted):
    """The largest difference, relative to the larger values; any between integers counts as 1."""

    def of_leaf(a, b):
        if a.dtype.kind not in "fc":
            return (a != b).astype(float)
        assert np.isfinite(a).all()
        assert np.isfinite(b).all()
        return np.abs(a - b) / (1 + np.maximum(np.abs(a), np.abs(b)))

    return max(of_leaf(a, b).max() for a, b in zip(found, wanted, strict=True))


# ---- identities: how far a map f is from an algebra; x, y, z are carries -----------------------------------


def affine(f, x, y, z, reach=0.5):
    """f(z + u + v) - f(z + u) - f(z + v) + f(z) = 0, over the reals, the machine word, or GF(2) for flags."""

    def along(a, b):
        if a.dtype.kind in "fc":
            return reach * (a - b)
        return a

    def plus(a, b):
        return a ^ b if a.dtype.kind == "b" else a + b

    u, v = each_leaf(along, x, z), each_leaf(along, y, z)
    zu, zv = each_leaf(plus, z, u), each_leaf(plus, z, v)
    left = each_leaf(plus, f(each_leaf(plus, zu, v)), f(z))
    return error(left, each_leaf(plus, f(zu), f(zv)))


def gf2(f, x, y, z):
    if any(leaf.dtype.kind not in "iub" for leaf in z):
        return np.inf
    left = each_leaf(np.bitwise_xor, f(each_leaf(lambda a, b, c: a ^ b ^ c, x, y, z)), f(z))
    return error(left, each_leaf(np.bitwise_xor, f(x), f(y)))


def max_plus(f, x, y, z, sign=1):
    """f((λ + x) ∨ y) = (λ + f(x)) ∨ f(y) for λ ≤ 0: what affine combinations are in this semiring."""
    if any(leaf.dtype.kind == "c" for leaf in z):
        return np.inf
    join = np.maximum if sign == 1 else np.minimum

    def lower(a):
        return a - sign * np.asarray({"f": 0.3, "i": 2}[a.dtype.kind], a.dtype) if a.dtype.kind in "fi" else a

    left = f(each_leaf(join, each_leaf(lower, x), y))
    return error(left, each_leaf(join, each_leaf(lower, f(x)), f(y)))


def min_plus(f, x, y, z):
    return max_plus(f, x, y, z, sign=-1)


def cross_ratio(a, b, c, d):
    return (a - c) * (b - d) / ((a - d) * (b - c))


def linear_fractional(f, *carries, leaves):
    """The cross ratio of four values of each element is kept."""
    images = [[carry[i] for i in leaves] for carry in map(f, carries)]
    carries = [[carry[i] for i in leaves] for carry in carries]
    return error(each_leaf(cross_ratio, *images), each_leaf(cross_ratio, *carries))


def on_lines(f, x, y, z):
    """Linear-fractional in many dimensions: four points of a line go to a line and keep their cross ratio."""
    if any(leaf.dtype.kind == "b" for leaf in z):
        return np.inf
    places = (0, 0.25, 0.6, 1) if z[0].dtype.kind in "fc" else (0, 1, 2, 4)

    def at(t):
        return each_leaf(
            lambda a, b: b + np.asarray(t * (a - b if a.dtype.kind in "fc" else a), a.dtype), x, z
        )

    def vector(carry):
        flat = [leaf.reshape(COUNT, -1) for leaf in carry]
        return np.concatenate([part for leaf in flat for part in (leaf.real, leaf.imag)], 1).astype("float64")

    images = np.stack([vector(f(at(t))) for t in places], 1)
    offsets = images - images[:, :1]
    scale = np.abs(offsets).max((1, 2))
    offsets = offsets[scale > 1e-6] / scale[scale > 1e-6, None, None]
    if not len(offsets):
        return 0.0
    _, size, axes = np.linalg.svd(offsets, full_matrices=False)
    bent = (size[:, 1] / size[:, 0]).max() if size.shape[1] > 1 else 0.0
    a, b, c, d = np.moveaxis(np.einsum("ntk,nk->nt", offsets, axes[:, 0]), 1, 0)
    p, q, r, s = places
    moved = (a - c) * (b - d) * (p - s) * (q - r) - (a - d) * (b - c) * (p - r) * (q - s)
    return max(bent, np.abs(moved).max() / (p - s) ** 2)


IDENTITIES = {"affine": affine, "max-plus": max_plus, "min-plus": min_plus}


def distinct(group, carries):
    """How many values the part `group` has among `carries`."""
    rows = [
        leaf[:, mask].reshape(len(leaf), -1).astype("complex128")
        for leaf, mask in zip(carries, group, strict=True)
    ]
    return len(np.unique(np.concatenate(rows, 1), axis=0))


# ---- the set itself ----------------------------------------------------------------------------------------


def test_the_set_is_large_and_its_fields_are_consistent():
    assert len(SHORTCUTS) >= 30
    assert len(SERIAL) >= 22
    assert len({r.name for r in RECURRENCES}) == len(RECURRENCES)
    assert all(r.source for r in RECURRENCES)
    assert {a for r in SHORTCUTS for a in r.algebras} == {*IDENTITIES, "finite", "linear-fractional"}
    for r in RECURRENCES:
        assert r.label in ("shortcut", "serial")
        assert bool(r.algebra) == (r.label == "shortcut")
        assert len(r.algebras) == len(r.leaves) or r.label == "serial"
        leaves = range(len(jax.tree.leaves(r.drawn[1])))
        assert Counter(i for stage in r.leaves for i in stage) == Counter(leaves)
        assert r.loop in ("forward", "backward", "counted")


def scans(jaxpr):
    """The scans of a program, those inside of a scan left out."""
    for equation in jaxpr.eqns:
        if equation.primitive.name == "scan":
            yield equation
            continue
        for value in equation.params.values():
            for inner in value if isinstance(value, (tuple, list)) else (value,):
                inner = inner.jaxpr if isinstance(inner, ClosedJaxpr) else inner
                if isinstance(inner, Jaxpr):
                    yield from scans(inner)


def test_each_program_has_one_scan():
    for recurrence in RECURRENCES:
        program, shapes = recurrence.program_at(64)
        found = [scan.params["length"] for scan in scans(jax.make_jaxpr(program)(*shapes).jaxpr)]
        assert found == [64], recurrence.name


@pytest.mark.parametrize("begin", range(0, len(RECURRENCES), 40))
def test_values_stay_finite(begin):
    """Forty programs are compiled as one, which takes a third of the time."""
    some = RECURRENCES[begin : begin + 40]
    programs = [r.program_at(64)[0] for r in some]
    arguments = [r.inputs(jax.random.key(1), 64) for r in some]

    def all_of_them(arguments):
        return [program(*given) for program, given in zip(programs, arguments, strict=True)]

    outputs = jax.jit(all_of_them, compiler_options=FAST_TO_COMPILE)(arguments)
    for recurrence, output in zip(some, outputs, strict=True):
        assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(output)), recurrence.name


# ---- shortcuts ---------------------------------------------------------------------------------------------


def reached(loop):
    """The carries of many runs, of all their steps together."""
    carries = [loop.starts(0)]
    for t in range(8):
        carries.append(loop(carries[-1], begin=t, steps=1))
    return each_leaf(lambda *leaves: np.concatenate(leaves), *carries)


@each(SHORTCUTS)
def test_each_stage_of_a_shortcut_obeys_its_algebra(recurrence):
    loop = Loop(recurrence)
    base, *carries = map(loop.starts, range(5))
    later = set(range(len(base)))
    for algebra, leaves in zip(recurrence.algebras, recurrence.leaves, strict=True):
        group, later = loop.whole(leaves), later - set(leaves)
        moved = loop(choose(loop.whole(later), carries[0], base))
        assert error(*(choose(group, after, base) for after in (loop(base), moved))) == 0, (
            "reads a later stage"
        )

        f = loop.on(group, base)
        if algebra == "finite":
            assert all(2 <= distinct(circle, reached(loop)) <= 64 for circle in loop.circles(leaves))
        elif algebra == "linear-fractional":
            assert linear_fractional(f, *carries, leaves=leaves) < 1e-6
            assert affine(f, *carries[:3]) > FAILS
        else:
            assert IDENTITIES[algebra](f, *carries[:3]) < HOLDS
        if algebra == "affine":
            assert affine(f, *carries[:3], reach=3.0) < HOLDS

    if len(recurrence.algebras) == 1 and recurrence.algebra != "finite":
        errors = {name: identity(loop, *carries[:3]) for name, identity in IDENTITIES.items()}
        holding = {name for name, e in errors.items() if e < HOLDS}
        assert holding == {recurrence.algebra, *recurrence.also} - {"linear-fractional"}
        assert all(e > FAILS for name, e in errors.items() if name not in holding)


# ---- shortcuts in other algebras ---------------------------------------------------------------------------


def in_chart(forward, back):
    """Affine once the carry is written in other coordinates."""

    def identity(loop, *carries):
        def f(carry):
            return each_leaf(forward, loop(each_leaf(back, carry)))

        return affine(f, *(each_leaf(forward, carry) for carry in carries))

    return identity


def circle(loop, x, y, z):
    turns = each_leaf(lambda a, b, c, d: a - b - (c - d), loop(x), loop(y), x, y)
    return error(turns, each_leaf(np.round, turns))


def affine_modulo(loop, x, y, z, modulus=8191):
    def plus(a, b):
        return (a + b) % modulus

    zx, zy = each_leaf(plus, z, x), each_leaf(plus, z, y)
    left = each_leaf(plus, loop(each_leaf(plus, zx, y)), loop(z))
    return error(left, each_leaf(plus, loop(zx), loop(zy)))


def boolean(loop, x, y, z):
    return error(loop(each_leaf(np.bitwise_or, x, y)), each_leaf(np.bitwise_or, loop(x), loop(y)))


def max_min(loop, x, y, z):
    """f(x ∨ y) = f(x) ∨ f(y) and f(x ∧ c) = f(x) ∧ c for a number c."""
    joined = error(loop(each_leaf(np.maximum, x, y)), each_leaf(np.maximum, loop(x), loop(y)))
    bound = [z[0][:, :1]]
    return max(joined, error(loop(each_leaf(np.minimum, x, bound)), each_leaf(np.minimum, loop(x), bound)))


def scaled_max_plus(loop, x, y, z):
    joined = error(loop(each_leaf(np.maximum, x, y)), each_leaf(np.maximum, loop(x), loop(y)))
    return max(joined, error(loop([x[0] + 1]), [loop(x)[0] + 0.9]))


def top_k(loop, x, y, z):
    """What a step adds does not depend on the carry: f(x) is x merged with f(nothing)."""
    (fresh,) = loop([np.full_like(x[0], -1e9)])
    merged = np.sort(np.concatenate([x[0], fresh], 1), 1)[:, ::-1]
    return error(loop(x), [merged[:, : x[0].shape[1]]])


def projective(loop, x, y, z):
    """f(x + y) is a combination of f(x) and f(y)."""
    images = np.stack([loop(carry)[0] for carry in (x, y, [x[0] + y[0]])], 1)
    return np.linalg.svd(images, compute_uv=False)[:, 2].max()


def tropical_projective(loop, x, y, z):
    """f(x ∨ y) = (λ + f(x)) ∨ (μ + f(y)) for some numbers λ, μ."""
    (a,), (b,), (joined,) = loop(x), loop(y), loop([np.maximum(x[0], y[0])])
    a, b = (part + (joined - part).min(1, keepdims=True) for part in (a, b))
    return error([joined], [np.maximum(a, b)])


def matrix_linear_fractional(loop, *carries):
    """The cross ratio of four matrices is kept up to a change of basis: its trace and determinant are."""

    def invariants(carries):
        a, b, c, d = (carry[0] for carry in carries)
        ratio = (a - b) @ np.linalg.inv(c - b) @ (c - d) @ np.linalg.inv(a - d)
        return [np.trace(ratio, axis1=1, axis2=2), np.linalg.det(ratio)]

    four = [*carries, each_leaf(lambda a, b: 2 * a + b, *carries[:2])]
    return error(invariants(list(map(loop, four))), invariants(four))


def clamp(loop, x, y, z):
    """Along each element, three steps are constant, then of one slope, then constant."""
    three = Loop(loop.recurrence, steps=3)
    values = np.stack([three([np.full_like(x[0], t)])[0] for t in np.linspace(-6, 6, 49)])
    slopes = np.moveaxis(np.diff(values, axis=0), 0, -1).reshape(-1, 48)
    worst = 0.0
    for slope in slopes:
        moving = np.flatnonzero(np.abs(slope) > 1e-9)
        if len(moving) > 2:
            inner = slope[moving[0] + 1 : moving[-1]]
            worst = max(worst, np.ptp(inner))
    assert (np.abs(slopes) > 1e-9).any()
    return worst


def finite(loop, x, y, z):
    return 0.0 if all(distinct(c, reached(loop)) <= 120 for c in loop.circles(range(len(x)))) else 1.0


HARD_IDENTITIES = {
    "affine": in_chart(np.positive, np.positive),
    "log-sum-exp": in_chart(np.exp, np.log),
    "logarithm": in_chart(np.log, np.exp),
    "square": in_chart(np.square, np.sqrt),
    "GF(2)": gf2,
    "affine modulo": affine_modulo,
    "boolean": boolean,
    "circle": circle,
    "clamp": clamp,
    "finite": finite,
    "matrix linear-fractional": matrix_linear_fractional,
    "max-min": max_min,
    "projective": projective,
    "scaled max-plus": scaled_max_plus,
    "top-k": top_k,
    "tropical projective": tropical_projective,
}


@each(HARD)
def test_a_hard_shortcut_obeys_an_algebra_of_its_own(recurrence):
    loop = Loop(recurrence)
    carries = [loop.starts(seed) for seed in (1, 2, 3)]
    assert HARD_IDENTITIES[recurrence.algebra](loop, *carries) < HOLDS
    if recurrence.algebra not in ("affine", "finite", "GF(2)", "boolean"):
        assert min(identity(loop, *carries) for identity in IDENTITIES.values()) > FAILS


# ---- serial ------------------------------------------------------------------------------------------------


@each(SERIAL)
def test_a_serial_loop_is_in_none_of_the_algebras(recurrence):
    loop = Loop(recurrence, steps=3)
    base, *carries = map(loop.starts, range(4))
    witnesses = []
    for group in loop.circles(range(len(base))):
        kinds = {leaf.dtype.kind for leaf, mask in zip(base, group, strict=True) if mask.any()}
        varied = group
        if kinds & set("fc"):  # indices are held, and their domain kept
            varied = [m & (leaf.dtype.kind in "fc") for m, leaf in zip(group, base, strict=True)]
        part = [choose(varied, carry, base) for carry in carries]
        f = loop.on(group, base)
        errors = [test(f, *part) for test in (affine, gf2, max_plus, min_plus, on_lines)]
        states = distinct(group, f(carries[0]))
        witnesses.append((*errors, states))
    assert any(min(errors) > FAILS and states > 64 for *errors, states in witnesses), witnesses
