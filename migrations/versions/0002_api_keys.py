"""API keys, and browser sessions that were started with one."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE api_keys (
  id TEXT NOT NULL,
  name TEXT NOT NULL,
  scopes TEXT[] NOT NULL,
  series_prefix TEXT COLLATE "C" DEFAULT '' NOT NULL,
  sha256 BYTEA NOT NULL,
  previous_sha256 BYTEA,
  previous_until TIMESTAMP WITH TIME ZONE,
  created_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
  expires_at TIMESTAMP WITH TIME ZONE,
  revoked_at TIMESTAMP WITH TIME ZONE,
  CONSTRAINT api_keys_pkey PRIMARY KEY (id),
  CONSTRAINT api_keys_sha256_key UNIQUE (sha256),
  CONSTRAINT api_keys_name CHECK (length(name) BETWEEN 1 AND 100),
  CONSTRAINT api_keys_scopes CHECK (cardinality(scopes) > 0 AND scopes <@ '{read,fit,admin}'::text[]),
  CONSTRAINT api_keys_series_prefix CHECK (series_prefix ~ '^[A-Za-z0-9._-]{0,128}$'),
  CONSTRAINT api_keys_digests CHECK (octet_length(sha256) = 32 AND octet_length(previous_sha256) = 32),
  CONSTRAINT api_keys_previous_ends CHECK ((previous_sha256 IS NULL) = (previous_until IS NULL))
);

CREATE TABLE browser_sessions (
  sha256 BYTEA NOT NULL,
  key_id TEXT NOT NULL,
  expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
  CONSTRAINT browser_sessions_pkey PRIMARY KEY (sha256),
  CONSTRAINT browser_sessions_key_id_fkey FOREIGN KEY(key_id) REFERENCES api_keys (id),
  CONSTRAINT browser_sessions_sha256 CHECK (octet_length(sha256) = 32)
);
CREATE INDEX browser_sessions_expires_at ON browser_sessions (expires_at);
"""

GUARDS = """
-- The API answers without a key only until the first key is created. A row in this table is the proof, so it stays.
CREATE FUNCTION api_keys_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'UPDATE' THEN
    IF NEW.id <> OLD.id OR (OLD.revoked_at IS NOT NULL AND NEW.revoked_at IS DISTINCT FROM OLD.revoked_at) THEN
      RAISE EXCEPTION 'key % is revoked for good', OLD.id USING ERRCODE = '55000';
    END IF;
    RETURN NEW;
  END IF;
  RAISE EXCEPTION 'keys are revoked, never deleted' USING ERRCODE = '55000';
END $$;
CREATE TRIGGER api_keys_guard_update BEFORE UPDATE ON api_keys FOR EACH ROW EXECUTE FUNCTION api_keys_guard();
CREATE TRIGGER api_keys_guard_delete BEFORE DELETE ON api_keys FOR EACH ROW EXECUTE FUNCTION api_keys_guard();
CREATE TRIGGER api_keys_guard_truncate BEFORE TRUNCATE ON api_keys EXECUTE FUNCTION api_keys_guard();
"""


def upgrade() -> None:
    """Create the tables and their guards."""
    op.execute(TABLES)
    op.execute(GUARDS)


def downgrade() -> None:
    """Drop the tables and their guards. Local requests to the API then need no key again."""
    op.execute("DROP TABLE browser_sessions")
    op.execute("DROP TABLE api_keys")
    op.execute("DROP FUNCTION api_keys_guard()")
