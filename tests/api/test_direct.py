"""The shortcut for the busiest routes changes only their speed."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from api.direct import Direct
from shared.settings import Settings
from tests.points import ramp
from tests.processes import serving

POINT = {"timestamp": 1, "value": 2.5}
REQUESTS: list[tuple[str, str, dict[str, Any]]] = [
    ("POST", "/predict/unknown", {"json": POINT}),
    ("POST", "/predict/unknown?version=3", {"json": POINT}),
    ("POST", "/predict/unknown?version=x", {"json": POINT}),
    ("POST", "/predict/no%2Fid", {"json": POINT}),
    ("POST", "/predict/a b", {"json": POINT}),
    ("POST", "/predict/%20unknown%20", {"json": POINT}),
    ("POST", "/predict/unknown/", {"json": POINT}),
    ("POST", "/predict/unknown", {"content": b'{"timestamp": NaN}'}),
    ("POST", "/predict/unknown", {"content": b""}),
    ("POST", "/predict/unknown/batch", {"json": ramp()}),
    ("POST", "/predict", {"json": {"points": [{"series_id": "unknown", **POINT}]}}),
    ("POST", "/predict", {"content": b"[]"}),
    ("GET", "/predict/unknown", {}),
    ("HEAD", "/predict/unknown", {}),
    ("OPTIONS", "/fit/unknown", {}),
    ("POST", "/fit/a", {"json": {"timestamps": [1], "values": [1]}}),
    ("POST", "/fit/a", {"json": ramp(), "headers": {"Idempotency-Key": "with and without"}}),
    ("POST", "/fit/a", {"json": ramp(), "headers": {"Idempotency-Key": "x" * 256}}),
    ("POST", "/fit/", {"json": ramp()}),
    ("POST", "/fit/a/b", {"json": ramp()}),
]


def remove_direct(app: FastAPI) -> None:
    assert Direct.__name__ in repr(app.user_middleware.pop())


@pytest.fixture(scope="module")
def without_direct(settings: Settings) -> Iterator[httpx.Client]:
    with serving(settings, change=remove_direct) as client:
        yield client


def comparable(answer: httpx.Response) -> dict[str, Any]:
    """The parts of a response that do not vary between requests."""
    varying = ("date", "x-request-id", "location", "content-length")
    body = answer.json() if answer.content else {}
    problems = [body, *(problem.get("problem", {}) for problem in body.get("results", []))]
    for name in ("request_id", "job_id", "links"):
        for problem in problems:
            problem.pop(name, None)
    headers = {name: value for name, value in answer.headers.items() if name not in varying}
    return {"status": answer.status_code, "headers": headers, "body": body}


@pytest.mark.parametrize(("method", "path", "content"), REQUESTS)
def test_responses_are_the_same_without_the_shortcut(
    api: httpx.Client, without_direct: httpx.Client, method: str, path: str, content: dict[str, Any]
) -> None:
    assert comparable(api.request(method, path, **content)) == comparable(
        without_direct.request(method, path, **content)
    )
