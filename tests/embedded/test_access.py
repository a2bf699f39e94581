"""What other users of the machine can read of a home that root runs."""

import subprocess
from pathlib import Path
from typing import Any

import pytest

from shared.artifacts import LocalFolder, data_key
from shared.embedded.home import Home
from shared.embedded.identity import Identity
from tests.embedded.conftest import Embed

pytestmark = pytest.mark.usefixtures("as_root")

NOBODY, STRANGER = 65534, 54321
PRINT_READABLE = 'for path; do if [ -r "$path" ] || [ -w "$path" ]; then echo "$path"; fi; done'


def readable(home: Path, uid: int) -> set[str]:
    """Return the first part, below the home, of all paths that a user can read or write."""
    paths = [home, *home.rglob("*")]
    user: dict[str, Any] = {"user": uid, "group": uid, "extra_groups": []}
    command = ["/bin/sh", "-c", PRINT_READABLE, "sh", *map(str, paths)]
    output = subprocess.run(command, check=True, capture_output=True, text=True, cwd="/", **user).stdout
    return {Path(line).relative_to(home).parts[0] if line != str(home) else "." for line in output.splitlines()}


def test_only_the_servers_user_reads_anything_and_only_their_own_files(embed: Embed, home: Path) -> None:
    home.chmod(0o711)  # as earlier releases left it
    embedded = embed(durable=True)
    embedded.start()
    LocalFolder(home / "artifacts" / "data").put(data_key("a", "2e6e0eab-0694-448b-8eea-79b35f7a58c1"), b"secret")
    embedded.postgres.rotate_log()
    assert readable(home, STRANGER) == set()
    assert readable(home, NOBODY) <= {"postgres", "valkey", "runtime"}
    assert readable(home, 0) >= {".", "artifacts", "logs", "run", "state.json"}


def test_the_folders_of_an_earlier_release_are_closed(home: Path) -> None:
    home.chmod(0o711)
    identity = Identity.for_servers()
    Home(home, identity).close()
    (home / "state.json").write_text('{"ports": {}, "secrets": {}}')
    home.chmod(0o711)
    (home / "artifacts").chmod(0o755)
    Home(home, identity).close()
    assert home.stat().st_mode & 0o777 == 0o710
    assert (home / "artifacts").stat().st_mode & 0o777 == 0o700
