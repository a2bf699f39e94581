"""Jobs, series, versions and the notes of the collector."""

from sqlalchemy import (
    REAL,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from shared.store.tables.columns import CLOCK, SERIES_ID, metadata, moment

fit_jobs = Table(
    "fit_jobs",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("seq", BigInteger, Identity(always=True), nullable=False),
    Column("series_id", SERIES_ID, nullable=False),
    Column("detector", Text, nullable=False),
    Column("parameters", JSONB, nullable=False, server_default=text("'{}'")),
    Column("points", Integer, nullable=False),
    Column("data_key", Text),
    Column("data_sha256", LargeBinary, nullable=False),
    Column("data_size", BigInteger, nullable=False),
    Column("status", Text, nullable=False, server_default=text("'queued'")),
    Column("attempt", Integer, nullable=False, server_default=text("0")),
    Column("crashes", SmallInteger, nullable=False, server_default=text("0")),
    Column("releases", Integer, nullable=False, server_default=text("0")),
    Column("available_at", moment(), nullable=False, server_default=CLOCK),
    Column("lease_until", moment()),
    Column("worker", Text),
    Column("progress", REAL, nullable=False, server_default=text("0")),
    Column("revision", Integer, nullable=False, server_default=text("1")),
    Column("announced_at", moment(), server_default=CLOCK),
    Column("announcements", Integer, nullable=False, server_default=text("0")),
    Column("retry_of", Uuid),
    Column("api_key_id", Text, nullable=False, server_default=text("'-'")),
    Column("idempotency_key", Text),
    Column("request_sha256", LargeBinary),
    Column("request_id", Text),
    Column("version", Integer),
    Column("error_code", Text),
    Column("error_detail", Text),
    Column("created_at", moment(), nullable=False, server_default=CLOCK),
    Column("started_at", moment()),
    Column("finished_at", moment()),
    CheckConstraint(
        "series_id ~ '^[A-Za-z0-9._-]{1,128}$' AND series_id <> '.' AND position('..' IN series_id) = 0",
        name="series_id",
    ),
    CheckConstraint("points > 0", name="points"),
    CheckConstraint("octet_length(data_sha256) = 32", name="data_sha256"),
    CheckConstraint("data_size > 0", name="data_size"),
    CheckConstraint("status IN ('queued', 'running', 'succeeded', 'failed', 'cancelled')", name="status"),
    CheckConstraint("progress BETWEEN 0 AND 1", name="progress"),
    CheckConstraint("length(idempotency_key) BETWEEN 1 AND 255", name="idempotency_key"),
    CheckConstraint("octet_length(request_sha256) = 32", name="request_sha256"),
    CheckConstraint("(status = 'running') = (lease_until IS NOT NULL)", name="lease_iff_running"),
    CheckConstraint("(status = 'succeeded') = (version IS NOT NULL)", name="version_iff_success"),
    CheckConstraint("(status = 'failed') = (error_code IS NOT NULL)", name="error_iff_failed"),
    CheckConstraint("(status IN ('queued', 'running')) = (finished_at IS NULL)", name="finish_iff_final"),
    CheckConstraint("status NOT IN ('queued', 'running') OR data_key IS NOT NULL", name="open_holds_data"),
    CheckConstraint("status <> 'succeeded' OR data_key IS NULL", name="success_frees_data"),
    CheckConstraint("idempotency_key IS NULL OR request_sha256 IS NOT NULL", name="key_has_digest"),
    postgresql_with={"fillfactor": 85},  # leaves room for heartbeats to update a row within its page
)
_OPEN = text("status IN ('queued', 'running')")
Index(
    "fit_jobs_idempotency",
    fit_jobs.c.api_key_id,
    fit_jobs.c.idempotency_key,
    unique=True,
    postgresql_where=text("idempotency_key IS NOT NULL"),
)
Index("fit_jobs_one_running_per_series", fit_jobs.c.series_id, unique=True, postgresql_where=text("status = 'running'"))
Index(
    "fit_jobs_one_open_retry",
    fit_jobs.c.retry_of,
    unique=True,
    postgresql_where=text("retry_of IS NOT NULL AND status IN ('queued', 'running')"),
)
Index(
    "fit_jobs_open",
    fit_jobs.c.series_id,
    fit_jobs.c.seq,
    postgresql_where=_OPEN,
    postgresql_include=["api_key_id", "data_size"],
)
Index("fit_jobs_data", fit_jobs.c.data_key, postgresql_where=text("data_key IS NOT NULL"))
Index(
    "fit_jobs_retryable",
    fit_jobs.c.finished_at,
    postgresql_where=text("finished_at IS NOT NULL AND data_key IS NOT NULL"),
)
Index("fit_jobs_finished", fit_jobs.c.finished_at, postgresql_where=text("finished_at IS NOT NULL"))
Index("fit_jobs_newest", fit_jobs.c.created_at, fit_jobs.c.seq)
Index("fit_jobs_newest_of_series", fit_jobs.c.series_id, fit_jobs.c.created_at, fit_jobs.c.seq)
Index("fit_jobs_newest_of_status", fit_jobs.c.status, fit_jobs.c.created_at, fit_jobs.c.seq)

series = Table(  # rows are never deleted: last_version prevents the reuse of a number
    "series",
    metadata,
    Column("series_id", SERIES_ID, primary_key=True),
    Column("last_version", Integer, nullable=False),
    Column("pinned_version", Integer),
    CheckConstraint("last_version >= 1", name="last_version"),
    ForeignKeyConstraint(
        ["series_id", "pinned_version"],
        ["versions.series_id", "versions.version"],
        name="series_pin_exists",
        use_alter=True,
    ),
)

versions = Table(  # immutable
    "versions",
    metadata,
    Column("series_id", SERIES_ID, ForeignKey("series.series_id"), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("job_id", Uuid, nullable=False, unique=True),
    Column("attempt", Integer, nullable=False),
    Column("detector", Text, nullable=False),
    Column("parameters", JSONB, nullable=False),
    Column("points", Integer, nullable=False),
    Column("first_timestamp", BigInteger, nullable=False),
    Column("last_timestamp", BigInteger, nullable=False),
    Column("learnt", JSONB, nullable=False),
    Column("anomaly_share", Float, nullable=False),
    Column("sparkline", ARRAY(Float), nullable=False),
    Column("fit_ms", Float, nullable=False),
    Column("data_key", Text, nullable=False, index=True),  # not unique: two retries of one job may both succeed
    Column("data_sha256", LargeBinary, nullable=False),
    Column("data_size", BigInteger, nullable=False),
    Column("state_key", Text, nullable=False, unique=True),
    Column("state_sha256", LargeBinary, nullable=False),
    Column("state_size", BigInteger, nullable=False),
    Column("scores_key", Text, nullable=False, unique=True),
    Column("scores_sha256", LargeBinary, nullable=False),
    Column("scores_size", BigInteger, nullable=False),
    Column("created_at", moment(), nullable=False, server_default=CLOCK),
    Column("automatic", Boolean, nullable=False, server_default=text("false")),
    CheckConstraint("version >= 1", name="version"),
    CheckConstraint("anomaly_share BETWEEN 0 AND 1", name="anomaly_share"),
    CheckConstraint("octet_length(data_sha256) = 32", name="data_sha256"),
    CheckConstraint("octet_length(state_sha256) = 32", name="state_sha256"),
    CheckConstraint("octet_length(scores_sha256) = 32", name="scores_sha256"),
)

# Orders of the start page. The latest versions of all series are few rows apart in each index.
Index("versions_newest", versions.c.created_at, versions.c.series_id, postgresql_include=["version"])
Index("versions_longest", text("(-points)"), versions.c.series_id, postgresql_include=["version"])
Index("versions_most_flagged", text("(-anomaly_share)"), versions.c.series_id, postgresql_include=["version"])

garbage = Table(  # the collector's notes: keys seen in the store while no row referred to them
    "garbage",
    metadata,
    Column("key", Text, primary_key=True),
    Column("series_id", SERIES_ID, nullable=False),
    Column("job_id", Uuid, nullable=False),
    Column("noted_at", moment(), nullable=False, server_default=CLOCK, index=True),
)

artifact_folders = Table(  # where folders are; a backup does not contain it
    "artifact_folders",
    metadata,
    Column("location", Text, primary_key=True),
    Column("mark", Text, nullable=False),
)
