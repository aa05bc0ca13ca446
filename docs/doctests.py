"""Examples in docstrings as code on the pages of the API, for mkdocstrings. It is no part of the package."""

import re
from typing import Any

import griffe

EXAMPLE = re.compile(r"(?:^>>> .*\n?(?:^(?!>>>)[^\n]+\n?)*)+", re.M)
"""Lines of a session: from a prompt to the blank line that ends what it prints."""


class Doctests(griffe.Extension):
    """Fences every session, which Markdown would take for a quotation."""

    def on_instance(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        if obj.docstring:
            obj.docstring.value = EXAMPLE.sub(
                lambda found: f"```pycon\n{found[0].rstrip()}\n```\n", obj.docstring.value
            )
