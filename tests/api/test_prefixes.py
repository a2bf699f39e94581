"""Behind a proxy that serves the API under a prefix, every URL of a response leads back to the prefix."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from api.main import create_app
from shared.errors import SetupError
from shared.settings import Settings
from tests.keys import Key
from tests.points import ramp
from tests.processes import make_settings, serving

PREFIX = "/tsad"
WAYS: dict[str, tuple[dict[str, Any], str, dict[str, str]]] = {  # settings, prefix in the path, headers of the proxy
    "a setting, and the proxy removes the prefix": ({"root_path": "/tsad"}, "", {}),
    "a setting, and the proxy leaves the prefix": ({"root_path": "/tsad/"}, "/tsad", {}),
    "a header, and the proxy removes the prefix": ({}, "", {"X-Forwarded-Prefix": "/tsad"}),
    "a header, and the proxy leaves the prefix": ({}, "/tsad", {"X-Forwarded-Prefix": "/tsad/"}),
    "a header that overrides the setting": ({"root_path": "/other"}, "", {"X-Forwarded-Prefix": "/tsad"}),
}


@pytest.fixture(scope="module", params=list(WAYS.values()), ids=list(WAYS))
def proxied(request: pytest.FixtureRequest, keyed_settings: Settings, root: Key) -> Iterator[httpx.Client]:
    """A client that sends what a proxy would send."""
    values, path, headers = request.param
    with serving(Settings(_env_file=None, **keyed_settings.model_dump() | values)) as client:
        client.base_url = client.base_url.copy_with(path=f"{path}/")
        client.headers.update({"X-Forwarded-For": "192.0.2.7", **headers})
        yield client


def test_pages_redirect_to_the_sign_in_page_and_back(proxied: httpx.Client, root: Key) -> None:
    redirect = proxied.get("/ui/jobs?status=queued", headers={"Accept": "text/html"})
    location = urlsplit(redirect.headers["Location"])
    assert (redirect.status_code, location.path) == (303, f"{PREFIX}/ui/login")
    form = {"key": root.token, "next": parse_qs(location.query)["next"][0]}
    answer = proxied.post("/ui/login", data=form)
    assert answer.headers["Location"] == f"{PREFIX}/ui/jobs?status=queued"
    assert "Path=/tsad;" in answer.headers["Set-Cookie"]
    proxied.cookies.clear()
    signed_out = proxied.post("/ui/logout")
    assert signed_out.headers["Location"] == f"{PREFIX}/ui/login"
    assert "Path=/tsad;" in signed_out.headers["Set-Cookie"]


def test_locations_and_links_have_the_prefix(proxied: httpx.Client, root: Key, series_id: str) -> None:
    accepted = proxied.post(f"/fit/{series_id}", json=ramp(), auth=root)
    job_id = accepted.json()["job_id"]
    assert accepted.headers["Location"] == f"{PREFIX}/jobs/{job_id}"
    bodies = [
        accepted.json(),
        proxied.get(f"/jobs/{job_id}", auth=root).json(),
        proxied.get(f"/series/{series_id}", auth=root).json()["last_job"],
        proxied.get(f"/jobs?series_id={series_id}", auth=root).json()["jobs"][0],
        proxied.post(f"/jobs/{job_id}/cancel", auth=root).json(),
        proxied.post(f"/jobs/{job_id}/retry", auth=root).json(),
    ]
    for body in bodies:
        assert all(link.startswith(f"{PREFIX}/") for link in body["links"].values()), body
    stream = proxied.get(f"/jobs/{job_id}/events", auth=root)
    assert f'"self":"{PREFIX}/jobs/{job_id}"' in stream.text


def test_the_openapi_document_names_the_prefix_as_server(proxied: httpx.Client, root: Key) -> None:
    assert proxied.get("/openapi.json", auth=root).json()["servers"] == [{"url": PREFIX}]


def test_errors_and_probes_are_found_below_the_prefix(proxied: httpx.Client, root: Key) -> None:
    assert proxied.get("/livez").status_code == 200
    assert proxied.get("/no/such/route", auth=root).json()["code"] == "route_not_found"
    page = proxied.get("/ui/series/nobody-knows", headers={"Accept": "text/html"}, auth=root)
    assert 'href="../../static/' in page.text


def test_the_prefix_without_a_slash_redirects_to_its_folder(keyed_settings: Settings, root: Key) -> None:
    with serving(keyed_settings.model_copy(update={"root_path": PREFIX})) as client:
        answer = client.get("/tsad?a=b")
    assert (answer.status_code, answer.headers["Location"]) == (308, "/tsad/?a=b")


@pytest.mark.parametrize(
    ("proxies", "headers"),
    [
        ("", ["/tsad"]),
        ("192.0.2.0/24", ["/tsad"]),
        ("127.0.0.1", ["//evil.example", "/\\evil.example", "https://evil.example", "/a/../b", "/a b", "/%2f", "tsad"]),
    ],
)
def test_a_prefix_counts_only_from_a_trusted_proxy_and_as_a_plain_path(
    keyed_settings: Settings, root: Key, proxies: str, headers: list[str]
) -> None:
    with serving(keyed_settings.model_copy(update={"trusted_proxies": proxies})) as client:
        for header in headers:
            answer = client.get("/", headers={"Accept": "text/html", "X-Forwarded-Prefix": header})
            assert answer.headers["Location"] == "/ui/login?next=%2F"


def test_a_prefix_like_one_of_our_paths_is_refused() -> None:
    settings = make_settings(database_url="postgresql://x/x", redis_url="redis://x", root_path="/jobs/tsad")
    with pytest.raises(SetupError, match="ROOT_PATH is /jobs/tsad"):
        create_app(settings)
