"""The command line: `python -m tests.cluster.boot up|down|status|...`."""

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path

from tests.cluster.boot import cluster, images, layout, machine
from tests.cluster.boot.errors import BootError
from tests.cluster.boot.layout import Layout

_LIVE, _ABSENT, _BROKEN = 0, 3, 4


def main(words: list[str]) -> int:
    """Run one command and return the exit code; results go to standard output."""
    arguments = _parser().parse_args(words)
    chosen = layout.from_environment(os.environ)
    try:
        if arguments.command == "status":
            return _status(chosen)
        if arguments.command != "down":
            machine.prepare()
        with cluster.exclusive(chosen):
            said = _COMMANDS[arguments.command](chosen, arguments)
    except BootError as exc:
        sys.stderr.write(f"cluster: {exc}\n")
        return 1
    sys.stdout.write(f"{said}\n" if said else "")
    return 0


def _image(chosen: Layout, arguments: argparse.Namespace) -> str:
    recipe = images.Recipe(
        name=arguments.name,
        context=arguments.context.resolve(),
        sources=tuple(arguments.sources),
        containerfile=arguments.file,
    )
    reference = images.build(chosen, recipe)
    images.load(chosen, reference)
    return reference


def _status(chosen: Layout) -> int:
    if cluster.is_live(chosen):
        sys.stdout.write(f"{chosen.kubeconfig}\n")
        return _LIVE
    left = cluster.traces(chosen)
    sys.stdout.write("".join(f"{each}\n" for each in left or ["no cluster, and no trace of one"]))
    return _BROKEN if left else _ABSENT


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.cluster.boot",
        description="A real single-node Kubernetes for tests. Files live in "
        "CELERIAC_CLUSTER_DIR (default: celeriac/cluster in the user's cache folder).",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("up", help="boot it, or find it running; prints the kubeconfig's path")
    commands.add_parser("down", help="remove every trace of it but the build cache")
    commands.add_parser("status", help="exit 0: runs; 3: nothing is there; 4: what is left of it")
    commands.add_parser("build", help="make what `up` needs and boot nothing")
    for name, what in (("stop", "stop one daemon"), ("start", "start it again")):
        commands.add_parser(name, help=what).add_argument("daemon")
    for name, what in (
        ("base", "make the Debian with Python that images build on, for this machine's buildah"),
        ("load", "copy an image from this machine's buildah to the node"),
    ):
        commands.add_parser(name, help=what).add_argument("name", help="the image's name")
    image = commands.add_parser("image", help="build an image and copy it to the node")
    image.add_argument("name", help="for example localhost/shop-worker")
    image.add_argument("context", type=Path, help="the folder to build from")
    image.add_argument("sources", nargs="*", help="files and folders of it that the build sees")
    image.add_argument("--file", default="Containerfile", help="in the context: %(default)s")
    return parser


_COMMANDS: dict[str, Callable[[Layout, argparse.Namespace], object]] = {
    "up": lambda chosen, _: cluster.up(chosen),
    "down": lambda chosen, _: cluster.down(chosen),
    "build": lambda chosen, _: cluster.build(chosen),
    "stop": lambda chosen, arguments: cluster.stop(chosen, arguments.daemon),
    "start": lambda chosen, arguments: cluster.start(chosen, arguments.daemon),
    "base": lambda chosen, arguments: images.give_base_to_machine(chosen, arguments.name),
    "load": lambda chosen, arguments: images.load_from_machine(chosen, arguments.name),
    "image": _image,
}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
