"""Times in cells: formats with one reading, and those that need an option."""

from pathlib import Path

import pytest

from api.files.choices import Choices, Unit
from api.files.points import moment_of
from api.files.reading import read
from shared.errors import InputError


def times_of(folder: Path, cells: list[str], choices: Choices | None = None, name: str = "time") -> list[str]:
    file = folder / "points.csv"
    file.write_text(f"{name};value\n" + "".join(f"{cell};{index}.5\n" for index, cell in enumerate(cells)))
    return [
        moment_of(moment).removesuffix(":00Z") for moment in read(str(file), choices or Choices()).timestamps.tolist()
    ]


@pytest.mark.parametrize(
    ("cells", "times"),
    [
        (["12.01.2026", "13.01.2026"], ["2026-01-12 00:00", "2026-01-13 00:00"]),
        (["05.01.2026 1:30", "06.01.2026 1:30"], ["2026-01-05 01:30", "2026-01-06 01:30"]),
        (["13.01.70", "14.01.70"], ["1970-01-13 00:00", "1970-01-14 00:00"]),
        (["12/31/2025", "01/01/2026"], ["2025-12-31 00:00", "2026-01-01 00:00"]),
        (["31-12-2025", "01-01-2026"], ["2025-12-31 00:00", "2026-01-01 00:00"]),
        (["2026-01-12 24h".replace("24h", "12 AM"), "2026-01-12 12 PM"], ["2026-01-12 00:00", "2026-01-12 12:00"]),
        (["20260112", "20260113"], ["2026-01-12 00:00", "2026-01-13 00:00"]),
        (["2025-W01", "2025-W02"], ["2024-12-30 00:00", "2025-01-06 00:00"]),
        (["2026-012", "2026-013"], ["2026-01-12 00:00", "2026-01-13 00:00"]),
        (["2026-01", "2026-02"], ["2026-01-01 00:00", "2026-02-01 00:00"]),
        (["Jan 2026", "Feb 2026"], ["2026-01-01 00:00", "2026-02-01 00:00"]),
        (["3. März 2026 5:00 Uhr", "4. Mai 2026 5:00 Uhr"], ["2026-03-03 05:00", "2026-05-04 05:00"]),
        (["12 août 2026", "13 décembre 2026"], ["2026-08-12 00:00", "2026-12-13 00:00"]),
        (["2026-01-12T00:00+05:30", "2026-01-12T00:00-0800"], ["2026-01-11 18:30", "2026-01-12 08:00"]),
        (["12.01.2026 00:00 CET", "12.07.2026 00:00 CEST"], ["2026-01-11 23:00", "2026-07-11 22:00"]),
        (["2026-01-12T00:00:00.25Z", "2026-01-12T00:01Z"], ["2026-01-12 00:00", "2026-01-12 00:01"]),
        (["-3600.5", "7200"], None),
        (["1768176000000", "NaT", "1768176060000"], None),
    ],
)
def test_times_with_one_reading_are_read(tmp_path: Path, cells: list[str], times: list[str] | None) -> None:
    if times is None:
        with pytest.raises(InputError):
            times_of(tmp_path, cells, Choices(unit=Unit.S) if cells[0][0] == "-" else None, name="x")
    else:
        assert times_of(tmp_path, cells) == times


