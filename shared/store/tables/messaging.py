"""Receivers of messages, their deliveries, and the budgets of watches."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    Identity,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from shared.store.tables.columns import CLOCK, metadata, moment

receivers = Table(
    "receivers",
    metadata,
    Column("name", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("url", Text),
    Column("url_env", Text),
    Column("types", ARRAY(Text), nullable=False),
    Column("min_score", Float),
    Column("secret", Text),
    Column("previous_secret", Text),
    Column("previous_until", moment()),
    Column("disabled", Text),
    Column("due_at", moment(), nullable=False, server_default=text("'-infinity'")),
    Column("lease", Integer, nullable=False, server_default=text("0")),
    Column("leased_until", moment()),
    Column("failures", Integer, nullable=False, server_default=text("0")),
    Column("error", Text),
    Column("failed_at", moment()),
    Column("succeeded_at", moment()),
    Column("created_at", moment(), nullable=False, server_default=CLOCK),
    CheckConstraint("name ~ '^[A-Za-z0-9._-]{1,100}$'", name="name"),
    CheckConstraint("kind IN ('webhook', 'alertmanager', 'slack')", name="kind"),
    CheckConstraint("(url IS NULL) <> (url_env IS NULL)", name="url"),
    CheckConstraint("url_env ~ '^TSAD_RECEIVER_[A-Z0-9_]+$'", name="url_env"),
    CheckConstraint("(kind = 'webhook') = (secret IS NOT NULL)", name="secret"),
    CheckConstraint("(previous_secret IS NULL) = (previous_until IS NULL)", name="previous"),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("receiver", Text, ForeignKey("receivers.name", ondelete="CASCADE"), nullable=False),
    Column("message", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("watch", Text),
    Column("document", JSONB, nullable=False),
    Column("status", Text, nullable=False, server_default=text("'waiting'")),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("error", Text),
    Column("noted_at", moment(), nullable=False),
    Column("queued_at", moment(), nullable=False, server_default=CLOCK),
    Column("attempted_at", moment()),
    Column("ended_at", moment(), index=True),
    UniqueConstraint("receiver", "message", name="deliveries_receiver_key"),
    CheckConstraint("status IN ('waiting', 'delivered', 'given_up')", name="status"),
    CheckConstraint("(status = 'waiting') = (ended_at IS NULL)", name="ended"),
)
Index("deliveries_waiting", deliveries.c.receiver, deliveries.c.id, postgresql_where=text("status = 'waiting'"))
Index("deliveries_newest", deliveries.c.receiver, deliveries.c.id)

budgets = Table(
    "budgets",
    metadata,
    Column("watch", Text, primary_key=True),
    Column("began_at", moment(), nullable=False),
    Column("messages", Integer, nullable=False),
    Column("last_at", moment()),
    Column("unreported", Integer, nullable=False),
)
