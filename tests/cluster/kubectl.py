"""kubectl for tests: manifests in, objects out, errors that say what the server said."""

import json
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self, TypeAlias

Manifest: TypeAlias = dict[str, Any]  # a Kubernetes object: JSON of any depth

_AT_ONCE = ("--grace-period=0", "--force")


class KubectlError(Exception):
    """kubectl said no; the message is what it wrote."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kubectl:
    """kubectl on one cluster, in one namespace, as one user."""

    program: Path
    kubeconfig: Path
    cache: Path
    namespace: str = "default"

    def within(self, namespace: str) -> Self:
        """The same in another namespace."""
        return replace(self, namespace=namespace)

    def run(self, *words: str, stdin: str | None = None, timeout_s: float = 60) -> str:
        """Run any command and return its output; raises `KubectlError`."""
        finished = subprocess.run(
            self.command(*words),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
        if finished.returncode != 0:
            raise KubectlError(f"kubectl {' '.join(words)}: {finished.stderr.strip()}")
        return finished.stdout

    def apply(self, *objects: Manifest) -> None:
        """Create or change objects, server-side."""
        listed = {"apiVersion": "v1", "kind": "List", "items": list(objects)}
        options = ("--server-side", "--force-conflicts", "--filename=-")
        self.run("apply", *options, stdin=json.dumps(listed))

    def apply_file(self, path: Path) -> None:
        """Create or change the objects of a manifest file, server-side."""
        self.run("apply", "--server-side", "--force-conflicts", f"--filename={path}")

    def get(self, target: str) -> Manifest:
        """One object by `kind/name`."""
        found: Manifest = json.loads(self.run("get", target, "--output=json"))
        return found

    def find(self, target: str) -> Manifest | None:
        """One object by `kind/name`, or `None` where there is none."""
        output = self.run("get", target, "--output=json", "--ignore-not-found")
        return json.loads(output) if output else None

    def items(self, kind: str, *, selector: str = "") -> list[Manifest]:
        """All objects of a kind, or those with certain labels."""
        output = self.run("get", kind, f"--selector={selector}", "--output=json")
        found: list[Manifest] = json.loads(output)["items"]
        return found

    def wait(self, target: str, condition: str, *, within_s: float = 60) -> None:
        """Wait for a condition by name, or for what `--for` takes: `delete`, `jsonpath=...`."""
        wanted = (
            condition if condition == "delete" or "=" in condition else f"condition={condition}"
        )
        limit = f"--timeout={within_s:.0f}s"
        self.run("wait", f"--for={wanted}", target, limit, timeout_s=within_s + 10)

    def roll_out(self, target: str, *, within_s: float = 120) -> None:
        """Wait until all replicas of a Deployment or StatefulSet are there and ready."""
        limit = f"--timeout={within_s:.0f}s"
        self.run("rollout", "status", target, limit, timeout_s=within_s + 10)

    def delete(self, target: str) -> None:
        """Ask for the deletion of an object, if there is one, and do not wait for it."""
        self.run("delete", target, "--ignore-not-found", "--wait=false")

    def kill(self, pod: str) -> None:
        """End a pod by name without giving it time."""
        self.run("delete", f"pod/{pod}", "--wait=false", *_AT_ONCE)

    def delete_all(self, kinds: str) -> None:
        """Delete every object of some kinds in the namespace, pods without giving them time."""
        self.run("delete", kinds, "--all", "--wait=false", *_AT_ONCE)

    def patch(self, target: str, change: Manifest, *, subresource: str | None = None) -> None:
        """Merge a change into an object."""
        part = () if subresource is None else (f"--subresource={subresource}",)
        self.run("patch", target, "--type=merge", f"--patch={json.dumps(change)}", *part)

    def scale(self, target: str, replicas: int) -> None:
        """Set the replica count of whatever has `/scale`."""
        self.run("scale", target, f"--replicas={replicas}")

    def logs(self, target: str) -> str:
        """What a pod wrote so far."""
        return self.run("logs", target, "--all-containers", "--tail=-1")

    def exec(self, target: str, *command: str) -> str:
        """Run a command in a running pod."""
        return self.run("exec", target, "--", *command)

    def acting_as(self, account: str, *, folder: Path) -> Self:
        """The same with the rights of a service account of this namespace.

        Its kubeconfig, written below `folder`, holds a token and nothing of the caller's own.
        """
        config = json.loads(self.run("config", "view", "--minify", "--raw", "--output=json"))
        for user in config["users"]:
            user["user"] = {"token": self.run("create", "token", account).strip()}
        path = folder / f"{self.namespace}-{account}.conf"
        path.write_text(json.dumps(config))
        return replace(self, kubeconfig=path)

    def command(self, *words: str) -> list[str]:
        """The command line that runs these words."""
        options = [
            f"--kubeconfig={self.kubeconfig}",
            f"--cache-dir={self.cache}",
            f"--namespace={self.namespace}",
        ]
        return [str(self.program), *options, *words]
