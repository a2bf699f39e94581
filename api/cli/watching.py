"""The document of a watch, as commands write it."""

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from api.files.choices import NOTHING_STATED
from api.files.lines import parse_time
from shared.domain.watching.watches import FIELDS
from shared.errors import Code, InputError

Fields = Annotated[
    list[str] | None,
    typer.Argument(help="Fields of the watch, such as silence=10m or open.anomalies=3.", metavar="FIELD=VALUE"),
]


def document_of(answer: Mapping[str, Any]) -> dict[str, Any]:
    """Return the document of a watch that the API returned: the fields that a client sends."""
    return {name: answer[name] for name in FIELDS if name in answer}


def changed(document: Mapping[str, Any], fields: Sequence[str] | None) -> dict[str, Any]:
    """Return the document with other values for `fields`, each NAME=VALUE; a dot leads into an object.

    A value that is valid JSON is decoded, any other stays text. Raises `InputError` without an equals sign.
    """
    result = dict(document)
    for field in fields or ():
        name, equals, written = field.partition("=")
        if not equals or not name:
            raise InputError(Code.INVALID_WATCH, f"{field} is not a field: write FIELD=VALUE, such as silence=10m.")
        *outer, last = name.split(".")
        place = result
        for part in outer:
            inner = place.get(part)
            place[part] = place = dict(inner) if isinstance(inner, Mapping) else {}
        place[last] = _decoded(written)
    return result


def seconds(time: str | None) -> int | None:
    """Return a time of the command line as seconds since 1970."""
    return parse_time(time, NOTHING_STATED) if time else None


def _decoded(written: str) -> Any:
    try:
        return json.loads(written)
    except ValueError:
        return written
