"""Safe reading of npz archives from untrusted bytes: no pickle, and a limit on the expanded size."""

import io
import math
import struct
import zipfile
import zlib
from collections.abc import Iterator
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

MAX_BYTES = 2**30  # limit for all arrays of an archive together, expanded

# zipfile, zlib and NumPy raise different errors for damaged bytes
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
    """Read all arrays of an npz archive, by name.

    Raise `ValueError` if the bytes are not an npz archive, hold anything but arrays, or expand to more than
    `MAX_BYTES`. The size is checked before anything is expanded: zipfile reads no more of a member than the archive's
    directory declares. `MemoryError` means that this process lacks the memory for an intact archive.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = archive.infolist()
            if sum(member.file_size for member in members) > MAX_BYTES:
                raise ValueError(f"it expands to more than {MAX_BYTES:,} bytes")
            return {member.filename.removesuffix(".npy"): _array(archive, member) for member in members}
    except _UNREADABLE as error:
        raise ValueError(str(error)) from error


def has_column(archive: IO[bytes], name: str) -> bool:
    """Whether an npz archive has a column of this name; raise `ValueError` if it cannot be read."""
    try:
        with zipfile.ZipFile(archive) as members:
            return f"{name}.npy" in members.namelist()
    except _UNREADABLE as error:
        raise ValueError(str(error)) from error


def sliced(archive: IO[bytes], name: str, dtype: type[np.generic], length: int) -> Iterator[NDArray[Any]]:
    """Yield the column `name` (n,) of an npz archive in slices of `length` items, without reading all of it.

    Raise `ValueError` if there is no such column of this type, or its bytes cannot be read.
    """
    try:
        with zipfile.ZipFile(archive) as members, members.open(f"{name}.npy") as file:
            np.lib.format.read_magic(file)
            shape, _, stored_dtype = np.lib.format.read_array_header_1_0(file)
            if len(shape) != 1 or stored_dtype != dtype:
                raise ValueError(f"{name} is not a column of {dtype.__name__}")
            for start in range(0, shape[0], length):
                size = min(length, shape[0] - start) * stored_dtype.itemsize
                yield np.frombuffer(file.read(size), stored_dtype)
    except _UNREADABLE as error:
        raise ValueError(str(error)) from error


def _array(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> NDArray[Any]:
    with archive.open(member) as file:
        _check_header(file, member.file_size)
    with archive.open(member) as file:
        return np.lib.format.read_array(file, allow_pickle=False)


def _check_header(file: IO[bytes], size: int) -> None:
    """Raise `ValueError` if the header declares more bytes than the member has: NumPy would allocate them."""
    major, _ = np.lib.format.read_magic(file)
    read_header = np.lib.format.read_array_header_1_0 if major == 1 else np.lib.format.read_array_header_2_0
    shape, _, dtype = read_header(file)
    if math.prod(shape) * dtype.itemsize > size:
        raise ValueError("an array declares more bytes than it has")
