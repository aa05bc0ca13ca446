"""The layout of a small task."""

import pytest

from seriality.instance import Format


def _layout(prompt_length=6, trace_length=3, answer_length=2, vocabulary=5):
    return Format(tuple("pqabcdefg"[:vocabulary]), prompt_length, trace_length, answer_length)


@pytest.fixture(scope="session")
def layout():
    """`layout(prompt_length=6, ...)` makes a Format."""
    return _layout
