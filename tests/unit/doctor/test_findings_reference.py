"""The reference of findings agrees with the checks."""

from pathlib import Path

from app.doctor import examination

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "doctor.md"


def rows() -> list[str]:
    return [
        f"| `{check.id}` | {check.severity.value} | {check.why} | {check.remedy} |"
        for check in examination.CHECKS
    ]


def test_the_reference_lists_every_check() -> None:
    listed = [line for line in PAGE.read_text().splitlines() if line.startswith("| `")]
    assert listed == rows()


def test_ids_of_checks_are_unique() -> None:
    ids = [check.id for check in examination.CHECKS]
    assert sorted(set(ids)) == sorted(ids)
