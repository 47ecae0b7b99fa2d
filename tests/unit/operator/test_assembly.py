"""The parts that an operator is built of."""

from pathlib import Path
from typing import Any

from app.operator import assembly
from app.operator.assembly import OperatorParts
from app.operator.dry_run import PrintedReports
from app.operator.kubernetes.apiserver import ApiServer
from app.operator.kubernetes.credentials import Login
from app.operator.leadership.election import Leadership, Unopposed
from app.operator.metrics import OperatorMetrics
from app.operator.probes import OperatorNeeds
from app.operator.settings import OperatorSettings


def build(**settings: Any) -> OperatorParts:
    server = ApiServer(Login(service_account=None, kubeconfigs=(Path("none"),)))
    return assembly.build_parts(
        OperatorSettings(**settings),
        server,
        metrics=OperatorMetrics(),
        show=lambda line: None,
        clock=lambda: 0.0,
    )


def test_each_namespace_has_an_informer_for_each_kind() -> None:
    parts = build(namespaces=("books", "shop"))
    paths = {each.collection.path for each in parts.caches.informers}
    assert paths == {
        f"{root}/namespaces/{namespace}/{plural}"
        for namespace in ("books", "shop")
        for root, plural in (
            ("/apis/celeriac.dev/v1alpha1", "workerpools"),
            ("/api/v1", "pods"),
            ("/apis/apps/v1", "deployments"),
            ("/apis/apps/v1", "statefulsets"),
            ("/apis/autoscaling/v2", "horizontalpodautoscalers"),
        )
    }
    optional = [each for each in parts.caches.informers if each.collection.is_optional]
    assert {each.collection.name for each in optional} == {"horizontalpodautoscalers"}


def test_an_operator_that_has_not_listed_needs_its_lists() -> None:
    parts = build(namespaces=("shop",))
    assert parts.needs() == OperatorNeeds(is_listed=False)
    parts.caches.informers[0].denial = "the operator may not read workerpools"
    assert parts.needs().denied == ("the operator may not read workerpools",)


def test_a_dry_run_neither_leads_nor_writes() -> None:
    real, dry = build(namespaces=("shop",)), build(namespaces=("shop",), is_dry_run=True)
    assert (type(real.leadership), type(dry.leadership)) == (Leadership, Unopposed)
    assert isinstance(dry.reports, PrintedReports)
    assert not isinstance(real.reports, PrintedReports)
