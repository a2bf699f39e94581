"""`tsad receivers`: list, show, set, test, rotate, resume and delete receivers, and list their deliveries."""

import time
from collections.abc import Callable
from operator import itemgetter
from typing import Annotated, Any

import typer

from api.cli.client import Client, segment
from api.cli.options import DEFAULT_URL, AsJson, Key, Url, Yes
from api.cli.output import confirm, note, show_fields, show_json, show_list

receivers = typer.Typer(
    help="List, show, set, test, rotate, resume and delete receivers of messages.", no_args_is_help=True
)

TEST_S = 30.0
POLL_S = 0.25


def state_of(receiver: dict[str, Any]) -> str:
    if receiver["disabled"]:
        return "disabled"
    return "failing" if receiver["failures"] else "ok"


COLUMNS: dict[str, Callable[[dict[str, Any]], object]] = {
    "receiver": itemgetter("name"),
    "kind": itemgetter("kind"),
    "url": lambda receiver: receiver["url"] or f"${receiver['url_env']}",
    "state": state_of,
    "waiting": itemgetter("waiting"),
    "error": lambda receiver: receiver["disabled"] or (receiver["error"] if receiver["failures"] else "") or "",
}
DELIVERY_COLUMNS: dict[str, Callable[[dict[str, Any]], object]] = {
    "id": itemgetter("delivery_id"),
    "queued": lambda delivery: delivery["queued_at"][:19].replace("T", " "),
    "type": itemgetter("type"),
    "watch": lambda delivery: delivery["watch"] or "",
    "status": lambda delivery: delivery["status"].replace("_", " "),
    "attempts": itemgetter("attempts"),
    "error": lambda delivery: delivery["error"] or "",
}

Name = Annotated[str, typer.Argument(help="Name of the receiver.", metavar="RECEIVER")]


@receivers.command("list")
def list_receivers(*, url: Url = DEFAULT_URL, key: Key = "", as_json: AsJson = False) -> None:
    """List the receivers, ordered by name."""
    with Client(url, key) as client:
        show_list(client.get("/receivers")["receivers"], COLUMNS, as_json=as_json)


@receivers.command("show")
def show_receiver(name: Name, *, url: Url = DEFAULT_URL, key: Key = "", as_json: AsJson = False) -> None:
    """Show a receiver, without its secrets."""
    with Client(url, key) as client:
        print_receiver(client.get(_path(name)), as_json=as_json)


@receivers.command("set")
def set_receiver(
    name: Name,
    *,
    kind: Annotated[str, typer.Option(help="webhook, slack or alertmanager.")],
    to: Annotated[str, typer.Option(help="URL of the receiver.")] = "",
    to_env: Annotated[
        str,
        typer.Option(help="Instead: environment variable TSAD_RECEIVER_… of the outbound process that holds the URL."),
    ] = "",
    types: Annotated[
        str, typer.Option(help="Comma-separated changes to report: alert.opened, alert.escalated, alert.closed.")
    ] = "",
    min_score: Annotated[float | None, typer.Option(help="Do not report deviations with a lower score.")] = None,
    url: Url = DEFAULT_URL,
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Create or change a receiver. A new webhook gets a secret, which is shown only once.

    [bold]tsad receivers set oncall --kind webhook --to https://alerts.example.com/tsad[/]

    [bold]tsad receivers set chat --kind slack --to-env TSAD_RECEIVER_CHAT[/]
    """
    document: dict[str, Any] = {"kind": kind, "min_score": min_score}
    document |= {"url": to} if to else {}
    document |= {"url_env": to_env} if to_env else {}
    document |= {"types": [part.strip() for part in types.split(",")]} if types else {}
    with Client(url, key) as client:
        print_receiver(client.put(_path(name), document), as_json=as_json)


@receivers.command("test")
def send_test(name: Name, *, url: Url = DEFAULT_URL, key: Key = "", as_json: AsJson = False) -> None:
    """Send a test message, and wait until it is delivered or an attempt fails.

    The exit code is 1 if it was not delivered.
    """
    with Client(url, key) as client:
        delivery = client.post(f"{_path(name)}/test", None)
        deadline = time.monotonic() + TEST_S
        while delivery["status"] == "waiting" and not delivery["error"] and time.monotonic() < deadline:
            time.sleep(POLL_S)
            listed = client.get(f"{_path(name)}/deliveries?limit=200")["deliveries"]
            delivery = next((row for row in listed if row["delivery_id"] == delivery["delivery_id"]), delivery)
    is_delivered = delivery["status"] == "delivered"
    if as_json:
        show_json(delivery)
    elif is_delivered:
        note(f"Delivered to {name}.")
    elif delivery["error"]:
        note(f"Not delivered to {name}: {delivery['error']} It is tried again; tsad receivers deliveries {name}")
    else:
        note(f"Not delivered to {name} within {TEST_S:g} s. Is the outbound process running?")
    if not is_delivered:
        raise typer.Exit(1)


@receivers.command("rotate")
def rotate(name: Name, *, url: Url = DEFAULT_URL, key: Key = "", as_json: AsJson = False) -> None:
    """Replace the secret of a webhook, and show the new one once. For a day, both sign each message."""
    with Client(url, key) as client:
        print_receiver(client.post(f"{_path(name)}/rotate", None), as_json=as_json)


@receivers.command("resume")
def resume(name: Name, *, url: Url = DEFAULT_URL, key: Key = "", as_json: AsJson = False) -> None:
    """Enable a disabled receiver, and send what waits for it now."""
    with Client(url, key) as client:
        print_receiver(client.post(f"{_path(name)}/resume", None), as_json=as_json)


@receivers.command("deliveries")
def list_deliveries(
    name: Name,
    *,
    limit: Annotated[int, typer.Option(min=1, max=200, help="Number of messages.")] = 20,
    replay: Annotated[int | None, typer.Option(help="Id of a message to send again first, with the same id.")] = None,
    url: Url = DEFAULT_URL,
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """List the messages to a receiver, newest first."""
    with Client(url, key) as client:
        if replay is not None:
            client.post(f"/deliveries/{replay}/replay", None)
        listed = client.get(f"{_path(name)}/deliveries?limit={limit}")["deliveries"]
        show_list(listed, DELIVERY_COLUMNS, as_json=as_json)


@receivers.command("delete")
def delete_receiver(
    name: Name,
    *,
    yes: Yes = False,
    url: Url = DEFAULT_URL,
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Delete a receiver that no watch names, and its deliveries."""
    if not yes:
        confirm(f"Delete the receiver {name} and its deliveries?")
    with Client(url, key) as client:
        client.delete(_path(name))
    show_json({"name": name, "deleted": True}) if as_json else note(f"Deleted the receiver {name}.")


def print_receiver(receiver: dict[str, Any], *, as_json: bool) -> None:
    """Print a receiver as JSON, or its fields with labels for people."""
    labels = {field.replace("_", " "): value for field, value in receiver.items() if value is not None}
    show_fields(receiver, labels | {"types": ", ".join(receiver["types"])}, as_json=as_json)
    if "secret" in receiver and not as_json:
        note("Keep the secret now: it is not shown again.")


def _path(name: str) -> str:
    return f"/receivers/{segment(name)}"
