"""Executors under real faults: workers, drivers and a cluster are killed, and every trial has one record.

The trials are functions of a module that the tests write, because workers import what they run.
"""

import os
import re
import signal
import socket
import subprocess
import sys
import textwrap
import time
import types
import warnings
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from seriality import cli, studies
from seriality.store import Store
from seriality.studies.sleeping import sleeping
from seriality.study import (
    SERIAL,
    ExecutorError,
    Experiment,
    Study,
    Training,
    Trial,
    TrialError,
    executors,
    run,
)
from seriality.study.executors import Processes, Ray
from seriality.tasks import Words

POSIX = pytest.mark.skipif(os.name != "posix", reason="signals, turns and affinity as POSIX has them")
pytestmark = POSIX
SOON_S = 150.0
"""More than anything waited for here takes on a busy machine."""

KILLED = "^its process was killed by SIGKILL$|^its actor is dead because its worker process has died$"

MLP = {"name": "SinglePass", "network": {"name": "MLP", "width": 4, "layers": 1, "features": 2}}
TRAINING = Training(stages=(1,), steps=4, chunk=2, warmup=0, batch=4, gate_instances=4, test_instances=4)
TINY = Study(
    "tiny",
    "",
    (),
    1,
    lambda seeds: [
        Trial("tiny", "MLP", "words", SERIAL, Words("parity", length=1), MLP, TRAINING, 1e-3, seed)
        for seed in range(seeds)
    ],
)

MODULE = '''
import os, signal, time
from pathlib import Path


def square(number, seed):
    return {"square": number**2 + seed, "nothing": float("nan")}


def where(number, seconds, seed):
    time.sleep(seconds)
    return {"pid": os.getpid()}


def kills(number, folder, often):
    """Kills its worker the first times; every try leaves a letter."""
    tries = Path(folder) / str(number)
    with tries.open("a") as file:
        file.write("x")
    if tries.stat().st_size <= often:
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(0.05)
    return {"number": number}


def raises(number):
    if number == 2:
        raise ArithmeticError("two is\\n  refused")
    return {"number": number}


def lingers(number, folder):
    """Leaves the id of its process, and ends when it is allowed to."""
    (Path(folder) / f"{number}-{os.getpid()}").touch()
    while not (Path(folder) / "go").exists():
        time.sleep(0.02)
    return {"number": number}


def cannot_be_sent(number):
    return {"number": open(os.devnull)}
'''


@pytest.fixture(scope="module")
def faulty(tmp_path_factory):
    """The module of functions, where workers find it too."""
    folder = tmp_path_factory.mktemp("modules")
    (folder / "faulty_trials.py").write_text(MODULE)
    sys.path.insert(0, str(folder))
    import faulty_trials

    yield faulty_trials
    sys.path.remove(str(folder))


@pytest.fixture(scope="module")
def cluster(faulty):
    """A Ray cluster on this machine with room for two workers, made as the executor makes it."""
    ray = pytest.importorskip("ray")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=FutureWarning, module="ray")
        Ray(workers=2)._connect(ray)
    yield ray
    ray.shutdown()


@pytest.fixture(params=["processes", "ray"])
def two(request):
    """Two workers."""
    if request.param == "ray":
        request.getfixturevalue("cluster")
    return {"processes": Processes, "ray": Ray}[request.param](workers=2)


def study_of(function, *arguments, seeds=1):
    """A study of one experiment for each of the arguments and seeds."""

    def trials(seeds):
        return [
            Experiment("faults", "row", "family", SERIAL, function, each, seed=seed)
            for each in arguments
            for seed in range(seeds)
        ]

    return Study("faults", "", (), seeds, trials)


def said(records):
    return sorted((each.id, each.settings, each.outcome) for each in records)


def wait_for(what):
    """Whatever `what` gives when it gives something."""
    end = time.monotonic() + SOON_S
    while not (found := what()):
        assert time.monotonic() < end
        time.sleep(0.02)
    return found


