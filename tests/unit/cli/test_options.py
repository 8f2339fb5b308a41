"""The texts of flags, and how what they grant is laid over a manifest."""

from __future__ import annotations

import pytest

from extism._cli.options import (
    Grants,
    parse_config,
    parse_config_object,
    parse_link,
    parse_mounts,
    parse_path,
)
from extism.errors import ManifestError, SourceError
from extism.manifest import Manifest, MemoryOptions, WasmData, WasmFile, WasmUrl

MODULE = WasmData(b"(module)")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/data", ("/data", "/data")),
        ("data", ("data", "data")),
        ("/data:/in", ("/data", "/in")),
        ("/data:/in:side", ("/data", "/in:side")),
        ("ro:/data", ("ro:/data", "/data")),
        ("ro:/data:/in", ("ro:/data", "/in")),
        ("./ro:/in", ("./ro", "/in")),
        ("rosa:/in", ("rosa", "/in")),
        ("c:/in", ("c", "/in")),
        (r"C:\data:/in", (r"C:\data", "/in")),
        (r"ro:C:\data:/in", (r"ro:C:\data", "/in")),
        (r"C:\data", (r"C:\data", r"C:\data")),
    ],
)
def test_a_directory_is_read_only_or_not_and_has_a_place(text, expected):
    """`[ro:]HOST[:GUEST]` is split at the first colon that is neither behind `ro` nor behind a drive."""
    assert parse_path(text, is_windows=False) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("C:/data:/in", ("C:/data", "/in")),
        (r"c:\data:/in", (r"c:\data", "/in")),
        ("ro:C:/data", ("ro:C:/data", "C:/data")),
        ("data:/in", ("data", "/in")),
    ],
)
def test_on_windows_a_letter_and_a_slash_are_a_drive(text, expected):
    """`C:/data` is one path where there are drives."""
    assert parse_path(text, is_windows=True) == expected


@pytest.mark.parametrize("text", ["", ":", ":/in", "/data:", "ro:", "ro::/in"])
def test_half_a_mount_is_refused(text):
    """A mount without a directory, or with nothing behind its colon, says what is wanted."""
    with pytest.raises(ValueError, match=r"wanted is \[ro:\]HOST or \[ro:\]HOST:GUEST$"):
        parse_path(text)


def test_one_directory_at_two_places_is_refused():
    """A manifest holds one place for each directory, so the second is not lost in silence."""
    assert parse_mounts(["/a:/x", "/a:/x"]) == (("/a", "/x"),)
    with pytest.raises(ValueError, match="'/a' is given twice, as '/x' and as '/y'"):
        parse_mounts(["/a:/x", "/a:/y"])


@pytest.mark.parametrize(
    ("text", "expected"),
    [("k=v", ("k", "v")), ("k=a=b", ("k", "a=b")), ("k=", ("k", "")), ("k", ("k", ""))],
)
def test_a_key_ends_at_the_first_equals_sign(text, expected):
    """Without an equals sign the text is empty."""
    assert parse_config(text) == expected


def test_a_text_without_a_key_is_refused_without_being_shown():
    """The value may be a password."""
    with pytest.raises(ValueError, match="no key before the =") as caught:
        parse_config("=secret")

    assert "secret" not in str(caught.value)


def test_configuration_as_an_object():
    """`--set-config` is a JSON object of texts."""
    assert parse_config_object('{"a": "1", "b": ""}') == {"a": "1", "b": ""}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("nonsense", "no JSON: "),
        ('["a"]', "is no text; wanted is a JSON object of texts"),
        ('{"a": 5}', "a is no text; wanted is a JSON object of texts"),
        ('{"a": null}', "a is no text; wanted is a JSON object of texts"),
        ("[" * 100_000, "nested too deeply"),
    ],
    ids=["no json", "list", "number", "null", "deep"],
)
def test_configuration_that_is_no_object_of_texts_is_refused(text, words):
    """The error names the key."""
    with pytest.raises(ValueError, match=words):
        parse_config_object(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("lib.wasm", ("lib", "lib.wasm")),
        ("dir/lib.v2.wasm", ("lib.v2", "dir/lib.v2.wasm")),
        ("env=lib.wasm", ("env", "lib.wasm")),
        ("extism:host/user=lib.wasm", ("extism:host/user", "lib.wasm")),
        ("https://a.test/x/lib.wasm?token=a=b", ("lib", "https://a.test/x/lib.wasm?token=a=b")),
        ("env=https://a.test/x?y=z", ("env", "https://a.test/x?y=z")),
        ("HTTP://a.test/my%20lib.wasm", ("my lib", "HTTP://a.test/my%20lib.wasm")),
    ],
)
def test_a_link_has_a_name_of_its_own_or_that_of_its_file(text, expected):
    """`NAME=PLACE` or `PLACE`; a URL may have a `=` in it."""
    assert parse_link(text) == expected


