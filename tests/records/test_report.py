"""The report: complete, self-contained, deaf to what hostile records say, and legible in a small terminal.

What a browser makes of the page is tested in tests/browser.
"""

import base64
import hashlib
import io
import json
import re
from dataclasses import replace
from html import unescape
from xml.etree import ElementTree

import pytest
from rich.console import Console

from seriality.analysis import PAIR_RULE
from seriality.claims import CLAIMS, TABLE_1
from seriality.report import as_json, table, write
from seriality.report.summary import plain, summaries
from seriality.report.terminal import solves

from .reader import Reader

HOSTILE = (
    "</title></svg><script>alert('x')</script><img src=http://evil.example/x onerror=alert(1)>\x1b[31m\"'"
)


def shown(records, width=80):
    console = Console(width=width, no_color=True, file=(text := io.StringIO()))
    console.print(table(records))
    return text.getvalue()


def test_the_page_holds_the_verdict_the_rule_the_table_and_the_figures(made_up, tmp_path):
    records = made_up.study(families=("words", "automaton"))
    paths = write(records, tmp_path / "report.html", tmp_path / "report_figures")
    assert [str(path.relative_to(tmp_path)) for path in paths] == [
        "report.html",
        "report_figures/accuracy_against_depth.svg",
        "report_figures/accuracy_against_depth.png",
        "report_figures/reach_against_span.svg",
        "report_figures/reach_against_span.png",
        "report_figures/table.svg",
        "report_figures/table.png",
    ]
    page = Reader(paths[0].read_text(encoding="utf-8"))
    for said in (
        "supported 14 of 14 cells are as the paper says, 0 open, 0 not.",
        CLAIMS["C01"].statement,
        *CLAIMS["C01"].rule,
        *(row.name for row in TABLE_1),
        "16 (16–16)",
        "0123abc",
        "jax 0.10.2",
        "0 · 1 · 2 · 3 · 4",
        "automaton: reach",
        *(claim.statement for claim in CLAIMS.values()),
    ):
        assert said in page.text
    assert page.tags["table"] == 1 + 2 + 1  # the opening's, those of the study, the map
    panels = page.data("figures-data")
    assert {name: len(each) for name, each in panels.items()} == {"table1-accuracy": 4, "table1-reach": 4}
    for path in paths[1:]:
        data = path.read_bytes()
        if path.suffix == ".png":
            assert data.startswith(b"\x89PNG\r\n\x1a\n")
        else:
            assert ElementTree.fromstring(data).tag.endswith("svg")


def test_the_page_asks_nothing_of_the_network(made_up, tmp_path):
    page, *others = write(made_up.study(), tmp_path / "report.html")
    assert not others
    text = page.read_text(encoding="utf-8")
    read = Reader(text)
    assert not {"link", "iframe", "object", "base", "img"} & set(read.tags)
    assert not [value for name, value in read.attributes if name == "src"]
    assert all(value.startswith("#") for name, value in read.attributes if name == "href")
    style = next(each for each in read.scripts if ":root" in each)
    assert not re.search(r"@import|url\(", style)
    names = [value for name, value in read.attributes if name == "id"]
    assert len(names) == len(set(names))


def test_only_the_scripts_of_the_page_may_run(made_up, tmp_path):
    page, *_ = write(made_up.study(), tmp_path / "report.html")
    read = Reader(page.read_text(encoding="utf-8"))
    policy = next(value for name, value in read.attributes if value and value.startswith("default-src"))
    allowed = re.findall(r"'sha256-([^']+)'", policy)
    programs = [each for each in read.scripts if not each.startswith(("{", "[", ":root"))]
    digests = [base64.b64encode(hashlib.sha256(each.encode()).digest()).decode() for each in programs]
    assert allowed == digests
    assert len(digests) == 2
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    scripts = policy.partition("script-src ")[2].partition(";")[0]
    assert not re.search(r"unsafe|http|\*|self", scripts)