def alive(pid):
    """Whether a process still runs; one that ended and that nobody asked after does not."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


# What is computed where


def test_the_records_do_not_depend_on_where_they_are_made(faulty, cluster, tmp_path):
    study = study_of(faulty.square, {"number": 3}, {"number": 4}, {"number": 5}, seeds=2)
    made, told = [], set()
    for name, executor in (("local", executors.Local()), ("processes", Processes(2)), ("ray", Ray(2))):
        with Store(tmp_path / name) as store:
            assert run(study, store, executor=executor) == 6
            records = store.records()
        made.append(said(records))
        told |= {(name, record.provenance.get("executor")) for record in records}
    assert made[0] == made[1] == made[2]
    assert [outcome["square"] for _, settings, outcome in made[0]] == [
        settings["experiment"]["number"] ** 2 + settings["seed"] for _, settings, _ in made[0]
    ]
    assert told == {("local", None), ("processes", "processes"), ("ray", "ray")}


def test_a_training_in_another_process_is_the_same_training(tmp_path):
    """Of four steps: rounding by another number of threads has no time to grow."""
    made, phases = [], []
    for executor in (None, Processes(1)):
        told = []
        with Store(tmp_path / f"{executor}") as store:
            assert run(TINY, store, executor=executor, observe=told.append) == 1
            made.append(said(store.records()))
        phases.append([progress.phase for progress in told])
    assert made[0] == made[1]
    assert phases[1] == ["waiting", *phases[0]]


def test_two_workers_begin_with_programs_of_their_own_and_stay_at_them(faulty, tmp_path):
    """A worker leaves a program when none of its jobs is left: it is compiled as rarely as can be."""
    arguments = [{"number": number, "seconds": 0.02} for number in range(3)]
    given = []

    def observe(progress):
        if progress.phase == "waiting":
            given.append((progress.worker, progress.trial.arguments["number"]))

    with Store(tmp_path / "store") as store:
        assert run(study_of(faulty.where, *arguments, seeds=4), store, executor=Processes(2), observe=observe)
    assert given[:2] == [(0, 0), (1, 1)]
    assert sorted(number for _, number in given) == [0] * 4 + [1] * 4 + [2] * 4
    at = {}
    for place, (worker, number) in enumerate(given):
        if at.get(worker, number) != number:
            assert at[worker] not in [other for _, other in given[place:]]
        at[worker] = number


def test_two_workers_share_the_jobs_of_one_program(faulty, tmp_path):
    study = study_of(faulty.where, {"number": 0, "seconds": 0.0}, seeds=2)
    with Store(tmp_path / "store") as store:
        assert run(study, store, executor=Processes(2)) == 2
        pids = {record.outcome["pid"] for record in store.records()}
    assert len(pids) == 2
    assert os.getpid() not in pids


# Workers that die


def test_what_a_killed_worker_had_is_run_again(faulty, two, tmp_path):
    arguments = [
        {"number": number, "folder": str(tmp_path), "often": 1 if number == 1 else 0} for number in range(4)
    ]
    told = []
    with Store(tmp_path / "store") as store:
        assert run(study_of(faulty.kills, *arguments), store, executor=two, observe=told.append) == 4
        records = store.records()
        assert not store.failed("faults")
    assert sorted(record.outcome["number"] for record in records) == [0, 1, 2, 3]
    assert [len((tmp_path / str(number)).read_text()) for number in range(4)] == [1, 2, 1, 1]
    lost = [progress for progress in told if progress.phase == "lost"]
    assert [progress.trial.arguments["number"] for progress in lost] == [1]
    assert re.search(KILLED, lost[0].reason)


def test_a_trial_that_always_kills_its_worker_is_given_up_and_may_be_asked_for(faulty, two, tmp_path):
    arguments = [
        {"number": number, "folder": str(tmp_path), "often": 2 if number == 1 else 0} for number in range(3)
    ]
    study, told = study_of(faulty.kills, *arguments), []

    def numbers(records):
        return sorted(each.outcome["number"] for each in records if "failed" not in each.settings)

    with Store(tmp_path / "store") as store:
        assert run(study, store, executor=two, retries=1, observe=told.append) == 2
        trial = study.trials(1)[1]
        assert store.failed("faults") == {trial.id}
        failure = next(record for record in store.records() if "failed" in record.settings)
        assert failure.settings["attempts"] == 2 == len((tmp_path / "1").read_text())
        assert failure.settings["trial"] == trial.settings()
        assert re.search(KILLED, failure.outcome["reason"])
        assert numbers(store.records()) == [0, 2]
        assert [progress.phase for progress in told if progress.phase in ("lost", "failed")] == [
            "lost",
            "failed",
        ]

        assert run(study, store, executor=two) == 0
        assert len((tmp_path / "1").read_text()) == 2
        assert run(study, store, executor=two, retry_failed=True) == 1
        assert numbers(store.records()) == [0, 1, 2]
        assert not store.failed("faults")
        assert run(study, store, executor=two) == 0


def test_a_trial_that_raises_stops_the_run_in_one_line(faulty, two, tmp_path):
    study = study_of(faulty.raises, *({"number": number} for number in range(9)))
    with Store(tmp_path / "store") as store:
        with pytest.raises(TrialError) as caught:
            run(study, store, executor=two)
        numbers = {record.outcome["number"] for record in store.records()}
    assert str(caught.value) == "row on family, serial, seed 0: ArithmeticError: two is refused"
    assert "faulty_trials.py" in caught.value.__notes__[0]
    assert numbers & {0, 1}
    assert numbers <= set(range(9)) - {2}


@pytest.mark.parametrize("how", ["function", "outcome"])
def test_what_cannot_be_sent_is_told_and_not_tried_again(how, faulty, tmp_path):
    function = (lambda number: {"number": number}) if how == "function" else faulty.cannot_be_sent
    with Store(tmp_path / "store") as store:
        with pytest.raises(TrialError, match="pickle"):
            run(study_of(function, {"number": 1}), store, executor=Processes(1))
        assert not len(store)


def test_what_workers_cannot_import_is_told_and_no_failure_of_the_trials(two, tmp_path, monkeypatch):
    """Each trial of such a study would lose its worker: recorded as failed, all of it would be left alone."""
    nowhere = types.ModuleType("a_module_of_the_driver_alone")
    exec("def plain(number):\n    return {'number': number}", nowhere.__dict__)
    nowhere.plain.__module__ = nowhere.__name__
    monkeypatch.setitem(sys.modules, nowhere.__name__, nowhere)
    told = []
    with Store(tmp_path / "store") as store:
        with pytest.raises(
            (ExecutorError, TrialError), match=f"No module named '{nowhere.__name__}'"
        ) as error:
            run(study_of(nowhere.plain, {"number": 1}), store, executor=two, observe=told.append)
        assert "\n" not in str(error.value)
        assert not len(store)
    assert "lost" not in [each.phase for each in told]


@pytest.mark.parametrize("name", ["OutOfMemoryError", "ObjectLostError", "OwnerDiedError"])
def test_memory_and_records_that_are_lost_with_a_node_cost_a_try_and_not_the_run(name):
    """Ray says so of a worker that its monitor of memory killed, and of records whose node died before they
    were fetched; here in its place, because neither can be had at will."""
    errors = pytest.importorskip("ray").exceptions
    arguments = () if name == "OutOfMemoryError" else ("0" * 56, None, "")

    def get(future):
        raise getattr(errors, name)(*(arguments or ("too much",)))

    ray = types.SimpleNamespace(exceptions=errors, get=get, kill=lambda actor: None)
    actors = executors._Actors(ray, 1, Ray(workers=1), {}, lambda worker, **now: None)
    actors.actors[0] = actors.jobs[0] = (None, None)
    end = actors._end(0, None)
    assert (end.worker, end.records) == (0, None)
    assert not actors.actors


def test_a_script_that_is_run_again_in_its_workers_is_told(tmp_path):
    """Nothing is recorded as failed: it is not the trials that are at fault."""
    script = tmp_path / "script.py"
    script.write_text(
        textwrap.dedent(
            f"""
            from seriality.store import Store
            from seriality.study import run
            from seriality.study.executors import Processes
            from seriality.studies.sleeping import sleeping
            with Store({str(tmp_path / "store")!r}) as store:
                run(sleeping(2, 0.01), store, executor=Processes(1))
            """
        )
    )
    ended = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=SOON_S)
    assert ended.returncode == 1
    assert 'if __name__ == "__main__"' in ended.stderr.splitlines()[-1]
    with Store.open_read(tmp_path / "store") as store:
        assert not len(store)


# Drivers that die

DRIVER = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from seriality import studies
from seriality.study import SERIAL, Experiment, Study
from seriality.cli import main

def trials(seeds):
    import faulty_trials
    return [
        Experiment(
            "sleeping", "row", "family", SERIAL, faulty_trials.lingers, {"number": n, "folder": FOLDER}
        )
        for n in range(6)
    ]

FOLDER = sys.argv.pop(1)
studies.STUDIES = {"sleeping": Study("sleeping", "", (), 1, trials)}
main()
"""


