"""What the contract promises, for every solver: declared span and budget, and settings that rebuild it."""

import json

import equinox as eqx
import jax
import jax.numpy as jnp
import pytest

from seriality.claims import TABLE_1
from seriality.meter import measure
from seriality.solvers import SOLVERS, build
from seriality.studies.table1 import ROWS
from seriality.tasks import TASKS

KEY = jax.random.key(3)
ABSTRACT_KEY = jax.eval_shape(lambda: jax.random.key(0))

TRANSFORMER = {"name": "Transformer", "width": 8, "heads": 2}
SINGLE = {"name": "SinglePass", "network": TRANSFORMER}
CHAIN = {"name": "ChainOfThought", "network": {**TRANSFORMER, "causal": True}}
PASSES = {"constant": 1, "per_doubling": 1, "per_token": 0.5}
# settings, and the budget at prompts of 6 and 9 tokens by hand
EXAMPLES = [
    (SINGLE, 1, 1),
    ({**SINGLE, "network": {"name": "MLP", "width": 8}}, 1, 1),
    ({**SINGLE, "network": {"name": "StateSpace", "width": 8}}, 1, 1),
    ({**SINGLE, "network": {"name": "GRU", "width": 8, "layers": 2}, "temperature": 1.0}, 1, 1),
    ({"name": "Looped", "network": TRANSFORMER, "loops": PASSES}, 1 + 3 + 3, 1 + 4 + 5),
    (CHAIN, 3 + 2, 3 + 2),
    ({**CHAIN, "temperature": 0.7}, 3 + 2, 3 + 2),
    ({"name": "MaskedDiffusion", "network": TRANSFORMER, "steps": {"per_token": 1.0}}, 6, 9),
    ({"name": "Majority", "solver": {**CHAIN, "temperature": 0.7}, "samples": 3}, 3 + 2, 3 + 2),
]
EVERY = pytest.mark.parametrize(
    ("settings", "six", "nine"), EXAMPLES, ids=lambda value: value["name"] if isinstance(value, dict) else ""
)


def abstract(settings, layout):
    return eqx.filter_eval_shape(lambda: build(settings, layout, key=KEY))


def metered(settings, layout, cost_model="layer"):
    prompt = jax.ShapeDtypeStruct((layout.prompt_length,), jnp.int32)
    return measure(
        lambda solver, prompt, key: solver.solve(prompt, key=key),
        abstract(settings, layout),
        prompt,
        ABSTRACT_KEY,
        cost_model=cost_model,
    )


def test_every_solver_has_an_example():
    assert {settings["name"] for settings, _, _ in EXAMPLES} == set(SOLVERS)


@EVERY
def test_the_declared_span_is_the_metered_one(settings, six, nine, layout):
    for length, budget in ((6, six), (9, nine)):
        shape = layout(prompt_length=length)
        solver, measured = abstract(settings, shape), metered(settings, shape)
        assert measured.span == solver.span(length)
        assert solver.budget(length) == budget
        # exact: no branch and no stopping rule, so nothing seen or written changes the number of passes
        assert measured.bound == "exact"


@EVERY
def test_answers_have_the_layout_of_the_task(settings, six, nine, layout):
    solver = abstract(settings, layout(answer_length=3))
    prompt = jax.ShapeDtypeStruct((6,), jnp.int32)
    answer = eqx.filter_eval_shape(lambda solver, *a: solver.solve(a[0], key=a[1]), solver, prompt, KEY)
    assert (answer.shape, answer.dtype) == ((3,), jnp.int32)


def test_the_meter_sees_votes_as_work_and_not_as_span(layout):
    one, five, nine = (
        metered({"name": "Majority", "solver": {**CHAIN, "temperature": 1.0}, "samples": k}, layout())
        for k in (1, 5, 9)
    )
    assert one.span == five.span == nine.span
    assert nine.work - five.work == pytest.approx(five.work - one.work, rel=0.01)
    assert five.work > 2 * one.work  # the prompt is read once for all


@pytest.mark.parametrize("name", ROWS)
def test_a_row_comes_back_from_its_record(name, layout):
    kept = json.loads(json.dumps(ROWS[name]))
    assert eqx.tree_equal(abstract(ROWS[name], layout()), abstract(kept, layout()))


@pytest.mark.parametrize("task", TASKS.values(), ids=lambda task: task.__name__)
def test_every_row_is_built_for_every_task(task):
    layout = task().format
    prompt = jax.ShapeDtypeStruct((layout.prompt_length,), jnp.int32)
    for row in ROWS.values():
        for settings in (row, {"name": "Majority", "solver": row, "samples": 3}):
            answer = eqx.filter_eval_shape(
                lambda solver, *a: solver.solve(a[0], key=a[1]), abstract(settings, layout), prompt, KEY
            )
            assert answer.shape == (layout.answer_length,)


def test_the_rows_are_those_of_the_paper():
    assert list(ROWS) == [expected.name for expected in TABLE_1]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({**SINGLE, "tempo": 1.0}, "tempo"),
        ({"name": "SinglePass", "network": {**TRANSFORMER, "depth": 2}}, "depth"),
        ({"name": "Majority", "solver": SINGLE, "sample": 3}, "sample"),
        ({"name": "Looped", "network": TRANSFORMER, "loops": {"per_word": 1.0}}, "per_word"),
    ],
)
def test_unknown_dials_are_refused(settings, message, layout):
    with pytest.raises(TypeError, match=f"'{message}'"):
        abstract(settings, layout())


def test_unknown_names_are_refused_with_the_known_ones(layout):
    with pytest.raises(ValueError, match=r"no solver named 'Single'; there are SinglePass, Looped, "):
        abstract({**SINGLE, "name": "Single"}, layout())
    with pytest.raises(ValueError, match=r"no network named 'LSTM'; there are MLP, Transformer, "):
        abstract({"name": "SinglePass", "network": {"name": "LSTM"}}, layout())


def test_what_solvers_refuse(layout):
    with pytest.raises(ValueError, match="build it with causal=True"):
        abstract({"name": "ChainOfThought", "network": TRANSFORMER}, layout())
    with pytest.raises(ValueError, match="samples is 0; a vote needs at least 1, try samples=9"):
        abstract({"name": "Majority", "solver": SINGLE, "samples": 0}, layout())
    for settings in (SINGLE, CHAIN):
        with pytest.raises(ValueError, match=r"temperature is -1.0, allowed is 0 .* try temperature=1.0"):
            abstract({**settings, "temperature": -1.0}, layout())
