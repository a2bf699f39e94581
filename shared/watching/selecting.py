"""Which source takes a series that another system sends, and under which id."""

from collections.abc import Callable, Hashable, Sequence
from threading import Lock
from typing import Generic, NamedTuple, TypeVar

from shared.caching import Cache
from shared.domain.watching.labels import NAME, Labels, id_of
from shared.domain.watching.sources import Source, SourceKind
from shared.watching.claiming import LabelSet

CACHE_BYTES = 64 * 1024 * 1024
ENTRY_BYTES = 1_500  # labels of usual size, as bytes and as text

Key = TypeVar("Key", bound=Hashable)


class Target(NamedTuple):
    """What becomes of a series that a source takes."""

    source: str
    series_id: str
    labels: LabelSet


class Selection(Generic[Key]):
    """Remembers which source takes which series, until a source changes. Thread-safe."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._revisions: Sequence[tuple[str, int]] = ()
        self._sources: Sequence[Source] = ()
        self._known: Cache[Key, Target | str] = Cache(CACHE_BYTES)

    def update(self, sources: Sequence[Source]) -> None:
        """Use these sources from now on."""
        revisions = [(source.name, source.revision) for source in sources]
        with self._lock:
            if revisions != self._revisions:
                self._sources = [source for source in sources if source.kind == SourceKind.REMOTE_WRITE]
                self._known = Cache(CACHE_BYTES)
                self._revisions = revisions

    def target(self, key: Key, labels_of: Callable[[Key], Labels]) -> Target | str | None:
        """Return where a series goes, None if no source takes it, or what is wrong with its labels.

        labels_of: reads the labels of a series from its key; raises `ValueError` if they are invalid.
        """
        known = self._known
        if (found := known.get(key)) is None:
            found = self._find(key, labels_of) or ""
            known.put(key, found, ENTRY_BYTES)
        return found or None

    def _find(self, key: Key, labels_of: Callable[[Key], Labels]) -> Target | str | None:
        try:
            labels = labels_of(key)
        except ValueError as error:
            return f"The labels are invalid: {error}."
        if NAME not in labels:
            return f"The series has no label {NAME}, the name of its metric."
        source = next((source for source in self._sources if source.selects(labels)), None)
        if source is None:
            return None
        return Target(source.name, id_of(source.id_template, labels), tuple(labels.items()))
