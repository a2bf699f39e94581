"""Arrays as bytes that a stranger may have touched: npz archives, read without pickle and without surprises."""

import io
import struct
import zipfile
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

# zipfile, zlib and NumPy each say in their own way that bytes are not what they wrote
_UNREADABLE = (
    EOFError,
    KeyError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)


def unpacked(content: bytes) -> dict[str, NDArray[Any]]:
    """All arrays of an npz archive by name; raise `ValueError` for bytes that are none, or hold anything but arrays."""
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as archive:
            return dict(archive)
    except _UNREADABLE as error:
        raise ValueError(str(error)) from error
