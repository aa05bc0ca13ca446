"""What the site needs beyond Markdown: files from outside docs/, the notebooks, and a look at every page.

Pages link files of the repository as they lie in it (`../results/x.svg`, `../src/seriality/cost.py`), so that
links hold where the repository is read as well. Here each such file joins the site below `repository/`:
Markdown and Python as pages, anything else as it is. A notebook is run and becomes a page with what came out.
After the build no page may ask anything of the network. It is no part of the package.
"""

import functools
import html
import logging
import posixpath
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
DOCS, BESIDE = "docs", "repository"
"""The folder of the pages, and the folder of the site for what lies outside of it."""
CELL_S = 120
"""How long a cell of a notebook may take."""

LOG = logging.getLogger("mkdocs.hooks.seriality")

# Links


def links(text: str) -> Iterator[re.Match[str]]:
    """The targets of inline links and pictures, code left out; group 1 is the path."""
    code = re.compile(r"^(```+|~~~+).*?^\1|(`+)(?!`).*?(?<!`)\2(?!`)", re.S | re.M)
    blank = code.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), text)
    return re.finditer(r"(?<=\]\()([^()#\s:]+)(?=[)#])", blank)


def page_path(path: str) -> str:
    """Where a file of the repository stands in the site.

    >>> page_path("docs/meter.md"), page_path("docs/notebooks/measure.ipynb"), page_path("results/README.md")
    ('meter.md', 'notebooks/measure.md', 'repository/results/README.md')
    """
    inside = path.startswith(f"{DOCS}/")
    at = path.removeprefix(f"{DOCS}/") if inside else f"{BESIDE}/{path}"
    return at.removesuffix(".ipynb") + ".md" if at.endswith(".ipynb") else at + ".md" * at.endswith(".py")


def relinked(text: str, path: str) -> tuple[str, list[str]]:
    """The Markdown of a file with links as the site has them, and the files that it links and the site lacks:
    those outside docs/, and Python files.

    A link to a folder leads to its README.md. One to a file that is not there stays, and MkDocs tells of it.

    >>> relinked("See [it](../results/README.md#top) and [that](meter.md).", "docs/cli.md")
    ('See [it](repository/results/README.md#top) and [that](meter.md).', ['results/README.md'])
    """
    here, outside, parts, at = posixpath.dirname(path), [], [], 0
    for link in links(text):
        target = posixpath.normpath(posixpath.join(here, link[1]))
        if (ROOT / target / "README.md").is_file():
            target = f"{target}/README.md"
        if target.startswith("..") or not (ROOT / target).is_file():
            continue
        if not target.startswith(f"{DOCS}/") or target.endswith(".py"):
            outside.append(target)
        parts += [
            text[at : link.start()],
            posixpath.relpath(page_path(target), posixpath.dirname(page_path(path))),
        ]
        at = link.end()
    return "".join([*parts, text[at:]]), outside


def listing(path: str) -> str:
    """A page that shows a Python file; search leaves it out."""
    code = (ROOT / path).read_text(encoding="utf-8")
    return f"---\nsearch: {{exclude: true}}\nhide: [toc]\n---\n# {path}\n\n~~~~python\n{code}\n~~~~\n"


# Notebooks


@functools.cache
def run(text: str, folder: str) -> Any:
    """A notebook with what came out of its cells, run in a folder; an error in a cell is one here."""
    import nbformat
    from nbclient import NotebookClient

    quiet = ["--IPKernelApp.log_level=ERROR"]
    client = NotebookClient(
        nbformat.reads(text, as_version=4),
        timeout=CELL_S,
        extra_arguments=quiet,
        resources={"metadata": {"path": folder}},
    )
    return client.execute()


def markdown(notebook: Any, name: str) -> tuple[str, dict[str, str]]:
    """A notebook that was run, as Markdown: text, code, and what it printed; its drawings, by file."""
    parts, drawings = [], {}
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        parts.append(source if cell["cell_type"] == "markdown" else f"```python\n{source}\n```")
        for output in cell.get("outputs", ()):
            data = output.get("data", {})
            if "image/svg+xml" in data:
                file = f"{name}_{len(drawings) + 1}.svg"
                drawings[file] = "".join(data["image/svg+xml"])
                parts.append(f"![{cell['metadata'].get('alt', '')}]({file})")
            elif said := "".join(output.get("text") or data.get("text/plain", "")).rstrip():
                parts.append(f"```text\n{said}\n```")
    return "\n\n".join(parts), drawings


