"""Guarantees that a folder must implement and a bucket already has."""

import os
from pathlib import Path
from uuid import uuid4

import pytest

from shared.artifacts import LocalFolder, data_key
from shared.errors import Code, DamagedError, UnavailableError
from tests.stores import names

JOB = "2e6e0eab-0694-448b-8eea-79b35f7a58c1"


@pytest.fixture
def folder(tmp_path: Path) -> LocalFolder:
    return LocalFolder(tmp_path / "store")


def test_a_failed_write_leaves_no_file_and_raises_unavailable_error(
    folder: LocalFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail_with_disk_full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail_with_disk_full)
    with pytest.raises(UnavailableError) as raised:
        folder.put(data_key("a", JOB), b"content")
    assert raised.value.code == Code.STORE_UNAVAILABLE
    assert str(folder.root) not in raised.value.detail
    monkeypatch.undo()
    assert names(folder) == set()
    assert list(folder.keys()) == []


def test_a_file_is_synced_before_it_is_renamed(folder: LocalFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []
    real_fsync = os.fsync

    def fsync(handle: int) -> None:
        synced.append(Path(f"/proc/self/fd/{handle}").readlink().name)
        real_fsync(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    folder.put(data_key("a", JOB), b"content")
    assert [name.partition("-")[0] for name in synced[-2:]] == [".part", "a"]
    assert {"store", folder.root.parent.name} <= set(synced)


def test_a_folder_that_cannot_be_created_raises_unavailable_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    blocked = LocalFolder(tmp_path / "file" / "store")
    for attempt in (lambda: blocked.put(data_key("a", JOB), b"x"), lambda: blocked.delete(data_key("a", JOB))):
        with pytest.raises(UnavailableError):
            attempt()
    with pytest.raises(UnavailableError):
        blocked.check()


def test_linked_folders_are_not_listed(folder: LocalFolder, tmp_path: Path) -> None:
    other_folder = LocalFolder(tmp_path / "elsewhere")
    other_folder.put(data_key("b", JOB), b"x")
    folder.root.mkdir()
    (folder.root / "link").symlink_to(other_folder.root / "b")
    assert list(folder.keys()) == []
    assert list(LocalFolder(tmp_path / "nowhere").keys()) == []


def test_sweeping_removes_temporary_files_by_age(folder: LocalFolder) -> None:
    folder.put(data_key("a", JOB), b"x")
    (folder.root / "a" / ".part-0123").touch()
    folder.sweep(older_than=0)
    assert "a/.part-0123" in names(folder)
    folder.sweep(older_than=2**40)
    assert names(folder) == {data_key("a", JOB)}


def test_no_link_is_followed_to_read_write_or_delete(folder: LocalFolder, tmp_path: Path) -> None:
    other_folder = LocalFolder(tmp_path / "elsewhere")
    secret = other_folder.put(data_key("a", JOB), b"content")
    folder.put(data_key("c", JOB), b"content")
    (folder.root / "a").symlink_to(other_folder.root / "a")
    for attempt in (
        lambda: folder.get(secret),
        lambda: folder.put(data_key("a", str(uuid4())), b"x"),
        lambda: folder.delete(secret.key),
    ):
        with pytest.raises(DamagedError):
            attempt()
    assert [path.name for path in (other_folder.root / "a").iterdir()] == [f"{JOB}.npz"]


def test_a_link_or_pipe_in_place_of_a_file_raises_damaged_error(folder: LocalFolder, tmp_path: Path) -> None:
    stored = folder.put(data_key("a", JOB), b"content")
    file = folder.root / stored.key
    file.rename(tmp_path / "moved")
    file.symlink_to(tmp_path / "moved")
    with pytest.raises(DamagedError):
        folder.get(stored)
    file.unlink()
    os.mkfifo(file)
    with pytest.raises(DamagedError):
        folder.get(stored)


def test_the_root_folder_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "store").symlink_to(tmp_path / "disk")
    linked_folder = LocalFolder(tmp_path / "store")
    assert linked_folder.get(linked_folder.put(data_key("a", JOB), b"content")) == b"content"
