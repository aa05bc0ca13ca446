"""The page in a browser: every tab, figure, dialog and download, by mouse and by keyboard."""

import csv
import io
import re
from xml.etree import ElementTree

import pytest

from seriality.claims import CLAIMS
from seriality.report.page import TABS
from seriality.report.standings import standings

from .conftest import VIEWS, WIDTHS


def shown(page):
    """The tab whose panel is seen; there is one."""
    panels = page.locator("main > [role=tabpanel]")
    seen = [panels.nth(k) for k in range(panels.count()) if panels.nth(k).is_visible()]
    assert len(seen) == 1
    return seen[0].get_attribute("id").removeprefix("panel-")


@pytest.mark.parametrize("width", WIDTHS)
def test_every_tab_opens_by_mouse(built, visit, width):
    page = visit(built, width=width)
    assert shown(page) == "question"
    for name in TABS:
        page.click(f"#tab-{name}")
        page.wait_for_function("name => !document.getElementById(`panel-${name}`).hidden", arg=name)
        assert shown(page) == name
        assert page.evaluate("location.hash") == f"#{name}"
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{name} is too wide"
    page.go_back()
    page.wait_for_function("() => !document.getElementById('panel-machine').hidden")


def test_every_tab_opens_by_keyboard(built, visit):
    page = visit(built)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Tab")
    names = [*TABS]
    for name in [*names[1:], names[0]]:
        page.keyboard.press("ArrowRight")
        page.wait_for_function("name => !document.getElementById(`panel-${name}`).hidden", arg=name)
        assert page.evaluate("document.activeElement.id") == f"tab-{name}"
    page.keyboard.press("End")
    page.wait_for_function("() => !document.getElementById('panel-studies').hidden")
    tabbable = page.locator("#tabs [role=tab][tabindex='0']")
    assert tabbable.count() == 1


def test_a_cell_of_table_1_opens_its_curve(built, visit):
    page = visit(built)
    cell = page.locator("#panel-question td button").first
    cell.focus()
    page.keyboard.press("Enter")
    dialog = page.locator("dialog.curve")
    dialog.locator(".panel svg").nth(1).wait_for()
    assert dialog.locator("h2").inner_text() == "MLP: words: serial task, words: control"
    told = dialog.locator("table").first.inner_text()
    assert "MLP" in told
    assert "Transformer" not in told
    page.keyboard.press("Escape")
    page.wait_for_function("() => !location.hash.includes('curve')")  # told by an event that follows
    assert not dialog.is_visible()
    assert page.evaluate("document.activeElement.dataset.curve") == cell.get_attribute("data-curve")
    again = visit(built, f"question?curve={cell.get_attribute('data-curve')}", theme="dark", width=390)
    again.locator("dialog.curve .panel svg").nth(1).wait_for()


def test_charts_have_their_width_after_the_window_changed_while_they_were_hidden(built, visit):
    page = visit(built)
    first = page.locator("#panel-question figure .panel").first
    first.scroll_into_view_if_needed()
    first.locator("svg").wait_for()
    for name, width in (("studies", 1000), ("studies", 1440)):
        page.click(f"#tab-{name}")
        page.set_viewport_size({"width": width, "height": 900})
        page.wait_for_timeout(200)
        page.click("#tab-question")
        first.scroll_into_view_if_needed()
        page.wait_for_function(
            """panel => {
              const chart = panel.querySelector("svg");
              return chart !== null && Math.min(chart.clientWidth, chart.getBBox().width) > 200;
            }""",
            arg=first.element_handle(),
        )


def test_the_way_to_the_content_keeps_the_part_that_is_open(built, visit):
    page = visit(built, "claims/C07")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert shown(page) == "claims"
    assert page.evaluate("[location.hash, document.activeElement.id]") == ["#claims/C07", "main"]


def test_records_that_are_not_there_are_not_counted(built, visit):
    dialog = visit(built, "?records=abc").locator("dialog[open]")
    assert "no such records" in dialog.inner_text()
    page = visit(built, f"?records={','.join(['0-999999'] * 30)}")
    total = page.evaluate(
        "JSON.parse(document.getElementById('records-data').textContent).groups"
        ".reduce((sum, group) => sum + group[3].reduce((s, run) => s + run[2], 0), 0)"
    )
    assert f"{total:,} records" in page.locator("dialog[open]").inner_text()
    assert "seriality record" in page.locator("dialog[open] code").first.inner_text()


@pytest.mark.parametrize(("width", "theme"), VIEWS)
def test_every_figure_is_drawn(built, visit, theme, width):
    page = visit(built, width=width, theme=theme)
    for name in ("question", "claims", "machine", "studies"):
        page.click(f"#tab-{name}")
        page.evaluate("document.querySelectorAll('details.claim').forEach((each) => { each.open = true; })")
        places = page.locator(f"#panel-{name} .panel")
        for k in range(places.count()):
            places.nth(k).scroll_into_view_if_needed()
            places.nth(k).locator("svg").wait_for()
            box = places.nth(k).locator("svg").bounding_box()
            assert box["width"] > 100
            assert box["height"] > 100
        assert places.count() >= {"question": 12, "claims": 50, "machine": 6, "studies": 13}[name]


