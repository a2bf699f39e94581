"""The collector, the only code that deletes artifacts: those that no row refers to now or can refer to later.

The reconciler collects every `COLLECT_S`. `python -m worker.collecting` collects once, for `tsad gc`; `--dry-run` only
lists. It prints JSON, one object per line.
"""

import argparse
import json
import logging
import time
from collections.abc import Iterator
from itertools import islice

from shared import logs
from shared.artifacts import Artifacts, Key, Store
from shared.errors import TsadError
from shared.fitting.recognizing import recognize
from shared.settings import Settings
from shared.store import garbage
from shared.store.engine import Sessions, make_engine

logger = logging.getLogger(__name__)

KEYS_AT_A_TIME = 500


def collect(sessions: Sessions, artifacts: Artifacts, grace_s: float) -> int:
    """Record orphaned artifacts, and delete those recorded `grace_s` ago or earlier; return how many were deleted."""
    recognize(sessions, artifacts.data, artifacts.states)
    for store in (artifacts.data, artifacts.states):
        for keys in _batches(store):
            with sessions.begin() as session:
                garbage.note(session, keys)
        store.sweep(older_than=time.time() - grace_s)
    return sum(_delete(artifacts, names) for names in _garbage_batches(sessions, grace_s))


def orphaned(sessions: Sessions, artifacts: Artifacts) -> Iterator[str]:
    """Yield the names of artifacts of any age that no row refers to now. Changes nothing."""
    for store in (artifacts.data, artifacts.states):
        for keys in _batches(store):
            with sessions.begin() as session:
                names = garbage.orphaned(session, keys)
            yield from names


def _batches(store: Store) -> Iterator[list[Key]]:
    keys = store.keys()
    while batch := list(islice(keys, KEYS_AT_A_TIME)):
        yield batch


def _garbage_batches(sessions: Sessions, grace_s: float) -> Iterator[list[str]]:
    """Yield batches of names to delete, each after the removal of its records is committed."""
    while True:
        with sessions.begin() as session:
            removed, names = garbage.take(session, grace_s, KEYS_AT_A_TIME)
        if not removed:
            return
        yield names


def _delete(artifacts: Artifacts, names: list[str]) -> int:
    for name in names:
        artifacts.data.delete(name)
        artifacts.states.delete(name)
        logger.info("deleted orphaned artifact %s", name)
    return len(names)


def main() -> None:
    """Delete orphaned artifacts once, or list them."""
    parser = argparse.ArgumentParser(prog="python -m worker.collecting", description=main.__doc__)
    parser.add_argument("--dry-run", action="store_true", help="list orphaned artifacts without changing anything")
    dry_run = parser.parse_args().dry_run
    try:
        settings = Settings.load()
        logs.configure(settings)
        sessions, artifacts = Sessions(make_engine(settings, "tsad-collector")), Artifacts.of(settings)
        if dry_run:
            for name in orphaned(sessions, artifacts):
                print(json.dumps({"key": name}))
        else:
            print(json.dumps({"deleted": collect(sessions, artifacts, settings.garbage_grace_s)}))
    except TsadError as error:
        raise SystemExit(error.detail) from None


if __name__ == "__main__":
    main()