@pytest.fixture
def start(faulty, tmp_path):
    """`start(executor)`: the command on a study of six trials that wait for the file "go"."""
    started = []
    paths = [str(Path(faulty.__file__).parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    quick = {
        "RAY_health_check_initial_delay_ms": "0",
        "RAY_health_check_period_ms": "300",
        "RAY_health_check_timeout_ms": "300",
        "RAY_health_check_failure_threshold": "2",
    }
    here = {"PYTHONPATH": os.pathsep.join(paths), "SERIALITY_CACHE": ""}
    (tmp_path / "marks").mkdir()

    def begin(executor):
        options = ("--executor", executor, "--workers", "2", "--store", str(tmp_path / "store"))
        process = subprocess.Popen(
            [sys.executable, "-c", DRIVER, str(tmp_path / "marks"), "run", "sleeping", *options],
            env=os.environ | quick | here,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        started.append(process)
        return process

    yield begin
    for process in started:
        if process.poll() is None:
            process.kill()
            process.communicate()


def computing(tmp_path, count=2):
    """The numbers and processes of the trials that have begun, once they are so many."""
    marks = tmp_path / "marks"
    found = wait_for(lambda: len(names := [each.name for each in marks.iterdir()]) >= count and names)
    return [tuple(map(int, name.split("-"))) for name in found if name != "go"]


def numbers_in(path):
    with Store.open_read(path) as store:
        return sorted(record.outcome["number"] for record in store.records())


@pytest.mark.parametrize("executor", ["processes", "ray"])
def test_the_workers_of_a_killed_driver_end_and_the_same_command_finishes(executor, start, tmp_path):
    if executor == "ray":
        pytest.importorskip("ray")
    driver = start(executor)
    pids = {pid for _, pid in computing(tmp_path)}
    assert len(pids) == 2
    assert all(map(alive, pids))
    driver.kill()
    driver.communicate()
    wait_for(lambda: not any(map(alive, pids)))
    (tmp_path / "marks" / "go").touch()
    again = start("processes")
    _, err = again.communicate(timeout=SOON_S)
    assert again.returncode == 0, err
    assert numbers_in(tmp_path / "store") == list(range(6))


def test_ctrl_c_leaves_no_process_behind(start, tmp_path):
    driver = start("processes")
    pids = {pid for _, pid in computing(tmp_path)}
    os.killpg(driver.pid, signal.SIGINT)  # as a terminal does: the driver and all that it started
    _, err = driver.communicate(timeout=SOON_S)
    assert driver.returncode == 130
    assert "Traceback" not in err
    assert "go on with" in err.splitlines()[-1]
    wait_for(lambda: not any(map(alive, pids)))


def test_two_drivers_at_one_store_divide_the_trials(start, tmp_path):
    drivers = [start("processes"), start("processes")]
    begun = computing(tmp_path, count=4)
    assert len({number for number, _ in begun}) == len({pid for _, pid in begun}) == 4
    (tmp_path / "marks" / "go").touch()
    for driver in drivers:
        _, err = driver.communicate(timeout=SOON_S)
        assert driver.returncode == 0, err
    assert numbers_in(tmp_path / "store") == list(range(6))
    every = [each.name for each in (tmp_path / "marks").iterdir() if each.name != "go"]
    assert sorted(int(name.partition("-")[0]) for name in every) == list(range(6))  # none was run twice


def test_a_run_whose_cluster_dies_ends_with_a_line_and_goes_on_elsewhere(start, tmp_path):
    """Ray tells the death of a raylet by missing signs of life, here after a second, else after some fifteen;
    till then its actors still answer. The driver survives. The raylet's log that is printed is Ray's own."""
    pytest.importorskip("ray")
    driver = start("ray")
    pids = {pid for _, pid in computing(tmp_path)}
    raylets = wait_for(lambda: children(driver.pid, "raylet"))
    os.kill(raylets[0], signal.SIGKILL)
    _, err = driver.communicate(timeout=SOON_S)
    assert driver.returncode == 1
    assert re.search("^seriality: no node of the Ray cluster is left; finished trials are kept$", err, re.M)
    assert "Traceback" not in err
    wait_for(lambda: not any(map(alive, pids)))
    (tmp_path / "marks" / "go").touch()
    again = start("processes")
    assert again.communicate(timeout=SOON_S)[1]
    assert again.returncode == 0
    assert numbers_in(tmp_path / "store") == list(range(6))


def children(pid, name):
    """The processes of this name that a process started."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            before, _, after = stat.read_text().rpartition(")")
            if before.endswith(f"({name}") and int(after.split()[1]) == pid:
                found.append(int(stat.parent.name))
    return found


# Clusters that cannot be had


def test_without_ray_the_line_says_how_to_install_it(faulty, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with Store(tmp_path / "store") as store, pytest.raises(ExecutorError) as caught:
        run(study_of(faulty.raises, {"number": 1}), store, executor=Ray())
    assert "pip install 'seriality[ray]'" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_cluster_without_room_is_told(faulty, cluster, tmp_path):
    with Store(tmp_path / "store") as store, pytest.raises(ExecutorError, match="2 cores and 0 GPUs"):
        run(study_of(faulty.raises, {"number": 1}), store, executor=Ray(gpus_per_trial=1))


@pytest.fixture
def taken(cluster):
    """`taken(cores)`: someone else takes so many cores of the cluster."""
    others = []

    def take(cores):
        others.append(cluster.remote(num_cpus=cores)(Other).remote())
        cluster.get(others[-1].there.remote())

    yield take
    for other in others:
        cluster.kill(other)
    wait_for(lambda: cluster.available_resources().get("CPU") == 2)


class Other:
    """Whatever else runs on a cluster."""

    def there(self):
        return True


def test_a_worker_that_is_idle_makes_room_for_one_that_waits(faulty, taken, tmp_path):
    """As when a node is lost: of two workers one finds room, and the other has a job already."""
    taken(1)
    study = study_of(faulty.where, {"number": 0, "seconds": 0.0}, seeds=2)
    with Store(tmp_path / "store") as store:
        assert run(study, store, executor=Ray(workers=2)) == 2
        assert len({record.outcome["pid"] for record in store.records()}) == 2


def test_workers_that_find_no_room_are_not_waited_for_without_end(faulty, taken, tmp_path, monkeypatch):
    taken(2)
    monkeypatch.setattr(executors, "START_S", 0.5)
    with Store(tmp_path / "store") as store:
        with pytest.raises(ExecutorError, match=r"0 cores and 0 GPUs of the cluster are free, one needs 1"):
            run(study_of(faulty.square, {"number": 0}), store, executor=Ray(workers=2))
        assert not len(store)


def invoke(*arguments):
    """(exit code, standard error) of a command of one line."""
    result = CliRunner().invoke(cli.app, ["run", *map(str, arguments)])
    assert result.exception is None or isinstance(result.exception, SystemExit)
    assert result.stderr.count("\n") == 1
    return result.exit_code, result.stderr


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--executor", "process"), ("nearest: processes", "valid: local, processes, ray")),
        (
            ("--workers", -1, "--retries", -2, "--gpus-per-trial", -1, "--address", "a:1"),
            (
                "--workers is -1",
                "--retries is -2",
                "--gpus-per-trial is -1",
                "--address is for --executor ray",
            ),
        ),
        (("--workers", 2), ("--workers is for --executor processes or ray",)),
        (
            ("--executor", "processes", "--gpus-per-trial", 65),
            ("is 65, allowed is 0 to 64", "--gpus-per-trial is for --executor ray"),
        ),
        (("--executor", "ray", "--gpus-per-trial", "nan"), ("is nan, allowed is 0 to 64",)),
    ],
)
def test_a_bad_option_is_told_with_all_others_that_are(options, said, tmp_path):
    code, err = invoke("sleeping", "--store", tmp_path / "store", *options)
    assert code == 2
    assert all(part in err for part in said), err
    assert not list(tmp_path.iterdir())


def test_a_hyphen_in_the_name_of_a_study_is_allowed(tmp_path, monkeypatch):
    named = replace(sleeping(1, 0.0), name="exchange_rate")
    monkeypatch.setattr(studies, "STUDIES", {"exchange_rate": named})
    monkeypatch.setattr(cli, "_use_device", lambda device: None)
    result = CliRunner().invoke(cli.app, ["run", "exchange-rate", "--store", str(tmp_path / "store")])
    assert "exchange_rate: 0 of 1 trials" in result.stderr


def test_an_address_where_nobody_answers_is_told(tmp_path):
    pytest.importorskip("ray")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
        store = tmp_path / "store"
        result = CliRunner().invoke(
            cli.app, ["run", "sleeping", "--executor", "ray", "--address", address, "--store", str(store)]
        )
    assert result.exit_code == 1
    last = result.stderr.splitlines()[-1]
    assert last.startswith(f"seriality: --address {address}: nobody answers there (")
    assert "ray start --head" in last
