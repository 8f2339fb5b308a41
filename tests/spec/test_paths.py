"""WASI and the directories that a manifest shows to a plug-in."""

from __future__ import annotations

import struct

import pytest
from wat_guests import ECHO, wat

import extism

WASI = "wasi_snapshot_preview1"
ERRNO = struct.Struct("<q")

FILES = wat(
    """
    (data (i32.const 64) "written by the guest")
    ;; Puts the input at 1024: descriptor digit, then a path. Gives the new descriptor at 8, and errno.
    (func $open (param $oflags i32) (param $rights i64) (result i32) (local $i i64)
      (block $done (loop $next
        (br_if $done (i64.ge_u (local.get $i) (call $input_length)))
        (i32.store8 (i32.add (i32.const 1024) (i32.wrap_i64 (local.get $i)))
          (call $input_load_u8 (local.get $i)))
        (local.set $i (i64.add (local.get $i) (i64.const 1)))
        (br $next)))
      (call $path_open (i32.sub (i32.load8_u (i32.const 1024)) (i32.const 48)) (i32.const 1)
        (i32.const 1025) (i32.sub (i32.wrap_i64 (call $input_length)) (i32.const 1))
        (local.get $oflags) (local.get $rights) (local.get $rights) (i32.const 0) (i32.const 8)))
    (func (export "read") (local $errno i32) (local $i i32) (local $h i64)
      (local.set $errno (call $open (i32.const 0) (i64.const 2)))
      (if (local.get $errno) (then
        (call $give_i64 (i64.extend_i32_u (local.get $errno))) (return)))
      (i32.store (i32.const 16) (i32.const 4096)) (i32.store (i32.const 20) (i32.const 1000))
      (drop (call $fd_read (i32.load (i32.const 8)) (i32.const 16) (i32.const 1) (i32.const 24)))
      (call $give (call $put (i32.const 4096) (i32.load (i32.const 24)))))
    (func (export "write") (local $errno i32)
      (local.set $errno (call $open (i32.const 9) (i64.const 64)))
      (if (i32.eqz (local.get $errno)) (then
        (i32.store (i32.const 16) (i32.const 64)) (i32.store (i32.const 20) (i32.const 20))
        (local.set $errno
          (call $fd_write (i32.load (i32.const 8)) (i32.const 16) (i32.const 1) (i32.const 24)))))
      (call $give_i64 (i64.extend_i32_u (local.get $errno))))
    (func (export "name") (local $n i32)
      (drop (call $fd_prestat_get (i32.wrap_i64 (call $input_load_u64 (i64.const 0))) (i32.const 16)))
      (local.set $n (i32.load (i32.const 20)))
      (drop (call $fd_prestat_dir_name (i32.wrap_i64 (call $input_load_u64 (i64.const 0)))
        (i32.const 4096) (local.get $n)))
      (call $give (call $put (i32.const 4096) (local.get $n))))""",
    before=f"""
    (import "{WASI}" "path_open" (func $path_open
      (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
    (import "{WASI}" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
    (import "{WASI}" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
    (import "{WASI}" "fd_prestat_get" (func $fd_prestat_get (param i32 i32) (result i32)))
    (import "{WASI}" "fd_prestat_dir_name"
      (func $fd_prestat_dir_name (param i32 i32 i32) (result i32)))""",
)
"""`read`, `write`: the input is the digit of a descriptor and a path; errors are given as 8 bytes."""

GOOD, NO_ENTRY, NOT_PERMITTED = (ERRNO.pack(code) for code in (0, 44, 63))


@pytest.fixture
def tree(tmp_path):
    """A directory that is shown, and a secret beside it."""
    shown = tmp_path / "shown"
    shown.mkdir()
    (shown / "file").write_text("inside")
    (shown / "sub").mkdir()
    (shown / "sub" / "deep").write_text("deep inside")
    (tmp_path / "secret").write_text("outside")
    return shown


