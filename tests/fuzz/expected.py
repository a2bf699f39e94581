"""Extensions of Schemathesis: rules that JSON Schema cannot express are refused with a documented code."""

from typing import Any

import msgspec
import schemathesis

from api.problems import STATUS
from shared.errors import Code


@schemathesis.serializer("application/x-ndjson")
def one_object_a_line(_context: schemathesis.SerializationContext, value: object) -> bytes:
    """Serialize generated bodies as lines."""
    return b"\n".join(msgspec.json.encode(line) for line in (value if isinstance(value, list) else [value]))


@schemathesis.hook
def filter_failure(
    _context: schemathesis.HookContext,
    failure: Exception,
    case: "schemathesis.Case[Any]",
    response: schemathesis.Response,
) -> bool:
    """Ignore two findings about facts that the document cannot express, each for one path only."""
    kind = type(failure).__name__
    is_sign_in_form = case.operation.path == "/ui/login" and kind in (
        "UnsupportedMethodResponse",
        "AllowHeaderMismatch",
    )
    is_bulk_fit = case.operation.label == "POST /fit" and kind == "AcceptedNegativeData" and response.status_code == 200
    return not (is_sign_in_form or is_bulk_fit)


@schemathesis.check
def refusals_carry_a_documented_code(
    _context: schemathesis.CheckContext, response: schemathesis.Response, _case: "schemathesis.Case[Any]"
) -> None:
    """Check that each 4xx is a problem with a cataloged code and the matching status."""
    if 400 <= response.status_code < 500 and "json" in response.headers.get("content-type", [""])[0]:
        problem = response.json()
        status, title = STATUS[Code(problem["code"])]
        assert (status, title) == (response.status_code, problem["title"])
