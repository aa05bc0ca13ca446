"""Settings: what is refused, what names a trial, and what the table's rows cost."""

import dataclasses
import json

import equinox as eqx
import jax
import jax.numpy as jnp
import pytest

from seriality.claims import TABLE_1
from seriality.meter import measure
from seriality.solvers import build
from seriality.studies.table1 import ROWS
from seriality.study import SERIAL, Training, Trial
from seriality.study.run import costs, span_growth
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
        ({"chunk": 0}, "chunk is 0, allowed is 1 or more"),
        ({"batch": 0}, "batch is 0, allowed is 1 or more"),
        ({"learning_rates": ()}, "learning_rates is empty, give at least one, such as (1e-3,)"),
        ({"stages": ()}, "stages is (), allowed are rising depths from 1 up, such as (2, 4, 8)"),
        ({"stages": (2, 2)}, "stages is (2, 2), allowed are rising depths from 1 up, such as (2, 4, 8)"),
        ({"stages": (0, 2)}, "stages is (0, 2), allowed are rising depths from 1 up, such as (2, 4, 8)"),
    ],
)
def test_training_refuses(settings, fault):
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
    law, spans = span_growth(ROWS[expected.name], Words("S5", length=4))
    assert law.parallel == expected.parallel
    assert list(spans) == [17, 33, 65, 129]


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
