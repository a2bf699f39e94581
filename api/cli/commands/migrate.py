"""`tsad migrate`: migrate the database to this release's schema."""

import os
from typing import Annotated

import typer

from api.cli.installation import installation
from api.cli.options import HomeFolder
from shared.store import rights, schema

PASSWORD = "POSTGRES_APP_PASSWORD"  # noqa: S105 - the name of the variable


def migrate(
    *,
    role: Annotated[
        str,
        typer.Option(
            help="Afterwards, grant this role access to rows; processes need no other rights. "
            f"If {PASSWORD} is set, create the role if needed and set its password."
        ),
    ] = "",
    home: HomeFolder = None,
) -> None:
    """Migrate the schema of an installation to this release, as `tsad up` does when it starts.

    The API only checks the schema.
    """
    with installation(home) as settings:
        schema.migrate(settings.database)
        if role:
            rights.grant(settings.database, role, os.environ.get(PASSWORD, ""))
