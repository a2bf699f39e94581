"""`tsad service`, with a `systemctl` that only records how it is called."""

import os
import pwd
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from api.cli import systemd
from api.cli.systemd import Unit
from tests.cli.commands import run


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file with the calls of `systemctl` on a machine that systemd manages."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "booted").mkdir()
    systemctl = tmp_path / "bin/systemctl"
    systemctl.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/calls\n')
    systemctl.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setattr(systemd, "BOOTED", tmp_path / "booted")
    monkeypatch.setattr(systemd, "SYSTEM_FOLDER", tmp_path / "system")
    return tmp_path / "calls"


def user_unit(tmp_path: Path) -> Path:
    return tmp_path / "config/systemd/user/tsad.service"


def test_a_user_service_starts_now_and_at_boot(calls: Path, tmp_path: Path) -> None:
    result = run("service", "install", "--user", "--home", str(tmp_path / "home"), "--port", "8080")
    assert result.code == 0
    assert calls.read_text() == "--user daemon-reload\n--user enable tsad.service\n--user restart tsad.service\n"
    unit = user_unit(tmp_path).read_text()
    assert f"ExecStart={sys.executable} -m api.cli.main up --home {tmp_path}/home --port=8080" in unit
    assert f"WorkingDirectory={tmp_path}/home\n" in unit
    assert "Restart=always\n" in unit
    assert "WantedBy=default.target\n" in unit
    assert "User=" not in unit
    assert (tmp_path / "home").stat().st_mode & 0o777 == 0o700
    assert "loginctl enable-linger" in result.out


def test_uninstalling_stops_the_service_and_keeps_its_data(calls: Path, tmp_path: Path) -> None:
    run("service", "install", "--user", "--home", str(tmp_path / "home"))
    calls.unlink()
    assert run("service", "uninstall", "--user").code == 0
    assert calls.read_text() == "--user disable --now tsad.service\n--user daemon-reload\n"
    assert not user_unit(tmp_path).exists()
    assert (tmp_path / "home").exists()
    assert "is not installed" in run("service", "uninstall", "--user").err


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can install a system service")
def test_a_system_service_runs_as_the_account_that_owns_its_folder(calls: Path, tmp_path: Path) -> None:
    account = pwd.getpwuid(0).pw_name
    result = run("service", "install", "--account", account, "--home", str(tmp_path / "home"))
    assert (result.code, result.err) == (0, "")
    assert calls.read_text() == "daemon-reload\nenable tsad.service\nrestart tsad.service\n"
    unit = (tmp_path / "system/tsad.service").read_text()
    assert f"User={account}\n" in unit
    assert "WantedBy=multi-user.target\n" in unit


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can install a system service")
def test_an_account_that_cannot_run_the_installation_is_refused(
    calls: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    (closed / "python").symlink_to(sys.executable)
    monkeypatch.setattr(sys, "executable", str(closed / "python"))
    result = run("service", "install", "--account", "nobody", "--home", str(tmp_path / "home"))
    assert result.code == 2
    assert f"nobody cannot run {closed}/python: install tsad in a folder that every user can read" in result.err
    assert not calls.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can change the owner of a file")
def test_a_folder_of_another_user_is_refused(calls: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    os.chown(home, pwd.getpwnam("nobody").pw_uid, 0)
    result = run("service", "install", "--account", "root", "--home", str(home))
    assert result.code == 2
    assert f"{home} belongs to nobody, but the service runs as root" in result.err
    assert not calls.exists()


def test_the_error_of_a_failed_systemctl_is_quoted(calls: Path, tmp_path: Path) -> None:
    (tmp_path / "bin/systemctl").write_text("#!/bin/sh\necho 'Failed to connect to bus' >&2; exit 1\n")
    result = run("service", "install", "--user", "--home", str(tmp_path / "home"))
    assert result.code != 0
    assert "`systemctl --user daemon-reload` failed: Failed to connect to bus" in result.err
    assert not calls.exists()


def test_nothing_is_written_if_systemd_is_not_the_init_system(
    calls: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(systemd, "BOOTED", tmp_path / "missing")
    result = run("service", "install", "--user", "--home", str(tmp_path / "home"))
    assert result.code == 2
    assert "systemd is not the init system here" in result.err
    assert not user_unit(tmp_path).exists()
    assert not calls.exists()


def test_the_unit_can_be_printed_without_systemd(tmp_path: Path) -> None:
    result = run("service", "install", "--print", "--home", str(tmp_path / "home"))
    assert result.code == 0
    assert (
        result.out == Unit(tmp_path / "home", ("--port=8000", "--flower-port=5555", "--api-processes=1"), "tsad").text()
    )
    assert not (tmp_path / "home").exists()


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
@pytest.mark.parametrize("name", ["home", 'a "b" $c %d \\e'])
def test_systemd_accepts_the_unit_for_any_folder(tmp_path: Path, name: str) -> None:
    home = tmp_path / name
    home.mkdir()
    file = tmp_path / "tsad.service"
    file.write_text(Unit(home, ("--port=8000",), "root").text())
    process = subprocess.run(["systemd-analyze", "verify", file], capture_output=True, text=True, check=False)
    assert (process.returncode, process.stderr) == (0, "")


def test_a_system_unit_keeps_its_data_in_var_also_if_a_user_prints_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert "--home /var/lib/tsad " in run("service", "install", "--print").out
