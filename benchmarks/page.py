"""The page of 100,000 records: seconds to write it, its bytes, and seconds until a browser has it ready.

The records are all published ones and those of table1 with other seeds: that many, in the seven rows and six
tasks of a table, is the worst case for the reduction, which keeps something of each record. A page is ready
when its program has run; then a claim is opened and the first chart in it drawn. Loads are medians of five,
each in a new browser profile, from disk. Beside it stands the published page. The browser is the system's
Chromium, driven by Playwright.
"""

import argparse
import dataclasses
import shutil
import tempfile
import time
from pathlib import Path

from measuring import keep, machine, show

from seriality.report import write
from seriality.store import Record, Store, digest

RESULTS = Path(__file__).parents[1] / "results"
NAMES = ("chromium", "chromium-browser", "google-chrome")
LOADS = 5


def published() -> list[Record]:
    """The records of every store under results/."""
    records = []
    for path in sorted(RESULTS.glob("*.sqlite")):
        with Store.open_read(path) as store:
            records += store.records()
    return records


def many(count: int) -> list[Record]:
    """The published records, and those of table1 with seeds of their own until there are as many."""
    records = published()
    table = [record for record in records if record.study == "table1"]
    seed = 5
    while len(records) < count:
        for record in table:
            settings = record.settings | {"seed": seed + record.settings["seed"]}
            records.append(dataclasses.replace(record, id=digest(settings), settings=settings))
        seed += 5
    return records[:count]


def loaded(page: Path) -> dict[str, float]:
    """Median seconds until the page is ready, and until the first chart of a claim is drawn after that."""
    from playwright.sync_api import sync_playwright

    program = next(filter(None, map(shutil.which, NAMES)))
    ready, drawn = [], []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        for _ in range(LOADS):
            context = browser.new_context()
            opened = context.new_page()
            start = time.perf_counter()
            opened.goto(page.as_uri())
            opened.wait_for_selector("html[data-ready]", state="attached")
            ready.append(time.perf_counter() - start)
            start = time.perf_counter()
            opened.goto(f"{page.as_uri()}#claims/C12")
            opened.locator("#claim-C12 .panel svg").first.wait_for()
            drawn.append(time.perf_counter() - start)
            context.close()
        browser.close()
    return {"ready_s": sorted(ready)[LOADS // 2], "chart_s": sorted(drawn)[LOADS // 2]}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--keep", action="store_true", help="write the result to benchmarks/results")
    chosen = parser.parse_args()
    here = machine()
    found = {}
    with tempfile.TemporaryDirectory(prefix="seriality-benchmark-") as folder:
        for name, records in (("published", published()), ("many", many(chosen.count))):
            page = Path(folder) / f"{name}.html"
            start = time.perf_counter()
            write(records, page)
            spent = time.perf_counter() - start
            found[name] = {"records": len(records), "write_s": spent, "bytes": page.stat().st_size}
            found[name] |= loaded(page)
    show(
        "The page",
        ["", *found],
        [[key.replace("_", " "), *(f"{each[key]:,.6g}" for each in found.values())] for key in found["many"]],
    )
    if chosen.keep:
        keep("page", {"machine": here, **found})


if __name__ == "__main__":
    main()
