"""The page's program: small modules in `web`, bundled so that they run from within one file.

A module is plain ES: it names what it takes in `import { a, b } from "./other.js";` lines and what it gives
with `export function`, `export const` or `export class`. The bundle wraps each module in a function of its
own, in the order in which they need each other, so that no name of one is seen by another.
"""

import base64
import hashlib
import posixpath
import re
from functools import cache
from graphlib import TopologicalSorter
from importlib.resources import files

IMPORT = re.compile(r'^import \{([^}]*)\} from "([^"]+)";\n', re.M)
EXPORT = re.compile(r"^export (?=(?:async )?(?:function|const|class) (\w+))", re.M)
WEB = files("seriality.report") / "web"


@cache
def program() -> str:
    """The bundle, whose entry is `main.js`."""
    texts: dict[str, str] = {}
    needs: dict[str, list[str]] = {}
    waiting = ["main.js"]
    while waiting:
        name = waiting.pop()
        if name not in texts:
            texts[name] = (WEB / name).read_text(encoding="utf-8")
            needs[name] = [_beside(name, target) for _, target in IMPORT.findall(texts[name])]
            waiting += needs[name]
    parts = [_wrapped(name, texts[name]) for name in TopologicalSorter(needs).static_order()]
    begin = '(() => {\n"use strict";\nconst modules = {};\n'
    return begin + "".join(parts) + "window.seriality = modules;\n})();\n"  # for tests and consoles


def _wrapped(name: str, text: str) -> str:
    given = EXPORT.findall(text)
    text = IMPORT.sub(
        lambda m: f'const {{{m[1].replace(" as ", ": ")}}} = modules["{_beside(name, m[2])}"];\n', text
    )
    text = EXPORT.sub("", text)
    return f'modules["{name}"] = (() => {{\n{text}return {{ {", ".join(given)} }};\n}})();\n'


def _beside(name: str, target: str) -> str:
    return posixpath.normpath(posixpath.join(posixpath.dirname(name), target))


@cache
def charts() -> str:
    """Vega, Vega-Lite and Vega-Embed, as one script that gives `window.vegaEmbed`."""
    import vl_convert

    return vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")


def digest(script: str) -> str:
    """What a Content-Security-Policy names a script by."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


def style() -> str:
    """The page's style sheet."""
    return (WEB / "page.css").read_text(encoding="utf-8")
