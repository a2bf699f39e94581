"""Sign-in to the pages: a key is exchanged for a cookie that other sites cannot use."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from api.chain.authentication import CSRF_HEADER
from api.routes import login
from shared.domain.access import digest, new_token
from shared.settings import Settings
from shared.store import keys
from shared.store.engine import Sessions
from tests.keys import Key, MakeKey
from tests.points import ramp
from tests.processes import serving
from tests.waiting import until

PAGE = {"Accept": "text/html,*/*"}


def sign_in(api: httpx.Client, key: Key, **form: str) -> httpx.Response:
    return api.post("/ui/login", data={"key": key.token, **form})


@pytest.fixture
def browser(keyed: httpx.Client) -> Iterator[httpx.Client]:
    """A client with its own cookie jar."""
    with httpx.Client(base_url=keyed.base_url, timeout=30, trust_env=False) as client:
        yield client


def test_a_page_without_a_key_redirects_to_sign_in_and_back(browser: httpx.Client, root: Key) -> None:
    refused = browser.get("/ui/jobs?status=failed", headers=PAGE)
    assert (refused.status_code, refused.headers["Location"]) == (303, "/ui/login?next=%2Fui%2Fjobs%3Fstatus%3Dfailed")
    form = browser.get(refused.headers["Location"], headers=PAGE)
    assert form.status_code == 200
    assert 'value="/ui/jobs?status=failed"' in form.text
    signed_in = sign_in(browser, root, next="/ui/jobs?status=failed")
    assert (signed_in.status_code, signed_in.headers["Location"]) == (303, "/ui/jobs?status=failed")
    assert browser.get("/ui/jobs", headers=PAGE).status_code == 200
    assert "Sign out" in browser.get("/", headers=PAGE).text


def test_the_cookie_is_hidden_from_scripts_and_other_sites_and_is_not_the_key(
    browser: httpx.Client, root: Key, keyed_sessions: Sessions
) -> None:
    cookie = sign_in(browser, root).headers["Set-Cookie"]
    for part in ("HttpOnly", "SameSite=strict", "Path=/", f"Max-Age={12 * 3600}"):
        assert part in cookie
    assert "Secure" not in cookie  # this connection has no TLS
    assert root.token not in cookie
    value = browser.cookies["tsad_session"]
    with keyed_sessions.begin() as session:
        assert value not in str(keys.read(session, [digest(value)]))
    assert browser.get("/series", auth=Key("", new_token())).status_code == 401


def test_behind_tls_the_cookie_is_sent_only_over_tls(keyed_settings: Settings, root: Key) -> None:
    with serving(keyed_settings.model_copy(update={"behind_tls": True})) as api:
        assert "Secure" in sign_in(api, root).headers["Set-Cookie"]


@pytest.mark.parametrize("key", ["", "x", "tsad_" + "x" * 43, "ü" * 40, "x" * 9000])
def test_an_invalid_key_is_reported_and_sets_no_cookie(browser: httpx.Client, key: str) -> None:
    answer = browser.post("/ui/login", data={"key": key})
    assert answer.status_code == 401
    assert "The API key is invalid, expired or revoked." in answer.text
    assert "Set-Cookie" not in answer.headers


def test_a_large_form_is_refused(browser: httpx.Client) -> None:
    assert browser.post("/ui/login", data={"key": "x" * 20_000}).json()["code"] == "body_too_large"


@pytest.mark.parametrize("place", ["https://evil.example/", "//evil.example", "/\\evil.example", "evil", "/\tx", ""])
def test_sign_in_never_redirects_to_another_site(browser: httpx.Client, root: Key, place: str) -> None:
    assert sign_in(browser, root, next=place).headers["Location"] == "/"


def test_changes_with_a_cookie_require_the_header_of_our_pages(
    browser: httpx.Client, root: Key, series_id: str
) -> None:
    sign_in(browser, root)
    assert browser.get("/series").status_code == 200
    refused = browser.post(f"/fit/{series_id}", json=ramp())
    assert (refused.status_code, refused.json()["code"]) == (403, "foreign_origin")
    assert browser.post(f"/fit/{series_id}", json=ramp(), headers={CSRF_HEADER: "tsad"}).status_code == 202


def test_signing_out_invalidates_copies_of_the_cookie(browser: httpx.Client, root: Key) -> None:
    sign_in(browser, root)
    old_cookie = {"Cookie": f"tsad_session={browser.cookies['tsad_session']}"}
    with browser.stream("GET", "/jobs/events") as jobs, browser.stream("GET", "/alerts/events") as alerts:
        assert browser.post("/ui/logout").status_code == 303
        for stream in (jobs, alerts):
            for _ in stream.iter_lines():  # until the stream ends
                pass
    assert "tsad_session" not in browser.cookies
    until(lambda: browser.get("/series", headers=old_cookie).status_code == 401, 5)


def test_a_session_works_only_as_a_cookie(browser: httpx.Client, keyed: httpx.Client, root: Key) -> None:
    sign_in(browser, root)
    value = browser.cookies["tsad_session"]
    assert browser.get("/series").status_code == 200
    for headers in ({"Authorization": f"Bearer {value}"}, {"X-API-Key": value}):
        assert keyed.get("/series", headers=headers).status_code == 401
    renewed = keyed.post("/ui/login", data={"key": value})
    assert (renewed.status_code, "Set-Cookie" in renewed.headers) == (401, False)


def test_a_key_does_not_work_as_a_cookie(keyed: httpx.Client, root: Key) -> None:
    assert keyed.get("/series", headers={"Cookie": f"tsad_session={root.token}"}).status_code == 401


def test_the_21st_session_of_a_key_ends_its_oldest(
    browser: httpx.Client, keyed: httpx.Client, make_key: MakeKey, keyed_sessions: Sessions
) -> None:
    crowded, other = make_key("read"), make_key("read")
    sign_in(browser, other)
    cookies = []
    for _ in range(21):
        sign_in(keyed, crowded)
        cookies.append({"Cookie": f"tsad_session={keyed.cookies['tsad_session']}"})
        keyed.cookies.clear()
    with keyed_sessions.begin() as session:
        count = session.scalar(text("SELECT count(*) FROM browser_sessions WHERE key_id = :id"), {"id": crowded.key_id})
    assert count == 20
    statuses = [keyed.get("/series", headers=cookie).status_code for cookie in cookies]
    assert statuses == [401] + [200] * 20
    assert browser.get("/series").status_code == 200


def test_a_process_reads_only_sessions_that_are_presented_to_it(
    browser: httpx.Client, root: Key, keyed_sessions: Sessions
) -> None:
    sign_in(browser, root)
    presented = digest(browser.cookies["tsad_session"])
    with keyed_sessions.begin() as session:
        assert keys.read(session).browsers == []
        assert [credential.digest for credential in keys.read(session, [presented]).browsers] == [presented]


@pytest.mark.parametrize(
    "before", ['a="', "\\", "a=b c; d", "; ;=;", '\\"' * 20_000, "tsad_session_=x; xtsad_session=y"]
)
def test_the_cookie_is_found_after_other_or_malformed_cookies(browser: httpx.Client, root: Key, before: str) -> None:
    sign_in(browser, root)
    cookie = f"{before}; tsad_session={browser.cookies['tsad_session']}; z=1"
    browser.cookies.clear()
    assert browser.get("/series", headers={"Cookie": cookie}).status_code == 200


def test_a_session_ends_with_its_key(browser: httpx.Client, make_key: MakeKey, keyed_sessions: Sessions) -> None:
    key = make_key("read")
    sign_in(browser, key)
    assert browser.get("/series").status_code == 200
    with keyed_sessions.begin() as session:
        keys.revoke(session, key.key_id)
    until(lambda: browser.get("/series").status_code == 401, 5)


def test_a_session_expires(browser: httpx.Client, root: Key, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(login, "SESSION_LIFETIME", login.SESSION_LIFETIME / 43_200)  # a second
    sign_in(browser, root)
    old_cookie = {"Cookie": f"tsad_session={browser.cookies.get('tsad_session') or ''}"}
    until(lambda: browser.get("/series", headers=old_cookie).status_code == 401, 5)


def test_a_session_has_the_scopes_and_series_of_its_key(browser: httpx.Client, make_key: MakeKey) -> None:
    sign_in(browser, make_key("read", prefix="nothing."))
    assert browser.get("/series").json()["series"] == []
    assert browser.delete("/series/a", headers={CSRF_HEADER: "tsad"}).status_code == 403


FOREIGN: list[dict[str, Any]] = [
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://127.0.0.1:1"},
    {"Origin": "http://["},
    {"Sec-Fetch-Site": "cross-site"},
    {"Origin": "https://evil.example", "Sec-Fetch-Site": "same-origin"},
]


@pytest.mark.parametrize("headers", FOREIGN)
def test_other_sites_cannot_change_anything_with_or_without_keys(
    api: httpx.Client, keyed: httpx.Client, root: Key, series_id: str, headers: dict[str, str]
) -> None:
    for client, auth in ((api, httpx.Auth()), (keyed, root)):
        for path in (f"/fit/{series_id}", "/ui/login", "/ui/logout"):
            answer = client.post(path, json=ramp(), headers=headers, auth=auth)
            assert (answer.status_code, answer.json()["code"]) == (403, "foreign_origin")
        assert client.get("/series", headers=headers, auth=auth).status_code == 200


def test_our_pages_and_allowed_sites_can_change_things(settings: Settings, series_id: str) -> None:
    allowed_origin = "https://grafana.example:3000"
    with serving(settings.model_copy(update={"cors_origins": allowed_origin})) as api:
        for origin in (allowed_origin, str(api.base_url)):
            answer = api.post(
                f"/fit/{series_id}", json=ramp(), headers={"Origin": origin, "Sec-Fetch-Site": "same-site"}
            )
            assert answer.status_code == 202
        preflight = {"Origin": allowed_origin, "Access-Control-Request-Method": "POST"}
        allowed = api.options(f"/fit/{series_id}", headers=preflight)
        assert allowed.headers["Access-Control-Allow-Origin"] == allowed_origin
        assert "Access-Control-Allow-Credentials" not in allowed.headers
        preflight["Origin"] = "https://evil.example"
        assert "Access-Control-Allow-Origin" not in api.options(f"/fit/{series_id}", headers=preflight).headers


def test_no_site_is_allowed_by_default(api: httpx.Client) -> None:
    answer = api.get("/series", headers={"Origin": "https://grafana.example"})
    assert not [name for name in answer.headers if name.startswith("access-control")]
