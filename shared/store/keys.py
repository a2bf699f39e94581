"""API keys and browser sessions. Only hashes of tokens are stored."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.exc import ProgrammingError

from shared.domain.access import ApiKey, Caller, Scope
from shared.errors import Code, UnavailableError
from shared.store.engine import Session

MAX_SESSIONS = 20  # open browser sessions of one key

_IS_ACTIVE = "revoked_at IS NULL AND coalesce(expires_at, 'infinity') > clock_timestamp()"

_CREATE = text("""
INSERT INTO api_keys (id, name, scopes, series_prefix, sha256, expires_at)
VALUES (:key_id, :name, CAST(:scopes AS text[]), :series_prefix, :sha256, :expires_at)
ON CONFLICT (sha256) DO NOTHING RETURNING id
""")
_LIST = text(f"""
SELECT id AS key_id, name, scopes, series_prefix, created_at, expires_at, revoked_at, {_IS_ACTIVE} AS active
  FROM api_keys ORDER BY created_at, id
""")
_NAME = text("SELECT name FROM api_keys WHERE id = :key_id")
# The previous token stays valid for a while, so that clients can switch to the new one.
_ROTATE = text(f"""
UPDATE api_keys SET previous_sha256 = sha256, previous_until = clock_timestamp() + :overlap, sha256 = :sha256
 WHERE id = :key_id AND {_IS_ACTIVE} RETURNING 1
""")
_REVOKE = text("""
UPDATE api_keys SET revoked_at = clock_timestamp() WHERE id = :key_id AND revoked_at IS NULL RETURNING 1
""")

# One statement, so that all rows belong to one snapshot.
_READ = text(f"""
WITH active AS (SELECT * FROM api_keys WHERE {_IS_ACTIVE}), valid AS (
  SELECT false AS is_browser, id, scopes, series_prefix, sha256 AS digest, expires_at AS ends_at FROM active
  UNION ALL
  SELECT false, id, scopes, series_prefix, previous_sha256, least(previous_until, expires_at)
    FROM active WHERE previous_until > clock_timestamp()
  UNION ALL
  SELECT true, id, scopes, series_prefix, b.sha256, least(b.expires_at, active.expires_at)
    FROM active JOIN browser_sessions b ON b.key_id = active.id
   WHERE b.sha256 = ANY(:presented) AND b.expires_at > clock_timestamp()
)
SELECT EXISTS (SELECT 1 FROM api_keys) AS any_created, is_browser, id, scopes, series_prefix, digest,
       CAST(extract(epoch FROM ends_at - clock_timestamp()) AS double precision) AS valid_for_s
  FROM (SELECT 1) AS always LEFT JOIN valid ON true
""")

_LOCK = text("SELECT FROM api_keys WHERE id = :key_id FOR NO KEY UPDATE")
_OPEN_SESSION = text("""
WITH ended AS (
  DELETE FROM browser_sessions WHERE expires_at < clock_timestamp() OR sha256 IN (
    SELECT sha256 FROM browser_sessions WHERE key_id = :key_id ORDER BY expires_at DESC, sha256 OFFSET :max_sessions - 1
  )
)
INSERT INTO browser_sessions (sha256, key_id, expires_at) VALUES (:sha256, :key_id, clock_timestamp() + :lifetime)
""")
_END_SESSION = text("DELETE FROM browser_sessions WHERE sha256 = :sha256")


@dataclass(frozen=True, slots=True)
class Credential:
    """A valid credential of a caller: a token of a key, or a browser session."""

    digest: bytes
    caller: Caller
    valid_for_s: float | None


@dataclass(frozen=True, slots=True)
class Credentials:
    """Valid credentials."""

    any_created: bool  # whether any key was ever created
    valid: list[Credential]  # of all keys
    browsers: list[Credential]  # of the requested browser sessions


def create(
    session: Session,
    key_id: str,
    name: str,
    scopes: Collection[Scope],
    prefix: str,
    sha256: bytes,
    expires_at: datetime | None,
) -> bool:
    """Store a new key; return False if a key with this token exists."""
    row = {"key_id": key_id, "name": name, "scopes": sorted(scopes), "series_prefix": prefix, "sha256": sha256}
    return session.execute(_CREATE, row | {"expires_at": expires_at}).first() is not None


def all_keys(session: Session) -> list[ApiKey]:
    """Return all keys ever created, oldest first."""
    return [ApiKey(**row._asdict()) for row in session.execute(_LIST)]


def name_of(session: Session, key_id: str | None) -> str | None:
    """Return the name of a key; None if there is none with this id."""
    return session.execute(_NAME, {"key_id": key_id}).scalar()


def rotate(session: Session, key_id: str, sha256: bytes, overlap: timedelta) -> bool:
    """Replace the token of an active key; return False if there is none. The old token stays valid for `overlap`."""
    row = {"key_id": key_id, "sha256": sha256, "overlap": overlap}
    return session.execute(_ROTATE, row).first() is not None


def revoke(session: Session, key_id: str) -> bool:
    """Revoke a key permanently; return False if it is unknown or already revoked."""
    return session.execute(_REVOKE, {"key_id": key_id}).first() is not None


def read(session: Session, presented: Collection[bytes] = ()) -> Credentials:
    """Read all valid keys, and the browser sessions with these digests that are valid.

    Raises `UnavailableError` if the schema is too old to have keys.
    """
    try:
        rows = session.execute(_READ, {"presented": list(presented)}).all()
    except ProgrammingError:
        raise UnavailableError(
            Code.DATABASE_UNAVAILABLE,
            "The database schema is older than this release. "
            "Run `tsad migrate`; in a home of `tsad up`, restart `tsad up`.",
            retry_after_s=5,
        ) from None
    valid = [row for row in rows if row.id is not None]
    return Credentials(
        rows[0].any_created,
        [_credential(row) for row in valid if not row.is_browser],
        [_credential(row) for row in valid if row.is_browser],
    )


def open_session(session: Session, sha256: bytes, key_id: str, lifetime: timedelta) -> None:
    """Store a browser session. Deletes expired ones, and the oldest of a key that has `MAX_SESSIONS`."""
    session.execute(_LOCK, {"key_id": key_id})  # so that concurrent sign-ins count each other
    session.execute(
        _OPEN_SESSION, {"sha256": sha256, "key_id": key_id, "lifetime": lifetime, "max_sessions": MAX_SESSIONS}
    )


def end_session(session: Session, sha256: bytes) -> None:
    """Delete a browser session."""
    session.execute(_END_SESSION, {"sha256": sha256})


def _credential(row: Row[Any]) -> Credential:
    caller = Caller(row.id, frozenset(map(Scope, row.scopes)), row.series_prefix)
    return Credential(bytes(row.digest), caller, row.valid_for_s)
