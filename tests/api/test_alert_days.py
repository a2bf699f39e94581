"""The bars of alerts by day, and the filter by the day on which alerts began."""

import re
import time
from datetime import UTC, datetime

import httpx
import pytest
from sqlalchemy import text

from api.alerting import days
from api.alerting.days import days_around
from shared.domain.series import DAY_S, LAST_TIMESTAMP
from shared.store.alert_days import DayCount
from shared.store.alert_filters import AlertFilter
from shared.store.engine import Sessions
from tests.api.test_alert_pages import made, without_made_alerts  # noqa: F401 - a fixture
from tests.keys import MakeKey

TODAY = int(time.time()) // DAY_S * DAY_S


def began(sessions: Sessions, watch: str, *ago: int) -> list[str]:
    """Store open alerts that began at noon so many days ago, and return their ids."""
    ids = made(sessions, watch, len(ago))
    with sessions.begin() as session:
        for alert_id, number in zip(ids, ago, strict=True):
            session.execute(
                text("UPDATE alerts SET started_at = :at WHERE id = CAST(:id AS uuid)"),
                {"at": TODAY - number * DAY_S + DAY_S // 2, "id": alert_id},
            )
    return ids


def date(ago: int) -> str:
    return f"{datetime.fromtimestamp(TODAY - ago * DAY_S, UTC):%Y-%m-%d}"


def test_the_list_and_the_api_have_the_alerts_of_a_day_and_the_bars_count_all_days(
    api: httpx.Client, sessions: Sessions, series_id: str
) -> None:
    ids = began(sessions, series_id, 3, 3, 7, 29, 30)
    with sessions.begin() as session:
        for column, place in (("status = 'closed', ended_at = last_anomaly_at", 0), ("quiet = 'backfilled'", 1)):
            statement = text(f"UPDATE alerts SET {column} WHERE id = CAST(:id AS uuid)")
            session.execute(statement, {"id": ids[place]})
    page = api.get(f"/ui/alerts?watch={series_id}").text
    titles = re.findall(r'title="(\w{3} \d+ \w{3}: [^"]+)"', page)
    assert [title.partition(": ")[2] for title in titles] == [
        "1 alert, 1 open now",
        "1 alert, 1 open now",
        "2 alerts, 1 quiet",
    ]
    assert "4 in 30 days" in page
    link = f"../ui/alerts?watch={series_id}&amp;began={date(3)}"
    assert f'href="{link}"' in page
    chosen = api.get(f"/ui/alerts?watch={series_id}&began={date(3)}").text
    assert set(re.findall(r'data-alert="([^"]+)"', chosen)) == set(ids[:2])
    assert f'href="../ui/alerts?watch={series_id}" title="' in chosen, "the chosen bar removes the filter"
    assert chosen.count('title="') == page.count('title="'), "the bars obey all other filters, and not their own"
    assert re.search(r"<span>closed</span> <span class=\"number\">1<", chosen)
    listed = api.get(f"/alerts?watch={series_id}&began={date(7)}").json()["alerts"]
    assert [alert["alert_id"] for alert in listed] == [ids[2]]
    assert api.get(f"/alerts?watch={series_id}&began={date(6)}").json()["alerts"] == []
    older = api.get(f"/ui/alerts?watch={series_id}&began={date(30)}").text
    assert f"<b>{date(30)}</b>" in older
    assert ids[4] in older


def test_the_bars_of_a_key_with_a_prefix_count_only_its_own_alerts(
    keyed: httpx.Client, keyed_sessions: Sessions, make_key: MakeKey, series_id: str
) -> None:
    began(keyed_sessions, f"{series_id}.theirs", 1, 1)
    began(keyed_sessions, f"{series_id}.mine", 1)
    page = keyed.get("/ui/alerts", auth=make_key(prefix=f"{series_id}.mine")).text
    assert "1 in 30 days" in page


@pytest.mark.parametrize("day", ["", "2026-02-30", "20260131", "2026-1-31", "٢٠٢٦-01-31", "1969-12-31", "yesterday"])
@pytest.mark.parametrize("path", ["/alerts", "/alerts/events", "/ui/alerts"])
def test_what_is_not_a_day_is_refused(api: httpx.Client, path: str, day: str) -> None:
    response = api.get(path, params={"began": day})
    assert response.status_code == 422
    assert response.json()["errors"][0]["loc"] == ["query", "began"]


@pytest.mark.parametrize("day", ["1970-01-01", "9999-12-31", "2026-01-31"])
def test_the_bars_show_a_chosen_day_of_any_year(api: httpx.Client, series_id: str, day: str) -> None:
    page = api.get(f"/ui/alerts?watch={series_id}&began={day}").text
    assert f"<b>{day}</b>" in page


@pytest.mark.parametrize(
    ("counted", "parts"),
    [
        (DayCount(0, 0, 0), []),
        (DayCount(10, 2, 3), [("now", 39, 17), ("over", 11, 28), ("mute", 0, 11)]),
        (DayCount(1, 0, 1), [("now", 50, 6)]),
        (DayCount(10, 9, 1), [("now", 50, 6), ("mute", 0, 50)]),
    ],
)
def test_the_parts_of_a_bar_are_stacked_and_none_is_invisible(
    counted: DayCount, parts: list[tuple[str, int, int]]
) -> None:
    assert days._parts(counted, 10) == parts  # noqa: SLF001 - pure geometry


def test_one_alert_beside_thousands_is_visible_and_stays_inside_the_bar() -> None:
    parts = days._parts(DayCount(10_000, 1, 1), 10_000)  # noqa: SLF001 - pure geometry
    assert [height for _, _, height in parts] == [days.LEAST, days.HEIGHT - 2 * days.LEAST, days.LEAST]


def test_the_days_end_today_or_surround_the_chosen_one(sessions: Sessions) -> None:
    now = datetime(2026, 11, 28, 23, 59, 59, tzinfo=UTC)
    with sessions.begin() as session:
        newest = days_around(session, AlertFilter(), now)
        old = days_around(session, AlertFilter(began=DAY_S * 100), now)
        last = days_around(session, AlertFilter(began=LAST_TIMESTAMP // DAY_S * DAY_S), now)
    assert (newest[0].date, newest[-1].date, newest[-1].label) == ("2026-10-30", "2026-11-28", "28 Nov")
    assert [day.is_chosen for day in old].index(True) == days.DAYS // 2
    assert (len(last), last[-1].date, last[-1].is_chosen) == (30, "9999-12-31", True)
