"""Send messages to receivers: in order, at least once, and one attempt at a time while a receiver fails."""

import logging
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime

from shared.domain.watching.receivers import Receiver, ReceiverKind
from shared.metrics import Metrics
from shared.store import deliveries, inspection, reported
from shared.store.deliveries import Lease, Message
from shared.store.engine import Sessions
from worker.outbound import alertmanager, slack, webhook
from worker.outbound.egress import Answer, Egress, EgressError

logger = logging.getLogger(__name__)

MESSAGES_AT_A_TIME, TURN_S = 100, 10.0  # then another receiver has its turn: this one, or its name server, may be slow
FIRST_WAIT_S = 5.0
MAX_WAIT_S = 600.0
MAX_RETRY_AFTER_S = 86_400.0
GONE = 410


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of an attempt."""

    error: str | None = None  # None: the receiver has the message
    retry_after_s: float | None = None  # as the receiver asked
    is_gone: bool = False  # the receiver wants no more messages


@dataclass
class Delivering:
    """The round that sends what is due to one receiver. Any number of threads and processes may run it."""

    sessions: Sessions
    egress: Egress
    metrics: Metrics
    variables: Mapping[str, str]  # environment variables with URLs
    public_url: str = ""  # of this service, without a slash at its end
    clock: inspection.Clock = inspection.clock

    def round(self) -> bool:
        """Send the messages of one receiver that is due; return False if none is."""
        with self.sessions.begin() as session:
            lease = deliveries.claim(session, self.clock(session))
        if lease is None:
            return False
        is_stateful, ends_at = lease.receiver.kind == ReceiverKind.ALERTMANAGER, time.monotonic() + TURN_S
        for number in range(1 if is_stateful else MESSAGES_AT_A_TIME):
            if number and time.monotonic() >= ends_at:
                break
            with self.sessions.begin() as session:
                now = self.clock(session)
                if not deliveries.extend(session, lease, now):
                    return True
                message = deliveries.next_message(session, lease, now)
            if message is None and not is_stateful:
                break
            if not self._attempt(lease, message, now):
                return True
        with self.sessions.begin() as session:
            wait_s = alertmanager.EVERY_S if is_stateful else 0.0
            deliveries.release(session, lease, self.clock(session), wait_s=wait_s, succeeded=True)
        return True

    def _attempt(self, lease: Lease, message: Message | None, now: datetime) -> bool:
        """Send a message, or the state of alerts; return False if that failed, and the receiver has to wait."""
        outcome = self._send(lease, message, now)
        self.metrics.deliveries.labels(lease.receiver.kind, "failed" if outcome.error else "delivered").inc()
        with self.sessions.begin() as session:
            now = self.clock(session)
            if outcome.error is None:
                if message:
                    deliveries.delivered(session, message.delivery_id, now)
                    if message.attempts == 1:
                        self.metrics.delivery_seconds.observe((now - message.noted_at).total_seconds())
                return True
            if message:
                deliveries.failed(session, message.delivery_id, outcome.error)
            wait_s = wait_after(lease, outcome.retry_after_s)
            disabled = "The receiver answered 410 Gone." if outcome.is_gone else None
            deliveries.release(session, lease, now, wait_s=wait_s, error=outcome.error, disabled=disabled)
        if outcome.is_gone:
            logger.error("receiver %s answered 410 Gone, and is disabled", lease.receiver.name)
        elif lease.failures == 0:  # the first in a row
            logger.warning("receiver %s failed, will retry: %s", lease.receiver.name, outcome.error)
        return False

    def _send(self, lease: Lease, message: Message | None, now: datetime) -> Outcome:
        receiver = lease.receiver
        try:
            url = url_of(receiver, self.variables)
            if receiver.kind == ReceiverKind.ALERTMANAGER:
                with self.sessions.begin() as session:
                    state = reported.state(session, receiver, now)
                url = alertmanager.url_of_alerts(url)
                tests = [message] if message else []
                headers, body = alertmanager.request_of(state, tests, receiver.name, self.public_url, now)
            elif message is None:
                return Outcome()
            elif receiver.kind == ReceiverKind.SLACK:
                headers, body = slack.request_of(message)
            else:
                headers, body = webhook.request_of(message, lease.secrets, now)
            return outcome_of(self.egress.request("POST", url, headers, body), now)
        except EgressError as error:
            return Outcome(str(error))


def url_of(receiver: Receiver, variables: Mapping[str, str]) -> str:
    """Return the URL of a receiver; raise `EgressError` if its variable is not set."""
    if receiver.url_env is None:
        return receiver.url or ""
    url = variables.get(receiver.url_env, "").strip()
    if not url:
        raise EgressError(f"The environment variable {receiver.url_env} of the outbound process is not set.")
    return url


def outcome_of(answer: Answer, now: datetime) -> Outcome:
    """Return what a response means: 2xx is success, everything else a failure, redirects too."""
    if 200 <= answer.status < 300:
        return Outcome()
    return Outcome(
        f"The receiver answered {answer.status}.", retry_after(answer.headers, now), is_gone=answer.status == GONE
    )


def retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """Return the seconds that Retry-After asks for, as a number or a date; None without a valid one."""
    value = headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return min(float(value[:9]), MAX_RETRY_AFTER_S)
    try:
        seconds = (parsedate_to_datetime(value) - now).total_seconds()
    except (ValueError, TypeError):
        return None
    return min(max(seconds, 0.0), MAX_RETRY_AFTER_S)


def wait_after(lease: Lease, retry_after_s: float | None) -> float:
    """Return the seconds until the next attempt. It grows with the failures in a row before this one."""
    if retry_after_s is not None:
        return max(retry_after_s, 1.0)
    longest = alertmanager.EVERY_S if lease.receiver.kind == ReceiverKind.ALERTMANAGER else MAX_WAIT_S
    wait_s: float = min(FIRST_WAIT_S * 2 ** min(lease.failures, 20), longest)
    return wait_s * random.uniform(0.8, 1.0)  # noqa: S311 - spreads attempts
