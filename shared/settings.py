"""Settings from the environment or `.env`. Only the composition roots (API, worker, reconciler, CLI) load them."""

import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import quote, unquote, urlsplit

from pydantic import AliasChoices, BeforeValidator, Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.errors import Code, SetupError

MIB = 1024 * 1024
# Each of these can also come from a file, whose path is in the variable NAME_FILE.
SECRETS = ("database_url", "database_password", "redis_url", "aws_secret_access_key")
KNOWN_PASSWORD = "tsad"  # noqa: S105 - the default of the compose file
_ORIGIN = re.compile(r"https?://([a-z0-9.-]+|\[[0-9a-f:]+\])(:[0-9]+)?")
NO_SERVERS = (
    "{} is not set. Set DATABASE_URL and REDIS_URL, use docker compose, "
    "or let `python3 run up` start PostgreSQL and a Redis-compatible server itself."
)


def _folder_or_bucket(value: object) -> object:
    """Convert a folder to a `Path` and leave the URL of a bucket unchanged; raise `ValueError` for any other URL."""
    text = str(value)
    if "://" not in text:
        return Path(text)
    url = urlsplit(text)
    if url.scheme != "s3" or not url.hostname or url.username or url.query or url.fragment:
        raise ValueError("must be a folder, or s3://bucket/prefix")
    return text


Location = Annotated[Path | str, BeforeValidator(_folder_or_bucket)]


