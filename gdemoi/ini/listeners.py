"""Where a section wants to listen, as a value: so that two can be compared.

Knows the form of Twisted's endpoint descriptions (``tcp:8990:interface=127.0.0.1``)
and opens nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from ipaddress import ip_address
from typing import Final

from attrs import frozen

KINDS: Final = ("tcp", "tcp4", "tcp6", "ssl", "tls", "unix", "systemd", "haproxy")
_PART: Final = re.compile(r"(?:[^:\\]|\\.)*")
_ESCAPED: Final = re.compile(r"\\(.)")
_ANY: Final = ("0.0.0.0", "::")


@frozen
class Listener:
    """A port that the key of a section opens.

    `transport` is ``tcp``, ``udp`` or ``unix``; `host` is an address, for ``unix`` the
    socket's path.  Port 0 is any free one.
    """

    key: str
    transport: str
    host: str
    port: int

    def clashes(self, other: Listener) -> bool:
        """Tell whether only one of the two can be had."""
        if self.transport != other.transport or self.port != other.port:
            return False
        if self.transport == "unix":
            return self.host == other.host
        if not self.port:
            return False
        hosts = {self.host, other.host}
        # "::" takes IPv4 too, as Linux has it
        return len(hosts) == 1 or "::" in hosts or self._is_any(hosts)

    @staticmethod
    def _is_any(hosts: set[str]) -> bool:
        return "0.0.0.0" in hosts and not any(":" in host for host in hosts)

    def __str__(self) -> str:
        """Return it as people write it: ``127.0.0.1:8990``."""
        if self.transport == "unix":
            return self.host
        return (
            f"[{self.host}]:{self.port}"
            if ":" in self.host
            else (f"{self.host}:{self.port}")
        )


def parts_of(description: str) -> tuple[list[str], dict[str, str]]:
    """Return the arguments of a description, by place and by name, unescaped."""
    placed, named = [], {}
    for part in _PART.findall(description):
        name, equals, value = part.partition("=")
        plain = _ESCAPED.sub(r"\1", value if equals else part)
        if equals:
            named[name] = plain
        elif part:
            placed.append(plain)
    return placed, named


def listener(key: str, description: str) -> Listener | None:
    """Return what a description listens on; None when it opens nothing itself."""
    placed, named = parts_of(description.removeprefix("haproxy:"))
    if not placed:
        return None
    kind, *rest = placed
    if kind == "unix":
        path = named.get("address", rest[0] if rest else "")
        return Listener(key, "unix", path, 0)
    port = named.get("port", rest[0] if rest else "")
    if not kind.startswith(("tcp", "ssl")) or not port.isdecimal():
        return None
    host = named.get("interface", "") or ("::" if kind == "tcp6" else "0.0.0.0")
    return Listener(key, "tcp", "127.0.0.1" if host == "localhost" else host, int(port))


# The arguments of a kind that are files (Twisted's `_parseSSL`, `_parseUNIX`), and
# the names of its first ones when they are given by place.
_FILES: Final = {
    "ssl": ("privateKey", "certKey", "extraCertChain", "dhParameters"),
    "unix": ("address",),
}
_BY_PLACE: Final = {"ssl": ("port", "privateKey", "certKey"), "unix": ("address",)}
_DEFAULT_KEY: Final = "server.pem"


def with_files(description: str, resolve: Callable[[str], str]) -> str:
    """Return a description whose files are where `resolve` says that they are."""
    kind, _, rest = description.partition(":")
    if kind not in _FILES:
        return description
    words, seen, place = [kind], set(), 0
    for part in filter(None, _PART.findall(rest)):
        name, equals, value = part.partition("=")
        if not equals:
            names = _BY_PLACE[kind]
            name, value = names[place] if place < len(names) else "", part
            place += 1
        seen.add(name)
        if name in _FILES[kind]:
            part = _argument(name, resolve(_ESCAPED.sub(r"\1", value)))
        words.append(part)
    if kind == "ssl" and "privateKey" not in seen:
        words.append(_argument("privateKey", resolve(_DEFAULT_KEY)))
    return ":".join(words)


def _argument(name: str, value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace(":", "\\:")
    return f"{name}={escaped}"


def is_loopback(host: str) -> bool:
    """Tell whether only this machine can reach an address."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
