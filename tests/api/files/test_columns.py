"""Columns: what is time, value and series, and what is refused with the candidates."""

from pathlib import Path

import pytest

from api.files.choices import Choices
from api.files.reading import read, read_series
from shared.errors import InputError

DAYS = ("2026-01-13", "2026-01-14")


def read_text(folder: Path, text: str, **choices: object) -> list[float]:
    file = folder / "points"
    file.write_text(text)
    values: list[float] = read(str(file), Choices(**choices)).values.tolist()  # type: ignore[arg-type]
    return values


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "time,a,b\n2026-01-13,1,2\n2026-01-14,3,4\n",
            "Several columns can be the value: 'a', 'b'. Choose one with --value",
        ),
        (
            "time,value,value 2\n2026-01-13,1,2\n2026-01-14,3,4\n",
            "Several columns can be the value: 'value', 'value 2'",
        ),
        ("time,value,value\n2026-01-13,1,2\n2026-01-14,3,4\n", "Columns 2 and 3 have the same name 'value'"),
        (
            "opened,closed,x\n2026-01-13,2026-01-14,2\n2026-01-14,2026-01-16,4\n",
            "Several columns can be the time: 'opened', 'closed'",
        ),
        ("time,host,value\n2026-01-13,a,1\n2026-01-13,b,9\n2026-01-14,a,2\n", "--series-column host"),
        (
            "time,Anlage,value\n2026-01-13,a,1\n2026-01-14,b,9\n2026-01-15,a,2\n2026-01-16,b,7\n",
            "Column 'Anlage' has 2 different values",
        ),
        ("time,value,unit\n2026-01-13,1,K\n2026-01-14,9,C\n", "Column 'unit' has 2 different values"),
        ("time,sensor_id,value\n2026-01-13,17,1\n2026-01-14,18,9\n", "Column 'sensor_id' has 2 different values"),
        ("Zeit;Temperatur;Status\n2026-01-13;21,4;1\n2026-01-14;22,2;0\n", "'Temperatur', 'Status'"),
        ("2026-01-13 00:00,21,4\n2026-01-13 01:00,22,2\n", "If 21,4 is one number with a decimal comma"),
        ("time,value\n2026-01-13 00:00,21,4\n2026-01-13 01:00,22,2\n", "decimal comma"),
        ("time,value\n2026-01-13 00:00,21,4\n2026-01-13 01:00,22\n2026-01-13 02:00,23\n", "Row 2 has 3 cells"),
        ("21,5\n22,0\n20,9\n", "decimal comma"),
        ("date,time,half,value\n2026-01-13,12:00,AM,1\n2026-01-14,12:00,AM,2\n", "AM and PM apart"),
        ("host,value\na,1\na,2\n", "No column has times"),
        ("id,value\n1,5\n2,6\n", "No column has times"),
        ("1,5\n2,6\n3,7\n", "Several columns can be the value"),
        ("when,value\n12-Xyz-2026,1\n13-Xyz-2026,2\n", r"'12-Xyz-2026' \(column 'when', row 2\)"),
        ("stamp,value\n2026?01?13,1\n2026?01?14,2\n", r"'2026\?01\?13' \(column 'stamp', row 2\)"),
        ("time,value\n2026-01-13,1\n2026-01-14\n2026-01-15,3\n", "Row 3 has 1 cell"),
        ("time,value\n2026-01-13,1\n2026-01-14,high\n", r"'high' \(column 'value', row 3\) is not a number"),
        ("time,value\ntomorrow,1\n2026-01-14,2\n", r"'tomorrow' \(column 'time', row 2\)"),
        ("time,value\nTuesday,off\n2026-01-14,2\n", r"'Tuesday' \(column 'time', row 2\)"),
        ("time,value\n2026-01-14,2\n,3\n", "Row 3 has a value, but no time"),
        ('time,value\n1768176000,"21.4\n', "near line 2"),
        ("boiler,host=a temp=21.4 1768176000000000000\n" * 2, "InfluxDB line protocol"),
        ('temp{host="a"} 21.4 1768176000000\n' * 2, "Prometheus metrics of one moment"),
        ("<html><body>Sign in</body></html>", "XML or HTML"),
    ],
)
def test_columns_without_a_single_choice_are_refused_with_the_candidates(
    tmp_path: Path, text: str, sentence: str
) -> None:
    with pytest.raises(InputError, match=sentence):
        read_text(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "choices"),
    [
        ("time,a,b\n2026-01-13,1,5\n2026-01-14,3,6\n", {"value_column": "b"}),
        ("time,a,b\n2026-01-13,1,5\n2026-01-14,3,6\n", {"value_column": "3"}),
        ("t1,t2,x\n2026-01-13,2026-02-14,5\n2026-01-14,2026-02-16,6\n", {"time_column": "t2"}),
        ("time,host,value\n2026-01-13,a,5\n2026-01-14,b,6\n", {"time_column": "time", "value_column": "value"}),
        ("junk,more\nmost\ntime,value\n2026-01-13,5\n2026-01-14,6\n", {"skip_rows": 2}),
        ("2026-01-13~5\n2026-01-14~6\n", {"delimiter": "~"}),
        ("2026-01-13\t5\n2026-01-14\t6\n", {"delimiter": "tab"}),
        ("time,value,value\n2026-01-13,1,5\n2026-01-14,3,6\n", {"time_column": "1", "value_column": "3"}),
        ("time,value\n2026-01-13,5\n2026-01-13,9\n2026-01-14,6\n", {"doubled": "first"}),
    ],
)
def test_options_settle_columns(tmp_path: Path, text: str, choices: dict[str, object]) -> None:
    assert read_text(tmp_path, text, **choices) == [5, 6]


