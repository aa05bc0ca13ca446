"""Settings: what is refused, what names a trial, and what the table's rows cost."""

import dataclasses
import json
import math
from itertools import combinations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from seriality.claims import TABLE_1
from seriality.meter import measure
from seriality.networks import NETWORKS
from seriality.solvers import SinglePass, build, resolved
from seriality.store import Store
from seriality.studies import STUDIES
from seriality.studies.table1 import FAMILIES, ROWS
from seriality.study import CONTROL, SERIAL, Training, Trial, run
from seriality.study.costs import costs, span_growth
from seriality.study.train import depths_of
from seriality.tasks import ElementaryAutomaton, Words, monoid

WORDS = Words("parity", length=4)
TRAINING = Training(stages=(1, 2), steps=100)
TRIAL = Trial("study", "MLP", "words", SERIAL, WORDS, ROWS["MLP"], TRAINING, 1e-3, 0)
TRANSFORMER = {"name": "Transformer", "width": 8, "heads": 2}


def replaced(**fields):
    return dataclasses.replace(TRIAL, **fields)


@pytest.mark.parametrize(
    ("settings", "fault"),
    [
        ({"steps": 50}, "warmup is 50, allowed are 0 to steps - 1 = 49, such as warmup=2"),
        ({"warmup": 100}, "warmup is 100, allowed are 0 to steps - 1 = 99, such as warmup=5"),
        ({"warmup": -1}, "warmup is -1, allowed are 0 to steps - 1 = 99, such as warmup=5"),
        ({"steps": 110}, "steps is 110, allowed are multiples of chunk = 50"),
        ({"chunk": 0}, "chunk is 0, allowed are integers from 1 up"),
        ({"batch": 0}, "batch is 0, allowed are integers from 1 up"),
        ({"steps": 100.0}, "steps is 100.0, allowed are integers from 1 up"),
        ({"learning_rates": ()}, "learning_rates is (), allowed is one or more above 0, such as (1e-3,)"),
        *(
            (
                {"learning_rates": (1e-3, bad)},
                f"learning_rates is (0.001, {bad}), allowed is one or more above 0, such as (1e-3,)",
            )
            for bad in (-1.0, math.nan, math.inf)
        ),
        ({"weight_decay": -0.1}, "weight_decay is -0.1, allowed is 0 or more, such as 0.01"),
        *(
            ({"gate": bad}, f"gate is {bad}, allowed is a share above 0, such as 0.97; above 1 never opens")
            for bad in (0, math.nan)
        ),
        ({"stages": ()}, "stages is (), allowed are rising depths from 1 up, such as (2, 4, 8)"),
        ({"stages": (2, 2)}, "stages is (2, 2), allowed are rising depths from 1 up, such as (2, 4, 8)"),
        ({"stages": (0, 2)}, "stages is (0, 2), allowed are rising depths from 1 up, such as (2, 4, 8)"),
    ],
)
def test_training_refuses(settings, fault, as_users_call):
    with pytest.raises(ValueError, match=r"^Training: ") as refused:
        Training(**{"stages": (1, 2), "steps": 100} | settings)
    assert str(refused.value) == f"Training: {fault}"


def test_training_names_all_faults_at_once():
    with pytest.raises(ValueError, match=r"^Training: ") as refused:
        Training(stages=(3, 1), batch=0, gate_instances=-1, learning_rates=(), steps=110, warmup=110)
    text = str(refused.value)
    faulty = ("batch", "gate_instances", "stages", "learning_rates", "steps is", "warmup")
    assert [fault for fault in faulty if fault not in text] == []
    assert text.count(";") == len(faulty) - 1


def test_training_takes_the_bounds():
    assert Training(stages=(1,), steps=1, chunk=1, warmup=0).steps == 1
    assert Training(stages=(1,), steps=4, chunk=2, warmup=3).warmup == 3


def test_fewer_than_one_seed_is_refused(tmp_path):
    with Store(tmp_path / "store.sqlite") as store, pytest.raises(ValueError, match="seeds is 0, allowed is"):
        run(STUDIES["miniature"], store, seeds=0)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"name": "Looped", "network": {"name": "GRU"}}, "Looped works on a Transformer, not on GRU"),
        ({"name": "ChainOfThought", "network": {"name": "MLP"}}, "not on MLP"),
        ({"name": "MaskedDiffusion", "network": {"name": "StateSpace"}}, "not on StateSpace"),
        ({"name": "SinglePass"}, "network is None, allowed are its settings"),
        ({"name": "Majority"}, "solver is None, allowed are its settings"),
        ({"network": {"name": "MLP"}}, "there is no solver named None; there are SinglePass"),
        ({"name": "SinglePass", "network": {"name": "LSTM"}}, "there is no network named 'LSTM'"),
    ],
)
def test_a_solver_that_cannot_be_built_is_refused(settings, said):
    with pytest.raises(ValueError, match=said):
        build(settings, WORDS.format, key=jax.random.key(0))


def test_the_demo_is_seven_rows_on_words_of_sixteen_letters_and_their_control():
    trials = STUDIES["demo"].trials(STUDIES["demo"].seeds)
    assert [(trial.row, trial.role, trial.seed) for trial in trials] == [
        (row.name, role, 0) for role in (SERIAL, CONTROL) for row in TABLE_1
    ]
    assert {trial.task for trial in trials} == {Words("S5", length=16), Words("registers", length=16)}
    assert len({trial.training for trial in trials}) == 1


