"""
`Url`: one strict reading of an http or https URL, so that what is checked is what is connected to.

A text that two parsers could read in two ways (backslashes, control characters, a second `@`, an IPv4
address in anything but four decimal numbers) is refused. The host comes out in one spelling: lower case,
IDNA, no trailing dot; addresses canonical, an IPv4 address inside IPv6 as IPv4.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Final, TypeAlias
from urllib.parse import quote, unquote_to_bytes, urljoin

from extism._dataclass import dataclass

__all__ = ["Address", "Url", "canonical_host", "parse_address"]

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

MAX_CHARACTERS: Final = 65536
_PORTS: Final = {"http": 80, "https": 443}
_KEPT: Final = "%!$&'()*+,;=:@/-._~?[]"
"""Characters of path and query that are sent as they are; all others are percent-encoded."""


@dataclass(frozen=True)
class Url:
    """
    An http or https URL, taken apart.

    Attributes:
        scheme: `http` or `https`.
        host: In its one spelling; IPv6 without brackets.
        address: The host, where it is an address and no name.
        port: From 1 to 65535.
        target: Path and query, percent-encoded, as the request line takes it.
        userinfo: `user:password` in bytes, `None` where there is none.
    """

    scheme: str
    host: str
    address: Address | None
    port: int
    target: str
    userinfo: bytes | None = None

    @classmethod
    def parse(cls, text: str) -> Url:
        """
        Return the URL in `text`.

        Raises:
            ValueError: It is not one, in upstream's words where there are any.
        """
        scheme, rest = _split_scheme(text)
        authority, target = _split_target(rest)
        userinfo, at, place = authority.rpartition("@")
        if "@" in userinfo:
            raise ValueError("Invalid URL: more than one @ before the host")
        host, address, port = _split_port(place)
        return cls(
            scheme=scheme,
            host=host,
            address=address,
            port=_PORTS[scheme] if port is None else port,
            target=target,
            userinfo=unquote_to_bytes(userinfo) if at else None,
        )

    def join(self, location: str) -> Url:
        """Return the URL that a redirect from here to `location` means."""
        # A header comes as Latin-1; servers that send other characters raw mean UTF-8.
        text = location.encode("latin-1", "replace").decode("utf-8", "replace")
        is_absolute = re.match(r" *[A-Za-z][A-Za-z0-9+.-]*:", text)
        return Url.parse(text if is_absolute else urljoin(str(self), text))

    @property
    def origin(self) -> tuple[str, str, int]:
        """Scheme, host and port: credentials never leave them."""
        return self.scheme, self.host, self.port

    @property
    def host_header(self) -> str:
        """The host as the Host header has it: brackets around IPv6, the port unless it is the usual one."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    def __str__(self) -> str:
        """The URL without its userinfo: this is what errors show."""
        return f"{self.scheme}://{self.host_header}{self.target}"


def canonical_host(text: str) -> tuple[str, Address | None]:
    """
    Return a host in its one spelling, and the address that it is, if it is one.

    Raises:
        ValueError: It is neither a name nor an address, or an address in an unusual spelling.
    """
    if text.startswith("[") and text.endswith("]"):
        text = text[1:-1]
        if ":" not in text:
            raise ValueError(f"Invalid URL: InvalidIpv6Address: [{text[:60]}]")
    if ":" in text:
        address = parse_address(text)
        if address is None:
            raise ValueError(f"Invalid URL: InvalidIpv6Address: [{text[:60]}]")
        return str(address), address
    name = _ascii_name(text)
    if re.fullmatch(r"\d+|0x[0-9a-f]*", name.rpartition(".")[2]):
        address = parse_address(name)
        if address is None:
            raise ValueError(f"Invalid URL: InvalidIpv4Address: {name} (four decimal numbers only)")
        return name, address
    return name, None


def parse_address(text: str) -> Address | None:
    """Return the address in canonical form (IPv4 out of IPv6 where it is mapped), `None` for a name."""
    if "%" in text:  # a zone names an interface of this machine: no business of a guest
        return None
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _split_scheme(text: str) -> tuple[str, str]:
    if len(text) > MAX_CHARACTERS:
        raise ValueError(f"Invalid URL: longer than {MAX_CHARACTERS} characters")
    if re.search(r"[\0-\x1f\x7f]", text):
        raise ValueError("Invalid URL: a control character in it")
    scheme, colon, rest = text.strip(" ").partition(":")
    if not colon or not re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*", scheme):
        raise ValueError("Invalid URL: RelativeUrlWithoutBase")
    if scheme.lower() not in _PORTS:
        raise ValueError(f"bad uri: unknown scheme: {scheme[:60].lower()}")
    if not rest.startswith("//"):
        raise ValueError("Invalid URL: no // after the scheme")
    return scheme.lower(), rest[2:]


def _split_target(rest: str) -> tuple[str, str]:
    """Return the authority, and path and query made ready to send; the fragment stays at home."""
    end = re.search(r"[/?#]", rest)
    authority, tail = (rest, "") if end is None else (rest[: end.start()], rest[end.start() :])
    if re.search(r"[\\\s]", authority):
        raise ValueError("Invalid URL: a backslash or a space before the path")
    if not authority:
        raise ValueError("Invalid URL: EmptyHost")
    target = tail.partition("#")[0]
    return authority, quote(target if target.startswith("/") else f"/{target}", safe=_KEPT)


def _split_port(place: str) -> tuple[str, Address | None, int | None]:
    found = re.fullmatch(r"(\[[^\[\]]*\]|[^:\[\]]*)(?::(\d{0,5}))?", place, re.ASCII)
    if found is None:
        raise ValueError(f"Invalid URL: InvalidPort or InvalidDomainCharacter: {place[:60]}")
    if not found[1]:
        raise ValueError("Invalid URL: EmptyHost")
    host, address = canonical_host(found[1])
    port = int(found[2]) if found[2] else None
    if port is not None and not 1 <= port <= 65535:
        raise ValueError(f"Invalid URL: InvalidPort: {port}")
    return host, address, port


def _ascii_name(text: str) -> str:
    """Return a name in lower case ASCII without a trailing dot; other scripts go through IDNA."""
    try:
        name = text.lower() if text.isascii() else text.encode("idna").decode("ascii").lower()
    except UnicodeError as error:
        raise ValueError(f"Invalid URL: IdnaError: {text[:60]!r}") from error
    name = name.removesuffix(".")
    is_name = re.fullmatch(r"[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*", name)
    if not is_name or len(name) > 253:
        raise ValueError(f"Invalid URL: InvalidDomainCharacter: {name[:60]!r}")
    return name
