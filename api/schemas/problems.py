"""The body of every error."""

from msgspec import Struct


class Flaw(Struct):
    """One defect of a request."""

    loc: list[str | int]
    msg: str


class Problem(Struct):
    """An error (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    request_id: str
    errors: list[Flaw]
