"""Prometheus as a source: history from blocks that `promtool` made, then what is new."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import text

from shared.artifacts import Artifacts
from shared.domain.watching import fetching as windowing
from shared.domain.watching.sources import parse
from shared.judging.states import States
from shared.metrics import Metrics
from shared.settings import Settings
from shared.store import fetching, points, sources, streams
from shared.store.engine import Session, Sessions
from shared.watching.claiming import Claims
from shared.watching.ingesting import Ingest
from tests.processes import migrated_database, serving, sessions_of
from tests.remote import Sender, backfilled
from worker.outbound import prometheus
from worker.outbound.egress import Answer, Egress
from worker.outbound.prometheus import FetchError, Prometheus, TooMuchError
from worker.outbound.pulling import Pulling

LOOPBACK = (ip_network("127.0.0.0/8"),)
MINUTE, HOUR = 60, 3_600
DUE = text("UPDATE sources SET due_at = :now WHERE due_at > clock_timestamp() - interval '1 minute' AND loaded = '{}'")


@pytest.fixture(scope="module")
def installation(settings: Settings, server_url: str) -> Iterator[Settings]:
    with migrated_database(server_url) as url:
        yield settings.model_copy(update={"database_url": url, "egress_allow": "127.0.0.0/8"})


@pytest.fixture(scope="module")
def database(installation: Settings) -> Iterator[Sessions]:
    with sessions_of(installation) as sessions:
        yield sessions


class Scene:
    """The fetching of one process, whose clock a test moves."""

    def __init__(self, database: Sessions, settings: Settings, artifacts: Artifacts) -> None:
        self.now = datetime.now(UTC).replace(second=30) - timedelta(hours=3)  # spans have the same number of minutes
        self.database = database
        self.variables: dict[str, str] = {}
        metrics = Metrics()
        ingest = Ingest(database, States(artifacts.states, 10**8), settings, metrics)
        self.pulling = Pulling(
            database, Egress(LOOPBACK), ingest, Claims(database), metrics, self.variables, settings, self.clock
        )

    def clock(self, _session: Session) -> datetime:
        return self.now

    def put(self, name: str, **document: Any) -> None:
        with self.database.begin() as session:
            sources.put(session, parse(name, {"kind": "prometheus", **document}, max_history_s=35 * 86_400))

    def run(self, name: str, minutes: float = 0) -> fetching.Run:
        """Fetch what is due so many minutes later; return the newest run of a source."""
        self.now += timedelta(minutes=minutes)
        self.due()
        while self.pulling.round():
            pass
        with self.database.begin() as session:
            return fetching.runs(session, name, 1)[0]

    def due(self) -> None:
        """New sources are due by the clock of the database, which runs ahead of this one."""
        with self.database.begin() as session:
            session.execute(DUE, {"now": self.now})

    def stored(self, series_id: str) -> dict[int, float]:
        with self.database.begin() as session:
            found = points.between(session, series_id, 0, 2**40, 10**6)
        return dict(zip(found.timestamps.tolist(), found.values.tolist(), strict=True))


@pytest.fixture
def scene(database: Sessions, installation: Settings, artifacts: Artifacts) -> Iterator[Scene]:
    scene = Scene(database, installation, artifacts)
    yield scene
    with database.begin() as session:
        for stored in sources.read(session):
            sources.delete(session, stored.source.name)


def history(name: str, template: str = "{job}.{instance}.{test}") -> dict[str, Any]:
    query = f'label_replace(backfilled, "test", "{name}", "", "")'
    return {"queries": [{"query": query, "id_template": template}], "history": "10h", "every": "5m", "offset": "0s"}


def test_history_comes_first_then_what_is_new_and_gaps_after_an_outage_are_filled(
    scene: Scene, sender: Sender, series_id: str
) -> None:
    scene.now -= timedelta(hours=1)
    scene.put(series_id, url=sender.url, **history(series_id))
    first = scene.run(series_id)
    end = int(scene.now.timestamp()) // MINUTE * MINUTE
    assert (first.status, first.series, first.detail) == ("succeeded", 2, "")
    assert (first.from_ts, first.to_ts, first.points) == (end - 10 * HOUR + MINUTE, end - MINUTE, 2 * (10 * 60 - 1))
    assert scene.run(series_id).run_id == first.run_id  # not due yet
    assert scene.stored(f"history.a.{series_id}").keys().isdisjoint({end})
    early = scene.run(series_id, minutes=0.2)
    assert (early.status, early.points) == ("succeeded", 0)  # what is new waits for a version, which judges it
    held = scene.run(series_id, minutes=0.8)
    assert (held.points, held.to_ts) == (2 * 2, end + MINUTE)
    later = scene.run(series_id, minutes=5)
    assert (later.points, later.from_ts) == (2 * 5, end)  # the last two steps are read again
    scene.variables.clear()
    after_outage = scene.run(series_id, minutes=45)
    assert after_outage.points == 2 * 45
    for instance in ("a", "bb"):
        seconds = range(end - 10 * HOUR + MINUTE, end + 51 * MINUTE + 1, MINUTE)
        expected = {second: backfilled(instance, second) for second in seconds}
        assert scene.stored(f"history.{instance}.{series_id}") == expected
    with scene.database.begin() as session:
        assert [run.status for run in fetching.runs(session, series_id, 10)] == ["succeeded"] * 5
        assert sources.find(session, series_id).failing_since is None


def test_a_failure_is_reported_and_the_next_run_continues_where_the_last_one_ended(
    scene: Scene, sender: Sender, series_id: str
) -> None:
    scene.now -= timedelta(hours=2)
    scene.variables["TSAD_SOURCE_URL"] = sender.url
    scene.put(series_id, url_env="TSAD_SOURCE_URL", token_env="TSAD_SOURCE_TOKEN", **history(series_id))
    failed = scene.run(series_id)
    assert failed.status == "failed"
    assert "TSAD_SOURCE_TOKEN of the outbound process is not set" in failed.detail
    scene.variables["TSAD_SOURCE_TOKEN"] = "secret"
    done = scene.run(series_id, minutes=2)
    assert (done.status, done.points) == ("succeeded", 2 * (10 * 60 - 1))
    with sender.server.stopped():
        broken = scene.run(series_id, minutes=10)
        assert "refused the connection" in broken.detail
        with scene.database.begin() as session:
            (condition,) = fetching.conditions(session, scene.now, is_deep=True)
            assert (condition.failing_since, condition.detail) == (scene.now, broken.detail)
    assert scene.run(series_id, minutes=10).points == 2 * (1 + 20)
    with scene.database.begin() as session:
        (condition,) = fetching.conditions(session, scene.now)
        assert condition.failing_since is None
        assert 0 <= (condition.lag_s(scene.now) or -1) < MINUTE


@pytest.mark.parametrize(
    ("changes", "detail"),
    [
        ({"queries": [{"query": "sum(", "id_template": "{job}"}]}, "parse error"),
        ({"url": "http://169.254.169.254"}, "which is refused (link-local)"),
        ({"url": "{url}/nowhere"}, "(404) is not one of a Prometheus"),
    ],
)
def test_each_cause_of_a_failure_has_its_sentence(
    scene: Scene, sender: Sender, series_id: str, changes: dict[str, Any], detail: str
) -> None:
    document = {"url": sender.url, **history(series_id), **changes}
    scene.put(series_id, **document | {"url": document["url"].replace("{url}", sender.url)})
    run = scene.run(series_id)
    assert run.status == "failed"
    assert detail in run.detail


def test_the_newest_points_come_first_and_new_ones_while_older_ones_are_fetched(
    scene: Scene, sender: Sender, series_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(windowing, "RECENT_POINTS", 60)
    monkeypatch.setattr(windowing, "MAX_POINTS", 2 * 60)
    scene.now -= timedelta(hours=2)
    began, newest = scene.now, list[int]()

    def ticking(_session: Session) -> datetime:
        scene.now += timedelta(seconds=20)
        newest.append(max(scene.stored(f"history.a.{series_id}"), default=0))
        return scene.now

    scene.pulling.clock = ticking
    scene.put(series_id, url=sender.url, **history(series_id) | {"every": "1m"})
    scene.run(series_id)
    with scene.database.begin() as session:
        run = fetching.runs(session, series_id, 10)[-1]
    first, last = int(began.timestamp()) - 10 * HOUR, int(scene.now.timestamp())
    assert (run.status, run.series, run.detail) == ("succeeded", 2, "")
    assert run.from_ts is not None
    assert abs(run.from_ts - first) <= 5 * MINUTE
    stored = scene.stored(f"history.a.{series_id}")
    assert sorted(stored) == list(range(run.from_ts, max(stored) + 1, MINUTE))
    assert len({*newest} - {0}) > 3  # new points came meanwhile
    assert last - max(stored) < 6 * MINUTE
    assert stored == {second: backfilled("a", second) for second in stored}
    with scene.database.begin() as session:
        assert streams.read(session, [f"history.a.{series_id}"])[f"history.a.{series_id}"].late > 400
    assert scene.run(series_id, minutes=5).from_ts == max(stored) - MINUTE


@pytest.mark.parametrize(("most", "points"), [(2_000, 2 * 119), (100, 0)])
def test_a_window_that_cannot_be_answered_is_halved_until_it_can_be(
    scene: Scene, sender: Sender, series_id: str, monkeypatch: pytest.MonkeyPatch, most: int, points: int
) -> None:
    monkeypatch.setattr(prometheus, "MAX_BYTES", most)
    scene.now -= timedelta(hours=1)
    scene.put(series_id, url=sender.url, **history(series_id) | {"history": "2h"})
    run = scene.run(series_id)
    assert run.points == points
    assert ("is larger than 100 bytes" in run.detail) == (run.status == "failed") == (points == 0)


@pytest.mark.parametrize(
    ("status", "kind", "error"),
    [
        (422, "execution", TooMuchError),
        (503, "timeout", TooMuchError),
        (400, "bad_data", FetchError),
        (500, "internal", FetchError),
        (401, "unauthorized", FetchError),
    ],
)
def test_only_errors_of_size_and_time_ask_for_a_shorter_span(status: int, kind: str, error: type[FetchError]) -> None:
    body = f'{{"status":"error","errorType":"{kind}","error":"too many samples"}}'.encode()
    egress: Any = SimpleNamespace(request=lambda *_, **__: Answer(status, {}, body))
    with pytest.raises(
        error, match=f"answered {status}: too many samples|refuses access .401.: set token_env"
    ) as raised:
        Prometheus("http://prometheus:9090", {}, egress).query_range("up", 0, 60, 60)
    assert type(raised.value) is error


def test_two_series_with_one_id_are_refused_once_and_one_is_stored(
    scene: Scene, sender: Sender, series_id: str
) -> None:
    scene.put(series_id, url=sender.url, **history(series_id, "{job}.{test}"))
    run = scene.run(series_id)
    assert run.status == "succeeded"
    assert run.points == run.refused > 300
    assert f"would have the id history.{series_id}" in run.detail
    later = scene.run(series_id, minutes=2)
    assert (
        later.detail
        == f"1 series would have the id of another, and are ignored: GET /sources/{series_id} lists collisions."
    )


def test_only_one_process_fetches_a_source_and_a_lost_run_is_taken_over(
    scene: Scene, sender: Sender, series_id: str
) -> None:
    scene.put(series_id, url=sender.url, **history(series_id))
    scene.due()
    with scene.database.begin() as session:
        lost = fetching.claim(session, scene.now)
        assert lost is not None
        assert fetching.claim(session, scene.now) is None
    scene.now += timedelta(seconds=fetching.LEASE_S + 1)
    assert scene.run(series_id).status == "succeeded"
    with scene.database.begin() as session:
        assert [run.status for run in fetching.runs(session, series_id, 5)] == ["succeeded", "lost"]
        assert not fetching.step(session, lost, fetching.Progress(), scene.now)


def test_a_source_can_be_tried_and_listed_over_http(
    scene: Scene, sender: Sender, installation: Settings, series_id: str
) -> None:
    scene.now -= timedelta(hours=1)
    document = {"kind": "prometheus", "url": sender.url, **history(series_id)}
    stopping = threading.Event()

    def outbound() -> None:
        while not stopping.wait(0.02):
            scene.pulling.try_round()

    thread = threading.Thread(target=outbound)
    thread.start()
    try:
        with serving(installation) as api:
            tried = api.post(f"/sources/{series_id}/test", json=document).json()
            assert (tried["series"], tried["error"]) == (2, None)
            first = tried["first"][0]
            assert first["series_id"] == f"history.a.{series_id}"
            assert first["value"] == backfilled("a", first["timestamp"])
            assert api.get("/sources").json() == {"sources": []}
            assert api.get(f"/series/{first['series_id']}").status_code == 404
            refused = api.put(f"/sources/{series_id}", json=document | {"url": "http://10.0.0.1"}).json()
            assert refused["errors"][0]["loc"] == ["url"]
            assert api.put(f"/sources/{series_id}", json=document).json()["every"] == "5m"
            scene.run(series_id)
            (run,) = api.get(f"/sources/{series_id}/runs").json()["runs"]
            assert (run["status"], run["series"], run["points"]) == ("succeeded", 2, 2 * (10 * 60 - 1))
            assert api.get(f"/sources/{series_id}").json()["series"] == 2
            assert api.post(f"/sources/{series_id}/test").json()["series"] == 2
            other = {"kind": "remote_write"}
            assert api.post(f"/sources/{series_id}/test", json=other).json()["code"] == "invalid_source"
    finally:
        stopping.set()
        thread.join()
