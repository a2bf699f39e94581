"""API key of the measured service: if `TSAD_API_KEY` is set, the service requires it and every request carries it."""

import os
import secrets

from shared.domain.access import Scope, check_token, digest
from shared.store import keys
from shared.store.engine import Sessions

TOKEN = os.environ.get("TSAD_API_KEY", "")
HEADERS = {"Authorization": f"Bearer {TOKEN}"} if TOKEN else {}


def require_key(sessions: Sessions) -> None:
    """Create the key in the database, so that requests need one; do nothing if `TSAD_API_KEY` is empty."""
    if TOKEN:
        with sessions.begin() as session:
            keys.create(session, secrets.token_hex(6), "measuring", list(Scope), "", digest(check_token(TOKEN)), None)
    sessions.engine.dispose()
