"""Ports, environment and errors before anything starts."""

import socket
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from api.cli.main import main
from api.cli.stack import chosen_ports, environment
from shared.embedded import Embedded
from shared.settings import Settings


@pytest.fixture
def home() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="tsad-test-") as folder:
        yield Path(folder)


def command(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int | str | None:
    monkeypatch.setattr(sys, "argv", ["tsad", *arguments])
    with pytest.raises(SystemExit) as end:
        main()
    return end.value.code


@pytest.mark.parametrize(("option", "owner"), [("--port", "the API"), ("--flower-port", "Flower")])
def test_a_port_in_use_is_reported_before_anything_starts(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], option: str, owner: str
) -> None:
    ports = {"--port": "0", "--flower-port": "0"}
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = str(listener.getsockname()[1])
        ports[option] = port
        arguments = [part for pair in ports.items() for part in pair]
        assert command(monkeypatch, "up", "--home", str(home), *arguments) == 2
    out, err = capsys.readouterr()
    assert err.startswith(f"Port {port} for {owner} is in use")
    assert option in err
    assert out == ""
    assert list((home / "logs").iterdir()) == []


def test_free_ports_differ_and_specified_ports_are_kept() -> None:
    api, flower = chosen_ports(0, 0)
    assert api != flower
    assert chosen_ports(api, flower) == (api, flower)


def test_programs_receive_the_settings_that_the_operator_left_unset(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("TRAINING_DATA_FOLDER", "DATA_FOLDER", "MODEL_STATE_FOLDER", "WORKER_CONCURRENCY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MODEL_FOLDER", "/somewhere/else")
    monkeypatch.setenv("WORKER_CONCURRENCY", "5")
    monkeypatch.setenv("REDIS_URL", "redis://elsewhere:6379/3")
    monkeypatch.chdir(home)  # away from any .env
    embedded = Embedded(home, valkey=False)
    env = environment(embedded, Settings.load(), None)
    embedded.stop()
    assert env["DATABASE_URL"] == embedded.database_url
    assert env["REDIS_URL"] == "redis://elsewhere:6379/3"
    assert env["TRAINING_DATA_FOLDER"] == str(home / "artifacts" / "data")
    assert "MODEL_STATE_FOLDER" not in env
    assert env["WORKER_CONCURRENCY"] == "5"
    assert env["OPENBLAS_NUM_THREADS"] == "1"
    assert environment(embedded, Settings.load(), 3)["WORKER_CONCURRENCY"] == "3"


def test_an_expected_error_prints_a_sentence_and_exits_with_code_2(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(home)
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.setenv("TSAD_HOME", str(home / "none"))
    assert command(monkeypatch, "migrate") == 2
    advice = capsys.readouterr().err
    assert advice.startswith("DATABASE_URL is not set, and ")
    assert "choose a home with --home" in advice


def test_the_version_is_printed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(monkeypatch, "--version") == 0
    assert capsys.readouterr().out.startswith("tsad ")


def test_an_interrupted_command_exits_with_code_130(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_self: object) -> str:
        raise KeyboardInterrupt

    monkeypatch.setenv("DATABASE_URL", "postgresql://127.0.0.1/none")
    monkeypatch.setattr(Settings, "database", property(interrupted))
    assert command(monkeypatch, "migrate") == 130
