"""Connections that died while nobody used them."""

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
    """The connections of these sessions that were pinged."""
    pinged: list[object] = []
    ping = type(sessions.engine.dialect).do_ping

    def asking(dialect: object, connection: object) -> bool:
        if dialect is sessions.engine.dialect:
            pinged.append(connection)
        return bool(ping(dialect, connection))  # type: ignore[arg-type]

    monkeypatch.setattr(type(sessions.engine.dialect), "do_ping", asking)
    return pinged


def pid(sessions: Sessions) -> int:
    with sessions.begin() as session:
        return int(session.execute(OWN_PID).scalar_one())


def end(settings: Settings, process_id: int) -> None:
    with sessions_of(settings) as other_sessions, other_sessions.begin() as session:
        assert session.execute(END, {"pid": process_id}).scalar_one()


def test_a_connection_that_was_used_a_moment_ago_is_not_asked_whether_it_lives(
    sessions: Sessions, pings: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "_TRUSTED_S", 1000.0)
    assert len({pid(sessions) for _ in range(5)}) == 1
    with sessions.statement() as session:
        session.execute(OWN_PID)
    assert pings == []


def test_one_that_idled_is_asked(sessions: Sessions, pings: list[object], monkeypatch: pytest.MonkeyPatch) -> None:
    first = pid(sessions)
    monkeypatch.setattr(engine, "_TRUSTED_S", 0.0)
    assert pid(sessions) == first
    assert len(pings) == 1


@pytest.mark.parametrize("trusted_s", [0.0, 1000.0])
def test_one_that_the_server_ended_is_replaced_without_an_error(
    sessions: Sessions, settings: Settings, monkeypatch: pytest.MonkeyPatch, trusted_s: float
) -> None:
    monkeypatch.setattr(engine, "_TRUSTED_S", trusted_s)
    first = pid(sessions)
    end(settings, first)
    assert pid(sessions) != first


def test_all_that_lie_in_the_pool_are_replaced_once_one_is_found_dead(sessions: Sessions, settings: Settings) -> None:
    with sessions.begin() as first, sessions.begin() as second:
        process_ids = [int(session.execute(OWN_PID).scalar_one()) for session in (first, second)]
    for process_id in process_ids:
        end(settings, process_id)
    with sessions.begin() as first, sessions.begin() as second:
        now = {int(session.execute(OWN_PID).scalar_one()) for session in (first, second)}
    assert not now & set(process_ids)


def test_the_server_is_asked_nothing_after_a_statement(sessions: Sessions, settings: Settings) -> None:
    pinged = pid(sessions)
    for _ in range(3):
        with sessions.statement() as session:
            session.execute(text("SELECT 'the last words'"))
    with sessions_of(settings) as other_sessions, other_sessions.begin() as session:
        last = "SELECT query FROM pg_stat_activity WHERE pid = :pid"
        assert session.execute(text(last), {"pid": pinged}).scalar_one() == "SELECT 'the last words'"


def test_statements_are_each_a_transaction_and_leave_the_next_one_whole(sessions: Sessions) -> None:
    def now(session: Session) -> list[str]:
        return [session.execute(text("SELECT CAST(now() AS text)")).scalar_one() for _ in range(2)]

    for _ in range(2):
        with sessions.statement() as session:
            assert len(set(now(session))) == 2
        with sessions.begin() as session:
            assert len(set(now(session))) == 1
    assert len({pid(sessions) for _ in range(5)}) == 1
