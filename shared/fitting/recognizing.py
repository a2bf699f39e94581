"""Recognition of the artifact folders. Without its volume, a mount point is an empty folder that accepts files."""

from shared.artifacts import LocalFolder, Store
from shared.store import folders
from shared.store.engine import Sessions


def recognize(sessions: Sessions, *stores: Store) -> None:
    """Mark artifact folders that no process has used, and require the known marks of the others from now on.

    Raise `UnavailableError` if a folder lacks its mark, or if the database is unavailable. Buckets have no marks: a
    missing bucket is an error of the service, never an empty bucket.
    """
    unknown = [store for store in stores if isinstance(store, LocalFolder) and not store.mark]
    if not unknown:
        return
    with sessions.begin() as session:
        folders.lock(session)
        for store in unknown:
            location = str(store.root.absolute())
            known = folders.find(session, location)
            mark = store.recognize(known)
            if known is None:
                folders.add(session, location, mark)