def test_a_file_with_an_equals_sign_in_its_name_is_a_file(tmp_path, monkeypatch):
    """What exists is what is meant."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a=b.wasm").touch()

    assert parse_link("a=b.wasm") == ("a=b", "a=b.wasm")
    assert parse_link("a=c.wasm") == ("a", "c.wasm")


@pytest.mark.parametrize("text", ["", "=lib.wasm", "name=", "https://a.test/"])
def test_a_link_without_name_or_place_is_refused(text):
    """Nothing is called by an empty name."""
    with pytest.raises(ValueError, match="wanted is NAME=PATH_OR_URL, or PATH_OR_URL"):
        parse_link(text)


def test_nothing_given_changes_nothing():
    """A manifest under no grants stays what it is."""
    manifest = Manifest(
        wasm=(MODULE,),
        memory=MemoryOptions(1, 2, 3),
        config={"a": "1"},
        allowed_hosts=("a.test",),
        allowed_paths={"/a": "/b"},
        timeout_ms=5,
    )

    assert Grants().over(manifest) == manifest


@pytest.mark.parametrize(
    ("grants", "expected"),
    [
        (Grants(memory_max=9), MemoryOptions(9, 2, 3)),
        (Grants(http_response_max=9), MemoryOptions(1, 9, 3)),
        (Grants(http_response_max=0), MemoryOptions(1, 0, 3)),
        (Grants(var_max=9), MemoryOptions(1, 2, 9)),
        (Grants(var_max=0), MemoryOptions(1, 2, 0)),
    ],
)
def test_one_memory_flag_leaves_the_others(grants, expected):
    """Each of the three limits is a statement about itself alone."""
    manifest = Manifest(wasm=(MODULE,), memory=MemoryOptions(1, 2, 3))

    assert grants.over(manifest).memory == expected


def test_one_memory_flag_leaves_the_defaults():
    """Without a manifest the limits that were not given are the defaults, not zero."""
    memory = Grants(memory_max=100).over(Manifest(wasm=(MODULE,))).memory

    assert memory == MemoryOptions(max_pages=100)
    assert memory.http_response_limit == 50 << 20
    assert memory.var_limit == 1 << 20


def test_grants_go_over_the_manifest():
    """Hosts are added; time, configuration and directories of the command line win."""
    manifest = Manifest(
        wasm=(MODULE,),
        config={"a": "manifest", "b": "manifest", "c": "manifest"},
        allowed_hosts=("a.test",),
        allowed_paths={"/a": "/in", "/b": "/there", "/c": "/kept"},
        timeout_ms=5,
    )
    grants = Grants(
        allow_path=(("ro:/a", "/in"), ("/d", "/there")),
        allow_host=("b.test",),
        timeout=7,
        set_config={"b": "object", "c": "object"},
        config=(("c", "flag"), ("d", "first"), ("d", "last")),
    )

    laid = grants.over(manifest)

    assert laid.config == {"a": "manifest", "b": "object", "c": "flag", "d": "last"}
    assert laid.allowed_hosts == ("a.test", "b.test")
    assert laid.allowed_paths == {"/c": "/kept", "ro:/a": "/in", "/d": "/there"}
    assert laid.timeout_ms == 7


def test_links_stand_in_front(tmp_path):
    """Linked modules come first, in their order, so the manifest's last module stays `main`."""
    first = tmp_path / "first.wasm"
    first.touch()
    grants = Grants(link=(("first", str(first)), ("second", "https://a.test/second.wasm")))

    laid = grants.over(Manifest(wasm=(MODULE,)))

    assert laid.wasm == (
        WasmFile(str(first), name="first"),
        WasmUrl("https://a.test/second.wasm", name="second"),
        MODULE,
    )
    assert laid.module_names == ("first", "second", "main")


def test_a_link_called_main_collides_with_the_plugin(tmp_path):
    """There is one `main`."""
    (tmp_path / "x.wasm").touch()
    with pytest.raises(
        ManifestError, match=r"^Duplicate module name found in Extism manifest: main"
    ):
        Grants(link=(("main", str(tmp_path / "x.wasm")),)).over(Manifest(wasm=(MODULE,)))


def test_a_link_that_does_not_exist_is_named(tmp_path):
    """The error has the path as it was given."""
    path = str(tmp_path / "x.wasm")
    with pytest.raises(SourceError) as caught:
        Grants(link=(("x", path),)).over(Manifest(wasm=(MODULE,)))

    assert str(caught.value) == f"open {path}: no such file or directory"
    assert caught.value.source == path
