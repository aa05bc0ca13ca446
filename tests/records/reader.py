"""Reads a page as a test wants it: tags, attributes, the text that is shown, and the blocks of data."""

import json
from collections import Counter
from html.parser import HTMLParser


class Reader(HTMLParser):
    """Collects every tag with its attributes, checks that they close in order, and keeps the text."""

    VOID = frozenset({"meta", "img", "link", "br", "input"})

    def __init__(self, page):
        super().__init__()
        self.open, self.tags, self.attributes, self.words, self.scripts = [], Counter(), [], [], []
        self.feed(page)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags[tag] += 1
        self.attributes += attrs
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags[tag] += 1
        self.attributes += attrs

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] in ("script", "style"):
            self.scripts.append(data)
        else:
            self.words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())

    def data(self, name):
        """A block of data by its id."""
        blocks = [each for each in self.scripts if each.startswith(("{", "["))]
        return json.loads(blocks[["figures-data", "records-data", "demos-data"].index(name)])
