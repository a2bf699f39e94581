"""A configuration is applied as a whole: what it names becomes as it says, and nothing else changes."""

import secrets
from collections.abc import Callable
from typing import Any

import httpx
import jsonschema
import pytest

from tests.keys import MakeKey

Apply = Callable[..., httpx.Response]


@pytest.fixture
def name() -> str:
    return f"applied-{secrets.token_hex(4)}"


@pytest.fixture
def apply(api: httpx.Client) -> Apply:
    def send(watches: dict[str, Any], **query: Any) -> httpx.Response:
        return api.post("/apply", json={"watches": watches}, params=query)

    return send


# Whether a field of a watch is valid, by both the service and the schema that editors use.
FIELDS: list[tuple[dict[str, Any], bool]] = [
    ({}, True),
    ({"silence": "off", "window": "7d", "merge_within": "0s"}, True),
    ({"open": {"anomalies": 3, "of": 5, "at_once": None}, "close": {"normal": 2, "below": 1, "after": "1h"}}, True),
    ({"gates": {"direction": "up", "min_abs": 0.5}, "parameters": {"alarm_rate": "1 per week"}}, True),
    ({"refit": "off", "keep_versions": 3}, True),
    ({"refit": {"every": "1d", "at": "23:59"}, "timezone": "Europe/Berlin"}, True),
    ({"refit": {"every": "6h"}, "keep_versions": None}, True),
    ({"silence": "soon"}, False),
    ({"silence": False}, False),
    ({"window": 7}, False),
    ({"window": "7 days"}, False),
    ({"open": {"anomalies": 0}}, False),
    ({"open": {"of": 65}}, False),
    ({"open": {"at_once": 1}}, False),
    ({"open": {"anomalys": 1}}, False),
    ({"open": None}, False),
    ({"close": {"below": 1.5}}, False),
    ({"close": {"after": None}}, False),
    ({"gates": {"direction": "sideways"}}, False),
    ({"gates": {"min_abs": 0}}, False),
    ({"refit": "on"}, False),
    ({"refit": {"at": "24:00"}}, False),
    ({"refit": {"at": 1439}}, False),
    ({"keep_versions": 0}, False),
    ({"notify": {"receivers": [], "at_most": {"messages": 5, "per": "1h"}, "group_wait": "0s"}}, True),
    ({"notify": {"receivers": "oncall"}}, False),
    ({"notify": {"at_most": {"messages": 0}}}, False),
    ({"prefix": "plant 7"}, False),
    ({"mood": 1}, False),
]


def actions(answer: httpx.Response, prefix: str) -> dict[str, str]:
    """The actions on objects whose names begin with a text."""
    assert answer.status_code == 200, answer.text
    return {
        change["name"]: change["action"] for change in answer.json()["changes"] if change["name"].startswith(prefix)
    }


def test_watches_are_created_changed_and_kept(api: httpx.Client, apply: Apply, name: str) -> None:
    first, second = f"{name}-1", f"{name}-2"
    wanted: dict[str, Any] = {first: {"prefix": f"{first}."}, second: {"prefix": f"{second}.", "silence": "10m"}}
    assert actions(apply(wanted, dry_run=True), name) == {first: "create", second: "create"}
    assert api.get(f"/watches/{first}").status_code == 404
    assert actions(apply(wanted), name) == {first: "create", second: "create"}
    assert actions(apply(wanted), name) == {first: "keep", second: "keep"}
    wanted[second]["open"] = {"anomalies": 3}
    del wanted[second]["silence"]
    for dry_run in (True, False):
        answer = apply({second: wanted[second]}, dry_run=dry_run)
        assert actions(answer, name) == {first: "keep", second: "change"}
        change = next(change for change in answer.json()["changes"] if change["name"] == second)
        assert (change["before"]["silence"], change["after"]["silence"]) == ("10m", "auto")
        assert change["after"]["open"] == {"anomalies": 3, "of": 3, "at_once": 3.0}
        assert api.get(f"/watches/{second}").json()["silence"] == ("10m" if dry_run else "auto")


