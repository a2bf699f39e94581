"""The README's tour, run as it is written."""

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
TOUR = blocks(section(ROOT / "README.md", "A tour of five minutes"))


class Stack(NamedTuple):
    """Where what the tour starts is."""

    api: str
    flower: str
    home: Path


@pytest.fixture(scope="module")
def stack(
    settings: Settings, server_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    """What `python3 run up` starts, with the tests' servers and free ports."""
    folder = tmp_path_factory.mktemp("tour")
    home, own_redis = folder / "home", redis_url.rsplit("/", 1)[0] + "/2"
    client = redis.Redis.from_url(own_redis)
    options = (f"--home={home}", "--port=0", "--flower-port=0")
    with new_database(server_url) as url:
        own = settings.model_copy(update={"database_url": url, "redis_url": own_redis})
        with running(own, folder, "api.cli.main", "up", *options, exit_codes=(0,)) as process:
            until(lambda: "ready: " in process.log.read_text() or process.popen.poll() is not None, 120)
            log = process.log.read_text()
            assert process.popen.poll() is None, log
            addresses = re.search(r"Flower: (\S+) .*ready: (\S+)", log, re.DOTALL)
            assert addresses, log
            found = Stack(addresses[2], addresses[1], home)
            until(lambda: sees_workers(found), 60)
            yield found
    client.flushdb()
    client.close()


def sees_workers(stack: Stack) -> bool:
    """Whether Flower has heard of a worker: it cannot tell of what happened before it listened."""
    password = json.loads((stack.home / "state.json").read_text())["secrets"]["flower"]
    try:
        answer = httpx.get(f"{stack.flower}/workers?json=1", auth=("tsad", password), trust_env=False)
    except httpx.TransportError:
        return False
    return bool(answer.json()["data"])


def test_the_tour_starts_with_the_stack_that_is_tested() -> None:
    assert [block.content for block in TOUR if block.language == "sh"] == [START]


def test_every_command_of_the_tour_gives_the_answer_that_the_readme_shows(stack: Stack, tmp_path: Path) -> None:
    if not (shutil.which("bash") and shutil.which("curl")):
        pytest.skip("the tour needs bash and curl")
    commands = [block.content for block in TOUR if block.language == "bash"]
    script = f"\nprintf '%s\\n' '{END_OF_BLOCK}'\n".join(["set -euo pipefail", *commands, ""])
    for shown, actual in ((API, stack.api), (FLOWER, stack.flower), (HOME, str(stack.home))):
        assert shown in script
        script = script.replace(shown, actual)
    run = subprocess.run(
        ["bash", "-c", script],
        cwd=tmp_path,
        env={"PATH": f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin", "no_proxy": "127.0.0.1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert run.returncode == 0, f"{run.stdout}\n{run.stderr}"
    outputs = run.stdout.split(f"{END_OF_BLOCK}\n")[1:-1]
    answers = shown_answers()
    assert len(outputs) == len(commands) == len(answers) > 10
    in_readme, in_run = Names(), Names()
    for shown, given in zip(answers, outputs, strict=True):
        check_output(in_readme.plain(shown), in_run.plain(with_blanks(given)))


def shown_answers() -> list[str]:
    """What the README shows below each command; nothing where it shows nothing."""
    last = TOUR[-1]
    assert last.language != "bash"
    return [
        "" if following.language == "bash" else following.content
        for block, following in pairwise(TOUR)
        if block.language == "bash"
    ]


def with_blanks(output: str) -> str:
    """JSON as the README writes it, with blanks behind its signs; anything else as it is."""
    found = values(output)
    return output if found is None else "\n".join(json.dumps(value, ensure_ascii=False) for value in found)


def check_output(shown: str, given: str) -> None:
    expected, got = values(shown), values(given)
    if expected is None or got is None:
        assert given == shown
    else:
        check(expected, got, shown[:60])
