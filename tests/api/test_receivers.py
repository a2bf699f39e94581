"""Receivers over HTTP: who may configure them, and what the answers hide."""

import httpx
import pytest

from tests.keys import MakeKey

URL = "https://hooks.example.com/services/T000/B000/s3cret"


def test_a_url_is_shown_without_its_path_and_can_be_compared(api: httpx.Client) -> None:
    body = {"kind": "slack", "url": URL, "min_score": 2}
    created = api.put("/receivers/shown", json=body).json()
    assert (created["url"], created["min_score"]) == ("https://hooks.example.com/…", 2.0)
    assert "s3cret" not in api.get("/receivers").text
    assert api.put("/receivers/shown", json=body).json() == created
    changed = api.put("/receivers/shown", json=body | {"url": URL + "2", "types": ["alert.opened"]}).json()
    assert changed["url_sha256"] != created["url_sha256"]
    assert changed["types"] == ["alert.opened"]
    assert api.delete("/receivers/shown").status_code == 204
    assert api.get("/receivers/shown").json()["code"] == "receiver_not_found"


def test_a_webhook_shows_its_secret_once(api: httpx.Client) -> None:
    body = {"kind": "webhook", "url_env": "TSAD_RECEIVER_ONCE"}
    first = api.put("/receivers/once", json=body).json()
    assert first["secret"].startswith("whsec_")
    second = api.put("/receivers/once", json=body).json()
    assert second == {name: value for name, value in first.items() if name != "secret"}
    assert api.post("/receivers/once/rotate").json()["secret"] not in (first["secret"], None)
    assert "secret" not in api.put("/receivers/once", json=body | {"kind": "slack"}).json()
    assert "secret" in api.put("/receivers/once", json=body).json()


@pytest.mark.parametrize("cursor", ["x", "-1", "0", "9" * 25, "²"])
def test_deliveries_are_listed_page_by_page_and_replayed(api: httpx.Client, cursor: str) -> None:
    name = "paged"
    assert api.put(f"/receivers/{name}", json={"kind": "slack", "url": URL}).is_success
    ids = [api.post(f"/receivers/{name}/test").json()["delivery_id"] for _ in range(3)]
    page = api.get(f"/receivers/{name}/deliveries?limit=2").json()
    assert [delivery["delivery_id"] for delivery in page["deliveries"]] == ids[:0:-1]
    rest = api.get(f"/receivers/{name}/deliveries?cursor={page['next_cursor']}").json()
    assert rest["deliveries"][0]["delivery_id"] == ids[0]
    assert api.post(f"/deliveries/{ids[0]}/replay").json()["status"] == "waiting"
    assert api.get(f"/receivers/{name}/deliveries", params={"cursor": cursor}).json()["code"] == "invalid_cursor"
    assert api.post(f"/deliveries/{cursor}/replay").json()["code"] == "delivery_not_found"
    assert api.delete(f"/receivers/{name}").status_code == 204


def test_only_admin_keys_that_see_all_series_configure_receivers(keyed: httpx.Client, make_key: MakeKey) -> None:
    body = {"kind": "slack", "url": URL}
    for key in (make_key("admin", prefix="plant7."), make_key("read", "fit", "write")):
        for method, path in (("PUT", "/receivers/a"), ("GET", "/receivers"), ("POST", "/deliveries/1/replay")):
            answer = keyed.request(method, path, json=body, auth=key)
            assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert keyed.put("/receivers/a", json=body, auth=make_key("admin")).status_code == 200
