"""An artifact store in a folder."""

import errno
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from secrets import token_hex

from shared.artifacts.contract import TEMPORARY, described, intact, missing, unavailable
from shared.artifacts.keys import Key, checked
from shared.domain.versions import Artifact
from shared.errors import Code, DamagedError, UnavailableError

_MAX_DURABLE_FOLDERS = 100_000
_READ_ONLY = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK  # rejects symbolic links, never blocks on a pipe


class LocalFolder:
    """Artifacts in a folder of this machine, or in a file system that all machines share."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._durable: set[Path] = set()  # folders whose directory entry is known to be on disk

    def put(self, key: str, content: bytes | memoryview) -> Artifact:
        """Write durably, or raise `UnavailableError`. A half-written file is never visible under its key."""
        target = self._path(key)
        try:
            self._make_durable(target.parent)
            self._write(target, content)
        except OSError as error:
            raise _unavailable("stored", error) from error
        return described(key, content)

    def get(self, artifact: Artifact) -> bytes:
        """Read the stored bytes; raise `DamagedError` if they are missing or altered, or the file is a link."""
        try:
            with os.fdopen(os.open(self._path(artifact.key), _READ_ONLY), "rb") as file:
                content = file.read(artifact.size + 1)
        except FileNotFoundError:
            raise missing() from None
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise _link_error() from None
            raise _unavailable("read", error) from error
        return intact(artifact, content)

    def delete(self, key: str) -> None:
        """Delete the file, if it exists."""
        path = self._path(key)
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise _unavailable("deleted", error) from error

    def keys(self) -> Iterator[Key]:
        """Yield the keys of all artifacts in the folder, and skip files with other names."""
        for folder in self._folders():
            for file in folder.iterdir():
                if key := Key.parse(f"{folder.name}/{file.name}"):
                    yield key

    def sweep(self, older_than: float) -> None:
        """Delete temporary files last written before the epoch second `older_than`: their writers are dead."""
        for folder in self._folders():
            for file in folder.glob(f"{TEMPORARY}*"):
                with suppress(FileNotFoundError):
                    if file.stat().st_mtime < older_than:
                        file.unlink()

    def check(self) -> None:
        """Raise `UnavailableError` if files cannot be written."""
        probe = self.root / f"{TEMPORARY}{token_hex(8)}"
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            probe.touch()
            probe.unlink()
        except OSError as error:
            raise _unavailable("stored", error) from error

    def _folders(self) -> Iterator[Path]:
        """Yield the folder of each series. Skip links, whose targets are not ours to list or delete."""
        for folder in sorted(self.root.iterdir()) if self.root.is_dir() else ():
            if folder.is_dir() and not folder.is_symlink():
                yield folder

    def _make_durable(self, folder: Path) -> None:
        """Create a folder, its root first, and sync its directory entry.

        A folder that exists may not be on disk yet: another process may have just created it.
        """
        if folder in self._durable and folder.is_dir():
            return
        if folder != self.root:
            self._make_durable(self.root)
        folder.mkdir(parents=True, exist_ok=True)
        _sync_folder(folder.parent)
        if len(self._durable) >= _MAX_DURABLE_FOLDERS:
            self._durable.clear()
        self._durable.add(folder)

    def _write(self, target: Path, content: bytes | memoryview) -> None:
        temporary = target.with_name(f"{TEMPORARY}{token_hex(8)}")
        try:
            with temporary.open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
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


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
