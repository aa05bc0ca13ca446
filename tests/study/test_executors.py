"""Executors: the same records wherever trials are computed, and one of each whatever is killed.

Workers, drivers and a Ray node are really killed. The functions that are run are in a module that is written
for these tests, since workers import what they run.
"""

import os
import signal
import subprocess
import sys
import textwrap
import time
import warnings
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from seriality.store import Store
from seriality.studies import STUDIES
from seriality.study import SERIAL, ExecutorError, Experiment, Study, TrialError, run
from seriality.study import executors as module
from seriality.study.executors import EXECUTORS, Local, Processes, Ray

FUNCTIONS = '''
import os, signal, time
from pathlib import Path

def work(number, folder, seconds=0.0):
    """Leaves a line for every time it is computed; says where."""
    with open(Path(folder) / f"{number}", "a") as file:
        file.write(f"{os.getpid()}\\n")
    time.sleep(seconds)
    return {"square": number * number}

def die_first(number, folder):
    """Takes its worker with it the first time."""
    marker = Path(folder) / f"died {number}"
    if not marker.exists():
        marker.write_text("")
        os.kill(os.getpid(), signal.SIGKILL)
    return {"square": number * number}

def die(number, folder):
    if not (Path(folder) / "mended").exists():
        os.kill(os.getpid(), signal.SIGKILL)
    return {"square": number * number}

def fail(number, folder):
    raise ValueError(f"no such\\nnumber: {number}")
'''


@pytest.fixture
def functions(tmp_path, monkeypatch):
    """The functions, importable here and in every worker."""
    name = f"worked_{os.getpid()}_{abs(hash(tmp_path))}"
    (tmp_path / f"{name}.py").write_text(FUNCTIONS)
    monkeypatch.syspath_prepend(str(tmp_path))
    return __import__(name)


def study(function, count, folder, *, rows=("row",), **arguments):
    """So many experiments, of each row one after the other."""
    every = [
        Experiment(
            "numbers", row, "numbers", SERIAL, function, {"number": n, "folder": str(folder), **arguments}
        )
        for row in rows
        for n in range(count)
    ]
    return Study("numbers", "Numbers", (), 1, lambda seeds: every)


def done(folder):
    """How often each number was computed."""
    return Counter(
        {each.name: len(each.read_text().split()) for each in Path(folder).iterdir() if each.name.isdigit()}
    )


@pytest.fixture
def folder(tmp_path):
    place = tmp_path / "done"
    place.mkdir()
    return place


@pytest.fixture
def store(tmp_path):
    with Store(tmp_path / "store.sqlite") as opened:
        yield opened


def once_each(store, count):
    """Every trial of a study of numbers has one record, and it is right."""
    results = [each for each in store.records() if "failed" not in each.settings]
    numbers = [each.settings["experiment"]["number"] for each in results]
    assert sorted(numbers) == list(range(count))
    return all(each.outcome == {"square": n * n} for n, each in zip(numbers, results, strict=True))


# Processes


def test_processes_make_the_records_of_one_process(functions, folder, tmp_path):
    numbers, found = study(functions.work, 6, folder), {}
    for name, executor in (("local", Local()), ("processes", Processes(2))):
        with Store(tmp_path / f"{name}.sqlite") as store:
            assert run(numbers, store, executor=executor) == 6
            assert run(numbers, store, executor=executor) == 0
            found[name] = sorted(store.records(), key=lambda record: record.id)
    local, processes = found["local"], found["processes"]
    assert [(r.id, r.settings, r.outcome) for r in local] == [
        (r.id, r.settings, r.outcome) for r in processes
    ]
    assert {r.provenance["executor"] for r in processes} == {"processes"}
    assert all(r.provenance["commit"] == local[0].provenance["commit"] for r in processes)
    assert set(done(folder).values()) == {2}


def test_a_training_is_the_same_in_a_process(tmp_path):
    outcomes = []
    tiny = Study("tiny", "One training", (), 1, lambda seeds: STUDIES["miniature"].trials(1)[:1])
    for name, executor in (("local", Local()), ("processes", Processes(1))):
        with Store(tmp_path / f"{name}.sqlite") as store:
            assert run(tiny, store, executor=executor) == 1
            outcomes.append([(each.id, each.outcome) for each in store.records()])
    assert sorted(outcomes[0], key=str) == sorted(outcomes[1], key=str)


