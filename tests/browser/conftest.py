"""A browser for the page's tests: the system's Chromium, driven by Playwright; without it they are skipped.

Every page that a test opens is watched: an error or a warning on its console, an exception, or a request for
anything but the page itself fails the test.
"""

import os
import shutil
from pathlib import Path

import pytest

from seriality.report import write
from seriality.store import Store

RESULTS = Path(__file__).parents[2] / "results"
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
WIDTHS = (1440, 390)
VIEWS = ((1440, "light"), (390, "dark"))
"""Width and theme: what is seen in both is tested in these two."""


@pytest.fixture(scope="session")
def chromium():
    """A running Chromium."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="the browser tests need playwright")
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        if os.environ.get("CI"):
            pytest.fail("there is no Chromium: .ci/run is to install it")
        pytest.skip("the browser tests need Chromium: install the package chromium of your system")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield browser
        browser.close()


def published():
    """The records of every store under results/."""
    records = []
    for path in sorted(RESULTS.glob("*.sqlite")):
        with Store.open_read(path) as store:
            records += store.records()
    return records


@pytest.fixture(scope="session")
def records():
    """The published records."""
    return published()


@pytest.fixture(scope="session")
def built(records, tmp_path_factory):
    """The page of the published records."""
    out = tmp_path_factory.mktemp("page") / "report.html"
    write(records, out)
    return out


@pytest.fixture
def visit(chromium):
    """Opens a file in a page of its own; every page is watched until the end of the test."""
    faults, contexts = [], []

    def opened(file, place="", *, width=1440, theme="light", allowed=()):
        context = chromium.new_context(
            viewport={"width": width, "height": 900}, color_scheme=theme, accept_downloads=True
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(15_000)
        page.on("pageerror", lambda error: faults.append(f"exception: {error}"))

        def console(message):
            if message.type in ("error", "warning") and not any(each in message.text for each in allowed):
                faults.append(f"{message.type}: {message.text}")

        def request(asked):
            if asked.url.partition("#")[0] != file.as_uri() and not asked.url.startswith(("data:", "blob:")):
                faults.append(f"request: {asked.url}")

        page.on("console", console)
        page.on("request", request)
        page.goto(f"{file.as_uri()}{place and f'#{place}'}")
        page.wait_for_selector("html[data-ready]", state="attached")
        return page

    opened.faults = faults
    yield opened
    for context in contexts:
        context.close()
    assert not faults
