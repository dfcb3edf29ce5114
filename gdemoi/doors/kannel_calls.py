"""Kannel's callbacks: dlr-url of a message, get-url or post-url of inbound SMS.

Door aliases have the same.
"""

from __future__ import annotations

from email.utils import formatdate
from typing import Final
from zoneinfo import ZoneInfo

import msgspec

from gdemoi.accounts.account import Account
from gdemoi.cloud.exchange import HttpAnswer, HttpRequest
from gdemoi.contract.event_json import moment_of
from gdemoi.doors.callbacks import CallbackPolicy
from gdemoi.doors.client import complaint_of_url, target_of, without_userinfo
from gdemoi.doors.escapes import EscapeValues, expanded, meta_of
from gdemoi.doors.settings import AliasSettings, KannelSettings
from gdemoi.errors import OurFault
from gdemoi.facts import OutboxEvent
from gdemoi.message import Charset, HttpOrigin, MessageState
from gdemoi.smppserver.receipts import (
    ENROUTE,
    STATES,
    UNKNOWN,
    Arrived,
    Told,
    arrived,
    text_of,
)
from gdemoi.text import charset as charsets

# bits of dlr-mask, and what %d tells
DELIVERED: Final = 1
FAILED: Final = 2
BUFFERED: Final = 4
SUBMITTED: Final = 8
REFUSED: Final = 16
# as Kannel 1.4.5 tells these
EXPIRED: Final = 34
NOBODY_KNOWS: Final = 66
_UNCERTAIN: Final = "gateway:uncertain"
# A refusal is likely to be one tomorrow too.
REFUSAL_S: Final = 300.0
_UTC: Final = ZoneInfo("UTC")
_TOLD: Final = frozenset(
    one.value
    for one in MessageState
    if one not in (MessageState.ACCEPTED, MessageState.WAITING, MessageState.UNCERTAIN)
)


class StatusTold(Told, frozen=True):
    """What a status event says that a callback needs."""

    channel: str | None = None
    provider_ids: tuple[str, ...] = ()
    attempt: int = 0


read_status: Final = msgspec.json.Decoder(StatusTold).decode


