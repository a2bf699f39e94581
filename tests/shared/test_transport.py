"""Kombu on a Redis that goes away."""

import pytest

from shared.queue import QUEUE, announce, make_celery
from tests.gateway import Gateway


def test_a_message_in_hand_does_not_keep_a_lost_connection_from_closing(
    gateway: Gateway, caplog: pytest.LogCaptureFixture
) -> None:
    gateway.open()
    app = make_celery(gateway.url, consumes=True)
    assert announce(app, "some-job")
    with app.connection_for_read() as connection:
        channel = connection.default_channel
        message = channel.basic_get(QUEUE)
        assert message is not None
        gateway.shut()
    assert "1 messages in hand are not given back" in caplog.text
    app.close()
