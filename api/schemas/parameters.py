"""Parameters of the OpenAPI document, for routes that check them themselves."""

from typing import Any

from shared.domain.detectors.contract import CAUSAL, CENTRED, RETROSPECTIVE

SERIES_ID_SCHEMA = {"type": "string", "pattern": r"^[A-Za-z0-9._-]{1,128}$", "minLength": 1, "maxLength": 128}
VERSION_SCHEMA = {"type": "string", "pattern": r"^([vV]?[0-9]{1,10}|latest)$"}
JOB_ID_SCHEMA = {"type": "string", "format": "uuid"}
MOMENT_SCHEMA = {"anyOf": [{"type": "string", "format": "date-time"}, {"type": "number"}]}
ABOUT_SERIES_ID = "1 to 128 letters, digits, dots, dashes and underscores"
ABOUT_VERSION = "Version number, as in 3 or v3; 0, latest or omitted: the latest"
SERIES_EXAMPLE = "boiler"  # the series of all examples

SERIES_ID: dict[str, Any] = {
    "name": "series_id",
    "in": "path",
    "required": True,
    "description": ABOUT_SERIES_ID,
    "schema": SERIES_ID_SCHEMA,
    "example": SERIES_EXAMPLE,
}
VERSION: dict[str, Any] = {
    "name": "version",
    "in": "query",
    "required": False,
    "description": ABOUT_VERSION,
    "schema": VERSION_SCHEMA,
}
EXPLAIN: dict[str, Any] = {
    "name": "explain",
    "in": "query",
    "required": False,
    "description": "Add an explanation to the verdict",
    "schema": {"type": "boolean", "default": False},
}
MODE: dict[str, Any] = {
    "name": "mode",
    "in": "query",
    "required": False,
    "description": "Which points a score may depend on; GET /detectors lists the modes of each detector",
    "schema": {"type": "string", "enum": [CAUSAL, CENTRED, RETROSPECTIVE], "default": CAUSAL},
}
IDEMPOTENCY_KEY: dict[str, Any] = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "A repeated request with the same key returns the job of the first one",
    "schema": {"type": "string", "pattern": r"^[\x21-\x7e]{1,255}$"},
}
BUCKET: dict[str, Any] = {
    "name": "bucket",
    "in": "query",
    "required": False,
    "description": "Beginning of the ids of all series",
    "schema": {"type": "string"},
}
DATABASE: dict[str, Any] = {**BUCKET, "name": "db"}
PRECISION: dict[str, Any] = {
    "name": "precision",
    "in": "query",
    "required": False,
    "description": "Unit of the timestamps",
    "schema": {"type": "string", "enum": ["ns", "n", "us", "u", "ms", "s", "m", "h"], "default": "ns"},
}
PREFER: dict[str, Any] = {
    "name": "Prefer",
    "in": "header",
    "required": False,
    "description": "wait=N delays the response until the job has ended, by at most N seconds; N is capped at 30",
    "schema": {"type": "string"},
}
