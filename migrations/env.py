"""Alembic's entry: one connection, one migration at a time, no waiting for locks that a busy table holds."""

from alembic import context
from sqlalchemy import create_engine, pool, text

from shared.settings import Settings
from shared.store.locks import MIGRATION
from shared.store.tables import metadata


def run() -> None:
    """Migrate the database that the caller or the settings name."""
    url = context.config.attributes.get("database_url") or Settings.load().database
    engine = create_engine(url, poolclass=pool.NullPool)
    with engine.connect() as connection:
        context.configure(connection=connection, target_metadata=metadata, compare_server_default=True)
        with context.begin_transaction():
            # LOCAL, for behind a pooler the connection is somebody else's after the transaction.
            connection.execute(text("SET LOCAL statement_timeout = 0"))
            connection.execute(text("SET LOCAL lock_timeout = '60s'"))
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": MIGRATION})
            # A statement that waits for a lock makes every later query of that table wait behind it: give up instead.
            connection.execute(text("SET LOCAL lock_timeout = '5s'"))
            context.run_migrations()


run()
