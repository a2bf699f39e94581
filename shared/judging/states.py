"""In-memory cache of fitted states by the SHA-256 of their artifact: a verdict never uses another version's state."""

from shared.artifacts import Store
from shared.caching import Cache
from shared.domain.detectors.states import Fitted, decode
from shared.domain.versions import Artifact

OVERHEAD_BYTES = 2_000  # memory of a small state's Python objects


class States:
    """Thread-safe LRU cache of at most `max_bytes` of states, backed by the artifact store."""

    def __init__(self, store: Store, max_bytes: int) -> None:
        self._store = store
        self._cache: Cache[bytes, Fitted] = Cache(max_bytes)

    def cached(self, sha256: bytes) -> Fitted | None:
        """Return the state with this digest, or None if it is not in memory."""
        return self._cache.get(sha256)

    def load(self, artifact: Artifact) -> Fitted:
        """Return the state from memory, else from the store.

        Raise `DamagedError` if the file is not what was stored, `UnavailableError` if the store cannot be reached.
        """
        fitted = self._cache.get(artifact.sha256)
        if fitted is None:
            content = self._store.get(artifact)
            fitted = decode(content)
            self._cache.put(artifact.sha256, fitted, len(content) + OVERHEAD_BYTES)
        return fitted
