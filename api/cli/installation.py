"""The installation that operators' commands work on: that of the settings, or what `tsad up` keeps in its home."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from shared.embedded import Embedded, default_home
from shared.embedded.home import is_used
from shared.embedded.servers import known_addresses
from shared.settings import Settings

LONGEST_TRANSACTION_S = 24 * 3600.0


@contextmanager
def installation(home: Path | None, *, make: bool = False) -> Iterator[Settings]:
    """Settings that say where everything is.

    The PostgreSQL of a home in which nothing runs is started for the block; with `make`, also that of a new home.
    """
    settings = Settings.load()
    path = (home or default_home()).expanduser().resolve()
    if settings.database_url or settings.database_host:
        yield settings
    elif not (make or known_addresses(path)):
        yield settings  # which say by themselves what is missing
    elif path.exists() and is_used(path):
        yield _completed(settings, path, known_addresses(path))
    else:
        with Embedded(path, valkey=False) as embedded:
            addresses = {"database_url": embedded.database_url, "redis_url": embedded.redis_url}
            yield _completed(settings, path, addresses)


def folders(settings: Settings, home: Path) -> dict[str, Path]:
    """Where a home has the artifacts, unless the operator keeps them elsewhere."""
    own = {"training_data_folder": "data", "model_state_folder": "models"}
    return {name: home / "artifacts" / folder for name, folder in own.items() if name not in settings.model_fields_set}


def patient_with(settings: Settings) -> Settings:
    """The same for transactions in which many files are read or written."""
    return settings.model_copy(update={"database_statement_timeout_s": LONGEST_TRANSACTION_S})


def environment(settings: Settings) -> dict[str, str]:
    """Of a program that works on the same installation."""
    names = ("database_url", "redis_url", "training_data_folder", "model_state_folder")
    values = {name.upper(): str(value) for name in names if (value := getattr(settings, name))}
    return {**os.environ, **values}


def _completed(settings: Settings, home: Path, addresses: dict[str, str]) -> Settings:
    unset = {name: address for name, address in addresses.items() if not getattr(settings, name)}
    return settings.model_copy(update=unset | folders(settings, home))
