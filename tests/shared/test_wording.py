"""Numbers with nouns, for messages."""

from shared.wording import counted


def test_one_has_the_singular_and_all_other_numbers_have_the_plural() -> None:
    assert [counted(number, "row") for number in (0, 1, 2, 2000)] == ["0 rows", "1 row", "2 rows", "2,000 rows"]
    assert [counted(number, "anomaly", "anomalies") for number in (1, 2)] == ["1 anomaly", "2 anomalies"]
