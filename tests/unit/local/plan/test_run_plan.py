"""What a run of pools behind Sentinels learns from its manifests and its environment."""

from pathlib import Path

import pytest

from app.broker.connections.address import Sentinels
from app.errors import InvalidInput
from app.local.data_dir import DataDir
from app.local.options import UpOptions
from app.local.plan import run_plan
from app.local.plan.run_plan import RunPlan

URL = "sentinel://:secret@a;sentinel://b"
MANIFEST = """
apiVersion: celeriac.dev/v1alpha1
kind: WorkerPool
metadata: {{name: {name}}}
spec: {{scaleTargetRef: {{name: x}}, queues: [{name}], broker: {{masterName: {master!r}}}}}
---
"""


def planned(folder: Path, **masters: str) -> RunPlan:
    path = folder / "pools.yaml"
    path.write_text("".join(MANIFEST.format(name=n, master=m) for n, m in masters.items()))
    options = UpOptions(celery_app="shop", pool_files=(path,))
    data_dir = DataDir(path=folder / "data")
    return run_plan.build_plan(options, data_dir=data_dir, environ={"CELERY_BROKER_URL": URL})


def master_of(found: RunPlan) -> str:
    assert isinstance(found.broker.place, Sentinels)
    return found.broker.place.master_name


def test_the_master_set_is_that_of_the_manifests(tmp_path: Path) -> None:
    found = planned(tmp_path, orders="main", mail="", reports="main")

    assert master_of(found) == found.environment["CELERIAC_SENTINEL_MASTER"] == "main"


def test_the_environment_wins_over_manifests(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CELERIAC_SENTINEL_MASTER", "other")
    monkeypatch.setenv("CELERIAC_SENTINEL_PASSWORD", "guarded")
    found = planned(tmp_path, orders="main", mail="second")

    assert master_of(found) == "other"
    assert isinstance(found.broker.place, Sentinels)
    assert found.broker.place.password == "guarded"
    assert "guarded" not in repr(found.broker)


@pytest.mark.parametrize(
    ("masters", "complaint"),
    [
        pytest.param({"orders": "main", "mail": "second"}, "main, second", id="two master sets"),
        pytest.param({"orders": ""}, "needs the name of its master set", id="no master set"),
    ],
)
def test_one_master_set_has_to_be_named(
    tmp_path: Path, masters: dict[str, str], complaint: str
) -> None:
    with pytest.raises(InvalidInput, match=complaint):
        planned(tmp_path, **masters)
