"""Receivers of messages about alerts, their deliveries, and what became of each notice."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE receivers (
  name TEXT NOT NULL,
  kind TEXT NOT NULL,
  url TEXT,
  url_env TEXT,                                        -- environment variable of the outbound process with the URL
  types TEXT[] NOT NULL,
  min_score DOUBLE PRECISION,
  secret TEXT,                                         -- signs messages, so it cannot be stored as a hash
  previous_secret TEXT,                                -- signs them, too, until
  previous_until TIMESTAMP WITH TIME ZONE,
  disabled TEXT,                                       -- why nothing is sent; NULL: it is
  due_at TIMESTAMP WITH TIME ZONE DEFAULT '-infinity' NOT NULL,
  lease INTEGER DEFAULT 0 NOT NULL,                    -- + 1 with each process that sends; only the newest may write
  leased_until TIMESTAMP WITH TIME ZONE,
  failures INTEGER DEFAULT 0 NOT NULL,                 -- in a row
  error TEXT,                                          -- of the last failure
  failed_at TIMESTAMP WITH TIME ZONE,
  succeeded_at TIMESTAMP WITH TIME ZONE,
  created_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
  CONSTRAINT receivers_pkey PRIMARY KEY (name),
  CONSTRAINT receivers_name CHECK (name ~ '^[A-Za-z0-9._-]{1,100}$'),
  CONSTRAINT receivers_kind CHECK (kind IN ('webhook', 'alertmanager', 'slack')),
  CONSTRAINT receivers_url CHECK ((url IS NULL) <> (url_env IS NULL)),
  CONSTRAINT receivers_url_env CHECK (url_env ~ '^TSAD_RECEIVER_[A-Z0-9_]+$'),
  CONSTRAINT receivers_secret CHECK ((kind = 'webhook') = (secret IS NOT NULL)),
  CONSTRAINT receivers_previous CHECK ((previous_secret IS NULL) = (previous_until IS NULL))
);

CREATE TABLE deliveries (                              -- one message to one receiver
  id BIGINT GENERATED ALWAYS AS IDENTITY,              -- also their order
  receiver TEXT NOT NULL,
  message TEXT NOT NULL,                               -- its id: alert.step of the worst alert
  type TEXT NOT NULL,
  watch TEXT,
  document JSONB NOT NULL,
  status TEXT DEFAULT 'waiting' NOT NULL,
  attempts INTEGER DEFAULT 0 NOT NULL,
  error TEXT,                                          -- of the last attempt
  noted_at TIMESTAMP WITH TIME ZONE NOT NULL,          -- when the first change that it reports was stored
  queued_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
  attempted_at TIMESTAMP WITH TIME ZONE,
  ended_at TIMESTAMP WITH TIME ZONE,
  CONSTRAINT deliveries_pkey PRIMARY KEY (id),
  CONSTRAINT deliveries_receiver_key UNIQUE (receiver, message),
  CONSTRAINT deliveries_receiver_fkey FOREIGN KEY (receiver) REFERENCES receivers (name) ON DELETE CASCADE,
  CONSTRAINT deliveries_status CHECK (status IN ('waiting', 'delivered', 'given_up')),
  CONSTRAINT deliveries_ended CHECK ((status = 'waiting') = (ended_at IS NULL))
);
CREATE INDEX deliveries_waiting ON deliveries (receiver, id) WHERE status = 'waiting';
CREATE INDEX deliveries_newest ON deliveries (receiver, id);
CREATE INDEX deliveries_ended_at ON deliveries (ended_at);

CREATE TABLE budgets (                                 -- how many messages a watch has used
  watch TEXT NOT NULL,                                 -- may be deleted
  began_at TIMESTAMP WITH TIME ZONE NOT NULL,          -- the period
  messages INTEGER NOT NULL,                           -- in it
  last_at TIMESTAMP WITH TIME ZONE,                    -- the newest message
  unreported INTEGER NOT NULL,                         -- alerts over budget that no message has mentioned
  CONSTRAINT budgets_pkey PRIMARY KEY (watch)
);

-- Notices of the time before receivers are not reported to anybody.
ALTER TABLE notices
  ADD COLUMN handled_at TIMESTAMP WITH TIME ZONE,      -- reported, or decided that nobody is notified
  ADD COLUMN receivers TEXT[];                         -- to which it is reported
UPDATE notices SET handled_at = clock_timestamp();
CREATE INDEX notices_unhandled ON notices (id) WHERE handled_at IS NULL;
"""


def upgrade() -> None:
    """Create the tables, and mark all notices as handled."""
    op.execute(TABLES)


def downgrade() -> None:
    """Drop receivers with their deliveries."""
    op.execute("DROP INDEX notices_unhandled")
    op.execute("ALTER TABLE notices DROP COLUMN handled_at, DROP COLUMN receivers")
    for table in ("budgets", "deliveries", "receivers"):
        op.execute(f"DROP TABLE {table}")
