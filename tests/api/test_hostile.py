"""Each hostile request has its one answer: a problem, small, that says nothing of what was sent or of ourselves."""

import httpx
import pytest

from tests.fuzz.hostile import ALL, LARGEST, Hostile


@pytest.mark.parametrize("hostile", ALL, ids=lambda hostile: hostile.name)
def test_a_hostile_request_gets_the_answer_it_deserves(api: httpx.Client, hostile: Hostile) -> None:
    answer = hostile.send(api)
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (hostile.status, hostile.code)
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert (problem["status"], problem["request_id"]) == (hostile.status, answer.headers["X-Request-ID"])
    assert len(answer.content) < LARGEST
    assert "X-Injected" not in answer.headers
    for ours in ("Traceback", "site-packages", "SELECT", "/etc/passwd"):
        assert ours not in answer.text


def test_the_table_is_large_and_its_names_tell_its_rows_apart() -> None:
    assert len(ALL) >= 60
    assert len({hostile.name for hostile in ALL}) == len(ALL)
    assert max(len(hostile.content) for hostile in ALL) <= LARGEST


def test_after_all_of_it_the_service_is_as_it_was(api: httpx.Client) -> None:
    assert api.get("/series/ticket-4711").status_code == 404
    assert api.get("/jobs?series_id=ticket-4711").json()["jobs"] == []
    assert api.get("/livez").status_code == 200