def test_an_id_does_not_depend_on_the_order_of_settings():
    backwards = json.loads(json.dumps(TRIAL.solver), object_pairs_hook=lambda pairs: dict(pairs[::-1]))
    assert list(backwards) != list(TRIAL.solver)
    assert replaced(solver=backwards).id == TRIAL.id


def test_an_id_depends_on_every_setting():
    others = [
        replaced(study="other"),
        replaced(row="other"),
        replaced(family="other"),
        replaced(role="control"),
        replaced(task=Words("parity", length=5)),
        replaced(task=Words("reset", length=4)),
        replaced(task=ElementaryAutomaton(width=4, steps=4)),
        replaced(solver=TRIAL.solver | {"temperature": 1.0}),
        replaced(training=dataclasses.replace(TRAINING, batch=65)),
        replaced(learning_rate=1e-2),
        replaced(seed=1),
    ]
    assert len({TRIAL.id, *(trial.id for trial in others)}) == len(others) + 1
    assert [trial.program == TRIAL.program for trial in others] == [False] * 9 + [True] * 2


def test_settings_are_plain_even_for_a_table_of_ones_own():
    task = Words(monoid([[0, 1], [1, 0]], name="mine"), length=3)
    assert json.loads(json.dumps(replaced(task=task).settings()))["task"]["monoid"]["name"] == "mine"


@pytest.mark.parametrize("expected", TABLE_1, ids=lambda expected: expected.name)
def test_the_rows_are_as_parallel_as_the_paper_says(expected):
    """For answers of one token and of a row; the records of `table1` say it of every family."""
    for family in ("words", "automaton"):
        law, spans = span_growth(ROWS[expected.name], FAMILIES[family][0])
        assert law.parallel == expected.parallel
        assert list(spans) == [32, 64, 128, 256]


@pytest.mark.parametrize("task", [task.control for task, _ in FAMILIES.values()], ids=str)
def test_no_two_depths_of_a_control_ask_for_the_same(task):
    """The answers to one beginning at all evaluated depths differ, for most beginnings."""
    depths = depths_of(task)
    answers = np.array([task.sample(200, key=jax.random.key(1), depth=depth).answer for depth in depths])
    for one, other in combinations(range(len(depths)), 2):
        assert np.mean(np.any(answers[one] != answers[other], axis=-1)) > (
            0.1 if len(answers[0][0]) == 1 else 0.5
        )


def test_on_a_ring_of_twelve_rule_90_would_ask_the_same_at_four_and_eight():
    task = ElementaryAutomaton(rule=90, width=12, steps=8)
    four, eight = (task.sample(200, key=jax.random.key(1), depth=depth).answer for depth in (4, 8))
    assert np.array_equal(four, eight)


def test_a_record_tells_defaults_and_versions_and_not_the_other_rates():
    settings = TRIAL.settings()
    assert settings["solver"]["version"] == SinglePass.version
    assert settings["solver"]["network"]["version"] == NETWORKS[settings["solver"]["network"]["name"]].version
    assert settings["training"]["version"] == Training.version
    assert "learning_rates" not in settings["training"]
    wider = dataclasses.replace(TRIAL.training, learning_rates=(*TRIAL.training.learning_rates, 0.5))
    assert replaced(training=wider).id == TRIAL.id


@pytest.mark.parametrize("row", ROWS)
def test_what_a_record_says_builds_the_same_solver(row):
    written = json.loads(json.dumps(resolved(ROWS[row])))
    assert resolved(written) == written
    key = jax.random.key(2)
    one, other = (
        eqx.filter_eval_shape(lambda s=s: build(s, WORDS.format, key=key)) for s in (ROWS[row], written)
    )
    assert jax.tree.structure(one) == jax.tree.structure(other)


def test_what_another_version_built_is_refused():
    written = resolved(ROWS["RNN"])
    written["network"]["version"] = 0
    with pytest.raises(ValueError, match="network GRU of version 0: this code builds version 1 alone"):
        build(written, WORDS.format, key=jax.random.key(0))


def test_costs_are_the_declared_ones():
    diffusion = {"name": "MaskedDiffusion", "network": TRANSFORMER, "steps": {"constant": 3}}
    found = costs(diffusion, WORDS)
    assert found["passes"] == 3
    assert found["cost"]["layer"]["span"] == 3 * (2 * 6 + 1)
    assert found["growth"]["law"] == "constant"


def test_random_numbers_are_counted():
    settings = {"name": "SinglePass", "network": TRANSFORMER, "temperature": 1.0}
    key = jax.random.key(0)
    solver = eqx.filter_eval_shape(lambda: build(settings, WORDS.format, key=key))
    prompt = jax.ShapeDtypeStruct((WORDS.format.prompt_length,), jnp.int32)
    known_before = measure(lambda solver, prompt: solver.solve(prompt, key=key), solver, prompt)
    counted = costs(settings, WORDS)["cost"]["unit"]["work"]
    assert counted - known_before.work >= WORDS.format.vocabulary


@pytest.mark.parametrize(
    ("length", "depths"),
    [(1, (1,)), (2, (1, 2)), (3, (1, 2, 3)), (7, (1, 2, 4, 7)), (24, (1, 2, 4, 8, 16, 24))],
)
def test_depths_of_evaluation(length, depths):
    assert depths_of(Words(length=length)) == depths
