"""Valid bodies with changed bytes: every refusal must be a problem, and none a server error."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from random import Random

import httpx

from tests.fuzz.report import Row
from tests.points import ramp

AT_A_TIME = 8
_POINT = {"timestamp": 1, "value": 1.5}
_TOKENS = (b"NaN", b"1e999", b"null", b"true", b'"', b"\\ud800", b"{", b"}", b"[", b"]", b"-", b"\xff", b"\0", b"\n")

SEEDS: dict[tuple[str, str], list[bytes]] = {
    ("POST", "/fit/{series}"): [
        json.dumps(ramp()).encode(),
        json.dumps(ramp(detector="seasonal", parameters={"threshold": 3, "exclude": [[1, 2]]})).encode(),
    ],
    ("POST", "/fit"): [b"\n".join(json.dumps(ramp(series_id=f"fuzz-{name}")).encode() for name in "ab")],
    ("POST", "/predict/{series}"): [json.dumps(_POINT | fields).encode() for fields in ({}, {"context": [1.0, 2.0]})],
    ("POST", "/predict/{series}/batch"): [b'{"timestamps":[1,2,3],"values":[1.0,2.5,-3e5]}'],
    ("POST", "/predict"): [json.dumps({"points": [_POINT | {"series_id": "fuzz"}] * 3}).encode()],
    ("PUT", "/series/{series}/pin"): [b'{"version": 1}'],
    ("POST", "/series/{series}/versions/1/fit"): [b'{"detector":"robust","parameters":{"threshold":3}}'],
}


def measure(api: httpx.Client, series_id: str, seed: int, bodies: int) -> Iterator[Row]:
    """Send this many bodies to every route that reads one, and collect wrong responses."""
    for (method, path), seeds in SEEDS.items():
        random = Random(f"{seed} {method} {path}")  # noqa: S311 - repeatable, not secret
        sent = [mutated(random, seeds) for _ in range(bodies)]
        send = sender(api, method, path.format(series=series_id))
        with ThreadPoolExecutor(AT_A_TIME) as pool:
            answers = list(zip(sent, pool.map(send, sent), strict=True))
        wrong = [f"{fault}: {body[:80]!r}" for body, answer in answers if (fault := fault_of(answer))]
        statuses = Counter(answer.status_code for _, answer in answers)
        yield Row(
            f"bytes: {method} {path}", bodies, wrong, ", ".join(f"{n} x {s}" for s, n in sorted(statuses.items()))
        )


def sender(api: httpx.Client, method: str, path: str) -> Callable[[bytes], httpx.Response]:
    return lambda body: api.request(method, path, content=body)


def fault_of(answer: httpx.Response) -> str:
    """The fault of a response; empty for a success or a valid problem."""
    if answer.status_code >= 500:
        return f"answered {answer.status_code}"
    if answer.is_success:
        return ""
    if answer.headers.get("Content-Type") != "application/problem+json":
        return f"{answer.status_code} without a problem body"
    problem = answer.json()
    complete = {"type", "title", "status", "detail", "code", "request_id", "errors"} == problem.keys()
    return "" if complete and problem["status"] == answer.status_code else "the problem body is incomplete"


def mutated(random: Random, seeds: list[bytes]) -> bytes:
    """A valid body after one to three changes."""
    body = bytearray(random.choice(seeds))
    for _ in range(random.randint(1, 3)):
        place = random.randrange(len(body) + 1)
        match random.randrange(6):
            case 0:
                body[place:place] = random.choice(_TOKENS)
            case 1:
                body[place : place + random.randint(1, 20)] = b""
            case 2:
                body[place : place + 1] = random.randbytes(1)
            case 3:
                body[place:place] = body[place : place + random.randint(1, 40)] * random.randint(1, 5)
            case 4:
                body[place : place + 3] = random.choice(_TOKENS)
            case _:
                body[place:place] = str(random.choice((-1, 2**31, 2**63, 2**64, 10**40, 1e308, 5e-324))).encode()
    return bytes(body)
