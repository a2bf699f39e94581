"""Streams of stored points, watches, alerts with their notices, marked spans, and the scope `write`."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

TABLES = """
-- Every process reads all watches and compares revisions, so a revision is never used twice: it is the time of the
-- change in microseconds.
CREATE TABLE watches (
  name TEXT NOT NULL,
  prefix TEXT COLLATE "C" NOT NULL,
  document JSONB NOT NULL,
  paused BOOLEAN DEFAULT false NOT NULL,
  revision BIGINT NOT NULL,
  created_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
  CONSTRAINT watches_pkey PRIMARY KEY (name),
  CONSTRAINT watches_name CHECK (name ~ '^[A-Za-z0-9._-]{1,100}$'),
  CONSTRAINT watches_prefix CHECK (prefix ~ '^[A-Za-z0-9._-]{0,128}$'),
  CONSTRAINT watches_prefix_key UNIQUE (prefix)
);

-- A point changes no indexed column, and pages have room, so its update touches the heap only.
CREATE TABLE streams (
  no INTEGER GENERATED ALWAYS AS IDENTITY,             -- never used twice
  series_id TEXT COLLATE "C" NOT NULL,
  deleted_at TIMESTAMP WITH TIME ZONE,                 -- the id is free again; the points are deleted in batches
  revision INTEGER DEFAULT 0 NOT NULL,                 -- + 1 with everything that a verdict depends on
  last_timestamp BIGINT,                               -- of the newest point
  points BIGINT DEFAULT 0 NOT NULL,                    -- ever stored, with late ones
  late BIGINT DEFAULT 0 NOT NULL,
  version INTEGER,                                     -- judged the newest point; NULL: none did
  carry DOUBLE PRECISION[],                            -- what that version remembers of the points before
  recent TEXT DEFAULT '' NOT NULL,                     -- newest verdicts, newest last, 1 = anomaly; no unknown ones
  normal INTEGER DEFAULT 0 NOT NULL,                   -- points in a row below `close.below`
  pending JSONB,                                       -- the anomalies in `recent` that belong to no alert
  watch TEXT,                                          -- applied to the newest point; may be deleted
  alert UUID,                                          -- its deviation that is not closed
  silence UUID,                                        -- its silence that is not closed, of the stream or of its watch
  arrived_at TIMESTAMP WITH TIME ZONE,                 -- when the newest point came
  usual_step_s REAL,                                   -- between timestamps
  usual_gap_s REAL,                                    -- between arrivals
  long_gap_s REAL,                                     -- the longest between arrivals, slowly forgotten
  fit_at_points BIGINT DEFAULT 0,                      -- number of points that makes an automatic fit due; NULL: none
  fit_due_at TIMESTAMP WITH TIME ZONE,
  delete_before BIGINT,                                -- points before this timestamp are being deleted
  created_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
  CONSTRAINT streams_pkey PRIMARY KEY (no),
  CONSTRAINT streams_series_id CHECK (
    series_id ~ '^[A-Za-z0-9._-]{1,128}$' AND series_id <> '.' AND position('..' IN series_id) = 0),
  CONSTRAINT streams_late CHECK (late BETWEEN 0 AND points),
  CONSTRAINT streams_carry CHECK (cardinality(carry) <= 16),
  CONSTRAINT streams_recent CHECK (recent ~ '^[01]{0,64}$'),
  CONSTRAINT streams_arrived CHECK ((last_timestamp IS NULL) = (arrived_at IS NULL))
) WITH (fillfactor = 50);
CREATE UNIQUE INDEX streams_series_id ON streams (series_id) WHERE deleted_at IS NULL;
CREATE INDEX streams_deleted ON streams (no) WHERE deleted_at IS NOT NULL OR delete_before IS NOT NULL;
CREATE INDEX streams_fit_due ON streams (fit_due_at) WHERE fit_due_at IS NOT NULL;

-- Verdicts in double precision: in single precision, a score of 1.00000001 would no longer be an anomaly, and the band
-- around a large value would be wrong.
CREATE TABLE points (
  series_no INTEGER NOT NULL,
  ts BIGINT NOT NULL,
  value DOUBLE PRECISION,                              -- NULL: a known gap
  score DOUBLE PRECISION,                              -- NULL: not judged
  expected DOUBLE PRECISION,
  lower DOUBLE PRECISION,
  upper DOUBLE PRECISION,
  boundary REAL,
  version INTEGER,                                     -- judged it; NULL: none did; 0: it came late, after a newer one
  CONSTRAINT points_pkey PRIMARY KEY (series_no, ts),
  CONSTRAINT points_ts CHECK (ts >= 0),
  CONSTRAINT points_series_no_fkey FOREIGN KEY (series_no) REFERENCES streams (no)
) WITH (autovacuum_vacuum_insert_scale_factor = 0.02, autovacuum_vacuum_scale_factor = 0.02);

