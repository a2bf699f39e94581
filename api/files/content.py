"""The bytes of a file: decompress them, and decode them as text."""

import bz2
import gzip
import lzma
import re
import sys
import zlib
from io import BufferedIOBase, BytesIO
from pathlib import Path

from api.files.table import too_big
from shared.errors import Code, InputError

STDIN = "-"
PARQUET = b"PAR1"
MIB = 1024 * 1024

_OTHER_FORMATS = {
    b"PK\x03\x04": "a zip archive or an Excel workbook: unpack it, or save the sheet as CSV",
    b"\xd0\xcf\x11\xe0": "an Excel workbook: save the sheet as CSV",
    b"\x28\xb5\x2f\xfd": "compressed with zstd: decompress it first, or use gzip",
    b"ARROW1": "an Arrow file: save it as Parquet or CSV",
    b"\x89HDF": "an HDF5 file: save the series as Parquet or CSV",
    b"SQLite format 3": "a SQLite database: export the table as CSV",
    b"%PDF": "a PDF document",
}
_MARKS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe\0\0", "utf-32"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
_CONTROL = re.compile(r"[\x01-\x08\x0e-\x1a\x1c-\x1f]")


def load(source: str) -> bytes:
    """Read a file, or standard input for `-`, and decompress it; raise `InputError` if that fails."""
    try:
        content = sys.stdin.buffer.read() if source == STDIN else Path(source).read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(Code.INVALID_FILE, f"{name_of(source)} cannot be read: {reason}.") from None
    return decompressed(content, name_of(source))


def decompressed(content: bytes, name: str, max_bytes: int | None = None) -> bytes:
    """Decompress gzip, bzip2 and xz, and return other content as it is.

    Raises `InputError` if the content is damaged, or expands to more than `max_bytes`.
    """
    file = _decompressing(content)
    if file is None:
        return content
    try:
        with file:
            expanded = file.read(-1 if max_bytes is None else max_bytes + 1)
    except (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError) as error:
        raise InputError(
            Code.INVALID_FILE,
            f"{name} is damaged or incomplete: it cannot be decompressed ({error}). Copy it again.",
        ) from None
    except MemoryError:
        raise too_big(name) from None
    if max_bytes is not None and len(expanded) > max_bytes:
        sentence = f"{name} expands to more than {max_bytes // MIB:,} MiB. Use `tsad fit`, or send fewer rows."
        raise InputError(Code.INVALID_FILE, sentence)
    return expanded


def _decompressing(content: bytes) -> BufferedIOBase | None:
    """Return the content as a file that decompresses itself; None if it is not compressed."""
    file = BytesIO(content)
    if content.startswith(b"\x1f\x8b"):
        return gzip.GzipFile(fileobj=file)
    if content.startswith(b"BZh"):
        return bz2.BZ2File(file)
    return lzma.LZMAFile(file) if content.startswith(b"\xfd7zXZ\x00") else None


def decode(content: bytes, encoding: str | None, name: str) -> tuple[str, list[str]]:
    """Decode text and return it with notes; raise `InputError` if the bytes are not text.

    Without `encoding`, a byte order mark decides, then the zeros of UTF-16, then UTF-8, and Windows-1252 at last.
    """
    if encoding is None:
        for magic, description in _OTHER_FORMATS.items():
            if content.startswith(magic):
                raise InputError(Code.INVALID_FILE, f"{name} is {description}.")
    guess = encoding or _guessed(content)
    try:
        text = content.decode(guess)
    except LookupError:
        raise InputError(Code.INVALID_FILE, f"--encoding is {encoding!r}: Python knows no such encoding.") from None
    except ValueError as error:
        if encoding or guess != "utf-8":
            raise InputError(Code.INVALID_FILE, f"{name} is not valid {guess} text: {error}. Use --encoding.") from None
        return _decode_windows(content, name)
    notes = [f"encoding {guess.upper()}"] if not encoding and guess.startswith(("utf-16", "utf-32")) else []
    return text.removeprefix("\ufeff"), notes


def _guessed(content: bytes) -> str:
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            return encoding
    head = content[:4096]
    zeros = head[0::2].count(0), head[1::2].count(0)
    if max(zeros) > 0.4 * len(head) / 2 and min(zeros) == 0:
        return "utf-16-le" if zeros[1] else "utf-16-be"
    return "utf-8"


def _decode_windows(content: bytes, name: str) -> tuple[str, list[str]]:
    try:
        text = content.decode("cp1252")
    except ValueError:
        text = "\x01"
    if _CONTROL.search(text) or "\0" in text:
        raise InputError(
            Code.INVALID_FILE,
            f"{name} is neither UTF-8 text nor Parquet. Save it as CSV in UTF-8, or name its --encoding.",
        )
    return text, ["encoding Windows-1252, because the file is not UTF-8"]


def name_of(source: str) -> str:
    """Return the name of the source for messages."""
    return "Standard input" if source == STDIN else source
