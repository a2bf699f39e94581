"""Archives that a stranger may have written."""

import io
import pickle
import zipfile

import numpy as np
import pytest

from shared.domain import archives
from shared.domain.archives import unpacked


def archive(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in members.items():
            made.writestr(f"{name}.npy", content)
    return buffer.getvalue()


def array(content: object) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.asarray(content), allow_pickle=True)
    return buffer.getvalue()


class Opens:
    """What pickle would run."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return SystemExit, ("it was unpickled",)


def test_arrays_come_back() -> None:
    assert unpacked(archive(a=array([1, 2, 3])))["a"].tolist() == [1, 2, 3]


def test_nothing_is_unpickled() -> None:
    for content in (
        archive(a=array(np.array([Opens()], dtype=object))),
        archive(a=pickle.dumps(Opens())),
        pickle.dumps(Opens()),
    ):
        with pytest.raises(ValueError, match=r"pickle|magic|zip"):
            unpacked(content)


def test_an_archive_that_expands_to_too_much_is_refused_before_it_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MOST_BYTES", 1_000_000)
    bomb = archive(a=array(np.zeros(200_000)))
    assert len(bomb) < 10_000
    with pytest.raises(ValueError, match="expands to more"):
        unpacked(bomb)
    halves = {name: array(np.zeros(100_000)) for name in ("a", "b")}
    with pytest.raises(ValueError, match="expands to more"):
        unpacked(archive(**halves))


def test_a_head_that_announces_more_than_there_is_is_refused() -> None:
    honest = array(np.zeros(8))
    lying = honest.replace(b"(8,), }" + b" " * 15, b"(8000000000000000,), }")
    assert lying != honest
    assert len(lying) == len(honest)
    with pytest.raises(ValueError, match=r"."):
        unpacked(archive(a=lying))
