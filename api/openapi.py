"""The OpenAPI document, with the msgspec types of requests and responses, which FastAPI does not support.

It describes the JSON API, and no pages. Its examples are requests and responses of one installation, in an order that a
test sends (`api.schemas.examples`).
"""

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType, ModuleType
from typing import Any

import msgspec
from fastapi import Depends, FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from starlette.responses import Response

from api import schemas
from api.chain.authentication import requires
from api.problems import MEDIA_TYPE
from api.schemas import fields, jobs, problems, requests
from api.schemas.examples import BODIES, TEXTS
from shared.domain import detectors
from shared.domain.access import Scope
from shared.domain.series import LAST_TIMESTAMP

SCOPE = "x-scope"
LINES = "application/x-ndjson"
TAGS = (
    "fits",
    "predictions",
    "points",
    "watches",
    "alerts",
    "receivers",
    "sources",
    "jobs",
    "series",
    "versions",
    "plots",
    "health",
)

TEXT = {"schema": {"type": "string"}}
_TIMESTAMPS = {"type": "array", "items": {"type": "integer", "minimum": 0, "maximum": LAST_TIMESTAMP}}
_MOMENTS = {
    "type": "array",
    "items": {"anyOf": [{"type": "integer"}, {"type": "string"}]},  # one that is out of range refuses only its point
    "description": "Times of the points in any order: seconds since 1970 until the year 9999, or ISO 8601",
}
_VALUES = {"type": "array", "items": {"type": "number"}}
_NULLABLE = {
    "type": "array",
    "items": {"anyOf": [{"type": "number"}, {"type": "null"}]},
    "description": "One number for each timestamp; null where the value is missing",
}
_COLUMNS = {  # msgspec decodes these fields later, so it does not know their types
    "FitBody": {"timestamps": _TIMESTAMPS, "values": _VALUES},
    "BulkLine": {"timestamps": _TIMESTAMPS, "values": _VALUES},
    "PointsBody": {"timestamps": _TIMESTAMPS, "values": _NULLABLE},
    "PushBody": {"timestamps": _MOMENTS, "values": _NULLABLE},
    "PointLine": {"timestamps": _MOMENTS, "values": _NULLABLE},
}

