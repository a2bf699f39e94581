"""The API as a process."""

import gc
from collections.abc import Iterator

import pytest
from fastapi import FastAPI

from api.__main__ import make_app


@pytest.fixture
def _unfreeze() -> Iterator[None]:
    yield
    gc.unfreeze()


@pytest.mark.usefixtures("_unfreeze")
def test_imported_modules_are_exempt_from_garbage_collection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://x/x")
    monkeypatch.setenv("REDIS_URL", "redis://x")
    app = make_app()
    assert isinstance(app, FastAPI)
    assert len(gc.get_objects()) < gc.get_freeze_count() / 10
