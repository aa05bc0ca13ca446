"""Where work and span are: the tree adds up, and the critical path is as long as the span."""

import jax
import jax.numpy as jnp
import pytest
from jax import lax

from seriality.meter import measure


def shape(*sizes, dtype="float32"):
    return jax.ShapeDtypeStruct(sizes, dtype)


def attend(q, k, v):
    return jax.nn.softmax(q @ k.T) @ v


def block(x):
    return x + attend(x, x, x)


def transformer(x):
    for _ in range(3):
        x = block(x)
    return jnp.tanh(x)


def recurrent(w, xs):
    def step(h, x):
        return jnp.tanh(w @ h + x), h * 2

    return lax.scan(step, xs[0], xs)


def choosing(x):
    return lax.cond(jnp.tanh(x.sum()) > 0, lambda x: jnp.sin(jnp.cos(x)), lambda x: x * 2, x)


def until(x):
    return lax.while_loop(
        lambda s: (s[0] < 9) & (s[1].sum() > 0), lambda s: (s[0] + 1, jnp.sin(s[1])), (0, x)
    )


def nested(w, xs):
    def layer(h, w):
        return lax.scan(lambda s, x: (jnp.tanh(w @ s + x), s * 2), h[0], h)[1], h.sum()

    return lax.scan(layer, xs, w)


PROGRAMS = {
    "transformer": (transformer, shape(8, 8)),
    "recurrent": (recurrent, shape(4, 4), shape(1000, 4)),
    "choosing": (choosing, shape(8)),
    "until": (until, shape(8)),
    "nested": (nested, shape(3, 4, 4), shape(5, 4)),
    "backward": (jax.grad(lambda w, xs: recurrent(w, xs)[0].sum()), shape(4, 4), shape(20, 4)),
    "solve": (jnp.linalg.solve, shape(6, 6), shape(6)),
    "swapped carries": (
        lambda xs: lax.scan(lambda c, x: ((jnp.tanh(c[1]), c[0] * x), jnp.exp(c[0])), (xs[0], xs[1]), xs),
        shape(9, 4),
    ),
    "late output": (
        lambda xs: lax.scan(lambda h, x: (h + x, jnp.tanh(jnp.tanh(jnp.tanh(h)))), xs[0], xs)[1],
        shape(33, 4),
    ),
    "nothing": (lambda x: x.T, shape(3, 4)),
}


@pytest.mark.parametrize("cost_model", ["unit", "fan_in_2", "layer"])
@pytest.mark.parametrize("name", PROGRAMS)
def test_the_tree_and_the_path_add_up(name, cost_model):
    found = measure(*PROGRAMS[name], cost_model=cost_model)
    profile = found.profile()
    assert sum(step.steps for step in profile.path) == found.span
    assert (profile.root.work, profile.root.span, profile.root.critical) == (
        found.work,
        found.span,
        found.span,
    )
    for _, region in profile.root.walk():
        inside = region.regions
        assert region.work >= sum(inner.work for inner in inside)
        assert region.span >= max((inner.span for inner in inside), default=0)
        assert region.critical >= sum(inner.critical for inner in inside)
        assert region.work >= region.span >= region.critical


def test_regions_are_the_functions_of_the_user():
    root = measure(*PROGRAMS["transformer"]).profile().root
    names = {region.name: region for _, region in root.walk()}
    assert {"transformer", "block", "attend"} <= set(names)
    # two products and the softmax: 3 blocks of 2 · (2 · 8 · 8 · 8) and their elementwise operations
    assert names["attend"].work > 3 * 2 * 1024
    assert names["block"].critical == names["attend"].critical + 3
    assert root.span == names["block"].critical + 1
    assert names["attend"].parallelism == names["attend"].work / names["attend"].span


def test_the_span_of_a_region_is_its_own_longest_chain():
    def light(x):
        return jnp.sin(jnp.sin(x))

    def heavy(x):
        for _ in range(9):
            x = jnp.cos(x)
        return x

    found = measure(lambda x: light(x) + heavy(x), shape(4))
    names = {region.name: region for _, region in found.profile().root.walk()}
    [light_region] = [names[name] for name in names if name.endswith("light")]
    assert (light_region.span, light_region.critical) == (2, 0)


def test_steps_name_the_line_that_wrote_them():
    def program(x):
        return jnp.tanh(x)

    [step] = measure(program, shape(4)).profile().path
    assert (step.operation, step.count, step.steps) == ("tanh", 1, 1)
    assert step.where.startswith("test_profile.py:")
    assert step.function.endswith("program")


def test_operations_of_a_library_have_the_line_of_the_call():
    def program(x):
        return jax.nn.silu(jax.nn.silu(x))

    for step in measure(program, shape(4)).profile().path:
        assert step.where.startswith("test_profile.py:")


def test_a_function_traced_once_belongs_to_each_of_its_callers():
    shared = jax.jit(lambda x: jnp.tanh(x))

    def first(x):
        return shared(x)

    def second(x):
        return shared(jnp.sin(x))

    root = measure(lambda x: second(first(x)), shape(4)).profile().root
    names = {region.name.split(" / ")[0].split(".")[-1]: region for _, region in root.walk()}
    assert (names["first"].work, names["second"].work) == (4, 8)


def test_a_long_loop_is_one_step_of_many():
    profile = measure(recurrent, shape(4, 4), shape(10**6, 4)).profile()
    counts = {step.operation: step.count for step in profile.path}
    assert counts["tanh"] == 10**6
    assert len(profile.path) < 10