class KannelCalls:
    """Makes the requests of one section (`gdemoi.doors.callbacks.CallbackMaker`)."""

    def __init__(
        self, label: str, settings: KannelSettings | AliasSettings, account: Account
    ) -> None:
        self.policy = CallbackPolicy(
            refusal_s=REFUSAL_S,
            event_ttl_s=settings.event_ttl_s,
            in_flight=settings.in_flight,
        )
        self._name = label.partition(":")[2]
        self._label = label
        self._settings = settings
        self._account = account
        self._inbound_url = settings.get_url or settings.post_url

    def wants(self, event: OutboxEvent) -> bool:
        """Tell whether an event is one of this client's messages, or for it."""
        origin = event.http_origin
        if origin is not None:
            state = event.routing_key.split(".", 2)[1]
            return origin.door == self._label and bool(origin.url) and state in _TOLD
        if self._inbound_url is None or not event.routing_key.startswith("inbound."):
            return False
        told = arrived(event)
        return self._account.takes_inbound(told.channel, told.to)

    def target(self, event: OutboxEvent) -> str:
        """Return the host and port of the address."""
        origin = event.http_origin
        return target_of(self._inbound_url or "" if origin is None else origin.url)

    def request(self, event: OutboxEvent, now: float) -> HttpRequest | None:
        """Return the request of an event; None: its bit is not in the mask."""
        origin = event.http_origin
        if origin is None:
            return self._inbound(arrived(event))
        values = self._receipt(event, origin)
        return None if values is None else self._get(origin.url, values)

    def is_taken(self, event: OutboxEvent, answer: HttpAnswer) -> bool:
        """Tell whether the far side has it: any 2xx."""
        return 200 <= answer.status < 300

    def _get(self, template: str, values: EscapeValues) -> HttpRequest:
        url, headers = self._address(template, values)
        return HttpRequest(method="GET", url=url, headers=headers)

    def _address(
        self, template: str, values: EscapeValues
    ) -> tuple[str, tuple[tuple[str, str], ...]]:
        bare, headers = without_userinfo(template)
        url = expanded(bare, values)
        networks = self._account.settings.callback_allow
        why = complaint_of_url(url, networks)
        if why is not None:
            raise OurFault(f"the address {why}")
        return url, headers

    # -- receipts

    def _receipt(self, event: OutboxEvent, origin: HttpOrigin) -> EscapeValues | None:
        told = read_status(event.body)
        status = self._status(told)
        if not origin.asked & _bit(status):
            return None
        reply = self._reply(event, origin, told, status)
        fields = origin.fields
        return EscapeValues(
            sender=origin.destination,
            receiver=origin.source,
            text=reply,
            octets=reply.encode(),
            at=told.at.timestamp(),
            smsc=told.channel or "",
            id=event.message_id or "",
            status=status,
            reply=reply,
            foreign_id=told.provider_ids[0] if told.provider_ids else "",
            service=self._settings.username or self._name,
            account=fields.get("account", ""),
            dlr_url=origin.url,
            validity=fields.get("validity", ""),
            deferred=fields.get("deferred", ""),
            meta=meta_of(fields.get("meta-data", "")),
        )

    def _status(self, told: StatusTold) -> int:
        state, extended = told.state, self._settings.dlr_extended
        if state is MessageState.DELIVERED:
            return DELIVERED
        if state is MessageState.SUBMITTED:
            return SUBMITTED
        if state is MessageState.ENROUTE:
            return BUFFERED
        if state is MessageState.REJECTED and not told.provider_ids:
            return REFUSED
        if extended and state is MessageState.EXPIRED:
            return EXPIRED
        unknown = told.error is not None and told.error.code == _UNCERTAIN
        return NOBODY_KNOWS if extended and unknown else FAILED

    def _reply(
        self, event: OutboxEvent, origin: HttpOrigin, told: StatusTold, status: int
    ) -> str:
        """Return what %A tells: ACK, NACK, or the text of a receipt."""
        if status == SUBMITTED:
            return "ACK/"
        if status == REFUSED:
            error = told.error
            return "NACK/" if error is None else f"NACK/{error.code}/{error.text}"
        word, _ = STATES.get(told.state, ENROUTE)
        if told.error is not None and told.error.code == _UNCERTAIN:
            word = UNKNOWN[0]
        ids = told.provider_ids
        known = ids[0] if ids else event.message_id or ""
        at = origin.submitted_at
        return text_of(word, told, known, at, origin.text, _UTC)

    # -- inbound SMS

    def _inbound(self, told: Arrived) -> HttpRequest:
        coding, charset, octets = _coded(told)
        udh = bytes.fromhex(told.udh) if told.udh else b""
        at = moment_of(msgspec.json.encode({"at": told.received_at}))
        values = EscapeValues(
            sender=told.from_,
            receiver=told.to or "",
            text=told.text if told.text is not None else octets.decode("latin-1"),
            octets=octets,
            at=at,
            smsc=told.channel,
            id=told.id,
            service=self._name,
            coding=coding,
            charset=charset,
            udh=udh,
            dcs=(0, 4, 8)[coding],
            account=self._account.name,
        )
        if self._settings.get_url is not None:
            return self._get(self._settings.get_url, values)
        assert self._settings.post_url is not None
        url, headers = self._address(self._settings.post_url, values)
        body, kind = octets, "application/octet-stream"
        if told.text is not None:
            body, kind = told.text.encode(), 'text/plain; charset="UTF-8"'
        more = {
            "Content-Type": kind,
            "X-Kannel-To": told.to or "",
            "X-Kannel-Time": expanded("%t", values)
            .replace("+", " ")
            .replace("%3A", ":"),
            "Date": formatdate(at, usegmt=True),
            "X-Kannel-SMSC": told.channel,
            "X-Kannel-Coding": str(coding),
            "X-Kannel-Service": self._name,
        }
        if udh:
            more["X-Kannel-UDH"] = udh.hex()
        if self._settings.send_sender:
            more["X-Kannel-From"] = told.from_
        return HttpRequest(
            method="POST", url=url, headers=(*headers, *more.items()), body=body
        )


def _bit(status: int) -> int:
    """Return the bit of dlr-mask that asks for a status."""
    return FAILED if status in (EXPIRED, NOBODY_KNOWS) else status


def _coded(told: Arrived) -> tuple[int, str, bytes]:
    """Return coding, charset and octets of an inbound SMS, as Kannel has them."""
    if told.text is None:
        return 1, "8-BIT", told.binary or b""
    if charsets.fits(told.text, Charset.GSM8):
        return 0, "UTF-8", told.text.encode()
    return 2, "UTF-16BE", told.text.encode("utf-16-be", "replace")
