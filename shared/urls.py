"""URLs of servers and buckets, and what identifies proxies, as settings hold them."""

import re
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator

_PREFIX = re.compile(r"(/[A-Za-z0-9._~-]{1,100}){1,8}/?")
_ORIGIN = re.compile(r"https?://([a-z0-9.-]+|\[[0-9a-f:]+\])(:[0-9]+)?")
_DOTS = re.compile(r"/\.{1,2}(/|$)")

Network = IPv4Network | IPv6Network


def folder_or_bucket(value: object) -> object:
    """Convert a folder to a `Path` and leave the URL of a bucket unchanged; raise `ValueError` for any other URL."""
    text = str(value)
    if "://" not in text:
        return Path(text)
    url = urlsplit(text)
    if url.scheme != "s3" or not url.hostname or url.username or url.query or url.fragment:
        raise ValueError("must be a folder, or s3://bucket/prefix")
    return text


def url_prefix(path: str) -> str:
    """Return the path without a slash at its end; raise `ValueError` if it could lead to another host or folder."""
    if path.strip("/") and (not _PREFIX.fullmatch(path) or _DOTS.search(path)):
        raise ValueError("must be a path such as /tsad, of letters, digits, dots, dashes, tildes and underscores")
    return path.rstrip("/")


def networks(addresses: str) -> tuple[Network, ...]:
    """Return the networks in a comma-separated list; raise `ValueError` if one is invalid."""
    return tuple(ip_network(address.strip(), strict=False) for address in addresses.split(",") if address.strip())


def _checked_networks(addresses: str) -> str:
    networks(addresses)
    return addresses


def checked(url: str, *schemes: str) -> str:
    """Return the URL; raise `ValueError`, without the URL's password, if it is invalid or has another scheme."""
    if url:
        parts = urlsplit(url)
        if parts.scheme not in schemes:
            raise ValueError(f"must begin with {schemes[0]}://")
        try:
            _ = parts.port
        except ValueError:
            raise ValueError(
                "has an invalid port or an unescaped password: write / : @ ? # as %2F %3A %40 %3F %23"
            ) from None
    return url


def split(text: str) -> tuple[str, ...]:
    """Return the parts of a comma-separated list."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _checked_origins(origins: str) -> str:
    """Raise `ValueError` for anything a browser would not send as an origin, such as a wildcard."""
    for origin in split(origins):
        if not _ORIGIN.fullmatch(origin):
            raise ValueError("must list origins, such as https://grafana.example.com,http://localhost:3000")
    return origins


def _of_database(url: str) -> str:
    return checked(url, "postgresql", "postgres", "postgresql+psycopg2")


def _of_redis(url: str) -> str:
    return checked(url, "redis", "rediss")


def _of_page(url: str) -> str:
    return checked(url, "http", "https")


DatabaseUrl = Annotated[str, AfterValidator(_of_database)]
RedisUrl = Annotated[str, AfterValidator(_of_redis)]
HttpUrl = Annotated[str, AfterValidator(_of_page)]
Origins = Annotated[str, AfterValidator(_checked_origins)]
Location = Annotated[Path | str, BeforeValidator(folder_or_bucket)]
UrlPrefix = Annotated[str, AfterValidator(url_prefix)]
Proxies = Annotated[str, AfterValidator(_checked_networks)]
Networks = Annotated[str, AfterValidator(_checked_networks)]


def with_psycopg2(url: str) -> str:
    """Add the driver psycopg2 to a database URL that names no driver."""
    for plain in ("postgresql://", "postgres://"):
        if url.startswith(plain):
            return "postgresql+psycopg2://" + url.removeprefix(plain)
    return url


def with_verified_certificate(url: str) -> str:
    """Require a valid certificate of a Redis server with TLS: kombu does not verify it by default."""
    parts = urlsplit(url)
    if parts.scheme != "rediss" or "ssl_cert_reqs=" in parts.query:
        return url
    query = f"{parts.query}&ssl_cert_reqs=required" if parts.query else "ssl_cert_reqs=required"
    return parts._replace(query=query).geturl()
