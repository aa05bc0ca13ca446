"""Records: what a trial was, what came of it, and on what it ran, kept for good in one SQLite file.

A record stands alone: yesterday's row needs no code of today. The store only grows. A trial's id is a digest
of its settings, so a trial is recorded once, however many processes run it and however often they are killed.

What holds, and why:

* One call of `add` is one transaction: all of its records are kept or none. The log (WAL) is flushed at every
  commit (`synchronous=FULL`), so what `add` has returned from survives a power cut; a record costs a trial of
  seconds or minutes, the flush milliseconds. A killed process loses the transaction it was in, nothing else.
* A new store is built beside its place and linked there whole: a file that exists is a store or is refused.
* Rows are never changed: triggers abort UPDATE and DELETE, and a second record of the same id is ignored.
* Every row carries a checksum, verified when it is read: that shows damage which leaves the database sound.
* A file that is refused is left byte for byte as it was: it is examined by a reader that writes nothing.

It does not guard against someone who means to forge records, and it trusts no text it reads: whoever shows it
must escape it.
"""

import hashlib
import json
import math
import os
import sqlite3
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from shutil import copyfile
from typing import Any

APPLICATION = 0x53455249
"""The application id in the header of every store: "SERI"."""
VERSION = 1
"""The version of the schema, in the header as SQLite's user version. A newer one is refused."""

SCHEMA = """
CREATE TABLE record (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    study TEXT NOT NULL,
    settings TEXT NOT NULL,
    outcome TEXT NOT NULL,
    provenance TEXT NOT NULL,
    checksum TEXT NOT NULL
);
CREATE INDEX record_by_study ON record (study);
CREATE TRIGGER record_is_written_once BEFORE INSERT ON record
    WHEN EXISTS (SELECT 1 FROM record WHERE id = NEW.id) BEGIN SELECT RAISE(IGNORE); END;
CREATE TRIGGER record_is_not_changed BEFORE UPDATE ON record
    BEGIN SELECT RAISE(ABORT, 'records are never changed'); END;
CREATE TRIGGER record_is_not_removed BEFORE DELETE ON record
    BEGIN SELECT RAISE(ABORT, 'records are never removed'); END;
"""


class StoreError(Exception):
    """A store that cannot be opened, read or added to; says in one line what is wrong and what to do."""


@dataclass(frozen=True)
class Record:
    """One trial: its settings, what came of it, and on what it ran. All three are plain JSON.

    >>> settings = {"row": "RNN", "seed": 0}
    >>> Record(digest(settings), "mine", settings, outcome={}, provenance={}).study
    'mine'
    """

    id: str
    study: str
    settings: dict[str, Any]
    outcome: dict[str, Any]
    provenance: dict[str, Any]


def canonical(value: Any) -> str:
    """The one JSON text of a value: sorted keys, no blanks, ASCII. ValueError if JSON cannot hold it (NaN).

    >>> canonical({"seed": 0, "rate": 0.003})
    '{"rate":0.003,"seed":0}'
    """
    try:
        return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ValueError(f"a record holds plain JSON only ({error}); `finite` makes curves plain") from None


def digest(settings: dict[str, Any]) -> str:
    """The id of the trial with these settings: 20 hexadecimal digits, a BLAKE2 hash of their canonical JSON.

    >>> digest({"seed": 0, "rate": 0.003}) == digest({"rate": 0.003, "seed": 0}) != digest({"seed": 1})
    True
    """
    return hashlib.blake2b(canonical(settings).encode(), digest_size=10).hexdigest()


