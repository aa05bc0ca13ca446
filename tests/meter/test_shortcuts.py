"""Shortcuts: found where mathematics has one and nowhere else, equal to the loop, and short.

The labels are those of `recurrences.py`, which knows nothing of the package.
"""

import importlib.util
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax import lax
from jax.extend.core import Literal

from seriality.meter import certify, growth, measure, reassociate
from seriality.meter.jaxprs import inlined
from seriality.meter.shortcuts.algebras import MAX_PLUS, RING, Layout, NotInAlgebra, follow, layout
from seriality.meter.shortcuts.compositions import Affine, prefix
from seriality.meter.shortcuts.finder import scans
from seriality.meter.shortcuts.fractions import PRIME, fits, is_linear_fraction
from seriality.meter.shortcuts.groups import groups
from seriality.meter.shortcuts.loops import Loop

_SPEC = importlib.util.spec_from_file_location("recurrences", Path(__file__).parent / "recurrences.py")
_LABELLED = importlib.util.module_from_spec(_SPEC)
sys.modules["recurrences"] = _LABELLED
_SPEC.loader.exec_module(_LABELLED)
RECURRENCES = _LABELLED.RECURRENCES


def shape(*sizes, dtype="float32"):
    return jax.ShapeDtypeStruct(sizes, dtype)


def kinds(recurrence, n=16):
    """The algebras found for the carries of the loop of a recurrence."""
    program, arguments = recurrence.program_at(n)
    closed = jax.make_jaxpr(program)(*arguments)
    known = scans(closed)
    [eqn] = [eqn for eqn in closed.jaxpr.eqns if eqn.primitive.name == "scan"]
    given = tuple(isinstance(atom, Literal) for atom in eqn.invars)
    return {plan.group.kind for plan in Loop(eqn, known[id(eqn)], given).plans} - {"none"}


# Found, and not imagined.


def test_no_shortcut_is_imagined_and_nearly_all_are_found():
    missed, imagined, misnamed, total = [], [], [], 0
    for recurrence in RECURRENCES:
        if recurrence.hard:
            continue
        found = kinds(recurrence)
        if recurrence.label == "serial":
            if "serial" not in found:
                imagined.append(recurrence.name)
            continue
        total += 1
        if "serial" in found:
            missed.append(recurrence.name)
        elif not found <= {*recurrence.algebras, *recurrence.also}:
            misnamed.append((recurrence.name, found))
    assert total >= 40
    assert imagined == []
    assert misnamed == []
    assert len(missed) <= 0.05 * total, missed


SHORTENED = [
    recurrence for recurrence in RECURRENCES if recurrence.label == "shortcut" and not recurrence.hard
]


@pytest.mark.parametrize("recurrence", SHORTENED, ids=lambda recurrence: recurrence.name)
def test_the_re_associated_loop_computes_the_same(recurrence):
    program, _ = recurrence.program_at(5)
    certificates = certify(program, *recurrence.inputs(jax.random.key(1), 5))
    errors = [each.error for each in certificates if each.length == 5]
    assert errors
    assert all(error is not None and error < 1e-4 for error in errors)


def test_a_certificate_would_notice_a_wrong_shortcut(monkeypatch):
    def step(h, x):
        return 0.9 * h + x, h

    def program(xs):
        return lax.scan(step, jnp.zeros(3), xs)

    xs = jax.random.normal(jax.random.key(0), (16, 3))
    [right] = certify(program, xs)
    monkeypatch.setattr(Affine, "combine", lambda self, later, earlier: earlier)
    [wrong] = certify(program, xs)
    assert right.error < 1e-5 < 1e-2 < wrong.error


LINEAR = {
    "dense": lambda w, h, x: w @ h + x,
    "gated": lambda w, h, x: jax.nn.sigmoid(w @ x) * h + x,
    "viterbi": lambda w, h, x: jnp.max(w + h[None, :], axis=1) + x,
}
SERIAL = {
    "tanh": lambda w, h, x: jnp.tanh(w @ h + x),
    "logistic": lambda w, h, x: 3.9 * h * (1 - h),
}


