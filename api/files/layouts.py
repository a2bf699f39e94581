"""Layouts of written dates: where date, time of day and time zone are in a cell, and which orders of the date fit."""

import re
from dataclasses import dataclass
from datetime import date, timedelta, timezone
from functools import lru_cache

_MONTHS = (
    "jan january januar jaenner jänner januari janvier janv enero ene gennaio gen",
    "feb february februar februari février fevrier févr fevr fév febrero febbraio",
    "mar march mär mrz märz maerz maart mrt mars marzo",
    "apr april avril avr abril abr aprile",
    "may mai mei mayo maggio mag",
    "jun june juni juin junio giugno giu",
    "jul july juli juillet juil julio luglio lug",
    "aug august augustus août aout agosto ago",
    "sep sept september septembre septiembre settembre set",
    "oct october okt oktober octobre octubre ottobre ott",
    "nov november novembre noviembre",
    "dec december dez dezember décembre decembre déc diciembre dic dicembre",
)
MONTHS = {name: number for number, names in enumerate(_MONTHS, 1) for name in names.split()}
_WEEKDAYS = (
    "mon(?:day)? tue(?:s(?:day)?)? wed(?:nesday)? thu(?:r(?:s(?:day)?)?)? fri(?:day)? sat(?:urday)? sun(?:day)?"
    " mo(?:ntag)? di(?:enstag)? mi(?:ttwoch)? do(?:nnerstag)? fr(?:eitag)? sa(?:mstag)? so(?:nntag)?"
    " lun(?:di)? mar(?:di)? mer(?:credi)? jeu(?:di)? ven(?:dredi)? sam(?:edi)? dim(?:anche)?"
).replace(" ", "|")
_NAME = "|".join(sorted(map(re.escape, MONTHS), key=len, reverse=True))
_YEAR = r"(?:0000(?!0)|00(?![0:]))"
_DATE = rf"""(?:
    (?P<ymd>0000(?P<s1>[-/.])00?(?P=s1)00?)
  | (?P<numbers>00?(?P<s2>[-/.\ ])00?(?P=s2)\ ?{_YEAR})
  | (?P<named>00?(?:st|nd|rd|th)?\.?[-/\ ]?\ ?(?:{_NAME})\.?,?[-/\ ]?\ ?{_YEAR}
             |(?:{_NAME})\.?\ \ ?00?(?:st|nd|rd|th)?,?\ 0000|0000-(?:{_NAME})-00?)
  | (?P<compact>00000000)
  | (?P<week>0000-?w00(?:-?0)?)
  | (?P<ordinal>0000-000)
  | (?P<month>0000[-/]00|00/0000|(?:{_NAME})\.?[-/\ ]0000|0000[-/\ ](?:{_NAME}))
)"""
_CLOCK = r"""(?P<clock>00?(?::00){1,2}(?:[.,]0{1,9})?(?:\ ?[ap]\.?\ ?m\.?)?(?:\ ?uhr)?|00?\ ?[ap]m
  |00?h00(?:m(?:in)?)?(?:00s?)?|00?\.00\.00|(?<=t)0{4}(?:00(?:[.,]0{1,9})?)?|(?<=0000\ )0{4}(?:00)?)"""
_ZONE = r"""(?P<zone>\ ?(?:z|(?:utc|gmt)?[-+]00(?::?00){0,2}|utc|gmt|cet|cest|mez|mesz)
  (?:\ ?(?:utc|\[[\w/]+\]|\([\w\s]+\)|[-+]00))?)"""
_CELL = re.compile(
    rf"\[?(?:(?:{_WEEKDAYS})\.?,?\ )?{_DATE}"
    rf"(?:(?:t|\ {{1,3}}|,\ ?|:|_|\ (?:um|at|à|-)\ ){_CLOCK}{_ZONE}?)?(?P<lone>z)?\]?",
    re.VERBOSE,
)
_UNIX_DATE = re.compile(
    rf"(?:(?:{_WEEKDAYS})\.?,?\ )?(?P<day>(?:{_NAME})\ {{1,2}}00?)\ {_CLOCK}(?P<zone>\ (?:utc|gmt|cet|cest|mez|mesz))?"
    r"\ (?P<year>0000)",
    re.VERBOSE,
)
_TIME_OF_DAY = re.compile(rf"{_CLOCK}{_ZONE}?", re.VERBOSE)
_OFFSETS = {"cet": 3600, "mez": 3600, "cest": 7200, "mesz": 7200}
_UNIX_EPOCH = date(1970, 1, 1).toordinal()


@dataclass(frozen=True)
class Layout:
    """Slices of a cell, and the orders in which its date may be written."""

    day: tuple[slice, ...]
    clock: slice
    orders: frozenset[str]  # of YMD, DMY, MDY
    has_clock: bool
    kind: str  # how the date is written; a column has one kind


_ONE_ORDER = frozenset(("YMD",))


@lru_cache(maxsize=4096)
def layout_of(shape: str) -> Layout | None:
    """Return the layout of a shape; None if it is not the shape of a date."""
    lower = shape.lower()
    if len(lower) != len(shape):
        return None
    if match := _UNIX_DATE.fullmatch(lower):
        end = match.end("zone") if match["zone"] else match.end("clock")
        day = (slice(*match.span("day")), slice(*match.span("year")))
        return Layout(day, slice(match.start("clock"), end), _ONE_ORDER, has_clock=True, kind="unix")
    match = _CELL.fullmatch(lower)
    if not match or (match["lone"] and match["clock"]):
        return None
    kind = next(name for name in ("ymd", "numbers", "named", "compact", "week", "ordinal", "month") if match[name])
    start, end = match.span(kind)
    clock = slice(match.start("clock"), match.end("zone") if match["zone"] else match.end("clock"))
    if not match["clock"]:
        clock = slice(*match.span("lone")) if match["lone"] else slice(0, 0)
    orders = _orders(match["numbers"], match["s2"]) if kind == "numbers" else _ONE_ORDER
    separator = match["s1"] or match["s2"] or ""
    year = "year of two digits" if re.search("0000", match[kind]) is None else ""
    return Layout((slice(start, end),), clock, orders, bool(match["clock"]), f"{kind} {separator} {year}")


