"""What the README and the documentation show: programs print what is said, and commands do what is shown.

Every code block is held to the code, by its kind:

    python              run; a line of it that begins with "# " must be printed by it
    python title="x"    written to the file x, for the blocks below it
    console             run, command by command ("$ "); the lines shown below one must be printed by it,
                        in that order; "..." stands for any lines
    sh, or indented     not run, because it takes long, needs a network or a cluster, or is another's program:
                        the command exists, and every option and value of it is valid
    text, toml, json    for reading

The blocks of a page run one after the other in one folder, which holds copies of the stores of results/.
"""

import inspect
import io
import json
import re
import runpy
import shlex
import shutil
import tomllib
from contextlib import redirect_stdout
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import typer
from rich.console import Console
from typer.main import get_command
from typer.testing import CliRunner

from seriality.claims import CLAIMS
from seriality.cli import EXECUTORS, KINDS, USAGE, app
from seriality.machine_command import Found, shown
from seriality.meter.examples import EXAMPLES
from seriality.report import explore, script, standings
from seriality.report.figures import svg
from seriality.report.page import charts, page
from seriality.report.summary import readings
from seriality.store import Record, Store, digest
from seriality.studies import STUDIES
from seriality.tasks import TASKS

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
OTHERS = {"cd", "git", "mkdir", "pytest", "ruff"}
"""Programs of others that a sh block may name, about which nothing is checked."""


class Block(NamedTuple):
    """One block of code: its kind, the file it is to be written to if it names one, its text."""

    kind: str
    file: str
    text: str


def blocks(page):
    """The fenced blocks of a page, in order."""
    found = re.findall(
        r"^```(\w*)(?: title=\"(.*?)\")?\n(.*?)^```$", page.read_text(encoding="utf-8"), re.S | re.M
    )
    return [Block(*each) for each in found]


def named(page):
    return page.name if page == PAGES[0] else page.relative_to(ROOT / "docs").as_posix()


