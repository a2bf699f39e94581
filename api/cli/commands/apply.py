"""`tsad apply`: make receivers, watches and sources what a file says."""

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from api.cli.client import Answer, Client
from api.cli.documents import Document, read_document
from api.cli.options import DEFAULT_URL, AsJson, Key, Url
from api.cli.output import confirm, note, show, show_json
from shared.errors import Code, Flaw, InputError, TsadError

SIGNS = {"create": "+", "change": "~", "delete": "-"}
DONE = {"create": "created", "change": "changed", "delete": "deleted", "keep": "unchanged"}
SINGULAR = {"receivers": "receiver", "watches": "watch", "sources": "source"}


def apply(
    file: Annotated[str, typer.Argument(help="YAML or JSON file; - reads standard input.")],
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would change, and change nothing.")] = False,
    prune: Annotated[
        bool, typer.Option("--prune", help="Delete what the file does not name, in each section that it has.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before deleting.")] = False,
    url: Url = DEFAULT_URL,
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Make receivers, watches and sources what a file says, all or nothing, and show what changed.

    The file has a section for each kind, with names and their fields. Fields that it leaves out get their defaults.
    Applying it again changes nothing. What the file does not name stays, unless --prune deletes it.
    """
    document = read_document("standard input" if file == "-" else file, _content(file))
    _check_sections(document)
    with Client(url, key) as client:
        if prune and not yes and not dry_run:
            _confirm(_applied(client, document, dry_run=True, prune=True))
        answer = _applied(client, document, dry_run=dry_run, prune=prune)
    if as_json:
        for change in answer["changes"]:
            show_json(change)
    else:
        _show(document, answer)


def _content(file: str) -> str:
    try:
        return sys.stdin.read() if file == "-" and sys.stdin else Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise InputError(Code.INVALID_CONFIGURATION, f"{file} cannot be read: {reason}.") from None


def _check_sections(document: Document) -> None:
    """Raise `InputError` unless the file has sections with names; an empty section must be meant."""
    if not isinstance(document.value, dict) or not document.value:
        sentence = f"{document.name} has no section. Write watches: and below it names with their fields."
        raise InputError(Code.INVALID_CONFIGURATION, sentence)
    flaws = []
    for section, objects in document.value.items():
        if not isinstance(objects, dict):
            flaws.append(Flaw((section,), "must have names with their fields below it; {} for none"))
            continue
        flaws += [Flaw((section, name), "has no fields") for name, fields in objects.items() if fields is None]
    if flaws:
        raise document.error(flaws)


def _applied(client: Client, document: Document, *, dry_run: bool, prune: bool) -> Answer:
    """Send the document; let errors name the lines of the file."""
    try:
        return client.post("/apply", document.value, dry_run=dry_run, prune=prune)
    except TsadError as error:
        if not error.flaws:
            raise
        named = document.error(error.flaws, error.code)
        raise type(error)(error.code, named.detail) from None


def _confirm(planned: Answer) -> None:
    """Ask before objects are deleted."""
    names = [_subject(change) for change in planned["changes"] if change["action"] == "delete"]
    if names:
        confirm(f"Delete {', '.join(names)}? Their alerts are closed.")


def _show(document: Document, answer: Answer) -> None:
    changes = answer["changes"]
    for change in changes:
        if change["action"] in SIGNS:
            show(f"{SIGNS[change['action']]} {_subject(change)}")
            written = document.value[change["section"]].get(change["name"])
            for line in _lines(change, written):
                show(f"    {line}")
    for change in changes:
        if "secret" in change:
            note(f"The secret of {_subject(change)}, which is not shown again: {change['secret']}")
    others = [
        _subject(change)
        for change in changes
        if change["action"] == "keep" and change["name"] not in document.value[change["section"]]
    ]
    if others:
        note(f"Not in the file, and kept: {', '.join(others)}. --prune deletes them.")
    counts = {done: sum(change["action"] == action for change in changes) for action, done in DONE.items()}
    summary = ", ".join(f"{number} {done}" for done, number in counts.items() if number) or "Nothing to do"
    note(f"Dry run, nothing was changed: {summary}." if answer["dry_run"] else f"{summary}.")


def _lines(change: Mapping[str, Any], written: Any) -> Iterator[str]:
    """Yield the fields of a new object as the file has them, or those that changed."""
    if change["action"] == "create":
        for name, value in _flat(written):
            yield f"{name}: {_text(value)}"
    if change["action"] == "change":
        before, after = dict(_flat(change["before"])), dict(_flat(change["after"]))
        for name in dict.fromkeys([*before, *after]):
            if before.get(name) != after.get(name):
                yield f"{name}: {_text(before.get(name))} → {_text(after.get(name))}"


def _flat(fields: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the fields of nested objects with dots in their names."""
    for name, value in fields.items() if isinstance(fields, Mapping) else ():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{prefix}{name}.")
        elif isinstance(value, list) and value and isinstance(value[0], Mapping):
            yield from _flat(dict(enumerate(value)), f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _subject(change: Mapping[str, Any]) -> str:
    return f"{SINGULAR.get(change['section'], change['section'])} {change['name']}"


def _text(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return str(value)
