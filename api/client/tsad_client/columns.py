"""Points from data frames of pandas, polars or Arrow, and verdicts as frames of the same kind.

`narwhals` reads and makes the frames, so this package needs none of these libraries.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, TypeAlias

import narwhals as nw

from tsad_client.errors import InvalidPointsError

Data: TypeAlias = Any  # a frame of pandas, polars or Arrow, a pandas series with a time index, or a mapping of columns
Time: TypeAlias = int | datetime

TIMESTAMPS, VALUES = "timestamps", "values"  # of a mapping
SECONDS = ("timestamp", "timestamps")  # names of columns that may have seconds since 1970
BOOLEAN = ("anomaly", "absorbed")  # columns of verdicts


@dataclass(frozen=True, slots=True)
class Points:
    """Points in the order of their rows: seconds since 1970, and values, of which None are missing.

    `with_columns` returns the caller's data with more columns of the same length.
    """

    timestamps: list[int]
    values: list[float | None]
    with_columns: Callable[[Mapping[str, Sequence[Any]]], Any]

    @property
    def present(self) -> tuple[list[int], list[float]]:
        """The points whose values are not missing."""
        kept = [(time, value) for time, value in zip(self.timestamps, self.values, strict=True) if value is not None]
        return [time for time, _ in kept], [value for _, value in kept]


def points_of(data: Data, time: str | None = None, value: str | None = None) -> Points:
    """Read points. Without names, the time is the only column of dates, and the value the only column of numbers.

    Without a column of dates, it is a column `timestamp` of integers, or the time index of a pandas object. Dates
    without a time zone count as UTC, integers as seconds since 1970. Raises `InvalidPointsError` if it is not
    clear which columns are meant, or a time has a fraction of a second.
    """
    if isinstance(data, Mapping):
        return _of_mapping(data, time or TIMESTAMPS, value or VALUES)
    try:
        native = nw.from_native(data, allow_series=True)
    except TypeError:
        kind = type(data).__name__
        raise InvalidPointsError(
            f"Points cannot be read from a {kind}. Pass a data frame of pandas, polars or Arrow, a pandas series with "
            f'a time index, or {{"{TIMESTAMPS}": …, "{VALUES}": …}}.'
        ) from None
    if isinstance(native, nw.LazyFrame):
        raise InvalidPointsError("The frame is lazy: call .collect() first.")
    if isinstance(native, nw.Series):
        return _of_series(native)
    return _of_frame(native, time, value)


def seconds_of(time: Time) -> int:
    """Return a time in seconds since 1970; a datetime without a time zone counts as UTC, and one of NumPy, too."""
    given: Any = time
    if type(given).__name__ == "datetime64":
        given = given.astype("datetime64[us]").item()
    if given is None or given != given:  # noqa: PLR0124 - NaT
        raise InvalidPointsError("A timestamp is missing. Leave its point out.")
    if isinstance(given, datetime):
        aware = given if given.tzinfo else given.replace(tzinfo=UTC)
        seconds = aware.timestamp()
        if not seconds.is_integer():
            raise InvalidPointsError(f"{given.isoformat()} has a fraction of a second. Round the times first.")
        return int(seconds)
    if isinstance(given, bool) or not hasattr(given, "__index__"):
        raise InvalidPointsError(f"{given!r} is not a time. Pass a datetime, or whole seconds since 1970.")
    return int(given)


def number_of(value: Any) -> float | None:
    """Return a value as a number, or None if it is missing: None or NaN."""
    if value is None:
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise InvalidPointsError(f"{value!r} is not a number.") from None
    if math.isinf(number):
        raise InvalidPointsError("A value is infinite. Pass None or NaN for a missing value, or leave the point out.")
    return None if math.isnan(number) else number


def _of_mapping(data: Mapping[str, Iterable[Any]], time: str, value: str) -> Points:
    for name in (time, value):
        if name not in data:
            raise InvalidPointsError(f"There is no column {name!r}. The columns are: {', '.join(map(str, data))}.")
    timestamps, values = [seconds_of(one) for one in data[time]], [number_of(one) for one in data[value]]
    if len(timestamps) != len(values):
        raise InvalidPointsError(f"There are {len(timestamps):,} timestamps, but {len(values):,} values.")
    return Points(timestamps, values, lambda columns: {**data, **columns})


def _of_series(series: nw.Series[Any]) -> Points:
    times = _time_index(series)
    if times is None:
        raise InvalidPointsError("The series has no time index. Pass a frame with a column of times.")
    frame = series.to_frame()
    return Points(_seconds(times), _numbers(series), lambda columns: _extended(frame, columns))


def _of_frame(frame: nw.DataFrame[Any], time: str | None, value: str | None) -> Points:
    for name in (time, value):
        if name is not None and name not in frame.columns:
            raise InvalidPointsError(f"There is no column {name!r}. The columns are: {', '.join(frame.columns)}.")
    dates = [name for name, kind in frame.schema.items() if kind.is_temporal() and name != value]
    times = frame[time] if time else frame[dates[0]] if len(dates) == 1 else None
    if times is None and not dates:
        seconds = [name for name in SECONDS if name in frame.columns]
        times = frame[seconds[0]] if seconds else _time_index(frame)
    if times is None:
        if not dates:
            columns = ", ".join(frame.columns)
            raise InvalidPointsError(
                f"No column has dates: {columns}. Convert the one with the times, or pass time=… if it has whole "
                "seconds since 1970."
            )
        found = ", ".join(dates)
        raise InvalidPointsError(f"Which column has the times? There are several: {found}. Pass time=… with its name.")
    numeric = [name for name, kind in frame.schema.items() if kind.is_numeric() and name != times.name]
    if value is None and len(numeric) != 1:
        found = f"several: {', '.join(numeric)}" if numeric else f"none among {', '.join(frame.columns)}"
        raise InvalidPointsError(f"Which column has the values? There are {found}. Pass value=… with its name.")
    values = frame[value or numeric[0]]
    return Points(_seconds(times), _numbers(values), lambda columns: _extended(frame, columns))


def _time_index(frame: nw.DataFrame[Any] | nw.Series[Any]) -> nw.Series[Any] | None:
    """Return the index of a pandas object as a column if it has times, else None."""
    index = nw.maybe_get_index(frame)
    if index is None or not hasattr(index, "to_series"):
        return None
    times = nw.from_native(index.to_series(), series_only=True)
    return times if times.dtype.is_temporal() else None


def _seconds(times: nw.Series[Any]) -> list[int]:
    """Return a column of times in seconds since 1970."""
    kind = times.dtype
    if times.null_count():
        raise InvalidPointsError(f"The column {times.name!r} has {times.null_count():,} rows without a time.")
    if isinstance(kind, nw.Date):
        return [int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) for day in _dates(times)]
    if isinstance(kind, nw.Datetime):
        is_fine = kind.time_unit == "ns"
        stamps, divisor = times.dt.timestamp("ns" if is_fine else "us").to_list(), 10**9 if is_fine else 10**6
        for row, stamp in enumerate(stamps):
            if stamp % divisor:
                raise InvalidPointsError(
                    f"Row {row} of {times.name!r}, {times[row]}, has a fraction of a second. Round the times first."
                )
        return [stamp // divisor for stamp in stamps]
    if kind.is_integer():
        return [int(time) for time in times.to_list()]
    raise InvalidPointsError(
        f"The column {times.name!r} has {kind}, but must have dates, or whole seconds since 1970. Convert it first."
    )


def _dates(times: nw.Series[Any]) -> list[date]:
    return times.to_list()


def _numbers(values: nw.Series[Any]) -> list[float | None]:
    if not (values.dtype.is_numeric() or values.dtype == nw.Boolean):
        raise InvalidPointsError(f"The column {values.name!r} has {values.dtype}, but must have numbers.")
    missing = values.is_null().to_list()  # pandas has several kinds of missing values
    return [
        None if is_missing else number_of(value) for is_missing, value in zip(missing, values.to_list(), strict=True)
    ]


def _extended(frame: nw.DataFrame[Any], columns: Mapping[str, Sequence[Any]]) -> Any:
    """Return the native frame with more columns; a column of the same name is replaced."""
    return frame.with_columns(*(_column(frame, name, list(column)) for name, column in columns.items())).to_native()


def _column(frame: nw.DataFrame[Any], name: str, column: list[Any]) -> nw.Series[Any]:
    if name not in BOOLEAN:
        return nw.new_series(name, column, nw.Float64, backend=frame.implementation)
    if frame.implementation.is_pandas_like():  # its usual type for booleans would turn a missing one into False
        native = frame.implementation.to_native_namespace().Series(column, dtype="boolean", name=name)
        return nw.from_native(native, series_only=True)
    return nw.new_series(name, column, nw.Boolean, backend=frame.implementation)
