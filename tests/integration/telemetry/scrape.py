"""What an endpoint says when Prometheus asks it."""

from collections.abc import Callable, Mapping

import httpx2
from prometheus_client import parser

from tests import waiting

Samples = Mapping[tuple[str, frozenset[tuple[str, str]]], float]


def samples(url: str) -> Samples:
    """Every sample, by its name and labels."""
    answer = httpx2.get(url, timeout=20)
    answer.raise_for_status()
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in parser.text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def key(metric: str, /, **labels: str) -> tuple[str, frozenset[tuple[str, str]]]:
    return metric, frozenset(labels.items())


def eventually(url: str, accept: Callable[[Samples], bool]) -> Samples:
    """Scrape again and again until the samples are accepted; give these."""
    accepted: list[Samples] = []

    def is_accepted() -> bool:
        found = samples(url)
        if accept(found):
            accepted.append(found)
        return bool(accepted)

    waiting.eventually(is_accepted, why=f"what {url} should say")
    return accepted[0]
