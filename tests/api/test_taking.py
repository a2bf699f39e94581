"""Large pushes: a child of the API takes them as the API itself would."""

import asyncio
import json
import os
import time

import pytest

from api.computing import children
from api.computing.content import Content
from api.computing.fairness import FairLane
from api.intake.taking import for_request, take_columns, take_lines
from shared.artifacts import Artifacts
from shared.domain.access import ANYBODY
from shared.domain.watching.watches import parse
from shared.errors import Code, InputError
from shared.judging.states import States
from shared.metrics import Metrics
from shared.settings import Settings
from shared.store import watches
from shared.store.engine import Sessions
from shared.watching.pushing import Pushing


def test_a_child_takes_pushes_under_the_rules_that_its_parent_knows(
    settings: Settings, sessions: Sessions, artifacts: Artifacts, series_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(children, "WORTH_S", 0.0)
    now = int(time.time()) - 60
    pushing = Pushing.of(settings, sessions, States(artifacts.states, 10**6), Metrics())
    columns = Content([json.dumps({"timestamps": list(range(now - 5_000, now)), "values": [1.5] * 5_000}).encode()])
    lines = Content([b'{"series_id":"%s","timestamp":%d,"value":2}\n{}' % (series_id.encode(), now)])

    async def scenario(lane: FairLane) -> None:
        async with asyncio.timeout(30):
            while await lane("key", 0.001, os.getpid) == os.getpid():  # noqa: ASYNC110 - a process starts
                await asyncio.sleep(0.01)

        answer = json.loads(await lane("key", 0.001, for_request, "a", take_columns, pushing, columns, series_id))
        assert (answer["accepted"], answer["status"]) == (5_000, "learning")
        assert "no watch" in answer["reason"]
        with sessions.begin() as session:
            watches.put(session, parse(series_id, {"prefix": series_id}, max_window_s=86_400))
        pushing.ingest.rulebook.again()
        answer = json.loads(await lane("key", 0.001, for_request, "b", take_columns, pushing, columns, series_id))
        assert (answer["repeated"], answer["reason"]) == (5_000, "5,000 points, waiting for the first fit")
        answer = json.loads(await lane("key", 0.001, for_request, "c", take_lines, pushing, lines, ANYBODY))
        assert (answer["accepted"], answer["refused"], answer["problems"][0]["line"]) == (1, 1, 2)
        with pytest.raises(InputError) as refused:
            await lane("key", 0.001, for_request, "d", take_lines, pushing, Content([]), ANYBODY)
        assert refused.value.code == Code.TOO_FEW_POINTS

    async def main() -> None:
        lane = FairLane("test", children.Children(1))
        try:
            await scenario(lane)
        finally:
            lane.close()

    asyncio.run(main())
