"""Which network addresses tsad may connect to on behalf of a user: public ones, and those that the operator allows.

A URL that somebody configures must not reach what only this machine or its network can reach. The list follows the
special-purpose registries of IANA (RFC 6890), which `ipaddress.is_global` does not: it lets multicast and NAT64 pass.
"""

import socket
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_REFUSED_IPV4 = {
    "0.0.0.0/8": "this network",
    "10.0.0.0/8": "private",
    "100.64.0.0/10": "shared by a carrier",
    "127.0.0.0/8": "loopback",
    "169.254.0.0/16": "link-local",
    "172.16.0.0/12": "private",
    "192.0.0.0/24": "reserved for protocols",
    "192.0.2.0/24": "for documentation",
    "192.88.99.0/24": "a relay to IPv6",
    "192.168.0.0/16": "private",
    "198.18.0.0/15": "for benchmarks",
    "198.51.100.0/24": "for documentation",
    "203.0.113.0/24": "for documentation",
    "224.0.0.0/4": "multicast",
    "240.0.0.0/4": "reserved",
}
_REFUSED_IPV6 = {  # the first match counts
    "::1/128": "loopback",
    "::ffff:0:0/96": "a mapped IPv4 address",
    "::ffff:0:0:0/96": "a translated IPv4 address",
    "64:ff9b::/96": "an IPv4 address behind NAT64",
    "64:ff9b:1::/48": "an IPv4 address behind NAT64",
    "fc00::/7": "private",
    "fe80::/10": "link-local",
    "ff00::/8": "multicast",
    "2001::/23": "reserved for protocols",
    "2001:db8::/32": "for documentation",
    "2002::/16": "an IPv4 address behind 6to4",
    "3fff::/20": "for documentation",
}
_UNICAST_IPV6 = IPv6Network("2000::/3")  # all public addresses are in here so far
_IPV4 = [(IPv4Network(network), reason) for network, reason in _REFUSED_IPV4.items()]
_IPV6 = [(IPv6Network(network), reason) for network, reason in _REFUSED_IPV6.items()]


def refusal(address: Address, allowed: Sequence[Network]) -> str | None:
    """Return why no connection to an address may be made, as in `loopback`; None: it may.

    allowed: the networks of EGRESS_ALLOW. An IPv4 network also allows the mapped addresses of IPv6.
    """
    if isinstance(address, IPv6Address):
        address = IPv6Address(int(address))  # without a scope such as %eth0
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    if any(form in network for network in allowed for form in (address, mapped) if form is not None):
        return None
    if isinstance(address, IPv4Address):
        return next((reason for network, reason in _IPV4 if address in network), None)
    reason = next((reason for network, reason in _IPV6 if address in network), None)
    return reason or (None if address in _UNICAST_IPV6 else "reserved")


def literal(host: str) -> Address | None:
    """Return the address that a host of a URL is, in all the forms that a resolver takes as one; None: it is a name.

    `127.1`, `0x7f000001`, `2130706433` and `0177.0.0.1` are all 127.0.0.1.
    """
    try:
        return ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        pass
    try:
        return IPv4Address(socket.inet_aton(host))
    except (OSError, UnicodeError, ValueError):
        return None
