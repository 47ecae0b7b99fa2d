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

    def __init__(
        self, guard: Guard, on_wait: Callable[[], None], *, min_bytes_per_s: float = 0.0
    ) -> None:
        """An answer that takes longer than the timeout fails when it is slower than
        `min_bytes_per_s`."""
        self._guard = guard
        self._on_wait = on_wait
        self._min_bytes_per_s = min_bytes_per_s

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
                return _Stream(connection, self._on_wait, Speed(self._min_bytes_per_s))
            except OSError as error:
                failed = error
        if isinstance(failed, TimeoutError):
            raise httpcore2.ConnectTimeout(f"{host} port {port}") from failed
        raise httpcore2.ConnectError(f"{host} port {port}: {failed}") from failed


class Speed:
    """The speed of an answer, without the time before its first byte and without the time that its
    reader takes: silence has a limit of its own, and a slow reader is not the server's fault."""

    def __init__(self, min_bytes_per_s: float) -> None:
        self._min_bytes_per_s = min_bytes_per_s
        self._bytes = 0
        self._waited_s = 0.0

    def restart(self) -> None:
        """A request is sent: another answer follows."""
        self._bytes, self._waited_s = 0, 0.0

    def count(self, size_bytes: int, *, waited_s: float, window_s: float | None) -> None:
        """Count what was received after a wait. Raises TimeoutError when the answer was too slow
        for a whole window; a new window begins then."""
        if self._bytes:
            self._waited_s += waited_s
        self._bytes += size_bytes
        if window_s is None or self._waited_s < window_s:
            return
        if self._bytes < self._min_bytes_per_s * self._waited_s:
            raise TimeoutError(f"slower than {self._min_bytes_per_s:g} bytes a second")
        self._bytes, self._waited_s = 1, 0.0


class _Stream(httpcore2.NetworkStream):
    """A socket, plain or TLS, that checks for a cancellation every `SLICE_S`."""

    def __init__(
        self, connection: socket.socket, on_wait: Callable[[], None], speed: Speed
    ) -> None:
        connection.settimeout(SLICE_S)
        self._socket = connection
        self._on_wait = on_wait
        self._speed = speed
        self._looked_at = time.monotonic()

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        if time.monotonic() - self._looked_at >= SLICE_S:
            self._check_work()
        began_at = time.monotonic()
        try:
            found = self._patiently(lambda: self._socket.recv(max_bytes), timeout_s=timeout)
        except TimeoutError as error:
            raise httpcore2.ReadTimeout(f"nothing within {timeout:g} s") from error
        except OSError as error:
            raise httpcore2.ReadError(str(error)) from error
        try:
            waited_s = time.monotonic() - began_at
            self._speed.count(len(found), waited_s=waited_s, window_s=timeout)
        except TimeoutError as error:
            raise httpcore2.ReadTimeout(str(error)) from error
        return found

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._speed.restart()
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
        return _Stream(secure, self._on_wait, self._speed)

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