def test_a_stated_encoding_replaces_the_detected_one(tmp_path: Path) -> None:
    file = tmp_path / "points"
    file.write_bytes("Zeit;Größe\n2026-01-13;5\n2026-01-14;6\n".encode("cp437"))
    assert "'Größe'" in read(str(file), Choices(encoding="cp437")).notes[0]


def test_one_file_can_hold_many_series(tmp_path: Path) -> None:
    file = tmp_path / "points"
    file.write_text("time,host,value\n2026-01-13,a,1\n2026-01-13,b,9\n2026-01-14,a,2\n2026-01-14,b,8\n")
    found = read_series(str(file), Choices(series_column="host"))
    assert {name: points.values.tolist() for name, points in found.items()} == {"a": [1, 2], "b": [9, 8]}
    assert read(str(file), Choices(series_column="host"), series="b").values.tolist() == [9, 8]
    with pytest.raises(InputError, match=r"No row of .* has 'c' in column 'host', which has 'a', 'b'"):
        read(str(file), Choices(series_column="host"), series="c")


@pytest.mark.parametrize(
    ("choices", "sentence"),
    [
        ({"decimal": "x"}, "--decimal is 'x'"),
        ({"thousands": "x"}, "--thousands is 'x'"),
        ({"decimal": ",", "thousands": ","}, "must differ"),
        ({"delimiter": "ab"}, "--delimiter is 'ab'"),
        ({"timezone": "Berlin"}, "--timezone is 'Berlin'"),
        ({"timezone": "../etc"}, "--timezone is '../etc'"),
        ({"encoding": "klingon"}, "--encoding is 'klingon'"),
        ({"skip_rows": 9}, "--skip-rows is 9"),
        ({"time_format": "%Y"}, "does not have the format '%Y'"),
        ({"time_format": "%Y%Y"}, "does not have the format '%Y%Y'"),
        ({"time_column": "3"}, "has no times: all its cells are empty"),
        ({"time_column": "\u00b2"}, "No column '\u00b2'"),
    ],
)
def test_invalid_options_are_refused_in_a_sentence(tmp_path: Path, choices: dict[str, object], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        read_text(tmp_path, "time,value,\n2026-01-13,5,\n2026-01-14,6,\n", **choices)
