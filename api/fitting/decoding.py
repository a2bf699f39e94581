"""Conversion of a fit's body to a checked fit."""

import re
from functools import partial

import msgspec
import numpy as np
from msgspec import UNSET

from api.schemas.decoding import decode
from api.schemas.requests import FitBody, RefitBody
from shared.domain.series import Values
from shared.errors import Code, Flaw, InputError
from shared.fitting.checking import Fit, Method, Origin, check
from shared.settings import Settings

_BODY = msgspec.json.Decoder(FitBody)
_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_INTEGERS = msgspec.json.Decoder(list[int])
_NUMBERS = msgspec.json.Decoder(list[float])


def read(series_id: str, content: bytes, settings: Settings, origin: Origin) -> Fit:
    """Decode and check the body of a fit; raise `InputError` if it is invalid."""
    return read_body(series_id, decode(_BODY, content), settings, origin)


def read_body(series_id: str, body: FitBody, settings: Settings, origin: Origin) -> Fit:
    """Decode the columns of a body or bulk line, and check the fit; raise `InputError` if it is invalid."""
    _check_key(origin.idempotency_key)
    return check(series_id, partial(_columns, body), method_of(body, settings), origin, settings)


def method_of(body: FitBody | RefitBody, settings: Settings) -> Method:
    """Return the detector of a body, or DEFAULT_DETECTOR, with its parameters; raise `InputError` if it is unknown."""
    detector = settings.default_detector if body.detector is UNSET else body.detector
    return Method.of(detector, body.parameters)


def _check_key(idempotency_key: str | None) -> None:
    if idempotency_key is not None and not _KEY.fullmatch(idempotency_key):
        reason = "An idempotency key must be 1 to 255 visible ASCII characters."
        raise InputError(Code.INVALID_REQUEST, reason, flaws=[Flaw(("idempotency_key",), reason)])


def _columns(body: FitBody) -> tuple[list[int], Values]:
    """Decode timestamps and values (n,). The values become an array first, so only one list exists at a time."""
    values = np.array(decode(_NUMBERS, body.values, "values"), dtype=np.float64)
    return decode(_INTEGERS, body.timestamps, "timestamps"), values
