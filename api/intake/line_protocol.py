"""Line protocol of Telegraf and other clients of InfluxDB: each number of a line is a point of its own series."""

import math
import re
from collections.abc import Iterator
from typing import NamedTuple

from line_protocol_parser import LineFormatError, parse_line

from api.intake.collecting import Lines
from shared.domain.access import Caller
from shared.domain.series import LAST_TIMESTAMP
from shared.domain.watching.labels import NAME, id_of
from shared.errors import Code, Flaw, InputError, TsadError
from shared.settings import Settings
from shared.watching.claiming import Claims, LabelSet

MEDIA_TYPE = "text/plain"
BUCKET, FIELD = "bucket", "field"  # labels that stand for what is no tag
_TAG = "tag."  # before the names of tags, so that none is taken for these
_PER_SECOND = {"ns": 10**9, "n": 10**9, "us": 10**6, "u": 10**6, "µ": 10**6, "ms": 1_000, "s": 1}
_SECONDS = {"m": 60, "h": 3_600}
_BREAKS = re.compile(r"\r?\n")


class _Number(NamedTuple):
    """A number in a line."""

    line: int
    labels: LabelSet
    timestamp: int
    value: float


def check_precision(precision: str) -> str:
    """Return the unit of the timestamps; raise `InputError` if there is no such unit."""
    if precision and precision not in {*_PER_SECOND, *_SECONDS}:
        reason = "must be ns, us, ms, s, m or h"
        raise InputError(Code.INVALID_REQUEST, f"precision {reason}.", flaws=[Flaw(("query", "precision"), reason)])
    return precision or "ns"


def receive(
    content: bytes, bucket: str, precision: str, caller: Caller, claims: Claims, settings: Settings, now: float
) -> Lines:
    """Read all lines; raise `InputError` if the body is not text, or has more points than MAX_PUSH_POINTS.

    A line without a timestamp is of the second `now`. Texts are skipped; true is 1, false is 0.
    """
    try:
        text = content.decode()
    except UnicodeDecodeError:
        raise InputError(Code.INVALID_REQUEST, "The body is not line protocol: it is not UTF-8.") from None
    lines = Lines()
    numbers = [
        number for place, line in _split(text) for number in _numbers(lines, place, line, bucket, precision, int(now))
    ]
    ids = {labels: _id(dict(labels)) for labels in {number.labels for number in numbers}}
    claimed = claims(None, ids)
    for number in numbers:
        series_id = ids[number.labels]
        if number.labels in claimed.granted:
            _add(lines, series_id, number, caller)
        else:
            detail = claimed.reported.get(number.labels, f"Another series has the id {series_id}.")
            lines.refuse(number.line, series_id, Code.SERIES_ID_TAKEN, detail)
        lines.check_size(settings)
    lines.check(settings, now)
    return lines


def _split(text: str) -> Iterator[tuple[int, str]]:
    """Yield lines with their numbers, from 1. A text in quotes may contain line breaks."""
    rows = _BREAKS.split(text)
    place = 0
    while place < len(rows):
        line, number = rows[place], place + 1
        while _is_open(line) and place + 1 < len(rows) and any('"' in row for row in rows[place + 1 :][:100]):
            place += 1
            line = f"{line}\n{rows[place]}"
        yield number, line
        place += 1


def _is_open(line: str) -> bool:
    """Whether a line ends within quotes; then it is no valid line, either."""
    if line.count('"') % 2 == 0:
        return False
    try:
        parse_line(line)
    except LineFormatError:
        return True
    return False


def _numbers(lines: Lines, place: int, line: str, bucket: str, precision: str, now: int) -> Iterator[_Number]:
    """Yield the numbers of a line; refuse an invalid one."""
    try:
        parsed = parse_line(line.strip()) if line.strip() else None
    except (LineFormatError, ValueError) as error:
        reason = str(error).rstrip(".")
        lines.refuse(
            place, None, Code.INVALID_REQUEST, f"The line is not line protocol: {reason[:1].lower()}{reason[1:]}."
        )
        return
    if parsed is None:  # empty, or a comment
        return
    written = parsed["time"]
    timestamp = now if written is None else _second(int(written), precision)
    if not 0 <= timestamp <= LAST_TIMESTAMP:
        detail = f"The timestamp {written} is outside 1970 to 9999 in units of {precision}: set precision."
        lines.refuse(place, None, Code.INVALID_TIMESTAMP, detail)
        return
    labels = {NAME: parsed["measurement"], **{_TAG + name: value for name, value in parsed["tags"].items()}}
    if bucket:
        labels[BUCKET] = bucket
    for field, value in parsed["fields"].items():
        if isinstance(value, int | float):
            yield _Number(place, tuple(sorted({**labels, FIELD: field}.items())), timestamp, float(value))


def _add(lines: Lines, series_id: str, number: _Number, caller: Caller) -> None:
    try:
        visible = lines.visible(series_id, caller)
    except TsadError as error:
        lines.refuse(number.line, series_id, error.code, error.detail)
        return
    value = number.value if math.isfinite(number.value) else math.nan
    lines.add(visible, number.line, [number.timestamp], [value])


def _id(labels: dict[str, str]) -> str:
    """Return bucket, measurement, values of tags in the order of their names, and field, joined by dots."""
    tags = [f"{{tag{place}}}" for place in range(len(labels) - 2 - (BUCKET in labels))]
    values = [value for name, value in sorted(labels.items()) if name.startswith(_TAG)]
    template = ".".join([*(["{bucket}"] if BUCKET in labels else []), f"{{{NAME}}}", *tags, "{field}"])
    return id_of(template, labels | {f"tag{place}": value for place, value in enumerate(values)})


def _second(written: int, precision: str) -> int:
    return written // _PER_SECOND[precision] if precision in _PER_SECOND else written * _SECONDS[precision]
