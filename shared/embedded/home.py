"""The folder that holds all files of one stack: data, logs, process ids, ports and passwords."""

import json
import os
import pwd
import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypedDict

from shared.embedded.identity import ACCOUNT, Identity, Way
from shared.embedded.locks import hold
from shared.embedded.ports import free_port, is_free
from shared.errors import Code, SetupError

EXIT_WAIT_S = 30  # for the processes of a killed run
STATE_FILE = "state.json"
OTHER_FOLDER = "choose another folder with --home or TSAD_HOME."


class State(TypedDict):
    """Content of `state.json`, which keeps ports and passwords the same from run to run."""

    ports: dict[str, int]
    secrets: dict[str, str]


def default_home() -> Path:
    """Return the default folder: /var/lib/tsad for root, else one in the user's XDG state folder."""
    if os.geteuid() == 0:
        return Path("/var/lib/tsad")  # because other users cannot enter /root
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state") / "tsad"


class Home:
    """A folder that this process locks until `close`, or until the process ends.

    `servers` is the user that the servers run as. That user must be able to enter the folder to reach its subfolders,
    through its group. Nobody else can enter the folder, nor a subfolder of another user.
    """

    def __init__(self, path: Path, servers: Identity) -> None:
        self.path = path.expanduser().resolve()
        self.servers = servers
        self.logs, self.run, self.artifacts = (self.path / name for name in ("logs", "run", "artifacts"))
        self._state_file = self.path / STATE_FILE
        try:
            self._prepare_folder()
            self._lock = self._acquire()
        except OSError as error:
            raise SetupError(
                Code.START_FAILED, f"{self.path} cannot be used ({error.strerror or error}): {OTHER_FOLDER}"
            ) from error
        try:
            for folder in (self.logs, self.run, self.artifacts):
                self.folder(folder.name, Identity.ourselves())
            self._wait_for_last_run()
            self._state = read_state(self.path)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Unlock the folder."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def folder(self, name: str, owner: Identity) -> Path:
        """Create a folder for `owner`, or set its mode to 0700; raise `SetupError` if it belongs to another user."""
        folder = self.path / name
        if not folder.exists():
            folder.mkdir(mode=0o700)
            owner.chown(folder, 0o700)
        uid = folder.stat().st_uid
        if uid != owner.uid:
            raise SetupError(
                Code.START_FAILED,
                f"{folder} belongs to {user_name(uid)}, but {user_name(owner.uid)} must write to it: "
                f"run as the user that created it, or {OTHER_FOLDER}",
            )
        folder.chmod(0o700)  # earlier releases let other users in
        return folder

    def secret(self, name: str) -> str:
        """Return a stored password, created at random on first use; it needs no escaping in a URL."""
        if name not in self._state["secrets"]:
            self._state["secrets"][name] = secrets.token_urlsafe(24)
            self._save()
        return self._state["secrets"][name]

    def port(self, name: str) -> int:
        """Return the port of the last run, or a new one if that port is in use."""
        ports = self._state["ports"]
        if name not in ports or not is_free(ports[name]):
            ports[name] = free_port(exclude=ports.values())
            self._save()
        return ports[name]

    def _prepare_folder(self) -> None:
        self._reject_inaccessible(folder for folder in self.path.parents if folder.exists())
        self.path.mkdir(parents=True, exist_ok=True)
        if self._state_file.exists() or not any(self.path.iterdir()):  # a folder with other files keeps its mode
            self._make_private()
        self._reject_inaccessible((self.path, *self.path.parents))

    def _make_private(self) -> None:
        if self.servers.way is Way.ACCOUNT:
            os.chown(self.path, -1, self.servers.gid)
        self.path.chmod(0o710 if self.servers.way is Way.ACCOUNT else 0o700)

    def _reject_inaccessible(self, folders: Iterable[Path]) -> None:
        for folder in folders:
            if self.servers.way is Way.ACCOUNT and not self.servers.can_enter(folder):
                raise SetupError(
                    Code.START_FAILED,
                    f"{ACCOUNT} cannot enter {folder}, but the servers run as {ACCOUNT} when root starts them: "
                    f"run `chmod o+x {folder}`, or {OTHER_FOLDER}",
                )

    def _acquire(self) -> int:
        try:
            return hold(self.path / "lock")
        except BlockingIOError:
            raise SetupError(
                Code.START_FAILED, f"tsad is already running in {self.path}: stop it first, or {OTHER_FOLDER}"
            ) from None

    def _wait_for_last_run(self) -> None:
        for lock in self.run.glob("*.lock"):
            try:
                os.close(hold(lock, EXIT_WAIT_S))
            except BlockingIOError:
                raise SetupError(
                    Code.START_FAILED,
                    f"Process {lock.stem} of an earlier run in {self.path} is still running: "
                    f"stop it, or {OTHER_FOLDER}",
                ) from None

    def _save(self) -> None:
        # Write a second file and rename it: losing this file would lock us out of the databases.
        new = self._state_file.with_suffix(".new")
        new.unlink(missing_ok=True)
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump(self._state, file, indent=2)
            file.flush()
            os.fsync(file.fileno())
        new.replace(self._state_file)


def read_state(path: Path) -> State:
    """Read the state of a home, which may be in use; raise `SetupError` if the file is damaged."""
    file = path / STATE_FILE
    try:
        return _checked(json.loads(file.read_text()))
    except FileNotFoundError:
        return {"ports": {}, "secrets": {}}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SetupError(
            Code.START_FAILED,
            f"{file} cannot be read: {error}. It holds the passwords of the databases in its folder: "
            f"restore it, or {OTHER_FOLDER}",
        ) from error


def _checked(state: Any) -> State:
    """Return the state if every value has its type; raise `TypeError`, or `KeyError` for a missing field."""
    for name, kind in (("ports", int), ("secrets", str)):
        if not isinstance(state[name], dict):
            raise TypeError(f"{name} is not an object")
        for key, value in state[name].items():
            if type(value) is not kind:
                raise TypeError(f"{name}.{key} is not a {'number' if kind is int else 'string'}")
    return {"ports": state["ports"], "secrets": state["secrets"]}


def is_used(path: Path) -> bool:
    """Check whether a stack runs in this home; raise `SetupError` if the folder cannot be used."""
    try:
        os.close(hold(path / "lock"))
    except BlockingIOError:
        return True
    except OSError as error:
        raise SetupError(
            Code.START_FAILED, f"{path} cannot be used ({error.strerror or error}): {OTHER_FOLDER}"
        ) from error
    return False


def user_name(uid: int) -> str:
    """Return the name of a user, or `user <uid>` if the uid has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"
