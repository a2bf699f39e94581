"""Versions published by fits, and their artifacts."""

import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from shared.errors import Code, InputError, NotFoundError

_VERSION = re.compile(r"[vV]?([0-9]{1,10})")
LARGEST_VERSION = 2**31 - 1  # the largest value of the column's type


@dataclass(frozen=True, slots=True)
class Artifact:
    """Reference from a row to a file in the store."""

    key: str
    sha256: bytes
    size: int  # bytes


@dataclass(frozen=True, slots=True)
class NewVersion:
    """A fitted version that is ready to be published."""

    first_timestamp: int
    last_timestamp: int
    learnt: dict[str, float | str]
    anomaly_share: float  # of the training points, 0 to 1
    sparkline: list[float]
    fit_ms: float
    state: Artifact
    scores: Artifact
    incidents: list[list[int]] = field(default_factory=list)  # first and last timestamp of each suspected one
    sparkline_anomalies: list[int] = field(default_factory=list)  # places in the sparkline


@dataclass(frozen=True, slots=True)
class Version:
    """An immutable, numbered state of one series."""

    series_id: str
    version: int
    job_id: str
    detector: str
    parameters: dict[str, Any]
    points: int
    first_timestamp: int
    last_timestamp: int
    learnt: dict[str, float | str]
    anomaly_share: float
    sparkline: list[float]
    fit_ms: float
    data: Artifact
    state: Artifact
    scores: Artifact
    created_at: datetime
    incidents: list[list[int]]
    sparkline_anomalies: list[int]
    automatic: bool = False  # the scheduler requested the fit


@dataclass(frozen=True, slots=True)
class SeriesSummary:
    """Summary of a series and its latest version."""

    series_id: str
    latest_version: int | None
    pinned_version: int | None
    versions: int
    detector: str | None
    points: int | None
    first_timestamp: int | None
    last_timestamp: int | None
    anomaly_share: float | None
    sparkline: list[float] | None
    sparkline_anomalies: list[int]
    fitted_at: datetime | None


def series_not_found() -> NotFoundError:
    """Create the error for a series without versions: none of its fits has succeeded yet, or it was deleted."""
    return NotFoundError(
        Code.SERIES_NOT_FOUND, "This series has no version: no fit has succeeded yet, or the series was deleted."
    )


def version_not_found() -> NotFoundError:
    """Create the error for a version that does not exist in a series with other versions."""
    return NotFoundError(Code.VERSION_NOT_FOUND, "This series has no such version.")


def parse_version(text: str | None) -> int | None:
    """Return 3 for `3`, `v3` or `V3`, and None (the latest) for None, `0` or `latest`; else raise `InputError`."""
    if text is None or text == "latest":
        return None
    match = _VERSION.fullmatch(text)
    if not match:
        raise InputError(
            Code.INVALID_VERSION,
            f"Invalid version {text[:64]!r}. Use a number such as 3 or v3; 0, latest or nothing means the latest.",
        )
    return int(match[1]) or None
