"""`down` leaves the machine as it was, whatever died before.

This takes the machine's cluster down, and so runs with `CELERIAC_CLUSTER_OWNED=1` only, and last.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import pytest

from tests.cluster import live, recipes, workloads
from tests.cluster.boot import layout
from tests.cluster.boot.layout import Layout

Accident: TypeAlias = Callable[[Layout], None]

NOTHING_IS_LEFT = 3
SETTINGS = ("net/ipv4/ip_forward", "vm/overcommit_memory", "kernel/panic", "kernel/panic_on_oops")
# Where containerd, the kubelet and the CNI plugins leave files, whatever they are told.
FIXED = ("/run/containerd", "/var/lib/kubelet", "/var/lib/cni", "/var/log/containers")


def output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def machine_state() -> dict[str, list[str]]:
    """What a cluster changes on a machine, read without the code under test."""
    mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    addresses = output("ip", "-oneline", "address").splitlines()
    rules = f"{output('iptables-save')}{output('ip6tables-save')}".splitlines()
    return {
        "mounts": sorted(line.split()[4] for line in mounts),
        "addresses": [" ".join(line.split()[1:4]) for line in addresses],
        "routes": output("ip", "route").splitlines(),
        "namespaces": output("ip", "netns").splitlines(),
        "rules": [line for line in rules if line.startswith("-A") or line.endswith("- [0:0]")],
        "groups": sorted(map(str, Path("/sys/fs/cgroup").glob("**/celeriac*"))),
        "settings": [Path("/proc/sys", name).read_text() for name in SETTINGS],
        "files": sorted(str(path) for folder in FIXED for path in Path(folder).glob("**/*")),
    }


def boot(ours: Layout, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.cluster.boot", *words]
    environment = {**os.environ, "CELERIAC_CLUSTER_DIR": str(ours.home)}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def no_accident(_: Layout) -> None:
    pass


def killed_runtime_and_lost_pid_files(ours: Layout) -> None:
    """The worst that can happen short of a reboot: pods run on that nobody knows of."""
    for name in ("kubelet", "containerd", "kube-proxy"):
        pid_file = ours.pids / name
        os.kill(int(pid_file.read_text()), signal.SIGKILL)
        pid_file.unlink()


@pytest.fixture(scope="session")
def chosen() -> Layout:
    return layout.from_environment(os.environ)


@pytest.fixture
def ours(chosen: Layout) -> Iterator[Layout]:
    """The layout of this machine's cluster, which does not run before and after."""
    boot(chosen, "down")
    yield chosen
    boot(chosen, "down")


@pytest.mark.parametrize(
    "accident",
    [
        pytest.param(no_accident, id="a healthy cluster"),
        pytest.param(killed_runtime_and_lost_pid_files, id="a cluster that lost its runtime"),
    ],
)
def test_down_leaves_nothing_behind(ours: Layout, tmp_path: Path, accident: Accident) -> None:
    before = machine_state()
    kubeconfig = Path(boot(ours, "up").stdout.strip())
    kubectl = live.build_kubectl(kubeconfig, cache=tmp_path)
    image = live.Cluster(kubectl=kubectl, layout=ours).image(recipes.TEST_REDIS)
    kubectl.apply(*workloads.build_redis("redis", image=image, append_only=False))
    kubectl.roll_out("deployment/redis")
    accident(ours)

    first, second = boot(ours, "down"), boot(ours, "down")

    assert (first.returncode, first.stderr) == (0, "")
    assert (second.returncode, second.stderr) == (0, "")
    assert boot(ours, "status").returncode == NOTHING_IS_LEFT
    assert machine_state() == before
    assert not ours.state.exists()


def test_up_returns_at_once_on_a_live_cluster_and_mends_a_broken_one(ours: Layout) -> None:
    first = boot(ours, "up").stdout
    etcd = (ours.pids / "etcd").read_text()

    assert boot(ours, "up").stdout == first
    assert (ours.pids / "etcd").read_text() == etcd

    os.kill(int(etcd), signal.SIGKILL)

    assert boot(ours, "up").stdout == first
    assert boot(ours, "status").returncode == 0
