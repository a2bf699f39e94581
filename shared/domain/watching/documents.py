"""Documents that people send: read their fields, and report all flaws together."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from shared.domain.watching import durations
from shared.errors import Code, Flaw, InputError

NAME = re.compile(r"[A-Za-z0-9._-]{1,100}")  # of a watch, receiver or source


class Reader:
    """Reads the fields of a document and collects their flaws."""

    def __init__(self, code: Code, subject: str) -> None:
        self._code = code
        self._subject = subject
        self._flaws: list[Flaw] = []

    def flaw(self, loc: tuple[str, ...], reason: str) -> None:
        """Add a flaw."""
        self._flaws.append(Flaw(loc, reason))

    def check(self) -> None:
        """Raise an `InputError` if there are any flaws."""
        if self._flaws:
            listed = "; ".join(f"{'.'.join(map(str, flaw.loc)) or 'the document'} {flaw.msg}" for flaw in self._flaws)
            raise InputError(self._code, f"{self._subject} is invalid: {listed}."[:2_000], flaws=self._flaws)

    def fields(
        self, value: object, loc: tuple[str, ...], known: Sequence[str], *, ignore: bool = False
    ) -> Mapping[str, Any]:
        """Return the fields of an object; unknown ones are flaws."""
        if not isinstance(value, Mapping):
            self.flaw(loc, "must be an object")
            return {}
        for name in value:
            if name not in known and not ignore:
                self.flaw((*loc, str(name)[:64]), "is unknown")
        return value

    def integer(self, fields: Mapping[str, Any], loc: tuple[str, ...], default: int, least: int, most: int) -> int:
        """Return a whole number from `least` to `most`."""
        value = fields.get(loc[-1], default)
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            self.flaw(loc, f"must be a whole number from {least} to {most:,}")
            return default
        return value

    def number(
        self, fields: Mapping[str, Any], loc: tuple[str, ...], default: float | None, above: float, most: float = 1e300
    ) -> float | None:
        """Return a number greater than `above`."""
        value = fields.get(loc[-1], default)
        if value is None and loc[-1] != "below":
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not above < value <= most:
            limit = f" and at most {most:g}" if most < 1e300 else ""
            self.flaw(loc, f"must be a number greater than {above:g}{limit}")
            return default
        return float(value)

    def duration(self, fields: Mapping[str, Any], loc: tuple[str, ...], default: int, least: float, most: float) -> int:
        """Return a duration in seconds."""
        value = fields.get(loc[-1])
        if loc[-1] not in fields:
            return default
        seconds = durations.parse(value)
        if seconds is None:
            self.flaw(loc, durations.RULE)
            return default
        if not least <= seconds <= most:
            bounds = f"{durations.written(int(least))} to {durations.written(int(most))}"
            hint = " (KEEP_POINTS_DAYS)" if loc == ("window",) else ""
            self.flaw(loc, f"must be from {bounds}{hint}")
            return default
        return seconds

    def choice(self, fields: Mapping[str, Any], loc: tuple[str, ...], choices: Sequence[str]) -> str:
        """Return one of the choices; the first is the default."""
        value = fields.get(loc[-1], choices[0])
        if value not in choices:
            self.flaw(loc, f"must be one of {', '.join(choices)}")
            return choices[0]
        return str(value)
