"""The command as a process: what it does with a terminal, a pipe or a disk that cannot take its output."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from shared.embedded.ports import free_port

COMMANDS = (
    ("series", "list", "--prefix", "SERIES"),
    ("series", "plot", "SERIES", "--terminal"),
)


@pytest.fixture(scope="module")
def tsad(api: httpx.Client) -> Callable[..., "subprocess.CompletedProcess[bytes]"]:
    """The command in a shell that has it as `tsad` on its PATH."""
    folder = Path(sys.executable).parent

    def run(line: str, stdin: bytes = b"", **environment: str) -> "subprocess.CompletedProcess[bytes]":
        variables = {**os.environ, "TSAD_URL": str(api.base_url), "PATH": f"{folder}:/usr/bin:/bin", **environment}
        return subprocess.run(["bash", "-c", line], env=variables, input=stdin, capture_output=True, check=False)

    return run


Run = Callable[..., "subprocess.CompletedProcess[bytes]"]


@pytest.mark.parametrize("arguments", COMMANDS, ids=[" ".join(command) for command in COMMANDS])
def test_output_that_cannot_be_shown_or_written_is_no_traceback(
    tsad: Run, fitted: Callable[..., str], series_id: str, arguments: tuple[str, ...]
) -> None:
    fitted(series_id)
    line = " ".join(("tsad", *arguments)).replace("SERIES", series_id)
    ascii_only = tsad(line, PYTHONIOENCODING="ascii")
    assert (ascii_only.returncode, b"Traceback" in ascii_only.stderr) == (0, False)
    assert ascii_only.stdout.isascii()
    full_disk = tsad(f"{line} > /dev/full")
    assert full_disk.returncode == 1
    assert full_disk.stderr.splitlines(keepends=True)[0] == b"The output: No space left on device.\n"
    closed = tsad(f"{line} <&- >&-")
    assert (closed.returncode, b"Traceback" in closed.stderr) == (0, False)


def test_bytes_that_are_not_text_are_a_skipped_line(tsad: Run, fitted: Callable[..., str], series_id: str) -> None:
    fitted(series_id)
    result = tsad(f"tsad watch {series_id}", b"\xff\xfe1\n2\n")
    assert result.returncode == 0, result.stderr
    assert b"Line 1 was skipped" in result.stderr
    assert result.stdout.count(b"\n") == 1


def test_completion_is_offered_only_for_a_command_on_the_path(tsad: Run) -> None:
    shown = tsad("tsad --show-completion bash", SHELL="/bin/bash")
    assert b"complete -o default -F _tsad_completion tsad" in shown.stdout
    assert b"series\n" in tsad("tsad", COMP_WORDS="tsad seri", COMP_CWORD="1", _TSAD_COMPLETE="complete_bash").stdout
    elsewhere = tsad(f"{sys.executable} -m api.cli.main --show-completion", PATH="/usr/bin:/bin")
    assert elsewhere.returncode == 2
    assert b"`tsad` is not on the PATH" in elsewhere.stderr


@pytest.mark.parametrize(
    ("environment", "code", "sentence"),
    [
        ({"TSAD_URL": f"http://127.0.0.1:{free_port()}"}, 3, b"Does `tsad up` run? --url or TSAD_URL chooses another"),
        ({"TSAD_URL": "localhost:8000"}, 3, b"unsupported protocol"),
        ({"TSAD_URL": "http://[::1"}, 2, b"The URL http://[::1 is invalid"),
        ({"TSAD_API_KEY": "schlüssel"}, 2, b"The API key has characters that no key has"),
    ],
)
def test_a_wrong_address_or_key_is_reported(tsad: Run, environment: dict[str, str], code: int, sentence: bytes) -> None:
    result = tsad("tsad series list", **environment)
    assert result.returncode == code
    assert sentence in result.stderr
    assert b"Traceback" not in result.stderr
