"""The installation that operator commands work on: the one in the settings, or the one in the home of `tsad up`."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from shared.artifacts import Artifacts, Store
from shared.embedded import Embedded, default_home
from shared.embedded.home import is_used
from shared.embedded.servers import known_addresses
from shared.errors import Code, SetupError
from shared.settings import Settings
from shared.store.engine import Sessions, make_engine
from shared.store.inspection import Reference

MAX_TRANSACTION_S = 24 * 3600.0
DEFAULT_FOLDERS = {"training_data_folder": "data", "model_state_folder": "models"}  # in a home's artifacts/


@contextmanager
def installation(home: Path | None, *, create: bool = False) -> Iterator[Settings]:
    """Yield settings with the addresses and folders of the installation.

    If nothing runs in the home, its PostgreSQL runs until the block ends. With `create`, a missing home is created;
    without it, a folder that is not a home raises `SetupError`.
    """
    settings = Settings.load()
    path = (home or default_home()).expanduser().resolve()
    if settings.database_url or settings.database_host:
        yield settings
    elif not (create or known_addresses(path)):
        raise SetupError(
            Code.CONFIGURATION,
            f"DATABASE_URL is not set, and {path} is not a home of `tsad up` with its own database: "
            "choose a home with --home or TSAD_HOME, or set DATABASE_URL and REDIS_URL.",
        )
    elif path.exists() and is_used(path):
        yield _completed(settings, path, known_addresses(path))
    else:
        with Embedded(path, valkey=False) as embedded:
            addresses = {"database_url": embedded.database_url, "redis_url": embedded.redis_url}
            yield _completed(settings, path, addresses)


def folders(settings: Settings, home: Path) -> dict[str, Path]:
    """Return the artifact folders inside the home, except those that the operator has set."""
    return {
        name: home / "artifacts" / folder
        for name, folder in DEFAULT_FOLDERS.items()
        if name not in settings.model_fields_set
    }


@contextmanager
def open_sessions(settings: Settings, application_name: str) -> Iterator[Sessions]:
    """Yield `Sessions` on the installation's database, and close their connections at the end."""
    sessions = Sessions(make_engine(settings, application_name))
    try:
        yield sessions
    finally:
        sessions.engine.dispose()


def with_long_transactions(settings: Settings) -> Settings:
    """Return the settings with a statement timeout that allows for reading or writing many files."""
    return settings.model_copy(update={"database_statement_timeout_s": MAX_TRANSACTION_S})


def store_of(artifacts: Artifacts, reference: Reference) -> Store:
    """Return the store that holds the referenced artifact."""
    return artifacts.states if reference.of_state else artifacts.data


def environment(settings: Settings) -> dict[str, str]:
    """Return the environment for a program that works on the same installation."""
    names = ("database_url", "redis_url", "training_data_folder", "model_state_folder")
    values = {name.upper(): str(value) for name in names if (value := getattr(settings, name))}
    return {**os.environ, **values}


def _completed(settings: Settings, home: Path, addresses: dict[str, str]) -> Settings:
    unset = {name: address for name, address in addresses.items() if not getattr(settings, name)}
    return settings.model_copy(update=unset | folders(settings, home))
