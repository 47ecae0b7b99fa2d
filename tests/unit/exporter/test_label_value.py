"""Names from outside as label values."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.parser import text_string_to_metric_families

from app.exporter import series
from app.exporter.series import label_value
from app.telemetry import scraping

anything = st.text(st.characters(), max_size=300)  # halves of surrogate pairs too


@pytest.mark.parametrize(
    ("text", "want"),
    [
        pytest.param("mail", "mail", id="a plain name"),
        pytest.param("größe 日本", "größe 日本", id="letters of any script"),
        pytest.param('a"b\\c', 'a"b\\c', id="quotes, which the format escapes"),
        pytest.param("half \ud800", "half \\ud800~711a43f0", id="half of a surrogate pair"),
        pytest.param("a\nb\x00", "a\\nb\\x00~691a9f61", id="control characters"),
    ],
)
def test_a_name_is_shown(text: str, want: str) -> None:
    assert label_value(text) == want


def test_a_long_name_is_cut_and_stays_different() -> None:
    first, second = (label_value("x" * 1_000_000 + end) for end in "ab")

    assert len(first) == len(second) == series.LABEL_LIMIT
    assert first != second


@given(texts=st.sets(anything, max_size=5))
def test_any_names_make_a_scrape_that_can_be_parsed(texts: set[str]) -> None:
    family = GaugeMetricFamily("names", "Names.", labels=["name"])
    for text in texts:
        family.add_metric([label_value(text)], 1.0)
    registry = CollectorRegistry()
    registry.register(scraping.Collected(lambda: [family]))

    found = text_string_to_metric_families(generate_latest(registry).decode())

    labels = [sample.labels["name"] for each in found for sample in each.samples]
    assert sorted(labels) == sorted(map(label_value, texts))
    assert len(set(labels)) == len(texts)
    assert all(len(label) <= series.LABEL_LIMIT for label in labels)
