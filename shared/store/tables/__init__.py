"""The tables, which Alembic compares with the database. Triggers and functions are in the migrations."""

from shared.store.tables import access, fits, messaging, sources, watching
from shared.store.tables.columns import metadata

__all__ = ["access", "fits", "messaging", "metadata", "sources", "watching"]
