"""`tsad receivers`: from a name to a delivered test."""

from collections.abc import Iterator
from ipaddress import ip_network
from threading import Event, Thread

import pytest

from shared.metrics import Metrics
from shared.store.engine import Sessions
from tests.cli.commands import Tsad
from tests.worker.outbound.receiving import ReceivingServer, receiving
from worker.outbound.__main__ import Task, repeat
from worker.outbound.delivering import Delivering
from worker.outbound.egress import Egress


@pytest.fixture
def server(sessions: Sessions) -> Iterator[ReceivingServer]:
    """A receiver, and outbound that knows it by an environment variable."""
    with receiving() as server:
        egress = Egress([ip_network("127.0.0.0/8")])
        delivering = Delivering(sessions, egress, Metrics(), {"TSAD_RECEIVER_CLI": server.url})
        stopping = Event()
        thread = Thread(target=repeat, args=(Task("sending", delivering.round, 0.02), stopping))
        thread.start()
        yield server
        stopping.set()
        thread.join()


def test_a_receiver_is_set_tested_rotated_and_deleted(tsad: Tsad, series_id: str, server: ReceivingServer) -> None:
    created = tsad("receivers", "set", series_id, "--kind", "webhook", "--to-env", "TSAD_RECEIVER_CLI")
    assert "whsec_" in created.out
    assert "it is not shown again" in created.err
    assert tsad("receivers", "test", series_id).err == f"Delivered to {series_id}.\n"
    assert server.types == ["test"]
    server.answers = [(410, {})]
    failed = tsad("receivers", "test", series_id)
    assert failed.code == 1
    assert "The receiver answered 410." in failed.err
    (listed,) = [row for row in tsad("receivers", "list", "--json").answers if row["name"] == series_id]
    assert (listed["disabled"], listed["waiting"]) == ("The receiver answered 410 Gone.", 1)
    assert "disabled" in tsad("receivers", "list").out
    refused = tsad("receivers", "test", series_id)
    assert (refused.code, "POST /receivers" in refused.err) == (2, True)
    assert "disabled" not in tsad("receivers", "resume", series_id).out
    deliveries = tsad("receivers", "deliveries", series_id, "--limit", "2", "--json").answers
    assert [delivery["type"] for delivery in deliveries] == ["test", "test"]
    replayed = tsad("receivers", "deliveries", series_id, "--replay", str(deliveries[1]["delivery_id"]))
    assert "delivered" in replayed.out
    assert "whsec_" in tsad("receivers", "rotate", series_id).out
    assert "whsec_" not in tsad("receivers", "show", series_id, "--json").out
    assert tsad("receivers", "delete", series_id, "--yes").code == 0
    assert tsad("receivers", "show", series_id).code == 4
    wrong = tsad("receivers", "set", series_id, "--kind", "pager", "--to", "http://127.0.0.1/")
    assert wrong.code == 2
    assert "kind must be one of webhook, alertmanager, slack" in wrong.err
    assert "url names the address 127.0.0.1, which is refused (loopback)" in wrong.err
