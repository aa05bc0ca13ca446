"""Experiments in a study: what names one, what its record holds, and what is left when it raises; and the
answers of one trained network under other dials."""

import io
import json
import re
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from rich.console import Console

from seriality.claims import CLAIMS
from seriality.solvers import resolved
from seriality.store import Store, canonical, digest
from seriality.studies import STUDIES
from seriality.study import SERIAL, Experiment, Progress, Study, Training, Trial, groups, run, watch
from seriality.study.train import Trainer
from seriality.tasks import Words

running = sys.modules["seriality.study.run"]
costs = sys.modules["seriality.study.costs"]
work = sys.modules["seriality.study.work"]
RESULTS = Path(__file__).parents[2] / "results"
CALLS = []


def multiply(factor, numbers=(1, 2), *, seed):
    """Says how it was called, and returns what JSON has no word for."""
    CALLS.append((factor, tuple(numbers), seed))
    return {
        "product": factor * np.array(numbers),
        "on a device": jnp.arange(2) + seed,
        "undefined": [float("nan"), np.float32(np.inf), np.float64(0.5)],
        "held": np.bool_(True),
        "pair": (1, {"inside": float("-inf")}),
    }


def unseeded(number):
    return {"number": number}


def fail(message, *, seed):
    raise ArithmeticError(f"{message} of seed {seed}")


ONE = Experiment("mixed", "products", "numbers", SERIAL, multiply, {"factor": 3, "numbers": (1, 2)}, seed=4)


def replaced(**fields):
    return replace(ONE, **fields)


# Two processes


def test_a_second_process_begins_with_what_the_first_does_not_compile(tmp_path, monkeypatch):
    """The programs of the first setting are another's; it has not said so of any trial yet."""
    trials = [replaced(arguments={"factor": factor}, seed=seed) for factor in (2, 3) for seed in (0, 1)]
    study, held, asked = Study("mixed", "", (), 2, lambda seeds: trials), {trials[0].compiled}, []

    class Elsewhere(running.Turns):
        def take(self, trial, *, wait):
            asked.append(trial)
            return trial not in held

    monkeypatch.setattr(running, "Turns", Elsewhere)
    with Store(tmp_path / "store.sqlite") as store:
        assert run(study, store) == 4
        assert [record.id for record in store.records()] == [trials[place].id for place in (2, 3, 0, 1)]
    assert trials[0].compiled == trials[1].compiled != trials[2].compiled
    assert held <= set(asked)


# What names an experiment


def test_the_settings_tell_the_function_its_version_and_every_argument():
    assert json.loads(canonical(ONE.settings())) == {
        "study": "mixed",
        "row": "products",
        "family": "numbers",
        "role": "serial",
        "experiment": {"name": "multiply", "version": 1, "factor": 3, "numbers": [1, 2]},
        "seed": 4,
    }
    assert ONE.id == digest(ONE.settings())


def test_an_id_depends_on_every_setting_and_on_the_version():
    others = [
        replaced(study="other"),
        replaced(row="other"),
        replaced(family="other"),
        replaced(role="control"),
        replaced(function=unseeded),
        replaced(arguments={"factor": 4, "numbers": (1, 2)}),
        replaced(arguments={"factor": 3, "numbers": (1, 2, 3)}),
        replaced(arguments={"factor": 3}),
        replaced(version=2),
        replaced(seed=5),
    ]
    assert len({ONE.id, *(each.id for each in others)}) == len(others) + 1
    assert all(each.program == each.id for each in (ONE, *others))


def test_an_id_depends_on_nothing_else():
    backwards = replaced(arguments={"numbers": [1, 2], "factor": 3})
    assert list(backwards.arguments) != list(ONE.arguments)
    assert backwards.id == ONE.id
    same_name = replaced(function=lambda factor, numbers, seed: {})
    same_name.function.__name__ = "multiply"
    assert same_name.id == ONE.id


def test_the_seed_is_given_to_functions_that_take_one():
    CALLS.clear()
    ONE.measure()
    assert CALLS == [(3, (1, 2), 4)]
    assert replaced(function=unseeded, arguments={"number": 7}).measure() == {"number": 7}


