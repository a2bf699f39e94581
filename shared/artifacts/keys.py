"""Names of artifacts, with the same grammar in every store."""

import re
from dataclasses import dataclass

from shared.errors import Code, DamagedError

_KEY = re.compile(
    r"(?P<series_id>[A-Za-z0-9._-]{1,128})/(?P<job_id>[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})"
    r"(?:\.npz|\.[0-9]+\.(?:json|npz)|\.[0-9]+\.scores\.npz)"
)


@dataclass(frozen=True, slots=True)
class Key:
    """The parsed name of an artifact."""

    name: str
    series_id: str
    job_id: str

    @classmethod
    def parse(cls, name: str) -> "Key | None":
        """Parse the name of an artifact; return None for any other file."""
        match = _KEY.fullmatch(name)
        if match is None or ".." in name or match["series_id"] == ".":
            return None
        return cls(name, match["series_id"], match["job_id"])


def checked(name: str) -> str:
    """Return the name; raise `DamagedError` if it is invalid, so that no name can lead outside the store."""
    if Key.parse(name) is None:
        raise DamagedError(Code.ARTIFACT_DAMAGED, "The key of an artifact is invalid.")
    return name


def data_key(series_id: str, job_id: str) -> str:
    """Name the training data of a job."""
    return f"{series_id}/{job_id}.npz"


def state_key(series_id: str, job_id: str, attempt: int, suffix: str) -> str:
    """Name the state that one attempt writes. The name holds the attempt, so no attempt touches another's file."""
    return f"{series_id}/{job_id}.{attempt}{suffix}"


def scores_key(series_id: str, job_id: str, attempt: int) -> str:
    """Name the training scores that one attempt writes."""
    return f"{series_id}/{job_id}.{attempt}.scores.npz"
