"""`run`, which must work before anything is installed."""

import fcntl
import os
import pwd
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).resolve().parents[1] / "run"


@pytest.fixture
def checkout() -> Iterator[Path]:
    """A checkout with `run` and the files it reads; nothing is installed."""
    with tempfile.TemporaryDirectory(prefix="tsad-test-") as folder:
        checkout = Path(folder)
        checkout.chmod(0o755)
        (checkout / "run").write_text(SCRIPT.read_text())
        (checkout / "pyproject.toml").touch()
        for lock in ("requirements-local.lock", "requirements-dev.lock"):
            (checkout / lock).write_text(f"{lock}==1\n")
        yield checkout


@pytest.fixture
def run(checkout: Path) -> Any:
    """The script as a module whose `install` only links a Python."""
    loader = SourceFileLoader("run_script", str(checkout / "run"))
    spec = spec_from_loader("run_script", loader)
    assert spec is not None
    module: Any = module_from_spec(spec)
    loader.exec_module(module)
    module.installed = []

    def install(lock: Path) -> None:
        module.installed.append(lock.name)
        module.BIN.mkdir(parents=True, exist_ok=True)
        if not module.PYTHON.exists():
            module.PYTHON.symlink_to(sys.executable)

    module.install = install
    return module


def outcome(checkout: Path, *arguments: str, **options: Any) -> tuple[int, str]:
    """Run the script as a person would, and return the exit code and the output."""
    command = [options.pop("python", sys.executable), str(checkout / "run"), *arguments]
    process = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    assert "Traceback" not in process.stderr
    return process.returncode, process.stdout + process.stderr


def test_without_a_command_run_lists_its_commands_and_installs_nothing(checkout: Path) -> None:
    code, output = outcome(checkout)
    assert code == 2
    assert all(f"\n  {command} " in output for command in ("demo", "up", "test", "lint"))
    assert not (checkout / ".tools").exists()


def test_a_prepared_environment_is_left_alone(run: Any) -> None:
    run.prepare(run.LOCAL_LOCK)
    run.prepare(run.LOCAL_LOCK)
    assert len(run.installed) == 1


def test_serving_installs_less_than_testing_and_nothing_once_tests_can_run(
    run: Any, monkeypatch: pytest.MonkeyPatch, checkout: Path
) -> None:
    monkeypatch.setattr(run.os, "execv", lambda *_: None)
    monkeypatch.setattr(run.os, "chdir", lambda *_: None)
    for command in ("up", "test", "up"):
        run.main([command])
    assert run.installed == ["requirements-local.lock", "requirements-dev.lock"]


@pytest.mark.parametrize("name", ["requirements-local.lock", "pyproject.toml"])
def test_a_changed_requirement_installs_again(run: Any, checkout: Path, name: str) -> None:
    run.prepare(run.LOCAL_LOCK)
    (checkout / name).write_text("other\n")
    run.prepare(run.LOCAL_LOCK)
    assert len(run.installed) == 2


def test_a_failed_installation_is_repeated(run: Any) -> None:
    run.prepare(run.LOCAL_LOCK)
    run.STAMP.write_text("older")
    install, run.install = run.install, lambda _lock: sys.exit(1)
    with pytest.raises(SystemExit):
        run.prepare(run.LOCAL_LOCK)
    run.install = install
    run.prepare(run.LOCAL_LOCK)
    assert len(run.installed) == 2


