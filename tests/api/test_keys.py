"""API keys: required scopes, visible series, and expiry."""

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import psycopg2
import pytest
from fastapi.routing import APIRoute

from api.chain import keyring
from api.openapi import scope_of
from shared.domain.access import Scope, digest, new_token
from shared.settings import Settings
from shared.store import keys
from shared.store.engine import Sessions, make_engine
from tests.keys import Key, MakeKey
from tests.points import ramp
from tests.processes import migrated_database, serving
from tests.routing import all_routes
from tests.waiting import until

PUBLIC = {"/livez", "/readyz", "/ui/login"}
# outside the OpenAPI document; they need no particular scope
HIDDEN = {"/docs", "/ui/samples/{name}", "/ui/logout", "/static/{fingerprint}/{name}", "/openapi.json"}


def routes() -> list[tuple[str, str, Scope]]:
    """Method, path and scope of every route that declares one."""
    declared = [route for route in all_routes() if isinstance(route, APIRoute)]
    return [(min(route.methods or ()), route.path, scope) for route in declared if (scope := scope_of(route))]


def test_every_route_declares_a_scope_or_is_public() -> None:
    declared = {path for _, path, _ in routes()}
    assert len(routes()) > 20
    assert {str(getattr(route, "path", route)) for route in all_routes()} - declared == PUBLIC | HIDDEN
    assert not declared & PUBLIC


def send(api: httpx.Client, method: str, path: str, **arguments: Any) -> httpx.Response:
    filled_path = re.sub(r"{job_id}", "00000000-0000-0000-0000-000000000000", path)
    filled_path = re.sub(r"{version}", "1", re.sub(r"{series_id}", "unknown-series", filled_path))
    return api.request(method, filled_path, params={"series_id": "unknown-series"}, **arguments)


@pytest.mark.parametrize(("method", "path", "scope"), routes())
def test_every_route_refuses_a_missing_key_or_a_key_without_its_scope(
    keyed: httpx.Client, make_key: MakeKey, method: str, path: str, scope: Scope
) -> None:
    answer = send(keyed, method, path)
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    other_key = make_key(*(other for other in Scope if other is not scope))
    answer = send(keyed, method, path, auth=other_key)
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert scope.value in answer.json()["detail"]


def test_a_request_without_a_key_is_refused_before_its_body_is_read(keyed: httpx.Client) -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(100_000):
            yield b" " * 65_536

    with suppress(
        httpx.WriteError
    ):  # the server responded and closed the connection while the client was still sending
        assert keyed.post("/fit/a", content=endless()).status_code == 401


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer " + new_token()},
        {"Authorization": "Basic " + new_token()},
        {"X-API-Key": "x"},
        {"X-API-Key": "\xff" * 50},
        {"Cookie": "tsad_session=" + new_token()},
        {"Cookie": 'tsad_session="; a==;;'},
        {"Authorization": "Bearer " + "x" * 8000},
    ],
)
def test_an_invalid_key_is_refused(keyed: httpx.Client, headers: dict[str, str]) -> None:
    encoded = {name.encode(): value.encode("latin-1") for name, value in headers.items()}
    answer = keyed.get("/series", headers=encoded)
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")


def test_a_key_can_be_sent_in_either_of_two_headers(keyed: httpx.Client, root: Key) -> None:
    for headers in ({"Authorization": f"Bearer {root.token}"}, {"authorization": f"bearer {root.token}"}):
        assert keyed.get("/series", headers=headers).status_code == 200
    assert keyed.get("/series", headers={"X-API-Key": root.token}).status_code == 200


def test_a_new_key_works_at_once(keyed: httpx.Client, make_key: MakeKey) -> None:
    assert keyed.get("/series", auth=make_key("read")).status_code == 200


def test_a_key_that_only_begins_like_a_valid_one_is_refused(keyed: httpx.Client, root: Key) -> None:
    assert keyed.get("/series", auth=Key("", root.token + "x")).status_code == 401
    assert keyed.get("/series", auth=Key("", root.token[:-1])).status_code == 401


def test_a_revoked_key_stops_working_on_every_process(
    keyed: httpx.Client, keyed_settings: Settings, keyed_sessions: Sessions, make_key: MakeKey
) -> None:
    key = make_key("read")
    with serving(keyed_settings) as other:
        for api in (keyed, other):
            assert api.get("/series", auth=key).status_code == 200
        with keyed_sessions.begin() as session:
            assert keys.revoke(session, key.key_id)
        until(lambda: {api.get("/series", auth=key).status_code for api in (keyed, other)} == {401}, 5)


def test_an_expired_key_stops_working(keyed: httpx.Client, make_key: MakeKey) -> None:
    key = make_key("read", expires_at=datetime.now(UTC) + timedelta(seconds=1))
    until(lambda: keyed.get("/series", auth=key).status_code == 401, 5)
    assert keyed.get("/series", auth=make_key("read", expires_at=datetime.now(UTC))).status_code == 401


def test_a_rotated_key_is_the_same_key_with_another_token(
    keyed: httpx.Client, keyed_sessions: Sessions, make_key: MakeKey, series_id: str
) -> None:
    key, headers = make_key(), {"Idempotency-Key": "monday"}
    first = keyed.post(f"/fit/{series_id}", json=ramp(), headers=headers, auth=key).json()["job_id"]
    rotated = Key(key.key_id, new_token())
    with keyed_sessions.begin() as session:
        assert keys.rotate(session, key.key_id, digest(rotated.token), timedelta(hours=1))
    for valid_key in (rotated, key):  # the old token stays valid for an hour
        repeated = keyed.post(f"/fit/{series_id}", json=ramp(), headers=headers, auth=valid_key)
        assert repeated.json()["job_id"] == first
    last = new_token()
    with keyed_sessions.begin() as session:
        keys.rotate(session, key.key_id, digest(last), timedelta())
    assert keyed.get("/series", auth=Key("", last)).status_code == 200
    until(lambda: keyed.get("/series", auth=rotated).status_code == 401, 5)


