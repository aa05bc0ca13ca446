"""Rows as files: JSON lines here, Parquet in `parquet`. Both are written whole or not at all."""

import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.filesize import decimal

from ..partial import partial as unfinished
from ..tasks.base import shortened
from .plan import Refused, Unusable

KINDS = (".parquet", ".jsonl")
LONGEST_LINE = 2**20
"""The most characters of a line of predictions; what is longer is a fault of that row."""
BEGINNING = 200
"""The bytes that are kept of a line that is no row."""
ROWS, BYTES = 4096, 2**25
"""Rows, or bytes of them, read at a time."""


@dataclass(frozen=True)
class NoRow:
    """Stands for the id of a line that is no JSON object, or too long; `text` is how it begins."""

    text: str


Columns = dict[str, Sequence[Any] | np.ndarray]
"""Rows by column, all columns of one length."""
Write = Callable[[Columns], None]


def kind_of(file: Path) -> str:
    """The file's ending, if it is one of KINDS."""
    if (kind := file.suffix.lower()) not in KINDS:
        raise Refused(
            f"file {str(file)!r} ends in {kind!r}, allowed are {' and '.join(KINDS)}; e.g. words.parquet"
        )
    return kind


def check_place(file: Path) -> None:
    """Refuse a file that is there, or cannot be."""
    kind_of(file)
    if os.path.lexists(file):
        raise Refused(f"file {str(file)!r} is there already; name another, or move it away")
    if not file.parent.is_dir():
        raise Refused(f"folder {str(file.parent)!r} is not there; make it, or name another file")


@contextmanager
def writing(file: Path, metadata: dict[str, Any], rows: int) -> Iterator[Write]:
    """A function that appends rows; the file appears when the block ends well, and not otherwise.

    Refused before the disk is full: `rows`, of which so many take so much, must fit.
    """
    check_place(file)
    kind = kind_of(file)
    with unfinished(file) as partial:
        if kind == ".jsonl":
            with open(partial, "w", encoding="utf-8") as opened:

                def write(columns: Columns) -> None:
                    lists = (x.tolist() if isinstance(x, np.ndarray) else x for x in columns.values())
                    for row in zip(*lists, strict=True):
                        opened.write(
                            json.dumps(dict(zip(columns, row, strict=True)), ensure_ascii=False) + "\n"
                        )

                yield _within_room(write, partial, file, rows)
        else:
            from .parquet import writer

            with writer(partial, metadata) as append:
                yield _within_room(append, partial, file, rows)
        _move(partial, file)


def _within_room(write: Write, partial: Path, file: Path, rows: int) -> Write:
    """`write`, refused as soon as the rows to come need more than what is free."""
    done = 0

    def append(columns: Columns) -> None:
        nonlocal done
        write(columns)
        done += len(next(iter(columns.values())))
        size = partial.stat().st_size if partial.exists() else 0  # what is not flushed is not seen
        free = shutil.disk_usage(file.parent).free
        if size / done * (rows - done) > free:
            raise Refused(
                f"file {str(file)!r} would take about {decimal(size * rows // done)}, and "
                f"{decimal(free + size)} are free; ask for fewer rows, or name another folder"
            )

    return append


def put_beside(file: Path, text: str) -> None:
    """Write a small text file, whole or not at all, and never over one that is there."""
    with unfinished(file) as partial:
        partial.write_text(text, encoding="utf-8")
        _move(partial, file)


def _move(partial: Path, file: Path) -> None:
    """Give a finished file its name, but never over a file that has appeared meanwhile."""
    try:
        os.link(partial, file)
    except FileExistsError:
        raise Refused(f"file {str(file)!r} has appeared meanwhile and was left as it is") from None
    except OSError:  # a file system without links
        if os.path.lexists(file):
            raise Refused(f"file {str(file)!r} has appeared meanwhile and was left as it is") from None
        os.replace(partial, file)


def predictions(file: Path) -> Iterator[tuple[list[Any], ...]]:
    """Ids and predictions, some rows at a time; None where a row has none, and NoRow for the id of a line
    that is no row. Unusable if it is no such file."""
    if kind_of(file) == ".parquet":
        from .parquet import read

        yield from read(file, ("id", "prediction"), ROWS)
        return
    ids: list[Any] = []
    given: list[Any] = []
    named: set[str] = set()
    read = 0
    for row, size in _json_rows(file):
        read += size
        if isinstance(row, NoRow):
            ids.append(row)
            given.append(None)
        else:
            named |= {"id", "prediction"} & row.keys()
            ids.append(row.get("id"))
            given.append(row.get("prediction"))
        if len(ids) == ROWS or read > BYTES:
            yield ids, given
            ids, given, read = [], [], 0
    if missing := {"id", "prediction"} - named:
        wanted = " or ".join(map(repr, sorted(missing)))
        broken = [f"; {shortened(each.text)} is no JSON object" for each in ids if isinstance(each, NoRow)]
        raise Unusable(f"file {str(file)!r}: no row has {wanted}{''.join(broken[:1])}")
    if ids:
        yield ids, given


def _json_rows(file: Path) -> Iterator[tuple[dict[str, Any] | NoRow, int]]:
    """The rows of a file of JSON lines, with their bytes."""
    with open(file, "rb") as opened:
        while line := opened.readline(LONGEST_LINE):
            end = line
            while len(end) == LONGEST_LINE and not end.endswith(b"\n"):  # the rest is not kept
                end = opened.readline(LONGEST_LINE)
            if not line.strip():
                continue
            try:
                row = json.loads(line) if end is line else None
            except (ValueError, RecursionError):
                row = None
            if not isinstance(row, dict):
                row = NoRow(line[:BEGINNING].decode(errors="replace").strip())
            yield row, len(line)
