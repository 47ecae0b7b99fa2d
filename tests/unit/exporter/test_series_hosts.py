"""Which hosts have series."""

from app.broker.model import Heartbeat, NodeName
from app.exporter import series
from app.exporter.series import Host


def heartbeat(node: str, *, seen_at_s: float, active: int = 1) -> dict[NodeName, Heartbeat]:
    name = NodeName(node)
    return {name: Heartbeat(node=name, active=active, processed=9, seen_at_s=seen_at_s)}


def test_the_workers_of_a_host_count_together() -> None:
    heard = heartbeat("a@pod", seen_at_s=99) | heartbeat("b@pod", seen_at_s=100, active=2)
    found = series.hosts_after({}, heard, now_s=100)
    assert found == {"pod": Host(active=3, is_up=True, seen_at_s=100)}


def test_a_silent_host_is_down_and_then_forgotten() -> None:
    heard = heartbeat("a@pod", seen_at_s=100)
    up = series.hosts_after({}, heard, now_s=100)
    down = series.hosts_after(up, heard, now_s=100 + series.SILENT_S)
    gone = series.hosts_after(down, heard, now_s=100 + series.FORGOTTEN_S)
    assert (down["pod"].is_up, down["pod"].active, gone) == (False, 0, {})


def test_a_host_that_said_goodbye_is_down_at_once() -> None:
    up = series.hosts_after({}, heartbeat("a@pod", seen_at_s=100), now_s=100)
    assert series.hosts_after(up, {}, now_s=101)["pod"].is_up is False
