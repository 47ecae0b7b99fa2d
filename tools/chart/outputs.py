"""Every generated file and what it should hold."""

import json
from collections.abc import Mapping
from pathlib import Path

from app.operator import crd
from tools.chart import reference, source, values
from tools.operator import reference as workerpool

ROOT = Path(__file__).parents[2]
CHART = ROOT / "charts/celeriac"
CRD = "workerpools.celeriac.dev.yaml"


def wanted() -> Mapping[Path, str]:
    """Generated files by path, as they should be."""
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


def stale() -> list[Path]:
    """Files that are not as they should be."""
    return [path for path, text in wanted().items() if not _holds(path, text)]


def write() -> list[Path]:
    """Write what is stale; return what was written."""
    files = wanted()
    old = [path for path, text in files.items() if not _holds(path, text)]
    for path in old:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(files[path])
    return old


def _holds(path: Path, text: str) -> bool:
    return path.is_file() and path.read_text() == text
