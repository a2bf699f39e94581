"""Artifacts: training data, states and training scores as immutable files, each named once and never changed.

    training data    <series>/<job_id>.npz                    in TRAINING_DATA_FOLDER
    state            <series>/<job_id>.<attempt>.json | .npz  in MODEL_STATE_FOLDER
    training scores  <series>/<job_id>.<attempt>.scores.npz   in MODEL_STATE_FOLDER

Nobody but the collector deletes one.
"""

import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex

from shared.domain.versions import Artifact
from shared.errors import Code, DamagedError, UnavailableError
from shared.settings import Settings

_KEY = re.compile(
    r"(?P<series_id>[A-Za-z0-9._-]{1,128})/(?P<job_id>[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})"
    r"(?:\.npz|\.[0-9]+\.(?:json|npz)|\.[0-9]+\.scores\.npz)"
)
_TEMPORARY = ".part-"
_MOST_REMEMBERED = 100_000


@dataclass(frozen=True, slots=True)
class Key:
    """The name of an artifact, taken apart."""

    name: str
    series_id: str
    job_id: str

    @classmethod
    def parse(cls, name: str) -> "Key | None":
        """Read a name of our grammar; None for any other file."""
        match = _KEY.fullmatch(name)
        if match is None or ".." in name or match["series_id"] == ".":
            return None
        return cls(name, match["series_id"], match["job_id"])


def data_key(series_id: str, job_id: str) -> str:
    """Where a job's training data is."""
    return f"{series_id}/{job_id}.npz"


def state_key(series_id: str, job_id: str, attempt: int, suffix: str) -> str:
    """Where one attempt writes its state: no attempt can touch another's file."""
    return f"{series_id}/{job_id}.{attempt}{suffix}"


def scores_key(series_id: str, job_id: str, attempt: int) -> str:
    """Where one attempt writes the training scores."""
    return f"{series_id}/{job_id}.{attempt}.scores.npz"


class LocalFolder:
    """Artifacts in a folder of this machine, or of a file system that all machines share."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._durable: set[Path] = set()  # folders whose own entry is known to be on the disk

    def put(self, key: str, content: bytes | memoryview) -> Artifact:
        """Write durably, or raise `UnavailableError`; a half-written file is never visible under its key."""
        target = self._path(key)
        try:
            self._make_durable(target.parent)
            self._write(target, content)
        except OSError as error:
            raise _unavailable("stored", error) from error
        return Artifact(key, hashlib.sha256(content).digest(), len(content))

    def get(self, artifact: Artifact) -> bytes:
        """Read the bytes that were stored: `DamagedError` when they are gone or altered."""
        try:
            with self._path(artifact.key).open("rb") as file:
                content = file.read(artifact.size + 1)
        except FileNotFoundError:
            raise DamagedError(Code.ARTIFACT_DAMAGED, "An artifact is missing from the store.") from None
        except OSError as error:
            raise _unavailable("read", error) from error
        if len(content) != artifact.size or hashlib.sha256(content).digest() != artifact.sha256:
            raise DamagedError(Code.ARTIFACT_DAMAGED, "An artifact in the store is not what was stored.")
        return content

    def delete(self, key: str) -> None:
        """Remove the file, if it is there."""
        self._path(key).unlink(missing_ok=True)

    def keys(self) -> Iterator[Key]:
        """All artifacts in the folder; files of other names are left alone."""
        for folder in self._folders():
            for file in folder.iterdir():
                if key := Key.parse(f"{folder.name}/{file.name}"):
                    yield key

    def abandoned(self, older_than: float) -> Iterator[Path]:
        """Temporary files of writers that died: last written before the epoch second `older_than`."""
        for folder in self._folders():
            for file in folder.glob(f"{_TEMPORARY}*"):
                with suppress(FileNotFoundError):
                    if file.stat().st_mtime < older_than:
                        yield file

    def check(self) -> None:
        """Raise `UnavailableError` unless files can be written here."""
        probe = self.root / f"{_TEMPORARY}{token_hex(8)}"
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            probe.touch()
            probe.unlink()
        except OSError as error:
            raise _unavailable("stored", error) from error

    def _folders(self) -> Iterator[Path]:
        """One for each series. A link leads to what is not ours to list, or to delete."""
        for folder in sorted(self.root.iterdir()) if self.root.is_dir() else ():
            if folder.is_dir() and not folder.is_symlink():
                yield folder

    def _make_durable(self, folder: Path) -> None:
        """Make the series' folder. Another process may have made it a moment ago, so existing proves nothing yet."""
        if folder in self._durable and folder.is_dir():
            return
        folder.mkdir(parents=True, exist_ok=True)
        _sync_folder(self.root)
        _sync_folder(self.root.parent)
        if len(self._durable) >= _MOST_REMEMBERED:
            self._durable.clear()
        self._durable.add(folder)

    def _write(self, target: Path, content: bytes | memoryview) -> None:
        temporary = target.with_name(f"{_TEMPORARY}{token_hex(8)}")
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
        if Key.parse(key) is None:
            raise DamagedError(Code.ARTIFACT_DAMAGED, "A key is not the name of an artifact.")
        return self.root / key


@dataclass(frozen=True, slots=True)
class Artifacts:
    """The two stores."""

    data: LocalFolder
    states: LocalFolder

    @classmethod
    def of(cls, settings: Settings) -> "Artifacts":
        """The stores that the settings name."""
        return cls(LocalFolder(settings.training_data_folder), LocalFolder(settings.model_state_folder))


def _unavailable(done: str, error: OSError) -> UnavailableError:
    reason = os.strerror(error.errno) if error.errno else "unknown reason"
    return UnavailableError(
        Code.STORE_UNAVAILABLE, f"An artifact cannot be {done} at the moment ({reason}). Try again.", retry_after_s=5
    )


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
