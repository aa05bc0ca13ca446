"""Running a study: what a record holds, and that nothing is lost or doubled, whatever is killed."""

import json
import os
import signal
import subprocess
import sys
import textwrap
from dataclasses import replace

import jax
import numpy as np
import pytest

from seriality.meter import COST_VERSION
from seriality.store import Store, canonical
from seriality.study import SERIAL, Progress, Study, Training, Trial, run
from seriality.study.costs import training_cost
from seriality.tasks import Words

WORDS = Words("parity", length=2)
MLP = {"name": "SinglePass", "network": {"name": "MLP", "width": 8, "layers": 1, "features": 2}}
LEARNS, DIVERGES = 0.03, 1e30
TRAINING = Training(
    stages=(1, 2),
    steps=40,
    chunk=20,
    warmup=0,
    batch=8,
    gate_instances=16,
    test_instances=20,
    learning_rates=(LEARNS, DIVERGES),
)


def trials(seeds):
    trial = Trial("tiny", "MLP", "words", SERIAL, WORDS, MLP, TRAINING, 0.0, 0)
    return [
        replace(trial, learning_rate=rate, seed=seed)
        for rate in TRAINING.learning_rates
        for seed in range(seeds)
    ]


TINY = Study("tiny", "A study of two trials a seed", ("C01",), seeds=1, trials=trials)


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """What a run told on the way, its records, what it and a second run wrote, and what the second told."""
    told, told_again = [], []
    path = tmp_path_factory.mktemp("store") / "store.sqlite"
    with Store(path) as store:
        first = run(TINY, store, observe=told.append)
        again = run(TINY, store, observe=told_again.append)
        return told, store.records(), (first, again), told_again


def test_what_is_there_is_not_run_again(ran):
    _, records, written, told_again = ran
    assert written == (2, 0)
    assert len(records) == 2
    assert told_again == []


