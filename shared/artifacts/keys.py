"""The names of artifacts: one grammar for every store."""

import re
from dataclasses import dataclass

from shared.errors import Code, DamagedError

_KEY = re.compile(
    r"(?P<series_id>[A-Za-z0-9._-]{1,128})/(?P<job_id>[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})"
    r"(?:\.npz|\.[0-9]+\.(?:json|npz)|\.[0-9]+\.scores\.npz)"
)


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


def checked(name: str) -> str:
    """The name, or `DamagedError` when it is not one of ours: no store is led outside of itself."""
    if Key.parse(name) is None:
        raise DamagedError(Code.ARTIFACT_DAMAGED, "A key is not the name of an artifact.")
    return name


def data_key(series_id: str, job_id: str) -> str:
    """Where a job's training data is."""
    return f"{series_id}/{job_id}.npz"


def state_key(series_id: str, job_id: str, attempt: int, suffix: str) -> str:
    """Where one attempt writes its state: no attempt can touch another's file."""
    return f"{series_id}/{job_id}.{attempt}{suffix}"


def scores_key(series_id: str, job_id: str, attempt: int) -> str:
    """Where one attempt writes the training scores."""
    return f"{series_id}/{job_id}.{attempt}.scores.npz"
