"""The bars above the list of alerts: how many began on each of 30 days."""

from dataclasses import dataclass
from datetime import UTC, datetime

from shared.domain.series import DAY_S, LAST_TIMESTAMP
from shared.store.alert_days import DayCount, per_day
from shared.store.alert_filters import AlertFilter
from shared.store.engine import Session
from shared.wording import counted

DAYS = 30
HEIGHT = 56  # pixels of the highest bar
LEAST = 2  # pixels of one alert, and of the smallest part of a bar
LABEL_EVERY = 7
LAST_FIRST = LAST_TIMESTAMP // DAY_S * DAY_S - (DAYS - 1) * DAY_S
NONE = DayCount(0, 0, 0)


@dataclass(frozen=True, slots=True)
class Day:
    """The bar of a day in UTC."""

    date: str  # as in the URL
    title: str  # "Wed 25 Nov: 5 alerts, 1 open now, 2 quiet"
    label: str  # "25 Nov" below every seventh bar, else empty
    alerts: int
    is_chosen: bool
    parts: list[tuple[str, int, int]]  # style, top and height of open, over and quiet ones


def days_around(session: Session, selection: AlertFilter, now: datetime) -> list[Day]:
    """Return the newest 30 days until `now`, or 30 days around another one that is chosen. All other filters hold."""
    today = int(now.timestamp()) // DAY_S * DAY_S
    first = today - (DAYS - 1) * DAY_S
    if selection.began is not None and not first <= selection.began <= today:
        first = min(max(selection.began - DAYS // 2 * DAY_S, 0), LAST_FIRST)
    found = per_day(session, selection, first, DAYS)
    highest = max((count.alerts for count in found.values()), default=1)
    starts = [first + place * DAY_S for place in range(DAYS)]
    return [
        _day(start, found.get(start, NONE), highest, selection.began, has_label=place % LABEL_EVERY == 0)
        for place, start in zip(reversed(range(DAYS)), starts, strict=True)
    ]


def _day(start: int, count: DayCount, highest: int, chosen: int | None, *, has_label: bool) -> Day:
    day = datetime.fromtimestamp(start, UTC)
    parts = [f"{number:,} {word}" for number, word in ((count.open, "open now"), (count.quiet, "quiet")) if number]
    return Day(
        date=f"{day:%Y-%m-%d}",
        title=f"{day:%a %-d %b}: {', '.join([counted(count.alerts, 'alert'), *parts])}",
        label=f"{day:%-d %b}" if has_label else "",
        alerts=count.alerts,
        is_chosen=start == chosen,
        parts=_parts(count, highest),
    )


def _parts(count: DayCount, highest: int) -> list[tuple[str, int, int]]:
    """Return the parts of a bar from the bottom up. Even one alert among thousands is visible."""
    numbers = {"now": count.open, "over": count.alerts - count.open - count.quiet, "mute": count.quiet}
    heights = {style: max(round(HEIGHT * number / highest), LEAST) for style, number in numbers.items() if number}
    if heights:  # the largest part makes room for those that were too small
        largest = max(heights, key=lambda style: heights[style])
        heights[largest] -= max(sum(heights.values()) - max(round(HEIGHT * count.alerts / highest), LEAST), 0)
    parts = []
    top = HEIGHT
    for style, height in heights.items():
        top -= height
        parts.append((style, top, height))
    return parts
