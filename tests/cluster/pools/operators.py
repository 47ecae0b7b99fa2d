"""The operator as a process of this machine, with the rights of its service account and no more."""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from tests import waiting
from tests.cluster.kubectl import Kubectl, Manifest
from tests.ports import free_port

ROOT = Path(__file__).parents[3]
ACCOUNT = "celeriac-operator"
RBAC = (ROOT / "k8s/rbac/role.yaml", ROOT / "k8s/rbac/service-account.yaml")
BROKERS = "celeriac-operator-brokers"
SECRETS = ("broker", "later", "nowhere")
"""Broker Secrets of the tests."""
STOP_S = 20.0


def grant(kubectl: Kubectl, *, folder: Path, secrets: Sequence[str] = SECRETS) -> Kubectl:
    """Install the Role, its service account and the right to read some Secrets; returns kubectl
    with exactly these rights."""
    for path in RBAC:
        kubectl.apply(*yaml.safe_load_all(path.read_text()))
    kubectl.apply(*_right_to_read(secrets))
    return kubectl.acting_as(ACCOUNT, folder=folder)


def _right_to_read(secrets: Sequence[str]) -> list[Manifest]:
    kind = "rbac.authorization.k8s.io"
    rule = {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}
    role: Manifest = {
        "apiVersion": f"{kind}/v1",
        "kind": "Role",
        "metadata": {"name": BROKERS},
        "rules": [rule | {"resourceNames": list(secrets)}],
    }
    binding: Manifest = {
        "apiVersion": f"{kind}/v1",
        "kind": "RoleBinding",
        "metadata": {"name": BROKERS},
        "roleRef": {"apiGroup": kind, "kind": "Role", "name": BROKERS},
        "subjects": [{"kind": "ServiceAccount", "name": ACCOUNT}],
    }
    return [role, binding]


@dataclass(slots=True, kw_only=True)
class Operator:
    """`celeriac operator` for some namespaces; it can be killed and started again."""

    kubeconfig: Path
    namespaces: Sequence[str]
    log_path: Path
    arguments: Sequence[str] = ()
    log_format: str = "json"
    health_port: int = field(default_factory=free_port)
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    def start(self, *, until: str = "operator runs") -> None:
        """Start it, and wait until its log says that its loop turns, or something else."""
        seen = self.log.count(until)
        served = [word for name in self.namespaces for word in ("--namespace", name)]
        probes = ("--liveness", f"http://127.0.0.1:{self.health_port}/healthz")
        command = [sys.executable, "-m", "app", "operator", *served, *probes, *self.arguments]
        environment = {
            **{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
            "KUBECONFIG": str(self.kubeconfig),
            "PYTHONUNBUFFERED": "1",
        }
        with self.log_path.open("ab") as output:
            self._process = subprocess.Popen(
                [*command, "--log-format", self.log_format],
                cwd=ROOT,
                env=environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        waiting.eventually(
            lambda: self.log.count(until) > seen or not self.is_running,
            within_s=60,
            why="the operator starts",
        )
        assert self.is_running, self.log

    @property
    def log(self) -> str:
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def rss_bytes(self) -> int:
        """Resident memory."""
        assert self._process is not None
        text = Path(f"/proc/{self._process.pid}/status").read_text()
        line = next(line for line in text.splitlines() if line.startswith("VmRSS:"))
        return int(line.split()[1]) * 1024

    def stop(self) -> int:
        """SIGTERM, as a rolling restart does; returns the exit code."""
        if self._process is None:
            return 0
        self._process.send_signal(signal.SIGTERM)
        code = self._process.wait(timeout=STOP_S)
        self._process = None
        return code

    def kill(self) -> None:
        """SIGKILL: no chance to say goodbye."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(timeout=STOP_S)
            self._process = None

    def restart(self) -> None:
        """A rolling restart."""
        self.stop()
        self.start()
