"""The pages of alerts, and what is open on the start page, as the server renders them."""

import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from uuid import uuid4
from zlib import crc32

import httpx
import pytest
from sqlalchemy import text

from api.alerting import rows, times
from api.alerting.facets import facets, total
from api.routes import alert_pages
from shared.domain.watching.alerts import Alert, AlertStatus, Anomaly, Kind
from shared.store.alert_filters import AlertFilter, Handling, Reviewed
from shared.store.alerts import StoredAlert
from shared.store.engine import Sessions
from shared.store.outlines import Newest
from shared.store.overviews import Counted
from tests.keys import MakeKey
from tests.points import ramp
from tests.watched import NOW, push, put

DAY = 86_400


_made_in: list[Sessions] = []


@pytest.fixture(autouse=True)
def without_made_alerts() -> Iterator[None]:
    """Delete the alerts that a test made: their watches do not exist, and other tests follow all links of a page."""
    yield
    while _made_in:
        with _made_in.pop().begin() as session:
            session.execute(text("DELETE FROM alerts WHERE series_no < 0"))


@pytest.fixture
def alert_id(api: httpx.Client, series_id: str, fitted: Callable[..., str]) -> str:
    """An open alert, of a series with points that were judged, and a known gap."""
    fitted(series_id, ramp())
    put(api, series_id)
    push(api, series_id, [2.0, 1.0, None, 2.0, 3.0] * 4, ago=3)
    answer = push(api, series_id, [50.0, 60.0, 70.0])
    assert answer["alert_id"]
    return str(answer["alert_id"])


def words(page: str) -> str:
    """Return the text of a page in one line."""
    return " ".join(re.sub(r"<[^>]*>", " ", page.replace("<wbr>", "")).split())


def made(sessions: Sessions, watch: str, number: int, score: float = 2.0, **columns: object) -> list[str]:
    """Store open alerts of series that no longer exist, and return their ids. columns: other values in SQL."""
    ids = [str(uuid4()) for _ in range(number)]
    peak = {"timestamp": NOW, "value": 9.0, "score": score, "expected": 2.0, "lower": 1.0, "upper": 3.0}
    row = {
        "kind": "'deviation'", "status": "'open'", "started_at": NOW, "opened_at": NOW, "last_anomaly_at": NOW,
        "points": 1, "step": 1, "series_no": f"-n - {crc32(watch.encode()) // 4}", "peak": "CAST(:peak AS jsonb)",
        "series_id": "CAST(:watch AS text) || '.' || n",
    } | columns  # fmt: skip
    insert = text(
        f"INSERT INTO alerts (id, watch, {', '.join(row)}) SELECT id, :watch, {', '.join(map(str, row.values()))} "
        "FROM unnest(CAST(:ids AS uuid[])) WITH ORDINALITY AS x (id, n)"
    )
    _made_in.append(sessions)
    with sessions.begin() as session:
        session.execute(text("DELETE FROM alerts WHERE series_no < 0 AND watch = :watch"), {"watch": watch})
        session.execute(insert, {"ids": ids, "watch": watch, "peak": json.dumps(peak)})
    return ids


def test_the_page_of_an_open_alert_answers_what_since_when_how_bad_what_else_and_seen_before(
    api: httpx.Client, series_id: str, alert_id: str, fitted: Callable[..., str]
) -> None:
    fitted(f"{series_id}.b", ramp())
    other = push(api, f"{series_id}.b", [60.0, 60.0])["alert_id"]
    page = api.get(f"/ui/alerts/{alert_id}").text
    shown = words(page)
    assert f"<title>Open: {series_id} · tsad</title>" in page
    assert f"Deviates since {datetime.fromtimestamp(NOW - 120, UTC):%Y-%m-%d %H:%M:%S} UTC: 3 anomalies" in shown
    assert re.search(r"Now 70 score \d+, expected 2", shown)
    assert re.search(r"Worst ▲ 70 score \d+ at [-0-9: ]+, normal -?[0-9.]+ to [0-9.]+", shown)
    assert "How rare first alert in 90 days" in shown
    assert re.search(r"With it \d+ other alert", shown)
    assert f'href="../../ui/alerts/{other}"' in page
    assert "Seen before? Not in 90 days" in shown
    assert f'data-path="alerts/{alert_id}/acknowledge"' in page
    assert '<path class="fired" d="M' in page
    assert '<path class="band" d="M' in page
    assert 'style="' not in page, "the policy forbids style attributes"


def test_an_alert_shows_who_acknowledged_it_and_how_it_ended(
    keyed: httpx.Client, make_key: MakeKey, api: httpx.Client, series_id: str, alert_id: str
) -> None:
    api.post(f"/alerts/{alert_id}/acknowledge")
    page = words(api.get(f"/ui/alerts/{alert_id}").text)
    assert "Acknowledged" in page
    assert "Acknowledge " not in page
    api.delete(f"/watches/{series_id}")
    page = words(api.get(f"/ui/alerts/{alert_id}").text)
    assert "Closed" in page
    assert "lasted 2 min, 3 anomalies" in page
    inside = make_key(prefix=series_id)
    assert keyed.get(f"/ui/alerts/{alert_id}", auth=inside).status_code == 404, "alerts of another installation"


