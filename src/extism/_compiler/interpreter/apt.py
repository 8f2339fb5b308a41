"""
Debian's source archive as a place to have an archive from, through the machine's own `apt-get`.

The address and the keyring are read from the machine's configuration of apt; a temporary one with
nothing but `deb-src` of the suite that keeps our version is used instead of it. No file of the
machine's apt is written, and no right of root is needed. What comes is signed by Debian, and is
checked against our own hash by the caller (`sources`).
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["SUITE", "Mirror", "fetch", "mirrors", "parse_deb822", "parse_one_line", "stanza"]

SUITE: Final = "trixie"
"""The stable suite of Debian that has our versions."""

ETC: Final = Path("/etc/apt")

_TIMEOUT_SECONDS = 300

# Suites of a release that hold only what changed, and live under other addresses than the release.
_PARTIAL_SUITE = re.compile(r"-(security|updates|backports|backports-sloppy|proposed-updates)$|/")


@dataclass(frozen=True)
class Mirror:
    """An address of a Debian archive, and the value of `Signed-By`, `""` for apt's default keys."""

    uri: str
    signed_by: str


def fetch(package: str, file: str, folder: Path, etc: Path = ETC) -> None:
    """
    Put the original tarball of a source package into `folder`, under the name `file`.

    Raises:
        OSError: There is no apt here, or no mirror that it knows has the file.
    """
    if shutil.which("apt-get") is None:
        raise OSError("this machine has no apt-get")
    known = mirrors(etc)
    if not known:
        raise OSError("apt knows no archive of Debian on this machine")
    excuses = []
    for mirror in known:
        try:
            return _fetch_from(mirror, package, file, folder)
        except (OSError, subprocess.SubprocessError) as error:
            excuses.append(str(error))
    raise OSError("; ".join(excuses))


def _fetch_from(mirror: Mirror, package: str, file: str, folder: Path) -> None:
    """Let apt fetch from one mirror in a folder of its own, then move the file to its place."""
    with tempfile.TemporaryDirectory(dir=folder, prefix="apt-") as name:
        scratch = Path(name)
        options = _options(scratch)
        (scratch / "recipe.sources").write_text(stanza(mirror), encoding="utf-8")
        _run(["apt-get", *options, "--quiet", "update"], scratch)
        what = ("--download-only", "--tar-only", "--only-source", package)
        _run(["apt-get", *options, "--quiet", "source", *what], scratch)
        if not (scratch / file).exists():
            there = ", ".join(sorted(path.name for path in scratch.glob("*.tar.*"))) or "nothing"
            raise OSError(f"{mirror.uri} {SUITE} has {there} where {file} was wanted")
        (scratch / file).replace(folder / file)


def _options(scratch: Path) -> list[str]:
    """Return the options that keep apt inside `scratch`, and make the folders it expects there."""
    for place in ("lists/partial", "cache/archives/partial"):
        (scratch / place).mkdir(parents=True)
    settings = {
        "Dir::Etc::sourcelist": scratch / "recipe.sources",
        "Dir::Etc::sourceparts": "-",
        "Dir::State::lists": scratch / "lists",
        "Dir::Cache": scratch / "cache",
        "APT::Get::List-Cleanup": "0",
        # As root apt would drop its rights, and then not reach a folder of root's home.
        "APT::Sandbox::User": "root",
        "Acquire::http::Timeout": "10",
        "Acquire::Retries": "1",
    }
    return [f"-o{name}={value}" for name, value in settings.items()]


def _run(command: list[str], folder: Path) -> None:
    """Run apt; where it fails, its own last words become the error."""
    done = subprocess.run(  # noqa: S603  no shell; the words are ours
        command,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=_TIMEOUT_SECONDS,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode:
        words = [line for line in done.stdout.splitlines() if line.startswith(("E:", "Err:"))]
        raise OSError(" ".join(words) or f"apt-get ended with {done.returncode}")


def stanza(mirror: Mirror) -> str:
    """Return the deb822 text of a source archive: one suite, source packages only."""
    lines = ["Types: deb-src", f"URIs: {mirror.uri}", f"Suites: {SUITE}", "Components: main"]
    if mirror.signed_by:
        lines.append(f"Signed-By: {mirror.signed_by}")
    return "\n".join(lines) + "\n"


def mirrors(etc: Path) -> list[Mirror]:
    """Return the mirrors that the apt configuration in the folder `etc` names, each once."""
    found: list[Mirror] = []
    lists = [etc / "sources.list", *sorted((etc / "sources.list.d").glob("*.list"))]
    for path in sorted((etc / "sources.list.d").glob("*.sources")):
        found += parse_deb822(path.read_text(encoding="utf-8", errors="replace"))
    for path in lists:
        if path.exists():
            found += parse_one_line(path.read_text(encoding="utf-8", errors="replace"))
    return list(dict.fromkeys(found))


def parse_deb822(text: str) -> Iterator[Mirror]:
    """Yield the mirrors of a `.sources` file: stanzas of `Key: value`, continued by indented lines."""
    for paragraph in re.split(r"\n[ \t]*\n", text):
        fields = _fields(paragraph)
        if fields.get("enabled", "yes").lower() in ("no", "false", "0"):
            continue
        suites, components = fields.get("suites", "").split(), fields.get("components", "").split()
        if _holds_releases(suites, components):
            for uri in fields.get("uris", "").split():
                yield Mirror(uri, fields.get("signed-by", ""))


def _fields(paragraph: str) -> dict[str, str]:
    """Return the fields of one stanza by lower-case key; comments may stand between any two lines."""
    fields: dict[str, str] = {}
    key = ""
    for line in paragraph.splitlines():
        if line.startswith("#") or not line.strip():
            continue
        if line[0] in " \t" and key:
            fields[key] += "\n" + line
        else:
            name, _, value = line.partition(":")
            key = name.strip().lower()
            fields[key] = value.strip()
    return fields


# deb [arch=amd64 signed-by=/usr/share/keyrings/x.gpg] http://mirror.example/debian trixie main
_ONE_LINE = re.compile(
    r"^\s*deb(?:-src)?\s+(?:\[(?P<options>[^\]]*)\]\s+)?(?P<uri>\S+)\s+(?P<suite>\S+)(?P<rest>[^#]*)"
)


def parse_one_line(text: str) -> Iterator[Mirror]:
    """Yield the mirrors of a `.list` file: `deb [options] uri suite component...`, one each line."""
    for line in text.splitlines():
        match = _ONE_LINE.match(line)
        if match and _holds_releases([match["suite"]], match["rest"].split()):
            options = dict(
                option.partition("=")[::2] for option in (match["options"] or "").split()
            )
            # Several keyrings: commas in this form, spaces in deb822.
            yield Mirror(match["uri"], options.get("signed-by", "").replace(",", " "))


def _holds_releases(suites: list[str], components: list[str]) -> bool:
    """Tell whether an archive with these suites can hold a whole release of Debian."""
    return "main" in components and any(not _PARTIAL_SUITE.search(suite) for suite in suites)
