"""From records to what people read: a page, its figures, tables, and how every claim stands."""

from collections.abc import Sequence
from pathlib import Path

from ..store import Record
from . import as_json as as_json
from .standings import Standing as Standing
from .standings import standings as standings
from .terminal import claim as claim
from .terminal import claims as claims
from .terminal import table as table


def write(
    records: Sequence[Record], out: Path, figures_in: Path | None = None, stores: Sequence[Path] = ()
) -> list[Path]:
    """Write the page at `out`, and its figures as SVG and PNG into a folder if one is named; the paths
    written, the page first. The page says that `stores` hold the records.

    ValueError if there are no records, FileExistsError if something else is `in_the_way`.
    """
    from .page import write  # Altair takes a while to import, and the terminal's table does without

    return write(records, out, figures_in, stores)


def save_figures(records: Sequence[Record], folder: Path) -> list[Path]:
    """Write every figure as SVG and PNG; the paths."""
    from .page import save_figures

    return save_figures(records, folder)


def in_the_way(out: Path, figures_in: Path | None = None) -> Path | None:
    """What a report at `out` would write over that no older report has written; None if there is nothing."""
    from .page import in_the_way

    return in_the_way(out, figures_in)
