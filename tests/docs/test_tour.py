"""The README's tour and the tutorial about watching, run as they are written."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest
import redis

from shared.settings import Settings
from tests.docs.answers import Names, check, values
from tests.docs.markdown import ROOT, blocks, section
from tests.processes import new_database, running
from tests.waiting import until

API, FLOWER, HOME = "http://127.0.0.1:8000", "http://127.0.0.1:5555", "/tmp/tsad-tour"  # noqa: S108 - as the README says
START = f"python3 run up --home {HOME}\n"
END_OF_BLOCK = "--- end of block ---"
TUTORIAL = blocks((ROOT / "docs/how-to/watch-in-five-minutes.md").read_text())
TOUR = blocks(section(ROOT / "README.md", "Five-minute tour"))


class Stack(NamedTuple):
    """Where the services of the tour are."""

    api: str
    flower: str
    home: Path


@pytest.fixture(scope="module")
def stack(
    settings: Settings, server_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    """The processes of `python3 run up`, with the servers of the tests and free ports."""
    folder = tmp_path_factory.mktemp("tour")
    home, empty_redis = folder / "home", redis_url.rsplit("/", 1)[0] + "/2"
    client = redis.Redis.from_url(empty_redis)
    options = (f"--home={home}", "--port=0", "--flower-port=0")
    with new_database(server_url) as url:
        stack_settings = settings.model_copy(update={"database_url": url, "redis_url": empty_redis})
        with running(stack_settings, folder, "api.cli.main", "up", *options, exit_codes=(0,)) as process:
            until(lambda: "ready: " in process.log.read_text() or process.popen.poll() is not None, 120)
            log = process.log.read_text()
            assert process.popen.poll() is None, log
            addresses = re.search(r"Flower: (\S+) .*ready: (\S+)", log, re.DOTALL)
            assert addresses, log
            stack = Stack(addresses[2], addresses[1], home)
            until(lambda: sees_workers(stack), 60)
            yield stack
    client.flushdb()
    client.close()


def sees_workers(stack: Stack) -> bool:
    """Whether Flower sees a worker: it misses events from before it connected."""
    password = json.loads((stack.home / "state.json").read_text())["secrets"]["flower"]
    try:
        answer = httpx.get(f"{stack.flower}/workers?json=1", auth=("tsad", password), trust_env=False)
    except httpx.TransportError:
        return False
    return bool(answer.json()["data"])


def test_the_tour_starts_the_stack_with_up() -> None:
    assert [block.content for block in TOUR if block.language == "sh"] == [START]


def test_every_command_of_the_tour_gives_the_answer_that_the_readme_shows(stack: Stack, tmp_path: Path) -> None:
    if not (shutil.which("bash") and shutil.which("curl")):
        pytest.skip("the tour needs bash and curl")
    commands = [block.content for block in TOUR if block.language == "bash"]
    script = f"\nprintf '%s\\n' '{END_OF_BLOCK}'\n".join(["set -euo pipefail", *commands, ""])
    for shown, actual in ((API, stack.api), (FLOWER, stack.flower), (HOME, str(stack.home))):
        assert shown in script
        script = script.replace(shown, actual)
    outputs = output_of(script, tmp_path).split(f"{END_OF_BLOCK}\n")[1:-1]
    answers = shown_answers()
    assert len(outputs) == len(commands) == len(answers) > 10
    in_readme, in_run = Names(), Names()
    for shown, output in zip(answers, outputs, strict=True):
        check_output(in_readme.normalized(shown), in_run.normalized(with_blanks(output)))


def test_every_command_of_the_tutorial_prints_what_it_shows(stack: Stack, tmp_path: Path) -> None:
    commands = [block.content for block in TUTORIAL if block.language == "bash"]
    script = "\n".join(["set -euo pipefail", *commands]).replace("python3 run ", "tsad ")
    output = unnumbered(output_of(f"exec 2>&1\n{script}", tmp_path, TSAD_URL=stack.api, COLUMNS="200"))
    for line in (line for block in TUTORIAL if block.language == "text" for line in block.content.splitlines()):
        assert unnumbered(line) in output, output


def output_of(script: str, folder: Path, **variables: str) -> str:
    """What a script of Bash writes to standard output."""
    run = subprocess.run(
        ["bash", "-c", script],
        cwd=folder,
        env={
            "PATH": f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin",
            "no_proxy": "127.0.0.1",
            **variables,
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert run.returncode == 0, f"{run.stdout}\n{run.stderr}"
    return run.stdout


def unnumbered(text: str) -> str:
    """The text with its measured numbers, times and ids replaced; counts stay."""
    text = re.sub(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", "ID", text)
    return re.sub(r" +", " ", re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ?|-?\d+\.\d+", "#", text))


def shown_answers() -> list[str]:
    """The answer below each command in the README; empty if there is none."""
    last = TOUR[-1]
    assert last.language != "bash"
    return [
        "" if next_block.language == "bash" else next_block.content
        for block, next_block in pairwise(TOUR)
        if block.language == "bash"
    ]


def with_blanks(output: str) -> str:
    """JSON with spaces after separators, as in the README; other text unchanged."""
    json_values = values(output)
    return output if json_values is None else "\n".join(json.dumps(value, ensure_ascii=False) for value in json_values)


def check_output(shown: str, output: str) -> None:
    expected, actual_values = values(shown), values(output)
    if expected is None or actual_values is None:
        assert output == shown
    else:
        check(expected, actual_values, shown[:60])
