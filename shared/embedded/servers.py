"""PostgreSQL and Valkey, or only one of them, in one home."""

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
    """Return the URLs of a home's servers by setting name, whether they run or not; empty for a new home."""
    state = read_state(path)
    ports, passwords = state["ports"], state["secrets"]
    addresses = {}
    if "postgres" in ports and "postgres" in passwords:
        addresses["database_url"] = postgres_address(ports["postgres"], passwords["postgres"])
    if "valkey" in ports and "valkey" in passwords:
        addresses["redis_url"] = valkey_address(ports["valkey"], passwords["valkey"])
    return addresses


class Embedded:
    """PostgreSQL and Valkey on free ports of 127.0.0.1, with data, ports and passwords kept in `home` between runs.

    The folder is locked from construction until `stop`; create a new object to start again. Call `start` in the main
    thread: the servers stop when the thread that started them ends. `durable=False` is for tests.
    """

    def __init__(self, home: Path, *, durable: bool = True, postgres: bool = True, valkey: bool = True) -> None:
        identity = Identity.for_servers() if postgres or valkey else Identity.ourselves()
        self.home = Home(home, identity)
        self.postgres = Postgres(self.home, identity, durable=durable)
        self.valkey = Valkey(self.home, identity, durable=durable)
        self.servers: list[Postgres | Valkey] = []
        if postgres:
            self.servers.append(self.postgres)
        if valkey:
            self.servers.append(self.valkey)

    @property
    def database_url(self) -> str:
        return self.postgres.url

    @property
    def redis_url(self) -> str:
        return self.valkey.url

    def start(self) -> None:
        """Start the servers in parallel and wait until they answer; if one fails, stop all and raise its error."""
        try:
            for server in self.servers:
                server.launch()
            for server in self.servers:
                server.wait_until_answering()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop the servers, keep their data, and unlock the folder."""
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
