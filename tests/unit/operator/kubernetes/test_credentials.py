"""Credentials: kubeconfig files as in kubectl, exec plugins, service accounts."""

import asyncio
import json
import traceback
from pathlib import Path
from typing import Any

import pytest

from app.errors import InvalidInput, RetryableError
from app.operator.kubernetes import credentials
from app.operator.kubernetes.credentials import Access, ExecPlugin, Login, find_login


def document(*, server: str = "https://one:6443", **user: Any) -> dict[str, Any]:
    return {
        "current-context": "here",
        "contexts": [
            {"name": "here", "context": {"cluster": "c", "user": "u", "namespace": "shop"}}
        ],
        "clusters": [{"name": "c", "cluster": {"server": server}}],
        "users": [{"name": "u", "user": user}],
    }


def test_the_current_context_is_followed() -> None:
    got = credentials.parse_access([(Path("/etc"), document(token="t"))])
    assert got == Access(server="https://one:6443", namespace="shop", token="t")


def test_the_first_file_wins_and_the_second_fills_in() -> None:
    first: dict[str, Any] = {"clusters": document(server="https://first")["clusters"]}
    got = credentials.parse_access([(Path("/a"), first), (Path("/b"), document(token="t"))])
    assert (got.server, got.token) == ("https://first", "t")


def test_relative_files_start_from_their_own_kubeconfig() -> None:
    files = {"client-certificate": "me.crt", "client-key": "/abs/me.key", "tokenFile": "token"}
    got = credentials.parse_access([(Path("/etc/k"), document(**files))])
    want = ("/etc/k/me.crt", "/abs/me.key", "/etc/k/token")
    assert (got.certificate_path, got.key_path, got.token_path) == want


def test_data_beats_the_file_beside_it() -> None:
    user = {"client-certificate": "me.crt", "client-certificate-data": "QQ=="}
    got = credentials.parse_access([(Path("/etc"), document(**user))])
    assert (got.certificate_path, got.certificate_data) == (None, "QQ==")


def test_an_exec_plugin_is_kept_with_its_environment() -> None:
    plugin = {
        "apiVersion": "client.authentication.k8s.io/v1beta1",
        "command": "cloud",
        "args": ["token"],
        "env": [{"name": "REGION", "value": "north"}],
    }
    got = credentials.parse_access([(Path("/etc"), document(exec=plugin))])
    assert got.exec_plugin == ExecPlugin(
        command="cloud",
        arguments=("token",),
        environment={"REGION": "north"},
        api_version="client.authentication.k8s.io/v1beta1",
    )


@pytest.mark.parametrize(
    ("broken", "want"),
    [
        pytest.param({"current-context": ""}, "use-context", id="no context is current"),
        pytest.param({"users": []}, "no user named 'u'", id="the user has no entry"),
        pytest.param({"clusters": [{"name": "c"}]}, "no server", id="the cluster is empty"),
    ],
)
def test_a_broken_kubeconfig_says_what_is_wrong(broken: dict[str, Any], want: str) -> None:
    with pytest.raises(InvalidInput, match=want):
        credentials.parse_access([(Path("/etc"), document() | broken)])


def test_an_unreadable_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text("{")
    with pytest.raises(InvalidInput, match=str(path)):
        credentials.read_access([path])


def test_paths_follow_the_environment_then_the_home(tmp_path: Path) -> None:
    (tmp_path / ".kube").mkdir()
    (tmp_path / ".kube" / "config").write_text("{}")
    named = credentials.kubeconfig_paths({"KUBECONFIG": "/a:/b"}, home=tmp_path)
    assert named == (Path("/a"), Path("/b"))
    assert credentials.kubeconfig_paths({}, home=tmp_path) == (tmp_path / ".kube" / "config",)
    assert credentials.kubeconfig_paths({}, home=tmp_path / "absent") == ()


def test_a_kubeconfig_that_is_not_yaml_is_not_quoted(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text("users: [{token: s3cr3t\napiVersion: v1\n")
    with pytest.raises(InvalidInput, match="is not YAML") as caught:
        credentials.read_access([path])
    assert "s3cr3t" not in "".join(traceback.format_exception(caught.value))


def write_plugin(folder: Path, status: dict[str, str]) -> Path:
    """A program that prints a credential, and keeps the request that it was started with."""
    credential = json.dumps({"kind": "ExecCredential", "status": status})
    (folder / "credential").write_text(credential)
    path = folder / "plugin"
    keep = f'printf "%s" "$KUBERNETES_EXEC_INFO" > {folder}/request'
    path.write_text(f"#!/bin/sh\n{keep}\ncat {folder}/credential\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize("version", ["v1", "v1beta1"])
def test_an_exec_plugin_logs_in(tmp_path: Path, version: str) -> None:
    status = {"token": "t", "clientCertificateData": "CERT", "clientKeyData": "KEY"}
    api_version = f"client.authentication.k8s.io/{version}"
    plugin = {"apiVersion": api_version, "command": str(write_plugin(tmp_path, status))}
    (tmp_path / "config").write_text(json.dumps(document(exec=plugin)))
    login = Login(service_account=None, kubeconfigs=(tmp_path / "config",))
    got = asyncio.run(login.connection())
    assert (got.token, got.certificate_data, got.private_key_data) == ("t", "CERT", "KEY")
    request = json.loads((tmp_path / "request").read_text())
    assert (request["apiVersion"], request["kind"]) == (api_version, "ExecCredential")


def test_an_exec_plugin_that_fails_may_work_later(tmp_path: Path) -> None:
    plugin = {"command": str(tmp_path / "absent")}
    (tmp_path / "config").write_text(json.dumps(document(exec=plugin)))
    login = Login(service_account=None, kubeconfigs=(tmp_path / "config",))
    with pytest.raises(RetryableError, match="absent gave no credential"):
        asyncio.run(login.connection())


def test_a_pod_logs_in_with_its_account_unless_a_kubeconfig_is_named(tmp_path: Path) -> None:
    for name, text in {"token": "first\n", "namespace": "shop\n", "ca.crt": "CA"}.items():
        (tmp_path / name).write_text(text)
    login = find_login({}, home=tmp_path / "home", service_account=tmp_path)
    first = asyncio.run(login.connection())
    (tmp_path / "token").write_text("second\n")
    second = asyncio.run(login.connection())
    assert (first.token, second.token, second.default_namespace) == ("first", "second", "shop")
    assert second.ca_path == str(tmp_path / "ca.crt")
    named = find_login({"KUBECONFIG": "/a"}, home=tmp_path, service_account=tmp_path)
    assert (named.service_account, named.kubeconfigs) == (None, (Path("/a"),))