def test_the_page_of_many_records_is_small(made_up, tmp_path):
    """What a record adds is some of its id: the seeds of a cell are reduced before they are drawn."""
    sizes = {}
    for seeds in (40, 80):
        page, *_ = write(made_up.study(seeds=seeds), tmp_path / f"{seeds}.html")
        sizes[seeds] = page.stat().st_size
    assert (sizes[80] - sizes[40]) / (40 * 14) < 20
    read = Reader((tmp_path / "80.html").read_text(encoding="utf-8"))
    spec = read.data("figures-data")["table1-accuracy"][0]
    rows = spec["datasets"][spec["data"]["name"]]
    of_cell = [row for row in rows if (row["row"], row["depth"], row["kind"]) == ("RNN", 4, "seed")]
    every = {record.outcome["test"]["successes"][2] / 512 for record in made_up.study(seeds=80, rows=["RNN"])}
    assert len(of_cell) == 40
    assert {row["accuracy"] for row in of_cell} <= every


def test_every_record_has_a_place_and_numbers_name_it(made_up, tmp_path):
    records = made_up.study(seeds=3, rates=(0.001, 0.003))
    page, *_ = write(records, tmp_path / "report.html")
    read = Reader(page.read_text(encoding="utf-8"))
    index = read.data("records-data")
    ids = [
        ids[k * index["digits"] : (k + 1) * index["digits"]]
        for _, _, ids, runs in index["groups"]
        for k in range(sum(count for _, _, count in runs))
    ]
    assert len(ids) == len(set(ids)) == len(records)
    assert all(sum(record.id.startswith(id) for record in records) == 1 for id in ids)
    links = [value for name, value in read.attributes if name == "data-records"]
    assert f"0-{len(records) - 1}" in links
    spec = read.data("figures-data")["table1-accuracy"][0]
    rows = spec["datasets"][spec["data"]["name"]]
    for row in rows:
        places = [
            place
            for part in row["records"].split(",")
            for place in range(int(part.split("-")[0]), int(part.split("-")[-1]) + 1)
        ]
        behind = [next(each for each in records if each.id.startswith(ids[place])) for place in places]
        assert {each.settings["row"] for each in behind} == {row["row"]}
        assert {each.settings["role"] for each in behind} == {"serial"}
        assert len(behind) == (3 if row["kind"] == "mean" else 1)
        if row["kind"] == "seed":
            column = behind[0].outcome["depths"].index(row["depth"])
            assert row["accuracy"] == behind[0].outcome["test"]["successes"][column] / 512