def loop_at(step):
    def program(w, h, xs):
        return lax.scan(lambda h, x: (step(w, h, x), h), h, xs)

    return lambda n: (program, shape(4, 4), shape(4), shape(n, 4))


@pytest.mark.parametrize("name", LINEAR)
def test_a_shortcut_is_logarithmic_when_metered(name):
    found = growth(loop_at(LINEAR[name]), sizes=(16, 32, 64, 128))
    assert (found.span.law, found.span.parallel) == ("linear", False)
    assert (found.span_reassociated.law, found.span_reassociated.parallel) == ("logarithmic", True)
    assert found.degree == "shortcut"
    assert not found.disagrees
    for _, measured in found.measurements:
        [loop] = measured.loops
        assert measured.reassociated.work == loop.reassociated.work + (measured.work - loop.cost.work)
        assert loop.blow_up < 20


@pytest.mark.parametrize("name", SERIAL)
def test_a_serial_loop_stays_as_long_as_it_is(name):
    found = growth(loop_at(SERIAL[name]), sizes=(16, 32, 64, 128))
    assert found.span_reassociated == found.span
    assert found.degree == "serial"
    [loop] = found.measurements[0][1].loops
    assert loop.is_serial
    culprit = {"tanh": "tanh", "logistic": "mul"}[name]
    assert f"{culprit} at test_shortcuts.py" in str(loop)


@pytest.mark.parametrize("name", [*LINEAR, *SERIAL])
def test_the_formal_degree_needs_no_loop(name):
    step = {**LINEAR, **SERIAL}[name]

    def unrolled(w, h, xs):
        for x in xs:
            h = step(w, h, x)
        return h

    found = growth(lambda n: (unrolled, shape(4, 4), shape(4), shape(n, 4)), sizes=(8, 16, 32, 64))
    assert found.span.law == "linear"
    assert found.degree == ("shortcut" if name in LINEAR else "serial")
    assert found.disagrees is (name in LINEAR)


def test_disagreement_of_the_detectors_is_told():
    def parity(bits):
        return lax.scan(lambda h, bit: (h ^ bit, None), False, bits)[0]

    [loop] = measure(parity, shape(64, dtype="bool")).loops
    assert (loop.kind, loop.degree, loop.disagrees) == ("finite", "serial", True)
    assert "its formal degree says serial" in str(loop)


def test_a_shortcut_that_takes_too_much_work_is_refused():
    program = loop_at(LINEAR["dense"])(64)
    [taken] = measure(*program).loops
    assert not taken.is_serial
    refused = measure(*program, most_blow_up=taken.blow_up * 0.9)
    [loop] = refused.loops
    assert loop.is_serial
    assert "refused" in str(loop)
    assert refused.reassociated == refused.cost


def test_a_map_for_a_whole_batch_is_kept_once():
    """The delta rule on a d × d state is one d × d matrix a step, not d of them and not a d² × d² one."""

    def program(state, keys, values):
        def step(state, kv):
            k, v = kv
            return state + jnp.outer(v - state @ k, k), state @ k

        return lax.scan(step, state, (keys, values))[1]

    def blow_up(d):
        [loop] = measure(program, shape(d, d), shape(32, d), shape(32, d)).loops
        [group] = loop.groups
        assert group.states == d
        return loop.blow_up

    assert blow_up(16) < 2.3 * blow_up(8)


def test_loops_inside_loops_are_shortened():
    def layer(h, decay):
        def step(state, x):
            return decay * state + x, state

        return jnp.tanh(lax.scan(step, jnp.zeros(4), h)[1]), None

    def program(h, decays):
        return lax.scan(layer, h, decays)[0]

    found = measure(program, shape(256, 4), shape(3, 4))
    assert {loop.kind for loop in found.loops} == {"affine", "serial"}
    assert found.span > 3 * 256 > 120 > found.span_reassociated