def _orders(text: str, separator: str) -> frozenset[str]:
    """List the orders in use for a date that does not start with a four-digit year."""
    has_full_year = text.endswith("0000")
    if separator == ".":
        return frozenset(("DMY",)) if has_full_year else frozenset(("DMY", "YMD"))
    return frozenset(("DMY", "MDY")) if has_full_year else frozenset(("DMY", "MDY", "YMD"))


@lru_cache(maxsize=4096)
def is_time_of_day(shape: str) -> bool:
    """Check whether a cell of this shape is a time of day without a date."""
    return ":" in shape and _TIME_OF_DAY.fullmatch(shape.lower()) is not None


def day_of(text: str, order: str) -> int | None:
    """Return the days from 1970-01-01 to a written date; None if there is no such day in this order."""
    numbers = re.findall(r"\d+", text)
    words = re.findall(r"[^\W\d_]+", text.lower())
    try:
        if "w" in words:
            week = [*re.sub(r"\D", "", text)]
            year, number, weekday = int("".join(week[:4])), int("".join(week[4:6])), int("".join(week[6:]) or "1")
            return date.fromisocalendar(year, number, weekday).toordinal() - _UNIX_EPOCH
        if month := next((MONTHS[word] for word in words if word in MONTHS), None):
            day, year = _day_and_year(numbers)
        elif len(numbers) == 1:
            year, month, day = int(text[:4]), int(text[4:6]), int(text[6:8])
        elif len(numbers) == 2 and len(numbers[1]) == 3:
            return date(int(numbers[0]), 1, 1).toordinal() + _ordinal(numbers) - 1 - _UNIX_EPOCH
        elif len(numbers) == 2:
            month, year = sorted(map(int, numbers))
            day = 1
        else:
            by_letter = dict(zip(order, numbers, strict=True))
            year, month, day = _full_year(by_letter["Y"]), int(by_letter["M"]), int(by_letter["D"])
        return date(year, month, day).toordinal() - _UNIX_EPOCH
    except ValueError:
        return None


def _ordinal(numbers: list[str]) -> int:
    day = int(numbers[1])
    if not 1 <= day <= 365 + (date(int(numbers[0]), 12, 31).timetuple().tm_yday == 366):
        raise ValueError(day)
    return day


def _day_and_year(numbers: list[str]) -> tuple[int, int]:
    if len(numbers) == 1:
        return 1, int(numbers[0])
    day, year = numbers if len(numbers[0]) < 4 else reversed(numbers)
    return int(day), _full_year(year)


def _full_year(digits: str) -> int:
    """Complete a year of two digits as POSIX does: 69 to 99 are in the 20th century."""
    year = int(digits)
    return year if len(digits) > 2 else year + (1900 if year >= 69 else 2000)


def clock_of(text: str) -> tuple[int, bool] | None:
    """Return the seconds from midnight UTC to a time of day, and whether it has a time zone; None if invalid.

    Fractions are dropped. A time without a time zone counts from its own midnight.
    """
    lower = text.lower().strip()
    if not lower or lower == "z":
        return 0, lower == "z"
    match = _TIME_OF_DAY.fullmatch(re.sub("[1-9]", "0", lower)) or _COMPACT.fullmatch(lower)
    if not match:
        return None
    clock = lower[slice(*match.span("clock"))]
    digits = re.split(r"[:.h]", re.sub(r"[^\d:.h].*", "", clock.replace(",", ".").replace("min", ":")))
    if len(digits) == 1 and len(digits[0]) > 2:
        digits = [clock[:2], clock[2:4], clock[4:6] or "0"]
    hour, minute, second = (int(part or "0") for part in [*digits, "0", "0"][:3])
    if half := re.search(r"[ap](?=\.?\ ?m)", clock):
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + 12 * (half[0] == "p")
    if hour > 23 or minute > 59 or second > 59:
        return None
    offset = _offset(lower[match.end("clock") :])
    return 3600 * hour + 60 * minute + second - (offset or 0), offset is not None


_COMPACT = re.compile(rf"(?P<clock>\d{{4}}(?:\d\d(?:[.,]\d+)?)?){_ZONE.replace('0', chr(92) + 'd')}?", re.VERBOSE)


def _offset(zone: str) -> int | None:
    """Return the seconds that a written time zone is ahead of UTC; None without a time zone."""
    if not zone:
        return None
    if (named := re.match(r" ?([a-z]+)", zone)) and named[1] in _OFFSETS:
        return _OFFSETS[named[1]]
    if not (match := re.search(r"([-+])(\d\d):?(\d\d)?:?(\d\d)?", zone)):
        return 0
    hours, minutes, seconds = (int(part or "0") for part in match.groups()[1:])
    total = timedelta(hours=hours, minutes=minutes, seconds=seconds)
    timezone(total)  # at most a day, else ValueError
    return int(total.total_seconds()) * (1 if match[1] == "+" else -1)
