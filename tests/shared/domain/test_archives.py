"""Archives from untrusted sources."""

import io
import pickle
import zipfile

import numpy as np
import pytest

from shared.domain import archives
from shared.domain.archives import unpacked


def archive(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as zipped:
        for name, content in members.items():
            zipped.writestr(f"{name}.npy", content)
    return buffer.getvalue()


def array(content: object) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.asarray(content), allow_pickle=True)
    return buffer.getvalue()


class Trap:
    """Unpickling this raises SystemExit."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return SystemExit, ("it was unpickled",)


def test_arrays_round_trip() -> None:
    assert unpacked(archive(a=array([1, 2, 3])))["a"].tolist() == [1, 2, 3]


def test_nothing_is_unpickled() -> None:
    for content in (
        archive(a=array(np.array([Trap()], dtype=object))),
        archive(a=pickle.dumps(Trap())),
        pickle.dumps(Trap()),
    ):
        with pytest.raises(ValueError, match=r"pickle|magic|zip"):
            unpacked(content)


def test_an_archive_that_expands_too_far_is_rejected_before_expansion(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MAX_BYTES", 1_000_000)
    bomb = archive(a=array(np.zeros(200_000)))
    assert len(bomb) < 10_000
    with pytest.raises(ValueError, match="expands to more"):
        unpacked(bomb)
    halves = {name: array(np.zeros(100_000)) for name in ("a", "b")}
    with pytest.raises(ValueError, match="expands to more"):
        unpacked(archive(**halves))


def test_a_header_that_declares_too_many_bytes_is_rejected() -> None:
    valid = array(np.zeros(8))
    forged = valid.replace(b"(8,), }" + b" " * 15, b"(8000000000000000,), }")
    assert forged != valid
    assert len(forged) == len(valid)
    with pytest.raises(ValueError, match=r"."):
        unpacked(archive(a=forged))


def test_a_lack_of_memory_is_not_mistaken_for_damage(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_memory(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(np.lib.format, "read_array", no_memory)
    with pytest.raises(MemoryError):
        unpacked(archive(a=array(np.zeros(8))))