@pytest.mark.parametrize("argument", ["name", "version"])
def test_an_argument_hides_neither_the_name_nor_the_version(argument):
    with pytest.raises(ValueError, match=f"has arguments {argument}, which name the function itself"):
        replaced(arguments={argument: 1})


# A study of both


WORDS = Words("parity", length=2)
DIFFUSION = {
    "name": "MaskedDiffusion",
    "network": {"name": "Transformer", "width": 4, "heads": 1, "layers": 1},
    "steps": {"constant": 2},
}
ANSWERING = {
    "its own": {"steps": {"constant": 2}},
    "other": {"steps": {"constant": 5}, "order": "confidence", "temperature": 0.0},
}
TRAINING = Training(*((1,), 2, 2, (1e-3,)), warmup=0, chunk=2, gate_instances=2, test_instances=200)
TRIAL = Trial("mixed", "Diffusion", "words", SERIAL, WORDS, DIFFUSION, TRAINING, 1e-3, 0, ANSWERING, (2,))
MIXED = Study(
    "mixed",
    "Experiments around a trial",
    ("C15", "C22"),
    seeds=2,
    trials=lambda seeds: [
        *(replaced(seed=seed) for seed in range(seeds)),
        TRIAL,
        replaced(row="numbers", function=unseeded, arguments={"number": 7}),
    ],
)


def meter(settings, layout, model):
    """In the place of the meter, which others test: tells which dials it was given."""
    passes = settings["steps"]["constant"]
    return passes, SimpleNamespace(work=100 * passes, span=passes * (7 if model == "layer" else 70))


class Untrained(Trainer):
    """Compiles no training, which others test: the network answers as it starts."""

    def run(self, *arguments):
        return iter(())


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """What a run told, its records, what it and a second run wrote, how often a function was called."""
    told, told_again = [], []
    CALLS.clear()
    with pytest.MonkeyPatch.context() as patch, Store(tmp_path_factory.mktemp("s") / "store.sqlite") as store:
        patch.setattr(costs, "_meter", meter)
        patch.setattr(work, "Trainer", Untrained)
        written = run(MIXED, store, observe=told.append)
        calls = len(CALLS)
        again = run(MIXED, store, observe=told_again.append)
        assert told_again == []
        return told, store.records(), (written, again), (calls, len(CALLS))


def test_a_study_of_both_runs_once_in_its_order(ran):
    _, records, written, calls = ran
    assert written == (4, 0)
    assert calls == (2, 2)
    assert [record.id for record in records] == [trial.id for trial in MIXED.trials(2)]
    assert ["experiment" in record.settings for record in records] == [True, True, False, True]


def test_a_record_of_an_experiment_is_plain(ran):
    record = ran[1][0]
    assert record.outcome == {
        "product": [3, 6],
        "on a device": [0, 1],
        "undefined": [None, None, 0.5],
        "held": True,
        "pair": [1, {"inside": None}],
    }
    assert record.settings == json.loads(canonical(MIXED.trials(2)[0].settings()))
    assert ran[1][1].outcome["on a device"] == [1, 2]


def test_a_record_of_an_experiment_says_on_what_and_under_which_rules_it_was_made(ran):
    for record in ran[1]:
        found = record.provenance
        assert {"versions", "commit", "device", "machine", "created"} <= set(found)
        assert found["rules"] == {name: digest(CLAIMS[name].fixed) for name in ("C15", "C22")}
        assert found["trials"] == 4
        assert 0 <= found["wall_s"] < 60
    assert "together" not in ran[1][0].provenance


def test_the_wall_time_is_that_of_the_function(tmp_path, monkeypatch):
    clock = iter([100.0, 107.25])
    monkeypatch.setattr(work, "time", SimpleNamespace(perf_counter=lambda: next(clock)))
    study = replace(MIXED, trials=lambda seeds: [ONE])
    with Store(tmp_path / "store.sqlite") as store:
        run(study, store)
        (record,) = store.records()
    assert record.provenance["wall_s"] == 7.25


