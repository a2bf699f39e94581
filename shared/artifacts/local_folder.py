"""An artifact store in a folder."""

import errno
import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from io import BufferedReader
from pathlib import Path
from secrets import token_hex
from typing import IO

from shared.artifacts.contract import TEMPORARY, described, intact, missing, unavailable, verify
from shared.artifacts.keys import Key, checked
from shared.domain.versions import Artifact
from shared.errors import Code, DamagedError, UnavailableError

MARK = ".tsad-folder"  # name of the file that identifies the folder
RESERVE_BYTES = 64 * 2**20  # kept free for the database and Redis, whose files are often on the same disk
PROBE_BYTES = 4096
_MAX_DURABLE_FOLDERS = 100_000
_DURABLE_FOR_S = 30.0  # less than the grace of the sweep, which may delete a folder that was empty for as long
_READ_ONLY = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK  # rejects symbolic links, never blocks on a pipe


class LocalFolder:
    """Artifacts in a folder of this machine, or in a file system that all machines share.

    Only its owner can read the files. If `mark` is set, the folder must contain it: without its volume, the mount point
    is another folder, which looks like one that lost everything.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.mark = ""
        self._durable: dict[Path, float] = {}  # when a file was last put in a folder whose entry is on disk

    def put(self, key: str, content: bytes | memoryview) -> Artifact:
        """Write durably, or raise `UnavailableError`. A half-written file is never visible under its key."""
        target = self._path(key)
        try:
            self._require_mark("stored")
            self._make_durable(self.root)
            self._require_space(len(content))
            self._make_durable(target.parent)
            self._write(target, content)
        except OSError as error:
            raise _unavailable("stored", error) from error
        return described(key, content)

    def get(self, artifact: Artifact) -> bytes:
        """Read the stored bytes; raise `DamagedError` if they are missing or altered, or the file is a link."""
        with self._reading(), self._opened(artifact) as file:
            # A file of another size is damaged; it may be too large for the memory.
            content = file.read() if os.fstat(file.fileno()).st_size == artifact.size else b""
        return intact(artifact, content)

    def open(self, artifact: Artifact) -> IO[bytes]:
        """Open the stored bytes after verifying them piece by piece; raises like `get`."""
        with self._reading(), ExitStack() as stack:
            file = stack.enter_context(self._opened(artifact))
            verify(artifact, os.fstat(file.fileno()).st_size, hashlib.file_digest(file, "sha256").digest())
            file.seek(0)
            stack.pop_all()
        return file

    def delete(self, key: str) -> None:
        """Delete the file, if it exists."""
        path = self._path(key)
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise _unavailable("deleted", error) from error

    def keys(self) -> Iterator[Key]:
        """Yield the keys of all artifacts in the folder, and skip files with other names."""
        self._require_mark("listed")
        for folder in self._folders():
            for file in folder.iterdir():
                if key := Key.parse(f"{folder.name}/{file.name}"):
                    yield key

    def sweep(self, older_than: float) -> None:
        """Delete temporary files last written before the epoch second `older_than`: their writers are dead.

        Also delete the folders of series that have been empty since then.
        """
        folders = list(self._folders())
        for folder in (self.root, *folders):  # in the root: of probes and of the mark
            for file in folder.glob(f"{TEMPORARY}*"):
                with suppress(FileNotFoundError):
                    if file.stat().st_mtime < older_than:
                        file.unlink()
        for folder in folders:
            with suppress(OSError):  # it is not empty
                if folder.stat().st_mtime < older_than:
                    folder.rmdir()

    def check(self) -> None:
        """Raise `UnavailableError` if files cannot be written and synced."""
        probe = self.root / f"{TEMPORARY}{token_hex(8)}"
        try:
            self._require_mark("stored")
            _make_private(self.root)
            self._require_space(PROBE_BYTES)
            _write_synced(probe, bytes(PROBE_BYTES))
            probe.unlink()
        except OSError as error:
            raise _unavailable("stored", error) from error

    def free_bytes(self) -> int:
        """Return the space that is left for artifacts; raise `UnavailableError` if it cannot be determined."""
        try:
            self._require_mark("stored")
            return self._free_bytes()
        except OSError as error:
            raise _unavailable("stored", error) from error

    def recognize(self, known: str | None) -> str:
        """Require the mark that is `known` of this folder from now on, and return it.

        If none is known, take the mark in the folder, or write a new one. Raise `UnavailableError` if the folder lacks
        the known mark.
        """
        try:
            if known is None:
                _make_private(self.root)
                known = self._present_mark() or self._new_mark()
        except OSError as error:
            raise _unavailable("stored", error) from error
        self.mark = known
        self._require_mark("stored")
        return known

    def _present_mark(self) -> str:
        """Return the mark in the folder, or an empty string."""
        try:
            return (self.root / MARK).read_text().strip()
        except (FileNotFoundError, NotADirectoryError):
            return ""

    def _new_mark(self) -> str:
        mark = token_hex(16)
        unfinished = self.root / f"{TEMPORARY}{token_hex(8)}"
        _write_synced(unfinished, f"{mark}\n".encode())
        unfinished.rename(self.root / MARK)
        _sync_folder(self.root)
        return mark

    def _require_mark(self, action: str) -> None:
        try:
            is_ours = not self.mark or self._present_mark() == self.mark
        except OSError as error:
            raise _unavailable(action, error) from error
        if not is_ours:
            raise unavailable(action, "the folder lacks its mark: its volume is probably not mounted")

    def _require_space(self, size: int) -> None:
        if self._free_bytes() < size + RESERVE_BYTES:
            raise unavailable("stored", f"less than {RESERVE_BYTES // 2**20} MiB of the disk are free")

    def _free_bytes(self) -> int:
        disk = os.statvfs(next(folder for folder in (self.root, *self.root.absolute().parents) if folder.exists()))
        return disk.f_bavail * disk.f_frsize

    def _opened(self, artifact: Artifact) -> BufferedReader:
        return os.fdopen(os.open(self._path(artifact.key), _READ_ONLY), "rb")

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """Raise our error for one of the file system."""
        try:
            yield
        except FileNotFoundError:
            self._require_mark("read")
            raise missing() from None
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise _link_error() from None
            raise _unavailable("read", error) from error

    def _folders(self) -> Iterator[Path]:
        """Yield the folder of each series. Skip links, whose targets are not ours to list or delete."""
        for folder in sorted(self.root.iterdir()) if self.root.is_dir() else ():
            if folder.is_dir() and not folder.is_symlink():
                yield folder

    def _make_durable(self, folder: Path) -> None:
        """Create a folder, and sync its directory entry.

        A folder that exists may not be on disk yet: another process may have just created it.
        """
        now = time.monotonic()
        if now - self._durable.get(folder, -_DURABLE_FOR_S) >= _DURABLE_FOR_S or not folder.is_dir():
            _make_private(folder)
            _sync_folder(folder.parent)
        if len(self._durable) >= _MAX_DURABLE_FOLDERS:
            self._durable.clear()
        self._durable[folder] = now

    def _write(self, target: Path, content: bytes | memoryview) -> None:
        temporary = target.with_name(f"{TEMPORARY}{token_hex(8)}")
        try:
            _write_synced(temporary, content)
            temporary.rename(target)
        except BaseException:
            with suppress(OSError):
                temporary.unlink()
            raise
        _sync_folder(target.parent)

    def _path(self, key: str) -> Path:
        path = self.root / checked(key)  # the grammar allows only a folder below the root and a file in it
        if path.parent.is_symlink():
            raise _link_error()
        return path


def _link_error() -> DamagedError:
    return DamagedError(
        Code.ARTIFACT_DAMAGED, "An artifact or its folder is a symbolic link, and links are not followed."
    )


def _unavailable(action: str, error: OSError) -> UnavailableError:
    return unavailable(action, os.strerror(error.errno) if error.errno else "unknown reason")


def _make_private(folder: Path) -> None:
    """Create a folder that only this user can enter; keep the mode of one that exists."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.mkdir(mode=0o700, exist_ok=True)


def _write_synced(path: Path, content: bytes | memoryview) -> None:
    """Write a new file that only this user can read, and wait until it is on disk."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
