"""The reference of the HTTP API, made from its OpenAPI document. `python -m tests.docs.http_reference` rewrites it."""

from collections.abc import Iterator
from typing import Any

from api.main import create_app
from tests.docs.markdown import ROOT
from tests.processes import make_settings

DOCUMENT = ROOT / "docs/reference/api.md"
HEAD = """# The HTTP API

Generated from the OpenAPI document, which the service serves at `/openapi.json`; try the routes out at `/docs`.
Responses with a status of 400 or more are problems with [a code](errors.md). A route with a scope needs a key that has
this scope, sent as `Authorization: Bearer …` ([security](../explanation/security.md)).
"""

Schema = dict[str, Any]


def reference() -> str:
    """The whole document."""
    app = create_app(make_settings(database_url="postgresql://localhost/tsad", redis_url="redis://localhost"))
    document = app.openapi()
    lines = [HEAD]
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            lines += [f"## {method.upper()} {path}\n", *_operation(operation)]
    lines.append("# Bodies\n")
    for name, schema in sorted(document["components"]["schemas"].items()):
        lines += [f"## {name}\n", *_schema(schema), ""]
    return "\n".join(lines).rstrip() + "\n"


def _operation(operation: Schema) -> Iterator[str]:
    yield " ".join([operation["summary"], operation.get("description", "")]).strip() + "\n"
    if scope := operation.get("x-scope"):
        yield f"Scope `{scope}`.\n"
    for parameter in operation.get("parameters", ()):
        needed = ", required" if parameter["required"] and parameter["in"] != "path" else ""
        yield f"- `{parameter['name']}` ({parameter['in']}{needed}): {_entry(parameter, _type(parameter['schema']))}"
    if body := operation.get("requestBody"):
        yield f"- body: {_contents(body)}"
    for status, answer in operation["responses"].items():
        if status != "default":
            yield f"- response {status}: {_contents(answer)}"
    yield ""


def _schema(schema: Schema) -> Iterator[str]:
    if "enum" in schema:
        yield _type(schema)
    if description := schema.get("description"):
        yield " ".join(description.split()) + "\n"
    for name, inner in schema.get("properties", {}).items():
        optional = "" if name in schema.get("required", ()) else ", optional"
        yield f"- `{name}`: {_entry(inner, _type(inner) + optional)}"


def _contents(part: Schema) -> str:
    contents = part.get("content", {}).items()
    kinds = [f"{_type(schema)} as {kind}" if (schema := content.get("schema")) else kind for kind, content in contents]
    return "; ".join(kinds) or "empty"


def _entry(part: Schema, kind: str) -> str:
    description = " ".join(part.get("description", "").split())
    return f"{kind}. {description}" if description else kind


def _type(schema: Schema) -> str:
    """The type in words, with its bounds."""
    if reference := schema.get("$ref"):
        name = reference.rsplit("/", 1)[1]
        return f"[{name}](#{name.lower()})"
    if choices := schema.get("anyOf") or schema.get("oneOf"):
        return " or ".join(_type(choice) for choice in choices)
    if "enum" in schema:
        return "one of " + ", ".join(f"`{value}`" for value in schema["enum"])
    kind = str(schema.get("type", "anything"))
    if kind == "array":
        kind = f"array of {_type(schema.get('items', {}))}"
    bounds = [
        f"{word} {schema[key]}"
        for key, word in (
            ("minimum", "min."),
            ("maximum", "max."),
            ("minLength", "min. length"),
            ("maxLength", "max. length"),
            ("maxItems", "max. entries"),
            ("default", "default"),
        )
        if schema.get(key) not in (None, "")
    ]
    return ", ".join([kind, *bounds])


if __name__ == "__main__":
    DOCUMENT.write_text(reference())
