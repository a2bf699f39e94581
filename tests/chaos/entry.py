"""Run a process of the product in a failing environment: `python -m tests.chaos.entry MODULE [ARGUMENT …]`.

Fits of certain sizes are slow, fail or kill their worker, and the artifact store fails while a switch file exists.
Leases of receivers are shorter, so that a stopped process loses them within the run. All of this wraps the product from
the outside.
"""

import errno
import os
import runpy
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import obstore
from obstore.exceptions import GenericError

from shared.artifacts import LocalFolder
from shared.domain.detectors import baseline
from shared.domain.detectors.contract import ParameterValues, Progress
from shared.domain.series import Series
from shared.store import deliveries
from tests.chaos import sabotage
from tests.chaos.plan import HOPELESS_POINTS, OUTBOUND_LEASE_S, POISON_POINTS, SLOW_POINTS

STORE_SWITCH = "CHAOS_STORE_SWITCH"  # path of a file; while it exists, the store fails as it says
SABOTAGE = "CHAOS_SABOTAGE"
FULL, TORN = "full", "torn"


def fit(series: Series, parameters: ParameterValues, progress: Progress) -> baseline.Baseline:
    """Fit the baseline; the number of points decides the outcome and the duration."""
    points = len(series)
    if points == POISON_POINTS:
        os.kill(os.getpid(), signal.SIGKILL)
    if points == HOPELESS_POINTS:
        raise ArithmeticError("a fit of this many points always fails")
    if points in SLOW_POINTS:
        for step in range(points // 100):
            progress(step * 100 / points)
            time.sleep(0.1)
    return baseline.fit(series, parameters, progress)


class FailingFolder:
    """`LocalFolder._write` on a disk that may be full, and may keep half of the content."""

    write = LocalFolder._write  # noqa: SLF001 - the only function that writes files

    def __init__(self, switch: Path) -> None:
        self.switch = switch

    def __call__(self, folder: LocalFolder, target: Path, content: bytes | memoryview) -> None:
        try:
            mode = self.switch.read_text()
        except FileNotFoundError:
            FailingFolder.write(folder, target, content)
            return
        if mode == TORN:
            first_half = bytes(content)[: len(content) // 2]
            target.with_name(f".part-{os.urandom(8).hex()}").write_bytes(first_half)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


class FailingBucket:
    """`obstore.put` to a service that may reject the object, or store it without an answer."""

    put = staticmethod(obstore.put)

    def __init__(self, switch: Path) -> None:
        self.switch = switch

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        try:
            mode = self.switch.read_text()
        except FileNotFoundError:
            return FailingBucket.put(*arguments, **options)
        if mode == TORN:
            FailingBucket.put(*arguments, **options)
        raise GenericError("the bucket fails")


def main(module: str, *arguments: str) -> None:
    baseline.DETECTOR = replace(baseline.DETECTOR, fit=fit)
    switch = Path(os.environ[STORE_SWITCH])
    failing = FailingFolder(switch)

    def write(self: LocalFolder, target: Path, content: bytes | memoryview) -> None:
        failing(self, target, content)

    LocalFolder._write = write  # type: ignore[method-assign]  # noqa: SLF001
    obstore.put = FailingBucket(switch)
    deliveries.LEASE_S = OUTBOUND_LEASE_S
    for kind in os.environ[SABOTAGE].split():
        sabotage.BY_NAME[kind].patch()
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
