"""Checks of the Redis server."""

from collections.abc import Iterator
from itertools import pairwise

from app.doctor.checks import CheckRegistry
from app.doctor.figure_texts import byte_count, counted, percent
from app.doctor.snapshot import Part, Snapshot, is_loopback, is_loopback_host

registry = CheckRegistry()

FULL_RATIO = 0.9
CONNECTIONS_RATIO = 0.8
SLOW_S = 0.05
PUBSUB_BYTES = 8 * 1024 * 1024
"""A quarter of Redis' default: the soft limit of that default."""


@registry.error(
    "redis-evicts-queues",
    Part.INFO,
    why="Redis removes whole queues without a trace when its memory is full.",
    remedy="redis-cli CONFIG SET maxmemory-policy noeviction, and the same in redis.conf",
)
def redis_evicts_queues(snapshot: Snapshot) -> Iterator[str]:
    limit, policy = int(snapshot.info.get("maxmemory", 0)), _policy(snapshot)
    if limit and policy.startswith("allkeys"):
        yield f"maxmemory-policy is {policy}, with a maxmemory of {byte_count(limit)}"


@registry.warning(
    "redis-evicts-results",
    Part.INFO,
    why="Redis removes task results before they expire when its memory is full.",
    remedy="redis-cli CONFIG SET maxmemory-policy noeviction, and a shorter result_expires",
)
def redis_evicts_results(snapshot: Snapshot) -> Iterator[str]:
    limit, policy = int(snapshot.info.get("maxmemory", 0)), _policy(snapshot)
    if limit and policy.startswith("volatile"):
        yield f"maxmemory-policy is {policy}, with a maxmemory of {byte_count(limit)}"


@registry.warning(
    "redis-has-evicted",
    Part.INFO,
    why="Messages or results were among the removed keys if they had this database.",
    remedy="Raise maxmemory; set maxmemory-policy noeviction; CONFIG RESETSTAT clears the counter",
)
def redis_has_evicted(snapshot: Snapshot) -> Iterator[str]:
    evicted = int(snapshot.info.get("evicted_keys", 0))
    if evicted:
        yield f"Redis has evicted {counted(evicted, 'key')} since its start"


@registry.error(
    "redis-memory-full",
    Part.INFO,
    why="With full memory Redis refuses new messages (OOM), or evicts keys.",
    remedy="Raise maxmemory, or find what fills it: redis-cli --bigkeys",
)
def redis_memory_full(snapshot: Snapshot) -> Iterator[str]:
    limit, used = int(snapshot.info.get("maxmemory", 0)), int(snapshot.info.get("used_memory", 0))
    if limit and used > FULL_RATIO * limit:
        yield f"{percent(used / limit)} of maxmemory {byte_count(limit)} is used"


@registry.error(
    "redis-without-persistence",
    Part.INFO,
    Part.CONFIG,
    why="A restart of Redis loses every queued and every running message.",
    remedy="redis-cli CONFIG SET appendonly yes, and the same in redis.conf with a volume",
)
def redis_without_persistence(snapshot: Snapshot) -> Iterator[str]:
    if snapshot.config.get("appendonly") == "no" and not snapshot.config.get("save", "").strip():
        yield 'appendonly is no and save is ""'


@registry.error(
    "redis-cannot-save",
    Part.INFO,
    why="Redis keeps no copy of new messages, and refuses writes with its default settings.",
    remedy="Read the log of Redis; usually the disk is full or its folder is not writable",
)
def redis_cannot_save(snapshot: Snapshot) -> Iterator[str]:
    for field in ("rdb_last_bgsave_status", "aof_last_bgrewrite_status", "aof_last_write_status"):
        if snapshot.info.get(field, "ok") != "ok":
            yield f"{field} is {snapshot.info[field]}"


@registry.warning(
    "redis-closes-idle-clients",
    Part.CONFIG,
    why="Workers and clients that wait are disconnected again and again.",
    remedy="redis-cli CONFIG SET timeout 0, and the same in redis.conf",
)
def redis_closes_idle_clients(snapshot: Snapshot) -> Iterator[str]:
    timeout_s = int(snapshot.config.get("timeout", "0"))
    if timeout_s:
        yield f"timeout is {timeout_s} s"


