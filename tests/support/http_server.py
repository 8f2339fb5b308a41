"""
A small HTTP and HTTPS server on 127.0.0.1 for the whole suite.

::

    with serve() as server:
        server.answer("/hello", body=b"hi")
        ... server.url("/hello") ...
        assert server.seen[0].method == "GET"

An answer may also be raw bytes (`server.raw`), sent as they are, or a function of the connection
(`server.script`), for servers that misbehave. Every connection serves one request and is closed.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import trustme

if TYPE_CHECKING:
    from pathlib import Path

Script = Callable[[socket.socket], None]
TIMEOUT = 60.0


@dataclass
class Seen:
    """A request as it came; names of headers as they were written."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        found = [value for key, value in self.headers if key.lower() == name.lower()]
        assert len(found) <= 1, f"{name} was sent twice"
        return found[0] if found else None


def message(
    status: int = 200, body: bytes = b"", headers: Sequence[tuple[str, str]] = (), reason: str = "X"
) -> bytes:
    """An answer with its length, as bytes."""
    lines = [f"HTTP/1.1 {status} {reason}", *(f"{name}: {value}" for name, value in headers)]
    if not any(name.lower() in {"content-length", "transfer-encoding"} for name, _ in headers):
        lines.append(f"content-length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


@dataclass
class Server:
    """The server that `serve` runs; requests are recorded before they are answered."""

    host: str
    port: int
    scheme: str
    seen: list[Seen] = field(default_factory=list)
    scripts: dict[str, Script] = field(default_factory=dict)
    connection_count: int = 0

    def url(self, path: str = "/", host: str | None = None) -> str:
        return f"{self.scheme}://{host or self.host}:{self.port}{path}"

    def answer(
        self,
        path: str,
        status: int = 200,
        body: bytes = b"",
        headers: Sequence[tuple[str, str]] = (),
    ) -> str:
        """Answer requests for `path`, and return its URL."""
        return self.raw(path, message(status, body, headers))

    def redirect(self, path: str, location: str, status: int = 302) -> str:
        return self.answer(path, status, headers=[("Location", location)])

    def raw(self, path: str, data: bytes) -> str:
        return self.script(path, lambda connection: connection.sendall(data))

    def script(self, path: str, script: Script) -> str:
        self.scripts[path] = script
        return self.url(path)

    def serve_one(self, connection: socket.socket) -> None:
        request = read_request(connection)
        if request is None:
            return
        self.seen.append(request)
        script = self.scripts.get(request.target.partition("?")[0])
        if script is None:
            connection.sendall(message(404, b"no such path in this test"))
        else:
            script(connection)


def read_request(connection: socket.socket) -> Seen | None:
    with connection.makefile("rb") as file:
        first = file.readline().decode("latin-1").split()
        if len(first) != 3:
            return None
        headers = []
        while (line := file.readline().decode("latin-1").rstrip("\r\n")) != "":
            name, _, value = line.partition(":")
            headers.append((name, value.strip()))
        request = Seen(first[0], first[1], headers, b"")
        request.body = file.read(int(request.header("content-length") or 0))
    return request


@dataclass(frozen=True)
class Authority:
    """A certificate authority that nobody but the test trusts."""

    ca: trustme.CA

    def write_bundle(self, directory: Path) -> str:
        path = directory / "ca.pem"
        self.ca.cert_pem.write_to_path(str(path))
        return str(path)

    def context(self, *names: str) -> ssl.SSLContext:
        """What a server of these names or addresses presents."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.ca.issue_cert(*names).configure_cert(context)
        return context


_authorities: dict[int, Authority] = {}


def authority(number: int = 0) -> Authority:
    """One of some authorities, made once for each process."""
    if number not in _authorities:
        _authorities[number] = Authority(trustme.CA())
    return _authorities[number]


@contextlib.contextmanager
def serve(context: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> Iterator[Server]:
    """Run a server until the block ends; with `context` it speaks TLS."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, 0), family=family, backlog=64) as listener:
        shown = f"[{host}]" if ":" in host else host
        server = Server(shown, listener.getsockname()[1], "http" if context is None else "https")
        stopping = threading.Event()
        arguments = (listener, server, context, stopping)
        thread = threading.Thread(target=_accept, args=arguments, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            stopping.set()
            with contextlib.suppress(OSError), socket.create_connection((host, server.port), 1):
                pass  # wakes accept()
            thread.join(TIMEOUT)


def _accept(
    listener: socket.socket,
    server: Server,
    context: ssl.SSLContext | None,
    stopping: threading.Event,
) -> None:
    while True:
        connection, _ = listener.accept()
        if stopping.is_set():
            connection.close()
            return
        server.connection_count += 1
        threading.Thread(target=_serve, args=(connection, server, context), daemon=True).start()


def _serve(connection: socket.socket, server: Server, context: ssl.SSLContext | None) -> None:
    connection.settimeout(TIMEOUT)
    with contextlib.suppress(OSError):  # a client that goes away is what many tests are about
        try:
            if context is not None:
                connection = context.wrap_socket(connection, server_side=True)
            server.serve_one(connection)
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(65536):  # an early close would reset what the client still reads
                pass
        finally:
            connection.close()
