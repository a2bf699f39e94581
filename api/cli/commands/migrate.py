"""`tsad migrate`: bring the database to this release's schema."""

import os
from typing import Annotated

import typer

from shared.settings import Settings
from shared.store import rights, schema

PASSWORD = "POSTGRES_APP_PASSWORD"  # noqa: S105 - the name of the variable


def migrate(
    *,
    role: Annotated[
        str,
        typer.Option(
            help="Then let this role read and write rows, which is all that processes need. "
            f"It is made where {PASSWORD} holds its password."
        ),
    ] = "",
) -> None:
    """Bring the schema of DATABASE_URL to this release; processes check it, and never change it themselves."""
    database = Settings.load().database
    schema.migrate(database)
    if role:
        rights.grant(database, role, os.environ.get(PASSWORD, ""))
