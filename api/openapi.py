"""The OpenAPI document, with the msgspec types of requests and responses, which FastAPI does not support."""

from collections.abc import Sequence
from types import ModuleType
from typing import Any

import msgspec
from fastapi import Depends, FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from api.chain.authentication import requires
from api.problems import MEDIA_TYPE
from api.schemas import answers, jobs, requests
from shared.domain.access import Scope
from shared.domain.detectors.contract import CAUSAL, CENTRED, RETROSPECTIVE
from shared.domain.series import LAST_TIMESTAMP

SCOPE = "x-scope"
_COLUMNS = {
    "timestamps": {
        "type": "array",
        "items": {"type": "integer", "minimum": 0, "maximum": LAST_TIMESTAMP},
        "description": "Seconds since 1970, strictly increasing",
    },
    "values": {"type": "array", "items": {"type": "number"}, "description": "Finite numbers, one for each timestamp"},
}
SERIES_ID = {
    "name": "series_id",
    "in": "path",
    "required": True,
    "schema": {"type": "string", "pattern": r"^[A-Za-z0-9._-]{1,128}$", "minLength": 1, "maxLength": 128},
}
VERSION = {
    "name": "version",
    "in": "query",
    "required": False,
    "description": "Version number, as in 3 or v3; 0, latest or omitted: the latest",
    "schema": {"type": "string", "pattern": r"^([vV]?[0-9]{1,10}|latest)$"},
}
EXPLAIN = {
    "name": "explain",
    "in": "query",
    "required": False,
    "description": "Add an explanation to the verdict",
    "schema": {"type": "boolean", "default": False},
}
MODE = {
    "name": "mode",
    "in": "query",
    "required": False,
    "description": "Which points a score may depend on; GET /detectors lists the modes of each detector",
    "schema": {"type": "string", "enum": [CAUSAL, CENTRED, RETROSPECTIVE], "default": CAUSAL},
}
IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "A repeated request with the same key returns the job of the first one",
    "schema": {"type": "string", "pattern": r"^[\x21-\x7e]{1,255}$"},
}
PREFER = {
    "name": "Prefer",
    "in": "header",
    "required": False,
    "description": "wait=N delays the response until the job has ended, by at most N seconds; N is capped at 30",
    "schema": {"type": "string"},
}

_LINKS: dict[type[msgspec.Struct], dict[str, Any]] = {  # from a fit to its job, and from a job to its version
    jobs.AcceptedJob: {
        "job": {
            "operationRef": "#/paths/~1jobs~1{job_id}/get",
            "parameters": {"job_id": "$response.body#/job_id", "wait": 10},
        }
    },
    jobs.JobAnswer: {
        "predict": {
            "operationRef": "#/paths/~1predict~1{series_id}/post",
            "parameters": {"series_id": "$response.body#/series_id"},
        },
        "plot": {
            "operationRef": "#/paths/~1plot/get",
            "parameters": {"series_id": "$response.body#/series_id", "version": "$response.body#/version"},
        },
    },
}


def operation(
    answer: type[msgspec.Struct] | str | None,
    *,
    scope: Scope | None,
    status: int = 200,
    body: type[msgspec.Struct] | None = None,
    lines: bool = False,
    raw_parameters: Sequence[dict[str, Any]] = (),
) -> dict[str, Any]:
    """Return the keyword arguments for a route's decorator.

    `answer` is the type of a JSON response, the media type of another response, or None for a response without a body.
    `scope` is the scope that the caller's key must have; None if the route requires none.
    With `lines`, request and response hold one JSON object per line. `raw_parameters` lists the constants above for
    parameters that the route reads from the request itself for speed.
    """
    media_type = "application/x-ndjson" if lines else "application/json"
    success: dict[str, Any] = {"description": "Success"}
    if answer is not None:
        success["content"] = {answer: {}} if isinstance(answer, str) else {media_type: {"schema": _reference(answer)}}
    if isinstance(answer, type) and answer in _LINKS:
        success["links"] = _LINKS[answer]
    extra: dict[str, Any] = {}
    if body:
        extra["requestBody"] = {"required": not lines, "content": {media_type: {"schema": _reference(body)}}}
    if raw_parameters:
        extra["parameters"] = list(raw_parameters)
    if scope:
        extra |= {"security": [{"key": []}], SCOPE: scope.value}
    problem = {"description": "Problem", "content": {MEDIA_TYPE: {"schema": _reference(answers.Problem)}}}
    return {
        "status_code": status,
        "responses": {status: success, "default": problem},
        "openapi_extra": extra,
        "dependencies": [Depends(requires(scope))] if scope else [],
    }


def scope_of(route: APIRoute) -> Scope | None:
    """Return the scope that a route declares; None for a public route."""
    declared = (route.openapi_extra or {}).get(SCOPE)
    return Scope(declared) if declared else None


def install(app: FastAPI) -> None:
    """Add the msgspec types to FastAPI's document, which is created on the first request for it."""

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
            types = [kind for module in (answers, jobs, requests) for kind in _types_of(module)]
            _, components = msgspec.json.schema_components(types, ref_template="#/components/schemas/{name}")
            for name in ("FitBody", "BulkLine", "PointsBody"):
                components[name]["properties"].update(_COLUMNS)
            schema.setdefault("components", {}).setdefault("schemas", {}).update(components)
            schema["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
            app.openapi_schema = schema
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]


def _types_of(module: ModuleType) -> list[type[msgspec.Struct]]:
    types = [kind for kind in vars(module).values() if isinstance(kind, type) and issubclass(kind, msgspec.Struct)]
    return [kind for kind in types if kind.__module__ == module.__name__]


def _reference(kind: type[msgspec.Struct]) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{kind.__name__}"}
