"""Extensions of Schemathesis: rules that JSON Schema cannot express are refused with a documented code."""

from typing import Any

import msgspec
import schemathesis
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from api.openapi import scope_of
from api.problems import STATUS
from shared.errors import Code
from tests.routing import all_routes

PROTOCOLS = ("POST /api/v1/write", "POST /api/v2/write", "POST /write")


@schemathesis.serializer("application/x-ndjson")
def one_object_a_line(_context: schemathesis.SerializationContext, value: object) -> bytes:
    """Serialize generated bodies as lines."""
    return b"\n".join(msgspec.json.encode(line) for line in (value if isinstance(value, list) else [value]))


@schemathesis.serializer("application/x-protobuf")
def no_message(_context: schemathesis.SerializationContext, value: object) -> bytes:
    """Serialize generated bodies as bytes that are hardly a message."""
    return str(value).encode()


@schemathesis.hook
def before_load_schema(_context: schemathesis.HookContext, raw_schema: dict[str, Any]) -> None:
    """Add what the document leaves out: the pages, and the type of the lines of bodies that are NDJSON."""
    pages = [route for route in all_routes() if isinstance(route, APIRoute) and scope_of(route)]
    pages = [route for route in pages if not route.include_in_schema]
    for route in pages:
        route.include_in_schema = True
    raw_schema["paths"] |= get_openapi(title="pages", version="1", routes=pages)["paths"]
    for path in ("/fit", "/points"):
        lines = raw_schema["paths"][path]["post"]["requestBody"]["content"]["application/x-ndjson"]
        lines["schema"] = lines["x-item-schema"]
        lines.pop("example", None)


@schemathesis.hook
def filter_failure(
    _context: schemathesis.HookContext,
    failure: Exception,
    case: "schemathesis.Case[Any]",
    response: schemathesis.Response,
) -> bool:
    """Ignore a finding about a fact that the document cannot express.

    Lines and points are answered one by one; the bodies of other systems' protocols are not JSON.
    """
    kind = type(failure).__name__
    if case.operation.label in PROTOCOLS:
        is_of_body = kind in ("AcceptedNegativeData", "RejectedPositiveData")
        return not (is_of_body and response.status_code in (204, 400, 415))
    return not (
        case.operation.label in ("POST /fit", "POST /points", "POST /predict")
        and kind == "AcceptedNegativeData"
        and response.status_code == 200
    )


@schemathesis.check
def refusals_carry_a_documented_code(
    _context: schemathesis.CheckContext, response: schemathesis.Response, _case: "schemathesis.Case[Any]"
) -> None:
    """Check that each 4xx is a problem with a cataloged code and the matching status."""
    if 400 <= response.status_code < 500 and "json" in response.headers.get("content-type", [""])[0]:
        problem = response.json()
        status, title = STATUS[Code(problem["code"])]
        assert (status, title) == (response.status_code, problem["title"])
