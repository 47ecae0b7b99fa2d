"""What a child process may do, what the kernel offers to enforce it, and what is missing."""

import functools
import json
import logging
import os
import shutil
import site
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from app.errors import NotConfigured
from app.settings.worker import SandboxMode
from app.worker.sandbox import landlock, seccomp
from app.worker.sandbox.confinement import Confinement

logger = logging.getLogger(__name__)

ROOT = Path(__file__).parents[3]
"""The folder of our package `app`."""

PROGRAM_FOLDERS = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/nix/store")

SYSTEM_FILES = (
    *("/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/alternatives"),
    *("/etc/fonts", "/var/cache/fontconfig", "/etc/localtime", "/etc/timezone"),
    *("/etc/passwd", "/etc/group", "/etc/nsswitch.conf", "/etc/mime.types"),
    *("/dev/zero", "/dev/random", "/dev/urandom"),
    *("/proc/self", "/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/proc/filesystems"),
    "/sys/devices/system/cpu",
)

PATH_VARIABLES = ("FONTCONFIG_FILE", "FONTCONFIG_PATH", "LD_LIBRARY_PATH", "TESSDATA_PREFIX")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sandbox:
    """What a child may do besides running its program with the files of the system.

    It reads and changes nothing else, starts no other program and reaches no other process.
    """

    readable: tuple[Path, ...] = ()
    writable: tuple[Path, ...] = ()
    may_use_network: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelSupport:
    """What the kernel offers to this process."""

    landlock_abi: int
    """Version of the interface; 0: none."""
    has_filter: bool
    """Whether it filters system calls."""

    @property
    def missing(self) -> tuple[str, ...]:
        lacks = (("Landlock", self.landlock_abi == 0), ("seccomp", not self.has_filter))
        return tuple(name for name, is_missing in lacks if is_missing)


@functools.cache
def kernel_support() -> KernelSupport:
    """What this kernel offers, asked once."""
    return KernelSupport(landlock_abi=landlock.abi_version(), has_filter=seccomp.is_available())


def confinement_of(
    sandbox: Sandbox,
    command: Sequence[str],
    *,
    mode: SandboxMode,
    support: KernelSupport | None = None,
) -> str:
    """The sandbox of a command as its child receives it; empty: none.

    Raises NotConfigured if `mode` requires what the kernel lacks.
    """
    if mode is SandboxMode.OFF:
        return ""
    kernel = support if support is not None else kernel_support()
    if kernel.missing:
        if mode is SandboxMode.REQUIRE:
            raise NotConfigured(
                f"CELERIAC_SANDBOX is 'require', and the kernel of this worker lacks "
                f"{' and '.join(kernel.missing)}"
            )
        _warn(kernel.missing)
    if sys.platform != "linux":
        return ""
    return json.dumps(_confinement(sandbox, command, kernel))


def _confinement(sandbox: Sandbox, command: Sequence[str], kernel: KernelSupport) -> Confinement:
    program = Path(shutil.which(command[0]) or command[0]).resolve()
    return Confinement(
        executable=_strings([program, *_loaders(), *_interpreters(program)]),
        readable=_strings([*_system(program), *sandbox.readable]),
        listable=[str(ROOT)],  # where Python looks for `app`
        writable=_strings([Path(os.devnull), *sandbox.writable]),
        may_use_network=sandbox.may_use_network,
        landlock_abi=kernel.landlock_abi,
        has_filter=kernel.has_filter,
    )


def _system(program: Path) -> Iterable[Path]:
    yield from map(Path, (*PROGRAM_FOLDERS, *SYSTEM_FILES))
    yield from map(Path, (sys.prefix, sys.base_prefix, site.getusersitepackages()))
    yield ROOT / "app"
    for entry in map(Path, sys.path):
        if entry.name in ("site-packages", "dist-packages"):
            yield entry
    if program.parent.name == "bin":
        yield program.parents[1]  # its libraries and data
    for name in PATH_VARIABLES:
        yield from (Path(part) for part in os.environ.get(name, "").split(os.pathsep) if part)


def _loaders() -> Iterable[Path]:
    """The dynamic loaders of the system: the kernel runs one for each program."""
    for folder in ("/lib", "/lib64"):
        for pattern in ("ld-*.so*", "*/ld-*.so*"):
            yield from Path(folder).glob(pattern)


def _interpreters(program: Path) -> Iterable[Path]:
    """The folders with the interpreter of a script, and with what it runs."""
    try:
        with program.open("rb") as file:
            is_script = file.read(2) == b"#!"
    except OSError:
        is_script = False
    return map(Path, PROGRAM_FOLDERS) if is_script else ()


def _strings(paths: Iterable[Path]) -> list[str]:
    return list(dict.fromkeys(str(path.absolute()) for path in paths))


def log_state(mode: SandboxMode) -> None:
    """Log once at the start how children are confined."""
    kernel = kernel_support()
    logger.info(
        "sandbox of children",
        extra={
            "mode": mode.value,
            "landlock_abi": kernel.landlock_abi,
            "seccomp": kernel.has_filter,
        },
    )


@functools.cache
def _warn(missing: tuple[str, ...]) -> None:
    logger.warning(
        "children that read untrusted files run without the whole sandbox",
        extra={"missing": " and ".join(missing), "setting": "CELERIAC_SANDBOX"},
    )
