"""The kind alertmanager, with a real Alertmanager that reports to a receiver of its own."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from shared.embedded.ports import free_port
from tests.waiting import until
from tests.worker.outbound.conftest import Scene
from tests.worker.outbound.receiving import ReceivingServer

PROGRAMS = ("prometheus-alertmanager", "alertmanager")  # as Debian calls it, and as everybody else does
CONFIGURATION = """
route: {{receiver: test, group_by: [...], group_wait: 10ms, group_interval: 200ms, repeat_interval: 1h}}
receivers: [{{name: test, webhook_configs: [{{url: "{url}", send_resolved: true}}]}}]
"""


@contextmanager
def alertmanager(folder: Path, port: int, url: str) -> Iterator[None]:
    """Run an Alertmanager with its data in the folder; it ends with SIGTERM, and keeps what it has sent."""
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        assert not os.environ.get("CI"), "install prometheus-alertmanager"
        pytest.skip("Alertmanager is not installed")
    (folder / "alertmanager.yml").write_text(CONFIGURATION.format(url=url))
    arguments = (
        "--config.file=alertmanager.yml", "--storage.path=data", "--cluster.listen-address=",
        f"--web.listen-address=127.0.0.1:{port}",
    )  # fmt: skip
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen([program, *arguments], cwd=folder, stdout=log, stderr=log)
    try:
        until(lambda: is_ready(port) or process.poll() is not None, 30)
        assert process.poll() is None, (folder / "log").read_text()[-3000:]
        yield
    finally:
        process.terminate()
        process.wait(30)


def is_ready(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/-/ready", trust_env=False).is_success
    except httpx.HTTPError:
        return False


def test_alerts_open_stay_over_restarts_of_both_sides_and_resolve(
    scene: Scene, server: ReceivingServer, tmp_path: Path
) -> None:
    port = free_port()
    scene.put_receiver("am", f"http://127.0.0.1:{port}/", "alertmanager")
    scene.put_watch("am")

    def seen(series_id: str) -> list[str]:
        alerts = [alert for request in server.received for alert in request.json["alerts"]]
        return [alert["status"] for alert in alerts if alert["labels"]["series_id"] == series_id]

    with alertmanager(tmp_path, port, server.url):
        scene.open("w.a")
        scene.run()
        until(lambda: seen("w.a") == ["firing"])
        first = server.received[0].json["alerts"][0]
        assert first["labels"] == {
            "alertname": "TsadDeviation", "kind": "deviation", "watch": "w", "series_id": "w.a", "severity": "warning",
        }  # fmt: skip
        assert first["annotations"]["summary"].startswith("w.a deviates since ")
        assert first["generatorURL"] == f"https://tsad.example/ui/alerts/{scene.alerts['w.a'].id}"
        scene.escalate("w.a", 7.0)  # changes annotations only
        scene.run()
        scene.open("w.b")
        scene.run()
        until(lambda: seen("w.b") == ["firing"])
    scene.run_again()
    assert scene.rows("SELECT failures FROM receivers") == [(1,)]
    restarted = Scene(scene.database, now=scene.now, alerts=scene.alerts)
    with alertmanager(tmp_path, port, server.url):
        restarted.run_again()
        restarted.open("w.c")
        restarted.run()
        until(lambda: seen("w.c") == ["firing"])
        assert (seen("w.a"), seen("w.b")) == (["firing"], ["firing"])
        restarted.close("w.a")
        restarted.run()
        until(lambda: seen("w.a") == ["firing", "resolved"])
        restarted.run_again()
        restarted.close("w.b", "w.c")
        restarted.run()
        until(lambda: seen("w.b") == seen("w.c") == ["firing", "resolved"])
    assert len(server.received) == 6
    assert scene.rows("SELECT failures, error FROM receivers")[0][0] == 0
