"""`extism call`: each flag does what it says, seen from outside."""

from __future__ import annotations

import json
import re

import pytest
from cli_guests import LIBRARY, LINKED, TOOLBOX, WASI
from http_server import authority, serve

from extism._cli.main import run

HINT = "Hint: extism call --help shows how\n"
WASI_OUTPUT = "EXTISM_ENABLE_WASI_OUTPUT"


@pytest.fixture
def at(tmp_path, monkeypatch):
    """A working directory with the guests in it, and an environment of its own."""
    for name, text in (
        ("toolbox", TOOLBOX),
        ("wasi", WASI),
        ("library", LIBRARY),
        ("linked", LINKED),
    ):
        (tmp_path / f"{name}.wat").write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(WASI_OUTPUT, "")  # so that it is restored afterwards
    monkeypatch.delenv(WASI_OUTPUT)
    return tmp_path


@pytest.fixture
def call(at, capfdbinary):
    """A function from the arguments behind `extism call` to exit code, stdout and stderr."""

    def called(*args):
        code = run(["call", *args])
        out, err = capfdbinary.readouterr()
        return code, out, err.decode()

    return called


@pytest.fixture
def server():
    with serve() as running:
        yield running


def request_for(url):
    return json.dumps({"url": url, "method": "GET"})


def stamped(*messages):
    """Lines of the guest's log, as a pattern."""
    return "".join(rf"\d{{4}}/\d\d/\d\d \d\d:\d\d:\d\d {message}\n" for message in messages)


# --- input and output -----------------------------------------------------------------------------


@pytest.mark.parametrize("flag", ["-i", "--input"])
def test_input_comes_out_with_a_line_break(call, flag):
    """The text is the input, and the output has a line break behind it."""
    assert call("toolbox.wat", "echo", flag, "grüß dich") == (0, "grüß dich\n".encode(), "")


def test_without_input_the_input_is_empty(call):
    """No input is an empty input, and an empty output is an empty line."""
    assert call("toolbox.wat", "echo") == (0, b"\n", "")


def test_an_output_that_ends_its_line_gets_one_more(call):
    """The line break is added whatever the output ends with, as the Go command does."""
    assert call("toolbox.wat", "echo", "-i", "a\n") == (0, b"a\n\n", "")


def test_input_that_looks_like_a_flag_is_input(call):
    """What stands behind `--input` is its value."""
    assert call("toolbox.wat", "echo", "--input", "--stdin") == (0, b"--stdin\n", "")


def test_raw_output_is_the_bytes_alone(call):
    """`--raw` adds nothing, in a loop neither."""
    assert call("toolbox.wat", "echo", "-i", "ab", "--raw") == (0, b"ab", "")
    assert call("toolbox.wat", "echo", "-i", "ab", "--raw", "--loop", "3") == (0, b"ababab", "")


@pytest.mark.parametrize(("count", "expected"), [("0", b""), ("1", b"x\n"), ("3", b"x\n\n" * 3)])
def test_a_loop_puts_a_blank_line_behind_each_output(call, count, expected):
    """More than one call: each output is followed by an empty line; no call: nothing."""
    assert call("toolbox.wat", "echo", "-i", "x", "--loop", count) == (0, expected, "")


def test_a_loop_calls_the_same_instance(call):
    """A global of the guest counts the calls."""
    assert call("toolbox.wat", "count", "--loop", "3") == (0, b"1\n\n2\n\n3\n\n", "")


def test_input_and_stdin_exclude_each_other(call):
    """Even an empty --input is one."""
    assert call("toolbox.wat", "echo", "--stdin", "-i", "") == (
        2,
        b"",
        "Error: --input and --stdin exclude each other.\n" + HINT,
    )


# --- where the plug-in comes from ---------------------------------------------------------------------


def test_a_module_from_a_url(call, server):
    """WASM_FILE may be a URL; no allowed host is asked for that."""
    url = server.answer("/toolbox", body=TOOLBOX.encode())

    assert call(url, "echo", "-i", "far") == (0, b"far\n", "")


def test_a_url_without_a_module(call, server):
    """The status of the answer is told."""
    url = server.url("/nothing")

    assert call(url, "echo") == (
        1,
        b"",
        f"Error: Unable to compile Extism plugin: http status: 404: unable to fetch {url}\n",
    )


