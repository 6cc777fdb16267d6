# SPDX-License-Identifier: Apache-2.0
"""Which URLs and which networks may be called. Pure: looks nothing up and opens nothing.

What is public is decided by lists here and not by :mod:`ipaddress`, whose opinion differs between versions of Python:
IPv4 is open but for what the IANA IPv4 special-purpose registry keeps from the public, IPv6 is closed but for global
unicast (RFC 4291) without that registry's exceptions.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import quote, urlsplit

import idna

from harken.errors import InvalidOption

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

DEFAULT_PORTS = (range(80, 81), range(443, 444), range(1024, 65536))
"""Below 1024 are the services of others, such as mail, whose protocols a request could be made to look like."""

_SCHEMES = {"http": 80, "https": 443}
_LONGEST = 8192
_NUMBER = re.compile(r"(0x[0-9a-f]*|[0-9]+)", re.ASCII)
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?", re.ASCII)
# What quote() leaves alone beside letters and digits: what RFC 3986 lets stand, and what is escaped already.
_AS_IS = "/?:@!$&'()*+,;=%~-._[]"

_PRIVATE_V4 = tuple(
    ipaddress.IPv4Network(text)
    for text in (
        "0.0.0.0/8",  # this network; Linux takes 0.0.0.0 for loopback
        "10.0.0.0/8",
        "100.64.0.0/10",  # shared between carriers; the metadata address of one cloud
        "127.0.0.0/8",
        "168.63.129.16/32",  # a cloud's own services, at a public address
        "169.254.0.0/16",  # link-local; the metadata address of most clouds
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",  # relays of 6to4
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and broadcast
    )
)
_GLOBAL_V6 = ipaddress.IPv6Network("2000::/3")
_PRIVATE_V6 = tuple(
    ipaddress.IPv6Network(text)
    for text in (
        "2001::/23",  # protocol assignments; Teredo, which carries an IPv4 address, among them
        "2001:db8::/32",
        "2002::/16",  # 6to4, which carries an IPv4 address
        "3fff::/20",
    )
)
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


@dataclass(frozen=True)
class Target:
    """Where a URL leads, in the parts that a request is made of: nobody parses the URL again.

    ``host`` is ASCII, in lower case, without brackets and trailing dot; ``path`` has the query with it.
    """

    scheme: str
    host: str
    port: int
    path: str

    @cached_property
    def authority(self) -> str:
        """Host and port as the Host header has them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _SCHEMES[self.scheme] else f"{host}:{self.port}"

    @cached_property
    def url(self) -> str:
        """The URL in its one canonical form."""
        return f"{self.scheme}://{self.authority}{self.path}"


def parse(url: str, *, param: str = "url") -> Target:
    """``url`` in parts, if it is one that can be called at all.

    Raises:
        InvalidOption: it is malformed, not http(s), carries a user name, or names its host in a way that programs
            read differently (numbers in other bases, zones, white space). The message never repeats the URL, which
            may hold a secret.
    """
    try:
        return _parse(url)
    except ValueError as error:
        reason = str(error) if isinstance(error, _Malformed) else "it is malformed"
        raise InvalidOption(f"{param} cannot be used: {reason}", param=param) from None


class _Malformed(ValueError):
    """The text says why, for people."""


def _parse(url: str) -> Target:
    if len(url) > _LONGEST:
        raise _Malformed(f"it is longer than {_LONGEST} characters")
    if any(letter <= " " or letter in "\x7f\\" for letter in url):
        raise _Malformed("it holds white space, control characters or backslashes; encode them")
    parts = urlsplit(url)
    if parts.scheme not in _SCHEMES:
        raise _Malformed("it must begin with http:// or https://")
    if "@" in parts.netloc:
        raise _Malformed("user names and passwords are not sent; leave them out")
    host = _host(parts.hostname or "", bracketed=parts.netloc.startswith("["))
    port = parts.port
    if port == 0:
        raise _Malformed("there is no port 0")
    path = quote(parts.path or "/", safe=_AS_IS)
    if parts.query:
        path += "?" + quote(parts.query, safe=_AS_IS)
    return Target(parts.scheme, host, port or _SCHEMES[parts.scheme], path)


def _host(host: str, *, bracketed: bool) -> str:
    if not host:
        raise _Malformed("it names no host")
    if "%" in host:
        raise _Malformed("zones and encoded host names are not taken")
    if bracketed:
        return str(ipaddress.IPv6Address(host))
    if not host.isascii():
        try:
            host = idna.encode(host, uts46=True).decode("ascii")
        except (idna.IDNAError, UnicodeError):
            raise _Malformed("its host name is not a valid international one") from None
    host = host.lower().removesuffix(".")
    labels = host.split(".")
    if _NUMBER.fullmatch(labels[-1]):
        # As browsers have it: what ends in a number is an IPv4 address or nothing, and here only in its plain form.
        try:
            return str(ipaddress.IPv4Address(host))
        except ValueError:
            raise _Malformed("its host is a number; write an address as 203.0.113.7, or a name") from None
    if len(host) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise _Malformed("its host name is not a valid one")
    return host


def networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """Networks in CIDR notation, or single addresses. Raises ValueError, naming the one at fault."""
    return tuple(ipaddress.ip_network(text) for text in texts)


def port_ranges(texts: Iterable[str]) -> tuple[range, ...]:
    """Ports (``443``) and ranges of them (``8000-8999``). Raises ValueError, naming the one at fault."""
    found = []
    for text in texts:
        first, dash, last = text.partition("-")
        try:
            ports = range(int(first), int(last if dash else first) + 1)
        except ValueError:
            raise ValueError(f"{text!r} is neither a port nor a range such as 8000-8999") from None
        if not ports or ports[0] < 1 or ports[-1] > 65535:
            raise ValueError(f"{text!r} is not a range of ports from 1 to 65535")
        found.append(ports)
    return tuple(found)


def effective(address: Address) -> Address:
    """The IPv4 address that ``address`` stands for, where the system or its gateway translates it; else itself."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address in _NAT64:
            return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def is_public(address: Address) -> bool:
    """Whether anybody on the internet could call ``address`` as well as we can."""
    address = effective(address)
    if isinstance(address, ipaddress.IPv4Address):
        return not any(address in network for network in _PRIVATE_V4)
    return address in _GLOBAL_V6 and not any(address in network for network in _PRIVATE_V6)
