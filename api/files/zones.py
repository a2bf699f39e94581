"""Local times of a time zone as UTC, also in the nights when clocks change."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from api.files.table import Column, Table, invalid, quoted
from shared.wording import counted

QUARTER_S = 900  # offsets of time zones change on the quarter hour
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - local times have no time zone yet


def to_utc(
    table: Table, column: Column, local: NDArray[np.int64], present: NDArray[np.bool_], zone: ZoneInfo
) -> tuple[NDArray[np.int64], list[str]]:
    """Convert local seconds (n,) where `present`, and explain the doubled hour.

    The first pass through a doubled hour is summer time, the second is standard time. Raises `InputError` at a time
    that the clocks skipped.
    """
    quarters, inverse = np.unique(local[present] // QUARTER_S, return_inverse=True)
    first, second, skipped = _offsets(quarters, zone)
    if skipped.any():
        index = int(np.flatnonzero(present)[np.flatnonzero(skipped[inverse])[0]])
        raise invalid(
            f"{quoted(column.cells[index])} ({table.place(column, index)}) does not exist in {zone.key}: "
            "the clocks skipped this hour. Check --timezone."
        )
    offsets = first[inverse]
    doubled = first[inverse] != second[inverse]
    later = np.zeros(len(offsets), dtype=bool)
    if doubled.any():
        later = _later_pass(local[present], doubled)
        offsets = np.where(later, second[inverse], offsets)
    utc = local.copy()
    utc[present] -= offsets
    if not doubled.any():
        return utc, []
    summer, standard = int((doubled & ~later).sum()), int(later.sum())
    rows = counted(summer + standard, "row")
    return utc, [
        f"{rows} in an hour that {zone.key} repeats: {summer:,} read as summer time, {standard:,} as standard time"
    ]


def _offsets(
    quarters: NDArray[np.int64], zone: ZoneInfo
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """Return the offsets from UTC in seconds of the first and the second pass, and whether the clocks skipped it."""
    first, second = np.zeros_like(quarters), np.zeros_like(quarters)
    skipped = np.zeros(len(quarters), dtype=bool)
    for index, quarter in enumerate(quarters.tolist()):
        try:
            local = _EPOCH + timedelta(seconds=quarter * QUARTER_S)
            passes = [local.replace(tzinfo=zone, fold=fold) for fold in (0, 1)]
            first[index], second[index] = (moment.utcoffset().total_seconds() for moment in passes)  # type: ignore[union-attr]
            round_trip = passes[0].astimezone(UTC).astimezone(zone).replace(tzinfo=None)
        except OverflowError:
            continue
        skipped[index] = round_trip != local
    return first, second, skipped


def _later_pass(local: NDArray[np.int64], doubled: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Tell which rows of doubled hours (n,) belong to the second pass, whichever way the file is sorted."""
    later = np.zeros(len(local), dtype=bool)
    positions = np.flatnonzero(doubled)
    nights = np.split(positions, np.flatnonzero(np.abs(np.diff(local[positions])) > 43_200) + 1)
    is_descending = np.count_nonzero(np.diff(local) < 0) > len(local) / 2
    for night in nights:
        rows = night[::-1] if is_descending else night
        steps = np.diff(local[rows])
        backward = np.flatnonzero(steps <= 0)
        if len(backward) == 1:
            later[rows[backward[0] + 1 :]] = True
        elif len(backward) > 1:  # each time twice in a row
            later[rows[1:][steps == 0]] = True
    return later
