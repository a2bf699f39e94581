"""The supervisor, with children that run a little Python."""

import errno
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from api.cli.supervising import Supervisor, one_interrupt
from shared.embedded.home import Home
from shared.embedded.identity import Identity
from shared.embedded.service import Command, Server, Service
from shared.errors import Code, UnavailableError
from tests.embedded.remains import living
from tests.waiting import until

PROJECT = Path(__file__).resolve().parents[2]
SERVE = "import signal; print('up', flush=True); signal.pause()"
WITH_A_CHILD = "import os, signal; os.fork(); print('up', flush=True); signal.pause()"
FAIL = "raise SystemExit('no luck')"
# After SIGTERM, this child runs until the other has received SIGTERM too.
LEAVE_TOGETHER = """
import pathlib, signal, sys, time
folder = pathlib.Path(sys.argv[1])
signal.signal(signal.SIGTERM, lambda *_: pathlib.Path(folder, f"asked-{time.monotonic_ns()}").touch())
print('up', flush=True)
while len(list(folder.glob("asked-*"))) < 2:
    time.sleep(0.01)
"""


class Child(Service):
    def __init__(self, name: str, home: Home, code: str) -> None:
        super().__init__(name, home, Identity.ourselves())
        self.code = code

    def command(self) -> Command:
        return Command((sys.executable, "-c", self.code, str(self.home.run)), os.environ)

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid


class ChildServer(Child, Server):
    def answers(self) -> bool:
        return True


@pytest.fixture
def home() -> Iterator[Home]:
    with tempfile.TemporaryDirectory(prefix="tsad-test-") as folder:
        home = Home(Path(folder), Identity.ourselves())
        yield home
        home.close()


def supervised(home: Home, messages: list[str], *children: Child) -> Supervisor:
    return Supervisor(home, children, messages.append, first_wait_s=0.01)


def check_until(supervisor: Supervisor, condition: Callable[[], object]) -> None:
    """Let the supervisor check its children until the condition holds."""

    def check() -> object:
        supervisor.check()
        return condition()

    until(check)


def run(supervisor: Supervisor) -> None:
    with supervisor:
        supervisor.start()
        check_until(supervisor, lambda: False)


def has_logged(child: Child, word: str, times: int = 1) -> bool:
    return child.log.exists() and child.log.read_text().count(word) == times


def test_a_dead_child_is_restarted_and_reported_in_one_line(home: Home) -> None:
    messages: list[str] = []
    child, other = Child("child", home, SERVE), Child("other", home, SERVE)
    with supervised(home, messages, child, other) as supervisor:
        supervisor.start()
        first, other_pid = child.pid, other.pid
        os.kill(first, signal.SIGKILL)
        check_until(supervisor, lambda: child.pid != first)
        assert messages == [f"child was killed by SIGKILL; restarting in 0.01 s. Log: {child.log}"]
        assert other.pid == other_pid


def test_the_children_of_a_dead_child_end_before_it_is_restarted(home: Home) -> None:
    child = Child("child", home, WITH_A_CHILD)
    with supervised(home, [], child) as supervisor:
        supervisor.start()
        until(lambda: has_logged(child, "up", times=2))
        first = child.pid
        os.kill(first, signal.SIGKILL)
        check_until(supervisor, lambda: child.pid != first)
        until(lambda: not living(first))


def test_children_are_signaled_together_and_once(home: Home) -> None:
    children = [Child(name, home, LEAVE_TOGETHER) for name in ("one", "other")]
    with supervised(home, [], *children) as supervisor:
        supervisor.start()
        until(lambda: all(has_logged(child, "up") for child in children))
    assert [child.process and child.process.returncode for child in children] == [0, 0]
    assert len(list(home.run.glob("asked-*"))) == 2


def test_five_deaths_within_a_minute_end_a_start(home: Home) -> None:
    messages: list[str] = []
    failing, other = Child("unlucky", home, FAIL), Child("other", home, SERVE)
    with pytest.raises(UnavailableError, match=r"(?s)unlucky exited with code 1, for the 5th time.*no luck"):
        run(supervised(home, messages, failing, other))
    assert len(messages) == 4
    assert not living(other.pid)


@pytest.mark.parametrize("essential", [False, True])
def test_no_number_of_deaths_ends_a_running_stack_and_the_wait_doubles_up_to_a_limit(
    home: Home, monkeypatch: pytest.MonkeyPatch, *, essential: bool
) -> None:
    monkeypatch.setattr("api.cli.supervising.MAX_WAIT_S", 0.05)
    messages: list[str] = []
    failing, other = Child("unlucky", home, FAIL), Child("other", home, SERVE)
    failing.essential = essential
    with supervised(home, messages, failing, other) as supervisor:
        supervisor.ready = essential  # a service that no start needs may die at any time
        supervisor.start()
        other_pid = other.pid
        check_until(supervisor, lambda: len(messages) == 10)
        assert living(other_pid)
    waits = [line.split(" in ")[1].split(" s.")[0] for line in messages]
    assert waits == ["0.01", "0.02", "0.04", *["0.05"] * 7]
    assert "exited with code 1 (10 times within a minute)" in messages[-1]


