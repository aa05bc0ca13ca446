"""The store: nothing lost, nothing doubled, nothing changed, and nothing touched that is not a store."""

import hashlib
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import tempfile
import textwrap
import time
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seriality.store import APPLICATION, Record, Store, StoreError, digest, finite


def record(seed, *, study="example", size=10):
    settings = {"study": study, "seed": seed}
    return Record(digest(settings), study, settings, {"loss": [seed] * size}, {"commit": "0123abc"})


@pytest.fixture
def path(tmp_path):
    return tmp_path / "folder" / "store.sqlite"


@pytest.fixture(autouse=True)
def _folder(path):
    path.parent.mkdir()


def snapshot(folder):
    """Every name in a folder with the digest of its bytes."""
    return {
        str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest()
        if file.is_file()
        else None
        for file in sorted(folder.rglob("*"))
    }


def child(code, *arguments, **options):
    """A Python process of its own that has `record` and the names of the store."""
    head = """
        import sys
        from seriality.store import Record, Store, StoreError, digest
        def record(seed, size=10):
            settings = {"study": "example", "seed": seed}
            return Record(digest(settings), "example", settings, {"loss": [seed] * size}, {})
    """
    source = textwrap.dedent(head) + textwrap.dedent(code)
    return subprocess.Popen(
        [sys.executable, "-c", source, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def finish(process, code=0):
    out, err = process.communicate(timeout=120)
    assert process.returncode == code, err
    return out


# What goes in comes out

plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
objects = st.dictionaries(st.text(), plain, max_size=4)


@given(objects, objects, objects)
@settings(deadline=None, max_examples=30)
def test_a_record_comes_out_as_it_went_in(tmp_path_factory, settings, outcome, provenance):
    given_ = Record(digest(settings), "example", settings, outcome, provenance)
    with Store(tmp_path_factory.mktemp("any") / "store.sqlite") as store:
        assert store.add([given_]) == 1
        assert store.records() == [given_]


def test_records_keep_their_order_and_their_studies(path):
    with Store(path) as store:
        assert store.add(record(seed, study="b") for seed in (3, 1, 2)) == 3
        assert store.add([record(1, study="a"), record(1, study="b")]) == 1
        assert [each.settings["seed"] for each in store.records("b")] == [3, 1, 2]
        assert len(store.records()) == len(store) == 4
        assert store.ids("a") == {record(1, study="a").id}
        assert store.ids("none") == set()
        assert store.add([]) == 0


def test_a_second_record_of_a_trial_is_left_out(path):
    first = record(0)
    second = Record(first.id, first.study, first.settings, {"loss": "other"}, {})
    with Store(path) as store:
        assert (store.add([first]), store.add([second, record(1)])) == (1, 1)
        assert store.records()[0] == first


def test_ids_depend_on_the_settings_and_not_on_their_order():
    assert digest({"a": 1, "b": [1, 2]}) == digest({"b": (1, 2), "a": 1})
    assert len({digest({"seed": seed}) for seed in range(1000)}) == 1000


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), object(), b"bytes", {1, 2}])
def test_what_is_not_json_is_refused_and_nothing_of_the_call_is_kept(path, wrong):
    settings = {"study": "example", "seed": 1}
    bad = Record(digest(settings), "example", settings, {"loss": wrong}, {})
    with Store(path) as store:
        with pytest.raises(ValueError, match="plain JSON"):
            store.add([record(0), bad])
        assert len(store) == 0
        store.add([Record(bad.id, "example", settings, finite({"loss": float("nan")}), {})])
        assert store.records()[0].outcome == {"loss": None}


def test_an_id_that_is_not_the_digest_is_refused(path):
    with Store(path) as store, pytest.raises(ValueError, match="digest of its settings"):
        store.add([Record("0", "example", {}, {}, {})])


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE record SET outcome = '{}'",
        "DELETE FROM record",
        "REPLACE INTO record SELECT number, id, study, settings, '{}', provenance, checksum FROM record",
    ],
)
def test_records_are_never_changed_by_anyone(path, statement):
    with Store(path) as store:
        store.add([record(0)])
    connection = sqlite3.connect(path)
    with suppress(sqlite3.IntegrityError):
        connection.execute(statement)
    connection.commit()
    connection.close()
    with Store.open_read(path) as store:
        assert store.records() == [record(0)]


# Several processes, and their ends


def test_processes_that_share_a_store_lose_and_double_nothing(path):
    code = """
        with Store(sys.argv[1]) as store:
            print(sum(store.add([record(seed)]) for seed in range(int(sys.argv[2]), int(sys.argv[3]))))
    """
    ranges = [(0, 60), (30, 90), (0, 90)]
    written = [int(finish(each)) for each in [child(code, path, *ends) for ends in ranges]]
    with Store.open_read(path) as store:
        assert sorted(each.settings["seed"] for each in store.records()) == list(range(90))
    assert sum(written) == 90


