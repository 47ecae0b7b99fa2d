"""The errors we raise on purpose. Branches follow what the caller does, not where it went wrong.

CeleriacError
|- RetryableError          can heal by itself: hold, back off, try again
|  |- RateLimited          the other side names the time to wait
|  |  `- QuotaExceeded      an owner's limit is reached
|  |- BrokerUnreachable    nothing is known of the queues
|  |  |- BrokerRefused     it answers, but not to us or not to this
|  |  `- BrokerNotReady    it answers that it cannot serve now
|  |- ApiServerUnreachable nothing is known of the Kubernetes cluster
|  `- StorageUnavailable   disk full, database or object store away
|- PermanentError          will fail the same way next time: tell the user
|  |- InvalidInput         the request or its file cannot be worked on
|  |  `- PasswordNeeded    a file that is encrypted
|  |- NotFound             what it names does not exist
|  |- UnsupportedFormat    a kind of file or page that nobody here reads
|  |- LimitExceeded        too large, too many, too long
|  |- NotAuthenticated     no key, or one that is not valid
|  |- NotAuthorized        the key may not do this
|  |- NotAuthentic         a message that none of our processes has signed
|  |- AccessDenied         the Kubernetes API refuses it: a Role lacks a rule
|  |- AddressRefused       an address that jobs may not reach
|  |- NotConfigured        a setting is missing that this work needs
|  |- KeyRefused           a server does not take our key, or not for this
|  |- ModelRefused         a language model declines to answer
|  `- UnusableAnswer       a language model's answers do not fit what was asked for
|- Conflict                the state has moved on: read it again
|- PoolProblem             one worker pool cannot be worked on (`control.problems`)
`- WorkStopped             not a failure: somebody asked the work to end
   |- Cancelled            its job was cancelled
   `- Superseded           another attempt owns the job now
"""


class CeleriacError(Exception):
    """Root of every error we raise on purpose. `type` is the name a program reads."""

    @property
    def type(self) -> str:
        return type(self).__name__

    @property
    def client_message(self) -> str:
        """What clients may know: without addresses of our servers, and without their words."""
        return str(self)


class RetryableError(CeleriacError):
    """Can heal by itself: hold, back off, try again."""


class RateLimited(RetryableError):
    """The other side asks for a pause."""

    def __init__(self, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class QuotaExceeded(RateLimited):
    """A limit of an owner is reached."""

    def __init__(self, message: str, *, limit: str, left: int, retry_after_s: float) -> None:
        """`limit` is the name of the limit, `left` how much of it is left."""
        super().__init__(message, retry_after_s=retry_after_s)
        self.limit = limit
        self.left = left


class BrokerUnreachable(RetryableError):
    """The broker gave no answer, so nothing is known of its queues."""

    failure = "no answer from the broker at"
    summary = "the broker does not answer"

    def __init__(self, *, host: str, reason: str = "") -> None:
        super().__init__(f"{self.failure} {host}" + (f": {reason}" if reason else ""))
        self.host = host

    @property
    def client_message(self) -> str:
        return self.summary


class BrokerRefused(BrokerUnreachable):
    """The broker answers, but refuses us (password, permission) or what we ask of it.

    Nothing is known of its queues either, and somebody may mend it meanwhile: try again.
    """

    failure = "refused by the broker at"
    summary = "the broker refuses access"


class BrokerNotReady(BrokerUnreachable):
    """The broker answers that it cannot serve now: it loads its data, waits for its master, or has
    no connection left. That ends by itself."""

    failure = "not ready: the broker at"
    summary = "the broker is not ready"


class ApiServerUnreachable(RetryableError):
    """The Kubernetes API gave no usable answer, so nothing is known of the cluster."""

    @property
    def client_message(self) -> str:
        return "the Kubernetes API gives no usable answer"


class StorageUnavailable(RetryableError):
    """Disk full, or the database or object store does not answer."""

    def __init__(self, message: str, *, detail: str = "") -> None:
        """`detail` is what a server or its driver says, which is not for clients."""
        super().__init__(f"{message}: {detail}" if detail else message)
        self._message = message

    @property
    def client_message(self) -> str:
        return self._message


class PermanentError(CeleriacError):
    """Will fail the same way next time: tell the user."""


class InvalidInput(PermanentError):
    """The request, or the file that it names, cannot be worked on."""


class PasswordNeeded(InvalidInput):
    """A file that is encrypted: somebody who has its password must save it without one."""


class NotFound(PermanentError):
    """What is named does not exist."""


class UnsupportedFormat(PermanentError):
    """A kind of file or page that no pipeline reads."""


class LimitExceeded(PermanentError):
    """Too large, too many or too long for the configured limits."""


class NotAuthenticated(PermanentError):
    """The request has no key, or one that is unknown, expired or revoked."""


class NotAuthorized(PermanentError):
    """The key of the request may not do this."""


class NotAuthentic(PermanentError):
    """A message claims to come from one of our processes, and has no valid signature."""


class AccessDenied(PermanentError):
    """The Kubernetes API refuses this to us: a Role or ClusterRole lacks a rule."""


class AddressRefused(PermanentError):
    """An address that jobs may not reach: private, local, unknown, or not http(s)."""

    def __init__(self, message: str, *, detail: str = "") -> None:
        """`detail` is what only the log tells."""
        super().__init__(f"{message}: {detail}" if detail else message)
        self._message = message

    @property
    def client_message(self) -> str:
        return self._message


class NotConfigured(PermanentError):
    """A setting is missing that this work needs; the message names it."""


class KeyRefused(PermanentError):
    """A server does not take our key, or does not let it do this."""


class ModelRefused(PermanentError):
    """A language model declines to answer."""


class UnusableAnswer(PermanentError):
    """A language model was asked several times, and no answer fits what was asked for."""


class Conflict(CeleriacError):
    """The state has moved on since it was read."""


class WorkStopped(CeleriacError):
    """Not a failure: somebody asked the running work to end."""


class Cancelled(WorkStopped):
    """The job of this work was cancelled."""


class Superseded(WorkStopped):
    """The lease was lost: another attempt owns the job now."""


class ProcessFailed(CeleriacError):
    """A child process ended with an error, by a signal, or past its time."""

    def __init__(self, *, command: str, exit_code: int, output_end: str) -> None:
        super().__init__(f"{command} ended with {exit_code}: {output_end.strip()[-300:]}")
        self.command = command
        self.exit_code = exit_code
        self.output_end = output_end


class ProcessTimedOut(ProcessFailed):
    """A child process did not end in its time."""
