"""The pages of pipelines say what the code does."""

import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from app import settings
from app.jobs.maintenance import job_schedules
from app.pipelines import registry
from app.pipelines.pdf.schema import PdfParams, ReadPdf
from app.pipelines.retention.schema import CacheParams, OldDataParams

DOCS = Path(__file__).parents[3] / "docs"
PDF = (DOCS / "pipelines" / "pdf.md").read_text()
RETENTION = (DOCS / "how-to" / "retention.md").read_text()


def rows(page: str, title: str) -> dict[str, str]:
    """The first two columns of the table under a title; the names in code marks."""
    table = page[page.index(f"## {title}") :].split("\n## ", 1)[0]
    found = re.findall(r"^\| (`[^|]*`) \|([^|]*)\|", table, re.MULTILINE)
    return {
        name: second.strip() for names, second in found for name in re.findall("`(.*?)`", names)
    }


def test_every_setting_of_pdf_files_is_on_their_page() -> None:
    own = {info.validation_alias for info in settings.PdfSettings.model_fields.values()}
    assert set(rows(PDF, "Limits")) == own | {"CELERIAC_UPLOAD_LIMIT_BYTES"}


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("page_limit", "5,000"),
        ("object_limit", "200,000"),
        ("image_pixel_limit", "100 million"),
        ("inline_characters", "100,000"),
        ("time_limit_s", "1,200"),
        ("ocr_dpi", "300"),
    ],
)
def test_defaults_are_those_of_the_settings(name: str, shown: str) -> None:
    field = settings.PdfSettings.model_fields[name]
    assert rows(PDF, "Limits")[str(field.validation_alias)] == shown
    assert field.default == int(shown.replace(",", "").replace(" million", "000000"))


def test_the_parameters_and_the_result_of_pdf_files_are_on_their_page() -> None:
    assert set(rows(PDF, "Parameters")) == set(PdfParams.model_fields)
    example = PDF[PDF.index("```json") : PDF.index("## Limits")]
    assert all(f'"{name}"' in example for name in ReadPdf.model_fields)


def test_the_schedules_of_the_clean_ups_are_on_their_page() -> None:
    found = {one.name: f"`{one.cron}`" for one in job_schedules.in_force(registry.discover(), {})}
    shown = dict(re.findall(r"^\| `(cleanup-[a-z-]+)` \| (`[^|]*`) \|", RETENTION, re.MULTILINE))
    assert {name: cron for name, cron in found.items() if name.startswith("cleanup")} == shown


@pytest.mark.parametrize(
    ("model", "whose", "shown_as"),
    [
        (OldDataParams, "`cleanup-old-data`", {None: "none"}),
        (CacheParams, "caches", {5 * 1024**3: "5 GiB"}),
    ],
)
def test_the_parameters_of_the_clean_ups_are_on_their_page(
    model: type[BaseModel], whose: str, shown_as: dict[object, str]
) -> None:
    found = re.findall(r"^\| `(\w+)` \| ([^|]*) \| ([^|]*) \|", RETENTION, re.MULTILINE)
    shown = {name: default for name, of, default in found if of in (whose, "all")}
    defaults = {name: info.default for name, info in model.model_fields.items()}
    assert shown == {
        name: shown_as.get(default, "`false`" if default is False else str(default))
        for name, default in defaults.items()
    }
