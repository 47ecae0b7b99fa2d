"""Connections to allowed addresses only, which can be cancelled at any time.

A name is resolved once per connection, each of its addresses is checked, and the connection goes to
the checked address: a second lookup could answer differently (DNS rebinding). Every request and
every redirect uses these connections. TLS still verifies the certificate by name.
"""

import errno
import os
import select
import socket
import ssl
import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import TypeVar

import httpcore2

from app.fetch.addresses import Address, Guard

_Outcome = TypeVar("_Outcome")

SLICE_S = 0.5
"""How often to check for a cancellation, which has to take effect within 2 s."""


class GuardedBackend(httpcore2.NetworkBackend):
    """A network backend for httpcore that obeys the guard and can be interrupted by `on_wait`."""

    def __init__(self, guard: Guard, on_wait: Callable[[], None]) -> None:
        self._guard = guard
        self._on_wait = on_wait

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.NetworkStream:
        failed: OSError | None = None
        for address in self._guard.allowed(host, port):
            try:
                connection = _connected(address, port, timeout_s=timeout, on_wait=self._on_wait)
                return _Stream(connection, self._on_wait)
            except OSError as error:
                failed = error
        if isinstance(failed, TimeoutError):
            raise httpcore2.ConnectTimeout(f"{host} port {port}") from failed
        raise httpcore2.ConnectError(f"{host} port {port}: {failed}") from failed


class _Stream(httpcore2.NetworkStream):
    """A socket, plain or TLS, that checks for a cancellation every `SLICE_S`."""

    def __init__(self, connection: socket.socket, on_wait: Callable[[], None]) -> None:
        connection.settimeout(SLICE_S)
        self._socket = connection
        self._on_wait = on_wait
        self._looked_at = time.monotonic()

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        if time.monotonic() - self._looked_at >= SLICE_S:
            self._check_work()
        try:
            return self._patiently(lambda: self._socket.recv(max_bytes), timeout_s=timeout)
        except TimeoutError as error:
            raise httpcore2.ReadTimeout(f"nothing within {timeout:g} s") from error
        except OSError as error:
            raise httpcore2.ReadError(str(error)) from error

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        rest = memoryview(buffer)
        try:
            while rest:
                sent = self._patiently(partial(self._socket.send, rest), timeout_s=timeout)
                rest = rest[sent:]
        except TimeoutError as error:
            raise httpcore2.WriteTimeout(f"nothing taken within {timeout:g} s") from error
        except OSError as error:
            raise httpcore2.WriteError(str(error)) from error

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore2.NetworkStream:
        try:
            secure = ssl_context.wrap_socket(
                self._socket, server_hostname=server_hostname, do_handshake_on_connect=False
            )
            self._socket = secure  # the plain one is detached: closing closes this one
            self._patiently(secure.do_handshake, timeout_s=timeout)
        except BaseException as error:
            self.close()
            if isinstance(error, TimeoutError):
                raise httpcore2.ConnectTimeout("no TLS handshake in time") from error
            if isinstance(error, OSError):
                raise httpcore2.ConnectError(str(error)) from error
            raise
        return _Stream(secure, self._on_wait)

    def close(self) -> None:
        self._socket.close()

    def get_extra_info(self, info: str) -> object:
        """What httpcore asks of a stream: whether an idle one was closed by the other side."""
        if info == "is_readable":
            return _is_readable(self._socket)
        if info == "socket":
            return self._socket
        return None

    def _check_work(self) -> None:
        self._looked_at = time.monotonic()
        self._on_wait()

    def _patiently(self, step: Callable[[], _Outcome], *, timeout_s: float | None) -> _Outcome:
        return _patiently(step, timeout_s=timeout_s, on_wait=self._check_work)


def _connected(
    address: Address, port: int, *, timeout_s: float | None, on_wait: Callable[[], None]
) -> socket.socket:
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    connection = socket.socket(family, socket.SOCK_STREAM)
    try:
        connection.settimeout(0)
        failure = connection.connect_ex((str(address), port))
        if failure == errno.EINPROGRESS:
            _patiently(lambda: _wait_writable(connection), timeout_s=timeout_s, on_wait=on_wait)
            failure = connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if failure:
            raise OSError(failure, os.strerror(failure))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except BaseException:
        connection.close()
        raise
    return connection


def _patiently(
    step: Callable[[], _Outcome], *, timeout_s: float | None, on_wait: Callable[[], None]
) -> _Outcome:
    """Repeat a step that gives up after `SLICE_S` by TimeoutError, until it ends or time is up."""
    deadline = None if timeout_s is None else time.monotonic() + timeout_s
    while True:
        try:
            return step()
        except TimeoutError:
            on_wait()
            if deadline is not None and time.monotonic() >= deadline:
                raise


def _wait_writable(connection: socket.socket) -> None:
    poll = select.poll()  # not `select`: a worker may hold more than 1024 descriptors
    poll.register(connection, select.POLLOUT)
    if not poll.poll(SLICE_S * 1000):
        raise TimeoutError


def _is_readable(connection: socket.socket) -> bool:
    if connection.fileno() < 0:
        return True
    poll = select.poll()
    poll.register(connection, select.POLLIN)
    return bool(poll.poll(0))
