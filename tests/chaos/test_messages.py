"""Verdicts on messages: each flaw of a run is reported as its kind."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.chaos.messages import Reported, violations
from tests.chaos.receivers import Arrival

KEY = "whsec_nobody"


def arrival(message: str, *changes: tuple[str, int], is_accepted: bool = True, kind: str = "alert.opened") -> Arrival:
    alerts = [{"alert_id": alert, "step": step, "type": kind} for alert, step in changes]
    return Arrival(
        {"type": kind, "data": {"message_id": message, "alerts": alerts[:1], "more": alerts[1:]}}, is_accepted
    )


def reported() -> Reported:
    """One receiver that got two messages about two alerts, one of them again; a third alert is quiet."""
    arrivals = [
        arrival("a.1", ("a", 1), is_accepted=False),
        arrival("a.1", ("a", 1)),
        arrival("a.1", ("a", 1)),
        arrival("b.1", ("b", 1), ("a", 2)),
        arrival("test.1", kind="test"),
    ]
    queued = {"a.1": "delivered", "b.1": "delivered", "test.1": "delivered"}
    return Reported({"r": arrivals}, {"a": 2, "b": 1, "c": None}, [], {"r": queued}, "a log")


def arrivals_of(found: Reported) -> list[Arrival]:
    listed = found.arrivals["r"]
    assert isinstance(listed, list)
    return listed


def test_a_run_that_reported_everything_passes() -> None:
    assert list(violations(reported(), [KEY])) == []
    assert reported().summary.endswith("of 3 alerts: accepted 4, of these again 1, refused 1")
    assert list(violations(Reported())) == []


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("unreported", lambda found: found.unhandled.append("a")),
        ("unreported", lambda found: found.steps.update(a=3)),
        ("unreported", lambda found: found.steps.update(c=1)),
        ("unreported", lambda found: found.queued["r"].update({"a.1": "waiting"})),
        ("unreported", lambda found: found.queued["r"].update({"b.2": "delivered"})),
        ("invented", lambda found: found.steps.pop("b")),
        ("message", lambda found: found.queued["r"].pop("b.1")),
        ("message", lambda found: arrivals_of(found).append(arrival("a.1", ("b", 1)))),
        ("message order", lambda found: arrivals_of(found).reverse()),
        ("message order", lambda found: found.queued.update(r=dict(reversed(found.queued["r"].items())))),
        ("reported twice", lambda found: arrivals_of(found).append(arrival("b.2", ("b", 1)))),
        ("secret", lambda found: setattr(found, "shown", f"a log with {KEY}")),
    ],
)
def test_each_flaw_is_reported_as_its_kind(kind: str, change: Callable[[Reported], Any]) -> None:
    found = reported()
    change(found)
    assert kind in {violation.kind for violation in violations(found, [KEY])}
