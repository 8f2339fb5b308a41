"""URLs: one strict reading."""

from __future__ import annotations

import pytest

from extism._capabilities.urls import Url


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("http://example.com", "http://example.com/"),
        ("HTTPS://EXAMPLE.com:443/a?b=c#frag", "https://example.com/a?b=c"),
        ("http://example.com:443/", "http://example.com:443/"),
        ("http://example.com:/", "http://example.com/"),
        ("http://example.com.:80/", "http://example.com/"),
        ("http://example.com?q=1", "http://example.com/?q=1"),
        ("  http://example.com/ ", "http://example.com/"),
        ('http://example.com/a b/ü?x="<>\\', "http://example.com/a%20b/%C3%BC?x=%22%3C%3E%5C"),
        ("http://example.com/100%25/%zz", "http://example.com/100%25/%zz"),
        ("http://bücher.example/", "http://xn--bcher-kva.example/"),
        ("http://127.0.0.1:8080/x", "http://127.0.0.1:8080/x"),
        ("http://127.0.0.2./", "http://127.0.0.2/"),
        ("http://[::1]:8080/", "http://[::1]:8080/"),
        ("http://[0:0:0:0:0:0:0:1]/", "http://[::1]/"),
        ("http://[::ffff:127.0.0.2]/", "http://127.0.0.2/"),
        ("http://127。0。0。2/", "http://127.0.0.2/"),
        ("http://⑫7.0.0.2/", "http://127.0.0.2/"),
        ("http://under_score.example/", "http://under_score.example/"),
        ("http://127.0.0.1@127.0.0.2/", "http://127.0.0.2/"),
        ("http://127.0.0.1:x@127.0.0.2:81/", "http://127.0.0.2:81/"),
        ("http://127.0.0.1;@127.0.0.2/", "http://127.0.0.2/"),
        ("http://127.0.0.1%2f@127.0.0.2/", "http://127.0.0.2/"),
        ("http://127.0.0.1#@127.0.0.2/", "http://127.0.0.1/"),
        ("http://127.0.0.1?@127.0.0.2/", "http://127.0.0.1/?@127.0.0.2/"),
    ],
)
def test_a_url_has_one_spelling(text, shown):
    """Scheme, host, port and target are brought into one form; userinfo and fragment are not shown."""
    assert str(Url.parse(text)) == shown


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", "Invalid URL: RelativeUrlWithoutBase"),
        ("nope", "Invalid URL: RelativeUrlWithoutBase"),
        ("//127.0.0.2/", "Invalid URL: RelativeUrlWithoutBase"),
        ("/path", "Invalid URL: RelativeUrlWithoutBase"),
        ("ftp://example.com/", "bad uri: unknown scheme: ftp"),
        ("file:///etc/passwd", "bad uri: unknown scheme: file"),
        ("data:text/plain,x", "bad uri: unknown scheme: data"),
        ("gopher://x/", "bad uri: unknown scheme: gopher"),
        ("http:/127.0.0.2/", "Invalid URL: no // after the scheme"),
        ("http:127.0.0.2/", "Invalid URL: no // after the scheme"),
        ("http:\\\\127.0.0.2\\", "Invalid URL: no // after the scheme"),
        ("http://", "Invalid URL: EmptyHost"),
        ("http:///path", "Invalid URL: EmptyHost"),
        ("http://:80/", "Invalid URL: EmptyHost"),
        ("http://user@/", "Invalid URL: EmptyHost"),
        ("http://127.0.0.1\\@127.0.0.2/", "Invalid URL: a backslash or a space before the path"),
        ("http://exa mple.com/", "Invalid URL: a backslash or a space before the path"),
        ("http://a@127.0.0.1@127.0.0.2/", "Invalid URL: more than one @ before the host"),
        ("http://127.0.0.2\t/", "Invalid URL: a control character in it"),
        ("http://a/\r\nX: y", "Invalid URL: a control character in it"),
        ("http://a/\0", "Invalid URL: a control character in it"),
        ("http://2130706434/", "Invalid URL: InvalidIpv4Address: 2130706434 (four"),
        ("http://0x7f000002/", "Invalid URL: InvalidIpv4Address: 0x7f000002 (four"),
        ("http://0177.0.0.2/", "Invalid URL: InvalidIpv4Address: 0177.0.0.2 (four"),
        ("http://127.2/", "Invalid URL: InvalidIpv4Address: 127.2 (four"),
        ("http://127.0.0.0x2/", "Invalid URL: InvalidIpv4Address: 127.0.0.0x2 (four"),
        ("http://%31%32%37.0.0.2/", "Invalid URL: InvalidDomainCharacter: '%31%32%37.0.0.2'"),
        ("http://a..b/", "Invalid URL: InvalidDomainCharacter: 'a..b'"),
        ("http://./", "Invalid URL: InvalidDomainCharacter: ''"),
        ("http://" + "a" * 64 + "/", "Invalid URL: InvalidDomainCharacter: 'aaa"),
        ("http://" + "ü" * 64 + "/", "Invalid URL: IdnaError: 'üüü"),
        ("http://a:0/", "Invalid URL: InvalidPort: 0"),
        ("http://a:65536/", "Invalid URL: InvalidPort: 65536"),
        ("http://a:8o/", "Invalid URL: InvalidPort or InvalidDomainCharacter: a:8o"),
        ("http://a:٣/", "Invalid URL: InvalidPort or InvalidDomainCharacter: a:٣"),
        ("http://[::1/", "Invalid URL: InvalidPort or InvalidDomainCharacter: [::1"),
        ("http://::1/", "Invalid URL: InvalidPort or InvalidDomainCharacter: ::1"),
        ("http://[127.0.0.1]/", "Invalid URL: InvalidIpv6Address: [127.0.0.1]"),
        ("http://[fe80::1%25eth0]/", "Invalid URL: InvalidIpv6Address: [fe80::1%25eth0]"),
        ("http://a/" + "x" * 10_000_000, "Invalid URL: longer than 65536 characters"),
    ],
    ids=lambda value: value[:50],
)
def test_what_could_be_read_in_two_ways_is_refused(text, error):
    """Anything that two parsers may read differently, or that is no http URL, is an error that says why."""
    with pytest.raises(ValueError, match=r"^") as caught:
        Url.parse(text)

    assert str(caught.value)[: len(error)] == error
    assert len(str(caught.value)) < 200


def test_userinfo_is_kept_apart():
    """User and password are decoded and never shown."""
    url = Url.parse("http://us%40er:p%C3%A4ss@example.com/")

    assert url.userinfo == "us@er:päss".encode()
    assert Url.parse("http://example.com/").userinfo is None
    assert "ss" not in str(url)


@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("/b", "http://example.com:81/b"),
        ("c?d", "http://example.com:81/a/c?d"),
        ("//other.example/x", "http://other.example/x"),
        ("https://other.example", "https://other.example/"),
        ("/\xc3\xbc", "http://example.com:81/%C3%BC"),
    ],
)
def test_redirects_are_joined(location, target):
    """A Location is read relative to where it came from, raw UTF-8 included."""
    assert str(Url.parse("http://u:p@example.com:81/a/b").join(location)) == target


def test_the_origin_is_scheme_host_and_port():
    """Another scheme, host or port is another origin."""
    texts = ["http://a/x", "http://A:80/y", "http://a:81/", "https://a/", "http://b/"]
    origins = [Url.parse(text).origin for text in texts]

    assert origins[0] == origins[1]
    assert len(set(origins)) == 4
