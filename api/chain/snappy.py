"""Snappy blocks, the compression of Prometheus remote write. A block names its size, which is checked first."""

import cramjam

from api.computing.content import Content, new_memory
from shared.errors import Code, InputError

MAX_EXPANSION = 22  # times the compressed size: three bytes copy at most 64
HEAD_BYTES = 64


def size_of(head: bytes, block_bytes: int) -> int:
    """Return the expanded size that a block names; raise `InputError` if it names none that it can have.

    head: the first bytes of the block, of which it has `block_bytes`.
    """
    try:
        size = cramjam.snappy.decompress_raw_len(head)
    except cramjam.DecompressionError:
        raise _invalid() from None
    if size > MAX_EXPANSION * block_bytes + HEAD_BYTES:
        raise _invalid()
    return int(size)


def expanded(block: Content, size: int) -> memoryview:
    """Return the content of a block whose size was checked; raise `InputError` if it is not valid."""
    content = new_memory(size)
    try:
        written = cramjam.snappy.decompress_raw_into(block.whole(), content)
    except cramjam.DecompressionError:
        raise _invalid() from None
    if written != size:
        raise _invalid()
    return content


def _invalid() -> InputError:
    return InputError(
        Code.INVALID_ENCODING, "The body is not a valid snappy block (the block format, not the stream format)."
    )
