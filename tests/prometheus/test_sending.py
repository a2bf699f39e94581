"""Remote write of a real Prometheus, which needs some seconds before it sends anything."""

import time

import httpx

from shared.settings import Settings
from tests.processes import serving
from tests.remote import Sender, encoded, send
from tests.waiting import until


def test_a_real_prometheus_sends_everything_across_restarts_of_either_side(settings: Settings, sender: Sender) -> None:
    up = f"/series/sent.{sender.instance.replace(':', '_')}.up.self.tests/points"
    document = {
        "kind": "remote_write",
        "select": {"monitor": "tests", "instance": sender.instance},
        "id_template": "sent.{instance}.{__name__}.{*}",
    }
    with serving(settings, sender.port) as api:
        assert api.put("/sources/sent", json=document).status_code == 200
        until(lambda: len(seconds(api, up)) >= 2, 30)
    retried = "prometheus_remote_storage_samples_retried_total"
    before = total(sender.prometheus, retried)
    until(lambda: total(sender.prometheus, retried) > before, 30)
    with serving(settings, sender.port) as api:
        arrived = seconds(api, up)
        until(lambda: len(seconds(api, up)) > len(arrived) + 1, 30)
        answer = sender.prometheus.get("/api/v1/query", params={"query": 'up{job="self"}[5m]'}).json()
        kept = {int(when) for when, _ in answer["data"]["result"][0]["values"] if when >= min(arrived)}
        until(lambda: kept <= seconds(api, up), 30)
        assert total(sender.prometheus, "prometheus_remote_storage_samples_failed_total") == 0
        check_late_sample(api, sender, min(arrived) + 1)
        with sender.server.stopped():
            arrived = seconds(api, up)
        until(lambda: len(seconds(api, up)) > len(arrived) + 1, 30)
        assert total(sender.prometheus, "prometheus_remote_storage_samples_failed_total") == 0
        described = api.get("/sources/sent").json()
        assert described["series"] > 300
        assert described["collisions"] == []
        assert api.delete("/sources/sent").status_code == 204


def check_late_sample(api: httpx.Client, sender: Sender, second: int) -> None:
    """A sample that a Prometheus takes out of order arrives, if it is later than its start; after a newer one."""
    series = {"__name__": "pushed", "instance": sender.instance, "job": "late"}
    points = f"/series/sent.{sender.instance.replace(':', '_')}.pushed.late.tests/points"
    now = int(time.time())
    assert send(sender.prometheus, encoded((series, [(now, 1.0)]))).is_success
    until(lambda: seconds(api, points) == {now}, 30)
    for late in (second - 86_400, second):
        assert send(sender.prometheus, encoded((series, [(late, 1.0)]))).is_success
    until(lambda: seconds(api, points) == {second, now}, 30)
    assert api.get(points).json()["late"] == [True, False]
    until(lambda: total(sender.prometheus, "prometheus_remote_storage_samples_pending") == 0, 30)


def seconds(api: httpx.Client, path: str) -> set[int]:
    return set(api.get(path).json().get("timestamps", ()))


def total(client: httpx.Client, name: str) -> float:
    lines = [line for line in client.get("/metrics").text.splitlines() if line.startswith(name)]
    return sum(float(line.rpartition(" ")[2]) for line in lines)
