"""Charts are SVG of numbers alone, with gaps where nothing was known."""

from datetime import timedelta
from xml.etree import ElementTree

from app.console import charts
from app.console.history import History, Sample
from tests.unit.console.build import NOON, overview, pool, queue


def sample(ago_s: float, ready: int | None) -> Sample:
    known = {} if ready is None else {"orders": ready}
    return Sample(at=NOON - timedelta(seconds=ago_s), ready=known, pools={})


def test_an_outage_is_a_gap() -> None:
    samples = [sample(40, 3), sample(30, 4), sample(20, None), sample(10, 5)]
    svg = ElementTree.fromstring(charts.sparkline(samples, "orders", now=NOON))
    assert len(svg.findall("path")) == 2


def test_nothing_known_is_an_empty_chart() -> None:
    svg = ElementTree.fromstring(charts.pool_chart([], "orders", now=NOON))
    assert svg.findall("path") == []


def test_a_pool_has_an_area_and_two_lines() -> None:
    history = History()
    for ago_s in (20, 10, 0):
        seen = overview(at=NOON - timedelta(seconds=ago_s), pools=(pool(backlog=ago_s),))
        history.add(seen)
    chart = charts.pool_chart(history.samples(now=NOON), "orders", now=NOON)
    kinds = [path.attrib["class"] for path in ElementTree.fromstring(chart).findall("path")]
    assert kinds == ["area", "desired", "actual"]


def test_the_history_keeps_an_hour() -> None:
    history = History()
    history.add(overview(at=NOON - timedelta(hours=2)))
    history.add(overview(at=NOON, queues=(queue(ready=7),)))
    (kept,) = history.samples(now=NOON)
    assert kept.ready == {"orders": 7}


def test_a_silent_broker_leaves_no_figures() -> None:
    history = History()
    history.add(overview(problem="no answer"))
    (kept,) = history.samples(now=NOON)
    assert (kept.ready, kept.pools) == ({}, {})
