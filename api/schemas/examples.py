"""Examples of the OpenAPI document: bodies by type, and other contents by media type.

All are from an installation with one series, a boiler that alternates hourly between 22 and 18 degrees. A test sends
each request and compares each response.
"""

from typing import Any

import msgspec

from api.schemas.parameters import SERIES_EXAMPLE

_JOB_ID = "6f0c3a52-7d7e-4a35-9f0e-0a6f0a1c9b11"
_TIMESTAMPS = [1_767_225_600 + 3600 * hour for hour in range(12)]
_VALUES = [18.0 if hour % 2 else 22.0 for hour in range(12)]
_PARAMETERS = {"exclude": [], "direction": "both", "threshold": 3.0, "alarm_rate": "off"}
_FIT = {"timestamps": _TIMESTAMPS, "values": _VALUES, "detector": "baseline", "parameters": {"threshold": 3.0}}
_POINT = {"timestamp": 1_767_268_800, "value": 23.0}
_BAND = {"expected": 20.0, "lower": 14.0, "upper": 26.0}
_VERDICT = {"anomaly": False, "model_version": "1", "score": 0.5, **_BAND, "detector": "baseline"}
_PROBLEM = {
    "type": "urn:tsad:problem:series_not_found",
    "title": "Series not found",
    "status": 404,
    "detail": "This series has no version: no fit has succeeded yet, or the series was deleted.",
    "code": "series_not_found",
    "request_id": "c24891c26821d562",
    "errors": [],
}
_JOB = {
    "job_id": _JOB_ID,
    "series_id": SERIES_EXAMPLE,
    "status": "succeeded",
    "progress": 1.0,
    "detector": "baseline",
    "parameters": _PARAMETERS,
    "points_used": 12,
    "version": "1",
    "attempts": 1,
    "worker": "fit-4711@myhost",
    "retry_of": None,
    "error": None,
    "created_at": "2026-01-05T08:00:00.104251Z",
    "started_at": "2026-01-05T08:00:00.117630Z",
    "finished_at": "2026-01-05T08:00:00.151002Z",
    "queue_position": None,
    "links": {
        "self": f"/jobs/{_JOB_ID}",
        "series": f"/series/{SERIES_EXAMPLE}",
        "version": f"/series/{SERIES_EXAMPLE}/versions/1",
        "plot": f"/plot?series_id={SERIES_EXAMPLE}&version=1",
    },
}

BODIES: dict[str, Any] = {
    "FitBody": _FIT,
    "BulkLine": {"series_id": SERIES_EXAMPLE, **_FIT},
    "RefitBody": {"detector": "baseline", "parameters": {"threshold": 2.0, "direction": "above"}},
    "PredictBody": _POINT,
    "PointsBody": {"timestamps": [1_767_268_800, 1_767_272_400, 1_767_276_000], "values": [23.0, None, 35.0]},
    "ManyPointsBody": {"points": [{"series_id": name, **_POINT} for name in (SERIES_EXAMPLE, "chimney")]},
    "PinBody": {"version": 1},
    "AcceptedJob": {
        "job_id": _JOB_ID,
        "series_id": SERIES_EXAMPLE,
        "status": "queued",
        "points_used": 12,
        "links": {
            "self": f"/jobs/{_JOB_ID}",
            "series": f"/series/{SERIES_EXAMPLE}",
            "events": f"/jobs/{_JOB_ID}/events",
            "cancel": f"/jobs/{_JOB_ID}/cancel",
        },
    },
    "BulkResult": {"line": 1, "series_id": SERIES_EXAMPLE, "job_id": _JOB_ID, "status": "queued"},
    "JobAnswer": _JOB,
    "Verdict": _VERDICT,
    "BatchVerdicts": {
        "model_version": "1",
        "detector": "baseline",
        "anomaly": [False, None, True],
        "score": [0.5, None, 2.5],
        "expected": [20.0, 20.0, 20.0],
        "lower": [14.0, 14.0, 14.0],
        "upper": [26.0, 26.0, 26.0],
    },
    "ManyVerdicts": {
        "results": [
            {"series_id": SERIES_EXAMPLE, "verdict": _VERDICT},
            {"series_id": "chimney", "problem": _PROBLEM},
        ]
    },
    "VersionAnswer": {
        "series_id": SERIES_EXAMPLE,
        "version": "1",
        "detector": "baseline",
        "parameters": _PARAMETERS,
        "points": 12,
        "first_timestamp": _TIMESTAMPS[0],
        "last_timestamp": _TIMESTAMPS[-1],
        "training_data_sha256": "8d3c5a1ea86c1c83b3c8b6b2f9b9f9c6f0d9d4f1c2a7e6b5a4938271605f4e3d",
        "state_sha256": "1f2e3d4c5b6a79880716253443526170f8e7d6c5b4a392817061524334251607",
        "threshold": 3.0,
        "learnt": {"mean": 20.0, "threshold": 3.0, "standard_deviation": 2.0, "train_anomaly_fraction": 0.0},
        "anomaly_share": 0.0,
        "incidents": [],
        "sparkline": _VALUES,
        "fit_ms": 0.263,
        "job_id": _JOB_ID,
        "created_at": "2026-01-05T08:00:00.149730Z",
    },
    "TrainingData": {"timestamps": _TIMESTAMPS, "values": _VALUES},
    "DeletedSeries": {"series_id": SERIES_EXAMPLE, "deleted_versions": 3, "cancelled_jobs": []},
    "Health": {
        "series_trained": 1,
        "inference_latency_ms": {"avg": 5.732, "p95": 6.823},
        "training_latency_ms": {"avg": 62.4, "p95": 68.9},
    },
    "Readiness": {
        "status": "ready",
        "checks": {"database": "ok", "artifact store": "ok", "redis": "ok", "workers": "ok"},
    },
    "Liveness": {"status": "alive"},
    "Problem": _PROBLEM,
}
TEXTS: dict[str, str] = {
    "text/event-stream": f"id: 3\nevent: job\ndata: {msgspec.json.encode(_JOB).decode()}\n\n",
    "text/csv": "timestamp,value\n"
    + "".join(f"{time},{value}\n" for time, value in zip(_TIMESTAMPS, _VALUES, strict=True)),
}
