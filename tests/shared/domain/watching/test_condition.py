"""The sentences about sources that need attention."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.domain.watching.condition import Condition, complaint
from shared.domain.watching.sources import parse

NOW = datetime(2026, 1, 5, 8, tzinfo=UTC)
QUERY = {"query": "up", "id_template": "{instance}"}
FETCHED = {"kind": "prometheus", "url": "http://prometheus:9090", "queries": [QUERY]}
SENT = {"kind": "remote_write"}


def ago(**elapsed: float) -> datetime:
    return NOW - timedelta(**elapsed)


@pytest.mark.parametrize(
    ("document", "known", "sentence"),
    [
        (FETCHED, {"due_at": ago(seconds=30), "fetched_to": NOW.timestamp() - 60}, None),
        (FETCHED, {"fetched_to": NOW.timestamp() - 86_400}, None),  # its history is being fetched
        (FETCHED, {"failing_since": ago(hours=1), "detail": "refused."}, "s fails since 2026-01-05 07:00:00 UTC: r"),
        (FETCHED, {"due_at": ago(minutes=5)}, "s is due since 2026-01-05 07:55:00 UTC, and nothing fetches it"),
        (FETCHED, {"has_series": False, "fetched_to": 1}, "s has no series: its queries return none"),
        (FETCHED, {"has_series": False}, None),  # it has just been stored
        (SENT, {}, None),
        (SENT, {"has_series": False}, "s has no series: compare its `select`"),
        (SENT, {"arrived_at": ago(minutes=5)}, None),
        (FETCHED, {"colliding": "cpu.a"}, "s ignores series that would have the id of another, such as cpu.a"),
        (SENT, {"arrived_at": ago(minutes=50)}, "s sent nothing for 50 minutes"),
    ],
)  # fmt: skip
def test_each_trouble_has_its_sentence(document: dict[str, Any], known: dict[str, Any], sentence: str | None) -> None:
    source = parse("s", document, max_history_s=10**9)
    told = complaint(Condition(source, **{"has_series": True, **known}), NOW)
    assert (told or "").startswith(sentence or "")
    assert (told is None) == (sentence is None)
