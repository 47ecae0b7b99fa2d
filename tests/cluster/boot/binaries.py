"""Builds the cluster's programs once and keeps them under what they were built from."""

import hashlib
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.boot import shell
from tests.cluster.boot.errors import BootError
from tests.cluster.boot.layout import Layout
from tests.tools import kubernetes_clients

_HERE = Path(__file__).parent
# Helm compares the server's version with what a chart asks for; unstamped it reads v0.0.0.
_VERSION = "k8s.io/component-base/version"
_STAMP = f"-X {_VERSION}.gitVersion=v1.34.2 -X {_VERSION}.gitMajor=1 -X {_VERSION}.gitMinor=34"


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """Programs that are made together from files that lie beside this module, or elsewhere."""

    name: str
    sources: tuple[str, ...]
    # Go packages, or names of programs; the last part is the program's file name.
    programs: tuple[str, ...]
    flags: str = ""
    make: Callable[["Component", Path], None]

    def key(self) -> str:
        """Digest of all that goes into the programs."""
        digest = hashlib.sha256(repr((self.programs, self.flags)).encode())
        for source in self.sources:
            digest.update((_HERE / source).read_bytes())
        return digest.hexdigest()[:16]


def ensure(layout: Layout) -> None:
    """Make what is not there yet and let `layout.bin` point at it.

    About 10 minutes on 2 cores when Go's cache is cold, half a minute when only linking is left.
    """
    for component in (_KUBERNETES, _DNS, _PAUSE, _CLIENTS):
        _ensure_component(layout, component)


def _ensure_component(layout: Layout, component: Component) -> None:
    """Make one component unless its very content was made before."""
    folder = layout.built / f"{component.name}-{component.key()}"
    if not folder.exists():
        shell.tell(f"building {component.name}")
        layout.built.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=layout.built) as scratch:
            made = Path(scratch) / "made"
            made.mkdir()
            component.make(component, made)
            _discard_old(layout.built, component.name)
            made.rename(folder)
    layout.bin.mkdir(parents=True, exist_ok=True)
    for program in component.programs:
        link = layout.bin / Path(program).name
        link.unlink(missing_ok=True)
        link.symlink_to(folder / link.name)


def _discard_old(built: Path, name: str) -> None:
    for old in built.glob(f"{name}-*"):
        shutil.rmtree(old)


def _compile(component: Component, into: Path) -> None:
    flags = f"-ldflags=-s -w {component.flags}".rstrip()
    shell.run(
        *("go", "build", "-buildvcs=false", flags, "-o", f"{into}/", *component.programs),
        folder=_HERE / component.name,
        extra={"CGO_ENABLED": "0", "GOWORK": "off"},
        timeout_s=3600,
    )


def _copy_clients(component: Component, into: Path) -> None:
    """Keep kubectl and helm for every clone of this repository."""
    try:
        fetched = kubernetes_clients.folder()
    except kubernetes_clients.ClientsMissing as exc:
        raise BootError(str(exc)) from exc
    for program in component.programs:
        shutil.copy(fetched / program, into / program)


_KUBERNETES = Component(
    name="kubernetes",
    sources=("kubernetes/go.mod", "kubernetes/go.sum"),
    programs=(
        "k8s.io/kubernetes/cmd/kube-apiserver",
        "k8s.io/kubernetes/cmd/kube-controller-manager",
        "k8s.io/kubernetes/cmd/kube-scheduler",
        "k8s.io/kubernetes/cmd/kubelet",
        "k8s.io/kubernetes/cmd/kube-proxy",
    ),
    flags=_STAMP,
    make=_compile,
)
_DNS = Component(
    name="dns",
    sources=("dns/go.mod", "dns/go.sum"),
    programs=("github.com/coredns/coredns",),
    make=_compile,
)
_PAUSE = Component(
    name="pause",
    sources=("pause/go.mod", "pause/main.go"),
    programs=("celeriac.dev/tests/pause",),
    make=_compile,
)
_CLIENTS = Component(
    name="clients",
    sources=(str(kubernetes_clients.LOCKED),),
    programs=kubernetes_clients.NAMES,
    make=_copy_clients,
)
