"""Sources, the series that they claim, and the runs of those that are fetched."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Identity,
    Index,
    Integer,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from shared.store.tables.columns import CLOCK, SERIES_ID, metadata, moment

sources = Table(
    "sources",
    metadata,
    Column("name", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("document", JSONB, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Column("loaded", JSONB, nullable=False, server_default=text("'{}'")),
    Column("due_at", moment()),
    Column("lease_until", moment()),
    Column("run", BigInteger),
    Column("failing_since", moment()),
    Column("created_at", moment(), nullable=False, server_default=CLOCK),
    CheckConstraint("name ~ '^[A-Za-z0-9._-]{1,100}$'", name="name"),
    CheckConstraint("kind IN ('remote_write', 'prometheus')", name="kind"),
)
Index("sources_due", sources.c.due_at, postgresql_where=text("due_at IS NOT NULL"))

source_series = Table(
    "source_series",
    metadata,
    Column("series_id", SERIES_ID, primary_key=True),
    Column("source", Text, ForeignKey("sources.name", ondelete="CASCADE"), index=True),
    Column("labels", JSONB, nullable=False),
    Column("rejected", JSONB),
    Column("created_at", moment(), nullable=False, server_default=CLOCK),
)

source_runs = Table(
    "source_runs",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("source", Text, ForeignKey("sources.name", ondelete="CASCADE"), nullable=False),
    Column("started_at", moment(), nullable=False, server_default=CLOCK),
    Column("ended_at", moment()),
    Column("status", Text, nullable=False),
    Column("from_ts", BigInteger),
    Column("to_ts", BigInteger),
    Column("series", Integer, nullable=False, server_default=text("0")),
    Column("points", BigInteger, nullable=False, server_default=text("0")),
    Column("refused", BigInteger, nullable=False, server_default=text("0")),
    Column("detail", Text, nullable=False, server_default=text("''")),
    CheckConstraint("status IN ('running', 'succeeded', 'failed', 'lost')", name="status"),
)
Index("source_runs_newest", source_runs.c.source, source_runs.c.id)

source_tests = Table(
    "source_tests",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("document", JSONB, nullable=False),
    Column("result", JSONB),
    Column("created_at", moment(), nullable=False, server_default=CLOCK),
    Column("taken_at", moment()),
)
