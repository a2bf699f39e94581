"""Prometheus remote write: made bodies, and a real Prometheus that scrapes itself."""

import math
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from shared.settings import Settings
from shared.store.engine import Sessions
from tests.keys import MakeKey
from tests.processes import serving
from tests.remote import STALE, Series, encoded, send

NOW = int(time.time()) // 60 * 60
SAMPLES = [(NOW - 120, 1.0), (NOW - 60, 2.0), (NOW, 3.0)]


@pytest.fixture
def source(api: httpx.Client, series_id: str) -> Iterator[str]:
    """The name of a source, which selects the series with its name as the label `test`."""
    put(api, series_id)
    yield series_id
    assert api.delete(f"/sources/{series_id}").status_code == 204


def put(api: httpx.Client, name: str, **changes: Any) -> dict[str, Any]:
    document = {"kind": "remote_write", "select": {"test": name}, "id_template": "{test}.{instance}.{__name__}"}
    answer = api.put(f"/sources/{name}", json=document | changes)
    assert answer.status_code == 200, answer.text
    result: dict[str, Any] = answer.json()
    return result


def labels(source: str, instance: str = "a", name: str = "up", **others: str) -> dict[str, str]:
    return {"__name__": name, "instance": instance, "test": source, **others}


def stored(api: httpx.Client, series_id: str) -> list[tuple[int, float]]:
    answer = api.get(f"/series/{series_id}/points").json()
    return list(zip(answer["timestamps"], answer["values"], strict=True)) if "timestamps" in answer else []


def test_selected_samples_are_stored_under_the_id_of_their_labels(api: httpx.Client, source: str) -> None:
    content = encoded(
        (labels(source), SAMPLES), (labels(source, "host:9100"), SAMPLES[:1]), ({"__name__": "up"}, SAMPLES)
    )
    for _ in range(2):  # Prometheus sends again what it is not sure about
        answer = send(api, content)
        assert (answer.status_code, answer.content) == (204, b"")
    assert stored(api, f"{source}.a.up") == SAMPLES
    assert stored(api, f"{source}.host_9100.up") == SAMPLES[:1]
    assert api.get(f"/sources/{source}").json()["series"] == 2
    assert api.get("/series/_._.up").status_code == 404


def test_valid_samples_are_stored_beside_invalid_ones_and_the_answer_names_these(
    api: httpx.Client, source: str
) -> None:
    good = (labels(source), SAMPLES)
    bad: list[Series] = [
        ([*labels(source).items(), ("test", "twice")], SAMPLES[:1]),
        ({"test": source}, SAMPLES[:1]),
        (labels(source, "b"), [(NOW + 7_200, 1.0)]),
        (labels(source, "b"), [(NOW - 90 * 86_400, 1.0)]),
        (labels(source, "b"), [(-5, 1.0)]),
    ]
    answer = send(api, encoded(*bad, good))
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (400, "points_refused")
    assert problem["detail"].startswith("5 points were refused, all others are stored. Series 0")
    assert sorted(flaw["loc"][1] for flaw in problem["errors"]) == [0, 1, 2, 3, 4]
    assert stored(api, f"{source}.a.up") == SAMPLES


def test_values_that_are_no_numbers_are_gaps_and_late_samples_are_stored(api: httpx.Client, source: str) -> None:
    values = [(NOW - 60, math.inf), (NOW, math.nan), (NOW - 3_600, 7.0), (NOW - 0.5, 9.0)]
    assert send(api, encoded((labels(source), values))).status_code == 204
    assert send(api, encoded((labels(source), [(NOW - 1_800, 5.0)]))).status_code == 204
    expected = [(NOW - 3_600, 7.0), (NOW - 1_800, 5.0), (NOW - 60, None), (NOW - 1, 9.0), (NOW, None)]
    assert stored(api, f"{source}.a.up") == expected


def test_histograms_are_ignored(api: httpx.Client, source: str) -> None:
    content = encoded((labels(source), SAMPLES))
    histogram = bytes([0x0A, 4, 0x22, 2, 0x08, 1])  # a series with one histogram and no labels
    assert send(api, content + histogram).status_code == 400  # its labels are invalid
    assert stored(api, f"{source}.a.up") == SAMPLES


def test_two_label_sets_never_share_an_id_and_the_second_is_reported_once(api: httpx.Client, source: str) -> None:
    first, second = (labels(source), SAMPLES), (labels(source, zone="x"), [(NOW - 90, 50.0)])
    assert send(api, encoded(first)).status_code == 204
    answer = send(api, encoded(second))
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["msg"].startswith("series_id_taken: Series up{")
    assert send(api, encoded(second, first)).status_code == 204
    assert stored(api, f"{source}.a.up") == SAMPLES
    described = api.get(f"/sources/{source}").json()
    assert described["collisions"] == [
        {"series_id": f"{source}.a.up", "labels": first[0], "rejected": second[0]},
    ]
    put(api, source, id_template="{test}.{instance}.{zone}.{__name__}")
    assert send(api, encoded(second, first)).status_code == 204
    assert stored(api, f"{source}.a.x.up") == [(NOW - 90, 50.0)]
    assert api.get(f"/sources/{source}").json()["collisions"] == []


