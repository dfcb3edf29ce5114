"""Who may bind: credentials, addresses, how many sessions, and who tries too often.

Unknown names and wrong passwords are one case with one answer, and take the same time:
nobody learns which half was right.
"""

from __future__ import annotations

import hmac
from collections import deque
from collections.abc import Mapping
from typing import Any, Final

from gdemoi.accounts.account import Account
from gdemoi.ini.networks import allows
from gdemoi.kit.recent import Recent
from gdemoi.smpp.pdu.headers import BIND_RECEIVER, BIND_TRANSCEIVER, BIND_TRANSMITTER
from gdemoi.smpp.pdu.pdus import (
    BindReceiver,
    BindTransceiver,
    BindTransmitter,
)
from gdemoi.smpp.pdu.statuses import Status
from gdemoi.smppserver.deliveries import ClientDeliveries
from gdemoi.smppserver.protocol import ServerConnection
from gdemoi.smppserver.settings import (
    LONGEST_PASSWORD,
    BindKind,
    SmppClientSettings,
)

BindRequest = BindTransmitter | BindReceiver | BindTransceiver

# Wrong credentials of one address within so long, and it has to wait as long.
FAILURES: Final = 10
LOCKED_S: Final = 60.0
# Addresses whose failures are remembered.
_REMEMBERED: Final = 10_000
_KINDS: Final = {
    BIND_TRANSMITTER: BindKind.TRANSMITTER,
    BIND_RECEIVER: BindKind.RECEIVER,
    BIND_TRANSCEIVER: BindKind.TRANSCEIVER,
}


class SmppClient:
    """One ``[smpp-client:…]``: its sessions, and what waits for it."""

    def __init__(
        self, name: str, settings: SmppClientSettings, account: Account
    ) -> None:
        self.name = name
        self.settings = settings
        self.account = account
        self.system_id = settings.system_id or name
        self.sessions: list[ServerConnection] = []
        self.submitted = 0
        self.refused: dict[str, int] = {}
        self.deliveries: ClientDeliveries

    @property
    def receivers(self) -> list[ServerConnection]:
        """The sessions that deliver_sm may be sent to."""
        return [one for one in self.sessions if one.session.receives]

    def count_refused(self, status: int) -> None:
        """Count a request that was answered with an error."""
        word = f"0x{status:02X}"
        self.refused[word] = self.refused.get(word, 0) + 1

    def describe(self) -> dict[str, Any]:
        """Return the client as an operator wants to see it."""
        waiting = self.deliveries
        return {
            "name": self.name,
            "account": self.account.name,
            "system_id": self.system_id,
            "sessions": [
                {
                    "from": one.host,
                    "bind": one.session.state.value,
                    "version": f"{one.version >> 4}.{one.version & 15}",
                    "unanswered": one.unanswered,
                }
                for one in self.sessions
            ],
            "submitted": self.submitted,
            "refused": dict(self.refused),
            "delivered": waiting.delivered,
            "waiting": waiting.waiting,
            "given_up": waiting.parked,
            "last_given_up": waiting.last_parked or None,
        }


class Credentials:
    """The clients by their system_id, and the addresses that guess."""

    def __init__(self, clients: Mapping[str, SmppClient]) -> None:
        self._failures: Recent[str, deque[float]] = Recent(_REMEMBERED)
        self.know(clients)

    def know(self, clients: Mapping[str, SmppClient]) -> None:
        """Let these clients in, and no others."""
        self._by_id = {one.system_id: one for one in clients.values()}

    def find(self, request: BindRequest) -> SmppClient | None:
        """Return whose credentials these are, None: nobody's."""
        client = self._by_id.get(request.system_id)
        password = "" if client is None else client.settings.password
        given = request.password.encode("latin-1", "replace")
        same = hmac.compare_digest(given, password.encode("latin-1", "replace"))
        return client if same and client is not None else None

    def failed(self, host: str, now: float) -> None:
        """Remember that an address had the wrong credentials."""
        times = self._failures.get(host) or deque(maxlen=FAILURES)
        times.append(now)
        self._failures[host] = times

    def is_locked(self, host: str, now: float) -> bool:
        """Tell whether an address has guessed too often lately."""
        times = self._failures.get(host)
        return (
            times is not None and len(times) == FAILURES and now - times[0] < LOCKED_S
        )


def is_overlong(request: BindRequest) -> bool:
    """Tell whether a bind has strings that no client of ours can have."""
    longest = max(len(request.system_id), len(request.password))
    return longest > LONGEST_PASSWORD


def complaint_of_bind(
    client: SmppClient, request: BindRequest, server: str, host: str, *, tls: bool
) -> str | None:
    """Return why a client may not bind in this way, None: it may."""
    settings = client.settings
    if not allows(settings.allow_ip, host):
        return f"its address {host} is not in allow_ip"
    if settings.servers and server not in settings.servers:
        return f"it may not bind to [smpp-server:{server}]"
    kind = _KINDS[request.command_id]
    if kind not in settings.binds:
        return f"it may not bind as {kind.value}"
    if settings.require_tls and not tls:
        return "it must bind over TLS"
    return None


# Errors of the gateway -> what an SMSC calls them; all others are ESME_RSUBMITFAIL.
_STATUSES: Final = {
    "gateway:no_route": Status.RINVDSTADR,
    "gateway:bad_number": Status.RINVDSTADR,
    "gateway:sender_not_allowed": Status.RINVSRCADR,
    "gateway:too_long": Status.RINVMSGLEN,
    "gateway:expired": Status.RINVEXPIRY,
}


def status_of(code: str) -> int:
    """Return the command_status that tells an error of the gateway."""
    return int(_STATUSES.get(code, Status.RSUBMITFAIL))
