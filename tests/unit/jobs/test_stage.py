"""`@stage`: what becomes of a function, its arguments and its queue."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict

from app import queues
from app.errors import InvalidInput
from app.jobs.model.pipeline import DISCARD_FILES, Pipeline, Registry, RegistryError, Stage
from app.jobs.model.stage import ArgumentReader, discarding, finalizer, imported_by, stage
from app.jobs.model.work import Work
from app.queues import PoolKind, Queue, QueueName


class Order(BaseModel):
    model_config = ConfigDict(extra="forbid")

    size: int
    color: str = "red"


class Packed(BaseModel):
    path: Path


OWN = Queue(name=QueueName("packing"), purpose="parcels", pool=PoolKind.THREADS, concurrency=3)


@stage("pack_order", queue="default", progress=(10, 20))
def pack_order(order: Order, work: Work) -> Packed:
    import json.decoder

    return Packed(path=Path(json.decoder.__name__))


def pipeline(*stages: Stage, finalizer: Stage | None = None, kind: str = "orders") -> Pipeline:
    return Pipeline(kind=kind, summary="", params=Order, stages=stages, finalizer=finalizer)


def test_a_function_becomes_a_stage_with_what_it_imports() -> None:
    assert (pack_order.task, pack_order.queue, pack_order.progress) == (
        "pack_order",
        "default",
        (10, 20),
    )
    assert pack_order.imports == ("json.decoder",)


def test_imports_relative_to_the_package_of_a_function_are_known() -> None:
    found: dict[str, Any] = {"__package__": "shop.orders"}
    exec("def f():\n    from . import stock\n    from ..prices import eur, usd", found)
    assert imported_by(found["f"]) == ("shop.orders.stock", "shop.prices.eur", "shop.prices.usd")


def test_a_stage_is_called_by_celery_clients_on_its_queue() -> None:
    call = pack_order.s(3, color="blue")
    assert (call.task, call.args, call.kwargs) == ("pack_order", (3,), {"color": "blue"})
    assert call.options == {"queue": "default"}


def test_a_stage_is_its_function() -> None:
    work: Any = None  # which this function does not use
    assert pack_order(Order(size=1), work) == Packed(path=Path("json.decoder"))


def test_a_function_whose_first_argument_is_no_model_is_refused() -> None:
    def pack(order: dict[str, str], work: Work) -> None: ...

    with pytest.raises(RegistryError, match=r"'pack_order'.*pydantic model.*dict"):
        stage("pack_order", queue="default")(pack)  # type: ignore[type-var]


@pytest.mark.parametrize(
    ("reader", "args", "kwargs", "want"),
    [
        pytest.param({}, (), {"size": 1}, Order(size=1), id="by name"),
        pytest.param({}, (2, "blue"), {}, Order(size=2, color="blue"), id="in the model's order"),
        pytest.param({}, (2,), {"color": "blue"}, Order(size=2, color="blue"), id="both"),
        pytest.param({}, ({"size": 3},), {}, Order(size=3), id="what a stage returned"),
        pytest.param({}, ({"size": 3, "work": "k"},), {}, Order(size=3), id="with its workspace"),
        pytest.param(
            {"positional": ("color", "size")}, ("blue", 4), {}, Order(size=4, color="blue"),
            id="in an order of old",
        ),
        pytest.param(
            {"positional": ("color", "size")}, (None, 4), {}, Order(size=4), id="None is not given"
        ),
        pytest.param(
            {"positional": ("id", "size"), "ignored": ("id",)}, (7, 4), {}, Order(size=4),
            id="an argument without effect",
        ),
        pytest.param(
            {"ignored": ("id",)}, (), {"id": 7, "size": 4}, Order(size=4), id="one of them by name"
        ),
    ],
)  # fmt: skip
def test_arguments_are_given_by_name_position_or_as_one_object(
    reader: dict[str, Any], args: tuple[Any, ...], kwargs: dict[str, Any], want: Order
) -> None:
    assert ArgumentReader(model=Order, **reader).read(args, kwargs) == want


@pytest.mark.parametrize(
    ("args", "kwargs", "words"),
    [
        pytest.param((), {}, "size: Field required", id="missing"),
        pytest.param((), {"size": 1, "more": 2}, "more: Extra", id="unknown"),
        pytest.param((1, "red", 3), {}, "3 arguments are given by position, of 2", id="too many"),
        pytest.param(("secret",), {}, "size: Input should be a valid integer", id="another type"),
    ],
)
def test_arguments_that_do_not_fit_are_named_but_not_repeated(
    args: tuple[Any, ...], kwargs: dict[str, Any], words: str
) -> None:
    with pytest.raises(InvalidInput, match=words) as raised:
        ArgumentReader(model=Order).read(args, kwargs)
    assert "secret" not in str(raised.value)


def test_none_reaches_a_model_whose_callers_have_no_order_of_old() -> None:
    with pytest.raises(InvalidInput, match="color"):
        ArgumentReader(model=Order).read((1, None), {})


def test_a_pipeline_with_a_workspace_has_a_finalizer() -> None:
    own = discarding("discard_orders", queue="cleanup")
    no_files = stage("count_order", queue="default", workspace=False)(pack_order.function)
    assert pipeline(pack_order).finalizer is DISCARD_FILES
    assert pipeline(pack_order, finalizer=own).finalizer is own
    assert pipeline(no_files).finalizer is None


def test_a_finalizer_takes_the_id_of_a_job() -> None:
    with pytest.raises(InvalidInput, match="id of a job"):
        discarding("discard_orders", queue="cleanup").parse((), {}, None)  # type: ignore[arg-type]

    @finalizer("abandon_orders", queue="cleanup")
    def abandon_orders(job: object, work: Work) -> None: ...

    assert (abandon_orders.task, abandon_orders.has_workspace) == ("abandon_orders", True)


def test_two_stages_of_one_name_are_refused() -> None:
    twin = stage("pack_order", queue="default")(pack_order.function)
    with pytest.raises(RegistryError, match="two different stages are named 'pack_order'"):
        Registry([pipeline(pack_order), pipeline(twin, kind="twins")])


def test_two_pipelines_may_share_a_stage() -> None:
    """Eager mode replaces stages by equal ones."""
    shared = Registry([pipeline(pack_order), pipeline(replace(pack_order), kind="twins")])
    assert [one.task for one in shared.functions] == ["pack_order", "discard_temp_files"]


def test_the_workspace_is_removed_by_the_stage_that_none_follows() -> None:
    ship = stage("ship_order", queue="default")(pack_order.function)
    registry = Registry([pipeline(pack_order, ship)])
    assert (registry.is_last("pack_order"), registry.is_last("ship_order")) == (False, True)


def test_a_stage_brings_its_queue() -> None:
    packing = stage("pack_quickly", queue=OWN)(pack_order.function)
    registry = Registry([pipeline(packing)])
    assert registry.task_routes["pack_quickly"] == {"queue": "packing"}
    assert list(registry.queues.values()) == [*queues.QUEUES, OWN]


def test_two_different_queues_of_one_name_are_refused() -> None:
    ours = Queue(name=QueueName("pdf"), purpose="", pool=PoolKind.THREADS, concurrency=1)
    with pytest.raises(RegistryError, match="two different queues are named 'pdf'"):
        Registry([pipeline(stage("pack_pdf", queue=ours)(pack_order.function))])


def test_a_queue_that_nobody_declares_is_refused_with_those_that_there_are() -> None:
    lost = stage("pack_slowly", queue="slow")(pack_order.function)
    with pytest.raises(RegistryError) as raised:
        Registry([pipeline(lost)])
    assert "'pack_slowly' of the pipeline 'orders' is on the queue 'slow'" in str(raised.value)
    assert "default, download" in str(raised.value)
    assert "queue=Queue(...)" in str(raised.value)