def test_the_backward_pass_of_an_rnn_is_affine():
    def loss(w, xs):
        return lax.scan(lambda h, x: (jnp.tanh(w @ h + x), None), jnp.zeros(4), xs)[0].sum()

    forward, backward = measure(jax.grad(loss), shape(4, 4), shape(64, 4)).loops
    assert (forward.kind, backward.kind) == ("serial", "affine")
    assert backward.reassociated.span < backward.cost.span / 4


def test_a_counted_while_is_a_loop_too():
    def program(x):
        return lax.while_loop(lambda s: s[0] < 100, lambda s: (s[0] + 1, 0.5 * s[1] + x), (0, x))[1]

    found = measure(program, shape(8))
    assert found.span == 200
    assert found.span_reassociated < 30
    serial = measure(
        lambda x: lax.while_loop(lambda s: s[0] < 100, lambda s: (s[0] + 1, jnp.tanh(s[1])), (0, x))[1],
        shape(8),
    )
    assert serial.span_reassociated == serial.span == 100


def test_every_cost_model_has_its_re_associated_span():
    program = loop_at(LINEAR["dense"])(256)
    for cost_model in ("unit", "fan_in_2", "layer"):
        found = measure(*program, cost_model=cost_model)
        assert found.span_reassociated < found.span / 5


def test_reassociate_is_a_program_like_any_other():
    def program(w, xs):
        return lax.scan(lambda h, x: (jnp.tanh(w) * h + x, (h, "text")[0]), jnp.zeros(4), xs)[1].sum()

    w, xs = jnp.linspace(-1, 1, 4), jax.random.normal(jax.random.key(0), (9, 4))
    shorter = reassociate(program)
    np.testing.assert_allclose(jax.jit(shorter)(w, xs), program(w, xs), rtol=1e-5)
    slope = jax.jit(jax.grad(lambda w: shorter(w, xs)))(w)
    np.testing.assert_allclose(slope, jax.grad(program)(w, xs), rtol=1e-4)
    assert measure(shorter, shape(4), shape(33, 4)).span < 40 < measure(program, shape(4), shape(33, 4)).span


def test_newton_iterations_are_few_where_a_map_contracts():
    def program(gain):
        w = gain * jax.random.normal(jax.random.key(0), (8, 8)) / 8**0.5

        def run(xs):
            return lax.scan(lambda h, x: (jnp.tanh(w @ h + x), None), jnp.zeros(8), xs)[0]

        return run

    xs = jax.random.normal(jax.random.key(1), (256, 8))
    [calm], [chaotic] = certify(program(0.5), xs, newton=True), certify(program(3.0), xs, newton=True)
    assert calm.newton is not None
    assert calm.newton <= 10
    assert chaotic.newton is None or chaotic.newton > 5 * calm.newton
    assert "empirical" in str(calm)


# Programs that look like what they are not.

