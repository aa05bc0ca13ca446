"""From records to a page: the measured Table 1, its verdict, and the figures behind it."""

from collections.abc import Sequence
from pathlib import Path

from ..store import Record
from .terminal import table as table


def write(records: Sequence[Record], out: Path) -> list[Path]:
    """Write the page at `out` and its figures beside it, as SVG and PNG; the paths written, the page first.

    ValueError if there are no records, FileExistsError if something else is `in_the_way`.
    """
    from .page import write  # Altair takes a while to import, and the terminal's table does without

    return write(records, out)


def in_the_way(out: Path) -> Path | None:
    """What a report at `out` would write over that no older report has written; None if there is nothing."""
    from .page import in_the_way

    return in_the_way(out)
