"""What the API shows: our values as JSON, with a schema that the documentation prints.

A module holds the views of one family of routes. May import what it shows; asks nothing.
"""

from app.api.views.jobs import (
    ArtifactView,
    ChildrenView,
    ErrorView,
    FollowUpView,
    JobSummaryView,
    JobView,
    RunView,
)
from app.api.views.knowledge import ChunkView, SourceView, UploadView
from app.api.views.notifications import DeliveryView, DisabledWebhookView, NotificationView
from app.api.views.schedules import ScheduledJobView, ScheduleView
from app.api.views.view import Listing
from app.api.views.work import PipelineView, PoolView, QueueView, StageView

__all__ = [
    "ArtifactView",
    "ChildrenView",
    "ChunkView",
    "DeliveryView",
    "DisabledWebhookView",
    "ErrorView",
    "FollowUpView",
    "JobSummaryView",
    "JobView",
    "Listing",
    "NotificationView",
    "PipelineView",
    "PoolView",
    "QueueView",
    "RunView",
    "ScheduleView",
    "ScheduledJobView",
    "SourceView",
    "StageView",
    "UploadView",
]
