"""`tsad keys`: make, list, rotate and revoke API keys."""

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
from api.cli.options import AsJson, OfHome
from api.cli.output import note, show_json, show_list
from shared.domain.access import ApiKey, Scope, check_token, digest, new_token
from shared.errors import Code, InputError, NotFoundError, SetupError
from shared.store import keys as store
from shared.store.engine import Session

keys = typer.Typer(help="Make, list, rotate and revoke API keys.", no_args_is_help=True)

FROM_ENVIRONMENT = "TSAD_API_KEY"
_DURATION = re.compile(r"(\d{1,5})([dhm])")
_UNITS = {"d": "days", "h": "hours", "m": "minutes"}
_PREFIX = re.compile(r"[A-Za-z0-9._-]{0,128}")

KeyId = Annotated[str, typer.Argument(metavar="ID", help="The key's id, as `tsad keys list` shows it.")]


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
    "made": lambda key: f"{key.created_at:%Y-%m-%d}",
    "state": state_of,
}


@keys.command()
def create(
    *,
    name: Annotated[str, typer.Option(help="Whose key it is, for people.")],
    scopes: Annotated[str, typer.Option(help="What it allows: read, fit, admin, with commas between.")] = "read",
    series_prefix: Annotated[str, typer.Option(help="It sees only series whose ids begin so.")] = "",
    expires: Annotated[str, typer.Option(help="When it ends: 90d, 12h, or a day as in 2027-01-31.")] = "",
    first: Annotated[
        bool,
        typer.Option("--first", help=f"Only if there is none, and the token of {FROM_ENVIRONMENT} where that is set."),
    ] = False,
    home: OfHome = None,
    as_json: AsJson = False,
) -> None:
    """Make a key. Its token is shown now and never again: only a hash of it is kept.

    With the first key it ends for good that whoever is on this machine needs none.
    """
    allowed = parse_scopes(scopes)
    expires_at = parse_expiry(expires)
    if not 1 <= len(name) <= 100 or not _PREFIX.fullmatch(series_prefix):
        raise InputError(Code.CONFIGURATION, "A name has 1 to 100 characters; a prefix those of series ids.")
    secret = secret_token() if first else ""
    token = check_token(secret) if secret else new_token()
    key_id = secrets.token_hex(6)
    with transaction(home) as session:
        exists = first and not secret and store.all_keys(session)
        created = not exists and store.create(session, key_id, name, allowed, series_prefix, digest(token), expires_at)
    if created:
        show_token(key_id, "" if secret else token, as_json=as_json)
    else:
        note("There is such a key already. Nothing was changed.")


@keys.command("list")
def show_all(*, home: OfHome = None, as_json: AsJson = False) -> None:
    """Show every key there ever was, without its token."""
    with transaction(home) as session:
        listed = store.all_keys(session)
    show_list(listed, COLUMNS, as_json=as_json)


@keys.command()
def rotate(
    key_id: KeyId,
    *,
    overlap: Annotated[str, typer.Option(help="How long the token of now goes on: 1d, 12h, 30m.")] = "0m",
    home: OfHome = None,
    as_json: AsJson = False,
) -> None:
    """Give a key another token, which is shown now and never again. Jobs and idempotency keys stay the key's own."""
    token = new_token()
    with transaction(home) as session:
        if not store.rotate(session, key_id, digest(token), parse_duration(overlap)):
            raise no_such_key(key_id)
    show_token(key_id, token, as_json=as_json)


@keys.command()
def revoke(key_id: KeyId, *, home: OfHome = None) -> None:
    """End a key for good, within 5 seconds on every process, and the browser sessions that were opened with it."""
    with transaction(home) as session:
        if not store.revoke(session, key_id):
            raise no_such_key(key_id)
    note(f"{key_id} is revoked.")


def parse_scopes(text: str) -> list[Scope]:
    """Parse scopes with commas between; raise `InputError` if one is unknown or there are none."""
    try:
        return [Scope(word.strip()) for word in text.split(",")]
    except ValueError:
        raise InputError(Code.CONFIGURATION, f"Scopes are {', '.join(Scope)}, with commas between.") from None


def parse_duration(text: str) -> timedelta:
    """Parse days, hours or minutes, as in 90d; raise `InputError` for anything else."""
    if not (match := _DURATION.fullmatch(text)):
        raise InputError(Code.CONFIGURATION, f"{text!r} is no duration: write days, hours or minutes as 90d, 12h, 30m.")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


def parse_expiry(text: str) -> datetime | None:
    """Parse a date or a duration from now; empty is never. Raises `InputError` if it is in the past."""
    if not text:
        return None
    try:
        expires_at = datetime.fromisoformat(text)
    except ValueError:
        expires_at = datetime.now(UTC) + parse_duration(text)
    expires_at = expires_at if expires_at.tzinfo else expires_at.replace(tzinfo=UTC)
    if expires_at <= datetime.now(UTC):
        raise InputError(Code.CONFIGURATION, f"{text} is over already.")
    return expires_at


def show_token(key_id: str, token: str, *, as_json: bool) -> None:
    """Print a key's id and token; the token is empty if it comes from a secret that the caller has."""
    if as_json:
        show_json({"key_id": key_id, "token": token or None})
    elif token:
        print(token, flush=True)
    note(f"That is the key {key_id}. It is not shown again." if token else f"{key_id} is made of {FROM_ENVIRONMENT}.")


def secret_token() -> str:
    """Return the token in the environment, or in the file that it names; empty if there is neither."""
    if path := os.environ.get(f"{FROM_ENVIRONMENT}_FILE"):
        try:
            return Path(path).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise SetupError(Code.CONFIGURATION, f"The file of {FROM_ENVIRONMENT} cannot be read: {error}") from None
    return os.environ.get(FROM_ENVIRONMENT, "")


def no_such_key(key_id: str) -> NotFoundError:
    return NotFoundError(Code.CONFIGURATION, f"There is no key {key_id} that could be changed. See `tsad keys list`.")


@contextmanager
def transaction(home: Path | None) -> Iterator[Session]:
    """Yield a transaction on the installation's database."""
    with installation(home) as settings, open_sessions(settings, "tsad-keys") as sessions, sessions.begin() as session:
        yield session
