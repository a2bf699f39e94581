"""When series of a watch are refitted: slots in time, each of which is one fit. They are pure functions of the id."""

import hashlib
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

from shared.domain.series import DAY_S
from shared.domain.watching import durations

EPOCH_DAY = date(1970, 1, 1).toordinal()
SPREAD_S = 600  # fits at a time of day begin within this many seconds, so that they do not all begin at once
FAILING = 3  # failed fits in a row that people are notified of; from then on, fits are requested less often


@dataclass(frozen=True, slots=True)
class Schedule:
    """How often series are refitted. Without `at_s`, the moment depends on the id, which spreads fits evenly."""

    every_s: int = DAY_S
    at_s: int | None = None  # seconds after midnight in `timezone`; `every_s` is then a whole number of days
    timezone: str = "UTC"

    def document(self) -> dict[str, str | None]:
        """Return the field `refit` of a watch."""
        at = None if self.at_s is None else f"{self.at_s // 3_600:02}:{self.at_s // 60 % 60:02}"
        return {"every": durations.written(self.every_s), "at": at}

    def slot_before(self, series_id: str, now: float) -> int:
        """Return the newest slot of a series at or before `now`. Both are seconds since 1970."""
        if self.at_s is None:
            phase = int(share_of(series_id) * self.every_s)
            return (int(now) - phase) // self.every_s * self.every_s + phase
        days = self.every_s // DAY_S
        today = self._day_of(now)
        day = today + 1 - (today + 1 - int(share_of(series_id) * days)) % days
        while (slot := self._slot_of(day)) > now:
            day -= days
        return slot

    def slot_after(self, series_id: str, now: float) -> int:
        """Return the first slot of a series after `now`."""
        if self.at_s is None:
            return self.slot_before(series_id, now) + self.every_s
        days = self.every_s // DAY_S
        today = self._day_of(now)
        day = today - 1 + (int(share_of(series_id) * days) - today + 1) % days
        while (slot := self._slot_of(day)) <= now:
            day += days
        return slot

    def pause_s(self, failures: int) -> float:
        """Return the least time until the next fit after failed ones in a row: from the third on, twice as long each.

        It never exceeds a day, so series that are refitted daily or less often are not affected.
        """
        if failures < FAILING:
            return 0.0
        return float(min(self.every_s * 2 ** min(failures - FAILING, 20), max(DAY_S - self.every_s, 0)))

    def delay_s(self, series_id: str) -> int:
        """Return how long after a slot its fit is requested."""
        return 0 if self.at_s is None else int(share_of(series_id) * SPREAD_S)

    def newest_due(self, series_id: str, now: float) -> int:
        """Return the newest slot whose fit is requested at or before `now`."""
        return self.slot_before(series_id, now - self.delay_s(series_id))

    def due_after(self, series_id: str, now: float, failures: int = 0) -> int:
        """Return when the fit of the next slot is requested: after `now`, and later after failures in a row."""
        delay_s = self.delay_s(series_id)
        return self.slot_after(series_id, now - delay_s + self.pause_s(failures)) + delay_s

    def _day_of(self, now: float) -> int:
        """Return the local day of a time."""
        try:
            return datetime.fromtimestamp(now, ZoneInfo(self.timezone)).date().toordinal()
        except (OverflowError, ValueError):  # beyond the calendar
            return EPOCH_DAY + int(now // DAY_S)

    def _slot_of(self, day: int) -> int:
        """Return the slot of a local day. A time that clocks skip is later, and one that comes twice is the first."""
        assert self.at_s is not None  # noqa: S101
        at = time(self.at_s // 3_600, self.at_s // 60 % 60)
        try:
            local = datetime.combine(date.fromordinal(day), at, ZoneInfo(self.timezone))
            return int(local.astimezone(UTC).timestamp())
        except (OverflowError, ValueError):  # beyond the calendar
            return (day - EPOCH_DAY) * DAY_S + self.at_s


def share_of(series_id: str) -> float:
    """Return a number from 0 to 1 (exclusive) by a hash of the id, which spreads series evenly."""
    return int.from_bytes(hashlib.sha256(series_id.encode()).digest()[:4], "big") / 2**32
