"""Markup that is made in one place, so that whatever comes from a record is escaped on its way in."""

import json
from collections.abc import Iterable
from html import escape
from typing import Any


class Markup(str):
    """Text that is markup already and is not escaped again."""


def element(tag: str, *children: str, **attributes: str) -> Markup:
    """An HTML element; children and attribute values are escaped unless they are markup.

    A trailing underscore and inner ones are for Python's sake: `cls` is "class", `aria_label` "aria-label".

    >>> element("td", "<script>", cls="span")
    '<td class="span">&lt;script&gt;</td>'
    """
    given = "".join(f' {_name(name)}="{escape(value)}"' for name, value in attributes.items())
    inner = "".join(child if isinstance(child, Markup) else escape(child) for child in children)
    return Markup(f"<{tag}{given}>{inner}</{tag}>")


def _name(name: str) -> str:
    return "class" if name == "cls" else name.rstrip("_").replace("_", "-")


def join(parts: Iterable[str]) -> Markup:
    """Parts one after the other, each escaped unless it is markup."""
    return Markup("".join(part if isinstance(part, Markup) else escape(part) for part in parts))


def data(name: str, value: Any) -> Markup:
    """A block of data that a script reads by its id: JSON in which no text can end the block.

    >>> data("x", {"a": "</script>"})
    '<script type="application/json" id="x">{"a":"\\\\u003c/script>"}</script>'
    """
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    text = text.replace("<", "\\u003c").encode("utf-8", "replace").decode()
    return Markup(f'<script type="application/json" id="{escape(name)}">{text}</script>')


def table(names: Iterable[str], rows: Iterable[Markup], *, caption: str = "") -> Markup:
    """A table that scrolls by itself where it is too wide."""
    head = element("thead", element("tr", *(element("th", name, scope="col") for name in names)))
    said = [element("caption", caption)] if caption else []
    inner = element("table", *said, head, element("tbody", *rows))
    return element("div", inner, cls="wide", tabindex="0", role="region", aria_label=caption or "Table")


def terms(pairs: Iterable[tuple[str, str]], **attributes: str) -> Markup:
    """A list of terms, each with what is said of it; those of which nothing is said are left out."""
    told = [(name, said) for name, said in pairs if said]
    parts = (part for name, said in told for part in (element("dt", name), element("dd", said)))
    return element("dl", *parts, **attributes)


def items(texts: Iterable[str], kind: str = "ul", **attributes: str) -> Markup:
    """A list of texts."""
    return element(kind, *(element("li", each) for each in texts), **attributes)


def to_records(text: str, places: str, **attributes: str) -> Markup:
    """A link that shows the records at these places."""
    return element("a", text, href=f"#?records={places}", data_records=places, **attributes)
