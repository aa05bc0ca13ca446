"""Explore: five demos, each of one recorded instance, and what each shows.

Their data are in `demonstrations.json`, which holds what the records of the study `demonstrations` say and
their ids; `shipped` makes it, and a test holds it to the records.
"""

import json
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from ..store import Record
from .markup import Markup, element, join

STUDY = "demonstrations"
FILE = "demonstrations.json"

DEMOS = {
    "balls": (
        "One ball, five balls",
        "Where is a ball after some seconds? Alone, one formula tells. Among five, each collision turns what "
        "the last ones left.",
        "This is one instance of Billiards with its motion as recorded, certified event by event. That "
        "random discs are serial is not a theorem: no shortcut is known.",
    ),
    "cells": (
        "Rule 110 and Rule 90",
        "Each row follows from the one above, three cells at a time. Under Rule 90 any row is a sum of "
        "cells of the first; under Rule 110 none such is known.",
        "Rule 110 is P-complete to predict. On a ring of 48 cells nothing is: the demo shows the rules, not "
        "their hardness.",
    ),
    "sudoku": (
        "Sudoku",
        "Some grids need many rounds of simple reasoning, each of which needs the one before. In which "
        "order is a network of few rounds to fill them?",
        "One grid of 14 rounds. How often each order solves such grids is claim C17, which was "
        "measured on many.",
    ),
    "circuits": (
        "Circuits, deep and wide",
        "As many gates, laid out in another way. Work is the same; what more processors buy is not.",
        "Circuit value is P-complete as both dials grow; this circuit has 24 gates.",
    ),
    "words": (
        "Words in S5",
        "The product of a word of permutations: tracked letter by letter, or by a tree of products of "
        "neighbours.",
        "Logarithmic span suffices; constant span would put NC1 in TC0.",
    ),
}
"""By name: a title, what is to be seen, and what is not to be concluded."""


@cache
def demos() -> dict[str, Any]:
    """What the demos show, by family and row; under "spans" how the span of every task grows."""
    return json.loads((files("seriality.report") / FILE).read_text(encoding="utf-8"))


def shipped(records: Sequence[Record]) -> str:
    """The text of `demonstrations.json` from the records of its study."""
    found: dict[str, Any] = {}
    for record in records:
        if record.study == STUDY:
            names = record.settings
            row = names["row"] if names["family"] != "spans" else f"{names['row']}, {names['role']}"
            found.setdefault(names["family"], {})[row] = {"record": record.id, **record.outcome}
    return json.dumps(found, indent=0, separators=(",", ":"), sort_keys=True) + "\n"


def explore(data: dict[str, Any]) -> Markup:
    """The tabs and stages of the demos."""
    tabs = element(
        "div",
        *(
            element(
                "a",
                title,
                role="tab",
                href=f"#explore/{name}",
                id=f"tab-{name}",
                aria_controls=f"demo-{name}",
            )
            for name, (title, _, _) in DEMOS.items()
        ),
        role="tablist",
        id="demo-tabs",
        data_within="explore",
        aria_label="Demos",
    )
    panels = (
        element(
            "div",
            element("h3", title),
            element("p", lead),
            element("div", element("p", "The demo needs the page's program.", cls="note"), cls="stage"),
            element("p", caveat, " ", *_made(data, name), cls="note"),
            role="tabpanel",
            id=f"demo-{name}",
            aria_labelledby=f"tab-{name}",
        )
        for name, (title, lead, caveat) in DEMOS.items()
    )
    said = (
        "What is a chain of dependent steps? Five instances of five tasks, to step through or to jump ahead."
    )
    return join((element("h2", "Explore"), element("p", said, cls="lead"), tabs, *panels))


def _made(data: dict[str, Any], name: str) -> list[str]:
    family = {"sudoku": "Sudoku"}.get(name, name)
    ids = " ".join(each["record"][:10] for each in data[family].values())
    return ["Recorded by ", element("code", f"seriality run {STUDY}"), f", as {ids}."]