def test_the_run_tells_of_experiments_that_they_are_measured(ran):
    told = ran[0]
    phases = {}
    for progress in told:
        phases.setdefault(progress.trial.id, []).append(progress.phase)
    first, second, trial, last = phases.values()
    assert first == second == last == ["measuring", "recorded"]
    assert trial == ["compiling", "evaluating", "recorded"]
    assert [(p.groups_done, p.groups) for p in told if p.phase == "recorded"] == [
        (n, 4) for n in (1, 2, 3, 4)
    ]
    assert all(p.replicas == 1 for p in told)


def test_a_killed_run_goes_on_where_it_stopped(tmp_path):
    class Killed(BaseException):
        pass

    def kill(progress):
        if progress.groups_done == 1:
            raise Killed

    seeds = replace(MIXED, trials=lambda seeds: [replaced(seed=seed) for seed in range(seeds)])
    with Store(tmp_path / "store.sqlite") as store:
        with pytest.raises(Killed):
            run(seeds, store, observe=kill)
        assert len(store) == 1
        CALLS.clear()
        assert run(seeds, store, seeds=3) == 2
        assert [seed for *_, seed in CALLS] == [1, 2]
        assert [record.settings["seed"] for record in store.records()] == [0, 1, 2]


def test_an_experiment_that_raises_is_heard_and_leaves_what_was_written(tmp_path):
    broken = replaced(row="broken", function=fail, arguments={"message": "no result"}, seed=9)
    study = replace(MIXED, trials=lambda seeds: [ONE, broken, replaced(row="later")])
    path = tmp_path / "store.sqlite"
    told = []
    with Store(path) as store, pytest.raises(ArithmeticError, match="no result of seed 9"):
        run(study, store, observe=told.append)
    assert [(p.phase, p.trial.row) for p in told][-1] == ("measuring", "broken")
    with Store.open_read(path) as store:
        assert [record.id for record in store.records()] == [ONE.id]
    # It is not taken for done: mended under the same settings, the same command goes on.
    mended = replace(broken, function=lambda message: {"message": message})
    mended.function.__name__ = "fail"
    study = replace(study, trials=lambda seeds: [ONE, mended, replaced(row="later")])
    with Store(path) as store:
        assert run(study, store) == 2
        assert [record.outcome.get("message") for record in store.records()] == [None, "no result", None]


def test_an_outcome_that_json_cannot_hold_is_refused_and_nothing_of_it_kept(tmp_path):
    odd = replaced(function=unseeded, arguments={"number": 1})
    strange = replace(odd, function=lambda number: {"number": {number}})
    with Store(tmp_path / "store.sqlite") as store:
        with pytest.raises(ValueError, match="plain JSON only"):
            run(replace(MIXED, trials=lambda seeds: [odd, strange]), store)
        assert [record.outcome for record in store.records()] == [{"number": 1}]


