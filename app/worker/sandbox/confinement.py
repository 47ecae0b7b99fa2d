"""Applies a sandbox to this process: the child's half of `policy`."""

import json
from collections.abc import Sequence
from typing import TypedDict

from app.worker.sandbox import landlock, seccomp
from app.worker.sandbox.landlock import CHANGE, READ, FileAccess


class Confinement(TypedDict):
    """What `policy` hands to the child, as JSON."""

    executable: Sequence[str]
    readable: Sequence[str]
    listable: Sequence[str]
    writable: Sequence[str]
    may_use_network: bool
    landlock_abi: int
    has_filter: bool


def apply(text: str, *, process_id: int) -> None:
    """Confine this process for good, with what it starts. Raises OSError."""
    confinement: Confinement = json.loads(text)
    abi, may_use_network = confinement["landlock_abi"], confinement["may_use_network"]
    seccomp.set_no_new_privileges()
    if abi:
        landlock.restrict(_rules(confinement), abi=abi, may_use_network=may_use_network)
    if confinement["has_filter"]:
        seccomp.install(
            may_use_network=may_use_network,
            only_signal=None if abi >= landlock.SCOPE_ABI else process_id,
        )


def _rules(confinement: Confinement) -> list[tuple[str, FileAccess]]:
    return [
        *((path, READ | FileAccess.EXECUTE) for path in confinement["executable"]),
        *((path, READ) for path in confinement["readable"]),
        *((path, FileAccess.READ_DIR) for path in confinement["listable"]),
        *((path, READ | CHANGE) for path in confinement["writable"]),
    ]
