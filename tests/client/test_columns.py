"""Points from frames of each library, with each kind of time and of missing value."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from tsad_client.columns import points_of, seconds_of
from tsad_client.errors import InvalidPointsError

DAYS = [1767225600, 1767312000, 1767398400]  # 2026-01-01 to 2026-01-03
NAIVE = [datetime(2026, 1, day) for day in (1, 2, 3)]  # noqa: DTZ001 - what files often have
BERLIN = pd.date_range("2026-01-01 01:00", periods=3, freq="D", tz="Europe/Berlin")
VALUES = [1.0, None, 3.0]
NOT_A_NUMBER = [1.0, float("nan"), 3.0]

READABLE: dict[str, tuple[Any, dict[str, str]]] = {
    "pandas, dates without a zone": (pd.DataFrame({"t": NAIVE, "v": NOT_A_NUMBER}), {}),
    "pandas, dates with a zone": (pd.DataFrame({"t": BERLIN, "v": NOT_A_NUMBER}), {}),
    "pandas, time index": (pd.DataFrame({"v": NOT_A_NUMBER}, index=BERLIN), {}),
    "pandas, series": (pd.Series(NOT_A_NUMBER, index=pd.DatetimeIndex(NAIVE)), {}),
    "pandas, nullable types": (pd.DataFrame({"timestamp": pd.array(DAYS), "v": pd.array(VALUES, "Float64")}), {}),
    "pandas, types of Arrow": (pd.DataFrame({"timestamp": DAYS, "v": pd.array(VALUES, "double[pyarrow]")}), {}),
    "pandas, another column of numbers": (pd.DataFrame({"t": NAIVE, "v": NOT_A_NUMBER, "n": 7}), {"value": "v"}),
    "polars, dates": (pl.DataFrame({"t": [date(2026, 1, day) for day in (1, 2, 3)], "v": VALUES}), {}),
    "polars, nanoseconds": (pl.DataFrame({"t": pl.Series(NAIVE, dtype=pl.Datetime("ns")), "v": NOT_A_NUMBER}), {}),
    "polars, integers": (pl.DataFrame({"second": DAYS, "v": [1, None, 3]}), {"time": "second"}),
    "polars, decimals": (pl.DataFrame({"t": NAIVE, "v": pl.Series(["1", None, "3"]).cast(pl.Decimal(10, 2))}), {}),
    "Arrow": (pa.table({"t": pa.array(NAIVE, pa.timestamp("s")), "v": VALUES, "note": ["", "", ""]}), {}),
    "Arrow, with a zone": (pa.table({"t": pa.array(DAYS, pa.timestamp("s", "Asia/Tokyo")), "v": VALUES}), {}),
    "columns": ({"timestamps": NAIVE, "values": VALUES}, {}),
    "columns of an index and an array": (
        {"timestamps": BERLIN, "values": pd.array(VALUES, "Float64").to_numpy(na_value=None)},
        {},
    ),
    "columns with names": ({"t": DAYS, "v": VALUES}, {"time": "t", "value": "v"}),
}
UNREADABLE: dict[str, tuple[Callable[[], Any], str]] = {
    "a list": (lambda: [1, 2, 3], "Points cannot be read from a list"),
    "a lazy frame": (lambda: pl.LazyFrame({"t": NAIVE, "v": VALUES}), r"\.collect\(\)"),
    "no times": (lambda: pl.DataFrame({"a": DAYS, "v": VALUES}), "No column has dates: a, v. Convert"),
    "two times": (lambda: pl.DataFrame({"a": NAIVE, "b": NAIVE, "v": VALUES}), "several: a, b. Pass time="),
    "two values": (lambda: pl.DataFrame({"t": NAIVE, "a": VALUES, "b": VALUES}), "several: a, b. Pass value="),
    "text": (lambda: pl.DataFrame({"t": NAIVE, "v": ["1", "2", "3"]}), "none among t, v. Pass value="),
    "text as times": (lambda: pl.DataFrame({"timestamp": ["2026-01-01"], "v": [1]}), "has String, but must have dates"),
    "parts of seconds": (lambda: pd.DataFrame({"t": [datetime(2026, 1, 1, 0, 0, 0, 5)], "v": [1]}), "Row 0 of 't'"),  # noqa: DTZ001
    "a missing time": (lambda: pl.DataFrame({"t": [None, *NAIVE], "v": [1, 2, 3, 4]}), "1 rows without a time"),
    "series without times": (lambda: pd.Series([1.0]), "no time index"),
    "different lengths": (lambda: {"timestamps": DAYS, "values": [1]}, "3 timestamps, but 1 values"),
    "no such column": (lambda: {"time": DAYS, "values": VALUES}, "There is no column 'timestamps'"),
    "text among numbers": (lambda: {"timestamps": [1], "values": ["x"]}, "'x' is not a number"),
    "text among times": (lambda: {"timestamps": ["x"], "values": [1]}, "'x' is not a time"),
    "NaT": (lambda: {"timestamps": [pd.NaT], "values": [1]}, "A timestamp is missing"),
    "an infinite value": (lambda: {"timestamps": [1], "values": [float("inf")]}, "A value is infinite"),
    "true as a time": (lambda: {"timestamps": [True], "values": [1]}, "True is not a time"),
}


@pytest.mark.parametrize("case", list(READABLE))
def test_the_points_of_a_frame_are_seconds_and_numbers_and_verdicts_become_columns(case: str) -> None:
    data, names = READABLE[case]
    points = points_of(data, **names)
    assert (points.timestamps, points.values) == (DAYS, VALUES)
    assert points.present == ([DAYS[0], DAYS[2]], [1.0, 3.0])
    extended = points.with_columns({"anomaly": [True, None, False], "score": [2.0, None, 0.5]})
    assert type(extended) is (pd.DataFrame if isinstance(data, pd.Series) else type(data))
    anomaly = extended["anomaly"].to_pylist() if isinstance(extended, pa.Table) else list(extended["anomaly"])
    assert (anomaly[0], anomaly[2]) == (True, False)
    assert anomaly[1] is None or pd.isna(anomaly[1])
    if not isinstance(extended, dict):
        assert points_of(extended, names.get("time"), "score").values == [2.0, None, 0.5]


def test_a_missing_verdict_of_pandas_selects_no_row() -> None:
    data = pd.DataFrame({"v": NOT_A_NUMBER}, index=BERLIN)
    extended = points_of(data).with_columns({"anomaly": [True, None, False]})
    assert list(extended[extended["anomaly"]].index) == [BERLIN[0]]
    assert list(data.columns) == ["v"]


@pytest.mark.parametrize("case", list(UNREADABLE))
def test_what_is_not_clear_is_named(case: str) -> None:
    make, message = UNREADABLE[case]
    with pytest.raises(InvalidPointsError, match=message):
        points_of(make())


def test_a_datetime_without_a_zone_is_utc() -> None:
    assert seconds_of(NAIVE[0]) == seconds_of(NAIVE[0].replace(tzinfo=UTC)) == DAYS[0]
    moment: Any = np.datetime64(NAIVE[0], "ns")
    assert seconds_of(moment) == DAYS[0]
    assert seconds_of(datetime(2026, 1, 1, 5, tzinfo=timezone(timedelta(hours=5)))) == DAYS[0]
