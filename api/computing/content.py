"""The content of a request, which may be large, in the parts in which it arrived.

The process that decodes it joins the parts. Copying 30 MB takes 20 ms, for which Python would hold its global lock.
"""

from collections.abc import Iterable

import numpy as np


def new_memory(size: int) -> memoryview:
    """Return this many bytes. A bytearray would be filled with zeros first."""
    return np.empty(size, dtype=np.uint8).data


class Content:
    """Bytes in parts."""

    def __init__(self, parts: Iterable[bytes | memoryview]) -> None:
        self.parts = [part for part in parts if part]
        self._size = sum(map(len, self.parts))

    def __len__(self) -> int:
        return self._size

    def start(self, size: int) -> bytes:
        """Return the first bytes."""
        start = b""
        for part in self.parts:
            if len(start) >= size:
                break
            start += part[: size - len(start)]
        return start

    def whole(self) -> bytes:
        """Return all bytes. The first call may copy them."""
        part = self.parts[0] if len(self.parts) == 1 else None
        if not isinstance(part, bytes):
            part = b"".join(self.parts)
            self.parts = [part]
        return part

    def clear(self) -> None:
        """Free the parts one by one, between which another thread may get the global lock: freeing takes long, too."""
        while self.parts:
            self.parts.pop()
