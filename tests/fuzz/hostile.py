"""Handwritten hostile requests: small, each with the expected status and code."""

import gzip
import json
from dataclasses import dataclass, field

import httpx

from tests.points import ramp

LARGEST = 8 * 1024  # bytes of a body here: larger ones are refused for their size

_ID = "ticket-4711"
_JOB = "00000000-0000-0000-0000-000000000000"
_GOOD = json.dumps(ramp()).encode()


@dataclass(frozen=True)
class Hostile:
    """A request, and the expected status and code."""

    name: str
    method: str
    path: str
    status: int
    code: str
    content: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)

    def send(self, api: httpx.Client) -> httpx.Response:
        return api.request(self.method, self.path, content=self.content, headers=self.headers)


def _fit(name: str, body: bytes, code: str, status: int = 422) -> Hostile:
    assert len(body) <= LARGEST, name
    return Hostile(f"fit: {name}", "POST", f"/fit/{_ID}", status, code, body)


def _points(name: str, timestamps: str, values: str, code: str) -> Hostile:
    return _fit(name, f'{{"timestamps":{timestamps},"values":{values}}}'.encode(), code)


def _predict(name: str, body: str, code: str = "invalid_request") -> Hostile:
    return Hostile(f"predict: {name}", "POST", f"/predict/{_ID}", 422, code, body.encode("utf-8", "surrogatepass"))


def _get(path: str, code: str, status: int = 422) -> Hostile:
    return Hostile(f"GET {path[:60]}", "GET", path, status, code)


def _post(path: str, code: str, status: int) -> Hostile:
    return Hostile(f"POST {path}", "POST", path, status, code, _GOOD)


def _head(name: str, status: int, code: str, **headers: str) -> Hostile:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Hostile(f"header: {name}", "POST", f"/fit/{_ID}", status, code, _GOOD, named)