@pytest.mark.parametrize("flag", ["-m", "--manifest"])
@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("m.json", '{"wasm": [{"path": "toolbox.wat"}], "config": {"k": "v"}}'),
        ("m.toml", 'config = {k = "v"}\n[[wasm]]\npath = "toolbox.wat"\n'),
    ],
)
def test_a_manifest_in_json_or_toml(call, at, flag, name, text):
    """`-m` reads both forms."""
    (at / name).write_text(text)

    assert call(flag, name, "config", "-i", "k") == (0, b"v\n", "")


def test_a_manifest_is_read_strictly(call, at):
    """A key with a typing error is named, with the file and the key that was meant."""
    (at / "m.json").write_text('{"wasm": [{"path": "toolbox.wat"}], "alowed_hosts": []}')
    code, _, err = call("-m", "m.json", "echo")

    assert code == 1
    assert err.startswith("Error: m.json: Unknown manifest format: 'alowed_hosts' is no key")
    assert "did you mean allowed_hosts?" in err


def test_flags_go_over_the_manifest(call, at):
    """Configuration of the command line wins over the manifest's."""
    (at / "m.toml").write_text('config = {k = "manifest"}\nwasm = [{path = "toolbox.wat"}]\n')

    assert call("-m", "m.toml", "config", "-i", "k", "--config", "k=flag") == (0, b"flag\n", "")


def test_a_manifest_without_its_flag(call, at):
    """What is missing is said, whatever the file is called."""
    (at / "m.txt").write_text('wasm = [{path = "toolbox.wat"}]\n')
    (at / "m.toml").write_text("nonsense")

    for name in ("m.txt", "m.toml"):
        assert call(name, "echo") == (
            2,
            b"",
            f"Error: {name} is a manifest, no module; add --manifest.\n{HINT}",
        )


def test_the_manifest_flag_without_a_manifest(call):
    """What is too much is said."""
    code, _, err = call("-m", "toolbox.wat", "echo")

    assert (code, err) == (
        2,
        "Error: toolbox.wat is a module, no manifest; leave --manifest out.\n" + HINT,
    )


def test_a_manifest_from_a_url(call):
    """There is none."""
    code, _, err = call("-m", "https://a.test/m.json", "echo")

    assert (code, err) == (2, "Error: A manifest is read from a file, not from a URL.\n" + HINT)


@pytest.mark.parametrize("link", ["library.wat", "library=./library.wat"])
def test_another_module_is_linked(call, link):
    """`--link` gives imports of the plug-in a giver; here one that returns 9."""
    assert call("linked.wat", "code", "--link", link) == (
        1,
        b"",
        "Error: returned non-zero exit code: 9\n",
    )


def test_a_module_is_linked_from_a_url(call, server):
    """PLACE may be a URL."""
    url = server.answer("/library.wasm", body=LIBRARY.encode())

    assert call("linked.wat", "code", "--link", url)[2] == "Error: returned non-zero exit code: 9\n"


def test_an_import_without_a_giver_hints_at_link(call):
    """The error of the library speaks of Python; the hint speaks of the command."""
    code, _, err = call("linked.wat", "code")

    assert code == 1
    assert "unknown import: `library::code` has not been defined\n" in err
    assert "\nHint: --link library=FILE gives a module of that name" in err


# --- what it is granted ----------------------------------------------------------------------------------


def test_without_wasi_there_is_none(call):
    """The error says which flag is missing."""
    code, out, err = call("wasi.wat", "print")

    assert (code, out) == (1, b"")
    assert "The plugin needs WASI, which is off: pass wasi=True (--wasi)" in err


def test_with_wasi_the_guest_prints_here(call):
    """Stdout and stderr of the guest are those of the command."""
    assert call("wasi.wat", "print", "--wasi") == (0, b"to out\n", "err\n")


def test_a_directory_is_shown_for_reading_and_writing(call, at):
    """`--allow-path HOST:GUEST` lets the guest create a file."""
    (at / "data").mkdir()

    assert call("wasi.wat", "create", "--wasi", "--allow-path", "data:/data")[0] == 0
    assert (at / "data" / "file").exists()


def test_a_directory_is_shown_for_reading_only(call, at):
    """`ro:HOST:GUEST` lets it read, and not create."""
    (at / "data").mkdir()
    mount = ("--wasi", "--allow-path", f"ro:{at / 'data'}:/data")

    assert call("wasi.wat", "create", *mount)[0] == 1
    assert not (at / "data" / "file").exists()
    (at / "data" / "file").touch()
    assert call("wasi.wat", "read", *mount)[0] == 0


def test_a_directory_that_does_not_exist_is_named(call, at):
    """The error has the path, and where relative paths start."""
    code, _, err = call("wasi.wat", "read", "--wasi", "--allow-path", "nope:/data")

    assert code == 1
    assert "No such file or directory (os error 2)" in err
    assert f"'nope' to the plug-in as '/data'; relative paths start at '{at}'" in err


