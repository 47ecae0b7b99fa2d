"""helm for tests: values in, objects in a namespace out, and what its user reads on a refusal."""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.cluster.kubectl import Kubectl, KubectlError
from tests.tools import kubernetes_clients

CHART = Path(__file__).parents[3] / "charts/celeriac"
RELEASE = "celeriac"

Values = dict[str, Any]


class HelmRefused(Exception):
    """helm said no; the message is what its user reads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Helm:
    """helm in the namespace of `kubectl`."""

    kubectl: Kubectl

    def install(self, values: Values, *, within_s: float = 180) -> str:
        """Install the chart and wait until all of it is ready."""
        return self._change("install", values, within_s=within_s)

    def upgrade(self, values: Values, *, within_s: float = 300) -> str:
        return self._change("upgrade", values, within_s=within_s)

    def rollback(self, *, within_s: float = 300) -> str:
        """Back to the revision before."""
        return self.run("rollback", RELEASE, "--wait", f"--timeout={within_s:.0f}s")

    def test(self, *, within_s: float = 600) -> str:
        return self.run("test", RELEASE, f"--timeout={within_s:.0f}s")

    def uninstall(self) -> str:
        return self.run("uninstall", RELEASE, "--wait", "--timeout=120s")

    def releases(self) -> list[str]:
        """The names of the releases of the namespace."""
        found = json.loads(self.run("list", "--output=json"))
        return [each["name"] for each in found]

    def run(self, *words: str, given: str = "") -> str:
        """Run any command and return its output; raises `HelmRefused`."""
        kubectl = self.kubectl
        command = [
            *(str(kubernetes_clients.path("helm")), f"--kubeconfig={kubectl.kubeconfig}"),
            *(f"--namespace={kubectl.namespace}", *words),
        ]
        done = subprocess.run(command, input=given, capture_output=True, text=True, timeout=900)
        if done.returncode != 0:
            raise HelmRefused(done.stderr.strip() or done.stdout.strip())
        return done.stdout + done.stderr

    def _change(self, verb: str, values: Values, *, within_s: float) -> str:
        words = (verb, RELEASE, str(CHART), "--values=-", "--wait", f"--timeout={within_s:.0f}s")
        try:
            return self.run(*words, given=json.dumps(values))
        except HelmRefused as refused:
            raise HelmRefused(f"{refused}\n{self._state()}") from None

    def _state(self) -> str:
        """What there is, for whoever has to find out why it is not ready."""
        try:
            return self.kubectl.run("get", "pods,events")
        except KubectlError as error:
            return str(error)
