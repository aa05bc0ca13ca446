"""Rows of solvers that the paper's table lacks, as studies of other packages have them: shown, not judged."""

import io
import re
from dataclasses import replace

from rich.console import Console

from seriality.claims import TABLE_1
from seriality.report import figures, table, write
from seriality.report.summary import summaries


def shown(records):
    console = Console(width=120, no_color=True, file=(text := io.StringIO()))
    console.print(table(records))
    return text.getvalue()


def stranger(made_up, **settings):
    """The records of a row that the paper's table lacks, of a study of its own."""
    return [
        made_up.record("Echo", role=role, seed=seed, **{"study": "mine"} | settings)
        for role in ("serial", "control")
        for seed in range(5)
    ]


def test_a_row_that_the_paper_lacks_is_shown_and_not_judged(made_up, tmp_path):
    """In a study of its own; in the claim's it is counted. Of the paper's rows all are shown."""
    rows = made_up.study(name="mine", rows=["Transformer", "RNN"])
    mine = [*rows, *stranger(made_up)]
    (summary,) = summaries(mine)
    assert [(row.name, row.agreement, row.verdict) for row in summary.table["words"]] == [
        ("Transformer", "agrees", "agrees"),
        ("RNN", "agrees", "agrees"),
        ("Echo", "no claim", "no claim"),
    ]
    printed = shown(mine)
    assert re.search(r"^Echo +n +✗ no +16 +16 +✓ yes +– +no claim *$", printed, re.M)
    assert re.search(r"^Transformer +14 +✓ yes +8 +16 +✗ no +yes, no +agrees", printed, re.M)
    assert "Not shown" not in printed
    page, *figures = write(mine, tmp_path / "report.html", tmp_path / "figures")
    (line,) = (line for line in re.findall("<tr>.*?</tr>", page.read_text()) if "no claim" in line)
    cells = re.sub("(<[^>]*>)+", "|", line)
    assert cells.startswith("|Echo|n| (linear)|✗ no|16")
    assert "|✓ yes|–|no claim|" in cells
    for figure in figures:
        assert figure.suffix != ".svg" or ">Echo<" in figure.read_text()
    few = [each for each in mine if each.settings["seed"] == 0]
    assert re.search(r" – +no claim *$", shown(few), re.M)  # no brackets

    assert len(summaries(rows)[0].table["words"]) == len(TABLE_1)
    claimed = [*made_up.study(), *stranger(made_up, study="table1")]
    assert "Echo" not in shown(claimed)
    assert "Not shown: rows not in the paper's table: 10 records" in shown(claimed)


def test_one_row_that_the_paper_lacks_is_a_study_too(made_up, tmp_path):
    assert re.search(r"^Echo +n .*no claim *$", shown(stranger(made_up)), re.M)
    several = [*stranger(made_up), *stranger(made_up, family="automata")]
    assert "mine: Echo on 2 tasks and their controls" in shown(several)
    assert len(write(stranger(made_up), tmp_path / "one.html", tmp_path / "one")) == 7
    assert len(write(several, tmp_path / "several.html", tmp_path / "several")) == 3


def test_rows_have_different_styles_as_long_as_there_are_some(made_up):
    names = [*figures.STYLE, "Echo", "Sum"]
    for place in (0, 1):
        styles = figures._scale(names, place).range
        assert len(set(styles)) == len(names)
        assert styles[: len(figures.STYLE)] == [style[place] for style in figures.STYLE.values()]
    assert len(figures._scale([f"row {n}" for n in range(40)], 0).range) == 40


def test_a_long_name_is_cut_in_the_drawing_alone(made_up, tmp_path):
    name = "A row of forty letters, which is so long"
    mine = [replace(each, settings=each.settings | {"row": name}) for each in stranger(made_up)]
    page, *paths = write(mine, tmp_path / "report.html", tmp_path / "figures")
    assert name in page.read_text()
    (drawn,) = (path for path in paths if path.name == "table.svg")
    assert ">A row of forty lette…<" in drawn.read_text()


def test_a_study_with_such_rows_is_not_shown_as_the_papers_table(made_up, tmp_path):
    said = "Table 1 of the paper as measured"
    rows = made_up.study(name="mine", rows=["Transformer", "RNN"])
    for records, is_table_1 in ((rows, True), ([*rows, *stranger(made_up)], False)):
        assert summaries(records)[0].is_table_1 == is_table_1
        page, *_ = write(records, tmp_path / "report.html")
        assert (said in page.read_text(encoding="utf-8")) == is_table_1
