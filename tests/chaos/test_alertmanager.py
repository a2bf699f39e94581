"""Verdicts on states that an Alertmanager got: each flaw of a run is reported as its kind."""

from datetime import UTC, datetime
from threading import Event
from typing import Any

import pytest

from tests.chaos.alertmanager import Alertmanager, StoredAlert, violations
from tests.chaos.ledger import Ledger

NOW = 1_800_000_000.0
A, B = StoredAlert("a", "deviation", "w", "s", is_open=False), StoredAlert("b", "deviation", "w", "s", is_open=True)
OTHER = StoredAlert("c", "deviation", "w", "t", is_open=False)


def state(alert: StoredAlert, lasts_s: float, written_at: float = NOW) -> dict[str, Any]:
    labels = {"alertname": "TsadDeviation", "kind": alert.kind, "watch": alert.watch, "series_id": alert.series_id}
    ends = datetime.fromtimestamp(written_at + lasts_s, UTC).isoformat()
    return {"labels": labels, "annotations": {"alert_id": alert.id}, "endsAt": ends}


def active(alert: StoredAlert, written_at: float = NOW) -> dict[str, Any]:
    return state(alert, 240, written_at)


def over(alert: StoredAlert) -> dict[str, Any]:
    return state(alert, -9_999)


TEST = {"labels": {"alertname": "TsadTest"}, "endsAt": "2026-01-01T00:00:00+00:00"}
LAST = [active(B), over(OTHER), TEST]  # the open alert replaces the closed one of the same series


@pytest.mark.parametrize(
    ("kinds", "requests"),
    [
        (set(), [[active(A)], [over(A)], [over(A), active(OTHER)], LAST]),
        (set(), [[over(A)], LAST, [active(A, NOW - 30)], LAST]),  # by a process that was stopped meanwhile
        ({"flapping"}, [[active(A)], [over(A)], [active(A)], LAST]),
        ({"flapping"}, [[active(B, NOW - 500)], LAST]),  # too late: it had ended by itself
        ({"state"}, [[active(A), over(OTHER)]]),
        ({"state"}, [[over(B), over(OTHER)]]),
        ({"state"}, [[active(B), active(OTHER)]]),
        ({"state"}, [[active(B)]]),
        ({"invented"}, [[active(StoredAlert("x", "silence", "w", "s", is_open=True))], LAST]),
    ],
)
def test_each_flaw_of_a_state_is_reported_as_its_kind(kinds: set[str], requests: list[list[dict[str, Any]]]) -> None:
    receiver = Alertmanager(Ledger(), Event())
    for place, request in enumerate(requests):
        receiver.keep(request, NOW + place)
    assert {violation.kind for violation in violations(receiver, [A, B, OTHER])} == kinds
