"""What HTTP doors share: whose request it is, and its parameters as octets.

A door's client may be a program of twenty years ago: parameters are octets until a door
says what they mean, the first of several counts, and what is unknown is passed over.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Mapping
from typing import Final, Generic, Protocol, TypeVar
from urllib.parse import unquote_to_bytes

from twisted.web.iweb import IRequest

from gdemoi.ini.networks import Network, allows
from gdemoi.kit.guesses import Guesses

FORM: Final = "application/x-www-form-urlencoded"


class ClientSettings(Protocol):
    """What says whose credentials a section has."""

    @property
    def username(self) -> str | None:
        """The name; None: the section's."""

    @property
    def password(self) -> str:
        """The password."""

    @property
    def allow_ip(self) -> tuple[Network, ...]:
        """Addresses that may ask; none: any."""


class DoorClient(Protocol):
    """A section of a door: a client with credentials."""

    @property
    def name(self) -> str:
        """The section's name."""

    @property
    def settings(self) -> ClientSettings:
        """Its settings."""


C = TypeVar("C", bound=DoorClient)


class Locked(Exception):
    """An address has guessed too often lately."""


class Clients(Generic[C]):
    """The clients of one door by their names, and the addresses that guess."""

    def __init__(self, clients: Iterable[C]) -> None:
        self._by_name = {
            (one.settings.username or one.name).encode(): one for one in clients
        }
        self._guesses = Guesses()

    def find(self, name: bytes, password: bytes, host: str, now: float) -> C | None:
        """Return whose request it is; None: nobody's.  Raises `Locked`.

        An unknown name takes as long as a wrong password.
        """
        if self._guesses.is_locked(host, now):
            raise Locked
        client = self._by_name.get(name)
        wanted = "" if client is None else client.settings.password
        same = hmac.compare_digest(password, wanted.encode())
        if client is None or not same or not allows(client.settings.allow_ip, host):
            self._guesses.failed(host, now)
            return None
        return client


def host_of(request: IRequest) -> str:
    """Return the address that a request comes from."""
    peer = request.getClientAddress()
    return str(getattr(peer, "host", "") or "127.0.0.1")


def pairs(encoded: bytes) -> dict[bytes, bytes]:
    """Return the fields of a query or form as octets; the first of a name counts."""
    found: dict[bytes, bytes] = {}
    for part in encoded.split(b"&"):
        name, _, value = part.partition(b"=")
        if part:
            found.setdefault(_decoded(name), _decoded(value))
    return found


def _decoded(value: bytes) -> bytes:
    return unquote_to_bytes(value.replace(b"+", b" "))


def query_of(request: IRequest) -> dict[bytes, bytes]:
    """Return the parameters of a request's address."""
    return pairs(request.uri.partition(b"?")[2])


def content_type(request: IRequest) -> tuple[str, str | None]:
    """Return the type of a body, in lower case, and its charset if it names one."""
    header = (request.getHeader(b"content-type") or b"").decode("latin-1")
    kind, *parameters = header.split(";")
    charset = None
    for one in parameters:
        name, _, value = one.partition("=")
        if name.strip().lower() == "charset":
            charset = value.strip().strip('"')
    return kind.strip().lower(), charset


def text_in(values: Mapping[str, bytes], name: str) -> str | None:
    """Return a parameter as text; octets that are no UTF-8 are Latin-1."""
    found = values.get(name)
    if found is None:
        return None
    try:
        return found.decode()
    except UnicodeDecodeError:
        return found.decode("latin-1")
