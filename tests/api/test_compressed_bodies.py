"""Bodies that are compressed: they may expand only so far, and must not be damaged."""

import gzip
import os
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from api.chain import bodies
from shared.settings import MIB, Settings
from tests.api.bodies import FIT, gzipped
from tests.processes import api_process
from tests.wire import wired


def test_gzip_that_expands_too_much_is_refused_long_before_the_size_limit(api: httpx.Client, series_id: str) -> None:
    bomb = gzip.compress(FIT.ljust(20 * MIB))
    assert len(bomb) * bodies.MAX_EXPANSION < 20 * MIB
    refused = gzipped(api, bomb, series_id)
    assert (refused.status_code, refused.json()["code"]) == (413, "body_too_large")
    assert "times its size" in refused.json()["detail"]
    assert gzipped(api, gzip.compress(FIT.ljust(bodies.EXPANDS_FREELY_BYTES)), series_id).status_code == 202


def test_gzip_that_arrives_byte_by_byte_is_accepted(small_api: httpx.Client, series_id: str) -> None:
    with wired(small_api) as wire:
        wire.head("POST", f"/fit/{series_id}", Transfer_Encoding="chunked", Content_Encoding="GZIP")
        for byte in gzip.compress(FIT):
            wire.chunk(bytes([byte]))
        wire.chunk(b"")
        assert wire.reply().status == 202


def test_concatenated_gzip_files_are_one_body(small_api: httpx.Client, series_id: str) -> None:
    joined = gzip.compress(FIT[:50]) + gzip.compress(b"") + gzip.compress(FIT[50:])
    assert gzipped(small_api, joined, series_id).status_code == 202


@pytest.mark.parametrize(
    "body",
    [
        b"",
        FIT,
        gzip.compress(FIT)[:-1],
        gzip.compress(FIT)[:-9],
        gzip.compress(FIT)[:12],
        gzip.compress(FIT)[:30] + b"\xff\xff\xff\xff" + gzip.compress(FIT)[34:],
        gzip.compress(FIT)[:-8] + bytes(8),
        gzip.compress(FIT) + b"and more",
        zlib.compress(FIT),
    ],
    ids=["nothing", "plain", "one-short", "no-sum", "head", "corrupt", "wrong-sum", "trailing", "zlib"],
)
def test_damaged_gzip_is_refused(small_api: httpx.Client, series_id: str, body: bytes) -> None:
    answer = gzipped(small_api, body, series_id)
    assert (answer.status_code, answer.json()["code"]) == (415, "invalid_encoding")


@pytest.mark.parametrize("encoding", ["br", "deflate", "zstd", "gzip, gzip", "gzip, br", "x" * 1000])
def test_an_unknown_encoding_is_refused(small_api: httpx.Client, encoding: str) -> None:
    answer = small_api.post("/fit/a", content=FIT, headers={"Content-Encoding": encoding})
    assert (answer.status_code, answer.json()["code"]) == (415, "invalid_encoding")


def peak(pid: int) -> int:
    """The largest resident size since the last `forget_peak`, in bytes."""
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM"))


def forget_peak(pid: int) -> None:
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def test_gzip_bombs_are_refused_without_using_memory_for_their_expanded_size(
    settings: Settings, tmp_path: Path
) -> None:
    bounds = {"max_body_bytes": 8 * MIB, "max_body_bytes_in_flight": 16 * MIB}
    packer = zlib.compressobj(level=1, wbits=16 + zlib.MAX_WBITS)
    zeros = bytes(16 * MIB)
    gibibyte = b"".join([*(packer.compress(zeros) for _ in range(64)), packer.flush()])
    dense_enough = b"".join(os.urandom(192) + bytes(16 * 1024 - 192) for _ in range(512))
    just_small_enough = gzip.compress(dense_enough)
    with api_process(settings.model_copy(update=bounds), tmp_path) as (process, api):
        pid = process.popen.pid
        assert gzipped(api, gzip.compress(FIT), "bomb").status_code == 202
        forget_peak(pid)
        idle = peak(pid)
        assert gzipped(api, gibibyte, "bomb").json()["code"] == "body_too_large"
        with ThreadPoolExecutor(20) as pool:
            statuses = list(pool.map(lambda _: gzipped(api, just_small_enough, "bomb").status_code, range(20)))
        assert set(statuses) <= {422, 503}
        assert peak(pid) - idle < 100 * MIB  # 20 of them together are 160 MiB
