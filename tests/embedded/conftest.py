import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest

from shared.embedded import Embedded


class Embed(Protocol):
    """Makes servers in the test's home; they are stopped after the test."""

    def __call__(self, *, durable: bool = False, postgres: bool = True, valkey: bool = True) -> Embedded: ...


@pytest.fixture
def home() -> Iterator[Path]:
    # pytest's own folders are closed to the user that the servers run as
    with tempfile.TemporaryDirectory(prefix="tsad-test-") as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def made_before() -> Iterator[Path]:
    """A home whose servers ran once: making a database takes most of the time of a start."""
    with tempfile.TemporaryDirectory(prefix="tsad-test-") as folder:
        with Embedded(Path(folder), durable=False):
            pass
        yield Path(folder)


@pytest.fixture
def embed(home: Path, made_before: Path) -> Iterator[Embed]:
    made: list[Embedded] = []

    def make(*, durable: bool = False, postgres: bool = True, valkey: bool = True) -> Embedded:
        if postgres and not made:
            subprocess.run(["cp", "-a", f"{made_before}/.", home], check=True)
        made.append(Embedded(home, durable=durable, postgres=postgres, valkey=valkey))
        return made[-1]

    yield make
    for embedded in made:
        embedded.stop()


@pytest.fixture
def as_root() -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can become somebody else")
