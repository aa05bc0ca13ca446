"""`measure` against numbers known from elsewhere: the paper, hand counts, unrolled programs.

Every test that something is not counted has a twin in which it is.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from seriality.cost import Cost
from seriality.meter import measure
from seriality.meter.primitives import _KINDS, RULES


def shape(*sizes, dtype="float32"):
    return jax.ShapeDtypeStruct(sizes, dtype)


MATRIX, VECTOR, SERIES = shape(16, 16), shape(16), shape(1024, 16)


def cost(fn, *args, **options):
    return measure(fn, *args, **options).cost


# Paper, Appendix C.3: 96 layers, 32,768 tokens.


def forward(weights, hidden):
    return lax.scan(lambda h, w: (h + jnp.tanh(h @ w), None), hidden, weights)[0]


def decode(weights, embedding, token):
    def step(token, _):
        following = jnp.argmax(forward(weights, embedding[token])).astype("int32")
        return following, following

    return lax.scan(step, token, None, length=32_768)[1]


def test_the_forward_pass_of_appendix_c3_is_96_layers():
    found = measure(forward, shape(96, 64, 64), shape(32_768, 64), cost_model="layer")
    assert (found.span, found.bound) == (96, "exact")


def test_the_decoding_of_appendix_c3_is_3145728_layers():
    found = measure(decode, shape(96, 64, 64), shape(64, 64), shape(dtype="int32"), cost_model="layer")
    assert (found.span, found.bound) == (3_145_728, "exact")


# Loops whose span is not length times body.


def test_a_heavy_output_is_not_charged_to_a_light_carry():
    def heavy(w, h):
        for _ in range(3):
            h = jnp.tanh(w @ h)
        return h

    def light(w, xs):
        return lax.scan(lambda h, x: (h + x, heavy(w, h)), jnp.zeros(16), xs)[1]

    def serial(w, xs):
        return lax.scan(lambda h, x: (heavy(w, h) + x,) * 2, jnp.zeros(16), xs)[1]

    # the last output needs 1023 sums and then 6 steps; made serial, each iteration is 7
    assert measure(light, MATRIX, SERIES).span == 1023 + 6
    assert measure(serial, MATRIX, SERIES).span == 7 * 1024


def test_two_carries_share_the_longest_cycle():
    def lstm(w, xs):
        def step(state, x):
            cell, hidden = state
            gate = jax.nn.sigmoid(w @ hidden + x)
            return (gate * cell + jnp.tanh(w @ hidden), jnp.tanh(cell)), None

        return lax.scan(step, (jnp.zeros(16), jnp.zeros(16)), xs)[0]

    assert measure(lstm, MATRIX, SERIES).span == 3073


def test_associative_scan_is_logarithmic_in_span_and_linear_in_work():
    found = {n: cost(lambda x: lax.associative_scan(jnp.add, x), shape(n)) for n in (16, 32, 64)}
    assert found[32].span - found[16].span == found[64].span - found[32].span > 0
    assert all(c.work < 4 * n for n, c in found.items())  # 2n sums, and 2n to interleave them


# Work.


def test_work_of_each_kind():
    assert cost(lambda x: x + x, shape(3, 5)) == Cost(15, 1)
    assert cost(lambda a, b: a @ b, shape(3, 5), shape(5, 7)) == Cost(2 * 3 * 5 * 7, 1)
    assert cost(lambda x: x.sum(), shape(3, 5)) == Cost(14, 1)
    assert cost(lambda x: x.sum(axis=0), shape(3, 5)) == Cost(10, 1)
    assert cost(lambda x: x.sum(axis=1), shape(3, 1)) == Cost(0, 0)
    assert cost(lambda x: jnp.argmax(x), shape(9)) == Cost(8, 1)
    assert cost(lax.cumsum, shape(9)) == Cost(9, 1)
    assert cost(lambda x: x.T.reshape(-1)[::-1][2:7], shape(3, 5)) == Cost(0, 0)
    assert cost(lambda k: jax.random.bits(k, (8,)), shape(dtype=jax.random.key(0).dtype)) == Cost(8, 1)


def test_work_of_convolutions():
    # 1 image, 3 -> 4 channels, kernel 2 x 2 over 5 x 5: 16 places, each 2 · 3 · 2 · 2 per output channel
    def convolve(x, kernel):
        return lax.conv(x, kernel, (1, 1), "VALID")

    assert cost(convolve, shape(1, 3, 5, 5), shape(4, 3, 2, 2)) == Cost(2 * 12 * 4 * 16, 1)


def test_a_sort_is_a_comparison_network():
    # bitonic sort of 8 elements: 6 rounds of 4 comparisons
    assert cost(lax.sort, shape(8)) == Cost(24, 6)
    assert cost(lax.sort, shape(5, 8)) == Cost(5 * 24, 6)
    assert cost(lambda x: lax.sort(x, dimension=0), shape(8, 5)) == Cost(5 * 24, 6)
    assert cost(lax.sort, shape(8), cost_model="layer") == Cost(24, 0)


def _elimination(n):
    """Divisions, products and sums of textbook Gaussian elimination, counted one by one."""
    count = 0
    for j in range(n):
        for _row in range(j + 1, n):
            count += 1
            for _column in range(j + 1, n):
                count += 2
    return count


def _cholesky(n):
    """Roots, divisions, products and differences of the right-looking factorisation, one by one."""
    count = 0
    for j in range(n):
        count += 1 + (n - 1 - j)
        for row in range(j + 1, n):
            count += 2 * len(range(j + 1, row + 1))
    return count


@pytest.mark.parametrize("n", [2, 5, 8])
def test_factorisations_take_a_step_for_each_column(n):
    assert cost(lambda a: lax.linalg.lu(a)[0], shape(n, n)) == Cost(_elimination(n), n)
    [factorise] = [
        eqn
        for eqn in jax.make_jaxpr(lax.linalg.cholesky)(shape(n, n)).eqns
        if eqn.primitive.name == "cholesky"
    ]
    counted = RULES["cholesky"].count(factorise)
    assert (counted.work, counted.unit) == (_cholesky(n), n)
    solve = cost(lambda a, b: lax.linalg.triangular_solve(a, b, left_side=True), shape(n, n), shape(n, 3))
    assert solve == Cost(n * n * 3, n)


def test_a_linear_solve_runs_its_forward_solver_only():
    def system(a, b):
        return lax.custom_linear_solve(lambda x: a * x, b, lambda _, b: jnp.tanh(b / a), symmetric=True)

    assert cost(system, VECTOR, VECTOR) == Cost(32, 2)


def test_a_sharded_map_works_on_every_device():
    mesh = jax.make_mesh((1,), ("devices",), axis_types=(jax.sharding.AxisType.Auto,))
    spec = jax.sharding.PartitionSpec("devices")
    sharded = jax.shard_map(lambda x: jnp.tanh(x) + x, mesh=mesh, in_specs=spec, out_specs=spec)
    assert cost(sharded, VECTOR) == Cost(32, 2)


def test_a_batch_multiplies_work_and_keeps_the_span():
    def chain(w, x):
        return lax.scan(lambda h, _: (jnp.tanh(w @ h), None), x, None, length=5)[0]

    one, many = (
        cost(chain, MATRIX, VECTOR),
        cost(jax.vmap(chain, in_axes=(None, 0)), MATRIX, shape(7, 16)),
    )
    assert many == Cost(7 * one.work, one.span)


def test_calls_cost_what_they_hold():
    def plain(x):
        return jnp.tanh(jnp.tanh(x))

    @jax.custom_jvp
    def custom_jvp(x):
        return plain(x)

    @jax.custom_vjp
    def custom_vjp(x):
        return plain(x)

    custom_jvp.defjvp(lambda x, t: (plain(*x), *t))
    custom_vjp.defvjp(lambda x: (plain(x), None), lambda _, t: (t,))
    for wrapped in (jax.jit(plain), jax.checkpoint(plain), custom_jvp, custom_vjp, eqx.filter_jit(plain)):
        assert cost(wrapped, VECTOR) == Cost(32, 2)


# Lookups.


@pytest.mark.parametrize("dtype", ["int32", "uint32"])
@pytest.mark.parametrize(
    ("lookup", "steps"),
    [
        (lambda table, i: table.at[i].get(mode="promise_in_bounds", wrap_negative_indices=False), 1),
        (lambda table, i: jnp.take(table, i, mode="clip"), 1),
        (lambda table, i: table[i], None),  # int32: compared, added and selected first, 3 steps
    ],
)
def test_chasing_a_pointer_costs_a_step_for_each_hop(dtype, lookup, steps):
    def chase(table, start):
        return lax.scan(lambda i, _: (lookup(table, i), None), start, None, length=64)[0]

    found = measure(chase, shape(1024, dtype=dtype), shape(dtype=dtype))
    assert found.span >= 64
    assert steps is None or found.cost == Cost(64 * steps, 64 * steps)


def test_a_lookup_is_free_where_its_index_is_known():
    order = np.array([2, 0, 1])
    start = shape(dtype="int32")
    read = lambda x, i: lax.dynamic_slice(x, (i,), (4,))  # noqa: E731
    write = lambda x, y, i: lax.dynamic_update_slice(x, y, (i,))  # noqa: E731
    assert cost(lambda x: x[order], VECTOR) == Cost(0, 0)
    assert cost(lambda x: read(x, 3), VECTOR) == Cost(0, 0)
    assert cost(lambda x, y: write(x, y, 3), VECTOR, shape(4)) == Cost(0, 0)
    # and is not where it is data
    assert cost(lambda x, i: jnp.take(x, i, mode="clip"), VECTOR, shape(3, dtype="int32")) == Cost(3, 1)
    assert cost(
        lambda x, i: lax.dynamic_slice(x, (i,), (4,), allow_negative_indices=False), VECTOR, start
    ) == (Cost(4, 1))
    assert cost(write, VECTOR, shape(4), shape(dtype="uint32")) == Cost(4, 1)


def test_adding_at_known_places_still_adds():
    places = np.array([2, 0, 1])
    assert cost(lambda x, y: x.at[places].set(y), VECTOR, shape(3)) == Cost(0, 0)
    assert cost(lambda x, y: x.at[places].add(y), VECTOR, shape(3)) == Cost(3, 1)


# What is known before the run, and what nobody needs.


def test_what_needs_no_argument_is_free():
    def masked(x):
        mask = jnp.tril(jnp.ones((16, 16)))
        return mask @ x

    assert cost(masked, VECTOR) == Cost(2 * 16 * 16, 1)
    given = cost(lambda x, mask: jnp.tril(mask) @ x, VECTOR, MATRIX)
    assert given.work > 2 * 16 * 16
    assert given.span > 1


def test_a_loop_counter_is_no_chain():
    def square_all(xs, start):
        return lax.fori_loop(0, 1024, lambda i, out: out.at[i].set(2.0), xs) + start

    def count_from(start):
        return lax.fori_loop(0, 1024, lambda i, count: count + 1, start)

    assert measure(square_all, SERIES, VECTOR).span == 1
    assert measure(count_from, shape(dtype="int32")).span == 1024


def test_dead_code_is_not_counted():
    def program(keep):
        def body(carry, x):
            used, unused = carry
            return (jnp.tanh(used) + x, jnp.sin(jnp.sin(unused))), jnp.exp(used)

        def run(xs):
            jnp.cos(xs)
            (used, unused), outputs = lax.scan(body, (jnp.ones(16), xs[0]), xs)
            return (used, unused, outputs) if keep else used

        return run

    assert cost(program(keep=False), SERIES).work == 1024 * 16 * 2 - 16  # the first tanh(1) is known
    assert cost(program(keep=True), SERIES).work == 1024 * 16 * 5 - 2 * 16


def test_dead_carries_of_a_while_are_not_counted():
    def program(keep):
        def run(x):
            def body(state):
                i, used, unused = state
                return i + 1, jnp.tanh(used), jnp.sin(unused)

            _, used, unused = lax.while_loop(lambda state: state[0] < 9, body, (0, x, x))
            return (used, unused) if keep else used

        return run

    assert cost(program(keep=False), VECTOR) == Cost(9 * 16, 9)
    assert cost(program(keep=True), VECTOR) == Cost(2 * 9 * 16, 9)

    def feeding(x):
        def body(state):
            i, _, feeds = state
            return i + 1, jnp.tanh(feeds), jnp.sin(feeds)

        return lax.while_loop(lambda state: state[0] < 9, body, (0, x, x))[1]

    assert cost(feeding, VECTOR) == Cost(2 * 9 * 16, 9)


def test_a_function_of_nothing_is_an_error():
    with pytest.raises(ValueError, match="pass the input as an argument"):
        measure(lambda: jnp.zeros(3) + 1)


# Choices and loops.


def test_a_choice_waits_for_its_predicate():
    def program(x, y):
        return lax.cond(jnp.tanh(jnp.tanh(x.sum())) > 0, lambda y: jnp.sin(jnp.cos(y)), jnp.sin, y)

    found = measure(program, VECTOR, VECTOR)
    assert found.cost == Cost(15 + 3 + 1 + 32, 4 + 1 + 2)
    assert found.bound == "upper"
    assert "cond" in str(found)


def test_equal_branches_are_exact():
    found = measure(lambda p, y: lax.cond(p, jnp.cos, jnp.sin, y), shape(dtype="bool"), VECTOR)
    assert (found.cost, found.bound) == (Cost(17, 2), "exact")
    assert measure(
        lambda p, y: lax.cond(p, jnp.cos, jnp.sin, y), shape(dtype="bool"), VECTOR, cost_model="layer"
    ).cost == Cost(17, 0)


def test_a_chain_of_choices_is_a_chain():
    """Swaps chosen by bits compute products of permutations: not for free."""

    def swaps(bits, x, y):
        def step(pair, bit):
            return lax.cond(bit, lambda a, b: (b, a), lambda a, b: (a, b), *pair), None

        return lax.scan(step, (x, y), bits)[0]

    assert measure(swaps, shape(64, dtype="bool"), VECTOR, VECTOR).span == 64


COUNTED = [
    (0, lambda i: i < 10, lambda i: i + 1, 10),
    (0, lambda i: i <= 10, lambda i: i + 1, 11),
    (0, lambda i: 10 > i, lambda i: 1 + i, 10),  # noqa: SIM300
    (1, lambda i: i < 10, lambda i: i + 4, 3),
    (10, lambda i: i > 0, lambda i: i - 1, 10),
    (10, lambda i: i >= 0, lambda i: i - 3, 4),
    (10, lambda i: i < 10, lambda i: i + 1, 0),
]


@pytest.mark.parametrize(("start", "test", "step", "trips"), COUNTED)
def test_counted_loops_are_read(start, test, step, trips):
    count = 0
    i = start
    while test(i):
        i, count = step(i), count + 1
    assert count == trips  # the table itself is right

    def program(x):
        return lax.while_loop(lambda s: test(s[0]), lambda s: (step(s[0]), jnp.tanh(s[1])), (start, x))[1]

    found = measure(program, VECTOR)
    assert (found.cost, found.bound) == (Cost(16 * trips, trips), "exact")


def endless(x):
    return lax.while_loop(lambda x: x.sum() > 0, lambda x: x * 2, x)


def test_a_loop_of_unknown_length_is_an_error():
    with pytest.raises(ValueError, match=r"measure\(\.\.\., trips=100\)"):
        measure(endless, VECTOR)
    with pytest.raises(ValueError, match="trip count"):
        measure(lambda x, n: lax.fori_loop(0, n, lambda i, x: jnp.tanh(x), x), VECTOR, shape(dtype="int32"))
    with pytest.raises(ValueError, match="trips=-1"):
        measure(endless, VECTOR, trips=-1)


def test_trips_are_an_integer(as_users_call):
    with pytest.raises(ValueError, match=r"trips=2\.5; allowed is an integer"):
        measure(endless, VECTOR, trips=2.5)


def nested(x, trips):
    """`endless` as the choices it makes: go on, at most `trips` times."""
    if trips == 0:  # the last test; reversing is free and keeps JAX from seeing equal branches
        return lax.cond(x.sum() > 0, lambda x: x[::-1], lambda x: x, x)
    return lax.cond(x.sum() > 0, lambda x: nested(x * 2, trips - 1), lambda x: x, x)


@pytest.mark.parametrize("trips", [0, 1, 2, 5])
@pytest.mark.parametrize("cost_model", ["unit", "layer"])
def test_a_while_with_its_trips_is_that_many_nested_choices(trips, cost_model):
    found = measure(endless, VECTOR, trips=trips, cost_model=cost_model)
    assert found.cost == cost(nested, VECTOR, trips, cost_model=cost_model)
    assert f"{trips} trips, as given" in str(found)


def test_a_loop_that_may_stop_early_is_an_upper_bound():
    def program(x):
        return lax.while_loop(
            lambda s: (s[0] < 10) & (s[1].sum() > 0), lambda s: (s[0] + 1, s[1] * 2), (0, x)
        )[1]

    found = measure(program, VECTOR)
    assert (found.span, found.bound) == (10 * 5 + 4, "upper")  # sum, compare, and, choose, double
    assert measure(program, VECTOR, trips=3).span == 3 * 5 + 4
    assert measure(program, VECTOR, trips=1000) == found  # ten at most, whatever is assumed


def test_knowns_that_move_between_carries_are_an_upper_bound():
    def swap(start):
        def body(pair, _):
            known, given = pair
            return (jnp.tanh(given), jnp.cos(known)), None

        return lax.scan(body, (jnp.ones(16), start), None, length=6)[0]

    found = measure(swap, VECTOR)
    assert (found.span, found.bound) == (6, "upper")
    assert 6 * 16 < found.work <= 6 * 32  # written out, one of the two is known in every iteration


# What is passed in.


class Layer(eqx.Module):
    weight: jax.Array
    activation: object = eqx.field(static=True)
    steps: int = eqx.field(static=True)

    def __call__(self, x):
        for _ in range(self.steps):
            x = self.activation(self.weight @ x)
        return x

    def pair(self, x):
        return Layer(self(x), self.activation, self.steps), "label"


def test_modules_with_static_fields_and_functions_are_arguments():
    layer = Layer(jnp.ones((16, 16)), jnp.tanh, 3)
    abstract = eqx.filter_eval_shape(lambda: layer)
    want = Cost(3 * (2 * 16 * 16 + 16), 6)
    x = jnp.ones(16)
    assert cost(lambda layer, x: layer(x), layer, x) == want
    assert cost(lambda layer, x: layer(x), abstract, x) == want
    assert cost(layer, x) == want
    assert cost(layer.pair, x) == want
    assert cost(lambda x: layer(x), x) == want


def test_nothing_is_executed():
    def boom(x):
        return jax.pure_callback(lambda x: 1 / 0, x, x)

    huge = shape(2**20, 2**20)
    assert cost(lambda x: x @ x, huge).work == 2 * 2**60
    assert measure(boom, VECTOR, uncounted="list").uncounted == ("pure_callback",)


def test_an_unknown_primitive_is_an_error_or_listed():
    def program(x):
        return jnp.tanh(jax.pure_callback(np.sin, x, x))

    with pytest.raises(NotImplementedError, match=r"'pure_callback'.*declared=.*uncounted=\"list\""):
        measure(program, MATRIX)
    found = measure(program, MATRIX, uncounted="list")
    assert (found.uncounted, found.bound) == (("pure_callback",), "lower")
    assert "not counted: pure_callback" in str(found)
    declared = measure(program, MATRIX, declared={"pure_callback": Cost(work=7, span=5)})
    assert (declared.cost, declared.bound) == (Cost(7 + 256, 5 + 1), "exact")
    by_shape = measure(
        program, MATRIX, declared={"pure_callback": lambda given, made: Cost(given[0][0], len(made))}
    )
    assert by_shape.cost == Cost(16 + 256, 1 + 1)
    assert measure(jnp.tanh, MATRIX, uncounted="list").uncounted == ()


def test_bounds_in_both_directions_bound_nothing():
    def program(p, x):
        return lax.cond(p, lambda x: jax.pure_callback(np.sin, x, x), lambda x: x * 2, x)

    assert measure(program, shape(dtype="bool"), MATRIX, uncounted="list").bound == "neither"


def test_unknown_options_say_what_is_allowed():
    with pytest.raises(ValueError, match=r"'layers'.*\['fan_in_2', 'layer', 'unit'\].*cost_model='layer'"):
        measure(jnp.tanh, VECTOR, cost_model="layers")
    with pytest.raises(ValueError, match='"error" and "list"'):
        measure(jnp.tanh, VECTOR, uncounted="skip")


def test_effects_without_results_are_free():
    def program(x):
        jax.debug.callback(lambda x: None, x)
        return jnp.tanh(x)

    assert cost(program, VECTOR) == Cost(16, 1)


def test_spans_are_exact_beyond_floating_point():
    def deep(x):
        body = jnp.tanh
        for _ in range(6):
            body = lambda x, inner=body: lax.scan(lambda h, _: (inner(h), None), x, None, length=1000)[0]  # noqa: E731
        return jnp.tanh(body(x))

    assert cost(deep, shape()) == Cost(10**18 + 1, 10**18 + 1)
    with pytest.raises(OverflowError, match=r"2\*\*62"):
        measure(lambda x: lax.scan(lambda h, _: (deep(h), None), x, None, length=1000)[0], shape())


def test_no_primitive_has_two_rules():
    assert sum(len(names.split()) for _, names in _KINDS) == len(RULES)


# Cost models, control, declarations, products.


def test_fan_in_2_sums_in_a_tree():
    def found(fn, *args):
        return measure(fn, *args, cost_model="fan_in_2").span

    assert found(lambda x: x + x, shape(9)) == 1
    assert found(lambda x: x.sum(), shape(9)) == 4
    assert found(lambda x: x.sum(axis=0), shape(8, 5)) == 3
    assert found(lambda a, b: a @ b, shape(3, 9), shape(9, 3)) == 1 + 4
    assert found(lax.cumsum, shape(9)) == 4
    assert found(lambda x: jnp.argmax(x), shape(16)) == 4
    assert found(lambda x, i: jnp.take(x, i, mode="clip"), shape(16), shape(3, dtype="int32")) == 4
    assert found(lambda x, i, y: x.at[i].add(y, mode="promise_in_bounds"), shape(9), *indices(3)) == 2 + 2
    assert found(lambda x: jnp.fft.fft(x), shape(8, dtype="complex64")) == 6


def indices(count):
    """Where to write, and what; a signed index is first compared and selected, 2 steps."""
    return shape(count, dtype="int32"), shape(count)


def test_work_does_not_depend_on_the_cost_model():
    for program in (forward, lambda w, h: jnp.linalg.solve(w[0], h)):
        works = {measure(program, shape(9, 8, 8), shape(8, 8), cost_model=model).work for model in MODELS}
        assert len(works) == 1


MODELS = ("unit", "fan_in_2", "layer")


def test_without_control_branches_run_beside_their_predicate():
    def program(x, y):
        return lax.cond(jnp.tanh(jnp.tanh(x.sum())) > 0, lambda y: jnp.sin(jnp.cos(y)), jnp.sin, y)

    full, data = (measure(program, VECTOR, VECTOR, control=control) for control in ("full", "data"))
    assert full.work == data.work
    assert (full.span, data.span) == (4 + 1 + 2, 4 + 1)  # sum, tanh, tanh, compare, choose
    assert (full.control, data.control) == ("full", "data")
    deep = measure(lambda x, y: program(x, jnp.exp(jnp.exp(jnp.exp(y)))), VECTOR, VECTOR, control="data")
    assert deep.span == 3 + 2 + 1
    with pytest.raises(ValueError, match='"full" and "data"'):
        measure(program, VECTOR, VECTOR, control="none")


def test_without_control_a_loop_runs_beside_its_test():
    full, data = (measure(endless, VECTOR, trips=5, control=control) for control in ("full", "data"))
    assert full.span == 5 * 4 + 3  # sum, compare, choose, double; and the last test
    assert data.span == 5 * 3 + 3  # sum, compare, choose; the double beside them


def test_declared_costs_stand_for_what_they_name(as_users_call):
    @jax.jit
    def flash_attention(q):
        return jax.nn.softmax(q @ q.T) @ q

    def program(q):
        return flash_attention(jnp.tanh(q))

    declared = {"flash_attention": Cost(work=1000, span=2)}
    for cost_model in ("unit", "fan_in_2"):
        assert cost(program, MATRIX, declared=declared, cost_model=cost_model) == Cost(1256, 3)
    with pytest.raises(ValueError, match=r"declared\['flash_attention'\] is 3.*Cost\(work=100, span=1\)"):
        measure(program, MATRIX, declared={"flash_attention": 3})


def test_a_pallas_kernel_is_declared_by_its_name():
    from jax.experimental import pallas

    def double(x_ref, o_ref):
        o_ref[...] = x_ref[...] * 2

    def program(x):
        return pallas.pallas_call(double, out_shape=VECTOR, interpret=True)(x) + 1

    with pytest.raises(NotImplementedError, match=r"'pallas_call'.*declared=\{'double': Cost\(work"):
        measure(program, VECTOR)
    assert cost(program, VECTOR, declared={"double": Cost(16, 1)}) == Cost(32, 2)


def test_collectives_are_steps():
    mesh = jax.make_mesh((1,), ("devices",), axis_types=(jax.sharding.AxisType.Auto,))
    spec = jax.sharding.PartitionSpec("devices")

    def program(x):
        total = lax.psum(jnp.tanh(x), "devices")
        return lax.all_gather(x, "devices") + total

    sharded = jax.shard_map(program, mesh=mesh, in_specs=spec, out_specs=spec, check_vma=False)
    assert cost(sharded, VECTOR).span == 3


def test_products_are_what_others_call_flops():
    found = measure(forward, shape(96, 64, 64), shape(32_768, 64))
    assert found.products == 96 * 2 * 64 * 64 * 32_768
    assert found.launches == 3 * 96
    assert measure(jnp.tanh, VECTOR).products == 0


def test_values_until_convergence_are_assumed():
    found = measure(jnp.linalg.eigvalsh, MATRIX)
    assert found.bound == "assumed"
    assert "runs until it converges" in str(found)
    assert measure(jnp.linalg.qr, MATRIX).bound == "exact"


def test_a_layer_is_the_same_scanned_and_written_out():
    def layer(x, w):
        q, k, v, up, down = w
        x = x + jax.nn.softmax((x @ q) @ (x @ k).T) @ (x @ v)
        return x + jax.nn.gelu(x @ up) @ down

    def scanned(ws, x):
        return lax.scan(lambda x, w: (layer(x, w), None), x, ws)[0]

    def written_out(ws, x):
        for i in range(5):
            x = layer(x, [w[i] for w in ws])
        return x

    ws = [shape(5, 8, 8)] * 3 + [shape(5, 8, 32), shape(5, 32, 8)]
    for cost_model in MODELS:
        one, two = (measure(each, ws, shape(6, 8), cost_model=cost_model) for each in (scanned, written_out))
        assert (one.cost, one.products) == (two.cost, two.products)


# Sizes that a rule must read from the right place.


def test_factorisations_of_wide_matrices():
    # 2 k² (l − k / 3) for the shorter side k and the longer l, and 2 steps for each of k columns
    for rows, columns in ((8, 3), (3, 8), (2, 8), (4, 13)):
        k, longer = min(rows, columns), max(rows, columns)
        found = cost(lambda a: lax.linalg.qr(a, full_matrices=False)[1], shape(rows, columns))
        assert found == Cost(2 * k * k * (3 * longer - k) // 3, 2 * k)


def test_a_sort_is_along_its_own_axis():
    assert cost(lambda a: lax.top_k(a, 2, axis=0), shape(1024, 2)) == Cost(2 * 512 * 55, 55)
    assert cost(lambda a: lax.top_k(a, 1), shape(1024, 2)) == Cost(1024 * 1 * 1, 1)
    assert cost(lambda a: lax.approx_max_k(a, 2, reduction_dimension=0), shape(1024, 2)).span == 55


def test_reductions_by_a_function_count_the_function():
    def combine(a, b):
        return jnp.tanh(a) * b

    assert cost(lambda x: lax.reduce(x, np.float32(1), combine, (0,)), shape(8)) == Cost(7 * 2, 3 * 2)
    windows = cost(lambda x: lax.reduce_window(x, np.float32(1), combine, (4,), (4,), "VALID"), shape(8))
    assert windows == Cost(2 * 3 * 2, 2 * 2)


def test_singular_vectors_cost_what_is_asked_for():
    def work(full):
        return measure(lambda a: jnp.linalg.svd(a, full_matrices=full), shape(1000, 4)).work

    assert work(False) == 14 * 1000 * 16 + 8 * 64
    assert work(True) == 4 * 1000**2 * 4 + 8 * 1000 * 16 + 9 * 64


def test_the_gradient_of_a_pool_looks_at_every_window_once():
    pool = lambda x: lax.reduce_window(x, -jnp.inf, lax.max, (2,), (2,), "VALID").sum()  # noqa: E731
    # 4 windows of 2: a comparison each, and what comes back is added to one place each
    assert cost(jax.grad(pool), shape(8)) == Cost(4 * (1 + 1), 2)


def test_a_counter_may_be_an_array_of_zeros():
    def program(x):
        start = jnp.zeros((), "int32")
        return lax.while_loop(lambda s: s[0] < 9, lambda s: (s[0] + 1, jnp.tanh(s[1])), (start, x))[1]

    assert cost(program, VECTOR) == Cost(9 * 16, 9)
