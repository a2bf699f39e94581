"""Prometheus remote write: which series its samples belong to, and which of them are points."""

import math
import struct
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from api.intake.collecting import Lines
from api.intake.messages import decode, labels_of
from shared.domain.access import Caller
from shared.domain.series import LAST_TIMESTAMP
from shared.domain.watching.labels import shown
from shared.errors import Code, InputError, TsadError
from shared.settings import Settings
from shared.watching.claiming import Claims, LabelSet
from shared.watching.selecting import Selection, Target

MEDIA_TYPE = "application/x-protobuf"
_VERSIONS = ("", "prometheus.WriteRequest")
_STALE = struct.pack("<Q", 0x7FF0_0000_0000_0002)  # this NaN says that a series ended
NOT_SELECTED, HISTOGRAM, COLLISION = "not_selected", "histogram", "collision"


@dataclass(slots=True)
class Received:
    """The points of one request."""

    lines: Lines
    ended: dict[str, int] = field(default_factory=dict)  # series that ended, with the second
    ignored: Counter[str] = field(default_factory=Counter)  # samples by reason


def check_media_type(content_type: str) -> None:
    """Raise `InputError` for anything but a `WriteRequest` of version 1."""
    media_type, *parameters = (part.strip() for part in content_type.split(";"))
    message = next((text[6:].strip('"') for text in parameters if text.lower().startswith("proto=")), "")
    if media_type.lower() != MEDIA_TYPE or message not in _VERSIONS:
        sentence = f"Send {MEDIA_TYPE} with the message prometheus.WriteRequest, which is remote write 1.0."
        raise InputError(Code.UNSUPPORTED_MEDIA_TYPE, sentence)


def receive(
    content: bytes,
    caller: Caller,
    selection: Selection[tuple[bytes, ...]],
    claims: Claims,
    settings: Settings,
    now: float,
) -> Received:
    """Read a request; raise `InputError` if it cannot be read at all.

    Each series is a line with its number in the request. Values that are not finite numbers are known gaps.
    """
    received = Received(Lines())
    lines = received.lines
    wanted: dict[str, dict[LabelSet, str]] = {}
    chosen: list[tuple[int, Any, Target]] = []
    for number, series in enumerate(decode(content).timeseries):
        samples, target = series.samples, selection.target(tuple(series.labels), labels_of)
        if series.histograms:
            received.ignored[HISTOGRAM] += len(series.histograms)
        if isinstance(target, str):
            lines.refuse(number, None, Code.INVALID_SERIES_ID, target, max(len(samples), 1))
        elif target is None:
            received.ignored[NOT_SELECTED] += len(samples)
        elif samples:
            wanted.setdefault(target.source, {})[target.labels] = target.series_id
            chosen.append((number, samples, target))
    claimed = {source: claims(source, series) for source, series in wanted.items()}
    for number, samples, target in chosen:
        outcome = claimed[target.source]
        if target.labels in outcome.reported:
            lines.refuse(number, target.series_id, Code.SERIES_ID_TAKEN, outcome.reported[target.labels], len(samples))
        elif target.labels not in outcome.granted:
            received.ignored[COLLISION] += len(samples)
        else:
            _add(received, number, samples, target, caller)
        lines.check_size(settings)
    lines.check(settings, now)
    return received


def _add(received: Received, number: int, samples: Any, target: Target, caller: Caller) -> None:
    lines, series_id = received.lines, target.series_id
    try:
        lines.visible(series_id, caller)
    except TsadError as error:
        lines.refuse(number, series_id, error.code, error.detail, len(samples))
        return
    timestamps, values = [], []
    for sample in samples:
        value, second = sample.value, sample.timestamp // 1000
        if value != value and struct.pack("<d", value) == _STALE:  # noqa: PLR0124 - NaN
            received.ended[series_id] = second
        elif not 0 <= second <= LAST_TIMESTAMP:
            detail = f"{shown(dict(target.labels))} has a timestamp outside 1970 to 9999: {sample.timestamp} ms."
            lines.refuse(number, series_id, Code.INVALID_TIMESTAMP, detail)
        else:
            timestamps.append(second)
            values.append(value if math.isfinite(value) else math.nan)
    lines.add(series_id, number, timestamps, values)
