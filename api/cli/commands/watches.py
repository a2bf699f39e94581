"""`tsad watches`: list, show, set, delete, pause and resume watches."""

import json
import sys
from collections.abc import Callable
from operator import itemgetter
from pathlib import Path
from typing import Annotated, Any

import typer

from api.cli.client import Client, segment
from api.cli.options import DEFAULT_URL, AsJson, Key, Url, Yes
from api.cli.output import confirm, note, show_fields, show_json, show_list
from api.cli.watching import Fields, changed, document_of
from shared.errors import Code, InputError, NotFoundError

watches = typer.Typer(help="List, show, set, delete, pause and resume watches.", no_args_is_help=True)

COLUMNS: dict[str, Callable[[dict[str, Any]], object]] = {
    "watch": itemgetter("name"),
    "prefix": itemgetter("prefix"),
    "streams": itemgetter("streams"),
    "learning": itemgetter("learning"),
    "open alerts": itemgetter("open_alerts"),
    "detector": itemgetter("detector"),
    "paused": lambda watch: "yes" if watch["paused"] else "no",
}

Name = Annotated[str, typer.Argument(help="Name of the watch.", metavar="WATCH")]


@watches.command("list")
def list_watches(*, url: Url = DEFAULT_URL, key: Key = "", as_json: AsJson = False) -> None:
    """List the watches, ordered by name."""
    with Client(url, key) as client:
        show_list(client.get("/watches")["watches"], COLUMNS, as_json=as_json)


@watches.command("show")
def show_watch(name: Name, *, url: Url = DEFAULT_URL, key: Key = "", as_json: AsJson = False) -> None:
    """Show a watch with all its fields, and what it watches."""
    with Client(url, key) as client:
        print_watch(client.get(_path(name)), as_json=as_json)


@watches.command("set")
def set_watch(
    name: Name,
    fields: Fields = None,
    *,
    file: Annotated[str, typer.Option(help="JSON document that replaces the watch; - reads standard input.")] = "",
    url: Url = DEFAULT_URL,
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Create or change a watch. Fields that are not named keep their values; a new watch has the defaults.

    A new watch needs a prefix. To empty the prefix, so that it watches all series: prefix=

    [bold]tsad watches set plant7 prefix=plant7. silence=10m open.anomalies=3[/]

    [bold]tsad watches show plant7 --json | jq '{prefix, close}' | tsad watches set copy --file -[/]
    """
    with Client(url, key) as client:
        document = _document(file) if file else _existing(client, name)
        print_watch(client.put(_path(name), changed(document, fields)), as_json=as_json)


@watches.command("delete")
def delete_watch(
    name: Name,
    *,
    yes: Yes = False,
    url: Url = DEFAULT_URL,
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Delete a watch and close its alerts. Points of its series are still stored and judged."""
    if not yes:
        confirm(f"Delete the watch {name} and close its alerts?")
    with Client(url, key) as client:
        client.delete(_path(name))
    show_json({"name": name, "deleted": True}) if as_json else note(f"Deleted the watch {name}.")


@watches.command("pause")
def pause(name: Name, *, url: Url = DEFAULT_URL, key: Key = "", as_json: AsJson = False) -> None:
    """Pause a watch: points are stored and judged, but nothing opens, and no fit is requested."""
    with Client(url, key) as client:
        print_watch(client.post(f"{_path(name)}/pause", None), as_json=as_json)


@watches.command("resume")
def resume(name: Name, *, url: Url = DEFAULT_URL, key: Key = "", as_json: AsJson = False) -> None:
    """Resume a paused watch."""
    with Client(url, key) as client:
        print_watch(client.post(f"{_path(name)}/resume", None), as_json=as_json)


def print_watch(watch: dict[str, Any], *, as_json: bool) -> None:
    """Print a watch as JSON, or its fields with labels for people."""
    written = {field.replace("_", " "): value for field, value in watch.items() if field not in ("name", "prefix")}
    labels = {"watch": watch["name"], "prefix": watch["prefix"] or "all series", **written}
    show_fields(watch, labels | {"paused": "yes" if watch["paused"] else "no"}, as_json=as_json)


def _existing(client: Client, name: str) -> dict[str, Any]:
    """Return the document of a watch, empty if there is none."""
    try:
        return document_of(client.get(_path(name)))
    except NotFoundError:
        return {}


def _document(file: str) -> dict[str, Any]:
    """Read the document of a watch; raise `InputError` if the file is not a JSON object."""
    try:
        content = sys.stdin.read() if file == "-" and sys.stdin else Path(file).read_text(encoding="utf-8")
        document = json.loads(content)
    except OSError as error:
        raise InputError(Code.INVALID_WATCH, f"{file} cannot be read: {error.strerror}.") from None
    except ValueError as error:
        raise InputError(Code.INVALID_WATCH, f"{file} is not valid JSON: {error}.") from None
    if not isinstance(document, dict):
        raise InputError(Code.INVALID_WATCH, f"{file} must have one JSON object with the fields of a watch.")
    return document


def _path(name: str) -> str:
    return f"/watches/{segment(name)}"
