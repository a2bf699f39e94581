"""A deadline for clients that stop taking their response, whose memory and share of limits others need."""

from asyncio import AbstractEventLoop, TimerHandle, Transport

CHECK_EVERY_S = 10.0
MIN_BYTES_PER_S = 4096


class Delivery:
    """Watches the bytes that one connection has yet to send, and aborts it if too few leave."""

    def __init__(self, transport: Transport, loop: AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._timer: TimerHandle | None = None
        self._unsent_bytes = 0
        self._resumed = False

    def watch(self) -> None:
        """Start to watch, if bytes are unsent and it is not yet watching."""
        if self._timer is None and (unsent := self._transport.get_write_buffer_size()):
            self._unsent_bytes, self._resumed = unsent, False
            self._timer = self._loop.call_later(CHECK_EVERY_S, self._check)

    def resume(self) -> None:
        """Note that the client took enough for the application to send more."""
        self._resumed = True

    def close(self) -> None:
        """Stop watching."""
        if self._timer:
            self._timer.cancel()

    def _check(self) -> None:
        self._timer = None
        taken = self._unsent_bytes - self._transport.get_write_buffer_size()
        if self._resumed or taken >= min(self._unsent_bytes, CHECK_EVERY_S * MIN_BYTES_PER_S):
            self.watch()
        else:
            self._transport.abort()