def test_a_killed_worker_costs_its_own_trial_which_is_run_again(functions, folder, store):
    told = []
    assert run(study(functions.die_first, 4, folder), store, executor=Processes(2), observe=told.append) == 4
    assert once_each(store, 4)
    lost = [each for each in told if each.phase == "lost"]
    assert [each.reason for each in lost] == ["its process was killed by SIGKILL"] * 4
    assert not store.failed("numbers")


def test_what_loses_its_worker_each_time_is_recorded_as_failed_and_left_alone(functions, folder, store):
    numbers = Study(
        "numbers", "Numbers", (), 1,
        lambda seeds: [
            *study(functions.work, 3, folder).trials(1),
            replace(study(functions.die, 4, folder).trials(1)[3], row="bad"),
        ],
    )  # fmt: skip
    bad, told = numbers.trials(1)[-1], []
    assert run(numbers, store, executor=Processes(2), retries=1, observe=told.append) == 3
    assert [each.phase for each in told if each.phase in ("lost", "failed")] == ["lost", "failed"]
    assert store.failed("numbers") == {bad.id}
    (failure,) = [each for each in store.records() if "failed" in each.settings]
    assert failure.settings["attempts"] == 2
    assert failure.settings["trial"] == bad.settings()
    assert "SIGKILL" in failure.outcome["reason"]
    assert run(numbers, store, executor=Processes(2)) == 0  # left alone
    (folder / "mended").write_text("")
    assert run(numbers, store, executor=Processes(1), retry_failed=True) == 1
    assert not store.failed("numbers")
    assert once_each(store, 4)


def test_a_trials_own_error_stops_the_run_in_one_line(functions, folder, store):
    numbers = Study(
        "numbers", "Numbers", (), 1,
        lambda seeds: [
            *study(functions.work, 2, folder).trials(1),
            *study(functions.fail, 1, folder, rows=("bad",)).trials(1),
        ],
    )  # fmt: skip
    with pytest.raises(TrialError) as raised:
        run(numbers, store, executor=Processes(1))
    assert str(raised.value) == "bad on numbers, serial, seed 0: ValueError: no such number: 0"
    assert "in fail" in raised.value.__notes__[0]
    assert len(store) == 2


def not_importable(number, folder):
    """In a module that workers cannot import."""
    return {"square": number * number}


def test_what_a_worker_cannot_import_is_told_and_no_failure_of_the_trial(folder, store):
    with pytest.raises(TrialError, match=r"row on numbers, serial, seed 0: ModuleNotFoundError"):
        run(study(not_importable, 2, folder), store, executor=Processes(1))
    assert len(store) == 0


def test_workers_take_different_programs_first(functions, folder, store):
    """Experiments that differ in more than their seed are different programs: here each row's number."""
    every = [
        Experiment(
            "numbers", row, "numbers", SERIAL, functions.work,
            {"number": 0, "folder": str(folder), "seconds": 0.05}, seed=seed,
        )
        for row in ("one", "two")
        for seed in range(4)
    ]  # fmt: skip
    told = []
    run(Study("numbers", "", (), 1, lambda seeds: every), store, executor=Processes(2), observe=told.append)
    begun = [(each.worker, each.trial.row) for each in told if each.phase == "measuring"]
    assert dict(reversed(begun)) == {0: "one", 1: "two"}  # the first of each
    assert len(set(begun)) <= 3  # one worker may help the other at the end


