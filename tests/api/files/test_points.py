"""Points from files: guesses, notes and errors."""

import gzip
import json
from pathlib import Path

import pytest

from api.files.choices import Choices, Doubled, Unit
from api.files.points import Points
from api.files.reading import read
from shared.errors import InputError

START = 1_767_225_600  # 2026-01-01T00:00:00Z


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "points"


def points_of(file: Path, content: str | bytes, **choices: object) -> Points:
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read(str(file), Choices(**choices))  # type: ignore[arg-type]


def pairs(points: Points) -> list[tuple[int, float]]:
    return list(zip(points.timestamps.tolist(), points.values.tolist(), strict=True))


EXPECTED = [(START, 1.5), (START + 60, -2.0)]


@pytest.mark.parametrize(
    ("content", "note"),
    [
        (f"timestamp,value\n{START},1.5\n{START + 60},-2\n", "'timestamp' (Unix time in s), values from 'value'"),
        (f"{START},1.5\r\n{START + 60},-2", "'column 1' (Unix time in s), values from 'column 2'"),
        (f"\ufeffTS;Host;Y\n{START};a;1.5\n{START + 60};a;-2\n", "'TS' (Unix time in s), values from 'Y'"),
        (f"v\twhen\n1.5\t{START}000\n-2\t{START + 60}000\n", "'when' (Unix time in ms), values from 'v'"),
        (f"time,x\n{START}000000,1.5\n{START + 60}000000,-2\n", "Unix time in µs"),
        (f"time,x\n{START}000000000,1.5\n{START + 60}999999999,-2\n", "Unix time in ns"),
        (f"time,x\n{START}.25,1.5\n{START + 60}.75,-2\n", "Unix time in s"),
        ("x,day\n1.5,2026-01-01\n-2,2026-01-01 00:01\n", "'day' (dates without a time zone, read as UTC)"),
        ("a,b\n2026-01-01T01:00:00+01:00,1.5\n2026-01-01T00:01:00Z,-2\n", "'a' (dates with a time zone)"),
        (
            f'{{"ts": {START}, "value": 1.5}}\n\n{{"value": -2, "ts": {START + 60}, "more": 7}}',
            "'ts' (Unix time in s)",
        ),
        (json.dumps({"timestamps": [START, START + 60], "values": [1.5, -2]}, indent=1), "values from 'values'"),
        (f"is_anomaly,value,time\n0,1.5,{START}\n1,-2,{START + 60}\n", "values from 'value'"),
    ],
)
def test_columns_and_units_are_guessed_and_reported(file: Path, content: str, note: str) -> None:
    points = points_of(file, content)
    assert pairs(points) == EXPECTED
    assert note in points.notes[0]


def test_rows_of_a_single_column_are_numbered(file: Path) -> None:
    points = points_of(file, "Data,Label\n5,0\n6,0\n7,1\n")
    assert pairs(points) == [(0, 5.0), (1, 6.0), (2, 7.0)]
    assert "no timestamp column" in points.notes[0]


def test_specified_columns_and_units_are_not_guessed(file: Path) -> None:
    content = f"time,value,other,stamp\n1,5,1.5,{START}000\n2,6,-2,{START + 60}000\n"
    assert pairs(points_of(file, content, time_column="stamp", value_column="other")) == EXPECTED
    assert pairs(points_of(file, "t,v\n5000,1\n6000,2\n", unit=Unit.MS)) == [(5, 1.0), (6, 2.0)]


def test_rows_are_sorted_and_rows_without_a_value_are_skipped_and_reported(file: Path) -> None:
    points = points_of(file, f"t,v\n{START + 60},-2\n{START + 30},\n{START},1.5\n{START + 90},NaN\n")
    assert pairs(points) == EXPECTED
    assert points.notes[1:] == ["skipped 2 rows without a value", "sorted the rows by time: the newest was first"]


def test_different_values_for_a_second_are_rejected_unless_doubled_is_given(file: Path) -> None:
    content = "t,v\n5,1\n5,3\n6,7\n"
    with pytest.raises(
        InputError, match=r"Duplicate timestamp 1970-01-01 00:00:05Z \(rows 2 and 3\) with different values"
    ):
        points_of(file, content)
    for doubled, value in ((Doubled.FIRST, 1.0), (Doubled.LAST, 3.0), (Doubled.MEAN, 2.0)):
        points = points_of(file, content, doubled=doubled)
        assert pairs(points) == [(5, value), (6, 7.0)]
        assert points.notes[1].startswith("1 row with a duplicate timestamp: ")


def test_a_repeated_row_is_skipped_and_reported(file: Path) -> None:
    points = points_of(file, "t,v\n5,1\n5,1\n6,7\n")
    assert pairs(points) == [(5, 1.0), (6, 7.0)]
    assert "skipped" in points.notes[1]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "contains no points"),
        (b"a,b\n", "contains no points"),
        (b"\xff\xfe\x00", "is not valid utf-16 text"),
        (b"\x81\x01\x80\xff", "neither UTF-8 text nor Parquet"),
        (b"PAR1 and no more", "The Parquet file .* cannot be read"),
        (b"\x1f\x8b and no more", "damaged or incomplete"),
        (gzip.compress(b"t,v\n1,2\n", mtime=0)[:-9], "damaged or incomplete"),
        (b"BZh9 and no more", "damaged or incomplete"),
        (b"PK\x03\x04", "a zip archive or an Excel workbook"),
        (b"t,v\n1,2\n3,high\n", r"'high' \(column 'v', row 3\) is not a number"),
        (b"t,v\n2026-01-01,2\ntomorrow,3\n", r"'tomorrow' \(column 't', row 3\)"),
        (b"t,v\n1,2\n2,inf\n", r"'inf' \(column 'v', row 3"),
        (b"name,town\nann,rome\n", "No column contains numbers"),
        (b'{"t": 1, "v": 2}\n[1]\n', "Record 2 of"),
        (b'{"t": 1, "v": ', "neither JSON nor one JSON value per line"),
        (b'{"t": 1, "v": 2}\n{"t": 2, "v"\n', "Line 2 of .* is not valid JSON"),
        (b'{"t": [1, 2], "v": [1]}', "differ in length"),
        (b'{"time": [1, 2], "value": 5}', "'value' must be a list"),
        (b'{"t": 1, "v": 2, "v": 3}', "the key 'v' occurs twice"),
        (b'{"results": [{"series": [{"values": [[1, 2]]}]}]}', "no points in a form of JSON|No column"),
        (b"{}", "no points in a form of JSON that tsad knows"),
        (b"[" * 100_000, "neither JSON"),
    ],
)
def test_an_invalid_file_is_reported_in_a_sentence(file: Path, content: bytes, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        points_of(file, content)


def test_an_unknown_column_is_reported_with_the_existing_ones(file: Path) -> None:
    with pytest.raises(InputError, match=r"No column 'x'\. Columns: 't', 'v'"):
        points_of(file, "t,v\n1,2\n", value_column="x")
    with pytest.raises(InputError, match="cannot be read: No such file"):
        read(str(file.with_name("nowhere")))
