"""Jobs, series, versions and the collector's notes, with the rules that the database enforces."""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE fit_jobs (
  id UUID NOT NULL,
  seq BIGINT GENERATED ALWAYS AS IDENTITY,
  series_id TEXT COLLATE "C" NOT NULL,
  detector TEXT NOT NULL,
  parameters JSONB DEFAULT '{}' NOT NULL,
  points INTEGER NOT NULL,
  data_key TEXT,
  data_sha256 BYTEA NOT NULL,
  data_size BIGINT NOT NULL,
  status TEXT DEFAULT 'queued' NOT NULL,
  attempt INTEGER DEFAULT 0 NOT NULL,
  crashes SMALLINT DEFAULT 0 NOT NULL,
  releases INTEGER DEFAULT 0 NOT NULL,
  available_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
  lease_until TIMESTAMP WITH TIME ZONE,
  worker TEXT,
  progress REAL DEFAULT 0 NOT NULL,
  revision INTEGER DEFAULT 1 NOT NULL,
  announced_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp(),
  announcements INTEGER DEFAULT 0 NOT NULL,
  retry_of UUID,
  api_key_id TEXT DEFAULT '-' NOT NULL,
  idempotency_key TEXT,
  request_sha256 BYTEA,
  request_id TEXT,
  version INTEGER,
  error_code TEXT,
  error_detail TEXT,
  created_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
  started_at TIMESTAMP WITH TIME ZONE,
  finished_at TIMESTAMP WITH TIME ZONE,
  CONSTRAINT fit_jobs_pkey PRIMARY KEY (id),
  CONSTRAINT fit_jobs_series_id CHECK (
    series_id ~ '^[A-Za-z0-9._-]{1,128}$' AND series_id <> '.' AND position('..' IN series_id) = 0),
  CONSTRAINT fit_jobs_points CHECK (points > 0),
  CONSTRAINT fit_jobs_data_sha256 CHECK (octet_length(data_sha256) = 32),
  CONSTRAINT fit_jobs_data_size CHECK (data_size > 0),
  CONSTRAINT fit_jobs_status CHECK (status IN ('queued', 'running', 'succeeded', 'failed', 'cancelled')),
  CONSTRAINT fit_jobs_progress CHECK (progress BETWEEN 0 AND 1),
  CONSTRAINT fit_jobs_idempotency_key CHECK (length(idempotency_key) BETWEEN 1 AND 255),
  CONSTRAINT fit_jobs_request_sha256 CHECK (octet_length(request_sha256) = 32),
  CONSTRAINT fit_jobs_lease_iff_running CHECK ((status = 'running') = (lease_until IS NOT NULL)),
  CONSTRAINT fit_jobs_version_iff_success CHECK ((status = 'succeeded') = (version IS NOT NULL)),
  CONSTRAINT fit_jobs_error_iff_failed CHECK ((status = 'failed') = (error_code IS NOT NULL)),
  CONSTRAINT fit_jobs_finish_iff_final CHECK ((status IN ('queued', 'running')) = (finished_at IS NULL)),
  CONSTRAINT fit_jobs_open_holds_data CHECK (status NOT IN ('queued', 'running') OR data_key IS NOT NULL),
  CONSTRAINT fit_jobs_success_frees_data CHECK (status <> 'succeeded' OR data_key IS NULL),
  CONSTRAINT fit_jobs_key_has_digest CHECK (idempotency_key IS NULL OR request_sha256 IS NOT NULL)
)
WITH (fillfactor = 85);
CREATE INDEX fit_jobs_data ON fit_jobs (data_key)
  WHERE data_key IS NOT NULL;
CREATE INDEX fit_jobs_finished ON fit_jobs (finished_at)
  WHERE finished_at IS NOT NULL;
CREATE UNIQUE INDEX fit_jobs_idempotency ON fit_jobs (api_key_id, idempotency_key)
  WHERE idempotency_key IS NOT NULL;
CREATE INDEX fit_jobs_newest ON fit_jobs (created_at, seq);
CREATE INDEX fit_jobs_newest_of_series ON fit_jobs (series_id, created_at, seq);
CREATE INDEX fit_jobs_newest_of_status ON fit_jobs (status, created_at, seq);
CREATE UNIQUE INDEX fit_jobs_one_open_retry ON fit_jobs (retry_of)
  WHERE retry_of IS NOT NULL AND status IN ('queued', 'running');
