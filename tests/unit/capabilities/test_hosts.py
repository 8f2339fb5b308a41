"""Allowed hosts: which names match, and which addresses they open."""

from __future__ import annotations

import ipaddress
import logging

import pytest

from extism._capabilities.hosts import AllowedHosts, is_public
from extism._capabilities.urls import Url


def allows(patterns, host, port=80):
    url = Url.parse(f"http://[{host}]/" if ":" in host else f"http://{host}/")
    return AllowedHosts(patterns).allows(url.host, port)


@pytest.mark.parametrize(
    ("pattern", "host", "expected"),
    [
        ("example.com", "example.com", True),
        ("example.com", "EXAMPLE.com", True),
        ("EXAMPLE.com", "example.com", True),
        ("example.com", "example.com.", True),
        ("example.com.", "example.com", True),
        ("example.com", "www.example.com", False),
        ("example.com", "example.com.evil.org", False),
        ("*.example.com", "a.b.example.com", True),
        ("*.example.com", "example.com", False),
        ("*.example.com", "evilexample.com", False),
        ("*", "anything.at.all", True),
        ("**", "anything.at.all", True),
        ("exampl?.com", "example.com", True),
        ("exampl?.com", "exampl.com", False),
        ("[a-c].com", "b.com", True),
        ("[a-c].com", "d.com", False),
        ("[!a-c].com", "d.com", True),
        ("[!a-c].com", "a.com", False),
        ("[a-].com", "-.com", True),
        ("[z-a].com", "m.com", False),
        ("[!z-a].com", "m.com", True),
        ("", "example.com", False),
        ("https://example.com", "example.com", False),
        ("*/example.com", "example.com", False),
        ("***", "example.com", False),
        ("a**b", "ab", False),
        ("[x", "x", False),
        ("[]", "x", False),
        ("[!]", "x", False),
        ("bücher.example", "bücher.example", True),
        ("xn--bcher-kva.example", "bücher.example", True),
        ("*.bücher.example", "a.bücher.example", True),
        ("127.0.0.1", "127.0.0.1", True),
        ("127.0.0.1", "127.0.0.2", False),
        ("127.0.0.1", "::ffff:127.0.0.1", True),
        ("127.0.0.1", "::ffff:127.0.0.2", False),
        ("127.0.0.?", "127.0.0.2", True),
        ("127.0.*", "127.0.9.9", True),
        ("127.0.*", "127.0.evil.example", False),
        ("127.0.0.[12]", "127.0.0.2", True),
        ("127.0.0.[12]", "127.0.0.3", False),
        ("[::1]", "::1", True),
        ("::1", "::1", True),
        ("0:0:0:0:0:0:0:1", "::1", True),
        ("[::1]", "::2", False),
        ("[::1]", "1.example", False),
        ("fe80::*", "fe80::1", True),
        ("[fe80:*]", "fe80::1", True),
    ],
)
def test_patterns(pattern, host, expected):
    """Patterns are upstream's globs over the host, without regard to case."""
    assert allows([pattern], host) is expected


@pytest.mark.parametrize(
    ("pattern", "port", "expected"),
    [
        ("example.com:8080", 8080, True),
        ("example.com:8080", 80, False),
        ("example.com:*", 1234, True),
        ("example.com", 1234, True),
        ("*.com:443", 443, True),
        ("*.com:443", 80, False),
    ],
)
def test_a_port_opens_that_port_only(pattern, port, expected):
    """An entry with a port opens no other; one without opens all."""
    assert allows([pattern], "example.com", port) is expected


@pytest.mark.parametrize("entry", ["[::1]:8080", "127.0.0.1:8080"])
def test_addresses_take_ports(entry):
    """An address may carry a port, IPv6 in brackets."""
    host = "::1" if entry.startswith("[") else "127.0.0.1"

    assert [allows([entry], host, port) for port in (8080, 80)] == [True, False]


