"""Durations as people write them: `90s`, `30m`, `12h`, `7d`."""

import re

_DURATION = re.compile(r"([0-9]{1,9})(s|m|h|d)")
_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
RULE = "must be a whole number followed by s, m, h or d, as in 30m"


def parse(text: object) -> int | None:
    """Return seconds, or None if the text is not a duration."""
    match = _DURATION.fullmatch(text) if isinstance(text, str) else None
    return int(match[1]) * _SECONDS[match[2]] if match else None


def written(seconds: int) -> str:
    """Return the duration in its largest unit that is exact: `90m`, `2h`."""
    unit = next(unit for unit in ("d", "h", "m", "s") if seconds % _SECONDS[unit] == 0)
    return f"{seconds // _SECONDS[unit] if seconds else 0}{unit if seconds else 's'}"


def rough(seconds: float) -> str:
    """Return a duration for a sentence, in the largest unit of which it has at least two."""
    for unit, length in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:,.0f} {unit}"
    return f"{seconds:,.0f} {'second' if round(seconds) == 1 else 'seconds'}"
