"""Watches, streams and their points, alerts with notices, and marked spans of time."""

from sqlalchemy import (
    REAL,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    Identity,
    Index,
    Integer,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from shared.store.tables.columns import CLOCK, SERIES_ID, metadata, moment

watches = Table(
    "watches",
    metadata,
    Column("name", Text, primary_key=True),
    Column("prefix", SERIES_ID, nullable=False, unique=True),
    Column("document", JSONB, nullable=False),
    Column("paused", Boolean, nullable=False, server_default=text("false")),
    Column("revision", BigInteger, nullable=False),
    Column("created_at", moment(), nullable=False, server_default=CLOCK),
    CheckConstraint("name ~ '^[A-Za-z0-9._-]{1,100}$'", name="name"),
    CheckConstraint("prefix ~ '^[A-Za-z0-9._-]{0,128}$'", name="prefix"),
)

streams = Table(
    "streams",
    metadata,
    Column("no", Integer, Identity(always=True), primary_key=True),
    Column("series_id", SERIES_ID, nullable=False),
    Column("deleted_at", moment()),
    Column("revision", Integer, nullable=False, server_default=text("0")),
    Column("last_timestamp", BigInteger),
    Column("points", BigInteger, nullable=False, server_default=text("0")),
    Column("late", BigInteger, nullable=False, server_default=text("0")),
    Column("version", Integer),
    Column("carry", ARRAY(Float)),
    Column("recent", Text, nullable=False, server_default=text("''")),
    Column("normal", Integer, nullable=False, server_default=text("0")),
    Column("pending", JSONB),
    Column("watch", Text),
    Column("alert", Uuid),
    Column("silence", Uuid),
    Column("arrived_at", moment()),
    Column("usual_step_s", REAL),
    Column("usual_gap_s", REAL),
    Column("long_gap_s", REAL),
    Column("fit_at_points", BigInteger, server_default=text("0")),
    Column("fit_due_at", moment()),
    Column("fit_slot", BigInteger),
    Column("fit_outcome", Text),
    Column("fit_detail", Text),
    Column("fit_settled_at", moment()),
    Column("fit_failures", SmallInteger, nullable=False, server_default=text("0")),
    Column("refit_revision", BigInteger),
    Column("delete_before", BigInteger),
    Column("created_at", moment(), nullable=False, server_default=CLOCK),
    Column("ended_at", moment()),
    CheckConstraint(
        "series_id ~ '^[A-Za-z0-9._-]{1,128}$' AND series_id <> '.' AND position('..' IN series_id) = 0",
        name="series_id",
    ),
    CheckConstraint("late BETWEEN 0 AND points", name="late"),
    CheckConstraint("cardinality(carry) <= 16", name="carry"),
    CheckConstraint("recent ~ '^[01]{0,64}$'", name="recent"),
    CheckConstraint("(last_timestamp IS NULL) = (arrived_at IS NULL)", name="arrived"),
    CheckConstraint(
        "fit_outcome IN ('requested', 'fitted', 'failed', 'refused', 'skipped', 'cancelled')", name="fit_outcome"
    ),
    postgresql_with={"fillfactor": 50},  # room for the next update of a row within its page
)
Index("streams_series_id", streams.c.series_id, unique=True, postgresql_where=text("deleted_at IS NULL"))
Index("streams_deleted", streams.c.no, postgresql_where=text("deleted_at IS NOT NULL OR delete_before IS NOT NULL"))
Index("streams_fit_requested", streams.c.no, postgresql_where=text("fit_outcome = 'requested'"))
Index("streams_fit_due", streams.c.fit_due_at, postgresql_where=text("fit_due_at IS NOT NULL"))

points = Table(
    "points",
    metadata,
    # Number of the stream, without a foreign key: its checks would take half of the time of storing points. The intake
    # inserts points only while the row of their stream is locked, and the row is deleted after them.
    Column("series_no", Integer, primary_key=True, autoincrement=False),
    Column("ts", BigInteger, primary_key=True, autoincrement=False),
    Column("value", Float),
    Column("score", Float),
    Column("expected", Float),
    Column("lower", Float),
    Column("upper", Float),
    Column("boundary", REAL),
    Column("version", Integer),
    CheckConstraint("ts >= 0", name="ts"),
)

alerts = Table(
    "alerts",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("series_no", Integer),
    Column("series_id", SERIES_ID),
    Column("watch", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("started_at", BigInteger, nullable=False),
    Column("opened_at", BigInteger, nullable=False),
    Column("last_anomaly_at", BigInteger, nullable=False),
    Column("ended_at", BigInteger),
    Column("peak", JSONB),
    Column("reported_score", Float),
    Column("points", Integer, nullable=False),
    Column("version", Integer),
    Column("quiet", Text),
    Column("step", Integer, nullable=False),
    Column("acknowledged_at", moment()),
    Column("acknowledged_by", Text),
    Column("review", Text),
    Column("note", Text, nullable=False, server_default=text("''")),
    Column("reviewed_at", moment()),
    Column("reviewed_by", Text),
    Column("revision", Integer, nullable=False, server_default=text("1")),
    Column("created_at", moment(), nullable=False, server_default=CLOCK),
    Column("changed_at", moment(), nullable=False, server_default=CLOCK, index=True),
    CheckConstraint("kind IN ('deviation', 'silence', 'refit_failing')", name="kind"),
    CheckConstraint("status IN ('open', 'ended', 'closed')", name="status"),
    CheckConstraint("(status = 'open') = (ended_at IS NULL)", name="ended"),
    CheckConstraint(
        "kind <> 'deviation' OR (points >= 1 AND series_no IS NOT NULL AND peak IS NOT NULL)", name="deviation"
    ),
    CheckConstraint("(series_no IS NULL) = (series_id IS NULL)", name="series"),
    CheckConstraint("started_at <= opened_at AND started_at <= last_anomaly_at", name="order"),
    CheckConstraint("step >= 1", name="step"),
    CheckConstraint("review IN ('incident', 'false_alarm', 'expected')", name="review"),
    CheckConstraint("length(note) <= 500", name="note"),
)
Index(
    "alerts_one_open",
    alerts.c.series_no,
    alerts.c.kind,
    unique=True,
    postgresql_where=text("status <> 'closed' AND series_no IS NOT NULL"),
)
Index("alerts_unclosed", alerts.c.watch, postgresql_where=text("status <> 'closed'"))
Index("alerts_newest", alerts.c.created_at, alerts.c.id)
Index("alerts_newest_of_series", alerts.c.series_id, alerts.c.created_at, alerts.c.id)
Index("alerts_began", alerts.c.started_at, postgresql_include=["status", "quiet", "kind"])
Index("alerts_reviewed", alerts.c.created_at, alerts.c.id, postgresql_where=text("review IS NOT NULL"))

notices = Table(
    "notices",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("alert", Uuid, ForeignKey("alerts.id", ondelete="CASCADE"), nullable=False),
    Column("step", Integer, nullable=False),
    Column("type", Text, nullable=False),
    Column("quiet", Text),
    Column("created_at", moment(), nullable=False, server_default=CLOCK),
    Column("handled_at", moment()),
    Column("receivers", ARRAY(Text)),
    UniqueConstraint("alert", "step", name="notices_alert_key"),
    CheckConstraint("type IN ('alert.opened', 'alert.escalated', 'alert.closed')", name="type"),
)
Index("notices_unhandled", notices.c.id, postgresql_where=text("handled_at IS NULL"))

spans = Table(
    "spans",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("series_id", SERIES_ID),
    Column("prefix", SERIES_ID),
    Column("from_ts", BigInteger, nullable=False),
    Column("to_ts", BigInteger, nullable=False),
    Column("kind", Text, nullable=False),
    Column("note", Text, nullable=False, server_default=text("''")),
    Column("created_by", Text, nullable=False),
    Column("created_at", moment(), nullable=False, server_default=CLOCK),
    CheckConstraint("(series_id IS NULL) <> (prefix IS NULL)", name="scope"),
    CheckConstraint("from_ts <= to_ts", name="order"),
    CheckConstraint("kind IN ('maintenance', 'exclude')", name="kind"),
    CheckConstraint("length(note) <= 500", name="note"),
)
