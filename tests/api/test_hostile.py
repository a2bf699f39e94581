"""Each hostile request gets a small problem that reveals neither its input nor our internals."""

import re

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


@pytest.mark.parametrize("text", ["\0", "a\0", "é\x01", "%", "\ud7ff\U0010ffff"], ids=ascii)
def test_text_that_the_database_cannot_store_is_an_answer_in_every_parameter_of_a_query(
    api: httpx.Client, text: str
) -> None:
    queries = [
        (path, {part["name"]: "no" for part in parts if part.get("required")} | {parameter["name"]: text})
        for path, methods in api.get("/openapi.json").json()["paths"].items()
        if (parts := [part for part in methods.get("get", {}).get("parameters", []) if part["in"] == "query"])
        for parameter in parts
    ]
    queries += [("/", {name: text}) for name in ("contains", "after", "before")]
    queries += [(f"/ui/{page}", {"series_id": text, "watch": text}) for page in ("jobs", "alerts", "watches/no")]
    assert len(queries) > 50
    for path, query in queries:
        answer = api.get(re.sub(r"\{[^}]+\}", "no", path), params=query)
        assert answer.status_code < 500, (path, query)
