"""etcd and an API server alone: a Kubernetes for objects without pods, up in some seconds.

It listens on loopback, keeps its data in a temporary folder and leaves nothing behind. The API
server is the one that `make cluster` has compiled.
"""

import contextlib
import json
import os
import ssl
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.rig import servers
from tests.cluster.boot import layout

TOKEN = "benchmark"
READY_S = 60.0


@contextlib.contextmanager
def running(folder: Path) -> Iterator[Path]:
    """The path of an administrator's kubeconfig, as long as the block lasts."""
    api_server = program("kube-apiserver")
    etcd_port, peer_port, api_port = (servers.free_port() for _ in range(3))
    _write_secrets(folder)
    with (
        _daemon(folder, "etcd", _etcd(folder, etcd_port, peer_port)),
        _daemon(folder, "apiserver", [str(api_server), *_arguments(folder, etcd_port, api_port)]),
    ):
        kubeconfig = _write_kubeconfig(folder, api_port)
        _wait_until_ready(api_port)
        yield kubeconfig


def program(name: str) -> Path:
    """A program of Kubernetes that `make cluster` has left."""
    path = layout.from_environment(os.environ).bin / name
    if not path.exists():
        raise SystemExit(f"no {name} on this machine: run `make cluster` once")
    return path


def _write_secrets(folder: Path) -> None:
    (folder / "tokens.csv").write_text(f"{TOKEN},admin,1,system:masters\n")
    key = folder / "accounts.key"
    subprocess.run(["openssl", "genrsa", "-out", key, "2048"], check=True, capture_output=True)


def _etcd(folder: Path, port: int, peer_port: int) -> list[str]:
    clients, peers = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{peer_port}"
    return [
        "etcd",
        f"--data-dir={folder}/etcd",
        f"--listen-client-urls={clients}",
        f"--advertise-client-urls={clients}",
        f"--listen-peer-urls={peers}",
        f"--initial-advertise-peer-urls={peers}",
        f"--initial-cluster=default={peers}",
    ]


def _arguments(folder: Path, etcd_port: int, api_port: int) -> list[str]:
    return [
        f"--etcd-servers=http://127.0.0.1:{etcd_port}",
        "--bind-address=127.0.0.1",
        "--advertise-address=127.0.0.1",
        "--endpoint-reconciler-type=none",
        f"--secure-port={api_port}",
        f"--cert-dir={folder}/certificates",
        f"--token-auth-file={folder}/tokens.csv",
        f"--service-account-key-file={folder}/accounts.key",
        f"--service-account-signing-key-file={folder}/accounts.key",
        "--service-account-issuer=https://kubernetes.default.svc",
        "--service-cluster-ip-range=10.96.0.0/24",
        "--authorization-mode=RBAC",
    ]


def _write_kubeconfig(folder: Path, port: int) -> Path:
    cluster = {"server": f"https://127.0.0.1:{port}", "insecure-skip-tls-verify": True}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "bare", "cluster": cluster}],
        "users": [{"name": "admin", "user": {"token": TOKEN}}],
        "contexts": [{"name": "bare", "context": {"cluster": "bare", "user": "admin"}}],
        "current-context": "bare",
    }
    path = folder / "admin.conf"
    path.write_text(json.dumps(config))
    return path


def _wait_until_ready(port: int) -> None:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    request = urllib.request.Request(
        f"https://127.0.0.1:{port}/readyz", headers={"Authorization": f"Bearer {TOKEN}"}
    )
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            urllib.request.urlopen(request, context=context, timeout=2).close()
            return
        time.sleep(0.2)
    raise SystemExit(f"the API server was not ready within {READY_S:.0f} s")


@contextlib.contextmanager
def _daemon(folder: Path, name: str, command: Sequence[str]) -> Iterator[None]:
    with (folder / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
