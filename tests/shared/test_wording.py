"""Numbers with nouns, and values as people write them, for messages."""

import pytest

from shared.wording import counted, readable


def test_one_has_the_singular_and_all_other_numbers_have_the_plural() -> None:
    assert [counted(number, "row") for number in (0, 1, 2, 2000)] == ["0 rows", "1 row", "2 rows", "2,000 rows"]
    assert [counted(number, "anomaly", "anomalies") for number in (1, 2)] == ["1 anomaly", "2 anomalies"]


@pytest.mark.parametrize(
    ("value", "beside", "written"),
    [
        (0.25, (), "0.25"),
        (20.0, (), "20"),
        (1 / 3, (), "0.3333"),
        (9999.5, (), "10,000"),
        (999.96, (), "1,000"),
        (1234.5, (1234.0,), "1,234.5"),
        (39197.0, (), "39,197"),
        (-39197.26, (), "-39,197"),
        (100.02, (99.97, 100.01), "100.02"),
        (10.9219, (6.30472, 5.71218, 6.89725), "10.92"),
        (10.9219, (2.0, 2.000000001), "10.92"),
        (12345678.9, (), "12,345,679"),
        (1.5e20, (), "1.5e+20"),
        (5.4e-9, (), "5.4e-09"),
        (5.4e-9, (5e-9, None), "5.4e-09"),
        (5.4e-9, (20.0, None), "0"),
        (-1e-7, (-20.0,), "0"),
        (0.0, (), "0"),
    ],
)
def test_a_value_is_written_as_people_read_it(value: float, beside: tuple[float | None, ...], written: str) -> None:
    assert readable(value, *beside) == written


def test_a_score_has_three_digits() -> None:
    assert [readable(score, digits=3) for score in (2.0, 1.2345, 123.456, 1234.5, 123456.7)] == [
        "2", "1.23", "123", "1,234", "123,457"
    ]  # fmt: skip
