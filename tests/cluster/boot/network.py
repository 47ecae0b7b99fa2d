"""The cluster's links and firewall rules, set up and taken away."""

from pathlib import Path

from tests.cluster.boot import counters, shell
from tests.cluster.boot.layout import MARK, NODE_ADDRESS, NODE_LINK, POD_LINK, POD_RANGE

# kube-proxy and the kubelet name their chains so.
_CHAINS = "KUBE-"
_FIREWALLS = ("iptables", "ip6tables")


def create() -> None:
    """Give the node its address and let pods speak to each other and to the outside."""
    # A bridge, because not every kernel has the `dummy` link type.
    shell.run("ip", "link", "add", NODE_LINK, "type", "bridge")
    shell.run("ip", "address", "add", f"{NODE_ADDRESS}/32", "dev", NODE_LINK)
    shell.run("ip", "link", "set", NODE_LINK, "up")
    comment = ("-m", "comment", "--comment", MARK)
    outward = ("-s", POD_RANGE, "!", "-d", POD_RANGE)
    shell.run(
        *("iptables", "-w", "-t", "nat", "-A", "POSTROUTING", *outward, *comment),
        *("-j", "MASQUERADE"),
    )
    # In front, because Docker drops what is forwarded and not its own.
    for direction in ("-s", "-d"):
        rule = (direction, POD_RANGE, *comment, "-j", "ACCEPT")
        shell.run("iptables", "-w", "-I", "FORWARD", *rule)


def remove() -> None:
    """Take away links and rules, also those of the kubelet and kube-proxy."""
    for link in links():
        shell.run("ip", "link", "delete", link)
    for firewall in _FIREWALLS:
        change = removal(shell.run(f"{firewall}-save"))
        if change:
            shell.run(f"{firewall}-restore", "-w", "--noflush", stdin=change)
    counters.remove()


def links() -> list[str]:
    """The cluster's links that exist."""
    return [link for link in (NODE_LINK, POD_LINK) if Path(f"/sys/class/net/{link}").exists()]


def rules() -> list[str]:
    """The cluster's firewall rules and chains that exist."""
    saved = [line for firewall in _FIREWALLS for line in _saved(firewall)]
    return [line for line in saved if _is_ours(line)]


def removal(saved: str) -> str:
    """What `iptables-restore --noflush` must read to remove our part of a saved rule set.

    Rules of others stay untouched, which restoring a whole table could not promise.
    """
    change: list[str] = []
    for line in saved.splitlines():
        if line.startswith("*"):
            table, flushes, rules, chains = line, [], [], []
        elif line.startswith(f":{_CHAINS}"):
            chain = line[1:].split()[0]
            flushes.append(f":{chain} - [0:0]")
            chains.append(f"-X {chain}")
        elif line.startswith("-A") and _is_ours(line) and not line.startswith(f"-A {_CHAINS}"):
            rules.append(line.replace("-A", "-D", 1))
        elif line == "COMMIT" and (rules or chains):
            change += [table, *flushes, *rules, *chains, line]
    return "".join(f"{line}\n" for line in change)


def _saved(firewall: str) -> list[str]:
    return shell.run(f"{firewall}-save").splitlines()


def _is_ours(line: str) -> bool:
    return _CHAINS in line or MARK in line
