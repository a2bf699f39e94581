"""API keys, and browser sessions."""

from sqlalchemy import CheckConstraint, Column, ForeignKey, LargeBinary, Table, Text, text
from sqlalchemy.dialects.postgresql import ARRAY

from shared.store.tables.columns import CLOCK, SERIES_ID, metadata, moment

api_keys = Table(  # rows are never deleted: once a key has been created, every request needs one
    "api_keys",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("scopes", ARRAY(Text), nullable=False),
    Column("series_prefix", SERIES_ID, nullable=False, server_default=text("''")),
    Column("sha256", LargeBinary, nullable=False, unique=True),
    Column("previous_sha256", LargeBinary),  # of the token before the last rotation
    Column("previous_until", moment()),
    Column("created_at", moment(), nullable=False, server_default=CLOCK),
    Column("expires_at", moment()),
    Column("revoked_at", moment()),
    CheckConstraint("length(name) BETWEEN 1 AND 100", name="name"),
    CheckConstraint("cardinality(scopes) > 0 AND scopes <@ '{read,fit,write,admin}'::text[]", name="scopes"),
    CheckConstraint("series_prefix ~ '^[A-Za-z0-9._-]{0,128}$'", name="series_prefix"),
    CheckConstraint("octet_length(sha256) = 32 AND octet_length(previous_sha256) = 32", name="digests"),
    CheckConstraint("(previous_sha256 IS NULL) = (previous_until IS NULL)", name="previous_ends"),
)

browser_sessions = Table(
    "browser_sessions",
    metadata,
    Column("sha256", LargeBinary, primary_key=True),
    Column("key_id", Text, ForeignKey("api_keys.id"), nullable=False),
    Column("expires_at", moment(), nullable=False, index=True),
    CheckConstraint("octet_length(sha256) = 32", name="sha256"),
)