CREATE TABLE alerts (
  id UUID NOT NULL,                                    -- chosen by the process that opens it
  series_no INTEGER,                                   -- NULL: of a whole watch
  series_id TEXT COLLATE "C",                          -- remains when the stream is deleted
  watch TEXT NOT NULL,
  kind TEXT NOT NULL,
  status TEXT NOT NULL,                                -- ended: normal again, but another anomaly soon continues it
  started_at BIGINT NOT NULL,                          -- its first anomaly, or the last point before the silence
  opened_at BIGINT NOT NULL,                           -- the point that opened it
  last_anomaly_at BIGINT NOT NULL,
  ended_at BIGINT,
  peak JSONB,                                          -- timestamp, value, score, expected, lower, upper
  reported_score DOUBLE PRECISION,                     -- its highest score when the last notice was written
  points INTEGER NOT NULL,                             -- anomalies
  version INTEGER,
  quiet TEXT,                                          -- why nobody is notified
  step INTEGER NOT NULL,                               -- number of its notices
  acknowledged_at TIMESTAMP WITH TIME ZONE,
  acknowledged_by TEXT,
  revision INTEGER DEFAULT 1 NOT NULL,
  created_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
  changed_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
  CONSTRAINT alerts_pkey PRIMARY KEY (id),
  CONSTRAINT alerts_kind CHECK (kind IN ('deviation', 'silence')),
  CONSTRAINT alerts_status CHECK (status IN ('open', 'ended', 'closed')),
  CONSTRAINT alerts_ended CHECK ((status = 'open') = (ended_at IS NULL)),
  CONSTRAINT alerts_deviation CHECK (
    kind = 'silence' OR (points >= 1 AND series_no IS NOT NULL AND peak IS NOT NULL)),
  CONSTRAINT alerts_series CHECK ((series_no IS NULL) = (series_id IS NULL)),
  CONSTRAINT alerts_order CHECK (started_at <= opened_at AND started_at <= last_anomaly_at),
  CONSTRAINT alerts_step CHECK (step >= 1)
) WITH (fillfactor = 80);
CREATE INDEX alerts_changed_at ON alerts (changed_at);
CREATE INDEX alerts_newest ON alerts (created_at, id);
CREATE INDEX alerts_newest_of_series ON alerts (series_id, created_at, id);
CREATE UNIQUE INDEX alerts_one_open ON alerts (series_no, kind) WHERE status <> 'closed' AND series_no IS NOT NULL;
CREATE INDEX alerts_unclosed ON alerts (watch) WHERE status <> 'closed';

CREATE TABLE notices (
  id BIGINT GENERATED ALWAYS AS IDENTITY,
  alert UUID NOT NULL,
  step INTEGER NOT NULL,
  type TEXT NOT NULL,
  quiet TEXT,
  created_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
  CONSTRAINT notices_pkey PRIMARY KEY (id),
  CONSTRAINT notices_alert_key UNIQUE (alert, step),
  CONSTRAINT notices_type CHECK (type IN ('alert.opened', 'alert.escalated', 'alert.closed')),
  CONSTRAINT notices_alert_fkey FOREIGN KEY (alert) REFERENCES alerts (id) ON DELETE CASCADE
);

CREATE TABLE spans (                                   -- intervals that a person marked, of one series or by prefix
  id UUID NOT NULL,
  series_id TEXT COLLATE "C",
  prefix TEXT COLLATE "C",
  from_ts BIGINT NOT NULL,
  to_ts BIGINT NOT NULL,
  kind TEXT NOT NULL,
  note TEXT DEFAULT '' NOT NULL,
  created_by TEXT NOT NULL,
  created_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
  CONSTRAINT spans_pkey PRIMARY KEY (id),
  CONSTRAINT spans_scope CHECK ((series_id IS NULL) <> (prefix IS NULL)),
  CONSTRAINT spans_order CHECK (from_ts <= to_ts),
  CONSTRAINT spans_kind CHECK (kind IN ('maintenance', 'exclude')),
  CONSTRAINT spans_note CHECK (length(note) <= 500)
);
"""

SCOPES = "cardinality(scopes) > 0 AND scopes <@ '{{{}}}'::text[]"


def upgrade() -> None:
    """Create the tables, and allow the scope `write`. Existing keys do not get it."""
    op.execute(TABLES)
    _allow("read,fit,write,admin")


def downgrade() -> None:
    """Drop the tables with all points and alerts, and the scope `write`; a key with no other scope becomes `read`."""
    for table in ("spans", "notices", "alerts", "points", "streams", "watches"):
        op.execute(f"DROP TABLE {table}")
    op.execute(
        "UPDATE api_keys SET scopes = CASE WHEN scopes = '{write}' THEN '{read}' ELSE array_remove(scopes, 'write') END"
        " WHERE 'write' = ANY (scopes)"
    )
    _allow("read,fit,admin")


def _allow(scopes: str) -> None:
    op.execute("ALTER TABLE api_keys DROP CONSTRAINT api_keys_scopes")
    op.execute(f"ALTER TABLE api_keys ADD CONSTRAINT api_keys_scopes CHECK ({SCOPES.format(scopes)})")