def test_a_restart_needs_no_space_for_the_pid_file(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    child = Child("child", home, SERVE)
    open_file = os.open

    def on_a_full_disk(path: Any, flags: int, *mode: int, **options: Any) -> int:
        """Open as on a full disk: no file can be created or lose the blocks that it has."""
        if str(path).startswith(str(home.run)) and (flags & os.O_TRUNC or not Path(path).exists()):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return open_file(path, flags, *mode, **options)

    messages: list[str] = []
    with supervised(home, messages, child) as supervisor:
        supervisor.start()
        first = child.pid
        monkeypatch.setattr(os, "open", on_a_full_disk)
        os.kill(first, signal.SIGKILL)
        check_until(supervisor, lambda: child.pid != first)
        monkeypatch.undo()
        assert (home.run / "child.pid").read_text().split() == [str(child.pid)]
    assert messages == [f"child was killed by SIGKILL; restarting in 0.01 s. Log: {child.log}"]


def test_a_failed_restart_counts_as_a_death(home: Home) -> None:
    class Once(Child):
        def launch(self) -> None:
            if self.process is not None:
                raise UnavailableError(Code.START_FAILED, "not today")
            super().launch()

    with pytest.raises(UnavailableError, match="once could not be started: not today, for the 5th time"):
        run(supervised(home, [], Once("once", home, FAIL)))


def test_servers_stop_after_the_programs_in_reverse_order_of_their_start(home: Home) -> None:
    order = home.path / "order"
    log = f"import signal, sys; signal.signal(signal.SIGTERM, lambda *_: sys.exit(open({str(order)!r}, 'a').write("
    kinds = {"first": ChildServer, "second": ChildServer, "program": Child}
    children = [kind(name, home, f"{log}'{name} ') and 0)); {SERVE}") for name, kind in kinds.items()]
    with supervised(home, [], *children) as supervisor:
        supervisor.start()
        until(lambda: all(has_logged(child, "up") for child in children))
    assert order.read_text() == "program second first "
    assert [child.process and child.process.returncode for child in children] == [0, 0, 0]
    assert list(home.run.glob("*.pid")) == []


def test_a_child_that_does_not_stop_is_killed_with_its_children(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Child, "grace_s", 0.1)
    child = Child("stubborn", home, f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {WITH_A_CHILD}")
    with supervised(home, [], child) as supervisor:
        supervisor.start()
        until(lambda: has_logged(child, "up", times=2))
    until(lambda: not living(child.pid))


SUPERVISE = """
import sys
from pathlib import Path
from tests.cli.test_supervising import Child, Home, Identity, SERVE, WITH_A_CHILD, supervised
home = Home(Path(sys.argv[1]), Identity.ourselves())
children = Child("single", home, SERVE), Child("parent", home, WITH_A_CHILD)
with supervised(home, [], *children) as supervisor:
    supervisor.start()
    while any(child.log.read_text().count("up") < ups for child, ups in zip(children, (1, 2))):
        pass
    print(*[child.pid for child in children], supervisor.reaper.pid, flush=True)
    supervisor.watch()
"""


def test_killing_the_supervisor_ends_its_children_and_grandchildren() -> None:
    with tempfile.TemporaryDirectory(prefix="tsad-test-") as folder:
        with subprocess.Popen(
            [sys.executable, "-c", SUPERVISE, folder], cwd=PROJECT, stdout=subprocess.PIPE
        ) as process:
            assert process.stdout is not None
            groups = [int(pid) for pid in process.stdout.readline().split()]
            process.kill()
        assert len(groups) == 3
        until(lambda: not any(living(pid) for pid in groups))
        assert list(Path(folder, "run").glob("*.pid")) == []


def test_only_the_first_signal_interrupts() -> None:
    handler_before = signal.getsignal(signal.SIGTERM)
    sent = []

    @one_interrupt()
    def work() -> None:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        finally:
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGINT):
                os.kill(os.getpid(), number)
                sent.append(number)

    with pytest.raises(KeyboardInterrupt):
        work()
    assert len(sent) == 3
    assert signal.getsignal(signal.SIGTERM) is handler_before


def test_a_log_that_grows_too_large_is_rotated_while_the_process_keeps_writing(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.embedded.service.MAX_LOG_BYTES", 100)
    write = "import itertools\nfor number in itertools.count(): print(number, flush=True)"
    child = Child("child", home, write)
    with supervised(home, [], child) as supervisor:
        supervisor.start()
        previous = home.logs / "child.log.1"
        check_until(supervisor, lambda: previous.exists() and previous.stat().st_size > 100)
        first = previous.read_text()
        check_until(supervisor, lambda: previous.read_text() not in ("", first))
    assert first.startswith("0\n1\n")
    assert "\0" not in previous.read_text()  # the process appends: it does not write at its old offset


def test_a_log_is_emptied_even_when_there_is_no_space_for_a_copy(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.embedded.service.MAX_LOG_BYTES", 100)
    child = Child("child", home, SERVE)
    child.log.write_text("x" * 101)
    (home.logs / "child.log.1").mkdir()  # a copy fails, as on a full disk
    child.rotate_log()
    assert child.log.read_text() == ""
