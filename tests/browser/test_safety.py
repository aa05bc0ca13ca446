"""What records say is text in a browser too, nothing from outside is asked for, and no other script runs."""

from dataclasses import replace

import pytest

from seriality.claims import CLAIMS
from seriality.report import write

HOSTILE = (
    "</title></script><script>window.hacked = 1</script><img src=http://evil.example/x "
    "onerror='window.hacked=2'>{{7*7}} javascript:alert(1) \"'"
)


def hostile(value):
    """The same JSON with every text in it made hostile."""
    if isinstance(value, dict):
        return {key: hostile(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [hostile(entry) for entry in value]
    return HOSTILE if isinstance(value, str) else value


@pytest.fixture(scope="module")
def poisoned(records, tmp_path_factory):
    """The page of published records with hostile names of tasks, families, rows, studies and notes."""
    of_table = [record for record in records if record.study == "table1"]
    spoilt = [
        replace(
            record,
            settings=hostile(record.settings)
            | {"row": record.settings["row"], "role": record.settings["role"]},
            outcome=record.outcome | {"growth": hostile(record.outcome["growth"])},
            provenance=hostile(record.provenance),
        )
        for record in of_table
    ]
    spoilt += [replace(record, id=f"{record.id[:10]}<b>x", study=HOSTILE) for record in spoilt[:40]]
    for study in ("thinning", "sudoku_orders", "machine"):
        spoilt += [
            replace(
                record,
                settings=record.settings | {"family": record.settings["family"]},
                provenance=hostile(record.provenance),
                outcome=record.outcome
                | ({"machine": hostile(record.outcome["machine"])} if "machine" in record.outcome else {}),
            )
            for record in records
            if record.study == study
        ]
    out = tmp_path_factory.mktemp("hostile") / "report.html"
    write(spoilt, out)
    return out


def test_hostile_names_stay_text_in_every_part(poisoned, visit):
    page = visit(poisoned)
    for name in ("question", "explore", "map", "claims", "machine", "studies"):
        page.click(f"#tab-{name}")
        page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
        places = page.locator(f"#panel-{name} .panel")
        for k in range(min(places.count(), 6)):
            places.nth(k).scroll_into_view_if_needed()
            places.nth(k).locator("svg").wait_for()
    page.locator("#panel-studies a[data-records]").first.click()
    page.locator("dialog[open] li").first.wait_for()
    assert "<script>" in page.locator("dialog[open]").inner_text()
    page.keyboard.press("Escape")
    page.click("#tab-question")
    page.locator("#panel-question td button").first.click()
    page.locator("dialog.curve .panel svg").first.wait_for()
    assert page.evaluate("window.hacked") is None
    assert page.locator("img, iframe, b, script[src]").count() == 0
    text = page.locator("main").evaluate("each => each.textContent")
    assert "<script>window.hacked = 1</script>" in text


def test_a_page_that_did_not_escape_would_be_noticed(tmp_path, visit, made_up, monkeypatch):
    """The twin: the mark-up gets through, and the policy stops its script all the same."""
    from seriality.report import markup

    monkeypatch.setattr(markup, "escape", lambda text, quote=True: text)
    records = [
        replace(each, study="<b id='through'>x</b><script>window.hacked = 1</script>") for each in made_up
    ]
    write(records, tmp_path / "report.html")
    page = visit(tmp_path / "report.html", allowed=("Content Security Policy",))
    assert page.locator("#through").count() > 0
    assert page.evaluate("window.hacked") is None


@pytest.fixture
def made_up(records):
    """A few published records."""
    return [record for record in records if record.study == "table1"][:20]


def test_the_policy_stops_what_is_put_into_the_page(built, visit):
    page = visit(built, allowed=("Content Security Policy", "Refused to", "violates"))
    ran = page.evaluate(
        """async () => {
          const script = document.createElement("script");
          script.textContent = "window.hacked = 1";
          document.body.append(script);
          setTimeout("window.evaluated = 1", 0);
          let fetched = true;
          try { await fetch("http://127.0.0.1:9/x"); } catch { fetched = false; }
          await new Promise((done) => setTimeout(done, 50));
          return [window.hacked ?? null, window.evaluated ?? null, fetched];
        }"""
    )
    assert ran == [None, None, False]


def test_nothing_leaves_the_page_while_all_of_it_is_used(built, visit):
    """The requests are watched in `visit`; here every part is used, offline."""
    page = visit(built)
    page.context.set_offline(True)
    for name in ("explore", "map", "claims", "machine", "studies", "question"):
        page.click(f"#tab-{name}")
    for demo in ("balls", "cells", "sudoku", "circuits", "words"):
        page.goto(f"{built.as_uri()}#explore/{demo}")
        page.locator(f"#demo-{demo} dl.spent").first.wait_for()
    page.goto(f"{built.as_uri()}#claims/C23")
    page.locator("#claim-C23 .panel svg").first.wait_for()
    assert CLAIMS["C23"].statement in page.locator("#claim-C23").inner_text()
