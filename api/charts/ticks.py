"""Axis ticks: round numbers, and round times in UTC."""

import math
from datetime import UTC, datetime, timedelta

LAST_YEAR = 9_999
SMALLEST = 1e-300  # smaller differences lose precision
_SECONDS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200)
_DAYS = (1, 2, 7, 14)
_MONTHS = (1, 2, 3, 6)
_DAY = 86_400
_MONTH, _YEAR = 30.4 * _DAY, 365.25 * _DAY  # on average
_EARLY_MONDAY = datetime(1970, 1, 5, tzinfo=UTC)


def numbers(low: float, high: float, max_ticks: int) -> list[tuple[float, str]]:
    """Return about `max_ticks` ticks from `low` to `high`, with labels: multiples of 1, 2 or 5 times a power of ten."""
    span = high / max_ticks - low / max_ticks  # divided first, because the difference may overflow
    if not span > SMALLEST:
        return [(low, f"{low:,.6g}")]
    power = 10.0 ** math.floor(math.log10(span))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= 0.999 * span)
    first, last = math.ceil(low / step), math.floor(high / step)
    if last - first > 2 * max_ticks:  # so far from zero that rounding swallows a step
        return [(low, f"{low:,.6g}")]
    digits = max(math.ceil(math.log10(max(abs(low), abs(high)) / step)) + 1, 6)
    return [(multiple * step, f"{multiple * step:,.{digits}g}") for multiple in range(first, last + 1)]


def times(first: int, last: int, max_ticks: int) -> list[tuple[int, str]]:
    """Return about `max_ticks` ticks at round times from `first` to `last` (seconds since 1970), with labels."""
    span = max(last - first, 1) / max_ticks
    if span <= _SECONDS[-1]:
        step = next(step for step in _SECONDS if step >= span)
        return [(moment, _clock(moment, step)) for moment in range(-(-first // step) * step, last + 1, step)]
    if span <= _DAYS[-1] * _DAY:
        step = next(days for days in _DAYS if days * _DAY >= span) * _DAY
        start = int(_EARLY_MONDAY.timestamp()) % step if step >= 7 * _DAY else 0
        moments = range(start - (start - first) // step * step, last + 1, step)
        return [(moment, f"{_utc(moment):%-d %b}{_year_if_new(moment, step)}") for moment in moments]
    return _calendar(first, last, span)


def _calendar(first: int, last: int, span: float) -> list[tuple[int, str]]:
    months = next((months for months in _MONTHS if months * _MONTH >= span), 0)
    years = 1 if months else max(int(_round_up(span / _YEAR)), 1)
    ticks = []
    year = _utc(first).year // years * years or years
    while year <= min(_utc(last).year, LAST_YEAR):
        for month in range(1, 13, months or 12):
            moment = int(datetime(year, month, 1, tzinfo=UTC).timestamp())
            if first <= moment <= last:
                ticks.append((moment, f"{_utc(moment):%b %Y}" if months else str(year)))
        year += years
    return ticks


def _round_up(years: float) -> float:
    power = 10.0 ** math.floor(math.log10(max(years, 1.0)))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= 0.99 * years)


def _clock(moment: int, step: int) -> str:
    time = _utc(moment)
    if moment % _DAY == 0:
        return f"{time:%-d %b}"
    return f"{time:%H:%M}" if step >= 60 else f"{time:%H:%M:%S}"


def _year_if_new(moment: int, step: int) -> str:
    time = _utc(moment)
    return f" {time.year}" if (time - timedelta(seconds=step)).year != time.year else ""


def _utc(moment: int) -> datetime:
    return datetime.fromtimestamp(moment, UTC)
