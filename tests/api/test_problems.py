"""Every error a client can get, each provoked by a request."""

import httpx
import pytest

from api.problems import MEDIA_TYPE, STATUS, problem
from shared.errors import MAX_FLAWS, Code, Flaw, InputError
from shared.settings import Settings
from shared.store.engine import Sessions
from tests.api.provoking import conflicts, limits, outages, single
from tests.api.provoking.scene import POINT, Scene
from tests.processes import new_database, serving
from tsad_client import codes, errors
from worker.training import Training, run

REQUESTS = single.REQUESTS | conflicts.REQUESTS | limits.REQUESTS | outages.REQUESTS
# Codes that no request above provokes, and why.
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


@pytest.fixture(scope="module")
def scene(api: httpx.Client, settings: Settings, sessions: Sessions, training: Training) -> Scene:
    scene = Scene(api, settings, sessions, training, "trained-for-problems", "")
    job_ids = [scene.fit(scene.trained) for _ in range(2)]
    for job_id in job_ids:
        run(training, job_id)
    assert api.put(f"/series/{scene.trained}/pin", json={"version": 1}).is_success
    return Scene(api, settings, sessions, training, scene.trained, job_ids[1])


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
    with scene.serving(max_bulk_lines=1) as api:
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