def test_a_killed_process_loses_at_most_the_transaction_it_was_in(path):
    code = """
        with Store(sys.argv[1]) as store:
            for seed in range(len(store), 10**6):
                store.add([record(seed, size=3000)])
                print(seed, flush=True)
    """
    last = -1
    for pause in (0.0, 0.03, 0.1):
        process = child(code, path)
        assert process.stdout is not None
        last = int(process.stdout.readline())
        time.sleep(pause)
        process.send_signal(signal.SIGKILL)
        rest = process.stdout.read().split("\n")[:-1]
        process.communicate()
        last = int(rest[-1]) if rest else last
        with Store.open_read(path) as store:
            kept = [each.settings["seed"] for each in store.records()]
        assert kept in (list(range(last + 1)), list(range(last + 2)))
    with Store(path) as store:  # the same command goes on from there
        assert store.add(record(seed) for seed in range(last + 3)) in (1, 2)


def test_a_process_killed_while_it_makes_a_store_leaves_none_or_a_whole_one(path):
    for pause in (0.05, 0.08, 0.12, 0.2):
        process = child("Store(sys.argv[1])", path)
        time.sleep(pause)
        process.kill()
        process.communicate()
        if path.exists():
            with Store.open_read(path) as store:
                assert len(store) == 0
            path.unlink()


def test_a_reader_sees_what_a_running_writer_has_added(path):
    with Store(path) as writer:
        writer.add([record(0)])
        with Store.open_read(path) as reader:
            assert len(reader) == 1
            writer.add([record(1)])
            assert len(reader) == 2


def test_a_reader_that_was_alone_notices_a_writer(path):
    with Store(path) as writer:
        writer.add([record(0)])
    with Store.open_read(path) as reader:
        assert len(reader) == 1
        with Store(path) as writer:
            writer.add(record(seed, size=2000) for seed in range(200))
        assert len(reader.records()) == 200


def test_reading_changes_no_byte(path):
    with Store(path) as store:
        store.add(record(seed) for seed in range(50))
    before = snapshot(path.parent), path.stat().st_mtime_ns
    with Store.open_read(path) as store:
        assert len(store.records("example")) == 50
        with pytest.raises(StoreError, match="opened for reading"):
            store.add([record(99)])
    assert (snapshot(path.parent), path.stat().st_mtime_ns) == before


# What is refused is left as it was


def header(number, at):
    def change(data):
        return data[:at] + number.to_bytes(4, "big") + data[at + 4 :]

    return change


def filled(path):
    with Store(path) as store:
        store.add(record(seed, size=3000) for seed in range(40))
    return path.read_bytes()


def foreign(path):
    connection = sqlite3.connect(path.with_name("other"))
    connection.execute("CREATE TABLE record (id)")
    connection.commit()
    connection.close()
    data = path.with_name("other").read_bytes()
    path.with_name("other").unlink()
    return data


@pytest.mark.parametrize("read_only", [False, True])
@pytest.mark.parametrize(
    ("said", "make"),
    [
        ("not a store", lambda path: b"solver,reach\nRNN,16\n" * 100),
        ("not a store", lambda path: b"SQLite"),
        ("empty file", lambda path: b""),
        ("another program", foreign),
        ("newer than this seriality", lambda path: header(99, 60)(filled(path))),
        ("damaged", lambda path: filled(path)[:-20_000]),
        ("damaged", lambda path: filled(path)[:150]),
        ("damaged", lambda path: filled(path)[:4096] + os.urandom(4096) + filled(path)[8192:]),
        ("damaged", lambda path: filled(path)[:100] + bytes(3996) + filled(path)[4096:]),
    ],
    ids=["text", "short", "empty", "foreign", "newer", "truncated", "stub", "garbled", "no schema"],
)
def test_what_is_no_sound_store_is_refused_and_left_alone(path, said, make, read_only):
    data = make(path)
    path.write_bytes(data)
    before = snapshot(path.parent)
    with pytest.raises(StoreError, match=said) as error:
        Store(path, read_only=read_only)
    assert "\n" not in str(error.value)
    assert str(path) in str(error.value)
    assert snapshot(path.parent) == before


def test_an_index_that_misses_a_row_is_damage(path):
    """One bit in the key of an index: a query by it would not find the record, or add it once more."""
    data = filled(path)
    places = [match.start() for match in re.finditer(b"example", data)]
    outside = [place for place in places if data[place - 20 : place].find(b"{") < 0]
    for place in (outside[0], outside[-1]):
        path.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        with pytest.raises(StoreError, match="damaged"), Store.open_read(path) as store:
            assert len(store.records("example")) == 40


def test_damaged_text_is_damage(path):
    data = filled(path)
    place = data.index(b"CREATE TABLE record") + 20
    path.write_bytes(data[:place] + b"\xff" + data[place + 1 :])
    with pytest.raises(StoreError, match="it is damaged"):
        Store.open_read(path)
    place = data.index(b'"loss":[7,7,7')
    path.write_bytes(data[:place] + b"\x1b\xff" + data[place + 2 :])
    with pytest.raises(StoreError, match="it is damaged") as error, Store.open_read(path) as store:
        store.records()
    assert str(error.value).isprintable()