# The network


ASKS = re.compile(
    r"""(?:\b(?:fetch|import|importScripts|Worker|EventSource|WebSocket)\s*\(\s*|\bopen\(\s*["'][A-Z]+["'],\s*"""
    r"""|\b(?:from|import)\s*|\.(?:src|href)\s*=\s*)["'`]((?:(?:https?|wss?):)?//[^"'`]+)"""
)
"""Where a script names what it asks for; a URL that is only text, such as that of a schema, is no request."""


class Requests(HTMLParser):
    """What a page asks of the network when it is opened. Links that a reader may follow are no requests."""

    IDLE = frozenset({"alternate", "canonical", "next", "prev", "author", "license"})

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.within = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.within = tag
        asks = [given.get(name, "") for name in ("src", "srcset", "poster", "data", "background")]
        if tag in ("image", "use") or (tag == "link" and not {*given.get("rel", "").split()} <= self.IDLE):
            asks += [given.get("href", ""), given.get("xlink:href", "")]
        if "mermaid" in given.get("class", "").split():  # the theme would fetch a library for it
            asks.append("https:mermaid")
        self.found += [each for each in asks if re.search(r"(^|,)\s*(https?:|//)", each)]
        self.found += external(given.get("style", ""))

    def handle_endtag(self, tag: str) -> None:
        self.within = ""

    def handle_data(self, data: str) -> None:
        if self.within == "style":
            self.found += external(data)
        elif self.within == "script":
            self.found += [found[1] for found in ASKS.finditer(data)]


def external(style: str) -> list[str]:
    """What a style sheet asks of the network.

    >>> external('@import "https://fonts.org/a"; body {background: url(a.png)} p {src: url( //b.org/c )}')
    ['https://fonts.org/a', '//b.org/c']
    """
    return re.findall(r"(?:@import\s+|url\(\s*)[\"']?((?:https?:)?//[^\"')\s]+)", style)


def requests(file: Path) -> list[str]:
    """What a file of the built site asks of the network."""
    text = file.read_text(encoding="utf-8", errors="replace")
    if file.suffix == ".css":
        return external(text)
    page = Requests()
    page.feed(text)
    page.close()
    return page.found


# What MkDocs calls


def on_files(files: Any, config: Any) -> Any:
    from mkdocs.structure.files import File, InclusionLevel

    aside = InclusionLevel.NOT_IN_NAV
    for file in sorted((ROOT / DOCS).rglob("*.ipynb")):
        if "." not in {part[0] for part in file.relative_to(ROOT).parts}:
            at, folder = file.relative_to(ROOT).as_posix(), str(file.parent)
            content, drawings = markdown(run(file.read_text(encoding="utf-8"), folder), file.stem)
            files.append(File.generated(config, page_path(at), content=content))
            for name, drawing in drawings.items():
                place = posixpath.join(posixpath.dirname(page_path(at)), name)
                files.append(File.generated(config, place, content=drawing))
    waiting = [
        target
        for file in files.documentation_pages()
        for target in relinked(file.content_string, f"{DOCS}/{file.src_uri}")[1]
    ]
    while waiting:
        path = waiting.pop()
        at = page_path(path)
        if at in files.src_uris:
            continue
        if path.endswith(".py"):
            made = File.generated(config, at, content=listing(path), inclusion=aside)
        elif path.endswith(".md"):
            text, further = relinked((ROOT / path).read_text(encoding="utf-8"), path)
            made = File.generated(config, at, content=text, inclusion=aside)
            waiting += further
        else:
            made = File.generated(config, at, abs_src_path=str(ROOT / path), inclusion=aside)
        files.append(made)
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    if page.file.src_uri.startswith(f"{BESIDE}/"):
        return markdown
    return relinked(markdown, f"{DOCS}/{page.file.src_uri}")[0]


def on_post_build(config: Any) -> None:
    site = Path(config.site_dir)
    for file in sorted([*site.rglob("*.html"), *site.rglob("*.css")]):
        for request in dict.fromkeys(requests(file)):
            LOG.warning(f"{file.relative_to(site)} asks the network for {html.unescape(request)[:100]}")
