"""Lines of `tsad watch`."""

import pytest

from api.files.choices import Choices, Unit
from api.files.lines import Point, parse_point, parse_time
from shared.errors import InputError

MIDNIGHT = 1_768_176_000  # 2026-01-12T00:00:00Z


@pytest.mark.parametrize(
    ("line", "point"),
    [
        ("", None),
        ("time,value", None),
        ("# 5", None),
        ("2026-01-12,", Point(MIDNIGHT, None)),
        ("1768176000;NaN", Point(MIDNIGHT, None)),
        ("21.5", Point(None, 21.5)),
        ("12.345", Point(None, 12.345)),
        ("1768176000", Point(None, 1_768_176_000)),
        ("-3", Point(None, -3)),
        ("1768176000,5", Point(MIDNIGHT, 5)),
        ("1768176000000\t5.5", Point(MIDNIGHT, 5.5)),
        ("1768176000 5.5", Point(MIDNIGHT, 5.5)),
        ("300000,-0.5", Point(300_000, -0.5)),
        ("2026-01-12T00:00:00Z,5", Point(MIDNIGHT, 5)),
        ("12.01.2026 00:00;21,5", Point(MIDNIGHT, 21.5)),
        ('{"timestamp": 1768176000, "value": 5}', Point(MIDNIGHT, 5)),
        ('{"timestamp": "2026-01-12", "value": 5, "host": "a"}', Point(MIDNIGHT, 5)),
        ('{"timestamp": 1768176000, "value": null}', Point(MIDNIGHT, None)),
    ],
)
def test_a_line_is_a_point_or_skipped(line: str, point: Point | None) -> None:
    assert parse_point(line) == point


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("21,5", r"'21,5' is not a valid point.*one number with a decimal comma, or two"),
        ("01/02/2026 00:00,5", "as day, month, year or as month, day, year"),
        ("2026-01-12;1,234", "a decimal sign or a thousands separator"),
        ("yesterday,3", "^'yesterday' is not a time"),
        ("2026-01-12,high", "'high' is not a number"),
        ("5 apples", "is not a valid point"),
        ("46023,5.5", "days of Excel"),
        ('{"timestamp": 1', "is not a valid point"),
        ('{"a": 1, "b": 2}', "is not a valid point"),
        ("1,2,3", "is not a valid point"),
    ],
)
def test_a_line_without_a_single_reading_is_refused(line: str, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        parse_point(line)


@pytest.mark.parametrize(
    ("line", "choices", "point"),
    [
        ("21,5", Choices(decimal=","), Point(None, 21.5)),
        ("21,5", Choices(delimiter=","), Point(21, 5)),
        ("5000,5", Choices(unit=Unit.MS), Point(5, 5)),
        ("12/01/2026,5", Choices(time_format="%d/%m/%Y"), Point(MIDNIGHT, 5)),
        ("2026-01-12 01:00,5", Choices(timezone="Europe/Berlin"), Point(MIDNIGHT, 5)),
        ("a,5,2026-01-12", Choices(time_column="3", value_column="2"), Point(MIDNIGHT, 5)),
    ],
)
def test_options_settle_a_line(line: str, choices: Choices, point: Point) -> None:
    assert parse_point(line, choices) == point


def test_a_time_is_parsed_like_a_cell() -> None:
    assert parse_time("2026-01-12T01:00:00+01:00", Choices()) == MIDNIGHT
    assert parse_time("5", Choices()) == 5
    with pytest.raises(InputError, match="'tomorrow'"):
        parse_time("tomorrow", Choices())
