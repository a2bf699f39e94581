"""With `TSAD_API_KEY`, the services that are measured ask for that key, and every request carries it."""

import os
import secrets

from shared.domain.access import Scope, check_token, digest
from shared.store import keys
from shared.store.engine import Sessions

TOKEN = os.environ.get("TSAD_API_KEY", "")
HEADERS = {"Authorization": f"Bearer {TOKEN}"} if TOKEN else {}


def demand_key(sessions: Sessions) -> None:
    """Make the key in a database, so that from then on nobody gets in without one; nothing where none is set."""
    if TOKEN:
        with sessions.begin() as session:
            keys.create(session, secrets.token_hex(6), "measuring", list(Scope), "", digest(check_token(TOKEN)), None)
    sessions.engine.dispose()
