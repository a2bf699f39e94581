"""The guard of outgoing connections, with a resolver of our own."""

import socket
import ssl
import threading
from collections.abc import Sequence
from ipaddress import ip_network

import pytest
import trustme

from tests.worker.outbound.receiving import ReceivingServer, receiving
from worker.outbound.egress import Egress, EgressError, EgressTimeoutError, Resolve

LOOPBACK = [ip_network("127.0.0.1/32")]  # the only address that these tests connect to


def resolver(*answers: Sequence[str]) -> tuple[Resolve, list[str]]:
    """Return a resolver that gives one answer after another, and the names that it was asked for."""
    asked: list[str] = []

    def resolve(host: str, _port: int) -> Sequence[str]:
        asked.append(host)
        return answers[min(len(asked), len(answers)) - 1]

    return resolve, asked


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "127.1", "2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1", "017700000001", "0", "0.1",
        "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.100.100.200", "192.0.0.8", "198.18.0.1",
        "192.88.99.1", "224.0.0.1", "255.255.255.255", "240.0.0.1", "[::1]", "[::]", "[::ffff:127.0.0.1]",
        "[::ffff:8.8.8.8]", "[::ffff:0:8.8.8.8]", "[::8.8.8.8]", "[64:ff9b::7f00:1]", "[64:ff9b::808:808]",
        "[64:ff9b:1::1]", "[2002:7f00:1::]", "[2001::1]", "[2001:db8::1]", "[fe80::1]", "[fe80::1%25eth0]",
        "[fc00::1]", "[fd00:ec2::254]", "[ff02::1]", "[fec0::1]", "[3fff::1]", "[5f00::1]", "[100::1]",
    ],
)  # fmt: skip
def test_no_form_of_an_address_of_this_network_is_connected_to(host: str) -> None:
    with pytest.raises(EgressError) as raised:
        Egress().request("POST", f"http://{host}:9/s3cret", {}, b"")
    assert "refused (" in str(raised.value) or "must begin with" in str(raised.value)
    assert "s3cret" not in str(raised.value)


@pytest.mark.parametrize(
    "answers",
    [["10.0.0.1"], ["93.184.215.14", "127.0.0.1"], ["2606:2800:21f::1", "::1"], ["64:ff9b::7f00:1"], ["fe80::1%eth0"]],
)
def test_a_name_is_refused_if_one_of_its_addresses_is(answers: list[str]) -> None:
    with pytest.raises(EgressError, match=r"receiver\.example has the address .* refused \("):
        Egress(resolve=lambda _host, _port: answers).request("POST", "https://receiver.example/s3cret", {})


def test_public_addresses_pass() -> None:
    egress = Egress(resolve=lambda _host, _port: ["93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"])
    assert len(egress.addresses("receiver.example", 443)) == 2


def test_the_connection_goes_to_the_address_that_was_checked(server: ReceivingServer) -> None:
    resolve, asked = resolver(["127.0.0.1"], ["10.0.0.1"])
    url = server.url.replace("127.0.0.1", "receiver.example")
    answer = Egress(LOOPBACK, resolve).request("POST", url, {"X": "1"}, b"{}")
    assert (answer.status, asked) == (204, ["receiver.example"])
    assert server.received[0].headers["host"] == url.split("/")[2]
    with pytest.raises(EgressError, match="refused"):
        Egress(LOOPBACK, resolve).request("POST", url, {}, b"{}")


def test_redirects_are_not_followed_and_passwords_of_urls_become_headers(server: ReceivingServer) -> None:
    server.answers = [(302, {"Location": "http://169.254.169.254/"})]
    url = server.url.replace("http://", "http://us%40er:s3cret@")
    answer = Egress(LOOPBACK).request("POST", url, {}, b"{}")
    assert (answer.status, answer.body, len(server.received)) == (302, b"", 1)
    assert server.received[0].headers["authorization"] == "Basic dXNAZXI6czNjcmV0"
    assert "@" not in server.received[0].headers["host"]


def test_tls_keeps_the_name_of_the_url_and_verifies_it() -> None:
    authority = trustme.CA()
    serving, trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("receiver.example").configure_cert(serving)
    authority.configure_trust(trusting)
    names: list[str | None] = []
    serving.sni_callback = lambda _socket, name, _context: names.append(name)
    with receiving(tls=serving) as server:
        port = server.url.split(":")[2]
        egress = Egress(LOOPBACK, lambda _host, _port: ["127.0.0.1"], tls=trusting)
        assert egress.request("POST", f"https://receiver.example:{port}", {}, b"{}").status == 204
        with pytest.raises(EgressError, match=r"certificate of other\.example is not valid"):
            egress.request("POST", f"https://other.example:{port}", {}, b"{}")
    assert names == ["receiver.example", "other.example"]


@pytest.mark.parametrize("content", [b"", b"H", b"HTTP/1.1 200 OK\r\nX: 1\r\n"])
def test_an_answer_that_trickles_in_ends_with_the_deadline(content: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port, stop = listening.getsockname()[1], threading.Event()

        def trickle() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.sendall(content)
                while not stop.wait(0.05):
                    try:
                        connection.sendall(b"x" if content else b"")
                    except OSError:
                        return

        thread = threading.Thread(target=trickle)
        thread.start()
        try:
            with pytest.raises(EgressTimeoutError, match="did not answer within"):
                Egress(LOOPBACK, timeout_s=0.3).request("POST", f"http://127.0.0.1:{port}/", {}, b"{}")
        finally:
            stop.set()
            thread.join()


@pytest.mark.parametrize(
    "url",
    ["ftp://a.example/", "http:///x", "http://a.example:99999/", "http://a b/", "http://a.example/\r\nX: y", "//a", ""],
)
def test_anything_but_a_url_is_an_error(url: str) -> None:
    with pytest.raises(EgressError, match="must begin with"):
        Egress().request("POST", url, {})
