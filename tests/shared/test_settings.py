"""Settings, and the errors that operators get for invalid ones."""

import os
import ssl
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg2.extensions
import pytest
from sqlalchemy.engine import make_url

from shared.errors import SetupError
from shared.queue import make_celery
from shared.settings import Settings
from shared.urls import with_psycopg2
from tests.processes import make_settings

POSTGRES, REDIS = "postgresql://x@127.0.0.1:1/x", "redis://127.0.0.1:1/0"
COMMANDS = {
    "worker": ("worker",),
    "reconciler": ("worker.reconciling",),
    "migrate": ("api.cli.main", "migrate"),
    "api": ("api", "--port=0"),
}


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An environment without settings and without `.env`."""
    names = {alias.upper() for alias in Settings.model_fields} | {"DATA_FOLDER", "MODEL_FOLDER"}
    for name in names & {name.upper() for name in os.environ}:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def loaded(monkeypatch: pytest.MonkeyPatch, **environment: str) -> Settings:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return Settings.load()


def test_the_error_for_a_missing_server_names_the_setting_and_the_alternatives() -> None:
    settings = Settings.load()
    for name in ("database", "redis"):
        with pytest.raises(SetupError, match=f"^{name.upper()}_URL is not set.*`tsad up`.*python3 run up"):
            getattr(settings, name)


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg2"])
def test_the_database_url_names_its_driver(scheme: str) -> None:
    url = f"{scheme}://u:p@h:1/n?sslmode=require"
    assert make_settings(database_url=url).database == "postgresql+psycopg2://u:p@h:1/n?sslmode=require"
    assert with_psycopg2(with_psycopg2(url)) == with_psycopg2(url)


@pytest.mark.parametrize(
    "password", ["plain", "p@ss", "a:b", "a/b", "a%b", "%41", "a#b?c&d=e", "ü ü", "[::1]", "'\"\\"]
)
def test_the_driver_receives_passwords_with_any_characters(password: str) -> None:
    from_parts = make_settings(database_host="db", database_user="us@r", database_password=password).database
    from_url = make_settings(database_url=f"postgresql://us%40r:{quote(password, safe='')}@db:5432/tsad").database
    for url in (make_url(from_parts), make_url(from_url)):
        assert (url.username, url.password, url.host, url.port, url.database) == ("us@r", password, "db", 5432, "tsad")
    psycopg2.extensions.parse_dsn(from_parts.replace("+psycopg2", ""))


def test_the_database_url_overrides_its_parts() -> None:
    assert make_settings(database_url=POSTGRES, database_host="other-host").database.endswith("127.0.0.1:1/x")


def test_a_database_url_without_a_password_has_none() -> None:
    assert make_settings(database_host="db").database == "postgresql+psycopg2://tsad@db:5432/tsad"


@pytest.mark.parametrize(
    ("name", "alias"), [("TRAINING_DATA_FOLDER", "DATA_FOLDER"), ("MODEL_STATE_FOLDER", "MODEL_FOLDER")]
)
def test_the_longer_name_of_a_folder_setting_overrides_the_shorter(
    monkeypatch: pytest.MonkeyPatch, name: str, alias: str
) -> None:
    field = name.lower()
    assert getattr(loaded(monkeypatch, **{alias: "/short"}), field) == Path("/short")
    assert getattr(loaded(monkeypatch, **{name: "/long"}), field) == Path("/long")


def test_a_folder_setting_accepts_a_bucket_url(monkeypatch: pytest.MonkeyPatch) -> None:
    assert loaded(monkeypatch, TRAINING_DATA_FOLDER="s3://bucket/prefix").training_data_folder == "s3://bucket/prefix"
    assert loaded(monkeypatch, MODEL_FOLDER="s3://bucket").model_state_folder == "s3://bucket"


@pytest.mark.parametrize(
    "url", ["gs://bucket", "s3://", "s3:///prefix", "s3://user:secret@bucket", "s3://bucket?x=secret"]
)
def test_an_invalid_bucket_url_is_rejected_without_repeating_it(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    with pytest.raises(SetupError) as raised:
        loaded(monkeypatch, MODEL_STATE_FOLDER=url)
    assert "s3://bucket/prefix" in raised.value.detail
    assert "secret" not in raised.value.detail


def test_an_empty_variable_counts_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    assert loaded(monkeypatch, MAX_BODY_BYTES="", TRAINING_DATA_FOLDER="", LOG_LEVEL="") == Settings()


def test_the_environment_overrides_the_env_file(monkeypatch: pytest.MonkeyPatch) -> None:
    Path(".env").write_text("LATENCY_HISTORY_LIMIT=7\nREDIS_URL=redis://file:1/0\nSOMETHING_ELSE=1\n")
    settings = loaded(monkeypatch, REDIS_URL="redis://environment:1/0")
    assert (settings.latency_history_limit, settings.redis) == (7, "redis://environment:1/0")


BAD: list[tuple[dict[str, str], str]] = [
    ({"LEASE_S": "soon"}, "LEASE_S"),
    ({"LEASE_S": "-1"}, "LEASE_S"),
    ({"LEASE_S": "nan"}, "LEASE_S"),
    ({"MAX_BODY_BYTES": "64MB"}, "MAX_BODY_BYTES"),
    ({"MAX_BODY_BYTES": "1"}, "MAX_BODY_BYTES"),
    ({"MIN_TRAINING_DATA_POINTS": "1"}, "MIN_TRAINING_DATA_POINTS"),
    ({"DATABASE_PORT": "five"}, "DATABASE_PORT"),
    ({"LOG_LEVEL": "loud"}, "LOG_LEVEL"),
    ({"LOG_FORMAT": "xml"}, "LOG_FORMAT"),
    ({"WORKER_NICENESS": "20"}, "WORKER_NICENESS"),
    ({"DATABASE_URL": "mysql://u:hunter2@h/x"}, "DATABASE_URL: must begin with postgresql://"),
    ({"DATABASE_URL": "hunter2"}, "DATABASE_URL: must begin with postgresql://"),
    (
        {"DATABASE_URL": "postgresql://u:hunter2/x@h:5432/n"},
        "DATABASE_URL: has an invalid port or an unescaped password",
    ),
    ({"REDIS_URL": "http://u:hunter2@h"}, "REDIS_URL: must begin with redis://"),
    ({"REDIS_URL": "redis://:hunter2@h:port/0"}, "REDIS_URL: has an invalid port or an unescaped password"),
    ({"ACCEPT_WINDOW_S": "60", "GARBAGE_GRACE_S": "60"}, "ACCEPT_WINDOW_S must be shorter than GARBAGE_GRACE_S"),
    ({"KEEP_JOBS_DAYS": "0.0005"}, "KEEP_JOBS_DAYS must be longer than ACCEPT_WINDOW_S"),
    ({"ACCEPT_WINDOW_S": "4000"}, "ACCEPT_WINDOW_S must be shorter than GARBAGE_GRACE_S"),
    ({"HEARTBEAT_S": "10"}, "LEASE_S must be at least three times HEARTBEAT_S"),
    ({"MAX_TRAINING_DATA_POINTS": "2"}, "MIN_TRAINING_DATA_POINTS must not exceed MAX_TRAINING_DATA_POINTS"),
    ({"MAX_BODY_BYTES_IN_FLIGHT": "1024"}, "MAX_BODY_BYTES must not exceed MAX_BODY_BYTES_IN_FLIGHT"),
]


@pytest.mark.parametrize(
    ("environment", "sentence"), BAD, ids=[" ".join(names) + f"-{n}" for n, (names, _) in enumerate(BAD)]
)
def test_an_invalid_setting_is_named_without_repeating_its_value(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], sentence: str
) -> None:
    with pytest.raises(SetupError) as raised:
        loaded(monkeypatch, **environment)
    assert sentence in raised.value.detail
    assert raised.value.detail.startswith("Invalid settings: ")
    assert "hunter2" not in raised.value.detail


def test_all_invalid_settings_are_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SetupError, match=r"LEASE_S: .*; LOG_LEVEL: "):
        loaded(monkeypatch, LEASE_S="x", LOG_LEVEL="y")


def run_command(command: str, **environment: str) -> Any:
    environment_without_pytest = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    return subprocess.run(
        [sys.executable, "-m", *COMMANDS[command]],
        env=environment_without_pytest | environment,
        capture_output=True,
        timeout=30,
        check=False,
    )


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("environment", "name"),
    [({}, "DATABASE_URL"), ({"DATABASE_URL": POSTGRES, "REDIS_URL": REDIS, "LEASE_S": "soon"}, "LEASE_S")],
    ids=["nothing-set", "wrong-value"],
)
def test_a_process_that_cannot_start_logs_one_line(command: str, environment: dict[str, str], name: str) -> None:
    process = run_command(command, **environment)
    output = (process.stdout + process.stderr).decode()
    assert process.returncode not in (0, -15)
    assert name in output
    assert "Traceback" not in output
    assert len(output.strip().splitlines()) == 1, output


def test_a_secret_can_be_read_from_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("p@ss\n")
    settings = loaded(monkeypatch, DATABASE_PASSWORD_FILE=str(tmp_path / "secret"), DATABASE_HOST="db")
    assert make_url(settings.database).password == "p@ss"
    with pytest.raises(SetupError, match=r"cannot be read.*nowhere"):
        loaded(monkeypatch, REDIS_URL_FILE=str(tmp_path / "nowhere"))


def test_secrets_are_not_shown() -> None:
    secret = "hunter2-hunter2"
    settings = make_settings(
        database_url=f"postgresql://x:{secret}@h/x", database_password=secret, redis_url=f"redis://:{secret}@h/0"
    )
    assert secret not in repr(settings) + str(settings)


@pytest.mark.parametrize(
    ("configured", "used"),
    [
        ("rediss://h/0", "rediss://h/0?ssl_cert_reqs=required"),
        ("rediss://u:p@h:1/0?ssl_ca_certs=/ca.pem", "rediss://u:p@h:1/0?ssl_ca_certs=/ca.pem&ssl_cert_reqs=required"),
        ("rediss://h/0?ssl_cert_reqs=none", "rediss://h/0?ssl_cert_reqs=none"),
        ("redis://h/0", "redis://h/0"),
    ],
)
def test_the_redis_certificate_is_verified_by_default(configured: str, used: str) -> None:
    assert make_settings(redis_url=configured).redis == used


def test_celery_verifies_the_redis_certificate() -> None:
    app = make_celery(make_settings(redis_url="rediss://h/0").redis, consumes=False)
    with app.connection_for_write() as connection:
        assert connection.ssl == {"ssl_cert_reqs": ssl.CERT_REQUIRED}
    app.close()


def test_production_rejects_default_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    default_password = {"DATABASE_HOST": "db", "DATABASE_PASSWORD": "tsad"}
    assert loaded(monkeypatch, **default_password).database
    monkeypatch.setenv("ENVIRONMENT", "production")
    with pytest.raises(SetupError, match="POSTGRES_PASSWORD"):
        Settings.load()
    with pytest.raises(SetupError, match="POSTGRES_PASSWORD"):
        loaded(monkeypatch, DATABASE_URL="postgresql://tsad:tsad@db/tsad")
    monkeypatch.setenv("DATABASE_URL", "postgresql://tsad:another@db/tsad")
    assert Settings.load().database
    with pytest.raises(SetupError, match="FLOWER_PASSWORD"):
        loaded(monkeypatch, FLOWER_BASIC_AUTH="tsad:tsad")


@pytest.mark.parametrize("origins", ["*", "https://a/", "a.example", "null", "https://a,*"])
def test_a_wildcard_or_invalid_origin_is_rejected(monkeypatch: pytest.MonkeyPatch, origins: str) -> None:
    with pytest.raises(SetupError, match="CORS_ORIGINS"):
        loaded(monkeypatch, CORS_ORIGINS=origins)
