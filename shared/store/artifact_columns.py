"""The three columns by which a row refers to an artifact: `<kind>_key`, `<kind>_sha256`, `<kind>_size`."""

from typing import Any

from sqlalchemy import Row

from shared.domain.versions import Artifact


def take_artifact(columns: dict[str, Any], kind: str) -> Artifact | None:
    """Remove the three columns from the row and return the artifact; None if the row no longer holds it."""
    key, sha256, size = (columns.pop(f"{kind}_{part}") for part in ("key", "sha256", "size"))
    return None if key is None else Artifact(key, bytes(sha256), size)


def artifact(row: Row[Any], kind: str) -> Artifact:
    """Return the artifact of a row that always has one."""
    return Artifact(getattr(row, f"{kind}_key"), bytes(getattr(row, f"{kind}_sha256")), getattr(row, f"{kind}_size"))


def columns_of(artifact: Artifact, kind: str) -> dict[str, object]:
    """Return the three columns as parameters of a statement."""
    return {f"{kind}_key": artifact.key, f"{kind}_sha256": artifact.sha256, f"{kind}_size": artifact.size}