def test_a_guest_reads_what_it_is_shown(plugin, tree):
    """Files below the directory can be read, in sub-directories too."""
    made = plugin(FILES, wasi=True, allowed_paths={str(tree): "/data"})

    assert made.call("read", "3file") == b"inside"
    assert made.call("read", "3sub/deep") == b"deep inside"


def test_a_guest_writes_where_it_may(plugin, tree):
    """A new file appears on the host."""
    made = plugin(FILES, wasi=True, allowed_paths={str(tree): "/data"})

    assert made.call("write", "3new") == GOOD
    assert (tree / "new").read_text() == "written by the guest"


@pytest.mark.parametrize("name", ["/data", "/", "data", ".", "/mnt/a b/ä"])
def test_a_directory_has_the_name_of_the_manifest(plugin, tree, name):
    """The guest finds it under the name as it is written, absolute or not."""
    made = plugin(FILES, wasi=True, allowed_paths={str(tree): name})

    assert made.call("name", (3).to_bytes(8, "little")) == name.encode()


def test_directories_come_in_the_order_of_their_keys(plugin, tmp_path):
    """Descriptors from 3 on follow the sorted host paths, not the order of the manifest."""
    for name in "abc":
        (tmp_path / name).mkdir()
    made = plugin(
        FILES, wasi=True, allowed_paths={str(tmp_path / name): f"/{name}" for name in "cab"}
    )

    assert [made.call("name", fd.to_bytes(8, "little")) for fd in (3, 4, 5)] == [
        b"/a",
        b"/b",
        b"/c",
    ]


@pytest.mark.parametrize("path", ["file", "new", "sub/deep", "sub/new"])
def test_a_read_only_directory_cannot_be_changed(plugin, tree, path):
    """With `ro:` nothing can be opened for writing or made; reading goes on."""
    made = plugin(FILES, wasi=True, allowed_paths={f"ro:{tree}": "/data"})
    before = sorted(each.name for each in tree.rglob("*"))

    assert made.call("write", f"3{path}") == NOT_PERMITTED
    assert made.call("read", "3file") == b"inside"
    assert sorted(each.name for each in tree.rglob("*")) == before
    assert (tree / "file").read_text() == "inside"


@pytest.mark.parametrize(
    "path", ["../secret", "sub/../../secret", "/etc/hostname", "link", "absolute", "up/secret"]
)
def test_there_is_no_way_out(plugin, tree, path):
    """Neither `..` nor an absolute path nor a symbolic link leads out of the directory."""
    (tree / "link").symlink_to("../secret")
    (tree / "absolute").symlink_to(tree.parent / "secret")
    (tree / "up").symlink_to("..")
    made = plugin(FILES, wasi=True, allowed_paths={str(tree): "/data"})

    assert made.call("read", f"3{path}") == NOT_PERMITTED


def test_a_link_inside_is_followed(plugin, tree):
    """A symbolic link that stays below the directory works."""
    (tree / "link").symlink_to("sub/deep")
    made = plugin(FILES, wasi=True, allowed_paths={str(tree): "/data"})

    assert made.call("read", "3link") == b"deep inside"


def test_what_is_not_there_is_not_found(plugin, tree):
    """A missing file has its own error number."""
    made = plugin(FILES, wasi=True, allowed_paths={str(tree): "/data"})

    assert made.call("read", "3missing") == NO_ENTRY


def test_without_allowed_paths_there_is_no_directory(plugin):
    """Descriptor 3 is a bad one."""
    assert plugin(FILES, wasi=True).call("read", "3file") == ERRNO.pack(8)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda path: None, "No such file or directory (os error 2)"),
        (lambda path: path.write_text(""), "Not a directory (os error 20)"),
    ],
    ids=["missing", "a file"],
)
@pytest.mark.parametrize("prefix", ["", "ro:"])
def test_a_directory_that_is_none_fails_creation(plugin, tmp_path, make, text, prefix):
    """The error has upstream's words and names the path."""
    path = tmp_path / "nothing"
    make(path)
    with pytest.raises(extism.errors.ManifestError) as caught:
        plugin(ECHO, wasi=True, allowed_paths={f"{prefix}{path}": "/data"})

    assert str(caught.value).startswith(f"Unable to create Extism plugin: {text}")
    assert str(path) in str(caught.value)


