"""The party that a request acts for, and what it may do."""

from dataclasses import dataclass
from enum import StrEnum


class AccessScope(StrEnum):
    """What a key may be used for. Each scope includes those before it."""

    READ = "read"
    """Read jobs, artifacts, queues, pools and metrics."""
    SUBMIT = "submit"
    """Submit, cancel and retry jobs; upload files; change one's own notifications."""
    MAINTAIN = "maintain"
    """Submit maintenance jobs, which delete data."""
    ADMIN = "admin"
    """Manage API keys, and see what all owners have."""

    def includes(self, needed: "AccessScope") -> bool:
        """
        >>> AccessScope.MAINTAIN.includes(AccessScope.READ)
        True
        >>> AccessScope.READ.includes(AccessScope.SUBMIT)
        False
        """
        order = list(AccessScope)
        return order.index(self) >= order.index(needed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """The party that a request acts for."""

    owner: str
    """The owner of what the request creates. Empty for requests without a key."""
    scope: AccessScope
    key_id: str | None = None
    """The key that was presented; None without one."""

    @property
    def sees_all(self) -> bool:
        """Whether it sees what all owners have."""
        return self.may(AccessScope.ADMIN)

    def may(self, needed: AccessScope) -> bool:
        """Whether this principal may use a route that needs this scope."""
        return self.scope.includes(needed)


ANONYMOUS = Principal(owner="", scope=AccessScope.ADMIN)
"""A request that needs no key: from this machine, or to an API that something else guards."""

ADMIN = Principal(owner="admin", scope=AccessScope.ADMIN, key_id="CELERIAC_ADMIN_KEY")
METRICS = Principal(owner="metrics", scope=AccessScope.READ, key_id="CELERIAC_METRICS_KEY")
"""The holders of the keys in the settings of these names."""
