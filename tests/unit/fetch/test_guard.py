"""Where connections may go, by what the names of hosts lead to."""

import socket
from collections.abc import Sequence
from ipaddress import ip_address, ip_network

import pytest

from app.errors import AddressRefused
from app.fetch.addresses import Address, Guard
from app.settings import FetchSettings

PUBLIC, PRIVATE = ip_address("93.184.215.14"), ip_address("10.0.0.7")

NAMES: dict[str, Sequence[Address]] = {
    "public.example": [PUBLIC],
    "private.example": [PRIVATE],
    "Media": [PRIVATE],
    "both.example": [PRIVATE, PUBLIC],
}


def resolve(host: str, port: int) -> Sequence[Address]:
    if host not in NAMES:
        raise socket.gaierror(socket.EAI_NONAME, "")
    return NAMES[host]


@pytest.mark.parametrize(
    ("guard", "host", "want"),
    [
        pytest.param(
            Guard(allow_private=False, resolve=resolve), "public.example", [PUBLIC], id="public"
        ),
        pytest.param(
            Guard(allow_private=False, resolve=resolve),
            "both.example",
            [PUBLIC],
            id="the private one of two addresses is left out",
        ),
        pytest.param(
            Guard(allow_private=True, resolve=resolve), "private.example", [PRIVATE], id="told to"
        ),
        pytest.param(
            Guard(
                allow_private=False,
                allowed_networks=[ip_network("10.0.0.0/29")],
                resolve=resolve,
            ),
            "private.example",
            [PRIVATE],
            id="in an allowed network",
        ),
        pytest.param(
            Guard(allow_private=False, allowed_hosts=["media"], resolve=resolve),
            "Media",
            [PRIVATE],
            id="an allowed host, whatever its case",
        ),
    ],
)
def test_allowed_addresses(guard: Guard, host: str, want: list[Address]) -> None:
    assert guard.allowed(host, 80) == want


def test_an_allowed_host_allows_no_other_name_of_its_address() -> None:
    guard = Guard(allow_private=False, allowed_hosts=["media"], resolve=resolve)
    with pytest.raises(AddressRefused, match=r"'private\.example'.*: its address is private"):
        guard.allowed("private.example", 80)


def test_a_private_name_is_refused_as_one_that_does_not_exist() -> None:
    """Else whoever submits jobs could find the names of a private network."""
    guard = Guard(allow_private=False, resolve=resolve)

    def told(host: str) -> tuple[str, str]:
        with pytest.raises(AddressRefused) as refused:
            guard.allowed(host, 80)
        return refused.value.type, refused.value.client_message.replace(host, "HOST")

    assert told("private.example") == told("nowhere.example") == told("a" * 64 + ".example")


def test_a_refused_address_names_the_settings_that_allow_it() -> None:
    with pytest.raises(AddressRefused) as refused:
        Guard(allow_private=False, resolve=resolve).allowed("private.example", 80)
    message = str(refused.value)
    named = {
        str(field.validation_alias)
        for field in FetchSettings.model_fields.values()
        if str(field.validation_alias).startswith("CELERIAC_ALLOW")
    }
    assert len(named) == 3
    assert {setting for setting in named if setting in message} == named


def test_allowed_hosts_are_read_from_a_list_with_commas() -> None:
    settings = FetchSettings.model_validate({"CELERIAC_ALLOWED_HOSTS": "media, images.internal"})
    assert settings.allowed_hosts == ("media", "images.internal")
