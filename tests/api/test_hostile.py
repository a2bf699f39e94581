"""Each hostile request gets a small problem that reveals neither its input nor our internals."""

import httpx
import pytest

from tests.fuzz.hostile import ALL, LARGEST, Hostile


@pytest.mark.parametrize("hostile", ALL, ids=lambda hostile: hostile.name)
def test_a_hostile_request_gets_its_expected_problem(api: httpx.Client, hostile: Hostile) -> None:
    answer = hostile.send(api)
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (hostile.status, hostile.code)
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert (problem["status"], problem["request_id"]) == (hostile.status, answer.headers["X-Request-ID"])
    assert len(answer.content) < LARGEST
    assert "X-Injected" not in answer.headers
    for ours in ("Traceback", "site-packages", "SELECT", "/etc/passwd"):
        assert ours not in answer.text


def test_the_table_is_large_and_its_names_are_unique() -> None:
    assert len(ALL) >= 60
    assert len({hostile.name for hostile in ALL}) == len(ALL)
    assert max(len(hostile.content) for hostile in ALL) <= LARGEST


def test_hostile_requests_leave_the_service_unchanged(api: httpx.Client) -> None:
    assert api.get("/series/ticket-4711").status_code == 404
    assert api.get("/jobs?series_id=ticket-4711").json()["jobs"] == []
    assert api.get("/livez").status_code == 200