TRAPS = {
    "integer quotient": (lambda h, x: h // 2 + x, "uint32"),
    "bits": (lambda h, x: ~((h + x) & 3) * 3 + h, "int32"),
    "bits combined": (lambda h, x: lax.reduce_or(jnp.stack([h, x]), (0,)), "int32"),
    "rounded to integers": (lambda h, x: h.astype("int32").astype("float32") * 0.5 + x, "float32"),
    "rounded": (lambda h, x: lax.reduce_precision(h, 4, 3) * 0.9 + x, "float32"),
    "sign": (lambda h, x: jnp.sign(h) + x, "float32"),
    "chosen by itself": (lambda h, x: jnp.where(h > 0, h, -0.5 * h) + x, "float32"),
    "bits of a float": (
        lambda h, x: lax.bitcast_convert_type(lax.bitcast_convert_type(h, "int32") + 5, "float32") + x,
        "float32",
    ),
    "unsigned and back": (
        lambda h, x: jnp.maximum(h.astype("uint32"), x.astype("uint32")).astype("int32") - 5,
        "int32",
    ),
    "four bits": (lambda h, x: h.astype("int4").astype("int8") * 3 + x, "int8"),
    "half of a product": (lambda h, x: h * (x + 1e-3 * h), "float32"),
}


@pytest.mark.parametrize("name", TRAPS)
def test_no_trap_is_walked_into(name):
    step, dtype = TRAPS[name]
    program = lambda h, xs: lax.scan(lambda h, x: (step(h, x), None), h, xs)[0]  # noqa: E731
    [loop] = measure(program, shape(dtype=dtype), shape(9, dtype=dtype)).loops
    assert loop.is_serial


CAREFUL = {
    "stopped": (lambda h, x: lax.stop_gradient(h) * 0.9 + x, "float32", "affine", 2.0),
    "unsigned": (lambda h, x: jnp.maximum(h, x), "uint32", "max-plus", 7),
    "bytes": (lambda h, x: jnp.minimum(h, x), "int8", "min-plus", 7),
    "very small": (lambda h, x: jnp.maximum(h, x - 2**30), "int32", "max-plus", -(2**31)),
    "pole at zero": (lambda h, x: x + 1 / h, "float32", "linear-fractional", 1.5),
    "pole between": (lambda h, x: 1 / (h - x), "float32", "linear-fractional", 3.3),
    "fallen": (lambda h, x: jnp.maximum(h - 1, x), "int32", "max-plus", -5),
}


@pytest.mark.parametrize("name", CAREFUL)
def test_what_needs_care_is_computed_right(name):
    step, dtype, kind, start = CAREFUL[name]
    xs = jnp.asarray(np.random.default_rng(1).integers(1, 100, 17) / (50 if dtype == "float32" else 1), dtype)
    program = lambda h, xs: lax.scan(lambda h, x: (step(h, x), h), h, xs)  # noqa: E731
    [certificate] = certify(program, jnp.asarray(start, dtype), xs)
    assert certificate.kind == kind
    assert certificate.error < 1e-3


STATES = {
    "narrowing": lambda c, x: ((c[1], (c[0] + x) & 3), c[0]),
    "clamped between": lambda c, x: ((lax.clamp(jnp.int32(0), (c[0] & 3) + 3, x & 7), c[0]), c[0]),
    "clamped by data": lambda c, x: ((lax.clamp(x & 7, c[0] & 1, jnp.int32(9)), c[1] ^ 1), c[0]),
}


@pytest.mark.parametrize("name", STATES)
def test_a_machine_may_start_outside_of_its_states(name):
    xs = jnp.asarray(np.random.default_rng(0).integers(0, 100, 17), "int32")
    program = lambda xs: lax.scan(STATES[name], (jnp.int32(2), jnp.int32(100)), xs)  # noqa: E731
    [certificate] = certify(program, xs)
    assert (certificate.kind, certificate.error) == ("finite", 0.0)


def test_a_loop_that_only_moves_has_no_work():
    def program(xs):
        return lax.scan(lambda h, x: (jnp.concatenate([h[1:], x[None]]), h), jnp.zeros(4), xs)

    assert measure(program, shape(9)).cost.work == 0


def test_parts_of_complex_carries_are_not_affine():
    def step(h, x):
        part = jnp.fft.irfft(h)[:3]
        return lax.complex(part, part) * 0.5 + x, None

    program = lambda h, xs: lax.scan(step, h, xs)[0]  # noqa: E731
    [loop] = measure(program, shape(3, dtype="complex64"), shape(9, 3, dtype="complex64")).loops
    assert loop.is_serial
    [loop] = measure(
        lambda h, xs: lax.scan(lambda h, x: (1j * h + x, None), h, xs)[0],
        shape(3, dtype="complex64"),
        shape(9, 3, dtype="complex64"),
    ).loops
    assert loop.kind == "affine"


def test_a_while_whose_test_reads_data_is_left_as_it_is():
    def program(x):
        return lax.while_loop(
            lambda c: (c[0] < 64) & (c[1].sum() > 0.1), lambda c: (c[0] + 1, c[1] * 0.5), (0, x)
        )[1]

    found = measure(program, shape(4))
    assert found.reassociated == found.cost
    assert "its test reads data" in str(found)


def test_a_loop_over_devices_is_left_as_it_is():
    mesh = jax.make_mesh((1,), ("a",), axis_types=(jax.sharding.AxisType.Auto,))
    spec = jax.sharding.PartitionSpec()

    def program(x):
        return lax.scan(lambda h, z: (h * 0.5 + lax.psum(z, "a"), h), x[0], x)[1]

    sharded = jax.shard_map(program, mesh=mesh, in_specs=spec, out_specs=spec, check_vma=False)
    found = measure(sharded, shape(9, 3))
    assert found.span == found.span_reassociated == 2 * 8 + 1 - 1
    assert "it names an axis of a shard_map" in str(found)


def test_loops_in_loops_and_branches_are_re_associated_too():
    def ssm(xs):
        return lax.scan(lambda h, x: (0.5 * h + x, h), 0.0, xs)[1]

    xs = jax.random.normal(jax.random.key(0), (3, 40))
    nested = lambda xs: lax.map(ssm, xs)  # noqa: E731
    branched = lambda xs: lax.cond(xs.sum() > 0, ssm, lambda xs: xs, xs)  # noqa: E731
    counted = lambda x: lax.while_loop(lambda s: s[0] < 64, lambda s: (s[0] + 1, s[1] * 0.5 + x), (0, x))[1]  # noqa: E731
    for program, argument in ((nested, xs), (branched, xs[0]), (counted, xs[0, 0])):
        shorter = reassociate(program)
        np.testing.assert_allclose(shorter(argument), program(argument), rtol=1e-4, atol=1e-6)
        given = shape(*argument.shape)
        span = measure(program, given).span_reassociated
        assert span <= measure(shorter, given).span <= span + 1  # a branch is numbered first


def test_a_loop_that_is_shared_has_the_ranges_of_all_its_calls():
    @jax.jit
    def residues(modulus, xs):
        return lax.scan(lambda h, x: ((h * 5 + x) % modulus, None), 0, xs)[0]

    first, second = jnp.int32(100003), jnp.int32(5)
    found = measure(lambda xs: residues(first, xs) + residues(second, xs), shape(9, dtype="int32"))
    assert all(loop.is_serial for loop in found.loops)


def test_the_degree_of_a_loop_without_an_end_is_not_known():
    def program(x):
        return lax.while_loop(lambda x: x.sum() < 9, lambda x: jnp.tanh(x) + x, x)

    assert measure(program, shape(4), trips=64).log2_degree is None
    counted = lambda x: lax.while_loop(lambda s: s[0] < 64, lambda s: (s[0] + 1, jnp.tanh(s[1])), (0, x))[1]  # noqa: E731
    assert measure(counted, shape(4)).log2_degree == 64


# The pieces.


def test_groups_come_before_those_that_need_them():
    # 0 needs 2; 1 and 2 need each other; 3 needs nothing; 4 needs itself and 0
    assert groups([0b00100, 0b00100, 0b00010, 0, 0b10001]) == [(3,), (1, 2), (0,), (4,)]
    assert groups([]) == []


@pytest.mark.parametrize("length", [1, 2, 3, 4, 7, 8, 9, 16, 17])
def test_prefixes_are_those_of_a_fold(length):
    """Words compose without commuting."""
    matrices = jnp.asarray(np.random.default_rng(length).integers(0, 5, (length, 2, 2)), "int32")
    found = prefix(lambda later, earlier: later @ earlier, matrices)
    expected = [matrices[0]]
    for matrix in matrices[1:]:
        expected.append(matrix @ expected[-1])
    np.testing.assert_array_equal(found, jnp.stack(expected))
    if length > 1:
        rounds = measure(
            lambda m: prefix(lambda later, earlier: later @ earlier, m),
            shape(length, 2, 2),
            cost_model="layer",
        ).span
        assert rounds <= 2 * (length - 1).bit_length() - 1


AXES = (3, 4)
MAPS = {
    "scaled": lambda h, c: h * c["matrix"],
    "scaled by rows": lambda h, c: h * c["rows"][:, None],
    "scaled by columns": lambda h, c: c["columns"] * h,
    "mixed rows": lambda h, c: c["left"] @ h,
    "mixed columns": lambda h, c: h @ c["right"],
    "reversed": lambda h, c: h[::-1],
    "shifted": lambda h, c: jnp.concatenate([h[:, 1:], c["matrix"][:, :1]], axis=1),
    "averaged": lambda h, c: h - h.mean(axis=0, keepdims=True),
    "summed": lambda h, c: jnp.broadcast_to(h.sum(axis=1, keepdims=True), AXES),
    "chosen": lambda h, c: jnp.where(c["matrix"] > 0, h, c["matrix"]),
    "written": lambda h, c: h.at[1].set(c["columns"]),
    "added at": lambda h, c: h.at[jnp.array([0, 2])].add(2 * h[1]),
    "turned": lambda h, c: (c["right"] @ h.T).T,
    "outer": lambda h, c: h - jnp.outer(h @ c["columns"], c["columns"]),
    "reshaped": lambda h, c: (h.reshape(-1) * c["matrix"].reshape(-1)).reshape(AXES),
    "running": lambda h, c: jnp.cumsum(h, axis=0),
    "offset": lambda h, c: h + c["matrix"],
    "padded": lambda h, c: jnp.pad(h, ((1, 0), (0, 0)))[:-1],
}


@settings(max_examples=30, deadline=None, derandomize=True)
@given(st.lists(st.sampled_from(sorted(MAPS)), min_size=1, max_size=4))
def test_the_map_of_an_affine_update_is_that_update(names):
    """Whatever is aligned and whatever is shared, matrix times state plus offset is the update."""
    draw = np.random.default_rng(0)
    constants = {
        "matrix": draw.normal(size=AXES),
        "rows": draw.normal(size=3),
        "columns": draw.normal(size=4),
        "left": draw.normal(size=(3, 3)),
        "right": draw.normal(size=(4, 4)),
    }
    constants = {name: jnp.asarray(value, "float32") for name, value in constants.items()}

    def update(h):
        for name in names:
            h = MAPS[name](h, constants)
        return h

    jaxpr = inlined(jax.make_jaxpr(update)(shape(*AXES))).jaxpr
    [needs] = follow(jaxpr, [{0: ((0, True), (1, True))}], RING)
    shaped = layout([AXES], [needs])
    composition = Affine(shaped, (jnp.float32,))

    @jax.jit
    def run(state):
        element = composition.element(lambda carries: [update(carries[0])])
        packed = shaped.pack([state])
        once = composition.apply(element, packed)
        twice = composition.apply(composition.combine(element, element), packed)
        return [shaped.unpack(found, (jnp.float32,))[0] for found in (once, twice)], [
            update(state),
            update(update(state)),
        ]

    found, expected = run(jnp.asarray(draw.normal(size=AXES), "float32"))
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-3, atol=2e-3)


