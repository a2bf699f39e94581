import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest

from shared.embedded import Embedded


class Embed(Protocol):
    """Create servers in the test's home; the fixture stops them afterwards."""

    def __call__(self, *, durable: bool = False, postgres: bool = True, valkey: bool = True) -> Embedded: ...


@pytest.fixture
def home() -> Iterator[Path]:
    # the user of the servers cannot enter pytest's own folders
    with tempfile.TemporaryDirectory(prefix="tsad-test-") as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def prepared_home() -> Iterator[Path]:
    """A home whose servers have run once: creating the database takes most of the time of a start."""
    with tempfile.TemporaryDirectory(prefix="tsad-test-") as folder:
        with Embedded(Path(folder), durable=False):
            pass
        yield Path(folder)


@pytest.fixture
def embed(home: Path, prepared_home: Path) -> Iterator[Embed]:
    created: list[Embedded] = []

    def make(*, durable: bool = False, postgres: bool = True, valkey: bool = True) -> Embedded:
        if postgres and not created:
            subprocess.run(["cp", "-a", f"{prepared_home}/.", home], check=True)
        created.append(Embedded(home, durable=durable, postgres=postgres, valkey=valkey))
        return created[-1]

    yield make
    for embedded in created:
        embedded.stop()


@pytest.fixture
def as_root() -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can switch to another user")
