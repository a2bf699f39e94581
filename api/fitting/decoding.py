"""From the body of a fit to a fit that breaks no rule."""

import hashlib
import json
import re
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from api.schemas.decoding import decode
from api.schemas.requests import FitBody
from shared.domain import detectors
from shared.domain.detectors.parameters import complete
from shared.domain.series import Series
from shared.errors import Code, Flaw, InputError
from shared.settings import Settings

_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_INTEGERS = msgspec.json.Decoder(list[int])
_NUMBERS = msgspec.json.Decoder(list[float])


@dataclass(frozen=True, slots=True)
class Fit:
    """A fit that was asked for and breaks no rule."""

    series_id: str
    points: int
    data: memoryview  # the training data as it is stored
    detector: str
    parameters: dict[str, Any]
    digest: bytes  # of all of the above
    request_id: str
    api_key_id: str
    idempotency_key: str | None


def _columns(body: Any) -> tuple[list[int], "np.ndarray[Any, np.dtype[np.float64]]"]:
    """Decode the two columns of a body, the values straight to an array, so that one list lives at a time."""
    values = np.array(decode(_NUMBERS, body.values, "values"), dtype=np.float64)
    return decode(_INTEGERS, body.timestamps, "timestamps"), values


def read(
    series_id: str, body: FitBody, settings: Settings, request_id: str, api_key_id: str, idempotency_key: str | None
) -> Fit:
    """The fit that a body asks for; `InputError` where a rule is broken."""
    if idempotency_key is not None and not _KEY.fullmatch(idempotency_key):
        reason = "An idempotency key is 1 to 255 visible ASCII characters."
        raise InputError(Code.INVALID_REQUEST, reason, flaws=[Flaw(("idempotency_key",), reason)])
    detector = detectors.named(body.detector)
    parameters = complete(detector.parameters, body.parameters)
    series = Series.for_training(
        *_columns(body),
        fewest=max(settings.min_training_data_points, detector.min_points),
        most=settings.max_training_data_points,
    )
    learnable = series.without(parameters["exclude"])
    if learnable is not series:
        _check_rest(len(learnable), len(series), detector.min_points)
        learnable.check_learnable(detector.min_points)
    detector.check(learnable, parameters)
    data = series.encode()
    return Fit(
        series_id=series_id,
        points=len(series),
        data=data,
        detector=detector.name,
        parameters=parameters,
        digest=_digest(series_id, detector.name, parameters, data),
        request_id=request_id,
        api_key_id=api_key_id,
        idempotency_key=idempotency_key,
    )


def _check_rest(rest: int, points: int, fewest: int) -> None:
    """Raise `InputError` where the windows to exclude leave too little."""
    if rest < min(points, fewest):
        reason = f"The windows leave {rest:,} of {points:,} points to learn from: at least {fewest:,} are needed."
        raise InputError(Code.TOO_FEW_POINTS, reason, flaws=[Flaw(("parameters", "exclude"), reason)])


def _digest(series_id: str, detector: str, parameters: dict[str, Any], data: memoryview) -> bytes:
    request = [series_id, detector, parameters, hashlib.sha256(data).hexdigest()]
    return hashlib.sha256(json.dumps(request, sort_keys=True).encode()).digest()
