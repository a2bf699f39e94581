"""Reviews of alerts: what people found them to be, with notes that later alerts of the series show."""

from datetime import timedelta

import httpx
import pytest
from sqlalchemy import text

from shared.store import overviews
from shared.store.engine import Sessions
from tests.api.test_alert_pages import made, without_made_alerts, words  # noqa: F401 - a fixture
from tests.keys import MakeKey


def two_of_a_series(sessions: Sessions, series_id: str) -> list[str]:
    """Store a closed alert of a series and a later open one, and return their ids."""
    ids = made(sessions, series_id, 2)
    statements = (
        "UPDATE alerts SET series_id = :series_id WHERE watch = :series_id",
        """UPDATE alerts SET status = 'closed', started_at = started_at - 86400, ended_at = started_at
        WHERE id = CAST(:earlier AS uuid)""",
    )
    with sessions.begin() as session:
        for statement in statements:
            session.execute(text(statement), {"series_id": series_id, "earlier": ids[0]})
    return ids


def test_a_review_and_its_note_are_shown_on_the_page_of_the_next_alert_of_the_series(
    api: httpx.Client, sessions: Sessions, series_id: str
) -> None:
    earlier, newest = two_of_a_series(sessions, series_id)
    note = 'Breaker <b>tripped</b>, "FAC-812"'
    answer = api.put(f"/alerts/{earlier}/review", json={"review": "false_alarm", "note": f" {note} "}).json()
    assert (answer["review"], answer["note"], answer["reviewed_by"]) == ("false_alarm", note, "-")
    assert answer["reviewed_at"]
    page = api.get(f"/ui/alerts/{newest}").text
    assert "<q>Breaker &lt;b&gt;tripped&lt;/b&gt;, &#34;FAC-812&#34;</q>" in page
    assert "1 time last on" in words(page)
    assert ", false alarm" in words(page)
    own = api.get(f"/ui/alerts/{earlier}").text
    assert 'value="false_alarm" aria-pressed="true"' in own
    assert "false alarm" in words(api.get(f"/ui/alerts?watch={series_id}").text)


def test_a_review_is_replaced_removed_and_filtered_by(api: httpx.Client, sessions: Sessions, series_id: str) -> None:
    first, second = made(sessions, series_id, 2)

    def listed(review: str) -> list[str]:
        alerts = api.get("/alerts", params={"watch": series_id, "review": review}).json()["alerts"]
        return [alert["alert_id"] for alert in alerts]

    path = f"/alerts/{first}/review"
    changed = api.put(path, json={"review": "incident", "note": "a"}).json()
    assert api.put(path, json={"review": "incident", "note": "a"}).json() == changed, "the same again changes nothing"
    assert (listed("incident"), listed("none")) == ([first], [second])
    page = words(api.get(f"/ui/alerts?watch={series_id}&review=none").text)
    assert "Review not reviewed 1 incident 1 false alarm 0 expected 0" in page
    only_note = api.put(path, json={"note": "b"}).json()
    assert (only_note["review"], only_note["note"], listed("incident")) == (None, "b", [])
    removed = api.put(path, json={}).json()
    assert [removed[name] for name in ("review", "note", "reviewed_at", "reviewed_by")] == [None, "", None, None]
    assert api.get("/alerts?review=maybe").status_code == 422


@pytest.mark.parametrize(
    ("body", "location"),
    [
        ({"review": "real"}, ["review"]),
        ({"review": 1}, ["review"]),
        ({"note": "x" * 501}, ["note"]),
        ({"note": "a\x00b"}, ["note"]),
        ({"note": None}, ["note"]),
        ({"verdict": "incident"}, []),
        ([], []),
    ],
)
def test_an_invalid_review_is_refused_with_its_place(
    api: httpx.Client, sessions: Sessions, series_id: str, body: object, location: list[str]
) -> None:
    (alert_id,) = made(sessions, series_id, 1)
    response = api.put(f"/alerts/{alert_id}/review", json=body)
    assert response.status_code == 422
    assert response.json()["errors"][0]["loc"] == location
    assert api.get(f"/alerts/{alert_id}").json()["review"] is None


def test_a_review_needs_the_scope_write_and_a_key_that_sees_the_alert(
    keyed: httpx.Client, keyed_sessions: Sessions, make_key: MakeKey, series_id: str
) -> None:
    (alert_id,) = made(keyed_sessions, series_id, 1)
    body = {"review": "expected"}
    path = f"/alerts/{alert_id}/review"
    assert keyed.put(path, json=body, auth=make_key("read")).status_code == 403
    other = make_key("write", prefix=f"{series_id}-other")
    assert keyed.put(path, json=body, auth=other).json()["code"] == "alert_not_found"
    mine = make_key("write", prefix=series_id)
    assert keyed.put(path, json=body, auth=mine).json()["review"] == "expected"


def test_a_review_of_an_old_alert_does_not_count_as_a_closing(sessions: Sessions, series_id: str) -> None:
    (alert_id,) = made(sessions, series_id, 1, status="'closed'", ended_at="1")
    with sessions.begin() as session:
        session.execute(
            text(
                "INSERT INTO notices (alert, step, type, created_at) "
                "VALUES (CAST(:id AS uuid), 1, 'alert.closed', now() - interval '9 days')"
            ),
            {"id": alert_id},
        )
        changed = session.execute(text("SELECT now()")).scalar_one()
        closed = overviews.last_closed(session, series_id)
    assert closed == changed - timedelta(days=9)
