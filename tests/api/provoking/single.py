"""Errors that one request provokes."""

from typing import Any
from uuid import UUID

from shared.errors import Code
from tests.api.provoking.scene import POINT, Send, request_to
from tests.points import ramp


def fit_with(**fields: Any) -> Send:
    return request_to("POST", "/fit/a", json=ramp(3) | fields)


REQUESTS: dict[Code, Send] = {
    Code.INVALID_JSON: request_to("POST", "/fit/a", content=b"{"),
    Code.INVALID_REQUEST: request_to("GET", "/series?limit=many"),
    Code.INVALID_ENCODING: request_to("POST", "/fit/a", content=b"{}", headers={"Content-Encoding": "br"}),
    Code.METHOD_NOT_ALLOWED: request_to("GET", "/fit/a"),
    Code.ROUTE_NOT_FOUND: request_to("GET", "/nothing"),
    Code.FOREIGN_ORIGIN: request_to("POST", "/fit/a", headers={"Origin": "https://evil.example"}),
    Code.INVALID_SERIES_ID: request_to("GET", "/series/a..b"),
    Code.INVALID_VERSION: request_to("GET", "/series/{trained}/versions/newest"),
    Code.INVALID_CURSOR: request_to("GET", "/series/{trained}/versions?cursor=x"),
    Code.SERIES_NOT_FOUND: request_to("GET", "/series/never-fitted"),
    Code.VERSION_NOT_FOUND: request_to("GET", "/series/{trained}/versions/77"),
    Code.JOB_NOT_FOUND: request_to("GET", "/jobs/7"),
    Code.LENGTHS_DIFFER: fit_with(values=[1, 2, 3, 4]),
    Code.TOO_FEW_POINTS: fit_with(timestamps=[1, 2], values=[1, 2]),
    Code.TOO_MANY_POINTS: request_to("POST", "/predict/{trained}", json=POINT | {"context": [1] * 5000}),
    Code.INVALID_TIMESTAMP: request_to("POST", "/predict/{trained}", json=POINT | {"timestamp": 1_705_000_000_000}),
    Code.TIMESTAMPS_NOT_INCREASING: fit_with(timestamps=[3, 2, 1]),
    Code.VALUES_TOO_LARGE: fit_with(values=[1e308, -1e308, 1e308]),
    Code.CONSTANT_SERIES: fit_with(values=[1, 1, 1]),
    Code.UNKNOWN_DETECTOR: fit_with(detector="crystal-ball"),
    Code.UNKNOWN_PARAMETER: fit_with(parameters={"mood": 1}),
    Code.INVALID_PARAMETER: fit_with(parameters={"threshold": -1}),
    Code.JOB_FINISHED: request_to("POST", "/jobs/{succeeded}/cancel"),
    Code.JOB_NOT_RETRYABLE: request_to("POST", "/jobs/{succeeded}/retry"),
    Code.VERSION_PINNED: request_to("DELETE", "/series/{trained}/versions/1"),
    Code.STREAM_NOT_FOUND: request_to("GET", "/series/never-pushed/points"),
    Code.INVALID_WATCH: request_to("PUT", "/watches/plant7", json={"prefix": "plant7.", "mood": 1}),
    Code.WATCH_NOT_FOUND: request_to("GET", "/watches/nothing"),
    Code.INVALID_CONFIGURATION: request_to("POST", "/apply", json={"watches": {"plant7": {"mood": 1}}}),
    Code.INVALID_SPAN: request_to("POST", "/series/a/spans", json={"from": 2, "to": 1, "kind": "exclude"}),
    Code.SPAN_NOT_FOUND: request_to("DELETE", f"/spans/{UUID(int=7)}"),
    Code.ALERT_NOT_FOUND: request_to("GET", f"/alerts/{UUID(int=7)}"),
    Code.INVALID_RECEIVER: request_to(
        "PUT", "/receivers/a", json={"kind": "webhook", "url": "http://2130706433/", "types": ["x"]}
    ),
    Code.UNKNOWN_RECEIVER: request_to(
        "PUT", "/watches/telling", json={"prefix": "telling.", "notify": {"receivers": ["nobody"]}}
    ),
    Code.RECEIVER_NOT_FOUND: request_to("GET", "/receivers/nobody"),
    Code.DELIVERY_NOT_FOUND: request_to("POST", f"/deliveries/{2**63}/replay"),
    Code.INVALID_SOURCE: request_to("PUT", "/sources/s", json={"kind": "carrier pigeon"}),
    Code.SOURCE_NOT_FOUND: request_to("GET", "/sources/nobody-knows"),
    Code.UNSUPPORTED_MEDIA_TYPE: request_to(
        "POST", "/api/v1/write", content=b"", headers={"Content-Type": "text/plain"}
    ),
}
