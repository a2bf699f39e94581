"""Line protocol: bodies of a maintained client, and lines that it would not write."""

import gzip
import time
from datetime import UTC, datetime
from importlib import import_module
from typing import Any

import httpx
import pytest

from shared.settings import Settings
from tests.keys import MakeKey
from tests.processes import serving

influx: Any = import_module("influxdb_client")  # has no types
NOW = int(time.time()) // 60 * 60


def write(api: httpx.Client, bucket: str, *lines: str, precision: str = "s") -> httpx.Response:
    query = {"bucket": bucket, "precision": precision, "org": "any"}
    return api.post("/api/v2/write", params=query, content="\n".join(lines).encode())


def stored(api: httpx.Client, series_id: str) -> list[tuple[int, float]]:
    answer = api.get(f"/series/{series_id}/points").json()
    return list(zip(answer["timestamps"], answer["values"], strict=True)) if "timestamps" in answer else []


@pytest.mark.parametrize(("precision", "unit"), [("ns", 10**9), ("us", 10**6), ("ms", 1000), ("s", 1)])
def test_points_of_a_client_library_arrive(api: httpx.Client, series_id: str, precision: str, unit: int) -> None:
    at = datetime.fromtimestamp(NOW, UTC)
    point = (
        influx.Point("pump room").tag("host", "a b").tag("Line", "3").field("pressure", 4.25).field("on", value=True)
        .field("count", 7).field("note", 'leaks, "badly"').time(at, precision)
    )  # fmt: skip
    line = point.to_line_protocol(precision=precision)
    assert f" {NOW * unit}" in line
    answer = write(api, series_id, line, "", "# a comment", precision=precision)
    assert (answer.status_code, answer.content) == (204, b"")
    head = f"{series_id}.pump_room.3.a_b"
    assert [stored(api, f"{head}.{field}") for field in ("pressure", "on", "count", "note")] == [
        [(NOW, 4.25)], [(NOW, 1.0)], [(NOW, 7.0)], [],
    ]  # fmt: skip


# What Telegraf's serializer writes for tags, fields and names with characters that need an escape, and for each type.
TELEGRAF = [
    ("cpu,cpu=CPU0,host=localhost value=42", {"cpu.CPU0.localhost.value": 42.0}),
    ("cpu x=42,y=0.0000001", {"cpu.x": 42.0, "cpu.y": 1e-7}),
    ("cpu value=1000000000000000000000", {"cpu.value": 1e21}),
    ("cpu value=42i,low=-9223372036854775808i", {"cpu.value": 42.0, "cpu.low": -(2.0**63)}),
    ("cpu value=42u,most=18446744073709551615u", {"cpu.value": 42.0, "cpu.most": 2.0**64}),
    ("cpu up=true,down=false", {"cpu.up": 1.0, "cpu.down": 0.0}),
    ('system uptime_format=" 1:03, \\"up\\" C:\\\\",load1=0.5', {"system.load1": 0.5}),
    ('log message="two\nlines, and = signs",count=1i', {"log.count": 1.0}),
    ("c\\npu value=1", {"c_npu.value": 1.0}),
    ("my\\ cpu\\,room=1,host=x\\ny,rack=a\\ b\\,c\\=d value=1", {"my_cpu_room_1.x_ny.a_b_c_d.value": 1.0}),
    ("disk,path=C:\\Program\\ Files used=1", {"disk.C__Program_Files.used": 1.0}),
    ('disk,label=13" used=1', {"disk.13_.used": 1.0}),
    ("disk,path=\\\\server\\share used=1", {"disk.__server_share.used": 1.0}),
    ("win,instance=_Total % Processor\\ Time=1", {}),
    ("win,instance=_Total %\\ Processor\\ Time=1", {"win._Total.__Processor_Time": 1.0}),
    ("größe,ort=Köln wert=1", {"gr__e.K_ln.wert": 1.0}),
]


@pytest.mark.parametrize(("line", "expected"), TELEGRAF)
def test_lines_of_telegraf_arrive(api: httpx.Client, series_id: str, line: str, expected: dict[str, float]) -> None:
    content = gzip.compress(f"{line} {NOW}000000042\n".encode())
    headers = {"Content-Encoding": "gzip", "Content-Type": "text/plain; charset=utf-8"}
    query = {"bucket": series_id, "org": "any"}
    answer = api.post("/api/v2/write", params=query, content=content, headers=headers)
    assert answer.status_code == (204 if expected else 400), answer.text
    found = api.get("/series", params={"prefix": series_id}).json()["series"]
    ids = [one["series_id"] for one in found]
    assert {one.removeprefix(f"{series_id}."): stored(api, one) for one in ids} == {
        name: [(NOW, value)] for name, value in expected.items()
    }


def test_bad_lines_are_named_while_good_ones_are_stored(api: httpx.Client, series_id: str) -> None:
    answer = write(
        api,
        series_id,
        f"m f=1 {NOW - 60}",
        "nonsense",
        f"m f=2 {NOW * 1000}",
        f'm t="two\nlines",f=3 {NOW}',
        f"m f=4 {NOW + 9_999}",
        f"m,a=1 f=5 {NOW}",
        f"m,b=1 f=6 {NOW}",
        f"m f=NaN {NOW}",
    )
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (400, "points_refused")
    refused = {flaw["loc"][1]: flaw["msg"].split(":")[0] for flaw in problem["errors"]}
    assert refused == {
        2: "invalid_request", 3: "invalid_timestamp", 6: "too_new", 8: "series_id_taken", 9: "invalid_request",
    }  # fmt: skip
    assert stored(api, f"{series_id}.m.f") == [(NOW - 60, 1.0), (NOW, 3.0)]
    assert stored(api, f"{series_id}.m.1.f") == [(NOW, 5.0)]


def test_a_line_without_a_timestamp_is_of_now_and_clients_of_version_1_name_a_database(
    api: httpx.Client, series_id: str
) -> None:
    answer = api.post("/write", params={"db": series_id, "precision": "n"}, content=b"m value=2i")
    assert answer.status_code == 204
    ((timestamp, value),) = stored(api, f"{series_id}.m.value")
    assert abs(timestamp - time.time()) < 60
    assert value == 2
    assert write(api, series_id, f"m value=3 {NOW // 60}", precision="m").status_code == 204
    assert write(api, series_id, "m value=3", precision="d").json()["errors"][0]["loc"] == ["query", "precision"]
    assert api.post("/write", content=b"m f=\xff").json()["code"] == "invalid_request"


def test_a_key_may_be_a_token_here_only(keyed_settings: Settings, make_key: MakeKey, series_id: str) -> None:
    key = make_key("write", prefix=series_id)
    headers = {"Authorization": f"Token {key.token}"}
    with serving(keyed_settings) as api:
        content = f"m f=1 {NOW}".encode()
        query = {"bucket": series_id, "precision": "s"}
        assert api.post("/api/v2/write", content=content, params=query, headers=headers).status_code == 204
        login = {"db": series_id, "precision": "s"}
        assert api.post("/write", content=content, params=login, auth=("any", key.token)).status_code == 204
        for wrong in ("Basic nonsense", "Basic", "Basic YQ=="):
            assert api.post("/write", content=content, headers={"Authorization": wrong}).status_code == 401
        query["bucket"] = "other"
        assert api.post("/api/v2/write", content=content, params=query, headers=headers).status_code == 400
        for other in (headers, {"Authorization": httpx.BasicAuth("any", key.token)._auth_header}):  # noqa: SLF001
            assert api.post("/points", content=content, headers=other).status_code == 401
