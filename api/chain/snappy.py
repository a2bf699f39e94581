"""Snappy blocks, the compression of Prometheus remote write. A block names its size, which is checked first."""

import cramjam

from shared.errors import Code, InputError

MAX_EXPANSION = 22  # times the compressed size: three bytes copy at most 64
_HEAD_BYTES = 64


def size_of(block: bytes) -> int:
    """Return the expanded size that a block names; raise `InputError` if it names none that it can have."""
    try:
        size = cramjam.snappy.decompress_raw_len(block)
    except cramjam.DecompressionError:
        raise _invalid() from None
    if size > MAX_EXPANSION * len(block) + _HEAD_BYTES:
        raise _invalid()
    return int(size)


def expanded(block: bytes) -> bytes:
    """Return the content of a block whose size was checked; raise `InputError` if it is not valid."""
    try:
        return bytes(cramjam.snappy.decompress_raw(block))
    except cramjam.DecompressionError:
        raise _invalid() from None


def _invalid() -> InputError:
    return InputError(
        Code.INVALID_ENCODING, "The body is not a valid snappy block (the block format, not the stream format)."
    )
