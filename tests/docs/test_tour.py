"""The README's tour and the tutorial about watching, run as they are written."""

import json
import random
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest
import redis

from shared.embedded.ports import free_port
from shared.settings import Settings
from tests.alertmanager import alertmanager
from tests.docs.answers import Names, check, values
from tests.docs.markdown import ROOT, blocks, section
from tests.processes import new_database, running
from tests.remote import prometheus, write_blocks
from tests.waiting import until

API, FLOWER, HOME = "http://127.0.0.1:8000", "http://127.0.0.1:5555", "/tmp/tsad-tour"  # noqa: S108 - as the README says
START = f"python3 run up --home {HOME}\n"
END_OF_BLOCK = "--- end of block ---"
WATCHING = blocks(section(ROOT / "README.md", "Watch Prometheus"))
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
        stack_settings = settings.model_copy(
            update={"database_url": url, "redis_url": empty_redis, "egress_allow": "127.0.0.1"}
        )
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


class _Exporter(BaseHTTPRequestHandler):
    """Has one metric, whose value a test sets."""

    load = 1.0

    def do_GET(self) -> None:
        body = f"node_load1 {self.load + random.gauss(0, 0.05)}\n".encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def exporter(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a program that Prometheus scrapes."""
    monkeypatch.setattr(_Exporter, "load", 1.0)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Exporter)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_one_file_leads_from_prometheus_to_an_alert_in_alertmanager(
    stack: Stack, exporter: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the README says, but with a step of a second instead of a minute, and other ports."""
    file, shown = (block.content for block in WATCHING if block.language in ("yaml", "text"))
    (command,) = (block.content for block in WATCHING if block.language == "bash")
    ports = {"9090": str(free_port()), "9093": str(free_port())}
    faster = {"1m": "1s", "30s": "1s", "28d": "10m"}
    for old, new in {**ports, **faster}.items():
        file, shown = file.replace(old, new), shown.replace(old, new)
    (tmp_path / "watch.yaml").write_text(file)
    end = int(time.time()) - 2
    series = f'node_load1{{instance="{exporter}",job="node"}}'
    write_blocks(tmp_path, (f"{series} {1 + random.gauss(0, 0.05)} {second}\n" for second in range(end - 400, end)))
    config = {
        "global": {"scrape_interval": "1s"},
        "scrape_configs": [{"job_name": "node", "static_configs": [{"targets": [exporter]}]}],
    }
    series_id = f"node.{exporter.replace(':', '_')}.load"
    am = httpx.Client(base_url=f"http://127.0.0.1:{ports['9093']}", trust_env=False)
    api = httpx.Client(base_url=stack.api, trust_env=False)
    with (
        am,
        api,
        prometheus(tmp_path, config, int(ports["9090"])),
        alertmanager(tmp_path, int(ports["9093"]), "http://127.0.0.1:9"),
    ):
        script = f"exec 2>&1\n{command}".replace("python3 run ", "tsad ")
        assert output_of(script, tmp_path, TSAD_URL=stack.api) == shown
        until(lambda: api.get(f"/series/{series_id}").json().get("latest_version"), 60)
        monkeypatch.setattr(_Exporter, "load", 9.0)
        until(lambda: am.get("/api/v2/alerts").json(), 60)
        (alert,) = am.get("/api/v2/alerts").json()
        assert (alert["labels"]["alertname"], alert["labels"]["series_id"]) == ("TsadDeviation", series_id)
        assert alert["annotations"]["summary"].startswith(f"{series_id} deviates since ")
        for path in ("sources/prometheus", "watches/node", "receivers/alertmanager"):
            assert api.delete(f"/{path}").status_code == 204


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
