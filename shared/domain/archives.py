"""Arrays as bytes that a stranger may have touched: npz archives, read without pickle and without surprises."""

import io
import struct
import zipfile
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

MOST_BYTES = 2**30  # of all arrays of an archive, expanded

# zipfile, zlib and NumPy each say in their own way that bytes are not what they wrote
_UNREADABLE = (
    EOFError,
    KeyError,
    MemoryError,  # a head that announces more than there is
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)


def unpacked(content: bytes) -> dict[str, NDArray[Any]]:
    """All arrays of an npz archive by name; raise `ValueError` for bytes that are none, or hold anything but arrays.

    So are those that expand to more than `MOST_BYTES`, before any of it is expanded: zipfile reads no more of a member
    than the archive's directory announces.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as directory:
            if sum(member.file_size for member in directory.infolist()) > MOST_BYTES:
                raise ValueError(f"it expands to more than {MOST_BYTES:,} bytes")
        with np.load(io.BytesIO(content), allow_pickle=False) as archive:
            found = dict(archive)
        if not all(isinstance(array, np.ndarray) for array in found.values()):  # NumPy gives other members as bytes
            raise ValueError("it holds what is no array")
    except _UNREADABLE as error:
        raise ValueError(str(error)) from error
    return found