def test_an_alert_whose_points_are_deleted_still_tells_its_story(
    api: httpx.Client, sessions: Sessions, series_id: str
) -> None:
    ids = made(sessions, series_id, 3)
    page = words(api.get(f"/ui/alerts/{ids[0]}").text)
    assert "The points of this alert are no longer stored" in page
    assert re.search(r"With it \d+ other alerts", page)


def test_the_silence_of_a_whole_watch_shows_which_ids_are_silent(
    api: httpx.Client, sessions: Sessions, series_id: str
) -> None:
    put(api, series_id)
    whole = made(sessions, series_id, 1, kind="'silence'", series_no="NULL", series_id="NULL", peak="NULL", points=12)
    with sessions.begin() as session:
        session.execute(
            text("""
            INSERT INTO streams (series_id, last_timestamp, arrived_at, silence, watch)
            SELECT :watch || '.gw' || n % 3 || '.rssi' || n, :now, now(),
                   CASE WHEN n % 3 = 1 THEN CAST(:id AS uuid) END, :watch FROM generate_series(1, 30) n"""),
            {"watch": series_id, "now": NOW, "id": whole[0]},
        )
    page = words(api.get(f"/ui/alerts/{whole[0]}").text)
    assert f"{series_id}, the whole watch" in page
    assert f"12 streams of the watch {series_id} sent no points after" in page
    assert re.search(rf"{series_id}.gw1 ?… 10 10 {series_id}.gw0 ?… 0 10", page)
    with sessions.begin() as session:
        session.execute(text("DELETE FROM streams WHERE watch = :watch"), {"watch": series_id})


def test_the_start_page_opens_with_what_is_open_by_watch_worst_first(
    api: httpx.Client, sessions: Sessions, series_id: str, alert_id: str
) -> None:
    made(sessions, f"{series_id}-w", rows.OF_EACH_WATCH + 3, score=1_000.0)
    page = api.get("/").text
    (worst, mine) = (page.index('id="open-now"'), page.index(f'data-alert="{alert_id}"'))
    assert worst < page.index(f"{series_id}-w.") < mine, "the watch with the highest score comes first"
    assert page.count(f'aria-label="Acknowledge the alert of {series_id}-w.') == rows.OF_EACH_WATCH
    assert f'ui/alerts?watch={series_id}-w">3 more</a>' in page
    assert 'data-stream="jobs/events alerts/events"' in page
    made(sessions, f"{series_id}-w", 10_000, score=1_000.0)
    page = api.get("/").text
    assert "9,995 more" in page
    assert page.count("<tr data-alert=") <= rows.OPEN_SHOWN
    made(sessions, f"{series_id}-w", 2, quiet="'backfilled'")
    shown = words(api.get("/").text)
    assert re.search(r"\d+ more are quiet: nobody is notified", shown)


def test_alerts_are_listed_page_by_page_with_counts_of_all_filters_in_the_url(
    api: httpx.Client, sessions: Sessions, series_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alert_pages, "ALERTS_PER_PAGE", 2)
    ids = made(sessions, series_id, 5)
    with sessions.begin() as session:
        session.execute(
            text("UPDATE alerts SET status = 'closed', ended_at = started_at WHERE id = CAST(:id AS uuid)"),
            {"id": ids[0]},
        )
    listed: set[str] = set()
    link = f"/ui/alerts?watch={series_id}&kind=deviation"
    for first, last in ((1, 2), (3, 4), (5, 5)):
        page = api.get(link).text
        assert re.search(rf"<span>{first}.{last} of 5</span>", page)
        listed |= set(re.findall(r'data-alert="([^"]+)"', page))
        following = re.search(r'rel="next" href="../([^"]+)"', page)
        link = "/" + following[1].replace("&amp;", "&") if following else ""
    assert listed == set(ids)
    page = api.get(f"/ui/alerts?watch={series_id}").text
    shown = words(page)
    assert "Status open 4 normal again 0 closed 1" in shown
    assert "Kind deviation 5 silence 0 refit failing 0" in shown
    assert f'href="../ui/alerts?watch={series_id}&amp;status=closed"' in page
    assert f'data-stream="alerts/events?watch={series_id}"' in page
    made(sessions, series_id, 1, kind="'refit_failing'", peak="NULL", points=3)
    for path in ("/", f"/ui/alerts?watch={series_id}"):
        assert "the last 3 automatic fits failed" in words(api.get(path).text)
    assert "No alerts match" in api.get(f"/ui/alerts?watch={series_id}&status=ended").text
    assert api.get("/ui/alerts?status=opened").status_code == 422
    assert api.get("/ui/alerts/none").status_code == 404


