"""Privileges of the processes' database role: it reads and writes rows. Only the owner changes tables."""

from psycopg2.extensions import encrypt_password
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.exc import OperationalError, ProgrammingError

from shared.errors import Code, SetupError

# Every process reads the schema's revision, but only migrations write it.
_GRANTS = """
GRANT USAGE ON SCHEMA public TO {role};
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role};
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {role};
REVOKE INSERT, UPDATE, DELETE ON alembic_version FROM {role};
"""
_EXISTS = text("SELECT 1 FROM pg_roles WHERE rolname = :role")


def grant(database_url: str, role: str, password: str = "") -> None:
    """Grant a role access to all existing tables. With a password, create the role if needed and set its password.

    The tables' owner calls this after each migration. Raise `SetupError` if the caller lacks the privilege or the role
    does not exist.
    """
    engine = create_engine(database_url)
    quoted_role = engine.dialect.identifier_preparer.quote(role)
    try:
        with engine.begin() as connection:
            if password:
                _set_password(connection, role, quoted_role, password)
            connection.exec_driver_sql(_GRANTS.format(role=quoted_role))
    except (OperationalError, ProgrammingError) as error:
        reason = str(error.orig).strip().splitlines()[0]
        raise SetupError(Code.CONFIGURATION, f"Cannot grant privileges to the role {role}: {reason}") from None
    finally:
        engine.dispose()


def _set_password(connection: Connection, role: str, quoted_role: str, password: str) -> None:
    """Set a password, hashed here so that it cannot appear in a log of the server."""
    exists = connection.execute(_EXISTS, {"role": role}).first()
    hashed = encrypt_password(password, role, connection.connection.driver_connection, "scram-sha-256")
    connection.exec_driver_sql(f"{'ALTER' if exists else 'CREATE'} ROLE {quoted_role} LOGIN PASSWORD '{hashed}'")