@pytest.mark.parametrize(
    ("names", "rows", "varying"),
    [
        (["scaled"], 1, 2),
        (["mixed rows"], 3, 0),
        (["mixed columns"], 4, 0),
        (["mixed rows", "mixed columns"], 12, 0),
        (["mixed rows", "scaled by columns"], 3, 1),
        (["outer"], 4, 0),
        (["offset"], 1, 0),
        (["scaled by rows"], 1, 1),
    ],
)
def test_matrices_are_no_larger_than_they_must_be(names, rows, varying):
    def update(h, c):
        for name in names:
            h = MAPS[name](h, c)
        return h

    constants = {
        "matrix": shape(*AXES),
        "rows": shape(3),
        "columns": shape(4),
        "left": shape(3, 3),
        "right": shape(4, 4),
    }
    jaxpr = inlined(jax.make_jaxpr(update)(shape(*AXES), constants)).jaxpr
    free = [{}] * (len(jaxpr.invars) - 1)
    [needs] = follow(jaxpr, [{0: ((0, True), (1, True))}, *free], RING)
    shaped = layout([AXES], [needs])
    assert (shaped.rows, shaped.varying) == (rows, varying)


@pytest.mark.parametrize(
    ("update", "algebra", "culprit"),
    [
        (lambda h: jnp.tanh(h), RING, "tanh"),
        (lambda h: h * h, RING, "mul"),
        (lambda h: 1 / h, RING, "div"),
        (lambda h: jnp.maximum(h, 0), RING, "max"),
        (lambda h: jnp.where(h > 0, h, 0), RING, "gt"),
        (lambda h: h.astype("int32").astype("float32"), RING, "convert_element_type"),
        (lambda h: 2 * h, MAX_PLUS, "mul"),
        (lambda h: jnp.minimum(h, 0), MAX_PLUS, "min"),
        (lambda h: -h, MAX_PLUS, "neg"),
        (lambda h: h + h, MAX_PLUS, "add"),
    ],
)
def test_the_culprit_is_named(update, algebra, culprit):
    jaxpr = inlined(jax.make_jaxpr(update)(shape(3))).jaxpr
    with pytest.raises(NotInAlgebra, match=f"{culprit} at test_shortcuts.py"):
        follow(jaxpr, [{0: ((0, True),)}], algebra)


