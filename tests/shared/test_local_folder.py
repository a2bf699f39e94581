"""Guarantees that a folder must implement and a bucket already has."""

import os
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from shared.artifacts import LocalFolder, data_key
from shared.artifacts.local_folder import RESERVE_BYTES
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


@pytest.mark.parametrize("name", ["a/.part-0123", ".part-0123"])
def test_sweeping_removes_temporary_files_by_age(folder: LocalFolder, name: str) -> None:
    folder.put(data_key("a", JOB), b"x")
    (folder.root / name).touch()
    folder.sweep(older_than=0)
    assert name in names(folder)
    folder.sweep(older_than=2**40)
    assert name not in names(folder)


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


def test_only_the_owner_can_read_what_is_stored(folder: LocalFolder) -> None:
    umask = os.umask(0)
    try:
        folder.recognize(None)
        folder.put(data_key("a", JOB), b"content")
    finally:
        os.umask(umask)
    assert {stat.S_IMODE(path.stat().st_mode) for path in (folder.root, folder.root / "a")} == {0o700}
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.root.rglob("*") if path.is_file()} == {0o600}


def test_a_folder_without_its_volume_is_an_outage_and_is_never_written_to(folder: LocalFolder, tmp_path: Path) -> None:
    mark = folder.recognize(None)
    stored = folder.put(data_key("a", JOB), b"content")
    folder.root.rename(tmp_path / "unmounted")
    for recreated in (False, True):
        if recreated:
            folder.root.mkdir()  # the empty mount point
        for attempt in (
            folder.check,
            lambda: folder.get(stored),
            lambda: folder.put(data_key("a", str(uuid4())), b"x"),
            lambda: list(folder.keys()),
            lambda: LocalFolder(folder.root).recognize(mark),
        ):
            with pytest.raises(UnavailableError, match="probably not mounted"):
                attempt()
    assert list(folder.root.iterdir()) == []
    folder.root.rmdir()
    (tmp_path / "unmounted").rename(folder.root)
    assert folder.get(stored) == b"content"
    assert LocalFolder(folder.root).recognize(None) == LocalFolder(folder.root).recognize(mark) == mark


def test_the_folders_of_series_are_deleted_once_they_have_been_empty_for_long(folder: LocalFolder) -> None:
    stored = [folder.put(data_key(name, JOB), b"x") for name in ("a", "b")]
    folder.delete(stored[0].key)
    folder.sweep(older_than=0)
    assert (folder.root / "a").is_dir()
    folder.sweep(older_than=2**40)
    assert [path.name for path in folder.root.iterdir()] == ["b"]
    assert folder.get(folder.put(data_key("a", JOB), b"again")) == b"again"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 80 MiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=80m", "tmpfs", disk], check=False, capture_output=True
    )
    if mounted.returncode != 0:
        pytest.skip("only root can mount a file system, and some containers not at all")
    yield disk
    subprocess.run(["umount", disk], check=True)


def test_a_nearly_full_disk_takes_no_more_artifacts_and_recovers_by_itself(small_disk: Path) -> None:
    folder = LocalFolder(small_disk / "store")
    folder.check()
    filler = small_disk / "filler"
    filler.write_bytes(bytes(folder.free_bytes() - RESERVE_BYTES + 1))
    for attempt in (folder.check, lambda: folder.put(data_key("a", JOB), b"x")):
        with pytest.raises(UnavailableError, match="less than 64 MiB of the disk are free"):
            attempt()
    filler.unlink()
    folder.check()
    assert folder.get(folder.put(data_key("a", JOB), b"x")) == b"x"


def test_a_read_only_disk_is_an_outage_but_can_be_read(small_disk: Path) -> None:
    folder = LocalFolder(small_disk / "store")
    folder.recognize(None)
    stored = folder.put(data_key("a", JOB), b"content")
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    for attempt in (folder.check, lambda: folder.put(data_key("b", JOB), b"x"), lambda: folder.delete(stored.key)):
        with pytest.raises(UnavailableError, match="Read-only file system"):
            attempt()
    assert folder.get(stored) == b"content"
    subprocess.run(["mount", "-o", "remount,rw", small_disk], check=True)
    folder.check()
