"""Verdicts on pushed points: each flaw of a run is reported as its kind."""

from collections.abc import Callable

import pytest

from tests.chaos.pushes import Pushed, Sent, StoredAlert, violations


def sent() -> dict[str, Sent]:
    return {"p": Sent({60: 1.0, 120: None, 180: 9.0}, {240: 2.0}, {60: (0.5, "1"), 120: (None, None)})}


def pushed() -> Pushed:
    alerts = [
        StoredAlert("a", "p", "deviation", "closed", 60, 120, 2, 2),
        StoredAlert("b", "p", "deviation", "open", 180, 180, 1, 1),
        StoredAlert("c", "p", "silence", "open", 120, 120, 1, 1),
    ]
    return Pushed({"p": {60: (1.0, 0.5, 1), 120: (None, None, None), 180: (9.0, 3.0, 2), 240: (2.0, 0.1, 2)}}, alerts)


def test_a_run_that_stored_each_point_once_passes() -> None:
    assert list(violations(sent(), {"a", "b"}, 100, pushed())) == []


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("lost", lambda pushed: pushed.points["p"].pop(60)),
        ("lost", lambda pushed: pushed.points.clear()),
        ("lost", lambda pushed: pushed.alerts.pop(1)),
        ("point", lambda pushed: pushed.points["p"].update({180: (8.0, 3.0, 2)})),
        ("point", lambda pushed: pushed.points["p"].update({120: (0.0, None, None)})),
        ("point", lambda pushed: pushed.points["p"].update({300: (1.0, None, None)})),
        ("judged twice", lambda pushed: pushed.points["p"].update({60: (1.0, 0.6, 1)})),
        ("judged twice", lambda pushed: pushed.points["p"].update({60: (1.0, 0.5, 2)})),
        ("judged twice", lambda pushed: pushed.points["p"].update({120: (None, 0.5, 2)})),
        ("duplicated", lambda pushed: setattr(pushed.alerts[1], "started_at", 120)),
        ("alert", lambda pushed: setattr(pushed.alerts[0], "status", "ended")),
        ("alert", lambda pushed: setattr(pushed.alerts[0], "notices", 3)),
    ],
)
def test_each_flaw_is_reported_as_its_kind(kind: str, change: Callable[[Pushed], object]) -> None:
    found = pushed()
    change(found)
    assert kind in {violation.kind for violation in violations(sent(), {"a", "b"}, 100, found)}


def test_spikes_that_open_no_alert_are_reported() -> None:
    without = Pushed(pushed().points)
    assert [violation.kind for violation in violations(sent(), set(), 100, without)] == ["alert"]
