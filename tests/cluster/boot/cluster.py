"""Boots the cluster, restarts parts of it, and removes every trace of it."""

import contextlib
import fcntl
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.cluster.boot import (
    binaries,
    certificates,
    configuration,
    control_groups,
    daemons,
    footprints,
    images,
    machine,
    network,
    shell,
)
from tests.cluster.boot.errors import BootError
from tests.cluster.boot.layout import DNS_READY_PORT, NODE, NODE_ADDRESS, Layout

# After SIGTERM the API server takes no new connection, but would serve open watches for a minute.
_STOP_PATIENCE_S = 5.0
_READY_S = 120.0


@contextlib.contextmanager
def exclusive(layout: Layout) -> Iterator[None]:
    """One run at a time builds, boots or removes; a second one waits for the first."""
    layout.home.mkdir(parents=True, exist_ok=True)
    with layout.lock.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            shell.tell(f"waiting for another run that uses {layout.home}")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def build(layout: Layout) -> None:
    """Make all that a later `up` needs."""
    machine.prepare()
    binaries.ensure(layout)
    images.ensure_pause(layout)


def up(layout: Layout) -> Path:
    """Boot the cluster unless it runs, and return the path of its kubeconfig."""
    _refuse_strangers(layout)
    if is_live(layout):
        return layout.kubeconfig
    build(layout)
    _refuse_foreign_kubernetes(layout)
    down(layout)
    _boot(layout)
    return layout.kubeconfig


def down(layout: Layout) -> None:
    """Remove every trace of the cluster, whatever state it is in; only `home`'s caches stay."""
    _refuse_strangers(layout)
    if not _is_ours(layout):
        return
    machine.require_root()
    control_groups.kill_members()
    network.remove()
    control_groups.remove()
    footprints.remove(layout)
    left = [*traces(layout), *_firewall_traces()]
    if left:
        raise BootError(f"could not remove: {', '.join(left)}")


def stop(layout: Layout, name: str) -> None:
    """Stop one daemon of a running cluster, to see who can do without it."""
    daemons.stop(layout, _daemon(layout, name).name, patience_s=_STOP_PATIENCE_S)


def start(layout: Layout, name: str) -> None:
    """Start one daemon that was stopped, and wait until the cluster is whole again."""
    daemons.start(layout, _daemon(layout, name))
    _until(layout, name, lambda: is_live(layout))


def is_live(layout: Layout) -> bool:
    """Whether every daemon runs and the API server answers."""
    names = configuration.build_daemons(layout)
    return all(daemons.is_running(layout, name) for name in names) and _api_answers(layout)


def traces(layout: Layout) -> list[str]:
    """What there is of a cluster on this machine, running or not."""
    if not _is_ours(layout):
        return []
    return [
        *(f"process {pid}" for pid in sorted(control_groups.members())),
        *map(str, control_groups.groups()),
        *(f"link {link}" for link in network.links()),
        *_firewall_traces(),
        *footprints.found(layout),
    ]


def _firewall_traces() -> list[str]:
    """One line: a running cluster has a hundred rules."""
    rules = network.rules()
    return [f"{len(rules)} firewall rules such as {rules[0]}"] if rules else []


def _refuse_strangers(layout: Layout) -> None:
    owner = footprints.owner()
    if owner is not None and owner != layout.home:
        raise BootError(
            f"the cluster of {owner} is on this machine: "
            f"use it with CELERIAC_CLUSTER_DIR={owner}, or remove it so"
        )


def _refuse_foreign_kubernetes(layout: Layout) -> None:
    if network.rules() and not _is_ours(layout):
        raise BootError("this machine is a node of some other Kubernetes: set KUBECONFIG")


def _is_ours(layout: Layout) -> bool:
    signs = (footprints.owner(), control_groups.groups(), layout.state.exists())
    return any(signs)


def _boot(layout: Layout) -> None:
    layout.state.mkdir(parents=True)
    footprints.record(layout)
    for folder in (layout.logs, layout.pids, layout.state / "cni"):
        folder.mkdir()
    certificates.issue_all(layout)
    for name, text in configuration.build_files(layout).items():
        (layout.state / name).write_text(text)
    footprints.change_settings()
    network.create()
    control_groups.create()
    _start_daemons(layout)


def _start_daemons(layout: Layout) -> None:
    waiting = configuration.build_daemons(layout)
    for name in ("etcd", "kube-apiserver", "containerd"):
        daemons.start(layout, waiting.pop(name))
    _until(layout, "containerd", lambda: images.is_node_ready(layout))
    images.load_pause(layout)
    _until(layout, "kube-apiserver", lambda: _api_answers(layout))
    for daemon in waiting.values():
        daemons.start(layout, daemon)
    _until(layout, "kubelet", lambda: _is_node_ready(layout))
    _until(layout, "coredns", _dns_answers)
    _until(layout, "kube-controller-manager", lambda: _has_service_account(layout))


def _until(layout: Layout, name: str, is_done: Callable[[], bool]) -> None:
    """Wait for what a daemon brings about; its log explains when it does not."""

    def is_done_or_dead() -> bool:
        if not daemons.is_running(layout, name):
            raise BootError(f"{name} ended by itself")
        return is_done()

    try:
        shell.until(f"the readiness of {name}", is_done_or_dead, deadline_s=_READY_S)
    except BootError as exc:
        raise BootError(f"{exc}\n{daemons.log_tail(layout, name)}") from exc


def _daemon(layout: Layout, name: str) -> configuration.Daemon:
    known = configuration.build_daemons(layout)
    if name not in known:
        raise BootError(f"no daemon {name}: choose one of {', '.join(known)}")
    return known[name]


def _kubectl(layout: Layout, *words: str) -> bool:
    """Whether a kubectl command ends well; what it caches goes when the cluster goes."""
    options = (f"--kubeconfig={layout.kubeconfig}", f"--cache-dir={layout.state}/kubectl")
    return shell.succeeds(layout.bin / "kubectl", *options, *words, timeout_s=5)


def _api_answers(layout: Layout) -> bool:
    return _kubectl(layout, "get", "--raw=/readyz")


def _is_node_ready(layout: Layout) -> bool:
    wanted = "--for=condition=Ready"
    return _kubectl(layout, "wait", wanted, f"node/{NODE}", "--timeout=2s")


def _has_service_account(layout: Layout) -> bool:
    """Without it no pod can start, and it is the last of what the controllers make at first."""
    return _kubectl(layout, "get", "serviceaccount", "default")


def _dns_answers() -> bool:
    try:
        with urllib.request.urlopen(f"http://{NODE_ADDRESS}:{DNS_READY_PORT}/ready", timeout=1):
            return True
    except OSError:
        return False
