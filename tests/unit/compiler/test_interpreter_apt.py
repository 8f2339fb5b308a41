"""Debian's source archive, found through the machine's own configuration of apt."""

from __future__ import annotations

import os

import pytest

from extism._compiler.interpreter import apt
from extism._compiler.interpreter.apt import (
    Mirror,
    mirrors,
    parse_deb822,
    parse_one_line,
    stanza,
)

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
MAIN = Mirror("http://deb.example/debian", KEYRING)

TWO_STANZAS = f"""\
Types: deb
# a comment between the fields
URIs: http://deb.example/debian
Suites: bookworm bookworm-updates
Components: main
Signed-By: {KEYRING}

Types: deb
URIs: http://deb.example/debian-security
Suites: bookworm-security
Components: main
Signed-By: {KEYRING}
"""

KEY_INSIDE = """\
Types: deb
URIs: https://one.example/debian https://two.example/debian
Suites: stable
Components: main contrib
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 mQINBF
 -----END PGP PUBLIC KEY BLOCK-----
"""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(TWO_STANZAS, [MAIN], id="security archive holds no release"),
        pytest.param("", [], id="empty"),
        pytest.param(
            "types: deb\nuris: http://a/debian\nsuites: sid\ncomponents: main",
            [Mirror("http://a/debian", "")],
            id="lower-case keys, no keyring",
        ),
        pytest.param(
            "Enabled: no\nTypes: deb\nURIs: http://a\nSuites: sid\nComponents: main",
            [],
            id="disabled",
        ),
        pytest.param(
            "Types: deb\nURIs: http://a\nSuites: nodistro\nComponents: other",
            [],
            id="foreign archive",
        ),
        pytest.param("Types: deb\nURIs: http://a\nSuites: ./\n", [], id="flat archive"),
    ],
)
def test_deb822(text, expected):
    """A mirror is every address of an enabled stanza that can hold a whole release."""
    assert list(parse_deb822(text)) == expected


def test_a_key_inside_the_stanza_is_carried_over():
    """A keyring written into the stanza survives, indented, in the stanza that we write."""
    first, second = parse_deb822(KEY_INSIDE)

    assert (first.uri, second.uri) == ("https://one.example/debian", "https://two.example/debian")
    assert stanza(first) == (
        "Types: deb-src\nURIs: https://one.example/debian\nSuites: trixie\nComponents: main\n"
        "Signed-By: \n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n mQINBF\n"
        " -----END PGP PUBLIC KEY BLOCK-----\n"
    )


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("deb http://deb.example/debian bookworm main contrib", [Mirror(MAIN.uri, "")]),
        (f"deb [arch=amd64 signed-by={KEYRING}] {MAIN.uri} stable main # x", [MAIN]),
        ("deb-src  [ signed-by=/a,/b ]  http://m sid main", [Mirror("http://m", "/a /b")]),
        ("# deb http://deb.example/debian bookworm main", []),
        ("deb http://deb.example/debian bookworm/updates main", []),
        ("deb http://deb.example/debian bookworm-backports main", []),
        ("deb http://packages.example stable non-free", []),
        ("nonsense", []),
    ],
)
def test_one_line(line, expected):
    """The older form: `deb [options] uri suite components`."""
    assert list(parse_one_line(line)) == expected


def test_both_forms_are_read_and_each_mirror_is_asked_once(tmp_path):
    """sources.list, *.list and *.sources count; other files do not."""
    parts = tmp_path / "sources.list.d"
    parts.mkdir()
    (tmp_path / "sources.list").write_text("deb http://old.example/debian sid main\n")
    (parts / "a.sources").write_text(TWO_STANZAS)
    (parts / "b.list").write_text(f"deb [signed-by={KEYRING}] {MAIN.uri} bookworm main\n")
    (parts / "c.list.disabled").write_text("deb http://no.example/debian sid main\n")

    assert mirrors(tmp_path) == [MAIN, Mirror("http://old.example/debian", "")]


def test_a_machine_without_apt_says_so(tmp_path, monkeypatch):
    """Where there is no apt-get, the reason is that."""
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(OSError, match="this machine has no apt-get"):
        apt.fetch("thing", "thing.orig.tar.gz", tmp_path, tmp_path)


@pytest.fixture
def fake_apt(tmp_path, monkeypatch):
    """An apt-get that notes its words and brings, on `source`, what the test has put into `archive`."""
    etc = tmp_path / "etc"
    (etc / "sources.list.d").mkdir(parents=True)
    (etc / "sources.list.d" / "debian.sources").write_text(TWO_STANZAS)
    (tmp_path / "archive").mkdir()
    bin_ = tmp_path / "bin"
    bin_.mkdir()
    script = bin_ / "apt-get"
    script.write_text(
        f'#!/bin/sh\necho "$@" >> {tmp_path}/words\n'
        f'case "$*" in *" source "*) cp {tmp_path}/archive/* . ;; '
        f"*) cat *.sources >> {tmp_path}/stanzas ;; esac\n"
        f"test -e {tmp_path}/broken && echo 'E: no such package' && exit 100\nexit 0\n"
    )
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{bin_}{os.pathsep}{os.environ['PATH']}")
    return tmp_path


def test_apt_works_in_a_folder_of_its_own(fake_apt):
    """apt sees one stanza of ours, and every folder that it writes to is ours and goes away."""
    (fake_apt / "archive" / "thing.orig.tar.gz").write_bytes(b"x")
    cache = fake_apt / "cache"
    cache.mkdir()

    apt.fetch("thing", "thing.orig.tar.gz", cache, fake_apt / "etc")

    assert [path.name for path in cache.iterdir()] == ["thing.orig.tar.gz"]
    assert (fake_apt / "stanzas").read_text() == stanza(MAIN)
    update, source = (fake_apt / "words").read_text().splitlines()
    assert update.split()[-1] == "update"
    assert source.endswith("source --download-only --tar-only --only-source thing")
    for setting in ("Dir::State::lists=", "Dir::Cache=", "Dir::Etc::sourcelist="):
        assert f"-o{setting}{cache}/" in update
        assert f"-o{setting}{cache}/" in source
    assert "-oDir::Etc::sourceparts=- " in update


def test_another_version_in_the_archive_is_named(fake_apt):
    """If the suite has moved on, the reason says what it has."""
    (fake_apt / "archive" / "thing_2.orig.tar.gz").write_bytes(b"x")

    with pytest.raises(OSError, match=r"trixie has thing_2\.orig\.tar\.gz where thing_1"):
        apt.fetch("thing", "thing_1.orig.tar.gz", fake_apt, fake_apt / "etc")


def test_the_words_of_a_failing_apt_are_kept(fake_apt):
    """apt's own error lines become the reason."""
    (fake_apt / "broken").touch()

    with pytest.raises(OSError, match="E: no such package"):
        apt.fetch("thing", "thing.orig.tar.gz", fake_apt, fake_apt / "etc")
