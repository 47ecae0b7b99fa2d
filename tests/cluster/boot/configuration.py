"""Builds every configuration file and command line of the cluster, without I/O."""

import json
from dataclasses import dataclass

from tests.cluster.boot.layout import (
    API_PORT,
    DNS_READY_PORT,
    ETCD_PORT,
    MARK,
    NODE,
    NODE_ADDRESS,
    PAUSE_IMAGE,
    POD_LINK,
    POD_NETWORK,
    POD_RANGE,
    SERVICE_RANGE,
    Layout,
)

# The defaults, meant for shared clusters, cost 5 s of a boot and slow down a burst of pods.
_UNTHROTTLED = ("--kube-api-qps=500", "--kube-api-burst=1000")


@dataclass(frozen=True, slots=True, kw_only=True)
class Daemon:
    """One process of the cluster, by the name that its log and pid file carry."""

    name: str
    command: tuple[str, ...]


def build_files(layout: Layout) -> dict[str, str]:
    """Content of each configuration file by its path below the state folder."""
    return {
        "containerd.toml": _containerd(layout),
        "cni/10-pods.conflist": json.dumps(_pod_network(layout), indent=1),
        "kubelet.json": json.dumps(_kubelet(layout), indent=1),
        "proxy.json": json.dumps(_proxy(layout), indent=1),
        "Corefile": _corefile(layout),
        # No search domains and no servers of the machine's own inside pods.
        "resolv.conf": "",
    }


def build_daemons(layout: Layout) -> dict[str, Daemon]:
    """Every daemon by name, in the order in which they start."""
    commands = {
        "etcd": _etcd_command(layout),
        "kube-apiserver": _api_command(layout),
        "containerd": ("containerd", "--config", f"{layout.state}/containerd.toml"),
        "kube-controller-manager": _controller_command(layout),
        "kube-scheduler": (
            f"{layout.bin}/kube-scheduler",
            f"--kubeconfig={layout.kubeconfig}",
            "--leader-elect=false",
            "--bind-address=127.0.0.1",
            *_UNTHROTTLED,
        ),
        "kubelet": (
            f"{layout.bin}/kubelet",
            f"--config={layout.state}/kubelet.json",
            f"--kubeconfig={layout.state}/kubelet.conf",
            f"--hostname-override={NODE}",
            f"--node-ip={NODE_ADDRESS}",
            f"--root-dir={layout.state}/kubelet",
            f"--cert-dir={layout.pki}",
        ),
        "kube-proxy": (f"{layout.bin}/kube-proxy", f"--config={layout.state}/proxy.json"),
        "coredns": (f"{layout.bin}/coredns", "-conf", f"{layout.state}/Corefile"),
    }
    return {name: Daemon(name=name, command=command) for name, command in commands.items()}


def _etcd_command(layout: Layout) -> tuple[str, ...]:
    clients = f"http://127.0.0.1:{ETCD_PORT}"
    peers = f"http://127.0.0.1:{ETCD_PORT + 1}"
    return (
        "etcd",
        f"--data-dir={layout.state}/etcd",
        f"--listen-client-urls={clients}",
        f"--advertise-client-urls={clients}",
        f"--listen-peer-urls={peers}",
        f"--initial-advertise-peer-urls={peers}",
        f"--initial-cluster=default={peers}",
    )


def _api_command(layout: Layout) -> tuple[str, ...]:
    pki = layout.pki
    return (
        f"{layout.bin}/kube-apiserver",
        f"--etcd-servers=http://127.0.0.1:{ETCD_PORT}",
        # Only here: the cluster is of no concern to the network this machine is on.
        f"--bind-address={NODE_ADDRESS}",
        f"--advertise-address={NODE_ADDRESS}",
        f"--secure-port={API_PORT}",
        f"--cert-dir={pki}",
        f"--tls-cert-file={pki}/apiserver.crt",
        f"--tls-private-key-file={pki}/apiserver.key",
        f"--client-ca-file={pki}/ca.crt",
        f"--service-account-key-file={pki}/tokens.key",
        f"--service-account-signing-key-file={pki}/tokens.key",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-cluster-ip-range={SERVICE_RANGE}",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        "--allow-privileged=true",
        f"--kubelet-client-certificate={pki}/admin.crt",
        f"--kubelet-client-key={pki}/admin.key",
        f"--kubelet-certificate-authority={pki}/ca.crt",
        "--kubelet-preferred-address-types=InternalIP",
        f"--requestheader-client-ca-file={pki}/front-ca.crt",
        "--requestheader-allowed-names=front-proxy",
        "--requestheader-username-headers=X-Remote-User",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        f"--proxy-client-cert-file={pki}/front.crt",
        f"--proxy-client-key-file={pki}/front.key",
        "--enable-aggregator-routing=true",
    )


