"""Detector parameters: one description yields the validation, the defaults and the JSON schema."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from shared.domain.series import LAST_TIMESTAMP
from shared.domain.timezones import UTC_NAME, checked, names
from shared.errors import MAX_FLAWS, Code, Flaw, InputError

OFF = "off"
ALARM_RATE = r"^([1-9][0-9]{0,5}) (?:in ([1-9][0-9]{0,8})|per (hour|day|week))$"
MOST_WINDOWS = 1_000


@dataclass(frozen=True, slots=True)
class Number:
    """A number above `above` and at most `most`."""

    name: str
    default: float
    purpose: str
    above: float
    most: float

    def check(self, given: object) -> float:
        """Return `given` as a float; raise a `ValueError` that says what is allowed."""
        if isinstance(given, bool) or not isinstance(given, int | float) or not self.above < given <= self.most:
            raise ValueError(f"must be a number greater than {self.above:g} and at most {self.most:g}")
        return float(given)

    @property
    def schema(self) -> dict[str, Any]:
        """Return the JSON schema of the value."""
        return {
            "type": "number",
            "exclusiveMinimum": self.above,
            "maximum": self.most,
            "default": self.default,
            "description": self.purpose,
        }


@dataclass(frozen=True, slots=True)
class Choice:
    """One of a few strings."""

    name: str
    default: str
    purpose: str
    options: tuple[str, ...]

    def check(self, given: object) -> str:
        """Return `given`; raise a `ValueError` that says what is allowed."""
        if not isinstance(given, str) or given not in self.options:
            raise ValueError(f"must be one of {', '.join(self.options)}")
        return given

    @property
    def schema(self) -> dict[str, Any]:
        """Return the JSON schema of the value."""
        return {"type": "string", "enum": list(self.options), "default": self.default, "description": self.purpose}


@dataclass(frozen=True, slots=True)
class AlarmRate:
    """Target false-positive rate: "1 in 1000", "2 per week", or "off" if that is the default."""

    default: str = "1 in 1000"
    name: str = "alarm_rate"
    purpose: str = 'Target false-positive rate: "1 in 1000" points, or "1 per day"'

    def check(self, given: object) -> str:
        """Return `given`; raise a `ValueError` that says what is allowed."""
        if not isinstance(given, str) or not re.fullmatch(self._pattern, given):
            off = f', or "{OFF}"' if self.default == OFF else ""
            raise ValueError(f'must look like "1 in 1000", "1 per day" or "2 per week" (hour, day, week){off}')
        return given

    @property
    def schema(self) -> dict[str, Any]:
        """Return the JSON schema of the value."""
        return {"type": "string", "pattern": self._pattern, "default": self.default, "description": self.purpose}

    @property
    def _pattern(self) -> str:
        return f"{ALARM_RATE}|^{OFF}$" if self.default == OFF else ALARM_RATE


@dataclass(frozen=True, slots=True)
class Windows:
    """Time ranges as pairs of timestamps, both inclusive."""

    default: list[list[int]] = field(default_factory=list)
    name: str = "exclude"
    purpose: str = "Time ranges [from, to] in Unix seconds to exclude from training: past incidents, maintenance"

    def check(self, given: object) -> list[list[int]]:
        """Return the pairs; raise a `ValueError` that says what is allowed."""
        if not isinstance(given, list) or len(given) > MOST_WINDOWS or not all(_is_window(pair) for pair in given):
            raise ValueError(f"must be a list of at most {MOST_WINDOWS:,} pairs [from, to] of whole seconds since 1970")
        return given

    @property
    def schema(self) -> dict[str, Any]:
        """Return the JSON schema of the value."""
        end = {"type": "integer", "minimum": 0, "maximum": LAST_TIMESTAMP}
        return {
            "type": "array",
            "maxItems": MOST_WINDOWS,
            "items": {"type": "array", "minItems": 2, "maxItems": 2, "items": end},
            "default": self.default,
            "description": self.purpose,
        }


@dataclass(frozen=True, slots=True)
class TimeZone:
    """The name of a time zone, such as Europe/Berlin."""

    default: str = UTC_NAME
    name: str = "timezone"
    purpose: str = "IANA time zone in whose days and weeks the values repeat, such as Europe/Berlin"

    def check(self, given: object) -> str:
        """Return `given`; raise a `ValueError` that says what is allowed."""
        return checked(given)

    @property
    def schema(self) -> dict[str, Any]:
        """Return the JSON schema of the value."""
        return {"type": "string", "enum": sorted(names()), "default": self.default, "description": self.purpose}


Parameter = Number | Choice | AlarmRate | Windows | TimeZone


def _is_window(pair: object) -> bool:
    return isinstance(pair, list) and len(pair) == 2 and all(_is_timestamp(end) for end in pair)


def _is_timestamp(end: object) -> bool:
    if isinstance(end, bool) or not isinstance(end, int | float):
        return False
    return 0 <= end <= LAST_TIMESTAMP and end == int(end)


def complete(parameters: Sequence[Parameter], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return all parameters with given values or defaults; raise `InputError` for unknown or invalid ones."""
    known = {parameter.name: parameter for parameter in parameters}
    values: dict[str, Any] = {}
    unknown = sorted(set(given) - set(known))
    flaws = [Flaw(("parameters", name[:64]), "is not a parameter of this detector") for name in unknown[:MAX_FLAWS]]
    sentences = []
    if unknown:
        sentences = [
            f"Unknown parameter {unknown[0][:64]!r}. This detector's parameters: {', '.join(sorted(known)) or 'none'}."
        ]
    invalid = []
    for name, parameter in known.items():
        try:
            values[name] = parameter.check(given[name]) if name in given else parameter.default
        except ValueError as error:
            invalid.append(Flaw(("parameters", name), str(error)))
    if invalid:
        sentences.append(f"Invalid parameter: {'; '.join(f'{flaw.loc[-1]} {flaw.msg}' for flaw in invalid)}.")
    if sentences:
        code = Code.UNKNOWN_PARAMETER if unknown else Code.INVALID_PARAMETER
        raise InputError(code, " ".join(sentences), flaws=flaws + invalid)
    return values


def schema(parameters: Sequence[Parameter]) -> dict[str, Any]:
    """Return the JSON schema of an object with these parameters."""
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": {parameter.name: parameter.schema for parameter in parameters},
    }
