"""Alembic's entry point: one connection, one migration at a time, and no long wait for locks on a busy table."""

from alembic import context
from sqlalchemy import create_engine, pool, text

from shared.settings import Settings
from shared.store.locks import MIGRATION
from shared.store.tables import metadata


def run() -> None:
    """Migrate the database that the caller names, else the one in the settings."""
    url = context.config.attributes.get("database_url") or Settings.load().database
    engine = create_engine(url, poolclass=pool.NullPool)
    with engine.connect() as connection:
        context.configure(connection=connection, target_metadata=metadata, compare_server_default=True)
        with context.begin_transaction():
            # LOCAL, because a pooler hands the connection to another client after the transaction.
            connection.execute(text("SET LOCAL statement_timeout = 0"))
            connection.execute(text("SET LOCAL lock_timeout = '60s'"))
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": MIGRATION})
            # A statement that waits for a lock blocks all later queries of that table: fail instead.
            connection.execute(text("SET LOCAL lock_timeout = '5s'"))
            context.run_migrations()


run()
