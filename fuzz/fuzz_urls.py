"""URLs, hosts and patterns: a URL has one reading, and no spelling of an address is taken for a name."""

from __future__ import annotations

import contextlib
import ipaddress
import re
import socket
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from extism._capabilities.hosts import AllowedHosts, is_public
from extism._capabilities.urls import Url
from fuzz.case import Finding, Target

if TYPE_CHECKING:
    import random

SCHEMES = ("http", "https", "HTTP", "hTTps", "ftp", "file", "", "javascript", "http ", "1http")
HOSTS = (
    *("127.0.0.1", "2130706433", "0x7f000001", "0177.0.0.1", "127.1", "127.0.0.1.", "127.0.1"),
    *("[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[0:0:0:0:0:0:0:1]", "::1", "[::1%25lo]"),
    *("localhost", "LOCALHOST", "example.com", "EXAMPLE.com.", "bücher.example", "xn--bcher-kva"),
    *("127。0。0。1", "①②⑦.0.0.1", "%31%32%37.0.0.1", "0", "0x", "1e9", "a..b", ".", "-", "_dmarc"),
    *(
        "a" * 64,
        "a." * 130,
        "10.0.0.1",
        "169.254.169.254",
        "100.64.0.1",
        "8.8.8.8",
        "[64:ff9b::7f00:1]",
    ),
    *("example.com\0", "example.com\\", "ex ample", "256.1.1.1", "1.2.3.4.5", "0.0.0.0", "①"),
)
USERS = ("", "", "", "u@", "u:p@", "@", "a@b@", "127.0.0.1@", "u%40:p@", ":@")
PORTS = ("", "", ":80", ":443", ":0", ":65535", ":65536", ":", ":-1", ":8o", ":080", ":٨٠")
TAILS = ("", "/", "/a?b#c", "?q", "#f", "\\x", "/%2e%2e", "/é", "/ x", "//", "/@127.0.0.2", "/\t")
ODD = "\\/@:#?%[]\0\t\r\n .é\u3002\uff61\xb7\u066a\ufe6b\uff20\uff0f\uff1a\u200b\u202e0x1aA-_*!"
PATTERNS = (
    *(
        "*",
        "**",
        "?",
        "[!a]",
        "*.0.0.1",
        "?27.0.0.1",
        "*7.0.0.1",
        "local*",
        "l*",
        "*.com",
        "e*.com",
    ),
    *("example.com", "*:80", "*.example.com", "[a-z]*", "[!x]*", "*host", "xn--*", "*.*", "a*"),
)
"""None names an address, or spells a range of them."""

NEIGHBOURS = tuple(
    ipaddress.ip_address(text)
    for text in ("127.0.0.1", "10.1.2.3", "169.254.169.254", "::1", "fe80::1", "fd00::1", "0.0.0.0")
)


class Fuzz(Target):
    """See the module."""

    def case(self, dice: random.Random) -> None:
        """Read one URL, and ask patterns about it."""
        text = url(dice)
        try:
            found = Url.parse(text)
        except ValueError as exc:
            if isinstance(exc, UnicodeError):
                raise Finding(f"{type(exc).__name__} came out: {exc}", text) from exc
            return
        self._check(text, found)
        patterns = [dice.choice(PATTERNS) for _ in range(dice.randint(1, 3))]
        hosts = AllowedHosts(patterns)
        for address in NEIGHBOURS:
            opened = hosts.opens(address, found.host, found.port)
            if opened and found.host not in patterns:
                raise Finding(f"{patterns} let {found.host} lead to {address}", text)
        if found.address is not None and not is_public(found.address):
            hop = hosts.allows(found.host, found.port)
            if hop and hosts.opens(found.address, found.host, found.port):
                raise Finding(f"{patterns} open {found.address}", text)

    def _check(self, text: str, found: Url) -> None:
        again = Url.parse(str(found))
        same = (again.scheme, again.host, again.address, again.port, again.target)
        if same != (found.scheme, found.host, found.address, found.port, found.target):
            raise Finding(f"{found!r} is written {found}, which is {again!r}"[:600], text)
        if (
            not re.fullmatch(r"[!-~]+", found.host + found.target)
            or found.host != found.host.lower()
        ):
            raise Finding(f"{found!r} is not fit to be sent"[:600], text)
        if found.address is None and _is_address_to_libc(found.host):
            raise Finding(f"{found.host!r} is a name here, and an address to the system", text)
        theirs = _read_by_python(str(found))
        if theirs is not None and theirs != (found.host, found.port):
            raise Finding(f"{found} is read as {theirs} by others"[:600], text)


def url(dice: random.Random) -> str:
    """Return something near to a URL."""
    place = dice.choice(USERS) + dice.choice(HOSTS) + dice.choice(PORTS)
    slashes = dice.choice(("//", "//", "//", "//", "/", "", "\\\\", "///"))
    text = f"{dice.choice(SCHEMES[: 4 if dice.random() < 0.9 else 99])}:{slashes}{place}{dice.choice(TAILS)}"
    while dice.random() < 0.3:
        at = dice.randrange(len(text) + 1)
        text = text[:at] + dice.choice(ODD) + text[at + dice.randrange(2) :]
    return text


def _is_address_to_libc(host: str) -> bool:
    with contextlib.suppress(OSError):
        socket.inet_aton(host)
        return True
    return False


def _read_by_python(text: str) -> tuple[str, int] | None:
    with contextlib.suppress(ValueError):
        split = urlsplit(text)
        port = split.port or {"http": 80, "https": 443}[split.scheme]
        return (split.hostname or "").lower(), port
    return None
