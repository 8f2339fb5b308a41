"""Group F: a guest reaches the directories that it is shown, and takes no more of the host than it may."""

from __future__ import annotations

import contextlib
import logging
import os
import resource
import socket
import sys
import threading
import time
from pathlib import Path

import pytest
from in_a_child import in_a_child, peak_memory
from patience import ROOM, within
from wasi_puppet import PUPPET, WASI, Puppet, wasi_import
from wat_guests import wat

import extism
from extism.errors import CallTimeout, GuestExit, LinkError, ManifestError, Trap

GOOD, BAD_FD, LOOP, PERM = 0, 8, 32, 63
CREATE, DIRECTORY, EXCLUSIVE, TRUNCATE = 1, 2, 4, 8
READ, WRITE = 2, 64
EVERYTHING = 0x1FFF_FFFF
OUTWARD = ["../secret", "sub/../../secret", "sub/../../outside/deep", "..", "../shown/../secret"]


@pytest.fixture
def tree(tmp_path):
    """A directory that is shown; beside it a secret, and a directory of others."""
    shown = tmp_path / "shown"
    for folder in (shown, shown / "sub", tmp_path / "outside"):
        folder.mkdir()
    (shown / "file").write_text("inside")
    (shown / "sub" / "deep").write_text("deep inside")
    (tmp_path / "secret").write_text("outside")
    (tmp_path / "outside" / "deep").write_text("outside")
    return shown


@pytest.fixture
def puppet(plugin):
    """A function from allowed paths to the guest on strings."""
    return lambda wasi=True, **paths: Puppet(
        plugin(PUPPET, wasi=wasi, allowed_paths={host: name for name, host in paths.items()})
    )


@pytest.fixture
def shown(puppet, tree):
    """The guest with the directory as descriptor 3."""
    return puppet(data=str(tree))


@pytest.fixture
def read_only(puppet, tree):
    return puppet(data=f"ro:{tree}")