BODIES = [
    _fit("nothing", b"", "invalid_json"),
    _fit("blanks", b" " * LARGEST, "invalid_json"),
    _fit("one brace", b"{", "invalid_json"),
    _fit("null", b"null", "invalid_request"),
    _fit("a list", b"[]", "invalid_request"),
    _fit("a string", b'"{}"', "invalid_request"),
    _fit("no field", b"{}", "invalid_request"),
    _fit("a byte order mark", b"\xef\xbb\xbf" + _GOOD, "invalid_json"),
    _fit("UTF-16", _GOOD.decode().encode("utf-16"), "invalid_json"),
    _fit("invalid UTF-8", b'{"timestamps":[1,2,3],"values":[1,2,3],"detector":"\xff\xfe"}', "invalid_json"),
    _fit("a lone surrogate", b'{"timestamps":[1,2,3],"values":[1,2,3],"detector":"\\ud800"}', "invalid_json"),
    _fit("zero bytes", bytes(1000), "invalid_json"),
    _fit("open lists", b"[" * LARGEST, "invalid_request"),
    _fit("open objects", b'{"a":' * 1600, "invalid_request"),
    _fit("deep parameters", b'{"timestamps":[1,2,3],"values":[1,2,3],"parameters":' + b'{"a":' * 1500, "invalid_json"),
    _fit("two documents", _GOOD + _GOOD, "invalid_json"),
    _fit("a pickle", b"\x80\x04\x95\x10\x00\x00\x00cos\nsystem\n(S'id'\ntR.", "invalid_json"),
    _fit("an XML entity", b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>', "invalid_json"),
    _fit("an unknown field", b'{"timestamps":[1,2,3],"values":[1,2,3],"__class__":"x"}', "invalid_request"),
    _fit("__proto__", b'{"timestamps":[1,2,3],"values":[1,2,3],"__proto__":{}}', "invalid_request"),
    _fit("a path as detector", _GOOD[:-1] + b',"detector":"../../etc/passwd"}', "unknown_detector"),
    _fit("SQL as detector", _GOOD[:-1] + b',"detector":"\'; DROP TABLE series; --"}', "unknown_detector"),
    _fit("a number as detector", _GOOD[:-1] + b',"detector":1}', "invalid_request"),
    _fit("an unknown parameter", _GOOD[:-1] + b',"parameters":{"eval":"1"}}', "unknown_parameter"),
    _fit("a huge parameter", _GOOD[:-1] + b',"parameters":{"threshold":1e300}}', "invalid_parameter"),
    _fit("a boolean as parameter", _GOOD[:-1] + b',"parameters":{"threshold":true}}', "invalid_parameter"),
    _fit("a template as parameter", _GOOD[:-1] + b',"parameters":{"threshold":"{{7*7}}"}}', "invalid_parameter"),
    _points("NaN", "[1,2,3]", "[1,NaN,3]", "invalid_json"),
    _points("Infinity", "[1,2,3]", "[1,-Infinity,3]", "invalid_json"),
    _points("float overflow", "[1,2,3]", "[1,1e999,3]", "invalid_request"),
    _points("a value of 4,000 digits", "[1,2,3]", f"[1,{'9' * 4000},3]", "invalid_request"),
    _points("values that overflow together", "[1,2,3]", "[1e308,-1e308,1e308]", "values_too_large"),
    _points("booleans", "[1,2,3]", "[true,false,true]", "invalid_request"),
    _points("strings as values", "[1,2,3]", '["1","2","3"]', "invalid_request"),
    _points("null among values", "[1,2,3]", "[1,null,3]", "invalid_request"),
    _points("lists in lists", "[1,2,3]", "[[1],[2],[3]]", "invalid_request"),
    _points("objects as values", "[1,2,3]", "[{},{},{}]", "invalid_request"),
    _points("equal values", "[1,2,3]", "[7,7,7]", "constant_series"),
    _points("empty lists", "[]", "[]", "too_few_points"),
    _points("too few", "[1,2]", "[1,2]", "too_few_points"),
    _points("different lengths", "[1,2,3]", "[1,2]", "lengths_differ"),
    _points("booleans as times", "[true,false,true]", "[1,2,3]", "invalid_request"),
    _points("fractions of seconds", "[1.5,2.5,3.5]", "[1,2,3]", "invalid_request"),
    _points("strings as times", '["1","2","3"]', "[1,2,3]", "invalid_request"),
    _points("times before 1970", "[-3,-2,-1]", "[1,2,3]", "invalid_timestamp"),
    _points("milliseconds", "[1,2,1767225600000]", "[1,2,3]", "invalid_timestamp"),
    _points("a time of 400 digits", f"[1,2,{'9' * 400}]", "[1,2,3]", "invalid_timestamp"),
    _points("a repeated time", "[1,1,2]", "[1,2,3]", "timestamps_not_increasing"),
    _points("backwards", "[3,2,1]", "[1,2,3]", "timestamps_not_increasing"),
    _predict("nothing", "", "invalid_json"),
    _predict("a list", "[]"),
    _predict("no value", '{"timestamp":1}'),
    _predict("a boolean as value", '{"timestamp":1,"value":true}'),
    _predict("a string as value", '{"timestamp":1,"value":"1"}'),
    _predict("NaN", '{"timestamp":1,"value":NaN}', "invalid_json"),
    _predict("a boolean as time", '{"timestamp":true,"value":1}'),
    _predict("a float as time", '{"timestamp":1.5,"value":1}'),
    _predict("an empty time", '{"timestamp":"","value":1}', "invalid_timestamp"),
    _predict("Arabic digits", '{"timestamp":"١٢٣","value":1}', "invalid_timestamp"),
    _predict("a time of 5,000 digits", f'{{"timestamp":"{"9" * 5000}","value":1}}', "invalid_timestamp"),
    _predict("strings in the context", '{"timestamp":1,"value":1,"context":["a"]}'),
    _predict("an object as context", '{"timestamp":1,"value":1,"context":{}}'),
]
IDS = [
    Hostile(f"id: {name}", "POST", f"/fit/{value}", status, code, _GOOD)
    for name, value, status, code in (
        ("a parent path, which clients resolve", "..", 405, "method_not_allowed"),
        ("an encoded parent path", "%2e%2e", 422, "invalid_series_id"),
        ("two dots inside", "a..b", 422, "invalid_series_id"),
        ("one dot", "%2E", 422, "invalid_series_id"),
        ("an encoded slash", "a%2Fb", 404, "route_not_found"),
        ("a backslash", "a%5Cb", 422, "invalid_series_id"),
        ("a zero byte", "a%00", 404, "route_not_found"),
        ("a line break", "a%0d%0aX-Injected:1", 404, "route_not_found"),
        ("a line break at its end", "a%0a", 404, "route_not_found"),
        ("a delete character", "a%7f", 404, "route_not_found"),
        ("a C1 control character", "a%c2%85", 404, "route_not_found"),
        ("a blank inside", "a%20b", 422, "invalid_series_id"),
        ("blanks alone", "%20%20", 422, "invalid_series_id"),
        ("invalid UTF-8", "%ff%fe", 422, "invalid_series_id"),
        ("a Cyrillic letter", "%D0%B0", 422, "invalid_series_id"),
        ("a full-width letter", "%EF%BC%A1", 422, "invalid_series_id"),
        ("an HTML script", "%3Cscript%3E", 422, "invalid_series_id"),
        ("SQL", "a'%3B--", 422, "invalid_series_id"),
        ("129 letters", "a" * 129, 422, "invalid_series_id"),
        ("8,000 letters", "a" * 8000, 422, "invalid_series_id"),
    )
]
QUERIES = [
    _get("/series?limit=0", "invalid_request"),
    _get("/series?limit=201", "invalid_request"),
    _get("/series?limit=1e9", "invalid_request"),
    _get(f"/series?limit={'9' * 4000}", "invalid_request"),
    _get("/series?limit=%D9%A1%00", "invalid_request"),
    _get("/series?prefix=%25", "invalid_request"),
    _get("/series?prefix=%00", "invalid_request"),
    _get(f"/series?prefix={'a' * 129}", "invalid_request"),
    _get("/series?cursor=..%2F..%2Fetc", "invalid_cursor"),
    _get("/jobs?cursor=bm90aGluZw", "invalid_cursor"),
    _get(f"/jobs?cursor={'a' * 201}", "invalid_request"),
    _get("/jobs?status=dead", "invalid_request"),
    _get("/jobs?created_after=yesterday", "invalid_request"),
    _get("/jobs?created_after=0001-01-01T00:00:00%2B12:00", "invalid_request"),
    _get("/jobs/not-an-id", "job_not_found", 404),
    _get(f"/jobs/{_JOB}?wait=-1", "invalid_request"),
    _get(f"/jobs/{_JOB}?wait=1e400", "invalid_request"),
    _get("/plot", "invalid_request"),
    _get("/plot?series_id=..%2F..", "invalid_series_id"),
    _get(f"/plot?series_id={_ID}&version=-1", "invalid_version"),
    _get(f"/plot?series_id={_ID}&version=v", "invalid_version"),
    _get(f"/plot?series_id={_ID}&version={'9' * 4000}", "invalid_version"),
    _get(f"/plot.svg?series_id={_ID}&width=4001", "invalid_request"),
    *(
        _post(f"{path}%0a", "route_not_found", 404)
        for path in (
            "/fit",
            f"/fit/{_ID}",
            f"/jobs/{_JOB}/retry",
            f"/series/{_ID}/versions/1/fit",
            f"/predict/{_ID}/batch",
        )
    ),
    _get(f"/series/{_ID}/versions/1%00", "route_not_found", 404),
    _get(f"/series?{'a' * LARGEST}=", "head_too_large", 431),
    _get("/../../etc/passwd", "route_not_found", 404),
    _get("/static/0/..%2f..%2fmain.py", "route_not_found", 404),
]
HEADERS = [
    _head("an unknown encoding", 415, "invalid_encoding", content_encoding="br"),
    _head("invalid gzip", 415, "invalid_encoding", content_encoding="gzip"),
    _head("another site", 403, "foreign_origin", origin="https://elsewhere.example"),
    _head("no site", 403, "foreign_origin", origin="null"),
    _head("a frame of another site", 403, "foreign_origin", sec_fetch_site="cross-site"),
    _head("another host name", 401, "unauthenticated", host="elsewhere.example"),
    _head("a proxy", 401, "unauthenticated", x_forwarded_for="127.0.0.1"),
    _head("a blank in the key", 422, "invalid_request", idempotency_key="a b"),
    _head("a long key", 422, "invalid_request", idempotency_key="a" * 256),
    Hostile("method", "PATCH", f"/fit/{_ID}", 405, "method_not_allowed", _GOOD),
    Hostile(
        "cut gzip",
        "POST",
        f"/fit/{_ID}",
        415,
        "invalid_encoding",
        gzip.compress(_GOOD)[:-9],
        {"Content-Encoding": "gzip"},
    ),
]
ALL = [*BODIES, *IDS, *QUERIES, *HEADERS]