def test_a_directory_without_wasi_is_remarked(call, at):
    """It would do nothing, in silence."""
    (at / "data").mkdir()

    assert call("toolbox.wat", "echo", "--allow-path", "data") == (
        0,
        b"\n",
        "Warning: directories are shown through WASI only; add --wasi\n",
    )


def test_a_host_is_allowed(call, server):
    """The guest gets the body."""
    url = server.answer("/x", body=b"body")
    args = ("toolbox.wat", "get", "-i", request_for(url), "--allow-host", "127.0.0.1")

    assert call(*args) == (0, b"body\n", "")


def test_a_host_is_refused_and_named(call, server):
    """The error names host and URL, and the hint is the flag to add."""
    url = server.answer("/x", body=b"body")
    code, out, err = call("toolbox.wat", "get", "-i", request_for(url))

    assert (code, out) == (1, b"")
    assert err.startswith(f"Error: HTTP request to {url} is not allowed: host 127.0.0.1 is not in")
    assert err.endswith("\nHint: --allow-host 127.0.0.1 allows it\n")
    assert server.seen == []


def test_a_response_may_be_limited(call, server):
    """A body of five bytes is let in by a limit of five, not by one of four."""
    url = server.answer("/x", body=b"abcde")
    args = ("toolbox.wat", "get", "-i", request_for(url), "--allow-host", "127.0.0.1")

    assert call(*args, "--http-response-max", "5")[:2] == (0, b"abcde\n")
    code, _, err = call(*args, "--http-response-max", "4")
    assert code == 1
    assert "exceeds the configured maximum number of bytes: 4" in err
    assert "\nHint: --http-response-max BYTES lets larger responses in\n" in err


@pytest.mark.parametrize("limit", ["--memory-max", "--var-max", "--http-response-max"])
def test_one_limit_leaves_variables_and_http_alone(call, server, limit):
    """A single limit, large enough, switches nothing else off."""
    url = server.answer("/x", body=b"body")
    args = ("--allow-host", "127.0.0.1", limit, "1000")

    assert call("toolbox.wat", "get", "-i", request_for(url), *args) == (0, b"body\n", "")
    assert call("toolbox.wat", "keep", "-i", "value", *args)[0] == 0


@pytest.fixture
def tls_server():
    """A server that only those trust who know its authority."""
    with serve(authority().context("localhost")) as running:
        yield running


def test_the_guest_trusts_the_certificates_of_a_bundle(call, tls_server, tmp_path):
    """With the file the request goes through; without it the certificate is refused, and the flag named."""
    tls_server.answer("/x", body=b"body")
    url = tls_server.url("/x", host="localhost")
    args = ("toolbox.wat", "get", "-i", request_for(url), "--allow-host", "localhost")

    assert call(*args, "--ca-bundle", authority().write_bundle(tmp_path)) == (0, b"body\n", "")
    code, out, err = call(*args)
    assert (code, out) == (1, b"")
    assert err.startswith("Error: tls: localhost: certificate refused: ")
    assert err.endswith("\nHint: --ca-bundle FILE says which certificates to trust\n")


def test_a_module_comes_from_a_server_of_the_bundle(call, tls_server, tmp_path):
    """WASM_FILE and modules to link are fetched with the same trust."""
    tls_server.answer("/toolbox", body=TOOLBOX.encode())
    url = tls_server.url("/toolbox", host="localhost")

    args = (url, "echo", "-i", "far")
    assert call(*args, "--ca-bundle", authority().write_bundle(tmp_path)) == (0, b"far\n", "")
    code, out, err = call(*args)
    assert (code, out) == (1, b"")
    assert err.startswith(
        "Error: Unable to compile Extism plugin: tls: localhost: certificate refused"
    )
    assert err.endswith("\nHint: --ca-bundle FILE says which certificates to trust\n")


def test_a_bundle_without_certificates_is_named(call, tls_server, at):
    """The file is read when the first certificate is to be checked."""
    (at / "empty.pem").write_text("no certificate")
    url = tls_server.url("/x", host="localhost")
    args = ("toolbox.wat", "get", "-i", request_for(url), "--allow-host", "localhost")
    code, _, err = call(*args, "--ca-bundle", "empty.pem")

    assert code == 1
    assert err.startswith("Error: tls: ca_bundle 'empty.pem' cannot be read: ")


