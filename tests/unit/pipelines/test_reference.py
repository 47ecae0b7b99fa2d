"""The pages of pipelines name the parameters, settings and errors that there are."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import AliasChoices

from app import settings
from app.errors import CeleriacError
from app.pipelines import registry, webhook
from app.pipelines.notification import mail

DOCS = Path(__file__).parents[3] / "docs"
PAGES = (
    *("pipelines/youtube.md", "pipelines/playlist.md", "pipelines/channel.md"),
    *("pipelines/notification.md", "pipelines/report.md", "how-to/webhooks.md"),
)


def variables() -> Iterator[str]:
    """Environment variables of every setting."""
    for group in settings.groups():
        for field in group.model_fields.values():
            alias = field.validation_alias
            names = alias.choices if isinstance(alias, AliasChoices) else [alias]
            yield from (str(name) for name in names)


def error_names(root: type[CeleriacError] = CeleriacError) -> Iterator[str]:
    yield root.__name__
    for child in root.__subclasses__():
        yield from error_names(child)


def column(page: str, title: str) -> set[str]:
    """What the first column of a table names in backticks; `title` heads it."""
    text = (DOCS / page).read_text()
    rows = text[text.index(f"| {title} |") :].split("\n\n")[0].splitlines()[2:]
    return {name for row in rows for name in re.findall(r"`(\w+)`", row.split("|")[1])}


@pytest.mark.parametrize("kind", ["notification", "report", "youtube"])
def test_a_page_lists_the_parameters_of_its_kind(kind: str) -> None:
    params = registry.discover()[kind].params
    assert column(f"pipelines/{kind}.md", "Parameter") == set(params.model_fields)


@pytest.mark.parametrize("kind", ["notification", "report"])
def test_the_errors_that_a_page_names_exist(kind: str) -> None:
    named = column(f"pipelines/{kind}.md", "Type")
    known = {*error_names(), mail.MailRefused.__name__, webhook.WebhookGone.__name__}
    assert named
    assert named <= known


@pytest.mark.parametrize("page", PAGES)
def test_the_settings_that_a_page_names_exist(page: str) -> None:
    named = set(re.findall(r"\b(?:NOTIFY|SMTP|CELERIAC)_[A-Z_]+\b", (DOCS / page).read_text()))
    assert named <= set(variables())


def test_the_page_of_webhooks_lists_what_a_job_may_wish() -> None:
    assert column("how-to/webhooks.md", "Option") == {"webhook_url", "on_success", "on_failure"}
