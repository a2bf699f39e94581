"""Fitted states in memory, by the SHA-256 of their artifact: what a state says can never be another version's."""

from shared.artifacts import Store
from shared.caching import Cache
from shared.domain.detectors.states import Fitted, decode
from shared.domain.versions import Artifact

OVERHEAD_BYTES = 2_000  # a small state as Python objects


class States:
    """Keeps states up to a number of bytes, the longest unused going first. Threads may share it."""

    def __init__(self, store: Store, most_bytes: int) -> None:
        self._store = store
        self._cache: Cache[bytes, Fitted] = Cache(most_bytes)

    def cached(self, sha256: bytes) -> Fitted | None:
        """The state of that digest, if it is in memory."""
        return self._cache.get(sha256)

    def load(self, artifact: Artifact) -> Fitted:
        """Return the state, read from the store unless it is in memory.

        Raises `DamagedError` where the file is not what was stored, `UnavailableError` where the store is away.
        """
        fitted = self._cache.get(artifact.sha256)
        if fitted is None:
            content = self._store.get(artifact)
            fitted = decode(content)
            self._cache.put(artifact.sha256, fitted, len(content) + OVERHEAD_BYTES)
        return fitted