def test_response_headers_are_read_only_with_their_flag(call, server):
    """Without it the guest gets no headers at all."""
    url = server.answer("/x", headers=[("X-Answer", "42")])
    args = ("toolbox.wat", "headers", "-i", request_for(url), "--allow-host", "127.0.0.1")

    code, out, _ = call(*args, "--enable-http-response-headers")
    assert (code, json.loads(out)["x-answer"]) == (0, "42")
    assert call(*args)[:2] == (0, b"\n")


def test_variables_may_be_limited(call):
    """A variable counts its key, its value and 48 bytes: here 1 + 5 + 48."""
    assert call("toolbox.wat", "keep", "-i", "value", "--var-max", "54")[0] == 0
    code, _, err = call("toolbox.wat", "keep", "-i", "value", "--var-max", "53")
    assert code == 1
    assert err.startswith("Error: Variable store is full: 54 bytes needed")
    assert err.endswith("\nHint: --var-max BYTES gives variables more room\n")


def test_memory_may_be_limited(call):
    """The guest wants 100 more pages."""
    assert call("toolbox.wat", "grow", "--memory-max", "200")[0] == 0
    code, out, err = call("toolbox.wat", "grow", "--memory-max", "50")
    assert (code, out) == (1, b"")
    assert err.startswith("Error: oom\n")
    assert "\nHint: --memory-max PAGES (of 64 KiB) sets how much memory it may take\n" in err


def test_configuration(call):
    """`--config` wins over `--set-config`, the last of one key over those before."""
    args = ("toolbox.wat", "config", "--set-config", '{"a": "object", "b": "object"}')
    flags = ("--config", "b=first", "--config", "b=x=y", "--config", "c")

    assert call(*args, *flags, "-i", "a")[1] == b"object\n"
    assert call(*args, *flags, "-i", "b")[1] == b"x=y\n"
    assert call(*args, *flags, "-i", "c")[1] == b"\n"


# --- time, logs, how much is said ---------------------------------------------------------------------


def test_a_call_has_its_time(call):
    """An endless loop ends with exit code 124 and the word `timeout`."""
    code, out, err = call("toolbox.wat", "spin", "--timeout", "50")

    assert (code, out) == (124, b"")
    assert err.startswith("Error: timeout\nHint: --timeout MS, ")


def test_the_manifest_sets_the_time_unless_the_flag_does(call, at):
    """0 is as if it had not been given."""
    (at / "m.toml").write_text('timeout_ms = 50\nwasm = [{path = "toolbox.wat"}]\n')

    assert call("-m", "m.toml", "spin")[0] == 124
    assert call("-m", "m.toml", "spin", "--timeout", "0")[0] == 124


@pytest.mark.parametrize(
    ("flags", "messages"),
    [
        ((), ["error"]),
        (("--log-level", "error"), ["error"]),
        (("--log-level", "warn"), ["warn", "error"]),
        (("--log-level", "INFO"), ["info", "warn", "error"]),
        (("--log-level", "debug"), ["debug", "info", "warn", "error"]),
        (("--log-level", "trace"), ["trace", "debug", "info", "warn", "error"]),
        (("-q",), []),
        (("-q", "--log-level", "warn"), ["warn", "error"]),
    ],
)
def test_the_guest_logs_from_a_level_on(call, flags, messages):
    """Log lines go to stderr, each with the time; `--quiet` silences what was not asked for."""
    code, out, err = call("toolbox.wat", "log", *flags)

    assert (code, out) == (0, b"\n")
    assert re.fullmatch(stamped(*messages), err)


def test_a_level_that_does_not_exist_is_refused(call):
    """The levels are named."""
    code, _, err = call("toolbox.wat", "log", "--log-level", "loud")

    assert code == 2
    assert all(level in err for level in ("trace", "debug", "info", "warn", "error"))


@pytest.mark.parametrize("flag", ["-v", "--verbose"])
def test_verbose_tells_what_is_done(call, flag):
    """On stderr, with the time; the output is what it was."""
    code, out, err = call("toolbox.wat", "echo", "-i", "abc", flag)

    assert (code, out) == (0, b"abc\n")
    lines = (r"loaded toolbox\.wat in .* s", "calling echo with 3 bytes", r"3 bytes in .* s")
    assert re.search(stamped(*lines), err)


@pytest.mark.parametrize("flag", ["-q", "--quiet"])
def test_quiet_leaves_output_and_errors(call, at, flag):
    """Warnings go, errors stay."""
    (at / "data").mkdir()

    assert call("toolbox.wat", "echo", "-i", "x", "--allow-path", "data", flag) == (0, b"x\n", "")
    assert call("toolbox.wat", "seven", flag) == (1, b"", "Error: returned non-zero exit code: 7\n")


