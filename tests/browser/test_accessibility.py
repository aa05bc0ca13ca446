"""axe-core finds no serious fault in any part of the page, in both themes, wide and narrow."""

import pytest

from .conftest import VIEWS

axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs axe-playwright-python")
PLACES = (
    *("question", "map", "claims", "claims/C23", "machine", "studies"),
    *(f"explore/{name}" for name in ("balls", "cells", "sudoku", "circuits", "words")),
)


def faults(page):
    """Serious and critical ones, with where they are."""
    found = axe.Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
    return [
        f"{each['id']}: {each['help']}; {node['html'][:160]}"
        for each in found
        if each["impact"] in ("serious", "critical")
        for node in each["nodes"][:3]
    ]


@pytest.mark.parametrize(("width", "theme"), VIEWS)
def test_no_part_has_a_serious_fault(built, visit, theme, width):
    page = visit(built, theme=theme, width=width)
    for place in PLACES:
        page.goto(f"{built.as_uri()}#{place}")
        page.wait_for_function(
            "name => !document.getElementById(`panel-${name}`).hidden", arg=place.split("/")[0]
        )
        page.wait_for_timeout(300)
        assert not faults(page), place


@pytest.mark.parametrize(("width", "theme"), VIEWS)
def test_no_dialog_has_a_serious_fault(built, visit, width, theme):
    page = visit(built, width=width, theme=theme)
    page.locator("#panel-question td button").first.click()
    page.locator("dialog.curve .panel svg").nth(1).wait_for()
    assert not faults(page)
    page.keyboard.press("Escape")
    page.goto(f"{built.as_uri()}#map?records=0-40")
    page.locator("dialog[open] li").first.wait_for()
    assert not faults(page)


def test_a_fault_would_be_noticed(built, visit):
    page = visit(built)
    page.evaluate(
        """() => {
          const button = document.createElement("button");
          document.querySelector("#panel-question").append(button);
          const text = document.createElement("p");
          text.textContent = "faint";
          text.style.color = "#ddd";
          document.querySelector("#panel-question").append(text);
        }"""
    )
    found = " ".join(faults(page))
    assert "button-name" in found
    assert "color-contrast" in found
