"""Sources of points, the series that they claim, runs of fetched ones, and streams that ended."""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE sources (
  name TEXT NOT NULL,
  kind TEXT NOT NULL,
  document JSONB NOT NULL,
  revision BIGINT NOT NULL,                            -- time of the change, as in watches
  loaded JSONB DEFAULT '{}' NOT NULL,                  -- last timestamp that was fetched, by query
  due_at TIMESTAMP WITH TIME ZONE,                     -- of the next run; NULL: nothing is fetched
  lease_until TIMESTAMP WITH TIME ZONE,                -- of the process that runs it now
  run BIGINT,                                          -- the newest one: an older one may write nothing more
  failing_since TIMESTAMP WITH TIME ZONE,              -- silences of its series do not open
  created_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
  CONSTRAINT sources_pkey PRIMARY KEY (name),
  CONSTRAINT sources_name CHECK (name ~ '^[A-Za-z0-9._-]{1,100}$'),
  CONSTRAINT sources_kind CHECK (kind IN ('remote_write', 'prometheus'))
);
CREATE INDEX sources_due ON sources (due_at) WHERE due_at IS NOT NULL;

CREATE TABLE source_series (                           -- which labels an id stands for: never two sets at a time
  series_id TEXT COLLATE "C" NOT NULL,
  source TEXT,                                         -- NULL: line protocol
  labels JSONB NOT NULL,
  rejected JSONB,                                      -- other labels that would have the same id
  created_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
  CONSTRAINT source_series_pkey PRIMARY KEY (series_id),
  CONSTRAINT source_series_source_fkey FOREIGN KEY (source) REFERENCES sources (name) ON DELETE CASCADE
);
CREATE INDEX source_series_source ON source_series (source);

CREATE TABLE source_runs (
  id BIGINT GENERATED ALWAYS AS IDENTITY,
  source TEXT NOT NULL,
  started_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
  ended_at TIMESTAMP WITH TIME ZONE,
  status TEXT NOT NULL,
  from_ts BIGINT,                                      -- what was asked for
  to_ts BIGINT,
  series INTEGER DEFAULT 0 NOT NULL,
  points BIGINT DEFAULT 0 NOT NULL,                    -- that were new
  refused BIGINT DEFAULT 0 NOT NULL,
  detail TEXT DEFAULT '' NOT NULL,                     -- why it failed, or what was refused
  CONSTRAINT source_runs_pkey PRIMARY KEY (id),
  CONSTRAINT source_runs_status CHECK (status IN ('running', 'succeeded', 'failed', 'lost')),
  CONSTRAINT source_runs_source_fkey FOREIGN KEY (source) REFERENCES sources (name) ON DELETE CASCADE
);
CREATE INDEX source_runs_newest ON source_runs (source, id);

CREATE TABLE source_tests (                            -- requests to try a source; nothing is stored of what it has
  id UUID NOT NULL,
  document JSONB NOT NULL,
  result JSONB,
  created_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
  taken_at TIMESTAMP WITH TIME ZONE,
  CONSTRAINT source_tests_pkey PRIMARY KEY (id)
);

ALTER TABLE streams ADD COLUMN ended_at TIMESTAMP WITH TIME ZONE; -- its sender said that no more points come
"""


def upgrade() -> None:
    """Create the tables, and the mark of ended streams."""
    op.execute(TABLES)


def downgrade() -> None:
    """Drop the tables, so that fetching stops. Stored points stay."""
    op.execute("ALTER TABLE streams DROP COLUMN ended_at")
    for table in ("source_tests", "source_runs", "source_series", "sources"):
        op.execute(f"DROP TABLE {table}")
