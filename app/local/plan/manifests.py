"""Reads WorkerPool manifests as pools of this machine, with the checks of an API server."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from app.control.pool import spec as specs
from app.control.pool import worker_pool as pools
from app.control.pool.policies import CELERY_POOL
from app.control.pool.problems import PoolProblem
from app.control.pool.worker_pool import PoolKey, WorkerPool
from app.errors import InvalidInput
from app.local.plan import celery_pools
from app.local.plan.local_pools import NAME_LIMIT, NAMESPACE, LocalPool

_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
"""RFC 1123, as Kubernetes requires for names of objects. Ours are also names of files."""

Json = Any  # a JSON value


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifests:
    """The content of a file."""

    pools: tuple[LocalPool, ...]
    left_out: tuple[str, ...] = ()
    """Objects of other kinds, which are ignored, as `2 Deployment`."""


def load(path: Path) -> Manifests:
    """Read the WorkerPool manifests of a YAML file.

    Raises:
        InvalidInput: the file cannot be read, or a manifest is invalid; the message names it.
    """
    objects = list(_objects(_documents(path), path))
    others = Counter(_kind(found) for found in objects if _kind(found) != specs.KIND)
    left_out = tuple(f"{count} {kind}" for kind, count in others.items())
    found = [one for one in objects if _kind(one) == specs.KIND]
    if not found:
        held = f", only {', '.join(left_out)}" if left_out else ""
        raise InvalidInput(f"{path} holds no {specs.KIND}{held}")
    return Manifests(pools=tuple(_pool(one, path) for one in found), left_out=left_out)


def _documents(path: Path) -> Sequence[Json]:
    try:
        return list(yaml.safe_load_all(path.read_text(encoding="utf-8")))
    except yaml.YAMLError as exc:
        raise InvalidInput(f"{path} is not valid YAML: {' '.join(str(exc).split())}") from exc
    except OSError as exc:
        raise InvalidInput(f"cannot read the pools of {path}: {exc.strerror}") from exc
    except ValueError as exc:  # UnicodeDecodeError among others
        raise InvalidInput(f"cannot read the pools of {path}: {exc}") from exc


def _objects(documents: Iterable[Json], path: Path) -> Iterator[Mapping[str, Json]]:
    """The objects, including those in lists (`kubectl get -o yaml`)."""
    for document in documents:
        if document is None:
            continue
        if not isinstance(document, dict) or not isinstance(document.get("kind"), str):
            raise InvalidInput(f"{path} holds something without a kind, which is not a manifest")
        if document["kind"] in ("List", f"{specs.KIND}List"):
            yield from _objects(document.get("items") or (), path)
        else:
            yield document


def _kind(found: Mapping[str, Json]) -> str:
    return str(found["kind"])


def _pool(found: Mapping[str, Json], path: Path) -> LocalPool:
    name = _name(found, path)
    where = f"{path}: {specs.KIND} {name}"
    if found.get("apiVersion") != specs.API_VERSION:
        raise InvalidInput(
            f"{where} has the apiVersion {found.get('apiVersion')!r}, not {specs.API_VERSION}"
        )
    annotations = _annotations(found["metadata"], where)
    celery_pool = annotations.get(CELERY_POOL)
    if celery_pool is not None and not celery_pools.is_pool(celery_pool):
        raise InvalidInput(
            f"{where}: {CELERY_POOL} is {celery_pool!r}, which is neither a pool of "
            "Celery's nor the dotted path of a class"
        )
    pool = WorkerPool(
        key=PoolKey(NAMESPACE, name), spec=_spec(found.get("spec"), where), annotations=annotations
    )
    return LocalPool(pool=pool, celery_pool=celery_pool)


def _name(found: Mapping[str, Json], path: Path) -> str:
    metadata = found.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    if name is None:
        raise InvalidInput(f"a {specs.KIND} of {path} has no metadata.name")
    if not isinstance(name, str):
        raise InvalidInput(f"{path}: metadata.name {name!r} is not a string: put it in quotes")
    if len(name) > NAME_LIMIT or _SUBDOMAIN.fullmatch(name) is None:
        raise InvalidInput(
            f"{path}: metadata.name {name[:NAME_LIMIT]!r} is not a DNS subdomain: up to "
            f"{NAME_LIMIT} lower-case letters, digits, '-' and '.', with a letter or digit at "
            "both ends of each part"
        )
    return name


def _annotations(metadata: Mapping[str, Json], where: str) -> Mapping[str, str]:
    found = metadata.get("annotations") or {}
    if not isinstance(found, dict):
        raise InvalidInput(f"{where}: metadata.annotations is not a mapping")
    for key, value in found.items():
        if not (isinstance(key, str) and isinstance(value, str)):
            raise InvalidInput(
                f"{where}: the annotation {key}: {_shown(value)} is not a string: put it in quotes"
            )
    return found


def _spec(found: Json, where: str) -> specs.WorkerPoolSpec:
    """Parse through JSON as an API server does: "3" and true are not numbers there."""
    try:
        text = json.dumps(_without_nulls(found if found is not None else {}), allow_nan=False)
    except (TypeError, ValueError) as exc:
        raise InvalidInput(
            f"{where}: the spec holds a value that JSON does not have ({exc}): put it in quotes"
        ) from exc
    try:
        return pools.parse_json_spec(text)
    except PoolProblem as problem:
        raise InvalidInput(f"{where}: {problem}") from problem


def _without_nulls(value: Json) -> Json:
    """An API server also drops nulls and sets defaults instead."""
    match value:
        case dict():
            return {key: _without_nulls(one) for key, one in value.items() if one is not None}
        case list():
            return [_without_nulls(one) for one in value]
        case _:
            return value


def _shown(value: Json) -> str:
    """The value as in YAML: true, not True."""
    return json.dumps(value, default=str)
