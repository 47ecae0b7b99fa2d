"""The registry of checks, and their evaluation over a snapshot."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from app.doctor.snapshot import Part, Snapshot

Find = Callable[[Snapshot], Iterable[str]]
"""What was seen, a sentence with the figures for each finding."""


class DoctorSeverity(StrEnum):
    """An error loses, repeats or blocks work; a warning does so in some event, or costs much."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True, kw_only=True)
class DoctorCheck:
    """One misconfiguration, and how to find it."""

    id: str
    severity: DoctorSeverity
    why: str
    remedy: str
    needs: frozenset[Part]
    find: Find


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """A misconfiguration that was found."""

    check: DoctorCheck
    seen: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unchecked:
    """A check that could not run."""

    check: DoctorCheck
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Examination:
    """The result of an examination, errors first."""

    findings: tuple[Diagnosis, ...]
    unchecked: tuple[Unchecked, ...]
    passed: tuple[DoctorCheck, ...]

    def count(self, severity: DoctorSeverity) -> int:
        return sum(one.check.severity is severity for one in self.findings)


class CheckRegistry:
    """Checks in the order of their definition."""

    def __init__(self) -> None:
        self.checks: list[DoctorCheck] = []

    def error(self, name: str, *needs: Part, why: str, remedy: str) -> Callable[[Find], Find]:
        return self._add(name, DoctorSeverity.ERROR, needs, why, remedy)

    def warning(self, name: str, *needs: Part, why: str, remedy: str) -> Callable[[Find], Find]:
        return self._add(name, DoctorSeverity.WARNING, needs, why, remedy)

    def _add(
        self, name: str, severity: DoctorSeverity, needs: Sequence[Part], why: str, remedy: str
    ) -> Callable[[Find], Find]:
        def add(find: Find) -> Find:
            self.checks.append(
                DoctorCheck(
                    id=name,
                    severity=severity,
                    why=why,
                    remedy=remedy,
                    needs=frozenset(needs),
                    find=find,
                )
            )
            return find

        return add


def evaluate(checks: Iterable[DoctorCheck], snapshot: Snapshot) -> Examination:
    """Run every check whose parts of the snapshot are known."""
    findings: list[Diagnosis] = []
    unchecked: list[Unchecked] = []
    passed: list[DoctorCheck] = []
    for check in checks:
        reasons = [snapshot.missing[part] for part in sorted(check.needs & set(snapshot.missing))]
        if reasons:
            unchecked.append(Unchecked(check=check, reason=reasons[0]))
            continue
        seen = [Diagnosis(check=check, seen=text) for text in check.find(snapshot)]
        findings += seen
        passed += [check] if not seen else []
    findings.sort(key=lambda one: one.check.severity is not DoctorSeverity.ERROR)
    return Examination(findings=tuple(findings), unchecked=tuple(unchecked), passed=tuple(passed))