@pytest.mark.parametrize("patterns", [[], ["*.example.com", "other.org"]])
def test_nothing_else_is_allowed(patterns):
    """Without a matching entry nothing is allowed; no entries allow nothing."""
    assert allows(patterns, "example.net") is False


@pytest.mark.parametrize("pattern", ["***", "a**b", "[x", "x[!]"])
def test_an_invalid_pattern_is_warned_about(pattern, caplog):
    """What does not parse is compared literally, and that is said."""
    with caplog.at_level(logging.WARNING, "extism"):
        AllowedHosts([pattern])

    assert caplog.messages == [
        f"allowed_hosts: {pattern!r} is no valid pattern, compared literally"
    ]


def opens(patterns, address, host, port=80):
    allowed = AllowedHosts(patterns)
    return allowed.allows(host, port) and allowed.opens(ipaddress.ip_address(address), host, port)


@pytest.mark.parametrize(
    ("patterns", "host", "address", "expected"),
    [
        (["*"], "example.com", "93.184.216.34", True),
        (["*"], "example.com", "2606:4700::1", True),
        (["*"], "example.com", "127.0.0.1", False),
        (["*"], "example.com", "10.0.0.1", False),
        (["*"], "example.com", "::1", False),
        (["*"], "169.254.169.254", "169.254.169.254", False),
        (["*.local"], "printer.local", "192.168.0.9", False),
        (["printer.local"], "printer.local", "192.168.0.9", True),
        (["*.local", "192.168.*"], "printer.local", "192.168.0.9", True),
        (["*.local", "192.168.0.9"], "printer.local", "192.168.0.9", True),
        (["*.local", "192.168.0.9:81"], "printer.local", "192.168.0.9", False),
        (["localhost"], "localhost", "127.0.0.1", True),
        (["local*"], "localhost", "127.0.0.1", False),
        (["127.0.0.1"], "127.0.0.1", "127.0.0.1", True),
        (["127.0.*"], "127.0.0.1", "127.0.0.1", True),
        (["*.0.0.1"], "127.0.0.1", "127.0.0.1", False),
        (["1*"], "127.0.0.1", "127.0.0.1", False),
        (["?27.0.0.1"], "127.0.0.1", "127.0.0.1", False),
        (["::1"], "::1", "::1", True),
        (["fd00::*"], "fd00::5", "fd00::5", True),
    ],
)
def test_the_neighbourhood_is_opened_by_name_or_range_only(patterns, host, address, expected):
    """An exact entry opens what it names; a pattern opens private addresses where it spells the range."""
    assert opens(patterns, address, host) is expected


def test_unrestricted_opens_everything():
    """Downloads that the host asks for are not checked."""
    everything = AllowedHosts.unrestricted()

    assert everything.allows("localhost", 1)
    assert everything.opens(ipaddress.ip_address("127.0.0.1"), "localhost", 1)


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("8.8.8.8", True),
        ("0.0.0.0", False),
        ("100.64.0.1", False),
        ("172.16.0.1", False),
        ("172.32.0.1", True),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("2606:4700::1111", True),
        ("::", False),
        ("::1", False),
        ("::ffff:8.8.8.8", True),
        ("::ffff:127.0.0.1", False),
        ("::127.0.0.1", False),
        ("64:ff9b::8.8.8.8", True),
        ("64:ff9b::127.0.0.1", False),
        ("64:ff9b::a9fe:a9fe", False),
        ("2002:7f00:1::", False),
        ("2002:808:808::", True),
        ("2001:0:4136:e378::1", False),
        ("2001:db8::1", False),
        ("fc00::1", False),
        ("fe80::1", False),
        ("ff02::1", False),
    ],
)
def test_what_is_public(address, expected):
    """Loopback, private, link-local and reserved addresses are not public, however they are wrapped."""
    assert is_public(ipaddress.ip_address(address)) is expected