_LINKS: dict[type[msgspec.Struct], dict[str, Any]] = {  # from a fit to its job, and from a job to its version
    jobs.AcceptedJob: {
        "job": {"operationId": "get_job", "parameters": {"job_id": "$response.body#/job_id", "wait": 10}}
    },
    jobs.JobAnswer: {
        "predict": {"operationId": "predict", "parameters": {"series_id": "$response.body#/series_id"}},
        "plot": {
            "operationId": "plot_svg",
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
    lines_in: bool = False,
    content: str = "",
    also: Mapping[int, tuple[str, type[msgspec.Struct]]] = MappingProxyType({}),
    alternatives: Sequence[str] = (),
    raw_parameters: Sequence[dict[str, Any]] = (),
) -> dict[str, Any]:
    """Return the keyword arguments for a route's decorator.

    `answer` is the type of a JSON response, the media type of another response, or None for a response without a body.
    `scope` is the scope that the caller's key must have; None if the route requires none.
    With `lines`, request and response hold one JSON object per line; with `lines_in`, only the request does. With
    `content`, the request has a body of this media type. `also` describes JSON responses with another status.
    `alternatives` lists more media types of the response. `raw_parameters` lists constants of `api.schemas.parameters`
    for parameters that the route reads from the request itself for speed.
    """
    responses: dict[int | str, dict[str, Any]] = {
        status: _response("Success", answer, lines=lines),
        **{other: _response(description, kind) for other, (description, kind) in also.items()},
    }
    for media_type in alternatives:
        responses[status]["content"][media_type] = TEXT
    responses["default"] = {"description": "Problem", "content": {MEDIA_TYPE: {"schema": _reference(problems.Problem)}}}
    extra: dict[str, Any] = {}
    if body:
        extra["requestBody"] = {"required": not lines, "content": _content(body, lines=lines or lines_in)}
    if content:
        extra["requestBody"] = {"required": True, "content": _content(content)}
    if raw_parameters:
        extra["parameters"] = list(raw_parameters)
    if scope:
        extra |= {"security": [{"key": []}], SCOPE: scope.value}
    return {
        "status_code": status,
        "responses": responses,
        "response_class": Response,  # without a media type, which FastAPI would add to each response
        "openapi_extra": extra,
        "dependencies": [Depends(requires(scope))] if scope else [],
    }


def page_route(*, scope: Scope | None) -> dict[str, Any]:
    """Return the keyword arguments for the decorator of a page, which the document does not describe."""
    return operation(None, scope=scope) | {"include_in_schema": False}


def scope_of(route: APIRoute) -> Scope | None:
    """Return the scope that a route declares; None for a public route."""
    declared = (route.openapi_extra or {}).get(SCOPE)
    return Scope(declared) if declared else None


def name_of(route: APIRoute) -> str:
    """Return the operation id of a route, which is the name of a function in generated clients."""
    return route.name


def install(app: FastAPI) -> None:
    """Add the msgspec types to FastAPI's document, which is created on the first request for it."""

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = get_openapi(
                title=app.title,
                version=app.version,
                description=app.description,
                routes=app.routes,
                tags=[{"name": name} for name in TAGS],
            )
            schema.setdefault("components", {}).setdefault("schemas", {}).update(_components())
            schema["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
            for described in _operations(schema):
                _summarize(described)
                _forbid_null(described)
                _illustrate(described)
            app.openapi_schema = schema
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]


def _components() -> dict[str, Any]:
    modules = [module for _, module in sorted(vars(schemas).items()) if isinstance(module, ModuleType)]
    types = [kind for module in modules for kind in _types_of(module)]
    _, components = msgspec.json.schema_components(types, ref_template="#/components/schemas/{name}")
    del components[requests.Body.__name__]
    for name, columns in _COLUMNS.items():
        components[name]["properties"].update({field: dict(column) for field, column in columns.items()})
    components["Detector"] = {
        "type": "string",
        "enum": list(detectors.registry()),
        "description": "Name of a detector.",
    }
    for name in ("FitBody", "BulkLine", "RefitBody"):
        components[name]["properties"]["detector"] = {"$ref": "#/components/schemas/Detector"}
    fields.describe(components)
    return components


def _types_of(module: ModuleType) -> list[type[msgspec.Struct]]:
    types = [kind for kind in vars(module).values() if isinstance(kind, type) and issubclass(kind, msgspec.Struct)]
    return [kind for kind in types if kind.__module__ == module.__name__]


def _operations(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for methods in schema["paths"].values():
        yield from methods.values()


def _summarize(described: dict[str, Any]) -> None:
    """Split the docstring of a route: its first sentence is the summary, the rest the description."""
    sentences = " ".join(described["description"].split())
    first, stop, rest = sentences.partition(". ")
    described["summary"] = first + stop.strip()
    described["description"] = rest
    if not rest:
        del described["description"]


def _forbid_null(described: dict[str, Any]) -> None:
    """Describe optional parameters without null, which a URL cannot express."""
    for parameter in described.get("parameters", ()):
        choices = [choice for choice in parameter["schema"].get("anyOf", ()) if choice != {"type": "null"}]
        if len(choices) == 1:
            parameter["schema"] = choices[0]


def _illustrate(described: dict[str, Any]) -> None:
    """Add the examples of request and responses. FastAPI would drop each null in them."""
    for part in (described.get("requestBody", {}), *described["responses"].values()):
        for media_type, content in part.get("content", {}).items():
            name = content.get("x-item-schema", content["schema"]).get("$ref", "").rpartition("/")[2]
            if media_type in TEXTS:
                content["example"] = TEXTS[media_type]
            elif name in BODIES:
                body = BODIES[name]
                content["example"] = msgspec.json.encode(body).decode() + "\n" if media_type == LINES else body


def _response(description: str, body: type[msgspec.Struct] | str | None, *, lines: bool = False) -> dict[str, Any]:
    response: dict[str, Any] = {"description": description}
    if body is not None:
        response["content"] = _content(body, lines=lines)
    if isinstance(body, type) and body in _LINKS:
        response["links"] = _LINKS[body]
    return response


def _content(body: type[msgspec.Struct] | str, *, lines: bool = False) -> dict[str, Any]:
    if isinstance(body, str):
        return {body: TEXT}
    return {LINES: _lines(body)} if lines else {"application/json": {"schema": _reference(body)}}


def _lines(body: type[msgspec.Struct]) -> dict[str, Any]:
    """Describe lines as text, because OpenAPI 3.1 has no type for them; `x-item-schema` is the type of each."""
    text = {"type": "string", "format": "binary", "description": f"One {body.__name__} per line"}
    return {"schema": text, "x-item-schema": _reference(body)}


def _reference(kind: type[msgspec.Struct]) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{kind.__name__}"}
