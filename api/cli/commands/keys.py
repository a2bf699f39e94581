"""`tsad keys`: create, list, rotate and revoke API keys."""

import os
import re
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from api.cli.installation import installation, open_sessions
from api.cli.options import AsJson, HomeFolder
from api.cli.output import note, show_json, show_list
from shared.domain.access import ApiKey, Scope, check_token, digest, new_token
from shared.errors import Code, InputError, NotFoundError, SetupError
from shared.store import keys as store
from shared.store.engine import Session

keys = typer.Typer(help="Create, list, rotate and revoke API keys.", no_args_is_help=True)

KEY_VARIABLE = "TSAD_API_KEY"
FIRST_KEY = (
    "This is the first key: from now on, every request needs one, from this machine too. "
    f"The other commands take it from the environment variable {KEY_VARIABLE}, or from --key."
)
_DURATION = re.compile(r"(\d{1,5})([dhm])")
_UNITS = {"d": "days", "h": "hours", "m": "minutes"}
_PREFIX = re.compile(r"[A-Za-z0-9._-]{0,128}")

KeyId = Annotated[str, typer.Argument(metavar="ID", help="Id of the key, from `tsad keys list`.")]


def state_of(key: ApiKey) -> str:
    if key.revoked_at:
        return f"revoked {key.revoked_at:%Y-%m-%d}"
    if key.expires_at:
        return f"{'until' if key.active else 'expired'} {key.expires_at:%Y-%m-%d}"
    return "active"


COLUMNS: dict[str, Callable[[ApiKey], object]] = {
    "id": lambda key: key.key_id,
    "name": lambda key: key.name,
    "scopes": lambda key: ",".join(key.scopes),
    "series": lambda key: f"{key.series_prefix}…" if key.series_prefix else "all",
    "created": lambda key: f"{key.created_at:%Y-%m-%d}",
    "state": state_of,
}


@keys.command()
def create(
    *,
    name: Annotated[str, typer.Option(help="Name of the key, such as its owner.")],
    scopes: Annotated[str, typer.Option(help="Comma-separated scopes: read, fit, write, admin.")] = "read",
    series_prefix: Annotated[str, typer.Option(help="Limit the key to series ids with this prefix.")] = "",
    expires: Annotated[str, typer.Option(help="Expiry: 90d, 12h, or a date such as 2027-01-31.")] = "",
    first: Annotated[
        bool,
        typer.Option(
            "--first",
            help=f"Create a key only if none exists. If {KEY_VARIABLE} is set: only if no key has this token.",
        ),
    ] = False,
    home: HomeFolder = None,
    as_json: AsJson = False,
) -> None:
    """Create a key. Its token is shown only once, because only its hash is stored.

    Once a key exists, requests from this machine need one too. This is permanent.
    """
    allowed = parse_scopes(scopes)
    expires_at = parse_expiry(expires)
    if not 1 <= len(name) <= 100 or not _PREFIX.fullmatch(series_prefix):
        raise InputError(
            Code.CONFIGURATION,
            "--name must have 1 to 100 characters, and --series-prefix at most 128 letters, digits, '.', '_' and '-'.",
        )
    secret = secret_token() if first else ""
    token = check_token(secret) if secret else new_token()
    key_id = secrets.token_hex(6)
    with transaction(home) as session:
        is_first = not store.all_keys(session)
        exists = first and not secret and not is_first
        created = not exists and store.create(session, key_id, name, allowed, series_prefix, digest(token), expires_at)
    if created:
        show_token(key_id, "" if secret else token, as_json=as_json)
        if is_first:
            note(FIRST_KEY)
    else:
        note("A key already exists. Nothing was changed.")


@keys.command("list")
def list_keys(*, home: HomeFolder = None, as_json: AsJson = False) -> None:
    """List all keys ever created, without their tokens."""
    with transaction(home) as session:
        all_keys = store.all_keys(session)
    show_list(all_keys, COLUMNS, as_json=as_json)


@keys.command()
def rotate(
    key_id: KeyId,
    *,
    overlap: Annotated[str, typer.Option(help="How long the old token stays valid: 1d, 12h, 30m.")] = "0m",
    home: HomeFolder = None,
    as_json: AsJson = False,
) -> None:
    """Replace a key's token. The new one is shown only once. The key keeps its jobs and idempotency keys."""
    token = new_token()
    with transaction(home) as session:
        if not store.rotate(session, key_id, digest(token), parse_duration(overlap)):
            raise no_such_key(key_id)
    show_token(key_id, token, as_json=as_json)


@keys.command()
def revoke(key_id: KeyId, *, home: HomeFolder = None) -> None:
    """Revoke a key and its browser sessions permanently, within 5 seconds on every process."""
    with transaction(home) as session:
        if not store.revoke(session, key_id):
            raise no_such_key(key_id)
    note(f"Revoked key {key_id}.")


def parse_scopes(text: str) -> list[Scope]:
    """Parse comma-separated scopes; raise `InputError` if one is unknown or there are none."""
    try:
        return [Scope(name.strip()) for name in text.split(",")]
    except ValueError:
        raise InputError(
            Code.CONFIGURATION, f"Invalid scopes {text!r}: write a comma-separated list of {', '.join(Scope)}."
        ) from None


def parse_duration(text: str) -> timedelta:
    """Parse days, hours or minutes, such as 90d; raise `InputError` for anything else."""
    if not (match := _DURATION.fullmatch(text)):
        raise InputError(
            Code.CONFIGURATION, f"Invalid duration {text!r}: write days, hours or minutes, such as 90d, 12h or 30m."
        )
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


def parse_expiry(text: str) -> datetime | None:
    """Parse a date or a duration from now; empty means never. Raises `InputError` if it is in the past."""
    if not text:
        return None
    try:
        expires_at = datetime.fromisoformat(text)
    except ValueError:
        expires_at = datetime.now(UTC) + parse_duration(text)
    expires_at = expires_at if expires_at.tzinfo else expires_at.replace(tzinfo=UTC)
    if expires_at <= datetime.now(UTC):
        raise InputError(Code.CONFIGURATION, f"The expiry {text} is in the past.")
    return expires_at


def show_token(key_id: str, token: str, *, as_json: bool) -> None:
    """Print a key's id and token; the token is empty if it came from `secret_token`."""
    if as_json:
        show_json({"key_id": key_id, "token": token or None})
    elif token:
        print(token, flush=True)
    if token:
        note(f"This is the token of key {key_id}. It is not shown again.")
    else:
        note(f"Created key {key_id} with the token in {KEY_VARIABLE}.")


def secret_token() -> str:
    """Return the token from the file that TSAD_API_KEY_FILE names, else from TSAD_API_KEY; empty if neither is set."""
    if path := os.environ.get(f"{KEY_VARIABLE}_FILE"):
        try:
            return Path(path).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise SetupError(Code.CONFIGURATION, f"The file in {KEY_VARIABLE}_FILE cannot be read: {error}") from None
    return os.environ.get(KEY_VARIABLE, "")


def no_such_key(key_id: str) -> NotFoundError:
    return NotFoundError(Code.CONFIGURATION, f"There is no active key {key_id}. `tsad keys list` shows all keys.")


@contextmanager
def transaction(home: Path | None) -> Iterator[Session]:
    """Yield a transaction on the installation's database."""
    with installation(home) as settings, open_sessions(settings, "tsad-keys") as sessions, sessions.begin() as session:
        yield session
