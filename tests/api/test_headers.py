"""Security headers of every response."""

import re
from collections.abc import Iterator

import httpx
import pytest
from fastapi import FastAPI

from api.chain.headers import DEFAULTS
from shared.embedded.ports import free_port
from shared.settings import Settings
from tests.processes import serving
from tests.wire import wired

ROUTES = [
    ("GET", "/livez", 200),
    ("GET", "/readyz", 200),
    ("GET", "/series", 200),
    ("GET", "/openapi.json", 200),
    ("GET", "/nothing", 404),
    ("PUT", "/livez", 405),
    ("POST", "/predict/never-fitted", 422),
    ("POST", "/fit/a", 422),
    ("GET", "/jobs/7", 404),
]


@pytest.mark.parametrize(("method", "path", "status"), ROUTES)
def test_every_response_including_errors_has_security_headers(
    api: httpx.Client, method: str, path: str, status: int
) -> None:
    answer = api.request(method, path)
    assert answer.status_code == status
    assert {name: answer.headers.get(name) for name in DEFAULTS} == DEFAULTS
    assert "server" not in answer.headers
    assert "strict-transport-security" not in answer.headers


def test_refusals_by_middleware_have_security_headers(api: httpx.Client, keyed: httpx.Client) -> None:
    for answer in (
        keyed.get("/series"),
        api.post("/fit/a", headers={"Origin": "https://evil.example"}),
        api.post("/fit/a", content=b"", headers={"Content-Encoding": "br"}),
    ):
        assert answer.status_code >= 400
        assert {name: answer.headers.get(name) for name in DEFAULTS} == DEFAULTS


def test_responses_to_unexpected_errors_have_security_headers(settings: Settings) -> None:
    with serving(settings, change=with_a_defect) as api:
        answer = api.get("/broken")
        assert answer.status_code == 500
        assert {name: answer.headers.get(name) for name in DEFAULTS} == DEFAULTS


@pytest.mark.parametrize("path", ["/", "/ui/jobs", "/ui/login", "/docs"])
def test_a_page_runs_only_scripts_with_its_nonce_and_cannot_be_framed(api: httpx.Client, path: str) -> None:
    answers = [api.get(path) for _ in range(2)]
    policies = [answer.headers["Content-Security-Policy"] for answer in answers]
    assert policies[0] != policies[1]
    for part in ("default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'"):
        assert part in policies[0]
    assert "unsafe" not in policies[0]
    (nonce,) = set(re.findall(r"script-src 'nonce-([^']+)'", policies[0]))
    tags = re.findall(r"<script\b[^>]*>", answers[0].text)
    assert tags
    assert all(f'nonce="{nonce}"' in tag for tag in tags)


def test_hsts_is_sent_behind_tls(settings: Settings) -> None:
    with serving(settings.model_copy(update={"behind_tls": True})) as api:
        for path in ("/livez", "/nothing"):
            assert api.get(path).headers["Strict-Transport-Security"].startswith("max-age=31536000")


def test_a_file_with_a_fingerprint_in_its_url_may_be_cached(api: httpx.Client) -> None:
    (style,) = re.findall(r'href="\./(static/[^"]+\.css)"', api.get("/").text)
    assert "immutable" in api.get(f"/{style}").headers["Cache-Control"]


@pytest.fixture(scope="module")
def with_allowed_hosts(settings: Settings) -> Iterator[httpx.Client]:
    unreachable = f"postgresql://x@127.0.0.1:{free_port()}/x"
    values = {"allowed_hosts": "tsad.example, 10.0.0.7", "auth": "off", "database_url": unreachable}
    with serving(settings.model_copy(update=values)) as client:
        yield client


@pytest.mark.parametrize("host", ["tsad.example", "TSAD.example:8000", "10.0.0.7:80"])
def test_allowed_hosts_are_served(with_allowed_hosts: httpx.Client, host: str) -> None:
    assert with_allowed_hosts.get("/detectors", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "tsad.example.evil.example", "", "tsad.example@evil.example"])
def test_other_hosts_are_refused_except_for_probes(with_allowed_hosts: httpx.Client, host: str) -> None:
    answer = with_allowed_hosts.get("/detectors", headers={"Host": host})
    assert (answer.status_code, answer.json()["code"]) == (421, "unknown_host")
    assert with_allowed_hosts.get("/livez", headers={"Host": host}).status_code == 200


def test_two_host_headers_are_refused(with_allowed_hosts: httpx.Client) -> None:
    with wired(with_allowed_hosts) as wire:
        wire.send(b"GET /detectors HTTP/1.1\r\nHost: tsad.example\r\nHost: evil.example\r\n\r\n")
        assert wire.reply("GET").status in (400, 421)


def with_a_defect(app: FastAPI) -> None:
    @app.get("/broken")
    async def broken() -> None:
        raise RuntimeError
