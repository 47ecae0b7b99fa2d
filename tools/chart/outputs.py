"""Every generated file and what it should hold."""

import json
from collections.abc import Mapping
from pathlib import Path

from app.operator import crd
from tools.chart import base, reference, source, values
from tools.operator import reference as workerpool

ROOT = Path(__file__).parents[2]
CHART = ROOT / "charts/celeriac"
BASE = ROOT / "k8s/base"
CRD = "workerpools.celeriac.dev.yaml"


def stale() -> list[Path]:
    """Files that are not as they should be, and those of the base that should not be at all."""
    wanted = {**_sources(), **_base()}
    return [path for path, text in wanted.items() if not _holds(path, text)] + _surplus(wanted)


def write() -> list[Path]:
    """Make all files as they should be; return those that were not."""
    changed = _written(_sources())
    base_files = _base()  # made from the chart as it is now
    surplus = _surplus(base_files)
    for path in surplus:
        path.unlink()
    return changed + _written(base_files) + surplus


def _surplus(wanted: Mapping[Path, str]) -> list[Path]:
    return [path for path in sorted(BASE.glob("*")) if path not in wanted]


def _sources() -> Mapping[Path, str]:
    schema = source.load()
    head = (source.SCHEMA / "README.md").read_text()
    return {
        CHART / "values.yaml": values.render(schema),
        CHART / "values.schema.json": json.dumps(source.json_schema(schema), indent=2) + "\n",
        CHART / "README.md": reference.readme(schema, head),
        ROOT / "docs/reference/values.md": reference.values_page(schema),
        ROOT / "docs/reference/workerpool.md": workerpool.page(),
        ROOT / "k8s/crd" / CRD: crd.manifest(),
        CHART / "crds" / CRD: crd.manifest(),
        CHART / "files/operator-role.yaml": (ROOT / "k8s/rbac/role.yaml").read_text(),
    }


def _base() -> Mapping[Path, str]:
    return {BASE / name: text for name, text in base.files(CHART).items()}


def _written(files: Mapping[Path, str]) -> list[Path]:
    old = [path for path, text in files.items() if not _holds(path, text)]
    for path in old:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(files[path])
    return old


def _holds(path: Path, text: str) -> bool:
    return path.is_file() and path.read_text() == text
