"""Pooled connections that died while they were idle."""

from collections.abc import Iterator

import pytest
from sqlalchemy import text

from shared.settings import Settings
from shared.store import engine
from shared.store.engine import Session, Sessions
from tests.processes import sessions_of

OWN_PID = text("SELECT pg_backend_pid()")
END = text("SELECT pg_terminate_backend(:pid, 10000)")  # returns when the server process is gone


@pytest.fixture
def sessions(settings: Settings) -> Iterator[Sessions]:
    with sessions_of(settings) as sessions:
        yield sessions


@pytest.fixture
def pings(sessions: Sessions, monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Return a list that records each pinged connection of these sessions."""
    pinged: list[object] = []
    ping = type(sessions.engine.dialect).do_ping

    def recording_ping(dialect: object, connection: object) -> bool:
        if dialect is sessions.engine.dialect:
            pinged.append(connection)
        return bool(ping(dialect, connection))  # type: ignore[arg-type]

    monkeypatch.setattr(type(sessions.engine.dialect), "do_ping", recording_ping)
    return pinged


def pid(sessions: Sessions) -> int:
    with sessions.begin() as session:
        return int(session.execute(OWN_PID).scalar_one())


def end(settings: Settings, process_id: int) -> None:
    with sessions_of(settings) as other_sessions, other_sessions.begin() as session:
        assert session.execute(END, {"pid": process_id}).scalar_one()


def test_a_recently_used_connection_is_not_pinged(
    sessions: Sessions, pings: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "_TRUSTED_S", 1000.0)
    assert len({pid(sessions) for _ in range(5)}) == 1
    with sessions.statement() as session:
        session.execute(OWN_PID)
    assert pings == []


def test_an_idle_connection_is_pinged(sessions: Sessions, pings: list[object], monkeypatch: pytest.MonkeyPatch) -> None:
    first = pid(sessions)
    monkeypatch.setattr(engine, "_TRUSTED_S", 0.0)
    assert pid(sessions) == first
    assert len(pings) == 1


@pytest.mark.parametrize("trusted_s", [0.0, 1000.0])
def test_a_connection_closed_by_the_server_is_replaced_without_an_error(
    sessions: Sessions, settings: Settings, monkeypatch: pytest.MonkeyPatch, trusted_s: float
) -> None:
    monkeypatch.setattr(engine, "_TRUSTED_S", trusted_s)
    first = pid(sessions)
    end(settings, first)
    assert pid(sessions) != first


def test_all_pooled_connections_are_replaced_once_one_is_dead(sessions: Sessions, settings: Settings) -> None:
    with sessions.begin() as first, sessions.begin() as second:
        process_ids = [int(session.execute(OWN_PID).scalar_one()) for session in (first, second)]
    for process_id in process_ids:
        end(settings, process_id)
    with sessions.begin() as first, sessions.begin() as second:
        new_process_ids = {int(session.execute(OWN_PID).scalar_one()) for session in (first, second)}
    assert not new_process_ids & set(process_ids)


def test_returning_a_connection_sends_no_query(sessions: Sessions, settings: Settings) -> None:
    process_id = pid(sessions)
    for _ in range(3):
        with sessions.statement() as session:
            session.execute(text("SELECT 'the last query'"))
    with sessions_of(settings) as other_sessions, other_sessions.begin() as session:
        last = "SELECT query FROM pg_stat_activity WHERE pid = :pid"
        assert session.execute(text(last), {"pid": process_id}).scalar_one() == "SELECT 'the last query'"


def test_autocommit_does_not_leak_into_the_next_transaction(sessions: Sessions) -> None:
    def now(session: Session) -> list[str]:
        return [session.execute(text("SELECT CAST(now() AS text)")).scalar_one() for _ in range(2)]

    for _ in range(2):
        with sessions.statement() as session:
            assert len(set(now(session))) == 2
        with sessions.begin() as session:
            assert len(set(now(session))) == 1
    assert len({pid(sessions) for _ in range(5)}) == 1
