"""All settings of one process."""

from dataclasses import dataclass
from functools import cached_property
from typing import get_type_hints

from app.settings.api import ApiSettings
from app.settings.documents import DocumentSettings, PdfSettings, WebsiteSettings
from app.settings.group import Group
from app.settings.job_settings import JobSettings, PipelineSettings, ScheduleSettings
from app.settings.limit_settings import OwnerLimitSettings
from app.settings.llm import LlmSettings
from app.settings.media import FootageSettings, VideoSettings
from app.settings.messages import MessageSettings
from app.settings.network import FetchSettings, SiteSettings
from app.settings.notify import NotifySettings
from app.settings.stores import BrokerSettings, DatabaseSettings, FileSettings
from app.settings.telemetry import TelemetrySettings
from app.settings.worker import WorkerSettings


@dataclass(frozen=True)
class Settings:
    """All groups of one process, each read on first use."""

    def check(self) -> None:
        """Read every group. Raises InvalidInput."""
        for name, member in vars(type(self)).items():
            if isinstance(member, cached_property):
                getattr(self, name)

    @cached_property
    def broker(self) -> BrokerSettings:
        return BrokerSettings()

    @cached_property
    def database(self) -> DatabaseSettings:
        return DatabaseSettings()

    @cached_property
    def files(self) -> FileSettings:
        return FileSettings()

    @cached_property
    def fetch(self) -> FetchSettings:
        return FetchSettings()

    @cached_property
    def sites(self) -> SiteSettings:
        return SiteSettings()

    @cached_property
    def footage(self) -> FootageSettings:
        return FootageSettings()

    @cached_property
    def documents(self) -> DocumentSettings:
        return DocumentSettings()

    @cached_property
    def llm(self) -> LlmSettings:
        return LlmSettings()

    @cached_property
    def video(self) -> VideoSettings:
        return VideoSettings()

    @cached_property
    def websites(self) -> WebsiteSettings:
        return WebsiteSettings()

    @cached_property
    def pdf(self) -> PdfSettings:
        return PdfSettings()

    @cached_property
    def jobs(self) -> JobSettings:
        return JobSettings()

    @cached_property
    def owner_limits(self) -> OwnerLimitSettings:
        return OwnerLimitSettings()

    @cached_property
    def messages(self) -> MessageSettings:
        return MessageSettings()

    @cached_property
    def notify(self) -> NotifySettings:
        return NotifySettings()

    @cached_property
    def worker(self) -> WorkerSettings:
        return WorkerSettings()

    @cached_property
    def api(self) -> ApiSettings:
        return ApiSettings()

    @cached_property
    def telemetry(self) -> TelemetrySettings:
        return TelemetrySettings()

    @cached_property
    def schedules(self) -> ScheduleSettings:
        return ScheduleSettings()

    @cached_property
    def pipelines(self) -> PipelineSettings:
        return PipelineSettings()


def groups() -> tuple[type[Group], ...]:
    """Every group, in the order of `Settings`: for what is made from the settings."""
    members = vars(Settings).values()
    readers = [member.func for member in members if isinstance(member, cached_property)]
    return tuple(get_type_hints(reader)["return"] for reader in readers)
