"""Parameters and result of a notification job."""

import json
from email.errors import MessageError
from email.headerregistry import Address
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
)

from app.pipelines.parameters import NOT_BLANK, Id, WebAddress
from app.storage.notification_store import Channel, DeliveryState

Kind = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
"""Also the name of a template file, so it cannot hold a path."""


def _deliverable(address: str) -> str:
    """Exactly one mailbox, for headers and for the mail server."""
    mailbox, at, domain = address.rpartition("@")
    if not (mailbox and at and domain) or not address.isprintable() or '"' in address:
        raise ValueError("not an e-mail address")
    if any(char in address for char in " ,;:<>()[]\\") or "@" in mailbox:
        raise ValueError("one e-mail address, without a name")
    try:
        Address(addr_spec=address)
    except (ValueError, MessageError) as error:
        raise ValueError("not an e-mail address") from error
    return address


MailAddress = Annotated[
    str,
    StringConstraints(strip_whitespace=True, max_length=254),
    AfterValidator(_deliverable),
    Field(json_schema_extra={"format": "email"}),
]


DATA_LIMIT = 64 * 1024
"""Characters as JSON: a page lists the data of 200 notifications."""


def _small(data: dict[str, Any]) -> dict[str, Any]:
    if len(json.dumps(data)) > DATA_LIMIT:
        raise ValueError(f"must not be larger than {DATA_LIMIT} characters as JSON")
    return data


Data = Annotated[dict[str, Any], AfterValidator(_small)]  # Any: the sender's JSON


class NotificationParams(BaseModel):
    """A notification. By default, the server's settings choose its channels."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    user_id: Id = Field(description="The user to notify.")
    title: Annotated[
        str, StringConstraints(strip_whitespace=True, min_length=1, max_length=300)
    ] = Field(description="Title, and subject of the e-mail.", json_schema_extra=NOT_BLANK)
    message: Annotated[str, StringConstraints(max_length=20_000)] = Field(
        description="Plain text. E-mail keeps its line breaks."
    )
    notification_type: Kind = Field(
        "info", description="Type, which selects channels and templates, and filters listings."
    )
    channels: tuple[Channel, ...] | None = Field(
        None, description="Channels to use. Default: those of its type; empty: only the list."
    )
    webhook_url: WebAddress | None = Field(
        None, description="Webhook URL. Default: that of the server."
    )
    email: MailAddress | None = Field(
        None, description="E-mail address. Default: that of the server."
    )
    data: Data = Field(
        default_factory=dict, description="Data for the webhook's receiver, at most 64 KiB."
    )


class ChannelDelivery(BaseModel):
    """State of the delivery on one channel."""

    model_config = ConfigDict(frozen=True)

    channel: Channel
    state: DeliveryState
    attempts: int


class Sent(BaseModel):
    """The notification and its deliveries."""

    model_config = ConfigDict(frozen=True)

    notification_id: str
    deliveries: tuple[ChannelDelivery, ...]
