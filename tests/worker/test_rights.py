"""Database privileges of the processes."""

import secrets
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest

from shared.errors import SetupError
from shared.settings import Settings
from shared.store.rights import grant
from shared.urls import with_psycopg2
from tests.points import ramp
from tests.processes import migrated_database, running, serving, wait_for_worker
from tests.waiting import until


@pytest.fixture
def restricted(settings: Settings, server_url: str) -> Iterator[Settings]:
    """Settings of a role that may only read and write rows."""
    role, password = f"tsad_test_{secrets.token_hex(4)}", secrets.token_hex(8)
    with migrated_database(server_url) as url:
        connection = psycopg2.connect(url)
        connection.autocommit = True
        cursor = connection.cursor()
        grant(with_psycopg2(url), role, password)
        try:
            restricted_url = f"postgresql://{role}:{password}@{url.rpartition('@')[2]}"
            redis_url = settings.redis.rsplit("/", 1)[0] + "/6"
            changes = {"database_url": restricted_url, "redis_url": redis_url, "egress_allow": "127.0.0.0/8"}
            yield settings.model_copy(update=changes)
        finally:
            cursor.execute(f"DROP OWNED BY {role}; DROP ROLE {role}")
            connection.close()


def test_no_process_needs_a_privilege_to_change_tables(restricted: Settings, tmp_path: Path, series_id: str) -> None:
    with psycopg2.connect(restricted.database_url) as connection, connection.cursor() as cursor:
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            cursor.execute("CREATE TABLE public.forbidden (a int)")
        connection.rollback()
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            cursor.execute("DROP TABLE fit_jobs")
        connection.rollback()
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            cursor.execute("UPDATE alembic_version SET version_num = 'forbidden'")
    connection.close()
    with (
        serving(restricted) as api,
        running(restricted, tmp_path, "worker") as worker,
        running(restricted, tmp_path, "worker.reconciling"),
        running(restricted, tmp_path, "worker.outbound") as outbound,
    ):
        wait_for_worker(worker)
        job = api.post(f"/fit/{series_id}", json=ramp(), headers={"Prefer": "wait=20"}).json()
        assert job["status"] == "succeeded", job
        assert api.post(f"/predict/{series_id}", json={"timestamp": 1, "value": 1}).status_code == 200
        assert api.get("/readyz").json()["checks"]["database"] == "ok"
        assert api.delete(f"/series/{series_id}").is_success
        assert api.put("/receivers/a", json={"kind": "slack", "url": "http://127.0.0.1/"}).is_success
        delivery = api.post("/receivers/a/test").json()
        until(lambda: api.get("/receivers/a").json()["failures"] == 1)
        assert api.get("/receivers/a/deliveries").json()["deliveries"][0]["delivery_id"] == delivery["delivery_id"]
        assert "denied" not in outbound.log.read_text()


def test_granting_again_keeps_the_privileges_and_changes_the_password(restricted: Settings, server_url: str) -> None:
    role, _, rest = restricted.database_url.removeprefix("postgresql://").partition(":")
    address = rest.partition("@")[2]
    owner = with_psycopg2(server_url.rsplit("/", 1)[0] + "/" + address.rpartition("/")[2])
    grant(owner, role)
    psycopg2.connect(restricted.database_url).close()
    grant(owner, role, "new'\"password")
    with psycopg2.connect(dsn=f"postgresql://{role}@{address}", password="new'\"password") as connection:
        connection.cursor().execute("SELECT 1 FROM fit_jobs")
    connection.close()
    with pytest.raises(SetupError, match="nobody"):
        grant(owner, "nobody")


def test_no_secret_is_in_the_command_line_of_a_process_or_of_its_children(restricted: Settings, tmp_path: Path) -> None:
    password = restricted.database_url.split(":")[2].partition("@")[0]
    with running(restricted, tmp_path, "worker") as worker, serving(restricted):
        pid = worker.popen.pid
        wait_for_worker(worker)
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        assert children
        for process in (str(pid), *children):
            title = Path("/proc", process, "cmdline").read_bytes() + Path("/proc", process, "comm").read_bytes()
            assert title
            assert password.encode() not in title
        assert password not in worker.log.read_text()