def test_a_directory_that_is_gone_fails_creation_too(tree):
    """What was there when the plug-in was compiled may be gone when it is made."""
    compiled = extism.CompiledPlugin(
        {"wasm": [{"data": ECHO.encode()}], "allowed_paths": {str(tree / "sub"): "/s"}}, wasi=True
    )
    (tree / "sub" / "deep").unlink()
    (tree / "sub").rmdir()

    with pytest.raises(extism.errors.ManifestError, match=r"Unable to create Extism plugin: .*sub"):
        extism.Plugin(compiled)


def test_paths_do_not_matter_without_wasi(plugin):
    """A plug-in that cannot see files is not hindered by a directory that does not exist."""
    assert plugin(ECHO, allowed_paths={"/does/not/exist": "/x"}).call("echo", "x") == b"x"


def test_wasi_is_off_unless_asked_for(plugin):
    """The error names the function and says what to pass."""
    with pytest.raises(extism.errors.LinkError) as caught:
        plugin(FILES)

    assert f"unknown import: `{WASI}::path_open` has not been defined" in str(caught.value)
    assert "pass wasi=True" in str(caught.value)
    assert (caught.value.module, caught.value.name) == (WASI, "path_open")


WORLD = wat(
    """
    (func $sizes (param $errno i32)
      (call $give_i64 (i64.load (i32.const 0))))
    (func (export "args") (call $sizes (call $args_sizes_get (i32.const 0) (i32.const 4))))
    (func (export "environ") (call $sizes (call $environ_sizes_get (i32.const 0) (i32.const 4))))
    (func (export "stdin")
      (i32.store (i32.const 16) (i32.const 4096)) (i32.store (i32.const 20) (i32.const 1000))
      (i64.store (i32.const 0) (i64.const -1))
      (i32.store (i32.const 4)
        (call $fd_read (i32.const 0) (i32.const 16) (i32.const 1) (i32.const 0)))
      (call $give_i64 (i64.load (i32.const 0))))
    (func (export "stdout") (param) (result i32)
      (i32.store (i32.const 16) (i32.const 64)) (i32.store (i32.const 20) (i32.const 5))
      (call $fd_write (i32.const 1) (i32.const 16) (i32.const 1) (i32.const 24)))
    (data (i32.const 64) "shown")""",
    before=f"""
    (import "{WASI}" "args_sizes_get" (func $args_sizes_get (param i32 i32) (result i32)))
    (import "{WASI}" "environ_sizes_get" (func $environ_sizes_get (param i32 i32) (result i32)))
    (import "{WASI}" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
    (import "{WASI}" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))""",
    memory='(memory (export "memory") 1)',
)


@pytest.mark.parametrize("name", ["args", "environ", "stdin"])
def test_nothing_of_the_host_is_visible(plugin, name):
    """No argument, no variable of the environment, and standard input at its end."""
    assert plugin(WORLD, wasi=True).call(name, "") == bytes(8)


def test_standard_output_goes_nowhere(plugin, capfd):
    """Writing succeeds and is seen by nobody."""
    assert plugin(WORLD, wasi=True).call("stdout", "") == b""
    assert capfd.readouterr() == ("", "")


def test_standard_output_is_shown_on_demand(plugin, capfd, monkeypatch):
    """With EXTISM_ENABLE_WASI_OUTPUT in the environment the guest writes to the host's own."""
    monkeypatch.setenv("EXTISM_ENABLE_WASI_OUTPUT", "1")
    plugin(WORLD, wasi=True).call("stdout", "")

    assert capfd.readouterr() == ("shown", "")
