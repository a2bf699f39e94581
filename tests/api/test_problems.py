"""Every error a client can get, each provoked by a request."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import text

from api.chain import bodies
from api.following import streams
from api.problems import MEDIA_TYPE, STATUS, problem
from api.routes import sources
from shared.embedded.ports import free_port
from shared.errors import MAX_FLAWS, Code, Flaw, InputError
from shared.fitting import accepting
from shared.settings import Settings
from shared.store.engine import Sessions
from tests.points import ramp
from tests.processes import new_database, serving
from tests.remote import encoded, send
from tests.waiting import until
from tests.wire import wired
from tsad_client import codes, errors
from worker.training import Training, run

POINT = {"timestamp": 1, "value": 2}

# Codes that no request below provokes, and why.
INTERNAL = {
    Code.NOT_FINITE: "JSON cannot express such a number, so decoding the body fails first",
    Code.FIT_FAILED: "only a job has this error",
    Code.FIT_TIMEOUT: "only a job has this error",
    Code.OUT_OF_MEMORY: "only a job has this error",
    Code.WORKER_LOST: "only a job has this error",
    Code.MALFORMED_REQUEST: "test_connections.py provokes it",
    Code.HEAD_TOO_LARGE: "test_connections.py provokes it",
    Code.RATE_LIMITED: "test_rates.py exceeds a rate",
    Code.UNAUTHENTICATED: "test_keys.py provokes it",
    Code.FORBIDDEN: "test_keys.py provokes it on every route",
    Code.TOO_NEW: "only a point of a push has this flaw; test_pushes.py sends one",
    Code.TOO_OLD: "only a point of a push has this flaw; test_pushes.py sends one",
    Code.SERIES_ID_TAKEN: "only a flaw of points_refused; test_remote_write.py provokes it",
    Code.STREAM_BUSY: "needs a series that is deleted and begun again during each of three rounds",
    Code.INTERNAL_ERROR: "a defect; test_slots.py provokes it",
    Code.CONFIGURATION: "only commands exit with it",
    Code.START_FAILED: "only commands exit with it",
    Code.API_UNREACHABLE: "only commands exit with it",
    Code.INVALID_FILE: "only commands and pages read files; test_reading_files.py sends some",
}


@dataclass(frozen=True)
class Scene:
    """An API with a fitted series."""

    api: httpx.Client
    settings: Settings
    sessions: Sessions
    training: Training
    trained: str  # a series with versions 1 (pinned) and 2
    succeeded: str  # a job

    def fit(self, series_id: str, **fields: Any) -> str:
        return str(self.api.post(f"/fit/{series_id}", json=ramp(**fields)).json()["job_id"])


@pytest.fixture(scope="module")
def scene(api: httpx.Client, settings: Settings, sessions: Sessions, training: Training) -> Scene:
    scene = Scene(api, settings, sessions, training, "trained-for-problems", "")
    job_ids = [scene.fit(scene.trained) for _ in range(2)]
    for job_id in job_ids:
        run(training, job_id)
    assert api.put(f"/series/{scene.trained}/pin", json={"version": 1}).is_success
    return Scene(api, settings, sessions, training, scene.trained, job_ids[1])


def request_to(method: str, path: str, **arguments: Any) -> Callable[[Scene], httpx.Response]:
    return lambda scene: scene.api.request(
        method, path.format(trained=scene.trained, succeeded=scene.succeeded), **arguments
    )


def fit_with(**fields: Any) -> Callable[[Scene], httpx.Response]:
    return request_to("POST", "/fit/a", json=ramp(3) | fields)


REQUESTS: dict[Code, Callable[[Scene], httpx.Response]] = {
    Code.INVALID_JSON: request_to("POST", "/fit/a", content=b"{"),
    Code.INVALID_REQUEST: request_to("GET", "/series?limit=many"),
    Code.INVALID_ENCODING: request_to("POST", "/fit/a", content=b"{}", headers={"Content-Encoding": "br"}),
    Code.METHOD_NOT_ALLOWED: request_to("GET", "/fit/a"),
    Code.ROUTE_NOT_FOUND: request_to("GET", "/nothing"),
    Code.FOREIGN_ORIGIN: request_to("POST", "/fit/a", headers={"Origin": "https://evil.example"}),
    Code.INVALID_SERIES_ID: request_to("GET", "/series/a..b"),
    Code.INVALID_VERSION: request_to("GET", "/series/{trained}/versions/newest"),
    Code.INVALID_CURSOR: request_to("GET", "/series/{trained}/versions?cursor=x"),
    Code.SERIES_NOT_FOUND: request_to("GET", "/series/never-fitted"),
    Code.VERSION_NOT_FOUND: request_to("GET", "/series/{trained}/versions/77"),
    Code.JOB_NOT_FOUND: request_to("GET", "/jobs/7"),
    Code.LENGTHS_DIFFER: fit_with(values=[1, 2, 3, 4]),
    Code.TOO_FEW_POINTS: fit_with(timestamps=[1, 2], values=[1, 2]),
    Code.TOO_MANY_POINTS: request_to("POST", "/predict/{trained}", json=POINT | {"context": [1] * 5000}),
    Code.INVALID_TIMESTAMP: request_to("POST", "/predict/{trained}", json=POINT | {"timestamp": 1_705_000_000_000}),
    Code.TIMESTAMPS_NOT_INCREASING: fit_with(timestamps=[3, 2, 1]),
    Code.VALUES_TOO_LARGE: fit_with(values=[1e308, -1e308, 1e308]),
    Code.CONSTANT_SERIES: fit_with(values=[1, 1, 1]),
    Code.UNKNOWN_DETECTOR: fit_with(detector="crystal-ball"),
    Code.UNKNOWN_PARAMETER: fit_with(parameters={"mood": 1}),
    Code.INVALID_PARAMETER: fit_with(parameters={"threshold": -1}),
    Code.JOB_FINISHED: request_to("POST", "/jobs/{succeeded}/cancel"),
    Code.JOB_NOT_RETRYABLE: request_to("POST", "/jobs/{succeeded}/retry"),
    Code.VERSION_PINNED: request_to("DELETE", "/series/{trained}/versions/1"),
    Code.STREAM_NOT_FOUND: request_to("GET", "/series/never-pushed/points"),
    Code.INVALID_WATCH: request_to("PUT", "/watches/plant7", json={"prefix": "plant7.", "mood": 1}),
    Code.WATCH_NOT_FOUND: request_to("GET", "/watches/nothing"),
    Code.INVALID_CONFIGURATION: request_to("POST", "/apply", json={"watches": {"plant7": {"mood": 1}}}),
    Code.INVALID_SPAN: request_to("POST", "/series/a/spans", json={"from": 2, "to": 1, "kind": "exclude"}),
    Code.SPAN_NOT_FOUND: request_to("DELETE", f"/spans/{UUID(int=7)}"),
    Code.ALERT_NOT_FOUND: request_to("GET", f"/alerts/{UUID(int=7)}"),
}


def provoked_by(code: Code) -> Callable[[Callable[[Scene], httpx.Response]], Callable[[Scene], httpx.Response]]:
    def register(send: Callable[[Scene], httpx.Response]) -> Callable[[Scene], httpx.Response]:
        REQUESTS[code] = send
        return send

    return register


def serving_with(scene: Scene, **values: Any) -> AbstractContextManager[httpx.Client]:
    """An API with other settings."""
    return serving(scene.settings.model_copy(update=values))


def exchange(api: httpx.Client, send: Callable[[Any], None]) -> httpx.Response:
    """Send raw bytes that no HTTP client would send, and return the answer."""
    with wired(api) as wire:
        send(wire)
        reply = wire.reply()
    return httpx.Response(reply.status, headers=list(reply.headers.items()), content=reply.body)


@provoked_by(Code.UNKNOWN_HOST)
def unknown_host(scene: Scene) -> httpx.Response:
    with serving_with(scene, allowed_hosts="tsad.example") as api:
        return api.get("/series")


@provoked_by(Code.BODY_TOO_LARGE)
def too_large(scene: Scene) -> httpx.Response:
    return exchange(scene.api, lambda wire: wire.head("POST", "/fit/a", Content_Length=10**12))


@provoked_by(Code.BODY_TOO_SLOW)
def too_slow(scene: Scene) -> httpx.Response:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bodies, "MAX_PAUSE_S", 0.05)
        return exchange(scene.api, lambda wire: wire.head("POST", "/fit/a", Content_Length=10))


@provoked_by(Code.OVERLOADED)
def overloaded(scene: Scene) -> httpx.Response:
    bounds = {"max_body_bytes": 10**6, "max_body_bytes_in_flight": 10**6}
    with pytest.MonkeyPatch.context() as patch, serving_with(scene, **bounds) as api, wired(api) as other:
        patch.setattr(bodies, "WAIT_FOR_BUDGET_S", 0.05)
        other.head("POST", "/fit/a", Content_Length=500_000)
        other.send(b" " * 400_000)
        answers = [api.get("/livez")]
        until(
            lambda: answers[-1].status_code == 503,
            meanwhile=lambda: answers.append(api.post("/fit/a", content=b" " * 400_000)),
        )
        return answers[-1]


@provoked_by(Code.QUEUE_FULL)
def queue_full(scene: Scene) -> httpx.Response:
    with serving_with(scene, max_queued_jobs=1) as api:
        scene.fit("full")
        return api.post("/fit/full", json=ramp())


@provoked_by(Code.IDEMPOTENCY_KEY_REUSED)
def key_reused(scene: Scene) -> httpx.Response:
    key = {"Idempotency-Key": f"key-of-{scene.succeeded}"}
    assert scene.api.post("/fit/keyed", json=ramp(), headers=key).status_code == 202
    return scene.api.post("/fit/keyed", json=ramp(8), headers=key)


@provoked_by(Code.DATA_GONE)
def data_gone(scene: Scene) -> httpx.Response:
    job_id = scene.fit("gone")
    assert scene.api.delete("/series/gone").is_success
    return scene.api.post(f"/jobs/{job_id}/retry")


@provoked_by(Code.CONTEXT_REQUIRED)
def context_required(scene: Scene) -> httpx.Response:
    run(scene.training, scene.fit("windowed", points=100, detector="msnn"))
    return scene.api.post("/predict/windowed", json=POINT)


@provoked_by(Code.TIME_NOT_LEARNED)
def time_not_learned(scene: Scene) -> httpx.Response:
    hours = [3_600 * hour for hour in range(24 * 28) if 8 <= hour % 24 < 18]
    body = {"timestamps": hours, "values": [hour // 3_600 % 5 for hour in hours], "parameters": {"cycle": "day"}}
    job = scene.api.post("/fit/shop", json={**body, "detector": "seasonal"}).json()
    run(scene.training, job["job_id"])
    return scene.api.post("/predict/shop", json=POINT)


@provoked_by(Code.PREFIX_TAKEN)
def prefix_taken(scene: Scene) -> httpx.Response:
    assert scene.api.put("/watches/first", json={"prefix": "taken."}).is_success
    return scene.api.put("/watches/second", json={"prefix": "taken."})


@provoked_by(Code.INVALID_RECEIVER)
def invalid_receiver(scene: Scene) -> httpx.Response:
    return scene.api.put("/receivers/a", json={"kind": "webhook", "url": "http://2130706433/", "types": ["x"]})


@provoked_by(Code.UNKNOWN_RECEIVER)
def unknown_receiver(scene: Scene) -> httpx.Response:
    return scene.api.put("/watches/telling", json={"prefix": "telling.", "notify": {"receivers": ["nobody"]}})


@provoked_by(Code.RECEIVER_NOT_FOUND)
def receiver_not_found(scene: Scene) -> httpx.Response:
    return scene.api.get("/receivers/nobody")


@provoked_by(Code.RECEIVER_IN_USE)
def receiver_in_use(scene: Scene) -> httpx.Response:
    assert scene.api.put("/receivers/used", json={"kind": "slack", "url": "https://a.example/"}).is_success
    assert scene.api.put("/watches/using", json={"prefix": "using.", "notify": {"receivers": ["used"]}}).is_success
    return scene.api.delete("/receivers/used")


@provoked_by(Code.RECEIVER_DISABLED)
def receiver_disabled(scene: Scene) -> httpx.Response:
    assert scene.api.put("/receivers/off", json={"kind": "slack", "url": "https://a.example/"}).is_success
    with scene.sessions.begin() as session:
        session.execute(text("UPDATE receivers SET disabled = 'so' WHERE name = 'off'"))
    return scene.api.post("/receivers/off/test")


@provoked_by(Code.NO_SECRET)
def no_secret(scene: Scene) -> httpx.Response:
    assert scene.api.put("/receivers/chat", json={"kind": "slack", "url": "https://a.example/"}).is_success
    return scene.api.post("/receivers/chat/rotate")


@provoked_by(Code.DELIVERY_NOT_FOUND)
def delivery_not_found(scene: Scene) -> httpx.Response:
    return scene.api.post(f"/deliveries/{2**63}/replay")


@provoked_by(Code.INVALID_SOURCE)
def invalid_source(scene: Scene) -> httpx.Response:
    return scene.api.put("/sources/s", json={"kind": "carrier pigeon"})


@provoked_by(Code.SOURCE_NOT_FOUND)
def source_not_found(scene: Scene) -> httpx.Response:
    return scene.api.get("/sources/nobody-knows")


@provoked_by(Code.OUTBOUND_SILENT)
def outbound_silent(scene: Scene) -> httpx.Response:
    document = {"kind": "prometheus", "url": "https://a.example", "queries": [{"query": "up", "id_template": "{job}"}]}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sources, "TEST_WITHIN_S", 0.2)
        return scene.api.post("/sources/s/test", json=document)


@provoked_by(Code.UNSUPPORTED_MEDIA_TYPE)
def unsupported_media_type(scene: Scene) -> httpx.Response:
    return scene.api.post("/api/v1/write", content=b"", headers={"Content-Type": "text/plain"})


@provoked_by(Code.POINTS_REFUSED)
def points_refused(scene: Scene) -> httpx.Response:
    return send(scene.api, encoded(({"job": "has no name"}, [(1, 1.0)])))


@provoked_by(Code.SERIES_LIMIT)
def series_limit(scene: Scene) -> httpx.Response:
    points = {"timestamps": [int(time.time())], "values": [1]}
    with serving_with(scene, max_streams=1) as api:
        answers = [api.post(f"/series/{series_id}/points", json=points) for series_id in ("limit-a", "limit-b")]
    return answers[-1]


@provoked_by(Code.TOO_MANY_STREAMS)
def too_many_streams(scene: Scene) -> httpx.Response:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(streams, "MAX_STREAMS", 0)
        return scene.api.get("/jobs/events")


@provoked_by(Code.DATABASE_UNAVAILABLE)
def no_database(scene: Scene) -> httpx.Response:
    with serving_with(scene, database_url=f"postgresql://x@127.0.0.1:{free_port()}/x") as api:
        return api.get("/series")


@provoked_by(Code.STORE_UNAVAILABLE)
def no_store(scene: Scene) -> httpx.Response:
    with serving_with(scene, training_data_folder=Path(__file__)) as api:
        return api.post("/fit/a", json=ramp())


@provoked_by(Code.ACCEPT_TOO_LATE)
def too_late(scene: Scene) -> httpx.Response:
    with serving_with(scene, accept_window_s=1e-6) as api:
        return api.post("/fit/late", json=ramp())


@provoked_by(Code.OUTCOME_UNKNOWN)
def outcome_unknown(scene: Scene) -> httpx.Response:
    """Lock the series and keep ending connections that wait for it until the API stops retrying."""
    end_waiting = text(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'tsad-api' "
        "AND datname = current_database() AND wait_event = 'advisory'"
    )
    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(1) as pool, scene.sessions.begin() as lock:
        patch.setattr(accepting, "COMMIT_RETRY_S", 1.0)
        lock.execute(text("SELECT pg_advisory_xact_lock(8243, hashtext('unknown'))"))
        future = pool.submit(scene.api.post, "/fit/unknown", json=ramp())
        while not future.done():
            with scene.sessions.begin() as session:
                session.execute(end_waiting)
            threading.Event().wait(0.02)
        return future.result()


@provoked_by(Code.ARTIFACT_DAMAGED)
def damaged(scene: Scene) -> httpx.Response:
    run(scene.training, scene.fit("damaged", points=43))
    for state in Path(scene.settings.model_state_folder, "damaged").iterdir():
        state.unlink()
    return scene.api.post("/predict/damaged", json=POINT)


def check_shape(answer: httpx.Response, code: Code) -> None:
    body = answer.json()
    status, title = STATUS[code]
    assert (answer.status_code, body["code"]) == (status, code)
    assert answer.headers["content-type"] == MEDIA_TYPE
    assert list(body) == ["type", "title", "status", "detail", "code", "request_id", "errors"]
    assert (body["type"], body["title"], body["status"]) == (f"urn:tsad:problem:{code}", title, status)
    assert body["request_id"] == answer.headers["X-Request-ID"]
    assert body["detail"].endswith(".")
    assert len(body["errors"]) <= MAX_FLAWS
    assert all(flaw.keys() == {"loc", "msg"} for flaw in body["errors"])
    for internal in ("/tmp", ".npz", "SELECT", "INSERT", "psycopg", "Traceback", 'File "'):  # noqa: S108
        assert internal not in answer.text
    if status in (429, 503):
        assert int(answer.headers["Retry-After"]) >= 1


@pytest.mark.parametrize("code", REQUESTS)
def test_each_error_can_be_provoked_and_is_a_well_formed_problem(scene: Scene, code: Code) -> None:
    check_shape(REQUESTS[code](scene), code)


def test_a_bulk_fit_with_too_many_lines_ends_with_a_problem(scene: Scene) -> None:
    with serving_with(scene, max_bulk_lines=1) as api:
        answer = api.post("/fit", content=b"{}\n{}\n{}\n")
    assert Code.TOO_MANY_LINES in answer.text


def test_every_code_is_provoked_or_explained() -> None:
    assert not REQUESTS.keys() & INTERNAL.keys()
    assert {*REQUESTS, *INTERNAL, Code.TOO_MANY_LINES} == set(Code)


def test_every_code_has_a_status_and_a_unique_title() -> None:
    assert list(STATUS) == list(Code)
    assert len({title for _, title in STATUS.values()}) == len(STATUS)


def test_at_most_twenty_flaws_are_listed() -> None:
    flaws = [Flaw(("values", place), "is wrong") for place in range(100)]
    assert len(problem(InputError(Code.INVALID_REQUEST, "Wrong.", flaws=flaws), "id").errors) == 20


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/series?limit={secret}"),
        ("GET", "/series?prefix={secret}!"),
        ("GET", "/series?cursor={secret}!"),
        ("GET", "/series/{secret}!"),
        ("GET", "/series/a/versions/{secret}"),
        ("GET", "/series/a/versions/1/data?format={secret}"),
        ("GET", "/jobs/{secret}"),
        ("GET", "/jobs?status={secret}"),
        ("GET", "/jobs?created_after={secret}"),
        ("GET", "/jobs/{succeeded}?wait={secret}"),
        ("GET", "/plot?series_id={secret}!"),
        ("GET", "/{secret}"),
        ("POST", "/predict/a?version={secret}"),
        ("POST", "/predict/a?explain={secret}"),
        ("POST", "/predict/a/batch?mode={secret}"),
    ],
)
def test_no_parameter_is_echoed(scene: Scene, method: str, path: str) -> None:
    secret = "s3cret" * 15
    answer = scene.api.request(method, path.format(secret=secret, succeeded=scene.succeeded), json=POINT)
    assert 400 <= answer.status_code < 500
    assert secret not in answer.text


@pytest.mark.parametrize("path", ["/fit/a", "/predict/{trained}", "/predict/{trained}/batch", "/predict"])
def test_no_body_is_echoed(scene: Scene, path: str) -> None:
    secret = "s3cret" * 50
    for body in ({secret: 1}, {"detector": secret}, {"timestamp": secret}, [secret], secret, {"points": [{secret: 1}]}):
        answer = scene.api.post(path.format(trained=scene.trained), json=body)
        has_problems = path == "/predict" and isinstance(body, dict) and "points" in body
        assert answer.status_code == (200 if has_problems else 422)
        assert secret not in answer.text


def test_missing_tables_do_not_expose_sql(settings: Settings, server_url: str) -> None:
    with new_database(server_url) as url, serving(settings.model_copy(update={"database_url": url})) as api:
        answer = api.get("/series")
        assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")
        assert "SELECT" not in answer.text
        assert api.post("/predict/a", json=POINT).status_code == 503


def test_a_refused_method_is_answered_with_the_allowed_ones(api: httpx.Client) -> None:
    for path, allowed in (("/series/a", "DELETE, GET"), ("/series/a/pin", "DELETE, PUT"), ("/predict/a", "POST")):
        refused = api.request("PATCH", path)
        assert (refused.status_code, refused.headers["Allow"]) == (405, allowed)


def test_every_code_of_the_service_has_an_exception_of_the_group_of_its_status() -> None:
    answered = {code for code in Code if "command" not in INTERNAL.get(code, "")}
    assert codes._classes.keys() == answered  # noqa: SLF001
    for code in answered:
        problem = errors.Problem(detail="", code=code, status=STATUS[code][0])
        error = codes.error_of(problem)
        assert isinstance(error, errors.group_of(problem.status))
        assert getattr(codes, type(error).__name__) is type(error)


def test_a_code_of_a_newer_release_raises_the_class_of_its_status() -> None:
    assert type(codes.error_of(errors.Problem("Too late.", "too_late", 409))) is errors.ConflictError