@pytest.mark.parametrize(
    ("cells", "sentence"),
    [
        (["01/02/2026 10:00", "03/04/2026 10:00"], r"as day, month, year or as month, day, year.*'%d/%m/%Y %H:%M'"),
        (["01-02-2026", "03-04-2026"], "'%d-%m-%Y' or '%m-%d-%Y'"),
        (["12.01.26", "13.01.26"], "as day, month, year or as year, month, day"),
        (["01/13/2026", "13/01/2026"], r"'13/01/2026' \(column 'time', row 3\) is not a time"),
        (["2026-02-29", "2026-03-01"], r"'2026-02-29' \(column 'time', row 2\)"),
        (["2026-01-12 24:00", "2026-01-13 01:00"], "Hours are 00 to 23"),
        (["2026-01-12 13:00 PM", "2026-01-12 02:00 PM"], "'2026-01-12 13:00 PM'"),
        (["Jan 12 00:00:00", "Jan 13 00:00:00"], "has no year"),
        (["12.01. 00:00", "13.01. 00:00"], "has no year"),
        (["00:00:00", "00:01:00"], "time of day without a date"),
        (["2026-01-12 00:00 EST", "2026-01-12 01:00 EST"], "EST"),
        (["2026-01-12 00:00", "2026-01-12 01:00Z"], "have a time zone and others have none"),
        (["soon", "later"], r"'soon' \(column 'time', row 2\)"),
        (["2026-01-12", ""], "Row 3 has a value, but no time"),
        (["46023", "46024"], "days of Excel"),
        (["46023,5", "46024,5"], "is not a time"),
        (["2024", "2025"], "looks like years"),
        (["2461053.5", "2461054.5"], "Julian days"),
        (["639040320000000000", "639040356000000000"], ".NET ticks"),
        (["1768176000", "1768179600000"], r"mixes units: '1768179600000' \(row 3\) is in ms"),
        (["1.76818E+12", "1.76819E+12"], "has lost the digits"),
        (["260112", "260113"], "YYMMDD"),
        (["2026011200", "2026011201"], "%Y%m%d%H"),
        (["9" * 30, "9" * 30], "too large for a timestamp"),
        (["9" * 5000, "9" * 5000], "too large for a timestamp"),
        (["29471160", "29471161"], "minutes since 1970"),
        (["2026011\u00b2", "20260113"], "is not a time"),
    ],
)
def test_times_with_no_or_two_readings_are_refused(tmp_path: Path, cells: list[str], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        times_of(tmp_path, cells)


@pytest.mark.parametrize(
    ("cells", "choices", "times"),
    [
        (
            ["01/02/2026 10:00", "03/04/2026 10:00"],
            Choices(time_format="%d/%m/%Y %H:%M"),
            ["2026-02-01 10:00", "2026-04-03 10:00"],
        ),
        (["12.Dez.26", "13.Dez.26"], Choices(time_format="%d.%b.%y"), ["2026-12-12 00:00", "2026-12-13 00:00"]),
        (["46023.5", "46024,25"], Choices(time_format="excel"), ["2026-01-01 12:00", "2026-01-02 06:00"]),
        (["2026011200", "2026011201"], Choices(time_format="%Y%m%d%H"), ["2026-01-12 00:00", "2026-01-12 01:00"]),
        (["46020", "46080"], Choices(unit=Unit.S), ["1970-01-01 12:47", "1970-01-01 12:48"]),
        (
            ["2026-01-12 00:00", "2026-07-12 00:00"],
            Choices(timezone="Europe/Berlin"),
            ["2026-01-11 23:00", "2026-07-11 22:00"],
        ),
        (
            ["2026-01-12 00:00Z", "2026-07-12 00:00Z"],
            Choices(timezone="Europe/Berlin"),
            ["2026-01-12 00:00", "2026-07-12 00:00"],
        ),
    ],
)
def test_options_settle_times(tmp_path: Path, cells: list[str], choices: Choices, times: list[str]) -> None:
    assert times_of(tmp_path, cells, choices) == times


BERLIN = Choices(timezone="Europe/Berlin")


@pytest.mark.parametrize(
    "clock",
    [
        ["01:00", "02:00", "02:00", "03:00"],
        ["01:30", "02:00", "02:30", "02:00", "02:30", "03:00"],
        ["02:00", "02:00", "02:30", "02:30", "03:00"],
    ],
)
@pytest.mark.parametrize("is_reversed", [False, True])
def test_the_doubled_hour_is_resolved_and_explained(tmp_path: Path, clock: list[str], *, is_reversed: bool) -> None:
    cells = [f"2026-10-25 {time}" for time in clock]
    file = tmp_path / "points.csv"
    rows = [f"{cell};{index}.5\n" for index, cell in enumerate(cells)]
    file.write_text("time;value\n" + "".join(reversed(rows) if is_reversed else rows))
    points = read(str(file), BERLIN)
    assert len(points.timestamps) == len(clock)
    assert [moment_of(moment)[11:16] for moment in points.timestamps.tolist()][-1] == "02:00"
    doubled = sum(time.startswith("02") for time in clock)
    assert f"{doubled} rows in an hour that Europe/Berlin repeats: {doubled // 2} read as summer time" in "".join(
        points.notes
    )


def test_local_times_of_a_clock_change_ask_for_the_time_zone(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"clocks go back.*--timezone"):
        times_of(tmp_path, ["2026-10-25 01:00", "2026-10-25 02:00", "2026-10-25 02:00"])


def test_a_time_that_the_clocks_skip_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"'2026-03-29 02:30' \(column 'time', row 3\) does not exist in Europe/Berlin"
    ):
        times_of(tmp_path, ["2026-03-29 01:30", "2026-03-29 02:30"], BERLIN)


def test_times_before_1990_and_in_the_future_are_reported(tmp_path: Path) -> None:
    file = tmp_path / "points.csv"
    file.write_text("time,value\n1980-01-01,1\n2980-01-01,2\n")
    notes = read(str(file)).notes
    assert "1 timestamp before 1990, from 1980-01-01 00:00:00Z" in notes
    assert "1 timestamp in the future, up to 2980-01-01 00:00:00Z" in notes
