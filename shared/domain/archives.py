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
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = archive.infolist()
            if sum(member.file_size for member in members) > MOST_BYTES:
                raise ValueError(f"it expands to more than {MOST_BYTES:,} bytes")
            return {member.filename.removesuffix(".npy"): _array(archive, member) for member in members}
    except _UNREADABLE as error:
        raise ValueError(str(error)) from error


def _array(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> NDArray[Any]:
    with archive.open(member) as file:
        return np.lib.format.read_array(file, allow_pickle=False)
