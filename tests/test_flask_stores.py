"""Where conversations are kept for browsers that come back."""

from __future__ import annotations

import os
import runpy
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest


pytest.importorskip("flask")
pytest.importorskip("wsproto")

from realtime_sync.flask import FileStore, MemoryStore, SnapshotStore


@pytest.fixture(name="store", params=["memory", "files"])
def _store(request: pytest.FixtureRequest, tmp_path: Path) -> SnapshotStore:
    return MemoryStore() if request.param == "memory" else FileStore(tmp_path / "kept")


def test_what_is_put_is_there(store: SnapshotStore) -> None:
    """A store gives back what it was given, the last of it."""
    store.put("a", b"1", 60)
    store.put("a", b"2", 60)
    store.put("b", b"3", 60)

    assert (b"2", b"3", None) == (store.get("a"), store.get("b"), store.get("c"))


def test_what_is_deleted_is_gone(store: SnapshotStore) -> None:
    """What was deleted is not there, and may be deleted again."""
    store.put("a", b"1", 60)
    store.delete("a")
    store.delete("a")

    assert store.get("a") is None


def test_what_has_expired_is_gone(store: SnapshotStore) -> None:
    """A conversation is kept for as long as was asked, and no longer."""
    store.put("a", b"1", -1)

    assert store.get("a") is None


def test_the_oldest_leave_a_full_memory() -> None:
    """A store in memory has a size, and forgets first what was put first."""
    store = MemoryStore(max_bytes=20)
    for key in "abc":
        store.put(key, b"0123456789", 60)

    assert (None, b"0123456789") == (store.get("a"), store.get("c"))


def test_what_has_expired_takes_no_room() -> None:
    """A memory lets go of what it is asked for too late."""
    now = [0.0]
    store = MemoryStore(max_bytes=20, clock=lambda: now[0])
    store.put("a", b"0123456789", 60)
    store.put("b", b"0123456789", 10)
    now[0] = 11.0
    found = store.get("b")
    store.put("c", b"0123456789", 60)

    assert found is None
    assert (b"0123456789", b"0123456789") == (store.get("a"), store.get("c"))


def test_files_are_for_their_owner(tmp_path: Path) -> None:
    """Nobody else reads the files, and what a key has in it leads nowhere."""
    store = FileStore(tmp_path / "kept")
    store.put("../../b", b"2", 60)
    (file,) = (tmp_path / "kept").iterdir()

    assert 0o600 == os.stat(file).st_mode & 0o777
    assert b"2" == FileStore(tmp_path / "kept").get("../../b")


def test_files_do_not_pile_up(tmp_path: Path) -> None:
    """What has expired and what was never finished is removed, now and then."""
    now = [1_000_000.0]
    store = FileStore(tmp_path, clock=lambda: now[0])
    store.put("expires", b"1", 60)
    (file,) = tmp_path.iterdir()
    unfinished = tmp_path / f"{file.stem}.abc.tmp"
    foreign = [tmp_path / "tmp_abc", tmp_path / "settings.json"]
    for path in (unfinished, *foreign):
        path.write_bytes(b"")
        os.utime(path, (now[0], now[0]))
    now[0] += 100
    store.put("stays", b"2", 6_000)
    soon = set(tmp_path.iterdir())
    now[0] += 600
    store.put("stays", b"3", 6_000)
    later = set(tmp_path.iterdir())

    assert {file, unfinished} <= soon
    assert {file, unfinished} == soon - later
    assert set(foreign) < later
    assert b"3" == store.get("stays")


@pytest.mark.parametrize(("folder", "error"), [(None, TypeError), ("", ValueError)])
def test_a_folder_has_a_name(folder: object, error: type[Exception]) -> None:
    """What names no folder is refused when the store is made."""
    with pytest.raises(error, match="folder"):
        FileStore(folder)  # type: ignore[arg-type]


def test_workers_that_start_together_have_one_key(tmp_path: Path) -> None:
    """None of them reads a key that another one has not written yet."""
    path = Path(__file__).parents[1] / "examples/flask_app/keys.py"
    secret_key = runpy.run_path(str(path))["secret_key"]
    count = 8
    together = threading.Barrier(count)

    def start(folder: Path) -> str:
        together.wait()
        return str(secret_key(folder))

    with ThreadPoolExecutor(count) as pool:
        for number in range(50):
            folder = tmp_path / str(number)
            keys = set(pool.map(start, [folder] * count))

            assert {secret_key(folder)} == keys
            assert 64 == len(keys.pop())
            assert ["secret_key"] == [each.name for each in folder.iterdir()]
            assert 0o600 == (folder / "secret_key").stat().st_mode & 0o777
