"""The site: every page is in its navigation, links lead to files, nothing is asked of the network, and the
API has every public name. Anchors and references are checked by its build (`make docs`), which is strict."""

import doctest
import importlib
import importlib.util
import json
import logging
import posixpath
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

import seriality
from seriality.networks import NETWORKS
from seriality.solvers import SOLVERS
from seriality.tasks import TASKS

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
SITE = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
PAGES = sorted(DOCS.rglob("*.md"))


def loaded(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


hooks = loaded(DOCS / "hooks.py")


# Navigation


def entries(nav):
    """The pages that a navigation names, in order."""
    for entry in nav:
        inner = next(iter(entry.values())) if isinstance(entry, dict) else entry
        yield from entries(inner) if isinstance(inner, list) else [inner]


def test_every_page_is_in_the_navigation_once_and_every_entry_is_a_page():
    there = [file.relative_to(DOCS).as_posix() for file in (*PAGES, *DOCS.rglob("*.ipynb"))]
    pages = [page.removesuffix(".ipynb") + ".md" if page.endswith(".ipynb") else page for page in there]
    assert sorted(entries(SITE["nav"])) == sorted(pages)


def test_sections_of_a_navigation_are_looked_into():
    assert [*entries(["a.md", {"B": "b.md"}, {"C": ["c.md", {"D": ["d.md"]}]}])] == [
        "a.md",
        "b.md",
        "c.md",
        "d.md",
    ]


def test_a_broken_link_anchor_or_entry_ends_the_build():
    assert SITE["validation"]["links"] == dict.fromkeys(
        ("not_found", "anchors", "absolute_links", "unrecognized_links"), "warn"
    )
    assert set(SITE["validation"]["nav"].values()) == {"warn"}
    assert "mkdocs build --quiet --strict" in (ROOT / "Makefile").read_text(encoding="utf-8")
    assert "\nmake docs\n" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


# Links


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(DOCS).as_posix())
def test_links_lead_to_files_of_the_repository(page):
    targets = [link[1] for link in hooks.links(page.read_text(encoding="utf-8"))]
    absent = [each for each in targets if not leads(page.parent / each)]
    assert absent == []


def leads(path):
    """Whether it is a file, or a folder with a page of its own."""
    return path.is_file() or (path / "README.md").is_file()


def test_links_are_found_where_markdown_has_them():
    text = "[a](b.md) ![c](d.svg) `[e](f.md)`\n```\n[g](h.md)\n```\n[i](j.md#k) [l](https://m.org) [n](#o)"
    assert [link[1] for link in hooks.links(text)] == ["b.md", "d.svg", "j.md"]


def test_a_file_from_outside_the_docs_is_linked_where_it_stands_in_the_site():
    text = "[a](../../results/README.md) [b](../../src/seriality/cost.py#L1) [c](../none.md) [d](../meter.md)"
    found, outside = hooks.relinked(text, "docs/api/index.md")
    assert found == (
        "[a](../repository/results/README.md) [b](../repository/src/seriality/cost.py.md#L1) [c](../none.md) "
        "[d](../meter.md)"
    )
    assert outside == ["results/README.md", "src/seriality/cost.py"]
    found, outside = hooks.relinked("[a](hooks.py)", "docs/index.md")
    assert (found, outside) == ("[a](hooks.py.md)", ["docs/hooks.py"])
    found, outside = hooks.relinked("[a](../results)", "docs/index.md")
    assert (found, outside) == ("[a](repository/results/README.md)", ["results/README.md"])
    found, _ = hooks.relinked("[a](../docs/meter.md) [b](table1.html)", "results/README.md")
    assert found == "[a](../../meter.md) [b](table1.html)"


def test_the_examples_of_the_hooks_hold():
    failed, tried = doctest.testmod(hooks)
    assert (failed, tried > 2) == (0, True)


# Notebooks


def test_a_notebook_becomes_a_page_with_its_drawings():
    cells = [
        {"cell_type": "markdown", "source": ["# A\n", "b"]},
        {
            "cell_type": "code",
            "source": "print(1)",
            "metadata": {"alt": "a line"},
            "outputs": [{"text": ["1\n"]}, {"data": {"image/svg+xml": "<svg/>", "text/plain": "x"}}],
        },
    ]
    text, drawings = hooks.markdown({"cells": cells}, "n")
    assert text == "# A\nb\n\n```python\nprint(1)\n```\n\n```text\n1\n```\n\n![a line](n_1.svg)"
    assert drawings == {"n_1.svg": "<svg/>"}


@pytest.mark.parametrize("notebook", sorted(DOCS.rglob("*.ipynb")), ids=lambda path: path.name)
def test_drawings_of_a_notebook_say_what_they_show(notebook):
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    drawing = [cell for cell in cells if "alt.Chart(" in "".join(cell["source"])]
    assert drawing
    assert all(len(cell["metadata"].get("alt", "")) > 20 for cell in drawing)


