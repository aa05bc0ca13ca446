"""What the contract promises, for every solver: declared span and budget, and settings that rebuild it."""

import inspect
import json
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import pytest

from seriality.claims import TABLE_1
from seriality.meter import measure
from seriality.solvers import SOLVERS, build, resolved
from seriality.store import Store
from seriality.studies import STUDIES
from seriality.studies.table1 import ROWS
from seriality.tasks import TASKS

KEY = jax.random.key(3)
ABSTRACT_KEY = jax.eval_shape(lambda: jax.random.key(0))

TRANSFORMER = {"name": "Transformer", "width": 8, "heads": 2}
SINGLE = {"name": "SinglePass", "network": TRANSFORMER}
CHAIN = {"name": "ChainOfThought", "network": {**TRANSFORMER, "causal": True}}
PASSES = {"constant": 1, "per_doubling": 1, "per_token": 0.5}
DIFFUSION = {"name": "MaskedDiffusion", "network": TRANSFORMER}
GAUSSIAN = {"name": "ContinuousDiffusion", "network": TRANSFORMER, "features": 4}
LOOPED = {"name": "Looped", "network": TRANSFORMER, "loops": PASSES}
# settings, and the budget at prompts of 6 and 9 tokens by hand
EXAMPLES = [
    (SINGLE, 1, 1),
    ({**SINGLE, "network": {"name": "MLP", "width": 8}}, 1, 1),
    ({**SINGLE, "network": {"name": "StateSpace", "width": 8}}, 1, 1),
    ({**SINGLE, "network": {"name": "GRU", "width": 8, "layers": 2}, "temperature": 1.0}, 1, 1),
    (LOOPED, 1 + 3 + 3, 1 + 4 + 5),
    (CHAIN, 3 + 2, 3 + 2),
    ({**CHAIN, "temperature": 0.7}, 3 + 2, 3 + 2),
    ({**DIFFUSION, "steps": {"per_token": 1.0}}, 6, 9),
    ({**DIFFUSION, "steps": {"constant": 3}, "order": "margin", "block": "trace"}, 3, 3),
    ({**DIFFUSION, "steps": {"constant": 3}, "remasking": 0.5}, 3, 3),
    ({**DIFFUSION, "steps": {"constant": 2}, "network": LOOPED}, 2 * (1 + 3 + 3), 2 * (1 + 4 + 5)),
    ({**GAUSSIAN, "steps": {"per_token": 1.0}}, 6, 9),
    # the trace has 3 tokens, and loops are counted by the length of both
    ({**GAUSSIAN, "steps": {"constant": 2}, "network": LOOPED, "block": "trace"}, 2 * 10, 2 * (1 + 4 + 6)),
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
    assert {settings["name"] for settings, _, _ in EXAMPLES} == set(SOLVERS.built_in)


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


@pytest.mark.parametrize("task", TASKS.built_in)
def test_every_row_is_built_for_every_task(task):
    layout = TASKS[task]().format
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


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"order": "best"}, r"order is 'best', allowed are random, confidence, .* try order=\"confidence\""),
        ({"block": "prompt"}, r"block is 'prompt', allowed are answer, trace; try block='answer'"),
        ({"remasking": 1.0}, r"remasking is 1.0, allowed is 0 \(never\) to less than 1; try 0.1"),
        ({"remasking": -0.1}, r"remasking is -0.1, allowed is 0"),
        (
            {"remasking": 0.1, "order": "margin"},
            r"remasking is 0.1 with order='margin', allowed is 0 unless .* LLaDA; try remasking=0.0",
        ),
        ({"name": "ContinuousDiffusion", "features": 2}, r"features is 2, allowed is 3 or more for 5 tokens"),
        ({"network": LOOPED | {"network": LOOPED}}, r"^Looped works on a Transformer, not on Looped"),
        (
            {"network": {"name": "GRU"}},
            r"^MaskedDiffusion works on a Transformer or Looped, not on GRU; .*Transformer",
        ),
        (
            {"name": "SinglePass", "network": LOOPED},
            r"^SinglePass works on a MLP or .*, not on Looped; .*, or take Looped",
        ),
    ],
)
def test_what_diffusion_refuses(settings, message, layout):
    with pytest.raises(ValueError, match=message) as refused:
        abstract(DIFFUSION | settings, layout())
    assert "\n" not in str(refused.value)


def test_a_dial_that_came_later_is_told_where_it_is_not_at_its_default():
    default = {"order": "random", "remasking": 0.0, "block": "answer"}
    assert resolved(DIFFUSION | default) == resolved(DIFFUSION)
    assert not default.keys() & resolved(DIFFUSION).keys()
    for dial, value in {"order": "margin", "remasking": 0.1, "block": "trace"}.items():
        assert resolved(DIFFUSION | {dial: value}) == resolved(DIFFUSION) | {dial: value}
    for solver in map(SOLVERS.__getitem__, SOLVERS.built_in):
        assert solver.later_dials <= set(inspect.signature(solver.__init__).parameters)


def test_a_backbone_of_repeated_layers_is_resolved_and_rebuilt(layout):
    settings = DIFFUSION | {"network": LOOPED}
    written = json.loads(json.dumps(resolved(settings)))
    assert written["network"] == resolved(LOOPED)
    assert resolved(written) == written
    assert eqx.tree_equal(abstract(settings, layout()), abstract(written, layout()))


RESULTS = Path(__file__).parents[2] / "results"


@pytest.mark.skipif(not RESULTS.exists(), reason="the published records are not in this copy of the source")
@pytest.mark.parametrize("study", ["table1", "pairs"])
def test_published_records_are_those_of_todays_trials(study):
    with Store(RESULTS / f"{study}.sqlite", read_only=True) as store:
        published = store.ids(study)
    assert published
    assert published <= {trial.id for trial in STUDIES[study].trials(5)}