def test_two_drivers_at_one_store_compute_everything_once(functions, folder, tmp_path):
    script = textwrap.dedent(f"""
        import sys
        sys.path.insert(0, {str(tmp_path)!r})
        sys.path.insert(0, {str(Path(__file__).parent)!r})
        import {functions.__name__} as functions
        from seriality.store import Store
        from seriality.study import SERIAL, Experiment, Study, run
        from seriality.study.executors import Processes
        if __name__ == "__main__":
            every = [
                Experiment("numbers", "row", "numbers", SERIAL, functions.work,
                           {{"number": n, "folder": {str(folder)!r}, "seconds": 0.05}})
                for n in range(20)
            ]
            with Store({str(tmp_path / "store.sqlite")!r}) as store:
                run(Study("numbers", "", (), 1, lambda seeds: every), store, executor=Processes(1))
    """)
    (tmp_path / "driver.py").write_text(script)
    drivers = [subprocess.Popen([sys.executable, tmp_path / "driver.py"]) for _ in range(2)]
    assert [driver.wait(120) for driver in drivers] == [0, 0]
    with Store.open_read(tmp_path / "store.sqlite") as store:
        assert once_each(store, 20)
    assert set(done(folder).values()) == {1}


# The driver

# With signals of its own: a job that a shell put aside would ignore SIGINT.
SCRIPT = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
SCRIPT += "from seriality.cli import main; main()"
SERIALITY = [sys.executable, "-c", SCRIPT]


def alive(pid):
    """Whether a process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def wait_for(count, driver):
    """Until so many trials are measured."""
    seen = 0
    for line in driver.stderr:
        seen += "measured" in line
        if seen == count:
            return


def workers_of(pid):
    found = []
    for each in Path("/proc").iterdir():
        if each.name.isdigit():
            try:
                parent = int((each / "stat").read_text().rsplit(")", 1)[1].split()[1])
            except (OSError, IndexError):
                continue
            if parent == pid:
                found.append(int(each.name))
    return found


@pytest.mark.skipif(not Path("/proc").exists(), reason="processes are looked up in /proc")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_when_the_driver_is_gone_its_workers_end_and_the_same_command_goes_on(how, tmp_path):
    path = tmp_path / "store.sqlite"
    command = [*SERIALITY, "run", "sleeping"]
    command += ["--store", str(path), "--executor", "processes", "--workers", "2"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as driver:
        wait_for(10, driver)
        workers = workers_of(driver.pid)
        assert len(workers) >= 2
        driver.send_signal(how)
        said = driver.stderr.read()
        code = driver.wait(20)
    assert code == (130 if how == signal.SIGINT else -how)
    if how == signal.SIGINT:
        assert "finished trials are kept" in said
    deadline = time.monotonic() + 15
    while any(map(alive, workers)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not any(map(alive, workers))
    with Store.open_read(path) as store:
        kept = store.ids()
    assert 10 <= len(kept) < 100
    again = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert again.returncode == 0, again.stderr
    with Store.open_read(path) as store:
        assert len(store) == 100
        assert kept <= store.ids()


# Ray


@pytest.fixture(scope="module")
def ray_on():
    """Ray, told to be small and to keep its warnings; its own cluster is started by each run."""
    pytest.importorskip("ray")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield Ray(2)


def test_ray_makes_the_records_and_a_killed_actor_costs_its_own_trial(functions, folder, store, ray_on):
    numbers = Study(
        "numbers", "Numbers", (), 1,
        lambda seeds: [
            *study(functions.work, 3, folder).trials(1),
            study(functions.die_first, 4, folder).trials(1)[3],
        ],
    )  # fmt: skip
    told = []
    assert run(numbers, store, executor=ray_on, observe=told.append) == 4
    assert once_each(store, 4)
    assert [each.phase for each in told if each.phase == "lost"] == ["lost"]
    assert {each.provenance["executor"] for each in store.records()} == {"ray"}
    assert set(done(folder).values()) == {1}


def test_when_the_ray_node_is_killed_the_run_ends_and_the_same_command_goes_on(tmp_path, ray_on):
    """The raylet is killed in the middle of a grid. By what Ray promises the run may end with it; its actors
    may also live on for long enough (they do here). Either way a resume leaves one record for each trial."""
    path = tmp_path / "store.sqlite"
    command = [*SERIALITY, "run", "sleeping", "--store", str(path)]
    ray = [*command, "--executor", "ray", "--workers", "2"]
    elsewhere = os.environ | {"RAY_ADDRESS": "127.0.0.1:9"}  # no matter: its cluster is its own
    with subprocess.Popen(ray, stderr=subprocess.PIPE, text=True, env=elsewhere) as driver:
        wait_for(10, driver)
        raylets = [int(each.name) for each in Path("/proc").iterdir() if _is_raylet_of(each, driver.pid)]
        assert len(raylets) == 1
        os.kill(raylets[0], signal.SIGKILL)
        said = driver.stderr.read()
        code = driver.wait(90)
    assert "Traceback" not in said
    with Store.open_read(path) as store:
        kept = store.ids()
    assert len(kept) == 100 if code == 0 else 10 <= len(kept) < 100
    again = subprocess.run([*command, "--executor", "processes"], capture_output=True, text=True, timeout=120)
    assert again.returncode == 0, again.stderr
    with Store.open_read(path) as store:
        assert len(store) == 100
        assert kept <= store.ids()


TWO_NODES = """
import sys, warnings
warnings.simplefilter("ignore")
from ray.cluster_utils import Cluster
from seriality.store import Store
from seriality.studies.sleeping import sleeping
from seriality.study import run
from seriality.study.executors import Ray

