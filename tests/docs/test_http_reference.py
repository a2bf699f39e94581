"""docs/reference/api.md, the HTTP API."""

from tests.docs.http_reference import DOCUMENT, reference


def test_the_reference_matches_the_openapi_document() -> None:
    assert DOCUMENT.read_text() == reference(), "run `.venv/bin/python -m tests.docs.http_reference`"
