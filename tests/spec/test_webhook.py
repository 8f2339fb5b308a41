"""
The main job: the published scripts and command lines, run as processes, against servers on this machine.

The scripts are those of `examples/webhook` (another test holds them to the publication); in a copy,
the public site's address is replaced by the local server's, and nothing else.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from http_server import authority, serve

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "webhook"
BIN = Path(sys.executable).parent
PUBLIC = "webhook.site"
PAYLOAD = {"name": "Thejesh from inside the sandbox", "seq": 1}

pytestmark = [pytest.mark.guest_python, pytest.mark.timeout(300)]


def run(folder, *command, **environment):
    done = subprocess.run(
        [str(BIN / command[0]), *command[1:]],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with the author's file and the plug-in made of it by the document's command."""
    folder = tmp_path_factory.mktemp("webhook")
    shutil.copy(EXAMPLE / "webhook.py", folder)
    code, _, said = run(folder, "extism-py", "webhook.py", "webhook.wasm")
    assert code == 0, said
    return folder


def answering(server, status=201, body=b'{"thank": "you"}'):
    server.answer("/hook", status, body, [("Content-Type", "application/json")])
    return server


def host_script(folder, url, host):
    text = (EXAMPLE / "host.py").read_text(encoding="utf-8")
    start = text.index(f"https://{PUBLIC}/")
    text = text.replace(text[start : text.index('"', start)], url).replace(PUBLIC, host)
    (folder / "host.py").write_text(text, encoding="utf-8")


def call(folder, url, host, **environment):
    given = json.dumps({"url": url, "payload": PAYLOAD})
    words = ["--allow-host", host, "--wasi", "--input", given]
    return run(folder, "extism", "call", "webhook.wasm", "post_json", *words, **environment)


def test_the_command_line_posts_and_prints_the_answer(folder):
    """The document's command gives the server's status and body; the server got JSON, once."""
    with serve() as server:
        code, out, said = call(folder, answering(server).url("/hook"), "127.0.0.1")

    assert (code, said) == (0, "")
    assert json.loads(out) == {"status": 201, "body": '{"thank": "you"}'}
    (seen,) = server.seen
    assert (seen.method, seen.header("content-type")) == ("POST", "application/json")
    assert json.loads(seen.body) == PAYLOAD


@pytest.mark.parametrize("status", [200, 404, 500])
def test_host_py_prints_what_the_server_sent(folder, status):
    """The document's application prints status and body, whatever the status is."""
    with serve() as server:
        host_script(
            folder, answering(server, status, "grüß Gott".encode()).url("/hook"), "127.0.0.1"
        )
        code, out, said = run(folder, "python", "host.py")

    assert (code, said) == (0, "")
    assert json.loads(out) == {"status": status, "body": "grüß Gott"}
    assert json.loads(server.seen[0].body) == PAYLOAD


def test_a_host_that_is_not_allowed_is_refused_with_the_cure(folder):
    """The error names the host and what to change, and the server is never asked."""
    with serve() as server:
        code, out, said = call(folder, answering(server).url("/hook"), PUBLIC)

    assert (code, out, server.connection_count) == (1, "", 0)
    assert f"HTTP request to http://127.0.0.1:{server.port}/hook is not allowed" in said
    assert "allowed_hosts" in said


def test_https_works_where_the_certificate_is_right(folder, tmp_path):
    """The document's URL is https: the same over TLS, by name, with the authority trusted by the system."""
    bundle = authority().write_bundle(tmp_path)
    with serve(authority().context("localhost")) as server:
        url = answering(server).url("/hook", host="localhost")
        by_command = call(folder, url, "localhost", SSL_CERT_FILE=bundle)
        host_script(folder, url, "localhost")
        by_script = run(folder, "python", "host.py", SSL_CERT_FILE=bundle)

    for code, out, said in (by_command, by_script):
        assert (code, said) == (0, "")
        assert json.loads(out) == {"status": 201, "body": '{"thank": "you"}'}


def test_https_is_refused_where_nobody_vouches_for_the_server(folder):
    """A certificate of an authority that the system does not trust ends the call, before any byte is sent."""
    with serve(authority(1).context("localhost")) as server:
        code, _, said = call(folder, answering(server).url("/hook", host="localhost"), "localhost")

    assert code == 1
    assert "certificate refused" in said
    assert server.seen == []


def test_https_is_refused_where_the_certificate_is_for_another_name(folder, tmp_path):
    """A trusted certificate for another host name ends the call."""
    bundle = authority().write_bundle(tmp_path)
    with serve(authority().context("example.com")) as server:
        url = answering(server).url("/hook", host="localhost")
        code, _, said = call(folder, url, "localhost", SSL_CERT_FILE=bundle)

    assert code == 1
    assert "localhost" in said
    assert server.seen == []


def test_host_py_runs_under_its_own_header(folder, tmp_path):
    """`uv run --find-links dist host.py` takes our wheel for the `extism` that the header asks for."""
    dist = tmp_path / "dist"
    code, _, said = run(ROOT, "python", "-m", "hatchling", "build", "-t", "wheel", "-d", str(dist))
    assert code == 0, said
    with serve() as server:
        host_script(folder, answering(server).url("/hook"), "127.0.0.1")
        code, out, said = run(
            folder,
            *("uv", "run", "--find-links", str(dist), "host.py"),
            UV_CACHE_DIR=str(tmp_path / "uv"),
        )

    assert code == 0, said
    assert json.loads(out) == {"status": 201, "body": '{"thank": "you"}'}


@pytest.mark.peer
def test_upstream_s_host_gives_the_same(folder, peer):
    """The plug-in runs on upstream's package as it does on ours."""
    manifest = {"wasm": [{"path": str(folder / "webhook.wasm")}], "allowed_hosts": ["127.0.0.1"]}
    with serve() as server:
        given = json.dumps({"url": answering(server).url("/hook"), "payload": PAYLOAD}).encode()
        answer = peer.call(manifest, "post_json", given, wasi=True)

    assert json.loads(answer.output) == {"status": 201, "body": '{"thank": "you"}'}
    assert json.loads(server.seen[0].body) == PAYLOAD
