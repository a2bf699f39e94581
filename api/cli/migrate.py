"""`tsad migrate`: bring the database to this release's schema."""

from shared.settings import Settings
from shared.store import schema


def migrate() -> None:
    """Bring the schema of DATABASE_URL to this release; processes check it, and never change it themselves."""
    schema.migrate(Settings.load().database)