BLOCKS = {named(page): blocks(page) for page in PAGES}
RUN = {
    name: found for name, found in BLOCKS.items() if any(each.kind in ("python", "console") for each in found)
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The folder in which the blocks of a page run: with the stores that the pages name."""
    shutil.copytree(
        ROOT / "results", tmp_path / "results", ignore=lambda at, names: {*names} - {*stores(names)}
    )
    settings = {"study": "table1", "row": "RNN"}
    with Store(tmp_path / "store.sqlite") as store:
        store.add([Record(digest(settings), "table1", settings, {"test": {"successes": [256]}}, {})])
    monkeypatch.setenv("SERIALITY_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def stores(names):
    return [name for name in names if name.endswith(".sqlite")]


@pytest.mark.parametrize("page", RUN)
def test_the_programs_run_and_print_their_comments(page, capsys, folder):
    for block in RUN[page]:
        if block.kind == "python" and block.file:
            (folder / block.file).write_text(block.text, encoding="utf-8")
        elif block.kind == "python":
            exec(compile(block.text, page, "exec"), {})
            printed = capsys.readouterr().out
            expected = re.findall(r"^print\(.*?\)\s+# (.*)$", block.text, re.M) if page == "README.md" else []
            for comment in expected + re.findall(r"^# (.*)$", block.text, re.M):
                assert comment in printed
        elif block.kind == "console":
            for command, lines in sessions(block.text):
                assert missing(lines, printed_by(command)) == []


def sessions(text):
    """The commands of a console block, each with the lines that are shown below it."""
    assert text.startswith("$ ")
    for part in re.split(r"^\$ ", text, flags=re.M)[1:]:
        command, *lines = part.splitlines()
        yield command, lines


def printed_by(command):
    """What a command prints, run in this process: seriality, or a file of the page by python."""
    program, *words = shlex.split(command, comments=True)
    if program == "python":
        with redirect_stdout(io.StringIO()) as printed:
            runpy.run_path(*words, run_name="__main__")
        return printed.getvalue()
    assert program == "seriality", (
        f"{command!r}: a console block runs seriality or python; make it a sh block"
    )
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    return result.output


def missing(lines, printed):
    """The shown lines that do not stand in what was printed, in this order."""
    rest, absent = [" ".join(line.split()) for line in printed.splitlines()], []
    for line in (" ".join(each.split()) for each in lines if each.strip() not in ("", "...")):
        if line in rest:
            rest = rest[rest.index(line) + 1 :]
        else:
            absent.append(line)
    return absent


def test_a_line_that_is_not_printed_is_missed():
    assert missing(["a  b", "...", "c"], "a b\nx\nc\n") == []
    assert missing(["c", "a b"], "a b\nx\nc\n") == ["a b"]
    assert missing(["a"], "a b\n") == ["a"]


def test_every_block_is_of_a_known_kind():
    kinds = {block.kind for found in BLOCKS.values() for block in found}
    assert kinds <= {"python", "console", "sh", "text", "toml", "json", ""}
    assert {"python", "console", "sh"} <= kinds


def commands(page):
    """The commands of a page that are not run: sh blocks, indented ones, those without a kind."""
    text = page.read_text(encoding="utf-8")
    for block in blocks(page):
        if block.kind == "sh":
            yield from (line for line in block.text.splitlines() if line.split("#")[0].strip())
        elif block.kind == "":
            yield from re.findall(r"^(seriality .*)$", block.text, re.M)
    yield from re.findall(
        r"^    ((?:seriality|make|pip|source) .*)$",
        re.sub(r"^```.*?^```$", "", text, flags=re.S | re.M),
        re.M,
    )


COMMANDS = {named(page): found for page in PAGES if (found := [*commands(page)])}


@pytest.mark.parametrize("page", COMMANDS)
def test_the_commands_are_valid(page):
    files, names = {block.file for block in BLOCKS[page]}, brought(page)
    assert [fault for command in COMMANDS[page] for fault in faults(command, files, names)] == []


def brought(page):
    """The names of entry points that a page, or the package it stands in, shows: for its commands."""
    shown = [block.text for block in BLOCKS[page] if block.kind == "toml"]
    package = (ROOT / "docs" / page).with_name("pyproject.toml")
    shown += [package.read_text(encoding="utf-8")] if package.is_file() else []
    groups = [tomllib.loads(text).get("project", {}).get("entry-points", {}) for text in shown]
    return {name for group in groups for points in group.values() for name in points}


def test_names_that_a_page_brings():
    assert "Maximum" in brought("add_a_task.md")
    assert brought("cli.md") == set()


def faults(command, files=(), names=()):
    """What is wrong with a command that is not run."""
    program, *words = shlex.split(command, comments=True)
    if program == "seriality":
        return faults_of_seriality(words, names)
    if program == "make":
        targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)
        return [f"make has no {word}" for word in words if "=" not in word and word not in targets]
    if program == "pip":
        extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"][
            "optional-dependencies"
        ]
        asked = [extra for word in words for extra in re.findall(r"\[(.*?)\]", word)]
        return [f"no extra {extra}" for extra in asked if extra not in extras]
    if program == "python":
        return [] if words[0] in files or words[0] == "-m" else [f"no file {words[0]} on the page"]
    known = program in OTHERS or [program, *words] == ["source", ".venv/bin/activate"]
    return [] if known else [f"unknown program {program}"]


def faults_of_seriality(words, names):
    group = get_command(app)
    context = typer.Context(group)
    name, *rest = words
    if name in ("--version", "--help"):
        return []
    command = group.get_command(context, name)  # pyright: ignore
    if command is None:
        return [f"no command {name}"]
    try:
        given = command.make_context(name, rest, parent=context).params
    except USAGE as error:
        return [error.format_message()]
    studies = [*STUDIES, *names]
    known = {
        "study": [*studies, *(study.replace("_", "-") for study in studies)],
        "kind": KINDS,
        "example": EXAMPLES,
        "executor": EXECUTORS,
        "task": [*TASKS, *names],
    }
    wrong = [
        f"{given[what]} is no {what}" for what in known if given.get(what) and given[what] not in known[what]
    ]
    owner = given.get("example") or given.get("task")
    if not wrong and given.get("dials") and owner not in names:
        dials = inspect.signature(EXAMPLES[owner] if given.get("example") else TASKS[owner]).parameters
        wrong = [f"{owner} has no {dial}" for dial in given["dials"] if dial.partition("=")[0] not in dials]
    return wrong


@pytest.mark.parametrize(
    ("command", "fault"),
    [
        ("seriality fly", "no command fly"),
        ("seriality run table2", "table2 is no study"),
        ("seriality run table1 --sedes 3", "No such option: --sedes"),
        ("seriality run table1 --seeds many", "'many' is not a whole number"),
        ("seriality export Words", "Missing option '--out'"),
        ("seriality show Wods", "Wods is no task"),
        ("seriality show Words --set lenght=8", "Words has no lenght=8"),
        ("seriality meter --example gpt3", "gpt3 is no example"),
        ("make tea", "make has no tea"),
        ("pip install '.[toch]'", "no extra toch"),
        ("python model.py", "no file model.py on the page"),
        ("curl x", "unknown program curl"),
    ],
)
def test_a_command_that_is_not_valid_is_noticed(command, fault):
    (found,) = faults(command)
    assert fault in found


@pytest.mark.parametrize("notebook", sorted((ROOT / "docs").rglob("*.ipynb")), ids=lambda path: path.name)
def test_the_notebook_runs(notebook, capsys, monkeypatch):
    """Its cells as a program; that of the site is run by a kernel. It is kept without what came out."""
    monkeypatch.chdir(notebook.parent)
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert all(not cell["outputs"] and cell["execution_count"] is None for cell in code)
    names = {}
    for cell in code:
        exec(compile("".join(cell["source"]), notebook.name, "exec"), names)
    assert capsys.readouterr().out


def test_there_are_programs_with_results():
    assert {"README.md", "meter.md", "records.md", "analysis.md"} <= set(RUN)
    assert {"add_a_task.md", "add_a_solver.md"} <= set(RUN)
    shown = "".join(block.text for block in RUN["README.md"] if block.kind == "python")
    assert "# linear: 3n - 3, at n = 16, 32, …, 512" in shown


def test_the_tests_that_the_page_of_numbers_names_are_there():
    page = (ROOT / "docs" / "how_the_numbers_were_made.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`(test_\w+)`", page))
    written = "".join(file.read_text(encoding="utf-8") for file in (ROOT / "tests").glob("test_*.py"))
    assert len(named) >= 4
    assert [name for name in named if f"def {name}(" not in written] == []


def test_the_readme_names_commands():
    assert len([each for each in COMMANDS["README.md"] if each.startswith("seriality ")]) >= 3


EXCHANGE = ("C07", "C11", "C12", "C13", "C23", "C23_2", "C23_3", "C24")


@pytest.mark.parametrize(
    ("name", "figures", "told_in"),
    [
        ("table1", {"table": 7 * 8}, "README.md"),
        ("pairs", {"serial_beside_control": 13 * 5}, "docs/pairs.md"),
        (
            "theorems",
            dict.fromkeys(("C14", "C15", "C16", "C17", "C17_2", "C18", "C22", "C25"), 20),
            "docs/theorems.md",
        ),
        ("exchange", dict.fromkeys(EXCHANGE, 20), "docs/serial_or_parallel.md"),
    ],
)
def test_the_published_figures_are_what_the_records_say(name, figures, told_in):
    """Every text of the drawings that the documentation shows."""
    with Store.open_read(ROOT / "results" / f"{name}.sqlite") as store:
        drawn = charts(store.records())

    def written(drawing):
        return re.findall(r"<text[^>]*>(.*?)</text>", drawing, re.S)

    for figure, texts in figures.items():
        drawing = f"results/{name}_figures/{figure}.svg"
        published = written((ROOT / drawing).read_text(encoding="utf-8"))
        assert published == written(svg(drawn[figure])), f"seriality report --figures results/{name}_figures"
        assert len(published) > texts
        assert f"{drawing})" in (ROOT / told_in).read_text(encoding="utf-8")


def published():
    """The records of every store under results/."""
    records = []
    for path in sorted((ROOT / "results").glob("*.sqlite")):
        with Store.open_read(path) as store:
            records += store.records()
    return records


def test_the_published_page_is_what_the_records_say():
    """To the last sign, but for the charting library that is embedded."""

    def ours(text):
        return text.replace(script.charts(), "").replace(script.digest(script.charts()), "")

    told = (ROOT / "docs" / "report.html").read_text(encoding="utf-8")
    same = ours(told) == ours(page(published(), [Path("results")]))
    assert same, "type: seriality report --store results --out docs/report.html"  # no diff of megabytes
    assert len(told.encode()) < 5e6


def test_the_readme_counts_the_verdicts_as_the_records_do():
    verdicts = standings(published())
    found = [standing.status for standing in verdicts.values()]
    said = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    told = [f"{found.count(status)} {status}" for status in ("supported", "contradicted", "undecided")]
    assert f"{', '.join(told)}. The other twelve are not yet run." in said
    changed = [each for each in CLAIMS.values() if each.changed]
    assert all(re.search("changed|added|replaced|asked at first", each.caveat) for each in changed)
    assert sum(verdicts[each.id].status == "supported" for each in changed) == 5
    assert "Of the six, five stand on a rule that was changed" in said
    assert (len(found), found.count("not yet run")) == (26, 12)


def test_what_the_demos_show_is_what_the_records_say():
    with Store.open_read(ROOT / "results" / "demonstrations.sqlite") as store:
        told = explore.shipped(store.records())
    assert told == (files("seriality.report") / explore.FILE).read_text(encoding="utf-8")


def test_the_machine_that_is_shown_is_that_of_the_records():
    """Every row of numbers in docs/machine.md is one that `seriality machine` prints of the first
    repetition, and the gains of the knobs are those of the finding."""
    with Store.open_read(ROOT / "results" / "exchange.sqlite") as store:
        records = store.records("machine")
    first = next(
        record.outcome
        for record in records
        if record.settings["family"] == "prediction" and record.settings["seed"] == 0
    )
    console = Console(file=io.StringIO(), width=200)
    console.print(shown(Found.of(first)))
    assert isinstance(console.file, io.StringIO)
    printed = {re.sub(r"\s+", " ", line.strip()) for line in console.file.getvalue().splitlines()}
    page = (ROOT / "docs" / "machine.md").read_text(encoding="utf-8")
    _, machine, knobs = re.split(r"^## (?:A machine|Does more)", page, flags=re.M)
    rows = re.findall(r"^\| (.*\d) \|$", machine, re.M)
    assert len(rows) > 25
    assert {row.replace(" |", "") for row in rows} <= printed

    (finding,) = readings(records)[0].findings
    means = {
        (panel.title.removeprefix("Gain by "), series.name): np.exp(
            np.mean(np.log([point.y for point in series.points]))
        )
        for panel in finding.panels
        if panel.title.startswith("Gain by ")
        for series in panel.series
    }
    told = re.findall(r"^\| ([^|]*) \| ([^|]*) \| ([\d,.]+) \| [\d,.]+ to [\d,.]+ \|$", knobs, re.M)
    assert {(knob, program): gain for knob, program, gain in told} == {
        at: f"{mean:,.0f}" if mean > 100 else f"{mean:.2f}" for at, mean in means.items()
    }


@pytest.mark.parametrize(
    ("name", "told_in", "count"),
    [("theorems", "theorems", 8), ("exchange", "serial_or_parallel", len(EXCHANGE))],
)
def test_the_verdicts_are_what_the_records_say(name, told_in, count):
    """The table of the page, row by row."""
    with Store.open_read(ROOT / "results" / f"{name}.sqlite") as store:
        found = {
            (finding.claim, reading.study): finding.verdict.status
            for reading in readings(store.records())
            for finding in reading.findings
        }
    page = (ROOT / "docs" / f"{told_in}.md").read_text(encoding="utf-8")
    told = re.findall(r"^\| (C\d\d) \|[^|]*\| `(\w+)` \| \**(\w+)\** \|", page, re.M)
    assert {(claim, study): verdict for claim, study, verdict in told} == found
    assert len(found) == count
