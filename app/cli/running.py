"""Finds the `celeriac up` that runs in this folder, by its data folder."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.errors import CeleriacError

if TYPE_CHECKING:
    from app.local.state_files import UpStatus

DATA_DIR = "CELERIAC_DATA_DIR"
DEFAULT_DATA_DIR = Path(".celeriac")

DataDirOption = Annotated[
    Path, typer.Option(envvar=DATA_DIR, help="Data folder of the `celeriac up` to query.")
]


class NoApi(CeleriacError):
    """The `celeriac up` in this folder has no API."""

    def __init__(self, folder: Path) -> None:
        super().__init__(
            f"the 'celeriac up' of {folder} runs another Celery application, which has no API: "
            "only 'celeriac pools' and 'celeriac queues' work; for other commands set --api-url "
            "or CELERIAC_URL"
        )


def find(context: typer.Context, folder: Path | None = None) -> "UpStatus | None":
    """The status of the `celeriac up` in this folder. None if there is none, or if the command line
    or the environment names an API."""
    if is_api_named(context):
        return None
    from app.local import state_files
    from app.local.data_dir import DataDir

    data_dir = DataDir(path=(folder or default_folder()).absolute())
    return state_files.find_status(data_dir.status) if data_dir.is_in_use() else None


def api_url(context: typer.Context, folder: Path | None = None) -> str:
    """The URL of the API: the given one, else that of the `celeriac up` in this folder, else the
    default.

    Raises:
        NoApi: that `celeriac up` has no API.
    """
    named: str = context.find_root().params["api_url"]
    found = find(context, folder)
    if found is None:
        return named
    if found.api_url is None:
        raise NoApi(folder or default_folder())
    return found.api_url


def is_api_named(context: typer.Context) -> bool:
    source = context.find_root().get_parameter_source("api_url")
    return source is not None and source.name != "DEFAULT"


def default_folder() -> Path:
    return Path(os.environ.get(DATA_DIR) or DEFAULT_DATA_DIR)
