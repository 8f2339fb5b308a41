"""
`AllowedHosts`: which hosts, ports and addresses the patterns of a manifest open.

Two questions, both asked for every hop. `allows(host, port)`: does an entry match the name in the URL?
`opens(address, host, port)`: may that name lead to this address? A public address always may. An address
of the neighbourhood (loopback, private, link-local and everything else that is not the public internet)
may only if an entry names the host or the address exactly, or spells the range: `127.0.*` does, `*` does
not. So neither a wildcard nor a name server of an attacker opens the machine's own network.
"""

from __future__ import annotations

import ipaddress
import logging
import re
from typing import TYPE_CHECKING, Final

from extism._capabilities.urls import Address, canonical_host
from extism._dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["AllowedHosts", "is_public"]

_logger: Final = logging.getLogger("extism.hosts")


class AllowedHosts:
    """The `allowed_hosts` of a manifest, ready to be asked."""

    __slots__ = ("_entries", "_is_unrestricted", "patterns")

    def __init__(self, patterns: Iterable[str] = ()) -> None:
        self.patterns = tuple(patterns)
        self._entries = tuple(_Entry.parse(pattern) for pattern in self.patterns)
        self._is_unrestricted = False

    @classmethod
    def unrestricted(cls) -> AllowedHosts:
        """Return what allows everything: for downloads that the host itself asks for."""
        everything = cls()
        everything._is_unrestricted = True
        return everything

    def __repr__(self) -> str:
        return f"<AllowedHosts {'everything' if self._is_unrestricted else list(self.patterns)}>"

    def allows(self, host: str, port: int) -> bool:
        """Tell whether an entry matches the canonical host of a URL."""
        return self._is_unrestricted or any(e.matches(host, port) for e in self._entries)

    def opens(self, address: Address, host: str, port: int) -> bool:
        """Tell whether `host`, which `allows` let through, may lead to `address`."""
        if self._is_unrestricted or is_public(address):
            return True
        return any(
            (entry.is_exact and entry.matches(host, port))
            or (entry.is_about_addresses and entry.matches(str(address), port))
            for entry in self._entries
        )


def is_public(address: Address) -> bool:
    """Tell whether an address, and any IPv4 address that it carries, belongs to the public internet."""
    if isinstance(address, ipaddress.IPv4Address):
        return not any(address in network for network in _NOT_PUBLIC_4)
    if address.ipv4_mapped is not None:
        return is_public(address.ipv4_mapped)
    if address in _NAT64:
        return is_public(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    if address.sixtofour is not None and not is_public(address.sixtofour):
        return False
    return address in _GLOBAL_6 and not any(address in network for network in _NOT_PUBLIC_6)


_NOT_PUBLIC_4: Final = tuple(
    ipaddress.IPv4Network(text)
    for text in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # carrier-grade NAT
        "127.0.0.0/8",  # loopback
        "169.254.0.0/16",  # link-local, and the metadata services of clouds
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments
        "192.0.2.0/24",  # documentation
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",  # private
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, broadcast
    )
)
_GLOBAL_6: Final = ipaddress.IPv6Network("2000::/3")
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")
_NOT_PUBLIC_6: Final = tuple(
    ipaddress.IPv6Network(text)
    for text in (
        "2001::/23",  # protocol assignments, Teredo among them
        "2001:db8::/32",  # documentation
        "3fff::/20",  # documentation
    )
)


@dataclass(frozen=True)
class _Entry:
    """
    One pattern.

    Attributes:
        regex: Over the canonical host.
        port: The only port that it opens, `None` for every port.
        is_exact: It has no wildcard.
        is_about_addresses: It is an address or spells a range of them, and matches no name.
    """

    regex: re.Pattern[str]
    port: int | None
    is_exact: bool
    is_about_addresses: bool

    def matches(self, host: str, port: int) -> bool:
        if self.port not in {None, port}:
            return False
        if self.is_about_addresses and not _is_address(host):
            return False
        return self.regex.fullmatch(host) is not None

    @classmethod
    def parse(cls, pattern: str) -> _Entry:
        text, port = _split_port(pattern.strip())
        source = _glob_to_regex(text)
        if source is None:
            _logger.warning("allowed_hosts: %r is no valid pattern, compared literally", pattern)
        is_exact = source is None or not re.search(r"[*?\[]", text)
        if is_exact:
            text = _canonical(text)
            return cls(re.compile(re.escape(text)), port, True, _is_address(text))  # noqa: FBT003
        is_range = re.fullmatch(r"\d{1,3}\.[\d.*?\[\]!-]*|[0-9a-f]{1,4}:[0-9a-f:*?\[\]!-]*", text)
        return cls(re.compile(source or "", re.DOTALL), port, False, is_range is not None)  # noqa: FBT003


def _split_port(pattern: str) -> tuple[str, int | None]:
    """Return host pattern (lower case, IPv6 without brackets) and port of `host`, `host:port`, `[v6]:port`."""
    text = ".".join(_ascii_label(label) for label in pattern.lower().split("."))
    bracketed = re.fullmatch(r"\[([0-9a-f:.*?]*:[0-9a-f:.*?]*)\](?::(\d{1,5}|\*))?", text)
    plain = re.fullmatch(r"([^:]*):(\d{1,5}|\*)", text)
    found = bracketed or plain
    if found is None:
        return text.removesuffix("."), None
    port = None if found[2] in {None, "*"} else int(found[2])
    return found[1].removesuffix("."), port


def _ascii_label(label: str) -> str:
    try:
        return label if label.isascii() else label.encode("idna").decode("ascii")
    except UnicodeError:
        return label


def _canonical(text: str) -> str:
    """Return the spelling that URLs get; what can be no host stays as it is and matches nothing."""
    try:
        return canonical_host(text)[0]
    except ValueError:
        return text


def _is_address(host: str) -> bool:
    try:
        return canonical_host(host)[1] is not None
    except ValueError:
        return False


def _glob_to_regex(glob: str) -> str | None:
    """
    Return the regular expression for a pattern, `None` for one that does not parse.

    `*` is any run, dots included; `?` one character; `[a-z]` and `[!a-z]` one of a class, where a `]` right
    after the beginning is a member. `**` is a pattern only when it stands alone.
    """
    if "**" in glob:
        return ".*" if glob == "**" else None
    parts: list[str] = []
    index = 0
    while index < len(glob):
        char = glob[index]
        if char == "[":
            found = re.compile(r"\[(?:(!)|(?!!))(.[^\]]*)\]", re.DOTALL).match(glob, index)
            if found is None:
                return None
            parts.append(_class_to_regex(found[2], negated=bool(found[1])))
            index = found.end()
            continue
        parts.append({"*": ".*", "?": "."}.get(char) or re.escape(char))
        index += 1
    return "".join(parts)


def _class_to_regex(members: str, *, negated: bool) -> str:
    """Return the regular expression of a class; a range from high to low has no members."""
    found: list[str] = []
    for low, high, single in re.findall(r"(.)-(.)|(.)", members, re.DOTALL):
        if single:
            found.append(re.escape(single))
        elif low <= high:
            found.append(f"{re.escape(low)}-{re.escape(high)}")
    if not found:
        return "." if negated else r"(?!)"
    return f"[{'^' if negated else ''}{''.join(found)}]"
