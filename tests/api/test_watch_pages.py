"""The pages of watches as the server renders them."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urljoin

import httpx
import pytest
from sqlalchemy import text

from api.pages.rules import rule
from api.routes import watch_pages
from shared.domain.watching.watches import Watch, parse
from shared.store import attempts, watched
from shared.store.engine import Sessions
from shared.store.watched import Counts
from tests.keys import MakeKey
from tests.points import ramp

NOW = int(datetime.now(UTC).timestamp()) // 60 * 60


def push(api: httpx.Client, series_id: str, values: list[float]) -> dict[str, Any]:
    timestamps = [NOW - 60 * place for place in range(len(values))][::-1]
    answer: dict[str, Any] = api.post(
        f"/series/{series_id}/points", json={"timestamps": timestamps, "values": values}
    ).json()
    return answer


def fail(api: httpx.Client, sessions: Sessions, series_id: str, detail: str) -> str:
    """Make the newest fit of a series fail, and return its job's id."""
    job_id: str = api.post(f"/fit/{series_id}", json=ramp(25)).json()["job_id"]
    with sessions.begin() as session:
        claimed = attempts.claim(session, job_id, "in-test", 20)
        assert claimed
        assert attempts.fail(session, claimed, "fit_failed", detail)
    return job_id


@pytest.fixture
def plant(api: httpx.Client, sessions: Sessions, series_id: str, fitted: Callable[..., str]) -> str:
    """Two nested watches.

    The streams of the outer one: alarmed, silent, learning, failing (its fit failed), refused (its points).
    """
    for name in ("alarmed", "silent", "failing", "inner.a"):
        fitted(f"{series_id}.{name}", ramp())
    api.put(f"/watches/{series_id}", json={"prefix": f"{series_id}."})
    api.put(f"/watches/{series_id}-inner", json={"prefix": f"{series_id}.inner."})
    push(api, f"{series_id}.alarmed", [50.0, 50.0])
    for name in ("silent", "failing", "refused", "inner.a", "inner.b"):
        push(api, f"{series_id}.{name}", [2.0])
    push(api, f"{series_id}.learning", [2.0] * 5)
    with sessions.begin() as session:
        session.execute(
            text("UPDATE streams SET silence = gen_random_uuid() WHERE series_id = :id"), {"id": f"{series_id}.silent"}
        )
        refused = "SET fit_outcome = 'refused', fit_detail = 'The values are constant.', fit_settled_at = now()"
        session.execute(text(f"UPDATE streams {refused} WHERE series_id = :id"), {"id": f"{series_id}.refused"})
    fail(api, sessions, f"{series_id}.failing", "<b>constant</b>")
    return series_id


def test_streams_are_counted_for_the_watch_with_the_longest_prefix(sessions: Sessions, plant: str) -> None:
    with sessions.begin() as session:
        counts = watched.counts(session, plant)
        found = watched.attention(session, f"{plant}.", 10)
        recent = watched.recent_alerts(session, 7)
    assert counts == {plant: Counts(5, 1, 2, 0, 1), f"{plant}-inner": Counts(2, 0, 1, 0, 0)}
    assert counts[plant].watching == 2
    assert found.refused == {f"{plant}.refused": "The values are constant."}
    assert (found.silent, found.learning) == ([f"{plant}.silent"], [f"{plant}.learning"])
    assert len(found.failed_jobs) == 1
    assert (recent[plant], f"{plant}-inner" in recent) == (1, False)


def test_the_list_of_watches_has_a_line_for_each(api: httpx.Client, plant: str) -> None:
    api.post(f"/watches/{plant}-inner/pause")
    page = api.get("/ui/watches").text
    outer, inner = (row_of(page, name) for name in (plant, f"{plant}-inner"))
    assert [word for word in ("2 watching", "2 learning", "1 silent", "state open") if word not in outer] == []
    assert [word for word in ("1 paused", "1 learning") if word not in inner] == []
    assert "state open" not in inner


def test_the_list_of_watches_says_what_is_wrong_with_sources_to_those_who_may_change_them(
    keyed: httpx.Client, make_key: MakeKey, series_id: str
) -> None:
    name, root = series_id[:60], make_key()
    assert keyed.put(f"/sources/{name}", json={"kind": "remote_write", "select": {"a": "b"}}, auth=root).is_success
    sentence = f"The source {name} has no series: compare its `select` with the labels that Prometheus sends."
    keys = (root, make_key("read"), make_key(prefix=series_id))
    assert [sentence in keyed.get("/ui/watches", auth=key).text for key in keys] == [True, False, False]
    assert keyed.delete(f"/sources/{name}", auth=root).is_success


def row_of(page: str, name: str) -> str:
    rows: list[str] = re.findall(r"<tr>.*?</tr>", page, re.DOTALL)
    (row,) = (row for row in rows if f'ui/watches/{name}">' in row)
    return row


