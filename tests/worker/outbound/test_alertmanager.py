"""The kind alertmanager, with a real Alertmanager that reports to a receiver of its own."""

from pathlib import Path

from shared.embedded.ports import free_port
from tests.alertmanager import alertmanager
from tests.waiting import until
from tests.worker.outbound.conftest import Scene
from tests.worker.outbound.receiving import ReceivingServer


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
        scene.run()
        assert scene.rows("SELECT failures FROM receivers WHERE succeeded_at IS NOT NULL") == [(0,)]
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