# The network


def test_the_settings_name_no_host():
    assert SITE["theme"]["font"] is False
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8") + (DOCS / "site.css").read_text(encoding="utf-8")
    assert not re.search(r"https?:|//\w", text)


ASKING = [
    '<script src="https://a.org/b.js"></script>',
    '<script>fetch("https://a.org/b")</script>',
    "<script type='module'>import {b} from 'https://a.org/b.js'</script>",
    "<script>tag.src = `https://a.org/b.js`</script>",
    "<script>request.open('GET', 'https://a.org/b')</script>",
    "<script>new WebSocket('wss://a.org')</script>",
    '<link rel="stylesheet" href="//a.org/b.css">',
    '<link rel="preconnect" href="https://a.org">',
    '<img src="https://a.org/b.png">',
    '<img src="b.png" srcset="b.png 1x, https://a.org/b.png 2x">',
    '<svg><image href="https://a.org/b.png"/></svg>',
    '<svg><use xlink:href="https://a.org/b.svg#c"/></svg>',
    '<p style="background: url(https://a.org/b.png)">',
    '<style>@import "https://a.org/b.css";</style>',
    '<iframe src="https://a.org"></iframe>',
    '<object data="https://a.org/b.svg"></object>',
    '<pre class="mermaid">graph</pre>',
]
ASKING_NOTHING = [
    '<a href="https://a.org">b</a>',
    '<link rel="canonical" href="https://a.org">',
    '<link rel="stylesheet" href="assets/b.css"><script src="b.js"></script><img src="../c.svg">',
    '<svg xmlns="http://www.w3.org/2000/svg"><image href="data:image/png;base64,AA"/></svg>',
    "<script>const svg = 'http://www.w3.org/2000/svg', schema = 'https://a.org/schema.json'</script>",
    "<script>import {b} from './b.js'; fetch('c.json') // see https://a.org</script>",
    "<p>https://a.org</p><code>@import url(https://a.org)</code>",
]


@pytest.mark.parametrize("text", ASKING)
def test_what_asks_the_network_is_noticed(text, tmp_path):
    (tmp_path / "page.html").write_text(f"<html><body>{text}</body></html>")
    assert len(hooks.requests(tmp_path / "page.html")) == 1


@pytest.mark.parametrize("text", ASKING_NOTHING)
def test_links_that_a_reader_may_follow_ask_nothing(text, tmp_path):
    (tmp_path / "page.html").write_text(f"<html><body>{text}</body></html>")
    assert hooks.requests(tmp_path / "page.html") == []


def test_the_build_warns_of_what_asks_the_network(tmp_path, caplog):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "page.html").write_text('<img src="https://a.org/b.png">')
    (tmp_path / "site.css").write_text("p {color: red}")
    with caplog.at_level(logging.WARNING):
        hooks.on_post_build(SimpleNamespace(site_dir=str(tmp_path)))
    assert [record.message for record in caplog.records] == [
        "sub/page.html asks the network for https://a.org/b.png"
    ]


def test_pages_that_are_made_elsewhere_ask_nothing():
    """Those of the docs that are no Markdown."""
    files = [*DOCS.rglob("*.html")]
    assert DOCS / "report.html" in files
    assert [request for file in files for request in hooks.requests(file)] == []


# The API


def shown():
    """What the pages of the API show: by its path, the object."""
    paths = [
        path
        for page in (DOCS / "api").glob("*.md")
        for path in re.findall(r"^::: ([\w.]+)$", page.read_text(encoding="utf-8"), re.M)
    ]
    assert len(paths) == len(set(paths))
    return {path: resolved(path) for path in paths}


def resolved(path):
    try:
        return importlib.import_module(path)
    except ModuleNotFoundError:
        home, _, name = path.rpartition(".")
        return getattr(resolved(home), name)


def test_the_pages_of_the_api_show_every_public_name():
    there = [*map(id, (found := shown()).values())]
    modules = [importlib.import_module(f"seriality.{name}") for name in ("meter", "tasks", "study")]
    names = {
        f"{module.__name__}.{name}": module for module in [seriality, *modules] for name in module.__all__
    }
    names = {at: getattr(module, at.rpartition(".")[2]) for at, module in names.items()}
    absent = [at for at, each in names.items() if id(each) not in there and not isinstance(each, str)]
    assert absent == []
    classes = [*NETWORKS.values(), *SOLVERS.values(), *(TASKS[name] for name in TASKS.built_in)]
    assert [each.__name__ for each in classes if id(each) not in there] == []
    assert posixpath.commonprefix([*found]) == "seriality."
