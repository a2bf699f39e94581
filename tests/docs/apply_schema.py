"""The JSON schema of files for `tsad apply`, made from the OpenAPI document.

`python -m tests.docs.apply_schema` rewrites it.
"""

import json
from collections.abc import Iterator
from typing import Any

from api.main import create_app
from tests.docs.markdown import ROOT
from tests.processes import make_settings

SCHEMA = ROOT / "docs/reference/apply.schema.json"
PLACE = "#/components/schemas/"


def schema() -> str:
    """The whole file."""
    app = create_app(make_settings(database_url="postgresql://localhost/tsad", redis_url="redis://localhost"))
    components = app.openapi()["components"]["schemas"]
    needed = ["ConfigurationBody"]
    for name in needed:  # grows
        needed += sorted(set(_references(components[name])) - set(needed))
    root, *others = needed
    document = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **components[root],
        "title": "A file for tsad apply",
        "$defs": {name: components[name] for name in sorted(others)},
    }
    return json.dumps(document, indent=2, ensure_ascii=False).replace(PLACE, "#/$defs/") + "\n"


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"].removeprefix(PLACE)
        for value in node.values():
            yield from _references(value)
    elif isinstance(node, list):
        for value in node:
            yield from _references(value)


if __name__ == "__main__":
    SCHEMA.write_text(schema())