class Settings(BaseSettings):
    """All settings of the service; `.env.example` and `docs/reference/settings.md` list the same names and defaults."""

    model_config = SettingsConfigDict(
        env_file=".env", env_ignore_empty=True, extra="ignore", populate_by_name=True, frozen=True
    )

    database_url: str = Field("", repr=False, description="PostgreSQL, as postgresql://user:password@host:port/name")
    database_host: str = Field("", description="Instead of DATABASE_URL, together with the four below")
    database_port: int = Field(5432, description="Port of DATABASE_HOST")
    database_name: str = Field("tsad", description="Database on DATABASE_HOST")
    database_user: str = Field("tsad", description="Role on DATABASE_HOST")
    database_password: str = Field("", repr=False, description="Password of DATABASE_USER")
    database_pool_size: int = Field(10, ge=1, le=1000, description="Connections of one process, and API threads")
    database_pool_timeout_s: float = Field(5, gt=0, description="How long a request waits for a connection")
    database_connect_timeout_s: int = Field(3, ge=1, description="How long connecting may take")
    database_statement_timeout_s: float = Field(15, gt=0, description="Longest statement the database runs for us")
    redis_url: str = Field(
        "", repr=False, description="Redis 6.2 or newer, or Valkey, as redis://:password@host:port/0"
    )

    training_data_folder: Location = Field(
        Path("data/data"),
        validation_alias=AliasChoices("TRAINING_DATA_FOLDER", "DATA_FOLDER"),
        description="Where training data is kept: a folder, or s3://bucket/prefix",
    )
    model_state_folder: Location = Field(
        Path("data/models"),
        validation_alias=AliasChoices("MODEL_STATE_FOLDER", "MODEL_FOLDER"),
        description="Where detector states and training scores are kept, likewise",
    )

    aws_endpoint_url: str = Field("", description="A service other than AWS that speaks S3, as https://host:port")
    aws_region: str = Field("", description="Region of the buckets")
    aws_access_key_id: str = Field("", description="Who asks for the buckets; without it, what the machine is given")
    aws_secret_access_key: str = Field("", repr=False, description="The secret of AWS_ACCESS_KEY_ID")

    min_training_data_points: int = Field(3, ge=2, description="Fewest points a fit accepts")
    max_training_data_points: int = Field(1_000_000, ge=2, description="Most points a fit accepts")
    max_batch_points: int = Field(100_000, ge=1, description="Most points one batch prediction accepts")
    max_context_points: int = Field(4096, ge=0, description="Most recent values a prediction may carry along")
    max_bulk_lines: int = Field(10_000, ge=1, description="Most fits one bulk request accepts")
    max_body_bytes: int = Field(64 * MIB, ge=1024, description="Largest request body, after decompression")
    max_body_bytes_in_flight: int = Field(256 * MIB, ge=1024, description="All bodies one process holds at a time")
    max_connections: int = Field(2000, ge=1, description="Connections of clients to one process")
    max_queued_jobs: int = Field(20_000, ge=1, description="Open jobs, beyond which a fit is answered 429")
    max_queued_bytes: int = Field(10 * 1024 * MIB, ge=1, description="Training data of open jobs, likewise")
    state_cache_bytes: int = Field(128 * MIB, ge=0, description="Detector states one API process keeps in memory")
    chart_cache_bytes: int = Field(64 * MIB, ge=0, description="Training data one API process keeps for charts")
    latency_history_limit: int = Field(100, ge=1, description="Latencies kept for /healthcheck, of each kind")

    lease_s: float = Field(20, gt=0, description="How long a job belongs to a worker that is not heard of")
    heartbeat_s: float = Field(1, gt=0, description="How often a worker renews its lease and sees a cancellation")
    reconcile_s: float = Field(2, gt=0, description="How often the reconciler looks for what was missed")
    collect_s: float = Field(60, gt=0, description="How often it looks at every artifact, for those without an owner")
    accept_window_s: float = Field(60, gt=0, description="How long the API may take from admission to commit")
    garbage_grace_s: float = Field(3600, gt=0, description="How long an artifact without an owner is left alone")
    fit_time_limit_s: int = Field(900, ge=1, description="Longest fit; a longer one fails with fit_timeout")
    keep_data_days: float = Field(7, gt=0, description="How long a failed or cancelled job can be retried")
    keep_jobs_days: float = Field(30, gt=0, description="How long finished jobs are listed")
    keep_versions: int = Field(0, ge=0, description="Newest versions of a series that are kept; 0 keeps all")
    keep_versions_days: float = Field(0, ge=0, description="How long the others are kept all the same")
    worker_concurrency: int = Field(2, ge=1, description="Fits at a time in one worker")
    worker_niceness: int = Field(10, ge=0, le=19, description="Priority the fits give way with")

    environment: Literal["development", "production"] = Field(
        "development", description="In production, passwords that everybody knows are refused"
    )
    auth: Literal["keys", "off"] = Field("keys", description="Whether callers need an API key")
    fit_rate_per_minute: int = Field(0, ge=0, description="Fit requests of one key in a minute; 0 is no limit")
    predict_rate_per_minute: int = Field(0, ge=0, description="Predict requests of one key likewise")
    max_queued_jobs_per_key: int = Field(0, ge=0, description="Open jobs of one key; 0 is no limit")
    allowed_hosts: str = Field("", description="Names of this service, with commas between; others are refused")
    behind_tls: bool = Field(False, description="Whether a proxy makes it HTTPS: cookies are Secure, HSTS is sent")  # noqa: FBT003
    cors_origins: str = Field("", description="Other sites whose pages may call: https://name,https://name")
    flower_url: str = Field("", description="Where the pages' link to Flower leads; without, there is none")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="Least severe line to log; DEBUG has every request that a route answers"
    )
    log_format: Literal["text", "json"] = Field("text", description="Lines for people or for machines")
    otel_exporter_otlp_endpoint: str = Field("", description="Collector of traces, OTLP over HTTP; empty sends none")

    @classmethod
    def load(cls) -> Self:
        """Load the settings; raise a `SetupError` that names each invalid setting."""
        try:
            return cls(**_from_files())
        except ValidationError as error:
            flaws = []
            for flaw in error.errors():
                names = [str(name).upper() for name in flaw["loc"]]
                flaws.append(": ".join([*names, flaw["msg"].removeprefix("Value error, ")]))
            raise SetupError(Code.CONFIGURATION, f"Settings are wrong: {'; '.join(flaws)}") from None

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

    @field_validator("database_url")
    @classmethod
    def check_database_url(cls, url: str) -> str:
        """Raise `ValueError` unless this is a PostgreSQL URL."""
        return _checked(url, "postgresql", "postgres", "postgresql+psycopg2")

    @field_validator("redis_url")
    @classmethod
    def check_redis_url(cls, url: str) -> str:
        """Raise `ValueError` unless this is a Redis URL."""
        return _checked(url, "redis", "rediss")

    @field_validator("cors_origins")
    @classmethod
    def check_cors_origins(cls, origins: str) -> str:
        """Raise `ValueError` for anything a browser would not send as an origin, such as a wildcard."""
        for origin in _split(origins):
            if not _ORIGIN.fullmatch(origin):
                raise ValueError("lists origins, as in https://grafana.example.com,http://localhost:3000")
        return origins

    @field_validator("flower_url")
    @classmethod
    def check_flower_url(cls, url: str) -> str:
        """Raise `ValueError` unless this is an HTTP URL, since the pages link to it."""
        return _checked(url, "http", "https")

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
        if unquote(urlsplit(self.database_url).password or self.database_password) == KNOWN_PASSWORD:
            raise ValueError(
                "the database's password is one that everybody knows: set POSTGRES_PASSWORD and POSTGRES_APP_PASSWORD"
            )
        if os.environ.get("FLOWER_BASIC_AUTH", "").endswith(f":{KNOWN_PASSWORD}"):
            raise ValueError("Flower's password is one that everybody knows: set FLOWER_PASSWORD")

    @property
    def database(self) -> str:
        """The database URL with psycopg2 named explicitly: SQLAlchemy 2.1 reads a plain postgresql:// as psycopg 3.

        Raises `SetupError` if no database is set.
        """
        url = self.database_url
        if not url:
            if not self.database_host:
                raise SetupError(Code.CONFIGURATION, NO_SERVERS.format("DATABASE_URL"))
            login = ":".join(quote(part, safe="") for part in (self.database_user, self.database_password) if part)
            url = f"postgresql://{login}@{self.database_host}:{self.database_port}/{self.database_name}"
        return with_psycopg2(url)

    @property
    def has_rates(self) -> bool:
        """Whether a request rate is limited, so that the requests of each key are counted."""
        return bool(self.fit_rate_per_minute or self.predict_rate_per_minute)

    @property
    def hosts(self) -> tuple[str, ...]:
        """The host names in ALLOWED_HOSTS, in lower case."""
        return _split(self.allowed_hosts.lower())

    @property
    def origins(self) -> tuple[str, ...]:
        """The origins in CORS_ORIGINS."""
        return _split(self.cors_origins)

    @property
    def redis(self) -> str:
        """The Redis URL. With TLS it requires a valid certificate, which kombu does not verify by default.

        Raises `SetupError` if no Redis is set.
        """
        if not self.redis_url:
            raise SetupError(Code.CONFIGURATION, NO_SERVERS.format("REDIS_URL"))
        url = urlsplit(self.redis_url)
        if url.scheme != "rediss" or "ssl_cert_reqs=" in url.query:
            return self.redis_url
        query = f"{url.query}&ssl_cert_reqs=required" if url.query else "ssl_cert_reqs=required"
        return url._replace(query=query).geturl()


def _from_files() -> dict[str, Any]:
    """Read the secrets that container platforms provide as files; raise `SetupError` for an unreadable file."""
    files = {name: path for name in SECRETS if (path := os.environ.get(f"{name.upper()}_FILE"))}
    try:
        return {name: Path(path).read_text(encoding="utf-8").strip() for name, path in files.items()}
    except (OSError, UnicodeDecodeError) as error:
        raise SetupError(Code.CONFIGURATION, f"A file that holds a secret cannot be read: {error}") from None


def _split(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _checked(url: str, *schemes: str) -> str:
    """Return a URL with one of `schemes`; raise `ValueError` for any other, without repeating the password in it."""
    if url:
        parts = urlsplit(url)
        if parts.scheme not in schemes:
            raise ValueError(f"must begin with {schemes[0]}://")
        try:
            _ = parts.port
        except ValueError:
            raise ValueError("has no port, or a password in which / : @ ? # are not written as %2F %3A …") from None
    return url


def with_psycopg2(url: str) -> str:
    """Name the driver psycopg2 in the URL of a database, if the URL names none."""
    for plain in ("postgresql://", "postgres://"):
        if url.startswith(plain):
            return "postgresql+psycopg2://" + url.removeprefix(plain)
    return url
