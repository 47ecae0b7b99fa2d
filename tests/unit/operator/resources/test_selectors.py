"""Label selectors read and match as the API server's own do."""

import pytest

from app.operator.resources import selectors
from app.operator.resources.selectors import Operator, Requirement, Selector


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("app=shop", (Requirement("app", Operator.IN, ("shop",)),)),
        ("app==shop", (Requirement("app", Operator.IN, ("shop",)),)),
        ("app=", (Requirement("app", Operator.IN, ("",)),)),
        (
            "a.b/c=d,tier!=web",
            (
                Requirement("a.b/c", Operator.IN, ("d",)),
                Requirement("tier", Operator.NOT_IN, ("web",)),
            ),
        ),
        (
            "tier in (web, worker),zone notin (a)",
            (
                Requirement("tier", Operator.IN, ("web", "worker")),
                Requirement("zone", Operator.NOT_IN, ("a",)),
            ),
        ),
        ("gpu,!spot", (Requirement("gpu", Operator.EXISTS), Requirement("spot", Operator.ABSENT))),
        ("", ()),
    ],
)
def test_a_serialized_selector_is_read(text: str, want: tuple[Requirement, ...]) -> None:
    assert selectors.parse_selector(text) == Selector(want)


@pytest.mark.parametrize("text", ["a in b", "=x", "a=b c", "(a)"])
def test_what_is_no_selector_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a label selector"):
        selectors.parse_selector(text)


def test_a_workloads_selector_survives_its_text_form() -> None:
    document = {
        "matchLabels": {"component": "worker", "app": "shop"},
        "matchExpressions": [
            {"key": "tier", "operator": "In", "values": ["a", "b"]},
            {"key": "zone", "operator": "NotIn", "values": ["c"]},
            {"key": "gpu", "operator": "Exists"},
            {"key": "spot", "operator": "DoesNotExist"},
        ],
    }
    selector = selectors.of_document(document)
    want = "app=shop,component=worker,tier in (a,b),zone!=c,gpu,!spot"
    assert str(selector) == want
    assert selectors.parse_selector(want) == selector
    assert selector.pairs == (("app", "shop"), ("component", "worker"))


@pytest.mark.parametrize(
    ("text", "labels", "want"),
    [
        ("app=shop", {"app": "shop", "x": "y"}, True),
        ("app=shop", {"app": "other"}, False),
        ("app=shop", {}, False),
        ("app!=shop", {}, True),
        ("app in (a,b)", {"app": "b"}, True),
        ("app notin (a,b)", {"app": "b"}, False),
        ("app", {"app": ""}, True),
        ("!app", {"app": ""}, False),
        ("app=shop,!old", {"app": "shop"}, True),
        ("", {}, True),
    ],
)
def test_a_selector_matches_labels(text: str, labels: dict[str, str], *, want: bool) -> None:
    assert selectors.parse_selector(text).matches(labels) is want