@pytest.mark.parametrize("args", [["-v", "call", "-q"], ["-q", "-v", "call"], ["call", "-qv"]])
def test_quiet_and_verbose_exclude_each_other(args, at, capfdbinary):
    """Wherever they stand."""
    assert run([*args, "toolbox.wat", "echo"]) == 2
    assert capfdbinary.readouterr().err.startswith(
        b"Error: --quiet and --verbose exclude each other.\n"
    )


def test_quiet_may_stand_before_the_command(at, capfdbinary):
    """The flags that every command has may stand in front."""
    (at / "data").mkdir()
    args = ["-q", "call", "toolbox.wat", "echo", "--allow-path", "data"]

    assert run(args) == 0
    assert capfdbinary.readouterr() == (b"\n", b"")


# --- failures ---------------------------------------------------------------------------------------------


def test_a_return_code_is_an_error(call):
    """Where the guest says nothing, its code is told."""
    assert call("toolbox.wat", "seven") == (1, b"", "Error: returned non-zero exit code: 7\n")


def test_what_the_guest_says_is_told_whole_and_cannot_act(call):
    """All its lines, its code, and an escape sequence made visible."""
    assert call("toolbox.wat", "fail") == (
        1,
        b"",
        "Error: it went\nwrong\\x1b[31m\nreturned non-zero exit code: 7\n",
    )


def test_an_error_without_a_return_code_tells_none(call):
    """The guest said what is wrong, and returned 0."""
    assert call("toolbox.wat", "complain") == (1, b"", "Error: it went\n")


def test_an_exit_code_of_the_guest_is_in_the_message(call):
    """The command's own exit code is 1 all the same."""
    code, _, err = call("wasi.wat", "leave", "--wasi")

    assert (code, err) == (1, "Error: Exited with i32 exit status 5\n")


def test_a_trap_is_told_with_its_frames(call):
    """What broke, and where."""
    code, _, err = call("toolbox.wat", "trap")

    assert code == 1
    assert "wasm trap: wasm `unreachable` instruction executed" in err
    assert "wasm backtrace" in err


def test_an_unknown_function_is_named_with_what_there_is(call):
    """A near name is proposed."""
    code, _, err = call("toolbox.wat", "ecko")

    assert code == 1
    assert err.startswith("Error: Function not found: ecko\nDid you mean echo?\nCallable: echo, ")


def test_a_missing_function_tells_what_there_is(call):
    """Nothing is compiled for that."""
    code, _, err = call("linked.wat")

    assert (code, err) == (
        2,
        "Error: Missing argument 'FUNCTION'. There are: code.\n" + HINT,
    )


def test_a_file_that_does_not_exist_proposes_another(call, at):
    """With a near name, that one; without, where relative paths start."""
    assert call("tolbox.wat", "echo") == (
        1,
        b"",
        "Error: open tolbox.wat: no such file or directory\nDid you mean toolbox.wat?\n",
    )
    assert call("xyz", "echo") == (
        1,
        b"",
        f"Error: open xyz: no such file or directory\nRelative paths start at {at}\n",
    )


def test_a_directory_is_no_module(call, at):
    """As the system calls it."""
    assert call(".", "echo") == (1, b"", "Error: open .: is a directory\n")


def test_a_file_that_is_no_module(call, at):
    """It is said what the file looks like."""
    (at / "page.wasm").write_text("<html>")
    code, _, err = call("page.wasm", "echo")

    assert code == 1
    assert err.startswith('Error: Unable to compile Extism plugin: "page.wasm" is no WebAssembly')
    assert "HTML" in err


@pytest.mark.parametrize(
    "flags",
    [
        ("--timeout", "-1"),
        ("--timeout", "soon"),
        ("--memory-max", "-1"),
        ("--memory-max", "4294967296"),
        ("--http-response-max", "-2"),
        ("--var-max", "-2"),
        ("--var-max", str(2**64)),
        ("--loop", "-1"),
        ("--loop", "many"),
        ("--set-config", "[]"),
        ("--config", "=v"),
        ("--allow-path", ":/x"),
        ("--link", "name="),
        ("--ca-bundle", "missing.pem"),
        ("--unknown",),
    ],
    ids=" ".join,
)
def test_a_wrong_flag_is_named(call, flags):
    """Exit code 2, and the flag in the message."""
    code, out, err = call("toolbox.wat", "echo", *flags)

    assert (code, out) == (2, b"")
    assert flags[0] in err.partition("\n")[0]