def _controller_command(layout: Layout) -> tuple[str, ...]:
    pki = layout.pki
    return (
        f"{layout.bin}/kube-controller-manager",
        f"--kubeconfig={layout.kubeconfig}",
        f"--service-account-private-key-file={pki}/tokens.key",
        f"--root-ca-file={pki}/ca.crt",
        f"--cluster-signing-cert-file={pki}/ca.crt",
        f"--cluster-signing-key-file={pki}/ca.key",
        "--use-service-account-credentials=true",
        "--leader-elect=false",
        "--bind-address=127.0.0.1",
        f"--service-cluster-ip-range={SERVICE_RANGE}",
        f"--flex-volume-plugin-dir={layout.state}/kubelet-plugins",
        *_UNTHROTTLED,
        # Debian 12's etcd has no watch progress; falling back costs each watch a second.
        "--feature-gates=WatchListClient=false",
    )


def _containerd(layout: Layout) -> str:
    cri = "io.containerd.grpc.v1.cri"
    # restrict_oom_score_adj: a container may hold no right to lower an OOM score.
    return f"""\
version = 2
root = "{layout.state}/containerd/root"
state = "{layout.state}/containerd/state"
[grpc]
  address = "{layout.containerd_socket}"
[plugins."io.containerd.internal.v1.opt"]
  path = "{layout.state}/containerd/opt"
[plugins."{cri}"]
  sandbox_image = "{PAUSE_IMAGE}"
  restrict_oom_score_adj = true
  disable_apparmor = true
  netns_mounts_under_state_dir = true
  [plugins."{cri}".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{layout.state}/cni"
  [plugins."{cri}".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."{cri}".containerd.runtimes.runc.options]
      Root = "{layout.state}/containerd/runc"
"""


def _pod_network(layout: Layout) -> dict[str, object]:
    addresses = {
        "type": "host-local",
        "ranges": [[{"subnet": POD_RANGE}]],
        "routes": [{"dst": "0.0.0.0/0"}],
        "dataDir": f"{layout.state}/addresses",
    }
    bridge = {
        "type": "bridge",
        "bridge": POD_LINK,
        "isGateway": True,
        "hairpinMode": True,
        "ipam": addresses,
    }
    return {"cniVersion": "0.4.0", "name": POD_NETWORK, "plugins": [bridge]}


def _kubelet(layout: Layout) -> dict[str, object]:
    state = layout.state
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": NODE_ADDRESS,
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": f"{layout.pki}/ca.crt"},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": f"{layout.pki}/kubelet.crt",
        "tlsPrivateKeyFile": f"{layout.pki}/kubelet.key",
        "containerRuntimeEndpoint": f"unix://{layout.containerd_socket}",
        "podLogsDir": f"{state}/pod-logs",
        "volumePluginDir": f"{state}/kubelet-plugins",
        "resolvConf": f"{state}/resolv.conf",
        "clusterDNS": [NODE_ADDRESS],
        "clusterDomain": "cluster.local",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{MARK}",
        # 1.34 is the last line that runs on control groups v1 when told not to fail.
        "failCgroupV1": False,
        "failSwapOn": False,
        # CAP_SYS_RESOURCE may be missing, and with it the right to lower an OOM score.
        "oomScoreAdj": 0,
        # A full disk is the developer's to see to: no evictions, no images collected.
        "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%"},
        "imageGCHighThresholdPercent": 100,
        "maxPods": 250,
    }


def _proxy(layout: Layout) -> dict[str, object]:
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "clientConnection": {"kubeconfig": str(layout.kubeconfig)},
        "hostnameOverride": NODE,
        "mode": "iptables",
        # Node ports on loopback would need the machine to route loopback addresses.
        "iptables": {"localhostNodePorts": False, "minSyncPeriod": "100ms"},
        "clusterCIDR": POD_RANGE,
        "healthzBindAddress": "127.0.0.1:10256",
        "conntrack": {
            "maxPerCore": 0,
            "tcpEstablishedTimeout": "0s",
            "tcpCloseWaitTimeout": "0s",
        },
    }


def _corefile(layout: Layout) -> str:
    """The cluster's own names only: a test that asks for any other gets a refusal at once."""
    return f"""\
.:53 {{
  bind {NODE_ADDRESS}
  errors
  ready {NODE_ADDRESS}:{DNS_READY_PORT}
  kubernetes cluster.local in-addr.arpa {{
    kubeconfig {layout.kubeconfig}
    pods insecure
    ttl 1
  }}
}}
"""
