"""The log lines of requests."""

import re
from pathlib import Path

import httpx

from shared.embedded.ports import free_port
from shared.settings import Settings
from tests.points import ramp
from tests.processes import running
from tests.waiting import until


def log_of_requests(settings: Settings, folder: Path, level: str = "INFO", form: str = "text") -> str:
    """The log after a fit, a prediction and a read, each with a different request id."""
    port = free_port()
    with (
        running(settings, folder, "api", f"--port={port}", LOG_LEVEL=level, LOG_FORMAT=form) as process,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30, trust_env=False) as client,
    ):
        until(lambda: "running on" in process.log.read_text(), 30)
        client.post("/fit/logged", json=ramp(), headers={"X-Request-ID": "the-fit"})
        client.post("/predict/logged", json={"timestamp": 1, "value": 1}, headers={"X-Request-ID": "the-prediction"})
        client.get("/series", headers={"X-Request-ID": "the-look"})
    return process.log.read_text()


def test_by_default_only_changes_are_logged(settings: Settings, tmp_path: Path) -> None:
    log = log_of_requests(settings, tmp_path)
    (line,) = [line for line in log.splitlines() if "/fit/" in line]
    assert re.search(r"INFO api\.chain\.slots POST '/fit/logged': 202 in [0-9.]+ ms request_id=the-fit$", line)
    assert "the-prediction" not in log
    assert "the-look" not in log


def test_at_debug_level_every_request_is_logged(settings: Settings, tmp_path: Path) -> None:
    log = log_of_requests(settings, tmp_path, "DEBUG", "json")
    lines = [line for line in log.splitlines() if " ms" in line]
    for request_id in ("the-fit", "the-prediction", "the-look"):
        assert sum(f'"request_id": "{request_id}"' in line for line in lines) == 1
