"""Label selectors: parsed from and written to the text that `/scale` and list requests use.

Grammar: Kubernetes concepts, "Labels and Selectors".
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Any

Labels = Mapping[str, str]


class Operator(StrEnum):
    """How a label is compared, as `matchExpressions` spells it."""

    IN = "In"
    NOT_IN = "NotIn"
    EXISTS = "Exists"
    ABSENT = "DoesNotExist"


@dataclass(frozen=True, slots=True)
class Requirement:
    """One condition on one label."""

    key: str
    operator: Operator
    values: tuple[str, ...] = ()

    def matches(self, labels: Labels) -> bool:
        value = labels.get(self.key)
        match self.operator:
            case Operator.IN:
                return value in self.values
            case Operator.NOT_IN:
                return value not in self.values
            case Operator.EXISTS:
                return value is not None
            case Operator.ABSENT:
                return value is None

    def __str__(self) -> str:
        match self.operator:
            case Operator.IN if len(self.values) == 1:
                return f"{self.key}={self.values[0]}"
            case Operator.NOT_IN if len(self.values) == 1:
                return f"{self.key}!={self.values[0]}"
            case Operator.IN:
                return f"{self.key} in ({','.join(self.values)})"
            case Operator.NOT_IN:
                return f"{self.key} notin ({','.join(self.values)})"
            case Operator.EXISTS:
                return self.key
            case Operator.ABSENT:
                return f"!{self.key}"


@dataclass(frozen=True, slots=True)
class Selector:
    """A label selector: all requirements must match. `str()` gives the serialized form."""

    requirements: tuple[Requirement, ...]

    def matches(self, labels: Labels) -> bool:
        return all(requirement.matches(labels) for requirement in self.requirements)

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """The labels that every match has, with their exact values."""
        return tuple(
            (each.key, each.values[0])
            for each in self.requirements
            if each.operator is Operator.IN and len(each.values) == 1
        )

    def __str__(self) -> str:
        return ",".join(map(str, self.requirements))


def of_document(document: Mapping[str, Any]) -> Selector:
    """A `metav1.LabelSelector`, as a workload has it in `spec.selector`."""
    equal = tuple(
        Requirement(key, Operator.IN, (value,))
        for key, value in sorted((document.get("matchLabels") or {}).items())
    )
    rest = tuple(
        Requirement(item["key"], Operator(item["operator"]), tuple(item.get("values") or ()))
        for item in document.get("matchExpressions") or ()
    )
    return Selector(equal + rest)


_TERM = re.compile(
    r"\s*(?:"
    r"(?P<absent>!)\s*(?P<absent_key>[^\s,=!()]+)"
    r"|(?P<key>[^\s,=!()]+)(?:"
    r"\s*(?P<compare>==?|!=)\s*(?P<value>[^\s,=!()]*)"
    r"|\s+(?P<among>in|notin)\s*\(\s*(?P<values>[^()]*?)\s*\)"
    r")?)\s*(?:,|$)"
)


@lru_cache(maxsize=4096)
def parse_selector(text: str) -> Selector:
    """Read a serialized selector; an empty one selects everything.

    Raises `ValueError` where the text is not a selector.
    """
    requirements: list[Requirement] = []
    at = 0
    while text[at:].strip():
        term = _TERM.match(text, at)
        if term is None:
            raise ValueError(f"not a label selector: {text!r}")
        requirements.append(_requirement(term))
        at = term.end()
    return Selector(tuple(requirements))


def _requirement(term: re.Match[str]) -> Requirement:
    if term["absent"]:
        return Requirement(term["absent_key"], Operator.ABSENT)
    if term["compare"]:
        operator = Operator.NOT_IN if term["compare"] == "!=" else Operator.IN
        return Requirement(term["key"], operator, (term["value"],))
    if term["among"]:
        operator = Operator.NOT_IN if term["among"] == "notin" else Operator.IN
        values = tuple(value.strip() for value in term["values"].split(","))
        return Requirement(term["key"], operator, values)
    return Requirement(term["key"], Operator.EXISTS)