def test_a_key_with_a_prefix_sees_only_its_own_alerts_and_that_nothing_is_open(
    keyed: httpx.Client, keyed_sessions: Sessions, make_key: MakeKey, series_id: str
) -> None:
    mine, theirs = (made(keyed_sessions, f"{series_id}{name}", 1) for name in (".mine", ".theirs"))
    inside, calm = make_key(prefix=f"{series_id}.mine"), make_key(prefix=f"{series_id}.calm")
    for path in ("/", "/ui/alerts", f"/ui/alerts/{mine[0]}"):
        page = keyed.get(path, auth=inside).text
        assert mine[0] in page
        assert ".theirs" not in page
    assert keyed.get(f"/ui/alerts/{theirs[0]}", auth=inside).status_code == 404
    assert 'id="now"' in keyed.get("/", auth=calm).text
    assert "Nothing is open" not in keyed.get("/", auth=calm).text, "nothing is stored, so nothing is said"
    keyed.post(f"/series/{series_id}.calm/points", json={"timestamps": [NOW], "values": [1]}, auth=calm)
    page = words(keyed.get("/", auth=make_key(prefix=f"{series_id}.cal")).text)
    assert page[page.index("Nothing is open") :].startswith(
        "Nothing is open. No alert has closed yet. 1 stream is stored, and none is known to be silent"
    )
    with keyed_sessions.begin() as session:
        session.execute(text("UPDATE alerts SET status = 'closed', ended_at = :now"), {"now": NOW})
    page = words(keyed.get("/", auth=inside).text)
    assert "Nothing is open. The last alert closed" in page


def test_the_longest_ids_and_names_fit_into_the_pages(api: httpx.Client, sessions: Sessions) -> None:
    watch = "w" * 100
    (alert_id,) = made(sessions, watch, 1, series_id="repeat('m.', 63) || 'mm'")
    for path in ("/", f"/ui/alerts/{alert_id}", "/ui/alerts"):
        assert api.get(path).status_code == 200


def counted(status: str, kind: str, watch: str, handling: str, review: str, alerts: int) -> Counted:
    return Counted(AlertStatus(status), Kind(kind), watch, Handling(handling), Reviewed(review), alerts)


def test_the_counts_of_a_filter_obey_all_others() -> None:
    table = [
        counted("open", "deviation", "a", "unacknowledged", "none", 3),
        counted("closed", "deviation", "a", "acknowledged", "incident", 5),
        counted("closed", "silence", "b", "quiet", "none", 7),
    ]
    selection = AlertFilter(status=AlertStatus.CLOSED)
    shown = {
        facet.name: {choice.value: choice.alerts for choice in facet.choices} for facet in facets(table, selection)
    }
    assert shown == {
        "status": {"open": 3, "ended": 0, "closed": 12},
        "handling": {"unacknowledged": 0, "acknowledged": 5, "quiet": 7},
        "review": {"none": 7, "incident": 5, "false_alarm": 0, "expected": 0},
        "kind": {"deviation": 5, "silence": 7, "refit_failing": 0},
        "watch": {"a": 5, "b": 7},
    }
    assert total(table, selection) == 12
    gone = facets(table, AlertFilter(watch="deleted"))[-1].choices[0]
    assert (gone.value, gone.alerts, gone.is_chosen) == ("deleted", 0, True)


def stored(kind: Kind, status: AlertStatus, start: int, last: int) -> StoredAlert:
    ended = None if status == AlertStatus.OPEN else last
    peak = Anomaly(start, 9.0, 4.0) if kind == Kind.DEVIATION else None
    alert = Alert("id", "w", kind, status, start, start, last, ended, peak, 4.0, 1, 1, None, 1)
    moment = datetime.fromtimestamp(start, UTC)
    return StoredAlert(alert, 1, "s", None, [], None, None, 1, moment, moment)


@pytest.mark.parametrize(
    ("kind", "status", "last", "newest", "span"),
    [
        (Kind.DEVIATION, AlertStatus.OPEN, DAY + 3_600, DAY + 3_600, (DAY - 36_000, DAY + 3_600)),
        (Kind.DEVIATION, AlertStatus.CLOSED, DAY + 3_600, 9 * DAY, (DAY - 36_000, DAY + 39_600)),
        (Kind.DEVIATION, AlertStatus.CLOSED, DAY, 9 * DAY, (DAY - 7_200, DAY + 7_200)),  # one point
        (Kind.DEVIATION, AlertStatus.OPEN, 90 * DAY, 90 * DAY, (90 * DAY - 600_000, 90 * DAY)),  # too long to show
        (Kind.SILENCE, AlertStatus.CLOSED, DAY + 3_600, 9 * DAY, (DAY - 36_000, DAY + 39_600)),
        (Kind.REFIT_FAILING, AlertStatus.CLOSED, DAY + 3_600, 9 * DAY, (DAY - 36_000, DAY + 39_600)),
    ],
)
def test_a_chart_shows_ten_lengths_of_an_alert_around_it_as_far_as_there_are_points(
    kind: Kind, status: AlertStatus, last: int, newest: int, span: tuple[int, int]
) -> None:
    point = Newest(newest, 60.0, 1.0, 0.5, None, None, None)
    assert times.span_of(stored(kind, status, DAY, last), point) == span
