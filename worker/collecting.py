"""The collector: the only one who deletes artifacts, and only those that no row refers to or ever will."""

import logging
import time
from collections.abc import Iterator
from itertools import islice

from shared.artifacts import Artifacts, Key, LocalFolder
from shared.store import garbage
from shared.store.engine import Sessions

logger = logging.getLogger(__name__)

KEYS_AT_A_TIME = 500


def collect(sessions: Sessions, artifacts: Artifacts, grace_s: float) -> int:
    """Note what has no owner, delete what had none for a whole grace; return how many files were deleted."""
    for folder in (artifacts.data, artifacts.states):
        for keys in _slices(folder):
            with sessions.begin() as session:
                garbage.note(session, keys)
        for file in folder.abandoned(older_than=time.time() - grace_s):
            file.unlink(missing_ok=True)
    return sum(_delete(artifacts, names) for names in _ripe(sessions, grace_s))


def _slices(folder: LocalFolder) -> Iterator[list[Key]]:
    keys = folder.keys()
    while slice_ := list(islice(keys, KEYS_AT_A_TIME)):
        yield slice_


def _ripe(sessions: Sessions, grace_s: float) -> Iterator[list[str]]:
    """Names to delete, slice by slice; each slice's notes are gone, and committed, before its files are."""
    while True:
        with sessions.begin() as session:
            noted, names = garbage.take(session, grace_s, KEYS_AT_A_TIME)
        if not noted:
            return
        yield names


def _delete(artifacts: Artifacts, names: list[str]) -> int:
    for name in names:
        artifacts.data.delete(name)
        artifacts.states.delete(name)
        logger.info("artifact %s had no owner and is deleted", name)
    return len(names)
