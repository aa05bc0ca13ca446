"""What the README and the documentation show: programs print what is said, and the commands exist."""

import io
import re
import shlex
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
import typer
from rich.console import Console
from typer.main import get_command

from seriality.cli import app
from seriality.machine_command import Found, shown
from seriality.report import explore, script
from seriality.report.page import page, save_figures
from seriality.report.summary import readings
from seriality.store import Record, Store, digest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PROGRAMS = {
    page.name: programs
    for page in PAGES
    if (programs := re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.S))
}


@pytest.mark.parametrize("page", PROGRAMS)
def test_the_programs_run_and_print_their_comments(page, capsys, tmp_path, monkeypatch):
    """In a folder that holds the stores the pages name."""
    settings = {"study": "table1", "row": "RNN"}
    outcome = {"test": {"successes": [256]}}
    (tmp_path / "results").mkdir()
    for name in ("store.sqlite", "results/table1.sqlite"):
        with Store(tmp_path / name) as store:
            store.add([Record(digest(settings), "table1", settings, outcome, {})])
    monkeypatch.chdir(tmp_path)
    for program in PROGRAMS[page]:
        exec(compile(program, page, "exec"), {})
        printed = capsys.readouterr().out
        expected = re.findall(r"^print\(.*?\)\s+# (.*)$", program, re.M) if page == "README.md" else []
        for comment in expected + re.findall(r"^# (.*)$", program, re.M):
            assert comment in printed


def test_there_are_programs_with_results():
    assert {"README.md", "meter.md", "records.md", "analysis.md"} <= set(PROGRAMS)
    assert {"add_a_task.md", "add_a_solver.md"} <= set(PROGRAMS)
    assert "# linear: 3n - 3, from n = 16 to 512" in "".join(PROGRAMS["README.md"])


def test_the_commands_exist():
    group = get_command(app)
    context = typer.Context(group)
    readme = PAGES[0].read_text(encoding="utf-8")
    named = [shlex.split(line)[1] for line in re.findall(r"^    (seriality .*)$", readme, re.M)]
    assert len(named) >= 3
    assert set(named) <= set(group.list_commands(context))


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
def test_the_published_figures_are_what_the_records_say(name, figures, told_in, tmp_path):
    """Every text of the drawings that the documentation shows."""
    with Store.open_read(ROOT / "results" / f"{name}.sqlite") as store:
        save_figures(store.records(), tmp_path)

    def written(path):
        return re.findall(r"<text[^>]*>(.*?)</text>", path.read_text(encoding="utf-8"), re.S)

    for figure, texts in figures.items():
        drawing = f"results/{name}_figures/{figure}.svg"
        assert written(ROOT / drawing) == written(tmp_path / f"{figure}.svg")
        assert len(written(ROOT / drawing)) > texts
        assert f"{drawing})" in (ROOT / told_in).read_text(encoding="utf-8")


def test_the_published_page_is_what_the_records_say():
    """To the last sign, but for the charting library that is embedded."""
    records = []
    for path in sorted((ROOT / "results").glob("*.sqlite")):
        with Store.open_read(path) as store:
            records += store.records()

    def ours(text):
        return text.replace(script.charts(), "").replace(script.digest(script.charts()), "")

    published = (ROOT / "docs" / "report.html").read_text(encoding="utf-8")
    assert ours(published) == ours(page(records))
    assert len(published.encode()) < 5e6


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
