"""Where traces are sent, by the variables that OpenTelemetry has defined."""

from typing import Annotated, Literal

from pydantic import Field

from app.settings.group import NONE_IF_EMPTY, Group


class TelemetrySettings(Group):
    """Where traces of jobs are sent. Without an endpoint there are none."""

    endpoint: Annotated[str | None, NONE_IF_EMPTY] = Field(
        None,
        validation_alias="OTEL_EXPORTER_OTLP_ENDPOINT",
        description="URL of an OTLP receiver (HTTP with protobuf), such as an OpenTelemetry "
        "Collector; `/v1/traces` is appended. Traces are off without one.",
    )
    traces_endpoint: Annotated[str | None, NONE_IF_EMPTY] = Field(
        None,
        validation_alias="OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
        description="The same for traces alone, used as it is.",
    )
    is_disabled: bool = Field(
        default=False,
        validation_alias="OTEL_SDK_DISABLED",
        description="Turns traces off although there is an endpoint.",
    )
    ratio: float = Field(
        1.0,
        validation_alias="OTEL_TRACES_SAMPLER_ARG",
        ge=0,
        le=1,
        description="Share of the jobs that are traced. A request whose `traceparent` says that "
        "it is sampled is traced in any case, and one that says it is not is never traced.",
    )
    children: Literal["parent", "link"] = Field(
        "parent",
        validation_alias="CELERIAC_TRACE_CHILDREN",
        description="Whether child jobs and follow-ups belong to the trace of their parent, or "
        "have traces of their own that link to it.",
    )

    @property
    def is_on(self) -> bool:
        """Whether jobs are traced."""
        return not self.is_disabled and bool(self.endpoint or self.traces_endpoint)
