"""What is sent again, and how long an operation waits: the steps of one call, without a network."""

import pickle
from typing import Any

import httpx
import msgspec
import pytest

from tsad_client import Patience, UnreachableError, codes
from tsad_client.errors import TsadError, UnexpectedResponseError
from tsad_client.sending import Call, Outcome, Pause, fetch

GET = Call("GET", "/detectors")
CANCEL = Call("POST", "/refit", repeatable=False)
REFUSED, BROKEN = httpx.ConnectError("refused"), httpx.ReadError("")


def problem(status: int, code: str, **headers: str) -> httpx.Response:
    content = msgspec.json.encode({"detail": "No.", "code": code, "status": status})
    return httpx.Response(
        status, content=content, headers={name.replace("_", "-"): text for name, text in headers.items()}
    )


def outcome_of(call: Call, outcomes: list[Any], patience: Patience | None = None) -> tuple[Any, list[float]]:
    """What `fetch` returns or raises when a call has these outcomes one after another, and its pauses in seconds."""
    steps, pauses = fetch(call, patience or Patience()), []
    remaining = iter(outcomes)
    outcome: Outcome = None
    try:
        step = steps.send(None)
        while True:
            if isinstance(step, Pause):
                pauses.append(step.seconds)
                outcome = None
            else:
                outcome = next(remaining)
            step = steps.send(outcome)
    except StopIteration as stop:
        return stop.value, pauses
    except TsadError as error:
        return error, pauses


@pytest.mark.parametrize(
    ("call", "first", "again"),
    [
        (GET, problem(503, "overloaded"), True),
        (GET, problem(429, "rate_limited"), True),
        (GET, problem(503, "outcome_unknown"), True),
        (GET, problem(503, "a_code_of_a_newer_release"), True),
        (GET, httpx.Response(502, text="<html>Bad gateway"), True),
        (GET, REFUSED, True),
        (GET, BROKEN, True),
        (GET, problem(404, "series_not_found"), False),
        (GET, problem(500, "internal_error"), False),
        (GET, httpx.Response(404, text="nginx"), False),
        (CANCEL, problem(429, "queue_full"), True),
        (CANCEL, problem(503, "database_unavailable"), True),
        (CANCEL, problem(503, "outcome_unknown"), False),
        (CANCEL, REFUSED, True),
        (CANCEL, BROKEN, False),
        (CANCEL, httpx.Response(502, text="<html>Bad gateway"), False),
    ],
)
def test_a_call_is_sent_again_only_if_that_may_help_and_does_nothing_twice(
    call: Call,
    first: httpx.Response | httpx.HTTPError,
    again: bool,  # noqa: FBT001 - of a table
) -> None:
    result, pauses = outcome_of(call, [first, httpx.Response(200, content=b"done")])
    assert (result == b"done", len(pauses)) == (again, int(again))


def test_the_client_waits_as_long_as_the_service_asks_and_gives_up_before_its_patience_ends() -> None:
    busy = problem(429, "queue_full", Retry_After="7")
    result, pauses = outcome_of(GET, [busy] * 9, Patience(busy_s=20))
    assert isinstance(result, codes.QueueFullError)
    assert result.retry_after_s == 7
    assert len(pauses) == 2
    assert all(7 <= pause <= 7.5 for pause in pauses)
    date = problem(503, "overloaded", Retry_After="Wed, 21 Oct 2015 07:28:00 GMT")
    assert outcome_of(GET, [date, httpx.Response(204)])[0] == b""


def test_pauses_grow_while_the_service_cannot_be_reached_and_end_sooner_than_those_of_a_busy_one() -> None:
    result, pauses = outcome_of(GET, [REFUSED] * 99)
    assert isinstance(result, UnreachableError)
    assert str(result).startswith("GET /detectors got no response: refused.")
    assert sum(pauses) <= 10
    assert pauses[0] < pauses[2] < pauses[3]


@pytest.mark.parametrize(
    ("response", "message"),
    [
        (httpx.Response(404, text="<h1>nginx</h1>"), "status 404, but not from tsad: '<h1>nginx</h1>'. Check the URL"),
        (httpx.Response(500, content=b"\xff\xfe"), "status 500, but not from tsad"),
        (httpx.Response(400, json={"detail": [1]}), "status 400, but not from tsad"),
    ],
)
def test_a_response_of_something_else_is_shown(response: httpx.Response, message: str) -> None:
    result, _ = outcome_of(GET, [response])
    assert isinstance(result, UnexpectedResponseError)
    assert message in str(result)


def test_an_error_has_the_flaws_and_survives_a_process_pool() -> None:
    body = {
        "detail": "Two flaws.",
        "code": "not_finite",
        "status": 422,
        "request_id": "r",
        "errors": [{"loc": ["values", 3], "msg": "is NaN"}],
    }
    error, _ = outcome_of(GET, [httpx.Response(422, json=body)])
    assert str(error) == "Two flaws. values.3: is NaN (not_finite)"
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    assert (type(copy), copy.problem, copy.errors[0].loc) == (codes.NotFiniteError, error.problem, ["values", 3])
    unreachable = pickle.loads(pickle.dumps(UnreachableError("gone", maybe_done=False)))  # noqa: S301
    assert (str(unreachable), unreachable.maybe_done) == ("gone", False)


def test_names_are_quoted_in_paths_and_booleans_are_lower_case() -> None:
    call = Call("GET", "/series/{series_id}", {"series_id": "../a?b"}, {"total": True, "cursor": None})
    assert (call.url, call.parameters) == ("/series/..%2Fa%3Fb", {"total": "true"})
