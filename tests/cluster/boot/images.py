"""Builds images without a registry and copies them to the node.

An image is tagged with a digest of what it was built from, and kept as an archive under that tag:
what did not change is neither built nor copied again.
"""

import hashlib
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.boot import shell
from tests.cluster.boot.layout import PAUSE_IMAGE, Layout

BASE = "localhost/celeriac-base"

_SUITE = "bookworm"
_BASE_PACKAGES = "python3,python3-venv,python-is-python3,ca-certificates"
# What no container reads; a smaller image is copied to the node faster.
_UNUSED = (
    "usr/share/doc",
    "usr/share/locale",
    "usr/share/man",
    "var/cache/apt",
    "var/lib/apt/lists",
)
_AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")
_NAMESPACE = ("--namespace", "k8s.io")
_ISOLATION = {"BUILDAH_ISOLATION": "chroot", "STORAGE_DRIVER": "overlay"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What an image is built from: a Containerfile whose `BASE_IMAGE` argument is our base.

    `sources` are the files and folders below `context` that the build may see.
    """

    name: str
    context: Path
    sources: tuple[str, ...]
    containerfile: str = "Containerfile"
    target: str | None = None
    """The stage to build; the last one when not given."""
    arguments: tuple[tuple[str, str], ...] = ()


def build(layout: Layout, recipe: Recipe) -> str:
    """Build an image unless its very content was built before; returns its full reference."""
    base = ensure_base(layout)
    reference = f"{recipe.name}:{_recipe_key(recipe, base)}"
    archive = _archive(layout, reference)
    if archive.exists():
        return reference
    shell.tell(f"building {reference}")
    pip_cache = layout.home / "pip"
    pip_cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=layout.home) as scratch:
        context = Path(scratch)
        _stage(recipe, context)
        arguments = {"BASE_IMAGE": base, **dict(recipe.arguments)}
        _buildah(
            *(layout, "build", "--layers", "--tag", reference),
            *(word for item in arguments.items() for word in ("--build-arg", "=".join(item))),
            *("--volume", f"{pip_cache}:/root/.cache/pip"),
            *(() if recipe.target is None else ("--target", recipe.target)),
            *("--file", context / recipe.containerfile, context),
        )
    _save(layout, reference)
    _forget_older(layout, reference)
    return reference


def load(layout: Layout, reference: str) -> None:
    """Copy an image that was built here to the node unless it is there."""
    if reference not in _ctr(layout, "images", "list", "--quiet").split():
        _ctr(layout, "images", "import", _archive(layout, reference))


def tag(layout: Layout, reference: str, tag: str) -> None:
    """Give an image that the node has another tag, as a next release would."""
    other = f"{reference.rpartition(':')[0]}:{tag}"
    _ctr(layout, "images", "tag", "--force", reference, other)


def load_from_machine(layout: Layout, reference: str) -> None:
    """Copy an image to the node that somebody built with the machine's own buildah."""
    with tempfile.TemporaryDirectory(dir=layout.home) as scratch:
        archive = Path(scratch) / "image.tar"
        shell.run(
            "buildah", "push", reference, f"docker-archive:{archive}:{reference}", extra=_ISOLATION
        )
        _ctr(layout, "images", "import", archive)


def give_base_to_machine(layout: Layout, name: str) -> None:
    """Let the machine's own buildah know the base image by a name."""
    reference = ensure_base(layout)
    with tempfile.TemporaryDirectory(dir=layout.home) as scratch:
        archive = Path(scratch) / "image.tar"
        _buildah(layout, "push", reference, f"docker-archive:{archive}:{name}")
        shell.run("buildah", "pull", "--quiet", f"docker-archive:{archive}", extra=_ISOLATION)


def ensure_base(layout: Layout) -> str:
    """Make the base image that stands in for `python:3-slim`; about 100 s, once.

    It carries this machine's certificate authorities: package installs inside a build need them.
    """
    digest = hashlib.sha256(repr((_SUITE, _BASE_PACKAGES, _UNUSED)).encode())
    digest.update(_AUTHORITIES.read_bytes())
    reference = f"{BASE}:{digest.hexdigest()[:16]}"
    if reference in _stored(layout):
        return reference
    shell.tell(f"building {reference}")
    with tempfile.TemporaryDirectory(dir=layout.home) as scratch:
        root = Path(scratch)
        included = f"--include={_BASE_PACKAGES}"
        shell.run("debootstrap", "--variant=minbase", included, _SUITE, root)
        shutil.copyfile(_AUTHORITIES, root / _AUTHORITIES.relative_to("/"))
        for folder in _UNUSED:
            _empty(root / folder)
        trusted = f"SSL_CERT_FILE={_AUTHORITIES}"
        _commit(layout, reference, root, "--env", trusted, "--cmd", '["python3"]')
    _forget_older(layout, reference)
    return reference


def ensure_pause(layout: Layout) -> None:
    """Make the image of every pod's first process."""
    program = (layout.bin / "pause").resolve()
    made_from = _archive(layout, PAUSE_IMAGE).with_suffix(".from")
    if made_from.exists() and made_from.read_text() == str(program):
        return
    with tempfile.TemporaryDirectory(dir=layout.home) as scratch:
        shutil.copy(program, Path(scratch) / "pause")
        _commit(layout, PAUSE_IMAGE, Path(scratch), "--entrypoint", '["/pause"]')
    _save(layout, PAUSE_IMAGE)
    made_from.write_text(str(program))


def load_pause(layout: Layout) -> None:
    """Copy the pause image to a node that just came up."""
    load(layout, PAUSE_IMAGE)


def is_node_ready(layout: Layout) -> bool:
    """Whether containerd answers."""
    return shell.succeeds("ctr", "--address", layout.containerd_socket, "version", timeout_s=5)


def _empty(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()


def _recipe_key(recipe: Recipe, base: str) -> str:
    digest = hashlib.sha256(
        repr((base, recipe.containerfile, recipe.target, recipe.arguments)).encode()
    )
    for path in _files(recipe):
        digest.update(f"{path.relative_to(recipe.context)} {path.stat().st_mode}".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _files(recipe: Recipe) -> Iterator[Path]:
    for source in sorted({*recipe.sources, recipe.containerfile}):
        path = recipe.context / source
        found = sorted(path.rglob("*")) if path.is_dir() else [path]
        yield from (each for each in found if each.is_file() and "__pycache__" not in each.parts)


def _stage(recipe: Recipe, into: Path) -> None:
    for path in _files(recipe):
        target = into / path.relative_to(recipe.context)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)


def _commit(layout: Layout, reference: str, root: Path, *settings: str) -> None:
    """Make a one-layer image of a folder."""
    container = _buildah(layout, "from", "scratch").strip()
    _buildah(layout, "add", container, root, "/")
    _buildah(layout, "config", *settings, container)
    _buildah(layout, "commit", "--rm", container, reference)


def _save(layout: Layout, reference: str) -> None:
    """Keep an image as an archive in place of the older ones of its name."""
    archive = _archive(layout, reference)
    archive.parent.mkdir(parents=True, exist_ok=True)
    partial = archive.with_suffix(".partial")
    partial.unlink(missing_ok=True)
    _buildah(layout, "push", reference, f"docker-archive:{partial}:{reference}")
    for old in archive.parent.glob(f"{_file_name(reference.rpartition(':')[0])}@*.tar"):
        old.unlink()
    partial.rename(archive)


def _archive(layout: Layout, reference: str) -> Path:
    return layout.images / f"{_file_name(reference)}.tar"


def _file_name(reference: str) -> str:
    """A file name of an image's name; `:` would end the path in buildah's eyes."""
    return reference.replace("/", "+").replace(":", "@")


def _stored(layout: Layout) -> list[str]:
    return _buildah(layout, "images", "--format", "{{.Name}}:{{.Tag}}").split()


def _forget_older(layout: Layout, reference: str) -> None:
    """Let the store forget the images that this one replaces."""
    name = reference.rpartition(":")[0]
    for stored in _stored(layout):
        if stored.startswith(f"{name}:") and stored != reference:
            _buildah(layout, "rmi", "--force", stored)


def _buildah(layout: Layout, *words: str | Path) -> str:
    """Run buildah on a store of our own: no daemon, no namespaces, no registry."""
    store = ("--root", layout.home / "store", "--runroot", layout.home / "store-run")
    return shell.run("buildah", *store, *words, extra=_ISOLATION)


def _ctr(layout: Layout, *words: str | Path) -> str:
    return shell.run("ctr", "--address", layout.containerd_socket, *_NAMESPACE, *words)
