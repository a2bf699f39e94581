"""HTTP requests to addresses that users name, which must not reach this machine or its network.

The name is resolved once, every address is checked, and the connection goes to a checked address. So a name that
resolves to another address later (DNS rebinding) changes nothing. `Host` and the name in TLS stay those of the URL.
"""

import base64
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPResponse
from ipaddress import ip_address
from threading import Timer
from urllib.parse import SplitResult, unquote, urlsplit

from shared import __version__
from shared.domain.watching.addresses import Address, Network, literal, refusal
from shared.domain.watching.receivers import url_flaw

TIMEOUT_S = 15.0  # for a request as a whole
_PORTS = {"http": 80, "https": 443}
Resolve = Callable[[str, int], Sequence[str]]


class EgressError(Exception):
    """A request failed. The message is for people, and never contains the path of the URL."""


class EgressTimeoutError(EgressError):
    """A connected server did not respond in time."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A response."""

    status: int
    headers: Mapping[str, str]  # names in lower case
    body: bytes  # its beginning, as far as the caller asked for it


def resolve(host: str, port: int) -> list[str]:
    """Return the addresses of a host name, as the system resolves it."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


@dataclass(frozen=True, slots=True)
class Egress:
    """Sends requests. Thread-safe.

    allowed: the networks of EGRESS_ALLOW.
    """

    allowed: Sequence[Network] = ()
    resolve: Resolve = resolve
    timeout_s: float = TIMEOUT_S
    tls: ssl.SSLContext | None = None  # None: the certificates of the system

    def request(
        self, method: str, url: str, headers: Mapping[str, str], content: bytes | None = None, *, max_bytes: int = 0
    ) -> Answer:
        """Send a request, without following redirects; return the response with at most `max_bytes` of its body.

        Raise `EgressError` if the address is refused, or no response arrives in time.
        """
        if flaw := url_flaw(url, self.allowed, with_login=True):
            raise EgressError(f"The URL {flaw}.")
        parts = urlsplit(url)
        host, is_tls = parts.hostname or "", parts.scheme == "https"
        port = parts.port or _PORTS[parts.scheme]
        connection = HTTPConnection(host, port)
        connection.default_port = _PORTS[parts.scheme]  # which Host does not name
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        sent = {"User-Agent": f"tsad/{__version__}", "Connection": "close", **_login(parts), **headers}
        deadline, connected = time.monotonic() + self.timeout_s, None
        try:
            with closing(connection):
                connection.sock = connected = self._connect(host, port)
                with _ended_by(connection, deadline):
                    if is_tls:
                        self._start_tls(connection, host)
                    connection.request(method, path, content, sent)
                    with connection.getresponse() as response:
                        answer = _answer(response, max_bytes)
                if time.monotonic() >= deadline:  # its end is missing
                    raise TimeoutError
                return answer
        except (OSError, HTTPException, ValueError) as error:
            is_late = connected is not None and time.monotonic() >= deadline
            kind = EgressTimeoutError if is_late else EgressError
            raise kind(_reason(error, host, self.timeout_s)) from None

    def addresses(self, host: str, port: int) -> list[Address]:
        """Return the addresses of a host; raise `EgressError` if there is none, or if one is refused."""
        fixed = literal(host)
        try:
            found = [fixed] if fixed else [ip_address(address) for address in self.resolve(host, port)]
        except (OSError, UnicodeError, ValueError):
            raise EgressError(f"The host name {host} cannot be resolved.") from None
        if not found:
            raise EgressError(f"The host name {host} has no address.")
        for address in found:
            if reason := refusal(address, self.allowed):
                raise EgressError(
                    f"{host} has the address {address}, which is refused ({reason}). "
                    "Add it to EGRESS_ALLOW if tsad may send messages there."
                )
        return found

    def _connect(self, host: str, port: int) -> socket.socket:
        """Connect to the first checked address that answers."""
        found = self.addresses(host, port)
        for place, address in enumerate(found):
            try:
                return socket.create_connection((str(address), port), self.timeout_s / len(found))
            except OSError:
                if place == len(found) - 1:
                    raise
        raise AssertionError(host)

    def _start_tls(self, connection: HTTPConnection, host: str) -> None:
        context = self.tls or ssl.create_default_context()
        sock = context.wrap_socket(connection.sock, server_hostname=host, do_handshake_on_connect=False)
        connection.sock = sock
        sock.do_handshake()


@contextmanager
def _ended_by(connection: HTTPConnection, deadline: float) -> Iterator[None]:
    """End a request that takes too long, even if its bytes trickle in. deadline: of the monotonic clock."""

    def shut() -> None:
        with suppress(OSError):
            socket.socket.shutdown(connection.sock, socket.SHUT_RDWR)

    timer = Timer(max(deadline - time.monotonic(), 0.0), shut)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _login(parts: SplitResult) -> dict[str, str]:
    if parts.username is None and parts.password is None:
        return {}
    login = f"{unquote(parts.username or '')}:{unquote(parts.password or '')}".encode()
    return {"Authorization": f"Basic {base64.b64encode(login).decode()}"}


def _answer(response: HTTPResponse, max_bytes: int) -> Answer:
    headers = {name.lower(): value for name, value in response.getheaders()}
    return Answer(response.status, headers, response.read(max_bytes) if max_bytes else b"")


def _reason(error: Exception, host: str, timeout_s: float) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"The certificate of {host} is not valid: {error.verify_message}."
    if isinstance(error, TimeoutError):
        return f"{host} did not answer within {timeout_s:g} s."
    if isinstance(error, ConnectionRefusedError):
        return f"{host} refused the connection."
    return f"{host} closed the connection or did not answer within {timeout_s:g} s ({type(error).__name__})."
