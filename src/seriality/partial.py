"""Files that are written whole or not at all: what is not finished stands beside them under another name."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

UNFINISHED: set[Path] = set()
"""Files that are being written: what a process that must leave at once removes."""


@contextmanager
def partial(file: Path) -> Iterator[Path]:
    """A name beside a file for what is not finished; removed at the end, if it is still there."""
    beside = file.with_name(f".{file.name[:100]}.{os.getpid()}.partial")
    UNFINISHED.add(beside)
    try:
        yield beside
    finally:
        beside.unlink(missing_ok=True)
        UNFINISHED.discard(beside)


@contextmanager
def replacing(file: Path) -> Iterator[Path]:
    """A name to write to, which takes the place of `file` when the block ends well: what was there is
    replaced whole or not at all. Of a link what it leads to is replaced.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with replacing(Path(folder, "a.txt")) as beside:
    ...         _ = beside.write_text("whole")
    ...     Path(folder, "a.txt").read_text(), len(os.listdir(folder))
    ('whole', 1)
    """
    file = Path(os.path.realpath(file))
    with partial(file) as beside:
        yield beside
        beside.replace(file)