def test_integers_wrap_around_and_stay_affine():
    def generator(seed, xs):
        return lax.scan(lambda h, x: (h * np.uint32(1664525) + x, h), seed, xs)

    xs = jnp.arange(40, dtype="uint32")
    [certificate] = certify(generator, jnp.uint32(7), xs)
    assert (certificate.kind, certificate.error) == ("affine", 0.0)


def fraction_of(update):
    return is_linear_fraction(inlined(jax.make_jaxpr(update)(shape(2), shape(2), shape(2))).jaxpr)


@pytest.mark.parametrize(
    ("update", "expected"),
    [
        (lambda p, q, r: q * p * r / (p + r) + q, True),
        (lambda p, q, r: (1 - p / (p + r)) * p + q, True),
        (lambda p, q, r: p - p * p / (p + r), True),
        (lambda p, q, r: q + 1 / (r + 1 / p), True),
        (lambda p, q, r: (p * p - r * r) / (p - r), True),
        (lambda p, q, r: p - p * p / (p + 2 * r), True),
        (lambda p, q, r: p - 2 * p * p / (p + r), False),
        (lambda p, q, r: q * p * (1 - p), False),
        (lambda p, q, r: (p + q / p) / 2, False),
        (lambda p, q, r: p + 1e-3 * p * (1 - p), False),
        (lambda p, q, r: jnp.exp(q) * p / (p + jnp.exp(r)), True),
    ],
)
def test_linear_fractions_are_decided_exactly(update, expected):
    assert fraction_of(update) is expected