if __name__ == "__main__":
    size = {"num_cpus": 1, "object_store_memory": 80_000_000}
    cluster = Cluster(initialize_head=True, head_node_args={**size, "include_dashboard": False})
    node, told = cluster.add_node(**size), []

    def observe(now):
        told.append(now.phase)
        if now.phase == "recorded" and told.count("recorded") == 4:
            cluster.remove_node(node, allow_graceful=False)

    with Store(sys.argv[1]) as store:
        run(sleeping(10, 0.5), store, executor=Ray(address=cluster.address), observe=observe)
        print(len(store), told.count("lost"), told.count("failed"))
    cluster.shutdown()
"""


def test_a_killed_node_of_two_costs_its_running_trial_though_there_is_room_for_one_worker_less(tmp_path):
    """The trial that was lost waits for a core, and the worker that is left must not keep its own for good."""
    pytest.importorskip("ray")
    script = tmp_path / "two_nodes.py"
    script.write_text(TWO_NODES)
    ran = subprocess.run(
        [sys.executable, str(script), str(tmp_path / "store.sqlite")],
        capture_output=True, text=True, timeout=180,
    )  # fmt: skip
    assert ran.stdout.splitlines()[-1:] == ["10 1 0"], ran.stderr[-2000:]


def _is_raylet_of(place, driver):
    if not place.name.isdigit():
        return False
    try:
        command = (place / "cmdline").read_bytes().split(b"\0")[0]
        parent = int((place / "stat").read_text().rsplit(")", 1)[1].split()[1])
    except (OSError, IndexError):
        return False
    return command.endswith(b"/raylet") and parent == driver


# What cannot be


def test_an_address_where_nobody_listens_is_told_at_once(functions, folder, store):
    pytest.importorskip("ray")
    with pytest.raises(
        ExecutorError, match=r"--address 127\.0\.0\.1:9: nobody answers there .*`ray start --head`"
    ):
        run(study(functions.work, 1, folder), store, executor=Ray(address="127.0.0.1:9"))


def test_without_ray_the_error_says_how_to_get_it(functions, folder, store, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ExecutorError, match=r"needs the package ray .*pip install 'seriality\[ray\]'"):
        run(study(functions.work, 1, folder), store, executor=Ray())


def test_where_there_is_no_gpu_none_is_promised():
    with pytest.raises(ExecutorError, match="has 4 cores and 1 GPUs, a worker needs 1 and 2"):
        Ray(gpus_per_trial=2)._room({"CPU": 4.0, "GPU": 1.0})
    assert Ray(gpus_per_trial=0.25)._room({"CPU": 64.0, "GPU": 2.0}) == 8
    assert Ray(workers=3)._room({"CPU": 64.0}) == 3
    assert Ray(workers=9)._room({"CPU": 4.0}) == 4


def test_retries_below_none_are_refused(functions, folder, store):
    with pytest.raises(
        ValueError, match=r"seeds is 0, allowed is 1 or more.*; retries is -1, allowed is 0 or more"
    ):
        run(study(functions.work, 1, folder), store, seeds=0, retries=-1)


def test_every_executor_is_named():
    assert set(EXECUTORS) == {"local", "processes", "ray"}
    assert set(EXECUTORS.values()) == set(module.AbstractExecutor.__subclasses__())
