"""Credentials for the Kubernetes API: a pod's service account, or a kubeconfig as kubectl reads it.

Several kubeconfig files merge, and the first value of a name wins. Exec plugins run at each login.
Format: Kubernetes reference, "Organizing Cluster Access Using kubeconfig Files".
"""

import asyncio
import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import kopf
import yaml

from app.errors import InvalidInput, RetryableError

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")

REREAD_AFTER_S = 300.0
"""Credentials are read again after this time: kubelet replaces a token 12 minutes before its end.
A new expiry also keeps kopf from rejecting credentials for good when an API server that is still
starting refuses them once."""

PLUGIN_TIMEOUT_S = 60.0

Entry = Mapping[str, Any]  # a kubeconfig entry is free-form YAML


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecPlugin:
    """A command that prints an ExecCredential (cloud providers log in this way)."""

    command: str
    arguments: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    api_version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """One cluster as one user sees it. `*_data` is base64 of PEM, as in the file."""

    server: str
    namespace: str | None = None
    ca_path: str | None = None
    ca_data: str | None = None
    is_insecure: bool = False
    proxy_url: str | None = None
    certificate_path: str | None = None
    certificate_data: str | None = None
    key_path: str | None = None
    key_data: str | None = None
    token: str | None = None
    token_path: str | None = None
    exec_plugin: ExecPlugin | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """Where credentials come from. Without a service account and files there are none."""

    service_account: Path | None
    kubeconfigs: tuple[Path, ...]
    context: str | None = None

    async def connection(self) -> kopf.ConnectionInfo:
        """Read the credentials as they are now.

        Raises `InvalidInput` where there are none, `RetryableError` where a plugin fails.
        """
        if self.service_account is not None:
            access = await asyncio.to_thread(_service_account_access, self.service_account)
        elif self.kubeconfigs:
            access = await asyncio.to_thread(read_access, self.kubeconfigs, context=self.context)
        else:
            raise InvalidInput("no Kubernetes cluster: set KUBECONFIG, or run in a pod")
        return await _connection(access)


def find_login(
    environment: Mapping[str, str],
    *,
    home: Path,
    service_account: Path = SERVICE_ACCOUNT,
    context: str | None = None,
) -> Login:
    """Prefer `KUBECONFIG` or a context, then the pod's service account, then `~/.kube/config`."""
    files = kubeconfig_paths(environment, home=home)
    is_named = bool(environment.get("KUBECONFIG")) or context is not None
    if not is_named and (service_account / "token").exists():
        return Login(service_account=service_account, kubeconfigs=())
    return Login(service_account=None, kubeconfigs=files, context=context)


def _service_account_access(folder: Path) -> Access:
    host = os.environ.get("KUBERNETES_SERVICE_HOST", "kubernetes.default.svc")
    port = os.environ.get("KUBERNETES_SERVICE_PORT", "443")
    bracketed = f"[{host}]" if ":" in host else host
    return Access(
        server=f"https://{bracketed}:{port}",
        namespace=(folder / "namespace").read_text(encoding="ascii").strip(),
        ca_path=str(folder / "ca.crt"),
        token_path=str(folder / "token"),
    )


def kubeconfig_paths(environment: Mapping[str, str], *, home: Path) -> tuple[Path, ...]:
    """The files that kubectl would read: `KUBECONFIG`, else `~/.kube/config` if it is there."""
    named = [name for name in environment.get("KUBECONFIG", "").split(os.pathsep) if name]
    if named:
        return tuple(Path(name).expanduser() for name in named)
    default = home / ".kube" / "config"
    return (default,) if default.exists() else ()


def read_access(files: Sequence[Path], *, context: str | None = None) -> Access:
    """The access that `context` (else the current one) names.

    Raises `InvalidInput` where a file cannot be read or a name has no entry.
    """
    return parse_access([(path.parent, _load(path)) for path in files], context=context)


def parse_access(documents: Sequence[tuple[Path, Entry]], *, context: str | None = None) -> Access:
    """Merge kubeconfig documents, each with the folder that its relative paths start from."""
    current = (document.get("current-context") for _, document in documents)
    name = context or next((value for value in current if value), None)
    if name is None:
        raise InvalidInput("the kubeconfig names no current context: kubectl config use-context")
    chosen = _entry(documents, "context", name)
    return _access(
        cluster=_entry(documents, "cluster", chosen.get("cluster", "")),
        user=_entry(documents, "user", chosen.get("user", "")),
        namespace=chosen.get("namespace"),
    )


