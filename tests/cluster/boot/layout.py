"""Where the cluster keeps its files, and the names and addresses it takes on this machine."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

NODE = "node-0"
NODE_ADDRESS = "172.31.255.1"
POD_RANGE = "10.244.0.0/22"
SERVICE_RANGE = "10.96.0.0/16"
API_SERVICE_ADDRESS = "10.96.0.1"
API_PORT = 6443
# Not 2379: a machine may run an etcd of its own.
ETCD_PORT = 23790
DNS_READY_PORT = 8181

# One name marks all that is ours on the machine: control group, network links, firewall rules.
MARK = "celeriac-cluster"
NODE_LINK = "celeriac-node"
POD_LINK = "celeriac-pods"
POD_NETWORK = "celeriac-pods"

PAUSE_IMAGE = "localhost/celeriac-pause:1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The folders of one cluster. `home` outlives it, `state` goes when the cluster goes."""

    home: Path

    @property
    def state(self) -> Path:
        return self.home / "state"

    @property
    def bin(self) -> Path:
        """Links to what was built last; kubectl and helm are here for users, too."""
        return self.home / "bin"

    @property
    def built(self) -> Path:
        """One folder per component, named by what it was built from."""
        return self.home / "built"

    @property
    def images(self) -> Path:
        """Image archives, named by what they were built from."""
        return self.home / "images"

    @property
    def lock(self) -> Path:
        return self.home / "lock"

    @property
    def kubeconfig(self) -> Path:
        return self.state / "admin.conf"

    @property
    def pki(self) -> Path:
        return self.state / "pki"

    @property
    def logs(self) -> Path:
        return self.state / "log"

    @property
    def pids(self) -> Path:
        return self.state / "pid"

    @property
    def containerd_socket(self) -> Path:
        return self.state / "containerd.sock"

    @property
    def tasks(self) -> Path:
        """containerd's folder of running containers."""
        return self.state / "containerd/state/io.containerd.runtime.v2.task/k8s.io"

    @property
    def before(self) -> Path:
        """What the machine looked like before the cluster changed it."""
        return self.state / "before.json"


def from_environment(environment: Mapping[str, str]) -> Layout:
    """Take `CELERIAC_CLUSTER_DIR`, else `celeriac/cluster` in the user's cache folder."""
    chosen = environment.get("CELERIAC_CLUSTER_DIR")
    if chosen:
        return Layout(home=Path(chosen).expanduser().resolve())
    cache = environment.get("XDG_CACHE_HOME") or "~/.cache"
    return Layout(home=Path(cache).expanduser().resolve() / "celeriac" / "cluster")