def test_a_store_of_version_zero_is_damaged(path):
    path.write_bytes(header(0, 60)(filled(path)))
    with pytest.raises(StoreError, match="damaged"):
        Store.open_read(path)


@pytest.mark.parametrize("part", ["settings", "outcome", "provenance"])
def test_a_record_is_made_of_objects(path, part):
    odd = Record(digest({}), "example", {}, {}, {})
    object.__setattr__(odd, part, [])  # where annotations are not checked
    with Store(path) as store, pytest.raises(ValueError, match="are dicts"):
        store.add([odd])


def test_a_link_shows_what_is_still_in_the_log(path):
    """Opened by another name, the log beside the file itself is read."""
    link = path.with_name("link.sqlite")
    link.symlink_to(path.name)
    with Store(path) as writer:
        writer.add([record(0)])
        with Store.open_read(link) as reader:
            assert len(reader) == 1
            writer.add([record(1)])
            assert len(reader) == 2


def test_damage_that_leaves_the_database_sound_is_seen_when_it_is_read(path):
    data = filled(path)
    place = data.index(b'"loss":[7,7,7') + len('"loss":[')
    path.write_bytes(data[:place] + b"8" + data[place + 1 :])
    with Store.open_read(path) as store, pytest.raises(StoreError, match="checksum"):
        store.records()


def test_a_folder_or_a_missing_file_is_refused(path):
    with pytest.raises(StoreError, match="not a file"):
        Store(path.parent)
    with pytest.raises(StoreError, match="no such file"):
        Store.open_read(path)
    with pytest.raises(StoreError, match="no folder"):
        Store(path.parent / "none" / "store.sqlite")
    assert snapshot(path.parent) == {}


def test_names_with_any_sign_are_names(path):
    odd = path.with_name("a b?mode=memory#%41&é.sqlite")
    with Store(odd) as store:
        store.add([record(0)])
    with Store.open_read(odd) as store:
        assert len(store) == 1
    assert [file.name for file in path.parent.iterdir()] == [odd.name]


def test_a_locked_store_says_so_and_keeps_what_it_has(path):
    with Store(path, patience_s=0.1) as store:
        store.add([record(0)])
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="locked"):
            store.add([record(1)])
        other.execute("ROLLBACK")
        other.close()
        assert store.add([record(1)]) == 1


def test_a_full_disk_keeps_earlier_records_and_nothing_of_the_call(path):
    with Store(path) as store:
        store.add([record(0)])
        pages = store._connection.execute("PRAGMA page_count").fetchone()[0]
        store._connection.execute(f"PRAGMA max_page_count = {pages + 2}")
        with pytest.raises(StoreError, match="disk is full"):
            store.add(record(seed, size=3000) for seed in range(1, 20))
        assert store.records() == [record(0)]
    with Store(path) as store:
        assert store.add(record(seed) for seed in range(1, 20)) == 19


# A read-only place. The superuser may write anywhere, so the child gives up its rights before it looks.

LOOK = """
    import os
    if os.getuid() == 0:
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
    try:
        with Store(sys.argv[1], read_only=sys.argv[2] == "read") as store:
            print(len(store.records()))
    except StoreError as error:
        print(error)
"""


@pytest.fixture
def open_path():
    """A path in a folder that every user can reach; pytest's own folders are closed to others."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        inner = Path(folder) / "folder"
        inner.mkdir()
        yield inner / "store.sqlite"
        inner.chmod(0o755)


def look(path, mode):
    return finish(child(LOOK, path, mode)).strip()


def test_a_read_only_store_is_read_and_is_not_added_to(open_path):
    filled(open_path)
    open_path.chmod(0o444)
    open_path.parent.chmod(0o555)
    before = snapshot(open_path.parent)
    assert look(open_path, "read") == "40"
    assert "read-only" in look(open_path, "add")
    assert "cannot be made" in look(open_path.with_name("new.sqlite"), "add")
    assert snapshot(open_path.parent) == before


def test_records_still_in_the_log_are_read_in_a_read_only_folder(open_path):
    process = child(
        """
        import os
        store = Store(sys.argv[1])
        store.add([record(seed) for seed in range(7)])
        os.kill(os.getpid(), 9)
        """,
        open_path,
    )
    process.communicate()
    log = Path(f"{open_path}-wal")
    assert log.stat().st_size > 0
    Path(f"{open_path}-shm").unlink()
    for file in (open_path, log):
        file.chmod(0o444)
    open_path.parent.chmod(0o555)
    before = snapshot(open_path.parent)
    assert look(open_path, "read") == "7"
    assert snapshot(open_path.parent) == before


def test_the_header_names_the_application_and_the_safe_settings(path):
    with Store(path) as store:
        ask = store._connection.execute
        assert ask("PRAGMA application_id").fetchone() == (APPLICATION,)
        assert ask("PRAGMA journal_mode").fetchone() == ("wal",)
        assert ask("PRAGMA synchronous").fetchone() == (2,)  # FULL
    assert json.loads(json.dumps(finite({"a": (1, float("-inf"))}))) == {"a": [1, None]}