def snapshot(folder: Path) -> dict[str, object]:
    """Everything below a directory: names, contents, and when the files were changed."""
    return {
        str(path.relative_to(folder)): str(path.readlink())
        if path.is_symlink()
        else (path.read_bytes() if path.is_file() else None, path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
    }


def read_all(puppet: Puppet, path: str, **options) -> tuple[int, bytes]:
    errno, fd = puppet.open(path, **options)
    if errno:
        return errno, b""
    found = puppet.read(fd)
    puppet.fd_close(fd)
    return found


def test_f01_without_allowed_paths(puppet):
    """No descriptor from 3 on is a directory; with one, its file is read."""
    assert [puppet().open("file", fd=fd)[0] for fd in range(3, 10)] == [BAD_FD] * 7


def test_f01_control(shown):
    """What is shown is reached."""
    assert read_all(shown, "file") == (GOOD, b"inside")
    assert read_all(shown, "sub/deep") == (GOOD, b"deep inside")


@pytest.mark.parametrize("path", OUTWARD)
def test_f02_two_dots(shown, path):
    """Neither files nor directories outside are opened; two dots inside are fine."""
    assert shown.open(path)[0] == PERM
    assert shown.open(path, DIRECTORY)[0] == PERM
    assert shown.open(path, CREATE, WRITE)[0] == PERM
    assert shown.path_filestat_get(3, 1, *shown.path(path), 0) == PERM
    assert read_all(shown, "sub/../file") == (GOOD, b"inside")


def test_f03_absolute_paths(shown, tree):
    """Refused, even if they lead into the directory."""
    for path in ("/etc/hostname", str(tree / "file"), "//", "/data/file"):
        assert shown.open(path)[0] == PERM
    assert read_all(shown, "./file") == (GOOD, b"inside")


@pytest.mark.parametrize("follow", [0, 1])
def test_f04_links_to_the_outside(shown, tree, follow):
    """Relative, absolute, through a directory: refused; a link that stays inside is followed."""
    (tree / "relative").symlink_to("../secret")
    (tree / "absolute").symlink_to(tree.parent / "secret")
    (tree / "up").symlink_to("..")
    (tree / "two").symlink_to("up/secret")
    (tree / "good").symlink_to("sub/deep")
    for path in ("relative", "absolute", "two", "up/secret", "up/outside/deep"):
        assert shown.open(path, follow=follow)[0] in {PERM, LOOP}
        assert shown.open(path, CREATE | TRUNCATE, WRITE, follow=follow)[0] in {PERM, LOOP}
    assert read_all(shown, "good") == (GOOD, b"deep inside")
    assert (tree.parent / "secret").read_text() == "outside"


@pytest.mark.parametrize("limits", [{}, {"max_disk_bytes": None, "max_new_files": None}], ids=str)
@pytest.mark.parametrize(
    ("target", "link"),
    [
        ("../secret", "trap"),
        ("..", "trap"),
        ("./..//secret", "./trap"),
        ("sub/../../secret", "trap"),
        ("../../secret", "sub/trap"),
        ("../secret", "sub/../trap"),
        ("../sub/../../secret", "sub/trap"),
    ],
)
def test_f05_links_that_the_guest_makes(puppet, tree, target, link, limits):
    """None that leads outside is made, for the guest or the host to follow; links that stay inside are."""
    it = puppet(extism.WasiOptions(**limits), data=str(tree))
    assert it.path_symlink(*it.path(target), 3, *it.other_path(link)) == PERM
    assert not [path for path in tree.rglob("*") if path.is_symlink()]

    for good, at in (("file", "near"), ("../file", "sub/far"), ("./sub/../file", "sub/../round")):
        assert it.path_symlink(*it.path(good), 3, *it.other_path(at)) == GOOD
        assert read_all(it, at) == (GOOD, b"inside")


def test_f06_links_to_absolute_paths(shown, tree):
    """None is left behind for the host to trip over."""
    errno = shown.path_symlink(*shown.path("/etc/passwd"), 3, *shown.other_path("trap"))

    assert errno == PERM
    assert not (tree / "trap").is_symlink()
    assert shown.path_symlink(*shown.path("sub/deep"), 3, *shown.other_path("trap")) == GOOD
    assert read_all(shown, "trap") == (GOOD, b"deep inside")


def test_f07_circles_of_links(shown, tree):
    """An error, at once."""
    (tree / "a").symlink_to("b")
    (tree / "b").symlink_to("a")

    (tree / "c").symlink_to("d")
    (tree / "d").symlink_to("file")

    assert shown.open("a")[0] == LOOP
    assert shown.open("a/file")[0] == LOOP
    assert read_all(shown, "c") == (GOOD, b"inside")


@pytest.mark.parametrize("path", OUTWARD)
def test_f08_renaming_and_linking(shown, tree, path):
    """Nothing comes in and nothing goes out; inside both work."""
    before = snapshot(tree.parent / "outside")
    there = f"{path}/new"
    assert shown.path_rename(3, *shown.path("file"), 3, *shown.other_path(there)) == PERM
    assert shown.path_rename(3, *shown.path(path), 3, *shown.other_path("stolen")) == PERM
    assert shown.path_link(3, 0, *shown.path(path), 3, *shown.other_path("stolen")) == PERM
    assert shown.path_link(3, 0, *shown.path("file"), 3, *shown.other_path(there)) == PERM
    assert (tree.parent / "secret").read_text() == "outside"
    assert snapshot(tree.parent / "outside") == before
    assert shown.path_link(3, 0, *shown.path("file"), 3, *shown.other_path("second")) == GOOD
    assert shown.path_rename(3, *shown.path("second"), 3, *shown.other_path("third")) == GOOD


@pytest.mark.parametrize("rights", [WRITE, READ | WRITE, EVERYTHING])
def test_f09_read_only_is_not_opened_for_writing(read_only, tree, rights):
    """With any right to write: refused. Reading works."""
    before = snapshot(tree)
    for path in ("file", "sub/deep"):
        errno, fd = read_only.open(path, rights=rights)
        if not errno:
            assert read_only.write(fd, b"broken")[0] != GOOD
    assert snapshot(tree) == before
    assert read_all(read_only, "file") == (GOOD, b"inside")


@pytest.mark.parametrize("rights", [0, READ, WRITE, EVERYTHING])
@pytest.mark.parametrize("oflags", [CREATE, CREATE | EXCLUSIVE, CREATE | TRUNCATE])
def test_f10_nothing_is_created_in_read_only(read_only, tree, rights, oflags):
    """Whatever rights are asked for."""
    before = snapshot(tree)

    assert read_only.open("new", oflags, rights)[0] == PERM
    assert read_only.open("sub/new", oflags, rights)[0] == PERM
    assert snapshot(tree) == before


@pytest.mark.parametrize("rights", [0, READ, WRITE, EVERYTHING])
@pytest.mark.parametrize("oflags", [TRUNCATE, CREATE | TRUNCATE])
def test_f11_nothing_is_truncated_in_read_only(read_only, tree, rights, oflags):
    """Nor with rights to read only."""
    before = snapshot(tree)
    read_only.open("file", oflags, rights)

    assert snapshot(tree) == before
    assert read_all(read_only, "file") == (GOOD, b"inside")


def test_f12_a_directory_below_is_read_only_too(read_only, tree):
    """Opened with every right, it still gives none to change anything."""
    before = snapshot(tree)
    for rights in (READ, EVERYTHING):
        errno, fd = read_only.open("sub", DIRECTORY, rights)
        if errno:
            continue
        assert read_only.open("new", CREATE, WRITE, fd=fd)[0] == PERM
        assert read_only.open("deep", TRUNCATE, WRITE, fd=fd)[0] == PERM
        assert read_only.path_create_directory(fd, *read_only.path("made")) == PERM
        assert read_only.path_unlink_file(fd, *read_only.path("deep")) == PERM
        assert read_all(read_only, "deep", fd=fd) == (GOOD, b"deep inside")
    assert snapshot(tree) == before


def changes(it: Puppet) -> dict[str, int]:
    """The error number of every function that could change something in descriptor 3."""
    found = {
        "unlink": it.path_unlink_file(3, *it.path("file")),
        "rename": it.path_rename(3, *it.path("file"), 3, *it.other_path("moved")),
        "mkdir": it.path_create_directory(3, *it.path("made")),
        "rmdir": it.path_remove_directory(3, *it.path("empty")),
        "symlink": it.path_symlink(*it.path("file"), 3, *it.other_path("soft")),
        "link": it.path_link(3, 0, *it.path("file"), 3, *it.other_path("hard")),
        "path times": it.path_filestat_set_times(3, 1, *it.path("sub/deep"), 1, 1, 5),
        "directory times": it.fd_filestat_set_times(3, 1, 1, 5),
    }
    errno, fd = it.open("sub/deep")
    assert errno == GOOD
    return found | {
        "file times": it.fd_filestat_set_times(fd, 1, 1, 5),
        "size": it.fd_filestat_set_size(fd, 0),
        "allocate": it.fd_allocate(fd, 0, 1000),
        "write": it.write(fd, b"x")[0],
        "pwrite": it.fd_pwrite(fd, 512, 1, 0, 0),
    }


def test_f13_nothing_is_changed_in_read_only(read_only, tree):
    """Not one function that could gets through."""
    (tree / "empty").mkdir()
    before = snapshot(tree)
    found = changes(read_only)

    assert [name for name, errno in found.items() if errno == GOOD] == []
    assert snapshot(tree) == before


def test_f13_control(shown, tree):
    """In a directory that is not read-only the same functions work."""
    (tree / "empty").mkdir()
    assert shown.path_unlink_file(3, *shown.path("file")) == GOOD
    assert shown.path_create_directory(3, *shown.path("made")) == GOOD
    assert shown.path_remove_directory(3, *shown.path("empty")) == GOOD
    assert shown.path_filestat_set_times(3, 1, *shown.path("sub/deep"), 1, 1, 5) == GOOD
    assert shown.path_rename(3, *shown.path("sub/deep"), 3, *shown.other_path("moved")) == GOOD
    errno, fd = shown.open("moved", rights=READ | WRITE)
    assert (errno, shown.fd_filestat_set_size(fd, 4)) == (GOOD, GOOD)
    assert shown.write(fd, b"new")[0] == GOOD
    assert (tree / "moved").read_text() == "newp"


def test_f14_nothing_gets_out_of_read_only(puppet, tree):
    """No hard link and no renaming from it into a writable directory; copying is fine."""
    (tree.parent / "work").mkdir()
    it = puppet(a=f"ro:{tree}", b=str(tree.parent / "work"))
    frozen, work = (3, 4) if it.open("file", fd=3)[0] == GOOD else (4, 3)
    before = snapshot(tree)
    new = it.other_path("new")

    assert it.path_link(frozen, 0, *it.path("file"), work, *new) == PERM
    assert it.path_rename(frozen, *it.path("file"), work, *new) == PERM
    assert it.path_rename(work, *it.path("none"), frozen, *new) == PERM
    assert it.open("new", CREATE, WRITE, fd=work)[0] == GOOD
    assert it.path_link(work, 0, *it.path("new"), frozen, *it.other_path("in")) == PERM
    assert snapshot(tree) == before


@pytest.fixture
def special(tree):
    """A FIFO, a socket, and links to both and to a device."""
    os.mkfifo(tree / "fifo")
    (tree / "link").symlink_to("fifo")
    with socket.socket(socket.AF_UNIX) as listener:
        here = Path.cwd()
        os.chdir(tree)  # the path of a socket is short
        try:
            listener.bind("socket")
        finally:
            os.chdir(here)
        yield ["fifo", "link", "socket"]


@pytest.mark.parametrize("rights", [READ, WRITE, READ | WRITE])
def test_f15_fifos_and_sockets_stay_shut(shown, special, rights):
    """Opening returns at once with an error; a link to a file works as ever."""
    began = time.monotonic()
    for path in special:
        assert shown.open(path, rights=rights)[0] == PERM
        assert shown.open(path, CREATE, rights)[0] == PERM
        assert shown.open(path, rights=rights, follow=0)[0] in {PERM, LOOP}
    assert time.monotonic() - began < ROOM
    assert read_all(shown, "file") == (GOOD, b"inside")


@pytest.mark.parametrize("name", ["null", "zero", "random", "tty", "full"])
def test_f15_devices_stay_shut(puppet, name):
    """Even where the manifest shows the directory of all devices."""
    assert puppet(dev="/dev").open(name)[0] == PERM


def opens_5000_files(folder: str) -> dict:
    source = {"wasm": [{"data": PUPPET.encode()}], "allowed_paths": {folder: "/d"}}
    with extism.Plugin(source, wasi=True) as plugin:
        it = Puppet(plugin)
        errors = [it.open("file")[0] for _ in range(5000)]
        opened = errors.count(GOOD)
        with contextlib.ExitStack() as host:
            for _ in range(100):
                host.enter_context(Path(folder, "file").open())
        it.fd_close(10)
        return {
            "opened": opened,
            "errors": sorted(set(errors)),
            "after a close": [it.open("file")[0] for _ in range(2)],
            "of directories": it.open("sub", DIRECTORY)[0],
        }


def test_f16_a_guest_has_its_own_limit_of_descriptors(tree):
    """It opens 64; the host can open its own; what is closed can be opened again."""
    limit = min(512, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
    found = in_a_child(opens_5000_files, str(tree), limits={resource.RLIMIT_NOFILE: limit})

    assert found == {
        "opened": 64,
        "errors": [0, 33],
        "after a close": [0, 33],
        "of directories": 33,
    }


def test_f16_the_limit_can_be_changed(puppet, tree):
    """`WasiOptions.max_open_files` says another number."""
    it = puppet(extism.WasiOptions(max_open_files=2), data=str(tree))

    assert [it.open("file")[0] for _ in range(3)] == [0, 0, 33]


def test_f16_renumbering_counts_descriptors_right(puppet, tree):
    """A descriptor that replaces another one makes room for a third."""
    it = puppet(extism.WasiOptions(max_open_files=2), data=str(tree))
    one, other = it.open("file")[1], it.open("sub/deep")[1]

    assert it.fd_renumber(one, other) == GOOD
    assert it.read(other) == (GOOD, b"inside")
    assert [it.open("file")[0] for _ in range(2)] == [0, 33]


def test_f17_the_hosts_input_is_not_readable(puppet):
    """Standard input is at its end; what `WasiOptions` gives is read."""
    assert puppet().read(0) == (GOOD, b"")
    assert puppet(extism.WasiOptions(stdin=b"given")).read(0) == (GOOD, b"given")


def test_f18_the_hosts_streams_are_not_written(puppet, capfd):
    """Nothing arrives unless it was asked for."""
    it = puppet()
    assert [it.write(fd, b"from the guest")[0] for fd in (1, 2)] == [GOOD, GOOD]
    assert capfd.readouterr() == ("", "")

    puppet(extism.WasiOptions(stdout="inherit")).write(1, b"wanted")
    assert capfd.readouterr() == ("wanted", "")


PRINTER = wat(
    """
    ;; Prints a MiB as often as the input says.
    (func (export "print") (local $i i64)
      (i32.store (i32.const 0) (i32.const 65536)) (i32.store (i32.const 4) (i32.const 1048576))
      (loop $next
        (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))
        (local.set $i (i64.add (local.get $i) (i64.const 1)))
        (br_if $next (i64.lt_u (local.get $i) (call $input_load_u64 (i64.const 0))))))
    (func (export "print_at_once") (param) (result i32)
      (i32.store (i32.const 0) (i32.const 65536)) (i32.store (i32.const 4) (i32.const 300000000))
      (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))""",
    before=wasi_import("fd_write"),
    memory='(memory (export "memory") 5000)',
)


class Counting(logging.Handler):
    """Counts what it is given."""

    count = 0

    def emit(self, record):
        Counting.count += 1


def prints(megabytes: int, output: str | None) -> dict:
    logger = logging.getLogger("extism.plugin")
    logger.addHandler(Counting())
    logger.setLevel(logging.INFO)
    with extism.Plugin(PRINTER.encode(), wasi=extism.WasiOptions(stdout=output)) as plugin:
        plugin.call("print", (1).to_bytes(8, "little"))
        few, before = Counting.count, peak_memory()
        plugin.call("print", megabytes.to_bytes(8, "little"))
        with contextlib.suppress(extism.Error):
            plugin.call("print_at_once", b"")
        return {"grown": (peak_memory() - before) >> 20, "few": few, "many": Counting.count}


def test_f19_printing_a_gigabyte_into_nothing():
    """Nobody keeps it."""
    assert in_a_child(prints, 1024, None)["grown"] < 64


def test_f19_printing_hundreds_of_megabytes_into_the_log():
    """It is limited as logging is: of some 16,000 pieces a tenth arrives; a few all do."""
    found = in_a_child(prints, 256, "log")

    assert found["grown"] < 64
    assert found["few"] > 10
    assert found["few"] < found["many"] < 5000


def test_f19_lines_that_are_printed_are_logged(puppet, caplog):
    """One record each, under the plug-in's own name."""
    it = puppet(extism.WasiOptions(stdout="log"))
    with caplog.at_level("INFO", logger="extism.plugin"):
        it.write(1, b"a line\nanother\n\x1b[2J")
        it.write(1, b"\n")

    assert caplog.messages == ["a line", "another", "\\x1b[2J"]
    assert {record.plugin for record in caplog.records} == {str(it.plugin.id)}


def test_f19_two_plugins_do_not_share_a_line(caplog):
    """What one has begun is not ended by the other, though both are of one compilation."""
    compiled = extism.CompiledPlugin(PUPPET.encode(), wasi=extism.WasiOptions(stdout="log"))
    with (
        extism.Plugin(compiled) as one,
        extism.Plugin(compiled) as other,
        caplog.at_level("INFO", logger="extism.plugin"),
    ):
        Puppet(one).write(1, b"secret of one, ")
        Puppet(other).write(1, b"line of another\n")

    assert caplog.messages == ["line of another"]


def test_f20_nothing_of_the_host_is_visible(puppet, monkeypatch):
    """Neither variables nor arguments; what `WasiOptions` gives is there."""
    monkeypatch.setenv("SECRET_OF_THE_HOST", "1")
    it = puppet()
    assert (it.environ_sizes_get(0, 4), it.peek(0, 8)) == (GOOD, bytes(8))
    assert (it.args_sizes_get(0, 4), it.peek(0, 8)) == (GOOD, bytes(8))

    given = puppet(extism.WasiOptions(argv=["name"], env={"A": "1"}))
    given.environ_sizes_get(0, 4)
    assert given.number() == 1


def exits(status: int) -> list:
    with extism.Plugin(PUPPET.encode(), wasi=True) as plugin:
        try:
            return [plugin.call("exit", status.to_bytes(8, "little", signed=True)).hex()]
        except GuestExit as error:
            return [error.exit_code]


@pytest.mark.parametrize(("status", "seen"), [(0, ""), (3, 3), (-1, -1), (255, 255)])
def test_f21_proc_exit_ends_the_call(status, seen):
    """The process lives; the status is the call's, 0 is a good end."""
    assert in_a_child(exits, status) == [seen]


@pytest.mark.parametrize("status", [0, 3])
def test_f22_a_call_after_proc_exit(shown, status):
    """A fresh instance answers, with its directories."""
    if status:
        with pytest.raises(GuestExit):
            shown.call("exit", status)
    else:
        shown.call("exit", status)

    assert read_all(shown, "file") == (GOOD, b"inside")


@pytest.mark.parametrize("at", [2**32 - 1, 2**32 - 8, 8 * 65536 - 3, 2**31])
def test_f23_pointers_outside_of_the_memory(shown, at):
    """An error or a trap, never a write elsewhere; the plug-in goes on."""
    _, fd = shown.open("file")
    shown.poke(512, (65536).to_bytes(4, "little") + (100).to_bytes(4, "little"))
    shown.poke(520, at.to_bytes(4, "little") + (100).to_bytes(4, "little"))
    attacks = [
        ("fd_read", fd, 520, 1, 0),
        ("fd_read", fd, 512, 1, at),
        ("fd_read", fd, at, 1, 0),
        ("fd_read", fd, 512, 2**31, 0),
        ("fd_write", 1, 520, 1, 0),
        ("path_open", 3, 1, at, 16, 0, READ, READ, 0, 0),
        ("path_open", 3, 1, 1024, 2**32 - 1, 0, READ, READ, 0, 0),
        ("path_open", 3, 1, 1024, 4, 0, READ, READ, 0, at),
        ("random_get", at, 16),
        ("random_get", 0, 2**32 - 1),
        ("poll_oneoff", at, 0, 1, 8),
        ("poll_oneoff", 0, at, 1, 8),
        ("poll_oneoff", 0, 1024, 1, at),
        ("poll_oneoff", 0, 1024, 2**32 - 1, 8),
        ("fd_readdir", 3, at, 1000, 0, 0),
        ("path_filestat_get", 3, 1, 1024, 4, at),
        ("clock_time_get", 0, 0, at),
        ("path_symlink", at, 10, 3, 1024, 4),
    ]
    for name, *values in attacks:
        try:
            assert shown.call(name, *values) != GOOD, name
        except Trap:
            continue
    assert read_all(shown, "sub/deep") == (GOOD, b"deep inside")


def test_f24_closing_directories_and_wild_numbers(puppet, tree):
    """Errors, no crash; a new instance has its directory again."""
    it = puppet(data=str(tree))
    for fd in (4, 77, 2**31, 2**32 - 1):
        assert it.fd_close(fd) == BAD_FD
        assert it.fd_renumber(fd, 3) == BAD_FD
        assert it.fd_renumber(3, fd) == BAD_FD
    _, opened = it.open("file")
    assert it.fd_renumber(opened, 3) == GOOD
    assert it.open("file")[0] != GOOD
    assert [it.fd_close(3), it.fd_close(3)] == [GOOD, BAD_FD]
    assert [it.fd_close(fd) for fd in (0, 1, 2)] == [GOOD] * 3

    it.call("exit", 0)
    assert read_all(it, "file") == (GOOD, b"inside")


@pytest.mark.parametrize(
    "path",
    [b"", b"a" * 100_000, b"a/" * 5000, b"nul\0", b"\xff\xfe", b"..\0", b"/" * 5000],
    ids=["empty", "long", "deep", "nul", "bytes", "dots", "slashes"],
)
def test_f25_odd_paths(shown, path):
    """Each function refuses them; a name of 255 bytes with odd characters can be opened."""
    at, length = shown.path(path, 65536)
    assert shown.path_open(3, 1, at, length, 0, READ, READ, 0, 0) != GOOD
    assert shown.path_filestat_get(3, 1, at, length, 0) != GOOD
    assert shown.path_unlink_file(3, at, length) != GOOD
    assert shown.path_rename(3, at, length, 3, *shown.other_path("x")) != GOOD
    assert shown.path_symlink(at, length, 3, at, length) != GOOD

    assert shown.open("ä \n" * 63, CREATE, WRITE)[0] == GOOD


@pytest.mark.parametrize("prefix", ["", "ro:"])
def test_f26_a_directory_that_does_not_exist(puppet, tree, prefix):
    """The error says which; the one beside it is there."""
    with pytest.raises(ManifestError, match="missing"):
        puppet(data=f"{prefix}{tree}/missing")
    assert read_all(puppet(data=f"{prefix}{tree}"), "file") == (GOOD, b"inside")


def test_f27_wasi_that_was_not_asked_for(puppet):
    """The error says what to pass."""
    with pytest.raises(LinkError, match=r"pass wasi=True") as caught:
        puppet(wasi=False)
    assert caught.value.module == WASI


RANDOM = wat(
    """
    (func (export "fill") (param) (result i32)
      (call $random_get (i32.const 0) (i32.wrap_i64 (call $input_load_u64 (i64.const 0)))))
    (func (export "loop") (loop $again
      (drop (call $random_get (i32.const 0) (i32.const 41943040))) (br $again)))
    (func (export "first") (call $give_i64 (i64.load (i32.const 0))))
    (func (export "last") (call $give_i64 (i64.load (i32.const 450887672))))""",
    before=wasi_import("random_get"),
    memory='(memory (export "memory") 7000)',
)


@pytest.mark.parametrize("name", ["fill", "loop"])
def test_f28_random_bytes_stop_at_the_deadline(plugin, name):
    """Hundreds of megabytes, at once or in a loop, are not made after it; forty are random."""
    made = plugin(RANDOM, wasi=True)
    with within(0.1), pytest.raises(CallTimeout):
        made.call(name, (430 << 20).to_bytes(8, "little"), timeout=0.1)
    assert made.call("last", b"") == bytes(8)

    free = plugin(RANDOM, wasi=True)
    free.call("fill", (40 << 20).to_bytes(8, "little"))
    assert free.call("first", b"") != bytes(8)


def test_f29_a_directory_that_turns_into_a_link(shown, tree):
    """However often it is swapped, the guest reads what is inside or nothing."""
    (tree / "turn").mkdir()
    (tree / "turn" / "deep").write_text("inside")
    (tree / "bait").symlink_to("../outside")
    stop = threading.Event()

    def swap():
        while not stop.is_set():
            for names in (("turn", "aside"), ("bait", "turn"), ("turn", "bait"), ("aside", "turn")):
                (tree / names[0]).rename(tree / names[1])

    thread = threading.Thread(target=swap)
    thread.start()
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        end = time.monotonic() + 1
        found = set()
        while time.monotonic() < end:
            found.add(read_all(shown, "turn/deep")[1])
    finally:
        sys.setswitchinterval(interval)
        stop.set()
        thread.join()

    assert found <= {b"", b"inside"}
    assert read_all(shown, "turn/deep") == (GOOD, b"inside")


FILLER = wat(
    """
    ;; Opens `big`, and writes a MiB as often as the input says, or until that fails. Gives the errno.
    (data (i32.const 64) "big")
    (func (export "fill") (local $i i64) (local $errno i32)
      (drop (call $path_open (i32.const 3) (i32.const 1) (i32.const 64) (i32.const 3) (i32.const 9)
        (i64.const 64) (i64.const 64) (i32.const 0) (i32.const 8)))
      (i32.store (i32.const 16) (i32.const 65536))
      (block $full (loop $next
        (i32.store (i32.const 20) (i32.const 1048576))
        (local.set $errno
          (call $fd_write (i32.load (i32.const 8)) (i32.const 16) (i32.const 1) (i32.const 24)))
        (br_if $full (local.get $errno))
        (local.set $i (i64.add (local.get $i) (i64.extend_i32_u (i32.load (i32.const 24)))))
        (br_if $next (i64.lt_u (local.get $i)
          (i64.mul (call $input_load_u64 (i64.const 0)) (i64.const 1048576))))))
      (drop (call $fd_close (i32.load (i32.const 8))))
      (call $give_i64 (i64.extend_i32_u (local.get $errno))))""",
    before=wasi_import("path_open") + wasi_import("fd_write") + wasi_import("fd_close"),
    memory='(memory (export "memory") 20)',
)

FULL = 19


def number(value: int) -> bytes:
    return value.to_bytes(8, "little")


def test_f30_filling_the_disk(plugin, tmp_path):
    """Of 400 MB 256 are written, and the guest is told; a small file is written as ever."""
    made = plugin(FILLER, wasi=True, allowed_paths={str(tmp_path): "/d"})
    assert made.call("fill", number(400)) == number(FULL)
    assert (200 << 20) < (tmp_path / "big").stat().st_size <= 256 << 20

    assert made.call("fill", number(3)) == number(0)
    assert (tmp_path / "big").stat().st_size == 3 << 20


@pytest.fixture
def small(puppet, tree):
    """The guest with room for a thousand bytes."""
    return puppet(extism.WasiOptions(max_disk_bytes=1000), data=str(tree))


def test_f30_the_limit_can_be_changed(small, puppet, tree):
    """`WasiOptions.max_disk_bytes` says another number, to the byte; None lifts it."""
    _, fd = small.open("new", CREATE, READ | WRITE)
    assert small.write(fd, b"x" * 900) == (GOOD, 900)
    assert small.write(fd, b"x" * 101)[0] == FULL
    assert small.write(fd, b"x" * 100) == (GOOD, 100)
    assert small.write(fd, b"x")[0] == FULL

    free = puppet(extism.WasiOptions(max_disk_bytes=None), data=str(tree))
    _, fd = free.open("more", CREATE, WRITE)
    assert free.write(fd, b"x" * 5000) == (GOOD, 5000)


def test_f30_files_are_counted(puppet, tree):
    """Files, directories and links of both kinds: as many as may be, and more when some have gone."""
    it = puppet(extism.WasiOptions(max_new_files=4), data=str(tree))

    def create(name):
        return it.open(name, CREATE, WRITE)[0]

    def mkdir(name):
        return it.path_create_directory(3, *it.path(name))

    def link(name):
        return it.path_link(3, 0, *it.path("file"), 3, *it.other_path(name))

    def symlink(name):
        return it.path_symlink(*it.path("file"), 3, *it.other_path(name))

    made = [make(name) for make, name in zip((create, mkdir, link, symlink), "abcd", strict=True)]
    more = [make("more") for make in (create, mkdir, link, symlink)]
    assert (made, more) == ([GOOD] * 4, [FULL] * 4)
    assert not (tree / "more").exists()

    assert create("a") == GOOD
    assert it.path_remove_directory(3, *it.path("b")) == GOOD
    assert it.path_unlink_file(3, *it.path("c")) == GOOD
    assert it.path_rename(3, *it.path("d"), 3, *it.other_path("a")) == GOOD
    assert [mkdir(name) for name in "efgh"] == [GOOD, GOOD, GOOD, FULL]


def test_f30_every_way_to_grow_is_measured(small, tree):
    """Writing at a place, at the end, behind the end, and setting the size."""
    _, fd = small.open("new", CREATE, READ | WRITE)
    assert small.fd_filestat_set_size(fd, 1001) == FULL
    assert small.fd_seek(fd, 5000, 0, 0) == GOOD
    assert small.write(fd, b"x")[0] == FULL
    assert small.fd_pwrite(fd, 512, 1, 10_000, 0) == FULL
    assert small.fd_allocate(fd, 0, 5000) != GOOD
    assert small.fd_filestat_set_size(fd, 1000) == GOOD
    _, end = small.open("file", 0, WRITE, fdflags=1)
    assert small.write(end, b"x")[0] == FULL
    assert (tree / "file").read_text() == "inside"


def test_f30_what_does_not_grow_is_free(small, tree):
    """Writing over what is there, as often as one likes."""
    _, fd = small.open("file", 0, READ | WRITE)
    for _ in range(300):
        assert small.fd_seek(fd, 0, 0, 0) == GOOD
        assert small.write(fd, b"INSIDE") == (GOOD, 6)
    assert (tree / "file").read_text() == "INSIDE"


def test_f30_what_is_removed_is_given_back(small, tree):
    """By truncating, opening anew, removing, and renaming over; as a program that writes files does."""
    for _ in range(5):
        _, fd = small.open("new", CREATE | TRUNCATE, READ | WRITE)
        assert small.write(fd, b"x" * 450) == (GOOD, 450)
        assert small.fd_close(fd) == GOOD
        assert small.path_rename(3, *small.path("new"), 3, *small.other_path("kept")) == GOOD
    assert small.path_unlink_file(3, *small.path("kept")) == GOOD
    _, fd = small.open("last", CREATE, READ | WRITE)
    assert small.write(fd, b"x" * 1000) == (GOOD, 1000)
    assert small.fd_filestat_set_size(fd, 10) == GOOD
    assert small.write(fd, b"x")[0] == FULL  # at 1000 still
    assert small.fd_pwrite(fd, 512, 1, 10, 0) == GOOD


def test_f30_what_is_not_gone_is_not_given_back(small, tree):
    """A file that is still open, or has another name, takes its room as before."""
    _, fd = small.open("new", CREATE, READ | WRITE)
    assert small.write(fd, b"x" * 1000) == (GOOD, 1000)
    assert small.path_unlink_file(3, *small.path("new")) == GOOD
    _, other = small.open("other", CREATE, READ | WRITE)
    assert small.write(other, b"x")[0] == FULL

    assert small.path_link(3, 0, *small.path("file"), 3, *small.other_path("second")) == GOOD
    assert small.path_unlink_file(3, *small.path("second")) == GOOD
    assert small.write(other, b"x")[0] == FULL
    # What was there before the guest came gives it no more room than it had.
    assert small.path_unlink_file(3, *small.path("file")) == GOOD
    assert small.path_unlink_file(3, *small.path("sub/deep")) == GOOD
    assert small.write(other, b"x" * 1001)[0] == FULL


def test_f30_a_fresh_instance_gets_no_fresh_room(small):
    """Neither does ending the program make room."""
    _, fd = small.open("new", CREATE, READ | WRITE)
    assert small.write(fd, b"x" * 1000) == (GOOD, 1000)
    small.call("exit", 0)
    _, fd = small.open("other", CREATE, READ | WRITE)
    assert small.write(fd, b"x")[0] == FULL


def test_f30_printing_is_not_measured(plugin, tree):
    """Standard output goes on, vectors and all."""
    lines = []
    options = extism.WasiOptions(stdout=lines.append, max_disk_bytes=0)
    it = Puppet(plugin(PUPPET, wasi=options, allowed_paths={str(tree): "/d"}))
    it.poke(65536, b"one two")
    it.poke(512, b"".join(n.to_bytes(4, "little") for n in (65536, 4, 0, 0, 65540, 3)))

    assert (it.fd_write(1, 512, 3, 0), it.number()) == (GOOD, 7)
    assert b"".join(lines) == b"one two"
    assert it.open("new", CREATE, WRITE)[0] == GOOD