def hostile(value):
    """The same JSON with every text in it, and every name of a version, made hostile."""
    if isinstance(value, dict):
        return {key: hostile(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [hostile(entry) for entry in value]
    return HOSTILE if isinstance(value, str) else value


def test_hostile_records_are_shown_as_text(made_up, tmp_path):
    records = []
    for each in made_up.study(seeds=2):
        settings = hostile(each.settings) | {"row": each.settings["row"], "role": each.settings["role"]}
        provenance = hostile(each.provenance) | {"versions": {HOSTILE: HOSTILE}}
        records.append(
            replace(
                each, study=HOSTILE, settings=settings, outcome=hostile(each.outcome), provenance=provenance
            )
        )
    records.append(replace(records[0], settings=records[0].settings | {"row": HOSTILE}))
    records.append(
        replace(records[0], settings={HOSTILE: HOSTILE}, outcome={}, provenance={"wall_s": HOSTILE})
    )
    page, *figures = write(records, tmp_path / "report.html", tmp_path / "figures")
    assert figures
    text = page.read_text(encoding="utf-8")
    read = Reader(text)
    assert not {"img", "iframe"} & set(read.tags)
    assert read.tags["script"] == 3 + 2  # data and programs
    assert any(
        HOSTILE.replace("\x1b", "")[:20] in each for each in map(str, read.data("records-data")["groups"])
    )
    assert not [name for name, _ in read.attributes if name.startswith("on")]
    assert "alert('x')" in read.text
    assert "\x1b" not in text
    (members,) = summaries(records)[0].table.values()
    assert [row.name for row in members] == [*(row.name for row in TABLE_1), plain(HOSTILE)]
    assert "Not shown: not of this form 1 record" in read.text
    for figure in figures:
        if figure.suffix == ".svg":
            tags = {each.tag.rpartition("}")[2] for each in ElementTree.parse(figure).iter()}
            assert not {"script", "img", "image", "foreignObject"} & tags
    assert "\x1b" not in shown(records)


@pytest.mark.parametrize(
    "change",
    [
        {"settings": {"training": {"learning_rate": "nan"}}},
        {"outcome": {"depths": [0, 2, 4, 8, 16]}},
        {"outcome": {"depths": [1, 2, 4, 8, 10**30]}},
        {"outcome": {"cost": {"layer": {"span": "x", "work": 1}}}},
        {"outcome": {"parameters": -1}},
        {"provenance": {"wall_s": 10**400, "together": 10**400}},
        {"provenance": {"rules": [], "versions": [], "created": {}}},
    ],
    ids=str,
)
def test_numbers_that_make_no_sense_are_counted_or_left_out(made_up, tmp_path, change):
    odd = made_up.record("RNN", seed=9)
    odd = replace(odd, **{part: getattr(odd, part) | entries for part, entries in change.items()})
    records = [*made_up.study(), odd]
    page, *_ = write(records, tmp_path / "report.html")
    said = Reader(page.read_text(encoding="utf-8")).text
    assert ("Not shown: not of this form 1 record" in said) == ("provenance" not in change)
    assert "Records 71 trials" in said
    assert "agrees" in shown(records)


def test_escaping_is_what_makes_it_safe(made_up, tmp_path, monkeypatch):
    # The twin of the test above: without escaping, the same reader finds the script.
    from seriality.report import markup

    records = [
        replace(each, study="<script>alert(1)</script>") for each in made_up.study(seeds=1, rows=("RNN",))
    ]
    path, *_ = write(records, tmp_path / "report.html")
    assert Reader(path.read_text(encoding="utf-8")).tags["script"] == 5
    monkeypatch.setattr(markup, "escape", lambda text, quote=True: text)
    path, *_ = write(records, tmp_path / "report.html")
    with pytest.raises(AssertionError):  # or its elements do not even close
        assert Reader(path.read_text(encoding="utf-8")).tags["script"] == 5


@pytest.mark.parametrize(
    "options",
    [
        {"rows": ("RNN",), "seeds": 1},
        {"rows": ("RNN",), "roles": ("serial",), "seeds": 3},
        {"roles": ("control",), "seeds": 1},
        {"families": ("circuit",), "seeds": 7},
    ],
    ids=["one row", "no control", "control only", "many seeds"],
)
def test_a_part_of_a_study_makes_a_report_too(made_up, tmp_path, options):
    folder = tmp_path / "new" / "figures"
    path, *figures = write(made_up.study(**options), tmp_path / "new" / "report.html", folder)
    said = Reader(path.read_text(encoding="utf-8")).text
    verdict = "supported" if options.get("seeds") == 7 else "undecided"
    assert f"Claim C01 : {verdict} by these records." in said
    assert len(figures) == 6


def test_the_table_is_a_picture_too(made_up, tmp_path):
    write(made_up.study(), tmp_path / "report.html", tmp_path / "report_figures")
    drawing = (tmp_path / "report_figures" / "table.svg").read_text(encoding="utf-8")
    texts = [unescape(text) for text in re.findall(r"<text[^>]*>([^<]*)</text>", drawing)]
    (title, *heads), cells = texts[-1:] + texts[:8], texts[8:-1]
    assert title.startswith("table1: words")
    assert heads[3:5] == ["reach of 16", "control"]
    assert cells[: len(heads)] == ["MLP", "3", "yes", "2", "16", "no", "yes, no", "agrees"]
    assert cells[0 :: len(heads)] == [row.name for row in TABLE_1]


def test_a_study_of_one_solver_shows_every_task_beside_its_control(made_up, tmp_path):
    families = ("words", "<b>circuits</b>", "automata")
    records = made_up.study(name="pairs", families=families, rows=["Transformer"])
    page, *figures = write(records, tmp_path / "report.html", tmp_path / "figures")
    assert [path.name for path in figures] == ["serial_beside_control.svg", "serial_beside_control.png"]
    texts = [unescape(text) for text in re.findall(r"<text[^>]*>([^<]*)</text>", figures[0].read_text())]
    assert [text for text in texts if text in families] == list(families)
    assert texts.count("reach 8, control 16: parted") == 3
    text = page.read_text(encoding="utf-8")
    assert "<b>circuits" not in text
    said = Reader(text).text
    heading = "pairs: Transformer on 3 tasks and their controls; 3 parted, 0 not parted, 0 undecided"
    assert all(each in said for each in (heading, *PAIR_RULE))
    assert "words 1, 2, 4, 8, 16 5 8 (8–8) 16 (16–16) parted 14, 14 14,000, 14,000" in said
    assert "Agreement Work of an answer" not in said  # with the paper, which says nothing of these tasks
    printed = shown(records, width=120)
    assert heading in printed
    assert "Agreement" not in printed
    assert re.search(r"^words +1, 2, 4, 8, 16 +5 +8 +16 +parted", printed, re.M)
    write(records, page, tmp_path / "figures")  # over its own


def test_records_of_another_kind_make_a_page_without_figures(made_up, tmp_path):
    other = replace(made_up.record(), study="other", settings={}, outcome={})
    path, *figures = write([other], tmp_path / "report.html", tmp_path / "figures")
    assert not figures
    assert Reader(path.read_text(encoding="utf-8")).data("figures-data") == {}
    assert "Not shown: not of this form 1 record" in Reader(path.read_text(encoding="utf-8")).text


def test_several_studies_stand_apart_with_that_of_the_claim_first(made_up, tmp_path):
    records = made_up.study(name="demo", seeds=1) + made_up.study(seeds=5)
    assert [summary.study for summary in summaries(records)] == ["table1", "demo"]
    first, second = summaries(records)
    assert first.verdict.status == "supported"
    assert second.verdict is None
    page, *figures = write(records, tmp_path / "report.html", tmp_path / "figures")
    assert len(figures) == 2 * 6
    no_verdict = "No verdict: claim C01 is decided by the study table1."
    assert no_verdict in Reader(page.read_text(encoding="utf-8")).text
    assert no_verdict in shown(records)
    assert no_verdict not in shown(made_up.study(seeds=5))


def test_a_rule_that_has_changed_since_is_not_called_fixed(made_up, tmp_path):
    records = made_up.study()
    page, *_ = write(records, tmp_path / "report.html")
    fixed = "The decision rule in full, whose digest the records hold"
    assert fixed in Reader(page.read_text(encoding="utf-8")).text
    records[0] = replace(records[0], provenance=records[0].provenance | {"rules": {"C01": "another"}})
    page, *_ = write(records, tmp_path / "report.html")
    said = Reader(page.read_text(encoding="utf-8")).text
    assert "it was another for 1 record" in said
    assert fixed not in said


def test_records_that_name_no_rule_are_of_another_only_where_their_study_decides_the_claim(made_up):
    for name, said in (("miniature", False), ("table1", True)):
        bare = [
            replace(each, provenance=each.provenance | {"rules": {}})
            for each in made_up.study(rows=("RNN",), name=name, seeds=1)
        ]
        assert ("Made under another decision rule: 2 records" in shown(bare)) == said


def test_work_and_parameters_stand_in_the_table(made_up, tmp_path):
    page, *_ = write(made_up.study(), tmp_path / "report.html")
    said = Reader(page.read_text(encoding="utf-8")).text
    assert "Work of an answer Parameters" in said
    assert "agrees 3,000 12,345" in said


def test_depths_without_splits_of_their_own_are_named_for_task_and_control(made_up):
    records = made_up.study(rows=("RNN",))
    control = [each for each in records if each.settings["role"] == "control"]
    other = [replace(each, outcome=each.outcome | {"shared_depth": 7}) for each in control]
    mixed = [each for each in records if each not in control] + other
    said = "Depths too small for separate splits: words, serial: up to 11 · words, control: up to 7"
    assert said in shown(mixed, width=120)


def test_a_part_of_a_study_supports_nothing_and_says_what_is_missing(made_up, tmp_path):
    whole = made_up.study(families=("words", "automaton"))
    planned = [replace(each, provenance=each.provenance | {"trials": len(whole)}) for each in whole]
    assert summaries(planned)[0].verdict.status == "supported"
    words = [each for each in planned if each.settings["family"] == "words"]
    found = summaries(words)[0]
    assert (found.verdict.status, found.caveats[0]) == ("undecided", ("Missing", "70 of 140 trials"))
    assert "Missing: 70 of 140 trials" in shown(words)
    page, *_ = write(words, tmp_path / "report.html")
    assert "Missing 70 of 140 trials" in Reader(page.read_text(encoding="utf-8")).text
    wrong = [
        made_up.record("MLP", role=role, seed=seed) for role in ("serial", "control") for seed in range(5)
    ]
    odd = [each for each in words if each.settings["row"] != "MLP"] + wrong
    assert summaries(odd)[0].verdict.status == "contradicted"  # it has all of its seeds


def test_what_the_table_leaves_out_is_said_below_it(made_up):
    earlier = [made_up.record("MLP", seed=seed, steps=7) for seed in range(2)]
    text = shown([*earlier, *made_up.study()])
    assert "Not shown: other settings: 2 records" in text
    assert "Not shown" not in shown(made_up.study())


def test_a_table_without_its_control_says_so(made_up):
    assert "16; one task of two, not evidence" in shown(made_up.study(roles=("serial",)))


def test_a_table_with_some_rows_short_of_seeds_says_so(made_up):
    records = [each for each in made_up.study() if each.settings["row"] != "MLP" or each.settings["seed"] < 3]
    assert "table1: words, depths 1, 2, 4, 8, 16; 3 to 5 seeds, not all evidence" in shown(records)


def test_tables_are_told_as_json_with_the_records_behind_them(made_up):
    records = made_up.study(seeds=3, rates=(0.001, 0.003))
    told = json.loads(json.dumps(as_json.tables(records)))
    (found,) = told["tables"]
    assert (found["study"], found["claim"], found["verdict"]["status"]) == ("table1", "C01", "undecided")
    by_row = {row["row"]: row for row in found["families"]["words"]}
    assert list(by_row) == [row.name for row in TABLE_1]
    side = by_row["RNN"]["serial"]
    assert side["reach"] == {"estimate": 16.0, "low": 16.0, "high": 16.0}
    of_cell = [
        record
        for record in records
        if (record.settings["row"], record.settings["role"]) == ("RNN", "serial")
        and record.settings["training"]["learning_rate"] == side["learning_rate"]
    ]
    assert side["records"] == [record.id for record in of_cell]
    share = sum(record.outcome["test"]["successes"][0] for record in of_cell) / (3 * 512)
    assert side["accuracy"]["1"] == pytest.approx(share)


def test_without_records_there_is_a_message_and_no_file(tmp_path):
    with pytest.raises(ValueError, match="no records"):
        write([], tmp_path / "report.html")
    assert not list(tmp_path.iterdir())
    assert "No records yet" in shown([])


def test_wall_time_that_trials_share_is_counted_once(made_up):
    together = [
        replace(each, provenance={"wall_s": 30.0, "together": 5}) for each in made_up.study(rows=("RNN",))
    ]
    assert dict(summaries(together)[0].facts)["Wall time, all trials"] == "1 min 0 s"


@pytest.mark.parametrize("width", [80, 100])
def test_the_table_fits_a_terminal_and_reads_without_colour(made_up, width):
    text = shown(made_up.study(), width)
    assert max(map(len, text.splitlines())) <= width
    for word in ("✓ yes", "✗ no", "agrees", "Reach/16", "supported", "6n + 1"):
        assert word in text
    assert text.count("agrees") >= 7
    assert "…" not in text


def test_the_table_says_what_is_not_evidence_and_what_contradicts(made_up):
    few = shown(made_up.study(seeds=1))
    assert "1 seed, not evidence" in few
    assert "(agrees)" in few
    odd = [each for each in made_up.study() if each.settings["row"] != "MLP"]
    odd += [
        made_up.record("MLP", role=role, seed=seed) for role in ("serial", "control") for seed in range(5)
    ]
    text = shown(odd)
    assert "contradicts" in text
    assert "C01 (paper, 2.3, Table 1): contradicted" in text
    assert "MLP (words)" in text
    mixed = [each for each in odd if each.settings["row"] != "MLP" or each.settings["seed"] < 4]
    mixed[-1] = made_up.record("MLP", role="control", seed=3, reach=8)
    assert "(contradicts)" in shown(mixed)
    assert "16 (8–16)" in shown(mixed)


@pytest.mark.parametrize(
    ("reaches", "said"),
    [
        ({"serial": 16, "control": 1}, "✓ yes"),
        ({"serial": 1, "control": 16}, "✗ no"),
        ({"serial": 1, "control": 1}, "✗ no; control too"),
        ({"serial": 1}, "✗ no; control not run"),
        ({"control": 16}, "–"),
    ],
)
def test_an_answer_that_shows_nothing_says_why(made_up, reaches, said):
    records = [
        made_up.record("MLP", role=role, seed=seed, reach=reach)
        for role, reach in reaches.items()
        for seed in range(5)
    ]
    assert solves(summaries(records)[0].table["words"][0]) == said
