"""From changes of alerts to what arrives at a receiver."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import text

from shared.artifacts import Artifacts, LocalFolder
from shared.judging.states import States
from shared.settings import Settings
from tests.processes import serving
from tests.worker.outbound.conftest import Scene
from tests.worker.outbound.receiving import ReceivingServer
from worker import training as trainings


def test_a_receiver_learns_that_an_alert_opened_got_worse_and_closed(scene: Scene, server: ReceivingServer) -> None:
    scene.put_receiver("oncall", server.url)
    scene.put_watch("oncall")
    scene.open("w.a")
    scene.run()
    scene.escalate("w.a", 5.0)
    scene.run(31)
    scene.close("w.a")
    scene.run(31)
    scene.run(31)
    assert server.types == ["alert.opened", "alert.escalated", "alert.closed"]
    alert = scene.alerts["w.a"]
    ids = [request.headers["webhook-id"] for request in server.received]
    assert ids == [f"{alert.id}.{step}" for step in (1, 2, 3)]
    data = server.received[0].json["data"]
    assert data["text"].splitlines()[0] == data["sentence"] == data["alerts"][0]["sentence"]
    assert data["sentence"].startswith("w.a deviates since ")
    assert "expected 5 (normal 4 to 6), score 2." in data["sentence"]
    assert data["text"].splitlines()[-1] == f"https://tsad.example/ui/alerts/{alert.id}"
    assert scene.rows("SELECT receivers FROM notices ORDER BY id") == [(["oncall"],)] * 3


def test_a_storm_is_one_message_with_the_ten_worst(scene: Scene, server: ReceivingServer) -> None:
    scene.put_receiver("oncall", server.url)
    scene.put_receiver("chat", server.url, "slack")
    scene.put_watch("oncall", "chat")
    scene.open(*[f"w.{number:03}" for number in range(499)])
    scene.open("w.worst", score=9.0)
    scene.run()
    chat, webhook = sorted(server.received, key=lambda request: len(request.body))
    data = webhook.json["data"]
    assert data["sentence"].startswith("500 alerts of the watch w: 500 opened. The worst: w.worst deviates since ")
    assert len(data["alerts"]) == 10
    assert len({alert["alert_id"] for alert in data["alerts"] + data["more"]}) == 500
    assert chat.json["text"] == data["text"]
    assert chat.json["text"].splitlines()[-1] == "and 490 more"
    assert len(chat.json["text"].splitlines()) == 12


def test_changes_are_collected_between_messages_and_what_opens_and_closes_meanwhile_is_reported_once(
    scene: Scene, server: ReceivingServer
) -> None:
    scene.put_receiver("oncall", server.url)
    scene.put_watch("oncall", group_wait="1m")
    scene.open("w.a")
    scene.run()
    scene.open("w.b", "w.c")
    scene.close("w.b")
    scene.run(59)
    assert len(server.received) == 1
    scene.run(1)
    data = server.received[1].json["data"]
    assert [(alert["series_id"], alert["type"]) for alert in data["alerts"]] == [
        ("w.c", "alert.opened"),
        ("w.b", "alert.closed"),
    ]
    scene.close("w.a", "w.c")
    scene.run(60)
    assert server.received[2].json["data"]["counts"] == {"opened": 0, "escalated": 0, "closed": 2}


def test_a_watch_over_its_budget_is_quiet_says_so_and_still_reports_the_end_of_what_it_reported(
    scene: Scene, server: ReceivingServer
) -> None:
    scene.put_receiver("oncall", server.url)
    scene.put_watch("oncall", at_most={"messages": 1, "per": "1h"}, group_wait="0s")
    scene.open("w.a")
    scene.run()
    scene.open("w.b", "w.c")
    scene.close("w.a", "w.b")
    scene.run(60)
    assert server.types == ["alert.opened"]
    quiet = (
        "SELECT a.series_id, n.quiet FROM notices n JOIN alerts a ON a.id = alert WHERE n.quiet IS NOT NULL ORDER BY 1"
    )
    assert scene.rows(quiet) == [("w.b", "over budget"), ("w.b", "over budget"), ("w.c", "over budget")]
    scene.run(3_600)
    assert server.types == ["alert.opened", "alert.closed"]
    data = server.received[1].json["data"]
    assert data["over_budget"] == 2
    assert "2 more alerts of this watch were not reported" in data["text"].splitlines()[-1]
    assert [alert["series_id"] for alert in data["alerts"]] == ["w.a"]


def test_nobody_is_notified_of_backfilled_alerts_and_receivers_get_only_what_they_asked_for(
    scene: Scene, server: ReceivingServer
) -> None:
    scene.put_receiver("all", f"{server.url}/all")
    scene.put_receiver("bad", f"{server.url}/bad", min_score=3)
    scene.put_receiver("new", f"{server.url}/new", types=["alert.opened"])
    scene.put_watch("all", "bad", "new", group_wait="0s")
    scene.open("w.old", quiet="backfilled")
    scene.run()
    assert server.received == []
    scene.open("w.a")
    scene.run(1)
    scene.escalate("w.a", 4.0)
    scene.run(1)
    with scene.database.begin() as session:  # receivers of an alert learn of its end, too
        session.execute(text("DELETE FROM watches"))
    scene.close("w.a", "w.old")
    scene.run(31)
    told = [
        (request.path.rpartition("/")[2], request.json["type"].removeprefix("alert.")) for request in server.received
    ]
    assert sorted(told) == [
        ("all", "closed"), ("all", "escalated"), ("all", "opened"), ("bad", "closed"), ("bad", "escalated"),
        ("new", "opened"),
    ]  # fmt: skip


def test_a_message_says_how_rare_what_contributed_and_what_was_a_week_before_unless_the_store_is_away(
    scene: Scene,
    server: ReceivingServer,
    installation: Settings,
    artifacts: Artifacts,
    training: trainings.Training,
    tmp_path: Path,
) -> None:
    scene = Scene(scene.database, states=States(artifacts.states, 10**7))
    scene.put_receiver("oncall", server.url)
    scene.put_watch("oncall", group_wait="0s", open={"at_once": 3})
    now = int(scene.now.timestamp()) // 3_600 * 3_600
    timestamps = [now - 3_600 * ago for ago in range(24 * 10)][::-1]
    values = [20 + 5 * math.sin(at / 86_400 * 2 * math.pi) for at in timestamps]
    values[-1] = 90.0
    with serving(installation) as api:
        for points in (slice(0, -1), slice(-1, None)):
            columns = {"timestamps": timestamps[points], "values": values[points]}
            assert api.post("/series/w.a/points", json=columns).status_code == 200
            if points.start:
                break
            job_id = api.post("/fit/w.a", json={"stored": "9d", "detector": "auto"}).json()["job_id"]
            trainings.run(replace(training, sessions=scene.database, settings=installation), job_id)
    scene.run()
    sentence, rarity, contribution, week_before, link = server.received[0].json["data"]["text"].splitlines()
    assert sentence.startswith("w.a deviates since ")
    assert rarity == "How rare: normal points reach such a score less than once a year."
    assert contribution.startswith("What contributed most: ")
    value = float(week_before.removeprefix("Same time last week: ").removesuffix("."))
    assert value == pytest.approx(values[-1 - 7 * 24], rel=1e-3)
    assert link.startswith("https://tsad.example/ui/alerts/")
    away = Scene(scene.database, states=States(LocalFolder(tmp_path / "away"), 10**7))
    with scene.database.begin() as session:
        session.execute(text("UPDATE notices SET handled_at = NULL"))
        session.execute(text("TRUNCATE deliveries"))
    away.run(1)
    lines = server.received[1].json["data"]["text"].splitlines()
    assert [line.partition(":")[0] for line in lines[1:]] == ["Same time last week", "https"]
