"""The schema of files for `tsad apply` is current, and accepts the example in the documents."""

import json
import re

import jsonschema

from api.cli.documents import read_document
from tests.docs.apply_schema import SCHEMA, schema
from tests.docs.markdown import ROOT, blocks

RECIPE = ROOT / "docs/how-to/configure-with-a-file.md"


def test_the_schema_is_current() -> None:
    assert SCHEMA.read_text() == schema(), "run `.venv/bin/python -m tests.docs.apply_schema`"


def test_the_schema_accepts_the_example_and_refuses_a_misspelled_field() -> None:
    example = blocks(re.sub(r"(?m)^   ", "", RECIPE.read_text()))[0].content
    validator = jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text()))
    validator.validate(read_document("example", example).value)
    assert not validator.is_valid(read_document("example", example.replace("silence:", "silense:")).value)
