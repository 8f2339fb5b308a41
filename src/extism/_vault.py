"""
`Vault`: a private folder whose files are believed, because this user alone can write there and each carries a MAC.

::

    <directory>/secret       32 random bytes, mode 0600, made once
    <directory>/<name>       a note: HMAC-SHA256(secret, name + content), 32 bytes, then the content
    <directory>/<name>       or anything else that was put there, whose digest is in a note

What is in the notes, and what else lies there, is said where it is used: native code in `_engine/cache.py`, files that
were read before in `_known.py`.

What can go wrong: a full, read-only, foreign or broken folder costs one warning and is no vault; a note that was not
written with this secret under this name is none. Files are written beside their place and moved there; of two writers
the later wins, both being right.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
from _thread import allocate_lock

from extism._digest import is_same, mac

TYPE_CHECKING = False
if TYPE_CHECKING:
    import logging
    from collections.abc import Iterable, Iterator
    from typing import Final

__all__ = [
    "TEMPORARY",
    "Vault",
    "detail",
    "files",
    "identity",
    "least_used",
    "log",
    "plain_file",
    "remove",
]

TEMPORARY: Final = "tmp-"
"""What the names of files begin with that are not yet at their place."""

_MAC_BYTES: Final = 32

_PLAIN: Final = (
    os.O_RDONLY
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_BINARY", 0)
)

_NEW: Final = (
    os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
)


class Vault:
    """
    Notes by name; safe to share between threads and processes.

    Args:
        directory: Where they are, made if need be; None for a vault in which nothing is found and nothing kept.
        holds: What is in it, for warnings.
    """

    def __init__(
        self, directory: str | os.PathLike[str] | None, holds: str = "native code"
    ) -> None:
        self.directory = None if directory is None else os.fspath(directory)
        self.holds = holds
        self._lock = allocate_lock()
        self._secret: bytes | None = None
        self._is_opened = False
        self._is_writable = True

    @property
    def is_open(self) -> bool:
        """Whether there is a folder, and it is private; looked at once."""
        return self._key() is not None

    @property
    def is_writable(self) -> bool:
        """Whether it is worth trying to keep something."""
        return self._is_writable and self.is_open

    def path(self, name: str) -> str:
        """Return where `name` lies; the vault must be open."""
        assert self.directory is not None
        return os.path.join(self.directory, name)

    def read(self, name: str) -> bytes | None:
        """
        Return the content of a note; None where there is none that can be believed.

        Raises:
            OSError: It cannot be read.
        """
        secret = self._key()
        if secret is None:
            return None
        try:
            with os.fdopen(plain_file(self.path(name)), "rb", buffering=0) as file:
                found = file.read()
        except FileNotFoundError:
            return None
        content = found[_MAC_BYTES:]
        expected = mac(secret, name.encode() + b"\0" + content)
        return content if is_same(found[:_MAC_BYTES], expected) else None

    def write(self, name: str, content: bytes) -> None:
        """
        Keep a note.

        Raises:
            OSError: It cannot be written.
        """
        secret = self._key()
        if secret is not None:
            self.put(name, mac(secret, name.encode() + b"\0" + content) + content)

    def put(self, name: str, data: bytes) -> None:
        """
        Put a file at its place at once and whole, readable by this user alone.

        Raises:
            OSError: It cannot be written.
        """
        temporary = _temporary(self.path(""), data)
        try:
            os.replace(temporary, self.path(name))
        except BaseException:  # a Ctrl-C among them: only we know of the file
            remove(temporary)
            raise

    def give_up(self, reason: OSError) -> None:
        """Write nothing from now on, and say so."""
        self._is_writable = False
        log().warning("%s is not kept on disk from now on: %s", self.holds, reason)

    def _key(self) -> bytes | None:
        """Return the secret, looking only once."""
        if self._is_opened:
            return self._secret
        with self._lock:
            if self.directory is not None and not self._is_opened:
                self._secret = _open_directory(self.directory, self.holds)
            self._is_opened = True
        return self._secret


def log() -> logging.Logger:
    """Return the logger of what is kept on disk; it is loaded when there is something to say."""
    import logging

    return logging.getLogger("extism.cache")


def detail(text: str, *args: object) -> None:
    """Log what is of interest to few: nobody has asked for it in a process that has not loaded `logging`."""
    if "logging" in sys.modules:
        log().debug(text, *args)


def identity(status: os.stat_result) -> bytes:
    """Return what changes when anybody changes or replaces a file."""
    numbers = (
        status.st_dev,
        status.st_ino,
        status.st_size,
        status.st_mtime_ns,
        status.st_ctime_ns,
    )
    return repr(numbers).encode()


def plain_file(path: str) -> int:
    """
    Return a descriptor for reading a plain file; what is none is refused at once, where opening it would wait.

    Raises:
        OSError: It cannot be opened, or is a link, a device, a FIFO or anything else but a file.
    """
    handle = os.open(path, _PLAIN)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError(errno.EINVAL, "not a plain file", path)
    return handle


def remove(path: str) -> None:
    """Delete a file, if it is there."""
    try:
        os.unlink(path)
    except OSError as exc:
        detail("%s cannot be deleted: %s", path, exc)


def files(directory: str) -> list[tuple[os.DirEntry[str], os.stat_result]]:
    """Return the files in a folder that other processes tidy up too."""
    found = []
    with os.scandir(directory) as entries:
        for entry in entries:
            try:
                found.append((entry, entry.stat()))
            except FileNotFoundError:
                continue  # another process was faster
    return found


def least_used(
    found: Iterable[tuple[os.DirEntry[str], os.stat_result]], max_bytes: int
) -> Iterator[os.DirEntry[str]]:
    """Give the files that were used least recently, so many that the others take no more than `max_bytes`."""
    oldest_first = sorted(found, key=lambda pair: pair[1].st_mtime)
    total = sum(status.st_size for _, status in oldest_first)
    for entry, status in oldest_first:
        if total <= max_bytes:
            return
        total -= status.st_size
        yield entry


def _open_directory(directory: str, holds: str) -> bytes | None:
    """Make the folder if need be, check that it is private, and return its secret."""
    path = os.path.join(directory, "secret")
    try:
        os.makedirs(directory, mode=0o700, exist_ok=True)
        status = os.stat(directory)
        if hasattr(os, "getuid") and (status.st_uid != os.getuid() or status.st_mode & 0o022):
            log().warning(
                "%s is not cached: %s must belong to this user alone (chmod 700)",
                holds,
                directory,
            )
            return None
        if not os.path.exists(path):
            _write_once(path, os.urandom(32))
        secret = _read_secret(path)
    except OSError as exc:
        log().warning("%s is not cached: %s", holds, exc)
        return None
    if secret is None:
        log().warning(
            "%s is not cached: %s is damaged; delete it "
            "(it should be a file of 32 bytes that this user alone can read)",
            holds,
            path,
        )
    return secret


def _read_secret(path: str) -> bytes | None:
    """Return the secret; None for what is no file of 32 bytes that this user alone can read."""
    try:
        handle = plain_file(path)
    except OSError as exc:
        if exc.errno in {errno.ELOOP, errno.EINVAL}:
            return None
        raise
    try:
        status = os.fstat(handle)
        is_private = not hasattr(os, "getuid") or (
            status.st_uid == os.getuid() and not status.st_mode & 0o077
        )
        return os.read(handle, 32) if is_private and status.st_size == 32 else None
    finally:
        os.close(handle)


def _write_once(path: str, data: bytes) -> None:
    """Put `data` at `path` unless another process was faster; then what that one wrote stands."""
    temporary = _temporary(os.path.dirname(path), data)
    try:
        os.link(temporary, path)
    except FileExistsError:
        detail("%s was made by another process at the same time", path)
    finally:
        remove(temporary)


def _temporary(directory: str, data: bytes) -> str:
    """Return the path of a new file that holds `data`, on the disk and not only on its way there."""
    # As `tempfile` does it, which takes 10 ms to import.
    temporary = os.path.join(directory, TEMPORARY + os.urandom(8).hex())
    handle = os.open(temporary, _NEW, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:  # as above
        remove(temporary)
        raise
    return temporary
