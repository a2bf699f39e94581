"""A worker with a fault: `python -m tests.worker.faulty FAULT`."""

import signal
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from shared.domain import detectors
from shared.domain.detectors.contract import Detector
from shared.transport import Channel
from worker import listening, main, training

SWITCH = Path("faulty")  # the fault is active while this file exists in the folder of the process


def sleeps() -> None:
    """Fits that report no progress while they compute."""

    def named(name: str) -> Detector[Any]:
        detector = detectors.named(name)

        def fit(*arguments: Any) -> Any:
            if SWITCH.exists():
                SWITCH.with_suffix(".now").touch()
                time.sleep(600)
            return detector.fit(*arguments)

        return replace(detector, fit=fit)

    training.named = named  # type: ignore[attr-defined]


def ignores_signals() -> None:
    """Fits that never end and block every signal."""
    sleeps()
    sleep = time.sleep

    def blocked_sleep(seconds: float) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        sleep(seconds)

    time.sleep = blocked_sleep  # type: ignore[assignment]
    main.SHUTDOWN_GRACE_S = main.COLD_SHUTDOWN_GRACE_S = 0.5  # type: ignore[assignment]


def is_deaf() -> None:
    """A connection that seems healthy but takes no messages."""
    start = Channel._brpop_start  # noqa: SLF001

    def brpop_start(channel: Channel, *arguments: Any, **options: Any) -> Any:
        return None if SWITCH.exists() else start(channel, *arguments, **options)  # type: ignore[no-untyped-call]

    Channel._brpop_start = brpop_start  # type: ignore[assignment] # noqa: SLF001
    listening.CHECK_EVERY_S = 0.05


FAULTS = {"sleeps": sleeps, "ignores-signals": ignores_signals, "is-deaf": is_deaf}

if __name__ == "__main__":
    FAULTS[sys.argv[1]]()
    import worker.__main__  # noqa: F401 - runs the worker
