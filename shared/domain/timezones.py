"""Time zones of the IANA database, and their offsets from UTC."""

import difflib
from datetime import datetime
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

import numpy as np

from shared.domain.series import DAY_S, LAST_TIMESTAMP, Timestamps

UTC_NAME = "UTC"
FEW = 64  # timestamps, each of which is converted by itself


def checked(name: object) -> str:
    """Return the name; raise a `ValueError` for one that is not in the database."""
    if isinstance(name, str) and name in names():
        return name
    near = difflib.get_close_matches(name[:64], names(), 1) if isinstance(name, str) else []
    hint = f"; did you mean {near[0]}?" if near else ""
    raise ValueError(f"must be the name of an IANA time zone, such as Europe/Berlin or UTC{hint}")


@cache
def names() -> frozenset[str]:
    """Return the names of all time zones, without those that mean something else on each machine."""
    return frozenset(available_timezones() - {"localtime", "Factory"})


def offsets(timestamps: Timestamps, timezone: str) -> Timestamps:
    """Return the offsets from UTC (n,) of timestamps (n,), in seconds.

    Each day is looked up once, and searched only if its clock changes.
    """
    zone = ZoneInfo(timezone)
    if len(timestamps) <= FEW:
        return np.array([_offset(zone, timestamp) for timestamp in timestamps.tolist()], dtype=np.int64)
    days, day_of = np.unique(timestamps // DAY_S, return_inverse=True)
    starts = np.array([_offset(zone, day * DAY_S) for day in days.tolist()], dtype=np.int64)
    ends = np.array([_offset(zone, (day + 1) * DAY_S) for day in days.tolist()], dtype=np.int64)
    result = starts[day_of]
    for place in np.flatnonzero(starts != ends).tolist():
        low, high = int(days[place]) * DAY_S, int(days[place] + 1) * DAY_S
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if _offset(zone, middle) == starts[place] else (low, middle)
        result[(day_of == place) & (timestamps >= high)] = ends[place]
    return result


def _offset(zone: ZoneInfo, timestamp: int) -> int:
    moment = datetime.fromtimestamp(min(timestamp, LAST_TIMESTAMP - DAY_S), zone)  # later, the local year may be 10000
    offset = moment.utcoffset()
    return round(offset.total_seconds()) if offset is not None else 0