def test_an_id_passes_to_other_labels_once_its_series_ended(api: httpx.Client, source: str, sessions: Sessions) -> None:
    old, new = labels(source, pod="old"), labels(source, pod="new")
    assert send(api, encoded((old, [(NOW - 60, 1.0), (NOW - 30, STALE)]))).status_code == 204
    with sessions.begin() as session:
        aged = "UPDATE source_series SET created_at = created_at - interval '1 hour' WHERE source = :source"
        session.execute(text(aged), {"source": source})
    assert send(api, encoded((new, [(NOW, 2.0)]))).status_code == 204
    assert stored(api, f"{source}.a.up") == [(NOW - 60, 1.0), (NOW, 2.0)]


def test_a_stale_marker_ends_a_stream_and_a_later_sample_continues_it(api: httpx.Client, source: str) -> None:
    stream = f"/series/{source}.a.up"
    send(api, encoded((labels(source), SAMPLES[:2])))
    send(api, encoded((labels(source), [(NOW - 30, STALE)])))
    assert api.get(stream).json()["stream"]["status"] == "ended"
    send(api, encoded((labels(source), SAMPLES[1:2])))  # sent again: not later
    assert api.get(stream).json()["stream"]["status"] == "ended"
    send(api, encoded((labels(source), SAMPLES[2:])))
    assert api.get(stream).json()["stream"]["status"] == "learning"
    send(api, encoded((labels(source), [(NOW - 50, STALE)])))  # a late marker ends nothing
    assert api.get(stream).json()["stream"]["status"] == "learning"
    assert stored(api, f"{source}.a.up") == SAMPLES


@pytest.mark.parametrize(
    ("content", "headers", "status"),
    [
        (b"\x0a\xff", {}, 422),
        (b"", {}, 204),
        (b"", {"Content-Type": "application/x-protobuf;proto=prometheus.WriteRequest"}, 204),
        (b"", {"Content-Type": "application/x-protobuf;proto=io.prometheus.write.v2.Request"}, 415),
        (b"", {"Content-Type": "application/json"}, 415),
        (b"", {"Content-Encoding": "zstd"}, 415),
        (b"", {"Content-Encoding": "gzip"}, 415),
    ],
)
def test_other_protocols_are_refused(api: httpx.Client, content: bytes, headers: dict[str, str], status: int) -> None:
    assert send(api, content, **headers).status_code == status


@pytest.mark.parametrize(
    ("block", "status"),
    [
        (b"", 415),
        (b"\xff\xff\xff\xff\x0f", 415),  # says that it has 4 GiB
        (b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 415),
        (b"\x09\x10hello", 415),  # shorter than it says
        (b"\x00", 204),
        (b"\xff\xff\xff\x7f" + bytes(20_000_000), 413),
    ],
)
def test_a_block_is_checked_before_it_is_expanded(api: httpx.Client, block: bytes, status: int) -> None:
    headers = {"Content-Encoding": "snappy", "Content-Type": "application/x-protobuf"}
    answer = api.post("/api/v1/write", content=block, headers=headers)
    assert answer.status_code == status, answer.text


def test_a_key_writes_only_what_it_sees_and_configures_nothing_with_a_prefix(
    keyed_settings: Settings, make_key: MakeKey, series_id: str
) -> None:
    root, writer = make_key(), make_key("write", prefix=f"{series_id}.a.")
    with serving(keyed_settings) as api:
        assert api.put(f"/sources/{series_id}", json={"kind": "remote_write"}, auth=writer).status_code == 403
        limited = make_key(prefix=series_id)
        assert api.get("/sources", auth=limited).json()["code"] == "forbidden"
        document = {
            "kind": "remote_write",
            "select": {"test": series_id},
            "id_template": "{test}.{instance}.{__name__}",
        }
        assert api.put(f"/sources/{series_id}", json=document, auth=root).status_code == 200
        api.auth = writer
        assert send(api, encoded((labels(series_id), SAMPLES))).status_code == 204
        refused = send(api, encoded((labels(series_id, "b"), SAMPLES)))
        assert refused.status_code == 400
        assert "series_not_found" in refused.json()["errors"][0]["msg"]
        api.auth = root
        assert len(stored(api, f"{series_id}.a.up")) == 3
        assert stored(api, f"{series_id}.b.up") == []
