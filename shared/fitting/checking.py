"""Check a fit against every rule before it is stored, so that a job fails only for reasons no check can detect."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shared.domain import detectors
from shared.domain.detectors.contract import Detector
from shared.domain.detectors.parameters import complete
from shared.domain.jobs import SCHEDULER
from shared.domain.series import Series, Timestamps, Values
from shared.domain.versions import Artifact
from shared.errors import Code, Flaw, InputError
from shared.settings import Settings

Columns = tuple[Sequence[int] | Timestamps, Values]


@dataclass(frozen=True, slots=True)
class Origin:
    """The key and the request that a fit comes from."""

    request_id: str
    api_key_id: str
    idempotency_key: str | None = None

    @property
    def is_automatic(self) -> bool:
        """Whether the scheduler requests the fit."""
        return self.api_key_id == SCHEDULER


@dataclass(frozen=True, slots=True)
class Method:
    """A detector with a value for every parameter."""

    detector: Detector[Any]
    parameters: dict[str, Any]

    @classmethod
    def of(cls, detector: str, parameters: Mapping[str, Any]) -> "Method":
        """Add the defaults; raise `InputError` for an unknown detector or parameter, or a value out of range."""
        definition = detectors.offered(detector)
        return cls(definition, complete(definition.parameters, parameters))


@dataclass(frozen=True, slots=True)
class Stored:
    """Training data that is already in the store, kept there by the row of a version or of an ended job."""

    artifact: Artifact
    of_version: int | None = None  # of the same series
    retry_of: str | None = None


@dataclass(frozen=True, slots=True)
class Fit:
    """A valid fit."""

    series_id: str
    detector: str
    parameters: dict[str, Any]
    points: int
    data: memoryview | Stored  # the bytes of the training data artifact, or its location in the store
    request_sha256: bytes  # of series, detector, parameters and data; identifies the request of an idempotency key
    origin: Origin


def check(
    series_id: str,
    read_columns: Callable[[], Columns],
    method: Method,
    origin: Origin,
    settings: Settings,
    stored: Stored | None = None,
) -> Fit:
    """Return the fit; raise `InputError` if the points break a rule or the detector cannot learn from them.

    read_columns: returns timestamps and values (n,) of the training data. It is called once, and its lists are dropped
    before the data is encoded, so that memory never holds both.
    stored: the artifact that the columns are read from. The job then refers to it, and no new one is written.
    """
    detector = method.detector
    series = Series.for_training(
        *read_columns(),
        min_points=max(settings.min_training_data_points, detector.min_points),
        max_points=settings.max_training_data_points,
    )
    learnable = series.without(method.parameters["exclude"])
    if learnable is not series:
        _check_remaining(len(learnable), len(series), detector.min_points)
        learnable.check_learnable(detector.min_points)
    detector.check(learnable, method.parameters)
    data = stored or series.encode(compact=origin.is_automatic)
    sha256 = hashlib.sha256(data).digest() if isinstance(data, memoryview) else data.artifact.sha256
    return Fit(
        series_id=series_id,
        detector=detector.name,
        parameters=method.parameters,
        points=len(series),
        data=data,
        request_sha256=_request_sha256(series_id, method, sha256),
        origin=origin,
    )


def _check_remaining(remaining: int, points: int, min_points: int) -> None:
    """Raise `InputError` if the excluded windows leave too few points."""
    if remaining < min_points:
        reason = f"The excluded windows leave {remaining:,} of {points:,} points: at least {min_points:,} are needed."
        raise InputError(Code.TOO_FEW_POINTS, reason, flaws=[Flaw(("parameters", "exclude"), reason)])


def _request_sha256(series_id: str, method: Method, data_sha256: bytes) -> bytes:
    request = [series_id, method.detector.name, method.parameters, data_sha256.hex()]
    return hashlib.sha256(json.dumps(request, sort_keys=True).encode()).digest()
