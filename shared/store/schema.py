"""Schema migrations. They are a separate step (`tsad migrate`), which no process runs when it starts."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.exc import OperationalError

from shared.errors import Code, SetupError
from shared.store.engine import Sessions
from shared.urls import with_psycopg2

HOW_TO_MIGRATE = "run `tsad migrate`; in a home of `tsad up`, restart `tsad up`"
MIGRATIONS = Path(__file__).resolve().parents[2] / "migrations"


def migrate(database_url: str, revision: str = "head") -> None:
    """Migrate the schema to a revision, after any migration in progress; raise `SetupError` if that fails."""
    configuration = _configuration(database_url)
    try:
        command.upgrade(configuration, revision)
    except OperationalError as error:
        reason = str(error.orig).strip().splitlines()[0]
        raise SetupError(Code.DATABASE_UNAVAILABLE, f"The schema cannot be migrated: {reason}") from error


def expected_revision() -> str | None:
    """Return the revision that this release needs."""
    return ScriptDirectory.from_config(_configuration("")).get_current_head()


def revisions() -> set[str]:
    """Return all revisions that this release can migrate."""
    return {script.revision for script in ScriptDirectory.from_config(_configuration("")).walk_revisions()}


def current_revision(sessions: Sessions) -> str | None:
    """Return the revision of the database; None for an empty database."""
    with sessions.begin() as session:
        return MigrationContext.configure(session).get_current_revision()


def _configuration(database_url: str) -> Config:
    configuration = Config()
    configuration.set_main_option("script_location", str(MIGRATIONS))
    configuration.attributes["database_url"] = with_psycopg2(database_url)
    return configuration
