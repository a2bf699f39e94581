"""A steady stream of predictions. Each must succeed, with no version older than the client knew of."""

import time
from collections import Counter
from dataclasses import dataclass

import httpx

from shared.wording import counted
from tests.chaos.client import Client
from tests.chaos.ledger import Ledger
from tests.chaos.plan import seeded

EVERY_S = 0.04
MAX_WAIT_S = 1.0  # of a prediction while its process and PostgreSQL are there


@dataclass(frozen=True, slots=True)
class Refusal:
    """A prediction that failed: no answer, a 5xx, or a late answer."""

    sent_at: float  # monotonic
    answered_at: float
    api: int  # index of the address that was asked
    reason: str


@dataclass(frozen=True, slots=True)
class Outage:
    """A time in which an API process may refuse predictions, because it or PostgreSQL was hit."""

    begin: float
    end: float
    api: int | None  # None = all of them


class Predictions:
    """Predicts for series that are known to have a version."""

    def __init__(self, ledger: Ledger, seed: int) -> None:
        self._ledger = ledger
        self._rng = seeded(f"predictions {seed}")
        self.refusals: list[Refusal] = []
        self.slow: list[Refusal] = []

    def run(self, client: Client) -> None:
        """Predict until the load ends."""
        number = 0
        while not client.stopping.wait(EVERY_S):
            series_ids = list(self._ledger.newest)
            if series_ids:
                number += 1
                self._predict(client, self._rng.choice(series_ids), number)

    def _predict(self, client: Client, series_id: str, number: int) -> None:
        at_least = self._ledger.newest[series_id]
        sent_at = time.monotonic()
        try:
            body = {"timestamp": 1_800_000_000, "value": 1.0}
            answer = client.send_once("POST", f"/predict/{series_id}", f"predict-{number}", json=body)
        except httpx.TransportError as error:
            self._record_refusal(client, sent_at, type(error).__name__)
            return
        self._ledger.count(predictions=1)
        answered_at = time.monotonic()
        if answered_at - sent_at > MAX_WAIT_S:
            self.slow.append(Refusal(sent_at, answered_at, client.last_address, f"after {MAX_WAIT_S:g} s or more"))
        if answer.status_code != 200:
            code = answer.json().get("code")
            if answer.status_code >= 500:
                self._record_refusal(client, sent_at, f"{answer.status_code} {code}")
            else:
                self._ledger.complain(f"a prediction for {series_id} returned {answer.status_code} {code}")
        elif int(answer.json()["model_version"]) < at_least:
            self._ledger.complain(
                f"a prediction for {series_id} used version {answer.json()['model_version']}, although "
                f"the client already knew of version {at_least} when it asked"
            )

    def _record_refusal(self, client: Client, sent_at: float, reason: str) -> None:
        self.refusals.append(Refusal(sent_at, time.monotonic(), client.last_address, reason))


def unexcused(refusals: list[Refusal], outages: list[Outage]) -> list[str]:
    """Describe, by reason, the predictions that were refused outside of all outages of their process."""
    by_reason: Counter[str] = Counter()
    for refusal in refusals:
        excused = any(
            outage.begin <= refusal.answered_at and refusal.sent_at <= outage.end and outage.api in (None, refusal.api)
            for outage in outages
        )
        if not excused:
            by_reason[refusal.reason] += 1
    return [
        f"{counted(count, 'prediction was', 'predictions were')} refused or late ({reason}) "
        "while neither their API process nor PostgreSQL was hit"
        for reason, count in sorted(by_reason.items())
    ]
