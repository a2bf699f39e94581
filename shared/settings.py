"""Settings from the environment or `.env`. Only the composition roots (API, worker, reconciler, CLI) load them."""

import os
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import unquote, urlsplit

from pydantic import Field, ValidationError, model_validator

from shared.errors import Code, SetupError
from shared.servers import ServerSettings
from shared.urls import (
    HttpUrl,
    Network,
    Networks,
    Origins,
    Proxies,
    UrlPrefix,
    networks,
    split,
)

MIB = 1024 * 1024
# Each of these can also be read from a file whose path is in NAME_FILE.
SECRETS = ("database_url", "database_password", "redis_url", "aws_secret_access_key")
DEFAULT_PASSWORD = "tsad"  # noqa: S105 - from the compose file


class Settings(ServerSettings):
    """All settings of the service; `.env.example` and `docs/reference/settings.md` list the same names and defaults."""

    default_detector: str = Field("baseline", description="Detector of fits that name none")
    min_training_data_points: int = Field(3, ge=2, description="Minimum points per fit")
    max_training_data_points: int = Field(1_000_000, ge=2, description="Maximum points per fit")
    max_batch_points: int = Field(100_000, ge=1, description="Maximum points per batch prediction")
    max_context_points: int = Field(4096, ge=0, description="Maximum recent values a prediction may send as context")
    max_bulk_lines: int = Field(10_000, ge=1, description="Maximum fits per bulk request")
    max_push_points: int = Field(1_000_000, ge=1, description="Maximum points per push")
    max_streams: int = Field(
        200_000, ge=1, description="Maximum series with stored points; points of further series are refused"
    )
    metrics_series: int = Field(10_000, ge=1, description="Maximum series of a watch that GET /metrics/series returns")
    future_slack_s: float = Field(
        60, ge=0, description="Seconds by which the timestamp of a pushed point may be later than the clock"
    )
    max_body_bytes: int = Field(64 * MIB, ge=1024, description="Maximum size of a request body after decompression")
    max_body_bytes_in_flight: int = Field(
        256 * MIB, ge=1024, description="Maximum total size of the bodies one process holds at a time"
    )
    max_connections: int = Field(2000, ge=1, description="Maximum client connections per API process")
    max_queued_jobs: int = Field(
        20_000, ge=1, description="Maximum queued and running jobs; further fits are rejected with 429"
    )
    max_queued_bytes: int = Field(
        10 * 1024 * MIB,
        ge=1,
        description="Maximum size of the training data of queued and running jobs; further fits are rejected with 429",
    )
    state_cache_bytes: int = Field(
        128 * MIB, ge=0, description="Maximum size of the detector states each API process caches"
    )
    judge_cache_bytes: int = Field(
        256 * MIB,
        ge=0,
        description="Maximum size of the detector states and points each API process or child caches to judge streams",
    )
    chart_cache_bytes: int = Field(
        64 * MIB, ge=0, description="Maximum size of the training data each API process caches for charts"
    )
    latency_history_limit: int = Field(100, ge=1, description="Number of latencies of each kind kept for /healthcheck")

    lease_s: float = Field(20, gt=0, description="Seconds without a heartbeat before a job is reassigned")
    heartbeat_s: float = Field(
        1, gt=0, description="Seconds between heartbeats, which renew a worker's lease and detect cancellation"
    )
    reconcile_s: float = Field(
        2, gt=0, description="Seconds between the reconciler's checks for lost workers and messages"
    )
    collect_s: float = Field(
        60, gt=0, description="Seconds between the reconciler's scans of all artifacts for orphans"
    )
    accept_window_s: float = Field(60, gt=0, description="Maximum seconds from the admission of a fit to its commit")
    garbage_grace_s: float = Field(3600, gt=0, description="Seconds before an orphaned artifact is deleted")
    fit_time_limit_s: int = Field(900, ge=1, description="Maximum seconds per fit; a longer fit fails with fit_timeout")
    keep_data_days: float = Field(
        7, gt=0, description="Days a failed or canceled job keeps its training data and can be retried"
    )
    keep_jobs_days: float = Field(30, gt=0, description="Days finished jobs are kept")
    keep_versions: int = Field(0, ge=0, description="Newest versions to keep per series; 0 keeps all")
    keep_versions_days: float = Field(
        0, ge=0, description="Minimum age in days of the versions that KEEP_VERSIONS deletes"
    )
    keep_points_days: float = Field(
        35, ge=1, description="Days stored points are kept; each series keeps at least its newest one"
    )
    keep_alerts_days: float = Field(400, gt=0, description="Days closed alerts are kept")
    worker_concurrency: int = Field(2, ge=1, description="Concurrent fits per worker")
    worker_niceness: int = Field(
        10, ge=0, le=19, description="Niceness of the processes that fit; a higher value gives other processes priority"
    )

    environment: Literal["development", "production"] = Field(
        "development", description="Kind of deployment; production refuses to start with default passwords"
    )
    auth: Literal["keys", "off"] = Field("keys", description="Whether requests need an API key")
    fit_rate_per_minute: int = Field(
        0, ge=0, description="Maximum fit requests per key and minute; 0 disables the limit"
    )
    predict_rate_per_minute: int = Field(
        0, ge=0, description="Maximum predict requests per key and minute; 0 disables the limit"
    )
    push_rate_per_minute: int = Field(
        0, ge=0, description="Maximum push requests per key and minute; 0 disables the limit"
    )
    max_queued_jobs_per_key: int = Field(
        0, ge=0, description="Maximum queued and running jobs per key; 0 disables the limit"
    )
    allowed_hosts: str = Field(
        "", description="Host names of this service, comma-separated; requests for other hosts are rejected"
    )
    behind_tls: bool = Field(False, description="Whether a proxy terminates TLS: sets Secure cookies and sends HSTS")  # noqa: FBT003
    root_path: UrlPrefix = Field(
        "", description="Path under which a proxy serves this service, such as /tsad; X-Forwarded-Prefix overrides it"
    )
    trusted_proxies: Proxies = Field(
        "127.0.0.0/8,::1",
        description="Addresses and networks of proxies whose X-Forwarded-Prefix is used, comma-separated",
    )
    public_url: HttpUrl = Field(
        "", description="URL of this service as people open it, for the links in messages: https://tsad.example.com"
    )
    egress_allow: Networks = Field(
        "",
        description="Addresses and networks of receivers and sources on this machine or in its network, "
        "comma-separated; without this, only public addresses are reached",
    )
    cors_origins: Origins = Field(
        "", description="Other origins whose pages may call the API: https://name,https://name"
    )
    flower_url: HttpUrl = Field("", description="Flower URL that the pages link to; if empty, they have no link")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="Minimum level to log; DEBUG includes every request that a route answers"
    )
    log_format: Literal["text", "json"] = Field(
        "text", description="Log lines as text for people or as JSON for machines"
    )
    otel_exporter_otlp_endpoint: str = Field(
        "", description="URL of a trace collector (OTLP over HTTP); if empty, no traces are sent"
    )

    @classmethod
    def load(cls) -> Self:
        """Load the settings; raise a `SetupError` that names each invalid setting."""
        try:
            return cls(**_from_files())
        except ValidationError as error:
            problems = []
            for problem in error.errors():
                names = [str(name).upper() for name in problem["loc"]]
                problems.append(": ".join([*names, problem["msg"].removeprefix("Value error, ")]))
            raise SetupError(Code.CONFIGURATION, f"Invalid settings: {'; '.join(problems)}") from None

    @classmethod
    def of_process(cls, *servers: Literal["database", "redis"]) -> Self:
        """Load the settings of a process that needs these servers; raise `SystemExit` if any are invalid or missing."""
        try:
            settings = cls.load()
            for server in servers:
                getattr(settings, server)
        except SetupError as error:
            raise SystemExit(error.detail) from None
        return settings

    @model_validator(mode="after")
    def check(self) -> Self:
        """Raise `ValueError` for combinations that make the job protocol unsafe, or default passwords in production."""
        if self.keep_jobs_days * 86_400 <= self.accept_window_s:
            raise ValueError("KEEP_JOBS_DAYS must be longer than ACCEPT_WINDOW_S")
        if self.accept_window_s >= self.garbage_grace_s:
            raise ValueError("ACCEPT_WINDOW_S must be shorter than GARBAGE_GRACE_S")
        if self.heartbeat_s * 3 > self.lease_s:
            raise ValueError("LEASE_S must be at least three times HEARTBEAT_S")
        if self.min_training_data_points > self.max_training_data_points:
            raise ValueError("MIN_TRAINING_DATA_POINTS must not exceed MAX_TRAINING_DATA_POINTS")
        if self.max_body_bytes > self.max_body_bytes_in_flight:
            raise ValueError("MAX_BODY_BYTES must not exceed MAX_BODY_BYTES_IN_FLIGHT")
        if self.environment == "production":
            self._check_production()
        return self

    def _check_production(self) -> None:
        if unquote(urlsplit(self.database_url).password or self.database_password) == DEFAULT_PASSWORD:
            raise ValueError("the database password is the default: set POSTGRES_PASSWORD and POSTGRES_APP_PASSWORD")
        if os.environ.get("FLOWER_BASIC_AUTH", "").endswith(f":{DEFAULT_PASSWORD}"):
            raise ValueError("the Flower password is the default: set FLOWER_PASSWORD")

    @property
    def has_rates(self) -> bool:
        """Whether a request rate is limited, so that each key's requests must be counted."""
        return bool(self.fit_rate_per_minute or self.predict_rate_per_minute or self.push_rate_per_minute)

    @property
    def hosts(self) -> tuple[str, ...]:
        """The host names in ALLOWED_HOSTS, in lower case."""
        return split(self.allowed_hosts.lower())

    @property
    def origins(self) -> tuple[str, ...]:
        """The origins in CORS_ORIGINS."""
        return split(self.cors_origins)

    @property
    def proxies(self) -> tuple[Network, ...]:
        """The networks in TRUSTED_PROXIES."""
        return networks(self.trusted_proxies)


def _from_files() -> dict[str, Any]:
    """Read the secrets that container platforms provide as files; raise `SetupError` for an unreadable file."""
    files = {name: path for name in SECRETS if (path := os.environ.get(f"{name.upper()}_FILE"))}
    try:
        return {name: Path(path).read_text(encoding="utf-8").strip() for name, path in files.items()}
    except (OSError, UnicodeDecodeError) as error:
        raise SetupError(Code.CONFIGURATION, f"A secret file cannot be read: {error}") from None
