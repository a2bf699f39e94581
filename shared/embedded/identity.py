"""The user that the servers run as. PostgreSQL refuses to run as root, and a container may have only root."""

import ctypes
import os
import pwd
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Self

from shared.errors import Code, SetupError

ACCOUNT = "nobody"  # exists on every Unix
PR_SET_PDEATHSIG = 1
CLONE_NEWUSER = 0x10000000
LIBC = ctypes.CDLL(None, use_errno=True)


class Way(StrEnum):
    """How a process becomes a user that PostgreSQL accepts."""

    OURSELVES = "ourselves"  # we are not root
    ACCOUNT = "account"  # root becomes `nobody`
    NAMESPACE = "namespace"  # if only uid 0 is mapped, root becomes another uid in a user namespace


@dataclass(frozen=True)
class Identity:
    """A user who runs processes and owns their files."""

    way: Way
    uid: int
    gid: int

    @classmethod
    def ourselves(cls) -> Self:
        """Return the user of this process."""
        return cls(Way.OURSELVES, os.geteuid(), os.getegid())

    @classmethod
    def for_servers(cls) -> Self:
        """Return the first identity that works on this machine; raise `SetupError` if none does."""
        if os.geteuid() != 0:
            return cls.ourselves()
        ways = [cls(Way.NAMESPACE, os.geteuid(), os.getegid())]
        try:
            account = pwd.getpwnam(ACCOUNT)
        except KeyError:
            pass
        else:
            ways.insert(0, cls(Way.ACCOUNT, account.pw_uid, account.pw_gid))
        for identity in ways:
            if identity.can_run("/bin/sh", "-c", ":"):
                return identity
        raise SetupError(
            Code.START_FAILED,
            f"PostgreSQL refuses to run as root, and root can neither become {ACCOUNT} nor create a user namespace "
            "here: run as a regular user, or set DATABASE_URL and REDIS_URL.",
        )

    def can_run(self, *argv: str | Path) -> bool:
        """Check whether this user can run a command; the command must exit with 0."""
        devnull = subprocess.DEVNULL
        try:
            return self.popen(argv, cwd="/", stdin=devnull, stdout=devnull, stderr=devnull).wait() == 0
        except (OSError, subprocess.SubprocessError):
            return False

    def can_enter(self, folder: Path) -> bool:
        """Check whether the mode of a folder lets this user reach what is in it."""
        status = folder.stat()
        if status.st_uid == self.uid:
            return bool(status.st_mode & stat.S_IXUSR)
        return bool(status.st_mode & (stat.S_IXGRP if status.st_gid == self.gid else stat.S_IXOTH))

    def chown(self, path: Path, mode: int) -> None:
        """Make this user the owner of a file or folder, and set its mode."""
        if self.way is Way.ACCOUNT:
            os.chown(path, self.uid, self.gid)
        path.chmod(mode)

    def popen(
        self, argv: Sequence[str | Path], *, death_signal: signal.Signals | None = None, **options: Any
    ) -> subprocess.Popen[bytes]:
        """Start a process as this user. It receives `death_signal` when this process dies, for any reason.

        The kernel sends the signal when the *thread* that started the process ends: call this in the main thread.
        """
        if self.way is Way.ACCOUNT:
            options |= {"user": self.uid, "group": self.gid, "extra_groups": []}
        # The function between fork and exec makes only a few system calls, which must run in the child.
        return subprocess.Popen(argv, preexec_fn=self._before_exec(death_signal), **options)  # noqa: PLW1509

    def _before_exec(self, death_signal: signal.Signals | None) -> Callable[[], None]:
        parent = os.getpid()

        def before_exec() -> None:
            if self.way is Way.NAMESPACE:
                enter_namespace()
            if death_signal is not None and sys.platform == "linux":
                LIBC.prctl(PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)
                if os.getppid() != parent:  # the parent died before the signal was set
                    os._exit(1)

        return before_exec


def enter_namespace() -> None:
    """Enter a user namespace as uid 65534; outside it, files keep the current owner. Raise `OSError` if that fails."""
    uid, gid = os.geteuid(), os.getegid()
    if sys.platform != "linux" or LIBC.unshare(CLONE_NEWUSER) != 0:
        raise OSError("cannot create a user namespace")
    for name, text in (("setgroups", "deny"), ("uid_map", f"65534 {uid} 1"), ("gid_map", f"65534 {gid} 1")):
        Path("/proc/self", name).write_text(text)