def test_what_is_no_quotient_of_polynomials_is_named():
    with pytest.raises(NotInAlgebra, match="sqrt"):
        fraction_of(lambda p, q, r: jnp.sqrt(p) + q + r)


def test_a_fraction_through_points_is_that_fraction():
    points, draw = list(range(2, 9)), np.random.default_rng(0)
    a, b, c, d = (draw.integers(1, 1000, 5) for _ in range(4))
    inverse = np.vectorize(lambda value: pow(int(value), -1, PRIME), otypes=[np.int64])
    fraction = [(a * h + b) * inverse(c * h + d) % PRIME for h in points]
    assert fits(points, fraction)
    assert fits(points, [b for _ in points])
    assert not fits(points, [(a * h * h + b) % PRIME for h in points])
    assert not fits(points, [*fraction[:-1], (fraction[-1] + 1) % PRIME])


def test_carries_are_packed_and_unpacked():
    shaped = layout([(2, 3), (3,)], [{0: (None, (1, True)), 1: ((1, True),)}, {0: (None, (0, False))}])
    assert shaped == Layout(((2, 3), (3,)), ((1,), (0,)), 1)
    matrix, vector = jnp.arange(6.0).reshape(2, 3), jnp.arange(3.0) + 10
    packed = shaped.pack([matrix, vector])
    assert packed.shape == (3, 3)
    back = shaped.unpack(packed, (jnp.float32, jnp.float32))
    np.testing.assert_array_equal(back[0], matrix)
    np.testing.assert_array_equal(back[1], vector)
