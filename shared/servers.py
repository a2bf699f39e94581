"""Settings of what every process connects to: PostgreSQL, Redis, and the stores of artifacts."""

from pathlib import Path
from urllib.parse import quote

from pydantic import AliasChoices, Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.errors import Code, SetupError
from shared.urls import DatabaseUrl, Location, RedisUrl, with_psycopg2, with_verified_certificate

NO_SERVERS = (
    "{} is not set. Set DATABASE_URL and REDIS_URL, use docker compose, "
    "or run `tsad up` (in a checkout, `python3 run up`), which starts its own PostgreSQL and Redis-compatible server."
)


class ServerSettings(BaseSettings):
    """The first part of the settings."""

    model_config = SettingsConfigDict(
        env_file=".env", env_ignore_empty=True, extra="ignore", populate_by_name=True, frozen=True
    )

    database_url: DatabaseUrl = Field(
        "", repr=False, description="PostgreSQL URL: postgresql://user:password@host:port/name"
    )
    database_host: str = Field(
        "", description="PostgreSQL host, used with the next four settings if DATABASE_URL is empty"
    )
    database_port: int = Field(5432, description="Port of DATABASE_HOST")
    database_name: str = Field("tsad", description="Database on DATABASE_HOST")
    database_user: str = Field("tsad", description="Role on DATABASE_HOST")
    database_password: str = Field("", repr=False, description="Password of DATABASE_USER")
    database_pool_size: int = Field(
        10, ge=1, le=1000, description="Database connections per process, and request threads per API process"
    )
    database_pool_timeout_s: float = Field(
        5, gt=0, description="Seconds a request waits for a free database connection"
    )
    database_connect_timeout_s: int = Field(
        3, ge=1, description="Seconds before an attempt to connect to the database fails"
    )
    database_statement_timeout_s: float = Field(
        15, gt=0, description="Seconds before PostgreSQL aborts a statement or an idle transaction"
    )
    redis_url: RedisUrl = Field(
        "", repr=False, description="URL of Redis 6.2 or newer, or Valkey: redis://:password@host:port/0"
    )

    training_data_folder: Location = Field(
        Path("data/data"),
        validation_alias=AliasChoices("TRAINING_DATA_FOLDER", "DATA_FOLDER"),
        description="Where training data is stored: a folder or s3://bucket/prefix",
    )
    model_state_folder: Location = Field(
        Path("data/models"),
        validation_alias=AliasChoices("MODEL_STATE_FOLDER", "MODEL_FOLDER"),
        description="Where detector states and training scores are stored: a folder or s3://bucket/prefix",
    )

    aws_endpoint_url: str = Field("", description="URL of an S3-compatible service other than AWS: https://host:port")
    aws_region: str = Field("", description="Region of the buckets")
    aws_access_key_id: str = Field("", description="Access key id for the buckets; if empty, the machine's own role")
    aws_secret_access_key: str = Field("", repr=False, description="Secret of AWS_ACCESS_KEY_ID")

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
    def redis(self) -> str:
        """The Redis URL, which requires a valid certificate with TLS; raises `SetupError` if no Redis is set."""
        if not self.redis_url:
            raise SetupError(Code.CONFIGURATION, NO_SERVERS.format("REDIS_URL"))
        return with_verified_certificate(self.redis_url)
