"""`measure` against two other ways to count the same random programs.

One is a graph: the jaxpr is walked equation by equation, every iteration of every scan on its own, and the
longest path is found by depth. The other is the program itself, its loops written out in Python.
"""

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from jax import lax
from jax.extend.core import Var

from seriality.cost import Cost
from seriality.meter import measure

WIDTH = 2
OPERATIONS = {
    "add": lambda table, matrix, a, b: a + b,
    "maximum": lambda table, matrix, a, b: jnp.maximum(a, b),
    "product": lambda table, matrix, a, b: matrix @ a,
    "lookup": lambda table, matrix, a, b: table.at[a].get(
        mode="promise_in_bounds", wrap_negative_indices=False
    ),
    "reverse": lambda table, matrix, a, b: a[::-1],
    "jit": lambda table, matrix, a, b: jax.jit(lambda a, b: (a * b) * b)(a, b),
    "constant": lambda table, matrix, a, b: jnp.ones(WIDTH, "int32") + 1,
}


@st.composite
def programs(draw, nested=True):
    """A loop: its carries (given or zero), its operations, which results it carries on, its length."""
    carries = draw(st.lists(st.sampled_from(["given", "zero"]), min_size=1, max_size=3))
    pool = len(carries) + 2  # the carries, the element of the series, the counter
    names = [*OPERATIONS, "loop"] if nested else list(OPERATIONS)
    operations = []
    for name in draw(st.lists(st.sampled_from(names), min_size=1, max_size=4)):
        inner = draw(programs(nested=False)) if name == "loop" else None
        operations.append((name, draw(st.integers(0, pool - 1)), draw(st.integers(0, pool - 1)), inner))
        pool += 1
    following = [draw(st.integers(0, pool - 1)) for _ in carries]
    return carries, operations, following, draw(st.integers(0, 5))


def run(program, scan, table, matrix, start):
    """All that the program computes: nothing in it is dead. `scan` is the loop to use."""
    carries, operations, following, length = program

    def body(carry, x):
        values = [*carry, *x]
        outputs = []
        for name, left, right, inner in operations:
            a, b = values[left], values[right]
            if name == "loop":
                last, seen = run(inner, scan, table, matrix, a)
                values.append(last[0])
                outputs.append((last, seen))
            else:
                values.append(OPERATIONS[name](table, matrix, a, b))
                outputs.append(values[-1])
        return [values[place] for place in following], outputs

    first = [start if kind == "given" else jnp.zeros(WIDTH, "int32") for kind in carries]
    series = jnp.stack([start] * length) if length else jnp.zeros((0, WIDTH), "int32")
    counters = np.zeros((length, WIDTH), "int32") + np.arange(length, dtype="int32")[:, None]
    return scan(body, first, (series, counters), length)


def rolled(body, first, xs, length):
    return lax.scan(body, first, xs, length=length)


def unrolled(body, first, xs, length):
    outputs = []
    for i in range(length):
        first, output = body(first, [x[i] for x in xs])
        outputs.append(output)
    return first, outputs


ARGUMENTS = [jax.ShapeDtypeStruct(sizes, "int32") for sizes in ((8,), (WIDTH, WIDTH), (WIDTH,))]
WORK = {
    "add": lambda eqn: WIDTH,
    "mul": lambda eqn: WIDTH,
    "max": lambda eqn: WIDTH,
    "gather": lambda eqn: WIDTH,
    "dot_general": lambda eqn: 2 * WIDTH * WIDTH,
}
FREE = {
    "broadcast_in_dim",
    "reshape",
    "rev",
    "concatenate",
    "stack",
    "slice",
    "squeeze",
    "iota",
    "copy",
    "pjit",
}


def walk(jaxpr, depths):
    """Work, and the depth of each output; a depth of None is known before the run."""
    depth = dict.fromkeys(jaxpr.constvars) | dict(zip(jaxpr.invars, depths, strict=True))
    total = 0
    for eqn in jaxpr.eqns:
        inputs = [depth[atom] if isinstance(atom, Var) else None for atom in eqn.invars]
        name, params = eqn.primitive.name, eqn.params
        if name == "jit":
            work, results = walk(params["jaxpr"].jaxpr, inputs)
        elif name == "scan":
            work, results = 0, []
            consts, carries = params["num_consts"], params["num_carry"]
            carry, seen = inputs[consts : consts + carries], [None] * (len(eqn.outvars) - carries)
            for _ in range(params["length"]):
                more, outputs = walk(
                    params["jaxpr"].jaxpr, [*inputs[:consts], *carry, *inputs[consts + carries :]]
                )
                work += more
                carry = outputs[:carries]
                seen = [latest(pair) for pair in zip(seen, outputs[carries:], strict=True)]
            results = [*carry, *seen]
        else:
            assert name in WORK or name in FREE, f"the test has no rule for {name}"
            ready = latest(inputs)
            is_free = name not in WORK or ready is None or (name == "gather" and inputs[1] is None)
            work = 0 if is_free else WORK[name](eqn)
            results = [ready if is_free else ready + 1] * len(eqn.outvars)
        total += work
        depth.update(zip(eqn.outvars, results, strict=True))
    return total, [depth[atom] if isinstance(atom, Var) else None for atom in jaxpr.outvars]


def latest(depths):
    return max((d for d in depths if d is not None), default=None)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(programs())
def test_a_scan_is_its_unrolled_graph_and_its_unrolled_program(program):
    loop = measure(lambda *args: run(program, rolled, *args), *ARGUMENTS)
    jaxpr = jax.make_jaxpr(lambda *args: run(program, rolled, *args))(*ARGUMENTS).jaxpr
    work, depths = walk(jaxpr, [0, 0, 0])
    written_out = measure(lambda *args: run(program, unrolled, *args), *ARGUMENTS)
    if loop.bound == "exact":
        assert loop.cost == Cost(work, latest(depths) or 0) == written_out.cost
    else:  # what is known moves from carry to carry
        assert loop.work >= work == written_out.work
        assert loop.span >= (latest(depths) or 0) == written_out.span