@registry.error(
    "redis-connections-exhausted",
    Part.INFO,
    Part.CONFIG,
    why="At maxclients Redis refuses workers and publishers.",
    remedy="Raise maxclients, or set broker_pool_limit and redis_max_connections in Celery",
)
def redis_connections_exhausted(snapshot: Snapshot) -> Iterator[str]:
    used = int(snapshot.info.get("connected_clients", 0))
    limit = int(snapshot.config.get("maxclients", "0"))
    if limit and used >= CONNECTIONS_RATIO * limit:
        yield f"{used} of {limit} connections are in use"


@registry.warning(
    "redis-pubsub-buffer-small",
    Part.CONFIG,
    why="Workers lose their subscription, and with it remote control, in a burst of events.",
    remedy='redis-cli CONFIG SET client-output-buffer-limit "pubsub 32mb 8mb 60"',
)
def redis_pubsub_buffer_small(snapshot: Snapshot) -> Iterator[str]:
    words = snapshot.config.get("client-output-buffer-limit", "").split()
    for kind, hard in pairwise(words):
        if kind == "pubsub" and 0 < int(hard) < PUBSUB_BYTES:
            yield f"client-output-buffer-limit of pubsub is {byte_count(int(hard))}"


@registry.error(
    "redis-without-password",
    Part.CONFIG,
    why="Everyone who reaches the port can read, forge and delete tasks.",
    remedy="Set requirepass in redis.conf and redis://:PASSWORD@HOST as the broker URL",
)
def redis_without_password(snapshot: Snapshot) -> Iterator[str]:
    if snapshot.address.password is not None:
        return
    if not is_loopback(snapshot.address):
        yield f"{snapshot.address} accepts commands without a password"
    elif snapshot.config.get("protected-mode") == "no" and _listens_outside(snapshot):
        yield f"no password, protected-mode is no, bind is {snapshot.config['bind']!r}"


@registry.warning(
    "tls-unverified",
    why="Whoever answers at this address receives the password and all tasks.",
    remedy="Add ?ssl_cert_reqs=required&ssl_ca_certs=/path/ca.pem to the rediss:// URL",
)
def tls_unverified(snapshot: Snapshot) -> Iterator[str]:
    tls = snapshot.address.tls
    if tls is not None and tls.certificate_check == "none":
        yield f"the certificate of {snapshot.address} is not checked"


@registry.error(
    "redis-is-replica",
    Part.INFO,
    why="A replica refuses writes, so nothing can be published or fetched.",
    remedy="Use the address of the master, or a sentinel:// URL that follows it",
)
def redis_is_replica(snapshot: Snapshot) -> Iterator[str]:
    if snapshot.info.get("role") == "slave":
        master = f"{snapshot.info.get('master_host')}:{snapshot.info.get('master_port')}"
        yield f"{snapshot.address} is a replica of {master}"


@registry.error(
    "redis-is-cluster",
    Part.INFO,
    why="Kombu uses several keys at once, which a cluster refuses (CROSSSLOT, MOVED).",
    remedy="Use one Redis, or Sentinels, as the broker",
)
def redis_is_cluster(snapshot: Snapshot) -> Iterator[str]:
    if int(snapshot.info.get("cluster_enabled", 0)):
        yield f"{snapshot.address} is a node of a Redis Cluster"


@registry.warning(
    "redis-is-slow",
    why="Each task needs several round trips to the broker.",
    remedy="Move workers and Redis closer; search slow commands with redis-cli SLOWLOG GET",
)
def redis_is_slow(snapshot: Snapshot) -> Iterator[str]:
    if snapshot.latency_s > SLOW_S:
        yield f"the fastest of several PINGs took {snapshot.latency_s * 1000:.0f} ms"


def _policy(snapshot: Snapshot) -> str:
    return str(snapshot.info.get("maxmemory_policy", "noeviction"))


def _listens_outside(snapshot: Snapshot) -> bool:
    names = snapshot.config.get("bind", "").replace("-", "").split()
    return not names or not all(is_loopback_host(name) for name in names)
