"""PostgreSQL and Redis behind TLS: the pipeline works, and impostors are rejected."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest
import trustme
from sqlalchemy.engine import make_url

from shared.settings import Settings
from tests.deploy.encrypted import NAME, encrypted
from tests.points import ramp
from tests.processes import running, separate_settings, serving, wait_for_worker
from tests.waiting import until

POINT = {"timestamp": 1, "value": 1}


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def ca(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The CA file that verifies the authority's certificates."""
    path = tmp_path_factory.mktemp("tls") / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return path


@pytest.fixture(scope="module")
def plain_settings(settings: Settings, server_url: str) -> Iterator[Settings]:
    with separate_settings(settings, server_url, 12) as separated:
        yield separated


@pytest.fixture(scope="module")
def ports(authority: trustme.CA, plain_settings: Settings) -> Iterator[tuple[int, int]]:
    """The TLS ports of PostgreSQL and Redis."""
    database, queue = make_url(plain_settings.database_url), urlsplit(plain_settings.redis_url)
    with (
        encrypted(authority, database.port or 5432, postgres=True) as database_port,
        encrypted(authority, queue.port or 6379) as redis_port,
    ):
        yield database_port, redis_port


def settings_by_tls(plain_settings: Settings, ports: tuple[int, int], ca: Path, host: str = NAME) -> Settings:
    """Settings for the same servers over TLS, verified with this authority."""
    database, queue = make_url(plain_settings.database_url), urlsplit(plain_settings.redis_url)
    verified = {"sslmode": "verify-full", "sslrootcert": str(ca), "gssencmode": "disable"}
    database = database.set(host=host, port=ports[0], query=verified)
    redis_address = queue._replace(scheme="rediss", netloc=f":{queue.password or ''}@{host}:{ports[1]}")
    return plain_settings.model_copy(
        update={
            "database_url": database.render_as_string(hide_password=False),
            "redis_url": f"{redis_address.geturl()}?ssl_ca_certs={quote(str(ca))}",
        }
    )


def test_the_pipeline_works_with_both_servers_behind_tls(
    plain_settings: Settings, ports: tuple[int, int], ca: Path, series_id: str, tmp_path: Path
) -> None:
    tls_settings = settings_by_tls(plain_settings, ports, ca)
    with (
        running(tls_settings, tmp_path, "worker") as worker,
        running(tls_settings, tmp_path, "worker.reconciling"),
        serving(tls_settings) as api,
    ):
        wait_for_worker(worker)
        job = api.post(f"/fit/{series_id}", json=ramp(), headers={"Prefer": "wait=20"}).json()
        assert job["status"] == "succeeded", job
        assert api.post(f"/predict/{series_id}", json=POINT).json()["model_version"] == "1"
        until(lambda: api.get("/healthcheck").json()["training_latency_ms"]["avg"] > 0, 15)
        assert job["job_id"] in api.get(f"/jobs/{job['job_id']}/events").text


@pytest.mark.parametrize("impostor", ["other-authority", "other-name"])
def test_servers_without_a_valid_certificate_are_rejected(
    plain_settings: Settings, ports: tuple[int, int], ca: Path, tmp_path: Path, impostor: str
) -> None:
    if impostor == "other-name":
        impostor_settings = settings_by_tls(plain_settings, ports, ca, host="127.0.0.1")
    else:
        other = tmp_path / "other.pem"
        trustme.CA().cert_pem.write_to_path(str(other))
        impostor_settings = settings_by_tls(plain_settings, ports, other)
    with serving(plain_settings.model_copy(update={"database_url": impostor_settings.database_url})) as api:
        assert api.get("/readyz").status_code == 503
        for path in ("/predict/a", "/fit/a"):
            body = POINT if path == "/predict/a" else ramp()
            assert api.post(path, json=body).json()["code"] == "database_unavailable"
    with serving(plain_settings.model_copy(update={"redis_url": impostor_settings.redis_url})) as api:
        assert api.get("/readyz").json()["checks"]["redis"] == "unavailable"
