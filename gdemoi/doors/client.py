"""The HTTP client of callbacks: it goes to public addresses, and to those allowed.

An account's holder chooses where callbacks go.  So each address that a name has is
looked at after the name was looked up, and the connection is made to just that
address: a name that changes in between leads nowhere else.  Redirects are not followed.
"""

from __future__ import annotations

from collections.abc import Callable
from random import random
from typing import Any, Final
from urllib.parse import unquote, urlsplit, urlunsplit

from attrs import frozen
from twisted.internet.endpoints import wrapClientTLS
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.web.client import URI
from twisted.web.iweb import IAgentEndpointFactory
from zope.interface import implementer

from gdemoi.cloud.exchange import basic
from gdemoi.cloud.http import CONNECT_TIMEOUT_S, CloudHttp, NamedPolicy, make_agent
from gdemoi.ini.networks import Network, is_public, within
from gdemoi.net.endpoints import HostEndpoint
from gdemoi.net.hosts import Host

Networks = tuple[Network, ...]

# More than any section has under way at once, over all its far sides.
IN_FLIGHT: Final = 100
CONNECTIONS: Final = 4


@frozen
class AllowedAddresses:
    """Which addresses may be called: public ones, and networks of the operator's.

    `networks` is asked anew each time: a reload may change it.
    """

    networks: Callable[[], Networks] = tuple

    def __call__(self, address: str) -> bool:
        """Tell whether an address may be called."""
        return within(self.networks(), address) or is_public(address)


@implementer(IAgentEndpointFactory)
@frozen
class AllowedEndpoints:
    """Connects to names all of whose addresses are allowed, and to nothing else."""

    reactor: Any
    allowed: AllowedAddresses
    policy: NamedPolicy

    def endpointForURI(self, uri: URI) -> IStreamClientEndpoint:
        """Return the way to a host (called by Twisted's `Agent`)."""
        name = uri.host.decode("ascii").strip("[]")
        endpoint: IStreamClientEndpoint = HostEndpoint(
            self.reactor, Host(name, uri.port), CONNECT_TIMEOUT_S, self.allowed
        )
        if uri.scheme == b"https":
            options = self.policy.creatorForNetloc(uri.host, uri.port)
            endpoint = wrapClientTLS(options, endpoint)
        return endpoint


def callback_client(
    reactor: Any, networks: Callable[[], Networks], timeout_s: float
) -> CloudHttp:
    """Return a client that calls what `networks` and the public internet have.

    Plain http is whoever names the address's own choice.
    """
    endpoints = AllowedEndpoints(reactor, AllowedAddresses(networks), NamedPolicy())
    agent, pool = make_agent(reactor, CONNECTIONS, endpoints)
    return CloudHttp(
        agent,
        reactor,
        random,
        timeout_s=timeout_s,
        in_flight=IN_FLIGHT,
        insecure=True,
        close=pool.closeCachedConnections,
    )


def complaint_of_url(url: str, networks: Networks) -> str | None:
    """Return why an address can never be called, as far as it tells by itself."""
    if not url.isascii() or any(one <= " " for one in url):
        return "has characters that no address has"
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        return "is not an address"
    if parts.scheme not in ("http", "https") or not host:
        return "is not an address like https://erp.example.org/sms"
    is_address = ":" in host or host.replace(".", "").isdigit()
    if host == "localhost":
        host, is_address = "127.0.0.1", True
    if is_address and not (within(networks, host) or is_public(host)):
        return f"leads to {host}, which callback_allow does not name"
    return None


def without_userinfo(url: str) -> tuple[str, tuple[tuple[str, str], ...]]:
    """Return an address without user and password, and the header that has them."""
    parts = urlsplit(url)
    user, at, place = parts.netloc.rpartition("@")
    if not at:
        return url, ()
    name, _, password = user.partition(":")
    bare = urlunsplit(parts._replace(netloc=place))
    return bare, (basic(unquote(name), unquote(password)),)


def shown(url: str) -> str:
    """Return an address as people may see it: no user, no query."""
    parts = urlsplit(url)
    place = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, place, parts.path, "", ""))


def target_of(url: str) -> str:
    """Return the host and port of an address, as written."""
    return urlsplit(url).netloc.rpartition("@")[2].lower()
