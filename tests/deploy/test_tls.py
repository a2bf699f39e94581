"""PostgreSQL and Redis behind TLS: what the pipeline does with them goes through it, and nobody can pose as them."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest
import trustme
from sqlalchemy.engine import make_url

from shared.settings import Settings
from tests.deploy.encrypted import NAME, encrypted
from tests.points import ramp
from tests.processes import running, separate_settings, serving
from tests.waiting import until

POINT = {"timestamp": 1, "value": 1}


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def ca(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file by which the authority's certificates are known."""
    path = tmp_path_factory.mktemp("tls") / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return path


@pytest.fixture(scope="module")
def plain(settings: Settings, server_url: str) -> Iterator[Settings]:
    with separate_settings(settings, server_url, 12) as made:
        yield made


@pytest.fixture(scope="module")
def ports(authority: trustme.CA, plain: Settings) -> Iterator[tuple[int, int]]:
    """Where PostgreSQL and Redis speak TLS."""
    database, queue = make_url(plain.database_url), urlsplit(plain.redis_url)
    with (
        encrypted(authority, database.port or 5432, postgres=True) as database_port,
        encrypted(authority, queue.port or 6379) as redis_port,
    ):
        yield database_port, redis_port


def reached(plain: Settings, ports: tuple[int, int], ca: Path, host: str = NAME) -> Settings:
    """The same servers by TLS, verified by this authority."""
    database, queue = make_url(plain.database_url), urlsplit(plain.redis_url)
    verified = {"sslmode": "verify-full", "sslrootcert": str(ca), "gssencmode": "disable"}
    database = database.set(host=host, port=ports[0], query=verified)
    where = queue._replace(scheme="rediss", netloc=f":{queue.password or ''}@{host}:{ports[1]}")
    return plain.model_copy(
        update={
            "database_url": database.render_as_string(hide_password=False),
            "redis_url": f"{where.geturl()}?ssl_ca_certs={quote(str(ca))}",
        }
    )


def test_a_series_is_fitted_followed_and_predicted_with_both_behind_tls(
    plain: Settings, ports: tuple[int, int], ca: Path, series_id: str, tmp_path: Path
) -> None:
    own = reached(plain, ports, ca)
    with (
        running(own, tmp_path, "worker") as worker,
        running(own, tmp_path, "worker.reconciling"),
        serving(own) as api,
    ):
        until(lambda: b" ready." in worker.log.read_bytes(), 30)
        job = api.post(f"/fit/{series_id}", json=ramp(), headers={"Prefer": "wait=20"}).json()
        assert job["status"] == "succeeded", job
        assert api.post(f"/predict/{series_id}", json=POINT).json()["model_version"] == "1"
        until(lambda: api.get("/healthcheck").json()["training_latency_ms"]["avg"] > 0, 15)
        assert job["job_id"] in api.get(f"/jobs/{job['job_id']}/events").text


@pytest.mark.parametrize("impostor", ["of another authority", "of another name"])
def test_nobody_without_their_certificate_is_taken_for_them(
    plain: Settings, ports: tuple[int, int], ca: Path, tmp_path: Path, impostor: str
) -> None:
    if impostor == "of another name":
        posed = reached(plain, ports, ca, host="127.0.0.1")
    else:
        other = tmp_path / "other.pem"
        trustme.CA().cert_pem.write_to_path(str(other))
        posed = reached(plain, ports, other)
    with serving(plain.model_copy(update={"database_url": posed.database_url})) as api:
        assert api.get("/readyz").status_code == 503
        for path in ("/predict/a", "/fit/a"):
            body = POINT if path == "/predict/a" else ramp()
            assert api.post(path, json=body).json()["code"] == "database_unavailable"
    with serving(plain.model_copy(update={"redis_url": posed.redis_url})) as api:
        assert api.get("/readyz").json()["checks"]["redis"] == "unavailable"
