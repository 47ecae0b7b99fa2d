"""All settings, read from the environment once by composition and passed down as plain values.

A module holds the groups of one concern, `process_settings` combines those of a process. Each group
is frozen. Names in capitals are environment variables. Durations are in seconds and sizes in bytes,
as the names say. May import `errors`.
"""

from app.settings.api import ApiSettings
from app.settings.documents import DocumentSettings, PdfSettings, WebsiteSettings
from app.settings.group import MEBIBYTE
from app.settings.job_settings import (
    JobSettings,
    PipelineSettings,
    ScheduleSetting,
    ScheduleSettings,
)
from app.settings.limit_settings import OwnerLimits, OwnerLimitSettings
from app.settings.llm import LlmSettings
from app.settings.media import FootageSettings, VideoSettings
from app.settings.messages import MessageSettings
from app.settings.network import FetchSettings, SiteSettings
from app.settings.notify import NotifySettings, webhook_key
from app.settings.process_settings import Settings, groups
from app.settings.stores import BrokerSettings, DatabaseSettings, FileSettings
from app.settings.telemetry import TelemetrySettings
from app.settings.worker import WorkerSettings

__all__ = [
    "MEBIBYTE",
    "ApiSettings",
    "BrokerSettings",
    "DatabaseSettings",
    "DocumentSettings",
    "FetchSettings",
    "FileSettings",
    "FootageSettings",
    "JobSettings",
    "LlmSettings",
    "MessageSettings",
    "NotifySettings",
    "OwnerLimitSettings",
    "OwnerLimits",
    "PdfSettings",
    "PipelineSettings",
    "ScheduleSetting",
    "ScheduleSettings",
    "Settings",
    "SiteSettings",
    "TelemetrySettings",
    "VideoSettings",
    "WebsiteSettings",
    "WorkerSettings",
    "groups",
    "webhook_key",
]
