"""The command line: what it prints, what it refuses and how, what Ctrl-C leaves, how it starts."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from seriality import cli
from seriality.claims import CLAIMS
from seriality.networks import NETWORKS
from seriality.report import write
from seriality.solvers import SOLVERS
from seriality.store import APPLICATION, Record, Store, digest
from seriality.studies import STUDIES
from seriality.tasks import MONOIDS, TASKS

ROOT = Path(__file__).parents[1]
ESCAPE = "\x1b"


def call(*arguments):
    """(exit code, standard output, standard error) of one command, run in this process."""
    result = CliRunner().invoke(cli.app, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout, result.stderr


def start(folder, *arguments, **environment):
    """A real process with signals of its own; a job that a shell put aside would ignore SIGINT."""
    script = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    script += "from seriality.cli import main; main()"
    return subprocess.Popen(
        [sys.executable, "-c", script, *map(str, arguments)],
        cwd=folder,
        env=os.environ | {"SERIALITY_CACHE": str(folder / "cache"), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


# Names and values


def test_a_study_may_be_named_with_hyphens(tmp_path):
    code, _, err = call("run", "exchange-rate", "--store", tmp_path / "none" / "store.sqlite")
    assert (code, "unknown study" in err, "there is no folder" in err) == (1, False, True)


@pytest.mark.parametrize(("options", "said"), [
    (["--executor", "thread"], "unknown executor 'thread'; valid: local, processes, ray"),
    (["--workers", "2", "--address", "x:1"],
     "--workers is for --executor processes or ray; local is one; --address is for --executor ray"),
    (["--executor", "processes", "--workers", "-1", "--gpus-per-trial", "1", "--retries", "-2"],
     "--workers is -1, allowed is 0 or more; e.g. --workers 2; --gpus-per-trial is for --executor ray; "
     "--retries is -2, allowed is 0 or more; e.g. --retries 3"),
    (["--executor", "ray", "--gpus-per-trial", "-1"], "--gpus-per-trial is -1, allowed is 0 to 64"),
])  # fmt: skip
def test_what_an_executor_cannot_be_is_told_in_one_line(options, said, tmp_path):
    code, out, err = call("run", "sleeping", "--store", tmp_path / "store.sqlite", *options)
    assert (code, out) == (2, "")
    assert said in err
    assert err.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_every_registry_is_listed():
    for kind, registry in zip(cli.KINDS, (TASKS, NETWORKS, SOLVERS, STUDIES), strict=True):
        code, out, _ = call("list", kind)
        names = [line for line in out.splitlines() if not line.startswith(" ")]
        assert (code, names) == (0, list(registry))
        code, out, _ = call("list", kind, "--json")
        assert (code, [each["name"] for each in json.loads(out)]) == (0, names)


def test_the_help_is_a_map_of_every_command():
    code, out, _ = call("--help")
    assert code == 0
    parts = re.split(r"^(\S.*):$", out, flags=re.M)[1:]
    told = dict(zip(parts[0::2], parts[1::2], strict=True))
    assert list(told)[-4:] == [cli.MEASURE, cli.TEST, cli.STUDY, cli.LOOK]
    names = [
        name
        for part in (cli.MEASURE, cli.TEST, cli.STUDY, cli.LOOK)
        for name in re.findall(r"^  (\S+)", told[part], re.M)
    ]
    assert sorted(names) == sorted(
        command.name or command.callback.__name__ for command in cli.app.registered_commands
    )
    assert "..." not in out.partition("\n")[2]


def test_a_shell_completes_names():
    for kind, typed, wanted in (
        ("claim", "c2", [name for name in CLAIMS if name.startswith("C2")]),
        ("study", "dep", ["depth_of_one", "depth_of_one_small"]),
        ("task", "w", ["Words"]),
        ("example", "gpt", ["gpt2"]),
    ):
        assert [name for name in cli._names_of(kind)(typed) if not name.startswith("wide")] == wanted


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("list", "task"), "nearest: tasks"),
        (("run", "tabel1"), "nearest: table1"),
        (("run", "miniature", "--device", "gup"), "nearest: gpu"),
        (("show", "words"), "nearest: Words"),
        (("show", "CellularAutomaton"), "nearest: ElementaryAutomaton"),
        (("show", "Words", "--set", "monoid=A6"), "nearest: A5"),
        (("show", "Words", "--set", "lenght=4"), "nearest: length"),
        (("dmeo",), "demo"),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest(arguments, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, err = call(*arguments)
    assert (code, out) == (2, "")
    assert said in err
    assert not list(tmp_path.iterdir())


def test_a_name_like_no_other_is_answered_with_all():
    code, _, err = call("show", "qqqqqq")
    assert code == 2
    assert "nearest" not in err
    assert all(name in err for name in TASKS)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("run", "miniature", "--seeds", 0), ("0", "1 to 1000", "--seeds 5")),
        (("run", "miniature", "--seeds", -3), ("-3", "1 to 1000", "--seeds 5")),
        (("run", "miniature", "--seeds", "many"), ("--seeds", "'many' is not a whole number")),
        (("run", "miniature", "--store", ""), ("'' names no file",)),
        (("demo", "--out", ".."), ("folder", "--out")),
        (("show", "Words", "--depth", 17), ("depth=17", "1..16")),
        (("show", "Words", "--depth", 0), ("depth=0", "1..16")),
        (("show", "Words", "--seed", -1), ("-1", "0 to")),
        (("show", "Words", "--depth", "1.5"), ("'1.5' is not a whole number",)),
        (("show", "Words", "--set", "length=0"), ("length=0", "at least 1", "length=16")),
        (("show", "Words", "--set", f"length={10**20}"), (f"length={10**20}", "at most 1048576")),
        (("show", "ElementaryAutomaton", "--set", "steps=9999", "--set", "width=9999"), ("99980001 tokens",)),
        (("show", "CircuitValue", "--set", "gates_per_layer=99"), ("gates_per_layer=99", "at most 32")),
        (("show", "Words", "--set", "length"), ("DIAL=VALUE",)),
        (("show", "ElementaryAutomaton", "--set", "rule=256", "--set", "width=2"), ("rule=256", "width=2")),
    ],
)
def test_a_value_out_of_range_is_answered_with_the_range(arguments, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, err = call(*arguments)
    assert (code, out) == (2, "")
    for part in said:
        assert part in err
    assert "Traceback" not in err
    assert not list(tmp_path.iterdir())


def test_a_dial_of_another_type_is_answered_with_the_type(tmp_path):
    """In a process of its own, where annotations are not checked and the task itself refuses."""
    process = start(tmp_path, "show", "Words", "--set", "length=x")
    _, err = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "length='x': must be an integer" in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "Usage: seriality"),
        (("bogus",), "No such command 'bogus'; `seriality --help` tells what is allowed"),
        (("run",), "Missing argument 'study'; `seriality run --help` tells what is allowed"),
        (("run", "x", "--seeds", "y"), "'y' is not a whole number; e.g. 5; `seriality run --help` tells"),
    ],
)
def test_a_command_line_that_says_nothing_is_answered_in_one_line(arguments, said, tmp_path):
    out, err = (process := start(tmp_path, *arguments)).communicate(timeout=60)
    assert process.returncode == 2
    assert said in out + err
    assert err.count("\n") == 1 or not arguments


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is always full")
def test_a_full_disk_behind_the_output_is_told(tmp_path):
    script = "from seriality.cli import main; main()"
    with open("/dev/full", "w") as full:
        result = subprocess.run(
            [sys.executable, "-c", script, "list", "tasks"], stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert result.returncode == 1
    assert result.stderr == "seriality: stopped by the system: No space left on device\n"


def test_a_device_that_jax_does_not_know_is_told_and_no_store_is_made(tmp_path):
    process = start(tmp_path, "run", "miniature", JAX_PLATFORMS="bogus")
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err.count("\n")) == (2, 1)
    assert "bogus" in err
    assert "unset JAX_PLATFORMS" in err
    assert not (tmp_path / "seriality.sqlite").exists()


def test_a_gpu_that_is_not_there_is_told(tmp_path):
    import jax

    try:
        jax.devices("gpu")
    except RuntimeError:
        code, _, err = call("run", "miniature", "--device", "gpu", "--store", tmp_path / "store.sqlite")
        assert code == 2
        assert "JAX sees no GPU, only cpu" in err
        assert not list(tmp_path.iterdir())
    else:
        pytest.skip("there is a GPU here")


# Showing


@pytest.mark.parametrize("task", TASKS.built_in)
def test_an_instance_is_shown_with_its_answer_cost_and_control(task):
    code, out, _ = call("show", task, "--depth", 3, "--seed", 7)
    assert code == 0
    cost = TASKS[task]().cost()
    for part in ("depth: 3 of", f"work {cost.work}, span {cost.span}", "control: " + task, "answer: "):
        assert part in out
    grows = {"Words": "log2 n", "ElementaryAutomaton": "n", "CircuitValue": "2n + 1"}
    if task in grows:
        assert f"span {cost.span} ({grows[task]} at depth n)\n" in out
    assert call("show", task, "--depth", 3, "--seed", 7)[1] == out
    assert call("show", task, "--seed", 7)[1] != call("show", task, "--seed", 8)[1]


@pytest.mark.parametrize("monoid", MONOIDS)
def test_the_shown_words_multiply_to_the_shown_answer(monoid):
    _, out, _ = call("show", "Words", "--set", f"monoid={monoid}", "--set", "length=6")
    lines = out.splitlines()
    word = next(line for line in lines if line.startswith("word: ")).split()[1:]
    products = [line.split(": ")[1] for line in lines if re.match(r"after letter \d+: ", line)]
    assert len(word) == len(products) == 6
    found = MONOIDS[monoid]()
    number = {name: place for place, name in enumerate(found.elements)}
    product = found.identity
    for letter, shown in zip(word, products, strict=True):
        product = found.table[product][number[letter]]
        assert shown == found.elements[product]
    assert lines[-1] == f"answer: {found.elements[product]}"


# Stores


def a_record(study="table1", seed=0):
    settings = {"study": study, "seed": seed}
    return Record(digest(settings), study, settings, {}, {})


def bad_stores(folder):
    """Files that are no usable store, by what the one line about them must say."""
    (folder / "text").write_text("not a database, but more than a hundred bytes of text. " * 3)
    (folder / "empty").touch()
    with Store(folder / "whole") as store:
        store.add(a_record(seed=seed) for seed in range(200))
    content = bytearray((folder / "whole").read_bytes())
    newer = bytearray(content)
    newer[60:64] = (99).to_bytes(4, "big")
    assert int.from_bytes(newer[68:72], "big") == APPLICATION
    (folder / "newer").write_bytes(newer)
    content[4096:12288] = bytes(8192)
    (folder / "damaged").write_bytes(content)
    return {"text": "not a store", "empty": "empty file", "newer": "version 99", "damaged": "damaged"}


@pytest.mark.parametrize(
    "command",
    [("run", "miniature"), ("demo",), ("report",), ("claims",), ("record", "0")],
    ids=lambda words: words[0],
)
def test_a_bad_store_is_told_in_one_line_and_left_as_it_was(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, said in bad_stores(tmp_path).items():
        before = (tmp_path / name).read_bytes()
        code, out, err = call(*command, "--store", name)
        assert (code, out, err.count("\n")) == (1, "", 1)
        assert said in err
        assert (tmp_path / name).read_bytes() == before
    assert not (tmp_path / "report.html").exists()


def test_a_folder_that_is_not_there_is_told_in_one_line(tmp_path):
    code, out, err = call("run", "miniature", "--store", tmp_path / "none" / "store.sqlite")
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert "there is no folder" in err


def test_a_report_needs_records(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, err = call("report")
    assert (code, out) == (1, "")
    assert "no such file" in err
    Store(tmp_path / "seriality.sqlite").close()
    code, out, err = call("report")
    assert (code, out) == (1, "")
    assert "no records yet" in err
    assert not (tmp_path / "report.html").exists()


# Running


def test_a_run_from_its_first_line_to_its_table(tmp_path):
    """A real process, which finds half of the study done. Standard error is no terminal, whatever the
    environment says of terminals."""
    done = STUDIES["miniature"].trials(1)[:2]
    with Store(tmp_path / "seriality.sqlite") as store:
        store.add(Record(trial.id, trial.study, trial.settings(), {}, {}) for trial in done)
    process = start(tmp_path, "run", "miniature", TERM="xterm-256color", FORCE_COLOR="1")
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0

    assert ESCAPE not in err
    assert "\r" not in err
    lines = err.splitlines()
    begun = [line for line in lines if "at most 50 steps" in line]
    ended = [line for line in lines if re.search(r": (not )?solved after \d+ steps", line)]
    assert len(lines) == 1 + len(begun) + len(ended) == 5
    assert [line[:5] for line in ended] == ["[3/4]", "[4/4]"]
    assert all(re.search(r"; \d+\.\d s; about \d+ (s|min) left$", line) for line in ended[:-1])

    assert "miniature: words, depths 1, 2, 4; one task of two, not evidence" in out
    assert "No verdict: claim C01 is decided by the study table1." in out
    with Store.open_read(tmp_path / "seriality.sqlite") as store:
        assert store.ids() == {trial.id for trial in STUDIES["miniature"].trials(1)}
    assert any((tmp_path / "cache").iterdir())


def test_a_run_goes_on_though_nobody_reads_its_progress(tmp_path):
    """The last trial of a study; the others are in the store."""
    *before, last = STUDIES["sleeping"].trials(1)
    with Store(tmp_path / "seriality.sqlite") as store:
        store.add(Record(trial.id, trial.study, trial.settings(), {}, {}) for trial in before)
    process = start(tmp_path, "run", "sleeping")
    process.stderr.close()
    process.communicate(timeout=300)
    assert process.returncode == 0
    with Store.open_read(tmp_path / "seriality.sqlite") as store:
        assert len(store) == 100
        assert [record.id for record in store.records() if record.outcome] == [last.id]


@pytest.fixture
def finished(tmp_path, monkeypatch):
    """A folder whose store holds a record of every trial of the miniature study; now the current folder."""
    monkeypatch.chdir(tmp_path)
    with Store("seriality.sqlite") as store:
        trials = STUDIES["miniature"].trials(1)
        store.add(Record(trial.id, trial.study, trial.settings(), {}, {}) for trial in trials)
    return tmp_path


def test_a_finished_study_is_not_run_again(finished):
    before = (finished / "seriality.sqlite").read_bytes()
    code, out, err = call("run", "miniature")
    assert code == 0
    assert "4 of 4 trials are in seriality.sqlite already" in err
    assert "No verdict: claim C01 is decided by the study table1." in out
    assert (finished / "seriality.sqlite").read_bytes() == before


def test_a_report_is_written_where_it_is_asked_for(finished):
    code, said, _ = call("report", "--out", "folder/page.html")
    assert code == 0
    assert "Report: folder/page.html" in said
    assert "</html>" in (finished / "folder" / "page.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("command", ["report", "demo"])
def test_nothing_but_a_report_is_written_over(command, finished):
    (finished / "a.html").write_text("<!doctype html>\n<svg>mine</svg>")
    code, out, err = call(command, "--out", "a.html")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "'a.html' is there and was not written by seriality" in err
    assert (finished / "a.html").read_text() == "<!doctype html>\n<svg>mine</svg>"


def test_nothing_but_figures_is_written_over(finished):
    for name in ("b/table.svg", "c/table_2.png", "d"):
        (finished / name).parent.mkdir(exist_ok=True)
        (finished / name).write_text("<svg>mine</svg>")
        code, out, err = call("report", "--out", "page.html", "--figures", name[0])
        assert (code, out, err.count("\n")) == (2, "", 1)
        assert f"--figures '{name[0]}': '{name}' is there and was not written by seriality" in err
        assert (finished / name).read_text() == "<svg>mine</svg>"
        with Store.open_read("seriality.sqlite") as store, pytest.raises(FileExistsError, match=name):
            write(store.records(), Path("page.html"), Path(name[0]))
    assert not (finished / "page.html").exists()


def test_figures_are_written_where_they_are_asked_for(finished):
    (finished / "figures").mkdir()
    for name in ("notes.svg", "table.pdf"):
        (finished / "figures" / name).write_text("mine")
    for _ in range(2):  # over its own
        stores = ("--store", ROOT / "results" / "table1.sqlite")
        code, out, _ = call("report", "--out", "page.html", "--figures", "figures", *stores)
        assert code == 0
        assert "Report: page.html, figures in figures" in out
    assert (finished / "figures" / "notes.svg").read_text() == "mine"
    assert len(list((finished / "figures").glob("*.png"))) == 3


def test_stores_may_be_several_and_a_folder_of_them(finished):
    (finished / "folder").mkdir()
    with Store.open_read("seriality.sqlite") as store:
        records = store.records()
    for name, some in (("one", records[:3]), ("two", records[1:])):
        with Store(finished / "folder" / f"{name}.sqlite") as store:
            store.add(some)
    for stores in (["folder"], ["folder/one.sqlite", "folder/two.sqlite"]):
        options = [part for store in stores for part in ("--store", store)]
        code, out, _ = call("report", "--json", "--out", "page.html", *options)
        assert code == 0
        (table,) = json.loads(out)["tables"]
        assert table["facts"]["Records"] == "4 trials"
    (finished / "empty").mkdir()
    code, out, err = call("report", "--store", "empty")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "'empty' is a folder without stores" in err


def test_what_a_run_prints_is_json_if_it_is_asked_for(finished):
    code, out, _ = call("run", "miniature", "--json")
    assert code == 0
    (table,) = json.loads(out)["tables"]
    assert (table["study"], table["verdict"], table["facts"]["Records"]) == ("miniature", None, "4 trials")


def test_every_claim_is_told_with_its_verdict(tmp_path, monkeypatch):
    code, out, _ = call("claims", "--store", ROOT / "results")
    assert code == 0
    assert re.findall(r"^(C\d\d)", out, re.M) == list(CLAIMS)
    assert re.search(r"^C12 .* supported +thinning", out, re.M)
    monkeypatch.chdir(tmp_path)
    code, out, err = call("claims")
    assert code == 0
    assert "26 not yet run" in out
    assert "there is no seriality.sqlite here" in err


def test_one_claim_is_told_whole():
    code, out, _ = call("claims", "c07", "--store", ROOT / "results" / "exchange.sqlite")
    assert code == 0
    flat = " ".join(out.split())
    claim = CLAIMS["C07"]
    for said in (
        claim.statement,
        "Verdict: contradicted",
        "seriality run deep_and_wide",
        "225 records",
        claim.rule[-1],
    ):
        assert " ".join(said.split()) in flat
    assert flat.count("✓ seen") == 2
    assert "✗ not so wide circuits gain -11.7 points (-31.9 to +8.5)" in flat
    assert "✓ control holds the best model is 98.9% right" in flat
    assert "span 284: 1.01e+06: 0.9945" not in flat
    code, out, _ = call("claims", "C07", "--curves", "--store", ROOT / "results" / "exchange.sqlite")
    assert "span 284: 1.01e+06: 0.9945" in " ".join(out.split())
    code, out, _ = call("claims", "C07", "--json", "--store", ROOT / "results" / "exchange.sqlite")
    told = json.loads(out)
    assert (told["verdict"], told["supports"], len(told["records"])) == ("contradicted", claim.supports, 225)
    assert told["thresholds"] == dict(claim.thresholds)
    assert [part["seen"] for part in told["parts"]] == [True, False, True, True]
    points = [
        point
        for panel in told["findings"][0]["panels"]
        for series in panel["series"]
        for point in series["points"]
    ]
    assert len(points) > 50
    assert all(point["records"] and set(point["records"]) <= set(told["records"]) for point in points)
    code, out, err = call("claims", "C27")
    assert (code, out) == (2, "")
    assert "unknown claim 'C27'" in err


def test_a_record_is_shown_by_the_beginning_of_its_id(finished):
    with Store.open_read("seriality.sqlite") as store:
        record = store.records()[0]
    code, out, _ = call("record", record.id[:12])
    assert (code, json.loads(out)["settings"]) == (0, record.settings)
    for id, said in (("", "there is none"), ("zz", "there is none")):
        code, out, err = call("record", id)
        assert (code, out, err.count("\n")) == (2, "", 1)
        assert said in err


@pytest.mark.parametrize("command", ["report", "demo"])
def test_no_file_but_a_page_is_written_over(command, finished):
    (finished / "link").symlink_to("seriality.sqlite")
    os.link("seriality.sqlite", "twin")
    (finished / "notes.txt").write_text("<!-- mine -->")
    os.mkfifo(finished / "pipe")
    before = (finished / "seriality.sqlite").read_bytes()
    own = ("seriality.sqlite", "link", "twin", "seriality.sqlite-wal", "link-turns")
    for name, said in [
        *((each, "the store") for each in own),
        *((x, "was not written by seriality") for x in ("notes.txt", "pipe")),
    ]:
        if name == "link-turns":
            (finished / name).symlink_to("seriality.sqlite-turns")
        code, out, err = call(command, "--out", name)
        assert (code, out, err.count("\n")) == (2, "", 1)
        assert said in err
    assert (finished / "seriality.sqlite").read_bytes() == before
    assert (finished / "notes.txt").read_text() == "<!-- mine -->"


def test_a_page_is_written_over_by_a_newer_one(finished):
    for _ in range(2):
        assert call("report", "--out", "page.html")[0] == 0
    assert [each.name for each in finished.glob("*.html")] == ["page.html"]


def test_a_report_is_written_though_nobody_reads_the_table(finished):
    process = start(finished, "report")
    process.stdout.close()
    _, err = process.communicate(timeout=300)
    assert (process.returncode, err) == (1, "")
    assert "</html>" in (finished / "report.html").read_text(encoding="utf-8")


def test_a_report_needs_no_standard_output(finished):
    """As under `seriality report >&-`."""
    script = "import sys; sys.stdout = None; from seriality.cli import main; main()"
    run = subprocess.run([sys.executable, "-c", script, "report"], capture_output=True, text=True)
    assert (run.returncode, run.stderr) == (0, "")
    assert (finished / "report.html").exists()


def test_a_report_that_cannot_be_written_is_told(finished):
    (finished / "file").touch()
    code, _, err = call("report", "--out", "file/page.html")
    assert code == 1
    assert "cannot be written" in err
    assert "records are safe" in err
    code, _, err = call("report", "--out", "page.html", "--figures", "file/figures")
    assert code == 1
    assert "report 'file/figures' cannot be written" in err
    assert "--figures FOLDER" in err
    assert (finished / "page.html").exists()
    code, _, err = call("report", "--out", f"{'x' * 300}.html")
    assert code == 1
    assert not list(finished.glob(".*.partial"))


@pytest.mark.skipif(os.name == "nt", reason="signals of Unix")
@pytest.mark.parametrize("number", ["SIGTERM", "SIGHUP"])
def test_a_report_that_is_ended_leaves_the_old_page_and_nothing_else(finished, number):
    call("report")
    before, names = (finished / "report.html").read_text(encoding="utf-8"), {*os.listdir()}
    process = start(finished, "report", "--store", ROOT / "results")
    time.sleep(3)  # it reads and draws for longer
    process.send_signal(getattr(signal, number))
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (130, "seriality: stopped\n")
    assert (finished / "report.html").read_text(encoding="utf-8") == before
    assert {*os.listdir()} == names


def test_a_link_to_a_report_stays_one(finished):
    call("report", "--out", "page.html")
    (finished / "page.html").write_text("", encoding="utf-8")
    (finished / "link.html").symlink_to("page.html")
    assert call("report", "--out", "link.html")[0] == 0
    assert (finished / "link.html").is_symlink()
    assert "</html>" in (finished / "page.html").read_text(encoding="utf-8")


def test_a_record_that_is_nested_deeply_is_shown(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    value = []
    for _ in range(900):
        value = [value]
    settings = {"study": "deep", "value": value}
    with Store("seriality.sqlite") as store:
        store.add([Record(digest(settings), "deep", settings, {}, {})])
    code, out, _ = call("record", digest(settings)[:8])
    assert code == 0
    assert out.count("[") == 901


@pytest.mark.skipif(os.name == "nt", reason="signals of Unix")
def test_ctrl_c_says_how_to_resume(tmp_path):
    process = start(tmp_path, "run", "miniature", "--store", "a store", "--seeds", "2")
    assert process.stderr is not None
    lines = [process.stderr.readline(), process.stderr.readline()]
    assert "[1/8]" in lines[1]
    time.sleep(1)  # it is compiling now
    asked = time.monotonic()
    os.kill(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert time.monotonic() - asked < 10
    assert process.returncode == 130
    assert out == ""
    (line,) = err.splitlines()
    assert line.endswith("go on with: seriality run miniature --store 'a store' --seeds 2")
    with Store(tmp_path / "a store") as store:
        assert len(store) == 0


@pytest.mark.skipif(os.name == "nt", reason="signals of Unix")
@pytest.mark.parametrize("command", [("run", "miniature"), ("show", "Words")], ids=lambda words: words[0])
def test_ctrl_c_is_heard_while_libraries_load(command, tmp_path):
    for number, pause_s in enumerate((0.3, 0.6, 0.9, 1.2)):
        script = (
            "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
            "from seriality.cli import main; print('now', file=sys.stderr, flush=True); main()"
        )
        own = ("--store", f"{number}") if command[0] == "run" else ()
        process = subprocess.Popen(
            [sys.executable, "-c", script, *command, *own],
            cwd=tmp_path,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert process.stderr is not None
        assert process.stderr.readline() == "now\n"
        time.sleep(pause_s)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
        done = command[0] == "show" and process.returncode == 0  # it was faster
        assert done or process.returncode == 130
        assert "Traceback" not in err
        assert done or err.splitlines()[-1].startswith("seriality: stopped")


def test_startup_does_not_load_what_it_does_not_need(tmp_path):
    script = (
        "import sys, seriality.cli; print([name for name in ('jax', 'numpy', 'rich') if name in sys.modules])"
    )
    seen = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert seen.stdout.strip() == "[]"
    out, _ = start(tmp_path, "--version").communicate(timeout=30)
    assert re.fullmatch(r"seriality \d+\.\d+\.\d+\S*\n", out)


@pytest.mark.parametrize(
    ("variables", "folder"),
    [
        ({"SERIALITY_CACHE": "here"}, "here"),
        ({"SERIALITY_CACHE": ""}, None),
        ({"XDG_CACHE_HOME": "base"}, "base/seriality/jax"),
        ({"HOME": "home"}, "home/.cache/seriality/jax"),
        ({"SERIALITY_CACHE": "file"}, None),
        ({"SERIALITY_CACHE": "file/below"}, None),
        ({"SERIALITY_CACHE": "here", "JAX_COMPILATION_CACHE_DIR": "elsewhere"}, "elsewhere"),
    ],
)
def test_the_cache_is_where_it_is_asked_to_be_or_nowhere(variables, folder, tmp_path, monkeypatch):
    import jax

    from seriality.study.cache import SHORTEST_S, use_cache

    told = {}
    (tmp_path / "file").touch()
    monkeypatch.chdir(tmp_path)
    for name in ("SERIALITY_CACHE", "XDG_CACHE_HOME", "JAX_COMPILATION_CACHE_DIR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, str(tmp_path / value) if name == "HOME" else value)
    config = SimpleNamespace(
        jax_compilation_cache_dir=os.environ.get("JAX_COMPILATION_CACHE_DIR"), update=told.__setitem__
    )
    monkeypatch.setattr(jax, "config", config)
    used = use_cache()
    if "JAX_COMPILATION_CACHE_DIR" in variables:
        assert (used, told) == (Path("elsewhere"), {})
    elif folder is None:
        assert (used, told) == (None, {})
    else:
        assert used == tmp_path / folder
        assert used.is_dir()
        assert told == {
            "jax_compilation_cache_dir": str(used),
            "jax_persistent_cache_min_compile_time_secs": SHORTEST_S,
        }


# Words for the reader


def test_every_command_is_documented():
    text = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    for command in cli.app.registered_commands:
        name = command.name or command.callback.__name__
        assert f"`seriality {name}" in text, f"docs/cli.md lacks the command {name}"
        assert call(name, "--help")[0] == 0
    every = {
        option
        for command in get_command(cli.app).commands.values()
        for parameter in command.params
        for option in parameter.opts
        if option.startswith("--") and option != "--help"
    }
    assert len(every) > 30
    for option in every | {"--version", "--install-completion"}:
        assert re.search(rf"`[^`]*{option}\b", text), f"docs/cli.md lacks the option {option}"
