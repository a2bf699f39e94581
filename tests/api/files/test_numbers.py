"""Numbers in cells: signs, separators and units that have one reading, and those that have two."""

from pathlib import Path

import pytest

from api.files.choices import Choices
from api.files.reading import read
from shared.errors import InputError


def values_of(folder: Path, cells: list[str], delimiter: str = ";", choices: Choices | None = None) -> list[float]:
    file = folder / "points.csv"
    rows = [f'2026-01-{day:02} 00:00{delimiter}"{cell}"\n' for day, cell in enumerate(cells, 13)]
    file.write_text(f"time{delimiter}value\n{''.join(rows)}")
    values: list[float] = read(str(file), choices or Choices()).values.tolist()
    return values


@pytest.mark.parametrize(
    ("cells", "values"),
    [
        (["1'234.5", "-987.25"], [1234.5, -987.25]),
        (["1\u2019234\u2019567", "987"], [1234567, 987]),
        (["1.234,56", "12,5"], [1234.56, 12.5]),
        (["1.234.567", "1.234"], [1234567, 1234]),
        (["1,234.56", "1,234"], [1234.56, 1234]),
        (["12,34,567.8", "1,00,000"], [1234567.8, 100000]),
        (["1 234,5", "-12 345 678,25"], [1234.5, -12345678.25]),
        (["1\u00a0234,5", "1\u202f234"], [1234.5, 1234]),
        (["0,123", "0,456"], [0.123, 0.456]),
        (["-0.123", "12.345"], [-0.123, 12.345]),
        (["1234.567", "1.234"], [1234.567, 1.234]),
        (["12,5-", "3,5"], [-12.5, 3.5]),
        (["\u22125.5", "+3"], [-5.5, 3]),
        ([".5", "5."], [0.5, 5]),
        (["1,5E-03", "2,25e2"], [0.0015, 225]),
        (["2,100E+01", "2,250E+01"], [21, 22.5]),
        (["21.4 °C", "22°C"], [21.4, 22]),
        (["$12.50", "-$3"], [12.5, -3]),
        (["1.234,50 €", "12,25 €"], [1234.5, 12.25]),
        (["5 m³/h", "7.5 m³/h"], [5, 7.5]),
        (["12 %", "NaN", "<NA>", "n/a", "", "null", "13 %"], [12, 13]),
    ],
)
def test_numbers_with_one_reading_are_read(tmp_path: Path, cells: list[str], values: list[float]) -> None:
    assert values_of(tmp_path, cells) == values


@pytest.mark.parametrize(
    ("cells", "sentence"),
    [
        (["1,234", "5,678"], r"'1,234' \(column 'value', row 2\) can have a decimal sign or a thousands separator"),
        (["1.234", "987"], "--decimal . or --thousands ."),
        (["1.5 KiB", "2.5 MiB"], "more than one unit: 'KiB' in '1.5 KiB', 'MiB' in '2.5 MiB'"),
        (["950", "1.2 K"], "more than one unit"),
        (["1,5", "1.5"], "mixes decimal and thousands separators"),
        (["1,234"] * 5 + ["1,234.5"], "is the only cell that tells decimal sign and thousands separator apart"),
        (["50.658"] * 5 + ["26,0"], "mixes decimal and thousands separators"),
        (["21.4", "<0.5"], r"'<0.5' \(column 'value', row 3\) is not a number"),
        (["21.4", "1_000"], "'1_000'"),
        (["21.4", "0x1F"], "'0x1F'"),
        (["21.4", "1e999"], "too large for a number"),
        (["21.4", "inf"], "'inf'"),
        (["21.4", "12.5.3"], "'12.5.3'"),
        (["21.4", "1 23"], "'1 23'"),
        (["on", "off"], "'on'"),
        (["21.4", "\uff11"], "is not a number"),
    ],
)
def test_numbers_with_no_or_two_readings_are_refused(tmp_path: Path, cells: list[str], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        values_of(tmp_path, cells)


@pytest.mark.parametrize(
    ("cell", "choices", "value"),
    [
        ("1,234", Choices(decimal=","), 1.234),
        ("1,234", Choices(decimal="."), 1234),
        ("1.234", Choices(thousands="."), 1234),
        ("1.234", Choices(decimal="."), 1.234),
        ("1,234", Choices(thousands=","), 1234),
    ],
)
def test_options_settle_a_separator(tmp_path: Path, cell: str, choices: Choices, value: float) -> None:
    assert values_of(tmp_path, [cell, cell], choices=choices) == [value, value]


def test_another_column_settles_a_separator(tmp_path: Path) -> None:
    file = tmp_path / "points.csv"
    file.write_text("time;value;other\n2026-01-13;1,234;0,5\n2026-01-14;5,678;12,75\n")
    assert read(str(file)).values.tolist() == [1.234, 5.678]


def test_a_comma_between_cells_leaves_the_point_as_decimal_sign(tmp_path: Path) -> None:
    assert values_of(tmp_path, ["12.345", "67.890"], ",") == [12.345, 67.89]
    assert values_of(tmp_path, ["12.345"] * 5 + ["5.5"], ",") == [12.345] * 5 + [5.5]
    with pytest.raises(InputError, match="the only cell"):
        values_of(tmp_path, ["50,652"] * 5 + ["4,217.3"], ",")


def test_an_option_that_no_cell_fits_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not fit --decimal ,"):
        values_of(tmp_path, ["1.5", "2.25"], choices=Choices(decimal=","))
