"""The contract of an artifact store, and its errors."""

import hashlib
from collections.abc import Iterator
from typing import IO, Protocol

from shared.artifacts.keys import Key
from shared.domain.versions import Artifact
from shared.errors import Code, DamagedError, UnavailableError

TEMPORARY = ".part-"  # prefix of incomplete files


class Store(Protocol):
    """Stores an artifact completely or not at all. Methods raise `UnavailableError` if the operation fails."""

    def put(self, key: str, content: bytes | memoryview) -> Artifact:
        """Write durably; a half-written artifact is never visible under its key."""

    def get(self, artifact: Artifact) -> bytes:
        """Read the stored bytes; raise `DamagedError` if they are missing or altered."""

    def open(self, artifact: Artifact) -> IO[bytes]:
        """Open the stored bytes as a file, to read them piece by piece; raises like `get`."""

    def delete(self, key: str) -> None:
        """Delete the artifact, if it exists."""

    def keys(self) -> Iterator[Key]:
        """Yield the keys of all artifacts, and skip files with other names."""

    def sweep(self, older_than: float) -> None:
        """Delete what dead writers left: temporary files last written before the epoch second `older_than`."""

    def check(self) -> None:
        """Raise `UnavailableError` if artifacts cannot be written."""

    def free_bytes(self) -> int | None:
        """Return the space that is left for artifacts; None without a limit."""


def described(key: str, content: bytes | memoryview) -> Artifact:
    """Describe an artifact by key, SHA-256 and size in bytes, as a row stores it."""
    return Artifact(key, hashlib.sha256(content).digest(), len(content))


def intact(artifact: Artifact, content: bytes) -> bytes:
    """Return the content; raise `DamagedError` if its size or SHA-256 differs from the artifact's."""
    verify(artifact, len(content), hashlib.sha256(content).digest())
    return content


def verify(artifact: Artifact, size: int, sha256: bytes) -> None:
    """Raise `DamagedError` if the size or SHA-256 of stored bytes differs from the artifact's."""
    if size != artifact.size or sha256 != artifact.sha256:
        raise DamagedError(Code.ARTIFACT_DAMAGED, "An artifact in the store was altered: its size or SHA-256 differs.")


def missing() -> DamagedError:
    """Create the error for an artifact that a row refers to but the store does not have."""
    return DamagedError(Code.ARTIFACT_DAMAGED, "An artifact is missing from the store.")


def unavailable(action: str, reason: str) -> UnavailableError:
    """Create the error for a failed operation.

    action: a participle, such as "stored". reason: shown to users, so it must not name a path, address or bucket.
    """
    return UnavailableError(
        Code.STORE_UNAVAILABLE, f"An artifact cannot be {action} at the moment ({reason}). Try again.", retry_after_s=5
    )
