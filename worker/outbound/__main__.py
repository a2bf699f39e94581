"""Run outbound: `python -m worker.outbound`. It reports alerts to receivers and fetches sources. Any number may run."""

import logging
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from threading import Event, Thread
from typing import Any

from shared import logs
from shared.artifacts import Artifacts
from shared.errors import TsadError, UnavailableError
from shared.judging.states import States
from shared.metrics import Metrics, Publisher
from shared.settings import Settings
from shared.store import deliveries, inspection
from shared.store.engine import Sessions, make_engine
from shared.telemetry import connect
from shared.urls import networks
from shared.watching.claiming import Claims
from shared.watching.ingesting import Ingest
from worker.outbound.delivering import Delivering
from worker.outbound.describing import Describer
from worker.outbound.egress import Egress
from worker.outbound.folding import Folding
from worker.outbound.pulling import Pulling

logger = logging.getLogger(__name__)

POLL_S = 0.25
BESIDE_S = 1.0  # how often the other senders look: while the first one waits for a receiver, they serve the rest
GIVE_UP_EVERY_S = 60.0
SENDERS = 8  # receivers that get messages at a time
FETCHERS = 2  # sources that are fetched at a time
FETCH_TIMEOUT_S = 60.0  # of a query


@dataclass(frozen=True)
class Task:
    """What a thread repeats until the process stops."""

    name: str
    work: Callable[[], object]  # a true result: there may be more to do now
    every_s: float = POLL_S


def tasks(sessions: Sessions, settings: Settings, metrics: Metrics) -> list[Task]:
    """Return everything that this process does, one thread each."""
    public_url = settings.public_url.rstrip("/")
    stored = Artifacts.of(settings).states
    describer = Describer(public_url, States(stored, settings.state_cache_bytes))
    folding = Folding(sessions, metrics, describer)
    delivering = Delivering(sessions, Egress(networks(settings.egress_allow)), metrics, os.environ, public_url)
    ingest = Ingest(sessions, States(stored, settings.judge_cache_bytes // 2), settings, metrics)
    fetched = Egress(networks(settings.egress_allow), timeout_s=FETCH_TIMEOUT_S)
    pulling = Pulling(sessions, fetched, ingest, Claims(sessions), metrics, os.environ, settings)
    return [
        *(Task(f"fetching-{number}", pulling.round) for number in range(FETCHERS)),
        Task("trying-sources", pulling.try_round),
        Task("folding", folding.round),
        Task("sending", delivering.round),
        *(Task(f"sending-{number}", delivering.round, BESIDE_S) for number in range(1, SENDERS)),
        Task("giving-up", lambda: give_up(sessions, metrics), GIVE_UP_EVERY_S),
    ]


def give_up(sessions: Sessions, metrics: Metrics) -> None:
    """Give up messages that waited for two days."""
    with sessions.begin() as session:
        receivers = deliveries.give_up(session, inspection.clock(session))
    for name in sorted(set(receivers)):
        number = receivers.count(name)
        logger.error("receiver %s: %d messages were given up after two days", name, number)
    metrics.given_up.inc(len(receivers))


def repeat(task: Task, stopping: Event) -> None:
    """Repeat a task until `stopping` is set; retry a failed round."""
    failed = False
    while not stopping.is_set():
        is_more = False
        try:
            is_more = bool(task.work())
            failed = False
        except UnavailableError as error:
            if not failed:
                logger.warning("%s: %s", task.name, error.detail)
            failed = True
        except Exception:
            logger.exception("%s failed, will retry", task.name)
            failed = True
        if not is_more:
            stopping.wait(max(task.every_s, 1.0) if failed else task.every_s)


def main() -> None:
    """Run outbound until SIGTERM or SIGINT."""
    try:
        settings = Settings.load()
        logs.configure(settings)
        sessions = Sessions(make_engine(settings, "tsad-outbound"))
        metrics = Metrics()
        publisher = Publisher(metrics, connect(settings.redis))
    except TsadError as error:
        raise SystemExit(error.detail) from None
    stopping = Event()

    def stop(*_: Any) -> None:
        stopping.set()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    threads = [
        Thread(target=repeat, args=(task, stopping), name=task.name) for task in tasks(sessions, settings, metrics)
    ]
    for thread in threads:
        thread.start()
    logger.info("reporting alerts to receivers, and fetching sources")
    stopping.wait()
    for thread in threads:
        thread.join()
    publisher.close()


if __name__ == "__main__":
    main()
