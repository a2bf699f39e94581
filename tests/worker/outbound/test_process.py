"""The process, as operators start it."""

import base64
from pathlib import Path

from shared.domain.watching.receivers import secret_key
from shared.embedded.ports import free_port
from shared.settings import Settings
from tests.processes import running, serving
from tests.waiting import until
from tests.worker.outbound.conftest import Scene
from tests.worker.outbound.receiving import ReceivingServer


def test_alerts_leave_without_redis_and_no_secret_is_logged_or_shown_again(
    scene: Scene, installation: Settings, server: ReceivingServer, tmp_path: Path
) -> None:
    away = installation.model_copy(update={"redis_url": f"redis://127.0.0.1:{free_port()}/0"})
    path = "/s3cret-path"
    with (
        serving(installation) as api,
        running(away, tmp_path, "worker.outbound", TSAD_RECEIVER_CHAT=server.url + path) as first,
        running(away, tmp_path, "worker.outbound", TSAD_RECEIVER_CHAT=server.url + path) as second,
    ):
        created = api.put("/receivers/oncall", json={"kind": "webhook", "url": server.url + path}).json()
        api.put("/receivers/chat", json={"kind": "slack", "url_env": "TSAD_RECEIVER_CHAT"})
        again = api.put("/receivers/oncall", json={"kind": "webhook", "url": server.url + path})
        rotated = api.post("/receivers/oncall/rotate").json()
        secrets = [created["secret"], rotated["secret"]]
        watch = {"prefix": "w.", "notify": {"receivers": ["oncall", "chat"], "group_wait": "0s"}}
        assert api.put("/watches/w", json=watch).status_code == 200
        for number in range(5):
            scene.open(f"w.{number}")
            scene.close(f"w.{number}")
        until(lambda: scene.rows("SELECT count(*) FROM notices WHERE handled_at IS NULL") == [(0,)], 30)
        until(lambda: scene.rows("SELECT count(*) FROM deliveries WHERE status = 'waiting'") == [(0,)], 30)
        assert api.post("/receivers/oncall/test").status_code == 202
        until(lambda: server.received[-1].headers.get("webhook-id", "").startswith("test."))
        shown = "".join(
            api.get(route).text for route in ("/receivers", "/receivers/oncall", "/receivers/oncall/deliveries")
        )
        ids = [request.headers["webhook-id"] for request in server.received if "webhook-id" in request.headers]
        assert len(ids) == len(set(ids))
        told = {alert["alert_id"] for request in server.received for alert in alerts_of(request.json)}
        assert told == {alert.id for alert in scene.alerts.values()}
    logs = first.log.read_text() + second.log.read_text()
    rows = str(scene.rows("SELECT * FROM deliveries")) + str(scene.rows("SELECT * FROM notices"))
    assert "reporting alerts" in logs
    assert "secret" not in again.json()
    for secret in [*secrets, path, *(base64.b64encode(secret_key(secret)).decode() for secret in secrets)]:
        assert secret not in logs + rows + shown + again.text


def alerts_of(message: dict[str, dict[str, list[dict[str, str]]]]) -> list[dict[str, str]]:
    data = message.get("data", {})
    return data.get("alerts", []) + data.get("more", [])