def test_a_second_run_waits_for_the_first_and_installs_nothing(
    run: Any, checkout: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run.prepare(run.LOCAL_LOCK)
    stamp = run.STAMP.read_text()
    run.STAMP.unlink()
    with (checkout / ".tools" / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)

        def the_first_finishes(_seconds: float) -> None:
            run.STAMP.write_text(stamp)
            fcntl.flock(lock, fcntl.LOCK_UN)

        monkeypatch.setattr(run.time, "sleep", the_first_finishes)
        run.prepare(run.LOCAL_LOCK)
    assert capsys.readouterr().err == "run: another run is preparing .venv; waiting (0 s)\n"
    assert len(run.installed) == 1


def test_a_long_step_reports_that_it_is_still_running(
    run: Any, checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "HEARTBEAT_S", 0.01)
    wait_for_file = "import pathlib, sys\nwhile not pathlib.Path(sys.argv[1]).exists(): pass"
    output: list[str] = []

    def say(line: str) -> None:
        output.append(line)
        if "still" in line:
            (checkout / "said").touch()

    monkeypatch.setattr(run, "say", say)
    assert run.wait_for("waiting", [sys.executable, "-c", wait_for_file, str(checkout / "said")]) == 0
    assert output[:2] == ["waiting …", "  still waiting (0 s)"]


def test_a_failed_installation_ends_with_advice(run: Any, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run.step("installing", sys.executable, "-c", "raise SystemExit('no network')")
    output = capfd.readouterr().err
    assert "no network" in output
    assert "run: Installing failed; the reason is above. It needs free disk space and" in output


def test_a_python_without_pip_and_venv_reports_what_is_missing(
    run: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "runs", lambda *_: False)
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(SystemExit):
        run.find_uv()
    assert "has no pip that can get uv, and no venv module: install pip" in capsys.readouterr().err


def test_an_older_python_reports_which_version_is_needed(checkout: Path) -> None:
    pretend = (
        f"import runpy, sys; sys.version_info = (3, 9, 2); runpy.run_path({str(checkout / 'run')!r}, None, '__main__')"
    )
    process = subprocess.run([sys.executable, "-c", pretend], capture_output=True, text=True, check=False)
    assert process.returncode == 1
    assert process.stderr.startswith("run: Python 3.11 or newer is required; this is")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can run as another user")
def test_a_checkout_of_another_user_reports_its_owner(checkout: Path) -> None:
    nobody = {"user": "nobody", "group": pwd.getpwnam("nobody").pw_gid, "extra_groups": []}
    python = next((python for python in (sys.executable, "/usr/bin/python3") if can_run(python, nobody)), None)
    if python is None:
        pytest.skip("other users cannot run any interpreter here")
    code, output = outcome(checkout, "test", python=python, **nobody)
    assert code == 1
    assert output.startswith(f"run: {checkout} belongs to root, and nobody cannot write to it")
    assert len(output.splitlines()) == 1


def can_run(python: str, user: dict[str, Any]) -> bool:
    try:
        return subprocess.run([python, "-c", ""], check=False, **user).returncode == 0
    except OSError:
        return False


def test_lint_runs_every_check_and_fails_if_one_fails(
    run: Any, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run.prepare(run.LOCAL_LOCK)
    checks = {"bad": ("-c", "raise SystemExit('found something')"), "good": ("-c", "print('fine')")}
    monkeypatch.setattr(run, "LINTERS", checks)
    assert run.main(["lint"]) == 1
    out, err = capfd.readouterr()
    assert out == "fine\n"
    assert err == "run: bad\nfound something\nrun: good\nrun: failed: bad\n"
    del checks["bad"]
    assert run.main(["lint"]) == 0


def test_all_other_commands_are_passed_to_tsad(run: Any, monkeypatch: pytest.MonkeyPatch, checkout: Path) -> None:
    executed: list[tuple[str, list[str]]] = []
    monkeypatch.setattr(run.os, "execv", lambda path, argv: executed.append((str(path), argv)))
    run.main(["up", "--port", "0"])
    python = str(checkout / ".venv" / "bin" / "python")
    assert executed == [(python, [python, str(checkout / ".venv" / "bin" / "tsad"), "up", "--port", "0"])]


@pytest.mark.parametrize("document", ["Makefile", "CONTRIBUTING.md"])
def test_makefile_and_contributing_name_every_command(run: Any, document: str) -> None:
    text = (SCRIPT.parent / document).read_text()
    for command in (*run.COMMANDS, "up", "demo"):
        assert re.search(rf"[ `]{command}[ `\n]", text), command
        assert f"\n  {command} " in run.USAGE, command
