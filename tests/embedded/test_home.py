import stat
from pathlib import Path

import pytest

from shared.embedded.home import Home
from shared.embedded.identity import Identity
from shared.errors import SetupError


def test_ports_and_passwords_are_distinct_and_stable(home: Path) -> None:
    first = Home(home, Identity.ourselves())
    values = [first.port("a"), first.port("b"), first.secret("a"), first.secret("b")]
    first.close()
    second = Home(home, Identity.ourselves())
    assert [second.port("a"), second.port("b"), second.secret("a"), second.secret("b")] == values
    assert len(set(values)) == 4
    second.close()


@pytest.mark.parametrize(
    "content",
    [
        "{",
        "[]",
        "null",
        '{"ports": {}}',
        '{"ports": [], "secrets": {}}',
        '{"ports": {"postgres": "5432"}, "secrets": {}}',
        '{"ports": {"postgres": true}, "secrets": {}}',
        '{"ports": {}, "secrets": {"postgres": 7}}',
    ],
)
def test_a_damaged_state_is_reported_and_not_replaced(home: Path, content: str) -> None:
    (home / "state.json").write_text(content)
    for _ in range(2):
        with pytest.raises(SetupError, match=r"state.json cannot be read: .* holds the passwords"):
            Home(home, Identity.ourselves())
    assert (home / "state.json").read_text() == content


def test_a_rejected_home_is_not_left_locked(home: Path) -> None:
    (home / "state.json").write_text("{")
    for _ in range(2):
        with pytest.raises(SetupError, match="cannot be read"):
            Home(home, Identity.ourselves())


def test_a_new_home_is_private_and_one_in_use_keeps_its_mode(home: Path) -> None:
    Home(home / "new", Identity.ourselves()).close()
    assert stat.S_IMODE((home / "new").stat().st_mode) == 0o700
    (home / "used").mkdir()
    (home / "used" / "file").touch()
    (home / "used").chmod(0o755)
    Home(home / "used", Identity.ourselves()).close()
    assert stat.S_IMODE((home / "used").stat().st_mode) == 0o755


@pytest.mark.usefixtures("as_root")
def test_a_home_that_the_servers_cannot_enter_is_rejected_before_it_is_created(home: Path) -> None:
    (home / "closed").mkdir(mode=0o700)
    with pytest.raises(SetupError, match=r"nobody cannot enter .*closed, but"):
        Home(home / "closed" / "home", Identity.for_servers())
    assert not (home / "closed" / "home").exists()


@pytest.mark.usefixtures("as_root")
def test_a_folder_of_another_user_is_rejected(home: Path) -> None:
    home.chmod(0o711)
    server_home = Home(home / "home", Identity.for_servers())
    server_home.folder("postgres", Identity.ourselves())
    with pytest.raises(
        SetupError, match=r"postgres belongs to root, but nobody must write to it: run as the user that created it"
    ):
        server_home.folder("postgres", server_home.servers)
    server_home.close()


def test_a_file_is_rejected_as_a_home(home: Path) -> None:
    (home / "file").touch()
    with pytest.raises(SetupError, match=r"file cannot be used \(File exists\)"):
        Home(home / "file", Identity.ourselves())