CREATE UNIQUE INDEX fit_jobs_one_running_per_series ON fit_jobs (series_id)
  WHERE status = 'running';
CREATE INDEX fit_jobs_open ON fit_jobs (series_id, seq) INCLUDE (api_key_id, data_size)
  WHERE status IN ('queued', 'running');
CREATE INDEX fit_jobs_retryable ON fit_jobs (finished_at)
  WHERE finished_at IS NOT NULL AND data_key IS NOT NULL;

CREATE TABLE series (
  series_id TEXT COLLATE "C" NOT NULL,
  last_version INTEGER NOT NULL,
  pinned_version INTEGER,
  CONSTRAINT series_pkey PRIMARY KEY (series_id),
  CONSTRAINT series_last_version CHECK (last_version >= 1)
);

CREATE TABLE versions (
  series_id TEXT COLLATE "C" NOT NULL,
  version INTEGER NOT NULL,
  job_id UUID NOT NULL,
  attempt INTEGER NOT NULL,
  detector TEXT NOT NULL,
  parameters JSONB NOT NULL,
  points INTEGER NOT NULL,
  first_timestamp BIGINT NOT NULL,
  last_timestamp BIGINT NOT NULL,
  learnt JSONB NOT NULL,
  anomaly_share DOUBLE PRECISION NOT NULL,
  sparkline DOUBLE PRECISION[] NOT NULL,
  fit_ms DOUBLE PRECISION NOT NULL,
  data_key TEXT NOT NULL,
  data_sha256 BYTEA NOT NULL,
  data_size BIGINT NOT NULL,
  state_key TEXT NOT NULL,
  state_sha256 BYTEA NOT NULL,
  state_size BIGINT NOT NULL,
  scores_key TEXT NOT NULL,
  scores_sha256 BYTEA NOT NULL,
  scores_size BIGINT NOT NULL,
  created_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
  CONSTRAINT versions_pkey PRIMARY KEY (series_id, version),
  CONSTRAINT versions_version CHECK (version >= 1),
  CONSTRAINT versions_anomaly_share CHECK (anomaly_share BETWEEN 0 AND 1),
  CONSTRAINT versions_data_sha256 CHECK (octet_length(data_sha256) = 32),
  CONSTRAINT versions_state_sha256 CHECK (octet_length(state_sha256) = 32),
  CONSTRAINT versions_scores_sha256 CHECK (octet_length(scores_sha256) = 32),
  CONSTRAINT versions_series_id_fkey FOREIGN KEY(series_id) REFERENCES series (series_id),
  CONSTRAINT versions_job_id_key UNIQUE (job_id),
  CONSTRAINT versions_state_key_key UNIQUE (state_key),
  CONSTRAINT versions_scores_key_key UNIQUE (scores_key)
);
CREATE INDEX versions_data_key ON versions (data_key);

CREATE TABLE garbage (
  key TEXT NOT NULL,
  series_id TEXT COLLATE "C" NOT NULL,
  job_id UUID NOT NULL,
  noted_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
  CONSTRAINT garbage_pkey PRIMARY KEY (key)
);
CREATE INDEX garbage_noted_at ON garbage (noted_at);

ALTER TABLE series ADD CONSTRAINT series_pin_exists
  FOREIGN KEY (series_id, pinned_version) REFERENCES versions (series_id, version);
"""

GUARDS = """
-- True if no row refers to the artifact, and no open job can still write or publish under this key. References are
-- only copied from a row that is locked meanwhile (retry, publish), and final jobs stay final. So once true, it stays
-- true, except for a data artifact whose job is not accepted yet. (A function, because PostgreSQL plans a view over the
-- UNION of the columns as a scan of all versions.)
CREATE FUNCTION is_garbage(key text, job_id uuid) RETURNS boolean LANGUAGE sql STABLE AS $$
  SELECT NOT EXISTS (SELECT 1 FROM fit_jobs j WHERE j.data_key = $1)
     AND NOT EXISTS (SELECT 1 FROM versions v WHERE v.data_key = $1)
     AND NOT EXISTS (SELECT 1 FROM versions v WHERE v.state_key = $1)
     AND NOT EXISTS (SELECT 1 FROM versions v WHERE v.scores_key = $1)
     AND NOT EXISTS (SELECT 1 FROM fit_jobs j WHERE j.id = $2 AND j.status IN ('queued', 'running'))