def finite(value: Any) -> Any:
    """The value as plain JSON: arrays become lists, and NaN and infinities, which JSON lacks, become null.

    >>> finite({"loss": [0.5, float("nan")], "step": (0, 100)})
    {'loss': [0.5, None], 'step': [0, 100]}
    """
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, dict):
        return {key: finite(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [finite(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


class Store:
    """The records in one SQLite file, opened for adding (made if there is no file) or for reading only.

    >>> import tempfile
    >>> settings = {"study": "example", "seed": 0}
    >>> with tempfile.TemporaryDirectory() as folder, Store(Path(folder) / "store.sqlite") as store:
    ...     store.add([Record(digest(settings), "example", settings, {"reach": 16}, {})] * 2), len(store)
    (1, 1)

    StoreError if the file is no store, is damaged, locked for longer than `patience_s`, from a newer version,
    or cannot be written to. A store object belongs to one thread; any number of processes may share the file.
    """

    def __init__(self, path: str | os.PathLike[str], *, read_only: bool = False, patience_s: float = 30.0):
        self._named = os.fspath(path)
        self.read_only = read_only
        with self._explained():  # SQLite keeps its log beside the file that a link points to
            self.path = Path(os.path.realpath(path))
        self._patience_s = patience_s
        self._copy: tempfile.TemporaryDirectory[str] | None = None
        self._still: tuple[int, ...] | None = None
        if not read_only and not os.path.lexists(self.path):
            self._create()
        self._check_header()
        if not read_only:
            for place in (self.path, self.path.parent):
                if not os.access(place, os.W_OK):
                    raise self._error(
                        f"{place} is read-only; open the store for reading or copy it elsewhere"
                    )
        try:
            self._connect_to_read()
            self._check_pages()
            if not read_only:
                self._connect_to_add()
        except BaseException:
            self.close()
            raise

    @classmethod
    def open_read(cls, path: str | os.PathLike[str]) -> "Store":
        """The store opened for reading: works in a read-only folder and beside a running writer."""
        return cls(path, read_only=True)

    def add(self, records: Iterable[Record]) -> int:
        """Keep the records in one transaction; how many were new. An id that is there keeps its record.

        ValueError if a record is not made of plain JSON objects or its id is not the digest of its settings;
        StoreError if the file cannot take it (disk full, locked). Nothing of the call is kept then.
        """
        if self.read_only:
            raise self._error("it was opened for reading")
        rows = [_row(record) for record in records]
        with self._explained():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                before = self._connection.total_changes
                self._connection.executemany(
                    "INSERT INTO record (id, study, settings, outcome, provenance, checksum)"
                    " VALUES (?, ?, ?, ?, ?, ?)",
                    rows,
                )
                self._connection.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):
                    self._connection.execute("ROLLBACK")
                raise
            return self._connection.total_changes - before

    def records(self, study: str | None = None) -> list[Record]:
        """The records of a study, or all of them, in the order in which they were added."""
        where, values = ("", ()) if study is None else (" WHERE study = ?", (study,))
        columns = "id, study, settings, outcome, provenance, checksum"
        rows = self._fetch(f"SELECT {columns} FROM record{where} ORDER BY number", values)
        return [self._record(row) for row in rows]

    def ids(self, study: str | None = None) -> set[str]:
        """The ids of the trials of a study, or of all studies, that have a record."""
        where, values = ("", ()) if study is None else (" WHERE study = ?", (study,))
        return {id for (id,) in self._fetch(f"SELECT id FROM record{where}", values)}

    def held(self, ids: Iterable[str]) -> set[str]:
        """Which of these ids have a record. Looked up one by one: the cost does not grow with the store."""
        return {id for id in ids if self._fetch("SELECT 1 FROM record WHERE id = ?", (id,))}

    def failed(self, study: str) -> set[str]:
        """The ids of the trials of a study that were recorded as failed, and have no record of their own."""
        rows = self._fetch(
            "SELECT failed FROM (SELECT json_extract(settings, '$.failed') AS failed FROM record"
            " WHERE study = ?) WHERE failed IS NOT NULL",
            (study,),
        )
        failed = {id for (id,) in rows}
        return failed - self.held(failed)

    def __len__(self) -> int:
        return self._fetch("SELECT COUNT(*) FROM record")[0][0]

    def __enter__(self) -> "Store":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file. Closing twice is harmless."""
        if (connection := getattr(self, "_connection", None)) is not None:
            connection.close()
        if self._copy is not None:
            self._copy.cleanup()
            self._copy = None

    # Opening

    def _create(self) -> None:
        """Build an empty store beside its place and link it there: it appears whole or not at all."""
        folder = self.path.parent
        if not os.path.isdir(folder):
            raise self._error(f"there is no folder {folder}, or it is closed to you; make it first")
        try:
            with tempfile.TemporaryDirectory(prefix=".new-store-", dir=folder) as place:
                fresh = Path(place) / "store"
                connection = sqlite3.connect(fresh, isolation_level=None)
                try:
                    connection.execute(f"PRAGMA application_id = {APPLICATION}")
                    connection.execute(f"PRAGMA user_version = {VERSION}")
                    connection.executescript(f"BEGIN;{SCHEMA}COMMIT;")
                    connection.execute("PRAGMA journal_mode = WAL")
                finally:
                    connection.close()
                with suppress(FileExistsError):  # another process was first: its store is as good
                    os.link(fresh, self.path)
        except (OSError, sqlite3.Error) as error:
            raise self._error(f"a store cannot be made there ({_reason(error)})") from error

    def _check_header(self) -> None:
        """Refuse what is no store of this version, by plain reading: SQLite has not touched the file yet."""
        if not os.path.lexists(self.path):
            raise self._error(
                "there is no such file; `seriality run` makes one"
                if os.path.isdir(self.path.parent)
                else f"there is no folder {self.path.parent}, or it is closed to you"
            )
        if not os.path.isfile(self.path):
            raise self._error("it is not a file")
        try:
            with self.path.open("rb") as file:
                header = file.read(100)
        except OSError as error:
            raise self._error(f"it cannot be read ({_reason(error)})") from error
        if not header:
            raise self._error("it is an empty file, not a store; remove it or name another file")
        if len(header) < 100 or not header.startswith(b"SQLite format 3\0"):
            raise self._error("it is not a store (no SQLite database); name another file")
        if int.from_bytes(header[68:72], "big") != APPLICATION:
            raise self._error("it is a database of another program, not a store; name another file")
        version = int.from_bytes(header[60:64], "big")
        if not version:
            raise self._error("it is damaged (its version is 0); restore it from a copy")
        if version > VERSION:
            raise self._error(
                f"it is of version {version}, newer than this seriality reads ({VERSION}); upgrade seriality"
            )

    def _connect_to_read(self) -> None:
        """Open a connection that leaves the file, its log and its folder as they are."""
        self.close()
        log = Path(f"{self.path}-wal")
        with self._explained():
            if (
                not log.exists()
            ):  # nobody is writing: read the file alone, and see below whether it stays still
                self._still = self._state()
                self._connection = self._connect(self.path, "mode=ro&immutable=1")
                return
            self._still = None
            self._connection = self._connect(self.path, "mode=ro")
            try:
                self._connection.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()
            except sqlite3.OperationalError as error:
                if not error.sqlite_errorname.startswith(("SQLITE_CANTOPEN", "SQLITE_READONLY")):
                    raise
                # A log left behind in a folder that is read-only: SQLite can index it in a copy only.
                self._connection.close()
                self._copy = tempfile.TemporaryDirectory(prefix="seriality-store-")
                copy = Path(self._copy.name) / "store"
                copyfile(self.path, copy)
                copyfile(log, f"{copy}-wal")
                self._connection = self._connect(copy, "mode=rw")

    def _connect_to_add(self) -> None:
        self.close()
        self._still = None
        with self._explained():
            self._connection = self._connect(self.path, "mode=rw")
            self._connection.execute("PRAGMA synchronous = FULL")
            self._connection.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()

    def _connect(self, path: Path, mode: str) -> sqlite3.Connection:
        connection = sqlite3.connect(
            f"{path.as_uri()}?{mode}", uri=True, timeout=self._patience_s, isolation_level=None
        )
        connection.execute("PRAGMA trusted_schema = OFF")
        return connection

    def _check_pages(self) -> None:
        faults = self._fetch("PRAGMA integrity_check(1)")  # an index that misses a row would hide a record
        if faults != [("ok",)]:
            raise self._error(f"it is damaged ({str(faults[0][0]).splitlines()[0]}); restore it from a copy")

    # Reading

    def _state(self) -> tuple[int, ...]:
        """What changes when someone writes to the file or begins to."""
        stat = self.path.stat()
        return (stat.st_ino, stat.st_size, stat.st_mtime_ns, Path(f"{self.path}-wal").exists())

    def _fetch(self, query: str, values: tuple[str, ...] = ()) -> list[tuple[Any, ...]]:
        """All rows of a query. A file that was read alone while a writer came is read again, with its log."""
        with self._explained():
            while True:
                try:
                    rows = self._connection.execute(query, values).fetchall()
                except (sqlite3.DatabaseError, UnicodeError):
                    if self._still in (None, self._state()):
                        raise
                else:
                    if self._still in (None, self._state()):
                        return rows
                time.sleep(0.01)
                self._connect_to_read()

    def _record(self, row: tuple[Any, ...]) -> Record:
        *texts, checksum = row
        if checksum != _checksum(texts):
            raise self._error(
                f"it is damaged (the record {texts[0]!r} does not match its checksum); restore a copy"
            )
        id, study, *parts = texts
        settings, outcome, provenance = (json.loads(part) for part in parts)
        if not all(isinstance(part, dict) for part in (settings, outcome, provenance)):
            raise self._error(f"it is damaged (the record {id!r} is not made of objects); restore a copy")
        return Record(id, study, settings, outcome, provenance)

    # Errors

    def _error(self, what: str) -> StoreError:
        return StoreError(f"store {self._named!r}: {what}")

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn whatever SQLite or the system says into a StoreError of one line."""
        try:
            yield
        except (sqlite3.Error, OSError, UnicodeError) as error:
            raise self._error(_reason(error)) from error


DAMAGED = "it is damaged; restore it from a copy"
REASONS = {
    "SQLITE_BUSY": "another process holds it locked; try again when that one is done",
    "SQLITE_LOCKED": "another process holds it locked; try again when that one is done",
    "SQLITE_FULL": "the disk is full; earlier records are intact, free some space and try again",
    "SQLITE_CORRUPT": DAMAGED,
    "SQLITE_ERROR": DAMAGED,
    "SQLITE_IOERR": "the disk fails to read or write it; earlier records are intact, check space and quota",
    "SQLITE_NOTADB": "it is damaged or no database; restore it from a copy",
    "SQLITE_READONLY": "it is read-only; open the store for reading or copy it elsewhere",
    "SQLITE_CANTOPEN": "it cannot be opened; check the folder and its permissions",
}


def _reason(error: Exception) -> str:
    name = getattr(error, "sqlite_errorname", None) or ""
    known = next((text for code, text in REASONS.items() if name.startswith(code)), None)
    said = str(getattr(error, "strerror", None) or error)
    if isinstance(error, UnicodeError) or said.startswith("Could not decode"):
        return DAMAGED
    return known or " ".join("".join(sign for sign in said if sign.isprintable()).split())


def _row(record: Record) -> tuple[str, ...]:
    parts = (record.settings, record.outcome, record.provenance)
    if not all(isinstance(part, dict) for part in parts):
        raise ValueError("settings, outcome and provenance of a record are dicts")
    if record.id != (expected := digest(record.settings)):
        raise ValueError(f"a record's id is the digest of its settings: {expected!r}, got {record.id!r}")
    texts = [record.id, record.study, *map(canonical, parts)]
    return (*texts, _checksum(texts))


def _checksum(texts: list[Any]) -> str:
    return hashlib.blake2b("\n".join(map(str, texts)).encode(), digest_size=10).hexdigest()
