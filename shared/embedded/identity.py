"""Who the servers run as. PostgreSQL refuses to run as root, and root may have little else."""

import ctypes
import os
import pwd
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Self

from shared.errors import Code, SetupError

ACCOUNT = "nobody"  # exists on every Unix, so that none has to be created
PR_SET_PDEATHSIG = 1
CLONE_NEWUSER = 0x10000000
LIBC = ctypes.CDLL(None, use_errno=True)


class Way(StrEnum):
    """How a process becomes somebody PostgreSQL accepts."""

    OURSELVES = "ourselves"  # we are not root
    ACCOUNT = "account"  # root becomes `nobody`
    NAMESPACE = "namespace"  # root that may not do so (only uid 0 is mapped) goes by another number to itself


@dataclass(frozen=True)
class Identity:
    """A user that processes run as and that owns their files."""

    way: Way
    uid: int
    gid: int

    @classmethod
    def ourselves(cls) -> Self:
        return cls(Way.OURSELVES, os.geteuid(), os.getegid())

    @classmethod
    def for_servers(cls) -> Self:
        """Find the first way that works here; raise `SetupError` where none does."""
        if os.geteuid() != 0:
            return cls.ourselves()
        ways = [cls(Way.NAMESPACE, os.geteuid(), os.getegid())]
        try:
            nobody = pwd.getpwnam(ACCOUNT)
        except KeyError:
            pass
        else:
            ways.insert(0, cls(Way.ACCOUNT, nobody.pw_uid, nobody.pw_gid))
        for identity in ways:
            if identity.can_run("/bin/sh", "-c", ":"):
                return identity
        raise SetupError(
            Code.START_FAILED,
            f"PostgreSQL does not run as root, and this root may neither become {ACCOUNT} nor make a user namespace: "
            "run as an ordinary user, or set DATABASE_URL and REDIS_URL.",
        )

    def can_run(self, *argv: str | Path) -> bool:
        """Tell whether this user may run a command, which says so by ending well."""
        quiet = subprocess.DEVNULL
        try:
            return self.popen(argv, cwd="/", stdin=quiet, stdout=quiet, stderr=quiet).wait() == 0
        except (OSError, subprocess.SubprocessError):
            return False

    def own(self, path: Path, mode: int) -> None:
        """Give a file or folder to this user."""
        if self.way is Way.ACCOUNT:
            os.chown(path, self.uid, self.gid)
        path.chmod(mode)

    def popen(
        self, argv: Sequence[str | Path], *, death_signal: signal.Signals | None = None, **options: Any
    ) -> subprocess.Popen[bytes]:
        """Start a process as this user; it gets `death_signal` when we die, however we die.

        The kernel counts the end of the *thread* that started the process as our death: call this in the main thread.
        """
        if self.way is Way.ACCOUNT:
            options |= {"user": self.uid, "group": self.gid, "extra_groups": []}
        # What runs between fork and exec is a few system calls; there is no other place for them.
        return subprocess.Popen(argv, preexec_fn=self._before_exec(death_signal), **options)  # noqa: PLW1509

    def _before_exec(self, death_signal: signal.Signals | None) -> Callable[[], None]:
        parent = os.getpid()

        def before_exec() -> None:
            if self.way is Way.NAMESPACE:
                enter_namespace()
            if death_signal is not None and sys.platform == "linux":
                LIBC.prctl(PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)
                if os.getppid() != parent:  # we died before the kernel knew whom to tell
                    os._exit(1)

        return before_exec


def enter_namespace() -> None:
    """Make a user namespace in which we are called 65534; files written there stay ours outside."""
    uid, gid = os.geteuid(), os.getegid()
    if sys.platform != "linux" or LIBC.unshare(CLONE_NEWUSER) != 0:
        raise OSError("a user namespace cannot be made here")
    for name, text in (("setgroups", "deny"), ("uid_map", f"65534 {uid} 1"), ("gid_map", f"65534 {gid} 1")):
        Path("/proc/self", name).write_text(text)