$$;

-- The database rejects illegal histories, regardless of the code.
CREATE FUNCTION fit_jobs_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' THEN
    RAISE EXCEPTION 'job % is % and cannot be deleted', OLD.id, OLD.status USING ERRCODE = '55000';
  END IF;
  IF NEW.status <> OLD.status AND (OLD.status, NEW.status) NOT IN (
       ('queued', 'running'), ('queued', 'cancelled'),
       ('running', 'queued'), ('running', 'succeeded'), ('running', 'failed'), ('running', 'cancelled')) THEN
    RAISE EXCEPTION 'job % is % and cannot become %', OLD.id, OLD.status, NEW.status USING ERRCODE = '55000';
  END IF;
  IF NEW.attempt <> OLD.attempt + (OLD.status = 'queued' AND NEW.status = 'running')::int
     OR (NEW.id, NEW.seq, NEW.series_id, NEW.data_sha256)
        IS DISTINCT FROM (OLD.id, OLD.seq, OLD.series_id, OLD.data_sha256)
     OR (NEW.data_key IS NOT NULL AND NEW.data_key IS DISTINCT FROM OLD.data_key) THEN
    RAISE EXCEPTION 'illegal change of job %', OLD.id USING ERRCODE = '55000';
  END IF;
  IF NEW.status = 'succeeded' AND OLD.status <> 'succeeded' AND NOT EXISTS (
       SELECT 1 FROM versions WHERE job_id = NEW.id AND series_id = NEW.series_id AND version = NEW.version) THEN
    RAISE EXCEPTION 'job % cannot succeed without its version', NEW.id USING ERRCODE = '55000';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER fit_jobs_guard_update
  BEFORE UPDATE OF id, seq, series_id, data_key, data_sha256, status, attempt, version
  ON fit_jobs FOR EACH ROW EXECUTE FUNCTION fit_jobs_guard();          -- not on heartbeats
CREATE TRIGGER fit_jobs_guard_delete BEFORE DELETE
  ON fit_jobs FOR EACH ROW WHEN (OLD.status IN ('queued', 'running')) EXECUTE FUNCTION fit_jobs_guard();

-- Counts the changes of a job that clients can see, for streams. A heartbeat without progress is not one.
CREATE FUNCTION fit_jobs_revise() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.revision := OLD.revision + 1;
  RETURN NEW;
END $$;
CREATE TRIGGER fit_jobs_revise BEFORE UPDATE ON fit_jobs FOR EACH ROW
  WHEN ((OLD.status, OLD.attempt, OLD.progress, OLD.data_key) IS DISTINCT FROM
        (NEW.status, NEW.attempt, NEW.progress, NEW.data_key))
  EXECUTE FUNCTION fit_jobs_revise();

CREATE FUNCTION versions_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'UPDATE' THEN
    RAISE EXCEPTION 'versions never change' USING ERRCODE = '55000';
  END IF;
  IF NOT EXISTS (SELECT 1 FROM fit_jobs WHERE id = NEW.job_id AND status = 'succeeded' AND version = NEW.version) THEN
    RAISE EXCEPTION 'version % of % without a succeeded job', NEW.version, NEW.series_id USING ERRCODE = '55000';
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER versions_guard_update BEFORE UPDATE ON versions FOR EACH ROW EXECUTE FUNCTION versions_guard();
CREATE CONSTRAINT TRIGGER versions_guard_insert AFTER INSERT ON versions DEFERRABLE INITIALLY DEFERRED
  FOR EACH ROW EXECUTE FUNCTION versions_guard();                      -- at COMMIT: both rows or neither
"""


def upgrade() -> None:
    """Create all tables and guards."""
    op.execute(TABLES)
    op.execute(GUARDS)


def downgrade() -> None:
    """Drop all tables and guards, including the data."""
    op.execute("ALTER TABLE series DROP CONSTRAINT series_pin_exists")
    for table in ("garbage", "versions", "series", "fit_jobs"):
        op.execute(f"DROP TABLE {table}")
    for function in ("versions_guard()", "fit_jobs_revise()", "fit_jobs_guard()", "is_garbage(text, uuid)"):
        op.execute(f"DROP FUNCTION {function}")