def test_the_page_of_a_watch_shows_what_needs_attention_and_why(api: httpx.Client, plant: str) -> None:
    page = api.get(f"/ui/watches/{plant}").text
    rows = re.findall(r"<tr>.*?</tr>", page.split('id="looks"')[1].split("</table>")[0], re.DOTALL)[1:]
    expected = (
        ("failing", "&lt;b&gt;constant"),
        ("refused", "The values are constant"),
        ("silent", "no points since"),
        ("learning", "5 of 3"),
    )
    for row, (name, reason) in zip(rows, expected, strict=True):
        assert f'ui/series/{plant}.{name}"' in row
        assert reason in row
    assert "/retry" in rows[0]
    assert "alarmed</a>" in page.split('id="alerts-table"')[1]
    assert f"watches/{plant}/pause" in page
    api.post(f"/watches/{plant}/pause")
    assert f"watches/{plant}/resume" in api.get(f"/ui/watches/{plant}").text
    api.delete(f"/watches/{plant}")
    assert api.get(f"/ui/watches/{plant}").json()["code"] == "watch_not_found"


def test_pages_of_watches_are_bounded_and_name_what_they_leave_out(
    api: httpx.Client, plant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        push(api, f"{plant}.new-{number}", [1.0])
    monkeypatch.setattr(watch_pages, "ATTENTION_SHOWN", 1)
    monkeypatch.setattr(watch_pages, "WATCHES_PER_PAGE", 1)
    page = api.get(f"/ui/watches/{plant}").text
    assert page.count('class="state learning"') - page.count("5 learning") == 1
    assert "There are more: learning." in page
    first = api.get("/ui/watches").text
    assert re.search(r"1.1 of \d+<", first)
    assert 'rel="next" href="../ui/watches?page=2"' in first
    assert "This page is empty" in api.get("/ui/watches?page=1000000").text


def test_links_on_pages_of_watches_work(api: httpx.Client, plant: str) -> None:
    for path in ("/ui/watches", f"/ui/watches/{plant}"):
        for address in set(re.findall(r'(?:src|href|action)="([^"]+)"', api.get(path).text)):
            assert address.startswith(("./", "../", "#")), (path, address)
            assert plant not in address or api.get(urljoin(path, address)).status_code == 200, address


def test_a_key_with_a_prefix_sees_only_pages_of_its_watches(
    keyed: httpx.Client, make_key: MakeKey, root: Any, series_id: str
) -> None:
    keyed.put(f"/watches/{series_id}", json={"prefix": f"{series_id}."}, auth=root)
    inside, outside = make_key(prefix=f"{series_id}."), make_key(prefix="elsewhere.")
    assert keyed.get(f"/ui/watches/{series_id}", auth=inside).status_code == 200
    assert series_id in keyed.get("/ui/watches", auth=inside).text
    assert keyed.get(f"/ui/watches/{series_id}", auth=outside).status_code == 404
    assert "There is no watch yet" in keyed.get("/ui/watches", auth=outside).text


RULES: list[tuple[dict[str, Any], str]] = [
    ({}, "Every series, with auto, on its last 28 days."),
    ({"prefix": "a.", "detector": "baseline", "parameters": {"threshold": 3}}, "a., with baseline (threshold 3)"),
    ({}, "When 2 of the last 3 points are anomalies, or one scores 3 or more."),
    ({"open": {"anomalies": 1, "of": 1, "at_once": None}}, "When a point is an anomaly."),
    ({"open": {"anomalies": 4, "of": 4}}, "When 4 points in a row are anomalies"),
    ({"gates": {"direction": "up", "min_abs": 2.5}}, "the expected one count. They must differ by more than 2.5."),
    ({}, "After 5 points in a row below 0.8, or when no point comes for 7 days. An anomaly within 30 minutes"),
    ({"close": {"normal": 1, "below": 0.5, "after": "90m"}}, "After 1 point below 0.5, or when no point comes for 90"),
    ({}, "stops for three times as long as usual"),
    ({"silence": "10m"}, "stops for 10 minutes"),
    ({"silence": "off"}, "A stream that stops opens no alert."),
    ({}, "Anomalies that arrive more than 1 hour late are recorded as quiet."),
    ({"prefix": "a", "detector": "baseline", "parameters": {"exclude": [[0, 1]]}}, "(exclude 1 span)"),
]  # fmt: skip


@pytest.mark.parametrize(("document", "sentence"), RULES)
def test_a_rule_is_said_in_five_lines(document: dict[str, Any], sentence: str) -> None:
    watch: Watch = parse("w", {"prefix": "", **document}, max_window_s=1e9)
    lines = rule(watch)
    assert len(lines) == 5
    assert sentence in " ".join(sentences.striptags() for _, sentences in lines)
