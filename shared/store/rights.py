"""What the role of the processes may do: read and write rows. Tables are changed by their owner alone."""

from psycopg2.extensions import encrypt_password
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.exc import OperationalError, ProgrammingError

from shared.errors import Code, SetupError

# The schema's revision is read by every process, and written by migrations alone.
_GRANTS = """
GRANT USAGE ON SCHEMA public TO {role};
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role};
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {role};
REVOKE INSERT, UPDATE, DELETE ON alembic_version FROM {role};
"""
_EXISTS = text("SELECT 1 FROM pg_roles WHERE rolname = :role")


def grant(database_url: str, role: str, password: str = "") -> None:
    """Let a role use the tables there are. With a password it is made if need be, and has that password from now on.

    To be called by the tables' owner after each migration. Raises `SetupError` where it may not, or there is no such
    role.
    """
    engine = create_engine(database_url)
    name = engine.dialect.identifier_preparer.quote(role)
    try:
        with engine.begin() as connection:
            if password:
                _give_password(connection, role, name, password)
            connection.exec_driver_sql(_GRANTS.format(role=name))
    except (OperationalError, ProgrammingError) as error:
        reason = str(error.orig).strip().splitlines()[0]
        raise SetupError(Code.CONFIGURATION, f"The role {role} cannot be given its rights: {reason}") from None
    finally:
        engine.dispose()


def _give_password(connection: Connection, role: str, name: str, password: str) -> None:
    """Hashed here, so that no log of the server's can show it."""
    known = connection.execute(_EXISTS, {"role": role}).first()
    hashed = encrypt_password(password, role, connection.connection.driver_connection, "scram-sha-256")
    connection.exec_driver_sql(f"{'ALTER' if known else 'CREATE'} ROLE {name} LOGIN PASSWORD '{hashed}'")
