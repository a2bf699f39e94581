"""What every store promises, and how it says that it cannot keep it."""

import hashlib
from collections.abc import Iterator
from typing import Protocol

from shared.artifacts.keys import Key
from shared.domain.versions import Artifact
from shared.errors import Code, DamagedError, UnavailableError

TEMPORARY = ".part-"  # how names begin that are no artifact's yet


class Store(Protocol):
    """Whole artifacts or none. `UnavailableError` when the store does not do as it is asked."""

    def put(self, key: str, content: bytes | memoryview) -> Artifact:
        """Write durably; a half-written artifact is never visible under its key."""

    def get(self, artifact: Artifact) -> bytes:
        """Read the bytes that were stored: `DamagedError` when they are gone or altered."""

    def delete(self, key: str) -> None:
        """Remove the artifact, if it is there."""

    def keys(self) -> Iterator[Key]:
        """All artifacts; what has another name is left alone."""

    def sweep(self, older_than: float) -> None:
        """Remove what writers that died left behind, last written before the epoch second `older_than`."""

    def check(self) -> None:
        """Raise `UnavailableError` unless artifacts can be written here."""


def described(key: str, content: bytes | memoryview) -> Artifact:
    """What a row remembers of an artifact."""
    return Artifact(key, hashlib.sha256(content).digest(), len(content))


def intact(artifact: Artifact, content: bytes) -> bytes:
    """The content, or `DamagedError` when it is not what was stored."""
    if len(content) != artifact.size or hashlib.sha256(content).digest() != artifact.sha256:
        raise DamagedError(Code.ARTIFACT_DAMAGED, "An artifact in the store is not what was stored.")
    return content


def missing() -> DamagedError:
    """For an artifact that a row refers to and the store does not have."""
    return DamagedError(Code.ARTIFACT_DAMAGED, "An artifact is missing from the store.")


def unavailable(done: str, reason: str) -> UnavailableError:
    """For an artifact that cannot be `done`; `reason` names no path, address or bucket."""
    return UnavailableError(
        Code.STORE_UNAVAILABLE, f"An artifact cannot be {done} at the moment ({reason}). Try again.", retry_after_s=5
    )