def test_other_watches_are_deleted_only_if_asked_and_free_their_prefixes(
    keyed: httpx.Client, make_key: MakeKey, name: str
) -> None:
    auth = make_key("admin", "read", prefix=f"{name}.")

    def send(watches: dict[str, Any], **query: Any) -> httpx.Response:
        return keyed.post("/apply", json={"watches": watches}, params=query, auth=auth)

    old, new = {f"{name}-old": {"prefix": f"{name}.a"}}, {f"{name}-new": {"prefix": f"{name}.a"}}
    assert actions(send(old), name) == {f"{name}-old": "create"}
    refused = send(new)
    assert (refused.status_code, refused.json()["code"]) == (409, "prefix_taken")
    assert refused.json()["errors"][0]["loc"] == ["watches", f"{name}-new"]
    assert actions(send(new, prune=True, dry_run=True), "") == {f"{name}-old": "delete", f"{name}-new": "create"}
    assert actions(send({}), "") == {f"{name}-old": "keep"}
    assert actions(send(new, prune=True), "") == {f"{name}-old": "delete", f"{name}-new": "create"}
    assert keyed.post("/apply", json={}, params={"prune": True}, auth=auth).json()["changes"] == []
    outside = send({f"{name}-3": {"prefix": "elsewhere."}})
    assert outside.json()["errors"][0]["loc"] == ["watches", f"{name}-3", "prefix"]


def test_watches_swap_their_prefixes_at_once(keyed: httpx.Client, make_key: MakeKey, name: str) -> None:
    auth = make_key("admin", "read", prefix=name)
    names = [f"{name}-{number}" for number in range(3)]

    def send(shift: int, **query: Any) -> httpx.Response:
        watches = {one: {"prefix": f"{names[(place + shift) % 3]}."} for place, one in enumerate(names)}
        return keyed.post("/apply", json={"watches": watches}, params=query, auth=auth)

    assert set(actions(send(0), name).values()) == {"create"}
    for shift in (1, 2):
        for dry_run in (True, False):
            assert actions(send(shift, dry_run=dry_run), name) == dict.fromkeys(names, "change")
    assert keyed.get(f"/watches/{names[0]}", auth=auth).json()["prefix"] == f"{names[2]}."
    hidden = {names[0]: {"prefix": f"{name}x."}}
    stranger = make_key("admin", prefix=f"{name}x")
    assert keyed.post("/apply", json={"watches": hidden}, auth=stranger).json()["code"] == "watch_not_found"
    taken = {names[0]: {"prefix": f"{names[1]}."}}
    assert keyed.post("/apply", json={"watches": taken}, auth=auth).json()["code"] == "prefix_taken"
    assert keyed.get(f"/watches/{names[0]}", auth=auth).json()["prefix"] == f"{names[2]}."


def test_all_flaws_of_all_documents_are_reported_and_nothing_is_applied(
    api: httpx.Client, apply: Apply, name: str
) -> None:
    wrong = {
        f"{name}-1": {"prefix": f"{name}."},
        f"{name}-2": {"prefix": f"{name}-2.", "open": {"anomalies": 4, "of": 3}, "silense": "10m"},
        "no name": {"prefix": "no"},
        f"{name}-4": ["prefix"],
    }
    answer = apply(wrong)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_configuration")
    assert {tuple(flaw["loc"]) for flaw in answer.json()["errors"]} == {
        ("watches", f"{name}-2", "silense"),
        ("watches", f"{name}-2", "open", "anomalies"),
        ("watches", "no name", "name"),
        ("watches", f"{name}-4"),
        ("watches", f"{name}-4", "prefix"),
    }
    assert api.get(f"/watches/{name}-1").status_code == 404
    taken = apply({f"{name}-1": {"prefix": f"{name}."}, f"{name}-2": {"prefix": f"{name}."}})
    assert (taken.status_code, taken.json()["errors"][0]["loc"]) == (409, ["watches", f"{name}-2"])
    assert api.get(f"/watches/{name}-1").status_code == 404
    unknown = api.post("/apply", json={"watch": {}})
    assert (unknown.status_code, unknown.json()["errors"][0]["loc"]) == (422, ["watch"])