def test_a_record_is_plain_and_complete(ran):
    for record, trial in zip(ran[1], trials(1), strict=True):
        assert (record.id, record.study) == (trial.id, "tiny")
        assert record.settings == json.loads(canonical(trial.settings()))
        outcome = record.outcome
        assert outcome == json.loads(canonical(outcome))
        assert outcome["depths"] == [1, 2]
        assert outcome["shared_depth"] == 2
        for split in ("validation", "test"):
            counts = outcome[split]
            assert counts["tries"] == [20, 20]
            assert all(0 <= right <= 20 for right in counts["successes"])
        assert outcome["passes"] == 1
        assert outcome["cost"]["layer"]["span"] == 2
        assert outcome["growth"]["parallel"] is True
        assert outcome["cost_version"] == COST_VERSION
        assert outcome["training_step"] == training_cost(MLP, WORDS, TRAINING.batch)
        # a gradient takes more than the pass alone
        assert outcome["training_step"]["work"] > TRAINING.batch * outcome["cost"]["unit"]["work"]
        # embedding 4·2, in (3·2)·8, bias 8, out 8·4
        assert outcome["parameters"] == 8 + 48 + 8 + 32
        curve = outcome["curve"]
        chunks = max(1, -(-outcome["steps_run"] // 20))
        assert {len(values) for values in curve.values()} == {chunks}
        assert curve["step"] == [20 * (chunk + 1) for chunk in range(chunks)]
        assert outcome["solved"] == (outcome["stage"] == 2)
        assert {"versions", "commit", "device", "machine", "created", "wall_s"} <= set(record.provenance)
        assert record.provenance["versions"]["seriality"]


def test_a_diverged_trial_is_a_record_that_counts(ran):
    learnt, diverged = (record.outcome for record in ran[1])
    assert (learnt["diverged"], diverged["diverged"]) == (False, True)
    assert None not in learnt["curve"]["loss"]
    assert (diverged["stage"], diverged["solved"], diverged["steps_run"]) == (0, False, 0)
    assert sum(diverged["test"]["tries"]) == 40


def test_the_run_tells_where_it_stands(ran):
    told = ran[0]
    assert all(isinstance(progress, Progress) for progress in told)
    learns = [progress for progress in told if progress.trial.learning_rate == LEARNS]
    assert [progress.phase for progress in learns] == [
        *["compiling", "training", "training", "evaluating", "recorded"]
    ]
    assert [progress.steps for progress in learns][:4] == [0, 20, 40, 40]
    for progress in learns[1:3]:
        assert np.isfinite(progress.loss)
        assert len(progress.accuracy) == progress.replicas == 1
    assert [(p.groups_done, p.diverged) for p in told if p.phase == "recorded"] == [(1, 0), (2, 1)]


def test_trained_together_as_on_an_accelerator_the_outcomes_are_the_same(ran, tmp_path, monkeypatch):
    told = []
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    with Store(tmp_path / "store.sqlite") as store:
        assert run(TINY, store, observe=told.append) == 2
        together = store.records()
    assert [progress.phase for progress in told].count("recorded") == 1
    for alone, record in zip(ran[1], together, strict=True):
        assert (record.id, record.provenance["together"]) == (alone.id, 2)
        for name in ("diverged", "stage", "steps_run", "cost", "parameters"):
            assert record.outcome[name] == alone.outcome[name]
        np.testing.assert_allclose(
            np.array(record.outcome["curve"]["loss"], float),
            np.array(alone.outcome["curve"]["loss"], float),
            rtol=1e-3,
        )


SCRIPT = textwrap.dedent(
    """
    import sys, time
    from dataclasses import replace
    from seriality.store import Store
    from seriality.study import SERIAL, Study, Training, Trial, run
    from seriality.tasks import Words

    MLP = {"name": "SinglePass", "network": {"name": "MLP", "width": 4, "layers": 1, "features": 2}}
    TRAINING = Training(stages=(1,), steps=2, chunk=1, warmup=0, batch=2, gate_instances=2, test_instances=2)
    TRIAL = Trial("s", "MLP", "words", SERIAL, Words("parity", length=1), MLP, TRAINING, 1e-3, 0)
    ROWS = ("first", "second", "third")
    STUDY = Study("s", "", (), 2, lambda seeds: [
        replace(TRIAL, row=row, seed=seed) for row in ROWS for seed in range(seeds)
    ])

    def observe(progress):
        if sys.argv[2] == "stop" and progress.groups_done == 3 and progress.phase == "training":
            print("now", flush=True)
            time.sleep(600)

    if __name__ == "__main__":
        with Store(sys.argv[1]) as store:
            print(run(STUDY, store, seeds=int(sys.argv[3]), observe=observe))
    """
)


@pytest.fixture
def start(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    started = []

    def begin(how, seeds=2):
        cache = {
            "JAX_COMPILATION_CACHE_DIR": str(tmp_path / "cache"),
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        }
        process = subprocess.Popen(
            [sys.executable, str(script), str(tmp_path / "store.sqlite"), how, str(seeds)],
            env=os.environ | cache,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield begin
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


def test_killed_doubled_and_enlarged_runs_leave_every_record_once(start, tmp_path):
    killed = start("stop")
    assert killed.stdout.readline() == "now\n"
    os.kill(killed.pid, signal.SIGKILL)
    assert killed.wait() == -signal.SIGKILL
    with Store.open_read(tmp_path / "store.sqlite") as store:
        left = store.records()
    assert [record.settings["row"] for record in left] == ["first", "first", "second"]

    both = [start("on"), start("on")]
    written = [int(process.communicate(timeout=120)[0]) for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert sum(written) == 3
    with Store.open_read(tmp_path / "store.sqlite") as store:
        records = store.records()
    assert records[:3] == left
    assert sorted((record.settings["row"], record.settings["seed"]) for record in records) == [
        (row, seed) for row in ("first", "second", "third") for seed in (0, 1)
    ]

    more = start("on", seeds=4)
    assert more.communicate(timeout=120)[0] == "6\n"
    with Store.open_read(tmp_path / "store.sqlite") as store:
        enlarged = store.records()
    assert enlarged[:6] == records
    assert [record.settings["seed"] for record in enlarged[6:]] == [2, 3] * 3
