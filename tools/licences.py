"""The licences of the packages in the image: `python -m tools.licences` writes their page.

Raises LicenceNotAllowed for a package whose licence is in none of the accepted families.
"""

import re
from collections import defaultdict
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).parents[1]
LOCK = ROOT / "requirements" / "image.lock"
PAGE = ROOT / "docs" / "reference" / "licences.md"

ELSEWHERE = frozenset({"async-timeout", "colorama", "httpx2-jsfetch", "tzdata"})
"""Locked for other systems or releases of Python only."""

FAMILIES = {
    "MIT": r"\bMIT\b|MIT-0|MIT-CMU",
    "BSD": r"BSD|0BSD",
    "Apache 2.0": r"Apache",
    "ISC": r"\bISC",
    "PSF": r"PSF|Python Software Foundation",
    "MPL": r"MPL",
    "public domain": r"Unlicense|Public Domain|CC0",
    "LGPL": r"LGPL",
    "GPL": r"(?<![L])GPL",
}
"""Accepted families, the first that fits names a package's own; those with conditions are last."""

CONDITIONS = {
    "MPL": "changes to their own files are published under the same licence",
    "LGPL": "they may be replaced by another version, as in any Python environment",
    "GPL": "whoever passes on an image passes on their source too; nothing else of Celeriac is "
    "built from them",
}

HEADER = """# Licences

Celeriac is under the Apache License 2.0. The image contains these packages;
`requirements/image.lock` has their versions and hashes. `python -m tools.licences` writes this
page, and a test fails for a licence that is in none of these families.

| Family | Packages |
|---|---|
"""


class LicenceNotAllowed(Exception):
    """A package whose licence nobody has judged."""


def licence(name: str) -> str:
    """What the package says of its licence, by the most exact of its fields."""
    found = metadata.metadata(name)
    stated = [
        *found.get_all("License-Expression", []),
        *(
            each.rpartition("::")[2].strip()
            for each in found.get_all("Classifier", [])
            if each.startswith("License ::")
        ),
        *(each.strip().partition("\n")[0] for each in found.get_all("License", [])),
    ]
    return next((each for each in stated if each), "")


def family(name: str, stated: str) -> str:
    """
    >>> family("a", "BSD-3-Clause, dependency licenses"), family("b", "GPL-2.0-or-later")
    ('BSD', 'GPL')
    """
    for known, pattern in FAMILIES.items():
        if re.search(pattern, stated):
            return known
    raise LicenceNotAllowed(f"{name}: {stated or 'no licence stated'}")


def locked() -> list[str]:
    names = re.findall(r"^([a-z0-9][\w.-]*)(?:\[[^]]*\])?==", LOCK.read_text(), re.MULTILINE)
    return sorted(set(names) - ELSEWHERE)


def page() -> str:
    by_family = defaultdict(list)
    for name in locked():
        by_family[family(name, licence(name))].append(name)
    rows = [
        f"| {known} | {', '.join(by_family[known])} |\n" for known in FAMILIES if by_family[known]
    ]
    notes = [f"- {known}: {text}.\n" for known, text in CONDITIONS.items() if by_family[known]]
    return "".join((HEADER, *rows, "\n## Conditions\n\n", *notes))


if __name__ == "__main__":
    PAGE.write_text(page())
