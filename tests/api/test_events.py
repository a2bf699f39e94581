"""Server-sent events of jobs, read from real connections."""

import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice, pairwise
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

import httpx
import pytest

from api.following import events, polling, streams
from shared.domain import detectors
from shared.settings import Settings
from shared.store import attempts
from tests.keys import MakeKey
from tests.points import ramp
from tests.processes import api_process, serving
from tests.waiting import until
from worker import training as trainings
from worker.training import Training, run


class Event(NamedTuple):
    id: int
    job: dict[str, Any]


@contextmanager
def stream(api: httpx.Client, path: str) -> Iterator[Iterator[Event]]:
    with api.stream("GET", path) as answer:
        assert answer.status_code == 200, answer.read()
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        yield parse_events(answer.iter_lines())


def parse_events(lines: Iterator[str]) -> Iterator[Event]:
    number = 0
    for line in lines:
        name, _, value = line.partition(": ")
        if name == "id":
            number = int(value)
        elif name == "event":
            assert value == "job"
        elif name == "data":
            yield Event(number, json.loads(value))
        else:
            assert not line


@pytest.fixture
def job_id(api: httpx.Client, series_id: str) -> str:
    return str(api.post(f"/fit/{series_id}", json=ramp()).json()["job_id"])


def test_a_stream_shows_each_change_of_a_job_until_it_has_ended(
    api: httpx.Client, training: Training, job_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, seen_running, seen_half = detectors.named("baseline"), threading.Event(), threading.Event()

    def fit(series: Any, parameters: Any, progress: Any) -> Any:
        assert seen_running.wait(10)
        progress(0.5)
        assert seen_half.wait(10)
        return real.fit(series, parameters, progress)

    monkeypatch.setattr(trainings, "named", lambda _: replace(real, fit=fit))
    quick_training = replace(training, settings=training.settings.model_copy(update={"heartbeat_s": 0.02}))
    with ThreadPoolExecutor(1) as pool, stream(api, f"/jobs/{job_id}/events") as job_events:
        received = [next(job_events)]
        fitting = pool.submit(run, quick_training, job_id)
        received.append(next(job_events))
        seen_running.set()
        received.append(next(job_events))
        seen_half.set()
        received += list(job_events)
        fitting.result()
    assert [(event.job["status"], event.job["progress"]) for event in received] == [
        ("queued", 0),
        ("running", 0),
        ("running", 0.5),
        ("succeeded", 1),
    ]
    assert received[0].id == 1
    assert all(earlier.id < later.id for earlier, later in pairwise(received))
    assert received[-1].job == api.get(f"/jobs/{job_id}").json()


def test_a_stream_of_a_finished_job_sends_its_state_and_ends(
    api: httpx.Client, series_id: str, fitted: Callable[..., str]
) -> None:
    job_id = fitted(series_id)
    with stream(api, f"/jobs/{job_id}/events") as job_events:
        (event,) = job_events
    assert event.job["status"] == "succeeded"


def test_a_resumed_stream_starts_with_the_current_state(api: httpx.Client, job_id: str) -> None:
    with stream(api, f"/jobs/{job_id}/events") as job_events:
        first = next(job_events)
    api.post(f"/jobs/{job_id}/cancel")
    answer = api.get(f"/jobs/{job_id}/events", headers={"Last-Event-ID": str(first.id)})
    (event,) = parse_events(iter(answer.text.splitlines()))
    assert (event.id, event.job["status"]) == (first.id + 1, "cancelled")


def test_one_stream_reports_all_jobs_of_a_series(api: httpx.Client, training: Training, series_id: str) -> None:
    def fit(name: str) -> str:
        return str(api.post(f"/fit/{name}", json=ramp()).json()["job_id"])

    old = fit(series_id)
    with stream(api, f"/jobs/events?series_id={series_id}") as all_events:
        assert next(all_events).job["job_id"] == old
        fit(f"{series_id}-other")
        new = fit(series_id)
        assert next(all_events).job["job_id"] == new
        run(training, old)
        event = next(event for event in all_events if event.job["status"] == "succeeded")
        assert event.job["job_id"] == old
        api.post(f"/jobs/{new}/cancel")
        event = next(event for event in all_events if event.job["status"] == "cancelled")
        assert event.job["job_id"] == new


def test_a_stream_filtered_by_status_reports_jobs_that_leave_the_status(api: httpx.Client, series_id: str) -> None:
    job_id = api.post(f"/fit/{series_id}", json=ramp()).json()["job_id"]
    with stream(api, f"/jobs/events?series_id={series_id}&status=queued") as queued:
        assert next(queued).job["status"] == "queued"
        api.post(f"/jobs/{job_id}/cancel")
        assert next(queued).job["status"] == "cancelled"


def test_requeuing_a_job_sends_an_event(api: httpx.Client, training: Training, series_id: str) -> None:
    job_id = api.post(f"/fit/{series_id}", json=ramp()).json()["job_id"]
    with stream(api, f"/jobs/events?series_id={series_id}") as all_events:
        with training.sessions.begin() as session:
            claimed = attempts.claim(session, job_id, "another", 60)
        assert claimed
        assert any(event.job["status"] == "running" for event in islice(all_events, 2))
        with training.sessions.begin() as session:
            assert attempts.release(session, claimed, 0)
        assert next(all_events).job["status"] == "queued"


def test_an_idle_stream_sends_a_comment_periodically(
    api: httpx.Client, job_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "COMMENT_EVERY_S", 0.05)
    with api.stream("GET", f"/jobs/{job_id}/events") as answer:
        assert ": nothing new" in islice(answer.iter_lines(), 8)


def test_streams_are_limited_and_a_closed_stream_frees_its_slot(
    settings: Settings, series_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "MAX_STREAMS", 2)
    with serving(settings) as api:
        job_id = api.post(f"/fit/{series_id}", json=ramp()).json()["job_id"]
        path = f"/jobs/{job_id}/events"
        with stream(api, path) as first, stream(api, "/jobs/events") as second:
            next(first), next(second)
            refused = api.get(path)
            assert (refused.status_code, refused.json()["code"]) == (429, "too_many_streams")
            assert refused.headers["Retry-After"]
        api.post(f"/jobs/{job_id}/cancel")
        until(lambda: api.get(path).status_code == 200)


@pytest.mark.parametrize("path", ["/jobs/events", "/alerts/events"])
def test_one_key_gets_a_share_of_the_streams(
    path: str, keyed: httpx.Client, make_key: MakeKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "MAX_STREAMS_PER_KEY", 1)
    greedy, other = make_key(), make_key()
    with keyed.stream("GET", path, auth=greedy):
        refused = keyed.get(path, auth=greedy)
        assert (refused.status_code, refused.json()["code"]) == (429, "too_many_streams")
        assert "1 of them with this key" in refused.json()["detail"]
        with keyed.stream("GET", path, auth=other) as answer:
            assert answer.status_code == 200


def test_one_key_gets_a_share_of_the_waits(
    keyed: httpx.Client, make_key: MakeKey, series_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(polling, "MAX_WAITERS_PER_KEY", 0)
    greedy = make_key()
    job_id = keyed.post(f"/fit/{series_id}", json=ramp(), auth=greedy).json()["job_id"]
    assert keyed.get(f"/jobs/{job_id}?wait=30", auth=greedy).json()["status"] == "queued"


@pytest.mark.parametrize("path", ["/jobs/events?status=pending", "/jobs/events?series_id=.."])
def test_a_stream_with_an_invalid_filter_is_refused(api: httpx.Client, path: str) -> None:
    assert api.get(path).status_code == 422


def test_a_stream_of_an_unknown_job_is_not_found(api: httpx.Client) -> None:
    answer = api.get(f"/jobs/{uuid4()}/events")
    assert (answer.status_code, answer.json()["code"]) == (404, "job_not_found")


def test_streams_end_when_the_process_stops(settings: Settings, series_id: str, tmp_path: Path) -> None:
    with api_process(settings, tmp_path, "--timeout-graceful-shutdown=25") as (process, client):
        job_id = client.post(f"/fit/{series_id}", json=ramp()).json()["job_id"]
        with stream(client, f"/jobs/{job_id}/events") as job_events, stream(client, "/jobs/events") as all_events:
            assert next(job_events).job["job_id"] == job_id
            next(all_events)
            process.popen.terminate()
            assert list(job_events) == []
            assert all(event.job for event in all_events)
        process.popen.wait(15)