def test_the_colours_follow_the_theme(built, visit):
    page = visit(built)
    page.locator("#panel-question .panel").first.scroll_into_view_if_needed()
    colour = "() => document.querySelector('#panel-question .panel svg text')?.getAttribute('fill')"
    page.wait_for_function(colour)
    light = page.evaluate(colour)
    page.emulate_media(color_scheme="dark")
    page.wait_for_function(
        f"before => {{ const now = ({colour})(); return now && now !== before; }}", arg=light
    )


def test_a_figure_downloads_as_svg_png_and_csv(built, visit, tmp_path):
    page = visit(built, "claims/C12")
    figure = page.locator("#claim-C12 figure")
    figure.locator(".panel svg").first.wait_for()
    saved = {}
    for kind in ("svg", "png", "csv"):
        with page.expect_download() as waiting:
            figure.get_by_role("button", name=f"{kind.upper()} of").click()
        saved[kind] = tmp_path / waiting.value.suggested_filename
        waiting.value.save_as(saved[kind])
        assert saved[kind].name == f"C12-thinning.{kind}"
    drawn = ElementTree.fromstring(saved["svg"].read_bytes())
    texts = {each.text for each in drawn.iter() if each.tag.endswith("text")}
    assert {"Kept steps, task", "Kept steps, control", "tokens written, k + 1"} <= texts
    assert saved["png"].read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    rows = list(csv.DictReader(io.StringIO(saved["csv"].read_text(encoding="utf-8"))))
    specs = page.evaluate("JSON.parse(document.getElementById('figures-data').textContent)['C12-thinning']")
    told = [row for spec in specs for row in spec["datasets"][spec["data"]["name"]]]
    assert [(row["series"], float(row["y"])) for row in rows] == [(row["series"], row["y"]) for row in told]
    assert {row["panel"] for row in rows} == {"Kept steps, task", "Kept steps, control"}


def test_text_that_a_spreadsheet_would_compute_stays_text(built, visit):
    page = visit(built)
    told = page.evaluate(
        """() => window.seriality["charts.js"].csv([{
          title: 'a "title", with a comma', data: {name: "d"},
          datasets: {d: [{series: "=1+1", y: -2, low: null}, {series: "@x", y: 3, low: 1}]}}])"""
    )
    rows = list(csv.reader(io.StringIO(told)))
    assert rows[0] == ["panel", "series", "y", "low"]
    assert rows[1:] == [
        ['a "title", with a comma', "'=1+1", "-2", ""],
        ['a "title", with a comma', "'@x", "3", "1"],
    ]


def test_numbers_lead_to_the_records_behind_them(built, visit, records):
    """Those of a cell of the map, and those of a row of numbers under a figure."""
    page = visit(built, "map")
    link = page.locator("#panel-map a.reach", has_text="RNN 20").first
    link.focus()
    page.keyboard.press("Enter")
    dialog = page.locator("dialog[open]")
    ids = dialog.locator("li code").all_inner_texts()
    wanted = [
        record
        for record in records
        if record.study == "table1"
        and (record.settings["row"], record.settings["family"]) == ("RNN", "words")
    ]
    heading = dialog.locator("h3").inner_text()
    role = "serial" if "serial" in heading else "control"
    of_side = [record.id for record in wanted if record.settings["role"] == role]
    assert len(ids) == 5  # a seed each, of the learning rate that was chosen
    assert all(sum(each.startswith(id) for each in of_side) == 1 for id in ids)
    assert "table1" in heading
    page.keyboard.press("Escape")
    page.goto(f"{built.as_uri()}#claims/C12")
    details = page.locator("#claim-C12 details.numbers")
    details.locator("summary").click()
    details.locator("tbody tr a").first.click()
    assert "thinning" in page.locator("dialog[open] h3").first.inner_text()
    assert re.search(r"records=\d", page.evaluate("location.hash"))
    page.reload()
    page.locator("dialog[open] li code").first.wait_for()


def test_every_claim_is_there_and_the_filter_leaves_those_of_a_verdict(built, visit, records):
    page = visit(built, "claims")
    assert page.locator("details.claim").count() == len(CLAIMS)
    status = {claim: standing.status for claim, standing in standings(records).items()}
    for wanted in ("contradicted", "not yet run"):
        page.locator(f"#claim-filter input[value='{wanted}']").check(force=True)
        seen = page.locator("details.claim:visible .id").all_inner_texts()
        assert seen == [claim for claim, found in status.items() if found == wanted]
        assert page.locator("#claim-count").inner_text() == f"{len(seen)} of {len(CLAIMS)} claims"
    page.goto(f"{built.as_uri()}#claims/C12")  # which the filter hides: it gives way
    page.wait_for_function("() => document.getElementById('claim-C12').open")
    assert page.locator("#claim-C12").is_visible()
    assert CLAIMS["C12"].supports in page.locator("#claim-C12").inner_text()


def test_a_claim_opens_by_keyboard(built, visit):
    page = visit(built, "claims")
    page.locator("#claim-C07 > summary").focus()
    page.keyboard.press("Enter")
    assert page.locator("#claim-C07").evaluate("each => each.open")
    inside = page.locator("#claim-C07 .inside").inner_text()
    for said in ("seriality run deep_and_wide", "225 records", CLAIMS["C07"].contradicts):
        assert said in inside


def test_without_its_program_the_page_can_be_read(built, chromium):
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(built.as_uri())
    text = page.locator("body").inner_text()
    for said in ("Table 1 of the paper as measured", CLAIMS["C26"].statement, "Study exchange_rate"):
        assert said in text
    context.close()