def test_the_first_key_permanently_ends_access_without_a_key(settings: Settings, server_url: str) -> None:
    with migrated_database(server_url) as url:
        sessions = Sessions(make_engine(settings.model_copy(update={"database_url": url}), "tsad-tests"))
        with serving(settings.model_copy(update={"database_url": url})) as api:
            assert api.get("/series").status_code == 200
            with sessions.begin() as session:
                keys.create(session, "only", "only", [Scope.READ], "", digest(new_token()), None)
            until(lambda: api.get("/series").status_code == 401, 5)
            with sessions.begin() as session:
                assert keys.revoke(session, "only")
                assert not keys.revoke(session, "only")
        with serving(settings.model_copy(update={"database_url": url})) as api:
            assert api.get("/series").status_code == 401
        with serving(settings.model_copy(update={"database_url": url, "auth": "off"})) as api:
            assert api.get("/series", headers={"Host": "elsewhere", "Forwarded": "for=1.2.3.4"}).status_code == 200
        sessions.engine.dispose()
        with psycopg2.connect(url) as connection:
            for statement in (
                "DELETE FROM api_keys",
                "TRUNCATE api_keys CASCADE",
                "UPDATE api_keys SET revoked_at = NULL",
            ):
                with pytest.raises(psycopg2.Error, match="revoked"), connection.cursor() as cursor:
                    cursor.execute(statement)
                connection.rollback()
        connection.close()


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "tsad.example"},
        {"Host": "localhost.example:8000"},
        {"Host": "127.0.0.1.example"},
        {"Host": ""},
        {"Forwarded": "for=127.0.0.1"},
        {"X-Forwarded-For": "127.0.0.1"},
        {"X-Forwarded-Proto": "https"},
        {"X-Forwarded-Host": "localhost"},
        {"X-Real-IP": "127.0.0.1"},
        {"Via": "1.1 proxy"},
    ],
)
def test_without_keys_only_requests_from_this_machine_are_served(api: httpx.Client, headers: dict[str, str]) -> None:
    assert api.get("/series", headers=headers).status_code == 401
    assert api.get("/readyz", headers=headers).json().keys() == {"status"}
    for name in ("localhost", "LOCALHOST:1", "127.0.0.1:8000", "[::1]:8000", "[::1]"):
        assert api.get("/series", headers={"Host": name}).status_code == 200


def test_readiness_shows_details_only_with_a_key(keyed: httpx.Client, root: Key) -> None:
    assert keyed.get("/readyz").json().keys() == {"status"}
    assert keyed.get("/readyz", auth=root).json()["checks"]["database"] == "ok"
    assert keyed.get("/livez").json() == {"status": "alive"}


def test_idempotency_keys_are_separate_for_each_api_key(keyed: httpx.Client, make_key: MakeKey, series_id: str) -> None:
    jobs = {
        keyed.post(f"/fit/{series_id}", json=ramp(), headers={"Idempotency-Key": "monday"}, auth=key).json()["job_id"]
        for key in (make_key(), make_key())
    }
    assert len(jobs) == 2


def test_known_keys_stay_valid_for_a_while_without_the_database(
    keyed_settings: Settings, root: Key, server_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = keyed_settings.database_url.rsplit("/", 1)[1]
    admin = psycopg2.connect(re.sub(r"\+psycopg2", "", server_url))
    admin.autocommit = True

    def allow(*, connections: bool) -> None:
        with admin.cursor() as cursor:
            cursor.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS {connections}")
            if not connections:
                cursor.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))

    with serving(keyed_settings) as api:
        assert api.get("/detectors", auth=root).status_code == 200
        try:
            allow(connections=False)
            assert api.get("/detectors", auth=root).status_code == 200
            unknown = api.get("/detectors", auth=Key("", new_token()))
            assert unknown.status_code == 401
            monkeypatch.setattr(keyring, "TRUSTED_S", 0)
            refused = api.get("/detectors", auth=root)
            assert (refused.status_code, refused.json()["code"]) == (503, "database_unavailable")
        finally:
            allow(connections=True)
            admin.close()
        monkeypatch.undo()
        until(lambda: api.get("/detectors", auth=root).status_code == 200)


def test_long_running_requests_end_when_their_key_becomes_invalid(
    keyed: httpx.Client, keyed_sessions: Sessions, make_key: MakeKey, series_id: str
) -> None:
    key = make_key()

    def lines() -> Iterator[bytes]:
        line = json.dumps({"series_id": series_id, **ramp()}).encode() + b"\n"
        yield line
        with keyed_sessions.begin() as session:
            keys.revoke(session, key.key_id)
        until(lambda: keyed.get("/series", auth=key).status_code == 401, 5)
        yield line

    with keyed.stream("GET", "/jobs/events", auth=key) as stream:
        first, second = [json.loads(line) for line in keyed.post("/fit", content=lines(), auth=key).text.splitlines()]
        assert first["status"] == "queued"
        assert second["problem"]["code"] == "unauthenticated"
        for _ in stream.iter_lines():  # until the stream ends
            pass
