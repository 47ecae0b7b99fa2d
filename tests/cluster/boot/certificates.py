"""Makes the cluster's certificates with openssl."""

import base64
import json
from pathlib import Path

from tests.cluster.boot import shell
from tests.cluster.boot.layout import (
    API_PORT,
    API_SERVICE_ADDRESS,
    NODE,
    NODE_ADDRESS,
    Layout,
)

_DAYS = "3650"
_EMPTY_CONFIGURATION = "[req]\ndistinguished_name = name\n[name]\n"
_API_NAMES = (
    f"IP:127.0.0.1,IP:{NODE_ADDRESS},IP:{API_SERVICE_ADDRESS},DNS:localhost,DNS:kubernetes,"
    "DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:kubernetes.default.svc.cluster.local"
)


def issue_all(layout: Layout) -> None:
    """Write authorities, certificates and keys to `layout.pki`, and the two kubeconfigs."""
    folder = layout.pki
    folder.mkdir(parents=True)
    (folder / "openssl.cnf").write_text(_EMPTY_CONFIGURATION)
    for authority in ("ca", "front-ca"):
        _issue_authority(folder, authority)
    _issue(folder, "apiserver", "ca", subject="/CN=kube-apiserver", names=_API_NAMES)
    _issue(folder, "admin", "ca", subject="/O=system:masters/CN=admin", names="DNS:admin")
    _issue(
        *(folder, "kubelet", "ca"),
        subject=f"/O=system:nodes/CN=system:node:{NODE}",
        names=f"DNS:{NODE},IP:{NODE_ADDRESS}",
    )
    _issue(folder, "front", "front-ca", subject="/CN=front-proxy", names="DNS:front-proxy")
    # The API server reads no other form of an elliptic key than openssl's old one.
    shell.run("openssl", "ecparam", "-genkey", "-name", "prime256v1", "-out", folder / "tokens.key")
    for user in ("admin", "kubelet"):
        text = json.dumps(_kubeconfig(folder, user), indent=1)
        path = layout.state / f"{user}.conf"
        path.touch(mode=0o600)
        path.write_text(text)


def _issue_authority(folder: Path, name: str) -> None:
    extensions = ("basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign,cRLSign")
    _request(folder, name, f"/CN={name}", extensions, ())


def _issue(folder: Path, name: str, authority: str, *, subject: str, names: str) -> None:
    signer = ("-CA", f"{authority}.crt", "-CAkey", f"{authority}.key")
    extensions = (
        "basicConstraints=critical,CA:FALSE",
        "keyUsage=critical,digitalSignature",
        "extendedKeyUsage=serverAuth,clientAuth",
        "authorityKeyIdentifier=keyid",
        f"subjectAltName={names}",
    )
    _request(folder, name, subject, extensions, signer)


def _request(
    folder: Path, name: str, subject: str, extensions: tuple[str, ...], signer: tuple[str, ...]
) -> None:
    added = [word for each in extensions for word in ("-addext", each)]
    shell.run(
        *("openssl", "req", "-x509", "-config", "openssl.cnf", "-days", _DAYS, "-noenc"),
        *("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"),
        *("-keyout", f"{name}.key", "-out", f"{name}.crt", "-subj", subject),
        *("-addext", "subjectKeyIdentifier=hash", *added, *signer),
        folder=folder,
    )


def _kubeconfig(folder: Path, user: str) -> dict[str, object]:
    """Build a kubeconfig of JSON, which is YAML too."""

    def encoded(name: str) -> str:
        return base64.b64encode((folder / name).read_bytes()).decode()

    server = f"https://{NODE_ADDRESS}:{API_PORT}"
    cluster = {"server": server, "certificate-authority-data": encoded("ca.crt")}
    identity = {
        "client-certificate-data": encoded(f"{user}.crt"),
        "client-key-data": encoded(f"{user}.key"),
    }
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "test", "cluster": cluster}],
        "users": [{"name": user, "user": identity}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": user}}],
        "current-context": "test",
    }
