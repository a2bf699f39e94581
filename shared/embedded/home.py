"""The folder that holds everything one stack writes: data, logs, process ids, and its ports and passwords."""

import json
import os
import pwd
import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import TypedDict

from shared.embedded.identity import ACCOUNT, Identity, Way
from shared.embedded.locks import hold
from shared.embedded.ports import free_port, is_free
from shared.errors import Code, SetupError

ENDING_S = 30  # how long the processes of a killed run may take to end
STATE_FILE = "state.json"
OTHER_FOLDER = "Choose another folder with --home or TSAD_HOME."


class State(TypedDict):
    """What `state.json` holds, so that addresses stay the same from run to run."""

    ports: dict[str, int]
    secrets: dict[str, str]


def default_home() -> Path:
    if os.geteuid() == 0:
        return Path("/var/lib/tsad")  # nobody else gets into /root
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state") / "tsad"


class Home:
    """A folder that is ours alone until `close`, or until we end.

    `servers` is the user that has to pass through it to reach the folders that `folder` makes for it.
    """

    def __init__(self, path: Path, servers: Identity) -> None:
        self.path = path.expanduser().resolve()
        self.servers = servers
        self.logs, self.run = self.path / "logs", self.path / "run"
        self._state_file = self.path / STATE_FILE
        try:
            self._open_up()
            self._lock = self._take()
        except OSError as error:
            raise SetupError(
                Code.START_FAILED, f"{self.path} cannot be used: {error.strerror or error}. {OTHER_FOLDER}"
            ) from error
        try:
            for folder in (self.logs, self.run):
                self.folder(folder.name, Identity.ourselves())
            self._wait_for_the_last_run()
            self._state = read_state(self.path)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let others use the folder."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def folder(self, name: str, owner: Identity) -> Path:
        """Make a folder that only `owner` may look into; raise `SetupError` if it is already somebody else's."""
        folder = self.path / name
        if not folder.exists():
            folder.mkdir()
            owner.own(folder, 0o700)
        uid = folder.stat().st_uid
        if uid != owner.uid:
            raise SetupError(
                Code.START_FAILED,
                f"{folder} belongs to {user_name(uid)}, not to {user_name(owner.uid)}, who has to write it: "
                f"run as the user who made it. {OTHER_FOLDER}",
            )
        return folder

    def secret(self, name: str) -> str:
        """Return a password made at random once and kept; it needs no escaping in a URL."""
        if name not in self._state["secrets"]:
            self._state["secrets"][name] = secrets.token_urlsafe(24)
            self._save()
        return self._state["secrets"][name]

    def port(self, name: str) -> int:
        """Return the port of last time, or another one where somebody else took it."""
        ports = self._state["ports"]
        if name not in ports or not is_free(ports[name]):
            ports[name] = free_port(besides=ports.values())
            self._save()
        return ports[name]

    def _open_up(self) -> None:
        self._refuse_closed(folder for folder in self.path.parents if folder.exists())
        self.path.mkdir(parents=True, exist_ok=True)
        if not any(self.path.iterdir()):  # it is new: a folder somebody already uses keeps its mode
            self.path.chmod(0o711 if self.servers.way is Way.ACCOUNT else 0o700)
        self._refuse_closed((self.path, *self.path.parents))

    def _refuse_closed(self, folders: Iterable[Path]) -> None:
        for folder in folders:
            if self.servers.way is Way.ACCOUNT and not folder.stat().st_mode & 0o001:
                raise SetupError(
                    Code.START_FAILED,
                    f"{folder} is closed to {ACCOUNT}, as whom the servers run when started by root: "
                    f"`chmod o+x {folder}` opens the way through it. {OTHER_FOLDER}",
                )

    def _take(self) -> int:
        try:
            return hold(self.path / "lock")
        except BlockingIOError:
            raise SetupError(
                Code.START_FAILED, f"tsad is already running in {self.path}: stop it first. {OTHER_FOLDER}"
            ) from None

    def _wait_for_the_last_run(self) -> None:
        for lock in self.run.glob("*.lock"):
            try:
                os.close(hold(lock, ENDING_S))
            except BlockingIOError:
                raise SetupError(
                    Code.START_FAILED,
                    f"The process {lock.stem} of an earlier run in {self.path} does not end: stop it. {OTHER_FOLDER}",
                ) from None

    def _save(self) -> None:
        # Written beside and renamed: losing it would lock us out of the databases.
        new = self._state_file.with_suffix(".new")
        new.unlink(missing_ok=True)
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump(self._state, file, indent=2)
            file.flush()
            os.fsync(file.fileno())
        new.replace(self._state_file)


def read_state(path: Path) -> State:
    """What a home has noted so far, also of one that others use now."""
    file = path / STATE_FILE
    try:
        state: State = json.loads(file.read_text())
        return {"ports": state["ports"], "secrets": state["secrets"]}
    except FileNotFoundError:
        return {"ports": {}, "secrets": {}}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SetupError(
            Code.START_FAILED,
            f"{file} holds the passwords of the databases beside it and cannot be read: {error}. "
            f"Restore it. {OTHER_FOLDER}",
        ) from error


def is_used(path: Path) -> bool:
    """Whether somebody runs a stack in this home."""
    try:
        os.close(hold(path / "lock"))
    except BlockingIOError:
        return True
    except OSError as error:
        raise SetupError(
            Code.START_FAILED, f"{path} cannot be used: {error.strerror or error}. {OTHER_FOLDER}"
        ) from error
    return False


def user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"
