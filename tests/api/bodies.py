"""A small body limit, a body within it, and refusals of larger ones."""

import json

import httpx

from tests.points import ramp
from tests.wire import Reply

MAX_BODY_BYTES = 256 * 1024
MAX_IN_FLIGHT_BYTES = 512 * 1024
FIT = json.dumps(ramp()).encode()


def refusal(reply: Reply) -> tuple[int, str]:
    assert reply.headers["Content-Type"] == "application/problem+json"
    return reply.status, reply.problem["code"]


def gzipped(api: httpx.Client, body: bytes, series_id: str) -> httpx.Response:
    return api.post(f"/fit/{series_id}", content=body, headers={"Content-Encoding": "gzip"})
