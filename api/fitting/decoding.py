"""Conversion of a fit's body to a checked fit."""

import re
from functools import partial

import msgspec
import numpy as np
from msgspec import UNSET

from api.computing.content import Content
from api.schemas.decoding import decode
from api.schemas.requests import FitBody, RefitBody, StoredWindow
from api.schemas.times import timestamp_of
from shared.domain.series import Values
from shared.domain.watching import durations
from shared.errors import Code, Flaw, InputError
from shared.fitting.checking import Fit, Method, Origin, check
from shared.fitting.stored import Window, read_stored
from shared.settings import Settings
from shared.store.engine import Sessions

READ_S_PER_BYTE = 0.05e-6  # expected processor time of `decode_body` and `read_body`

_BODY = msgspec.json.Decoder(FitBody)
_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_INTEGERS = msgspec.json.Decoder(list[int])
_NUMBERS = msgspec.json.Decoder(list[float])


def decode_body(content: bytes) -> FitBody:
    """Decode the body of a fit except its columns; raise `InputError` if it is invalid."""
    return decode(_BODY, content)


def read_fit(series_id: str, content: Content, settings: Settings, origin: Origin) -> Fit | FitBody:
    """Decode a body and check the fit like `read_body`, or return the body if it names a window of stored points."""
    body = decode_body(content.whole())
    return read_body(series_id, body, settings, origin) if body.stored is UNSET else body


def read_body(
    series_id: str, body: FitBody, settings: Settings, origin: Origin, sessions: Sessions | None = None
) -> Fit:
    """Decode the columns of a body or bulk line, and check the fit; raise `InputError` if it is invalid.

    If the body names a window of stored points, this needs `sessions`, and reads the points from the database.
    """
    _check_key(origin.idempotency_key)
    _check_source(body)
    if body.stored is UNSET or sessions is None:
        return check(series_id, partial(_columns, body), method_of(body, settings), origin, settings)
    stored = read_stored(sessions, series_id, _window_of(body.stored), settings.max_training_data_points)
    body.parameters = stored.parameters(body.parameters)
    return check(series_id, lambda: stored.columns, method_of(body, settings), origin, settings)


def method_of(body: FitBody | RefitBody, settings: Settings) -> Method:
    """Return the detector of a body, or DEFAULT_DETECTOR, with its parameters; raise `InputError` if it is unknown."""
    detector = settings.default_detector if body.detector is UNSET else body.detector
    return Method.of(detector, body.parameters)


def _check_source(body: FitBody) -> None:
    """Raise `InputError` unless the body has columns, or names a window of stored points."""
    missing = [name for name in ("timestamps", "values") if not getattr(body, name)]
    if body.stored is UNSET and missing:
        reason = f"Object missing required field {missing[0]}"
        sentence = f"{reason}. Send timestamps and values, or stored to fit points that were pushed."
        raise InputError(Code.INVALID_REQUEST, sentence, flaws=[Flaw((missing[0],), reason)])
    if body.stored is not UNSET and len(missing) < 2:
        reason = "Send either stored, or timestamps and values."
        raise InputError(Code.INVALID_REQUEST, reason, flaws=[Flaw(("stored",), reason)])


def _window_of(stored: str | StoredWindow) -> Window | int:
    """Return the window, or the seconds before the newest point; raise `InputError` if it is invalid."""
    if isinstance(stored, str):
        seconds = durations.parse(stored)
        if seconds is None:
            raise _invalid_window(("stored",), durations.RULE)
        return seconds
    ends = []
    for name, written in (("from", stored.from_), ("to", stored.to)):
        try:
            ends.append(timestamp_of(written))
        except ValueError as error:
            raise _invalid_window(("stored", name), str(error)) from None
    if ends[0] > ends[1]:
        raise _invalid_window(("stored", "to"), "must not be earlier than from")
    return Window(*ends)


def _invalid_window(loc: tuple[str, ...], reason: str) -> InputError:
    return InputError(Code.INVALID_REQUEST, f"{'.'.join(loc)} {reason}.", flaws=[Flaw(loc, reason)])


def _check_key(idempotency_key: str | None) -> None:
    if idempotency_key is not None and not _KEY.fullmatch(idempotency_key):
        reason = "An idempotency key must be 1 to 255 visible ASCII characters."
        raise InputError(Code.INVALID_REQUEST, reason, flaws=[Flaw(("idempotency_key",), reason)])


def _columns(body: FitBody) -> tuple[list[int], Values]:
    """Decode timestamps and values (n,). The values become an array first, so only one list exists at a time."""
    values = np.array(decode(_NUMBERS, body.values, "values"), dtype=np.float64)
    return decode(_INTEGERS, body.timestamps, "timestamps"), values
