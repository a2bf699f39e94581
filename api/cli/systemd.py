"""A systemd unit that keeps `tsad up` running."""

import os
import pwd
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from shared.embedded.home import user_name
from shared.embedded.identity import Identity, Way
from shared.errors import Code, SetupError

NAME = "tsad.service"
SYSTEM_FOLDER = Path("/etc/systemd/system")
SYSTEM_HOME = Path("/var/lib/tsad")
BOOTED = Path("/run/systemd/system")  # exists only where systemd is the init system: see sd_booted(3)
NO_SYSTEMD = "systemd is not the init system here. `tsad service install --print` shows the unit without installing it."


@dataclass(frozen=True)
class Unit:
    """A system unit that runs as `account`, or a user unit if `account` is empty."""

    home: Path
    options: tuple[str, ...] = ()  # of `tsad up`
    account: str = ""

    @property
    def path(self) -> Path:
        """Where systemd looks for the unit."""
        if self.account:
            return SYSTEM_FOLDER / NAME
        configuration = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
        return configuration / "systemd/user" / NAME

    @property
    def systemctl(self) -> tuple[str, ...]:
        """The systemctl command that manages the unit."""
        return ("systemctl",) if self.account else ("systemctl", "--user")

    def text(self) -> str:
        """Return the content of the unit file."""
        command = [sys.executable, "-m", "api.cli.main", "up", "--home", str(self.home), *self.options]
        user = f"User={self.account}\n" if self.account else ""
        return f"""[Unit]
Description=tsad, anomaly detection for time series
Wants=network-online.target
After=network-online.target
# Never give up: with a full disk, for example, restarts fail until there is space again.
StartLimitIntervalSec=0

[Service]
Type=exec
{user}# `tsad up` reads a file .env with settings here.
WorkingDirectory={_escaped(str(self.home))}
ExecStart={" ".join(map(_quoted, command))}
Restart=always
RestartSec=5
# Only `tsad up` receives SIGTERM: it stops its processes in order.
KillMode=mixed
TimeoutStopSec=120
# A fit that runs out of memory fails by itself; systemd must not stop everything else because of it.
OOMPolicy=continue
LimitNOFILE=65536
NoNewPrivileges=yes

[Install]
WantedBy={"multi-user.target" if self.account else "default.target"}
"""

    def install(self) -> None:
        """Write the unit, start it now and at every boot; raise `SetupError` where systemd is not the init system."""
        self._check_booted()
        self._make_home()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text(self.text())
        for arguments in (("daemon-reload",), ("enable", NAME), ("restart", NAME)):
            self._run(*arguments)

    def uninstall(self) -> None:
        """Stop the unit and delete it; raise `SetupError` if there is none."""
        self._check_booted()
        if not self.path.exists():
            raise SetupError(Code.CONFIGURATION, f"{self.path} does not exist: the service is not installed.")
        self._run("disable", "--now", NAME)
        self.path.unlink()
        self._run("daemon-reload")

    def _check_booted(self) -> None:
        if not BOOTED.exists() or shutil.which("systemctl") is None:
            raise SetupError(Code.CONFIGURATION, NO_SYSTEMD)
        if self.account and os.geteuid() != 0:
            raise SetupError(Code.CONFIGURATION, "A system service needs root: use sudo, or add --user.")

    def _make_home(self) -> None:
        if not self.account:
            self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
            return
        account = ensure_account(self.account, self.home)
        identity = Identity(Way.ACCOUNT, account.pw_uid, account.pw_gid)
        if account.pw_uid and not identity.can_run(sys.executable, "-c", "import api.cli.main"):
            raise SetupError(
                Code.CONFIGURATION,
                f"{self.account} cannot run {sys.executable}: install tsad in a folder that every user can read, such "
                "as /opt/tsad, or name another account with --account.",
            )
        if not self.home.exists():
            self.home.mkdir(parents=True)
            os.chown(self.home, account.pw_uid, account.pw_gid)
            self.home.chmod(0o700)
        owner = self.home.stat().st_uid
        if owner != account.pw_uid:
            raise SetupError(
                Code.CONFIGURATION,
                f"{self.home} belongs to {user_name(owner)}, but the service runs as {self.account}: "
                f"choose another folder with --home, or add --account {user_name(owner)}.",
            )

    def _run(self, *arguments: str) -> None:
        process = subprocess.run([*self.systemctl, *arguments], capture_output=True, text=True, check=False)
        if process.returncode != 0:
            command = " ".join((*self.systemctl, *arguments))
            hint = "" if self.account else " Log in as the user directly: su and sudo do not start a systemd session."
            raise SetupError(Code.START_FAILED, f"`{command}` failed: {process.stderr.strip()}.{hint}")


def ensure_account(name: str, home: Path) -> pwd.struct_passwd:
    """Return the account with this name; create it, without a shell, if it does not exist."""
    try:
        return pwd.getpwnam(name)
    except KeyError:
        options = ["--system", "--user-group", f"--home-dir={home}", "--no-create-home", "--shell=/usr/sbin/nologin"]
        command = ["useradd", *options, name]
        process = subprocess.run(command, capture_output=True, text=True, check=False)
        if process.returncode != 0:
            raise SetupError(
                Code.CONFIGURATION, f"The account {name} could not be created: {process.stderr.strip()}"
            ) from None
        return pwd.getpwnam(name)


def _escaped(text: str) -> str:
    """Protect text from the specifiers of systemd.unit(5)."""
    return text.replace("%", "%%")


def _quoted(argument: str) -> str:
    """Quote an argument as systemd.service(5) says under "Command lines"."""
    escaped = _escaped(argument).replace("\\", "\\\\").replace('"', '\\"').replace("$", "$$")
    return f'"{escaped}"' if set(escaped) - _PLAIN else escaped


_PLAIN = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-=:@%$,+")
