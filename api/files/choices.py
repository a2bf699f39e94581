"""What the user states about a file; the reader infers everything else."""

from dataclasses import dataclass
from enum import StrEnum
from zoneinfo import ZoneInfo

from shared.errors import Code, InputError


class Unit(StrEnum):
    """Unit of numeric timestamps, which count from 1970."""

    S = "s"
    MS = "ms"
    US = "us"
    NS = "ns"


class Doubled(StrEnum):
    """What to do with different values for the same second."""

    REFUSE = "refuse"
    FIRST = "first"
    LAST = "last"
    MEAN = "mean"


@dataclass(frozen=True)
class Choices:
    """Statements that replace inference; None where the user makes none."""

    time_column: str | None = None  # columns, by name or by number from 1
    value_column: str | None = None
    series_column: str | None = None
    unit: Unit | None = None
    time_format: str | None = None  # for `datetime.strptime`, or `excel`
    timezone: str | None = None
    delimiter: str | None = None
    decimal: str | None = None
    thousands: str | None = None
    encoding: str | None = None
    skip_rows: int = 0
    doubled: Doubled = Doubled.REFUSE

    def __post_init__(self) -> None:
        """Check what does not depend on a file; raise `InputError`."""
        if self.decimal not in {None, ".", ","}:
            raise InputError(Code.INVALID_FILE, f"--decimal is {self.decimal!r}: it must be . or ,")
        if self.thousands is not None and self.thousands not in THOUSANDS:
            raise InputError(Code.INVALID_FILE, f"--thousands is {self.thousands!r}: it must be . , ' or a space.")
        if self.thousands is not None and self.thousands == self.decimal:
            raise InputError(Code.INVALID_FILE, "--decimal and --thousands must differ.")
        if self.delimiter is not None:
            delimiter = NAMED_DELIMITERS.get(self.delimiter, self.delimiter)
            if len(delimiter) != 1 or delimiter in '"\r\n':
                raise InputError(
                    Code.INVALID_FILE, f"--delimiter is {self.delimiter!r}: it must be one character, or tab or space."
                )
            object.__setattr__(self, "delimiter", delimiter)
        try:
            _ = self.zone
        except (ValueError, OSError, KeyError):  # KeyError: not found
            raise InputError(
                Code.INVALID_FILE, f"--timezone is {self.timezone!r}: write a name such as Europe/Berlin."
            ) from None

    @property
    def zone(self) -> ZoneInfo | None:
        """The time zone of times without one; None stands for UTC."""
        return None if self.timezone is None else ZoneInfo(self.timezone)


THOUSANDS = (".", ",", "'", " ")
NAMED_DELIMITERS = {"tab": "\t", "\\t": "\t", "space": " ", "comma": ",", "semicolon": ";", "pipe": "|"}
NOTHING_STATED = Choices()
