"""A slice of the fuzzer: changed files are read as they were meant, or refused."""

from tests.fuzz.files import measure


def test_no_changed_file_is_misread_or_ends_in_a_traceback() -> None:
    rows = list(measure(seed=42, files=200))
    assert [finding for row in rows for finding in row.wrong] == []
    assert sum(row.sent for row in rows) == 200
    assert all(" x read" in row.answers for row in rows if "garbage" not in row.part and "changed" not in row.part)
