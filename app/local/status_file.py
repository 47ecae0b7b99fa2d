"""What a running `celeriac up` tells the commands of its folder: a file beside its data.

The broker may be one that these commands do not know, and there is no API for another application.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from app.control.pool.status import PoolStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class UpStatus:
    """One run, as it was a moment ago."""

    api_url: str | None
    """`None` where the application is not ours."""
    pools: Mapping[str, PoolStatus] = field(default_factory=dict)
    """By name. Empty until they have been looked at."""


_STATUS = TypeAdapter(UpStatus)


def write(path: Path, status: UpStatus) -> None:
    """Replace the file in one step."""
    new = path.with_name(f"{path.name}.new")
    new.write_bytes(_STATUS.dump_json(status))
    os.replace(new, path)


def find(path: Path) -> UpStatus | None:
    """What was written last; `None` where there is nothing that this version reads."""
    try:
        return _STATUS.validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None
