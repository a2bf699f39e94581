"""Documents of receivers: a flaw for every wrong field, and what a URL must not be."""

from ipaddress import ip_network
from typing import Any

import pytest

from shared.domain.watching.alerts import Notice
from shared.domain.watching.receivers import Receiver, parse_receiver, shown_url
from shared.errors import Code, InputError

GOOD = {"kind": "webhook", "url": "https://receiver.example/hook"}


def test_kind_and_url_are_a_complete_receiver_and_its_document_makes_the_same() -> None:
    receiver = parse_receiver("a", GOOD)
    assert receiver.types == tuple(Notice)
    assert parse_receiver("a", {name: value for name, value in receiver.document().items() if value}) == receiver
    assert isinstance(parse_receiver("a", {"kind": "slack", "url_env": "TSAD_RECEIVER_A"}), Receiver)


@pytest.mark.parametrize(
    ("change", "location", "reason"),
    [
        ({"kind": "pager"}, "kind", "webhook, alertmanager, slack"),
        ({"kind": None}, "kind", "webhook, alertmanager, slack"),
        ({"url": None}, "url", "or url_env must be given"),
        ({"url_env": "TSAD_RECEIVER_A"}, "url", "but not both"),
        ({"url": None, "url_env": "DATABASE_URL"}, "url_env", "begins with TSAD_RECEIVER_"),
        ({"url": None, "url_env": "TSAD_RECEIVER_"}, "url_env", "begins with TSAD_RECEIVER_"),
        ({"url": None, "url_env": 7}, "url_env", "begins with TSAD_RECEIVER_"),
        ({"url": 7}, "url", "must begin with https://"),
        ({"url": "file:///etc/passwd"}, "url", "must begin with https://"),
        ({"url": "https://user:s3cret@a.example/"}, "url", "must not hold a password"),
        ({"url": "https://a.example:0x50/"}, "url", "must begin with https://"),
        ({"url": "https://a.example/" + "x" * 2_000}, "url", "at most 2,000"),
        ({"url": "https://ä.example/"}, "url", "printable"),
        ({"url": "http://2130706433/s3cret"}, "url", "names the address 127.0.0.1, which is refused (loopback)"),
        ({"url": "http://[::ffff:10.0.0.1]/"}, "url", "refused (a mapped IPv4 address)"),
        ({"types": []}, "types", "alert.opened"),
        ({"types": ["alert.open"]}, "types", "alert.opened"),
        ({"types": [["alert.opened"]]}, "types", "alert.opened"),
        ({"types": ["alert.closed"]}, "types", "alone"),
        ({"min_score": "high"}, "min_score", "number"),
        ({"min_score": -1}, "min_score", "greater than 0"),
        ({"secret": "s3cret"}, "secret", "unknown"),
    ],
)
def test_a_wrong_field_is_named_without_a_secret(change: dict[str, Any], location: str, reason: str) -> None:
    document = {name: value for name, value in (GOOD | change).items() if value is not None or name == "kind"}
    with pytest.raises(InputError) as raised:
        parse_receiver("a", document)
    assert raised.value.code == Code.INVALID_RECEIVER
    assert reason in {".".join(map(str, flaw.loc)): flaw.msg for flaw in raised.value.flaws}[location]
    assert "s3cret" not in raised.value.detail


def test_an_address_of_this_network_is_accepted_if_the_operator_allows_it() -> None:
    allowed = [ip_network("10.0.0.0/8")]
    for host in ("10.1.2.3", "[::ffff:10.1.2.3]"):
        parse_receiver("a", GOOD | {"url": f"http://{host}/"}, allowed=allowed)
    with pytest.raises(InputError, match="refused"):
        parse_receiver("a", GOOD | {"url": "http://192.168.1.1/"}, allowed=allowed)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://a.example", "https://a.example/"),
        ("https://a.example/", "https://a.example/"),
        ("https://a.example:8443/s3cret", "https://a.example:8443/…"),
        ("https://u:s3cret@a.example?token=s3cret", "https://a.example/…"),
    ],
)
def test_a_shown_url_has_no_secret(url: str, shown: str) -> None:
    assert shown_url(url) == shown
