"""The cluster that the tests use: `KUBECONFIG`'s where that is alive, else one that they boot."""

import contextlib
import fcntl
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NoReturn

import pytest

from tests.cluster.boot import cluster as booting
from tests.cluster.boot import images, layout, machine
from tests.cluster.boot.images import Recipe
from tests.cluster.boot.layout import Layout
from tests.cluster.kubectl import Kubectl, KubectlError
from tests.tools import kubernetes_clients


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """A Kubernetes that answers. `layout` is `None` for one that is not of our making."""

    kubectl: Kubectl
    layout: Layout | None
    # Where the nodes of a cluster that is not ours pull the test images from.
    image_prefix: str | None = None

    def image(self, recipe: Recipe) -> str:
        """The reference under which pods find an image, which is built and loaded if need be."""
        if self.layout is None:
            if self.image_prefix is None:
                refuse("this cluster pulls its images: say from where in CELERIAC_TEST_IMAGES")
            return f"{self.image_prefix}{recipe.name.rpartition('/')[2]}"
        with booting.exclusive(self.layout):
            reference = images.build(self.layout, recipe)
            images.load(self.layout, reference)
        return reference


def refuse(reason: str) -> NoReturn:
    """Skip with the reason on a developer's machine; fail where nothing may be skipped."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


def find_given(environment: Mapping[str, str], *, cache: Path) -> Cluster | None:
    """The cluster that `KUBECONFIG` names, if it answers."""
    path = environment.get("KUBECONFIG")
    ours = layout.from_environment(environment)
    if not path or Path(path) == ours.kubeconfig:
        return None
    kubectl = build_kubectl(Path(path), cache=cache)
    try:
        kubectl.run("get", "--raw=/readyz", "--request-timeout=5s")
    except KubectlError:
        return None
    prefix = environment.get("CELERIAC_TEST_IMAGES")
    return Cluster(kubectl=kubectl, layout=None, image_prefix=prefix)


@contextlib.contextmanager
def boot(environment: Mapping[str, str], *, cache: Path) -> Iterator[Cluster]:
    """Boot the cluster or find it running, and leave it as it was found."""
    reason = machine.obstacle()
    if reason is not None:
        refuse(reason)
    ours = layout.from_environment(environment)
    machine.prepare()
    with booting.exclusive(ours):
        was_live = booting.is_live(ours)
        kubeconfig = booting.up(ours)
        users = (ours.home / "users").open("w")
        fcntl.flock(users, fcntl.LOCK_SH)
    with users:
        yield Cluster(kubectl=build_kubectl(kubeconfig, cache=cache), layout=ours)
        with booting.exclusive(ours):
            if not was_live and _is_last(users):
                booting.down(ours)


def _is_last(users: IO[str]) -> bool:
    """Whether no other test session uses the cluster."""
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def build_kubectl(kubeconfig: Path, *, cache: Path) -> Kubectl:
    program = kubernetes_clients.path("kubectl")
    return Kubectl(program=program, kubeconfig=kubeconfig, cache=cache)
