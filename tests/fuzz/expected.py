"""What Schemathesis also checks here: rules that JSON Schema cannot say are refused with a documented code."""

from typing import Any

import msgspec
import schemathesis

from api.problems import STATUS
from shared.errors import Code


@schemathesis.serializer("application/x-ndjson")
def one_object_a_line(_context: schemathesis.SerializationContext, value: object) -> bytes:
    """Generated bodies as lines."""
    return b"\n".join(msgspec.json.encode(line) for line in (value if isinstance(value, list) else [value]))


@schemathesis.hook
def filter_failure(
    _context: schemathesis.HookContext,
    failure: Exception,
    case: "schemathesis.Case[Any]",
    response: schemathesis.Response,
) -> bool:
    """Leave out two things that the document cannot say, each for one path alone."""
    kind = type(failure).__name__
    of_the_form = case.operation.path == "/ui/login" and kind in ("UnsupportedMethodResponse", "AllowHeaderMismatch")
    by_the_line = case.operation.label == "POST /fit" and kind == "AcceptedNegativeData" and response.status_code == 200
    return not (of_the_form or by_the_line)


@schemathesis.check
def refusals_carry_a_documented_code(
    _context: schemathesis.CheckContext, response: schemathesis.Response, _case: "schemathesis.Case[Any]"
) -> None:
    """Each 4xx is a problem body whose code the catalogue has, with this very status."""
    if 400 <= response.status_code < 500 and "json" in response.headers.get("content-type", [""])[0]:
        problem = response.json()
        status, title = STATUS[Code(problem["code"])]
        assert (status, title) == (response.status_code, problem["title"])