def test_on_an_accelerator_experiments_are_still_run_one_by_one(monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert [len(group) for group in groups(MIXED, 3)] == [1] * 5


# What a reader sees


class Clock:
    now = 0.0

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(watch, "time", clock)
    return clock


def watching(*, live):
    console = Console(file=(text := io.StringIO()), width=100, force_terminal=live, color_system=None)
    return watch.Watch(console, groups(MIXED, 2), (), live=live), text


def screen(shown):
    console = Console(file=(text := io.StringIO()), width=100, color_system=None)
    console.print(shown)
    return text.getvalue()


def test_off_a_terminal_an_experiment_has_a_line_at_its_beginning_and_one_at_its_end(clock):
    shown, text = watching(live=False)
    begin = Progress(0, 4, groups(MIXED, 2)[0][0], "measuring", replicas=1)
    with shown:
        shown(begin)
        clock.now = 12.5
        shown(replace(begin, phase="recorded", groups_done=1))
    assert text.getvalue().splitlines() == [
        "[1/4] products on numbers, serial, seed 0: measuring",
        "[1/4] products on numbers, serial, seed 0: measured; 12.5 s; about 40 s left",
    ]
    assert not re.search(r"[\x00-\x09\x0b-\x1f]", text.getvalue())


def test_the_last_line_says_nothing_of_time_left(clock):
    shown, text = watching(live=False)
    with shown:
        for number, (trial,) in enumerate(groups(MIXED, 2)):
            shown(begin := Progress(number, 4, trial, "measuring", replicas=1))
            clock.now += 1.0
            shown(replace(begin, phase="recorded", groups_done=number + 1))
    assert text.getvalue().splitlines()[-1] == "[4/4] numbers on numbers, serial, seed 4: measured; 1.0 s"


def test_on_a_terminal_the_screen_says_that_an_experiment_is_measured_and_for_how_long(clock):
    shown, text = watching(live=True)
    begin = Progress(1, 4, groups(MIXED, 2)[1][0], "measuring", replicas=1)
    with shown:
        shown(begin)
        clock.now = 65.0
        said = screen(shown)
        assert "[2/4] products on numbers, serial, seed 1: measuring, 1:05" in said
        assert "0 of 4 trials · 1:05 · time left not known yet" in said
        assert "loss" not in said
        assert "step" not in said
        shown(replace(begin, phase="recorded", groups_done=2))
        assert "1 of 4 trials" in screen(shown)
    assert "measured; 65.0 s" in text.getvalue()
    assert "\x1b" in text.getvalue()


def test_what_a_whole_run_tells_can_be_shown(ran):
    shown, text = watching(live=False)
    with shown:
        for progress in ran[0]:
            shown(progress)
            assert screen(shown).strip()
    lines = text.getvalue().splitlines()
    assert len(lines) == 8
    assert [": measured;" in line for line in lines] == [False, True] * 2 + [False, False, False, True]


# One training, several answers


@pytest.fixture(scope="module")
def answered(ran):
    """The record of the trial that answers under other dials too."""
    return ran[1][2]


def test_the_variant_of_the_trained_dials_answers_as_the_solver_itself(answered):
    found = answered.outcome["answering"]
    assert set(found) == set(ANSWERING)
    assert answered.outcome["depths"] == [1, 2]
    ours = answered.outcome["test"]["successes"][1]
    assert found["its own"]["test"]["successes"] == [ours]
    # The twin: other dials answer otherwise, so counts are not equal by default.
    assert found["other"]["test"]["successes"] != [ours]
    assert all((each["depths"], each["test"]["tries"]) == ([2], [200]) for each in found.values())


def test_what_a_variant_spends_is_what_its_own_dials_spend(answered):
    found = answered.outcome["answering"]
    for passes, each in ((2, answered.outcome), (2, found["its own"]), (5, found["other"])):
        assert each["passes"] == passes
        assert each["cost"]["layer"] == {"work": 100 * passes, "span": 7 * passes}
        assert each["cost"]["unit"]["span"] == 70 * passes


def test_settings_name_the_variants_only_where_there_are_some(answered):
    plain = replace(TRIAL, answering={})
    assert "answering" not in plain.settings()
    assert plain.id == digest({name: v for name, v in TRIAL.settings().items() if name != "answering"})
    assert answered.settings["answering"]["solvers"] == {
        name: json.loads(canonical(resolved({**DIFFUSION, **dials}))) for name, dials in ANSWERING.items()
    }
    assert answered.settings["answering"]["asked_at"] == [2]
    assert "asked_at" not in plain.settings()
    other = replace(TRIAL, answering={**ANSWERING, "other": {"steps": {"constant": 6}}})
    assert len({each.program for each in (TRIAL, plain, other)}) == 3
    assert replace(TRIAL, seed=1).program == TRIAL.program


@pytest.mark.parametrize("name", ["table1", "pairs"])
def test_trials_that_answer_one_way_have_the_ids_of_the_published_records(name):
    """Those were made before trials could answer otherwise."""
    with Store.open_read(RESULTS / f"{name}.sqlite") as store:
        published = store.ids(name)
    trials = STUDIES[name].trials(1)
    assert {trials[0].id, trials[-1].id} <= published
    assert replace(trials[0], answering=ANSWERING).id not in published
