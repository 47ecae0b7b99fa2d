"""How a process of ours proves to the Kubernetes API who it is.

In a pod that is its service account, elsewhere the kubeconfig, exec plugins included.
"""

import asyncio
import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import kopf

from app.errors import InvalidInput, RetryableError
from app.operator.kubernetes import kubeconfig
from app.operator.kubernetes.kubeconfig import Access, ExecPlugin

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")

REREAD_AFTER_S = 300.0
"""Credentials are read again after this: kubelet replaces a token 12 minutes before its end. It
also makes each login differ from the last, so that kopf does not take credentials for spent when
an API server that is still starting refuses them once."""

PLUGIN_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """Where credentials come from. Paths empty and no service account: nothing to log in with."""

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
            access = await asyncio.to_thread(
                kubeconfig.read_access, self.kubeconfigs, context=self.context
            )
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
    """Prefer what was said (`KUBECONFIG`, a context), then the pod's account, then the home."""
    files = kubeconfig.paths(environment, home=home)
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