def _load(path: Path) -> Entry:
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError:
        # What it says quotes the line, which may hold a token.
        raise InvalidInput(f"the kubeconfig {path} is not YAML") from None
    except UnicodeDecodeError:
        raise InvalidInput(f"the kubeconfig {path} is not text in UTF-8") from None
    except OSError as error:
        raise InvalidInput(f"the kubeconfig {path} cannot be read: {error}") from error
    if not isinstance(document, dict):
        raise InvalidInput(f"the kubeconfig {path} is not a mapping")
    return document


_FILES = ("certificate-authority", "client-certificate", "client-key", "tokenFile")


def _entry(documents: Sequence[tuple[Path, Entry]], kind: str, name: str) -> Entry:
    for folder, document in documents:
        for item in document.get(f"{kind}s") or ():
            if item.get("name") == name:
                entry = dict(item.get(kind) or {})
                relative = {key: str(folder / entry[key]) for key in _FILES if entry.get(key)}
                return entry | relative
    raise InvalidInput(f"the kubeconfig has no {kind} named {name!r}")


def _access(*, cluster: Entry, user: Entry, namespace: str | None) -> Access:
    if not cluster.get("server"):
        raise InvalidInput("the kubeconfig's cluster has no server")
    ca_data, certificate_data = (
        cluster.get("certificate-authority-data"),
        user.get("client-certificate-data"),
    )
    key_data = user.get("client-key-data")
    return Access(
        server=cluster["server"],
        namespace=namespace,
        ca_data=ca_data,
        ca_path=None if ca_data else cluster.get("certificate-authority"),
        is_insecure=bool(cluster.get("insecure-skip-tls-verify")),
        proxy_url=cluster.get("proxy-url"),
        certificate_data=certificate_data,
        certificate_path=None if certificate_data else user.get("client-certificate"),
        key_data=key_data,
        key_path=None if key_data else user.get("client-key"),
        token=user.get("token"),
        token_path=user.get("tokenFile"),
        exec_plugin=_exec_plugin(user["exec"]) if user.get("exec") else None,
    )


def _exec_plugin(entry: Entry) -> ExecPlugin:
    return ExecPlugin(
        command=entry["command"],
        arguments=tuple(entry.get("args") or ()),
        environment={item["name"]: item["value"] for item in entry.get("env") or ()},
        api_version=entry.get("apiVersion", "client.authentication.k8s.io/v1"),
    )


async def _connection(access: Access) -> kopf.ConnectionInfo:
    expires_at = datetime.now(UTC) + timedelta(seconds=REREAD_AFTER_S)
    token, certificate_data, key_data = access.token, access.certificate_data, access.key_data
    if access.exec_plugin is not None:
        status = await _run_plugin(access.exec_plugin)
        token = status.get("token")
        certificate_data = status.get("clientCertificateData")
        key_data = status.get("clientKeyData")
    elif access.token_path is not None:
        path = Path(access.token_path)
        token = (await asyncio.to_thread(path.read_text, encoding="utf-8")).strip()
    return kopf.ConnectionInfo(
        server=access.server.rstrip("/"),
        default_namespace=access.namespace,
        ca_path=access.ca_path,
        ca_data=access.ca_data,
        insecure=access.is_insecure,
        proxy_url=access.proxy_url,
        token=token,
        certificate_path=access.certificate_path,
        certificate_data=certificate_data,
        private_key_path=access.key_path,
        private_key_data=key_data,
        expiration=expires_at,
    )


async def _run_plugin(plugin: ExecPlugin) -> dict[str, Any]:
    """Run the command and return its ExecCredential status (client.authentication.k8s.io)."""
    request = {
        "apiVersion": plugin.api_version,
        "kind": "ExecCredential",
        "spec": {"interactive": False},
    }
    environment = os.environ | plugin.environment | {"KUBERNETES_EXEC_INFO": json.dumps(request)}
    try:
        output = await asyncio.to_thread(
            subprocess.check_output,
            [plugin.command, *plugin.arguments],
            env=environment,
            stdin=subprocess.DEVNULL,
            timeout=PLUGIN_TIMEOUT_S,
        )
        status: dict[str, Any] = json.loads(output)["status"]
    except (OSError, subprocess.SubprocessError, ValueError, KeyError) as error:
        raise RetryableError(f"the login command {plugin.command} gave no credential") from error
    return status
