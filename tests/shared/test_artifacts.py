"""The store: whole files or none, and never other bytes than were stored."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import pytest

from shared.artifacts import Key, LocalFolder, data_key, scores_key, state_key
from shared.errors import Code, DamagedError, UnavailableError

JOB = "2e6e0eab-0694-448b-8eea-79b35f7a58c1"
HOSTILE = [
    "../a.npz",
    f"../{JOB}.npz",
    f"./{JOB}.npz",
    f"a/../{JOB}.npz",
    f"/etc/{JOB}.npz",
    f"a..b/{JOB}.npz",
    f"a/{JOB}.pkl",
    f"a/{JOB}",
    f"a/{JOB}.npz\n",
    f"a/{JOB.upper()}.npz",
    "a/.part-0123456789abcdef",
    f"{'x' * 129}/{JOB}.npz",
    "",
]


@pytest.fixture
def folder(tmp_path: Path) -> LocalFolder:
    return LocalFolder(tmp_path / "store")


def test_what_is_stored_comes_back(folder: LocalFolder) -> None:
    for content in (b"", b"a", os.urandom(100_000)):
        stored = folder.put(data_key("a.b-c_d", str(uuid4())), content)
        assert (stored.size, folder.get(stored)) == (len(content), content)


@pytest.mark.parametrize("damage", [b"", b"conten", b"contenT", b"contents"])
def test_altered_bytes_are_damage(folder: LocalFolder, damage: bytes) -> None:
    stored = folder.put(data_key("a", JOB), b"content")
    (folder.root / stored.key).write_bytes(damage)
    with pytest.raises(DamagedError) as refused:
        folder.get(stored)
    assert refused.value.code == Code.ARTIFACT_DAMAGED
    (folder.root / stored.key).write_bytes(b"content")
    assert folder.get(stored) == b"content"


def test_a_file_that_is_gone_is_damage_and_deleting_it_again_is_nothing(folder: LocalFolder) -> None:
    stored = folder.put(data_key("a", JOB), b"content")
    folder.delete(stored.key)
    folder.delete(stored.key)
    with pytest.raises(DamagedError):
        folder.get(stored)


@pytest.mark.parametrize("key", HOSTILE)
def test_a_key_that_is_none_leads_nowhere(folder: LocalFolder, key: str) -> None:
    assert Key.parse(key) is None
    for attempt in (lambda: folder.put(key, b"x"), lambda: folder.delete(key)):
        with pytest.raises(DamagedError):
            attempt()
    assert not folder.root.exists()


@pytest.mark.parametrize(
    "key",
    [data_key("a", JOB), state_key("a", JOB, 3, ".json"), state_key("a", JOB, 12, ".npz"), scores_key("a", JOB, 1)],
)
def test_a_key_is_taken_apart_as_it_was_made(key: str) -> None:
    assert Key.parse(key) == Key(key, "a", JOB)


def test_a_write_that_fails_leaves_no_file_and_is_an_outage(
    folder: LocalFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UnavailableError) as refused:
        folder.put(data_key("a", JOB), b"content")
    assert refused.value.code == Code.STORE_UNAVAILABLE
    assert str(folder.root) not in refused.value.detail
    monkeypatch.undo()
    assert [path for path in folder.root.rglob("*") if path.is_file()] == []
    assert list(folder.keys()) == []


def test_a_file_is_on_the_disk_before_it_has_its_name(folder: LocalFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []
    real = os.fsync

    def fsync(handle: int) -> None:
        synced.append(Path(f"/proc/self/fd/{handle}").readlink().name)
        real(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    folder.put(data_key("a", JOB), b"content")
    assert [name.partition("-")[0] for name in synced[-2:]] == [".part", "a"]
    assert {"store", folder.root.parent.name} <= set(synced)


def test_a_folder_that_cannot_be_made_is_an_outage(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    blocked = LocalFolder(tmp_path / "file" / "store")
    with pytest.raises(UnavailableError):
        blocked.put(data_key("a", JOB), b"x")
    with pytest.raises(UnavailableError):
        blocked.check()


def test_only_artifacts_are_listed(folder: LocalFolder, tmp_path: Path) -> None:
    stored = folder.put(data_key("a", JOB), b"x")
    (folder.root / "a" / "notes.txt").touch()
    (folder.root / "a" / ".part-0123").touch()
    (folder.root / "loose.npz").touch()
    elsewhere = LocalFolder(tmp_path / "elsewhere")
    elsewhere.put(data_key("b", JOB), b"x")
    (folder.root / "link").symlink_to(elsewhere.root / "b")
    assert [key.name for key in folder.keys()] == [stored.key]  # noqa: SIM118 - no dictionary
    assert [path.name for path in folder.abandoned(older_than=2**40)] == [".part-0123"]
    assert list(folder.abandoned(older_than=0)) == []
    assert list(LocalFolder(tmp_path / "nowhere").keys()) == []


def test_the_check_leaves_nothing_behind(folder: LocalFolder) -> None:
    folder.check()
    assert list(folder.root.iterdir()) == []


def test_many_write_into_one_series_at_once(folder: LocalFolder) -> None:
    with ThreadPoolExecutor(8) as pool:
        stored = list(pool.map(lambda n: folder.put(data_key("a", str(uuid4())), b"%d" % n), range(100)))
    assert [folder.get(one) for one in stored] == [b"%d" % n for n in range(100)]
