"""What Kubernetes leaves on the machine outside of the cluster's folders, and its removal."""

import contextlib
import json
import shutil
from pathlib import Path

from tests.cluster.boot import shell
from tests.cluster.boot.layout import Layout

# Kernel settings that the boot, the kubelet or kube-proxy change.
_SETTINGS = (
    "net/ipv4/ip_forward",
    "net/bridge/bridge-nf-call-iptables",
    "vm/overcommit_memory",
    "vm/panic_on_oom",
    "kernel/panic",
    "kernel/panic_on_oops",
    "kernel/keys/root_maxkeys",
    "kernel/keys/root_maxbytes",
)
_SYSCTL = Path("/proc/sys")

# Says whose cluster runs on this machine: names, addresses and firewall rules are there only once.
_OWNER = Path("/run/celeriac-cluster")

# Folders whose places are compiled into containerd, the kubelet and the CNI library.
_RESULTS = Path("/var/lib/cni/results")
_CONTAINER_LOGS = Path("/var/log/containers")
_FIXED_FOLDERS = (
    Path("/run/containerd"),
    Path("/var/lib/cni"),
    Path("/var/lib/kubelet"),
    Path("/usr/libexec/kubernetes"),
    _CONTAINER_LOGS,
)


def owner() -> Path | None:
    """The `home` of the cluster that is on this machine, running or half removed."""
    return Path(_OWNER.read_text()) if _OWNER.exists() else None


def record(layout: Layout) -> None:
    """Write down whose cluster it is, and what the machine is like before that changes it."""
    _OWNER.write_text(str(layout.home))
    settings = {name: (_SYSCTL / name).read_text().strip() for name in _known_settings()}
    absent = [str(folder) for folder in _FIXED_FOLDERS if not folder.exists()]
    layout.before.write_text(json.dumps({"settings": settings, "absent": absent}, indent=1))


def change_settings() -> None:
    """Let the kernel forward packets and show bridged ones to the firewall."""
    if not (_SYSCTL / "net/bridge").exists():
        shell.run("modprobe", "br_netfilter")
    (_SYSCTL / "net/ipv4/ip_forward").write_text("1")
    (_SYSCTL / "net/bridge/bridge-nf-call-iptables").write_text("1")


def remove(layout: Layout) -> None:
    """Undo what `record` saw coming; to be called when no process of the cluster is left."""
    _unmount(layout)
    _remove_fixed_files(layout)
    if layout.before.exists():
        before = json.loads(layout.before.read_text())
        for name, value in before["settings"].items():
            (_SYSCTL / name).write_text(value)
        for folder in before["absent"]:
            shutil.rmtree(folder, ignore_errors=True)
    shutil.rmtree(layout.state, ignore_errors=True)
    _OWNER.unlink(missing_ok=True)


def found(layout: Layout) -> list[str]:
    """The files and mounts that are there while a cluster is."""
    files = [*_cni_results(layout), *_log_links(layout)]
    files += [path for path in (layout.state, _OWNER) if path.exists()]
    return [str(each) for each in files] + _mounts(layout)


def _unmount(layout: Layout) -> None:
    """Unmount below `home`, not only below `state`: an interrupted image build mounts, too."""

    def is_clear() -> bool:
        mounts = _mounts(layout)
        # The deepest first; lazily, because a killed process may hold one for a moment.
        for chunk in range(0, len(mounts), 100):
            shell.run("umount", "--lazy", *mounts[chunk : chunk + 100])
        return not mounts

    shell.until("unmounting", is_clear, deadline_s=20)


def _mounts(layout: Layout) -> list[str]:
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    points = [line.split()[4].encode().decode("unicode_escape") for line in lines]
    return sorted((each for each in points if each.startswith(f"{layout.home}/")), reverse=True)


def _remove_fixed_files(layout: Layout) -> None:
    for address in layout.tasks.glob("*/address"):
        # A killed shim leaves its socket where the `address` file says.
        socket = address.read_text().strip().removeprefix("unix://")
        with contextlib.suppress(OSError):
            Path(socket).unlink()
    for path in (*_cni_results(layout), *_log_links(layout)):
        path.unlink(missing_ok=True)


def _cni_results(layout: Layout) -> list[Path]:
    """Results name the pod's network namespace, which is mounted below `state`."""
    return [path for path in _RESULTS.glob("*") if f"{layout.state}/" in path.read_text()]


def _log_links(layout: Layout) -> list[Path]:
    links = [path for path in _CONTAINER_LOGS.glob("*") if path.is_symlink()]
    return [link for link in links if str(link.readlink()).startswith(f"{layout.home}/")]


def _known_settings() -> list[str]:
    return [name for name in _SETTINGS if (_SYSCTL / name).exists()]
