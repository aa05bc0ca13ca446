"""Parquet, by PyArrow: the only module that imports it (`pip install pyarrow`, or the extra `data`)."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from .files import Columns, Write
from .plan import Unusable

TOKENS = pa.list_(pa.int32())
TYPES = {"depth": pa.int32()}
ROW_GROUP, ROW_GROUP_BYTES = 65_536, 2**27
"""Rows, or bytes of them, kept in memory before they are written."""


def _type(column: str) -> pa.DataType:
    return TOKENS if column.endswith("_tokens") or column == "labels" else TYPES.get(column, pa.string())


def _array(column: str, rows: Sequence[Any] | np.ndarray) -> pa.Array:
    if isinstance(rows, np.ndarray) and rows.ndim == 2:
        ends = np.arange(len(rows) + 1, dtype=np.int32) * rows.shape[1]
        return pa.ListArray.from_arrays(pa.array(ends), pa.array(rows.ravel(), pa.int32()))
    return pa.array(rows, _type(column))


@contextmanager
def writer(file: Path, metadata: dict[str, Any]) -> Iterator[Write]:
    """A function that appends rows to a new file; the metadata is under the key `seriality`, as JSON."""
    opened: list[pq.ParquetWriter] = []
    waiting: list[pa.RecordBatch] = []

    def flush() -> None:
        if waiting:
            opened[0].write_table(pa.Table.from_batches(waiting))
            waiting.clear()

    def write(columns: Columns) -> None:
        batch = pa.record_batch({name: _array(name, rows) for name, rows in columns.items()})
        batch = batch.replace_schema_metadata({"seriality": json.dumps(metadata)})
        if not opened:
            opened.append(pq.ParquetWriter(file, batch.schema, compression="zstd"))
        waiting.append(batch)
        if sum(map(len, waiting)) >= ROW_GROUP or sum(each.nbytes for each in waiting) >= ROW_GROUP_BYTES:
            flush()

    try:
        yield write
        flush()
    finally:
        for each in opened:
            each.close()


def read(file: Path, columns: tuple[str, ...], rows: int) -> Iterator[tuple[list[Any], ...]]:
    """Columns as lists, some rows at a time."""
    try:
        with pq.ParquetFile(file) as opened:
            names = opened.schema_arrow.names
            if twice := [name for name in columns if names.count(name) > 1]:
                raise Unusable(
                    f"file {str(file)!r} has {names.count(twice[0])} columns {twice[0]!r}, must be one"
                )
            missing = [name for name in columns if name not in names]
            if missing:
                has = ", ".join(map(repr, names[:10]))
                raise Unusable(
                    f"file {str(file)!r} has no column {' or '.join(map(repr, missing))}; it has {has}"
                )
            for batch in opened.iter_batches(batch_size=rows, columns=list(columns)):
                yield tuple(batch.column(name).to_pylist() for name in columns)
    except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
        if isinstance(error, FileNotFoundError):
            raise
        raise Unusable(
            f"file {str(file)!r} cannot be read as Parquet: {' '.join(str(error).split())[:200]}"
        ) from None