def test_receivers_are_stored_before_the_watches_that_name_them_and_deleted_after_them(
    api: httpx.Client, keyed: httpx.Client, make_key: MakeKey, name: str
) -> None:
    secret_url = "https://hooks.example.com/services/T0/secret"
    configuration: dict[str, dict[str, Any]] = {
        "watches": {name: {"prefix": f"{name}.", "notify": {"receivers": [name]}}},
        "receivers": {name: {"kind": "webhook", "url": secret_url}},
    }

    def send(body: Any, **query: Any) -> httpx.Response:
        return api.post("/apply", json=body, params=query)

    def changed(answer: httpx.Response) -> dict[str, dict[str, Any]]:
        return {change["section"]: change for change in answer.json()["changes"] if change["name"] == name}

    answers = [send(configuration, dry_run=True), send(configuration), send(configuration)]
    done = [[changed(answer)[section]["action"] for section in ("receivers", "watches")] for answer in answers]
    assert done == [["create", "create"], ["create", "create"], ["keep", "keep"]]
    assert ["secret" in changed(answer)["receivers"] for answer in answers] == [False, True, False]
    assert "T0" not in "".join(answer.text for answer in answers)
    configuration["receivers"][name]["url"] = f"{secret_url}-2"
    change = changed(send(configuration, dry_run=True))["receivers"]
    assert (change["action"], change["before"]["url"]) == ("change", change["after"]["url"])
    in_use = send({"receivers": {}}, prune=True, dry_run=True)
    assert (in_use.status_code, in_use.json()["code"]) == (409, "receiver_in_use")
    deleted = send({"receivers": {}, "watches": {}}, prune=True, dry_run=True)
    assert {change["action"] for change in deleted.json()["changes"]} == {"delete"}
    missing = send({"watches": {name: {"prefix": name, "notify": {"receivers": ["nobody"]}}}})
    assert missing.json()["errors"][0]["loc"] == ["watches", name, "notify", "receivers"]
    api.delete(f"/watches/{name}")
    api.delete(f"/receivers/{name}")
    limited = keyed.post("/apply", json={"receivers": {}}, auth=make_key(prefix="plant."))
    assert limited.json()["code"] == "forbidden"


def test_sources_are_applied_without_an_address_that_is_refused(
    api: httpx.Client, keyed: httpx.Client, make_key: MakeKey, name: str
) -> None:
    query = {"query": "up", "id_template": "{job}"}
    source = {"kind": "prometheus", "url_env": "TSAD_SOURCE_URL", "queries": [query]}
    for action in ("create", "keep"):
        answer = api.post("/apply", json={"sources": {name: source}})
        assert actions(answer, name) == {name: action}
    assert api.get(f"/sources/{name}").json()["every"] == "1m"
    inside = {"kind": "prometheus", "url": "http://169.254.169.254", "queries": [query]}
    refused = api.post("/apply", json={"sources": {name: inside}}).json()
    assert refused["errors"][0]["loc"] == ["sources", name, "url"]
    api.delete(f"/sources/{name}")
    limited = keyed.post("/apply", json={"sources": {}}, auth=make_key(prefix="plant."))
    assert limited.json()["code"] == "forbidden"


@pytest.mark.parametrize(("fields", "valid"), FIELDS)
def test_the_schema_and_the_service_agree_on_fields(
    api: httpx.Client,
    apply: Apply,
    name: str,
    fields: dict[str, Any],
    valid: bool,  # noqa: FBT001 - of a table
) -> None:
    document = {"prefix": name, **fields}
    assert apply({name: document}, dry_run=True).is_success == valid
    components = api.get("/openapi.json").json()["components"]
    schema = {"$ref": "#/components/schemas/WatchBody", "components": components}
    assert jsonschema.Draft202012Validator(schema).is_valid(document) == valid
