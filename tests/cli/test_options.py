"""Options that several commands share."""

from datetime import UTC, datetime

import pytest

from api.cli.fits import offer
from api.cli.options import fit_fields
from shared.errors import InputError


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


@pytest.mark.parametrize(
    ("written", "spans"),
    [
        ("2026-01-07/2026-01-09", [["2026-01-07", "2026-01-09T23:59:59"]]),
        ("2026-01-07T06:00/2026-01-07T08:30Z", [["2026-01-07T06:00", "2026-01-07T08:30"]]),
        ("2026-01-07T06:00+02:00/2026-01-08", [["2026-01-07T04:00", "2026-01-08T23:59:59"]]),
        (
            "1767744000/1767830400,1770000000/1770000001",
            [["2026-01-07", "2026-01-08"], ["2026-02-02T02:40", "2026-02-02T02:40:01"]],
        ),
        ("[[1767744000,1767830400]]", [["2026-01-07", "2026-01-08"]]),
        ("[]", []),
    ],
)
def test_time_ranges_to_exclude_are_written_as_dates(written: str, spans: list[list[str]]) -> None:
    fields = fit_fields("robust", [f"exclude={written}"])
    assert fields["parameters"]["exclude"] == [[at(time) for time in span] for span in spans]


@pytest.mark.parametrize("written", ["2026-01-07", "2026-01-07/", "yesterday/today", "2026-13-01/2026-13-02"])
def test_a_time_range_that_cannot_be_read_is_an_error(written: str) -> None:
    with pytest.raises(InputError, match="time"):
        fit_fields("robust", [f"exclude={written}"])


def test_the_incidents_that_a_fit_offers_to_leave_out_can_be_given_back_as_they_are_printed() -> None:
    incidents = [[1_767_744_000, 1_767_830_461], [1_767_900_000, 1_767_900_000]]
    printed = offer(incidents).rpartition("-p ")[2]
    assert printed.startswith("exclude=2026-01-07T00:00:00Z/")
    assert fit_fields("", [printed])["parameters"] == {"exclude": incidents}
