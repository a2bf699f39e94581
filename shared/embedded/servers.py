"""Both servers, or only the one that is needed, in one home."""

from pathlib import Path
from types import TracebackType
from typing import Self

from shared.embedded.home import Home, read_state
from shared.embedded.identity import Identity
from shared.embedded.postgres import Postgres
from shared.embedded.postgres import address as postgres_address
from shared.embedded.valkey import Valkey
from shared.embedded.valkey import address as valkey_address


def known_addresses(path: Path) -> dict[str, str]:
    """Where the servers of a home answer while they run; nothing for a home that never had any."""
    state = read_state(path)
    return {
        name: address(state["ports"][server], state["secrets"][server])
        for name, server, address in (
            ("database_url", "postgres", postgres_address),
            ("redis_url", "valkey", valkey_address),
        )
        if server in state["ports"] and server in state["secrets"]
    }


class Embedded:
    """PostgreSQL and Valkey on free ports of 127.0.0.1, with data, ports and passwords kept in `home` between runs.

    The folder is locked from the beginning until `stop`; use a new object to start again after that. Start it in the
    main thread: the servers end with the thread that started them. `durable=False` is for tests.
    """

    def __init__(self, home: Path, *, durable: bool = True, postgres: bool = True, valkey: bool = True) -> None:
        identity = Identity.for_servers() if postgres or valkey else Identity.ourselves()
        self.home = Home(home, identity)
        self.postgres = Postgres(self.home, identity, durable=durable)
        self.valkey = Valkey(self.home, identity, durable=durable)
        self.servers = [server for server, wanted in ((self.postgres, postgres), (self.valkey, valkey)) if wanted]

    @property
    def database_url(self) -> str:
        return self.postgres.url

    @property
    def redis_url(self) -> str:
        return self.valkey.url

    def start(self) -> None:
        """Start the servers, both at once, and return when they answer; where one fails, none is left running."""
        try:
            for server in self.servers:
                server.launch()
            for server in self.servers:
                server.wait_until_answering()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop the servers, keep their data, and let go of the folder."""
        try:
            for server in self.servers:
                server.stop()
        finally:
            self.home.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()
